//! The listening sockets of the appliance: PID 1 holds them, so that clients wait while `serve` starts again instead of
//! being refused.
//!
//! Bound once, before anything else of the network is there, for all addresses. `serve` gets them as sd_listen_fds(3)
//! describes. The kernel bounds how many clients wait (net.core.somaxconn).

use crate::serve::Protocol;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, bind, listen, setsockopt, socket, sockopt,
};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

/// One listening socket.
#[derive(Debug)]
pub struct Socket {
    /// What is spoken on it.
    pub protocol: Protocol,
    /// The socket.
    pub file: OwnedFd,
}

/// Listens at the registered port of every protocol. Gives what failed as well.
#[must_use]
pub fn listen_everywhere() -> (Vec<Socket>, Vec<String>) {
    let (mut sockets, mut failures) = (Vec::new(), Vec::new());
    for protocol in Protocol::ALL {
        let Some((port, _)) = protocol.ports() else { continue };
        match on_port(port) {
            Ok(file) => sockets.push(Socket { protocol, file }),
            Err(error) => failures.push(format!("port {port} ({}): {error}", protocol.name())),
        }
    }
    (sockets, failures)
}

/// IPv6 and IPv4 on one socket, or IPv4 alone where the kernel has no IPv6.
fn on_port(port: u16) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    // As many as the kernel allows (net.core.somaxconn): they wait while `serve` starts again.
    let backlog = Backlog::MAXALLOWABLE;
    if let Ok(six) = socket(AddressFamily::Inet6, SockType::Stream, flags, None) {
        setsockopt(&six, sockopt::ReuseAddr, &true)?;
        setsockopt(&six, sockopt::Ipv6V6Only, &false)?;
        bind(six.as_raw_fd(), &SockaddrIn6::from(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0)))?;
        listen(&six, backlog)?;
        return Ok(six);
    }
    let four = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
    setsockopt(&four, sockopt::ReuseAddr, &true)?;
    bind(four.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port)))?;
    listen(&four, backlog)?;
    Ok(four)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_families_reach_a_socket() {
        let socket = on_port(0).unwrap();
        let port = std::net::TcpListener::from(socket.try_clone().unwrap()).local_addr().unwrap().port();
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    }
}
