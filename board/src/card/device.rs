//! Which device is the card. The kernel numbers hosts as it finds them, so a name alone does not say: the one whose
//! partitions start where [`layout`](super::layout) puts them is it.

use super::layout::{PARTITIONS, SECTOR_OCTETS};
use crate::definition::Definition;
use crate::file;
use std::path::Path;

/// The card's device, such as `/dev/mmcblk0`: the first of the definition's candidates below `root` that is there and
/// holds our partitions. `None` until the kernel has read its partition table, which takes some tenths of a second after
/// the driver is loaded; waiting is left to the caller.
#[must_use]
pub fn find(root: &Path, definition: &Definition) -> Option<String> {
    definition.card.iter().find(|device| is_ours(root, device)).map(|device| (*device).to_owned())
}

/// Is this device there, and do its partitions start where ours do?
#[must_use]
pub fn is_ours(root: &Path, device: &str) -> bool {
    let Some(name) = device.strip_prefix("/dev/") else { return false };
    root.join("dev").join(name).exists()
        && PARTITIONS.iter().all(|part| {
            // Documentation/block/stat.rst, sysfs-block: `start` counts sectors of 512 octets on every device.
            let start = root.join("sys/class/block").join(partition(name, part.number)).join("start");
            file::number::<u64>(&start).and_then(|sectors| sectors.checked_mul(SECTOR_OCTETS)) == Some(part.start)
        })
}

/// The name of a device's partition: `/dev/mmcblk0p1`, `/dev/vda1`. A `p` comes between two digits.
#[must_use]
pub fn partition(device: &str, number: u8) -> String {
    let separator = if device.ends_with(|last: char| last.is_ascii_digit()) { "p" } else { "" };
    format!("{device}{separator}{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Machine;
    use crate::{desktop, qemu_virt, rpi};

    #[test]
    fn partitions_are_named_as_the_kernel_does() {
        assert_eq!(partition("/dev/mmcblk0", 1), "/dev/mmcblk0p1");
        assert_eq!(partition("/dev/vda", 2), "/dev/vda2");
        assert_eq!(partition("/dev/loop7", 3), "/dev/loop7p3");
        assert_eq!(partition("/dev/nvme0n1", 3), "/dev/nvme0n1p3");
    }

    #[test]
    fn the_card_is_the_one_with_our_partitions() {
        let machine = Machine::new();
        assert_eq!(find(machine.root(), &rpi::DEFINITION), None);
        // Some other card: a file system without a partition table, then somebody else's table.
        machine.file("dev/mmcblk0", "");
        assert_eq!(find(machine.root(), &rpi::DEFINITION), None);
        machine.file("sys/class/block/mmcblk0p1/start", "2048\n");
        assert_eq!(find(machine.root(), &rpi::DEFINITION), None);
        machine.card("/dev/mmcblk1");
        assert_eq!(find(machine.root(), &rpi::DEFINITION).as_deref(), Some("/dev/mmcblk1"));
        // A Pi has no vda, and a desktop's disks are none of our business.
        machine.card("/dev/vda");
        assert_eq!(find(machine.root(), &rpi::DEFINITION).as_deref(), Some("/dev/mmcblk1"));
        assert_eq!(find(machine.root(), &qemu_virt::DEFINITION).as_deref(), Some("/dev/vda"));
        assert_eq!(find(machine.root(), &desktop::DEFINITION), None);
    }

    #[test]
    fn the_best_candidate_comes_first() {
        let machine = Machine::new();
        machine.card("/dev/vda");
        machine.card("/dev/mmcblk0");
        assert_eq!(find(machine.root(), &qemu_virt::DEFINITION).as_deref(), Some("/dev/mmcblk0"));
        assert!(!is_ours(machine.root(), "mmcblk0"));
    }
}
