//! What the kernel is asked to do with links, addresses and routes: rtnetlink(7), one request and its acknowledgement.
//!
//! Owns one socket. A request is some hundred octets; answers use the fixed buffers of `neli` (3 x 32 KiB). The kernel
//! answers at once, so a call never waits for the network. What should be asked is left to [`super::link`].

use super::cidr::Cidr;
use super::interfaces::Mac;
use core::net::IpAddr;
use core::time::Duration;
use neli::consts::nl::NlmF;
use neli::consts::rtnl::{Ifa, IfaF, Ifla, RtAddrFamily, RtScope, RtTable, Rta, RtaType, Rtm, RtmF, Rtn, Rtprot};
use neli::consts::socket::NlFamily;
use neli::nl::{NlPayload, NlmsghdrBuilder};
use neli::rtnl::{IfaddrmsgBuilder, IfinfomsgBuilder, Rtattr, RtattrBuilder, RtmsgBuilder};
use neli::socket::synchronous::NlSocketHandle;
use neli::types::{Buffer, RtBuffer};
use neli::utils::Groups;
use nix::errno::Errno;
use std::io;

/// RTNH_F_ONLINK of rtnetlink.h: the gateway is reached directly, also if no address of ours says so.
const ONLINK: u32 = 4;

/// A way to other networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Packets for this network; `0.0.0.0` with no prefix is all others.
    pub destination: (IpAddr, u8),
    /// Go to this neighbour; straight to their receiver if there is none.
    pub gateway: Option<IpAddr>,
}

/// The kernel's ear for requests.
pub struct Netlink {
    socket: NlSocketHandle,
    sequence: u32,
}

impl Netlink {
    /// Opens the socket.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn open() -> io::Result<Self> {
        let socket = NlSocketHandle::connect(NlFamily::Route, None, Groups::empty()).map_err(io::Error::other)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Brings an interface up.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn bring_up(&mut self, link: u32) -> io::Result<()> {
        let message = IfinfomsgBuilder::default().ifi_family(RtAddrFamily::Unspecified).ifi_index(signed(link)?).up();
        self.ask(Rtm::Newlink, NlmF::empty(), message.build().map_err(io::Error::other)?)
    }

    /// Gives an interface that is not up another Ethernet address.
    ///
    /// # Errors
    /// As the kernel says; `EBUSY` if the interface is up.
    pub fn set_mac(&mut self, link: u32, mac: Mac) -> io::Result<()> {
        let message = IfinfomsgBuilder::default()
            .ifi_family(RtAddrFamily::Unspecified)
            .ifi_index(signed(link)?)
            .rtattrs(RtBuffer::from_iter([attribute(Ifla::Address, &mac)?]));
        self.ask(Rtm::Newlink, NlmF::empty(), message.build().map_err(io::Error::other)?)
    }

    /// Gives an interface an address, or the address it has another lifetime. Without one it stays until removed.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn add_address(&mut self, link: u32, address: Cidr, lifetime: Option<Duration>) -> io::Result<()> {
        self.address(Rtm::Newaddr, NlmF::CREATE | NlmF::REPLACE, link, address, lifetime)
    }

    /// Takes an address from an interface. That it is not there is no error.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn remove_address(&mut self, link: u32, address: Cidr) -> io::Result<()> {
        absent_is_removed(self.address(Rtm::Deladdr, NlmF::empty(), link, address, None))
    }

    fn address(
        &mut self,
        request: Rtm,
        flags: NlmF,
        link: u32,
        address: Cidr,
        lifetime: Option<Duration>,
    ) -> io::Result<()> {
        let octets = octets(address.address());
        let mut attributes = RtBuffer::from_iter([attribute(Ifa::Local, &octets)?, attribute(Ifa::Address, &octets)?]);
        if let Some(lifetime) = lifetime {
            // struct ifa_cacheinfo: preferred and valid seconds, then two times that only the kernel sets. If this process
            // ends, the address still ends when its lease does.
            let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX).to_ne_bytes();
            attributes.push(attribute(Ifa::Cacheinfo, &[seconds, seconds, [0; 4], [0; 4]].concat())?);
        }
        let message = IfaddrmsgBuilder::default()
            .ifa_family(family(address.address()))
            .ifa_prefixlen(address.prefix())
            .ifa_flags(IfaF::empty())
            .ifa_scope(if is_link_local(address.address()) { RtScope::Link } else { RtScope::Universe })
            .ifa_index(link)
            .rtattrs(attributes);
        self.ask(request, flags, message.build().map_err(io::Error::other)?)
    }

    /// Adds a route through an interface; of several to one network, that with the least metric is used.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn add_route(&mut self, link: u32, route: Route, metric: u32) -> io::Result<()> {
        self.route(Rtm::Newroute, NlmF::CREATE | NlmF::REPLACE, link, route, metric)
    }

    /// Removes a route. That it is not there is no error.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn remove_route(&mut self, link: u32, route: Route, metric: u32) -> io::Result<()> {
        absent_is_removed(self.route(Rtm::Delroute, NlmF::empty(), link, route, metric))
    }

    fn route(&mut self, request: Rtm, flags: NlmF, link: u32, route: Route, metric: u32) -> io::Result<()> {
        let (destination, prefix) = route.destination;
        let mut attributes = RtBuffer::from_iter([
            attribute(Rta::Dst, &octets(destination))?,
            attribute(Rta::Oif, &link.to_ne_bytes())?,
            attribute(Rta::Priority, &metric.to_ne_bytes())?,
        ]);
        if let Some(gateway) = route.gateway {
            attributes.push(attribute(Rta::Gateway, &octets(gateway))?);
        }
        let message = RtmsgBuilder::default()
            .rtm_family(family(destination))
            .rtm_dst_len(prefix)
            .rtm_src_len(0)
            .rtm_tos(0)
            .rtm_table(RtTable::Main)
            .rtm_protocol(Rtprot::Static)
            .rtm_scope(if route.gateway.is_some() { RtScope::Universe } else { RtScope::Link })
            .rtm_type(Rtn::Unicast)
            // Some providers give a /32 and a gateway outside of it.
            .rtm_flags(RtmF::from_bits_retain(if route.gateway.is_some() { ONLINK } else { 0 }))
            .rtattrs(attributes);
        self.ask(request, flags, message.build().map_err(io::Error::other)?)
    }

    fn ask<P>(&mut self, request: Rtm, flags: NlmF, payload: P) -> io::Result<()>
    where
        P: neli::Size + neli::ToBytes + core::fmt::Debug,
    {
        self.sequence = self.sequence.wrapping_add(1);
        let message = NlmsghdrBuilder::default()
            .nl_type(request)
            .nl_flags(NlmF::REQUEST | NlmF::ACK | flags)
            .nl_seq(self.sequence)
            .nl_payload(NlPayload::Payload(payload))
            .build()
            .map_err(io::Error::other)?;
        self.socket.send(&message).map_err(io::Error::other)?;
        loop {
            let (answers, _) = self.socket.recv_all::<u16, Buffer>().map_err(io::Error::other)?;
            for answer in answers {
                if *answer.nl_seq() != self.sequence {
                    continue;
                }
                match answer.nl_payload() {
                    NlPayload::Ack(_) => return Ok(()),
                    NlPayload::Err(error) => {
                        return Err(io::Error::from_raw_os_error(error.error().saturating_neg()));
                    }
                    NlPayload::DumpExtAck(_) | NlPayload::Payload(_) | NlPayload::Empty => {}
                }
            }
        }
    }
}

fn attribute<T: RtaType>(kind: T, octets: &[u8]) -> io::Result<Rtattr<T, Buffer>> {
    RtattrBuilder::default().rta_type(kind).rta_payload(octets).build().map_err(io::Error::other)
}

fn signed(link: u32) -> io::Result<i32> {
    i32::try_from(link).map_err(io::Error::other)
}

fn family(address: IpAddr) -> RtAddrFamily {
    if address.is_ipv4() { RtAddrFamily::Inet } else { RtAddrFamily::Inet6 }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn absent_is_removed(result: io::Result<()>) -> io::Result<()> {
    const ABSENT: [Errno; 3] = [Errno::EADDRNOTAVAIL, Errno::ESRCH, Errno::ENODEV];
    match result {
        Err(error) if error.raw_os_error().is_some_and(|number| ABSENT.contains(&Errno::from_raw(number))) => Ok(()),
        other => other,
    }
}
