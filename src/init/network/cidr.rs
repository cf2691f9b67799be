//! An address with the length of its prefix, as `192.0.2.7/24` (RFC 4632 3.1).
//!
//! Owns nothing and allocates nothing beyond its text. Where an address comes from is left to others.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;
use serde::Deserialize;

/// An IPv4 or IPv6 address of this machine and the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// `None` if the prefix is longer than an address, or the address cannot be that of one machine.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let (longest, possible) = match address {
            IpAddr::V4(address) => (32, is_host(address)),
            IpAddr::V6(address) => (128, is_host6(address)),
        };
        (possible && (1..=longest).contains(&prefix)).then_some(Self { address, prefix })
    }

    /// The address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// The length of the prefix in bits.
    #[must_use]
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// Is `other` in the same network?
    #[must_use]
    pub fn contains(self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(self.prefix.into())).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(self.prefix.into())).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// May a machine have this address? RFC 1122 3.2.1.3 (and 0/8, 127/8, multicast and class E are nobody's).
#[must_use]
pub fn is_host(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first != 0 && first != 127 && first < 224
}

fn is_host6(address: Ipv6Addr) -> bool {
    !address.is_unspecified() && !address.is_loopback() && !address.is_multicast()
}

impl fmt::Display for Cidr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("{text:?} is not an address with its prefix, such as 192.168.1.10/24");
        let (address, prefix) = text.split_once('/').ok_or_else(wanted)?;
        let address = address.parse().map_err(|_| wanted())?;
        let prefix = prefix.parse().map_err(|_| wanted())?;
        Self::new(address, prefix).ok_or_else(wanted)
    }
}

impl TryFrom<String> for Cidr {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["192.168.1.10/24", "10.0.0.1/32", "2001:db8::1/64", "fe80::1/128"] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
        for text in ["", "/", "192.168.1.10", "192.168.1.10/33", "192.168.1.10/0", "10.0.0.1/-1", "::/64", "::1/128"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
        for text in ["0.0.0.0/8", "127.0.0.1/8", "224.0.0.1/4", "255.255.255.255/32", "ff02::1/16"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }

    #[test]
    fn neighbours() {
        let own: Cidr = "192.168.1.10/24".parse().unwrap();
        assert!(own.contains("192.168.1.1".parse().unwrap()));
        assert!(!own.contains("192.168.2.1".parse().unwrap()));
        assert!(!own.contains("fe80::1".parse().unwrap()));
        let own: Cidr = "2001:db8::1/32".parse().unwrap();
        assert!(own.contains("2001:db8:ffff::".parse().unwrap()));
        assert!(!own.contains("2001:db9::".parse().unwrap()));
        assert!("10.1.2.3/1".parse::<Cidr>().unwrap().contains("127.0.0.1".parse().unwrap()));
    }
}
