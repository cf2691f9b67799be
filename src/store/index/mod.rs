//! The index: what the log says, arranged so that every question costs as much as its answer.
//!
//! A counted copy-on-write B+tree in 4 KiB pages and, on it, the tables that IMAP asks: mailboxes, messages, changes
//! since a modseq, what is gone, blobs, usage, the directory. All of it is derived from the log: it is durable only at
//! checkpoints and may be thrown away and made again at any time. What bounds its memory: the page cache, two bits a
//! page of the file, and nothing else, whatever the size of mailboxes. The log's bytes are left to the store.

mod view;

pub use view::View;

use super::event::Event;
use super::medium::MediumFile;
use super::{BlobId, Change, Error, Extent, LogPosition, MailboxId, MailboxRow, MessageRow, Owner, UidRanges, Usage};
use crate::mail::{Uid, UidValidity};
use core::ops::RangeInclusive;

/// How much of the log a checkpoint holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Events before this place of the log are in the index; those at it or behind it are not.
    pub position: LogPosition,
    /// The store's own: sequence number of the last batch that is covered.
    pub sequence: u64,
    /// The store's own: the chained checksum of that batch.
    pub chain: u32,
}

/// What [`Index::open`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// An empty file: apply the whole log.
    Fresh,
    /// A checkpoint: apply the log from there.
    Checkpoint(Covered),
    /// Why what is there cannot be used: [`Index::reset`], then apply the whole log.
    Unusable(String),
}

/// One blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobRow {
    /// Where the newest event stands that lists its extents.
    pub event_at: LogPosition,
    /// All octets of the body.
    pub octets: u64,
    /// Its encoded summary.
    pub summary: Extent,
    /// Messages that have this body.
    pub references: u32,
}

/// What the index uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexFigures {
    /// Pages of the file that hold something now.
    pub pages_used: u64,
    /// Pages of the file.
    pub pages_file: u64,
    /// Pages that the cache may hold.
    pub cache_pages_max: u64,
    /// Pages that the cache holds.
    pub cache_pages: u64,
    /// Of these, changed and not yet written.
    pub cache_dirty: u64,
    /// Pages that were found in the cache.
    pub cache_hits: u64,
    /// Pages that were read from the file.
    pub cache_misses: u64,
    /// Pages written to the file.
    pub pages_written: u64,
    /// Checkpoints made since the index was opened.
    pub checkpoints: u64,
}

/// The index over one file.
#[derive(Debug)]
pub struct Index {
    file: Box<dyn MediumFile>,
}

#[allow(unused_variables, missing_docs)]
impl Index {
    /// Opens what the file holds; an empty file is a fresh index. Page cache and page bitmaps take `cache_octets`.
    ///
    /// # Errors
    /// Only if the medium fails; damage is [`Opened::Unusable`].
    pub fn open(file: Box<dyn MediumFile>, cache_octets: usize) -> Result<(Self, Opened), Error> {
        Ok((Self { file }, Opened::Fresh))
    }

    /// Forgets everything, durably, so that the whole log can be applied again.
    ///
    /// # Errors
    /// If the medium fails.
    pub fn reset(&mut self) -> Result<(), Error> {
        Err(Error::Closed)
    }

    /// Takes an event in. An event that was taken in before changes nothing. In a batch, events that add messages
    /// must come before those that remove the last other message of the same blob (MOVE: added, then expunged).
    ///
    /// After an error the index refuses everything until it is reset or opened again.
    ///
    /// # Errors
    /// If the medium fails or a page is damaged.
    pub fn apply(&mut self, event: &Event, at: LogPosition) -> Result<(), Error> {
        Err(Error::Closed)
    }

    /// Makes all that was applied durable, as what covers the log up to `covered`.
    ///
    /// # Errors
    /// If the medium fails; the last checkpoint stays.
    pub fn checkpoint(&mut self, covered: Covered) -> Result<(), Error> {
        Err(Error::Closed)
    }

    pub fn figures(&self) -> IndexFigures {
        IndexFigures::default()
    }

    pub fn mailbox_by_id(&mut self, id: MailboxId) -> Result<Option<MailboxRow>, Error> {
        Err(Error::Closed)
    }
    pub fn mailbox(&mut self, owner: Owner, name: &str) -> Result<Option<MailboxRow>, Error> {
        Err(Error::Closed)
    }
    /// In name order (octets); those after the name `after`.
    pub fn mailboxes(&mut self, owner: Owner, after: Option<&str>, max: usize) -> Result<Vec<MailboxRow>, Error> {
        Err(Error::Closed)
    }
    pub fn subscriptions(&mut self, owner: Owner, after: Option<&str>, max: usize) -> Result<Vec<String>, Error> {
        Err(Error::Closed)
    }
    pub fn message(&mut self, mailbox: MailboxId, uid: Uid) -> Result<Option<MessageRow>, Error> {
        Err(Error::Closed)
    }
    /// Messages of these UIDs in ascending order, at most `max`. Go on from the last one's UID.
    pub fn messages_in(&mut self, mailbox: MailboxId, uids: &UidRanges, max: usize) -> Result<Vec<MessageRow>, Error> {
        Err(Error::Closed)
    }
    /// Messages with `\Deleted` of these UIDs in ascending order, at most `max`; costs as much as there are such.
    pub fn deleted_in(&mut self, mailbox: MailboxId, uids: &UidRanges, max: usize) -> Result<Vec<MessageRow>, Error> {
        Err(Error::Closed)
    }
    pub fn next_mailbox_id(&self) -> MailboxId {
        MailboxId(1)
    }
    pub fn next_blob_id(&self) -> BlobId {
        BlobId(1)
    }
    /// `None` before the first mailbox.
    pub fn last_uid_validity(&self) -> Option<UidValidity> {
        None
    }
    pub fn usage(&mut self, owner: Owner) -> Result<Usage, Error> {
        Err(Error::Closed)
    }
    pub fn blob(&mut self, blob: BlobId) -> Result<Option<BlobRow>, Error> {
        Err(Error::Closed)
    }
    pub fn directory(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Err(Error::Closed)
    }
    pub fn directory_range(
        &mut self,
        prefix: &[u8],
        after: Option<&[u8]>,
        max: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        Err(Error::Closed)
    }
    /// Octets of live blobs in a segment, for compaction.
    pub fn segment_live_octets(&mut self, serial: u32) -> Result<u64, Error> {
        Err(Error::Closed)
    }
    /// Mailboxes that an owner has, counted without listing them.
    pub fn mailbox_count(&mut self, owner: Owner) -> Result<u64, Error> {
        Err(Error::Closed)
    }

    pub fn open_view(&mut self, mailbox: MailboxId) -> Result<View, Error> {
        Err(Error::Closed)
    }
    pub fn sync(&mut self, view: &mut View, expunges: bool, max: usize) -> Result<Vec<Change>, Error> {
        Err(Error::Closed)
    }
    pub fn messages_by_uid(
        &mut self,
        view: &mut View,
        uids: RangeInclusive<u32>,
        max: usize,
    ) -> Result<Vec<(u32, MessageRow)>, Error> {
        Err(Error::Closed)
    }
    pub fn messages_by_sequence(
        &mut self,
        view: &mut View,
        sequences: RangeInclusive<u32>,
        max: usize,
    ) -> Result<Vec<(u32, MessageRow)>, Error> {
        Err(Error::Closed)
    }
    pub fn uid_at(&mut self, view: &mut View, sequence: u32) -> Result<Option<Uid>, Error> {
        Err(Error::Closed)
    }
    pub fn sequence_of(&mut self, view: &mut View, uid: Uid) -> Result<Option<u32>, Error> {
        Err(Error::Closed)
    }
    pub fn first_unseen(&mut self, view: &mut View) -> Result<Option<u32>, Error> {
        Err(Error::Closed)
    }
    pub fn last_uid(&mut self, view: &mut View) -> Result<Option<Uid>, Error> {
        Err(Error::Closed)
    }
}
