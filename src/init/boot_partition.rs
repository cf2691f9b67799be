//! The boot partition, which is mounted read-only but for the moments when something is written.
//!
//! It is FAT: a person can edit it on any computer, and a power cut while it is writable can damage it. So it is made
//! writable as seldom and as shortly as possible: [`while_writable`] is the only way here.

use crate::update::Mounted;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Where the boot partition is mounted, and how it is made writable.
pub trait BootPartition {
    /// Its folder.
    fn dir(&self) -> &Path;

    /// Makes it writable, or read-only again. Read-only again means also: everything is on the card.
    ///
    /// # Errors
    /// What mount(2) says.
    fn writable(&self, writable: bool) -> io::Result<()>;
}

impl BootPartition for Mounted {
    fn dir(&self) -> &Path {
        self.folder()
    }

    fn writable(&self, writable: bool) -> io::Result<()> {
        if writable { self.open() } else { self.close() }
    }
}

/// Does `work` while the partition is writable.
///
/// # Errors
/// Those of `work`, or what mount(2) says.
pub fn while_writable<T>(boot: &dyn BootPartition, work: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    boot.writable(true)?;
    let done = work(boot.dir());
    let closed = boot.writable(false);
    done.and_then(|value| closed.map(|()| value))
}

/// A file's octets, `octets_max` and one more at most; `None` if there is no such file.
///
/// # Errors
/// As the operating system says, with the file's name.
pub fn read_at_most(path: &Path, octets_max: u64) -> io::Result<Option<Vec<u8>>> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(named)?,
    };
    let mut octets = Vec::new();
    file.take(octets_max.saturating_add(1)).read_to_end(&mut octets).map_err(named)?;
    Ok(Some(octets))
}

/// Writes a short text for the person, or removes it: only if that changes anything. After a power cut it may be
/// missing or cut short, and is written again when it is next called for.
///
/// # Errors
/// As the operating system says.
pub fn tell(boot: &dyn BootPartition, name: &str, text: Option<&str>) -> io::Result<()> {
    let path = boot.dir().join(name);
    let octets_max = u64::try_from(text.map_or(0, str::len)).unwrap_or(u64::MAX);
    let there = read_at_most(&path, octets_max)?;
    if there.as_deref() == text.map(str::as_bytes) {
        return Ok(());
    }
    while_writable(boot, |dir| {
        match text {
            Some(text) => {
                std::fs::write(&path, text)?;
                File::open(&path)?.sync_all()?;
            }
            None => std::fs::remove_file(&path)?,
        }
        File::open(dir)?.sync_all()
    })
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use std::cell::Cell;
    use std::path::PathBuf;

    /// A folder that counts how often it was made writable, and may refuse.
    pub(crate) struct PlainBoot {
        pub(crate) dir: PathBuf,
        /// How often it was made writable.
        pub(crate) opened: Cell<u32>,
        /// How often that works before the card is write-protected; `None`: always.
        pub(crate) left: Cell<Option<u32>>,
        is_open: Cell<bool>,
    }

    impl PlainBoot {
        pub(crate) fn new(dir: &Path) -> Self {
            let (opened, left, is_open) = (Cell::new(0), Cell::new(None), Cell::new(false));
            Self { dir: dir.to_owned(), opened, left, is_open }
        }
    }

    impl BootPartition for PlainBoot {
        fn dir(&self) -> &Path {
            &self.dir
        }

        fn writable(&self, writable: bool) -> io::Result<()> {
            assert_ne!(self.is_open.get(), writable, "opened and closed in turn");
            if writable && let Some(left) = self.left.get() {
                let left = left.checked_sub(1).ok_or_else(|| io::Error::from(io::ErrorKind::ReadOnlyFilesystem))?;
                self.left.set(Some(left));
            }
            self.is_open.set(writable);
            self.opened.set(self.opened.get() + u32::from(writable));
            Ok(())
        }
    }

    impl Drop for PlainBoot {
        fn drop(&mut self) {
            assert!(!self.is_open.get() || std::thread::panicking(), "left writable");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::testing::PlainBoot;
    use super::*;

    #[test]
    fn a_message_is_written_once_and_removed_once() {
        let folder = tempfile::tempdir().unwrap();
        let boot = PlainBoot::new(folder.path());
        let path = folder.path().join("a.txt");
        tell(&boot, "a.txt", None).unwrap();
        assert_eq!(boot.opened.get(), 0);
        for text in ["one", "one", "longer", "one"] {
            tell(&boot, "a.txt", Some(text)).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(boot.opened.get(), 3);
        tell(&boot, "a.txt", None).unwrap();
        tell(&boot, "a.txt", None).unwrap();
        assert_eq!((boot.opened.get(), path.exists()), (4, false));
    }

    #[test]
    fn it_is_closed_again_when_the_work_fails() {
        let folder = tempfile::tempdir().unwrap();
        let boot = PlainBoot::new(folder.path());
        let failed: io::Result<()> = while_writable(&boot, |_| Err(io::ErrorKind::StorageFull.into()));
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
        boot.left.set(Some(0));
        assert_eq!(while_writable(&boot, |_| Ok(())).unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
    }

    #[test]
    fn files_are_read_up_to_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert_eq!(read_at_most(&path, 4).unwrap(), None);
        std::fs::write(&path, "12345678").unwrap();
        assert_eq!(read_at_most(&path, 4).unwrap().unwrap(), b"12345");
        assert!(read_at_most(folder.path(), 4).unwrap_err().to_string().contains(&folder.path().display().to_string()));
    }
}
