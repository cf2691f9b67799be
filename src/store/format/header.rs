//! The headers of the store and of a segment, see the tables in [`super`].

use super::{BLOCK_OCTETS, FORMAT_VERSION, HEADER_OCTETS, Header64, Invalid};

const STORE_MAGIC: [u8; 8] = *b"PBOXSTOR";
const SEGMENT_MAGIC: [u8; 8] = *b"PBOXSEGM";

/// Names one store among all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreId(pub [u8; 16]);

impl StoreId {
    /// What stands in every batch.
    #[must_use]
    pub fn tag(self) -> u64 {
        self.0.first_chunk().map_or(0, |tag| u64::from_le_bytes(*tag))
    }

    /// The chain value before the first batch.
    #[must_use]
    pub fn chain(self) -> u32 {
        crc32c::crc32c(&self.0)
    }
}

/// The store header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreHeader {
    /// Which store.
    pub id: StoreId,
    /// Octets of each segment file.
    pub segment_octets: u32,
    /// Seconds since 1970.
    pub made_at: i64,
}

impl StoreHeader {
    /// The header's octets; the rest of its block is zero.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_OCTETS] {
        Header64::new()
            .put(&STORE_MAGIC)
            .put(&FORMAT_VERSION.to_le_bytes())
            .put(&[0; 2])
            .put(&self.segment_octets.to_le_bytes())
            .put(&self.id.0)
            .put(&self.made_at.to_le_bytes())
            .seal()
    }

    /// Reads a header from the front of `octets`.
    ///
    /// # Errors
    /// [`Invalid`] if they are anything else.
    pub fn decode(octets: &[u8]) -> Result<Self, Invalid> {
        let (mut fields, _) = Header64::open(octets)?;
        if fields.octets()? != STORE_MAGIC {
            return Err(Invalid::Magic);
        }
        version(fields.u16()?)?;
        fields.u16()?;
        let segment_octets = segment_octets(fields.u32()?)?;
        let id = StoreId(fields.octets()?);
        let made_at = i64::from_le_bytes(fields.octets()?);
        Ok(Self { id, segment_octets, made_at })
    }
}

/// A segment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Its serial number.
    pub serial: u32,
    /// Of which store.
    pub store: StoreId,
    /// Octets of the file.
    pub octets: u32,
    /// Header checksum of the batch before its first one.
    pub chain: u32,
    /// Number of its first batch.
    pub sequence: u64,
    /// The opening that began it.
    pub nonce: u64,
}

impl SegmentHeader {
    /// The header's octets; the rest of its block is zero.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_OCTETS] {
        Header64::new()
            .put(&SEGMENT_MAGIC)
            .put(&FORMAT_VERSION.to_le_bytes())
            .put(&[0; 2])
            .put(&self.serial.to_le_bytes())
            .put(&self.store.0)
            .put(&self.octets.to_le_bytes())
            .put(&self.chain.to_le_bytes())
            .put(&self.sequence.to_le_bytes())
            .put(&self.nonce.to_le_bytes())
            .seal()
    }

    /// Reads a header from the front of `octets`.
    ///
    /// # Errors
    /// [`Invalid`] if they are anything else; [`Invalid::Zero`] for a spare segment.
    pub fn decode(octets: &[u8]) -> Result<Self, Invalid> {
        let (mut fields, _) = Header64::open(octets)?;
        if fields.octets()? != SEGMENT_MAGIC {
            return Err(Invalid::Magic);
        }
        version(fields.u16()?)?;
        fields.u16()?;
        Ok(Self {
            serial: fields.u32()?,
            store: StoreId(fields.octets()?),
            octets: segment_octets(fields.u32()?)?,
            chain: fields.u32()?,
            sequence: fields.u64()?,
            nonce: fields.u64()?,
        })
    }
}

fn version(version: u16) -> Result<(), Invalid> {
    if version == FORMAT_VERSION { Ok(()) } else { Err(Invalid::Version(version)) }
}

/// A segment has whole blocks: its header and at least one batch.
fn segment_octets(octets: u32) -> Result<u32, Invalid> {
    let fits = usize::try_from(octets).is_ok_and(|n| n.is_multiple_of(BLOCK_OCTETS) && n >= 2 * BLOCK_OCTETS);
    if fits { Ok(octets) } else { Err(Invalid::Field("segment size")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    const STORE: StoreHeader = StoreHeader { id: StoreId(*b"0123456789abcdef"), segment_octets: 1 << 24, made_at: 5 };
    const SEGMENT: SegmentHeader =
        SegmentHeader { serial: 7, store: STORE.id, octets: 1 << 24, chain: 9, sequence: 1 << 40, nonce: u64::MAX };

    #[test]
    fn headers_come_back() {
        assert_eq!(StoreHeader::decode(&STORE.encode()), Ok(STORE));
        assert_eq!(SegmentHeader::decode(&SEGMENT.encode()), Ok(SEGMENT));
        assert_eq!(SegmentHeader::decode(&STORE.encode()), Err(Invalid::Magic));
        assert_eq!(SegmentHeader::decode(&[0; 64]), Err(Invalid::Zero));
    }

    /// Format version 1, for ever.
    #[test]
    fn golden_octets_of_version_1() {
        let hex = |octets: [u8; 64]| -> String { octets.iter().map(|octet| format!("{octet:02x}")).collect() };
        assert_eq!(
            hex(STORE.encode()),
            "50424f5853544f5201000000000000013031323334353637383961626364656605000000000000000000000000000000000000000000000000000000ece00e4e"
        );
        assert_eq!(
            hex(SEGMENT.encode()),
            "50424f585345474d01000000070000003031323334353637383961626364656600000001090000000000000000010000ffffffffffffffff0000000040442e56"
        );
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_refused() {
        let octets = SEGMENT.encode();
        for end in 0..octets.len() {
            assert_eq!(SegmentHeader::decode(&octets[..end]), Err(Invalid::Short));
        }
        for bit in 0..octets.len() * 8 {
            let mut flipped = octets;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&flipped).is_err());
        }
    }

    #[test]
    fn a_newer_version_is_told_apart_from_damage() {
        let mut octets = STORE.encode();
        octets[8] = 2;
        let crc = crc32c::crc32c(&octets[..60]);
        octets[60..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(StoreHeader::decode(&octets), Err(Invalid::Version(2)));
    }
}
