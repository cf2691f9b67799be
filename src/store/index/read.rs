//! Questions about mailboxes, messages, blobs and the directory. Each costs as much as its answer.

use super::super::{BlobId, Error, MailboxId, MailboxRow, MessageRow, Owner, UidRanges, Usage};
use super::keys::{self, Table};
use super::rows::{self, Mailbox, Message};
use super::tree::Entry;
use super::{BlobRow, Index};
use crate::mail::{Keyword, Uid, UidValidity};
use core::ops::{ControlFlow, RangeInclusive};

impl Index {
    /// A mailbox by its identifier.
    ///
    /// # Errors
    /// If a page is damaged or the medium fails; so for all that follows.
    pub fn mailbox_by_id(&mut self, id: MailboxId) -> Result<Option<MailboxRow>, Error> {
        self.check()?;
        match self.mailbox_record(id)? {
            Some(row) => self.mailbox_row(id, row).map(Some),
            None => Ok(None),
        }
    }

    /// A mailbox by its full name.
    ///
    /// # Errors
    /// See [`Index::mailbox_by_id`].
    pub fn mailbox(&mut self, owner: Owner, name: &str) -> Result<Option<MailboxRow>, Error> {
        self.check()?;
        match self.tree.get(&keys::name(owner, name))? {
            Some(id) => self.mailbox_by_id(MailboxId(keys::last_number(&id))),
            None => Ok(None),
        }
    }

    /// An owner's mailboxes whose names come after `after`, in the order of their names' octets, at most `max`.
    ///
    /// # Errors
    /// See [`Index::mailbox_by_id`].
    pub fn mailboxes(&mut self, owner: Owner, after: Option<&str>, max: usize) -> Result<Vec<MailboxRow>, Error> {
        self.check()?;
        let prefix = keys::name(owner, "");
        let from = after.map_or_else(|| prefix.clone(), |after| keys::after(&keys::name(owner, after)));
        let ids = self.collect(&prefix, &from, max, |_, value| Ok(MailboxId(keys::last_number(value))))?;
        let mut mailboxes = Vec::with_capacity(ids.len());
        for id in ids {
            mailboxes.extend(self.mailbox_by_id(id)?);
        }
        Ok(mailboxes)
    }

    /// How many mailboxes an owner has.
    ///
    /// # Errors
    /// See [`Index::mailbox_by_id`].
    pub fn mailbox_count(&mut self, owner: Owner) -> Result<u64, Error> {
        self.check()?;
        let from = keys::name(owner, "");
        // No name in UTF-8 has this octet.
        let to = [from.as_slice(), &[0xff]].concat();
        self.tree.count(&from, &to)
    }

    /// An owner's subscriptions after `after`, in the order of their octets, at most `max`.
    ///
    /// # Errors
    /// See [`Index::mailbox_by_id`].
    pub fn subscriptions(&mut self, owner: Owner, after: Option<&str>, max: usize) -> Result<Vec<String>, Error> {
        self.check()?;
        let prefix = keys::subscribed(owner, "");
        let from = after.map_or_else(|| prefix.clone(), |after| keys::after(&keys::subscribed(owner, after)));
        self.collect(&prefix, &from, max, |key, _| {
            let name = key.get(prefix.len()..).and_then(|name| core::str::from_utf8(name).ok());
            name.map(str::to_owned).ok_or_else(|| Error::Damaged("index: a subscription's name".to_owned()))
        })
    }

    /// Has an owner subscribed this name?
    ///
    /// # Errors
    /// See [`Index::mailbox_by_id`].
    pub fn is_subscribed(&mut self, owner: Owner, name: &str) -> Result<bool, Error> {
        self.check()?;
        self.tree.contains(&keys::subscribed(owner, name))
    }

    /// How many names an owner has subscribed.
    ///
    /// # Errors
    /// See [`Index::mailbox_by_id`].
    pub fn subscription_count(&mut self, owner: Owner) -> Result<u64, Error> {
        self.check()?;
        let from = keys::subscribed(owner, "");
        // No name in UTF-8 has this octet.
        let to = [from.as_slice(), &[0xff]].concat();
        self.tree.count(&from, &to)
    }

    /// One message.
    ///
    /// # Errors
    /// See [`Index::mailbox_by_id`].
    pub fn message(&mut self, mailbox: MailboxId, uid: Uid) -> Result<Option<MessageRow>, Error> {
        self.check()?;
        Ok(self.message_record(mailbox, uid)?.map(|message| message.with_uid(uid)))
    }

    /// Messages of these UIDs in ascending order, at most `max`: go on from the last one's UID.
    ///
    /// # Errors
    /// See [`Index::mailbox_by_id`].
    pub fn messages_in(&mut self, mailbox: MailboxId, uids: &UidRanges, max: usize) -> Result<Vec<MessageRow>, Error> {
        self.check()?;
        let mut messages = Vec::new();
        for range in uids {
            let rest = max.saturating_sub(messages.len());
            messages.extend(self.rows_in(mailbox, range.clone(), rest)?);
        }
        Ok(messages)
    }

    /// Messages with `\Deleted` of these UIDs in ascending order, at most `max`. Costs as much as there are such.
    ///
    /// # Errors
    /// See [`Index::mailbox_by_id`].
    pub fn deleted_in(&mut self, mailbox: MailboxId, uids: &UidRanges, max: usize) -> Result<Vec<MessageRow>, Error> {
        self.check()?;
        let mut messages = Vec::new();
        for range in uids {
            let rest = max.saturating_sub(messages.len());
            for uid in self.uids_in(Table::Deleted, mailbox, range.clone(), rest)? {
                messages.extend(self.message(mailbox, uid)?);
            }
        }
        Ok(messages)
    }

    /// The identifier that the next mailbox gets.
    #[must_use]
    pub fn next_mailbox_id(&self) -> MailboxId {
        MailboxId(self.counters.next_mailbox.max(1))
    }

    /// The identifier that the next blob gets.
    #[must_use]
    pub fn next_blob_id(&self) -> BlobId {
        BlobId(self.counters.next_blob.max(1))
    }

    /// The largest UIDVALIDITY given so far; `None` before the first mailbox.
    #[must_use]
    pub fn last_uid_validity(&self) -> Option<UidValidity> {
        self.counters.last_uid_validity
    }

    /// What an owner uses.
    ///
    /// # Errors
    /// See [`Index::mailbox_by_id`].
    pub fn usage(&mut self, owner: Owner) -> Result<Usage, Error> {
        self.check()?;
        let used = self.used(owner)?;
        Ok(Usage { messages: used.messages, octets: used.octets })
    }

    /// One blob.
    ///
    /// # Errors
    /// See [`Index::mailbox_by_id`].
    pub fn blob(&mut self, id: BlobId) -> Result<Option<BlobRow>, Error> {
        self.check()?;
        Ok(self.blob_record(id)?.and_then(|row| {
            let place = row.place?;
            let references = row.references;
            Some(BlobRow { event_at: place.event_at, octets: place.octets, summary: place.summary, references })
        }))
    }

    /// Octets of live blobs in a segment of the log, summaries included; headers, events and padding are not.
    ///
    /// # Errors
    /// See [`Index::mailbox_by_id`].
    pub fn segment_live_octets(&mut self, serial: u32) -> Result<u64, Error> {
        self.check()?;
        self.segment_octets(serial)
    }

    /// Segments from `from` on that hold live blobs, and the octets of these, at most `max`.
    ///
    /// # Errors
    /// See [`Index::mailbox_by_id`].
    pub fn segments(&mut self, from: u32, max: usize) -> Result<Vec<(u32, u64)>, Error> {
        self.check()?;
        self.collect(keys::SEGMENTS, &keys::segment(from), max, |key, value| {
            Ok((keys::last_number(key), value.first_chunk().map_or(0, |octets| u64::from_be_bytes(*octets))))
        })
    }

    /// One entry of the directory.
    ///
    /// # Errors
    /// See [`Index::mailbox_by_id`].
    pub fn directory(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.check()?;
        self.tree.get(&keys::directory(key))
    }

    /// Entries of the directory whose keys begin with `prefix` and come after `after`, in order, at most `max`.
    ///
    /// # Errors
    /// See [`Index::mailbox_by_id`].
    pub fn directory_range(&mut self, prefix: &[u8], after: Option<&[u8]>, max: usize) -> Result<Vec<Entry>, Error> {
        self.check()?;
        let prefix = keys::directory(prefix);
        let from = after.map(|after| keys::after(&keys::directory(after))).unwrap_or_default().max(prefix.clone());
        self.collect(&prefix, &from, max, |key, value| {
            // The table's octet is not the caller's.
            Ok((key.get(1..).unwrap_or_default().to_vec(), value.to_vec()))
        })
    }

    /// Messages of a range of UIDs in ascending order, at most `max`.
    pub(super) fn rows_in(
        &mut self,
        mailbox: MailboxId,
        uids: RangeInclusive<u32>,
        max: usize,
    ) -> Result<Vec<MessageRow>, Error> {
        let (from, to) = (Table::Messages.at(mailbox, *uids.start()), Table::Messages.at(mailbox, *uids.end()));
        self.collect_to(&from, &to, max, |key, value| {
            let uid = uid_of(key)?;
            Ok(rows::decode::<Message>(value)?.with_uid(uid))
        })
    }

    /// UIDs of a range that are in a table, in ascending order, at most `max`.
    pub(super) fn uids_in(
        &mut self,
        table: Table,
        mailbox: MailboxId,
        uids: RangeInclusive<u32>,
        max: usize,
    ) -> Result<Vec<Uid>, Error> {
        let (from, to) = (table.at(mailbox, *uids.start()), table.at(mailbox, *uids.end()));
        self.collect_to(&from, &to, max, |key, _| uid_of(key))
    }

    /// Entries from `from` on that begin with `prefix`, at most `max`.
    fn collect<T>(
        &mut self,
        prefix: &[u8],
        from: &[u8],
        max: usize,
        take: impl FnMut(&[u8], &[u8]) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.collect_while(from, max, |key| key.starts_with(prefix), take)
    }

    /// Entries from `from` to `to`, which is among them, at most `max`.
    pub(super) fn collect_to<T>(
        &mut self,
        from: &[u8],
        to: &[u8],
        max: usize,
        take: impl FnMut(&[u8], &[u8]) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.collect_while(from, max, |key| key <= to, take)
    }

    fn collect_while<T>(
        &mut self,
        from: &[u8],
        max: usize,
        belongs: impl Fn(&[u8]) -> bool,
        mut take: impl FnMut(&[u8], &[u8]) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut taken = Vec::new();
        let mut failed = Ok(());
        if max > 0 {
            self.tree.ascend(from, |key, value| {
                if !belongs(key) {
                    return ControlFlow::Break(());
                }
                match take(key, value) {
                    Ok(row) => taken.push(row),
                    Err(error) => failed = Err(error),
                }
                if failed.is_err() || taken.len() == max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        }
        failed.map(|()| taken)
    }

    fn mailbox_row(&mut self, id: MailboxId, row: Mailbox) -> Result<MailboxRow, Error> {
        Ok(MailboxRow {
            id,
            keywords: self.keywords(id, row.keywords)?,
            owner: row.owner,
            name: row.name,
            uid_validity: row.uid_validity,
            uid_next: row.last_uid.checked_add(1).and_then(Uid::new),
            highest_modseq: row.highest_modseq,
            messages: row.messages,
            unseen: row.unseen,
            deleted: row.deleted,
            octets: row.octets,
            special_use: row.special_use,
        })
    }

    /// Names of a mailbox's keywords by position.
    fn keywords(&mut self, mailbox: MailboxId, count: u8) -> Result<Vec<Keyword>, Error> {
        let mut keywords = Vec::with_capacity(usize::from(count));
        for position in 0..count {
            let name = self.tree.get_with(&keys::keyword(mailbox, position), |name| {
                core::str::from_utf8(name).ok().and_then(Keyword::parse)
            })?;
            // A position without a name is not used by any message; it only keeps the others in their places.
            let name = name.flatten().or_else(|| Keyword::parse("$Unnamed"));
            keywords.push(name.ok_or_else(|| Error::Damaged("index: a keyword's name".to_owned()))?);
        }
        Ok(keywords)
    }
}

/// The UID that a key ends with.
pub(super) fn uid_of(key: &[u8]) -> Result<Uid, Error> {
    Uid::new(keys::last_number(key)).ok_or_else(|| Error::Damaged("index: a message without UID".to_owned()))
}
