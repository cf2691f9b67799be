//! STARTTLS, LOGIN and AUTHENTICATE.

use super::Session;
use super::reply::{Done, Ended};
use crate::account::Account;
use crate::limits::{IMAP_LOGIN_FAILURES_MAX, IMAP_LOGIN_TIMEOUT, IMAP_WRITE_TIMEOUT, INPUT_BUFFER_OCTETS};
use crate::serve::auth::{self, AuthError, Cancelled, Challenge, PeerInfo};
use crate::serve::{Connection, Line};
use crate::session::imap::{Imap, Refusal};
use crate::wire::base64;
use crate::wire::imap::Out;
use crate::wire::imap::encode::{self, Condition};

/// RFC 9051 6.2.2: challenges and responses in base64, a line each.
struct Exchange<'a>(&'a mut Connection);

impl Challenge for Exchange<'_> {
    async fn ask(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Cancelled> {
        let mut room = vec![0; challenge.len().saturating_mul(2).saturating_add(16)];
        let mut out = Out::new(&mut room);
        // Base64 takes four octets for three.
        encode::continuation_base64(&mut out, challenge).map_err(|_| Cancelled::TooLong)?;
        self.0.write(out.octets(), IMAP_WRITE_TIMEOUT).await.map_err(Cancelled::Connection)?;
        self.0.flush(IMAP_WRITE_TIMEOUT).await.map_err(Cancelled::Connection)?;
        match self.0.line(INPUT_BUFFER_OCTETS, IMAP_LOGIN_TIMEOUT).await.map_err(Cancelled::Connection)? {
            Line::Whole(b"*") => Err(Cancelled::ByClient),
            Line::Whole(line) => base64::decode(line).map_err(|_| Cancelled::BadBase64),
            Line::TooLong => Err(Cancelled::TooLong),
        }
    }
}

impl Session {
    /// SASL mechanisms that may be used now.
    pub(super) fn mechanisms(&self) -> heapless::Vec<&'static str, 8> {
        if self.imap.user().is_some() {
            return heapless::Vec::new();
        }
        auth::mechanisms(&self.services, &PeerInfo::of(&self.connection))
    }

    /// RFC 9051 11.1: no password in the clear, except on this machine where the configuration allows it.
    pub(super) fn may_log_in_plainly(&self) -> bool {
        auth::allows_passwords(&self.services, &PeerInfo::of(&self.connection))
    }

    /// RFC 9051 6.2.1.
    pub(super) async fn start_tls(&mut self, tag: &str) -> Result<Done, Ended> {
        if !self.connection.can_start_tls() {
            let text =
                if self.connection.tls().is_some() { "TLS is active already" } else { "There is no certificate" };
            return Err(Refusal::bad(text).into());
        }
        self.say(|out| encode::tagged(out, tag, Condition::Ok, None, "Begin TLS now")).await?;
        self.unsent = false;
        self.connection.start_tls().await?;
        Err(Ended::Answered)
    }

    /// RFC 9051 6.2.3.
    pub(super) async fn login(&mut self, user: &str, password: &[u8]) -> Result<Done, Ended> {
        if !self.may_log_in_plainly() {
            // RFC 5530: the client should use TLS; the password has crossed the net all the same.
            return Err(Refusal::no("PRIVACYREQUIRED", "Use TLS before you log in").into());
        }
        self.flush().await?;
        let result = auth::login(&self.services, &PeerInfo::of(&self.connection), user, password).await;
        self.logged_in(result)
    }

    /// RFC 9051 6.2.2.
    pub(super) async fn authenticate(&mut self, mechanism: &str, initial: Option<Vec<u8>>) -> Result<Done, Ended> {
        self.flush().await?;
        let peer = PeerInfo::of(&self.connection);
        let mut exchange = Exchange(&mut self.connection);
        let result = auth::authenticate(&self.services, &peer, mechanism, initial, &mut exchange).await;
        self.logged_in(result)
    }

    fn logged_in(&mut self, result: Result<Account, AuthError>) -> Result<Done, Ended> {
        let id = self.connection.session_id();
        match result {
            Ok(account) => {
                log::info!("[{id}] IMAP: {} logged in", account.address);
                self.imap = Imap::logged_in(account.owner, account.address, account.quota);
                // RFC 9051 7.1: spares the client a CAPABILITY command.
                Ok(Done::with("CAPABILITY", Some(self.capabilities()), "Logged in"))
            }
            Err(error) => {
                self.failed_logins = self.failed_logins.saturating_add(1);
                let refusal = refusal_of(error)?;
                if self.failed_logins >= IMAP_LOGIN_FAILURES_MAX {
                    return Err(Refusal::bye(refusal.code, "Too many failed logins").into());
                }
                Err(refusal.into())
            }
        }
    }
}

/// What the client hears of a login that failed.
fn refusal_of(error: AuthError) -> Result<Refusal, Ended> {
    Ok(match error {
        AuthError::Invalid => Refusal::no("AUTHENTICATIONFAILED", "Wrong name or password"),
        AuthError::Throttled { .. } => Refusal::no("UNAVAILABLE", "Too many wrong passwords: wait before the next try"),
        AuthError::MechanismUnknown => Refusal::no("CANNOT", "Unknown mechanism"),
        AuthError::TlsRequired => Refusal::no("PRIVACYREQUIRED", "Use TLS before you log in"),
        AuthError::Temporary => Refusal::no("UNAVAILABLE", "Cannot be checked now: try again"),
        AuthError::Cancelled(Cancelled::ByClient) => Refusal::bad("Cancelled"),
        AuthError::Cancelled(Cancelled::BadBase64) => Refusal::bad("Not base64"),
        AuthError::Cancelled(Cancelled::TooLong) => Refusal::bad("The response is too long"),
        AuthError::Cancelled(Cancelled::Connection(error)) => return Err(error.into()),
    })
}
