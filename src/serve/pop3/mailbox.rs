//! A locked INBOX and its numbering.
//!
//! Owns the lock and the view, which holds sequence numbers still for the whole session however the mailbox changes.
//! Rows are read in pages and not kept.

use super::lock::Lock;
use crate::limits::{POP3_MESSAGES_MAX, POP3_PAGE_MESSAGES};
use crate::serve::Services;
use crate::session::pop3::Maildrop;
use crate::store::{Error, MailboxId, MailboxRow, MessageRow, Owner, Store, View};
use core::ops::RangeInclusive;

/// How often it is tried to see counts and numbering of one moment, before the messages are counted one by one.
const TRIES: usize = 8;

/// An open INBOX.
#[derive(Debug)]
pub(super) struct Mailbox {
    id: MailboxId,
    lock: Lock,
    /// `None` only while a read is under way.
    view: Option<View>,
}

impl Mailbox {
    /// Opens the INBOX of the lock's owner and counts it.
    pub(super) async fn open(services: &Services, lock: Lock) -> Result<(Self, Maildrop), Error> {
        let owner = lock.owner();
        let (row, view, counted) = services.store.read(move |store| open(store, owner)).await?;
        let mut mailbox = Self { id: row.id, lock, view: Some(view) };
        let messages = mailbox.view.as_ref().map_or(0, View::exists).min(POP3_MESSAGES_MAX);
        let octets = if counted { row.octets } else { mailbox.count(services, messages).await? };
        Ok((mailbox, Maildrop::new(row.uid_validity, messages, octets)))
    }

    /// Whose it is.
    pub(super) fn owner(&self) -> Owner {
        self.lock.owner()
    }

    /// The mailbox.
    pub(super) fn id(&self) -> MailboxId {
        self.id
    }

    /// Rows of messages that still exist, with their numbers, at most `max`.
    pub(super) async fn rows(
        &mut self,
        services: &Services,
        numbers: RangeInclusive<u32>,
        max: usize,
    ) -> Result<Vec<(u32, MessageRow)>, Error> {
        let mut view = self.view.take().ok_or(Error::ViewLost)?;
        let read = move |store: &Store| (store.messages_by_sequence(&mut view, numbers, max), view);
        let (rows, view) = services.store.read(read).await;
        self.view = Some(view);
        rows
    }

    /// Octets of the first `messages` messages.
    async fn count(&mut self, services: &Services, messages: u32) -> Result<u64, Error> {
        let mut octets = 0_u64;
        let mut next = 1;
        while next <= messages {
            let rows = self.rows(services, next..=messages, POP3_PAGE_MESSAGES).await?;
            octets = rows.iter().fold(octets, |sum, (_, row)| sum.saturating_add(row.octets));
            let Some(&(last, _)) = rows.last() else { break };
            next = last.saturating_add(1);
        }
        Ok(octets)
    }
}

/// A view, and the row of the same moment; false if they are not, or if not all messages can be shown.
fn open(store: &Store, owner: Owner) -> Result<(MailboxRow, View, bool), Error> {
    let inbox = store.mailbox(owner, "INBOX")?.ok_or(Error::NoSuchMailbox)?;
    let mut tries = 0;
    loop {
        let view = store.open_view(inbox.id)?;
        let row = store.mailbox_by_id(inbox.id)?.ok_or(Error::NoSuchMailbox)?;
        let same = row.messages == view.exists() && row.highest_modseq == view.modseq();
        tries += 1;
        if same || tries >= TRIES {
            let counted = same && row.messages <= POP3_MESSAGES_MAX;
            return Ok((row, view, counted));
        }
    }
}
