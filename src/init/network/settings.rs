//! What the owner wants of the network: a small TOML file in which every line may be missing.
//!
//! Owns the parsed values; the file is read up to [`NETWORK_SETTINGS_OCTETS_MAX`] and every list has its bound. A value
//! that is here cannot be wrong; whether it works on this network is left to the others.

use super::cidr::Cidr;
use crate::limits::{NAME_SERVERS_MAX, NETWORK_SETTINGS_OCTETS_MAX, TIME_SERVERS_MAX};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use serde::Deserialize;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The settings of the network's child.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The first label of this machine's name; it is found as `NAME.local`.
    pub host_name: String,
    /// Only this interface; otherwise every wired one.
    pub interface: Option<String>,
    /// The IPv4 address of the (first) interface; otherwise DHCP gives one.
    pub address: Option<Cidr>,
    /// Where IPv4 packets for other networks go, with `address`.
    pub gateway: Option<Ipv4Addr>,
    /// Name servers; otherwise those that DHCP gives.
    pub dns: Vec<IpAddr>,
    /// What to do with IPv6.
    pub ipv6: Ipv6,
    /// Time servers, names or addresses; those that DHCP gives come first.
    pub time_servers: Vec<String>,
    /// Set the clock; without, it is only compared.
    pub set_clock: bool,
    /// Where name servers are written for the resolver of the C library.
    pub resolver_file: PathBuf,
    /// What the image says of itself: its EPOCH is the earliest time that can be.
    pub build_file: PathBuf,
}

/// What to do with IPv6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Ipv6 {
    /// Addresses and routes as the routers advertise them (RFC 4862).
    #[default]
    Auto,
    /// None at all.
    Off,
    /// This address on the (first) interface; routes as the routers advertise them.
    Static(Cidr),
}

/// Why settings cannot be used.
#[derive(Debug)]
pub enum SettingsError {
    /// The file cannot be read.
    Unreadable(io::Error),
    /// It is longer than [`NETWORK_SETTINGS_OCTETS_MAX`].
    TooLong,
    /// It says something that cannot be.
    Wrong(String),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host_name: "pillarbox".to_owned(),
            interface: None,
            address: None,
            gateway: None,
            dns: Vec::new(),
            ipv6: Ipv6::Auto,
            time_servers: ["0", "1", "2"].map(|number| format!("{number}.debian.pool.ntp.org")).to_vec(),
            set_clock: true,
            resolver_file: PathBuf::from("/run/resolv.conf"),
            build_file: PathBuf::from("/etc/pillarbox/build"),
        }
    }
}

impl Settings {
    /// Reads `file`; if there is none, all settings are the defaults.
    ///
    /// # Errors
    /// [`SettingsError`]; nothing of a wrong file is used.
    pub fn read(file: &Path) -> Result<Self, SettingsError> {
        let mut text = String::new();
        match std::fs::File::open(file) {
            Ok(file) => {
                let mut file = file.take(NETWORK_SETTINGS_OCTETS_MAX);
                file.read_to_string(&mut text).map_err(SettingsError::Unreadable)?;
                if file.limit() == 0 {
                    return Err(SettingsError::TooLong);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(SettingsError::Unreadable(error)),
        }
        Self::parse(&text)
    }

    /// Reads the text of a settings file.
    ///
    /// # Errors
    /// [`SettingsError::Wrong`] with what and where.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let settings: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            SettingsError::Wrong(format!("line {}: {}", before.split('\n').count(), error.message()))
        })?;
        settings.check().map_err(SettingsError::Wrong)?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        if !is_label(&self.host_name) {
            return Err(format!("host_name: {:?} is not letters, digits and hyphens, at most 63", self.host_name));
        }
        if self.interface.as_deref().is_some_and(|name| !is_interface_name(name)) {
            return Err("interface: not the name of an interface, such as eth0".to_owned());
        }
        if self.address.is_some_and(|address| !address.address().is_ipv4()) {
            return Err("address: an IPv4 address is wanted; IPv6 ones go to ipv6".to_owned());
        }
        if self.gateway.is_some() && self.address.is_none() {
            return Err("gateway: this needs address as well; with DHCP, remove it".to_owned());
        }
        if self.gateway.is_some_and(|gateway| !super::cidr::is_host(gateway)) {
            return Err("gateway: not the address of a machine".to_owned());
        }
        if self.dns.len() > NAME_SERVERS_MAX {
            return Err(format!("dns: at most {NAME_SERVERS_MAX} name servers are asked"));
        }
        if self.time_servers.len() > TIME_SERVERS_MAX {
            return Err(format!("time_servers: at most {TIME_SERVERS_MAX}"));
        }
        match self.time_servers.iter().find(|server| !is_server(server)) {
            Some(server) => Err(format!("time_servers: {server:?} is neither a name nor an address")),
            None => Ok(()),
        }
    }
}

/// RFC 1123 2.1: letters, digits and hyphens, none of these first or last; RFC 1035 2.3.4: at most 63.
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// netdevice(7): IFNAMSIZ is 16 with the final NUL. It becomes a file name below /sys and /proc.
fn is_interface_name(text: &str) -> bool {
    (1..16).contains(&text.len())
        && text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'/')
        && text != "."
        && text != ".."
}

fn is_server(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
        || (text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(is_label))
}

impl TryFrom<String> for Ipv6 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            _ => match text.parse::<Cidr>() {
                Ok(address) if address.address().is_ipv6() => Ok(Self::Static(address)),
                Ok(_) | Err(_) => Err(format!("{text:?} is not auto, off or an address such as 2001:db8::7/64")),
            },
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(formatter, "it cannot be read: {error}"),
            Self::TooLong => write!(formatter, "it is longer than {NETWORK_SETTINGS_OCTETS_MAX} octets"),
            Self::Wrong(what) => formatter.write_str(what.trim_end()),
        }
    }
}

impl std::error::Error for SettingsError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn nothing_said_is_dhcp_on_every_interface() {
        let settings = Settings::parse("").unwrap();
        assert_eq!(settings, Settings::default());
        assert_eq!((settings.host_name.as_str(), settings.address, settings.ipv6), ("pillarbox", None, Ipv6::Auto));
        assert_eq!(settings.time_servers.len(), 3);
        assert_eq!(Settings::read(Path::new("/nowhere/network.toml")).unwrap(), Settings::default());
    }

    #[test]
    fn everything_said() {
        let settings = Settings::parse(
            "host_name = \"post\"\ninterface = \"eth0\"\naddress = \"192.168.1.10/24\"\ngateway = \"192.168.1.1\"\n\
             dns = [\"192.168.1.1\", \"2001:db8::53\"]\nipv6 = \"2001:db8::7/64\"\ntime_servers = [\"192.0.2.1\", \"ntp.example\"]\n",
        )
        .unwrap();
        assert_eq!(settings.address, Some("192.168.1.10/24".parse().unwrap()));
        assert_eq!(settings.ipv6, Ipv6::Static("2001:db8::7/64".parse().unwrap()));
        assert_eq!(settings.dns.len(), 2);
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (text, word) in [
            ("host_name = \"a b\"", "host_name"),
            ("host_name = \"-a\"", "host_name"),
            ("interface = \"../x\"", "interface"),
            ("address = \"192.168.1.10\"", "192.168.1.10"),
            ("address = \"2001:db8::7/64\"", "ipv6"),
            ("gateway = \"192.168.1.1\"", "address"),
            ("address = \"10.0.0.2/8\"\ngateway = \"0.0.0.0\"", "gateway"),
            ("dns = [\"1.1.1.1\", \"1.1.1.2\", \"1.1.1.3\", \"1.1.1.4\"]", "dns"),
            ("ipv6 = \"on\"", "auto"),
            ("ipv6 = \"10.0.0.1/8\"", "auto"),
            ("time_servers = [\"a/b\"]", "time_servers"),
            ("# mine\naddres = \"10.0.0.1/8\"", "line 2: unknown field `addres`"),
        ] {
            let Err(SettingsError::Wrong(message)) = Settings::parse(text) else { panic!("{text}") };
            assert!(message.contains(word), "{text}: {message}");
        }
    }

    #[test]
    fn a_file_without_end_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("network.toml");
        std::fs::write(&file, "#".repeat(100_000)).unwrap();
        assert!(matches!(Settings::read(&file), Err(SettingsError::TooLong)));
    }
}
