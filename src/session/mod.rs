//! What each protocol says next, without I/O: one folder a protocol.

pub mod imap;
pub mod pop3;
pub mod sasl;
pub mod smtp;
