//! A partition that is mounted read-only but for the moments when something is written to it.
//!
//! The boot partition is one: it is FAT, which a power cut while it is writable can damage. Owns the way to it, and whether it
//! was made writable here. A folder that is writable anyway, as on a desktop, is left as it is. When to write, and what, is
//! left to others.

use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, statvfs};
use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};

/// Where it is mounted.
#[derive(Clone, Debug)]
pub struct Mounted {
    folder: PathBuf,
    remounted: Cell<bool>,
}

impl Mounted {
    /// The one that is mounted at `folder`.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), remounted: Cell::new(false) }
    }

    /// Where it is mounted.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// From now on, it may be written to.
    ///
    /// # Errors
    /// What mount(2) says.
    pub fn open(&self) -> io::Result<()> {
        if self.is_read_only()? {
            self.remount(false)?;
            self.remounted.set(true);
        }
        Ok(())
    }

    /// It is no longer written to. Going read-only waits for the card, and clears FAT's mark of a file system in use.
    ///
    /// # Errors
    /// What mount(2) says.
    pub fn close(&self) -> io::Result<()> {
        if self.remounted.replace(false) { self.remount(true) } else { Ok(()) }
    }

    /// Makes it read-only, whoever made it writable: a process that was killed left it so. `true` if it was writable.
    ///
    /// # Errors
    /// What mount(2) says.
    pub fn close_after_others(&self) -> io::Result<bool> {
        if self.is_read_only()? {
            return Ok(false);
        }
        self.remount(true).map(|()| true)
    }

    fn is_read_only(&self) -> io::Result<bool> {
        Ok(statvfs(&self.folder)?.flags().contains(FsFlags::ST_RDONLY))
    }

    /// Mounts it again in place, with or without leave to write. mount(2): flags that are not named again are taken off.
    fn remount(&self, read_only: bool) -> io::Result<()> {
        let flags = statvfs(&self.folder)?.flags();
        let keep = [
            (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
            (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
            (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
            (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        ];
        let mut wanted = MsFlags::MS_REMOUNT;
        for (is, flag) in keep {
            wanted.set(flag, flags.contains(is));
        }
        wanted.set(MsFlags::MS_RDONLY, read_only);
        mount(None::<&str>, &self.folder, None::<&str>, wanted, None::<&str>)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_that_is_writable_is_not_remounted() {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Mounted::at(folder.path());
        mounted.open().unwrap();
        assert!(!mounted.remounted.get());
        std::fs::write(folder.path().join("x"), "").unwrap();
        mounted.close().unwrap();
        // Only root may remount, and a folder is no mount: had it tried, it had failed.
        assert!(Mounted::at(Path::new("/no/such/folder")).open().is_err());
    }
}
