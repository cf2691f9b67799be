//! Responses to octets in a caller's slice.
//!
//! Every function writes into an [`Out`] and gives [`Full`] when it is full. A caller marks where a response begins, and on
//! `Full` rolls back, sends what it has and writes the response again into the empty slice. What may be larger than
//! any slice (a body structure) is written in windows, see [`Out::window`].
//!
//! One file a kind of response; an extension adds its own.

mod body;
mod code;
mod envelope;
mod fetch;
mod list;
mod mailbox;
mod out;
mod search;
mod section;
mod server;
mod set;
mod status;
mod string;

pub use body::{StructureForm, body, body_structure, structure};
pub use code::{Code, PermanentFlags};
pub use envelope::envelope;
pub use fetch::{FetchResponse, SectionOctets};
pub use list::{ListAttributes, ListRow, list};
pub use mailbox::{StatusCounts, exists, expunge, flags_available, mailbox_status, recent};
pub use out::{Full, Mark, Out};
pub use search::{Esearch, Search};
pub use section::section_name;
pub use server::{capability, enabled, id, namespace};
pub use set::{SetWriter, set_of_ranges};
pub use status::{Condition, bye, continuation, continuation_base64, tagged, untagged};
pub use string::{astring, flag_names, flags, internal_date, literal_head, mailbox_name, nstring, string};

#[cfg(test)]
mod tests;
