//! PID 1 of the appliance: mounts, modules, children, watchdog, LED.

pub mod boot_partition;
pub mod factory_reset;
pub mod network;
pub mod seed;
pub mod set_up;
