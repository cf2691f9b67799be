//! The wired interfaces of this machine, as sysfs shows them: chosen by what they are, never by name.
//!
//! Owns nothing between two calls. At most [`NETWORK_LINKS_MAX`] interfaces are looked at; files of sysfs are at most one
//! page. Hearing of changes is left to [`super::links`], changing anything to [`super::netlink`].

use crate::limits::NETWORK_LINKS_MAX;
use std::fs;
use std::path::{Path, PathBuf};

/// An Ethernet address (IEEE 802).
pub type Mac = [u8; 6];

/// A wired interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its index in the kernel; never used twice while the machine runs.
    pub index: u32,
    /// Its name, such as `eth0`.
    pub name: String,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Did the kernel make up the address, because the hardware has none?
    pub mac_is_random: bool,
    /// Is there a cable with something at the other end? Only known while the interface is up.
    pub carrier: bool,
}

/// All wired interfaces below `root` (`/` outside tests), by index, so that the built-in one is usually first.
#[must_use]
pub fn wired(root: &Path) -> Vec<Interface> {
    let Ok(entries) = fs::read_dir(root.join("sys/class/net")) else { return Vec::new() };
    let mut found: Vec<Interface> = entries.flatten().filter_map(|entry| interface(&entry.path())).collect();
    found.sort_unstable_by_key(|interface| interface.index);
    found.truncate(NETWORK_LINKS_MAX);
    found
}

/// Is the interface of this name a wired one?
#[must_use]
pub fn is_wired(root: &Path, name: &str) -> bool {
    interface(&root.join("sys/class/net").join(name)).is_some()
}

fn interface(folder: &Path) -> Option<Interface> {
    let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
    // ARPHRD_ETHER of if_arp.h; loopback, tunnels and CAN have other numbers.
    if read("type")?.trim() != "1" || folder.join("phy80211").exists() || folder.join("wireless").exists() {
        return None;
    }
    // Wireless ones, bridges, VLANs, bonds and the like name their kind; plain Ethernet does not.
    if read("uevent")?.lines().any(|line| line.starts_with("DEVTYPE=")) || folder.join("tun_flags").exists() {
        return None;
    }
    Some(Interface {
        index: read("ifindex")?.trim().parse().ok()?,
        name: folder.file_name()?.to_str()?.to_owned(),
        mac: parse_mac(read("address")?.trim())?,
        // NET_ADDR_RANDOM of netdevice.h.
        mac_is_random: read("addr_assign_type").is_some_and(|text| text.trim() == "1"),
        carrier: read("carrier").is_some_and(|text| text.trim() == "1"),
    })
}

fn parse_mac(text: &str) -> Option<Mac> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for octet in &mut mac {
        *octet = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

/// The address that the firmware has for the built-in interface, if `interface` is that one.
///
/// Devicetree Specification 0.4, 4.2.1.1: `local-mac-address` of the node that the alias `ethernet0` names.
#[must_use]
pub fn device_tree_mac(root: &Path, interface: &str) -> Option<Mac> {
    let tree = root.join("proc/device-tree");
    let node = fs::read_to_string(tree.join("aliases/ethernet0")).ok()?;
    let node = node.trim_end_matches('\0').trim_start_matches('/');
    if node.is_empty() || node.split('/').any(|part| part == "..") {
        return None;
    }
    // A USB adapter must not get the address of the built-in interface.
    let own: PathBuf = fs::read_link(root.join("sys/class/net").join(interface).join("device/of_node")).ok()?;
    if !own.ends_with(node) {
        return None;
    }
    let mac: Mac = fs::read(tree.join(node).join("local-mac-address")).ok()?.try_into().ok()?;
    // Neither nobody's address nor a group's.
    (mac != [0; 6] && mac.first().is_some_and(|first| first & 1 == 0)).then_some(mac)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn add(root: &Path, name: &str, index: u32, files: &[(&str, &str)]) {
        let folder = root.join("sys/class/net").join(name);
        fs::create_dir_all(&folder).unwrap();
        let index = index.to_string();
        let usual = [
            ("type", "1"),
            ("ifindex", index.as_str()),
            ("address", "02:00:00:00:00:01\n"),
            ("uevent", "INTERFACE=x\n"),
        ];
        for (file, text) in usual.iter().chain(files) {
            fs::write(folder.join(file), text).unwrap();
        }
    }

    #[test]
    fn interfaces_are_chosen_by_what_they_are() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert!(wired(root).is_empty());
        add(root, "usb0", 7, &[("addr_assign_type", "1\n")]);
        add(root, "enx0", 3, &[("carrier", "1\n")]);
        add(root, "lo", 1, &[("type", "772")]);
        add(root, "wlan0", 4, &[("uevent", "DEVTYPE=wlan\n")]);
        add(root, "br0", 5, &[("uevent", "DEVTYPE=bridge\n")]);
        add(root, "tap0", 6, &[("tun_flags", "0x2")]);
        add(root, "odd", 8, &[("address", "02:00")]);
        let found = wired(root);
        let summary: Vec<_> = found.iter().map(|i| (i.name.as_str(), i.index, i.carrier, i.mac_is_random)).collect();
        assert_eq!(summary, [("enx0", 3, true, false), ("usb0", 7, false, true)]);
        assert!(is_wired(root, "usb0") && !is_wired(root, "wlan0") && !is_wired(root, "nowhere"));
        (10..40).for_each(|index| add(root, &format!("eth{index}"), index, &[]));
        assert_eq!(wired(root).len(), NETWORK_LINKS_MAX);
    }

    #[test]
    fn the_firmware_address_is_for_the_built_in_interface() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let node = "soc/usb@7e980000/usb-port@1/usbether@1";
        let tree = root.join("proc/device-tree");
        fs::create_dir_all(tree.join("aliases")).unwrap();
        fs::create_dir_all(tree.join(node)).unwrap();
        fs::write(tree.join("aliases/ethernet0"), format!("/{node}\0")).unwrap();
        fs::write(tree.join(node).join("local-mac-address"), [0xb8, 0x27, 0xeb, 1, 2, 3]).unwrap();
        add(root, "eth0", 2, &[]);
        add(root, "usb0", 3, &[]);
        let device = root.join("sys/class/net/eth0/device");
        fs::create_dir_all(&device).unwrap();
        std::os::unix::fs::symlink(format!("../../../firmware/devicetree/base/{node}"), device.join("of_node"))
            .unwrap();
        assert_eq!(device_tree_mac(root, "eth0"), Some([0xb8, 0x27, 0xeb, 1, 2, 3]));
        assert_eq!(device_tree_mac(root, "usb0"), None);
        fs::write(tree.join(node).join("local-mac-address"), [0; 6]).unwrap();
        assert_eq!(device_tree_mac(root, "eth0"), None);
    }
}
