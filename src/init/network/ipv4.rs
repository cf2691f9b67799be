//! The IPv4 configuration of one interface: what a DHCP server gave, or what the settings say.
//!
//! Owns lists with bounds. A lease comes from a stranger: [`Configuration::from_lease`] takes what makes sense and refuses
//! the rest. Applying it is left to [`super::link`].

use super::cidr::{Cidr, is_host};
use super::netlink::Route;
use super::settings::Settings;
use crate::limits::{NAME_SERVERS_MAX, NETWORK_ROUTES_MAX, TIME_SERVERS_ASKED_MAX};
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use heapless::Vec;
use mozim::DhcpV4Lease;

/// All networks: the destination of a default route.
const ANYWHERE: (IpAddr, u8) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// An address and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// The interface's own address.
    pub address: Cidr,
    /// How long it may be used; `None` is for ever.
    pub lifetime: Option<Duration>,
    /// Ways to other networks.
    pub routes: Vec<Route, NETWORK_ROUTES_MAX>,
    /// Name servers, best first.
    pub name_servers: Vec<IpAddr, NAME_SERVERS_MAX>,
    /// Time servers, best first.
    pub time_servers: Vec<Ipv4Addr, TIME_SERVERS_ASKED_MAX>,
}

impl Configuration {
    /// What the settings say, if they give an address.
    #[must_use]
    pub fn from_settings(settings: &Settings) -> Option<Self> {
        let gateway = settings.gateway.map(|gateway| Route { destination: ANYWHERE, gateway: Some(gateway.into()) });
        Some(Self {
            address: settings.address?,
            lifetime: None,
            routes: gateway.into_iter().collect(),
            name_servers: Vec::new(),
            time_servers: Vec::new(),
        })
    }

    /// What a DHCP server gave. `None` if the address is not one that a machine can have.
    #[must_use]
    pub fn from_lease(lease: &DhcpV4Lease) -> Option<Self> {
        let ones = lease.subnet_mask.to_bits().leading_ones();
        // RFC 2132 3.3 gives a mask; without one (0.0.0.0) only the address itself is known.
        let prefix = if ones == 0 { 32 } else { u8::try_from(ones).ok()? };
        let hosts = |list: &Option<std::vec::Vec<Ipv4Addr>>| {
            list.iter().flatten().copied().filter(|address| is_host(*address)).collect::<std::vec::Vec<_>>()
        };
        let routes = match &lease.classless_routes {
            // RFC 3442: if these are given, the Router option must be ignored.
            Some(routes) => routes.iter().filter_map(classless).take(NETWORK_ROUTES_MAX).collect(),
            // RFC 2132 3.5: routers are listed in order of preference.
            None => hosts(&lease.gateways)
                .into_iter()
                .take(1)
                .map(|gateway| Route { destination: ANYWHERE, gateway: Some(gateway.into()) })
                .collect(),
        };
        Some(Self {
            address: Cidr::new(lease.yiaddr.into(), prefix)?,
            // RFC 2131 3.3: all ones is for ever.
            lifetime: (lease.lease_time_sec != u32::MAX).then(|| Duration::from_secs(lease.lease_time_sec.into())),
            routes,
            name_servers: hosts(&lease.dns_srvs).into_iter().map(IpAddr::from).take(NAME_SERVERS_MAX).collect(),
            time_servers: hosts(&lease.ntp_srvs).into_iter().take(TIME_SERVERS_ASKED_MAX).collect(),
        })
    }
}

/// RFC 3442: a route whose router is 0.0.0.0 leads straight to the network.
fn classless(route: &mozim::DhcpV4ClasslessRoute) -> Option<Route> {
    let prefix = route.prefix_length;
    let mask = u32::MAX.checked_shl(32_u32.checked_sub(prefix.into())?).unwrap_or(0);
    let destination = Ipv4Addr::from_bits(route.destination.to_bits() & mask);
    let gateway = (!route.router.is_unspecified()).then_some(IpAddr::from(route.router));
    let possible = gateway.is_none_or(|_| is_host(route.router)) && (prefix == 0 || is_host(destination));
    possible.then_some(Route { destination: (destination.into(), prefix), gateway })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use mozim::DhcpV4ClasslessRoute;

    fn lease() -> DhcpV4Lease {
        let mut lease = DhcpV4Lease::default();
        lease.yiaddr = Ipv4Addr::new(192, 168, 7, 20);
        lease.subnet_mask = Ipv4Addr::new(255, 255, 255, 0);
        lease.lease_time_sec = 120;
        lease.gateways =
            Some(vec![Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(192, 168, 7, 1), Ipv4Addr::new(192, 168, 7, 2)]);
        lease.dns_srvs = Some((0..200).map(|number| Ipv4Addr::new(192, 168, 7, number)).collect());
        lease.ntp_srvs = Some(vec![Ipv4Addr::new(192, 168, 7, 1)]);
        lease
    }

    #[test]
    fn an_ordinary_lease() {
        let configuration = Configuration::from_lease(&lease()).unwrap();
        assert_eq!(configuration.address.to_string(), "192.168.7.20/24");
        assert_eq!(configuration.lifetime, Some(Duration::from_secs(120)));
        let gateway = Some(IpAddr::from([192, 168, 7, 1]));
        assert_eq!(configuration.routes.as_slice(), [Route { destination: ANYWHERE, gateway }]);
        assert_eq!(configuration.name_servers.len(), NAME_SERVERS_MAX);
        assert_eq!(configuration.time_servers.as_slice(), [Ipv4Addr::new(192, 168, 7, 1)]);
    }

    #[test]
    fn classless_routes_replace_the_router() {
        let mut lease = lease();
        let route = |destination, prefix_length, router| DhcpV4ClasslessRoute {
            destination: Ipv4Addr::from_octets(destination),
            prefix_length,
            router: Ipv4Addr::from_octets(router),
        };
        lease.classless_routes = Some(vec![
            route([0, 0, 0, 0], 0, [192, 168, 7, 3]),
            route([10, 1, 2, 3], 8, [0, 0, 0, 0]),
            route([127, 0, 0, 0], 8, [192, 168, 7, 3]),
            route([10, 0, 0, 0], 40, [192, 168, 7, 3]),
        ]);
        let routes = Configuration::from_lease(&lease).unwrap().routes;
        let gateway = Some(IpAddr::from([192, 168, 7, 3]));
        let direct = Route { destination: (IpAddr::from([10, 0, 0, 0]), 8), gateway: None };
        assert_eq!(routes.as_slice(), [Route { destination: ANYWHERE, gateway }, direct]);
        lease.classless_routes = Some(vec![route([0, 0, 0, 0], 0, [192, 168, 7, 3]); 100]);
        assert_eq!(Configuration::from_lease(&lease).unwrap().routes.len(), NETWORK_ROUTES_MAX);
    }

    #[test]
    fn nobodys_address_is_refused() {
        for address in [[0, 0, 0, 0], [127, 0, 0, 1], [224, 0, 0, 1], [255, 255, 255, 255]] {
            let mut lease = lease();
            lease.yiaddr = address.into();
            assert_eq!(Configuration::from_lease(&lease), None, "{address:?}");
        }
        let mut lease = lease();
        lease.subnet_mask = Ipv4Addr::UNSPECIFIED;
        lease.lease_time_sec = u32::MAX;
        let configuration = Configuration::from_lease(&lease).unwrap();
        assert_eq!((configuration.address.prefix(), configuration.lifetime), (32, None));
    }
}
