//! A directory of the file system, through positioned reads and writes.
//!
//! Owns one open directory. Buffers nothing: the kernel does, and `fdatasync` empties it.

use super::super::Error;
use super::{Medium, MediumFile, MediumLock};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const LOCK_NAME: &str = "lock";

/// A directory on a card or disk.
#[derive(Debug)]
pub struct FileMedium {
    path: PathBuf,
    directory: File,
}

impl FileMedium {
    /// Opens the directory; makes it when it is not there.
    ///
    /// # Errors
    /// [`Error::Medium`] if it can be neither opened nor made.
    pub fn open(path: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(path).map_err(|e| failed("make", path, &e))?;
        let directory = File::open(path).map_err(|e| failed("open", path, &e))?;
        Ok(Self { path: path.to_owned(), directory })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// What, where and why.
fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full,
        _ => Error::Medium(format!("cannot {what} {}: {error}", path.display())),
    }
}

impl Medium for FileMedium {
    fn list(&self) -> Result<Vec<String>, Error> {
        let read = |e: &io::Error| failed("list", &self.path, e);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(|e| read(&e))? {
            // The store's own names are ASCII: others are not its files.
            names.extend(entry.map_err(|e| read(&e))?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> Result<Option<Box<dyn MediumFile>>, Error> {
        let path = self.at(name);
        match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => Ok(Some(Box::new(PlainFile { file, path }))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("open", &path, &error)),
        }
    }

    fn create(&self, name: &str) -> Result<Box<dyn MediumFile>, Error> {
        let path = self.at(name);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path);
        let file = opened.map_err(|e| failed("create", &path, &e))?;
        Ok(Box::new(PlainFile { file, path }))
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.at(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", &path, &error)),
            _ => Ok(()),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        std::fs::rename(self.at(from), self.at(to)).map_err(|e| failed("rename", &self.at(from), &e))
    }

    fn sync_directory(&self) -> Result<(), Error> {
        self.directory.sync_all().map_err(|e| failed("sync", &self.path, &e))
    }

    fn free_octets(&self) -> Result<u64, Error> {
        let stat = nix::sys::statvfs::fstatvfs(&self.directory)
            .map_err(|e| failed("ask for the free space of", &self.path, &e.into()))?;
        // The widths of these fields differ between targets.
        #[allow(clippy::useless_conversion, clippy::unnecessary_fallible_conversions)]
        let (blocks, octets) =
            (u64::try_from(stat.blocks_available()).unwrap_or(0), u64::try_from(stat.fragment_size()).unwrap_or(0));
        Ok(blocks.saturating_mul(octets))
    }

    fn lock(&self) -> Result<Box<dyn MediumLock>, Error> {
        let path = self.at(LOCK_NAME);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = opened.map_err(|e| failed("open", &path, &e))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Box::new(FileLock { _lock: lock })),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(Error::Locked(self.path.display().to_string())),
            Err((_, errno)) => Err(failed("lock", &path, &errno.into())),
        }
    }
}

/// Unlocks when dropped, also when the process dies.
#[derive(Debug)]
struct FileLock {
    _lock: Flock<File>,
}

impl MediumLock for FileLock {}

#[derive(Debug)]
struct PlainFile {
    file: File,
    path: PathBuf,
}

impl PlainFile {
    fn failed(&self, what: &str, error: &io::Error) -> Error {
        failed(what, &self.path, error)
    }
}

impl MediumFile for PlainFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, Error> {
        let mut read = 0_usize;
        while let Some(rest) = into.get_mut(read..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
            match self.file.read_at(rest, at) {
                Ok(0) => break,
                Ok(octets) => read = read.saturating_add(octets),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed("read", &error)),
            }
        }
        Ok(read)
    }

    fn write_at(&self, offset: u64, octets: &[u8]) -> Result<(), Error> {
        self.file.write_all_at(octets, offset).map_err(|e| self.failed("write", &e))
    }

    fn sync_data(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(|e| self.failed("sync", &e))
    }

    fn octets(&self) -> Result<u64, Error> {
        Ok(self.file.metadata().map_err(|e| self.failed("look at", &e))?.len())
    }

    fn set_octets(&self, octets: u64) -> Result<(), Error> {
        let now = self.octets()?;
        if octets > now {
            // Room is taken from the file system at once, so that a later write cannot fail for want of it.
            let (Ok(from), Ok(length)) = (i64::try_from(now), i64::try_from(octets.saturating_sub(now))) else {
                return Err(Error::Full);
            };
            match nix::fcntl::posix_fallocate(&self.file, from, length) {
                Ok(()) => return Ok(()),
                // A file system that cannot reserve: only the length is set.
                Err(nix::errno::Errno::EOPNOTSUPP | nix::errno::Errno::EINVAL | nix::errno::Errno::ENOSYS) => {}
                Err(errno) => return Err(self.failed("lengthen", &errno.into())),
            }
        }
        self.file.set_len(octets).map_err(|e| self.failed("set the length of", &e))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_are_read_where_they_were_written() {
        let directory = tempfile::tempdir().unwrap();
        let medium = FileMedium::open(directory.path()).unwrap();
        assert!(medium.open("a").unwrap().is_none());
        let file = medium.create("a").unwrap();
        file.set_octets(8192).unwrap();
        file.write_at(4096, b"hello").unwrap();
        file.sync_data().unwrap();
        assert_eq!(file.octets().unwrap(), 8192);
        let mut octets = [1; 6];
        assert_eq!(file.read_at(4096, &mut octets), Ok(6));
        assert_eq!(&octets, b"hello\0");
        assert_eq!(file.read_at(8190, &mut octets), Ok(2));
        assert!(matches!(file.read_exact_at(8190, &mut octets), Err(Error::Damaged(_))));
        medium.rename("a", "b").unwrap();
        medium.sync_directory().unwrap();
        assert_eq!(medium.list().unwrap(), ["b"]);
        assert_eq!(medium.open("b").unwrap().unwrap().octets(), Ok(8192));
        medium.remove("b").unwrap();
        medium.remove("b").unwrap();
        assert!(medium.free_octets().unwrap() > 0);
    }

    #[test]
    fn a_second_opener_is_kept_out() {
        let directory = tempfile::tempdir().unwrap();
        let medium = FileMedium::open(directory.path()).unwrap();
        let guard = medium.lock().unwrap();
        assert!(matches!(medium.lock(), Err(Error::Locked(_))));
        drop(guard);
        assert!(medium.lock().is_ok());
    }
}
