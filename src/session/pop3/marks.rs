//! Which messages of a maildrop are marked as deleted.
//!
//! Owns one bit for each message up to the highest marked one.

use core::ops::RangeInclusive;

/// Bits of one word.
const WORD: u32 = u64::BITS;

/// A set of message numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    words: Vec<u64>,
    count: u32,
}

/// The word and the bit of a number; numbers count from 1.
fn place(number: u32) -> Option<(usize, u64)> {
    let index = number.checked_sub(1)?;
    Some((usize::try_from(index / WORD).ok()?, 1_u64 << (index % WORD)))
}

impl Marks {
    /// Marks a message. False if it was marked already.
    pub fn insert(&mut self, number: u32) -> bool {
        let Some((word, bit)) = place(number) else { return false };
        if word >= self.words.len() {
            self.words.reserve_exact(word.saturating_add(1).saturating_sub(self.words.len()));
            self.words.resize(word.saturating_add(1), 0);
        }
        match self.words.get_mut(word) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                self.count = self.count.saturating_add(1);
                true
            }
            _ => false,
        }
    }

    /// Is this message marked?
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        place(number).and_then(|(word, bit)| self.words.get(word).map(|word| word & bit != 0)).unwrap_or(false)
    }

    /// How many are marked.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The marked numbers as runs, ascending, each as long as it can be.
    pub fn runs(&self) -> impl Iterator<Item = RangeInclusive<u32>> {
        let highest = u32::try_from(self.words.len()).unwrap_or(u32::MAX).saturating_mul(WORD);
        let mut next = 1_u32;
        core::iter::from_fn(move || {
            let first = (next..=highest).find(|&number| self.contains(number))?;
            let last = (first..=highest).take_while(|&number| self.contains(number)).last()?;
            next = last.saturating_add(1);
            Some(first..=last)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn marks_are_a_set(numbers in proptest::collection::vec(1_u32..300, 0..200)) {
            let mut marks = Marks::default();
            let mut model = BTreeSet::new();
            for number in numbers {
                prop_assert_eq!(marks.insert(number), model.insert(number));
            }
            prop_assert_eq!(usize::try_from(marks.count()).ok(), Some(model.len()));
            let all: Vec<u32> = marks.runs().flatten().collect();
            prop_assert_eq!(all, model.into_iter().collect::<Vec<_>>());
            let runs: Vec<_> = marks.runs().collect();
            prop_assert!(runs.windows(2).all(|two| two[0].end() + 1 < *two[1].start()));
        }
    }

    #[test]
    fn there_is_no_message_zero() {
        let mut marks = Marks::default();
        assert!(!marks.insert(0) && !marks.contains(0) && marks.runs().next().is_none());
    }
}
