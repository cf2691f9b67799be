//! Logging in: which mechanisms a connection may use, the SASL exchange with its client, and the check of what it proves.
//!
//! Owns [`AuthState`]: wrong passwords that are counted, passwords that were right a short while ago, and the turns of
//! password hashes. A hash takes long and much memory, so one is computed at a time, on a thread where blocking is
//! allowed; the queue for it is bounded and strangers have the smaller part of it. Every login leaves one line in the
//! log and no secret. Reading and writing lines, base64 and the replies of each protocol are left to the drivers.
//!
//! | mechanism | in the clear | on loopback with `plain_login_on_loopback` | under TLS |
//! | --- | --- | --- | --- |
//! | SCRAM-SHA-256-PLUS (listed with `list_scram_plus`) | - | - | TLS 1.3 |
//! | SCRAM-SHA-256 | yes | yes | yes |
//! | PLAIN, LOGIN, IMAP LOGIN, POP3 USER and PASS | - | yes | yes |
//! | CRAM-MD5, APOP | with `legacy_logins` | with `legacy_logins` | with `legacy_logins` |

mod desk;
mod state;

#[cfg(test)]
mod tests;

pub use state::AuthState;

use super::{Connection, ConnectionError, Services, TlsInfo};
use crate::account::Account;
use core::time::Duration;
use desk::{Desk, Lookups};
use std::net::SocketAddr;

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its address.
    pub address: SocketAddr,
    /// What TLS negotiated; `None` in the clear.
    pub tls: Option<TlsInfo>,
    /// Is it from this machine?
    pub loopback: bool,
    /// What log lines begin with.
    pub session: u64,
}

impl PeerInfo {
    /// The peer of a connection as it is now: ask again after STARTTLS.
    #[must_use]
    pub fn of(connection: &Connection) -> Self {
        Self {
            address: connection.peer(),
            tls: connection.tls().cloned(),
            loopback: connection.is_loopback(),
            session: connection.session_id(),
        }
    }
}

/// Why a client did not answer a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It sent `*` (RFC 4954 4, RFC 9051 6.2.2, RFC 5034 4).
    ByClient,
    /// What it sent is not base64.
    BadBase64,
    /// What it sent is longer than a line may be.
    TooLong,
    /// The connection is gone.
    Connection(ConnectionError),
}

/// Why somebody is not logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// Wrong name or password, or a message that is not the mechanism's.
    Invalid,
    /// Too many wrong passwords: nothing is looked at before this time has passed.
    Throttled {
        /// How long.
        wait: Duration,
    },
    /// There is no such mechanism, or it is switched off.
    MechanismUnknown,
    /// Not without TLS.
    TlsRequired,
    /// The client did not answer.
    Cancelled(Cancelled),
    /// The store did not answer, or too many log in at this moment: try again.
    Temporary,
}

/// Sends a challenge and brings the client's response: the driver's part of a SASL exchange.
pub trait Challenge {
    /// Sends `challenge` in base64 as the protocol frames it, and gives the client's response, decoded.
    /// Implementors may write it as an `async fn`.
    fn ask(&mut self, challenge: &[u8]) -> impl Future<Output = Result<Vec<u8>, Cancelled>> + Send;
}

/// The mechanisms to advertise on this connection now, strongest first.
#[must_use]
pub fn mechanisms(services: &Services, peer: &PeerInfo) -> heapless::Vec<&'static str, 8> {
    services.auth.mechanisms(peer)
}

/// May a password cross this connection now? If not, IMAP says LOGINDISABLED and POP3 does not offer USER.
#[must_use]
pub fn allows_passwords(services: &Services, peer: &PeerInfo) -> bool {
    services.auth.allows_passwords(peer)
}

/// A SASL exchange from its beginning to its end. `initial`: the client's initial response, decoded; an empty one
/// (`=`) is `Some` of nothing.
///
/// # Errors
/// [`AuthError`] if the client is not logged in.
pub async fn authenticate(
    services: &Services,
    peer: &PeerInfo,
    mechanism: &str,
    initial: Option<Vec<u8>>,
    client: &mut (impl Challenge + Send),
) -> Result<Account, AuthError> {
    desk(services, peer).authenticate(mechanism, initial, client).await
}

/// IMAP LOGIN, POP3 USER and PASS: a name and a password.
///
/// # Errors
/// [`AuthError`] if the client is not logged in.
pub async fn login(services: &Services, peer: &PeerInfo, user: &str, password: &[u8]) -> Result<Account, AuthError> {
    desk(services, peer).login(user, password).await
}

/// POP3 APOP (RFC 1939 7): `timestamp` as in the greeting, with its angle brackets; `digest` as the client sent it.
///
/// # Errors
/// [`AuthError`] if the client is not logged in.
pub async fn apop(
    services: &Services,
    peer: &PeerInfo,
    user: &str,
    timestamp: &str,
    digest: &[u8],
) -> Result<Account, AuthError> {
    desk(services, peer).apop(user, timestamp, digest).await
}

fn desk<'a>(services: &'a Services, peer: &'a PeerInfo) -> Desk<'a> {
    Desk { accounts: &services.accounts, state: &services.auth, peer, lookups: Lookups::Store(&services.store) }
}
