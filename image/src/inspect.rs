//! `cargo image inspect`: what an image or a card holds, read without mounting anything.

use crate::build::{image_file, size};
use crate::ext4::{SUPERBLOCK_START, superblock};
use crate::fat::{self, Region, Volume};
use crate::initramfs::{self, Listed};
use crate::mbr::{self, Entry};
use crate::step::{Failure, at};
use board::card::layout::{BOOT, DATA, SLOTS};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Text in lines.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, line: String) {
        self.0.push_str(&line);
        self.0.push('\n');
    }
}

/// Prints what `file` holds, or the last built image; with `list_initramfs` also every file of the initramfs.
///
/// # Errors
/// When the file is no image.
pub fn inspect(file: Option<&Path>, list_initramfs: bool) -> Result<(), Failure> {
    let text = describe(file, list_initramfs)?;
    // A reader that has seen enough (`| head`) is no failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

/// What [`inspect`] prints.
///
/// # Errors
/// When the file is no image.
pub fn describe(file: Option<&Path>, list_initramfs: bool) -> Result<String, Failure> {
    let mut said = Lines::default();
    let built = image_file();
    let path = file.unwrap_or(&built);
    let file = File::open(path).map_err(|error| {
        let advice = if path == built { "\n  `cargo image build` makes it" } else { "" };
        Failure(format!("{}: {error}{advice}", path.display()))
    })?;
    let mut record = [0; mbr::OCTETS];
    file.read_exact_at(&mut record, 0).map_err(at(path))?;
    let entries = mbr::decode(&record)
        .ok_or_else(|| Failure(format!("{}: no partition table, so no image of a card", path.display())))?;
    said.line(format!("{}", path.display()));
    said.line("\npartition  type  starts at   length      holds".into());
    for entry in &entries {
        let (start, length) = (size(entry.start), size(entry.octets));
        said.line(format!(
            "{:9}  0x{:02x}  {start:10}  {length:10}  {}",
            entry.number,
            entry.kind,
            holds(&file, entry)
        ));
    }
    let boot = entries.iter().find(|entry| entry.number == BOOT.number);
    let boot = boot.ok_or_else(|| Failure(format!("{}: no boot partition", path.display())))?;
    let region = || Region::new(&file, boot.start, boot.octets);
    let volume = fat::list(region())?;
    tell_files(&mut said, &volume);
    tell_versions(&mut said, region, &volume, list_initramfs)?;
    Ok(said.0)
}

/// What is on a partition, in one line.
fn holds(file: &File, entry: &Entry) -> String {
    if entry.number == SLOTS.number {
        let mut head = [0; 4096];
        return match file.read_exact_at(&mut head, entry.start) {
            Ok(()) if head.iter().all(|&octet| octet == 0) => {
                "update slots: as made, the initramfs' version runs".into()
            }
            Ok(()) => "update slots: in use".into(),
            Err(error) => error.to_string(),
        };
    }
    if entry.number == DATA.number {
        let mut block = [0; 1024];
        if let Err(error) = file.read_exact_at(&mut block, entry.start + SUPERBLOCK_START) {
            return error.to_string();
        }
        return match superblock(&block) {
            Some(found) => {
                format!("ext4 \"{}\", {}, {} free", found.label, size(found.octets), size(found.free))
            }
            None => "no ext4".into(),
        };
    }
    match fat::list(Region::new(file, entry.start, entry.octets)) {
        Ok(volume) => format!("FAT \"{}\", {}, {} free", volume.label, size(volume.total), size(volume.free)),
        Err(failure) => failure.0,
    }
}

fn tell_files(said: &mut Lines, volume: &Volume) {
    said.line("\n    octets  file on the boot partition".into());
    for (name, octets) in &volume.files {
        if name.ends_with('/') {
            said.line(format!("            {name}"));
        } else {
            said.line(format!("{octets:10}  {name}"));
        }
    }
}

/// Versions stand in the initramfs of each kernel set, and in README.txt for Debian's packages.
fn tell_versions<'a>(
    said: &mut Lines,
    region: impl Fn() -> Region<'a>,
    volume: &Volume,
    list_files: bool,
) -> Result<(), Failure> {
    let configuration = fat::read(region(), "config.txt")?;
    let configuration = String::from_utf8_lossy(&configuration);
    let prefix = configuration.lines().find_map(|line| line.strip_prefix("os_prefix=")).unwrap_or_default();
    said.line(format!("\nconfig.txt chooses {prefix}"));
    for name in volume.files.keys().filter(|name| name.ends_with("/initramfs.img")) {
        let listed = initramfs::list(&fat::read(region(), name)?)?;
        said.line(format!("\n{name}"));
        for line in text(&listed, "etc/pillarbox/build").lines() {
            said.line(format!("  {line}"));
        }
        let key = text(&listed, "etc/pillarbox/update.pub");
        said.line(format!("  update key {}", key.lines().last().unwrap_or("missing")));
        let modules = listed.iter().filter(|entry| entry.name.contains(".ko")).count();
        let octets: usize = listed.iter().map(|entry| entry.octets.len()).sum();
        said.line(format!("  {} entries, {modules} kernel modules, {octets} octets unpacked", listed.len()));
        if list_files {
            listed.iter().for_each(|entry| tell_entry(said, entry));
        }
    }
    let read_me = fat::read(region(), "README.txt").unwrap_or_default();
    let read_me = String::from_utf8_lossy(&read_me).into_owned();
    said.line("\nfrom Debian".into());
    let of_debian = |line: &&str| line.starts_with("  ") && line.ends_with(')');
    read_me.lines().filter(of_debian).for_each(|line| said.line(line.to_owned()));
    Ok(())
}

fn text(listed: &[Listed], name: &str) -> String {
    let found = listed.iter().find(|entry| entry.name == name);
    found.map_or_else(String::new, |entry| String::from_utf8_lossy(&entry.octets).into_owned())
}

fn tell_entry(said: &mut Lines, entry: &Listed) {
    const TYPE: u32 = 0o170_000;
    let (kind, target) = match entry.mode & TYPE {
        0o040_000 => ('d', String::new()),
        0o120_000 => ('l', format!(" -> {}", String::from_utf8_lossy(&entry.octets))),
        0o020_000 => ('c', String::new()),
        _ => ('-', String::new()),
    };
    said.line(format!("  {kind}{:04o} {:9}  /{}{target}", entry.mode & 0o7777, entry.octets.len(), entry.name));
}
