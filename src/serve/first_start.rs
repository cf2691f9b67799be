//! What a first start makes so that there is something to use: the configuration file, a domain and one account.

use super::config::{Config, HOST_NAME_DEFAULT};
use super::failure::Failure;
use super::files::{PRIVATE, write_whole};
use super::process;
use crate::account::{AccountError, Accounts, HashError, password};
use crate::mail::{Address, Domain};
use std::path::{Path, PathBuf};

/// The configuration's name in the data directory.
pub const CONFIG_NAME: &str = "pillarbox.toml";

/// The account that was made: its address and its password, which is shown once and kept nowhere.
pub struct FirstAccount {
    /// Its address.
    pub address: String,
    /// Its password.
    pub password: String,
}

/// Reads the configuration. `write`: makes the commented file if it is missing and nobody named another one.
///
/// # Errors
/// [`Failure::Usage`] if it says something that cannot be, [`Failure::Failed`] if it cannot be read or written.
pub fn configuration(data: &Path, given: Option<&PathBuf>, write: bool) -> Result<Config, Failure> {
    let path = given.cloned().unwrap_or_else(|| data.join(CONFIG_NAME));
    if given.is_none() && !path.exists() {
        let host_name = host_name(&process::machine_name());
        if !write {
            return Ok(Config { host_name, ..Config::default() });
        }
        write_whole(&path, Config::template(&host_name).as_bytes(), PRIVATE)?;
    }
    Ok(Config::load(&path)?)
}

/// A machine that has a full name is called by it.
fn host_name(machine: &str) -> String {
    let is_full = machine.contains('.') && Domain::parse(machine).is_ok_and(|domain| !domain.is_literal());
    // Every machine is that to itself, and none is that to others.
    if is_full && !machine.starts_with("localhost.") { machine.to_owned() } else { HOST_NAME_DEFAULT.to_owned() }
}

/// Makes a domain and an account, unless there is a domain already. Blocking: hashes a password. A start that is killed
/// before its end has made neither: the next one makes them and has the password to show.
///
/// # Errors
/// What accounts say.
pub fn first_account(accounts: &Accounts, host_name: &str) -> Result<Option<FirstAccount>, AccountError> {
    if !accounts.domains(None, 1)?.is_empty() {
        return Ok(None);
    }
    let user = if process::is_root() { None } else { process::user_name() };
    let address = address(user.as_deref(), host_name)?;
    let password = password::generate().ok_or(HashError::NoRandomness)?;
    let account = accounts.add_first_account(&address, &password)?;
    Ok(account.map(|account| FirstAccount { address: account.address, password }))
}

fn address(user: Option<&str>, host_name: &str) -> Result<Address, AccountError> {
    // A plain name only: what else a system allows in one need not work as an address.
    let plain = |user: &&str| {
        user.starts_with(|c: char| c.is_ascii_lowercase())
            && user.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
    };
    let text = format!("{}@{host_name}", user.filter(plain).unwrap_or("me"));
    Address::parse(&text).map_err(|error| AccountError::BadAddress(text, error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::account::Options;
    use crate::account::memory::MemoryShelf;

    #[test]
    fn the_configuration_is_written_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CONFIG_NAME);
        configuration(folder.path(), None, false).unwrap();
        assert!(!path.exists());
        let first = configuration(folder.path(), None, true).unwrap();
        std::fs::write(&path, format!("{}vrfy = true\n", std::fs::read_to_string(&path).unwrap())).unwrap();
        let second = configuration(folder.path(), None, true).unwrap();
        assert_eq!(second, Config { vrfy: true, ..first });
        let other = folder.path().join("other.toml");
        assert!(matches!(configuration(folder.path(), Some(&other), true), Err(Failure::Usage(_))));
        assert!(!other.exists());
    }

    #[test]
    fn only_a_full_machine_name_is_a_host_name() {
        assert_eq!(host_name("mail.example.org"), "mail.example.org");
        for machine in ["", "attic", "localhost.localdomain", "a b.c", "[127.0.0.1]"] {
            assert_eq!(host_name(machine), HOST_NAME_DEFAULT);
        }
    }

    #[test]
    fn a_first_start_that_was_cut_short_is_done_by_the_next() {
        let mut cuts = 0;
        loop {
            let shelf = MemoryShelf::default();
            let accounts = shelf.accounts(Options { scram_iterations: 1, ..Options::default() });
            shelf.state().commits_left = Some(cuts);
            let cut = first_account(&accounts, "a.example").is_err();
            shelf.state().commits_left = None;
            if !cut {
                break;
            }
            assert!(accounts.domains(None, 9).unwrap().is_empty());
            let first = first_account(&accounts, "a.example").unwrap().unwrap();
            let account = accounts.account(&first.address).unwrap().unwrap();
            assert!(account.administrator);
            assert!(shelf.state().mailboxes.contains_key(&(account.owner, "INBOX".to_owned())));
            assert!(first_account(&accounts, "a.example").unwrap().is_none());
            cuts += 1;
        }
        // The mailboxes, and the rest at once.
        assert_eq!(cuts, 7);
    }

    #[test]
    fn whoever_has_added_a_domain_gets_no_account_made() {
        let shelf = MemoryShelf::default();
        let accounts = shelf.accounts(Options { scram_iterations: 1, ..Options::default() });
        accounts.add_domain(&Domain::parse("pillarbox.local").unwrap()).unwrap();
        assert!(first_account(&accounts, "pillarbox.local").unwrap().is_none());
        assert!(accounts.accounts(None, 9).unwrap().is_empty());
    }

    #[test]
    fn the_first_address_is_the_users() {
        for (user, expected) in
            [(Some("ann"), "ann@a.example"), (None, "me@a.example"), (Some("a.b c"), "me@a.example")]
        {
            assert_eq!(address(user, "a.example").unwrap().to_string(), expected);
        }
    }
}
