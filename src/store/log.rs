//! The end of the log: where the next batch stands, and how it gets onto the card.
//!
//! Owns the handle of the last segment and the numbers that chain batches together (see [`super::format`]). Exactly one
//! exists, in the writer. After a failed write or sync it refuses everything: what is on the card is not known then.

use super::batch::Batch;
use super::figures::Counters;
use super::format::{BATCH_HEADER_OCTETS, BLOCK_OCTETS, BatchHeader, BatchKind, SegmentHeader, StoreId};
use super::index::Covered;
use super::medium::MediumFile;
use super::segments::{Begin, Segments};
use super::width::{narrow, size, wide};
use super::{Error, LogPosition};
use std::sync::Arc;

/// Where a log goes on, as recovery found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogEnd {
    /// `None`: there is no segment yet.
    pub(super) position: Option<LogPosition>,
    /// Number of the next batch.
    pub(super) sequence: u64,
    /// Header checksum of the last batch.
    pub(super) chain: u32,
}

/// The end of the log.
pub(super) struct Log {
    segments: Arc<Segments>,
    counters: Arc<Counters>,
    store: StoreId,
    nonce: u64,
    tail: Option<Tail>,
    sequence: u64,
    chain: u32,
    /// Batches with smaller numbers are durable.
    durable: u64,
    /// Something has been written since the last sync.
    dirty: bool,
    /// No batch has been written since the opening.
    first: bool,
    failed: bool,
}

/// The serial number of a store's first segment.
const SERIAL_FIRST: u32 = 1;

struct Tail {
    file: Arc<dyn MediumFile>,
    serial: u32,
    offset: u32,
}

impl Log {
    /// Goes on at `end`. Makes what recovery has read durable: after the death of a process some of it may only be in
    /// the kernel's memory, and batches to come build on it.
    pub(super) fn open(
        segments: Arc<Segments>,
        counters: Arc<Counters>,
        store: StoreId,
        nonce: u64,
        end: LogEnd,
    ) -> Result<Self, Error> {
        let tail = match end.position {
            None => None,
            Some(position) => {
                let file = segments.file(position.segment)?;
                file.sync_data()?;
                Some(Tail { file, serial: position.segment, offset: position.offset })
            }
        };
        let (sequence, chain) = (end.sequence, end.chain);
        let (durable, dirty, first, failed) = (sequence, false, true, false);
        Ok(Self { segments, counters, store, nonce, tail, sequence, chain, durable, dirty, first, failed })
    }

    /// Where the next batch stands and the room there; `None` if a new segment must be begun first.
    ///
    /// A new store begins before anything could be written ahead, so its first segment costs the file system's own
    /// blocks and a second flush with every commit: the log leaves it as soon as a spare one is there.
    pub(super) fn place(&self) -> Option<(LogPosition, u32)> {
        let tail = self.tail.as_ref().filter(|tail| tail.serial != SERIAL_FIRST || !self.segments.has_spare())?;
        let room = self.segments.octets().saturating_sub(tail.offset);
        let position = LogPosition { segment: tail.serial, offset: tail.offset };
        (size(room) > BATCH_HEADER_OCTETS).then_some((position, room))
    }

    /// Is nothing in the last segment yet?
    pub(super) fn at_begin(&self) -> bool {
        self.tail.as_ref().is_some_and(|tail| size(tail.offset) == BLOCK_OCTETS)
    }

    /// Begins the next segment. The one before is durable first: who sees the new header may rely on it.
    pub(super) fn roll(&mut self) -> Result<(), Begin> {
        if self.failed {
            return Err(Begin::Failed(Error::ReadOnly));
        }
        self.sync().map_err(Begin::Failed)?;
        let header = SegmentHeader {
            serial: self.segments.last_serial().saturating_add(1),
            store: self.store,
            octets: self.segments.octets(),
            chain: self.chain,
            sequence: self.sequence,
            nonce: self.nonce,
        };
        let begun = self.segments.begin(&header);
        if let Err(Begin::Failed(_)) = begun {
            self.failed = true;
        }
        let file = begun?;
        self.counters.log_octets.add(wide(BLOCK_OCTETS));
        self.tail = Some(Tail { file, serial: header.serial, offset: narrow(BLOCK_OCTETS) });
        self.dirty = true;
        Ok(())
    }

    /// Writes the batch. It is durable after [`Log::sync`].
    pub(super) fn write(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let Some(tail) = self.tail.as_mut().filter(|_| !self.failed) else { return Err(Error::ReadOnly) };
        let header = BatchHeader {
            kind: if batch.commits() { BatchKind::Commit } else { BatchKind::Spill },
            first: self.first,
            payload_octets: 0,
            segment: tail.serial,
            sequence: self.sequence,
            durable: self.durable,
            nonce: self.nonce,
            chain: self.chain,
            payload_crc: 0,
            store_tag: self.store.tag(),
        };
        let (octets, crc) = batch.seal(header);
        // Set back only when all went well: whatever fails below, nothing more is written.
        self.failed = true;
        self.dirty = true;
        tail.file.write_at(tail.offset.into(), octets)?;
        tail.offset = tail.offset.saturating_add(narrow(octets.len()));
        self.sequence = self.sequence.saturating_add(1);
        self.chain = crc;
        self.first = false;
        self.counters.log_octets.add(wide(octets.len()));
        self.counters.batches.add(1);
        self.failed = false;
        self.segments.note_busy();
        Ok(())
    }

    /// Makes every batch durable.
    pub(super) fn sync(&mut self) -> Result<(), Error> {
        if self.failed {
            return Err(Error::ReadOnly);
        }
        if let Some(tail) = self.tail.as_ref().filter(|_| self.dirty) {
            self.failed = true;
            tail.file.sync_data()?;
            self.counters.syncs.add(1);
            self.failed = false;
            self.dirty = false;
            self.durable = self.sequence;
        }
        Ok(())
    }

    /// What a checkpoint made now covers; `None` before the first segment. Call [`Log::sync`] first.
    pub(super) fn covered(&self) -> Option<Covered> {
        let tail = self.tail.as_ref()?;
        let position = LogPosition { segment: tail.serial, offset: tail.offset };
        Some(Covered { position, sequence: self.sequence, chain: self.chain })
    }

    /// Octets left in the last segment.
    pub(super) fn room(&self) -> u32 {
        self.tail.as_ref().map_or(0, |tail| self.segments.octets().saturating_sub(tail.offset))
    }
}
