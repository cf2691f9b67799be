//! Unique identifiers of messages and mailboxes as IMAP defines them.

use core::num::NonZeroU32;
use serde::{Deserialize, Serialize};

/// RFC 9051 2.3.1.1: names one message of one mailbox for ever; never reused under the same [`UidValidity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uid(pub NonZeroU32);

impl Uid {
    /// The smallest UID.
    pub const MIN: Self = Self(NonZeroU32::MIN);
    /// The largest UID; a mailbox whose UIDNEXT would pass it takes no more messages.
    pub const MAX: Self = Self(NonZeroU32::MAX);

    /// `None` for zero, which no message has.
    #[must_use]
    pub fn new(value: u32) -> Option<Self> {
        NonZeroU32::new(value).map(Self)
    }

    /// The number on the wire.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl core::fmt::Display for Uid {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// RFC 9051 2.3.1.1: changes when UIDs of a mailbox name start anew; grows strictly within one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UidValidity(pub NonZeroU32);

impl UidValidity {
    /// The number on the wire.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl core::fmt::Display for UidValidity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}
