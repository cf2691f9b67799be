//! Domains whose mail is ours.

use super::accounts::local_domain;
use super::{AccountError, Accounts, record};
use crate::limits::ACCOUNT_PAGE_MAX;
use crate::mail::Domain;
use crate::store::Error;

impl Accounts {
    /// Is mail for this domain ours?
    ///
    /// # Errors
    /// What the store says.
    pub fn is_local_domain(&self, domain: &Domain) -> Result<bool, Error> {
        if domain.is_literal() {
            return Ok(false);
        }
        self.has_domain(&domain.canonical())
    }

    /// The same for a canonical name.
    pub(super) fn has_domain(&self, domain: &str) -> Result<bool, Error> {
        // The empty name would be the prefix of all.
        Ok(!domain.is_empty() && self.shelf().get(&record::domain_key(domain))?.is_some())
    }

    /// Takes a domain's mail from now on.
    ///
    /// # Errors
    /// [`AccountError`] if it is not a domain name or is there already.
    pub fn add_domain(&self, domain: &Domain) -> Result<String, AccountError> {
        let domain = local_domain(domain)?;
        let _change = self.begin_change();
        if self.has_domain(&domain)? {
            return Err(AccountError::DomainExists(domain));
        }
        self.put(vec![(record::domain_key(&domain), Some(record::encode(&())?))])?;
        Ok(domain)
    }

    /// Takes a domain's mail no longer. Refused while it has accounts or aliases.
    ///
    /// # Errors
    /// [`AccountError`] if there is no such domain or it is in use.
    pub fn remove_domain(&self, domain: &Domain) -> Result<String, AccountError> {
        let domain = local_domain(domain)?;
        let _change = self.begin_change();
        if !self.has_domain(&domain)? {
            return Err(AccountError::NoSuchDomain(domain));
        }
        let account = self.shelf().range(&record::account_prefix(Some(&domain)), None, 1)?;
        let alias = self.shelf().range(&record::alias_domain_prefix(Some(&domain)), None, 1)?;
        let accounts = account.iter().filter_map(|(key, _)| record::account_of(key));
        let mut users = accounts.chain(alias.iter().filter_map(|(key, _)| record::alias_of(key)));
        if let Some(user) = users.next() {
            return Err(AccountError::DomainInUse(domain, user.to_string()));
        }
        self.put(vec![(record::domain_key(&domain), None)])?;
        Ok(domain)
    }

    /// One page of domains in the order of their names, those behind `after`; at most [`ACCOUNT_PAGE_MAX`].
    ///
    /// # Errors
    /// What the store says.
    pub fn domains(&self, after: Option<&str>, max: usize) -> Result<Vec<String>, Error> {
        let after = after.map(record::domain_key);
        let page = self.shelf().range(&record::domain_key(""), after.as_deref(), max.min(ACCOUNT_PAGE_MAX))?;
        Ok(page.iter().filter_map(|(key, _)| record::domain_of(key)).map(str::to_owned).collect())
    }
}
