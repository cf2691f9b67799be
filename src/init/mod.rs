//! PID 1 of the appliance: mounts, modules, children, watchdog, LED.

pub mod launch;
pub mod network;
pub mod set_up;
