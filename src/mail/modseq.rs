//! Modification sequences of CONDSTORE.

use serde::{Deserialize, Serialize};

/// RFC 7162 3.1: grows with every change of a mailbox; 63 bits on the wire. Zero means "before any change".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModSeq(pub u64);

impl ModSeq {
    /// RFC 7162 3.1: the largest value that fits the wire's 63 bits.
    pub const MAX: Self = Self(i64::MAX.cast_unsigned());

    /// The number on the wire.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// The next value.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl core::fmt::Display for ModSeq {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}
