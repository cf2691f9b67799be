//! The paths of an SMTP envelope.

use super::Address;
use serde::{Deserialize, Serialize};

/// RFC 5321 4.1.1.2: where notifications go.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReversePath {
    /// `<>`: the sender of notifications; nothing may ever be sent back to it.
    Null,
    /// A mailbox.
    Address(Address),
}

/// RFC 5321 4.1.1.3: where a message goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ForwardPath {
    /// `<Postmaster>` without a domain, which every server must take (RFC 5321 4.5.1).
    Postmaster,
    /// A mailbox.
    Address(Address),
}

impl core::fmt::Display for ReversePath {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Address(address) => write!(f, "<{address}>"),
        }
    }
}

impl core::fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Postmaster => f.write_str("<Postmaster>"),
            Self::Address(address) => write!(f, "<{address}>"),
        }
    }
}
