//! Users, domains, aliases, credentials and quotas, kept in the store's directory.
//!
//! [`Accounts`] answers who an address reaches and who may log in, and is what the command line changes. It owns the
//! meaning of the directory's entries ([`record`] lists them); the store owns their octets. Names are canonical before
//! they are looked up ([`name`]). Everything here is blocking and short; callers use a blocking thread.
//!
//! What bounds its memory: nothing is cached; lists come in pages; one password hash at a time has its working memory
//! ([`hasher`]); the tables of [`Throttle`] and [`Verified`] have a fixed number of entries. Sockets, tasks, clocks and
//! the question which mechanism is allowed on which connection are left to `serve`.

mod accounts;
mod alias;
mod answer;
pub mod command;
mod credential;
mod domain;
mod error;
mod hasher;
#[cfg(test)]
pub(crate) mod memory;
pub mod name;
pub mod password;
pub mod record;
mod removal;
mod resolve;
mod shelf;
mod throttle;
mod verified;

pub use accounts::{Account, AccountRow, Accounts, Candidate, Options};
pub use alias::AliasRow;
pub use answer::Answer;
pub use command::{AccountCommand, AliasCommand, Command, DomainCommand};
pub use credential::{Credential, ScramKeys};
pub use error::AccountError;
pub use hasher::{HashError, Hasher};
pub use resolve::{Recipient, Resolution};
pub use throttle::{AddressGroup, Throttle};
pub use verified::Verified;

#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod tests;
