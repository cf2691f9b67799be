//! The command line: reads arguments, does one thing, ends with an exit code.
//!
//! Serving is left to [`crate::serve`]; the meaning of accounts, aliases and domains to [`crate::account`]. Nothing here
//! holds more than one answer of the server at a time.

mod arguments;
mod run;
mod target;

pub use arguments::{Arguments, Subcommands};
pub use run::run;
