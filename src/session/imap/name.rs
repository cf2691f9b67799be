//! Which mailbox names this server makes: full names in UTF-8 with `/` between levels.

use super::Refusal;
use crate::limits::{MAILBOX_LEVELS_MAX, MAILBOX_NAME_OCTETS_MAX};
use crate::wire::imap::mailbox_name::{SEPARATOR, creatable};

/// Is this a name that CREATE, RENAME and SUBSCRIBE take?
///
/// Names are only texts to the store and never paths of files; levels named `.` and `..` are refused all the same,
/// because mail programs that keep a copy in folders would stumble over them.
///
/// # Errors
/// The refusal.
pub fn check_name(name: &str) -> Result<(), Refusal> {
    if name.len() > MAILBOX_NAME_OCTETS_MAX {
        return Err(Refusal::no("LIMIT", "The mailbox name is too long"));
    }
    if name.split(SEPARATOR).count() > MAILBOX_LEVELS_MAX {
        return Err(Refusal::no("LIMIT", "The mailbox name has too many levels"));
    }
    // RFC 9051 5.1: no control characters (RFC 5198 2 excludes C1 and the line separators as well).
    let unfit = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffd}');
    if name.chars().any(unfit) {
        return Err(Refusal::no("CANNOT", "The mailbox name has characters that no name can have"));
    }
    creatable(name).map_err(|text| Refusal::no("CANNOT", text))
}

/// The names above this one, the highest first: `a` and `a/b` of `a/b/c`.
pub fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(SEPARATOR).filter_map(|(at, _)| name.get(..at))
}

/// Is `name` below `parent`?
#[must_use]
pub fn is_below(name: &str, parent: &str) -> bool {
    name.strip_prefix(parent).is_some_and(|rest| rest.starts_with(SEPARATOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_whole_levels() {
        for name in ["a", "a/b", "Ünïcode/日本", "a b", "..a", "a.b", "INBOX/x", "&-"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "/", "/a", "a/", "a//b", "../a", "a/..", "./a", "a\u{0}", "a\nb", "a*", "a/%", "\u{85}"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert_eq!(check_name(&["a"; 33].join("/")).map_err(|refusal| refusal.code), Err("LIMIT"));
        assert_eq!(check_name(&"a".repeat(513)).map_err(|refusal| refusal.code), Err("LIMIT"));
    }

    #[test]
    fn parents_come_from_the_top() {
        assert_eq!(parents("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(parents("a").count(), 0);
        assert!(is_below("a/b", "a") && !is_below("ab", "a") && !is_below("a", "a"));
    }
}
