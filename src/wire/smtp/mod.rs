//! SMTP and LMTP on the wire: command lines, replies and message data, without I/O.
//!
//! [`decode`] turns a line into a [`Command`] or says why it is [`Invalid`]; [`Reply`] writes itself as lines. Message
//! data streams through a [`DataDecoder`] (RFC 5321 4.5.2) or a [`LineCheck`] (BDAT, RFC 3030) in pieces of any size;
//! neither holds any of it. What bounds the memory of a command is the length of its line.
//! Which command may come when is the session's business.

mod command;
mod data;
mod parameters;
mod path;
mod reply;
mod xtext;

pub use command::{ClientName, Command, Invalid, Verb, decode, too_long};
pub use data::{DataDecoder, Fault, LineCheck, Piece};
pub use parameters::{Body, MailParameters, Notify, OriginalRecipient, RcptParameters, Return};
pub use reply::{Decoded, Reply, decode as decode_reply};
pub use xtext::Xtext;
