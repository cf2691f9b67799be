//! Which kernel modules go into the initramfs: those that the boards name, and what these depend on.
//!
//! `modules.dep` comes from depmod; only the lines of shipped modules are kept. Names count with `-` and `_` alike, as
//! the kernel counts them.

use crate::step::{Failure, at, run};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names of all modules that any board wants. A name that a kernel has built in or does not know is passed over: boards
/// name modules of several kernels.
#[must_use]
pub fn of_all_boards() -> BTreeSet<String> {
    board::definition::ALL.iter().flat_map(|definition| definition.modules.all()).map(normalised).collect()
}

/// A module's name as the kernel counts it.
fn normalised(name: &str) -> String {
    name.replace('-', "_")
}

/// The module name of a path such as `kernel/fs/fat/vfat.ko.xz`.
fn name_of(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    Some(normalised(file.split(".ko").next()?))
}

/// `modules.dep`: each module's file and the files that must be loaded before it.
#[derive(Clone, Debug, Default)]
pub struct Dependencies(BTreeMap<String, (String, Vec<String>)>);

/// What is shipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Paths below the release's folder, sorted.
    pub files: BTreeSet<String>,
    /// The lines of `modules.dep` for exactly these.
    pub dependencies: String,
    /// Wanted names that the kernel has neither as a module nor built in.
    pub unknown: Vec<String>,
}

impl Dependencies {
    /// Reads `modules.dep`, lines of `path: path path`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (path, needs) = line.split_once(':')?;
            let needs = needs.split_whitespace().map(str::to_owned).collect();
            Some((name_of(path)?, (path.trim().to_owned(), needs)))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// The files of `wanted` and of everything they need. `builtin` is the text of `modules.builtin`.
    #[must_use]
    pub fn select(&self, wanted: &BTreeSet<String>, builtin: &str) -> Selection {
        let builtin: BTreeSet<String> = builtin.lines().filter_map(name_of).collect();
        let mut selection = Selection::default();
        // depmod lists needs of needs as well, but nothing here relies on that.
        let mut open: Vec<String> = wanted.iter().cloned().collect();
        while let Some(name) = open.pop() {
            match self.0.get(&name) {
                Some((path, needs)) => {
                    if selection.files.insert(path.clone()) {
                        open.extend(needs.iter().filter_map(|path| name_of(path)));
                    }
                }
                None if builtin.contains(&name) => {}
                None => selection.unknown.push(name),
            }
        }
        selection.unknown.sort();
        let lines = self.0.values().filter(|(path, _)| selection.files.contains(path));
        let mut lines: Vec<String> = lines.map(|(path, needs)| format!("{path}: {}", needs.join(" "))).collect();
        lines.sort();
        selection.dependencies = lines.iter().map(|line| format!("{}\n", line.trim_end())).collect();
        selection
    }
}

/// The modules of one unpacked kernel package.
#[derive(Clone, Debug)]
pub struct Modules {
    /// The folder named like the release.
    pub folder: PathBuf,
    /// `modules.builtin` as the package has it.
    pub builtin: String,
    /// What goes into the image.
    pub selection: Selection,
}

impl Modules {
    /// Runs depmod over the package's modules, once, and selects what `wanted` needs.
    ///
    /// # Errors
    /// When the package has no modules or depmod fails.
    pub fn of_kernel(package: &Path, release: &str, wanted: &BTreeSet<String>) -> Result<Self, Failure> {
        // Debian 13 and later put modules below /usr; depmod of Debian 12 looks only below /lib.
        let merged = package.join("usr/lib/modules").is_dir();
        let library = package.join("lib");
        if merged && !library.exists() {
            std::os::unix::fs::symlink("usr/lib", &library).map_err(at(&library))?;
        }
        let folder = library.join("modules").join(release);
        let list = folder.join("modules.dep");
        if !list.is_file() {
            run(Command::new(depmod()).arg("-b").arg(package).arg(release))?;
        }
        let text = std::fs::read_to_string(&list).map_err(at(&list))?;
        let file = folder.join("modules.builtin");
        let builtin = std::fs::read_to_string(&file).map_err(at(&file))?;
        let selection = Dependencies::parse(&text).select(wanted, &builtin);
        Ok(Self { folder, builtin, selection })
    }
}

/// Not on every user's path.
fn depmod() -> &'static str {
    if Path::new("/usr/sbin/depmod").is_file() { "/usr/sbin/depmod" } else { "depmod" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "\
kernel/fs/fat/vfat.ko.xz: kernel/fs/fat/fat.ko.xz
kernel/fs/fat/fat.ko.xz:
kernel/drivers/usb/phy-generic.ko.xz: kernel/drivers/usb/udc-core.ko.xz
kernel/drivers/usb/udc-core.ko.xz: kernel/drivers/usb/usb-common.ko.xz
kernel/drivers/usb/usb-common.ko.xz:
kernel/unwanted.ko.xz:
";

    fn select(wanted: &[&str]) -> Selection {
        let wanted = wanted.iter().map(|name| (*name).to_owned()).collect();
        Dependencies::parse(DEP).select(&wanted, "kernel/drivers/mmc/core/mmc_block.ko\n")
    }

    #[test]
    fn what_is_needed_comes_along() {
        let selection = select(&["vfat", "mmc_block"]);
        assert_eq!(selection.files.len(), 2);
        assert_eq!(
            selection.dependencies,
            "kernel/fs/fat/fat.ko.xz:\nkernel/fs/fat/vfat.ko.xz: kernel/fs/fat/fat.ko.xz\n"
        );
        assert!(selection.unknown.is_empty());
    }

    #[test]
    fn dashes_are_underscores_and_needs_have_needs() {
        let selection = select(&["phy_generic"]);
        assert_eq!(selection.files.len(), 3);
        assert!(!selection.dependencies.contains("unwanted"));
    }

    #[test]
    fn an_unknown_name_is_told() {
        assert_eq!(select(&["nonsuch"]).unknown, ["nonsuch"]);
    }
}
