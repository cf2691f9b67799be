//! Counters, the bounded log ring and health: what the status command, and later the LED and the web page, show.

pub mod allocator;
mod counters;
pub mod log_ring;
mod report;

pub use counters::{COUNTERS, Counter, Counters, Gauge};
pub use log_ring::LogRing;
pub use report::{Report, Section, Value};
