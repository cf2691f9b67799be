//! The three Debian packages that the image takes files from: which they are, and how they come to be unpacked.
//!
//! Versions are pinned in `image/packages.lock` with the SHA-256 of each file. What was fetched once stays in
//! `target/image/packages` under its checksum, so that the next build needs no network.

pub mod archive;
pub mod lock;

use crate::progress::Progress;
use crate::step::{Failure, at, hexadecimal, image_folder, run};
use archive::Archive;
use lock::{Lock, Pinned};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a package is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Linux, its modules and device trees.
    Kernel,
    /// The file system check that PID 1 runs.
    FileSystemCheck,
    /// What a Raspberry Pi loads before the kernel.
    BootFirmware,
}

/// A package that the image needs, by the name that stays.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// What it is for.
    pub role: Role,
    /// Its name, or the name of the package that depends on the newest one.
    pub name: &'static str,
    /// The suite it comes from.
    pub suite: &'static str,
    /// The archive's area.
    pub component: &'static str,
}

/// All of them. The boot firmware is sid's: only firmware newer than 2025 knows `kernel_watchdog_timeout`, and it
/// depends on nothing.
pub const WANTED: [Wanted; 3] = [
    Wanted { role: Role::Kernel, name: "linux-image-arm64", suite: "trixie", component: "main" },
    Wanted { role: Role::FileSystemCheck, name: "e2fsck-static", suite: "trixie", component: "main" },
    Wanted { role: Role::BootFirmware, name: "raspi-firmware", suite: "sid", component: "non-free-firmware" },
];

/// Where the versions come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// From `image/packages.lock`.
    Locked,
    /// The newest of the archive; the lock is not touched.
    Newest,
}

/// A package with its files below a folder.
#[derive(Clone, Debug)]
pub struct Unpacked {
    /// Which one it is.
    pub pinned: Pinned,
    /// The folder that stands for `/`.
    pub folder: PathBuf,
}

/// The three packages, unpacked.
#[derive(Clone, Debug)]
pub struct Packages {
    /// Linux.
    pub kernel: Unpacked,
    /// e2fsck.
    pub check: Unpacked,
    /// Boot firmware of the Raspberry Pi.
    pub firmware: Unpacked,
}

/// Fetches what is not there yet, checks it and unpacks it.
///
/// # Errors
/// When the archive does not carry a pinned version any more, when a checksum is wrong, when a program fails.
pub fn provide(versions: Versions, mirror: Option<&str>, progress: &Progress) -> Result<Packages, Failure> {
    let (lock, archive) = match versions {
        Versions::Locked => (Lock::read(&lock::file())?, None),
        Versions::Newest => {
            let archive = Archive::open(mirror)?;
            (archive.newest()?, Some(archive))
        }
    };
    let mut archive = archive;
    let mut unpacked = |role: Role| {
        let wanted = wanted(role)?;
        let pinned = lock.of(wanted)?;
        let deb = cached(&pinned.sha256);
        if !deb.is_file() {
            if archive.is_none() {
                archive = Some(Archive::open(mirror)?);
            }
            if let Some(archive) = &archive {
                progress.say(&format!("fetching {} {}", pinned.name, pinned.version));
                archive.fetch(pinned, &deb)?;
            }
        }
        check(&deb, pinned)?;
        let folder = unpack(&deb, pinned)?;
        Ok(Unpacked { pinned: pinned.clone(), folder })
    };
    Ok(Packages {
        kernel: unpacked(Role::Kernel)?,
        check: unpacked(Role::FileSystemCheck)?,
        firmware: unpacked(Role::BootFirmware)?,
    })
}

/// Writes the newest versions to the lock and tells what changed.
///
/// # Errors
/// What the archive or the file system said.
pub fn lock(mirror: Option<&str>) -> Result<(), Failure> {
    let file = lock::file();
    let old = if file.is_file() { Lock::read(&file)? } else { Lock::default() };
    let new = Archive::open(mirror)?.newest()?;
    for wanted in &WANTED {
        let now = new.of(wanted)?;
        match old.of(wanted) {
            Ok(before) if before == now => println!("{}: {} stays", now.name, now.version),
            Ok(before) => println!("{}: {} -> {} {}", wanted.name, before.version, now.name, now.version),
            Err(_) => println!("{}: {} {} (new)", wanted.name, now.name, now.version),
        }
    }
    new.write(&file)
}

fn wanted(role: Role) -> Result<&'static Wanted, Failure> {
    WANTED.iter().find(|wanted| wanted.role == role).ok_or_else(|| Failure(format!("no package for {role:?}")))
}

/// Where a package file with this checksum is kept.
fn cached(sha256: &str) -> PathBuf {
    image_folder().join("packages").join(format!("{sha256}.deb"))
}

/// Compares a file with its pinned checksum; one that differs is taken away, so that the next run fetches it again.
fn check(deb: &Path, pinned: &Pinned) -> Result<(), Failure> {
    let octets = std::fs::read(deb).map_err(at(deb))?;
    let found = hexadecimal(&Sha256::digest(&octets));
    if found == pinned.sha256 {
        return Ok(());
    }
    std::fs::remove_file(deb).map_err(at(deb))?;
    Err(Failure(format!(
        "{} {}: the file that came has SHA-256 {found}, but the lock says {}.\n  The archive does not give what was \
         pinned; if you trust what it has now, run `cargo image lock`.",
        pinned.name, pinned.version, pinned.sha256
    )))
}

/// Unpacks a package once; the folder carries the file's checksum in its name.
fn unpack(deb: &Path, pinned: &Pinned) -> Result<PathBuf, Failure> {
    let parent = image_folder().join("unpacked");
    let short = pinned.sha256.get(..16).unwrap_or(&pinned.sha256);
    let folder = parent.join(format!("{}-{short}", pinned.name));
    if folder.is_dir() {
        return Ok(folder);
    }
    let part = parent.join(format!("{}-{short}.part", pinned.name));
    if part.is_dir() {
        std::fs::remove_dir_all(&part).map_err(at(&part))?;
    }
    std::fs::create_dir_all(&part).map_err(at(&part))?;
    run(Command::new("dpkg-deb").arg("--extract").arg(deb).arg(&part))?;
    std::fs::rename(&part, &folder).map_err(at(&folder))?;
    Ok(folder)
}
