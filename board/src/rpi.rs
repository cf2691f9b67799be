//! Raspberry Pi: 3B, 3B+, 3A+, Zero 2 W, 4B, 400 and Compute Module 4. One definition for all: a driver whose hardware
//! is not there does nothing.
//!
//! Module names and their order are those of Debian's kernels 6.1 and 6.12. WiFi is not among them: nothing here could
//! give it a network's password.

use crate::definition::{Clock, Definition, Kind, Modules};
use crate::identity::Identity;

pub(crate) const DEFINITION: Definition = Definition {
    name: "Raspberry Pi",
    kind: Kind::RaspberryPi,
    matches,
    modules: Modules { early: EARLY, late: LATE },
    // Both names of the green LED: that of the mainline device trees, and that of older ones.
    led: &["ACT", "led0"],
    watchdog: Some("/dev/watchdog"),
    // The card is mmcblk1 when the other host, which has the WiFi chip, was found first.
    card: &["/dev/mmcblk0", "/dev/mmcblk1"],
    clock: Clock::None,
    thermal: Some("cpu-thermal"),
};

fn matches(identity: &Identity) -> bool {
    identity.model.as_deref().is_some_and(|model| model.starts_with("Raspberry Pi"))
}

const EARLY: &[&str] = &[
    // The boot firmware may have armed the watchdog already: it has to be fed soon. Also restarts and switches off.
    "bcm2835_wdt",
    "leds_gpio",
    "ledtrig_pattern",
    "ledtrig_timer",
    // Pi 3 and Zero 2 W: the card is at the SoC's own host (brcm,bcm2835-sdhost).
    "bcm2835",
    // Pi 4: the card's host waits for two regulators, and without them never shows a card.
    "fixed",
    "gpio_regulator",
    "sdhci",
    "sdhci_pltfm",
    "sdhci_iproc",
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

const LATE: &[&str] = &[
    "bcm2835_rng",
    "iproc_rng200",
    // USB: dwc2 on Pi 3 and Zero 2 W; xHCI on Pi 4, whose controller has to be reset by the firmware.
    "usb_common",
    "usbcore",
    "roles",
    "udc_core",
    "phy_generic",
    "dwc2",
    "reset_raspberrypi",
    "xhci_hcd",
    "xhci_pci",
    // A 3B+ has hubs of its own, which the device tree names: onboard_usb_hub in 6.1, onboard_usb_dev in 6.12.
    "onboard_usb_hub",
    "onboard_usb_dev",
    // Ethernet, PHY drivers before the MAC's: a MAC that finds none takes a generic driver and keeps it.
    "libphy",
    "selftests",
    "mii",
    "fwnode_mdio",
    "fixed_phy",
    "of_mdio",
    "smsc",
    "microchip",
    "mdio_bcm_unimac",
    "bcm_phy_lib",
    "bcm_phy_ptp",
    "broadcom",
    "usbnet",
    // Pi 3B.
    "smsc95xx",
    // Pi 3B+.
    "lan78xx",
    // Pi 4.
    "genet",
    // Adapters: a Zero 2 W has no other way; QEMU's usb-net is a cdc_ether.
    "cdc_ether",
    "r8152",
    "asix",
    "ax88179_178a",
    "rndis_host",
    "bcm2835_thermal",
    "bcm2711_thermal",
    "cpufreq_dt",
    "raspberrypi_cpufreq",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_physical_layer_has_its_driver_before_its_mac_looks_for_it() {
        let at = |name: &str| LATE.iter().position(|module| *module == name).expect(name);
        for (phy, mac) in [("smsc", "smsc95xx"), ("microchip", "lan78xx"), ("broadcom", "genet")] {
            assert!(at(phy) < at(mac), "{phy} {mac}");
        }
        // Its softdep, which nobody loads for us.
        assert!(at("mdio_bcm_unimac") < at("genet"));
        assert!(at("reset_raspberrypi") < at("xhci_pci"));
    }

    #[test]
    fn both_families_get_their_card() {
        let at = |name: &str| EARLY.iter().position(|module| *module == name).expect(name);
        assert!(at("bcm2835") < at("ext4"));
        assert!(at("fixed") < at("sdhci_iproc") && at("gpio_regulator") < at("sdhci_iproc"));
    }

    #[test]
    fn matches_by_the_name_that_the_firmware_gives() {
        let model = |model: &str| Identity { model: Some(model.to_owned()), ..Identity::default() };
        assert!(matches(&model("Raspberry Pi Zero 2 W Rev 1.0")));
        assert!(matches(&model("Raspberry Pi 400 Rev 1.0")));
        assert!(!matches(&model("linux,dummy-virt")));
        assert!(!matches(&Identity::default()));
    }
}
