//! `image/packages.lock`: which version of each package an image is made of, and the checksum of its file.

use super::Wanted;
use crate::step::{Failure, root, write_whole};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// One pinned package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// The name that stays; for the kernel, the package that depends on the newest one.
    pub wanted: String,
    /// The package itself.
    pub name: String,
    /// Its Debian version.
    pub version: String,
    /// The suite that carried it.
    pub suite: String,
    /// SHA-256 of the .deb file, as the signed index says.
    pub sha256: String,
}

/// All pinned packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// In the order of [`super::WANTED`].
    pub package: Vec<Pinned>,
}

const HEAD: &str = "\
# The Debian packages (arm64) that the card's image is made of. `cargo image build` takes exactly these and compares
# their SHA-256; `cargo image lock` writes the newest versions here.

";

/// Where the lock stands in the checkout.
#[must_use]
pub fn file() -> PathBuf {
    root().join("image").join("packages.lock")
}

impl Lock {
    /// Reads a lock.
    ///
    /// # Errors
    /// When it is not there or not understood; both name what to do.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure(format!("{}: {error}\n  `cargo image lock` writes it", file.display())))?;
        toml::from_str(&text).map_err(|error| Failure(format!("{}: {error}", file.display())))
    }

    /// Writes a lock.
    ///
    /// # Errors
    /// What the file system said.
    pub fn write(&self, file: &Path) -> Result<(), Failure> {
        let text = toml::to_string(self).map_err(|error| Failure(error.to_string()))?;
        write_whole(file, format!("{HEAD}{text}").as_bytes())
    }

    /// The pinned version of a package.
    ///
    /// # Errors
    /// When the lock does not have it.
    pub fn of(&self, wanted: &Wanted) -> Result<&Pinned, Failure> {
        self.package
            .iter()
            .find(|pinned| pinned.wanted == wanted.name)
            .ok_or_else(|| Failure(format!("packages.lock does not pin {}; run `cargo image lock`", wanted.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::WANTED;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("packages.lock");
        let pinned = |wanted: &Wanted| Pinned {
            wanted: wanted.name.into(),
            name: format!("{}-1", wanted.name),
            version: "1:2.3+deb13-4~x".into(),
            suite: wanted.suite.into(),
            sha256: "ab".repeat(32),
        };
        let lock = Lock { package: WANTED.iter().map(pinned).collect() };
        lock.write(&file).expect("written");
        assert_eq!(Lock::read(&file).expect("read"), lock);
        assert!(std::fs::read_to_string(&file).expect("text").starts_with("# The Debian packages"));
    }

    #[test]
    fn the_checkouts_lock_pins_everything() {
        let lock = Lock::read(&file()).expect("image/packages.lock");
        for wanted in &WANTED {
            let pinned = lock.of(wanted).expect("pinned");
            assert_eq!(pinned.sha256.len(), 64);
            assert_eq!(pinned.suite, wanted.suite);
        }
    }

    #[test]
    fn a_missing_lock_names_the_command() {
        let failure = Lock::read(Path::new("/nowhere/packages.lock")).expect_err("not there");
        assert!(failure.0.contains("cargo image lock"));
    }
}
