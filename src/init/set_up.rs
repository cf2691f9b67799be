//! Set-up from the boot partition's `pillarbox.toml`: the server's name, accounts and network, as a person wrote them on
//! any computer. Runs once at every start, before the server.
//!
//! The order is what makes a power cut harmless: the network's settings first, which need no card; then names and accounts,
//! until the store is closed; then a note of the passwords that are about to be overwritten; then these; then a note that
//! all is done. Whatever was not reached is done by the next start. A file that is wrong changes nothing, and a text beside
//! it says what is wrong.
//!
//! Owns the order and that note. Bounds: one file of [`SET_UP_OCTETS_MAX`](crate::limits::SET_UP_OCTETS_MAX), one password
//! hash at a time. When PID 1 starts it as root, all that it makes in the data directory is made as the server's user, so
//! that root never follows a path that the server could have laid out.

mod file;
mod mail;
mod network;
mod redaction;
mod state;
mod user;

#[cfg(test)]
mod tests;

pub use file::{SET_UP_NAME, SetUp, SetUpError, TEMPLATE};
pub use network::Network;
pub use user::{MAIL_USER, User};

use crate::init::boot_partition::{BootPartition, read_at_most, tell, while_writable};
use crate::limits::SET_UP_OCTETS_MAX;
use crate::serve::files::{PUBLIC, create_directory, write_whole};
use crate::serve::{Failure, keep_files_private};
use crate::status::log_ring;
use crate::update::Mounted;
use mail::Outcome;
use state::{Overwriting, State};
use std::io::Write;
use std::path::Path;

/// Where the person finds what is wrong.
pub const SET_UP_ERROR_NAME: &str = "set-up-error.txt";
/// The network child's settings.
pub const NETWORK_NAME: &str = "network.toml";

/// Takes over what the boot partition says.
///
/// # Errors
/// [`Failure::Usage`] if the file says something that cannot be: then what was known before stays, also of the network.
/// Others if the card fails.
pub fn run(boot: &Path, data: &Path, run: &Path) -> Result<(), Failure> {
    keep_files_private();
    // What the store has to warn of. PID 1 reads standard error.
    let _ = log_ring::start(log::LevelFilter::Warn);
    let user = User::of_mail();
    let deeds = take_over(&Mounted::at(boot), data, run, user)?;
    let mut out = std::io::stdout().lock();
    for deed in deeds {
        // That nobody reads it must not stop anything.
        let _ = writeln!(out, "set-up: {deed}");
    }
    Ok(())
}

/// As [`run`], for any boot partition. `user`: who is to own what is made in the data directory, if that is not who runs
/// this. Gives what was done, one line a deed.
///
/// # Errors
/// As for [`run`].
pub fn take_over(
    boot: &dyn BootPartition,
    data: &Path,
    run: &Path,
    user: Option<User>,
) -> Result<Vec<String>, Failure> {
    User::own(user, data, create_directory)?;
    std::fs::create_dir_all(run)?;
    let mut state = User::act(user, || State::read(data))?;
    let path = boot.dir().join(SET_UP_NAME);
    let read = || Ok::<_, Failure>(read_at_most(&path, SET_UP_OCTETS_MAX)?.unwrap_or_default());
    if !path.try_exists()? {
        // No file, perhaps no boot partition: nobody has said that anything is to change, least of all a fixed address.
        write_network(run, &state.network)?;
        return Ok(Vec::new());
    }
    let mut octets = read()?;
    let torn = state.torn(&octets);
    if !torn.is_empty() {
        // The accounts have these passwords; nobody may take half of one for a new one.
        while_writable(boot, |_| redaction::overwrite(&path, &octets, &torn))?;
        octets = read()?;
    }
    let set_up = match SetUp::parse(&octets) {
        Ok(set_up) => set_up,
        Err(error) => {
            write_network(run, &state.network)?;
            tell_if_possible(boot, Some(&state::explain_refusal(&error)));
            return Err(Failure::Usage(error.to_string()));
        }
    };
    write_network(run, &set_up.network)?;
    let before = state.clone();
    state.network = set_up.network.clone();

    let known = !set_up.has_new_passwords() && state.taken_over == Some(redaction::digest(&octets));
    let outcome = match User::act(user, || enter(data, &set_up, known))? {
        // The server's own configuration may be wrong as well.
        Err(Failure::Usage(message)) => Outcome { errors: vec![message], ..Outcome::default() },
        Err(failure) => {
            tell_if_possible(boot, Some(&state::explain(&[failure.to_string()])));
            return Err(failure);
        }
        Ok(outcome) => outcome,
    };
    let digest = redaction::digest(&redaction::redacted(&octets, &outcome.taken));
    state.taken_over = None;
    if !outcome.taken.is_empty() {
        state.overwriting = Some(Overwriting { digest: digest.clone(), places: outcome.taken.clone() });
        User::act(user, || state.write(data))??;
        while_writable(boot, |_| redaction::overwrite(&path, &octets, &outcome.taken)).map_err(|error| {
            let advice = "remove the passwords from pillarbox.toml yourself; the accounts have them";
            Failure::Failed(format!("passwords stay on the boot partition: {error}; {advice}"))
        })?;
    }
    state.overwriting = None;
    if outcome.errors.is_empty() {
        state.taken_over = Some(digest);
    }
    if state != before {
        User::act(user, || state.write(data))??;
    }
    if outcome.errors.is_empty() {
        tell_if_possible(boot, None);
        return Ok(outcome.deeds);
    }
    tell_if_possible(boot, Some(&state::explain(&outcome.errors)));
    Err(Failure::Usage(format!("{SET_UP_NAME}: {}", outcome.errors.join("; "))))
}

/// The mail part. `known`: accounts and domains are as the file says.
fn enter(data: &Path, set_up: &SetUp, known: bool) -> Result<Outcome, Failure> {
    let named = match &set_up.host_name {
        Some(host_name) if mail::name_host(data, host_name)? => Some(format!("this server is called {host_name}")),
        Some(_) | None => None,
    };
    let mut outcome = if known { Outcome::default() } else { mail::enter_accounts(data, set_up)? };
    outcome.deeds.extend(named);
    Ok(outcome)
}

fn write_network(run: &Path, network: &Network) -> Result<(), Failure> {
    Ok(write_whole(&run.join(NETWORK_NAME), network.text().as_bytes(), PUBLIC)?)
}

/// Set-up itself does not fail because a text cannot be written for the person.
fn tell_if_possible(boot: &dyn BootPartition, text: Option<&str>) {
    if let Err(error) = tell(boot, SET_UP_ERROR_NAME, text) {
        log::warn!("set-up: {SET_UP_ERROR_NAME}: {error}");
    }
}
