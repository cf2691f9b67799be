//! What a set-up file means for mail: the server's name, domains, accounts.
//!
//! Doing it twice does no more than doing it once; a power cut at any moment leaves each account as it was or as it is to
//! be. While no account is prepared and none is there, the store has no domain, which is how the server knows that it
//! waits for set-up.

use super::file::{AccountSetUp, Password, SetUp};
use crate::account::{AccountError, Accounts};
use crate::serve::config::{Config, ConfigError};
use crate::serve::files::{PRIVATE, write_whole};
use crate::serve::{Failure, StoreUse, configuration, open_store};
use core::ops::Range;
use std::path::Path;

/// What was done, and what could not be.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// For the log: one line a deed.
    pub deeds: Vec<String>,
    /// For the person: what is wrong with the file in the light of what is there.
    pub errors: Vec<String>,
    /// Where the passwords stand that accounts have now.
    pub taken: Vec<Range<usize>>,
}

/// The server's configuration in the data directory.
const CONFIG_NAME: &str = "pillarbox.toml";

/// Gives the mail server its name; everything else in its configuration stays.
///
/// # Errors
/// [`Failure`] if the configuration there is not one, or cannot be written.
pub fn name_host(data: &Path, host_name: &str) -> Result<bool, Failure> {
    let path = data.join(CONFIG_NAME);
    if !path.exists() {
        write_whole(&path, Config::template(host_name).as_bytes(), PRIVATE)?;
        return Ok(true);
    }
    let config = Config::load(&path)?;
    if config.host_name == host_name {
        return Ok(false);
    }
    let text = with_host_name(&std::fs::read_to_string(&path)?, host_name);
    // A text that says it in a way that was not understood here stays as it is.
    let wanted = Config { host_name: host_name.to_owned(), ..config };
    if Config::parse(&text, &path)? != wanted {
        let message = format!("write host_name = \"{host_name}\" in a line of its own");
        return Err(ConfigError { path, line: None, message }.into());
    }
    write_whole(&path, text.as_bytes(), PRIVATE)?;
    Ok(true)
}

/// Replaces the line of `host_name`, or adds one in front.
fn with_host_name(text: &str, host_name: &str) -> String {
    let wanted = format!("host_name = \"{host_name}\"");
    let is_it = |line: &str| line.split_once('=').is_some_and(|(key, _)| key.trim() == "host_name");
    if !text.lines().any(is_it) {
        return format!("{wanted}\n{text}");
    }
    let lines = text.lines().map(|line| if is_it(line) { wanted.as_str() } else { line });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Enters domains and accounts into the store.
///
/// # Errors
/// [`Failure`] as the store says; what is wrong with single accounts is in the [`Outcome`].
pub fn enter_accounts(data: &Path, set_up: &SetUp) -> Result<Outcome, Failure> {
    // Without an account there is nothing to make a store for.
    if set_up.accounts.is_empty() && (set_up.domain.is_none() || !data.join("store").exists()) {
        return Ok(Outcome::default());
    }
    let config = configuration(data, None, false)?;
    let (store, accounts, _) = open_store(data, &config, StoreUse::OneCommand)?;
    let outcome = enter(&accounts, set_up);
    drop(accounts);
    // Closing writes what is left: only then are the passwords the store's.
    let closed = store.close();
    let outcome = outcome?;
    closed?;
    Ok(outcome)
}

/// As above, in a store that is open.
///
/// # Errors
/// [`AccountError`] if the store fails.
pub fn enter(accounts: &Accounts, set_up: &SetUp) -> Result<Outcome, AccountError> {
    let mut outcome = Outcome::default();
    for account in &set_up.accounts {
        match enter_account(accounts, account) {
            Ok(deed) => {
                outcome.deeds.extend(deed);
                outcome.taken.extend(account.password.place());
            }
            // The store is at fault, and will not do better with the next.
            Err(Wrong::Account(error @ (AccountError::Store(_) | AccountError::Hash(_)))) => return Err(error),
            Err(Wrong::Account(error)) => outcome.errors.push(format!("line {}: {error}", account.line)),
            Err(Wrong::Text(message)) => outcome.errors.push(format!("line {}: {message}", account.line)),
        }
    }
    if let Some(domain) = &set_up.domain
        && !accounts.domains(None, 1)?.is_empty()
        && !accounts.is_local_domain(domain)?
    {
        let domain = accounts.add_domain(domain)?;
        outcome.deeds.push(format!("domain {domain} added"));
    }
    Ok(outcome)
}

enum Wrong {
    Account(AccountError),
    Text(String),
}

impl<E: Into<AccountError>> From<E> for Wrong {
    fn from(error: E) -> Self {
        Self::Account(error.into())
    }
}

fn enter_account(accounts: &Accounts, account: &AccountSetUp) -> Result<Option<String>, Wrong> {
    let address = &account.address;
    match (&account.password, accounts.account_of(address)?) {
        (Password::New(password, _), Some(_)) => {
            accounts.set_password(address, password)?;
            Ok(Some(format!("account {address}: password set")))
        }
        (Password::New(password, _), None) => {
            // Where no domain is yet, it and the account come in one commit.
            if accounts.add_first_account(address, password)?.is_none() {
                if !accounts.is_local_domain(&address.domain)? {
                    accounts.add_domain(&address.domain)?;
                }
                accounts.add_account(address, password, None)?;
            }
            Ok(Some(format!("account {address} made")))
        }
        (Password::TakenOver | Password::Missing, Some(_)) => Ok(None),
        (Password::TakenOver, None) => Err(Wrong::Text(format!(
            "there is no account {address}, and its password was overwritten when it was taken over; write a new one"
        ))),
        (Password::Missing, None) => {
            Err(Wrong::Text(format!("the new account {address} needs a password: password = \"...\"")))
        }
    }
}
