//! What a person asks for on the command line: `account`, `alias` and `domain` with their verbs.
//!
//! A command is a value that travels over the local control socket to a running server, or is executed at once when
//! none is running. A password is in it only if the person gave one; otherwise one is generated and shown once.

use super::answer::{Answer, Row};
use super::{AccountError, AccountRow, Accounts, AliasRow, HashError, password};
use crate::limits::ACCOUNT_PAGE_MAX;
use crate::mail::{Address, Domain};
use serde::{Deserialize, Serialize};

/// One command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// `account ...`
    Account(AccountCommand),
    /// `alias ...`
    Alias(AliasCommand),
    /// `domain ...`
    Domain(DomainCommand),
}

/// `account ...`
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountCommand {
    /// `account add ADDRESS [--quota OCTETS] [--password-stdin]`
    Add {
        /// The new account.
        address: String,
        /// `None`: generate one.
        password: Option<String>,
        /// Octets; `None`: no limit.
        quota: Option<u64>,
    },
    /// `account passwd ADDRESS [--password-stdin]`
    Passwd {
        /// Whose.
        address: String,
        /// `None`: generate one.
        password: Option<String>,
    },
    /// `account quota ADDRESS OCTETS|none`
    Quota {
        /// Whose.
        address: String,
        /// Octets; `None`: no limit.
        quota: Option<u64>,
    },
    /// `account admin ADDRESS`
    Admin {
        /// The new administrator.
        address: String,
    },
    /// `account remove ADDRESS`
    Remove {
        /// Which one; its mail goes too.
        address: String,
    },
    /// `account list`
    List {
        /// Those behind this address; `None`: from the beginning.
        after: Option<String>,
    },
}

/// `alias ...`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AliasCommand {
    /// `alias add ADDRESS TARGET...`
    Add {
        /// The alias.
        address: String,
        /// Where it leads.
        targets: Vec<String>,
    },
    /// `alias remove ADDRESS [TARGET]`
    Remove {
        /// The alias.
        address: String,
        /// Only this target; `None`: all of it.
        target: Option<String>,
    },
    /// `alias list`
    List {
        /// Those behind this alias and target; `None`: from the beginning.
        after: Option<(String, String)>,
    },
}

/// `domain ...`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DomainCommand {
    /// `domain add DOMAIN`
    Add {
        /// Its name.
        domain: String,
    },
    /// `domain remove DOMAIN`
    Remove {
        /// Its name.
        domain: String,
    },
    /// `domain list`
    List {
        /// Those behind this one; `None`: from the beginning.
        after: Option<String>,
    },
}

/// A password is not for logs.
impl core::fmt::Debug for AccountCommand {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Add { address, quota, .. } => {
                f.debug_struct("Add").field("address", address).field("quota", quota).finish_non_exhaustive()
            }
            Self::Passwd { address, .. } => f.debug_struct("Passwd").field("address", address).finish_non_exhaustive(),
            Self::Quota { address, quota } => {
                f.debug_struct("Quota").field("address", address).field("quota", quota).finish()
            }
            Self::Admin { address } => f.debug_struct("Admin").field("address", address).finish(),
            Self::Remove { address } => f.debug_struct("Remove").field("address", address).finish(),
            Self::List { after } => f.debug_struct("List").field("after", after).finish(),
        }
    }
}

/// Does what a command says. Blocking. A list gives one page; ask again with [`Answer::next`] until it is `None`.
///
/// # Errors
/// [`AccountError`] with a message for the person who asked.
pub fn execute(accounts: &Accounts, command: Command) -> Result<Answer, AccountError> {
    match command {
        Command::Account(command) => on_account(accounts, command),
        Command::Alias(command) => on_alias(accounts, command),
        Command::Domain(command) => on_domain(accounts, command),
    }
}

fn on_account(accounts: &Accounts, command: AccountCommand) -> Result<Answer, AccountError> {
    match command {
        AccountCommand::Add { address, password, quota } => {
            let address = read_address(&address)?;
            let (password, generated) = given_or_generated(password)?;
            let account = accounts.add_account(&address, &password, quota)?;
            Ok(Answer::one(Row::Account {
                address: account.address,
                password: generated,
                quota: account.quota,
                administrator: account.administrator,
                usage: None,
            }))
        }
        AccountCommand::Passwd { address, password } => {
            let address = read_address(&address)?;
            let (password, generated) = given_or_generated(password)?;
            let account = accounts.set_password(&address, &password)?;
            Ok(Answer::one(Row::Account {
                address: account.address,
                password: generated,
                quota: account.quota,
                administrator: account.administrator,
                usage: None,
            }))
        }
        AccountCommand::Quota { address, quota } => {
            let account = accounts.set_quota(&read_address(&address)?, quota)?;
            Ok(Answer::one(Row::account(account)))
        }
        AccountCommand::Admin { address } => {
            let account = accounts.set_administrator(&read_address(&address)?)?;
            Ok(Answer::one(Row::account(account)))
        }
        AccountCommand::Remove { address } => {
            accounts.remove_account(&read_address(&address)?)?;
            Ok(Answer::default())
        }
        AccountCommand::List { after } => {
            let page = accounts.accounts(after.as_deref(), ACCOUNT_PAGE_MAX)?;
            let next = full(&page).map(|row| AccountCommand::List { after: Some(row.account.address.clone()) });
            let rows = page.into_iter().map(|AccountRow { account, usage }| Row::account(account).with_usage(usage));
            Ok(Answer { rows: rows.collect(), next: next.map(Command::Account) })
        }
    }
}

fn on_alias(accounts: &Accounts, command: AliasCommand) -> Result<Answer, AccountError> {
    match command {
        AliasCommand::Add { address, targets } => {
            let targets = targets.iter().map(|target| read_address(target)).collect::<Result<Vec<_>, _>>()?;
            // Aliases may lead elsewhere, but nothing brings mail there yet: it would be refused for the targets here too.
            for target in &targets {
                if !accounts.is_local_domain(&target.domain)? {
                    return Err(AccountError::RemoteTarget(target.to_string()));
                }
            }
            accounts.add_alias(&read_address(&address)?, &targets)?;
            Ok(Answer::default())
        }
        AliasCommand::Remove { address, target } => {
            let target = target.as_deref().map(read_address).transpose()?;
            accounts.remove_alias(&read_address(&address)?, target.as_ref())?;
            Ok(Answer::default())
        }
        AliasCommand::List { after } => {
            let after = match after {
                Some((alias, target)) => Some(AliasRow { alias, target: read_address(&target)? }),
                None => None,
            };
            let page = accounts.aliases(after.as_ref(), ACCOUNT_PAGE_MAX)?;
            let next =
                full(&page).map(|row| AliasCommand::List { after: Some((row.alias.clone(), row.target.to_string())) });
            let rows = page.into_iter().map(|row| Row::Alias { alias: row.alias, target: row.target.to_string() });
            Ok(Answer { rows: rows.collect(), next: next.map(Command::Alias) })
        }
    }
}

fn on_domain(accounts: &Accounts, command: DomainCommand) -> Result<Answer, AccountError> {
    match command {
        DomainCommand::Add { domain } => {
            let domain = accounts.add_domain(&read_domain(&domain)?)?;
            Ok(Answer::one(Row::Domain { domain }))
        }
        DomainCommand::Remove { domain } => {
            accounts.remove_domain(&read_domain(&domain)?)?;
            Ok(Answer::default())
        }
        DomainCommand::List { after } => {
            let page = accounts.domains(after.as_deref(), ACCOUNT_PAGE_MAX)?;
            let next = full(&page).map(|domain| DomainCommand::List { after: Some(domain.clone()) });
            let rows = page.into_iter().map(|domain| Row::Domain { domain });
            Ok(Answer { rows: rows.collect(), next: next.map(Command::Domain) })
        }
    }
}

/// The last row of a page behind which there may be more.
fn full<T>(page: &[T]) -> Option<&T> {
    if page.len() < ACCOUNT_PAGE_MAX { None } else { page.last() }
}

fn read_address(text: &str) -> Result<Address, AccountError> {
    Address::parse(text).map_err(|error| AccountError::BadAddress(text.to_owned(), error))
}

fn read_domain(text: &str) -> Result<Domain, AccountError> {
    Domain::parse(text).map_err(|_| AccountError::BadDomain(text.to_owned()))
}

/// The password, and again if it was generated and has to be shown.
fn given_or_generated(password: Option<String>) -> Result<(String, Option<String>), AccountError> {
    if let Some(password) = password {
        return Ok((password, None));
    }
    let password = password::generate().ok_or(HashError::NoRandomness)?;
    Ok((password.clone(), Some(password)))
}
