//! Which board this is: the root of the device tree (Devicetree Specification 0.4, 2.3 and 3.2), and what the Raspberry
//! Pi's firmware adds to it.
//!
//! Owns nothing; reads a few properties once. Each is bounded: [`NAME_OCTETS_MAX`] octets, [`COMPATIBLE_MAX`] names.

use crate::file;
use std::path::Path;

/// A device tree's model name has a few dozen octets; more is not kept.
pub const NAME_OCTETS_MAX: usize = 256;
/// A board has three or four names, from the most particular to the most general.
pub const COMPATIBLE_MAX: usize = 16;

/// What the device tree says about the machine. All of it is empty where there is none, as on a desktop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// For people: `Raspberry Pi 3 Model B Plus Rev 1.3`.
    pub model: Option<String>,
    /// For programs, the most particular first: `raspberrypi,3-model-b-plus`, `brcm,bcm2837`.
    pub compatible: Vec<String>,
    /// What tells this machine from its sisters: sixteen hexadecimal digits on a Pi.
    pub serial_number: Option<String>,
    /// A Pi's revision code, which tells memory, maker and model.
    pub revision: Option<u32>,
}

impl Identity {
    /// Reads the device tree in `/proc` below `root`.
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let tree = root.join("proc/device-tree");
        let compatible = file::octets(&tree.join("compatible")).unwrap_or_default();
        let compatible = compatible.split(|&octet| octet == 0).filter(|name| !name.is_empty()).take(COMPATIBLE_MAX);
        let revision = file::octets(&tree.join("system/linux,revision"));
        Self {
            model: string(&tree.join("model")),
            compatible: compatible.map(name).collect(),
            serial_number: string(&tree.join("serial-number")),
            // Devicetree Specification 2.2.4: a <u32> is big-endian.
            revision: revision.and_then(|octets| octets.try_into().ok()).map(u32::from_be_bytes),
        }
    }

    /// Is this one of the machine's names for programs?
    #[must_use]
    pub fn is(&self, compatible: &str) -> bool {
        self.compatible.iter().any(|name| name == compatible)
    }
}

/// A property that is a <string>, which ends with a NUL; `None` if it is not there or empty.
fn string(path: &Path) -> Option<String> {
    let octets = file::octets(path)?;
    let text = name(octets.split(|&octet| octet == 0).next().unwrap_or_default());
    (!text.is_empty()).then_some(text)
}

fn name(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets.get(..NAME_OCTETS_MAX).unwrap_or(octets)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Machine;

    #[test]
    fn all_that_the_device_tree_says() {
        let machine = Machine::new();
        machine.device_tree("Raspberry Pi 4 Model B Rev 1.4", &["raspberrypi,4-model-b", "brcm,bcm2711"]);
        machine.file("proc/device-tree/serial-number", "10000000deadbeef\0");
        machine.file("proc/device-tree/system/linux,revision", [0x00, 0xc0, 0x31, 0x14]);
        let identity = Identity::read(machine.root());
        assert_eq!(identity.model.as_deref(), Some("Raspberry Pi 4 Model B Rev 1.4"));
        assert!(identity.is("brcm,bcm2711") && identity.is("raspberrypi,4-model-b") && !identity.is("brcm,bcm2837"));
        assert!(!identity.is(""));
        assert_eq!(identity.serial_number.as_deref(), Some("10000000deadbeef"));
        assert_eq!(identity.revision, Some(0x00c0_3114));
    }

    #[test]
    fn a_hostile_device_tree_costs_no_more_than_the_bounds() {
        let machine = Machine::new();
        machine.device_tree(&"x".repeat(100_000), &["y"; 1_000]);
        machine.file("proc/device-tree/system/linux,revision", [0; 5]);
        machine.file("proc/device-tree/serial-number", "\0\0");
        let identity = Identity::read(machine.root());
        assert_eq!(identity.model.map(|model| model.len()), Some(NAME_OCTETS_MAX));
        assert_eq!(identity.compatible.len(), COMPATIBLE_MAX);
        assert_eq!((identity.serial_number, identity.revision), (None, None));
    }
}
