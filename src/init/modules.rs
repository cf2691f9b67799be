//! Kernel modules: loaded by name with whatever they depend on, in order (finit_module(2)).
//!
//! Owns what `modules.dep` says (depmod(8): a line is `path: dependency dependency`, dependencies nearest first). There is
//! no modprobe for the kernel to call, so everything that a board needs is named by its definition. A module that this
//! kernel does not have is built in, or belongs to another kernel: it is skipped. The file's size bounds the memory.

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

/// include/uapi/linux/module.h MODULE_INIT_COMPRESSED_FILE: the kernel unpacks the file.
const COMPRESSED_FILE: u32 = 4;

/// The modules that were packed with the kernel.
#[derive(Debug, Default)]
pub struct Modules {
    root: PathBuf,
    /// By name: its path, and those of its dependencies in the order in which they are loaded.
    known: BTreeMap<String, (String, Vec<String>)>,
    loaded: BTreeSet<String>,
}

impl Modules {
    /// Those of the running kernel.
    #[must_use]
    pub fn of_this_kernel() -> Self {
        let release = nix::sys::utsname::uname().map(|name| name.release().to_owned()).unwrap_or_default();
        let root = Path::new("/lib/modules").join(release);
        let list = std::fs::read_to_string(root.join("modules.dep")).unwrap_or_default();
        Self { known: parse(&list), root, loaded: BTreeSet::new() }
    }

    /// Loads these and what they depend on. Gives what failed, for people; a missing module is no failure.
    pub fn load(&mut self, names: &[&str]) -> Vec<String> {
        let mut failures = Vec::new();
        for name in names {
            let Some((path, dependencies)) = self.known.get(&normal(name)).cloned() else { continue };
            for path in dependencies.iter().chain([&path]) {
                if !self.loaded.insert(path.clone()) {
                    continue;
                }
                if let Err(error) = insert(&self.root.join(path)) {
                    failures.push(format!("module {path}: {error}"));
                }
            }
        }
        failures
    }
}

/// `-` and `_` are the same in a module's name.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

fn parse(list: &str) -> BTreeMap<String, (String, Vec<String>)> {
    let mut known = BTreeMap::new();
    for line in list.lines() {
        let Some((path, dependencies)) = line.split_once(':') else { continue };
        let Some(file) = Path::new(path).file_name().and_then(|file| file.to_str()) else { continue };
        let Some((name, _)) = file.split_once(".ko") else { continue };
        // The last one needs none of the others.
        let dependencies = dependencies.split_ascii_whitespace().rev().map(str::to_owned).collect();
        known.insert(normal(name), (path.to_owned(), dependencies));
    }
    known
}

fn insert(path: &Path) -> std::io::Result<()> {
    let file = File::open(path)?;
    let is_plain = path.extension().is_some_and(|extension| extension == "ko");
    let flags = if is_plain { 0 } else { COMPRESSED_FILE };
    match finit_module(&file, c"", ModuleInitFlags::from_bits_retain(flags)) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn dependencies_come_before_those_who_need_them() {
        let known = parse(
            "kernel/fs/ext4/ext4.ko.xz: kernel/lib/crc16.ko.xz kernel/fs/jbd2/jbd2.ko.xz\nkernel/a/led-x.ko:\nbad\n",
        );
        assert_eq!(known.len(), 2);
        assert_eq!(known.get("ext4").unwrap().1, ["kernel/fs/jbd2/jbd2.ko.xz", "kernel/lib/crc16.ko.xz"]);
        assert_eq!(known.get("led_x"), Some(&("kernel/a/led-x.ko".to_owned(), Vec::new())));
    }

    #[test]
    fn what_the_kernel_has_not_is_skipped() {
        assert!(Modules::default().load(&["ext4", "no_such_module"]).is_empty());
    }
}
