//! What an IMAP server says next (RFC 9051, RFC 3501), without I/O.
//!
//! [`Imap`] holds the state of one session and turns a decoded command into a [`Step`]. The rest is what the steps
//! need to be planned: which mailboxes a LIST names, what a FETCH has to read, how a SEARCH is decided, and what a
//! client hears when the store says no. Numbering of messages, reading and waiting are left to `serve::imap`.

mod capability;
mod fetch;
mod list;
mod name;
mod numbers;
mod refusal;
mod search;
mod section;
mod state;

pub use capability::{Circumstances, Enableable, capabilities};
pub use fetch::FetchPlan;
pub use list::{Candidate, Levels, Listing, Pattern, first_below};
pub use name::{check_name, is_below, parents};
pub use numbers::{Runs, sequences};
pub use refusal::{Asked, Refusal, Severity, refusal};
pub use search::{Answers, Decision, Leaf, Mailbox, Order, SearchPlan};
pub use section::{Located, cut, locate};
pub use state::{Enabled, Imap, Selection, Step, User};
