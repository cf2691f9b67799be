//! Network interfaces by what they are. A name says little: QEMU's usb-net is `usb0` or `eth0` depending on its address.
//!
//! Reads `/sys/class/net` (Documentation/ABI/testing/sysfs-class-net) once and keeps nothing; at most
//! [`INTERFACES_MAX`]. Changing anything is left to the network child.

use crate::file;
use std::path::{Component, Path, PathBuf};

/// A board has two or three interfaces; more than this are not looked at.
pub const INTERFACES_MAX: usize = 64;

/// What an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Ethernet that is part of the machine.
    Wired,
    /// Ethernet at USB: an adapter, or the socket of a Pi 3.
    Usb,
    /// WiFi.
    Wireless,
    /// `lo`.
    Loopback,
    /// Bridges, tunnels and whatever else has no hardware, or is no Ethernet.
    Other,
}

/// Where an interface's address is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacOrigin {
    /// Burnt in: the same at every start.
    Permanent,
    /// Made up by the driver: another one at every start, unless somebody sets it.
    Random,
    /// Set by somebody, or taken from another device.
    Set,
    /// The kernel does not say.
    Unknown,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name: `eth0`.
    pub name: String,
    /// Its number, which stays when the name changes.
    pub index: u32,
    /// Its address, if it has one of six octets.
    pub mac: Option<[u8; 6]>,
    /// Where that is from.
    pub mac_origin: MacOrigin,
    /// What it is.
    pub kind: Kind,
    /// Is a cable in? `None` while the interface is down, when nobody knows.
    pub carrier: Option<bool>,
}

/// ARPHRD_ETHER and ARPHRD_LOOPBACK of <linux/if_arp.h>.
const TYPE_ETHERNET: u32 = 1;
const TYPE_LOOPBACK: u32 = 772;

/// The interfaces of the machine whose `/sys` stands below `root`, in the order of their numbers.
#[must_use]
pub fn interfaces(root: &Path) -> Vec<Interface> {
    let class = root.join("sys/class/net");
    let names = file::names(&class).into_iter().take(INTERFACES_MAX);
    let mut found: Vec<Interface> = names.filter_map(|name| interface(&class.join(&name), name)).collect();
    found.sort_by_key(|interface| interface.index);
    found
}

/// `None` for what is no interface: `bonding_masters` is a file.
fn interface(folder: &Path, name: String) -> Option<Interface> {
    let index = file::number(&folder.join("ifindex"))?;
    // <linux/netdevice.h>: NET_ADDR_PERM, _RANDOM, _STOLEN, _SET.
    let mac_origin = match file::number(&folder.join("addr_assign_type")) {
        Some(0) => MacOrigin::Permanent,
        Some(1) => MacOrigin::Random,
        Some(2 | 3) => MacOrigin::Set,
        Some(_) | None => MacOrigin::Unknown,
    };
    // The file cannot be read while the interface is down.
    let carrier = file::number::<u8>(&folder.join("carrier")).map(|carrier| carrier != 0);
    let mac = file::text(&folder.join("address")).as_deref().and_then(parse_mac);
    Some(Interface { name, index, mac, mac_origin, kind: kind(folder), carrier })
}

fn kind(folder: &Path) -> Kind {
    match file::number(&folder.join("type")) {
        Some(TYPE_LOOPBACK) => Kind::Loopback,
        Some(TYPE_ETHERNET) if folder.join("wireless").exists() || folder.join("phy80211").exists() => Kind::Wireless,
        Some(TYPE_ETHERNET) => match std::fs::read_link(folder.join("device/subsystem")) {
            Ok(bus) if bus.file_name().is_some_and(|name| name == "usb") => Kind::Usb,
            Ok(_) => Kind::Wired,
            // No hardware behind it.
            Err(_) => Kind::Other,
        },
        Some(_) | None => Kind::Other,
    }
}

/// Six octets in hexadecimal with colons between.
fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for octet in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

/// The address that the boot firmware gave to the machine's own Ethernet: `local-mac-address` of the node that the alias
/// `ethernet0` names (Devicetree Specification 0.4, 3.3 and 4.3.1). A Pi 3's driver does not look there.
#[must_use]
pub fn device_tree_mac(root: &Path) -> Option<[u8; 6]> {
    let tree = root.join("proc/device-tree");
    let alias = ["ethernet0", "ethernet"].iter().find_map(|alias| file::octets(&tree.join("aliases").join(alias)))?;
    let path = alias.split(|&octet| octet == 0).next().and_then(|path| core::str::from_utf8(path).ok())?;
    // A node is below the tree, whatever the alias says.
    let inside = |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::RootDir);
    let path = Path::new(path);
    if !path.components().all(|part| inside(&part)) {
        return None;
    }
    let node: PathBuf = path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    let mac: [u8; 6] = file::octets(&tree.join(node).join("local-mac-address"))?.try_into().ok()?;
    // IEEE 802: an address of one station has the lowest bit of the first octet clear. Zeros mean that nobody filled it in.
    let [first, ..] = mac;
    (first & 1 == 0 && mac != [0; 6]).then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Machine;

    fn summary(machine: &Machine) -> Vec<(String, u32, Kind, Option<bool>)> {
        interfaces(machine.root()).into_iter().map(|i| (i.name, i.index, i.kind, i.carrier)).collect()
    }

    #[test]
    fn interfaces_are_told_apart_by_what_they_are() {
        let machine = Machine::new();
        machine.interface("wlan0", 4, TYPE_ETHERNET, Some("sdio"));
        machine.file("sys/class/net/wlan0/wireless/status", "0");
        machine.interface("lo", 1, TYPE_LOOPBACK, None);
        machine.interface("eth0", 2, TYPE_ETHERNET, Some("platform"));
        machine.file("sys/class/net/eth0/carrier", "1\n");
        machine.interface("eth1", 3, TYPE_ETHERNET, Some("usb"));
        machine.file("sys/class/net/eth1/carrier", "0\n");
        machine.interface("br0", 5, TYPE_ETHERNET, None);
        machine.interface("tun0", 6, 65_534, None);
        machine.file("sys/class/net/bonding_masters", "\n");
        let name = str::to_owned;
        assert_eq!(
            summary(&machine),
            [
                (name("lo"), 1, Kind::Loopback, None),
                (name("eth0"), 2, Kind::Wired, Some(true)),
                (name("eth1"), 3, Kind::Usb, Some(false)),
                (name("wlan0"), 4, Kind::Wireless, None),
                (name("br0"), 5, Kind::Other, None),
                (name("tun0"), 6, Kind::Other, None),
            ]
        );
    }

    #[test]
    fn a_random_address_is_known_as_such() {
        let machine = Machine::new();
        machine.interface("eth0", 2, TYPE_ETHERNET, Some("usb"));
        let first = |machine: &Machine| interfaces(machine.root()).remove(0);
        assert_eq!((first(&machine).mac, first(&machine).mac_origin), (None, MacOrigin::Unknown));
        machine.file("sys/class/net/eth0/address", "b8:27:eb:01:02:03\n");
        machine.file("sys/class/net/eth0/addr_assign_type", "1\n");
        assert_eq!(first(&machine).mac, Some([0xb8, 0x27, 0xeb, 1, 2, 3]));
        assert_eq!(first(&machine).mac_origin, MacOrigin::Random);
        machine.file("sys/class/net/eth0/addr_assign_type", "3\n");
        assert_eq!(first(&machine).mac_origin, MacOrigin::Set);
        for wrong in ["", "b8:27:eb:01:02", "b8:27:eb:01:02:03:04", "+8:27:eb:01:02:0x", "b8-27-eb-01-02-03"] {
            assert_eq!(parse_mac(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_firmwares_address_is_found_through_the_alias() {
        let machine = Machine::new();
        assert_eq!(device_tree_mac(machine.root()), None);
        machine.file("proc/device-tree/aliases/ethernet0", "/soc/usb@7e980000/usb-port@1/usbether@1\0");
        assert_eq!(device_tree_mac(machine.root()), None);
        let node = "proc/device-tree/soc/usb@7e980000/usb-port@1/usbether@1/local-mac-address";
        machine.file(node, [0; 6]);
        assert_eq!(device_tree_mac(machine.root()), None);
        machine.file(node, [0xb8, 0x27, 0xeb, 1, 2, 3]);
        assert_eq!(device_tree_mac(machine.root()), Some([0xb8, 0x27, 0xeb, 1, 2, 3]));
        machine.file(node, [0xff; 6]);
        assert_eq!(device_tree_mac(machine.root()), None);
        machine.file(node, [0xb8; 7]);
        assert_eq!(device_tree_mac(machine.root()), None);
    }

    #[test]
    fn an_alias_does_not_lead_out_of_the_tree() {
        let machine = Machine::new();
        machine.file("proc/local-mac-address", [0xb8, 0x27, 0xeb, 1, 2, 3]);
        machine.file("proc/device-tree/aliases/ethernet0", "/..\0");
        assert_eq!(device_tree_mac(machine.root()), None);
    }

    #[test]
    fn a_machine_without_a_network_has_no_interfaces() {
        assert_eq!(interfaces(Machine::new().root()), []);
    }
}
