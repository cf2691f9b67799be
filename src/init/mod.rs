//! PID 1 of the appliance, and the steps and children that it starts.
//!
//! ```text
//! power:  firmware > kernel > stage one (this binary in the initramfs): card, watchdog, LED, choice of the version
//!         > stage two (the chosen version): mounts, network child, set-up step, serve child, then the loop
//! loop:   children's ends, heartbeats, power button and signals > watchdog, LED, restarts, shutdown
//! ```
//!
//! [`run`] is the way through it. Each file holds one thing that PID 1 looks after; what a board is stands in the crate
//! `board`. PID 1 reads no octets from the network: whatever parses those is a child. It keeps no queue: its memory is
//! the children's table and a few file descriptors. Serving mail, addresses and time are left to the children, versions
//! to [`crate::update`].

mod boot;
pub mod boot_partition;
mod child;
mod clock;
mod command_line;
mod console;
mod data;
mod errand;
pub mod factory_reset;
mod grow;
mod hardware;
pub mod launch;
mod memory;
mod modules;
mod mounts;
pub mod network;
mod notice;
mod one_shot;
mod policy;
mod power;
pub mod seed;
pub mod set_up;
mod sockets;
mod steps;
mod supervisor;
mod version;

pub use boot::{is_pid_one, run};
