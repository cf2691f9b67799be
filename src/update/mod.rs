//! Signed updates in two slots.
//!
//! ```text
//! bundle file --install--> slot that neither runs nor is confirmed --> state: on trial
//! next start: stage one counts a try, verifies the slot, copies its binary to memory and runs it
//! its test mail passes --confirm--> confirmed       three tries without --> the confirmed version comes back
//! ```
//!
//! The formats are in [`board::card::bundle`], [`board::card::manifest`] and [`board::card::slots`]. Power may be cut at any
//! write: [`stage_one`] and [`install`] say in which order they write. A piece of [`UPDATE_COPY_OCTETS`] is in memory at a
//! time. Mounting, running, rebooting, and when to confirm, are left to PID 1.
//!
//! [`UPDATE_COPY_OCTETS`]: crate::limits::UPDATE_COPY_OCTETS

mod boot;
mod confirm;
mod device;
mod error;
mod install;
mod mounted;
mod request;
mod run;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, missing_docs)]
mod simulated;
mod slot;
mod stage_one;
mod state;
#[cfg(test)]
mod tests;
mod verify;

pub use board::card::slots::{Prefix, Running, Slot};
pub use boot::{KernelSets, MountedBoot};
pub use confirm::{clear_boots, confirm, is_confirmed, last_failure, note_boot};
pub use device::{Blocks, Lock, SlotDevice};
pub use error::Error;
pub use install::{Installed, Progress, Rules, Stage, install, pending, restore_kernel};
pub use mounted::Mounted;
pub use request::{finish_request, request};
pub use run::{SLOT_VARIABLE, UpdateOptions, run};
pub use stage_one::{Choice, stage_one};
pub use verify::{PublicKey, check_front};
