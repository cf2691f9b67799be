//! QEMU's `virt` machine: the test bench, and a way to try the appliance without a board.
//!
//! Its card is an `sd-card` at an `sdhci-pci`, its watchdog an `i6300esb`; an LED is there when the device tree was
//! given a `gpio-leds` node with label `ACT`.

use crate::definition::{Clock, Definition, Kind, Modules};
use crate::identity::Identity;

pub(crate) const DEFINITION: Definition = Definition {
    name: "QEMU virt",
    kind: Kind::QemuVirt,
    matches,
    modules: Modules { early: EARLY, late: LATE },
    // The card's host has an LED of its own, which serves as well when the device tree has none.
    led: &["ACT", "mmc0::"],
    watchdog: Some("/dev/watchdog"),
    card: &["/dev/mmcblk0", "/dev/vda"],
    clock: Clock::Rtc,
    thermal: None,
};

fn matches(identity: &Identity) -> bool {
    identity.is("linux,dummy-virt")
}

const EARLY: &[&str] = &[
    "i6300esb",
    "leds_gpio",
    "ledtrig_pattern",
    "ledtrig_timer",
    "sdhci",
    "cqhci",
    "sdhci_pci",
    // Modules in 6.1, built in from 6.12 on.
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_blk",
    // ext4 asks for the checksum through modprobe, which is not there.
    "crc32c_generic",
    "crc16",
    "mbcache",
    "jbd2",
    "ext4",
    "fat",
    "vfat",
    "nls_cp437",
    "nls_ascii",
];

// The last two: the power button (`system_powerdown`).
const LATE: &[&str] = &["virtio_rng", "failover", "net_failover", "virtio_net", "gpio_keys", "evdev"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_by_its_compatible_name() {
        let identity = Identity { compatible: vec!["linux,dummy-virt".to_owned()], ..Identity::default() };
        assert!(matches(&identity));
        assert!(!matches(&Identity::default()));
    }
}
