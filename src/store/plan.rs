//! Turns a transaction into records of the batch, or refuses it.
//!
//! A transaction is judged by the index, which knows what is durable, and by the overlay of the batch. Several share a
//! batch as long as each can be judged without the messages that another one of the batch has changed:
//!
//! | transaction | may follow in the same batch |
//! | --- | --- |
//! | deliver, copy into a mailbox | anything but structure |
//! | store, expunge, copy from a mailbox | if the batch has not changed that mailbox, and no structure |
//! | create, delete, rename a mailbox | nothing, and nothing follows it |
//! | subscribe, directory | anything but structure |
//!
//! What does not fit the rule waits for the next batch. A change of a mailbox gets the next modseq of that mailbox
//! (RFC 7162 3.1); all messages of one transaction share it.

mod deliver;
mod messages;
mod structure;

use super::batch::{Batch, NoRoom};
use super::event::Event;
use super::index::Index;
use super::overlay::Overlay;
use super::{Error, MailboxId, MailboxRow, Owner, QuotaRule, Receipt, Transaction};
use crate::limits::KEYWORDS_PER_MAILBOX_MAX;
use crate::mail::{FlagSelection, Flags, Keyword, Keywords, Uid};

/// Why a transaction is not in the batch. Whatever it has put there must be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It cannot happen.
    Error(Error),
    /// The batch is full.
    NoRoom,
    /// It must wait until the batch is durable.
    Conflict,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<NoRoom> for Refusal {
    fn from(NoRoom: NoRoom) -> Self {
        Self::NoRoom
    }
}

/// What the writer knows when it plans.
pub(super) struct Planner<'a> {
    pub(super) index: &'a mut Index,
    pub(super) overlay: &'a Overlay,
    pub(super) batch: &'a mut Batch,
    /// What this transaction changes.
    pub(super) draft: Overlay,
    /// Seconds since 1970.
    pub(super) now: i64,
    /// What is left on the card.
    pub(super) level: Level,
}

/// How much is left on the card. What makes room goes on at any level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// More than the reserve: everything goes.
    #[default]
    Enough,
    /// Less than the reserve: nothing new comes in; what is there may be moved and flagged.
    Low,
    /// Less than half the reserve, or no room in the index: what is there may only be deleted.
    Last,
}

impl Planner<'_> {
    /// Puts the transaction's records into the batch and gives what to answer once they are durable.
    pub(super) fn plan(&mut self, transaction: &Transaction) -> Result<Receipt, Refusal> {
        if self.overlay.is_structural() {
            return Err(Refusal::Conflict);
        }
        match transaction {
            Transaction::Deliver(delivery) => self.deliver(delivery),
            Transaction::StoreFlags { mailbox, uids, change, flags, unchanged_since } => {
                self.store_flags(*mailbox, uids, *change, flags, *unchanged_since)
            }
            Transaction::Expunge { mailbox, uids, only_deleted } => self.expunge(*mailbox, uids, *only_deleted),
            Transaction::Copy { from, uids, to, remove_source, quota } => {
                self.copy(*from, uids, *to, *remove_source, *quota)
            }
            Transaction::CreateMailbox(spec) => self.create(spec),
            Transaction::DeleteMailbox { mailbox } => self.delete(*mailbox),
            Transaction::RenameMailbox { owner, from, to } => self.rename(*owner, from, to),
            Transaction::Subscribe { owner, name, subscribed } => self.subscribe(*owner, name, *subscribed),
            Transaction::Directory(entries) => self.directory(entries),
        }
    }

    /// New mail only as long as more than the reserve is left.
    fn need_room(&self) -> Result<(), Refusal> {
        if self.level > Level::Enough { Err(Error::Full.into()) } else { Ok(()) }
    }

    /// What needs little room goes on down to half of the reserve; the rest is there to delete with.
    fn need_little_room(&self) -> Result<(), Refusal> {
        if self.level > Level::Low { Err(Error::Full.into()) } else { Ok(()) }
    }

    /// A mailbox as it will be when all that is in the batch has happened.
    fn mailbox(&mut self, id: MailboxId) -> Result<MailboxRow, Refusal> {
        if let Some(row) = self.draft.mailbox(id).or_else(|| self.overlay.mailbox(id)) {
            return Ok(row.clone());
        }
        self.index.mailbox_by_id(id)?.ok_or(Refusal::Error(Error::NoSuchMailbox))
    }

    /// A mailbox whose messages are as the index says.
    fn settled_mailbox(&mut self, id: MailboxId) -> Result<MailboxRow, Refusal> {
        if self.overlay.mailbox(id).is_some() { Err(Refusal::Conflict) } else { self.mailbox(id) }
    }

    /// Octets that an owner will use.
    fn usage(&mut self, owner: Owner) -> Result<i128, Refusal> {
        let durable = i128::from(self.index.usage(owner)?.octets);
        Ok(durable.saturating_add(self.overlay.usage(owner)).saturating_add(self.draft.usage(owner)))
    }

    /// May an owner use so many octets more?
    fn check_quota(&mut self, owner: Owner, quota: QuotaRule, octets: i128) -> Result<(), Refusal> {
        match quota {
            QuotaRule::Octets(quota) if self.usage(owner)?.saturating_add(octets) > i128::from(quota) => {
                Err(Error::OverQuota.into())
            }
            QuotaRule::Octets(_) | QuotaRule::Promised => Ok(()),
        }
    }

    /// Takes the mailbox's next UID.
    fn take_uid(row: &mut MailboxRow) -> Result<Uid, Refusal> {
        // RFC 9051 2.3.1.1: UIDs are never reused; when they are used up the mailbox takes no more.
        let uid = row.uid_next.ok_or(Error::OverLimit("the mailbox has no UIDs left"))?;
        row.uid_next = uid.get().checked_add(1).and_then(Uid::new);
        Ok(uid)
    }

    /// Flags by name, as bits of this mailbox. Names that are new there get a position.
    fn flags(&mut self, row: &mut MailboxRow, selection: &FlagSelection) -> Result<Flags, Refusal> {
        let mut flags = system_only(selection.system);
        for keyword in &selection.keywords {
            let position = self.position(row, keyword)?.ok_or(Error::OverLimit("keywords of a mailbox"))?;
            flags = flags.with_keyword(position);
        }
        Ok(flags)
    }

    /// The position of a keyword, new if need be; `None` if the mailbox has no more positions.
    fn position(&mut self, row: &mut MailboxRow, keyword: &Keyword) -> Result<Option<u8>, Refusal> {
        if let Some(known) = known_position(row, keyword) {
            return Ok(Some(known));
        }
        if row.keywords.len() >= KEYWORDS_PER_MAILBOX_MAX {
            return Ok(None);
        }
        let position = u8::try_from(row.keywords.len()).map_err(|_| Error::OverLimit("keywords of a mailbox"))?;
        self.batch.event(&Event::KeywordAdded { mailbox: row.id, position, name: keyword.clone() })?;
        row.keywords.push(keyword.clone());
        Ok(Some(position))
    }
}

/// RFC 9051 2.3.2: keywords are compared without regard to case.
fn known_position(row: &MailboxRow, keyword: &Keyword) -> Option<u8> {
    row.keywords.iter().position(|known| known.same(keyword)).and_then(|at| u8::try_from(at).ok())
}

/// Only the system flags.
fn system_only(mut flags: Flags) -> Flags {
    flags.keywords = Keywords(0);
    flags
}
