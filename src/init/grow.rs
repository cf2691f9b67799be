//! Grows the data partition to the end of its card, and the file system in it while it is mounted.
//!
//! In an order in which a cut at any point is made good by the next start: the table's one sector, the kernel's idea of it
//! (BLKPG), then ext4 (`EXT4_IOC_RESIZE_FS`, which does nothing when there is nothing to do). Ran on cards of 2 to 256 GiB.

use board::card::layout::{DATA, MIB, SECTOR_OCTETS};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The table's entries start there, 16 octets each; MBR as every PC BIOS reads it.
const TABLE_AT: u64 = 446;
const ENTRY_OCTETS: u64 = 16;
/// In an entry: the partition's first sector and its length in sectors, little-endian.
const START_AT: u64 = 8;
const LENGTH_AT: u64 = 12;
/// Less than that is not worth a write.
const WORTH_OCTETS: u64 = 16 * MIB;

/// Where the data partition is, and where it could end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its first octet.
    pub start: u64,
    /// Its octets.
    pub octets: u64,
}

fn read_u32(card: &File, at: u64) -> io::Result<u32> {
    let mut octets = [0; 4];
    card.read_exact_at(&mut octets, at)?;
    Ok(u32::from_le_bytes(octets))
}

/// Writes the data partition's new end into the table, if it can be later than it is. Gives where it is now.
///
/// # Errors
/// As the card says; or if the table does not say what an image's does.
pub fn extend_entry(card: &Path, card_octets: u64) -> io::Result<Option<Extent>> {
    let file = OpenOptions::new().read(true).write(true).open(card)?;
    let entry = TABLE_AT + ENTRY_OCTETS * u64::from(DATA.number.saturating_sub(1));
    let start = u64::from(read_u32(&file, entry + START_AT)?).saturating_mul(SECTOR_OCTETS);
    let octets = u64::from(read_u32(&file, entry + LENGTH_AT)?).saturating_mul(SECTOR_OCTETS);
    if start != DATA.start || octets < DATA.octets {
        return Err(io::Error::other("the partition table is not that of a Pillarbox card"));
    }
    // The table counts sectors in 32 bits: 2 TiB.
    let sectors = (card_octets.saturating_sub(start) / SECTOR_OCTETS).min(u64::from(u32::MAX));
    // Whole erase units of 4 MiB.
    let sectors = sectors & !(4 * MIB / SECTOR_OCTETS - 1);
    let wanted = sectors.saturating_mul(SECTOR_OCTETS);
    if wanted < octets.saturating_add(WORTH_OCTETS) {
        return Ok(None);
    }
    let mut sector = [0; 512];
    file.read_exact_at(&mut sector, 0)?;
    let at = usize::try_from(entry + LENGTH_AT).unwrap_or(usize::MAX);
    let length = u32::try_from(sectors).unwrap_or(u32::MAX).to_le_bytes();
    sector.iter_mut().skip(at).zip(length).for_each(|(octet, new)| *octet = new);
    // One sector: a card writes it whole or not at all.
    file.write_all_at(&sector, 0)?;
    file.sync_all()?;
    Ok(Some(Extent { start, octets: wanted }))
}

/// Tells the kernel, although other partitions of the card are mounted.
///
/// # Errors
/// As the kernel says.
pub fn tell_kernel(card: &Path, extent: Extent) -> io::Result<()> {
    kernel::resize_partition(&File::open(card)?, DATA.number, extent)
}

/// Grows the mounted file system to so many octets; nothing happens if it has them.
///
/// # Errors
/// As the kernel says.
pub fn grow_file_system(mounted: &Path, partition_octets: u64) -> io::Result<()> {
    let folder = File::open(mounted)?;
    let block = nix::sys::statvfs::fstatvfs(&folder)?.block_size();
    kernel::resize_ext4(&folder, partition_octets / block.max(1))
}

/// The two calls that no library has.
mod kernel {
    #![allow(unsafe_code)]
    use super::Extent;
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;

    /// include/uapi/linux/blkpg.h struct `blkpg_partition`.
    #[repr(C)]
    struct Partition {
        start: i64,
        length: i64,
        number: i32,
        names: [[u8; 64]; 2],
    }

    /// The same, struct `blkpg_ioctl_arg`.
    #[repr(C)]
    pub struct Argument {
        operation: i32,
        flags: i32,
        octets: i32,
        partition: *mut Partition,
    }

    const RESIZE_PARTITION: i32 = 3;

    nix::ioctl_write_ptr_bad!(blkpg, nix::request_code_none!(0x12, 105), Argument);
    nix::ioctl_write_ptr!(ext4_resize, b'f', 16, u64);

    pub fn resize_partition(card: &File, number: u8, extent: Extent) -> io::Result<()> {
        let signed = |octets: u64| i64::try_from(octets).map_err(io::Error::other);
        let mut partition = Partition {
            start: signed(extent.start)?,
            length: signed(extent.octets)?,
            number: number.into(),
            names: [[0; 64]; 2],
        };
        let octets = i32::try_from(size_of::<Partition>()).map_err(io::Error::other)?;
        let argument = Argument { operation: RESIZE_PARTITION, flags: 0, octets, partition: &raw mut partition };
        // SAFETY: the kernel reads `argument` and the `partition` that it points to, both of which live until the call
        // has ended, have the kernel's layout (repr(C), the uapi header), and are of the size that is named.
        unsafe { blkpg(card.as_raw_fd(), &raw const argument) }?;
        Ok(())
    }

    pub fn resize_ext4(folder: &File, blocks: u64) -> io::Result<()> {
        // SAFETY: the kernel reads one u64 (fs/ext4/ext4.h EXT4_IOC_RESIZE_FS), which lives until the call has ended.
        unsafe { ext4_resize(folder.as_raw_fd(), &raw const blocks) }?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn card(start: u64, octets: u64) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut sector = [0x55; 512];
        let sectors = |octets: u64| u32::try_from(octets / SECTOR_OCTETS).unwrap().to_le_bytes();
        sector[486..490].copy_from_slice(&sectors(start));
        sector[490..494].copy_from_slice(&sectors(octets));
        file.as_file().write_all_at(&sector, 0).unwrap();
        file
    }

    #[test]
    fn the_last_entry_reaches_the_end_of_the_card() {
        let file = card(DATA.start, DATA.octets);
        let card_octets = 8_000_000_000;
        let extent = extend_entry(file.path(), card_octets).unwrap().unwrap();
        assert_eq!(extent.start, DATA.start);
        let end = extent.start + extent.octets;
        assert!(end <= card_octets && end + 4 * MIB > card_octets && end.is_multiple_of(4 * MIB));
        assert_eq!(extend_entry(file.path(), card_octets).unwrap(), None);
        // Nothing but the length has changed.
        let octets = std::fs::read(file.path()).unwrap();
        assert!(octets[..486].iter().chain(&octets[494..]).all(|&octet| octet == 0x55));
    }

    #[test]
    fn a_card_beyond_what_the_table_can_say_is_used_as_far_as_it_goes() {
        let file = card(DATA.start, DATA.octets);
        let extent = extend_entry(file.path(), 4 << 40).unwrap().unwrap();
        assert!(extent.octets < 2 << 40 && extent.octets > (2 << 40) - 8 * MIB);
    }

    #[test]
    fn another_card_is_left_alone() {
        for (start, octets) in [(4 * MIB, DATA.octets), (DATA.start, MIB)] {
            assert!(extend_entry(card(start, octets).path(), 8_000_000_000).is_err());
        }
    }
}
