//! Small files of the data directory that are there whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Only its owner may read it.
pub const PRIVATE: u32 = 0o600;
/// Everyone may read it.
pub const PUBLIC: u32 = 0o644;

/// Writes a file beside its place, syncs it and renames it: after a power cut the old or the new file is there.
///
/// # Errors
/// As the operating system says, with the file's name.
pub fn write_whole(path: &Path, octets: &[u8], mode: u32) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    write_beside(path, octets, mode).map_err(named)
}

/// Writes a file that only tells of the running process: whole for whoever reads it, but nothing waits for the card.
///
/// # Errors
/// As for [`write_whole`].
pub fn write_fleeting(path: &Path, octets: &[u8]) -> io::Result<()> {
    let beside = path.with_added_extension("new");
    let written = std::fs::write(&beside, octets).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn write_beside(path: &Path, octets: &[u8], mode: u32) -> io::Result<()> {
    let beside = path.with_added_extension("new");
    // What a power cut may have left, possibly with another mode.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(octets)?;
    // The umask may have taken something away.
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    // The name itself is on the card when its directory is.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Makes a directory that only its owner may enter, and its parents.
///
/// # Errors
/// As the operating system says, with the directory's name.
pub fn create_directory(path: &Path) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(named)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn replaces_a_file_and_what_a_power_cut_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.key");
        std::fs::write(folder.path().join("ca.key.new"), "half").unwrap();
        write_whole(&path, b"one", PUBLIC).unwrap();
        write_whole(&path, b"two", PRIVATE).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, PRIVATE);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = write_whole(&folder.path().join("none/x"), b"", PRIVATE).unwrap_err();
        assert!(error.to_string().contains("none/x: No such file"));
    }

    #[test]
    fn a_fleeting_file_replaces_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ports");
        write_fleeting(&path, b"one").unwrap();
        write_fleeting(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert!(write_fleeting(&folder.path().join("none/x"), b"").unwrap_err().to_string().contains("none/x: "));
    }

    #[test]
    fn a_new_directory_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        create_directory(&path).unwrap();
        create_directory(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
