//! Small files of the kernel: read with a bound, written at once.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// More of a file is not read. An attribute of sysfs has at most a page; a list of LED triggers on a machine with many
/// processors is the longest that is wanted.
const OCTETS_MAX: u64 = 16_384;

/// A file's octets, as far as the bound; `None` if it cannot be read.
pub(crate) fn octets(path: &Path) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(path).ok()?.take(OCTETS_MAX).read_to_end(&mut octets).ok()?;
    Some(octets)
}

/// A file's text without white space around it; what is no UTF-8 is replaced.
pub(crate) fn text(path: &Path) -> Option<String> {
    octets(path).map(|octets| String::from_utf8_lossy(&octets).trim().to_owned())
}

/// A file's number.
pub(crate) fn number<N: core::str::FromStr>(path: &Path) -> Option<N> {
    text(path)?.parse().ok()
}

/// Gives an attribute a value: one write(2), as sysfs wants it. The file has to be there.
pub(crate) fn write(path: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new().write(true).truncate(true).open(path)?.write_all(value.as_bytes())
}

/// The names in a folder, in order; none if there is no such folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}
