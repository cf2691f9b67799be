//! From an accepted connection to its protocol: the one place that names the drivers.

use super::connection::{Connection, Surroundings};
use super::imap::serve_imap;
use super::permit::Permit;
use super::pop3::serve_pop3;
use super::protocol::Protocol;
use super::services::Services;
use super::smtp::{SmtpService, serve_smtp};
use crate::status::{COUNTERS, Gauge};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;

/// Serves one client to its end.
pub async fn serve(
    protocol: Protocol,
    (stream, peer, permit): (TcpStream, SocketAddr, Permit),
    surroundings: Surroundings,
    services: Arc<Services>,
) {
    let mut connection = Connection::tcp(stream, peer, Some(permit), surroundings);
    let _open = Open::enter(match protocol {
        Protocol::Smtp => &COUNTERS.smtp_open,
        Protocol::Submission | Protocol::Submissions => &COUNTERS.submission_open,
        Protocol::Lmtp => &COUNTERS.lmtp_open,
        Protocol::Imap | Protocol::Imaps => &COUNTERS.imap_open,
        Protocol::Pop3 | Protocol::Pop3s => &COUNTERS.pop3_open,
    });
    log::debug!("[{}] {protocol} connection from {}", connection.session_id(), connection.peer());
    // RFC 8314 3.2.
    if protocol.is_implicit_tls() && connection.start_tls().await.is_err() {
        return;
    }
    // Boxed: a session takes the memory of its own driver, not of the largest one.
    match protocol {
        Protocol::Smtp => Box::pin(serve_smtp(connection, services, SmtpService::Relay)).await,
        Protocol::Submission | Protocol::Submissions => {
            Box::pin(serve_smtp(connection, services, SmtpService::Submission)).await;
        }
        Protocol::Lmtp => Box::pin(serve_smtp(connection, services, SmtpService::Lmtp)).await,
        Protocol::Pop3 | Protocol::Pop3s => Box::pin(serve_pop3(connection, services)).await,
        Protocol::Imap | Protocol::Imaps => Box::pin(serve_imap(connection, services)).await,
    }
}

/// Counts an open connection, also when its driver panics.
struct Open(&'static Gauge);

impl Open {
    fn enter(gauge: &'static Gauge) -> Self {
        gauge.enter();
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.leave();
    }
}
