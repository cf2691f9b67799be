//! Reads the log forward, batch by batch, to its end; see [`super::format`], "Where the log ends".
//!
//! Owns no buffer: the writer's batch buffer is lent to it. Reads only. Whatever octets it finds, it ends, and says what
//! was damaged.

use super::format::{
    BATCH_HEADER_OCTETS, BLOCK_OCTETS, BatchHeader, BatchKind, Invalid, SegmentHeader, StoreId, blocks,
};
use super::log::LogEnd;
use super::segments::Segments;
use super::width::{narrow, size};
use super::{Error, LogPosition, OpenReport};
use crate::limits::BATCH_OCTETS_MAX;
use std::collections::BTreeMap;

/// Reads the log forward.
pub(super) struct Replay<'a> {
    segments: &'a Segments,
    headers: &'a BTreeMap<u32, SegmentHeader>,
    store: StoreId,
    buffer: &'a mut [u8],
    position: Option<LogPosition>,
    sequence: u64,
    chain: u32,
    /// `None`: the batch before was not read.
    nonce: Option<u64>,
}

/// A batch that was read; its records are in the buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    /// Where its records begin.
    pub(super) at: LogPosition,
    /// Octets of its records; zero if there is nothing in them for the index.
    pub(super) payload_octets: usize,
    /// Octets of the whole batch.
    pub(super) octets: usize,
    /// Are these the octets that were written? If not, some of its records may be lost.
    pub(super) whole: bool,
}

/// Where the log goes on behind damage.
struct Resume {
    position: LogPosition,
    sequence: u64,
    chain: u32,
}

impl<'a> Replay<'a> {
    /// From the first segment.
    pub(super) fn from_begin(
        segments: &'a Segments,
        headers: &'a BTreeMap<u32, SegmentHeader>,
        store: StoreId,
        buffer: &'a mut [u8],
    ) -> Self {
        let end = match headers.first_key_value() {
            Some((_, first)) => {
                LogEnd { position: Some(begin_of(first)), sequence: first.sequence, chain: first.chain }
            }
            None => LogEnd { position: None, sequence: 1, chain: store.chain() },
        };
        Self::from(segments, headers, store, buffer, end)
    }

    /// From a place that a checkpoint covers.
    pub(super) fn from(
        segments: &'a Segments,
        headers: &'a BTreeMap<u32, SegmentHeader>,
        store: StoreId,
        buffer: &'a mut [u8],
        from: LogEnd,
    ) -> Self {
        let LogEnd { position, sequence, chain } = from;
        Self { segments, headers, store, buffer, position, sequence, chain, nonce: None }
    }

    /// Where the log goes on.
    pub(super) fn end(&self) -> LogEnd {
        LogEnd { position: self.position, sequence: self.sequence, chain: self.chain }
    }

    /// Is there a segment behind this one? Then everything in this one is durable.
    pub(super) fn in_last_segment(&self) -> bool {
        self.position.is_none_or(|position| self.following(position.segment).is_none())
    }

    /// The records of the batch that was read last.
    pub(super) fn payload(&self, read: &Read) -> &[u8] {
        self.buffer.get(..read.payload_octets).unwrap_or(&[])
    }

    /// The next batch; `None` at the end of the log.
    pub(super) fn next(&mut self, report: &mut OpenReport) -> Result<Option<Read>, Error> {
        loop {
            let Some(position) = self.position else { return Ok(None) };
            // A segment that begins with this very batch goes before whatever stands here: that was torn once.
            if let Some(next) = self.following(position.segment)
                && (next.sequence, next.chain) == (self.sequence, self.chain)
            {
                self.position = Some(begin_of(next));
                continue;
            }
            let looked = self.look(position)?;
            let (header, payload) = match looked {
                Ok((header, crc)) => match self.read_payload(position, &header)? {
                    Ok(read) => {
                        self.go_on(position, &header, crc);
                        return Ok(Some(read));
                    }
                    Err(invalid) => (Some(header), invalid),
                },
                Err(invalid) => (None, invalid),
            };
            let behind = header.map_or(BLOCK_OCTETS, |header| batch_octets(&header));
            let Some(resume) = self.resume(position, behind)? else { return Ok(None) };
            report.damaged(format!(
                "log segment {} octet {}: {payload}; batches {} to {} are lost or incomplete",
                position.segment,
                position.offset,
                self.sequence,
                resume.sequence.saturating_sub(1)
            ));
            (self.position, self.sequence, self.chain) = (Some(resume.position), resume.sequence, resume.chain);
            self.nonce = None;
            if let Some(header) = header {
                // The records that are whole still count; the payload is in the buffer.
                let payload_octets = size(header.payload_octets);
                return Ok(Some(Read {
                    at: records_of(position),
                    payload_octets,
                    octets: batch_octets(&header),
                    whole: false,
                }));
            }
        }
    }

    fn go_on(&mut self, position: LogPosition, header: &BatchHeader, crc: u32) {
        let offset = position.offset.saturating_add(narrow(batch_octets(header)));
        self.position = Some(LogPosition { offset, ..position });
        self.sequence = header.sequence.saturating_add(1);
        self.chain = crc;
        self.nonce = Some(header.nonce);
    }

    /// The batch header that stands here, if it is the next one of the log.
    fn look(&self, position: LogPosition) -> Result<Result<(BatchHeader, u32), Invalid>, Error> {
        Ok(self.header_at(position)?.and_then(|(header, crc)| {
            if header.sequence != self.sequence {
                Err(Invalid::Field("sequence number"))
            } else if header.chain != self.chain {
                Err(Invalid::Field("chain value"))
            } else if !header.first && self.nonce.is_some_and(|nonce| nonce != header.nonce) {
                Err(Invalid::Field("nonce"))
            } else {
                Ok((header, crc))
            }
        }))
    }

    /// Any batch header of this store and segment that stands here.
    fn header_at(&self, position: LogPosition) -> Result<Result<(BatchHeader, u32), Invalid>, Error> {
        if size(position.offset).saturating_add(BATCH_HEADER_OCTETS) > size(self.segments.octets()) {
            return Ok(Err(Invalid::Short));
        }
        let mut octets = [0; BATCH_HEADER_OCTETS];
        let read = self.segments.file(position.segment)?.read_at(position.offset.into(), &mut octets)?;
        let decoded = BatchHeader::decode(octets.get(..read).unwrap_or(&octets));
        Ok(decoded.and_then(|(header, crc)| {
            let end = size(position.offset).saturating_add(batch_octets(&header));
            if header.segment != position.segment {
                Err(Invalid::Field("segment"))
            } else if header.store_tag != self.store.tag() {
                Err(Invalid::Field("store"))
            } else if end > size(self.segments.octets()) || size(header.payload_octets) > self.buffer.len() {
                Err(Invalid::Field("length"))
            } else {
                Ok((header, crc))
            }
        }))
    }

    fn read_payload(&mut self, position: LogPosition, header: &BatchHeader) -> Result<Result<Read, Invalid>, Error> {
        let at = records_of(position);
        let octets = batch_octets(header);
        if header.kind == BatchKind::Spill && !self.in_last_segment() {
            // It was durable when the next segment began, and has no events.
            return Ok(Ok(Read { at, payload_octets: 0, octets, whole: true }));
        }
        let payload_octets = size(header.payload_octets);
        let Some(payload) = self.buffer.get_mut(..payload_octets) else { return Ok(Err(Invalid::Field("length"))) };
        let read = self.segments.file(at.segment)?.read_at(at.offset.into(), payload)?;
        if read < payload_octets {
            payload.iter_mut().skip(read).for_each(|octet| *octet = 0);
        }
        if crc32c::crc32c(payload) == header.payload_crc {
            Ok(Ok(Read { at, payload_octets, octets, whole: true }))
        } else {
            Ok(Err(Invalid::Checksum))
        }
    }

    /// The next segment that belongs to what is still to be read.
    fn following(&self, serial: u32) -> Option<&SegmentHeader> {
        let mut behind = self.headers.range(serial.saturating_add(1)..).map(|(_, header)| header);
        behind.find(|header| header.serial > serial && header.sequence >= self.sequence)
    }

    /// Was the batch that should stand at `position` once durable? Then this is where the log goes on behind it.
    fn resume(&self, position: LogPosition, behind: usize) -> Result<Option<Resume>, Error> {
        let following = self.following(position.segment);
        let end = size(self.segments.octets());
        let from = size(position.offset).saturating_add(behind);
        // Without a following segment it is enough to look as far as one batch may reach.
        let to = match following {
            Some(_) => end,
            None => end.min(from.saturating_add(BATCH_OCTETS_MAX)),
        };
        for offset in (from..to).step_by(BLOCK_OCTETS) {
            let position = LogPosition { segment: position.segment, offset: narrow(offset) };
            let Ok((header, _)) = self.header_at(position)? else { continue };
            let durable =
                header.durable > self.sequence || following.is_some_and(|next| header.sequence < next.sequence);
            if header.sequence > self.sequence && durable {
                return Ok(Some(Resume { position, sequence: header.sequence, chain: header.chain }));
            }
        }
        Ok(following.map(|next| Resume { position: begin_of(next), sequence: next.sequence, chain: next.chain }))
    }
}

/// Where a segment's first batch stands.
fn begin_of(header: &SegmentHeader) -> LogPosition {
    LogPosition { segment: header.serial, offset: narrow(BLOCK_OCTETS) }
}

fn records_of(position: LogPosition) -> LogPosition {
    LogPosition { offset: position.offset.saturating_add(narrow(BATCH_HEADER_OCTETS)), ..position }
}

fn batch_octets(header: &BatchHeader) -> usize {
    blocks(BATCH_HEADER_OCTETS.saturating_add(size(header.payload_octets)))
}
