//! Whom a command speaks with: the server that runs on the data directory, or the store itself when none runs.

use crate::account::{self, Accounts, Answer, Command};
use crate::limits::DATA_BUSY_TIMEOUT;
use crate::serve::control::{Request, Response, ask};
use crate::serve::files::create_directory;
use crate::serve::{Failure, StoreUse, configuration, open_store};
use crate::store::Store;
use core::time::Duration;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The data directory and the configuration file of the command line.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The data directory.
    pub data: &'a Path,
    /// The configuration file, if it is another one.
    pub config: Option<&'a PathBuf>,
}

/// A server or a store.
pub enum Target<'a> {
    /// It runs on this data directory.
    Server(&'a Path),
    /// Open until [`Target::close`].
    Store(Store, Accounts),
}

impl<'a> Target<'a> {
    /// Finds out which of both it is. `create`: a data directory may be made.
    ///
    /// # Errors
    /// [`Failure`] if there is no data directory, or neither server nor store can be had.
    pub fn find(place: Place<'a>, create: bool) -> Result<Self, Failure> {
        if !place.data.exists() && !create {
            return Err(Failure::Failed(format!("there is no data directory {}", place.data.display())));
        }
        create_directory(place.data)?;
        let config = configuration(place.data, place.config, false)?;
        let begun = Instant::now();
        loop {
            if ask_one(place.data, &Request::Ping)?.is_some() {
                return Ok(Self::Server(place.data));
            }
            match open_store(place.data, &config, StoreUse::OneCommand) {
                Ok((store, accounts, _)) => return Ok(Self::Store(store, accounts)),
                // A server that starts or stops, or another command: it will be through in a moment.
                Err(Failure::Unavailable(_)) if begun.elapsed() < DATA_BUSY_TIMEOUT => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Does one command.
    ///
    /// # Errors
    /// [`Failure`] as server or store say.
    pub fn execute(&self, command: Command) -> Result<Answer, Failure> {
        match self {
            Self::Server(data) => match ask_running(data, &Request::Command(command))? {
                Response::Answer(answer) => Ok(answer),
                _ => Err(unexpected()),
            },
            Self::Store(_, accounts) => Ok(account::command::execute(accounts, command)?),
        }
    }

    /// Leaves in order.
    ///
    /// # Errors
    /// [`Failure`] as the store says.
    pub fn close(self) -> Result<(), Failure> {
        match self {
            Self::Server(_) => Ok(()),
            Self::Store(store, accounts) => {
                drop(accounts);
                Ok(store.close()?)
            }
        }
    }
}

/// Asks the server that must be running there.
///
/// # Errors
/// [`Failure`] if none is running, or as it says.
pub fn ask_running(data: &Path, request: &Request) -> Result<Response, Failure> {
    ask_one(data, request)?.ok_or_else(|| Failure::Unavailable(format!("no server is running on {}", data.display())))
}

fn ask_one(data: &Path, request: &Request) -> Result<Option<Response>, Failure> {
    let response = ask(data, request).map_err(|error| match error.kind() {
        std::io::ErrorKind::TimedOut => Failure::Unavailable(error.to_string()),
        _ => Failure::Failed(format!("control socket: {error}")),
    })?;
    match response {
        Some(Response::Failed(failed)) => Err(Failure::with_code(failed.code, failed.message)),
        other => Ok(other),
    }
}

/// An answer that does not fit its question.
#[must_use]
pub fn unexpected() -> Failure {
    Failure::Failed("the running server gave an unexpected answer: restart it".to_owned())
}
