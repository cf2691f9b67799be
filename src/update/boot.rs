//! The boot partition: two folders with kernel sets, and `config.txt`, which says which of them the firmware starts.
//!
//! A kernel set is written as new files into the folder that is not used; the change to it is one octet of `config.txt`,
//! `os_prefix=os-a/` or `os_prefix=os-b/`, overwritten in place: one sector, which cards write wholly or not at all. The
//! boot firmware itself (`bootcode.bin`, `start*.elf`) is never touched: nothing could take that back.
//!
//! What cannot be taken back by itself is a kernel that stops before it reaches stage one: neither the firmware of all boards
//! nor the watchdog counts tries. Then `config.txt` is to be edited on another computer, back to the other letter.

use super::Error;
use super::device::forget;
use super::mounted::Mounted;
use crate::limits::{CONFIG_TXT_OCTETS_MAX, UPDATE_COPY_OCTETS};
use board::card::slots::Prefix;
use nix::sys::statvfs::statvfs;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What an installation needs of the boot partition.
pub trait KernelSets {
    /// Until [`KernelSets::finish`], it may be written to.
    ///
    /// # Errors
    /// Those of the system.
    fn begin(&self) -> io::Result<()>;

    /// It is no longer written to.
    fn finish(&self);

    /// The octets of `config.txt`, up to [`CONFIG_TXT_OCTETS_MAX`].
    ///
    /// # Errors
    /// Those of the file system.
    fn config(&self) -> io::Result<Vec<u8>>;

    /// Overwrites one octet of `config.txt` in place. When it returns, it stays.
    ///
    /// # Errors
    /// Those of the file system.
    fn set_config_octet(&self, offset: u64, octet: u8) -> io::Result<()>;

    /// Makes a kernel set's folder empty.
    ///
    /// # Errors
    /// Those of the file system.
    fn clear(&self, prefix: Prefix) -> io::Result<()>;

    /// Octets that are free.
    ///
    /// # Errors
    /// Those of the file system.
    fn free_octets(&self) -> io::Result<u64>;

    /// Writes a new file in a kernel set: `write` gets where its octets go. When it returns, the file stays.
    ///
    /// # Errors
    /// Those of the file system and of `write`.
    fn create(
        &self,
        prefix: Prefix,
        name: &str,
        write: &mut dyn FnMut(&mut dyn Write) -> Result<(), Error>,
    ) -> Result<(), Error>;

    /// Passes the octets of a kernel set's file to `read`, as they are on the card.
    ///
    /// # Errors
    /// Those of the file system and of `read`.
    fn open(&self, prefix: Prefix, name: &str, read: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error>;
}

pub(super) fn failed(what: &str) -> impl Fn(io::Error) -> Error + Copy + '_ {
    move |error| Error::Boot(format!("{what}: {error}"))
}

/// While it lives, the boot partition may be written to.
pub(super) struct Writable<'a>(&'a dyn KernelSets);

impl<'a> Writable<'a> {
    pub fn begin(boot: &'a dyn KernelSets) -> Result<Self, Error> {
        boot.begin().map_err(failed("cannot make it writable"))?;
        Ok(Self(boot))
    }
}

impl Drop for Writable<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// The kernel set that `config.txt` names, and where the letter stands that says so.
///
/// # Errors
/// [`Error::Config`] if it does not say it in exactly one place. Lines below a section such as `[pi4]` count as well.
pub(super) fn prefix_in(config: &[u8]) -> Result<(Prefix, u64), Error> {
    const KEY: &[u8] = b"os_prefix=";
    let mut found = None;
    let mut at = 0usize;
    for line in config.split_inclusive(|&octet| octet == b'\n') {
        if let Some(value) = line.strip_prefix(KEY) {
            let prefix = match value.trim_ascii_end() {
                b"os-a/" => Prefix::A,
                b"os-b/" => Prefix::B,
                _ => return Err(Error::Config("has an os_prefix that is neither os-a/ nor os-b/")),
            };
            let letter = at.saturating_add(KEY.len()).saturating_add("os-".len());
            if found.replace((prefix, super::verify::wide(letter))).is_some() {
                return Err(Error::Config("has more than one line os_prefix="));
            }
        }
        at = at.saturating_add(line.len());
    }
    found.ok_or(Error::Config("has no line os_prefix=os-a/ or os_prefix=os-b/"))
}

/// The kernel set that the firmware starts next time.
pub(super) fn active(boot: &dyn KernelSets) -> Result<Prefix, Error> {
    let config = boot.config().map_err(failed("cannot read config.txt"))?;
    prefix_in(&config).map(|(prefix, _)| prefix)
}

/// Has `config.txt` name this kernel set; `false` if it did already.
pub(super) fn switch(boot: &dyn KernelSets, wanted: Prefix) -> Result<bool, Error> {
    let config = boot.config().map_err(failed("cannot read config.txt"))?;
    let (prefix, letter) = prefix_in(&config)?;
    if prefix == wanted {
        return Ok(false);
    }
    let octet = match wanted {
        Prefix::A => b'a',
        Prefix::B => b'b',
    };
    let _writable = Writable::begin(boot)?;
    boot.set_config_octet(letter, octet).map_err(failed("cannot write config.txt"))?;
    if active(boot)? == wanted { Ok(true) } else { Err(Error::ReadBack("config.txt".to_owned())) }
}

/// The boot partition where it is mounted; usually read-only.
#[derive(Clone, Debug)]
pub struct MountedBoot(Mounted);

impl MountedBoot {
    /// The boot partition that is mounted at `folder`.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self(Mounted::at(folder))
    }

    fn file(&self, prefix: Prefix, name: &str) -> PathBuf {
        self.0.folder().join(prefix.as_str()).join(name)
    }

    /// Brings everything to the card, file allocation table and folders as well: syncfs(2).
    pub(super) fn sync(&self) -> io::Result<()> {
        nix::unistd::syncfs(File::open(self.0.folder())?)?;
        Ok(())
    }
}

impl KernelSets for MountedBoot {
    fn begin(&self) -> io::Result<()> {
        self.0.open()
    }

    fn finish(&self) {
        // Should it stay writable, nothing is lost: it was synced.
        let _ = self.0.close();
    }

    fn config(&self) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        let most = super::verify::wide(CONFIG_TXT_OCTETS_MAX);
        File::open(self.0.folder().join("config.txt"))?.take(most).read_to_end(&mut octets)?;
        Ok(octets)
    }

    fn set_config_octet(&self, offset: u64, octet: u8) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.0.folder().join("config.txt"))?;
        file.write_all_at(&[octet], offset)?;
        file.sync_all()?;
        forget(&file);
        Ok(())
    }

    fn clear(&self, prefix: Prefix) -> io::Result<()> {
        let folder = self.0.folder().join(prefix.as_str());
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        std::fs::create_dir(&folder)?;
        self.sync()
    }

    fn free_octets(&self) -> io::Result<u64> {
        let stat = statvfs(self.0.folder())?;
        Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
    }

    fn create(
        &self,
        prefix: Prefix,
        name: &str,
        write: &mut dyn FnMut(&mut dyn Write) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let path = self.file(prefix, name);
        let what = format!("cannot write {prefix}{name}");
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed(&what))?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed(&what))?;
        write(&mut file)?;
        file.sync_all().map_err(failed(&what))?;
        forget(&file);
        self.sync().map_err(failed(&what))
    }

    fn open(&self, prefix: Prefix, name: &str, read: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let what = format!("cannot read {prefix}{name}");
        let mut file = File::open(self.file(prefix, name)).map_err(failed(&what))?;
        let mut buffer = vec![0; UPDATE_COPY_OCTETS];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(octets) => read(buffer.get(..octets).unwrap_or_default())?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(&what)(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn boot() -> (tempfile::TempDir, MountedBoot) {
        let folder = tempfile::tempdir().unwrap();
        let mut config = b"arm_64bit=1\nos_prefix=os-a/\n".to_vec();
        config.resize(512, b'\n');
        std::fs::write(folder.path().join("config.txt"), config).unwrap();
        let boot = MountedBoot::at(folder.path());
        (folder, boot)
    }

    #[test]
    fn the_kernel_set_is_one_octet_of_config_txt() {
        let (folder, boot) = boot();
        let before = boot.config().unwrap();
        assert_eq!(active(&boot), Ok(Prefix::A));
        assert_eq!(switch(&boot, Prefix::A), Ok(false));
        assert_eq!(switch(&boot, Prefix::B), Ok(true));
        let after = std::fs::read(folder.path().join("config.txt")).unwrap();
        assert_eq!(active(&boot), Ok(Prefix::B));
        assert_eq!((after.len(), before.iter().zip(&after).filter(|(a, b)| a != b).count()), (512, 1));
    }

    #[test]
    fn config_txt_as_people_edit_it() {
        for (text, found) in [
            ("os_prefix=os-b/", Ok((Prefix::B, 13))),
            ("a\r\n# os_prefix=os-a/\r\nos_prefix=os-b/ \r\n[pi4]\r\n", Ok((Prefix::B, 35))),
            ("", Err(Error::Config("has no line os_prefix=os-a/ or os_prefix=os-b/"))),
            ("os_prefix=os-a/\n[pi4]\nos_prefix=os-a/\n", Err(Error::Config("has more than one line os_prefix="))),
            ("os_prefix=os-c/\n", Err(Error::Config("has an os_prefix that is neither os-a/ nor os-b/"))),
        ] {
            assert_eq!(prefix_in(text.as_bytes()), found, "{text}");
        }
    }

    #[test]
    fn a_kernel_set_is_written_and_read() {
        let (folder, boot) = boot();
        for round in ["one", "two"] {
            boot.clear(Prefix::B).unwrap();
            for name in ["kernel8.img", "overlays/x.dtbo"] {
                let mut write = |out: &mut dyn Write| out.write_all(round.as_bytes()).map_err(failed("cannot write"));
                boot.create(Prefix::B, name, &mut write).unwrap();
                // Never over something that is there.
                assert!(boot.create(Prefix::B, name, &mut write).is_err());
                let mut read = Vec::new();
                boot.open(Prefix::B, name, &mut |octets| {
                    read.extend_from_slice(octets);
                    Ok(())
                })
                .unwrap();
                assert_eq!(read, round.as_bytes());
            }
        }
        assert!(folder.path().join("os-b/overlays/x.dtbo").is_file());
    }
}
