//! The `[network]` part of a set-up file, checked, and as the network child reads it.

use super::file::{SetUpError, at};
use crate::limits::{SET_UP_NAME_SERVERS_MAX, SET_UP_TIME_SERVERS_MAX};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};
use toml::Spanned;

/// What the network child is told: keys and forms are those of its settings file. A value that is here was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// The first label of this machine's name.
    pub host_name: String,
    /// Only this interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// A fixed IPv4 address with the length of its prefix; `None`: DHCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Where packets for other networks go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Ipv4Addr>,
    /// Name servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddr>,
    /// `auto`, `off`, or an IPv6 address with the length of its prefix.
    pub ipv6: String,
    /// Names or addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub time_servers: Vec<String>,
}

/// As it stands in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawNetwork {
    interface: Option<Spanned<String>>,
    address: Option<Spanned<String>>,
    gateway: Option<Spanned<String>>,
    dns: Vec<Spanned<String>>,
    ipv6: Option<Spanned<String>>,
    time_servers: Vec<Spanned<String>>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            host_name: "pillarbox".to_owned(),
            interface: None,
            address: None,
            gateway: None,
            dns: Vec::new(),
            ipv6: "auto".to_owned(),
            time_servers: Vec::new(),
        }
    }
}

impl Network {
    /// Its file's text.
    #[must_use]
    pub fn text(&self) -> String {
        // Strings, addresses and lists of them have no value that TOML cannot say.
        toml::to_string(self).unwrap_or_default()
    }

    pub(super) fn check(raw: RawNetwork, host_name: &str) -> Result<Self, SetUpError> {
        let mut network = Self { host_name: host_name.to_owned(), ..Self::default() };
        if let Some(name) = raw.interface {
            let wrong = || at(&name, format!("{:?} is not the name of an interface, such as eth0", name.get_ref()));
            network.interface = Some(interface_name(name.get_ref()).ok_or_else(wrong)?);
        }
        if let Some(address) = raw.address.filter(|address| address.get_ref() != "dhcp") {
            let prefix = prefix::<Ipv4Addr>(address.get_ref()).filter(|(ip, prefix)| is_host(*ip) && *prefix <= 32);
            let wrong = || {
                let text = address.get_ref();
                at(&address, format!("{text:?} is neither \"dhcp\" nor an address with its prefix, as 192.168.1.10/24"))
            };
            network.address = Some(prefix.map(|(ip, prefix)| format!("{ip}/{prefix}")).ok_or_else(wrong)?);
        }
        if let Some(gateway) = raw.gateway {
            if network.address.is_none() {
                let message = "gateway: with \"dhcp\" the router says it; remove this line, or give a fixed address";
                return Err(at(&gateway, message.to_owned()));
            }
            let ip = gateway.get_ref().parse().ok().filter(|ip| is_host(*ip));
            let wrong = || at(&gateway, format!("{:?} is not an address such as 192.168.1.1", gateway.get_ref()));
            network.gateway = Some(ip.ok_or_else(wrong)?);
        }
        if let Some(extra) = raw.dns.get(SET_UP_NAME_SERVERS_MAX) {
            return Err(at(extra, format!("dns: {SET_UP_NAME_SERVERS_MAX} name servers at most")));
        }
        for server in raw.dns {
            let wrong = || at(&server, format!("dns: {:?} is not an address such as 192.168.1.1", server.get_ref()));
            network.dns.push(server.get_ref().parse().map_err(|_| wrong())?);
        }
        if let Some(ipv6) = raw.ipv6 {
            let text = ipv6.get_ref();
            let fixed = prefix::<Ipv6Addr>(text).filter(|(ip, prefix)| is_host6(*ip) && *prefix <= 128);
            network.ipv6 = match (text.as_str(), fixed) {
                ("auto" | "off", _) => text.clone(),
                (_, Some((ip, prefix))) => format!("{ip}/{prefix}"),
                (_, None) => {
                    let wanted = "\"auto\", \"off\" or an address with its prefix, as 2001:db8::10/64";
                    return Err(at(&ipv6, format!("ipv6: {text:?} is not {wanted}")));
                }
            };
        }
        if let Some(extra) = raw.time_servers.get(SET_UP_TIME_SERVERS_MAX) {
            return Err(at(extra, format!("time_servers: {SET_UP_TIME_SERVERS_MAX} at most")));
        }
        for server in raw.time_servers {
            let text = server.get_ref();
            let name = text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(is_label);
            if !name && text.parse::<IpAddr>().is_err() {
                return Err(at(&server, format!("time_servers: {text:?} is neither a name nor an address")));
            }
            network.time_servers.push(server.into_inner());
        }
        Ok(network)
    }
}

/// An address and the length of its prefix, 1 at least.
fn prefix<A: core::str::FromStr>(text: &str) -> Option<(A, u8)> {
    let (address, length) = text.split_once('/')?;
    // Digits only: a number's parser takes a sign as well.
    let length = Some(length).filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()))?;
    let length: u8 = length.parse().ok().filter(|length| *length > 0)?;
    Some((address.parse().ok()?, length))
}

/// RFC 1122 3.2.1.3: what one machine can have. 0/8 and 127/8 mean this one, 224/3 never means one.
fn is_host(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    (1..224).contains(&first) && first != 127
}

/// RFC 4291 2.4: as above.
fn is_host6(address: Ipv6Addr) -> bool {
    !address.is_unspecified() && !address.is_loopback() && !address.is_multicast() && address.to_ipv4_mapped().is_none()
}

/// netdevice(7): IFNAMSIZ is 16 with the final NUL. It becomes the name of a folder in /sys.
fn interface_name(text: &str) -> Option<String> {
    let plain = text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'/');
    ((1..16).contains(&text.len()) && plain && text != "." && text != "..").then(|| text.to_owned())
}

/// RFC 1123 2.1, RFC 1035 2.3.4: letters, digits and hyphens, none of these first or last, 63 at most.
pub(super) fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}
