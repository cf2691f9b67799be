//! Keys of the index's tables: one octet for the table, then its columns, numbers with the most significant octet
//! first, so that the tree's order is the table's.
//!
//! ```text
//! table           columns                      value
//!  1 mailboxes    mailbox                      rows::Mailbox
//!  2 names        owner, full name             mailbox
//!  3 subscribed   owner, full name             -
//!  4 keywords     mailbox, position            name
//!  5 messages     mailbox, uid                 rows::Message
//!  6 changes      mailbox, modseq, uid         -          each message once, at its own modseq
//!  7 unseen       mailbox, uid                 -          messages without \Seen
//!  8 deleted      mailbox, uid                 -          messages with \Deleted
//!  9 gone         mailbox, modseq, first uid   rows::Gone what was expunged, back to the mailbox's floor
//! 10 blobs        blob                         rows::Blob
//! 11 usage        owner                        rows::Used
//! 12 directory    key                          value
//! 13 segments     serial                       octets of live blobs
//! 14 garbage      mailbox                      -          deleted mailboxes whose rows are still to be removed
//! ```
//!
//! The tables of unseen and deleted messages are what makes OK [UNSEEN] and EXPUNGE cost as much as their answers. A
//! new message costs one short entry more for them, and another when it is read or deleted; beside its two entries in
//! 5 and 6 that is a fifth of the octets, in pages that are changed anyway.

use super::super::{BlobId, MailboxId, Owner};
use crate::mail::ModSeq;

/// A table with rows of one mailbox, which go when the mailbox goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Keywords,
    Messages,
    Changes,
    Unseen,
    Deleted,
    Gone,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Keywords, Self::Messages, Self::Changes, Self::Unseen, Self::Deleted, Self::Gone];

    fn code(self) -> u8 {
        match self {
            Self::Keywords => 4,
            Self::Messages => 5,
            Self::Changes => 6,
            Self::Unseen => 7,
            Self::Deleted => 8,
            Self::Gone => 9,
        }
    }

    /// What all keys of a mailbox in this table begin with.
    #[must_use]
    pub fn of(self, mailbox: MailboxId) -> [u8; 5] {
        join([&[self.code()], &mailbox.0.to_be_bytes()])
    }

    /// A row of a message, in the tables whose columns are mailbox and UID.
    #[must_use]
    pub fn at(self, mailbox: MailboxId, uid: u32) -> [u8; 9] {
        join([&self.of(mailbox), &uid.to_be_bytes()])
    }

    /// A row of a message at a modseq, in the other two.
    #[must_use]
    pub fn when(self, mailbox: MailboxId, modseq: ModSeq, uid: u32) -> [u8; 17] {
        join([&self.of(mailbox), &modseq.0.to_be_bytes(), &uid.to_be_bytes()])
    }
}

/// Tables that every start reads, from the first to the last: mailboxes, names and subscriptions; the directory.
pub const NEEDED: [(u8, u8); 2] = [(1, 3), (12, 12)];

/// Mailboxes.
#[must_use]
pub fn mailbox(id: MailboxId) -> [u8; 5] {
    join([&[1], &id.0.to_be_bytes()])
}

/// Names of an owner's mailboxes; with an empty name what they all begin with.
#[must_use]
pub fn name(owner: Owner, name: &str) -> Vec<u8> {
    [&[2], owner.0.to_be_bytes().as_slice(), name.as_bytes()].concat()
}

/// An owner's subscriptions.
#[must_use]
pub fn subscribed(owner: Owner, name: &str) -> Vec<u8> {
    [&[3], owner.0.to_be_bytes().as_slice(), name.as_bytes()].concat()
}

/// Keywords.
#[must_use]
pub fn keyword(mailbox: MailboxId, position: u8) -> [u8; 6] {
    join([&Table::Keywords.of(mailbox), &[position]])
}

/// Blobs.
#[must_use]
pub fn blob(id: BlobId) -> [u8; 9] {
    join([&[10], &id.0.to_be_bytes()])
}

/// Usage.
#[must_use]
pub fn usage(owner: Owner) -> [u8; 5] {
    join([&[11], &owner.0.to_be_bytes()])
}

/// The directory.
#[must_use]
pub fn directory(key: &[u8]) -> Vec<u8> {
    [&[12], key].concat()
}

/// Segments.
#[must_use]
pub fn segment(serial: u32) -> [u8; 5] {
    join([&[13], &serial.to_be_bytes()])
}

/// All segments.
pub const SEGMENTS: &[u8] = &[13];
/// All garbage.
pub const GARBAGE: &[u8] = &[14];

/// Garbage.
#[must_use]
pub fn garbage(mailbox: MailboxId) -> [u8; 5] {
    join([GARBAGE, &mailbox.0.to_be_bytes()])
}

/// The least key above `key`.
#[must_use]
pub fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// The number that a key ends with.
#[must_use]
pub fn last_number(key: &[u8]) -> u32 {
    key.last_chunk().map_or(0, |octets| u32::from_be_bytes(*octets))
}

/// Modseq and UID that a key ends with.
#[must_use]
pub fn last_modseq_uid(key: &[u8]) -> (ModSeq, u32) {
    let (rest, uid) = key.split_last_chunk::<4>().unwrap_or((&[], &[0; 4]));
    (ModSeq(rest.last_chunk().map_or(0, |octets| u64::from_be_bytes(*octets))), u32::from_be_bytes(*uid))
}

/// Parts that have `N` octets together.
fn join<const N: usize, const P: usize>(parts: [&[u8]; P]) -> [u8; N] {
    let mut key = [0; N];
    for (place, octet) in key.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *octet;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_like_their_columns() {
        let a = MailboxId(1);
        assert!(Table::Messages.at(a, 255) < Table::Messages.at(a, 256));
        assert!(Table::Messages.at(a, u32::MAX) < Table::Messages.at(MailboxId(2), 0));
        assert!(Table::Changes.when(a, ModSeq(1), 9) < Table::Changes.when(a, ModSeq(2), 1));
        assert_eq!(last_modseq_uid(&Table::Gone.when(a, ModSeq(1 << 40), 77)), (ModSeq(1 << 40), 77));
        assert_eq!(last_number(&Table::Unseen.at(a, 70_000)), 70_000);
        assert!(
            name(Owner(1), "INBOX") < name(Owner(1), "INBOX/a") && name(Owner(1), "\u{10ffff}") < name(Owner(2), "")
        );
        assert!(after(&blob(BlobId(4))).as_slice() < blob(BlobId(5)).as_slice());
    }
}
