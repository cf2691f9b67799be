//! How a command ends, and how responses get to the connection.

use super::Session;
use crate::limits::{IMAP_LEASE_TIMEOUT, IMAP_REPLY_OCTETS, IMAP_WRITE_TIMEOUT};
use crate::mail::Uid;
use crate::serve::ConnectionError;
use crate::session::imap::{Asked, Refusal, Severity, refusal};
use crate::store::{self, WorkingBuffer};
use crate::wire::imap::{Full, Out};

/// A command that was done: what its tagged OK says.
#[derive(Debug)]
pub(super) struct Done {
    /// Response code and argument.
    pub(super) code: Option<(&'static str, Option<String>)>,
    /// For people.
    pub(super) text: &'static str,
}

impl Done {
    /// Without a code.
    pub(super) fn plain(text: &'static str) -> Self {
        Self { code: None, text }
    }

    /// With a code.
    pub(super) fn with(code: &'static str, argument: Option<String>, text: &'static str) -> Self {
        Self { code: Some((code, argument)), text }
    }
}

/// A command that was not done.
#[derive(Debug)]
pub(super) enum Ended {
    /// The client hears this; BYE ends the connection.
    Refused(Refusal),
    /// RFC 5530: this message cannot be read.
    Damaged(Uid),
    /// The client has its tagged response already.
    Answered,
    /// There is nobody to answer, or nothing that could be said where the octets stand now.
    Connection(ConnectionError),
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ConnectionError> for Ended {
    fn from(error: ConnectionError) -> Self {
        Self::Connection(error)
    }
}

impl Session {
    /// Writes what `encode` makes, however long it is, through a small buffer.
    pub(super) async fn say(
        &mut self,
        encode: impl Fn(&mut Out<'_>) -> Result<(), Full>,
    ) -> Result<(), ConnectionError> {
        let mut room = vec![0; IMAP_REPLY_OCTETS];
        let mut said = 0;
        loop {
            let mut out = Out::window(&mut room, said);
            let done = encode(&mut out).is_ok();
            let octets = out.len();
            said = said.saturating_add(u64::try_from(octets).unwrap_or(u64::MAX));
            self.send(room.get(..octets).unwrap_or_default()).await?;
            if done || octets == 0 {
                return Ok(());
            }
        }
    }

    /// Writes octets.
    pub(super) async fn send(&mut self, octets: &[u8]) -> Result<(), ConnectionError> {
        self.unsent = true;
        self.connection.write(octets, IMAP_WRITE_TIMEOUT).await
    }

    /// Sends what was written. Called before the session waits for the client.
    pub(super) async fn flush(&mut self) -> Result<(), ConnectionError> {
        if self.unsent {
            self.connection.flush(IMAP_WRITE_TIMEOUT).await?;
            self.unsent = false;
        }
        Ok(())
    }

    /// A working buffer, unless none becomes free in time. Whoever has one must not wait for the client with it.
    pub(super) async fn lease(&self) -> Result<WorkingBuffer, Ended> {
        let lease = tokio::time::timeout(IMAP_LEASE_TIMEOUT, self.services.buffers.lease()).await;
        lease.map_err(|_| Refusal::no("INUSE", "The server is busy: try again").into())
    }

    /// What the client hears of a store error; the cause goes to the log.
    pub(super) fn refused(&self, error: &store::Error, asked: Asked) -> Ended {
        let refusal = refusal(error, asked);
        let id = self.connection.session_id();
        match (error, refusal.severity) {
            (store::Error::Damaged(_) | store::Error::Medium(_), _) => log::error!("[{id}] IMAP: {error}"),
            (_, Severity::Bye) => log::warn!("[{id}] IMAP: {error}"),
            _ => log::debug!("[{id}] IMAP: {error}"),
        }
        Ended::Refused(refusal)
    }
}
