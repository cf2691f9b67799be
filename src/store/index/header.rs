//! The two header slots of the index file: pages 0 and 1, written in turn, one at each checkpoint.
//!
//! ```text
//! offset width meaning (little-endian)
//!      0     4 CRC32C of octets 4 to 4095
//!      4     8 "PBXINDEX"
//!     12     2 format version
//!     14     2 bitmap pages
//!     16     4 generation: grows by one with every checkpoint; slot = generation modulo 2
//!     20     4 root page, zero: no entries
//!     24     4 pages of the file
//!     28     8 entries
//!     36    20 covered: segment (4), offset (4), sequence (8), chain (4)
//!     56     4 next mailbox id
//!     60     8 next blob id
//!     68     4 last UIDVALIDITY, zero: none yet
//!     72   4*n numbers of the bitmap pages
//! ```
//!
//! A slot of zeros says that there is no checkpoint. Owns nothing; reading and writing are left to [`super::pager`].

use super::super::{Error, LogPosition};
use super::page::PAGE_OCTETS;
use super::{Counters, Covered};
use crate::mail::UidValidity;
use core::num::NonZeroU32;

/// Format of pages, keys and rows. Another version is not read: the index is made again from the log.
pub const VERSION: u16 = 1;
/// Bitmap pages of the largest index.
pub const BITMAPS_MAX: usize = 40;

const MAGIC: &[u8; 8] = b"PBXINDEX";

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Number of the checkpoint.
    pub generation: u32,
    /// The tree's root, zero if it is empty.
    pub root: u32,
    /// Pages of the file.
    pub pages: u32,
    /// Entries in the tree.
    pub entries: u64,
    /// How much of the log it holds.
    pub covered: Covered,
    /// Counters of the store.
    pub counters: Counters,
    /// Where the bitmap is.
    pub bitmaps: heapless::Vec<u32, BITMAPS_MAX>,
}

/// What a slot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
// Two of these exist, while a file is opened.
#[allow(clippy::large_enum_variant)]
pub enum Slot {
    /// Nothing was ever written, or it was wiped.
    Vacant,
    /// A checkpoint.
    Valid(Header),
    /// Something else: why it is no checkpoint.
    Invalid(&'static str),
}

impl Header {
    /// The slot's octets.
    ///
    /// # Errors
    /// Never for a header that [`Header::decode`] would take.
    pub fn encode(&self) -> Result<[u8; PAGE_OCTETS], Error> {
        let mut octets = [0; PAGE_OCTETS];
        let mut writer = octets.get_mut(4..).unwrap_or_default();
        let mut put = |octets: &[u8]| {
            let taken = writer.split_off_mut(..octets.len()).ok_or(Error::OverLimit("index header"))?;
            taken.copy_from_slice(octets);
            Ok::<(), Error>(())
        };
        put(MAGIC)?;
        put(&VERSION.to_le_bytes())?;
        put(&u16::try_from(self.bitmaps.len()).unwrap_or(u16::MAX).to_le_bytes())?;
        put(&self.generation.to_le_bytes())?;
        put(&self.root.to_le_bytes())?;
        put(&self.pages.to_le_bytes())?;
        put(&self.entries.to_le_bytes())?;
        put(&self.covered.position.segment.to_le_bytes())?;
        put(&self.covered.position.offset.to_le_bytes())?;
        put(&self.covered.sequence.to_le_bytes())?;
        put(&self.covered.chain.to_le_bytes())?;
        put(&self.counters.next_mailbox.to_le_bytes())?;
        put(&self.counters.next_blob.to_le_bytes())?;
        put(&self.counters.last_uid_validity.map_or(0, UidValidity::get).to_le_bytes())?;
        for page in &self.bitmaps {
            put(&page.to_le_bytes())?;
        }
        let crc = crc32c::crc32c(octets.get(4..).unwrap_or_default());
        if let Some(place) = octets.first_chunk_mut() {
            *place = crc.to_le_bytes();
        }
        Ok(octets)
    }

    /// What these octets are.
    #[must_use]
    pub fn decode(octets: &[u8; PAGE_OCTETS]) -> Slot {
        if octets.iter().all(|octet| *octet == 0) {
            return Slot::Vacant;
        }
        let mut reader = Reader(octets);
        let crc = reader.u32();
        if crc != Some(crc32c::crc32c(octets.get(4..).unwrap_or_default())) {
            return Slot::Invalid("checksum");
        }
        if reader.take() != Some(MAGIC) {
            return Slot::Invalid("not an index");
        }
        if reader.u16() != Some(VERSION) {
            return Slot::Invalid("made by another version");
        }
        reader.header().map_or(Slot::Invalid("contents"), Slot::Valid)
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(first)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(|octets| u16::from_le_bytes(*octets))
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(|octets| u32::from_le_bytes(*octets))
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(|octets| u64::from_le_bytes(*octets))
    }

    /// All behind the version.
    fn header(&mut self) -> Option<Header> {
        let count = self.u16()?;
        let (generation, root, pages, entries) = (self.u32()?, self.u32()?, self.u32()?, self.u64()?);
        let position = LogPosition { segment: self.u32()?, offset: self.u32()? };
        let covered = Covered { position, sequence: self.u64()?, chain: self.u32()? };
        let (next_mailbox, next_blob) = (self.u32()?, self.u64()?);
        let last_uid_validity = NonZeroU32::new(self.u32()?).map(UidValidity);
        let counters = Counters { next_mailbox, next_blob, last_uid_validity };
        let mut bitmaps = heapless::Vec::new();
        for _ in 0..count {
            bitmaps.push(self.u32()?).ok()?;
        }
        Some(Header { generation, root, pages, entries, covered, counters, bitmaps })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn a_header_comes_back_or_is_refused() {
        let covered =
            Covered { position: LogPosition { segment: 7, offset: 4096 }, sequence: 1 << 40, chain: 0xdead_beef };
        let counters =
            Counters { next_mailbox: 9, next_blob: 1 << 50, last_uid_validity: NonZeroU32::new(77).map(UidValidity) };
        let header = Header {
            generation: 12,
            root: 99,
            pages: 1024,
            entries: 1 << 33,
            covered,
            counters,
            bitmaps: heapless::Vec::from_slice(&[5, 6, 7]).unwrap(),
        };
        let octets = header.encode().unwrap();
        assert_eq!(Header::decode(&octets), Slot::Valid(header));
        assert_eq!(Header::decode(&[0; PAGE_OCTETS]), Slot::Vacant);
        for at in 0..100 {
            let mut hurt = octets;
            hurt[at] ^= 1;
            assert!(matches!(Header::decode(&hurt), Slot::Invalid(_)), "octet {at}");
        }
        // Torn: only the first sectors of the new header arrived over an old one, or over nothing.
        let mut torn = octets;
        torn[512..].fill(0xff);
        assert_eq!(Header::decode(&torn), Slot::Invalid("checksum"));
    }
}
