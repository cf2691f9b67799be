//! What time it is, and what to do about it: from the answers of time servers to a correction of the clock.
//!
//! Owns a few numbers. No socket, no clock, no kernel in here: all of it is decided from arguments. Asking is left to
//! [`super::sntp`], doing to [`super::clock`].
//!
//! The rules. RFC 5905 11.2.1: the majority is right, so answers must agree before one is believed. RFC 5905 11.3: a clock
//! that is behind by 128 ms or more is stepped. It is never set back, because mail that is older than its predecessor
//! confuses clients and logs: a clock that is ahead is slowed down, by at most 500 ppm (1.8 s an hour).

use crate::limits::{TIME_SERVERS_ASKED_MAX, TIME_STEP, TIME_WARNING, TIME_YEARS_MAX};
use core::time::Duration;

/// RFC 5905 figure 26, a clock's greatest tolerated error: what the kernel's frequency can be changed by.
const PPM_MAX: f64 = 500.0;
/// The most that a crystal is believed to be wrong by: cheap ones are within 100.
const DRIFT_PPM_MAX: f64 = 200.0;
/// How much of an error is taken for the crystal's.
const DRIFT_GAIN: f64 = 0.25;
/// Servers agree if their answers are no more than this many seconds apart.
const AGREEMENT: f64 = 1.0;

/// The clock as the servers see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Nobody has answered.
    Silent,
    /// The answers contradict each other.
    Disagreement,
    /// They agree on a time that cannot be; by so many seconds it differs from the clock.
    Implausible(f64),
    /// The clock is behind by so many seconds, which is too much to wait for.
    Behind(f64),
    /// The clock is off by so many seconds, positive if it is behind. That passes.
    Close(f64),
    /// The clock is ahead by so many seconds, which takes days or for ever.
    Ahead(f64),
}

/// What to do with the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correction {
    /// Why.
    pub verdict: Verdict,
    /// Set it forward by this.
    pub step: Option<Duration>,
    /// Let it run faster by this, in millionths.
    pub ppm: f64,
}

/// What is known of the clock between two rounds.
#[derive(Clone, Copy, Debug)]
pub struct Discipline {
    /// The earliest time that can be: when the image was made.
    earliest: Duration,
    /// The time between two rounds when all is well, in seconds: within it, an error shall pass.
    interval: f64,
    /// What the crystal itself is too slow by, in millionths.
    drift: f64,
    /// What the clock is behind by, as far as known, in seconds.
    behind: f64,
    /// What the present correction adds to `drift`.
    slew: f64,
    /// `behind` comes from an answer.
    is_known: bool,
}

impl Discipline {
    /// Nothing is known but the earliest time that can be (since 1970), and how often servers will be asked.
    #[must_use]
    pub fn new(earliest: Duration, interval: Duration) -> Self {
        Self {
            earliest,
            interval: interval.as_secs_f64().max(1.0),
            drift: 0.0,
            behind: 0.0,
            slew: 0.0,
            is_known: false,
        }
    }

    /// The correction after a round of questions: `elapsed` since the last one, `offsets` says how far, in seconds, the
    /// clock is behind each server.
    pub fn correct(&mut self, now: Duration, elapsed: Duration, offsets: &[f64]) -> Correction {
        // What the last correction has brought until now.
        let elapsed = elapsed.as_secs_f64().max(1.0);
        self.behind -= self.slew * 1e-6 * elapsed;
        let offset = match median(offsets) {
            Ok(offset) => offset,
            Err(verdict) => return self.slewed(verdict),
        };
        let earliest = self.earliest.as_secs_f64();
        let latest = earliest + f64::from(TIME_YEARS_MAX) * 31_556_952.0;
        if !(earliest..=latest).contains(&(now.as_secs_f64() + offset)) {
            return self.slewed(Verdict::Implausible(offset));
        }
        // What was not expected is what the crystal has done; unless it is too much for a crystal.
        let unexpected = (offset - self.behind) / elapsed * 1e6;
        if self.is_known && unexpected.abs() <= 2.0 * DRIFT_PPM_MAX {
            self.drift = (self.drift + DRIFT_GAIN * unexpected).clamp(-DRIFT_PPM_MAX, DRIFT_PPM_MAX);
        }
        self.is_known = true;
        if offset >= TIME_STEP.as_secs_f64() {
            self.behind = 0.0;
            let step = Duration::try_from_secs_f64(offset).ok();
            return Correction { step, ..self.slewed(Verdict::Behind(offset)) };
        }
        self.behind = offset;
        let far = offset < -TIME_WARNING.as_secs_f64();
        self.slewed(if far { Verdict::Ahead(-offset) } else { Verdict::Close(offset) })
    }

    fn slewed(&mut self, verdict: Verdict) -> Correction {
        let ppm = (self.drift + self.behind / self.interval * 1e6).clamp(-PPM_MAX, PPM_MAX);
        self.slew = ppm - self.drift;
        Correction { verdict, step: None, ppm }
    }
}

/// The middle one of the answers, the earlier of two, if most of them agree with it.
fn median(offsets: &[f64]) -> Result<f64, Verdict> {
    let mut sorted: heapless::Vec<f64, TIME_SERVERS_ASKED_MAX> =
        offsets.iter().copied().filter(|offset| offset.is_finite()).take(TIME_SERVERS_ASKED_MAX).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let Some(middle) = sorted.get(sorted.len().saturating_sub(1) / 2).copied() else { return Err(Verdict::Silent) };
    let agreeing = sorted.iter().filter(|offset| (*offset - middle).abs() <= AGREEMENT).count();
    if agreeing.saturating_mul(2) > sorted.len() { Ok(middle) } else { Err(Verdict::Disagreement) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const EPOCH: u64 = 1_795_000_000;
    const HOUR: Duration = Duration::from_secs(3_600);

    fn fresh() -> Discipline {
        Discipline::new(Duration::from_secs(EPOCH), HOUR)
    }

    fn verdict(now: u64, offsets: &[f64]) -> Verdict {
        fresh().correct(Duration::from_secs(now), HOUR, offsets).verdict
    }

    #[test]
    fn the_majority_is_right() {
        let now = EPOCH + 1_000;
        assert_eq!(verdict(now, &[]), Verdict::Silent);
        assert_eq!(verdict(now, &[f64::NAN]), Verdict::Silent);
        assert_eq!(verdict(now, &[0.01]), Verdict::Close(0.01));
        assert_eq!(verdict(now, &[0.05, 0.01]), Verdict::Close(0.01));
        assert_eq!(verdict(now, &[1e6, 0.01, 0.02]), Verdict::Close(0.02));
        assert_eq!(verdict(now, &[-1e6, 0.01, 0.02]), Verdict::Close(0.01));
        assert_eq!(verdict(now, &[1e6, 0.01]), Verdict::Disagreement);
        assert_eq!(verdict(now, &[1e6, 0.01, -1e6]), Verdict::Disagreement);
    }

    #[test]
    fn a_clock_that_is_behind_is_set() {
        // No battery: it begins in 1970.
        let correction = fresh().correct(Duration::from_secs(20), HOUR, &[1_795_000_100.5; 3]);
        assert_eq!(correction.verdict, Verdict::Behind(1_795_000_100.5));
        assert_eq!(correction.step, Some(Duration::from_secs_f64(1_795_000_100.5)));
        assert_eq!(
            fresh().correct(Duration::from_secs(EPOCH + 5), HOUR, &[0.128]).step,
            Some(Duration::from_millis(128))
        );
        assert_eq!(fresh().correct(Duration::from_secs(EPOCH + 5), HOUR, &[0.127]).step, None);
    }

    #[test]
    fn a_clock_that_is_ahead_is_never_set_back() {
        for (offset, expected) in [
            (-0.5, Verdict::Close(-0.5)),
            (-599.0, Verdict::Close(-599.0)),
            (-601.0, Verdict::Ahead(601.0)),
            (-1e8, Verdict::Ahead(1e8)),
        ] {
            let correction = fresh().correct(Duration::from_secs(EPOCH + 200_000_000), HOUR, &[offset]);
            assert_eq!((correction.verdict, correction.step), (expected, None));
            assert!((-500.0..0.0).contains(&correction.ppm));
        }
    }

    #[test]
    fn a_time_that_cannot_be_is_not_believed() {
        for offset in [-2_000.0, 1e9, 1e300, -1e300] {
            let correction = fresh().correct(Duration::from_secs(EPOCH + 1_000), HOUR, &[offset]);
            assert_eq!((correction.verdict, correction.step), (Verdict::Implausible(offset), None));
        }
    }

    /// Runs a clock whose crystal is wrong for `hours`, and gives what it is behind by at the end.
    fn run(crystal_ppm: f64, mut behind: f64, hours: u32, answers: impl Fn(u32) -> bool) -> f64 {
        let mut discipline = fresh();
        for hour in 0..hours {
            let offsets: &[f64] = if answers(hour) { &[behind] } else { &[] };
            let correction = discipline.correct(Duration::from_secs(EPOCH + 100_000), HOUR, offsets);
            behind -= correction.step.map_or(0.0, |step| step.as_secs_f64());
            behind -= (correction.ppm + crystal_ppm) * 1e-6 * 3_600.0;
        }
        behind
    }

    #[test]
    fn the_crystal_is_learned() {
        for crystal in [-80.0, -10.0, 0.0, 10.0, 80.0] {
            let rest = run(crystal, 0.1, 72, |_| true);
            assert!(rest.abs() < 0.005, "{crystal} ppm: {rest} s");
            // Also when the servers cannot be reached for a day.
            let rest = run(crystal, 0.1, 72, |hour| hour < 48);
            assert!(rest.abs() < 0.05, "{crystal} ppm: {rest} s");
        }
    }

    #[test]
    fn a_minute_ahead_is_slewed_away_and_then_it_stops() {
        let rest = run(0.0, -60.0, 72, |_| true);
        assert!(rest.abs() < 0.05, "{rest} s");
        // Without answers it ends where it was estimated to.
        let rest = run(0.0, -60.0, 72, |hour| hour == 0);
        assert!(rest.abs() < 0.05, "{rest} s");
    }
}
