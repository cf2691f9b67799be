//! The addresses that an interface has at this moment, wherever they come from.
//!
//! Owns a list of at most [`NETWORK_ADDRESSES_MAX`] between two calls: none. See getifaddrs(3).

use super::cidr::Cidr;
use crate::limits::NETWORK_ADDRESSES_MAX;
use core::net::IpAddr;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};

/// The addresses of an interface under which others reach this machine; IPv4 first. IPv6 addresses that hold on one
/// cable only (fe80::/10) do not count: every interface has one, also where nobody answers.
#[must_use]
pub fn usable(interface: &str) -> Vec<Cidr> {
    let Ok(all) = getifaddrs() else { return Vec::new() };
    let mut found: Vec<Cidr> =
        all.filter(|entry| entry.interface_name == interface).filter_map(cidr).take(NETWORK_ADDRESSES_MAX).collect();
    found.sort_unstable();
    found
}

fn cidr(entry: InterfaceAddress) -> Option<Cidr> {
    let (address, mask) = (entry.address?, entry.netmask?);
    if let (Some(address), Some(mask)) = (address.as_sockaddr_in(), mask.as_sockaddr_in()) {
        return Cidr::new(address.ip().into(), u8::try_from(mask.ip().to_bits().leading_ones()).ok()?);
    }
    let (address, mask) = (address.as_sockaddr_in6()?.ip(), mask.as_sockaddr_in6()?.ip());
    let prefix = u8::try_from(mask.to_bits().leading_ones()).ok()?;
    if address.is_unicast_link_local() { None } else { Cidr::new(IpAddr::V6(address), prefix) }
}
