//! What a board is. So far: which one it is, and how much memory it has, so that the memory ceiling can be judged
//! against the machine. LED, watchdog, card and network come with the appliance.
//!
//! Everything is read from files below a root folder, which tests replace; nothing here keeps state.

pub mod card;

use std::path::Path;

/// What kind of machine this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Raspberry Pi, by its device tree.
    RaspberryPi,
    /// QEMU's `virt` machine.
    QemuVirt,
    /// Anything else: no hardware of its own to look after.
    Desktop,
}

/// A machine as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// Its kind.
    pub kind: Kind,
    /// Its name for people, from the device tree; `None` where there is no device tree.
    pub model: Option<String>,
    /// Memory in octets that the kernel manages; `None` if it does not say.
    pub memory_octets: Option<u64>,
}

/// A device tree's model name has a few dozen octets; more is not read.
const MODEL_OCTETS_MAX: usize = 256;

impl Board {
    /// The machine that this program runs on.
    #[must_use]
    pub fn detect() -> Self {
        Self::detect_below(Path::new("/"))
    }

    /// The machine whose `/proc` stands below `root`.
    #[must_use]
    pub fn detect_below(root: &Path) -> Self {
        let model = std::fs::read(root.join("proc/device-tree/model")).ok().map(|octets| {
            // The property ends with a NUL (Devicetree Specification 2.2.4, <string>).
            let text = octets.split(|&octet| octet == 0).next().unwrap_or_default();
            String::from_utf8_lossy(text.get(..MODEL_OCTETS_MAX).unwrap_or(text)).into_owned()
        });
        let compatible = std::fs::read(root.join("proc/device-tree/compatible")).unwrap_or_default();
        let is = |name: &str| compatible.split(|&octet| octet == 0).any(|entry| entry == name.as_bytes());
        let kind = if model.as_deref().is_some_and(|model| model.starts_with("Raspberry Pi")) {
            Kind::RaspberryPi
        } else if is("linux,dummy-virt") {
            Kind::QemuVirt
        } else {
            Kind::Desktop
        };
        let memory = std::fs::read_to_string(root.join("proc/meminfo")).ok();
        Self { kind, model, memory_octets: memory.as_deref().and_then(memory_total) }
    }
}

/// `MemTotal` of `/proc/meminfo` in octets.
fn memory_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(model: Option<&[u8]>, compatible: &[u8]) -> Board {
        let root = tempfile::tempdir().expect("a temporary folder");
        let tree = root.path().join("proc/device-tree");
        std::fs::create_dir_all(&tree).expect("folders");
        if let Some(model) = model {
            std::fs::write(tree.join("model"), model).expect("model");
            std::fs::write(tree.join("compatible"), compatible).expect("compatible");
        }
        std::fs::write(root.path().join("proc/meminfo"), "MemFree: 1 kB\nMemTotal:  931244 kB\n").expect("meminfo");
        Board::detect_below(root.path())
    }

    #[test]
    fn boards_are_known_by_their_device_tree() {
        let pi = machine(Some(b"Raspberry Pi 3 Model B Plus Rev 1.3\0"), b"raspberrypi,3-model-b-plus\0brcm,bcm2837\0");
        assert_eq!(pi.kind, Kind::RaspberryPi);
        assert_eq!(pi.model.as_deref(), Some("Raspberry Pi 3 Model B Plus Rev 1.3"));
        assert_eq!(pi.memory_octets, Some(931_244 * 1024));
        assert_eq!(machine(Some(b"linux,dummy-virt\0"), b"linux,dummy-virt\0").kind, Kind::QemuVirt);
        assert_eq!(machine(None, b"").kind, Kind::Desktop);
    }

    #[test]
    fn what_is_not_there_is_not_known() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let board = Board::detect_below(root.path());
        assert_eq!(board, Board { kind: Kind::Desktop, model: None, memory_octets: None });
        assert_eq!(memory_total("MemTotal: many kB"), None);
    }
}
