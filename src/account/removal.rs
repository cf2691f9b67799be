//! Removing an account with its mail, in bounded steps that may be cut short and taken up again.

use super::accounts::local_name;
use super::record::{self, META};
use super::{AccountError, Accounts};
use crate::limits::ACCOUNT_PAGE_MAX;
use crate::mail::Address;
use crate::store::{Error, MailboxId, Owner, Receipt, Transaction};

impl Accounts {
    /// Removes an account and its mail. From the first step on nobody logs in and no mail arrives; then mailboxes are
    /// emptied and removed. If that is cut short, [`Accounts::finish_removals`] goes on with it. Aliases that lead to
    /// the account stay and lead nowhere.
    ///
    /// # Errors
    /// [`AccountError`] if there is no such account, or it is the administrator and there are others.
    pub fn remove_account(&self, address: &Address) -> Result<(), AccountError> {
        let name = local_name(address)?;
        let change = self.begin_change();
        let record = self.existing(&name)?;
        let mut entries = vec![
            (record::account_key(&name), None),
            (record::credential_key(record.owner), None),
            (record::removal_key(record.owner), Some(record::encode(&())?)),
        ];
        if let Some(mut meta) = self.meta()?
            && meta.administrator.as_deref() == Some(name.to_string().as_str())
        {
            if self.shelf().range(&record::account_prefix(None), None, 2)?.len() > 1 {
                return Err(AccountError::IsAdministrator(name.to_string()));
            }
            meta.administrator = None;
            entries.push((META.to_vec(), Some(record::encode(&meta)?)));
        }
        self.put(entries)?;
        drop(change);
        Ok(self.remove_mail(record.owner)?)
    }

    /// Goes on with removals that were cut short; called once at start.
    ///
    /// # Errors
    /// What the store says.
    pub fn finish_removals(&self) -> Result<usize, Error> {
        let mut finished: usize = 0;
        loop {
            let page = self.shelf().range(record::REMOVALS, None, ACCOUNT_PAGE_MAX)?;
            let owners: Vec<Owner> = page.iter().filter_map(|(key, _)| record::removal_of(key)).collect();
            if owners.is_empty() {
                return Ok(finished);
            }
            for owner in owners {
                self.remove_mail(owner)?;
                finished = finished.saturating_add(1);
            }
        }
    }

    fn remove_mail(&self, owner: Owner) -> Result<(), Error> {
        loop {
            let page = self.shelf().mailboxes(owner, None, ACCOUNT_PAGE_MAX)?;
            if page.is_empty() {
                break;
            }
            for mailbox in page {
                self.remove_mailbox(mailbox.id)?;
            }
        }
        loop {
            let names = self.shelf().subscriptions(owner, None, ACCOUNT_PAGE_MAX)?;
            if names.is_empty() {
                break;
            }
            for name in names {
                self.shelf().commit(Transaction::Subscribe { owner, name, subscribed: false })?;
            }
        }
        self.put(vec![(record::removal_key(owner), None)])
    }

    fn remove_mailbox(&self, mailbox: MailboxId) -> Result<(), Error> {
        // A message that was on its way when the account went may still come in between; then once more.
        loop {
            let all = Transaction::Expunge { mailbox, uids: vec![1..=u32::MAX], only_deleted: false };
            match self.shelf().commit(all) {
                // One transaction removes a bounded number.
                Ok(Receipt::Expunged { uids, .. }) if !uids.is_empty() => continue,
                Ok(_) => {}
                Err(Error::NoSuchMailbox) => return Ok(()),
                Err(error) => return Err(error),
            }
            match self.shelf().commit(Transaction::DeleteMailbox { mailbox }) {
                Ok(_) | Err(Error::NoSuchMailbox) => return Ok(()),
                Err(Error::NotEmpty) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
