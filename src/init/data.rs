//! The data partition: checked, mounted, grown. Never made anew: that only an explicit factory reset does.

use super::console::say;
use super::hardware::Hardware;
use super::{grow, mounts, one_shot};
use crate::limits::{CHECK_TIMEOUT, REPAIR_TIMEOUT};
use board::card::layout::DATA;
use board::led::State;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The checker that is packed with the kernel.
const E2FSCK: &str = "/sbin/e2fsck";
/// e2fsck(8): errors were found and corrected.
const CORRECTED: i32 = 1;
/// e2fsck(8): anything from here on is left uncorrected, or could not run.
const UNCORRECTED: i32 = 4;

/// Checks the file system and repairs what can be repaired.
///
/// # Errors
/// A sentence for people, if something is left.
pub fn check(device: &str, hardware: &mut Hardware) -> Result<(), String> {
    // -p: the journal and whatever is safe; nearly always that is all, and it takes a blink.
    let code = e2fsck(device, "-p", CHECK_TIMEOUT, || hardware.feed())?;
    if code == CORRECTED {
        say("the file system of the card was repaired");
    }
    if code < UNCORRECTED {
        return Ok(());
    }
    say("the file system of the card is damaged; repairing all that can be repaired");
    // It may take an hour, and a person should not take it for a start that hangs.
    hardware.show(State::Degraded);
    let repaired = e2fsck(device, "-y", REPAIR_TIMEOUT, || hardware.feed());
    hardware.show(State::Booting);
    match repaired? {
        code if code < UNCORRECTED => Ok(()),
        code => Err(format!("the file system of the card cannot be repaired (e2fsck ended with {code})")),
    }
}

fn e2fsck(device: &str, how: &str, timeout: core::time::Duration, meanwhile: impl FnMut()) -> Result<i32, String> {
    let mut command = Command::new(E2FSCK);
    command.args([how, "-C", "-1", device]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let ended = one_shot::run(&mut command, timeout, meanwhile).map_err(|error| format!("{E2FSCK}: {error}"))?;
    ended.code().ok_or_else(|| format!("{E2FSCK} {ended}"))
}

/// Gives the partition all of the card that is left. What fails is said; the mail is served all the same.
pub fn extend(card: &str) {
    let octets = match card_octets(card) {
        Ok(octets) => octets,
        Err(error) => return say(&format!("the size of {card} is not known: {error}")),
    };
    match grow::extend_entry(Path::new(card), octets) {
        Ok(None) => {}
        Ok(Some(extent)) => {
            say(&format!("the data partition grows to {} MiB", extent.octets >> 20));
            if let Err(error) = grow::tell_kernel(Path::new(card), extent) {
                say(&format!("the kernel does not take the new size yet: {error}; the next start does"));
            }
        }
        Err(error) => say(&format!("{card} stays as large as it is: {error}")),
    }
}

/// Mounts the partition.
///
/// # Errors
/// As the kernel says.
pub fn mount(device: &str) -> io::Result<()> {
    mounts::data(device)
}

/// Lets the mounted file system fill its partition. On a large card that takes a minute at the first start. What fails is
/// said; the mail is served all the same.
pub fn grow(device: &str) {
    let grown = card_octets(device).and_then(|octets| grow::grow_file_system(Path::new(mounts::DATA), octets));
    if let Err(error) = grown {
        say(&format!("the file system stays as large as it is: {error}"));
    }
}

/// Makes the directories that the children own.
///
/// # Errors
/// As the operating system says.
pub fn directories(user: u32) -> io::Result<()> {
    let data = Path::new(mounts::DATA);
    for (name, owner) in [("system", 0), ("mail", user)] {
        let path = data.join(name);
        std::fs::create_dir_all(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))?;
        std::os::unix::fs::chown(&path, Some(owner), Some(owner))?;
    }
    Ok(())
}

/// Octets of a block device, as sysfs counts them: in sectors of 512 octets.
fn card_octets(device: &str) -> io::Result<u64> {
    let name = device.rsplit('/').next().unwrap_or(device);
    let text = std::fs::read_to_string(format!("/sys/class/block/{name}/size"))?;
    let sectors: u64 = text.trim().parse().map_err(io::Error::other)?;
    Ok(sectors.saturating_mul(board::card::layout::SECTOR_OCTETS))
}

/// The data partition of a card.
#[must_use]
pub fn partition(card: &str) -> String {
    board::card::partition(card, DATA.number)
}
