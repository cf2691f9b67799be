//! AUTH (RFC 4954): carries the challenges and responses of a SASL exchange, and says how it ended.

use super::Session;
use crate::limits::{SMTP_AUTH_LINE_OCTETS_MAX, SMTP_COMMAND_TIMEOUT, SMTP_REPLY_TIMEOUT};
use crate::serve::auth::{self, AuthError, Cancelled, Challenge, PeerInfo};
use crate::serve::{Connection, ConnectionError, Line};
use crate::session::smtp::User;
use crate::wire::smtp::Reply;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The exchange's way to the client.
struct Dialogue<'a> {
    connection: &'a mut Connection,
}

impl Challenge for Dialogue<'_> {
    async fn ask(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Cancelled> {
        // RFC 4954 4: an empty challenge still has the space behind its code.
        let line = format!("334 {}\r\n", STANDARD.encode(challenge));
        let asked = async {
            self.connection.write(line.as_bytes(), SMTP_REPLY_TIMEOUT).await?;
            self.connection.flush(SMTP_REPLY_TIMEOUT).await?;
            self.connection.line(SMTP_AUTH_LINE_OCTETS_MAX, SMTP_COMMAND_TIMEOUT).await
        };
        match asked.await.map_err(Cancelled::Connection)? {
            Line::TooLong => Err(Cancelled::TooLong),
            Line::Whole(b"*") => Err(Cancelled::ByClient),
            Line::Whole(line) => STANDARD.decode(line).map_err(|_| Cancelled::BadBase64),
        }
    }
}

impl Session {
    /// What authentication may know of the client.
    pub(super) fn peer(&self) -> PeerInfo {
        PeerInfo::of(&self.connection)
    }

    /// Runs an exchange; the initial response is still in base64.
    pub(super) async fn log_in(
        &mut self,
        mechanism: &str,
        initial: Option<&str>,
    ) -> Result<Result<User, Reply>, ConnectionError> {
        let initial = match initial {
            None => None,
            // RFC 4954 4: a response of no octets.
            Some("=") => Some(Vec::new()),
            Some(text) => match STANDARD.decode(text) {
                Ok(octets) => Some(octets),
                Err(_) => return Ok(Err(BAD_BASE64)),
            },
        };
        let peer = self.peer();
        let mut dialogue = Dialogue { connection: &mut self.connection };
        match auth::authenticate(&self.services, &peer, mechanism, initial, &mut dialogue).await {
            Ok(account) => Ok(Ok(User { owner: account.owner, address: account.address.into() })),
            Err(AuthError::Cancelled(Cancelled::Connection(error))) => Err(error),
            Err(error) => Ok(Err(refused(&error))),
        }
    }
}

const BAD_BASE64: Reply = Reply::new(501, (5, 2), "Cannot decode base64");

/// RFC 4954 4 and 6.
fn refused(error: &AuthError) -> Reply {
    match error {
        AuthError::Invalid => Reply::new(535, (7, 8), "Authentication credentials invalid"),
        AuthError::Throttled { wait } => Reply::new(454, (7, 0), "")
            .with_text(format!("Too many wrong passwords, try again in {} seconds", wait.as_secs().saturating_add(1))),
        AuthError::MechanismUnknown => Reply::new(504, (5, 4), "Mechanism not supported"),
        AuthError::TlsRequired => Reply::new(538, (7, 11), "Encryption required for this mechanism"),
        AuthError::Cancelled(Cancelled::ByClient) => Reply::new(501, (0, 0), "Authentication cancelled"),
        AuthError::Cancelled(Cancelled::BadBase64) => BAD_BASE64,
        AuthError::Cancelled(Cancelled::TooLong) => Reply::new(500, (5, 6), "Authentication line too long"),
        // Said to nobody: the connection is gone.
        AuthError::Cancelled(Cancelled::Connection(_)) | AuthError::Temporary => {
            Reply::new(454, (7, 0), "Temporary authentication failure")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn every_failure_has_its_reply() {
        let code = |error: AuthError| {
            let reply = refused(&error);
            (reply.code(), reply.detail())
        };
        let wait = Duration::from_secs(3);
        for (error, expected) in [
            (AuthError::Invalid, (535, Some((7, 8)))),
            (AuthError::Throttled { wait }, (454, Some((7, 0)))),
            (AuthError::MechanismUnknown, (504, Some((5, 4)))),
            (AuthError::TlsRequired, (538, Some((7, 11)))),
            (AuthError::Cancelled(Cancelled::ByClient), (501, Some((0, 0)))),
            (AuthError::Cancelled(Cancelled::BadBase64), (501, Some((5, 2)))),
            (AuthError::Cancelled(Cancelled::TooLong), (500, Some((5, 6)))),
            (AuthError::Cancelled(Cancelled::Connection(ConnectionError::Closed)), (454, Some((7, 0)))),
            (AuthError::Temporary, (454, Some((7, 0)))),
        ] {
            assert_eq!(code(error), expected);
        }
    }
}
