//! Accounts: made, changed, removed and found.

use super::credential::random;
use super::hasher::Hasher;
use super::name::Name;
use super::record::{self, AccountRecord, META, Meta};
use super::shelf::Shelf;
use super::{AccountError, Credential, password};
use crate::limits::{ACCOUNT_PAGE_MAX, SCRAM_ITERATIONS};
use crate::mail::{Address, Domain, SpecialUse};
use crate::store::{Error, MailboxSpec, Owner, Store, Transaction, Usage};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the configuration says about accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// RFC 5233: divides `user+detail`; `None`: no details.
    pub recipient_delimiter: Option<char>,
    /// Iterations of SCRAM keys that are made from now on.
    pub scram_iterations: u32,
    /// Keep passwords for APOP and CRAM-MD5 when they are set.
    pub legacy_logins: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { recipient_delimiter: Some('+'), scram_iterations: SCRAM_ITERATIONS, legacy_logins: false }
    }
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Owns its mailboxes.
    pub owner: Owner,
    /// Canonical address, which is also its login name.
    pub address: String,
    /// Octets; `None`: no limit.
    pub quota: Option<u64>,
    /// Does it administer this server?
    pub administrator: bool,
}

/// An account and what it uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// The account.
    pub account: Account,
    /// What it uses.
    pub usage: Usage,
}

/// Who wants to log in, and what the proof is compared with: a decoy if there is no such account.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The account's address, or what was given in lower case: one account, one name.
    pub name: String,
    /// `None`: no such account; whatever is proved then proves nothing.
    pub account: Option<Account>,
    /// Its credential.
    pub credential: Credential,
}

/// Mailboxes of a new account beside INBOX, with what they are for (RFC 6154).
const SPECIAL_MAILBOXES: [(&str, SpecialUse); 5] = [
    ("Drafts", SpecialUse::Drafts),
    ("Sent", SpecialUse::Sent),
    ("Junk", SpecialUse::Junk),
    ("Trash", SpecialUse::Trash),
    ("Archive", SpecialUse::Archive),
];

/// All accounts, domains and aliases of a store. A clone is the same accounts.
#[derive(Clone)]
pub struct Accounts {
    shared: Arc<Shared>,
}

struct Shared {
    shelf: Box<dyn Shelf>,
    options: Options,
    hasher: Hasher,
    /// Held from the first read to the last write of a change. One process has the store open.
    changes: Mutex<()>,
    /// Stands in for the kept secret until the first account is made.
    secret: [u8; 32],
}

impl Accounts {
    /// The accounts of a store.
    #[must_use]
    pub fn new(store: Store, options: Options) -> Self {
        Self::over(Box::new(store), options)
    }

    /// Accounts over any shelf.
    pub(super) fn over(shelf: Box<dyn Shelf>, options: Options) -> Self {
        // Without randomness decoys could be told from accounts; no more than that, and no account is there yet.
        let secret = random().unwrap_or([0; 32]);
        let shared = Shared { shelf, options, hasher: Hasher::default(), changes: Mutex::new(()), secret };
        Self { shared: Arc::new(shared) }
    }

    pub(super) fn shelf(&self) -> &dyn Shelf {
        self.shared.shelf.as_ref()
    }

    pub(super) fn options(&self) -> Options {
        self.shared.options
    }

    /// Computes password hashes; everything that hashes shares this one and its bounded memory.
    #[must_use]
    pub fn hasher(&self) -> &Hasher {
        &self.shared.hasher
    }

    pub(super) fn begin_change(&self) -> MutexGuard<'_, ()> {
        // The lock guards no data of its own, so a poisoned one is as good.
        self.shared.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn meta(&self) -> Result<Option<Meta>, Error> {
        self.shelf().get(META)?.map(|octets| record::decode("the server", &octets)).transpose()
    }

    pub(super) fn record(&self, name: &Name) -> Result<Option<AccountRecord>, Error> {
        let octets = self.shelf().get(&record::account_key(name))?;
        octets.map(|octets| record::decode(&name.to_string(), &octets)).transpose()
    }

    pub(super) fn put(&self, entries: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<(), Error> {
        self.shelf().commit(Transaction::Directory(entries)).map(|_| ())
    }

    /// The account that logs in under this name: its address, or its local part alone if there is only one domain.
    ///
    /// # Errors
    /// What the store says.
    pub fn account(&self, login: &str) -> Result<Option<Account>, Error> {
        let Some(name) = self.login_name(login)? else { return Ok(None) };
        let Some(record) = self.record(&name)? else { return Ok(None) };
        let administrator = self.meta()?.and_then(|meta| meta.administrator);
        Ok(Some(row(&name, &record, administrator.as_deref())))
    }

    /// The account of an address, which need not be canonical. Aliases and details are not followed.
    ///
    /// # Errors
    /// What the store says.
    pub fn account_of(&self, address: &Address) -> Result<Option<Account>, Error> {
        self.account(&address.to_string())
    }

    /// Who wants to log in. Takes as long for a name without account as for others.
    ///
    /// # Errors
    /// What the store says.
    pub fn candidate(&self, login: &str) -> Result<Candidate, Error> {
        let name = self.login_name(login)?;
        let meta = self.meta()?;
        let record = name.as_ref().map_or(Ok(None), |name| self.record(name))?;
        if let (Some(name), Some(record)) = (&name, &record) {
            let key = record::credential_key(record.owner);
            if let Some(octets) = self.shelf().get(&key)? {
                let credential = record::decode(&name.to_string(), &octets)?;
                let administrator = meta.as_ref().and_then(|meta| meta.administrator.as_deref());
                let account = row(name, record, administrator);
                return Ok(Candidate { name: account.address.clone(), account: Some(account), credential });
            }
        }
        let secret = meta.map_or(self.shared.secret, |meta| meta.secret);
        let shown = name.map_or_else(|| login.to_lowercase(), |name| name.to_string());
        let credential = Credential::decoy(&secret, &shown, self.options().scram_iterations);
        Ok(Candidate { name: shown, account: None, credential })
    }

    fn login_name(&self, login: &str) -> Result<Option<Name>, Error> {
        if let Ok(address) = Address::parse(login) {
            return Ok(Name::of(&address));
        }
        self.bare_name(login)
    }

    /// The address that a local part alone means: the one at our only domain.
    pub(super) fn bare_name(&self, local: &str) -> Result<Option<Name>, Error> {
        if local.contains('@') {
            return Ok(None);
        }
        let domains = self.domains(None, 2)?;
        let [domain] = domains.as_slice() else { return Ok(None) };
        let address = Address::parse(&format!("{local}@{domain}"));
        Ok(address.ok().and_then(|address| Name::of(&address)))
    }

    /// Makes an account with INBOX, Drafts, Sent, Junk, Trash and Archive. The first account of a store is its
    /// administrator. A cut at any moment leaves no account, and the same call then makes it.
    ///
    /// # Errors
    /// [`AccountError`] if its domain is not ours, the address is taken, or the password cannot be used.
    pub fn add_account(&self, address: &Address, password: &str, quota: Option<u64>) -> Result<Account, AccountError> {
        let name = local_name(address)?;
        let password = password::prepare(password.as_bytes()).map_err(AccountError::BadPassword)?;
        // The slow part comes first, outside of the lock.
        let credential = self.derive(&password)?;
        let _change = self.begin_change();
        if !self.has_domain(&name.domain)? {
            return Err(AccountError::NoSuchDomain(name.domain));
        }
        self.enter(&name, &credential, quota, Vec::new())
    }

    /// Makes a domain and an account in it, as [`Accounts::add_account`] does, if there is no domain yet; `None`: there
    /// is one. Domain and account come in one commit: a cut at any moment leaves neither, and the same call then makes
    /// both.
    ///
    /// # Errors
    /// [`AccountError`] if the address cannot be one of ours, or the password cannot be used.
    pub fn add_first_account(&self, address: &Address, password: &str) -> Result<Option<Account>, AccountError> {
        let name = local_name(address)?;
        let domain = local_domain(&address.domain)?;
        let password = password::prepare(password.as_bytes()).map_err(AccountError::BadPassword)?;
        // Nothing is hashed at any later start.
        if !self.domains(None, 1)?.is_empty() {
            return Ok(None);
        }
        let credential = self.derive(&password)?;
        let _change = self.begin_change();
        // Somebody may have added one meanwhile.
        if !self.domains(None, 1)?.is_empty() {
            return Ok(None);
        }
        let domain = (record::domain_key(&domain), Some(record::encode(&())?));
        self.enter(&name, &credential, None, vec![domain]).map(Some)
    }

    /// Enters a new account, and `entries` with it in the same commit. The caller holds the lock of changes.
    fn enter(
        &self,
        name: &Name,
        credential: &Credential,
        quota: Option<u64>,
        mut entries: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    ) -> Result<Account, AccountError> {
        if self.record(name)?.is_some() {
            return Err(AccountError::AccountExists(name.to_string()));
        }
        if self.has_alias(name)? {
            return Err(AccountError::AliasExists(name.to_string()));
        }
        let mut meta = match self.meta()? {
            Some(meta) => meta,
            None => Meta { next_owner: 1, administrator: None, secret: random()? },
        };
        let owner = Owner(meta.next_owner);
        self.create_mailboxes(owner)?;
        meta.next_owner = meta.next_owner.checked_add(1).ok_or(Error::OverLimit("accounts ever made"))?;
        let administrator = meta.administrator.get_or_insert_with(|| name.to_string()).clone();
        let record = AccountRecord { owner, quota };
        entries.extend([
            (META.to_vec(), Some(record::encode(&meta)?)),
            (record::credential_key(owner), Some(record::encode(credential)?)),
            (record::account_key(name), Some(record::encode(&record)?)),
        ]);
        self.put(entries)?;
        Ok(row(name, &record, Some(&administrator)))
    }

    fn create_mailboxes(&self, owner: Owner) -> Result<(), Error> {
        let special = SPECIAL_MAILBOXES.map(|(name, special_use)| (name, Some(special_use)));
        for (name, special_use) in core::iter::once(("INBOX", None)).chain(special) {
            let spec = MailboxSpec { owner, name: name.to_owned(), special_use, subscribed: true };
            match self.shelf().commit(Transaction::CreateMailbox(spec)) {
                // Left by an attempt that was cut short: the number has not been given to anyone.
                Ok(_) | Err(Error::MailboxExists) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn derive(&self, password: &str) -> Result<Credential, AccountError> {
        let options = self.options();
        Ok(Credential::derive(password, self.hasher(), options.scram_iterations, options.legacy_logins)?)
    }

    /// Sets an account's password. Earlier logins stay open; new ones need the new password.
    ///
    /// # Errors
    /// [`AccountError`] if there is no such account or the password cannot be used.
    pub fn set_password(&self, address: &Address, password: &str) -> Result<Account, AccountError> {
        let name = local_name(address)?;
        let password = password::prepare(password.as_bytes()).map_err(AccountError::BadPassword)?;
        let credential = self.derive(&password)?;
        let _change = self.begin_change();
        let record = self.existing(&name)?;
        self.put(vec![(record::credential_key(record.owner), Some(record::encode(&credential)?))])?;
        self.shown(&name, &record)
    }

    /// Sets an account's quota in octets; `None`: no limit.
    ///
    /// # Errors
    /// [`AccountError`] if there is no such account.
    pub fn set_quota(&self, address: &Address, quota: Option<u64>) -> Result<Account, AccountError> {
        let name = local_name(address)?;
        let _change = self.begin_change();
        let record = AccountRecord { quota, ..self.existing(&name)? };
        self.put(vec![(record::account_key(&name), Some(record::encode(&record)?))])?;
        self.shown(&name, &record)
    }

    /// Makes an account the administrator in the place of the one before.
    ///
    /// # Errors
    /// [`AccountError`] if there is no such account.
    pub fn set_administrator(&self, address: &Address) -> Result<Account, AccountError> {
        let name = local_name(address)?;
        let _change = self.begin_change();
        let record = self.existing(&name)?;
        let mut meta = self.meta()?.ok_or_else(|| AccountError::NoSuchAccount(name.to_string()))?;
        meta.administrator = Some(name.to_string());
        self.put(vec![(META.to_vec(), Some(record::encode(&meta)?))])?;
        self.shown(&name, &record)
    }

    pub(super) fn existing(&self, name: &Name) -> Result<AccountRecord, AccountError> {
        self.record(name)?.ok_or_else(|| AccountError::NoSuchAccount(name.to_string()))
    }

    fn shown(&self, name: &Name, record: &AccountRecord) -> Result<Account, AccountError> {
        let administrator = self.meta()?.and_then(|meta| meta.administrator);
        Ok(row(name, record, administrator.as_deref()))
    }

    /// One page of accounts with what they use, by domain and name, those behind the address `after`; at most
    /// [`ACCOUNT_PAGE_MAX`]. An empty page is the end.
    ///
    /// # Errors
    /// What the store says.
    pub fn accounts(&self, after: Option<&str>, max: usize) -> Result<Vec<AccountRow>, Error> {
        let after = after.and_then(|text| Address::parse(text).ok()).and_then(|address| Name::of(&address));
        let after = after.map(|name| record::account_key(&name));
        let administrator = self.meta()?.and_then(|meta| meta.administrator);
        let page = self.shelf().range(&record::account_prefix(None), after.as_deref(), max.min(ACCOUNT_PAGE_MAX))?;
        let mut rows = Vec::with_capacity(page.len());
        for (key, octets) in page {
            let name = record::account_of(&key).ok_or_else(|| Error::Damaged("directory key of an account".into()))?;
            let record: AccountRecord = record::decode(&name.to_string(), &octets)?;
            let usage = self.shelf().usage(record.owner)?;
            rows.push(AccountRow { account: row(&name, &record, administrator.as_deref()), usage });
        }
        Ok(rows)
    }

    /// The account that is asked when nobody else is responsible.
    ///
    /// # Errors
    /// What the store says.
    pub fn administrator(&self) -> Result<Option<Account>, Error> {
        match self.meta()?.and_then(|meta| meta.administrator) {
            Some(address) => self.account(&address),
            None => Ok(None),
        }
    }
}

impl core::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Accounts").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

pub(super) fn row(name: &Name, record: &AccountRecord, administrator: Option<&str>) -> Account {
    let address = name.to_string();
    let administrator = administrator == Some(address.as_str());
    Account { owner: record.owner, address, quota: record.quota, administrator }
}

/// The canonical form of an address that is to be, or to lead to, an account of ours.
pub(super) fn local_name(address: &Address) -> Result<Name, AccountError> {
    if address.domain.is_literal() {
        return Err(AccountError::BadDomain(address.domain.to_string()));
    }
    let too_long = || AccountError::BadAddress(address.to_string(), crate::mail::AddressError::TooLong);
    Name::of(address).ok_or_else(too_long)
}

/// Reads a domain as a person typed it.
pub(super) fn local_domain(domain: &Domain) -> Result<String, AccountError> {
    let canonical = domain.canonical();
    let parsed = Domain::parse(&canonical).ok().filter(|domain| !domain.is_literal());
    parsed.map(|_| canonical).ok_or_else(|| AccountError::BadDomain(domain.to_string()))
}
