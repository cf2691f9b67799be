//! Octets of a message on their way into a literal: as they stand, filtered, or decoded.
//!
//! A literal's size goes before its octets. Where it is not the size of what is stored, the octets are made twice: once
//! to count them, once to send them. What bounds its memory: one piece of [`IMAP_PIECE_OCTETS`] and what becomes of it.

use crate::limits::IMAP_PIECE_OCTETS;
use crate::mime::{HeaderFilter, Span, TransferDecoder};
use crate::store::{BlobReader, Error};

/// What is done to the octets of a span.
#[derive(Clone, Debug)]
pub(super) enum Making {
    /// RFC 9051 6.4.5 HEADER.FIELDS and HEADER.FIELDS.NOT.
    Fields {
        /// Field names.
        names: Vec<Box<str>>,
        /// All but these.
        not: bool,
    },
    /// RFC 3516 BINARY: this Content-Transfer-Encoding is taken off, which [`TransferDecoder`] knows.
    Decoded(Box<[u8]>),
}

enum Maker {
    Fields(HeaderFilter),
    Decoded(TransferDecoder),
    Ended,
}

/// Made octets, one piece after the other.
pub(super) struct Made {
    source: Span,
    read: u64,
    maker: Maker,
    piece: Vec<u8>,
    made: Vec<u8>,
    taken: usize,
}

impl Made {
    /// Begins at the span's first octet; `None` if the encoding is unknown.
    pub(super) fn new(source: Span, making: &Making) -> Option<Self> {
        let maker = match making {
            Making::Fields { names, not: false } => Maker::Fields(HeaderFilter::only(names.clone())),
            Making::Fields { names, not: true } => Maker::Fields(HeaderFilter::except(names.clone())),
            Making::Decoded(encoding) => Maker::Decoded(TransferDecoder::new(encoding)?),
        };
        Some(Self { source, read: 0, maker, piece: vec![0; IMAP_PIECE_OCTETS], made: Vec::new(), taken: 0 })
    }

    /// What has been made and not been taken; empty only at the end.
    pub(super) fn peek(&mut self, reader: &mut BlobReader) -> Result<&[u8], Error> {
        while self.taken >= self.made.len() && !matches!(self.maker, Maker::Ended) {
            self.made.clear();
            self.taken = 0;
            let left = self.source.octets.saturating_sub(self.read);
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(self.piece.len());
            let room = self.piece.get_mut(..wanted).unwrap_or_default();
            let got =
                if room.is_empty() { 0 } else { reader.read_at(self.source.offset.saturating_add(self.read), room)? };
            let octets = self.piece.get(..got).unwrap_or_default();
            if octets.is_empty() {
                match core::mem::replace(&mut self.maker, Maker::Ended) {
                    Maker::Fields(filter) => filter.finish(&mut self.made),
                    Maker::Decoded(decoder) => decoder.finish(&mut self.made),
                    Maker::Ended => {}
                }
            } else {
                self.read = self.read.saturating_add(u64::try_from(got).unwrap_or(u64::MAX));
                match &mut self.maker {
                    Maker::Fields(filter) => filter.push(octets, &mut self.made),
                    Maker::Decoded(decoder) => decoder.push(octets, &mut self.made),
                    Maker::Ended => {}
                }
            }
        }
        Ok(self.made.get(self.taken..).unwrap_or_default())
    }

    /// The first `octets` of [`Made::peek`] are used.
    pub(super) fn take(&mut self, octets: usize) {
        self.taken = self.taken.saturating_add(octets).min(self.made.len());
    }
}

/// Counts made octets, in steps.
pub(super) struct Measure {
    made: Made,
    /// So far.
    pub(super) octets: u64,
    /// Is there a NUL among them?
    pub(super) nul: bool,
}

impl Measure {
    /// Begins.
    pub(super) fn new(made: Made) -> Self {
        Self { made, octets: 0, nul: false }
    }

    /// Goes on for at most about `budget` octets, which it takes off; gives whether the end is reached.
    pub(super) fn go_on(&mut self, reader: &mut BlobReader, budget: &mut usize) -> Result<bool, Error> {
        while *budget > 0 {
            let octets = self.made.peek(reader)?;
            if octets.is_empty() {
                return Ok(true);
            }
            self.nul |= memchr::memchr(0, octets).is_some();
            let count = octets.len();
            self.octets = self.octets.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            self.made.take(count);
            *budget = budget.saturating_sub(count.max(1));
        }
        Ok(false)
    }
}

/// What goes into a literal.
pub(super) enum Source {
    /// Octets of the message from here on.
    Stored(u64),
    /// Made octets; so many come before the first that is wanted (partial fetches).
    Made(Box<Made>, u64),
    /// The message cannot be read: spaces, so that the client finds the end of what was announced.
    Spaces,
}

/// A literal that is being filled.
pub(super) struct Sending {
    /// Where from.
    pub(super) source: Source,
    /// How many octets are still owed.
    pub(super) left: u64,
    /// RFC 9051 4.3: NUL may only stand in a literal8; elsewhere it is shown as `?`.
    pub(super) nul: bool,
}

impl Sending {
    /// Fills the beginning of `room`; gives how much. `Gone` or `Damaged` if the message has fewer octets than were
    /// announced: something else must stand in their place.
    pub(super) fn fill(
        &mut self,
        reader: Option<&mut BlobReader>,
        room: &mut [u8],
        budget: &mut usize,
    ) -> Result<usize, Error> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(room.len());
        let room = room.get_mut(..wanted).unwrap_or_default();
        let filled = match (&mut self.source, reader) {
            (Source::Stored(at), Some(reader)) => {
                let octets = reader.read_at(*at, room)?;
                *at = at.saturating_add(u64::try_from(octets).unwrap_or(u64::MAX));
                octets
            }
            (Source::Spaces, _) => {
                room.fill(b' ');
                wanted
            }
            (Source::Stored(_) | Source::Made(..), None) => return Err(Error::Gone),
            (Source::Made(made, skip), Some(reader)) => {
                while *skip > 0 && *budget > 0 {
                    let octets = made.peek(reader)?.len();
                    if octets == 0 {
                        return Err(short());
                    }
                    let skipped = octets.min(usize::try_from(*skip).unwrap_or(usize::MAX));
                    made.take(skipped);
                    *skip = skip.saturating_sub(u64::try_from(skipped).unwrap_or(u64::MAX));
                    *budget = budget.saturating_sub(skipped);
                }
                if *skip > 0 {
                    return Ok(0);
                }
                let octets = made.peek(reader)?;
                let count = octets.len().min(room.len());
                if let (Some(to), Some(from)) = (room.get_mut(..count), octets.get(..count)) {
                    to.copy_from_slice(from);
                }
                made.take(count);
                count
            }
        };
        if filled == 0 && wanted > 0 {
            return Err(short());
        }
        if !self.nul {
            let mut rest = room.get_mut(..filled).unwrap_or_default();
            while let Some(at) = memchr::memchr(0, rest) {
                rest = rest.get_mut(at..).unwrap_or_default();
                if let Some(first) = rest.first_mut() {
                    *first = b'?';
                }
            }
        }
        *budget = budget.saturating_sub(filled);
        self.left = self.left.saturating_sub(u64::try_from(filled).unwrap_or(u64::MAX));
        Ok(filled)
    }
}

fn short() -> Error {
    Error::Damaged("a message has fewer octets than its summary says".into())
}
