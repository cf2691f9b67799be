//! The boot partition's FAT32, written and read without mounting.
//!
//! Written by mkfs.vfat and mtools, which boards, Windows and fsck know; the crate fatfs, which reads it here, would
//! put long names in front of `.` and `..`, and fsck takes them for damage. Times and the volume's number come from the
//! caller, and files are written in the order of their names, so that the same contents give the same octets.

use crate::step::{Failure, at, run, write_whole};
use board::card::layout::{BOOT_LABEL, Partition, SECTOR_OCTETS};
use fatfs::{Dir, FileSystem, FsOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

/// Clusters of 2 KiB: FAT32 needs 65525 of them, which 252 MiB give only up to this size.
const CLUSTER_SECTORS: &str = "4";

/// Names of files with their contents; a name that ends in `/` is an empty folder.
pub type Contents = BTreeMap<String, Vec<u8>>;

/// A part of a file that behaves like a file of its own.
#[derive(Debug)]
pub struct Region<'a> {
    file: &'a File,
    start: u64,
    octets: u64,
    position: u64,
}

impl<'a> Region<'a> {
    /// `octets` octets of `file` from `start` on.
    #[must_use]
    pub fn new(file: &'a File, start: u64, octets: u64) -> Self {
        Self { file, start, octets, position: 0 }
    }

    /// How much of a buffer of this length may be used from here.
    fn room(&self, wanted: usize) -> usize {
        usize::try_from(self.octets.saturating_sub(self.position)).map_or(wanted, |room| room.min(wanted))
    }
}

impl Read for Region<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = self.room(buffer.len());
        let part = buffer.get_mut(..room).unwrap_or_default();
        let read = std::os::unix::fs::FileExt::read_at(self.file, part, self.start + self.position)?;
        self.position += u64::try_from(read).unwrap_or(0);
        Ok(read)
    }
}

// fatfs wants it even for reading; its file is opened for reading only, then.
impl Write for Region<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let part = buffer.get(..self.room(buffer.len())).unwrap_or_default();
        let written = std::os::unix::fs::FileExt::write_at(self.file, part, self.start + self.position)?;
        self.position += u64::try_from(written).unwrap_or(0);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Region<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(offset) => self.octets.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = place.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

/// Makes the file `volume` with a file system for `partition` and writes `contents` to it. `number` is the volume's.
///
/// # Errors
/// When mkfs.vfat or mtools is missing or fails, above all because there is no room.
pub fn write(
    volume: &Path,
    partition: &Partition,
    contents: &Contents,
    epoch: u64,
    number: u32,
) -> Result<(), Failure> {
    File::create(volume).and_then(|file| file.set_len(partition.octets)).map_err(at(volume))?;
    let program = if Path::new("/usr/sbin/mkfs.vfat").is_file() { "/usr/sbin/mkfs.vfat" } else { "mkfs.vfat" };
    let mut format = Command::new(program);
    // --invariant: no time of its own. -h: how far the partition is from the card's start, as the standard wants it.
    format.args(["-F", "32", "-s", CLUSTER_SECTORS, "-n", BOOT_LABEL, "--invariant"]);
    format.arg("-h").arg((partition.start / SECTOR_OCTETS).to_string());
    format.arg("-i").arg(format!("{number:08x}")).arg(volume).stdout(std::process::Stdio::null());
    run(&mut format)?;
    let staged = volume.with_extension("staged");
    let outcome = fill(volume, contents, epoch, &staged);
    // What is staged is of no use to anybody, also after a failure.
    let _ = std::fs::remove_dir_all(&staged);
    outcome
}

/// mtools copies files, so contents become files first.
fn fill(volume: &Path, contents: &Contents, epoch: u64, staged: &Path) -> Result<(), Failure> {
    let tool = |program: &str| {
        let mut command = Command::new(program);
        command.env("SOURCE_DATE_EPOCH", epoch.to_string()).env("TZ", "UTC").env("MTOOLSRC", "/dev/null");
        command.arg("-i").arg(volume);
        command
    };
    let folder = |name: &str| name.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let folders: BTreeSet<String> = contents.keys().map(|name| folder(name)).collect();
    for folder in folders.iter().filter(|folder| !folder.is_empty()) {
        run(tool("mmd").arg(format!("::{folder}")))?;
    }
    for below in &folders {
        let names = contents.iter().filter(|(name, _)| folder(name) == *below && !name.ends_with('/'));
        let mut command = tool("mcopy");
        let mut any = false;
        for (name, octets) in names {
            let file = staged.join(name);
            write_whole(&file, octets)?;
            command.arg(&file);
            any = true;
        }
        if any {
            run(command.arg(format!("::{below}")))?;
        }
    }
    Ok(())
}

/// What is known of a boot partition.
#[derive(Clone, Debug)]
pub struct Volume {
    /// Its label.
    pub label: String,
    /// Free and all octets.
    pub free: u64,
    /// All octets of clusters.
    pub total: u64,
    /// Names with sizes, folders end in `/`, sorted.
    pub files: BTreeMap<String, u64>,
}

/// Lists a file system.
///
/// # Errors
/// When it is no FAT, or a damaged one.
pub fn list(region: Region<'_>) -> Result<Volume, Failure> {
    let failed = |error: io::Error| Failure(format!("boot partition: {error}"));
    let system = FileSystem::new(region, FsOptions::new()).map_err(failed)?;
    let mut files = BTreeMap::new();
    walk(&system.root_dir(), "", &mut files).map_err(failed)?;
    let stats = system.stats().map_err(failed)?;
    let cluster = u64::from(stats.cluster_size());
    Ok(Volume {
        label: system.volume_label(),
        free: u64::from(stats.free_clusters()) * cluster,
        total: u64::from(stats.total_clusters()) * cluster,
        files,
    })
}

fn walk(folder: &Dir<'_, Region<'_>>, above: &str, files: &mut BTreeMap<String, u64>) -> io::Result<()> {
    for entry in folder.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name == "." || name == ".." {
            continue;
        }
        if entry.is_dir() {
            let name = format!("{above}{name}/");
            walk(&entry.to_dir(), &name, files)?;
            files.insert(name, 0);
        } else {
            files.insert(format!("{above}{name}"), entry.len());
        }
    }
    Ok(())
}

/// Reads one file.
///
/// # Errors
/// When it is not there or the file system is damaged.
pub fn read(region: Region<'_>, name: &str) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure(format!("boot partition: {name}: {error}"));
    let system = FileSystem::new(region, FsOptions::new()).map_err(failed)?;
    let mut octets = Vec::new();
    system.root_dir().open_file(name).map_err(failed)?.read_to_end(&mut octets).map_err(failed)?;
    Ok(octets)
}
