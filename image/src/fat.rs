//! The boot partition's FAT32, written and read without mounting.
//!
//! Times and the volume's number come from the caller, and files are written in the order of their names, so that the
//! same contents give the same octets.

use crate::epoch::Civil;
use crate::step::Failure;
use board::card::layout::BOOT_LABEL;
use fatfs::{Date, DateTime, Dir, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// FAT32 needs 65525 clusters: 252 MiB give 129,000 of this size, and larger ones would be too few.
const CLUSTER_OCTETS: u32 = 2048;

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

/// Gives every file the build's time.
#[derive(Debug)]
struct BuildTime(DateTime);

impl TimeProvider for BuildTime {
    fn get_current_date(&self) -> Date {
        self.0.date
    }

    fn get_current_date_time(&self) -> DateTime {
        self.0
    }
}

/// FAT counts years from 1980 to 2107 (Microsoft's FAT specification, "Date and time formats").
fn fat_time(epoch: u64) -> DateTime {
    let civil = Civil::from_epoch(epoch);
    let date = Date { year: civil.year.clamp(1980, 2107), month: civil.month, day: civil.day };
    DateTime { date, time: Time { hour: civil.hour, min: civil.minute, sec: civil.second, millis: 0 } }
}

/// Makes a file system in `region` and writes `contents` to it.
///
/// # Errors
/// What the file system said, above all that there is no room.
pub fn write(mut region: Region<'_>, contents: &Contents, epoch: u64, volume: u32) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure(format!("boot partition: {error}"));
    let sectors = u32::try_from(region.octets / 512).map_err(|_| Failure("boot partition: too long".into()))?;
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .bytes_per_cluster(CLUSTER_OCTETS)
        .bytes_per_sector(512)
        .total_sectors(sectors)
        .volume_id(volume)
        .volume_label(label());
    fatfs::format_volume(&mut region, options).map_err(failed)?;
    region.rewind().map_err(failed)?;
    // fatfs wants a provider that lives for ever; one per image is 24 octets.
    let time: &'static BuildTime = Box::leak(Box::new(BuildTime(fat_time(epoch))));
    let system = FileSystem::new(region, FsOptions::new().time_provider(time)).map_err(failed)?;
    for (name, octets) in contents {
        let failed = |error: io::Error| Failure(format!("boot partition: {name}: {error}"));
        let root = system.root_dir();
        for (at, _) in name.match_indices('/') {
            root.create_dir(name.get(..at).unwrap_or_default()).map_err(failed)?;
        }
        if !name.ends_with('/') {
            let mut file = root.create_file(name).map_err(failed)?;
            file.write_all(octets).and_then(|()| file.flush()).map_err(failed)?;
        }
    }
    system.unmount().map_err(failed)
}

/// The label, filled with spaces.
fn label() -> [u8; 11] {
    let mut label = [b' '; 11];
    for (place, octet) in label.iter_mut().zip(BOOT_LABEL.bytes()) {
        *place = octet;
    }
    label
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
