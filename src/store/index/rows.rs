//! Rows of the index's tables and their octets, in postcard.
//!
//! Another version of the format makes the index anew from the log, so rows carry no version of their own. Owns
//! nothing; which key a row has is left to [`super::keys`].

use super::super::{BlobId, Error, Extent, LogPosition, MessageRow, Owner};
use crate::mail::{Flags, InternalDate, ModSeq, SpecialUse, Uid, UidValidity};
use serde::{Deserialize, Serialize};

/// Segments of which a blob remembers its octets. The largest message spans fewer, if segments are of some size.
pub const SPANS_MAX: usize = 48;
/// Runs of one [`Gone`].
pub const GONE_RUNS_MAX: usize = 100;
/// Octets of the longest row: a blob over [`SPANS_MAX`] segments, or [`GONE_RUNS_MAX`] runs.
const ROW_OCTETS_MAX: usize = super::tree::VALUE_OCTETS_MAX;

/// One mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    pub owner: Owner,
    pub name: String,
    pub uid_validity: UidValidity,
    /// The largest UID given so far, zero if none.
    pub last_uid: u32,
    pub highest_modseq: ModSeq,
    pub messages: u32,
    pub unseen: u32,
    pub deleted: u32,
    pub octets: u64,
    pub special_use: Option<SpecialUse>,
    /// Positions of keywords that have a name.
    pub keywords: u8,
    /// What was expunged at this modseq or before may not be in the table of gone messages any more.
    pub gone_floor: ModSeq,
    /// Runs in that table.
    pub gone_runs: u32,
}

/// One message; mailbox and UID are its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub flags: Flags,
    pub modseq: ModSeq,
    pub internal_date: InternalDate,
    pub saved: i64,
    pub octets: u64,
    pub blob: BlobId,
}

impl Message {
    /// As it is handed out.
    #[must_use]
    pub fn with_uid(self, uid: Uid) -> MessageRow {
        let Self { flags, modseq, internal_date, saved, octets, blob } = self;
        MessageRow { uid, flags, modseq, internal_date, saved, octets, blob }
    }
}

/// One blob.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    pub references: u32,
    /// `None`: messages refer to it, and the event that says where it is comes later in the log.
    pub place: Option<BlobPlace>,
}

/// Where a blob is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobPlace {
    pub event_at: LogPosition,
    pub octets: u64,
    pub summary: Extent,
    /// Octets of body and summary in each segment, at most [`SPANS_MAX`] of them.
    pub spans: Vec<(u32, u64)>,
}

/// Messages that were expunged at one modseq: runs of UIDs without a gap, each as the distance of its first from the
/// one before's last (from the key's UID for the first run) and of its last from its first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone(Vec<(u32, u32)>);

impl Gone {
    /// Takes up to [`GONE_RUNS_MAX`] runs off the sorted `uids`, and gives the first UID of all as well.
    pub fn take(uids: &mut &[u32]) -> Option<(u32, Self)> {
        let first = *uids.first()?;
        let mut runs = Vec::new();
        let mut last = first;
        while let Some(&low) = uids.first().filter(|_| runs.len() < GONE_RUNS_MAX) {
            let mut high = low;
            while let Some((&uid, rest)) = uids.split_first().filter(|(uid, _)| **uid <= high.saturating_add(1)) {
                (high, *uids) = (uid, rest);
            }
            runs.push((low.saturating_sub(last), high.saturating_sub(low)));
            last = high;
        }
        Some((first, Self(runs)))
    }

    /// Its runs, first and last UID of each.
    pub fn runs(&self, first: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.0.iter().scan(first, |last, (skip, length)| {
            let low = last.saturating_add(*skip);
            *last = low.saturating_add(*length);
            Some((low, *last))
        })
    }

    /// How many runs.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }
}

/// What an owner uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    pub messages: u64,
    pub octets: u64,
}

/// A row's octets.
///
/// # Errors
/// [`Error::OverLimit`] if it is longer than a row may be.
pub fn encode<T: Serialize>(row: &T) -> Result<heapless::Vec<u8, ROW_OCTETS_MAX>, Error> {
    let mut octets = [0; ROW_OCTETS_MAX];
    let used = postcard::to_slice(row, &mut octets).map_err(|_| Error::OverLimit("index row"))?;
    heapless::Vec::from_slice(used).map_err(|_| Error::OverLimit("index row"))
}

/// The row of these octets.
///
/// # Errors
/// [`Error::Damaged`] if they are none.
pub fn decode<T: for<'a> Deserialize<'a>>(octets: &[u8]) -> Result<T, Error> {
    postcard::from_bytes(octets).map_err(|error| Error::Damaged(format!("index row: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::as_conversions)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn gone_uids_come_back(uids in proptest::collection::btree_set(prop_oneof![1u32..400, any::<u32>()], 0..400)) {
            let uids: Vec<u32> = uids.into_iter().collect();
            let mut rest = uids.as_slice();
            let mut back = Vec::new();
            while let Some((first, gone)) = Gone::take(&mut rest) {
                prop_assert!(gone.len() > 0 && gone.len() as usize <= GONE_RUNS_MAX);
                let gone: Gone = decode(&encode(&gone).unwrap()).unwrap();
                back.extend(gone.runs(first).flat_map(|(low, high)| low..=high));
            }
            prop_assert_eq!(back, uids);
        }
    }

    #[test]
    fn the_longest_rows_fit() {
        let at = LogPosition { segment: u32::MAX, offset: u32::MAX };
        let place = BlobPlace {
            event_at: at,
            octets: u64::MAX,
            summary: Extent { at, octets: u32::MAX },
            spans: vec![(u32::MAX, u64::MAX); SPANS_MAX],
        };
        assert!(encode(&Blob { references: u32::MAX, place: Some(place) }).is_ok());
        assert!(encode(&Gone(vec![(u32::MAX, u32::MAX); GONE_RUNS_MAX])).is_ok());
        let message = Message {
            flags: Flags::NONE,
            modseq: ModSeq(1_000_000),
            internal_date: InternalDate::utc(1_800_000_000),
            saved: 1_800_000_000,
            octets: 60_000,
            blob: BlobId(1_000_000),
        };
        assert!(encode(&message).unwrap().len() <= 24, "a common message's row is short");
    }
}
