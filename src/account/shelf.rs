//! What accounts need of the store, as a trait narrow enough for a map to stand in for it in tests.

use crate::store::{Error, MailboxRow, Owner, Receipt, Store, Transaction, Usage};

/// Keys with their values, in key order.
pub(crate) type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// A directory and the mailboxes of owners. The store is one; all calls block, as the store's do.
pub(crate) trait Shelf: Send + Sync {
    /// One entry of the directory.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;
    /// Entries whose keys begin with `prefix`, in key order, those behind `after`, at most `max`.
    fn range(&self, prefix: &[u8], after: Option<&[u8]>, max: usize) -> Result<Entries, Error>;
    /// Does a transaction; when it comes back, it is on the card.
    fn commit(&self, transaction: Transaction) -> Result<Receipt, Error>;
    /// Mailboxes of an owner.
    fn mailboxes(&self, owner: Owner, after: Option<&str>, max: usize) -> Result<Vec<MailboxRow>, Error>;
    /// Names that an owner is subscribed to.
    fn subscriptions(&self, owner: Owner, after: Option<&str>, max: usize) -> Result<Vec<String>, Error>;
    /// What an owner uses.
    fn usage(&self, owner: Owner) -> Result<Usage, Error>;
}

impl Shelf for Store {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.directory(key)
    }

    fn range(&self, prefix: &[u8], after: Option<&[u8]>, max: usize) -> Result<Entries, Error> {
        self.directory_range(prefix, after, max)
    }

    fn commit(&self, transaction: Transaction) -> Result<Receipt, Error> {
        Self::commit(self, transaction)
    }

    fn mailboxes(&self, owner: Owner, after: Option<&str>, max: usize) -> Result<Vec<MailboxRow>, Error> {
        Self::mailboxes(self, owner, after, max)
    }

    fn subscriptions(&self, owner: Owner, after: Option<&str>, max: usize) -> Result<Vec<String>, Error> {
        Self::subscriptions(self, owner, after, max)
    }

    fn usage(&self, owner: Owner) -> Result<Usage, Error> {
        Self::usage(self, owner)
    }
}
