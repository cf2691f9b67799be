//! What is known about a kind of board: one [`Definition`] each, in a table.
//!
//! Owns the table; a board is added by one file and one entry here. Everything is static.

use crate::identity::Identity;
use crate::{desktop, qemu_virt, rpi};

/// The boards that are known. The first that matches is it, and the last matches every machine.
pub const ALL: [&Definition; 3] = [&rpi::DEFINITION, &qemu_virt::DEFINITION, &desktop::DEFINITION];

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

/// Kernel modules, without folder or suffix, in the order of loading. A name that a kernel has not, because it is built
/// in or belongs to another version, is skipped; what a module needs is loaded before it, listed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modules {
    /// What it takes to arm the watchdog, show the LED and read the card, in this order.
    pub early: &'static [&'static str],
    /// Everything else: USB, network, thermometer, random numbers, processor frequency.
    pub late: &'static [&'static str],
}

impl Modules {
    /// All of them: what an initramfs has to hold.
    pub fn all(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.early.iter().chain(self.late).copied()
    }
}

/// What the machine knows about the time when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Nothing: it starts in 1970, and the network or the last known time has to tell.
    None,
    /// It has a clock that runs while the power is off.
    Rtc,
}

/// What is known about a kind of board.
#[derive(Debug)]
pub struct Definition {
    /// Its name for people.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Is it this one?
    pub matches: fn(&Identity) -> bool,
    /// What the kernel needs for it.
    pub modules: Modules,
    /// LEDs below `/sys/class/leds`, the best first.
    pub led: &'static [&'static str],
    /// The watchdog's device.
    pub watchdog: Option<&'static str>,
    /// Devices that the card may be, the best first.
    pub card: &'static [&'static str],
    /// Its clock.
    pub clock: Clock,
    /// The type of its thermal zone.
    pub thermal: Option<&'static str>,
}

impl Definition {
    /// The first of [`ALL`] that matches.
    #[must_use]
    pub fn of(identity: &Identity) -> &'static Self {
        ALL.into_iter().find(|definition| (definition.matches)(identity)).unwrap_or(&desktop::DEFINITION)
    }
}

/// Names are unique: a test keeps it so.
impl PartialEq for Definition {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Definition {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_the_last_matches_all() {
        let names: HashSet<&str> = ALL.iter().map(|definition| definition.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert_eq!(Definition::of(&Identity::default()).kind, Kind::Desktop);
        assert!(ALL.last().is_some_and(|last| (last.matches)(&Identity::default())));
    }

    #[test]
    fn modules_are_named_once_as_modprobe_prints_them() {
        for definition in ALL {
            let mut seen = HashSet::new();
            for name in definition.modules.all() {
                assert!(seen.insert(name), "{}: {name} is named twice", definition.name);
                let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(!name.is_empty() && name.chars().all(plain), "{name}");
            }
        }
    }

    #[test]
    fn an_appliance_can_start_on_every_board_but_the_desktop() {
        for definition in ALL.iter().filter(|definition| definition.kind != Kind::Desktop) {
            let early = definition.modules.early;
            let at = |name: &str| early.iter().position(|module| *module == name).expect(name);
            // The LED first, so that a person sees that something happens; file systems last.
            assert!(at("leds_gpio") < at("ext4") && at("ledtrig_pattern") < at("ext4"), "{}", definition.name);
            assert!(at("crc32c_generic") < at("jbd2") && at("jbd2") < at("ext4"), "{}", definition.name);
            assert!(at("fat") < at("vfat"), "{}", definition.name);
            assert!(!definition.card.is_empty() && !definition.led.is_empty());
            assert!(definition.watchdog.is_some());
        }
    }
}
