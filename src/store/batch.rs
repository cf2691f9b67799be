//! One batch of the log while it is being filled.
//!
//! Owns the store's one batch buffer ([`crate::limits::BATCH_OCTETS_MAX`]). Where the batch will stand is decided before
//! it is filled, so every record knows its place in the log. Records may be taken back to a mark: a transaction that
//! does not fit, or is refused half-way, leaves no trace.

use super::event::Event;
use super::format::{
    BATCH_HEADER_OCTETS, BatchHeader, RECORD_HEADER_OCTETS, RecordKind, Records, blocks, encode_record_header,
};
use super::width::{narrow, size};
use super::{Error, Extent, LogPosition};

/// The batch that is being filled.
pub(super) struct Batch {
    buffer: Box<[u8]>,
    at: LogPosition,
    /// Octets that it may have where it stands.
    capacity: usize,
    filled: usize,
    commits: bool,
}

/// There is no room for this record in this batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

impl Batch {
    /// An empty batch in this buffer.
    pub(super) fn new(buffer: Box<[u8]>) -> Self {
        let at = LogPosition { segment: 0, offset: 0 };
        Self { buffer, at, capacity: 0, filled: BATCH_HEADER_OCTETS, commits: false }
    }

    /// Begins anew at this place, where `room` octets are left in the segment.
    pub(super) fn begin(&mut self, at: LogPosition, room: u32) {
        self.at = at;
        self.capacity = size(room).min(self.buffer.len());
        self.filled = BATCH_HEADER_OCTETS;
        self.commits = false;
    }

    pub(super) fn at(&self) -> LogPosition {
        self.at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filled <= BATCH_HEADER_OCTETS
    }

    /// Does it hold a transaction?
    pub(super) fn commits(&self) -> bool {
        self.commits
    }

    /// It holds a transaction.
    pub(super) fn set_commits(&mut self) {
        self.commits = true;
    }

    /// A mark to go back to.
    pub(super) fn mark(&self) -> usize {
        self.filled
    }

    /// Forgets what was added after the mark.
    pub(super) fn back_to(&mut self, mark: usize) {
        self.filled = mark;
    }

    /// Adds a record.
    pub(super) fn record(&mut self, kind: RecordKind, payload: &[u8]) -> Result<Extent, NoRoom> {
        let header = encode_record_header(kind, payload).map_err(|_| NoRoom)?;
        let at = self.filled;
        let begin = at.saturating_add(RECORD_HEADER_OCTETS);
        let end = begin.saturating_add(payload.len());
        let room = self.buffer.get_mut(..self.capacity).and_then(|room| room.get_mut(at..end)).ok_or(NoRoom)?;
        let (head, body) = room.split_at_mut_checked(RECORD_HEADER_OCTETS).ok_or(NoRoom)?;
        head.copy_from_slice(&header);
        body.copy_from_slice(payload);
        self.filled = end;
        Ok(Extent { at: self.position(at), octets: narrow(payload.len()) })
    }

    /// Adds an event, encoded in place.
    pub(super) fn event(&mut self, event: &Event) -> Result<LogPosition, NoRoom> {
        let at = self.filled;
        let begin = at.saturating_add(RECORD_HEADER_OCTETS);
        let room = self.buffer.get_mut(..self.capacity).and_then(|room| room.get_mut(begin..)).ok_or(NoRoom)?;
        // Postcard fails only for want of room: events have no map and no sequence of unknown length.
        let payload = postcard::to_slice(event, room).map_err(|_| NoRoom)?;
        let end = begin.saturating_add(payload.len());
        let header = encode_record_header(RecordKind::Event, payload).map_err(|_| NoRoom)?;
        self.buffer.get_mut(at..begin).ok_or(NoRoom)?.copy_from_slice(&header);
        self.filled = end;
        Ok(self.position(at))
    }

    fn position(&self, offset: usize) -> LogPosition {
        LogPosition { segment: self.at.segment, offset: self.at.offset.saturating_add(narrow(offset)) }
    }

    /// Its records so far.
    pub(super) fn payload(&self) -> &[u8] {
        self.buffer.get(BATCH_HEADER_OCTETS..self.filled).unwrap_or(&[])
    }

    /// Closes it: fills in the header, which gets the payload's length and checksum, and the padding.
    /// Gives the whole batch and the checksum of its header.
    pub(super) fn seal(&mut self, mut header: BatchHeader) -> (&[u8], u32) {
        let payload = self.payload();
        header.payload_octets = narrow(payload.len());
        header.payload_crc = crc32c::crc32c(payload);
        let encoded = header.encode();
        if let Some(place) = self.buffer.get_mut(..BATCH_HEADER_OCTETS) {
            place.copy_from_slice(&encoded);
        }
        let end = blocks(self.filled).min(self.capacity);
        if let Some(padding) = self.buffer.get_mut(self.filled..end) {
            padding.fill(0);
        }
        let crc = encoded.last_chunk().map_or(0, |crc| u32::from_le_bytes(*crc));
        (self.buffer.get(..end).unwrap_or(&[]), crc)
    }

    /// The buffer, for records of this length to be read into: what was in it is gone.
    pub(super) fn lend(&mut self, octets: usize) -> Result<&mut [u8], Error> {
        self.begin(self.at, 0);
        self.buffer.get_mut(..octets).ok_or_else(|| Error::Damaged("a batch that is too large".to_owned()))
    }

    /// Its events and where they stand.
    pub(super) fn records(&self) -> (LogPosition, Records<'_>) {
        (self.position(BATCH_HEADER_OCTETS), Records::new(self.payload()))
    }
}
