//! The ACT LED as a person sees it: on or off, and for how long.

use super::machine::Kind;
use super::qmp::Qmp;
use crate::step::Failure;
use std::time::{Duration, Instant};

/// GPIODATA of `virt`'s PL061 with only lines 5 and 6 unmasked (PL061 TRM 3.3.1).
const VIRT_LEDS: u64 = 0x0903_0180;
/// GPLEV0 of the BCM2837 (BCM2835 ARM Peripherals 6.1).
const RASPI_LEVELS: u64 = 0x3f20_0034;
/// The ACT LED of the Zero 2 W's device tree, which raspi3b boots with; it shines when the line is low.
const RASPI_ACT_LINE: u32 = 29;
/// How often the LED is looked at. The kernel's own steps are 4 ms.
const LOOK_INTERVAL: Duration = Duration::from_millis(4);

/// A state of the LED and how many milliseconds it lasted.
pub type Blink = (bool, u32);

/// Is the LED on?
pub(super) fn is_on(qmp: &Qmp, kind: Kind) -> Result<bool, Failure> {
    match kind {
        Kind::Virt => Ok(qmp.word(VIRT_LEDS)? & (1 << super::device_tree::ACT_LINE) != 0),
        Kind::Raspi3b => Ok(qmp.word(RASPI_LEVELS)? & (1 << RASPI_ACT_LINE) == 0),
    }
}

/// Looks at the LED until `enough` says so of what was seen, at most for `limit`. The first and the last of what is seen
/// lasted longer than it says.
pub(super) fn watch(
    qmp: &Qmp,
    kind: Kind,
    limit: Duration,
    mut enough: impl FnMut(&[Blink]) -> bool,
) -> Result<Vec<Blink>, Failure> {
    let begin = Instant::now();
    let mut seen: Vec<Blink> = Vec::new();
    let mut since = begin;
    loop {
        let is_on = is_on(qmp, kind)?;
        let now = Instant::now();
        if seen.last().is_none_or(|(was_on, _)| *was_on != is_on) {
            seen.push((is_on, 0));
            since = now;
        }
        if let Some((_, lasted)) = seen.last_mut() {
            *lasted = u32::try_from(now.duration_since(since).as_millis()).unwrap_or(u32::MAX);
        }
        if enough(&seen) || now.duration_since(begin) >= limit {
            return Ok(seen);
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// The states of one period as they look: neighbours that are alike are one, also across the period's end.
fn visible(period: &[Blink]) -> Vec<Blink> {
    let mut visible: Vec<Blink> = Vec::new();
    for &(is_on, milliseconds) in period.iter().filter(|(_, milliseconds)| *milliseconds > 0) {
        match visible.last_mut() {
            Some((was_on, lasted)) if *was_on == is_on => *lasted = lasted.saturating_add(milliseconds),
            _ => visible.push((is_on, milliseconds)),
        }
    }
    if let [(first, _), .., (last, _)] = *visible.as_slice()
        && first == last
    {
        let (_, lasted) = visible.pop().unwrap_or_default();
        if let Some(first) = visible.first_mut() {
            first.1 = first.1.saturating_add(lasted);
        }
    }
    visible
}

/// An emulated clock on a busy machine: each state may be off by a third, and by so many milliseconds.
const TOLERANCE_MILLISECONDS: u32 = 60;

fn is_near(seen: u32, expected: u32) -> bool {
    seen.abs_diff(expected) <= (expected / 3).max(TOLERANCE_MILLISECONDS)
}

/// Does the end of what was seen show at least one whole period of `period`? What came before may be another state.
#[must_use]
pub fn shows(seen: &[Blink], period: &[Blink]) -> bool {
    let period = visible(period);
    match *period.as_slice() {
        [] => false,
        // Steady: long enough to be no part of a pattern.
        [(is_on, milliseconds)] => seen
            .last()
            .is_some_and(|&(was_on, lasted)| was_on == is_on && lasted >= milliseconds.max(STEADY_MILLISECONDS)),
        _ => {
            // The last one is still going on.
            let Some((_, whole)) = seen.split_last() else { return false };
            let Some(from) = whole.len().checked_sub(period.len()) else { return false };
            let tail = whole.get(from..).unwrap_or_default();
            (0..period.len()).any(|turn| {
                let expected = period.iter().cycle().skip(turn);
                // The very first was not seen from its beginning.
                from > 0 && tail.iter().zip(expected).all(|(a, b)| a.0 == b.0 && is_near(a.1, b.1))
            })
        }
    }
}

/// A LED that does not change for so long is steady.
pub const STEADY_MILLISECONDS: u32 = 3_000;

#[cfg(test)]
mod tests {
    use super::*;

    const HEARTBEAT: &[Blink] = &[(true, 100), (false, 100), (true, 100), (false, 700)];

    #[test]
    fn a_period_is_recognised_wherever_it_begins() {
        let seen = [(false, 12), (true, 101), (false, 690), (true, 130), (false, 90), (true, 20)];
        assert!(shows(&seen, HEARTBEAT));
        assert!(!shows(&seen, &[(true, 100), (false, 690)]));
        // Too little was seen.
        assert!(!shows(&seen[1..], HEARTBEAT));
    }

    #[test]
    fn what_came_before_does_not_matter() {
        let mut seen = vec![(true, 3000), (false, 50), (true, 2000)];
        assert!(!shows(&seen, &[(true, 500), (false, 500)]));
        seen.extend([(false, 500), (true, 505), (false, 3)]);
        assert!(shows(&seen, &[(true, 500), (false, 500)]));
        // A period whose ends are alike looks like a shorter one.
        assert!(shows(&seen, &[(true, 250), (false, 500), (true, 250)]));
    }

    #[test]
    fn steady_means_for_seconds() {
        assert!(shows(&[(false, 10), (true, STEADY_MILLISECONDS)], &[(true, 1000)]));
        assert!(!shows(&[(true, 900)], &[(true, 1000)]));
        assert!(!shows(&[(false, 5000)], &[(true, 1000)]));
        assert!(!shows(&[(false, 5000)], &[]));
    }
}
