//! Listening sockets: bound (or inherited) before anything is promised, then accepting until the server stops.
//!
//! Owns one socket. A client that gets no permit hears its protocol's temporary refusal and is closed at once, on the
//! listener's own task: refusals hold no memory and wait for nobody. When the system is out of something (files,
//! memory), accepting pauses. What a connection does is left to whoever is called with it.

use super::permit::{Permit, Permits};
use super::protocol::{ListenAddress, Protocol};
use super::stop::StopSignal;
use crate::limits::{ACCEPT_BACKLOG, ACCEPT_PAUSE};
use crate::status::COUNTERS;
use nix::sys::socket::{setsockopt, sockopt};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A socket that listens for one protocol.
#[derive(Debug)]
pub struct Listener {
    protocol: Protocol,
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens there. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// A message for people: which protocol, where, why not, and what to do.
    pub fn bind(wanted: ListenAddress) -> Result<Self, String> {
        let bound = match wanted.address {
            Some(address) => bind(SocketAddr::new(address, wanted.port), address.is_ipv6()),
            None => bind(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), wanted.port), false).or_else(|error| {
                // A machine without IPv6.
                if is_missing_family(&error) {
                    bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), wanted.port), false)
                } else {
                    Err(error)
                }
            }),
        };
        let (socket, address) = bound
            .and_then(|socket| socket.local_addr().map(|address| (socket, address)))
            .map_err(|error| explain(wanted, &error))?;
        Ok(Self { protocol: wanted.protocol, socket, address })
    }

    /// Listens on a socket that another process has opened. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// A message for people, as the operating system says.
    pub fn inherited(protocol: Protocol, socket: std::net::TcpListener) -> Result<Self, String> {
        // The flag belongs to the socket, not to this process: the one that opened it must not accept from it.
        let opened = socket.set_nonblocking(true).and_then(|()| {
            let address = socket.local_addr()?;
            Ok((TcpListener::from_std(socket)?, address))
        });
        let (socket, address) =
            opened.map_err(|error| format!("cannot listen for {protocol} on the supervisor's socket: {error}"))?;
        Ok(Self { protocol, socket, address })
    }

    /// What it speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Where it listens, with the real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until the server stops, and hands each client over with its permit.
    pub async fn accept(self, permits: Permits, mut stop: StopSignal, serve: impl Fn(TcpStream, SocketAddr, Permit)) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.stopped() => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => match permits.acquire(peer.ip()) {
                    Ok(permit) => {
                        COUNTERS.connections.increment();
                        serve(stream, peer, permit);
                    }
                    Err(refusal) => {
                        COUNTERS.connections_refused.increment();
                        log::debug!("{} connection from {} refused: {refusal:?}", self.protocol, peer.ip());
                        self.refuse(stream);
                    }
                },
                Err(error) if is_of_one_client(&error) => {}
                Err(error) => {
                    // EMFILE, ENFILE, ENOBUFS, ENOMEM: the connection waits in the queue, and asking again at once would
                    // spin.
                    log::warn!("{}: cannot accept connections: {error}", self.protocol);
                    tokio::select! {
                        () = stop.stopped() => return,
                        () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                    }
                }
            }
        }
    }

    /// One line and the end. A new socket has room for it; were it not so, the client would only hear nothing.
    fn refuse(&self, stream: TcpStream) {
        // Under implicit TLS a line in the clear would be noise.
        if !self.protocol.is_implicit_tls()
            && let Ok(mut stream) = stream.into_std()
        {
            let _ = stream.write(self.protocol.refusal().as_bytes());
        }
    }
}

fn bind(address: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    if address.is_ipv6() {
        setsockopt(&socket, sockopt::Ipv6V6Only, &only_v6)?;
    }
    // A restart must not wait for connections of the last run to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(ACCEPT_BACKLOG)
}

fn is_missing_family(error: &io::Error) -> bool {
    let missing = [nix::libc::EAFNOSUPPORT, nix::libc::EADDRNOTAVAIL, nix::libc::EPROTONOSUPPORT];
    error.raw_os_error().is_some_and(|code| missing.contains(&code))
}

/// accept(2): the client or its network gave up meanwhile.
fn is_of_one_client(error: &io::Error) -> bool {
    use nix::libc::{ECONNABORTED, EHOSTDOWN, EHOSTUNREACH, EINTR, ENETDOWN, ENETUNREACH, ENONET, ENOPROTOOPT, EPROTO};
    let gone = [ECONNABORTED, EHOSTDOWN, EHOSTUNREACH, EINTR, ENETDOWN, ENETUNREACH, ENONET, ENOPROTOOPT, EPROTO];
    error.raw_os_error().is_some_and(|code| gone.contains(&code))
}

fn explain(wanted: ListenAddress, error: &io::Error) -> String {
    let (protocol, port) = (wanted.protocol, wanted.port);
    let usual = protocol.ports().map_or(port, |(_, anyone)| anyone);
    let instead = format!("choose another with --listen {protocol}=*:{usual} or `listen` in pillarbox.toml");
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "cannot listen for {wanted}: another program uses port {port} (`ss -ltnp sport = :{port}` names it): stop it, \
             or {instead}"
        ),
        io::ErrorKind::PermissionDenied => {
            format!("cannot listen for {wanted}: port {port} needs root or CAP_NET_BIND_SERVICE: {instead}")
        }
        _ => format!("cannot listen for {wanted}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::serve::Stopper;
    use std::sync::{Arc, Mutex};
    use tokio::io::AsyncReadExt;

    fn any(protocol: &str) -> Listener {
        Listener::bind(format!("{protocol}=127.0.0.1:0").parse().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn all_addresses_are_both_families() {
        let listener = Listener::bind("smtp=*:0".parse().unwrap()).unwrap();
        let port = listener.address().port();
        assert_ne!(port, 0);
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        if listener.address().is_ipv6() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_port_in_use_says_what_to_do() {
        let listener = any("imap");
        let wanted = format!("imap={}", listener.address()).parse().unwrap();
        let error = Listener::bind(wanted).unwrap_err();
        assert!(error.contains("another program uses port") && error.contains("--listen imap=*:2143"), "{error}");
    }

    #[tokio::test]
    async fn one_client_too_many_hears_a_temporary_refusal() {
        for (protocol, expected) in
            [("smtp", "421 4.3.2 "), ("imap", "* BYE [UNAVAILABLE] "), ("pop3", "-ERR [SYS/TEMP] ")]
        {
            let listener = any(protocol);
            let address = listener.address();
            let (stopper, stop) = Stopper::new();
            let permits = Permits::new(2, 1);
            let held = Arc::new(Mutex::new(Vec::new()));
            let accepting = tokio::spawn(listener.accept(permits.clone(), stop, {
                let held = Arc::clone(&held);
                move |stream, _, permit| held.lock().unwrap().push((stream, permit))
            }));
            let _clients = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
            let mut heard = String::new();
            TcpStream::connect(address).await.unwrap().read_to_string(&mut heard).await.unwrap();
            assert!(heard.starts_with(expected) && heard.ends_with("\r\n"), "{heard}");
            assert_eq!(held.lock().unwrap().len(), 2);
            stopper.stop();
            accepting.await.unwrap();
        }
    }
}
