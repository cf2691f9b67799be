//! Listening sockets that the supervisor has opened: sd_listen_fds(3), as PID 1 of the appliance and systemd do it.
//!
//! Clients that come while the server is being restarted wait in the socket's queue, and the server needs no right to
//! bind low ports. Owns the sockets until they become listeners; at most [`INHERITED_SOCKETS_MAX`]. Which process they
//! are meant for (`LISTEN_PID`) and that they are not passed on is left to the `listenfd` crate.
//!
//! `LISTEN_FDNAMES` names what is spoken on each socket: systemd's `FileDescriptorName=imaps`. A socket without a name,
//! or with the one that systemd gives by itself (that of its unit), is known by its port.

use super::listener::Listener;
use super::protocol::Protocol;
use crate::limits::INHERITED_SOCKETS_MAX;
use listenfd::ListenFd;
use std::net::TcpListener;

/// What the supervisor has handed over.
#[derive(Debug, Default)]
pub struct Inherited(Vec<(Protocol, TcpListener)>);

impl Inherited {
    /// Takes the sockets that are meant for this process. To be called once, before there are other threads: it takes
    /// `LISTEN_FDS` and `LISTEN_PID` out of the environment.
    ///
    /// # Errors
    /// A message for people: which socket is of no use, why, and what to do.
    pub fn from_environment() -> Result<Self, String> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        if let Ok(count) = std::env::var("LISTEN_FDS")
            && count.parse::<usize>().is_ok_and(|count| count > INHERITED_SOCKETS_MAX)
        {
            return Err(format!("LISTEN_FDS={count}: at most {INHERITED_SOCKETS_MAX} sockets can be handed over"));
        }
        let mut handed_over = ListenFd::from_env();
        let mut names = names.split(':');
        let (mut sockets, mut errors) = (Vec::new(), Vec::new());
        for number in 0..handed_over.len() {
            let name = names.next().unwrap_or_default();
            let taken = handed_over.take_tcp_listener(number).map_err(|error| error.to_string());
            let taken = taken.and_then(|socket| socket.ok_or_else(|| "it is gone".to_owned()));
            match taken.and_then(|socket| Ok((protocol(name, &socket)?, socket))) {
                Ok(socket) => sockets.push(socket),
                Err(error) => {
                    errors.push(format!("the supervisor's socket {} {name:?}: {error}", number.saturating_add(1)))
                }
            }
        }
        if errors.is_empty() { Ok(Self(sockets)) } else { Err(errors.join("\n")) }
    }

    /// Was nothing handed over?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Listens on them. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// A message for people, as [`Listener::inherited`] gives it.
    pub fn listeners(self) -> Vec<Result<Listener, String>> {
        self.0.into_iter().map(|(protocol, socket)| Listener::inherited(protocol, socket)).collect()
    }
}

/// What is spoken on a socket.
fn protocol(name: &str, socket: &TcpListener) -> Result<Protocol, String> {
    use nix::sys::socket::{getsockopt, sockopt::AcceptConn};
    // A connected or an unbound one: systemd's Accept=yes hands over connections.
    if getsockopt(socket, AcceptConn) != Ok(true) {
        return Err("it does not listen: in a systemd socket unit, say Accept=no".to_owned());
    }
    if !is_given_by_systemd(name) {
        return name.parse();
    }
    let port = socket.local_addr().map_err(|error| error.to_string())?.port();
    let has_port = |protocol: &Protocol| protocol.ports().is_some_and(|(root, anyone)| port == root || port == anyone);
    Protocol::ALL.into_iter().find(has_port).ok_or_else(|| {
        format!(
            "port {port} is no usual one: name the protocol, in a systemd socket unit with FileDescriptorName=imaps"
        )
    })
}

/// systemd.socket(5): without `FileDescriptorName=` it is the unit's name; sd_listen_fds(3): `unknown` where there is none.
fn is_given_by_systemd(name: &str) -> bool {
    matches!(name, "" | "unknown") || name.ends_with(".socket") || name.ends_with(".service")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::TcpStream;
    use std::os::fd::OwnedFd;

    /// A socket on one of the ports that anyone may use, if one of them is free.
    fn usual() -> Option<(Protocol, TcpListener)> {
        Protocol::ALL.into_iter().find_map(|protocol| {
            let (_, port) = protocol.ports()?;
            Some((protocol, TcpListener::bind(("127.0.0.9", port)).ok()?))
        })
    }

    #[test]
    fn a_name_says_what_is_spoken() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        for expected in Protocol::ALL {
            assert_eq!(protocol(expected.name(), &socket), Ok(expected));
        }
        assert!(protocol("web", &socket).unwrap_err().contains("one of smtp, "));
    }

    #[test]
    fn without_a_name_the_port_says_it() {
        let (expected, socket) = usual().unwrap();
        for name in ["", "unknown", "pillarbox.socket", "pillarbox-mail.service"] {
            assert_eq!(protocol(name, &socket), Ok(expected));
        }
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(protocol("pillarbox.socket", &socket).unwrap_err().contains("FileDescriptorName="));
    }

    #[test]
    fn a_connection_is_no_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = TcpListener::from(OwnedFd::from(connection));
        assert!(protocol("smtp", &socket).unwrap_err().contains("Accept=no"));
    }
}
