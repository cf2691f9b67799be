//! What children tell PID 1: datagrams of `KEY=VALUE` lines (sd_notify(3)), with the sender's process number from the
//! kernel, so that no child speaks for another.
//!
//! Owns the socket. A datagram has at most [`NOTICE_OCTETS_MAX`] octets; one that is longer, or says nothing that is known
//! here, is dropped. The kernel bounds how many wait.

use crate::limits::NOTICE_OCTETS_MAX;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, bind, recvmsg, setsockopt, socket,
    sockopt,
};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// How `serve` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Mail moves.
    Serving,
    /// There is no account yet.
    SetUp,
    /// It works, but not all of it: the card is full, or a place of it is damaged.
    Degraded,
    /// The card takes no more writes: mail can be read, new mail is put off.
    CardFailing,
}

impl core::fmt::Display for Health {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Serving => "serving",
            Self::SetUp => "waiting for set-up",
            Self::Degraded => "degraded",
            Self::CardFailing => "the card takes no more writes",
        })
    }
}

/// What a child asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Start again.
    Reboot,
    /// Switch off.
    PowerOff,
}

/// One line of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The child does what it is there for.
    Ready,
    /// A heartbeat.
    Beat,
    /// The child is about to end.
    Stopping,
    /// For people.
    Status(String),
    /// How it is.
    Health(Health),
    /// A message moved.
    Mail,
    /// A message was delivered and read back.
    ProbePassed,
    /// Shut down.
    Request(Request),
    /// Some network can be reached, or none.
    Network(bool),
    /// An interface and its address.
    Address(String),
    /// A time server was asked.
    ClockKnown,
}

impl Notice {
    fn parse(line: &str) -> Option<Self> {
        let (key, value) = line.split_once('=')?;
        Some(match (key, value) {
            ("READY", "1") => Self::Ready,
            ("WATCHDOG", "1") => Self::Beat,
            ("STOPPING", "1") => Self::Stopping,
            ("STATUS", text) => Self::Status(text.to_owned()),
            ("X_PILLARBOX_HEALTH", "serving") => Self::Health(Health::Serving),
            ("X_PILLARBOX_HEALTH", "setup") => Self::Health(Health::SetUp),
            ("X_PILLARBOX_HEALTH", "degraded") => Self::Health(Health::Degraded),
            ("X_PILLARBOX_HEALTH", "card-failing") => Self::Health(Health::CardFailing),
            ("X_PILLARBOX_MAIL", "1") => Self::Mail,
            ("X_PILLARBOX_PROBE", "passed") => Self::ProbePassed,
            ("X_PILLARBOX_REQUEST", "reboot") => Self::Request(Request::Reboot),
            ("X_PILLARBOX_REQUEST", "poweroff") => Self::Request(Request::PowerOff),
            ("X_PILLARBOX_NETWORK", "up") => Self::Network(true),
            ("X_PILLARBOX_NETWORK", "down") => Self::Network(false),
            ("X_PILLARBOX_ADDRESS", address) => Self::Address(address.to_owned()),
            ("X_PILLARBOX_CLOCK", "synchronised") => Self::ClockKnown,
            _ => return None,
        })
    }
}

/// Where children report.
#[derive(Debug)]
pub struct NoticeSocket(OwnedFd);

impl NoticeSocket {
    /// Opens it; any local process may send, and the kernel says which one did.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let file = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
        setsockopt(&file, sockopt::PassCred, &true)?;
        bind(file.as_raw_fd(), &UnixAddr::new(path)?)?;
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
        Ok(Self(file))
    }

    /// The next datagram that waits: who sent it, and what it says. `None`: nothing waits.
    pub fn receive(&self) -> Option<(i32, Vec<Notice>)> {
        let mut octets = [0; NOTICE_OCTETS_MAX];
        let mut parts = [IoSliceMut::new(&mut octets)];
        let mut space = nix::cmsg_space!(nix::sys::socket::UnixCredentials);
        let received = recvmsg::<UnixAddr>(self.0.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty()).ok()?;
        let credentials = received.cmsgs().ok().and_then(|mut messages| {
            messages.find_map(|message| match message {
                ControlMessageOwned::ScmCredentials(credentials) => Some(credentials.pid()),
                _ => None,
            })
        });
        let is_whole = !received.flags.contains(MsgFlags::MSG_TRUNC);
        let length = received.bytes;
        let text = core::str::from_utf8(octets.get(..length).unwrap_or_default()).unwrap_or_default();
        let lines = if is_whole { text } else { "" };
        Some((credentials.unwrap_or(0), lines.lines().filter_map(Notice::parse).collect()))
    }
}

impl AsFd for NoticeSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn what_a_child_says_comes_with_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = NoticeSocket::open(&path).unwrap();
        assert!(socket.receive().is_none());
        let child = UnixDatagram::unbound().unwrap();
        let text = b"READY=1\nnonsense\nX_PILLARBOX_HEALTH=card-failing\nX_PILLARBOX_HEALTH=fine\nSTATUS=a=b\n";
        child.send_to(text, &path).unwrap();
        let expected = vec![Notice::Ready, Notice::Health(Health::CardFailing), Notice::Status("a=b".to_owned())];
        assert_eq!(socket.receive(), Some((i32::try_from(std::process::id()).unwrap(), expected)));
        for bad in [vec![0xff; 10], vec![b'A'; NOTICE_OCTETS_MAX + 1], Vec::new()] {
            child.send_to(&bad, &path).unwrap();
            assert_eq!(socket.receive().unwrap().1, []);
        }
        assert!(socket.receive().is_none());
    }
}
