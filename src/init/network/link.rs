//! One wired interface while it is there: what it should have, what it has, and how the one becomes the other.
//!
//! Owns at most one IPv4 configuration that is wanted and one that is applied, and the handle of one DHCP client. Which
//! interfaces there are is left to [`super::manager`].

use super::cidr::Cidr;
use super::interfaces::Interface;
use super::ipv4::Configuration;
use super::netlink::Netlink;
use core::time::Duration;
use tokio::task::AbortHandle;

/// An interface and its addresses.
pub struct Link {
    /// As it was seen last.
    pub interface: Interface,
    /// The metric of its routes: the less, the better.
    pub metric: u32,
    /// Its address and routes do not come from DHCP.
    pub fixed: Option<Configuration>,
    /// Its IPv6 address, if that does not come from routers.
    pub fixed6: Option<Cidr>,
    /// What the DHCP client has obtained.
    pub lease: Option<Configuration>,
    /// The client that runs, and its number.
    pub client: Option<(u64, AbortHandle)>,
    /// The addresses it was last seen with, wherever they come from.
    pub addresses: Vec<Cidr>,
    applied: Option<Configuration>,
    applied6: Option<Cidr>,
    /// The kernel has refused something that is tried again.
    is_incomplete: bool,
}

impl Link {
    /// An interface that has nothing yet.
    #[must_use]
    pub fn new(interface: Interface, metric: u32) -> Self {
        Self {
            interface,
            metric,
            fixed: None,
            fixed6: None,
            lease: None,
            client: None,
            addresses: Vec::new(),
            applied: None,
            applied6: None,
            is_incomplete: false,
        }
    }

    /// The IPv4 configuration that it should have now. Without carrier it has none, so that others are used instead.
    #[must_use]
    pub fn wanted(&self) -> Option<&Configuration> {
        if self.interface.carrier { self.fixed.as_ref().or(self.lease.as_ref()) } else { None }
    }

    /// Makes the kernel's state that which is wanted. `renewed` says that a lease has a new end.
    pub fn apply(&mut self, netlink: &mut Netlink, renewed: bool) {
        let (index, metric) = (self.interface.index, self.metric);
        let wanted = self.wanted().cloned();
        let again = core::mem::take(&mut self.is_incomplete);
        if wanted != self.applied || renewed || again {
            let old = self.applied.take();
            for route in old.iter().flat_map(|old| &old.routes) {
                if !wanted.as_ref().is_some_and(|wanted| wanted.routes.contains(route)) {
                    self.hear("removing a route", netlink.remove_route(index, *route, metric));
                }
            }
            if let Some(old) = &old
                && wanted.as_ref().map(|wanted| wanted.address) != Some(old.address)
            {
                self.hear("removing an address", netlink.remove_address(index, old.address));
                log::info!("{} no longer has {}", self.interface.name, old.address);
            }
            if let Some(wanted) = &wanted {
                self.hear("adding an address", netlink.add_address(index, wanted.address, wanted.lifetime));
                for route in &wanted.routes {
                    self.hear("adding a route", netlink.add_route(index, *route, metric));
                }
                if old.as_ref().map(|old| old.address) != Some(wanted.address) {
                    log::info!("{} has {}{}", self.interface.name, wanted.address, lifetime(wanted.lifetime));
                }
            }
            self.applied = wanted;
        }
        let wanted6 = if self.interface.carrier { self.fixed6 } else { None };
        if wanted6 != self.applied6 || again {
            if let Some(old) = self.applied6 {
                self.hear("removing an address", netlink.remove_address(index, old));
            }
            if let Some(address) = wanted6 {
                self.hear("adding an address", netlink.add_address(index, address, None));
            }
            self.applied6 = wanted6;
        }
    }

    /// Stops the DHCP client and forgets what it obtained.
    pub fn stop_client(&mut self) {
        if let Some((_, client)) = self.client.take() {
            client.abort();
        }
        self.lease = None;
    }

    fn hear(&mut self, what: &str, result: std::io::Result<()>) {
        if let Err(error) = result {
            self.is_incomplete = true;
            log::warn!("{}: {what} failed: {error}", self.interface.name);
        }
    }
}

fn lifetime(lifetime: Option<Duration>) -> String {
    lifetime.map_or_else(String::new, |lifetime| format!(" for {} s", lifetime.as_secs()))
}
