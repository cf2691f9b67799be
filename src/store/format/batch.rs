//! The batch header, see the table in [`super`]. Pure functions over octets, fit for a fuzzer.

use super::{HEADER_OCTETS, Header64, Invalid};

const MAGIC: [u8; 4] = *b"PBBA";
const VERSION: u8 = 1;
const FIRST: u8 = 1;

/// Octets of a batch header.
pub const BATCH_HEADER_OCTETS: usize = HEADER_OCTETS;

/// What a batch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchKind {
    /// It holds transactions and is durable before they are answered.
    Commit,
    /// It holds chunks of messages on their way in.
    Spill,
}

/// A batch header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// What it is for.
    pub kind: BatchKind,
    /// Is it the first one of its opening?
    pub first: bool,
    /// Octets of its records.
    pub payload_octets: u32,
    /// Serial of its segment.
    pub segment: u32,
    /// Its number.
    pub sequence: u64,
    /// Batches with smaller numbers were durable.
    pub durable: u64,
    /// Its opening.
    pub nonce: u64,
    /// Header checksum of the batch before.
    pub chain: u32,
    /// Checksum of its records.
    pub payload_crc: u32,
    /// Part of the store's id.
    pub store_tag: u64,
}

impl BatchHeader {
    /// The header's octets.
    #[must_use]
    pub fn encode(&self) -> [u8; BATCH_HEADER_OCTETS] {
        let kind = match self.kind {
            BatchKind::Commit => 1,
            BatchKind::Spill => 2,
        };
        Header64::new()
            .put(&MAGIC)
            .put(&[VERSION, kind, if self.first { FIRST } else { 0 }, 0])
            .put(&self.payload_octets.to_le_bytes())
            .put(&self.segment.to_le_bytes())
            .put(&self.sequence.to_le_bytes())
            .put(&self.durable.to_le_bytes())
            .put(&self.nonce.to_le_bytes())
            .put(&self.chain.to_le_bytes())
            .put(&self.payload_crc.to_le_bytes())
            .put(&self.store_tag.to_le_bytes())
            .seal()
    }

    /// Reads a header from the front of `octets`, and its checksum: the chain value of the next batch.
    ///
    /// # Errors
    /// [`Invalid`] if they are anything else; [`Invalid::Zero`] where nothing was ever written.
    pub fn decode(octets: &[u8]) -> Result<(Self, u32), Invalid> {
        let (mut fields, crc) = Header64::open(octets)?;
        if fields.octets()? != MAGIC {
            return Err(Invalid::Magic);
        }
        let version = fields.u8()?;
        if version != VERSION {
            return Err(Invalid::Version(version.into()));
        }
        let kind = match fields.u8()? {
            1 => BatchKind::Commit,
            2 => BatchKind::Spill,
            _ => return Err(Invalid::Field("batch kind")),
        };
        let first = fields.u8()? & FIRST != 0;
        fields.u8()?;
        let header = Self {
            kind,
            first,
            payload_octets: fields.u32()?,
            segment: fields.u32()?,
            sequence: fields.u64()?,
            durable: fields.u64()?,
            nonce: fields.u64()?,
            chain: fields.u32()?,
            payload_crc: fields.u32()?,
            store_tag: fields.u64()?,
        };
        Ok((header, crc))
    }
}

/// Reads a whole batch from the front of `octets`: its header, its checksum, and its records.
///
/// # Errors
/// [`Invalid`] if it is not whole.
pub fn decode_batch(octets: &[u8]) -> Result<(BatchHeader, u32, &[u8]), Invalid> {
    let (header, crc) = BatchHeader::decode(octets)?;
    let rest = octets.get(BATCH_HEADER_OCTETS..).ok_or(Invalid::Short)?;
    let length = usize::try_from(header.payload_octets).map_err(|_| Invalid::Short)?;
    let payload = rest.get(..length).ok_or(Invalid::Short)?;
    if crc32c::crc32c(payload) == header.payload_crc { Ok((header, crc, payload)) } else { Err(Invalid::Checksum) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    fn batch(first: bool, numbers: (u32, u64, u64, u64, u32, u64), payload: &[u8]) -> (BatchHeader, Vec<u8>) {
        let header = BatchHeader {
            kind: if first { BatchKind::Commit } else { BatchKind::Spill },
            first,
            payload_octets: payload.len().try_into().unwrap(),
            segment: numbers.0,
            sequence: numbers.1,
            durable: numbers.2,
            nonce: numbers.3,
            chain: numbers.4,
            payload_crc: crc32c::crc32c(payload),
            store_tag: numbers.5,
        };
        let mut octets = header.encode().to_vec();
        octets.extend_from_slice(payload);
        (header, octets)
    }

    proptest! {
        #[test]
        fn a_batch_comes_back_and_every_cut_is_refused(
            first: bool, numbers: (u32, u64, u64, u64, u32, u64), payload in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let (header, octets) = batch(first, numbers, &payload);
            let (decoded, _, records) = decode_batch(&octets).unwrap();
            prop_assert_eq!(decoded, header);
            prop_assert_eq!(records, &payload[..]);
            for end in 0..octets.len() {
                prop_assert!(decode_batch(&octets[..end]).is_err());
            }
        }

        #[test]
        fn any_octets_are_judged(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode_batch(&octets);
        }
    }

    /// Format version 1, for ever.
    #[test]
    fn golden_octets_of_version_1() {
        let (_, octets) = batch(true, (7, 1 << 40, 3, u64::MAX, 9, 0x0807_0605_0403_0201), b"records");
        let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(
            hex,
            "5042424101010100070000000700000000000000000100000300000000000000ffffffffffffffff09000000b01485240102030405060708000000006a7154b27265636f726473"
        );
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let (_, octets) = batch(true, (1, 2, 3, 4, 5, 6), b"records");
        for bit in 0..octets.len() * 8 {
            let mut flipped = octets.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_batch(&flipped).is_err(), "bit {bit}");
        }
    }
}
