//! The mounts of the appliance.
//!
//! ```text
//! /proc /sys /dev /run /sys/fs/cgroup   the kernel's own
//! /boot   the card's first partition, FAT, read-only but while something is written to it
//! /data   the card's third partition, ext4
//! ```

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;

/// Where the boot partition is.
pub const BOOT: &str = "/boot";
/// Where the data partition is.
pub const DATA: &str = "/data";
/// What PID 1 shares with its children.
pub const RUN: &str = "/run/pillarbox";

/// Mounts what the kernel provides. What is mounted already stays.
///
/// # Errors
/// What failed, as text, all of it: PID 1 goes on with what there is.
pub fn kernel() -> Vec<String> {
    let hardened = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let mut failures = Vec::new();
    for (what, place, flags, options) in [
        ("proc", "/proc", hardened, None),
        ("sysfs", "/sys", hardened, None),
        ("devtmpfs", "/dev", MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, Some("mode=0755")),
        // A version that was chosen is copied there and run from there.
        ("tmpfs", "/run", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=0755,size=64m")),
        ("cgroup2", "/sys/fs/cgroup", hardened, None),
    ] {
        let mounted =
            std::fs::create_dir_all(place).and_then(|()| Ok(mount(Some(what), place, Some(what), flags, options)?));
        match mounted {
            // Mounted already.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
            Err(error) => failures.push(format!("{place}: {error}")),
            Ok(()) => {}
        }
    }
    // Before any child makes it: `serve` has to reach what is in it.
    let shared =
        std::fs::create_dir_all(RUN).and_then(|()| std::fs::set_permissions(RUN, Permissions::from_mode(0o755)));
    if let Err(error) = shared {
        failures.push(format!("{RUN}: {error}"));
    }
    failures
}

/// Is something mounted there, and may it be written to?
#[must_use]
pub fn is_writable(place: &str) -> Option<bool> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    writable_in(&mounts, place)
}

/// The last line counts: it lies on top.
fn writable_in(mounts: &str, place: &str) -> Option<bool> {
    let of_place = |line: &&str| line.split(' ').nth(1) == Some(place);
    let options = mounts.lines().rfind(of_place)?.split(' ').nth(3)?;
    Some(options.split(',').any(|option| option == "rw"))
}

/// Mounts the boot partition, read-only.
///
/// # Errors
/// As the kernel says.
pub fn boot(device: &str) -> io::Result<()> {
    std::fs::create_dir_all(BOOT)?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_NOATIME;
    // UTF-8 names without a character set module for each language; errors leave it as it is.
    let options = "codepage=437,iocharset=ascii,utf8,umask=0077,errors=remount-ro";
    Ok(mount(Some(device), BOOT, Some("vfat"), flags, Some(options))?)
}

/// Mounts the data partition.
///
/// # Errors
/// As the kernel says.
pub fn data(device: &str) -> io::Result<()> {
    std::fs::create_dir_all(DATA)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_NOATIME;
    // errors=remount-ro: a failing card is read as long as it can be read.
    Ok(mount(Some(device), DATA, Some("ext4"), flags, Some("commit=30,errors=remount-ro,data=ordered"))?)
}

/// Takes both partitions off, or makes them read-only where something still holds them, and brings everything to the card.
/// Waits for the card as long as that takes.
///
/// # Errors
/// What the kernel says of the first one that may still be written to.
pub fn release() -> io::Result<()> {
    let mut released = Ok(());
    for place in [DATA, BOOT] {
        if is_writable(place).is_none() {
            continue;
        }
        if umount2(place, MntFlags::empty()).is_err() {
            let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
            let remounted = mount(None::<&str>, place, None::<&str>, flags, None::<&str>);
            released = released.and(remounted.map_err(|error| io::Error::other(format!("{place}: {error}"))));
        }
    }
    nix::unistd::sync();
    released
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_mount_tells() {
        let mounts = "none /data tmpfs rw 0 0\n/dev/mmcblk0p3 /data ext4 ro,noatime 0 0\n/dev/x /boot vfat rw,a 0 0\n";
        assert_eq!(writable_in(mounts, "/data"), Some(false));
        assert_eq!(writable_in(mounts, "/boot"), Some(true));
        assert_eq!(writable_in(mounts, "/dat"), None);
    }
}
