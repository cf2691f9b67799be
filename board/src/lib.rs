//! What a board is: which one, and what it has for an appliance: kernel modules, an LED, a watchdog, a card, a network,
//! a clock, a thermometer.
//!
//! | module | what it knows |
//! |---|---|
//! | [`identity`] | what the device tree says |
//! | [`definition`] | the boards that are known; one file a board: `rpi`, `qemu_virt`, `desktop` |
//! | [`led`] | what the appliance shows to a person |
//! | [`watchdog`] | what restarts a machine that hangs |
//! | [`card`] | which device the card is, and what lies where on it |
//! | [`network`] | interfaces by what they are, not by name |
//! | [`thermal`] | how hot it is |
//!
//! Everything is read from and written to files below a root folder, which tests replace; what is read of one has a
//! bound. Nothing here mounts, loads modules or runs by itself: that is left to PID 1.

pub mod card;
pub mod definition;
mod desktop;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod file;
pub mod identity;
pub mod led;
pub mod network;
mod qemu_virt;
mod rpi;
pub mod thermal;
pub mod watchdog;

pub use definition::{Clock, Definition, Kind, Modules};
pub use identity::Identity;

use std::path::Path;

/// A machine as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// Its kind.
    pub kind: Kind,
    /// Its name for people, from the device tree; `None` where there is no device tree.
    pub model: Option<String>,
    /// Memory in octets that the kernel manages; `None` if it does not say.
    pub memory_octets: Option<u64>,
    /// What the device tree says.
    pub identity: Identity,
    /// What is known about boards like this.
    pub definition: &'static Definition,
}

impl Board {
    /// The machine that this program runs on. `/proc` has to be mounted.
    #[must_use]
    pub fn detect() -> Self {
        Self::detect_below(Path::new("/"))
    }

    /// The machine whose `/proc` stands below `root`.
    #[must_use]
    pub fn detect_below(root: &Path) -> Self {
        let identity = Identity::read(root);
        let definition = Definition::of(&identity);
        let memory = file::text(&root.join("proc/meminfo"));
        Self {
            kind: definition.kind,
            model: identity.model.clone(),
            memory_octets: memory.as_deref().and_then(memory_total),
            identity,
            definition,
        }
    }
}

/// `MemTotal` of `/proc/meminfo` in octets (proc_meminfo(5)).
fn memory_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Machine;

    fn machine(model: Option<&str>, compatible: &[&str]) -> Board {
        let machine = Machine::new();
        if let Some(model) = model {
            machine.device_tree(model, compatible);
        }
        machine.file("proc/meminfo", "MemFree: 1 kB\nMemTotal:  931244 kB\n");
        Board::detect_below(machine.root())
    }

    #[test]
    fn boards_are_known_by_their_device_tree() {
        let pi = machine(Some("Raspberry Pi 3 Model B Plus Rev 1.3"), &["raspberrypi,3-model-b-plus", "brcm,bcm2837"]);
        assert_eq!(pi.kind, Kind::RaspberryPi);
        assert_eq!(pi.model.as_deref(), Some("Raspberry Pi 3 Model B Plus Rev 1.3"));
        assert_eq!(pi.memory_octets, Some(931_244 * 1024));
        let virt = machine(Some("linux,dummy-virt"), &["linux,dummy-virt"]);
        assert_eq!((virt.kind, virt.definition.name), (Kind::QemuVirt, "QEMU virt"));
        assert_eq!(machine(None, &[]).kind, Kind::Desktop);
    }

    #[test]
    fn what_is_not_there_is_not_known() {
        let machine = Machine::new();
        let board = Board::detect_below(machine.root());
        assert_eq!((board.kind, board.model, board.memory_octets), (Kind::Desktop, None, None));
        assert_eq!(memory_total("MemTotal: many kB"), None);
    }
}
