//! One image file: partition table, boot partition, empty update slots, data partition.

use crate::fat::{self, Region};
use crate::mbr;
use crate::step::{Failure, at};
use board::card::layout::{BOOT, DATA, IMAGE_OCTETS, PARTITIONS};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Copied at once; blocks of zeros of this length become holes.
const COPY_OCTETS: usize = 64 << 10;

/// What an image is made of.
#[derive(Clone, Debug)]
pub struct Contents {
    /// Files of the boot partition.
    pub boot: fat::Contents,
    /// A file with the data partition's file system.
    pub data: PathBuf,
    /// The time of everything.
    pub epoch: u64,
}

/// Writes an image; it is there whole or not at all. The slots' partition stays zero, which means "factory".
///
/// # Errors
/// What the file system said; that the boot partition is too small.
pub fn write(image: &Path, contents: &Contents) -> Result<(), Failure> {
    let part = image.with_extension("img.part");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&part).map_err(at(&part))?;
    file.set_len(IMAGE_OCTETS).map_err(at(&part))?;
    let number = volume_number(contents.epoch);
    file.write_all_at(&mbr::encode(number, &PARTITIONS), 0).map_err(at(&part))?;
    let boot = image.with_extension("fat");
    fat::write(&boot, &BOOT, &contents.boot, contents.epoch, number)?;
    for (from, partition) in [(&boot, BOOT), (&contents.data, DATA)] {
        let from = File::open(from).map_err(at(from))?;
        copy_sparsely(from, Region::new(&file, partition.start, partition.octets)).map_err(at(&part))?;
    }
    std::fs::remove_file(&boot).map_err(at(&boot))?;
    file.sync_all().map_err(at(&part))?;
    std::fs::rename(&part, image).map_err(at(image))
}

/// Disk signature and volume number: from the build's time, so that images of different builds differ.
fn volume_number(epoch: u64) -> u32 {
    u32::try_from(epoch & u64::from(u32::MAX)).unwrap_or(1).max(1)
}

/// Copies and leaves out what is zero: the file under `to` is new and reads as zero there.
fn copy_sparsely(mut from: impl Read, mut to: impl Write + Seek) -> std::io::Result<()> {
    let (mut buffer, zeros) = (vec![0; COPY_OCTETS], vec![0; COPY_OCTETS]);
    loop {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match from.read(rest)? {
                0 => break,
                read => filled += read,
            }
        }
        let block = buffer.get(..filled).unwrap_or_default();
        if block.is_empty() {
            return Ok(());
        }
        if zeros.starts_with(block) {
            to.seek(SeekFrom::Current(i64::try_from(filled).unwrap_or(0)))?;
        } else {
            to.write_all(block)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_copies_are_copies() {
        let mut octets = vec![0; 3 * COPY_OCTETS + 5];
        for at in [COPY_OCTETS + 1, 3 * COPY_OCTETS + 4] {
            *octets.get_mut(at).expect("inside") = 9;
        }
        let mut copy = std::io::Cursor::new(vec![0; octets.len()]);
        copy_sparsely(octets.as_slice(), &mut copy).expect("copied");
        assert_eq!(copy.into_inner(), octets);
    }
}
