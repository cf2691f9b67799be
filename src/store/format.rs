//! The bytes of the store, described before any code that writes them.
//!
//! All numbers have fixed widths and are little-endian; all checksums are CRC32C (Castagnoli). "Zero" fields are
//! written as zero and not looked at, so that later versions can use them. This is format version 1.
//!
//! # Files
//!
//! | name | holds |
//! | --- | --- |
//! | `store` | the store header, one block; written once, under `store.new`, then renamed |
//! | `lock` | nothing; one process at a time holds a lock on it |
//! | `segment-XXXXXXXX` | a segment of the log, or a spare one. The number names the file only |
//! | `segment-XXXXXXXX.new` | a spare that is being pre-written; left over after a crash it is removed |
//! | `index` | derived from the log, may be thrown away; see `store::index` |
//!
//! # Store header, 64 octets, version 1
//!
//! | offset | width | meaning |
//! | ---: | ---: | --- |
//! | 0 | 8 | magic `PBOXSTOR` |
//! | 8 | 2 | format version |
//! | 10 | 2 | zero |
//! | 12 | 4 | octets of each segment file, a multiple of the block |
//! | 16 | 16 | store id, random |
//! | 32 | 8 | when it was made, seconds since 1970 |
//! | 40 | 20 | zero |
//! | 60 | 4 | CRC32C of octets 0 to 59 |
//!
//! # Segment
//!
//! A segment file has a fixed size and is pre-written before use, with zeros or, once segments are recycled, with what
//! it held before. One block holds its header; batches follow, each beginning on a block, back to back. A block that
//! holds committed octets is never written again while the segment is live.
//!
//! | offset | width | meaning |
//! | ---: | ---: | --- |
//! | 0 | 8 | magic `PBOXSEGM` |
//! | 8 | 2 | format version |
//! | 10 | 2 | zero |
//! | 12 | 4 | serial: grows with every segment that is begun, so old batches in a recycled file do not fit |
//! | 16 | 16 | store id |
//! | 32 | 4 | octets of the file |
//! | 36 | 4 | chain: the header CRC of the batch before its first one |
//! | 40 | 8 | sequence number of its first batch |
//! | 48 | 8 | nonce of the opening that began it |
//! | 56 | 4 | zero |
//! | 60 | 4 | CRC32C of octets 0 to 59 |
//!
//! A file whose header is 64 zero octets is spare, unless its first batch is known to have been durable: then its header
//! is damaged, and the first batch says what stood there. The segment before is durable before the header of
//! the next one is written: whoever sees the next header knows that every batch before it was whole.
//!
//! # Batch, version 1
//!
//! A batch header, then records, then zeros up to the block. All of it is one write. What a commit batch holds happened
//! as a whole or not at all. A spill batch only holds chunks of messages that are not complete yet, so losing it after
//! a crash loses nothing that was promised; it is not synced by itself.
//!
//! | offset | width | meaning |
//! | ---: | ---: | --- |
//! | 0 | 4 | magic `PBBA` |
//! | 4 | 1 | version |
//! | 5 | 1 | kind: 1 commit, 2 spill |
//! | 6 | 1 | bit 0: the first batch of an opening |
//! | 7 | 1 | zero |
//! | 8 | 4 | octets of the records together |
//! | 12 | 4 | serial of its segment |
//! | 16 | 8 | sequence number: one more than the batch before |
//! | 24 | 8 | durable: every batch with a smaller number was durable when this one was written |
//! | 32 | 8 | nonce: random, the same for all batches of one opening of the store |
//! | 40 | 4 | chain: the header CRC of the batch before; CRC32C of the store id for the first one |
//! | 44 | 4 | CRC32C of the records |
//! | 48 | 8 | the first eight octets of the store id |
//! | 56 | 4 | zero |
//! | 60 | 4 | CRC32C of octets 0 to 59 |
//!
//! ## Where the log ends
//!
//! At the first place where no whole batch stands that has the next sequence number, this segment's serial, the right
//! chain, and the nonce of the batch before (or bit 0), and where no next segment goes on from there.
//!
//! Why chain and nonce: batches A and B were written, neither synced, and after a power cut A is torn while B is whole.
//! The log ends before A. The next opening writes another batch A' of the same length at A's place; B, now stale, stands
//! right behind it with the next number. B's chain is the CRC of A's header, which A' does not have, since the nonces
//! differ; should the CRCs collide, B's nonce still differs from that of A', and bit 0 does not excuse it: B was not the
//! first batch of its opening, A came before. If B had been the first, A would have been of an earlier opening, found
//! whole by B's opening and made durable before anything was written (recovery ends with a sync): not torn.
//!
//! Why `durable`: octets that rot in the middle of the log must not be taken for its end. If a later batch of the same
//! segment says that this one was durable, or if a later segment begins, then this one was whole once: it is reported,
//! what can be read of it is used, and the log goes on behind it. The part of the store id keeps message octets that
//! look like a batch from being taken for one.
//!
//! # Record, version 1
//!
//! | offset | width | meaning |
//! | ---: | ---: | --- |
//! | 0 | 1 | kind: 1 chunk, 2 summary, 3 event |
//! | 1 | 1 | version |
//! | 2 | 2 | zero |
//! | 4 | 4 | octets of the payload |
//! | 8 | 4 | CRC32C of octets 0 to 7 and the payload |
//! | 12 | | payload |
//!
//! | kind | payload |
//! | --- | --- |
//! | chunk | octets of a message; a full one has [`CHUNK_OCTETS_MAX`] |
//! | summary | an encoded `mime::Summary`, which has its own version octet |
//! | event | postcard encoding of [`Event`](super::event::Event) |
//!
//! A full chunk with its record header and a batch header fills [`WORKING_BUFFER_OCTETS`] exactly, which are whole
//! blocks: a large message costs no padding but its last batch's. That last batch holds its last octets, its summary
//! and its events together.
//!
//! # How compaction will work
//!
//! Events state results and carry the modseq at which they came true, so the present state of a mailbox, message or
//! directory entry may be written again at the end of the log at any time, and an old statement changes nothing when
//! both are replayed. To empty a segment: chunks and summaries of living blobs are copied to the end and named by a new
//! `BlobAdded`; living state that was stated there is stated again (`MessageAdded` with its present modseq and flags,
//! `Expunged` for as long as VANISHED is kept, ...); when these are durable and a checkpoint covers them, the file's
//! first two blocks are zeroed, which makes it a spare. Segments are read in the order of their serials, and a missing serial is
//! not damage once a `Compacted` event (a variant to be added) names it.

mod batch;
mod header;
mod record;

pub use batch::{BATCH_HEADER_OCTETS, BatchHeader, BatchKind, decode_batch};
pub use header::{SegmentHeader, StoreHeader, StoreId};
pub use record::{
    RECORD_HEADER_OCTETS, Record, RecordKind, Records, decode_event, decode_record, encode_record_header, record_octets,
};

use crate::limits::{MESSAGE_OCTETS_MAX, WORKING_BUFFER_OCTETS};

/// Version of everything described here.
pub const FORMAT_VERSION: u16 = 1;

/// Octets of a batch's unit and of everything that is written at once: a block.
pub const BLOCK_OCTETS: usize = 4096;

/// Octets of the store header and of a segment header; the rest of their block is zero.
pub const HEADER_OCTETS: usize = 64;

/// Payload octets of a full chunk, such that batch header, record header and payload fill a working buffer: whole blocks.
pub const CHUNK_OCTETS_MAX: usize = WORKING_BUFFER_OCTETS - BATCH_HEADER_OCTETS - RECORD_HEADER_OCTETS;

/// Extents of the largest message.
pub const EXTENTS_MAX: usize = {
    // Both are constants far below 2^32.
    #[allow(clippy::as_conversions, clippy::cast_possible_truncation)]
    {
        MESSAGE_OCTETS_MAX as usize / CHUNK_OCTETS_MAX + 2
    }
};

// An event with the extents of the largest message (three varints of at most 5 octets each) fits a working buffer.
const _: () = assert!(EXTENTS_MAX * 13 + 64 <= WORKING_BUFFER_OCTETS);
const _: () = assert!(WORKING_BUFFER_OCTETS.is_multiple_of(BLOCK_OCTETS));

/// Why octets are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// There are fewer octets than the header says, or than a header has.
    Short,
    /// Nothing was written here: only zeros.
    Zero,
    /// Another magic number.
    Magic,
    /// A version that this program does not know.
    Version(u16),
    /// The header's checksum differs.
    HeaderChecksum,
    /// The payload's checksum differs.
    Checksum,
    /// A field has a value that it cannot have.
    Field(&'static str),
}

impl core::fmt::Display for Invalid {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Short => f.write_str("too few octets"),
            Self::Zero => f.write_str("never written"),
            Self::Magic => f.write_str("wrong magic number"),
            Self::Version(version) => write!(f, "version {version}"),
            Self::HeaderChecksum => f.write_str("wrong header checksum"),
            Self::Checksum => f.write_str("wrong checksum"),
            Self::Field(field) => write!(f, "impossible {field}"),
        }
    }
}

/// Rounds up to whole blocks.
#[must_use]
pub const fn blocks(octets: usize) -> usize {
    octets.div_ceil(BLOCK_OCTETS).saturating_mul(BLOCK_OCTETS)
}

/// Reads fixed-width fields from the front of a slice.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn octets<const N: usize>(&mut self) -> Result<[u8; N], Invalid> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Invalid::Short)?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, Invalid> {
        self.octets().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, Invalid> {
        self.octets().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Invalid> {
        self.octets().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Invalid> {
        self.octets().map(u64::from_le_bytes)
    }
}

/// A header of [`HEADER_OCTETS`] octets whose last four are the checksum of those before.
struct Header64 {
    octets: [u8; HEADER_OCTETS],
    filled: usize,
}

impl Header64 {
    fn new() -> Self {
        Self { octets: [0; HEADER_OCTETS], filled: 0 }
    }

    fn put(mut self, field: &[u8]) -> Self {
        let end = self.filled.saturating_add(field.len());
        if let Some(place) = self.octets.get_mut(self.filled..end) {
            place.copy_from_slice(field);
        }
        self.filled = end;
        self
    }

    fn seal(mut self) -> [u8; HEADER_OCTETS] {
        if let Some((rest, crc)) = self.octets.split_last_chunk_mut::<4>() {
            *crc = crc32c::crc32c(rest).to_le_bytes();
        }
        self.octets
    }

    /// The fields of a header whose checksum is right, and the checksum.
    fn open(octets: &[u8]) -> Result<(Fields<'_>, u32), Invalid> {
        let header = octets.first_chunk::<HEADER_OCTETS>().ok_or(Invalid::Short)?;
        if header.iter().all(|&octet| octet == 0) {
            return Err(Invalid::Zero);
        }
        let (rest, crc) = header.split_last_chunk::<4>().ok_or(Invalid::Short)?;
        let crc = u32::from_le_bytes(*crc);
        if crc32c::crc32c(rest) == crc { Ok((Fields(rest), crc)) } else { Err(Invalid::HeaderChecksum) }
    }
}
