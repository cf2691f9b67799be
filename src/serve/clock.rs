//! Notices that the time of day was set: a board without a clock of its own learns the time from the network, long after
//! mail has begun to move.
//!
//! Compares the time of day with a clock that nobody sets. Owns two times. Time is given by the caller.

use crate::limits::CLOCK_JUMP_MIN;
use std::time::{Instant, SystemTime};

/// The two clocks when they were last compared.
#[derive(Clone, Copy, Debug)]
pub struct ClockWatch {
    wall: SystemTime,
    steady: Instant,
}

impl ClockWatch {
    /// From now on.
    #[must_use]
    pub fn new(wall: SystemTime, steady: Instant) -> Self {
        Self { wall, steady }
    }

    /// Was the clock set since the last time this was asked? What a slow correction does in between is none; a machine
    /// that slept is one, which does no harm.
    pub fn was_set(&mut self, wall: SystemTime, steady: Instant) -> bool {
        let passed = steady.saturating_duration_since(self.steady);
        let differs = match wall.duration_since(self.wall) {
            Ok(shown) => shown.abs_diff(passed) >= CLOCK_JUMP_MIN,
            Err(back) => back.duration().saturating_add(passed) >= CLOCK_JUMP_MIN,
        };
        *self = Self { wall, steady };
        differs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn a_jump_is_noticed_once_in_both_directions() {
        let (mut wall, mut steady) = (SystemTime::UNIX_EPOCH + Duration::from_secs(1_000), Instant::now());
        let mut watch = ClockWatch::new(wall, steady);
        let years = Duration::from_secs(50 * 365 * 86_400);
        for (jump, expected) in [
            (Duration::from_secs(10), false),
            // Pulled to the right time by a little.
            (Duration::from_millis(10_500), false),
            (years, true),
            (Duration::from_secs(10), false),
        ] {
            wall += jump;
            steady += Duration::from_secs(10);
            assert_eq!(watch.was_set(wall, steady), expected, "{jump:?}");
        }
        wall -= years;
        steady += Duration::from_secs(10);
        assert!(watch.was_set(wall, steady));
        assert!(!watch.was_set(wall, steady));
    }
}
