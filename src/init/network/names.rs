//! This machine's name on the local network: multicast DNS (RFC 6762) and what it serves (RFC 6763) by `mdns-sd`.
//!
//! Owns that crate's one thread. It answers questions and asks none, so that it keeps nothing of what others say; its queues
//! have 100 places. It looks for changed addresses every few seconds by itself. The name on the Internet is not its matter.

use super::interfaces;
use crate::limits::{NAMES_GOODBYE_TIMEOUT, NAMES_LOOK_INTERVAL};
use crate::serve::Protocol;
use mdns_sd::{DaemonEvent, IfKind, IfPredicate, Receiver, ServiceDaemon, ServiceInfo};
use std::path::Path;

/// RFC 6186 3 and RFC 8314 5.1: how mail programs look for services.
const SERVICES: [(&str, Protocol); 4] = [
    ("_imaps._tcp.local.", Protocol::Imaps),
    ("_submissions._tcp.local.", Protocol::Submissions),
    ("_submission._tcp.local.", Protocol::Submission),
    ("_imap._tcp.local.", Protocol::Imap),
];

/// The announced names.
pub struct Names {
    daemon: ServiceDaemon,
    events: Receiver<DaemonEvent>,
}

impl Names {
    /// Announces `HOST_NAME.local` and the mail services of this machine on all wired interfaces, now and in future.
    ///
    /// # Errors
    /// If there is no thread or no socket to be had.
    pub fn announce(host_name: &str, only: Option<String>) -> Result<Self, mdns_sd::Error> {
        let daemon = ServiceDaemon::new()?;
        let events = daemon.monitor()?;
        let is_ours = move |name: &str| {
            only.as_deref().is_none_or(|only| only == name) && interfaces::is_wired(Path::new("/"), name)
        };
        daemon.disable_interface(IfKind::Predicate(IfPredicate::new(move |interface| !is_ours(&interface.name))))?;
        daemon.set_ip_check_interval(NAMES_LOOK_INTERVAL)?;
        for (kind, protocol) in SERVICES {
            let Some((port, _)) = protocol.ports() else { continue };
            // RFC 6763 4.1.1: the instance's name is for people; ours is what they have called the machine.
            let service = ServiceInfo::new(kind, host_name, &format!("{host_name}.local."), "", port, None)?;
            daemon.register(service.enable_addr_auto())?;
        }
        Ok(Self { daemon, events })
    }

    /// Logs what has happened since the last call.
    pub fn look(&self) {
        for event in self.events.try_iter() {
            match event {
                // RFC 6762 9: another machine had the name first.
                DaemonEvent::NameChange(change) => log::warn!(
                    "{} is already the name of another machine here; this one is called {}",
                    change.original,
                    change.new_name
                ),
                DaemonEvent::Error(error) => log::warn!("mDNS: {error}"),
                DaemonEvent::Announce(..) | DaemonEvent::IpAdd(_) | DaemonEvent::IpDel(_) | DaemonEvent::Respond(_) => {
                }
                _ => {}
            }
        }
    }

    /// RFC 6762 10.1: says goodbye, so that nobody waits for a machine that is off.
    pub fn withdraw(self) {
        if let Ok(done) = self.daemon.shutdown() {
            // Without an answer the names expire by themselves.
            let _ = done.recv_timeout(NAMES_GOODBYE_TIMEOUT);
        }
    }
}
