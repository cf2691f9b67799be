//! Counters, the bounded log ring and health: what the status command, and later the LED and the web page, show.

mod counters;

pub use counters::{COUNTERS, Counter, Counters, Gauge};
