//! The clock of a machine that has none: it starts where it last was known to be, and never runs backwards.
//!
//! A small file on the card holds the last known time, written over in place once an hour and at the end. When the machine
//! starts, the clock becomes the latest of: what it says itself, that file, and when this version was built. The network
//! child sets it right when it has asked a time server.

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where the last known time is kept, below the data partition.
const FILE: &str = "system/clock";

/// Seconds since 1970 by the machine's clock.
#[must_use]
pub fn now() -> i64 {
    clock_gettime(ClockId::CLOCK_REALTIME).map_or(0, |time| time.tv_sec())
}

/// When this version was built, in seconds since 1970; 0 if nobody wrote it down.
#[must_use]
pub fn build_epoch(build: &Path) -> i64 {
    let text = std::fs::read_to_string(build).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("EPOCH=")?.trim().parse().ok()).unwrap_or(0)
}

/// Moves the clock forward to the latest of these; says by how much.
pub fn start(candidates: &[i64]) -> Option<i64> {
    let latest = candidates.iter().copied().max()?;
    let behind = latest.checked_sub(now()).filter(|behind| *behind > 0)?;
    clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::new(latest, 0)).ok()?;
    Some(behind)
}

/// The last time that was kept; 0 if there is none.
#[must_use]
pub fn kept(data: &Path) -> i64 {
    std::fs::read_to_string(data.join(FILE)).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// How sure the machine's clock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A time server was asked just now: what was kept before may have been wrong.
    Surely,
    /// It runs on from what it was.
    Perhaps,
}

/// Keeps the time, unless a later one is kept that may be as good: a clock that was once years ahead would start there for
/// ever otherwise.
///
/// # Errors
/// As the operating system says.
pub fn keep(data: &Path, seconds: i64, known: Known) -> std::io::Result<()> {
    let before = kept(data);
    if before == seconds || (before > seconds && known == Known::Perhaps) {
        return Ok(());
    }
    let path: PathBuf = data.join(FILE);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    // In place and of one length: one block of the card, and half of one number is never read as another (12 digits, and a
    // torn block does not parse or is one of the two).
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    file.write_all(format!("{seconds:012}\n").as_bytes())?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_kept_time_only_grows_until_the_right_one_is_known() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(kept(folder.path()), 0);
        for (given, expected) in [(1_700_000_000, 1_700_000_000), (5, 1_700_000_000), (1_800_000_000, 1_800_000_000)] {
            keep(folder.path(), given, Known::Perhaps).unwrap();
            assert_eq!(kept(folder.path()), expected);
        }
        keep(folder.path(), 1_750_000_000, Known::Surely).unwrap();
        assert_eq!(kept(folder.path()), 1_750_000_000, "a time server knows better");
        std::fs::write(folder.path().join(FILE), "torn").unwrap();
        assert_eq!(kept(folder.path()), 0);
    }

    #[test]
    fn the_build_tells_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let build = folder.path().join("build");
        assert_eq!(build_epoch(&build), 0);
        std::fs::write(&build, "VERSION=0.1.0\nEPOCH=1760000000\n").unwrap();
        assert_eq!(build_epoch(&build), 1_760_000_000);
    }

    #[test]
    fn the_clock_does_not_go_back() {
        assert_eq!(start(&[0, 1_000_000]), None);
    }
}
