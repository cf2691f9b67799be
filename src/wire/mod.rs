//! Octets to types and back, without I/O: one folder a protocol, and the framing that they share.

pub mod base64;
pub mod dot;
pub mod imap;
pub mod pop3;
pub mod smtp;
