//! IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051): commands in, responses out.
//!
//! ```text
//! octets --decode--> command::Tagged        session's answers --encode--> octets in a caller's slice
//! ```
//!
//! [`decode`] reads, [`encode`] writes, [`utf7`] and [`mailbox_name`] are between the two. Nothing here does I/O, knows a
//! mailbox or keeps a state between two calls.

pub mod command;
pub mod decode;
pub mod encode;
pub mod mailbox_name;
pub mod utf7;

pub use decode::{Decoded, Invalid, InvalidKind, decode, decode_as, literal_at_end};
pub use encode::{Full, Out};
pub use mailbox_name::Names;
