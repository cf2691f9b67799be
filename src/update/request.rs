//! A bundle that somebody has put on the boot partition: it is installed at the next start and renamed, so that it is not
//! installed again and a person sees on any computer what became of it.
//!
//! `NAME.update` becomes `NAME.update.installed`, or `NAME.update.refused` with `NAME.update.refused.txt` that says why. It is
//! renamed after everything else; a power cut before leads to the same bundle once more, which is there already then, or
//! refused again. If the card cannot be written, nothing is renamed, and nothing is installed either.

use super::Error;
use super::boot::{MountedBoot, Writable, failed};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The ending of a bundle's name.
const ENDING: &str = "update";

/// The bundle in the root of the boot partition that is to be installed; the first by name if there are several.
#[must_use]
pub fn request(boot: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(boot).ok()?.filter_map(Result::ok);
    let wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Some systems leave files such as `._NAME.update` beside what they copy.
        let hidden = name.starts_with('.');
        let ending = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(ENDING));
        ending && !hidden && path.is_file()
    };
    entries.map(|entry| entry.path()).filter(wanted).min()
}

/// Is this file such a request?
pub(super) fn is_request(boot: &Path, file: &Path) -> bool {
    let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
    folder.is_some() && folder == boot.canonicalize().ok()
}

/// Renames a bundle that was installed, or `refused` for the reason given. Nothing happens if it is no longer there.
///
/// `pillarbox update` does this itself for a bundle in the root of the boot partition; whoever started it does it only if it
/// was killed.
///
/// # Errors
/// [`Error::Boot`] if the boot partition cannot be written; then the bundle is found again at the next start.
pub fn finish_request(boot: &Path, file: &Path, refused: Option<&str>) -> Result<(), Error> {
    if !file.is_file() {
        return Ok(());
    }
    let boot = MountedBoot::at(boot);
    let _writable = Writable::begin(&boot)?;
    let why = with_ending(file, ".refused.txt");
    let renamed = match refused {
        Some(reason) => {
            write_reason(&why, reason).map_err(failed("cannot write why the update was refused"))?;
            with_ending(file, ".refused")
        }
        None => {
            // What an earlier attempt was told is no longer so.
            match std::fs::remove_file(&why) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("cannot remove an old refusal")(error));
                }
                Ok(()) | Err(_) => with_ending(file, ".installed"),
            }
        }
    };
    boot.sync().map_err(failed("cannot write"))?;
    std::fs::rename(file, &renamed).map_err(failed("cannot rename the update"))?;
    boot.sync().map_err(failed("cannot write"))
}

/// A text for people who may read it with a simple editor of any system, hence the line ends.
fn write_reason(path: &Path, reason: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    write!(file, "This update was not installed:\r\n\r\n{reason}\r\n")?;
    file.sync_all()
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_first_bundle_by_name_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(request(folder.path()), None);
        for name in ["b.update", "a.UPDATE", "._a.update", "a.update.installed", "x.txt", "update"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("0.update")).unwrap();
        let found = request(folder.path()).unwrap();
        assert_eq!(found, folder.path().join("a.UPDATE"));
        assert!(is_request(folder.path(), &found));
        assert!(!is_request(folder.path(), &folder.path().join("0.update/x.update")));
    }

    #[test]
    fn a_finished_request_is_not_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.update");
        std::fs::write(&file, "bundle").unwrap();
        finish_request(folder.path(), &file, Some("it is too old")).unwrap();
        assert_eq!(request(folder.path()), None);
        assert_eq!(names(folder.path()), ["x.update.refused", "x.update.refused.txt"]);
        let why = std::fs::read_to_string(folder.path().join("x.update.refused.txt")).unwrap();
        assert!(why.contains("it is too old"));
        // The same name again, and this time it is good.
        std::fs::write(&file, "other").unwrap();
        finish_request(folder.path(), &file, None).unwrap();
        assert_eq!(names(folder.path()), ["x.update.installed", "x.update.refused"]);
        finish_request(folder.path(), &file, None).unwrap();
    }
}
