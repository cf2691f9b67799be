//! A shelf of maps, for tests: transactions that accounts use, and mailboxes that count messages.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::shelf::{Entries, Shelf};
use super::{Accounts, Options};
use crate::limits::STORE_MESSAGES_MAX;
use crate::mail::{ModSeq, Uid, UidValidity};
use crate::store::{Error, MailboxId, MailboxRow, Owner, Receipt, Transaction, Usage};
use core::num::NonZeroU32;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

/// All clones are the same shelf.
#[derive(Clone, Default)]
pub(crate) struct MemoryShelf(Arc<Mutex<State>>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) directory: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) mailboxes: BTreeMap<(Owner, String), MailboxRow>,
    pub(crate) subscriptions: BTreeSet<(Owner, String)>,
    /// Commits until one fails; `None`: none does.
    pub(crate) commits_left: Option<u32>,
    next: u32,
}

impl MemoryShelf {
    pub(crate) fn accounts(&self, options: Options) -> Accounts {
        Accounts::over(Box::new(self.clone()), options)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Shelf for MemoryShelf {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.state().directory.get(key).cloned())
    }

    fn range(&self, prefix: &[u8], after: Option<&[u8]>, max: usize) -> Result<Entries, Error> {
        let state = self.state();
        let rows = state.directory.iter().filter(|(key, _)| key.starts_with(prefix));
        let rows = rows.filter(|(key, _)| after.is_none_or(|after| key.as_slice() > after));
        Ok(rows.take(max).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn commit(&self, transaction: Transaction) -> Result<Receipt, Error> {
        let mut state = self.state();
        if let Some(left) = &mut state.commits_left {
            *left = left.checked_sub(1).ok_or(Error::ReadOnly)?;
        }
        match transaction {
            Transaction::Directory(entries) => {
                for (key, value) in entries {
                    assert!(key.len() <= crate::limits::DIRECTORY_KEY_OCTETS_MAX);
                    match value {
                        Some(value) => state.directory.insert(key, value),
                        None => state.directory.remove(&key),
                    };
                }
                Ok(Receipt::Done)
            }
            Transaction::CreateMailbox(spec) => {
                let key = (spec.owner, spec.name.clone());
                if state.mailboxes.contains_key(&key) {
                    return Err(Error::MailboxExists);
                }
                state.next += 1;
                let row = MailboxRow {
                    id: MailboxId(state.next),
                    owner: spec.owner,
                    name: spec.name,
                    uid_validity: UidValidity(NonZeroU32::MIN),
                    uid_next: Some(Uid::MIN),
                    highest_modseq: ModSeq(1),
                    messages: 0,
                    unseen: 0,
                    deleted: 0,
                    octets: 0,
                    special_use: spec.special_use,
                    keywords: Vec::new(),
                };
                if spec.subscribed {
                    state.subscriptions.insert(key.clone());
                }
                let id = row.id;
                state.mailboxes.insert(key, row);
                Ok(Receipt::Created(id))
            }
            Transaction::Expunge { mailbox, .. } => {
                let row = state.mailboxes.values_mut().find(|row| row.id == mailbox).ok_or(Error::NoSuchMailbox)?;
                let gone = row.messages.min(u32::try_from(STORE_MESSAGES_MAX).unwrap());
                row.messages -= gone;
                let uids = (1..=gone).filter_map(Uid::new).collect();
                Ok(Receipt::Expunged { modseq: (gone > 0).then_some(ModSeq(2)), uids })
            }
            Transaction::DeleteMailbox { mailbox } => {
                let row = state.mailboxes.values().find(|row| row.id == mailbox).ok_or(Error::NoSuchMailbox)?;
                if row.messages > 0 {
                    return Err(Error::NotEmpty);
                }
                let key = (row.owner, row.name.clone());
                state.mailboxes.remove(&key);
                Ok(Receipt::Done)
            }
            Transaction::Subscribe { owner, name, subscribed: false } => {
                state.subscriptions.remove(&(owner, name));
                Ok(Receipt::Done)
            }
            other => panic!("accounts do not use {other:?}"),
        }
    }

    fn mailboxes(&self, owner: Owner, after: Option<&str>, max: usize) -> Result<Vec<MailboxRow>, Error> {
        let state = self.state();
        let rows = state.mailboxes.values().filter(|row| row.owner == owner);
        Ok(rows.filter(|row| after.is_none_or(|after| row.name.as_str() > after)).take(max).cloned().collect())
    }

    fn subscriptions(&self, owner: Owner, after: Option<&str>, max: usize) -> Result<Vec<String>, Error> {
        let state = self.state();
        let names = state.subscriptions.iter().filter(|(of, _)| *of == owner).map(|(_, name)| name.clone());
        Ok(names.filter(|name| after.is_none_or(|after| name.as_str() > after)).take(max).collect())
    }

    fn usage(&self, owner: Owner) -> Result<Usage, Error> {
        let state = self.state();
        let mut usage = Usage::default();
        for row in state.mailboxes.values().filter(|row| row.owner == owner) {
            usage.messages += u64::from(row.messages);
            usage.octets += row.octets;
        }
        Ok(usage)
    }
}
