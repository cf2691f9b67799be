//! The messages that an update is about to remove, as ranges of UIDs.
//!
//! Owns one working buffer and keeps everything in it. All marked messages are looked up before the first is removed,
//! because a view gives numbers only for so many messages that are gone: a full list ([`ENTRIES_MAX`] ranges) is removed
//! before more is looked up.

use crate::limits::WORKING_BUFFER_OCTETS;
use crate::store::{UidRanges, WorkingBuffer};
use core::ops::RangeInclusive;

/// First UID, last UID, messages between them: four octets each.
const ENTRY_OCTETS: usize = 12;
/// Ranges that the buffer holds.
pub(super) const ENTRIES_MAX: usize = WORKING_BUFFER_OCTETS / ENTRY_OCTETS;

/// A list of ranges.
#[derive(Debug)]
pub(super) struct Doomed {
    buffer: WorkingBuffer,
    entries: usize,
    taken: usize,
}

impl Doomed {
    /// An empty list in a buffer.
    pub(super) fn new(buffer: WorkingBuffer) -> Self {
        Self { buffer, entries: 0, taken: 0 }
    }

    /// Is there no room for one more?
    pub(super) fn is_full(&self) -> bool {
        self.entries >= ENTRIES_MAX
    }

    /// Appends a range of so many messages.
    pub(super) fn push(&mut self, uids: RangeInclusive<u32>, messages: u32) {
        let at = self.entries.saturating_mul(ENTRY_OCTETS);
        if let Some(entry) = self.buffer.octets().get_mut(at..at.saturating_add(ENTRY_OCTETS)) {
            let numbers = [*uids.start(), *uids.end(), messages];
            for (octets, number) in entry.chunks_exact_mut(4).zip(numbers) {
                octets.copy_from_slice(&number.to_le_bytes());
            }
            self.entries = self.entries.saturating_add(1);
        }
    }

    /// Takes ranges of at most `messages_max` messages off the front. `None` when the list is empty; it can be filled
    /// again then.
    pub(super) fn take(&mut self, messages_max: usize) -> Option<UidRanges> {
        let mut ranges: UidRanges = Vec::new();
        let mut messages = 0_usize;
        while let Some((uids, count)) = self.entry(self.taken) {
            messages = messages.saturating_add(usize::try_from(count).unwrap_or(usize::MAX));
            // One range alone is never larger than a page of rows.
            if messages > messages_max && !ranges.is_empty() {
                return Some(ranges);
            }
            ranges.push(uids);
            self.taken = self.taken.saturating_add(1);
        }
        if ranges.is_empty() {
            (self.entries, self.taken) = (0, 0);
            return None;
        }
        Some(ranges)
    }

    fn entry(&self, index: usize) -> Option<(RangeInclusive<u32>, u32)> {
        if index >= self.entries {
            return None;
        }
        let at = index.saturating_mul(ENTRY_OCTETS);
        let entry = self.buffer.as_slice().get(at..at.saturating_add(ENTRY_OCTETS))?;
        let mut numbers = entry.chunks_exact(4).filter_map(|octets| octets.try_into().ok().map(u32::from_le_bytes));
        Some((numbers.next()?..=numbers.next()?, numbers.next()?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ranges_come_out_in_steps() {
        let mut doomed = Doomed::new(WorkingBuffer::unpooled());
        for round in 0..2 {
            assert!(!doomed.is_full());
            doomed.push(1..=5, 4);
            doomed.push(7..=7, 1);
            doomed.push(9..=u32::MAX, 3);
            assert_eq!(doomed.take(5).unwrap(), [1..=5, 7..=7], "{round}");
            assert_eq!(doomed.take(1).unwrap(), [9..=u32::MAX]);
            assert_eq!(doomed.take(5), None);
        }
    }

    #[test]
    fn the_list_is_bounded() {
        let mut doomed = Doomed::new(WorkingBuffer::unpooled());
        for _ in 0..ENTRIES_MAX {
            assert!(!doomed.is_full());
            doomed.push(1..=1, 1);
        }
        assert!(doomed.is_full());
        doomed.push(2..=2, 1);
        let all: usize = core::iter::from_fn(|| doomed.take(1_024)).map(|ranges| ranges.len()).sum();
        assert_eq!(all, ENTRIES_MAX);
    }
}
