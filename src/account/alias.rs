//! Aliases: addresses of ours that lead to other addresses, here or elsewhere.
//!
//! Each target is an entry of its own, so that an alias may have [`ALIAS_TARGETS_MAX`] of any length. The alias
//! `*@example.org` takes what no other address of its domain takes.

use super::accounts::local_name;
use super::name::Name;
use super::record::{self, AliasRecord};
use super::{AccountError, Accounts};
use crate::limits::{ACCOUNT_PAGE_MAX, ALIAS_TARGETS_MAX};
use crate::mail::{Address, AddressError};
use crate::store::Error;

/// One target of an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasRow {
    /// Canonical address of the alias.
    pub alias: String,
    /// Where it leads.
    pub target: Address,
}

impl Accounts {
    /// Adds targets to an alias, which is made if it is not there.
    ///
    /// # Errors
    /// [`AccountError`] if its domain is not ours, an account has the address, or there would be too many targets.
    pub fn add_alias(&self, alias: &Address, targets: &[Address]) -> Result<(), AccountError> {
        let name = local_name(alias)?;
        if targets.is_empty() {
            return Err(AccountError::NoTargets);
        }
        let mut entries = Vec::with_capacity(targets.len());
        for target in targets {
            let target_name = target_name(target)?;
            if target_name == name {
                return Err(AccountError::AliasToItself(name.to_string()));
            }
            let record = AliasRecord { target: target.to_string() };
            entries.push((record::alias_key(&name, &target_name), Some(record::encode(&record)?)));
        }
        let _change = self.begin_change();
        if !self.has_domain(&name.domain)? {
            return Err(AccountError::NoSuchDomain(name.domain));
        }
        if self.record(&name)?.is_some() {
            return Err(AccountError::AccountExists(name.to_string()));
        }
        let present = self.shelf().range(&record::alias_prefix(&name), None, ALIAS_TARGETS_MAX)?;
        let mut keys: Vec<&[u8]> = present.iter().map(|(key, _)| key.as_slice()).collect();
        keys.extend(entries.iter().map(|(key, _)| key.as_slice()));
        keys.sort_unstable();
        keys.dedup();
        if keys.len() > ALIAS_TARGETS_MAX {
            return Err(AccountError::TooManyTargets(ALIAS_TARGETS_MAX));
        }
        Ok(self.put(entries)?)
    }

    /// Removes one target of an alias, or the alias with all its targets.
    ///
    /// # Errors
    /// [`AccountError`] if there is no such alias or target.
    pub fn remove_alias(&self, alias: &Address, target: Option<&Address>) -> Result<(), AccountError> {
        let name = local_name(alias)?;
        let only = match target {
            Some(target) => Some(record::alias_key(&name, &target_name(target)?)),
            None => None,
        };
        let _change = self.begin_change();
        let mut keys: Vec<Vec<u8>> = self
            .shelf()
            .range(&record::alias_prefix(&name), None, ALIAS_TARGETS_MAX)?
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        if let Some(only) = only {
            keys.retain(|key| *key == only);
        }
        if keys.is_empty() {
            return Err(AccountError::NoSuchAlias(name.to_string()));
        }
        Ok(self.put(keys.into_iter().map(|key| (key, None)).collect())?)
    }

    /// One page of aliases, a row for each target, those behind the row `after`; at most [`ACCOUNT_PAGE_MAX`].
    ///
    /// # Errors
    /// What the store says.
    pub fn aliases(&self, after: Option<&AliasRow>, max: usize) -> Result<Vec<AliasRow>, Error> {
        let after = after.and_then(|row| {
            let alias = Name::of(&Address::parse(&row.alias).ok()?)?;
            Some(record::alias_key(&alias, &Name::of(&row.target)?))
        });
        let prefix = record::alias_domain_prefix(None);
        let page = self.shelf().range(&prefix, after.as_deref(), max.min(ACCOUNT_PAGE_MAX))?;
        page.iter()
            .map(|(key, octets)| {
                let alias = record::alias_of(key).ok_or_else(|| Error::Damaged("directory key of an alias".into()))?;
                Ok(AliasRow { alias: alias.to_string(), target: target_of(&alias, octets)? })
            })
            .collect()
    }

    pub(super) fn has_alias(&self, name: &Name) -> Result<bool, Error> {
        Ok(!self.shelf().range(&record::alias_prefix(name), None, 1)?.is_empty())
    }

    /// Where an alias leads, without following further aliases. Empty: there is no such alias.
    pub(super) fn targets(&self, alias: &Name) -> Result<Vec<Address>, Error> {
        let page = self.shelf().range(&record::alias_prefix(alias), None, ALIAS_TARGETS_MAX)?;
        page.iter().map(|(_, octets)| target_of(alias, octets)).collect()
    }
}

fn target_of(alias: &Name, octets: &[u8]) -> Result<Address, Error> {
    let record: AliasRecord = record::decode(&alias.to_string(), octets)?;
    Address::parse(&record.target).map_err(|_| Error::Damaged(format!("directory entry of {alias}")))
}

fn target_name(target: &Address) -> Result<Name, AccountError> {
    Name::of(target).ok_or_else(|| AccountError::BadAddress(target.to_string(), AddressError::TooLong))
}
