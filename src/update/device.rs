//! The partition with the slots, and what is needed of it: octets at a place, a sync, a lock.
//!
//! Owns the open device. Holds no octets: whoever reads and writes brings the buffer. What the octets mean is left to
//! [`board::card`].

use super::Error;
use board::card::layout;
use core::fmt;
use nix::fcntl::{FcntlArg, PosixFadviseAdvice, fcntl, posix_fadvise};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What can be locked on the partition. Locks are the kernel's (fcntl(2), open file description locks): they end with the
/// process, and with a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// The state blocks, while one is read and the next one written: milliseconds.
    State,
    /// The slots, while a bundle is installed: minutes.
    Install,
}

/// Octets that stay.
pub trait Blocks: Send + Sync {
    /// Fills `into` with what is at `offset`.
    ///
    /// # Errors
    /// Those of the device; the end of the device is one.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;

    /// Writes; what was not synced may be lost, kept, or torn at sectors of 512 octets.
    ///
    /// # Errors
    /// Those of the device.
    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()>;

    /// When it returns, what was written stays; and what is read next comes from the card, not from memory.
    ///
    /// # Errors
    /// Those of the device. What was written may then be lost.
    fn sync(&self) -> io::Result<()>;

    /// Takes a lock without waiting: `false` if another process has it.
    ///
    /// # Errors
    /// Those of the system.
    fn lock(&self, lock: Lock) -> io::Result<bool>;

    /// Gives a lock back.
    fn unlock(&self, lock: Lock);
}

/// The partition with the state blocks and the slots.
pub struct SlotDevice {
    blocks: Box<dyn Blocks>,
}

impl SlotDevice {
    /// Opens the partition, or a file in its place.
    ///
    /// # Errors
    /// [`Error::NoSlots`] if it is not there or too small to be it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let none = |why: &dyn fmt::Display| Error::NoSlots(format!("{}: {why}", path.display()));
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(|error| none(&error))?;
        // A block device has no length but its end.
        let octets = io::Seek::seek(&mut &file, io::SeekFrom::End(0)).map_err(|error| none(&error))?;
        if octets < layout::SLOTS.octets {
            return Err(none(&format!("{octets} octets are too few for update slots")));
        }
        Ok(Self::new(Box::new(FileBlocks(file))))
    }

    /// A partition made of anything.
    #[must_use]
    pub fn new(blocks: Box<dyn Blocks>) -> Self {
        Self { blocks }
    }

    pub(super) fn blocks(&self) -> &dyn Blocks {
        &*self.blocks
    }

    /// Takes a lock until the guard is dropped.
    ///
    /// # Errors
    /// [`Error::Busy`] if another process has it.
    pub(super) fn lock(&self, lock: Lock) -> Result<LockGuard<'_>, Error> {
        match self.blocks.lock(lock) {
            Ok(true) => Ok(LockGuard { blocks: &*self.blocks, lock }),
            Ok(false) => Err(Error::Busy),
            Err(error) => Err(Error::card("cannot lock the slots", &error)),
        }
    }
}

impl fmt::Debug for SlotDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SlotDevice")
    }
}

/// A lock that is held.
pub(super) struct LockGuard<'a> {
    blocks: &'a dyn Blocks,
    lock: Lock,
}

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        self.blocks.unlock(self.lock);
    }
}

struct FileBlocks(File);

impl FileBlocks {
    fn set_lock(&self, lock: Lock, kind: nix::libc::c_int) -> nix::Result<()> {
        let start = match lock {
            Lock::State => 0,
            Lock::Install => 1,
        };
        let range = nix::libc::flock {
            l_type: i16::try_from(kind).unwrap_or_default(),
            l_whence: i16::try_from(nix::libc::SEEK_SET).unwrap_or_default(),
            l_start: start,
            l_len: 1,
            l_pid: 0,
        };
        fcntl(&self.0, FcntlArg::F_OFD_SETLK(&range)).map(drop)
    }
}

impl Blocks for FileBlocks {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(into, offset)
    }

    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.0.write_all_at(octets, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()?;
        forget(&self.0);
        Ok(())
    }

    fn lock(&self, lock: Lock) -> io::Result<bool> {
        match self.set_lock(lock, nix::libc::F_WRLCK) {
            Ok(()) => Ok(true),
            // fcntl(2): one or the other, depending on the system.
            Err(nix::Error::EAGAIN | nix::Error::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn unlock(&self, lock: Lock) {
        // It cannot fail for a lock that is held, and closing the device unlocks as well.
        let _ = self.set_lock(lock, nix::libc::F_UNLCK);
    }
}

/// Drops what memory keeps of a file that was synced (posix_fadvise(2)), so that reading back asks the card. Advice only:
/// where it is not followed, reading back proves less.
pub(super) fn forget(file: &File) {
    let _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_in_place_of_the_partition() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slots");
        assert!(matches!(SlotDevice::open(&path), Err(Error::NoSlots(_))));
        let file = File::create(&path).unwrap();
        file.set_len(layout::SLOTS.octets - 1).unwrap();
        assert!(matches!(SlotDevice::open(&path), Err(Error::NoSlots(_))));
        file.set_len(layout::SLOTS.octets).unwrap();
        let device = SlotDevice::open(&path).unwrap();
        device.blocks().write_at(4096, b"octets").unwrap();
        device.blocks().sync().unwrap();
        let mut read = [0; 6];
        device.blocks().read_at(4096, &mut read).unwrap();
        assert_eq!(&read, b"octets");
        assert!(device.blocks().read_at(layout::SLOTS.octets - 3, &mut read).is_err());
    }

    #[test]
    fn locks_keep_others_out_and_do_not_know_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slots");
        File::create(&path).unwrap().set_len(layout::SLOTS.octets).unwrap();
        let (one, other) = (SlotDevice::open(&path).unwrap(), SlotDevice::open(&path).unwrap());
        let held = one.lock(Lock::Install).unwrap();
        assert_eq!(other.lock(Lock::Install).map(drop), Err(Error::Busy));
        assert_eq!(other.lock(Lock::State).map(drop), Ok(()));
        drop(held);
        assert_eq!(other.lock(Lock::Install).map(drop), Ok(()));
    }
}
