//! What events do to the messages of a mailbox: their rows, the table of changes, the tables of unseen, deleted and
//! gone messages, and the counts in the mailbox's row.

use super::super::{Error, MailboxId};
use super::Index;
use super::keys::{self, Table};
use super::rows::{self, Gone, Mailbox, Message};
use crate::limits::EXPUNGED_KEPT_MAX;
use crate::mail::{Flags, ModSeq, SystemFlag, Uid};
use core::ops::ControlFlow;

impl Index {
    /// A message came in. One that is there already only takes newer flags: that is how compaction says it again.
    pub(super) fn add_message(
        &mut self,
        mailbox: MailboxId,
        row: &mut Mailbox,
        uid: Uid,
        message: Message,
    ) -> Result<(), Error> {
        row.highest_modseq = row.highest_modseq.max(message.modseq);
        // RFC 9051 2.3.1.1: never reuse, also after the message is gone.
        row.last_uid = row.last_uid.max(uid.get());
        if self.tree.contains(&Table::Messages.at(mailbox, uid.get()))? {
            return self.change_flags(mailbox, row, uid, message.modseq, message.flags);
        }
        self.tree.put(&Table::Messages.at(mailbox, uid.get()), &rows::encode(&message)?)?;
        self.tree.put(&Table::Changes.when(mailbox, message.modseq, uid.get()), &[])?;
        self.mark(mailbox, row, uid, Marks::NONE, Marks::of(message.flags))?;
        row.messages = row.messages.saturating_add(1);
        row.octets = row.octets.saturating_add(message.octets);
        self.refer_to_blob(message.blob)?;
        self.charge(row.owner, 1, message.octets, true)
    }

    /// A message has other flags; nothing if it is gone or was changed later.
    pub(super) fn change_flags(
        &mut self,
        mailbox: MailboxId,
        row: &mut Mailbox,
        uid: Uid,
        modseq: ModSeq,
        flags: Flags,
    ) -> Result<(), Error> {
        let key = Table::Messages.at(mailbox, uid.get());
        let Some(old) = self.message_record(mailbox, uid)? else { return Ok(()) };
        if old.modseq >= modseq {
            return Ok(());
        }
        self.tree.put(&key, &rows::encode(&Message { flags, modseq, ..old })?)?;
        self.tree.remove(&Table::Changes.when(mailbox, old.modseq, uid.get()))?;
        self.tree.put(&Table::Changes.when(mailbox, modseq, uid.get()), &[])?;
        self.mark(mailbox, row, uid, Marks::of(old.flags), Marks::of(flags))
    }

    /// Messages are gone; those that are not there are passed over.
    pub(super) fn expunge(
        &mut self,
        mailbox: MailboxId,
        row: &mut Mailbox,
        modseq: ModSeq,
        uids: &[Uid],
    ) -> Result<(), Error> {
        row.highest_modseq = row.highest_modseq.max(modseq);
        let mut gone = Vec::with_capacity(uids.len());
        for uid in uids {
            if self.remove_message(mailbox, row, *uid)? {
                gone.push(uid.get());
            }
        }
        gone.sort_unstable();
        if modseq > row.gone_floor {
            let mut rest = gone.as_slice();
            while let Some((first, runs)) = Gone::take(&mut rest) {
                if self.tree.put(&Table::Gone.when(mailbox, modseq, first), &rows::encode(&runs)?)? {
                    row.gone_runs = row.gone_runs.saturating_add(runs.len());
                }
            }
        }
        self.forget_gone(mailbox, row)
    }

    /// The row of a message.
    pub(super) fn message_record(&mut self, mailbox: MailboxId, uid: Uid) -> Result<Option<Message>, Error> {
        self.tree.get_with(&Table::Messages.at(mailbox, uid.get()), rows::decode)?.transpose()
    }

    fn remove_message(&mut self, mailbox: MailboxId, row: &mut Mailbox, uid: Uid) -> Result<bool, Error> {
        let Some(old) = self.message_record(mailbox, uid)? else { return Ok(false) };
        self.tree.remove(&Table::Messages.at(mailbox, uid.get()))?;
        self.tree.remove(&Table::Changes.when(mailbox, old.modseq, uid.get()))?;
        self.mark(mailbox, row, uid, Marks::of(old.flags), Marks::NONE)?;
        row.messages = row.messages.saturating_sub(1);
        row.octets = row.octets.saturating_sub(old.octets);
        self.release_blob(old.blob)?;
        self.charge(row.owner, 1, old.octets, false)?;
        Ok(true)
    }

    /// Keeps the tables of unseen and deleted messages and their counts.
    fn mark(&mut self, mailbox: MailboxId, row: &mut Mailbox, uid: Uid, old: Marks, new: Marks) -> Result<(), Error> {
        if self.mark_in(Table::Unseen, mailbox, uid, old.unseen, new.unseen)? {
            row.unseen = counted(row.unseen, new.unseen);
        }
        if self.mark_in(Table::Deleted, mailbox, uid, old.deleted, new.deleted)? {
            row.deleted = counted(row.deleted, new.deleted);
        }
        Ok(())
    }

    fn mark_in(&mut self, table: Table, mailbox: MailboxId, uid: Uid, old: bool, new: bool) -> Result<bool, Error> {
        if old != new {
            self.set(&table.at(mailbox, uid.get()), new.then_some(&[]))?;
        }
        Ok(old != new)
    }

    /// Forgets the oldest of what is gone beyond [`EXPUNGED_KEPT_MAX`] runs. Views that have not taken it in are lost.
    fn forget_gone(&mut self, mailbox: MailboxId, row: &mut Mailbox) -> Result<(), Error> {
        let prefix = Table::Gone.of(mailbox);
        while row.gone_runs > EXPUNGED_KEPT_MAX {
            let mut oldest = None;
            self.tree.ascend(&prefix, |key, value| {
                if key.starts_with(&prefix) {
                    oldest = Some((key.to_vec(), rows::decode::<Gone>(value)));
                }
                ControlFlow::Break(())
            })?;
            let Some((key, runs)) = oldest else {
                row.gone_runs = 0;
                return Ok(());
            };
            row.gone_floor = row.gone_floor.max(keys::last_modseq_uid(&key).0);
            row.gone_runs = row.gone_runs.saturating_sub(runs?.len());
            self.tree.remove(&key)?;
        }
        Ok(())
    }
}

/// In which of the small tables a message is.
#[derive(Clone, Copy)]
struct Marks {
    unseen: bool,
    deleted: bool,
}

impl Marks {
    /// Of a message that is not there.
    const NONE: Self = Self { unseen: false, deleted: false };

    fn of(flags: Flags) -> Self {
        Self { unseen: !flags.has(SystemFlag::Seen), deleted: flags.has(SystemFlag::Deleted) }
    }
}

fn counted(count: u32, more: bool) -> u32 {
    if more { count.saturating_add(1) } else { count.saturating_sub(1) }
}
