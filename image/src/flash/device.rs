//! What a block device is, by sysfs and proc, and why it must not be overwritten.
//!
//! Everything is read below a root folder that tests replace. sysfs: `Documentation/ABI/stable/sysfs-block`; partitions
//! are folders in the disk's folder with a file `partition`; whoever builds on a device (LVM, RAID, encryption) is a
//! link in its `holders`.

use crate::build::size;
use crate::step::Failure;
use std::collections::BTreeSet;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// sysfs counts in these, whatever a device's own sectors are.
const SYSFS_SECTOR_OCTETS: u64 = 512;

/// One line of the mount table.
struct Mount {
    /// `major:minor` of the device.
    number: String,
    /// Where.
    place: String,
    /// Name below `/dev`.
    source: Option<String>,
}

/// Where the machine's files stand.
#[derive(Clone, Debug)]
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// The one that this runs on.
    #[must_use]
    pub fn this() -> Self {
        Self::below(Path::new("/"))
    }

    /// One whose `/sys` and `/proc` stand below `root`.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn read(&self, path: &Path) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok().map(|text| text.trim().to_owned())
    }

    /// What is mounted, by proc_pid_mountinfo(5).
    fn mounted(&self) -> Vec<Mount> {
        let text = self.read(Path::new("proc/self/mountinfo")).unwrap_or_default();
        let entry = |line: &str| {
            let (left, right) = line.split_once(" - ")?;
            let mut fields = left.split(' ');
            let number = fields.nth(2)?.to_owned();
            let place = fields.nth(1)?.to_owned();
            // btrfs gives a number of no device; its source is one.
            let source = right.split(' ').nth(1)?.strip_prefix("/dev/").map(str::to_owned);
            Some(Mount { number, place, source })
        };
        text.lines().filter_map(entry).collect()
    }

    /// Names below `/dev` of devices that memory is swapped to (proc_swaps(5)).
    fn swapped(&self) -> BTreeSet<String> {
        let text = self.read(Path::new("proc/swaps")).unwrap_or_default();
        let name = |line: &str| line.split_whitespace().next()?.strip_prefix("/dev/").map(str::to_owned);
        text.lines().filter_map(name).collect()
    }
}

/// One block device with its partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its name in sysfs.
    pub kernel_name: String,
    /// Maker and model, as far as it tells.
    pub model: Option<String>,
    /// Its size.
    pub octets: u64,
    /// Does it say that it can be taken out?
    pub removable: bool,
    /// Can it not be written?
    pub read_only: bool,
    /// Its partitions, for people.
    pub partitions: Vec<String>,
    /// What uses it or a part of it: a reason not to write, each.
    pub uses: Vec<String>,
}

impl Device {
    /// Looks at the device that `path` names.
    ///
    /// # Errors
    /// When it is no block device, or a partition of one.
    pub fn examine(machine: &Machine, path: &Path) -> Result<Self, Failure> {
        let metadata = std::fs::metadata(path).map_err(|error| Failure(format!("{}: {error}", path.display())))?;
        if !metadata.file_type().is_block_device() {
            return Err(Failure(format!("{} is no block device; a card is for example /dev/sdb", path.display())));
        }
        let number = metadata.rdev();
        let number = format!("{}:{}", nix::sys::stat::major(number), nix::sys::stat::minor(number));
        Self::of_number(machine, &number)
    }

    /// The device with this `major:minor`.
    ///
    /// # Errors
    /// When sysfs does not know it, or it is a partition.
    pub fn of_number(machine: &Machine, number: &str) -> Result<Self, Failure> {
        let link = machine.root.join("sys/dev/block").join(number);
        let folder = std::fs::canonicalize(&link)
            .map_err(|error| Failure(format!("the kernel does not know device {number}: {error}")))?;
        let name_of = |folder: &Path| folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let kernel_name = name_of(&folder);
        if folder.join("partition").exists() {
            let whole = folder.parent().map_or_else(String::new, name_of);
            return Err(Failure(format!(
                "/dev/{kernel_name} is one partition; the image has its own partition table and needs the whole card, \
                 /dev/{whole}"
            )));
        }
        let text = |name: &str| machine.read(&folder.join(name)).filter(|text| !text.is_empty());
        let sectors = text("size").and_then(|size| size.parse::<u64>().ok()).unwrap_or(0);
        // SCSI and USB tell a vendor and a model, cards a name and sometimes a type.
        let words = [text("device/vendor"), text("device/model"), text("device/name"), text("device/type")];
        // A SCSI device's type and a virtual disk's vendor are numbers, which say nothing to people.
        let number_only = |word: &String| word.starts_with("0x") || word.parse::<u32>().is_ok();
        let words: Vec<String> = words.into_iter().flatten().filter(|word| !number_only(word)).collect();
        let mut device = Self {
            model: (!words.is_empty()).then(|| words.join(" ")),
            octets: sectors.saturating_mul(SYSFS_SECTOR_OCTETS),
            // Card readers in a laptop say 0 here, but their bus is that of cards only.
            removable: text("removable").as_deref() == Some("1") || text("device/type").as_deref() == Some("SD"),
            read_only: text("ro").as_deref() == Some("1"),
            kernel_name: kernel_name.clone(),
            ..Self::default()
        };
        device.look_for_uses(machine, &folder, &kernel_name, number);
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut partitions: Vec<PathBuf> =
            entries.map(|entry| entry.path()).filter(|path| path.join("partition").exists()).collect();
        partitions.sort();
        for partition in partitions {
            let name = name_of(&partition);
            let sectors = machine.read(&partition.join("size")).and_then(|size| size.parse::<u64>().ok()).unwrap_or(0);
            device.partitions.push(format!("{name}: {}", size(sectors.saturating_mul(SYSFS_SECTOR_OCTETS))));
            let number = machine.read(&partition.join("dev")).unwrap_or_default();
            device.look_for_uses(machine, &partition, &name, &number);
        }
        Ok(device)
    }

    fn look_for_uses(&mut self, machine: &Machine, folder: &Path, name: &str, number: &str) {
        for mount in machine.mounted() {
            if mount.number == number || mount.source.as_deref() == Some(name) {
                self.uses.push(format!("/dev/{name} is mounted at {}", mount.place));
            }
        }
        if machine.swapped().contains(name) {
            self.uses.push(format!("/dev/{name} is swap space"));
        }
        for holder in std::fs::read_dir(folder.join("holders")).into_iter().flatten().flatten() {
            let holder = holder.file_name().to_string_lossy().into_owned();
            self.uses.push(format!("/dev/{name} is part of {holder} (LVM, RAID or encryption)"));
        }
    }

    /// What people know it by.
    #[must_use]
    pub fn name(&self) -> &str {
        self.model.as_deref().unwrap_or("no name")
    }

    /// May an image of this size be written to it?
    ///
    /// # Errors
    /// Every reason against it, and what can be done.
    pub fn accept(&self, image_octets: u64, force: bool) -> Result<(), Failure> {
        let device = format!("/dev/{} ({}, {})", self.kernel_name, self.name(), size(self.octets));
        if !self.uses.is_empty() {
            return Err(Failure(format!(
                "{device} is in use, nothing was written:\n  {}\n  If this is really the card, unmount it and try again.",
                self.uses.join("\n  ")
            )));
        }
        if self.octets < image_octets {
            return Err(Failure(format!("{device} is too small for {}", size(image_octets))));
        }
        if self.read_only {
            return Err(Failure(format!("{device} cannot be written: the card's lock switch, or the reader")));
        }
        if !self.removable && !force {
            return Err(Failure(format!(
                "{device} does not say that it can be taken out, as a card does; it may be a disk of this machine.\n  \
                 --force writes all the same."
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with a disk `sda` (mounted and swapped), a card `sdb` and what the test adds.
    fn machine() -> (tempfile::TempDir, Machine) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        let file = |name: &str, text: &str| {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            std::fs::write(path, text).expect("a file");
        };
        for (disk, number, removable) in [("sda", 0, "0\n"), ("sdb", 16, "1\n")] {
            let base = format!("sys/devices/{disk}");
            file(&format!("{base}/size"), "2097152\n");
            file(&format!("{base}/removable"), removable);
            file(&format!("{base}/ro"), "0\n");
            file(&format!("{base}/dev"), &format!("8:{number}\n"));
            file(&format!("{base}/device/vendor"), "Generic \n");
            file(&format!("{base}/device/model"), "Reader  \n");
            file(&format!("{base}/device/type"), "0\n");
            std::fs::create_dir_all(root.join("sys/dev/block")).expect("folders");
            for partition in 1..=2 {
                let below = format!("{base}/{disk}{partition}");
                file(&format!("{below}/partition"), &format!("{partition}\n"));
                file(&format!("{below}/size"), "1024\n");
                file(&format!("{below}/dev"), &format!("8:{}\n", number + partition));
                let link = root.join(format!("sys/dev/block/8:{}", number + partition));
                std::os::unix::fs::symlink(root.join(below), link).expect("a link");
            }
            let link = root.join(format!("sys/dev/block/8:{number}"));
            std::os::unix::fs::symlink(root.join(base), link).expect("a link");
        }
        file("proc/self/mountinfo", "22 1 8:1 / / rw,noatime - ext4 /dev/root rw\n");
        file("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n");
        let machine = Machine::below(root);
        (folder, machine)
    }

    const MEBIBYTE: u64 = 1 << 20;

    #[test]
    fn a_card_is_taken() {
        let (_folder, machine) = machine();
        let card = Device::of_number(&machine, "8:16").expect("a device");
        assert_eq!(card.name(), "Generic Reader");
        assert_eq!(card.octets, 1024 * MEBIBYTE);
        assert_eq!(card.partitions.len(), 2);
        card.accept(512 * MEBIBYTE, false).expect("taken");
    }

    #[test]
    fn the_systems_disk_is_refused_even_with_force() {
        let (_folder, machine) = machine();
        let disk = Device::of_number(&machine, "8:0").expect("a device");
        let failure = disk.accept(MEBIBYTE, true).expect_err("in use");
        assert!(failure.0.contains("/dev/sda1 is mounted at /"));
        assert!(failure.0.contains("/dev/sda2 is swap space"));
    }

    #[test]
    fn a_btrfs_is_known_by_its_source() {
        let (folder, machine) = machine();
        let line = "30 1 0:33 /@home /home rw - btrfs /dev/sdb2 rw,subvol=/@home\n";
        std::fs::write(folder.path().join("proc/self/mountinfo"), line).expect("mountinfo");
        let card = Device::of_number(&machine, "8:16").expect("a device");
        assert!(card.accept(MEBIBYTE, true).expect_err("mounted").0.contains("/dev/sdb2 is mounted at /home"));
    }

    #[test]
    fn a_partition_is_refused_and_the_whole_card_named() {
        let (_folder, machine) = machine();
        let failure = Device::of_number(&machine, "8:17").expect_err("a partition");
        assert!(failure.0.contains("/dev/sdb1 is one partition") && failure.0.ends_with("/dev/sdb"));
    }

    #[test]
    fn what_others_build_on_is_refused() {
        let (folder, machine) = machine();
        std::fs::create_dir_all(folder.path().join("sys/devices/sdb/sdb2/holders/dm-0")).expect("a holder");
        let card = Device::of_number(&machine, "8:16").expect("a device");
        assert!(card.accept(MEBIBYTE, true).expect_err("held").0.contains("/dev/sdb2 is part of dm-0"));
    }

    #[test]
    fn small_locked_and_built_in_devices_are_refused() {
        let (_folder, machine) = machine();
        let card = Device::of_number(&machine, "8:16").expect("a device");
        assert!(card.accept(1025 * MEBIBYTE, true).expect_err("small").0.contains("too small"));
        let locked = Device { read_only: true, ..card.clone() };
        assert!(locked.accept(MEBIBYTE, true).expect_err("locked").0.contains("lock switch"));
        let disk = Device { removable: false, ..card };
        assert!(disk.accept(MEBIBYTE, false).expect_err("a disk").0.contains("--force"));
        disk.accept(MEBIBYTE, true).expect("forced");
    }

    #[test]
    fn other_files_are_refused() {
        let machine = Machine::this();
        assert!(
            Device::examine(&machine, Path::new("/dev/null")).expect_err("a character device").0.contains("/dev/sdb")
        );
        assert!(Device::examine(&machine, Path::new("/nowhere")).is_err());
    }
}
