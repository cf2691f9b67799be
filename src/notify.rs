//! Tells the supervisor how a child is: sd_notify(3), as PID 1 of the appliance and systemd understand it.
//!
//! Owns one unbound datagram socket. Without `NOTIFY_SOCKET` nothing is sent and nothing is lost. A supervisor that does
//! not read must not hold up mail: what does not fit its queue is dropped, and the next heartbeat says the same again.
//! A message has at most [`NOTIFY_OCTETS_MAX`] octets. What the words mean is left to those who send and receive them.

use crate::limits::NOTIFY_OCTETS_MAX;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;

/// The variable that names the supervisor's socket.
pub const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// The way to the supervisor. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Notifier(Option<Arc<Supervisor>>);

#[derive(Debug)]
struct Supervisor {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Notifier {
    /// The supervisor that `NOTIFY_SOCKET` names; nobody, if it names none.
    #[must_use]
    pub fn from_environment() -> Self {
        match std::env::var_os(NOTIFY_SOCKET) {
            Some(name) if !name.is_empty() => Self::to(&name).unwrap_or_else(|error| {
                log::warn!("{NOTIFY_SOCKET}={}: {error}: the supervisor hears nothing", name.display());
                Self::default()
            }),
            Some(_) | None => Self::default(),
        }
    }

    /// The supervisor at this address: an absolute path, or `@` and an abstract name (unix(7)).
    ///
    /// # Errors
    /// `InvalidInput` if it is neither, or longer than an address can be; as the operating system says if there is no
    /// socket to be had.
    pub fn to(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] if !name.is_empty() => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            // systemd also knows `vsock:`, for virtual machines as a whole.
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a path nor an abstract name")),
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self(Some(Arc::new(Supervisor { socket, address }))))
    }

    /// Does somebody listen?
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.0.is_some()
    }

    /// Sends `KEY=VALUE` lines in one datagram. Never waits; what cannot be sent is dropped.
    pub fn send(&self, fields: &[(&str, &str)]) {
        if let Err(error) = self.request(fields)
            && self.is_active()
        {
            log::debug!("the supervisor does not hear {fields:?}: {error}");
        }
    }

    /// The same, for what is said only once and must not be lost. Never waits either.
    ///
    /// # Errors
    /// `NotConnected` if nobody listens, as the operating system says if the datagram cannot be sent now.
    pub fn request(&self, fields: &[(&str, &str)]) -> io::Result<()> {
        let supervisor = self.0.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        supervisor.socket.send_to_addr(encode(fields).as_bytes(), &supervisor.address).map(drop)
    }
}

/// One line a field. What does not fit is left out, whole fields from the end.
fn encode(fields: &[(&str, &str)]) -> String {
    let mut message = String::new();
    for (key, value) in fields {
        let octets = message.len().saturating_add(key.len()).saturating_add(value.len()).saturating_add(2);
        if octets > NOTIFY_OCTETS_MAX {
            continue;
        }
        message.push_str(key);
        message.push('=');
        // A line is a field: no value may begin another one.
        message.extend(value.chars().map(|character| if character.is_control() { ' ' } else { character }));
        message.push('\n');
    }
    message
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut octets = [0; NOTIFY_OCTETS_MAX];
        let length = socket.recv(&mut octets).unwrap();
        String::from_utf8(octets.get(..length).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn a_supervisor_hears_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        assert!(notifier.is_active());
        notifier.send(&[("READY", "1"), ("STATUS", "two\nlines=")]);
        assert_eq!(heard(&socket), "READY=1\nSTATUS=two lines=\n");
    }

    #[test]
    fn an_abstract_name_is_an_address_as_well() {
        let name = format!("pillarbox-notify-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Notifier::to(format!("@{name}").as_ref()).unwrap().send(&[("WATCHDOG", "1")]);
        assert_eq!(heard(&socket), "WATCHDOG=1\n");
    }

    #[test]
    fn a_supervisor_that_does_not_read_or_is_gone_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        // More than any queue holds: each call returns.
        (0..5_000).for_each(|_| notifier.send(&[("WATCHDOG", "1")]));
        assert_eq!(heard(&socket), "WATCHDOG=1\n");
        drop(socket);
        notifier.send(&[("WATCHDOG", "1")]);
        assert!(notifier.request(&[("X_PILLARBOX_REQUEST", "reboot")]).is_err());
        assert_eq!(Notifier::default().request(&[]).unwrap_err().kind(), io::ErrorKind::NotConnected);
        Notifier::default().send(&[("WATCHDOG", "1")]);
        assert!(!Notifier::default().is_active());
    }

    #[test]
    fn what_is_no_address_is_said() {
        for name in ["", "@", "notify", "vsock:2:1234", &format!("/{}", "x".repeat(200))] {
            assert!(Notifier::to(name.as_ref()).is_err(), "{name}");
        }
    }

    #[test]
    fn a_field_that_does_not_fit_is_left_out() {
        let long = "x".repeat(NOTIFY_OCTETS_MAX);
        assert_eq!(encode(&[("STATUS", &long), ("READY", "1")]), "READY=1\n");
    }
}
