//! The entries of the store's directory that hold accounts.
//!
//! | key | value |
//! | --- | --- |
//! | `m` | [`Meta`]: the next owner number, the administrator, the secret behind decoys |
//! | `d` domain | nothing: the domain is ours |
//! | `a` domain NUL local part | [`AccountRecord`] |
//! | `c` owner (4 octets, big-endian) | [`super::Credential`] |
//! | `l` domain NUL local part NUL target | [`AliasRecord`]: one target of an alias |
//! | `x` owner (4 octets, big-endian) | nothing: the account is gone, its mail is still being removed |
//!
//! Domains and local parts are canonical ([`super::name`]); no canonical name holds a NUL. A value is a version octet,
//! 1, and what postcard makes of the type. An entry of another version is reported as damaged and never guessed at.

use super::name::Name;
use crate::limits::{ADDRESS_OCTETS_MAX, DIRECTORY_KEY_OCTETS_MAX, DIRECTORY_VALUE_OCTETS_MAX};
use crate::store::{Error, Owner};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const VERSION: u8 = 1;
/// The longest key is an alias with its target: a letter, two addresses of which each has one NUL in the place of `@`
/// or keeps it, and a NUL between them.
const _: () = assert!(1 + ADDRESS_OCTETS_MAX + 1 + ADDRESS_OCTETS_MAX <= DIRECTORY_KEY_OCTETS_MAX);

/// What is known about all accounts together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The number of the next account; never given twice.
    pub next_owner: u32,
    /// Canonical address of the administrator.
    pub administrator: Option<String>,
    /// Random; makes what strangers see of accounts that do not exist, see [`super::Credential::decoy`].
    pub secret: [u8; 32],
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// Owns its mailboxes.
    pub owner: Owner,
    /// Octets; `None`: no limit.
    pub quota: Option<u64>,
}

/// One target of an alias.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasRecord {
    /// The target as it was written: a remote host may care about the case of its local part (RFC 5321 2.4).
    pub target: String,
}

/// Makes a value.
///
/// # Errors
/// [`Error::OverLimit`] if it is longer than a value may be.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    let octets = postcard::to_extend(value, vec![VERSION]).map_err(|_| Error::OverLimit("directory value"))?;
    if octets.len() > DIRECTORY_VALUE_OCTETS_MAX { Err(Error::OverLimit("directory value")) } else { Ok(octets) }
}

/// Reads a value.
///
/// # Errors
/// [`Error::Damaged`] if it is not one of this version and type.
pub fn decode<T: DeserializeOwned>(what: &str, octets: &[u8]) -> Result<T, Error> {
    match octets.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|_| damaged(what)),
        _ => Err(damaged(what)),
    }
}

fn damaged(what: &str) -> Error {
    Error::Damaged(format!("directory entry of {what}"))
}

/// Key of [`Meta`].
pub const META: &[u8] = b"m";

/// Key of a domain; the prefix of all domains if it is empty.
#[must_use]
pub fn domain_key(domain: &str) -> Vec<u8> {
    key(b'd', &[domain])
}

/// The domain that a key names.
#[must_use]
pub fn domain_of(key: &[u8]) -> Option<&str> {
    core::str::from_utf8(key.strip_prefix(b"d")?).ok()
}

/// Key of an account.
#[must_use]
pub fn account_key(name: &Name) -> Vec<u8> {
    key(b'a', &[&name.domain, "\0", &name.local])
}

/// What the keys of a domain's accounts begin with; of all accounts without a domain.
#[must_use]
pub fn account_prefix(domain: Option<&str>) -> Vec<u8> {
    domain.map_or_else(|| vec![b'a'], |domain| key(b'a', &[domain, "\0"]))
}

/// The account that a key names.
#[must_use]
pub fn account_of(key: &[u8]) -> Option<Name> {
    let (domain, local) = core::str::from_utf8(key.strip_prefix(b"a")?).ok()?.split_once('\0')?;
    Some(Name { local: local.to_owned(), domain: domain.to_owned() })
}

/// Key of one target of an alias.
#[must_use]
pub fn alias_key(alias: &Name, target: &Name) -> Vec<u8> {
    key(b'l', &[&alias.domain, "\0", &alias.local, "\0", &target.local, "@", &target.domain])
}

/// What the keys of an alias's targets begin with.
#[must_use]
pub fn alias_prefix(alias: &Name) -> Vec<u8> {
    key(b'l', &[&alias.domain, "\0", &alias.local, "\0"])
}

/// What the keys of a domain's aliases begin with; of all aliases without a domain.
#[must_use]
pub fn alias_domain_prefix(domain: Option<&str>) -> Vec<u8> {
    domain.map_or_else(|| vec![b'l'], |domain| key(b'l', &[domain, "\0"]))
}

/// The alias that a key names.
#[must_use]
pub fn alias_of(key: &[u8]) -> Option<Name> {
    let mut parts = core::str::from_utf8(key.strip_prefix(b"l")?).ok()?.splitn(3, '\0');
    let (domain, local, _target) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Name { local: local.to_owned(), domain: domain.to_owned() })
}

/// Key of an account's credential.
#[must_use]
pub fn credential_key(owner: Owner) -> Vec<u8> {
    owner_key(b'c', owner)
}

/// Key of the note that an account's mail is still being removed.
#[must_use]
pub fn removal_key(owner: Owner) -> Vec<u8> {
    owner_key(b'x', owner)
}

/// What the keys of all such notes begin with.
pub const REMOVALS: &[u8] = b"x";

/// The owner that such a key names.
#[must_use]
pub fn removal_of(key: &[u8]) -> Option<Owner> {
    key.strip_prefix(REMOVALS)?.try_into().ok().map(u32::from_be_bytes).map(Owner)
}

fn key(letter: u8, parts: &[&str]) -> Vec<u8> {
    let mut key = vec![letter];
    for part in parts {
        key.extend_from_slice(part.as_bytes());
    }
    key
}

fn owner_key(letter: u8, owner: Owner) -> Vec<u8> {
    let mut key = vec![letter];
    key.extend_from_slice(&owner.0.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_name_what_they_were_made_of() {
        let ann = Name { local: "ann".into(), domain: "example.org".into() };
        let bob = Name { local: "bob".into(), domain: "example.net".into() };
        assert_eq!(account_of(&account_key(&ann)), Some(ann.clone()));
        assert_eq!(alias_of(&alias_key(&ann, &bob)), Some(ann.clone()));
        assert!(alias_key(&ann, &bob).starts_with(&alias_prefix(&ann)));
        assert!(account_key(&ann).starts_with(&account_prefix(Some("example.org"))));
        assert!(!account_key(&ann).starts_with(&account_prefix(Some("example.or"))));
        assert_eq!(domain_of(&domain_key("example.org")), Some("example.org"));
        assert_eq!(removal_of(&removal_key(Owner(7))), Some(Owner(7)));
        assert_eq!(removal_of(b"x"), None);
    }

    #[test]
    fn the_golden_account_record_stays_readable() {
        // Version 1: owner 300, quota 1 GiB.
        let octets = [1, 0xac, 0x02, 1, 0x80, 0x80, 0x80, 0x80, 0x04];
        let record = AccountRecord { owner: Owner(300), quota: Some(1 << 30) };
        assert_eq!(decode::<AccountRecord>("account", &octets).unwrap(), record);
        assert_eq!(encode(&record).unwrap(), octets);
    }

    proptest! {
        #[test]
        fn records_come_back(owner: u32, quota: Option<u64>, next: u32, secret: [u8; 32]) {
            let record = AccountRecord { owner: Owner(owner), quota };
            let octets = encode(&record).unwrap();
            prop_assert_eq!(decode::<AccountRecord>("account", &octets).unwrap(), record);
            for cut in 0..octets.len() {
                prop_assert!(decode::<AccountRecord>("account", &octets[..cut]).is_err());
            }
            let meta = Meta { next_owner: next, administrator: Some("ann@example.org".into()), secret };
            prop_assert_eq!(decode::<Meta>("meta", &encode(&meta).unwrap()).unwrap(), meta);
        }

        #[test]
        fn any_octets_are_survived(octets: Vec<u8>) {
            let _ = decode::<Meta>("meta", &octets);
            let _ = decode::<AliasRecord>("alias", &octets);
            let _ = (account_of(&octets), alias_of(&octets), domain_of(&octets), removal_of(&octets));
        }
    }
}
