//! Hears when links and addresses change, also when an adapter is plugged in: the multicast groups of rtnetlink(7).
//!
//! Owns one socket and one buffer on the stack. What has changed is not read from the messages but looked up afterwards
//! ([`super::interfaces`]): so a message that was lost because the kernel's queue was full costs nothing.

use crate::limits::NETWORK_SETTLE_INTERVAL;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use tokio::io::unix::AsyncFd;

/// The kernel's messages about links and addresses.
pub struct Links(AsyncFd<OwnedFd>);

impl Links {
    /// Begins to listen. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn listen() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        let groups = [libc::RTMGRP_LINK, libc::RTMGRP_IPV4_IFADDR, libc::RTMGRP_IPV6_IFADDR];
        let groups = groups.into_iter().fold(0, |all, group| all | group.cast_unsigned());
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(Self(register(socket)?))
    }

    /// Returns when something has changed. Given up in between, it loses nothing.
    ///
    /// # Errors
    /// As the kernel says.
    pub async fn changed(&self) -> io::Result<()> {
        let mut buffer = [0; 4_096];
        let mut ready = self.0.readable().await?;
        // A cable that is plugged in makes half a dozen messages: they are one change.
        tokio::time::sleep(NETWORK_SETTLE_INTERVAL).await;
        loop {
            match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                // ENOBUFS: messages were lost, so something has changed.
                Ok(_) | Err(Errno::ENOBUFS | Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    ready.clear_ready();
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[allow(unsafe_code)]
fn register(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and stays the same descriptor; `AsyncFd` owns it and gives it to nobody.
    Ok(unsafe { AsyncFd::register(socket) }?)
}
