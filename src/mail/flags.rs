//! System flags and keywords of a message.
//!
//! A message's keywords are one word of bits; which name a bit has stands in its mailbox
//! ([`crate::limits::KEYWORDS_PER_MAILBOX_MAX`] names at most), so a message costs the same however long they are.

use crate::limits::KEYWORD_OCTETS_MAX;
use serde::{Deserialize, Serialize};

/// RFC 9051 2.3.2: the flags that begin with a backslash and can be stored. `\Recent` is a property of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SystemFlag {
    /// `\Seen`: the message has been read.
    Seen = 1,
    /// `\Answered`.
    Answered = 2,
    /// `\Flagged`: marked for attention.
    Flagged = 4,
    /// `\Deleted`: removed by a later EXPUNGE.
    Deleted = 8,
    /// `\Draft`: not finished.
    Draft = 16,
}

impl SystemFlag {
    /// All of them in the order in which responses list them.
    pub const ALL: [Self; 5] = [Self::Answered, Self::Flagged, Self::Deleted, Self::Seen, Self::Draft];

    /// The name on the wire, with its backslash.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Seen => "\\Seen",
            Self::Answered => "\\Answered",
            Self::Flagged => "\\Flagged",
            Self::Deleted => "\\Deleted",
            Self::Draft => "\\Draft",
        }
    }

    /// Finds a flag by its name with the backslash, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flag| flag.name().eq_ignore_ascii_case(name))
    }

    const fn bit(self) -> u8 {
        // A field-less enum with `repr(u8)`: the cast is its definition.
        #[allow(clippy::as_conversions)]
        {
            self as u8
        }
    }
}

/// Positions of keywords that a message carries, as bits into its mailbox's keyword table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Keywords(pub u64);

/// All stored flags of one message: system flags and keyword positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flags {
    system: u8,
    /// Keyword positions.
    pub keywords: Keywords,
}

impl Flags {
    /// No flag at all.
    pub const NONE: Self = Self { system: 0, keywords: Keywords(0) };

    /// Is `flag` set?
    #[must_use]
    pub fn has(self, flag: SystemFlag) -> bool {
        self.system & flag.bit() != 0
    }

    /// With `flag` set as well.
    #[must_use]
    pub fn with(mut self, flag: SystemFlag) -> Self {
        self.system |= flag.bit();
        self
    }

    /// With the keyword at `position` (0 to 63) set as well; larger positions are ignored.
    #[must_use]
    pub fn with_keyword(mut self, position: u8) -> Self {
        self.keywords.0 |= 1u64.checked_shl(u32::from(position)).unwrap_or(0);
        self
    }

    /// Is the keyword at `position` set?
    #[must_use]
    pub fn has_keyword(self, position: u8) -> bool {
        self.keywords.0 & 1u64.checked_shl(u32::from(position)).unwrap_or(0) != 0
    }

    /// Both sets together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self { system: self.system | other.system, keywords: Keywords(self.keywords.0 | other.keywords.0) }
    }

    /// What is in `self` and not in `other`.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self { system: self.system & !other.system, keywords: Keywords(self.keywords.0 & !other.keywords.0) }
    }
}

/// A keyword's name: an IMAP atom of at most [`KEYWORD_OCTETS_MAX`] octets that does not begin with a backslash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Keyword(heapless::String<KEYWORD_OCTETS_MAX>);

impl Keyword {
    /// RFC 9051 section 9, `flag-keyword = "$..." / atom`. `None` if it is empty, too long or not an atom.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let atom = |b: u8| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(&b);
        if name.is_empty() || !name.bytes().all(atom) {
            return None;
        }
        heapless::String::try_from(name).ok().map(Self)
    }

    /// The name as the client wrote it first.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// RFC 9051 2.3.2: flag names are compared without regard to case.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

/// System flags and keywords by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlagSelection {
    /// System flags; the keyword bits in here are not looked at.
    pub system: Flags,
    /// Keywords by name; the mailbox gives them positions.
    pub keywords: Vec<Keyword>,
}

impl FlagSelection {
    /// One system flag.
    #[must_use]
    pub fn of(flag: SystemFlag) -> Self {
        Self { system: Flags::NONE.with(flag), keywords: Vec::new() }
    }
}

/// RFC 9051 6.4.6: FLAGS, +FLAGS, -FLAGS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagChange {
    /// FLAGS.
    Replace,
    /// +FLAGS.
    Add,
    /// -FLAGS.
    Remove,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_a_set() {
        let seen = Flags::NONE.with(SystemFlag::Seen).with_keyword(63);
        let both = seen.union(Flags::NONE.with(SystemFlag::Draft));
        assert!(both.has(SystemFlag::Seen) && both.has(SystemFlag::Draft) && both.has_keyword(63));
        assert_eq!(both.minus(seen), Flags::NONE.with(SystemFlag::Draft));
        assert_eq!(Flags::NONE.with_keyword(64), Flags::NONE);
    }

    #[test]
    fn keywords_are_atoms() {
        assert!(Keyword::parse("$Forwarded").is_some());
        for bad in ["", "\\Seen", "a b", "a(b", "ä", "a]"] {
            assert!(Keyword::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(SystemFlag::parse("\\sEEN"), Some(SystemFlag::Seen));
    }
}
