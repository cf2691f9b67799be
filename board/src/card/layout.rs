//! The partition table of a card, fixed for its life: four entries of an MBR, of which three are used.
//!
//! | partition | type | starts at | length | holds |
//! |---|---|---|---|---|
//! | 1 | 0x0c FAT32 | 4 MiB | 252 MiB | boot firmware, kernel sets, `pillarbox.toml` |
//! | 2 | 0xda raw | 256 MiB | 128 MiB | update slots |
//! | 3 | 0x83 ext4 | 384 MiB | 128 MiB, grown to the card's end at first boot | mail |
//!
//! Everything starts at a multiple of 4 MiB, the erase unit that cards report.

/// One mebibyte.
pub const MIB: u64 = 1 << 20;
/// A card's sector, in octets.
pub const SECTOR_OCTETS: u64 = 512;
/// Octets of the image file: a power of two, which QEMU's card wants.
pub const IMAGE_OCTETS: u64 = 512 * MIB;

/// A partition: its number, type and place in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// From 1 on.
    pub number: u8,
    /// The type octet of the MBR entry.
    pub kind: u8,
    /// Where it starts.
    pub start: u64,
    /// How long it is in the image.
    pub octets: u64,
}

/// FAT32: what the boot firmware reads and a person can edit on any computer.
pub const BOOT: Partition = Partition { number: 1, kind: 0x0c, start: 4 * MIB, octets: 252 * MIB };
/// Raw: update slots.
pub const SLOTS: Partition = Partition { number: 2, kind: 0xda, start: 256 * MIB, octets: 128 * MIB };
/// ext4: mail. The last one, so that it can grow.
pub const DATA: Partition = Partition { number: 3, kind: 0x83, start: 384 * MIB, octets: 128 * MIB };
/// In the order of the table.
pub const PARTITIONS: [Partition; 3] = [BOOT, SLOTS, DATA];
/// Label of the boot partition.
pub const BOOT_LABEL: &str = "PILLARBOX";
/// Octets of `config.txt`: one sector, so that choosing another kernel set overwrites exactly that.
pub const CONFIG_TXT_OCTETS: usize = 512;
