//! PID 1 of the appliance: mounts, modules, children, watchdog, LED.

pub mod network;
pub mod set_up;
