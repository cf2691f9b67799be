//! POP3 (RFC 1939) with CAPA (RFC 2449), STLS (RFC 2595), AUTH (RFC 5034), UTF8 and LANG (RFC 6856): commands in,
//! replies out.

mod command;
mod language;
mod reply;
mod text;

pub use command::{Command, Invalid, MessageNumber, decode};
pub use language::Language;
pub use reply::{Code, Offer, Reply, UniqueId, list_line, uidl_line};
