//! Message numbers and UIDs of a command: are they there, and how are many of them written shortly.
//!
//! What bounds its memory: a [`Runs`] keeps at most the ranges it was made for and says when it is full.

use super::Refusal;
use crate::mail::{SequenceSet, SetNumber};
use core::ops::RangeInclusive;

/// RFC 9051 6.4.5 and 9 `seq-number`: the ranges of a set of message sequence numbers, or BAD if it names a number
/// that no message has. A range up to `*` is taken as far as it goes: `1:*` names nothing in an empty mailbox, and
/// mail programs do ask for it.
///
/// # Errors
/// The refusal.
pub fn sequences(set: &SequenceSet, exists: u32) -> Result<Vec<RangeInclusive<u32>>, Refusal> {
    let there = |end: SetNumber| match end {
        SetNumber::Number(number) => number <= exists,
        SetNumber::Largest => exists > 0,
    };
    for range in set.ranges() {
        let open = range.0 != range.1 && (range.0 == SetNumber::Largest || range.1 == SetNumber::Largest);
        let whole = there(range.0) && there(range.1);
        if !(open || whole) {
            return Err(Refusal::bad("There is no message with this sequence number"));
        }
    }
    // `5:*` in a mailbox with three messages resolves to 3:5, of which 3 is there.
    let ranges = set.resolve(exists).into_iter().filter(|range| *range.start() <= exists);
    Ok(ranges.map(|range| *range.start()..=(*range.end()).min(exists)).collect())
}

/// Ascending numbers, gathered into ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runs {
    ranges: Vec<RangeInclusive<u32>>,
    ranges_max: usize,
    numbers: u32,
    overflowed: bool,
}

impl Runs {
    /// None yet; at most `ranges_max` ranges.
    #[must_use]
    pub fn new(ranges_max: usize) -> Self {
        Self { ranges: Vec::new(), ranges_max, numbers: 0, overflowed: false }
    }

    /// Adds a number, larger than the last. What does not fit is dropped, and [`Runs::overflowed`] from then on.
    pub fn push(&mut self, number: u32) {
        let full = self.is_full();
        match self.ranges.last_mut() {
            Some(last) if last.end().checked_add(1) == Some(number) => *last = *last.start()..=number,
            _ if full => {
                self.overflowed = true;
                return;
            }
            _ => self.ranges.push(number..=number),
        }
        self.numbers = self.numbers.saturating_add(1);
    }

    /// Did some not fit?
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Is there room for a number that does not continue the last range?
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.ranges.len() >= self.ranges_max
    }

    /// How many numbers it has.
    #[must_use]
    pub fn numbers(&self) -> u32 {
        self.numbers
    }

    /// The ranges.
    #[must_use]
    pub fn ranges(&self) -> &[RangeInclusive<u32>] {
        &self.ranges
    }

    /// The ranges, and none from now on.
    pub fn take(&mut self) -> Vec<RangeInclusive<u32>> {
        self.numbers = 0;
        self.overflowed = false;
        core::mem::take(&mut self.ranges)
    }
}

impl core::fmt::Display for Runs {
    /// As RFC 9051 section 9 `uid-set` writes it.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (index, range) in self.ranges.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write_range(f, range)?;
        }
        Ok(())
    }
}

/// Writes `7` or `7:9`.
fn write_range(f: &mut impl core::fmt::Write, range: &RangeInclusive<u32>) -> core::fmt::Result {
    match (range.start(), range.end()) {
        (from, to) if from == to => write!(f, "{from}"),
        (from, to) => write!(f, "{from}:{to}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn numbers(text: &str, exists: u32) -> Option<Vec<(u32, u32)>> {
        let ranges = sequences(&SequenceSet::parse(text).unwrap(), exists).ok()?;
        Some(ranges.into_iter().map(|range| (*range.start(), *range.end())).collect())
    }

    #[test]
    fn numbers_that_no_message_has_are_bad() {
        assert_eq!(numbers("1,3:4", 4), Some(vec![(1, 1), (3, 4)]));
        assert_eq!(numbers("5", 4), None);
        assert_eq!(numbers("2:5", 4), None);
        assert_eq!(numbers("*", 0), None);
        assert_eq!(numbers("1:*", 0), Some(vec![]));
        assert_eq!(numbers("1:*", 3), Some(vec![(1, 3)]));
        assert_eq!(numbers("5:*", 3), Some(vec![(3, 3)]));
        assert_eq!(numbers("*", 3), Some(vec![(3, 3)]));
    }

    #[test]
    fn numbers_gather_into_runs() {
        let mut runs = Runs::new(2);
        for number in [1, 2, 3, 7, 8] {
            runs.push(number);
        }
        assert_eq!(runs.to_string(), "1:3,7:8");
        assert_eq!((runs.numbers(), runs.overflowed(), runs.is_full()), (5, false, true));
        runs.push(u32::MAX);
        assert!(runs.overflowed());
        assert_eq!(runs.numbers(), 5);
        assert_eq!(runs.take(), [1..=3, 7..=8]);
        assert_eq!(runs.to_string(), "");
    }
}
