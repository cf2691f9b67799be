//! Where the store keeps its octets: a flat directory of named files, on a card or simulated.
//!
//! Owns nothing and buffers nothing. What was written may be read at once, but it survives a power cut only after
//! [`MediumFile::sync_data`] (a file's octets and length) and [`Medium::sync_directory`] (names). Between those the
//! medium may keep, lose, reorder or tear whatever was written, in units of [`SECTOR_OCTETS`].

mod file;
mod simulated;

pub use file::FileMedium;
pub use simulated::{Fate, SimulatedCounts, SimulatedMedium};

use super::Error;
use core::fmt::Debug;

/// What a card writes as a whole or not at all.
pub const SECTOR_OCTETS: usize = 512;

/// A flat directory of files.
pub trait Medium: Send + Sync + Debug {
    /// Names of all files, in no particular order.
    ///
    /// # Errors
    /// [`Error::Medium`] if the directory cannot be read.
    fn list(&self) -> Result<Vec<String>, Error>;

    /// Opens a file to read and write; `None` if there is none of this name.
    ///
    /// # Errors
    /// [`Error::Medium`] if it is there and cannot be opened.
    fn open(&self, name: &str) -> Result<Option<Box<dyn MediumFile>>, Error>;

    /// Makes an empty file to read and write; one of this name is emptied. Its name is durable after
    /// [`Medium::sync_directory`].
    ///
    /// # Errors
    /// [`Error::Full`] if there is no room, [`Error::Medium`] otherwise.
    fn create(&self, name: &str) -> Result<Box<dyn MediumFile>, Error>;

    /// Removes a file; that there is none is not an error. Open handles stay readable.
    ///
    /// # Errors
    /// [`Error::Medium`] if it cannot be removed.
    fn remove(&self, name: &str) -> Result<(), Error>;

    /// Gives a file another name; a file that had that name is gone. After a power cut one of both names is there.
    ///
    /// # Errors
    /// [`Error::Medium`] if it cannot be renamed.
    fn rename(&self, from: &str, to: &str) -> Result<(), Error>;

    /// Makes names durable: created, removed and renamed files.
    ///
    /// # Errors
    /// [`Error::Medium`] if the medium failed.
    fn sync_directory(&self) -> Result<(), Error>;

    /// Octets that new files may still take.
    ///
    /// # Errors
    /// [`Error::Medium`] if the medium does not say.
    fn free_octets(&self) -> Result<u64, Error>;

    /// Keeps other processes out until the guard is dropped.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process is in.
    fn lock(&self) -> Result<Box<dyn MediumLock>, Error>;
}

/// Held while the store is open.
pub trait MediumLock: Send + Sync + Debug {}

/// One file, read and written at positions, from any thread.
pub trait MediumFile: Send + Sync + Debug {
    /// Reads up to `into.len()` octets; fewer only at the end of the file.
    ///
    /// # Errors
    /// [`Error::Medium`] if the medium failed.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, Error>;

    /// Writes all of `octets`; the file grows if it must.
    ///
    /// # Errors
    /// [`Error::Full`] if there is no room, [`Error::Medium`] otherwise. Some octets may have been written.
    fn write_at(&self, offset: u64, octets: &[u8]) -> Result<(), Error>;

    /// All octets written so far are durable when it returns, and the file's length. After an error nothing is known
    /// of them, and a later success says nothing about them.
    ///
    /// # Errors
    /// [`Error::Medium`] if the medium failed.
    fn sync_data(&self) -> Result<(), Error>;

    /// Octets of the file.
    ///
    /// # Errors
    /// [`Error::Medium`] if the medium failed.
    fn octets(&self) -> Result<u64, Error>;

    /// Cuts the file, or lengthens it with zeros.
    ///
    /// # Errors
    /// [`Error::Full`] if there is no room, [`Error::Medium`] otherwise.
    fn set_octets(&self, octets: u64) -> Result<(), Error>;

    /// Reads exactly `into.len()` octets.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the file ends before, [`Error::Medium`] if the medium failed.
    fn read_exact_at(&self, offset: u64, into: &mut [u8]) -> Result<(), Error> {
        let read = self.read_at(offset, into)?;
        if read == into.len() {
            Ok(())
        } else {
            Err(Error::Damaged(format!("file {self:?} ends before octet {offset}+{}", into.len())))
        }
    }
}
