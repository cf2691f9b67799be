//! IDLE (RFC 9051 6.3.13): changes as they come, until the client says DONE.

use super::Session;
use super::reply::{Done, Ended};
use crate::limits::{IMAP_IDLE_TIMEOUT, IMAP_KEEP_ALIVE_TIMEOUT};
use crate::serve::{ConnectionError, Line};
use crate::session::imap::Refusal;
use crate::wire::imap::encode::{self, Condition};
use tokio::time::{Instant, timeout_at};

/// What ended a wait.
enum Woken {
    Input,
    Changed,
    Quiet,
}

/// DONE and some spaces; a line that is longer is something else.
const DONE_OCTETS_MAX: usize = 1_024;

impl Session {
    /// Waits for changes and for the client, both at once. Holds no buffer while it waits.
    pub(super) async fn idle(&mut self) -> Result<Done, Ended> {
        let mailbox = self.open.as_ref().map(|open| open.view.mailbox());
        let mut feed = mailbox.map(|mailbox| self.services.store.store().subscribe(mailbox));
        self.say(|out| encode::continuation(out, "idling")).await?;
        let end = Instant::now() + IMAP_IDLE_TIMEOUT;
        loop {
            // Subscribed before looking: a change between both is not missed.
            self.tell_changes(true).await?;
            self.flush().await?;
            if !self.connection.buffered().is_empty() {
                break;
            }
            let quiet = (Instant::now() + IMAP_KEEP_ALIVE_TIMEOUT).min(end);
            let changed = async {
                match &mut feed {
                    Some(feed) => feed.changed().await,
                    None => core::future::pending().await,
                }
            };
            let woken = tokio::select! {
                input = self.connection.fill(IMAP_IDLE_TIMEOUT) => input.map(|()| Woken::Input)?,
                changed = timeout_at(quiet, changed) => changed.map_or(Woken::Quiet, |()| Woken::Changed),
            };
            match woken {
                Woken::Input => break,
                Woken::Changed => {}
                Woken::Quiet if Instant::now() >= end => return Err(ConnectionError::TimedOut.into()),
                // Keeps address translators from forgetting the connection, and finds out if the client is gone.
                Woken::Quiet => self.say(|out| encode::untagged(out, Condition::Ok, None, "Still here")).await?,
            }
        }
        match self.connection.line(DONE_OCTETS_MAX, IMAP_KEEP_ALIVE_TIMEOUT).await? {
            Line::Whole(line) if line.trim_ascii().eq_ignore_ascii_case(b"DONE") => Ok(Done::plain("No longer idle")),
            Line::Whole(_) | Line::TooLong => Err(Refusal::bad("DONE was expected").into()),
        }
    }
}
