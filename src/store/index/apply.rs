//! What each event of the log does to the tables of mailboxes, names and the directory; messages are in
//! [`super::messages`], blobs and usage in [`super::account`].
//!
//! An event says what is so after it, so taking it in a second time changes nothing.

use super::super::event::Event;
use super::super::{Error, LogPosition, MailboxId, Owner};
use super::Index;
use super::keys::{self, Table};
use super::rows::{self, Mailbox};
use super::tree::KEY_OCTETS_MAX;
use crate::limits::{KEYWORDS_PER_MAILBOX_MAX, MAILBOX_NAME_OCTETS_MAX};
use crate::mail::{Keyword, ModSeq};
use core::ops::ControlFlow;

/// Rows of deleted mailboxes that each event removes on the side.
const SWEEP_ROWS: usize = 32;
/// Mailboxes that are renamed between two walks through the names.
const RENAME_STEP: usize = 64;

impl Index {
    pub(super) fn take_in(&mut self, event: &Event, at: LogPosition) -> Result<(), Error> {
        self.sweep()?;
        match event {
            Event::MailboxCreated { id, owner, name, uid_validity, special_use } => {
                let next = id.0.saturating_add(1);
                self.counters.next_mailbox = self.counters.next_mailbox.max(next);
                self.counters.last_uid_validity = self.counters.last_uid_validity.max(Some(*uid_validity));
                self.create(
                    *id,
                    Mailbox {
                        owner: *owner,
                        name: name.clone(),
                        uid_validity: *uid_validity,
                        last_uid: 0,
                        // RFC 7162 3.1.2.1: never zero.
                        highest_modseq: ModSeq(1),
                        messages: 0,
                        unseen: 0,
                        deleted: 0,
                        octets: 0,
                        special_use: *special_use,
                        keywords: 0,
                        gone_floor: ModSeq(0),
                        gone_runs: 0,
                    },
                )
            }
            Event::MailboxDeleted { id } => self.delete(*id),
            Event::MailboxRenamed { owner, from, to } => self.rename(*owner, from, to),
            Event::Subscribed { owner, name, subscribed } => {
                self.set(&keys::subscribed(*owner, name), subscribed.then_some(&[]))
            }
            Event::KeywordAdded { mailbox, position, name } => self.add_keyword(*mailbox, *position, name),
            Event::BlobAdded { id, octets, extents, summary } => {
                self.counters.next_blob = self.counters.next_blob.max(id.0.saturating_add(1));
                self.place_blob(*id, at, *octets, extents, *summary)
            }
            Event::MessageAdded { mailbox, uid, modseq, flags, internal_date, saved, octets, blob } => {
                let message = rows::Message {
                    flags: *flags,
                    modseq: *modseq,
                    internal_date: *internal_date,
                    saved: *saved,
                    octets: *octets,
                    blob: *blob,
                };
                self.change_mailbox(*mailbox, |index, row| index.add_message(*mailbox, row, *uid, message))
            }
            Event::FlagsChanged { mailbox, modseq, messages } => self.change_mailbox(*mailbox, |index, row| {
                row.highest_modseq = row.highest_modseq.max(*modseq);
                for (uid, flags) in messages {
                    index.change_flags(*mailbox, row, *uid, *modseq, *flags)?;
                }
                Ok(())
            }),
            Event::Expunged { mailbox, modseq, uids } => {
                self.change_mailbox(*mailbox, |index, row| index.expunge(*mailbox, row, *modseq, uids))
            }
            Event::Directory { key, value } => self.set(&keys::directory(key), value.as_deref()),
        }
    }

    /// Changes a mailbox's row once for all that `change` does; nothing if the mailbox is gone.
    fn change_mailbox(
        &mut self,
        id: MailboxId,
        change: impl FnOnce(&mut Self, &mut Mailbox) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(old) = self.mailbox_record(id)? else { return Ok(()) };
        let mut row = old.clone();
        change(self, &mut row)?;
        if row != old {
            self.tree.put(&keys::mailbox(id), &rows::encode(&row)?)?;
        }
        Ok(())
    }

    /// The row of a mailbox.
    pub(super) fn mailbox_record(&mut self, id: MailboxId) -> Result<Option<Mailbox>, Error> {
        self.tree.get_with(&keys::mailbox(id), rows::decode)?.transpose()
    }

    /// Puts or removes. What is too long for a key or value was never let into the log.
    pub(super) fn set(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), Error> {
        match value {
            _ if key.len() > KEY_OCTETS_MAX => Ok(()),
            Some(value) if value.len() > super::tree::VALUE_OCTETS_MAX => Ok(()),
            Some(value) => self.tree.put(key, value).map(drop),
            None => self.tree.remove(key).map(drop),
        }
    }

    fn create(&mut self, id: MailboxId, row: Mailbox) -> Result<(), Error> {
        if row.name.len() > MAILBOX_NAME_OCTETS_MAX || self.tree.contains(&keys::mailbox(id))? {
            return Ok(());
        }
        let name = keys::name(row.owner, &row.name);
        if !self.tree.contains(&name)? {
            self.tree.put(&name, &id.0.to_be_bytes())?;
        }
        self.tree.put(&keys::mailbox(id), &rows::encode(&row)?).map(drop)
    }

    fn delete(&mut self, id: MailboxId) -> Result<(), Error> {
        let Some(row) = self.mailbox_record(id)? else { return Ok(()) };
        let name = keys::name(row.owner, &row.name);
        if self.tree.get(&name)?.is_some_and(|named| keys::last_number(&named) == id.0) {
            self.tree.remove(&name)?;
        }
        self.tree.remove(&keys::mailbox(id))?;
        // It was empty; if it was not, its messages go with it.
        self.charge(row.owner, u64::from(row.messages), row.octets, false)?;
        self.tree.put(&keys::garbage(id), &[])?;
        self.garbage = true;
        Ok(())
    }

    /// Removes some of what deleted mailboxes left behind: up to thousands of rows, too many for one event.
    fn sweep(&mut self) -> Result<(), Error> {
        if !self.garbage {
            return Ok(());
        }
        let first = self.tree.first_from(keys::GARBAGE)?.filter(|(key, _)| key.starts_with(keys::GARBAGE));
        let Some((marker, _)) = first else {
            self.garbage = false;
            return Ok(());
        };
        let mailbox = MailboxId(keys::last_number(&marker));
        let mut rows = Vec::with_capacity(SWEEP_ROWS);
        for table in Table::ALL {
            let prefix = table.of(mailbox);
            self.tree.ascend(&prefix, |key, value| {
                if !key.starts_with(&prefix) || rows.len() == SWEEP_ROWS {
                    return ControlFlow::Break(());
                }
                rows.push((table, key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })?;
        }
        if rows.is_empty() {
            return self.tree.remove(&marker).map(drop);
        }
        for (table, key, value) in rows {
            if table == Table::Messages {
                self.release_blob(rows::decode::<rows::Message>(&value)?.blob)?;
            }
            self.tree.remove(&key)?;
        }
        Ok(())
    }

    /// RFC 9051 6.3.6: a mailbox and its inferiors. What would take an existing mailbox's name keeps its own.
    fn rename(&mut self, owner: Owner, from: &str, to: &str) -> Result<(), Error> {
        let inferiors = format!("{from}/");
        if from == to || to.starts_with(&inferiors) {
            return Ok(());
        }
        self.rename_one(owner, from, to)?;
        let prefix = keys::name(owner, &inferiors);
        let mut next = prefix.clone();
        loop {
            let mut step: Vec<Vec<u8>> = Vec::with_capacity(RENAME_STEP);
            self.tree.ascend(&next, |key, _| {
                if !key.starts_with(&prefix) || step.len() == RENAME_STEP {
                    return ControlFlow::Break(());
                }
                step.push(key.to_vec());
                ControlFlow::Continue(())
            })?;
            let Some(last) = step.last() else { return Ok(()) };
            next = keys::after(last);
            for key in &step {
                let rest = key.get(prefix.len()..).and_then(|rest| core::str::from_utf8(rest).ok());
                let rest = rest.ok_or_else(|| Error::Damaged("index: a mailbox's name".to_owned()))?;
                self.rename_one(owner, &format!("{inferiors}{rest}"), &format!("{to}/{rest}"))?;
            }
        }
    }

    fn rename_one(&mut self, owner: Owner, from: &str, to: &str) -> Result<(), Error> {
        let (old, new) = (keys::name(owner, from), keys::name(owner, to));
        let Some(id) = self.tree.get(&old)? else { return Ok(()) };
        if to.len() > MAILBOX_NAME_OCTETS_MAX || self.tree.contains(&new)? {
            return Ok(());
        }
        self.tree.remove(&old)?;
        self.tree.put(&new, &id)?;
        self.change_mailbox(MailboxId(keys::last_number(&id)), |_, row| {
            to.clone_into(&mut row.name);
            Ok(())
        })
    }

    fn add_keyword(&mut self, mailbox: MailboxId, position: u8, name: &Keyword) -> Result<(), Error> {
        if usize::from(position) >= KEYWORDS_PER_MAILBOX_MAX {
            return Ok(());
        }
        self.change_mailbox(mailbox, |index, row| {
            row.keywords = row.keywords.max(position.saturating_add(1));
            index.tree.put(&keys::keyword(mailbox, position), name.as_str().as_bytes()).map(drop)
        })
    }
}
