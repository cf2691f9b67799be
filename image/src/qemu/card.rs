//! A card image from outside: working copies that take no more room than they hold, and files on the boot partition.
//!
//! The boot partition may only be touched while no machine runs on the image, or while it is paused.

use crate::step::Failure;
use board::card::layout;
use fatfs::{FileSystem, FsOptions};
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Copies go in pieces of this size; a piece of zeros becomes a hole.
const PIECE_OCTETS: usize = 64 * 1024;
/// A file on the boot partition is not read beyond this: kernels have some 40 MB.
const FILE_OCTETS_MAX: u64 = 256 * layout::MIB;

/// One partition of an image as if it were a file of its own.
pub struct Window {
    file: File,
    start: u64,
    octets: u64,
    position: u64,
}

impl Window {
    /// Opens `partition` of `image`.
    ///
    /// # Errors
    /// What opening the file says.
    pub fn open(image: &Path, partition: layout::Partition, write: bool) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(write).open(image)?;
        Ok(Self { file, start: partition.start, octets: partition.octets, position: 0 })
    }

    /// How much of `wanted` lies before the end, with the file's own position set.
    fn reach(&mut self, wanted: usize) -> io::Result<usize> {
        let rest = self.octets.saturating_sub(self.position);
        self.file.seek(SeekFrom::Start(self.start.saturating_add(self.position)))?;
        Ok(usize::try_from(rest).unwrap_or(usize::MAX).min(wanted))
    }

    fn advance(&mut self, octets: usize) -> usize {
        self.position = self.position.saturating_add(u64::try_from(octets).unwrap_or(u64::MAX));
        octets
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let octets = self.reach(buffer.len())?;
        let read = self.file.read(buffer.get_mut(..octets).unwrap_or_default())?;
        Ok(self.advance(read))
    }
}

impl Write for Window {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let octets = self.reach(buffer.len())?;
        let written = self.file.write(buffer.get(..octets).unwrap_or_default())?;
        Ok(self.advance(written))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.octets.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

/// The boot partition of `image`.
///
/// # Errors
/// When the file cannot be opened or has no FAT where the boot partition belongs.
pub fn boot_partition(image: &Path, write: bool) -> Result<FileSystem<Window>, Failure> {
    let failed =
        |error: io::Error| Failure(format!("{}: its boot partition cannot be opened: {error}", image.display()));
    let window = Window::open(image, layout::BOOT, write).map_err(failed)?;
    FileSystem::new(window, FsOptions::new()).map_err(failed)
}

/// Reads a file of the boot partition; `None` if there is none of that name.
///
/// # Errors
/// What reading the card says.
pub fn read_boot_file(fat: &FileSystem<Window>, path: &str) -> Result<Option<Vec<u8>>, Failure> {
    let file = match fat.root_dir().open_file(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure(format!("{path} on the boot partition: {error}"))),
    };
    let mut octets = Vec::new();
    BufReader::with_capacity(PIECE_OCTETS, file)
        .take(FILE_OCTETS_MAX)
        .read_to_end(&mut octets)
        .map_err(|error| Failure(format!("{path} on the boot partition: {error}")))?;
    Ok(Some(octets))
}

/// Writes a file to the boot partition in place of what had its name, as a person does who has the card in a PC.
///
/// # Errors
/// What writing the card says.
pub fn write_boot_file(image: &Path, path: &str, octets: &[u8]) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure(format!("{path} on the boot partition of {}: {error}", image.display()));
    let fat = boot_partition(image, true)?;
    {
        let mut file = fat.root_dir().create_file(path).map_err(failed)?;
        file.truncate().map_err(failed)?;
        file.write_all(octets).map_err(failed)?;
        file.flush().map_err(failed)?;
    }
    fat.unmount().map_err(failed)
}

/// Removes a file from the boot partition; that it is not there is no error.
///
/// # Errors
/// What writing the card says.
pub fn remove_boot_file(image: &Path, path: &str) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure(format!("{path} on the boot partition of {}: {error}", image.display()));
    let fat = boot_partition(image, true)?;
    match fat.root_dir().remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    fat.unmount().map_err(failed)
}

/// Copies an image, leaving holes where it holds zeros, and makes the copy `octets` long.
///
/// # Errors
/// When either file cannot be used.
pub fn copy_sparse(from: &Path, to: &Path, octets: u64) -> Result<(), Failure> {
    copy(from, to, octets).map_err(|error| Failure(format!("copying {} to {}: {error}", from.display(), to.display())))
}

fn copy(from: &Path, to: &Path, octets: u64) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut copy = File::create(to)?;
    let mut piece = vec![0_u8; PIECE_OCTETS];
    // Only what the source holds is read: a card image is mostly holes.
    let mut position = 0_u64;
    let length = source.metadata()?.len();
    while position < length {
        position = match data_from(&source, position)? {
            Some(place) => place,
            None => break,
        };
        source.seek(SeekFrom::Start(position))?;
        let read = source.read(&mut piece)?;
        let octets = piece.get(..read).unwrap_or_default();
        if octets.iter().any(|&octet| octet != 0) {
            copy.seek(SeekFrom::Start(position))?;
            copy.write_all(octets)?;
        }
        if read == 0 {
            break;
        }
        position = position.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    copy.set_len(octets.max(length))
}

/// The next place at or after `position` that is no hole (lseek(2), `SEEK_DATA`).
fn data_from(file: &File, position: u64) -> io::Result<Option<u64>> {
    use nix::unistd::{Whence, lseek};
    let offset = i64::try_from(position).map_err(io::Error::other)?;
    match lseek(file, offset, Whence::SeekData) {
        Ok(place) => Ok(u64::try_from(place).ok()),
        Err(nix::errno::Errno::ENXIO) => Ok(None),
        // A file system without holes: everything is data.
        Err(nix::errno::Errno::EINVAL | nix::errno::Errno::EOPNOTSUPP) => Ok(Some(position)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_copy_has_the_same_octets_and_the_new_length() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let mut octets = vec![0_u8; 3 * PIECE_OCTETS + 700];
        *octets.get_mut(PIECE_OCTETS + 5).unwrap() = 7;
        *octets.last_mut().unwrap() = 9;
        std::fs::write(&from, &octets).unwrap();
        copy_sparse(&from, &to, 1 << 20).unwrap();
        octets.resize(1 << 20, 0);
        assert!(std::fs::read(&to).unwrap() == octets);
    }

    #[test]
    fn files_of_the_boot_partition_are_written_read_and_removed() {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(layout::IMAGE_OCTETS).unwrap();
        let window = Window::open(image.path(), layout::BOOT, true).unwrap();
        fatfs::format_volume(window, fatfs::FormatVolumeOptions::new()).unwrap();
        assert_eq!(read_boot_file(&boot_partition(image.path(), false).unwrap(), "update/none.txt").unwrap(), None);
        write_boot_file(image.path(), "pillarbox.toml", &vec![b'x'; 10_000]).unwrap();
        write_boot_file(image.path(), "pillarbox.toml", b"short").unwrap();
        let read = || read_boot_file(&boot_partition(image.path(), false).unwrap(), "PILLARBOX.TOML").unwrap();
        assert_eq!(read().as_deref(), Some(b"short".as_slice()));
        remove_boot_file(image.path(), "pillarbox.toml").unwrap();
        remove_boot_file(image.path(), "pillarbox.toml").unwrap();
        assert_eq!(read(), None);
    }
}
