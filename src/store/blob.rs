//! Reading a message body out of the log.
//!
//! Owns one working buffer, into which it reads one record at a time, and the list of the body's records (twelve octets
//! for each 64 KiB of message). Every record's checksum is verified before an octet of it is given out: damage on the
//! card is an error of this one message.

use super::event::Event;
use super::format::{CHUNK_OCTETS_MAX, RECORD_HEADER_OCTETS, RecordKind, decode_event, decode_record, record_octets};
use super::index::BlobRow;
use super::segments::Segments;
use super::width::{size, wide};
use super::{BlobId, Error, Extent, LogPosition, WorkingBuffer};
use std::sync::Arc;

/// Reads one message body.
#[derive(Debug)]
pub struct BlobReader {
    segments: Arc<Segments>,
    octets: u64,
    extents: Vec<Extent>,
    buffer: WorkingBuffer,
    loaded: Option<Loaded>,
}

/// The record whose payload is in the buffer.
#[derive(Clone, Copy, Debug)]
struct Loaded {
    /// Which of the extents.
    number: usize,
    /// The message's octet that it begins with.
    begin: u64,
    octets: usize,
}

impl BlobReader {
    pub(super) fn open(
        segments: Arc<Segments>,
        blob: BlobId,
        row: &BlobRow,
        mut buffer: WorkingBuffer,
    ) -> Result<Self, Error> {
        let event = read_event(&segments, row.event_at, buffer.octets())?;
        let Event::BlobAdded { id, octets, extents, .. } = event else { return Err(damaged(row.event_at, "no body")) };
        if id != blob || octets != row.octets {
            return Err(damaged(row.event_at, "another body"));
        }
        Ok(Self { segments, octets, extents, buffer, loaded: None })
    }

    /// Octets of the whole message.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Reads from this octet of the message on; less than `into` holds only at the end of the message, zero behind it.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the card does not hold what was written, [`Error::Medium`] if it cannot be read.
    pub fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, Error> {
        let mut read = 0_usize;
        while let Some(rest) = into.get_mut(read..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(wide(read));
            if at >= self.octets {
                break;
            }
            let loaded = self.load(at)?;
            let within = usize::try_from(at.saturating_sub(loaded.begin)).unwrap_or(usize::MAX);
            let payload = self.buffer.as_slice().get(RECORD_HEADER_OCTETS..).and_then(|rest| rest.get(..loaded.octets));
            let there = payload.and_then(|payload| payload.get(within..)).unwrap_or(&[]);
            let taken = there.len().min(rest.len());
            if let (Some(to), Some(from)) = (rest.get_mut(..taken), there.get(..taken).filter(|from| !from.is_empty()))
            {
                to.copy_from_slice(from);
            } else {
                return Err(Error::Damaged("a body is shorter than its records say".to_owned()));
            }
            read = read.saturating_add(taken);
        }
        Ok(read)
    }

    /// Ends reading; the working buffer may be used for something else.
    #[must_use]
    pub fn into_buffer(self) -> WorkingBuffer {
        self.buffer
    }

    /// Reads the record that holds this octet of the message, unless it is in the buffer.
    fn load(&mut self, at: u64) -> Result<Loaded, Error> {
        // Reading goes forward most of the time: look from the record at hand.
        let (mut number, mut begin) = match self.loaded {
            Some(loaded) if at >= loaded.begin => (loaded.number, loaded.begin),
            _ => (0, 0),
        };
        while let Some(extent) = self.extents.get(number) {
            let end = begin.saturating_add(extent.octets.into());
            if at >= end {
                (number, begin) = (number.saturating_add(1), end);
                continue;
            }
            if let Some(loaded) = self.loaded.filter(|loaded| loaded.number == number) {
                return Ok(loaded);
            }
            // Until it is verified, nothing in the buffer counts.
            self.loaded = None;
            read_record(&self.segments, *extent, RecordKind::Chunk, self.buffer.octets())?;
            let loaded = Loaded { number, begin, octets: size(extent.octets) };
            self.loaded = Some(loaded);
            return Ok(loaded);
        }
        Err(Error::Damaged("a body has fewer records than octets".to_owned()))
    }
}

fn damaged(at: LogPosition, what: &str) -> Error {
    Error::Damaged(format!("{what} at segment {} octet {}", at.segment, at.offset))
}

/// Reads a record and its header to the front of `buffer`.
fn read_record(segments: &Segments, extent: Extent, kind: RecordKind, buffer: &mut [u8]) -> Result<(), Error> {
    let length = size(extent.octets).saturating_add(RECORD_HEADER_OCTETS);
    let octets = buffer.get_mut(..length).ok_or_else(|| damaged(extent.at, "a record that is too large"))?;
    segments.file(extent.at.segment)?.read_exact_at(extent.at.offset.into(), octets)?;
    match decode_record(octets) {
        Ok(record) if record.kind == kind && record.payload.len() == size(extent.octets) => Ok(()),
        Ok(_) => Err(damaged(extent.at, "another record")),
        Err(invalid) => Err(damaged(extent.at, &format!("a record with {invalid}"))),
    }
}

fn read_event(segments: &Segments, at: LogPosition, buffer: &mut [u8]) -> Result<Event, Error> {
    let file = segments.file(at.segment)?;
    let mut header = [0; RECORD_HEADER_OCTETS];
    file.read_exact_at(at.offset.into(), &mut header)?;
    let octets = record_octets(&header)
        .and_then(|length| buffer.get_mut(..length))
        .ok_or_else(|| damaged(at, "an event that is too large"))?;
    file.read_exact_at(at.offset.into(), octets)?;
    let record = decode_record(octets).map_err(|invalid| damaged(at, &format!("an event with {invalid}")))?;
    match record.kind {
        RecordKind::Event => decode_event(record.payload).map_err(|invalid| damaged(at, &format!("an {invalid}"))),
        RecordKind::Chunk | RecordKind::Summary => Err(damaged(at, "no event")),
    }
}

/// Reads an encoded summary.
pub(super) fn read_summary(segments: &Segments, extent: Extent) -> Result<Vec<u8>, Error> {
    let length = size(extent.octets);
    if length > CHUNK_OCTETS_MAX {
        return Err(damaged(extent.at, "a summary that is too large"));
    }
    let mut octets = vec![0; length.saturating_add(RECORD_HEADER_OCTETS)];
    read_record(segments, extent, RecordKind::Summary, &mut octets)?;
    octets.drain(..RECORD_HEADER_OCTETS);
    Ok(octets)
}
