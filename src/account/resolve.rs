//! Whom a recipient address reaches.
//!
//! In this order: an alias or account of the whole address; an alias or account of the address without its detail
//! (`user+detail`); for `postmaster` and `abuse`, which every domain must have (RFC 5321 4.5.1, RFC 2142 2), the
//! administrator; the alias `*` of the domain. Aliases may lead to aliases, [`ALIAS_DEPTH_MAX`] deep; whoever has been
//! visited is not visited again, so loops end.

use super::name::Name;
use super::{Account, Accounts};
use crate::limits::{ALIAS_DEPTH_MAX, ALIAS_TARGETS_MAX};
use crate::mail::{Address, ForwardPath};
use crate::store::{Error, Owner};
use std::collections::VecDeque;

/// One account that a message goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Owns the mailboxes.
    pub owner: Owner,
    /// The account's canonical address.
    pub address: String,
    /// RFC 5233: `detail` of `user+detail`.
    pub detail: Option<String>,
    /// Octets; `None`: no limit.
    pub quota: Option<u64>,
}

/// Whom an address reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Accounts of ours, each once, at most [`ALIAS_TARGETS_MAX`].
    Local(Vec<Recipient>),
    /// The domain is ours; nobody there has the address.
    NoSuchUser,
    /// The domain is not ours.
    NotLocal,
    /// An alias of ours that leads, perhaps beside accounts of ours, to these addresses elsewhere.
    RemoteAlias(Vec<Address>),
}

/// Local parts that reach the administrator if nobody else has them.
const ROLES: [&str; 2] = ["postmaster", "abuse"];
/// The alias that takes what nobody else takes.
const REST: &str = "*";

/// What is found under a name, one step.
enum Found {
    Account(Recipient),
    /// Its targets, and the detail that is handed on to them.
    Alias(Vec<Address>, Option<String>),
    Nothing,
}

/// An expansion under way.
#[derive(Default)]
struct Reached {
    local: Vec<Recipient>,
    remote: Vec<Address>,
}

impl Accounts {
    /// Whom a forward path reaches.
    ///
    /// # Errors
    /// What the store says; `OverLimit` if aliases lead to more than [`ALIAS_TARGETS_MAX`] addresses.
    pub fn resolve(&self, path: &ForwardPath) -> Result<Resolution, Error> {
        let address = match path {
            // RFC 5321 4.5.1: `<Postmaster>` without a domain, in any case of letters.
            ForwardPath::Postmaster => {
                let administrator = self.administrator()?.map(recipient);
                return Ok(administrator.map_or(Resolution::NoSuchUser, |one| Resolution::Local(vec![one])));
            }
            ForwardPath::Address(address) => address,
        };
        if !self.is_local_domain(&address.domain)? {
            return Ok(Resolution::NotLocal);
        }
        // Longer in canonical form than an address may be: no account can have it.
        let Some(name) = Name::of(address) else { return Ok(Resolution::NoSuchUser) };
        let reached = self.expand(name)?;
        Ok(if !reached.remote.is_empty() {
            Resolution::RemoteAlias(reached.remote)
        } else if reached.local.is_empty() {
            Resolution::NoSuchUser
        } else {
            Resolution::Local(reached.local)
        })
    }

    /// RFC 5321 3.5.2, EXPN: the addresses that an alias leads to, without following further aliases. `None`: there is
    /// no such list. A name without domain means the one at our only domain.
    ///
    /// # Errors
    /// What the store says.
    pub fn expand_list(&self, list: &str) -> Result<Option<Vec<Address>>, Error> {
        let name = match Address::parse(list) {
            Ok(address) => Name::of(&address),
            Err(_) => self.bare_name(list)?,
        };
        let Some(name) = name else { return Ok(None) };
        let targets = self.targets(&name)?;
        Ok(if targets.is_empty() { None } else { Some(targets) })
    }

    fn expand(&self, name: Name) -> Result<Reached, Error> {
        let mut reached = Reached::default();
        let mut visited = vec![name.clone()];
        let mut waiting = VecDeque::from([(name, None, 0)]);
        while let Some((name, detail, depth)) = waiting.pop_front() {
            match self.find(&name, detail)? {
                Found::Nothing => {}
                Found::Account(recipient) => {
                    if !reached.local.iter().any(|known| known.owner == recipient.owner) {
                        reached.local.push(recipient);
                    }
                }
                Found::Alias(..) if depth == ALIAS_DEPTH_MAX => {
                    log::warn!("alias {name} is more than {ALIAS_DEPTH_MAX} aliases deep and not followed");
                }
                Found::Alias(targets, detail) => {
                    for target in targets {
                        let Some(next) = Name::of(&target) else { continue };
                        if visited.contains(&next) {
                            continue;
                        }
                        if visited.len() > ALIAS_TARGETS_MAX {
                            return Err(Error::OverLimit("addresses that an alias leads to"));
                        }
                        visited.push(next.clone());
                        if self.has_domain(&next.domain)? {
                            waiting.push_back((next, detail.clone(), depth.saturating_add(1)));
                        } else {
                            reached.remote.push(target);
                        }
                    }
                }
            }
        }
        Ok(reached)
    }

    /// `handed_on` is the detail of the alias that led here; the name's own detail comes before it.
    fn find(&self, name: &Name, handed_on: Option<String>) -> Result<Found, Error> {
        if let Some(found) = self.find_exactly(name, handed_on.clone())? {
            return Ok(found);
        }
        let (user, detail) = self.split(&name.local);
        let plain = name.with_local(user);
        let detail = detail.map(str::to_owned).or(handed_on);
        if user.len() < name.local.len()
            && let Some(found) = self.find_exactly(&plain, detail.clone())?
        {
            return Ok(found);
        }
        if ROLES.contains(&user)
            && let Some(account) = self.administrator()?
        {
            return Ok(Found::Account(Recipient { detail, ..recipient(account) }));
        }
        let rest = self.targets(&name.with_local(REST))?;
        Ok(if rest.is_empty() { Found::Nothing } else { Found::Alias(rest, None) })
    }

    fn find_exactly(&self, name: &Name, detail: Option<String>) -> Result<Option<Found>, Error> {
        if let Some(record) = self.record(name)? {
            let address = name.to_string();
            return Ok(Some(Found::Account(Recipient { owner: record.owner, address, detail, quota: record.quota })));
        }
        let targets = self.targets(name)?;
        Ok(if targets.is_empty() { None } else { Some(Found::Alias(targets, detail)) })
    }

    fn split<'a>(&self, local: &'a str) -> (&'a str, Option<&'a str>) {
        let delimiter = self.options().recipient_delimiter;
        match delimiter.and_then(|delimiter| local.split_once(delimiter)) {
            // RFC 5233: a user has a name; `+detail` alone is not one.
            Some((user, detail)) if !user.is_empty() => (user, Some(detail)),
            _ => (local, None),
        }
    }
}

fn recipient(account: Account) -> Recipient {
    Recipient { owner: account.owner, address: account.address, detail: None, quota: account.quota }
}
