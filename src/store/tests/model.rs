//! What the store should hold, in plain maps.

use crate::mail::{FlagChange, FlagSelection, Flags, InternalDate, Keyword, Keywords, ModSeq, SpecialUse, Uid};
use crate::store::{Error, MailboxId, Owner, Receipt, Store, UidRanges};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Owners that the tests use.
pub const OWNERS: [Owner; 2] = [Owner(1), Owner(7)];

/// A change, as a test can keep it.
#[derive(Clone, Debug)]
pub enum Op {
    Deliver { targets: Vec<(MailboxId, FlagSelection, Option<u64>)>, body: Arc<Vec<u8>>, summary: Vec<u8> },
    Flags { mailbox: MailboxId, uids: UidRanges, change: FlagChange, flags: FlagSelection, since: Option<ModSeq> },
    Expunge { mailbox: MailboxId, uids: UidRanges, only_deleted: bool },
    Copy { from: MailboxId, uids: UidRanges, to: MailboxId, remove: bool },
    Create { owner: Owner, name: String, special_use: Option<SpecialUse>, subscribed: bool },
    Delete { mailbox: MailboxId },
    Rename { owner: Owner, from: String, to: String },
    Subscribe { owner: Owner, name: String, subscribed: bool },
    Directory(Vec<(Vec<u8>, Option<Vec<u8>>)>),
}

#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    pub flags: Flags,
    pub modseq: ModSeq,
    pub internal_date: InternalDate,
    pub saved: i64,
    pub body: Arc<Vec<u8>>,
    pub summary: Vec<u8>,
}

impl core::fmt::Debug for Message {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let body = (self.body.len(), crc32c::crc32c(&self.body));
        write!(f, "{:?} {:?} {} body {body:?} {}", self.flags, self.modseq, self.saved, self.summary.len())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    pub owner: Owner,
    pub name: String,
    pub uid_validity: u32,
    pub uid_next: u32,
    pub modseq: ModSeq,
    pub special_use: Option<SpecialUse>,
    pub keywords: Vec<Keyword>,
    pub messages: BTreeMap<u32, Message>,
}

/// All that a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    pub mailboxes: BTreeMap<MailboxId, Mailbox>,
    pub subscriptions: BTreeSet<(Owner, String)>,
    pub directory: BTreeMap<Vec<u8>, Vec<u8>>,
    pub next_mailbox: u32,
    pub last_uid_validity: u32,
}

/// The internal date of every message that is delivered.
pub fn internal_date() -> InternalDate {
    InternalDate { unix: 1_600_000_000, zone_minutes: -90 }
}

fn named(uids: &UidRanges, uid: u32) -> bool {
    uids.iter().any(|range| range.contains(&uid))
}

impl Mailbox {
    fn keyword(&mut self, keyword: &Keyword) -> u8 {
        if let Some(at) = self.keywords.iter().position(|known| known.same(keyword)) {
            return at as u8;
        }
        self.keywords.push(keyword.clone());
        (self.keywords.len() - 1) as u8
    }

    fn flags(&mut self, selection: &FlagSelection) -> Flags {
        let mut flags = selection.system;
        flags.keywords = Keywords(0);
        selection.keywords.iter().fold(flags, |flags, keyword| flags.with_keyword(self.keyword(keyword)))
    }

    fn add(&mut self, message: Message) -> Uid {
        let uid = self.uid_next;
        self.uid_next += 1;
        self.messages.insert(uid, message);
        Uid::new(uid).unwrap()
    }
}

impl Model {
    pub fn new() -> Self {
        Self { next_mailbox: 1, ..Self::default() }
    }

    pub fn usage(&self, owner: Owner) -> u64 {
        let own = self.mailboxes.values().filter(|mailbox| mailbox.owner == owner);
        own.flat_map(|mailbox| mailbox.messages.values()).map(|message| message.body.len() as u64).sum()
    }

    fn find(&self, owner: Owner, name: &str) -> Option<MailboxId> {
        self.mailboxes.iter().find(|(_, m)| m.owner == owner && m.name == name).map(|(id, _)| *id)
    }

    /// Does what the store should do.
    pub fn apply(&mut self, op: &Op, now: i64) -> Result<Receipt, Error> {
        let mut after = self.clone();
        let receipt = after.change(op, now)?;
        *self = after;
        Ok(receipt)
    }

    fn change(&mut self, op: &Op, now: i64) -> Result<Receipt, Error> {
        match op {
            Op::Deliver { targets, body, summary } => {
                let mut delivered = Vec::new();
                for (id, flags, quota) in targets {
                    let owner = self.mailboxes.get(id).ok_or(Error::NoSuchMailbox)?.owner;
                    let used = self.usage(owner) + body.len() as u64;
                    if quota.is_some_and(|quota| used > quota) {
                        return Err(Error::OverQuota);
                    }
                    let mailbox = self.mailboxes.get_mut(id).unwrap();
                    mailbox.modseq = mailbox.modseq.next();
                    let message = Message {
                        flags: mailbox.flags(flags),
                        modseq: mailbox.modseq,
                        internal_date: internal_date(),
                        saved: now,
                        body: Arc::clone(body),
                        summary: summary.clone(),
                    };
                    let uid = mailbox.add(message);
                    delivered.push((*id, crate::mail::UidValidity(mailbox.uid_validity.try_into().unwrap()), uid));
                }
                if delivered.is_empty() { Err(Error::NoSuchMailbox) } else { Ok(Receipt::Delivered(delivered)) }
            }
            Op::Flags { mailbox, uids, change, flags, since } => {
                let mailbox = self.mailboxes.get_mut(mailbox).ok_or(Error::NoSuchMailbox)?;
                let there =
                    |m: &Mailbox| m.messages.keys().copied().filter(|uid| named(uids, *uid)).collect::<Vec<_>>();
                let (modified, chosen): (Vec<u32>, Vec<u32>) = there(mailbox)
                    .into_iter()
                    .partition(|uid| since.is_some_and(|since| mailbox.messages[uid].modseq > since));
                let modified = modified.into_iter().map(|uid| Uid::new(uid).unwrap()).collect();
                let mut selected = Flags::NONE;
                if !chosen.is_empty() {
                    match change {
                        FlagChange::Remove => {
                            selected = flags.system;
                            selected.keywords = Keywords(0);
                            for keyword in &flags.keywords {
                                if let Some(at) = mailbox.keywords.iter().position(|known| known.same(keyword)) {
                                    selected = selected.with_keyword(at as u8);
                                }
                            }
                        }
                        FlagChange::Add | FlagChange::Replace => selected = mailbox.flags(flags),
                    }
                }
                let modseq = mailbox.modseq.next();
                let mut changed = false;
                for uid in chosen {
                    let message = mailbox.messages.get_mut(&uid).unwrap();
                    let new = match change {
                        FlagChange::Replace => selected,
                        FlagChange::Add => message.flags.union(selected),
                        FlagChange::Remove => message.flags.minus(selected),
                    };
                    if new != message.flags {
                        (message.flags, message.modseq, changed) = (new, modseq, true);
                    }
                }
                if changed {
                    mailbox.modseq = modseq;
                }
                Ok(Receipt::Stored { modseq: changed.then_some(modseq), modified })
            }
            Op::Expunge { mailbox, uids, only_deleted } => {
                let mailbox = self.mailboxes.get_mut(mailbox).ok_or(Error::NoSuchMailbox)?;
                let deleted = |flags: Flags| flags.has(crate::mail::SystemFlag::Deleted);
                let gone: Vec<u32> = mailbox
                    .messages
                    .iter()
                    .filter(|(uid, message)| named(uids, **uid) && (!only_deleted || deleted(message.flags)))
                    .map(|(uid, _)| *uid)
                    .collect();
                if gone.is_empty() {
                    return Ok(Receipt::Expunged { modseq: None, uids: Vec::new() });
                }
                gone.iter().for_each(|uid| drop(mailbox.messages.remove(uid)));
                mailbox.modseq = mailbox.modseq.next();
                let uids = gone.into_iter().map(|uid| Uid::new(uid).unwrap()).collect();
                Ok(Receipt::Expunged { modseq: Some(mailbox.modseq), uids })
            }
            Op::Copy { from, uids, to, remove } => {
                let source = self.mailboxes.get(from).ok_or(Error::NoSuchMailbox)?.clone();
                let target = self.mailboxes.get_mut(to).ok_or(Error::NoSuchMailbox)?;
                let uid_validity = crate::mail::UidValidity(target.uid_validity.try_into().unwrap());
                let modseq = target.modseq.next();
                let mut pairs = Vec::new();
                for (uid, message) in source.messages.iter().filter(|(uid, _)| named(uids, **uid)) {
                    let mut flags = message.flags;
                    if from != to {
                        flags.keywords = Keywords(0);
                        for (at, name) in source.keywords.iter().enumerate() {
                            if message.flags.has_keyword(at as u8) {
                                flags = flags.with_keyword(target.keyword(name));
                            }
                        }
                    }
                    let new = target.add(Message { flags, modseq, saved: now, ..message.clone() });
                    pairs.push((Uid::new(*uid).unwrap(), new));
                }
                if !pairs.is_empty() {
                    target.modseq = modseq;
                    if *remove {
                        let source = self.mailboxes.get_mut(from).unwrap();
                        source.modseq = source.modseq.next();
                        pairs.iter().for_each(|(uid, _)| drop(source.messages.remove(&uid.get())));
                    }
                }
                Ok(Receipt::Copied { uid_validity, uids: pairs })
            }
            Op::Create { owner, name, special_use, subscribed } => {
                if self.find(*owner, name).is_some() {
                    return Err(Error::MailboxExists);
                }
                let id = MailboxId(self.next_mailbox);
                self.next_mailbox += 1;
                self.last_uid_validity = (self.last_uid_validity + 1).max(u32::try_from(now).unwrap());
                let mailbox = Mailbox {
                    owner: *owner,
                    name: name.clone(),
                    uid_validity: self.last_uid_validity,
                    uid_next: 1,
                    modseq: ModSeq(1),
                    special_use: *special_use,
                    keywords: Vec::new(),
                    messages: BTreeMap::new(),
                };
                self.mailboxes.insert(id, mailbox);
                if *subscribed {
                    self.subscriptions.insert((*owner, name.clone()));
                }
                Ok(Receipt::Created(id))
            }
            Op::Delete { mailbox } => {
                if !self.mailboxes.get(mailbox).ok_or(Error::NoSuchMailbox)?.messages.is_empty() {
                    return Err(Error::NotEmpty);
                }
                self.mailboxes.remove(mailbox);
                Ok(Receipt::Done)
            }
            Op::Rename { owner, from, to } => {
                let below = format!("{from}/");
                if from == to {
                    return Err(Error::MailboxExists);
                }
                if to.starts_with(&below) {
                    return Err(Error::OverLimit("a mailbox cannot be moved below itself"));
                }
                let own = |m: &Mailbox| m.owner == *owner && (m.name == *from || m.name.starts_with(&below));
                let moved: Vec<MailboxId> = self.mailboxes.iter().filter(|(_, m)| own(m)).map(|(id, _)| *id).collect();
                if moved.is_empty() {
                    return Err(Error::NoSuchMailbox);
                }
                for id in &moved {
                    let name = format!("{to}{}", &self.mailboxes[id].name[from.len()..]);
                    if self.find(*owner, &name).is_some() {
                        return Err(Error::MailboxExists);
                    }
                }
                for id in &moved {
                    let mailbox = self.mailboxes.get_mut(id).unwrap();
                    mailbox.name = format!("{to}{}", &mailbox.name[from.len()..]);
                }
                Ok(Receipt::Done)
            }
            Op::Subscribe { owner, name, subscribed } => {
                let key = (*owner, name.clone());
                if *subscribed {
                    self.subscriptions.insert(key)
                } else {
                    self.subscriptions.remove(&key)
                };
                Ok(Receipt::Done)
            }
            Op::Directory(entries) => {
                for (key, value) in entries {
                    match value {
                        Some(value) => self.directory.insert(key.clone(), value.clone()),
                        None => self.directory.remove(key),
                    };
                }
                Ok(Receipt::Done)
            }
        }
    }

    /// Reads all that a store holds through what its callers use, and checks that its counts fit.
    pub fn read(store: &Store) -> Result<Self, Error> {
        let mut model = Self::new();
        model.directory = store.directory_range(b"", None, 10_000)?.into_iter().collect();
        for owner in OWNERS {
            let mut used = (0_u64, 0_u64);
            model.subscriptions.extend(store.subscriptions(owner, None, 10_000)?.into_iter().map(|name| (owner, name)));
            for row in store.mailboxes(owner, None, 10_000)? {
                assert_eq!(store.mailbox(owner, &row.name)?.as_ref(), Some(&row));
                assert_eq!(row.owner, owner);
                let mut view = store.open_view(row.id)?;
                let messages = store.messages_by_uid(&mut view, 1..=u32::MAX, 100_000)?;
                let all: Vec<Flags> = messages.iter().map(|(_, message)| message.flags).collect();
                let with = |flag| all.iter().filter(|flags| flags.has(flag)).count() as u32;
                assert_eq!(row.messages, all.len() as u32);
                assert_eq!(view.exists(), row.messages);
                assert_eq!(row.unseen, row.messages - with(crate::mail::SystemFlag::Seen));
                assert_eq!(row.deleted, with(crate::mail::SystemFlag::Deleted));
                assert_eq!(row.octets, messages.iter().map(|(_, message)| message.octets).sum::<u64>());
                used = (used.0 + u64::from(row.messages), used.1 + row.octets);
                let mut mailbox = Mailbox {
                    owner,
                    name: row.name.clone(),
                    uid_validity: row.uid_validity.get(),
                    uid_next: row.uid_next.unwrap().get(),
                    modseq: row.highest_modseq,
                    special_use: row.special_use,
                    keywords: row.keywords.clone(),
                    messages: BTreeMap::new(),
                };
                for (_, message) in messages {
                    let mut reader = store.open_blob(message.blob)?;
                    assert_eq!(reader.octets(), message.octets);
                    let mut body = vec![0; usize::try_from(message.octets).unwrap() + 1];
                    let read = reader.read_at(0, &mut body)?;
                    body.truncate(read);
                    let kept = Message {
                        flags: message.flags,
                        modseq: message.modseq,
                        internal_date: message.internal_date,
                        saved: message.saved,
                        body: Arc::new(body),
                        summary: store.summary(message.blob)?,
                    };
                    mailbox.messages.insert(message.uid.get(), kept);
                }
                model.mailboxes.insert(row.id, mailbox);
            }
            let usage = store.usage(owner)?;
            assert_eq!((usage.messages, usage.octets), used);
        }
        (model.next_mailbox, model.last_uid_validity) = store.numbers_given();
        Ok(model)
    }
}
