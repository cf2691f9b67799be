//! Mailbox names between the wire and the store: UTF-8, levels divided by `/`, `INBOX` in upper case.

use super::utf7;
use crate::limits::MAILBOX_NAME_OCTETS_MAX;

/// Divides the levels of a name.
pub const SEPARATOR: char = '/';
/// RFC 9051 5.1: the one name that is there without being created, in any case.
pub const INBOX: &str = "INBOX";

/// How names stand on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// RFC 3501 5.1.3: modified UTF-7, which is what a client means until it enables IMAP4rev2 or UTF8=ACCEPT.
    #[default]
    ModifiedUtf7,
    /// RFC 9051 5.1: UTF-8, `&` is only an `&`.
    Utf8,
}

/// Reads a name, a reference or a pattern.
///
/// # Errors
/// What is wrong with it, for people.
pub fn read(octets: &[u8], names: Names) -> Result<String, &'static str> {
    // A client that sends 8-bit octets without being asked does not know modified UTF-7.
    let name = if names == Names::Utf8 || !octets.is_ascii() {
        core::str::from_utf8(octets).map_err(|_| "Mailbox name is not UTF-8")?.to_owned()
    } else {
        utf7::decode(octets).map_err(|utf7::Broken| "Mailbox name is not modified UTF-7 (RFC 3501 5.1.3)")?
    };
    // RFC 9051 5.1 with RFC 5198 2: no controls, no line or paragraph separators.
    if name.chars().any(|c| c.is_control() || c == '\u{2028}' || c == '\u{2029}') {
        return Err("Mailbox name holds control characters");
    }
    if name.len() > MAILBOX_NAME_OCTETS_MAX {
        return Err("Mailbox name is too long");
    }
    Ok(with_inbox(name))
}

/// RFC 9051 5.1: INBOX in any case is INBOX; so is it as the first level of another name.
fn with_inbox(mut name: String) -> String {
    let level = name.split(SEPARATOR).next().unwrap_or_default().len();
    if let Some(first) = name.get_mut(..level)
        && first.eq_ignore_ascii_case(INBOX)
    {
        first.make_ascii_uppercase();
    }
    name
}

/// A name that is to be created: every level has a name, is no path trick, and no wildcard makes it unreachable.
///
/// # Errors
/// What is wrong with it, for people.
pub fn creatable(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("Mailbox name is empty");
    }
    for level in name.split(SEPARATOR) {
        if level.is_empty() {
            return Err("Mailbox name has an empty level");
        }
        if level == "." || level == ".." {
            return Err("Mailbox name has a level that is a dot or two");
        }
    }
    // RFC 9051 5.1: `%` and `*` would be matched by LIST as wildcards.
    if name.contains(['%', '*']) {
        return Err("Mailbox name has a wildcard");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_both_forms() {
        let rev1 = |name: &str| read(name.as_bytes(), Names::ModifiedUtf7);
        let rev2 = |name: &str| read(name.as_bytes(), Names::Utf8);
        assert_eq!(rev1("Entw&APw-rfe").as_deref(), Ok("Entwürfe"));
        assert_eq!(rev1("Entwürfe & mehr").as_deref(), Ok("Entwürfe & mehr"));
        assert_eq!(rev2("Tom & Jerry").as_deref(), Ok("Tom & Jerry"));
        assert!(rev1("Tom & Jerry").is_err());
        assert!(read(b"a\xff", Names::Utf8).is_err());
        assert!(read(b"a\xff", Names::ModifiedUtf7).is_err());
        assert!(rev1("&AAo-").is_err(), "a line feed in disguise");
        assert!(rev2("a\0b").is_err());
        assert!(rev1(&"a".repeat(MAILBOX_NAME_OCTETS_MAX + 1)).is_err());
    }

    #[test]
    fn the_inbox_has_one_name() {
        for (wire, name) in
            [("inbox", "INBOX"), ("InBox/sub", "INBOX/sub"), ("inboxes", "inboxes"), ("a/inbox", "a/inbox"), ("", "")]
        {
            assert_eq!(read(wire.as_bytes(), Names::Utf8).as_deref(), Ok(name));
        }
    }

    #[test]
    fn tricks_are_not_created() {
        for bad in ["", "/", "a//b", "/a", "a/", "../etc", "a/..", "a/./b", "a%", "a/*"] {
            assert!(creatable(bad).is_err(), "{bad}");
        }
        for good in ["a", "a/b", "a..b", ".a", "INBOX/x", "日本語", "#news"] {
            assert_eq!(creatable(good), Ok(()), "{good}");
        }
    }
}
