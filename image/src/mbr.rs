//! The master boot record: the card's first sector with the table of partitions.
//!
//! | offset | width | meaning |
//! |---|---|---|
//! | 0 | 440 | boot code of a PC: zero |
//! | 440 | 4 | disk signature, little-endian |
//! | 444 | 2 | zero |
//! | 446 | 4 x 16 | partitions |
//! | 510 | 2 | 0x55 0xaa |
//!
//! One partition:
//!
//! | offset | width | meaning |
//! |---|---|---|
//! | 0 | 1 | 0x80 if a PC would boot it: zero |
//! | 1 | 3 | first sector as cylinder, head and sector: 0xfe 0xff 0xff, "see the other fields" |
//! | 4 | 1 | type |
//! | 5 | 3 | last sector, likewise |
//! | 8 | 4 | first sector, little-endian |
//! | 12 | 4 | number of sectors, little-endian |

use board::card::layout::{Partition, SECTOR_OCTETS};

/// Octets of the record.
pub const OCTETS: usize = 512;
const SIGNATURE: usize = 440;
const TABLE: usize = 446;
const ENTRY_OCTETS: usize = 16;
const MARK: [u8; 2] = [0x55, 0xaa];
/// What partitioning programs write where cylinders have lost their meaning.
const NO_CYLINDERS: [u8; 3] = [0xfe, 0xff, 0xff];

/// One entry of the table as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From 1 on.
    pub number: u8,
    /// The type octet.
    pub kind: u8,
    /// Where it starts, in octets.
    pub start: u64,
    /// How long it is, in octets.
    pub octets: u64,
}

/// The record with these partitions. Places beyond 2 TiB do not fit the format and are cut; the layout ends at 512 MiB.
#[must_use]
pub fn encode(signature: u32, partitions: &[Partition]) -> [u8; OCTETS] {
    let mut record = [0; OCTETS];
    let mut put = |at: usize, octets: &[u8]| {
        for (place, octet) in record.iter_mut().skip(at).zip(octets) {
            *place = *octet;
        }
    };
    put(SIGNATURE, &signature.to_le_bytes());
    for partition in partitions {
        let at = TABLE + ENTRY_OCTETS * usize::from(partition.number.saturating_sub(1).min(3));
        let sectors = |octets: u64| u32::try_from(octets / SECTOR_OCTETS).unwrap_or(u32::MAX).to_le_bytes();
        put(at + 1, &NO_CYLINDERS);
        put(at + 4, &[partition.kind]);
        put(at + 5, &NO_CYLINDERS);
        put(at + 8, &sectors(partition.start));
        put(at + 12, &sectors(partition.octets));
    }
    put(510, &MARK);
    record
}

/// The partitions of a record; `None` if it is none.
#[must_use]
pub fn decode(record: &[u8]) -> Option<Vec<Entry>> {
    if record.get(510..512)? != MARK {
        return None;
    }
    let u32_at = |at: usize| Some(u32::from_le_bytes(record.get(at..at + 4)?.try_into().ok()?));
    let mut entries = Vec::new();
    for number in 1..=4u8 {
        let at = TABLE + ENTRY_OCTETS * usize::from(number - 1);
        let kind = *record.get(at + 4)?;
        if kind != 0 {
            let start = u64::from(u32_at(at + 8)?) * SECTOR_OCTETS;
            entries.push(Entry { number, kind, start, octets: u64::from(u32_at(at + 12)?) * SECTOR_OCTETS });
        }
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use board::card::layout::PARTITIONS;

    #[test]
    fn what_is_written_is_read() {
        let record = encode(0x5049_4c4c, &PARTITIONS);
        let entries = decode(&record).expect("a record");
        assert_eq!(entries.len(), PARTITIONS.len());
        for (entry, partition) in entries.iter().zip(&PARTITIONS) {
            assert_eq!((entry.number, entry.kind), (partition.number, partition.kind));
            assert_eq!((entry.start, entry.octets), (partition.start, partition.octets));
        }
        assert_eq!(record.get(440..444), Some(&b"LLIP"[..]));
    }

    #[test]
    fn what_is_no_record_is_none() {
        assert_eq!(decode(&[0; 512]), None);
        assert_eq!(decode(&[0x55, 0xaa]), None);
    }
}
