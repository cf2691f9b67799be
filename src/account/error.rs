//! What can go wrong when accounts are changed, in words for the person who asked for the change.

use super::hasher::HashError;
use crate::mail::AddressError;
use crate::store;

/// Why an account, domain or alias was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountError {
    /// The text is not a mail address.
    BadAddress(String, AddressError),
    /// The text is not a domain that can have accounts.
    BadDomain(String),
    /// The domain is there already.
    DomainExists(String),
    /// The domain is not one of ours.
    NoSuchDomain(String),
    /// The domain still has an account or alias: one of them.
    DomainInUse(String, String),
    /// An account of this address is there already.
    AccountExists(String),
    /// There is no such account.
    NoSuchAccount(String),
    /// The administrator cannot be removed while there are other accounts.
    IsAdministrator(String),
    /// An alias of this address is there already.
    AliasExists(String),
    /// There is no such alias, or it does not lead to this target.
    NoSuchAlias(String),
    /// An alias cannot lead to itself.
    AliasToItself(String),
    /// An alias cannot lead to other servers yet.
    RemoteTarget(String),
    /// An alias needs at least one target.
    NoTargets,
    /// An alias has at most this many targets.
    TooManyTargets(usize),
    /// The password cannot be used; why.
    BadPassword(&'static str),
    /// No memory for the password hash, or the operating system gave no random octets.
    Hash(HashError),
    /// The store did not do as asked.
    Store(store::Error),
}

impl core::fmt::Display for AccountError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BadAddress(text, AddressError::Syntax) => {
                write!(f, "{text:?} is not a mail address such as ann@example.org")
            }
            Self::BadAddress(text, AddressError::TooLong) => write!(f, "the address {text:?} is too long"),
            Self::BadAddress(text, AddressError::NotAscii) => write!(f, "the address {text:?} is not plain ASCII"),
            Self::BadDomain(text) => write!(f, "{text:?} is not a domain such as example.org"),
            Self::DomainExists(domain) => write!(f, "the domain {domain} is there already"),
            Self::NoSuchDomain(domain) => {
                write!(f, "{domain} is not a domain of this server: add it first with `domain add {domain}`")
            }
            Self::DomainInUse(domain, by) => {
                write!(f, "the domain {domain} is in use, for example by {by}: remove its accounts and aliases first")
            }
            Self::AccountExists(address) => write!(f, "there is an account {address} already"),
            Self::NoSuchAccount(address) => write!(f, "there is no account {address}"),
            Self::IsAdministrator(address) => {
                write!(f, "{address} is the administrator: give that to another account first with `account admin`")
            }
            Self::AliasExists(address) => write!(f, "there is an alias {address} already"),
            Self::NoSuchAlias(address) => write!(f, "there is no alias {address}"),
            Self::AliasToItself(address) => write!(f, "the alias {address} cannot lead to itself"),
            Self::RemoteTarget(address) => write!(
                f,
                "{address} is not at a domain of this server: an alias cannot lead to other servers, \
                 because this version delivers no mail to them"
            ),
            Self::NoTargets => f.write_str("an alias needs at least one address that it leads to"),
            Self::TooManyTargets(max) => write!(f, "an alias leads to {max} addresses at most"),
            Self::BadPassword(why) => f.write_str(why),
            Self::Hash(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for AccountError {}

impl From<store::Error> for AccountError {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<HashError> for AccountError {
    fn from(error: HashError) -> Self {
        Self::Hash(error)
    }
}
