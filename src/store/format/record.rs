//! Records inside a batch, see the table in [`super`]. Pure functions over octets, fit for a fuzzer.

use super::super::event::Event;
use super::{Fields, Invalid};

const VERSION: u8 = 1;

/// Octets of a record header.
pub const RECORD_HEADER_OCTETS: usize = 12;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// Octets of a message.
    Chunk,
    /// An encoded `mime::Summary`.
    Summary,
    /// An [`Event`].
    Event,
}

impl RecordKind {
    const fn code(self) -> u8 {
        match self {
            Self::Chunk => 1,
            Self::Summary => 2,
            Self::Event => 3,
        }
    }
}

/// A whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it holds.
    pub kind: RecordKind,
    /// Its payload.
    pub payload: &'a [u8],
}

/// The header of a record with this payload.
///
/// # Errors
/// [`Invalid::Field`] if the payload's length has no place in it.
pub fn encode_record_header(kind: RecordKind, payload: &[u8]) -> Result<[u8; RECORD_HEADER_OCTETS], Invalid> {
    let length = u32::try_from(payload.len()).map_err(|_| Invalid::Field("record length"))?;
    let [a, b, c, d] = length.to_le_bytes();
    let head = [kind.code(), VERSION, 0, 0, a, b, c, d];
    let [e, f, g, h] = crc32c::crc32c_append(crc32c::crc32c(&head), payload).to_le_bytes();
    Ok([kind.code(), VERSION, 0, 0, a, b, c, d, e, f, g, h])
}

/// Octets of the record with this header, header and payload together.
#[must_use]
pub fn record_octets(header: &[u8; RECORD_HEADER_OCTETS]) -> Option<usize> {
    let mut fields = Fields(header.get(4..)?);
    usize::try_from(fields.u32().ok()?).ok()?.checked_add(RECORD_HEADER_OCTETS)
}

/// Reads the record at the front of `octets`.
///
/// # Errors
/// [`Invalid`] if it is not whole.
pub fn decode_record(octets: &[u8]) -> Result<Record<'_>, Invalid> {
    let (header, rest) = octets.split_first_chunk::<RECORD_HEADER_OCTETS>().ok_or(Invalid::Short)?;
    let (head, _) = header.split_last_chunk::<4>().ok_or(Invalid::Short)?;
    let mut fields = Fields(header);
    let kind = fields.u8()?;
    let version = fields.u8()?;
    fields.u16()?;
    let length = usize::try_from(fields.u32()?).map_err(|_| Invalid::Short)?;
    let crc = fields.u32()?;
    let payload = rest.get(..length).ok_or(Invalid::Short)?;
    if crc32c::crc32c_append(crc32c::crc32c(head), payload) != crc {
        return Err(Invalid::Checksum);
    }
    if version != VERSION {
        return Err(Invalid::Version(version.into()));
    }
    let kind = match kind {
        1 => RecordKind::Chunk,
        2 => RecordKind::Summary,
        3 => RecordKind::Event,
        _ => return Err(Invalid::Field("record kind")),
    };
    Ok(Record { kind, payload })
}

/// Walks over the records of a batch; ends after the first one that is not whole.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    payload: &'a [u8],
    offset: usize,
}

impl<'a> Records<'a> {
    /// Over a batch's payload.
    #[must_use]
    pub fn new(payload: &'a [u8]) -> Self {
        Self { payload, offset: 0 }
    }

    /// Octets of all records, whole or not.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.payload.len()
    }
}

impl<'a> Iterator for Records<'a> {
    /// Where the record's header stands in the payload, and the record.
    type Item = (usize, Result<Record<'a>, Invalid>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.payload.get(self.offset..)?;
        if rest.is_empty() {
            return None;
        }
        let at = self.offset;
        let record = decode_record(rest);
        self.offset = match &record {
            Ok(record) => at.saturating_add(RECORD_HEADER_OCTETS).saturating_add(record.payload.len()),
            // Where the next record begins is not known for sure.
            Err(_) => self.payload.len(),
        };
        Some((at, record))
    }
}

/// Reads an event from an event record's payload.
///
/// # Errors
/// [`Invalid::Field`] if it is none, or one that this version does not know.
pub fn decode_event(payload: &[u8]) -> Result<Event, Invalid> {
    postcard::from_bytes(payload).map_err(|_| Invalid::Field("event"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::mail::{Flags, InternalDate, ModSeq, SystemFlag, Uid};
    use crate::store::{BlobId, Extent, LogPosition, MailboxId};
    use proptest::prelude::*;

    fn encode(kind: RecordKind, payload: &[u8]) -> Vec<u8> {
        let mut octets = encode_record_header(kind, payload).unwrap().to_vec();
        octets.extend_from_slice(payload);
        octets
    }

    proptest! {
        #[test]
        fn records_come_back_and_every_cut_ends_the_walk(
            payloads in proptest::collection::vec((0..3u8, proptest::collection::vec(any::<u8>(), 0..40)), 0..6),
        ) {
            let kinds = [RecordKind::Chunk, RecordKind::Summary, RecordKind::Event];
            let mut octets = Vec::new();
            let mut starts = Vec::new();
            for (kind, payload) in &payloads {
                starts.push(octets.len());
                octets.extend(encode(kinds[usize::from(*kind)], payload));
            }
            let found: Vec<_> = Records::new(&octets).collect();
            prop_assert_eq!(found.len(), payloads.len());
            for ((at, record), (start, (kind, payload))) in found.iter().zip(starts.iter().zip(&payloads)) {
                let record = record.unwrap();
                prop_assert_eq!((at, record.kind, record.payload), (start, kinds[usize::from(*kind)], &payload[..]));
            }
            for end in 0..octets.len() {
                let whole = starts.iter().skip(1).filter(|&&start| start <= end).count();
                let cut = Records::new(&octets[..end]).filter(|(_, record)| record.is_ok()).count();
                prop_assert_eq!(cut, whole);
            }
        }

        #[test]
        fn any_octets_are_judged(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            for (_, record) in Records::new(&octets) {
                if let Ok(record) = record {
                    let _ = decode_event(record.payload);
                }
            }
            let _ = decode_event(&octets);
        }
    }

    /// Format version 1, for ever: these octets were written by the first version.
    #[test]
    fn golden_octets_of_version_1() {
        let at = LogPosition { segment: 300, offset: 4160 };
        let blob = Event::BlobAdded {
            id: BlobId(77),
            octets: 70_000,
            extents: vec![Extent { at, octets: 65_460 }],
            summary: Extent { at, octets: 5 },
        };
        let message = Event::MessageAdded {
            mailbox: MailboxId(3),
            uid: Uid::new(9).unwrap(),
            modseq: ModSeq(12),
            flags: Flags::NONE.with(SystemFlag::Seen).with_keyword(2),
            internal_date: InternalDate { unix: 1_700_000_000, zone_minutes: 60 },
            saved: 1_700_000_001,
            octets: 70_000,
            blob: BlobId(77),
        };
        let hex = |event: &Event| -> String {
            let octets = encode(RecordKind::Event, &postcard::to_stdvec(event).unwrap());
            assert_eq!(decode_event(decode_record(&octets).unwrap().payload).as_ref(), Ok(event));
            octets.iter().map(|octet| format!("{octet:02x}")).collect()
        };
        assert_eq!(hex(&blob), include_str!("golden_v1_blob.hex").trim());
        assert_eq!(hex(&message), include_str!("golden_v1_message.hex").trim());
    }
}
