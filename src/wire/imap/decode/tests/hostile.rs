//! Input that means harm, or is far too much: each gets its answer, and the next command is found.

use super::super::super::command::*;
use super::super::*;
use super::{command, drive, invalid};
use crate::limits::{
    FETCH_FIELDS_MAX, FETCH_ITEMS_MAX, IMAP_COMMAND_OCTETS_MAX, IMAP_LITERALS_MAX, LIST_PATTERNS_MAX, SEARCH_DEPTH_MAX,
    SEARCH_KEYS_MAX, SECTION_DEPTH_MAX, SEQUENCE_RANGES_MAX,
};

fn non_synchronizing(octets: u64) -> Option<LiteralHead> {
    Some(LiteralHead { octets, non_synchronizing: true, binary: false })
}

#[test]
fn literals_too_large_for_their_place_are_refused_before_they_come() {
    for head in ["{4294967296}", "{99999999999999999999}", "{9223372036854775808}", "{1537}", "{61440}"] {
        let refused = invalid(format!("a SELECT {head}\r\n"));
        assert_eq!((refused.kind, refused.skip_literal), (InvalidKind::LiteralTooLarge, None), "{head}");
        assert_eq!(refused.tag.as_deref(), Some("a"));
    }
    // RFC 7888 4: these come all the same.
    for (head, octets) in [("{4294967296+}", 4_294_967_296), ("{1537+}", 1_537), ("{99999999999999999999+}", u64::MAX)]
    {
        let refused = invalid(format!("a SELECT {head}\r\n"));
        assert_eq!((refused.kind, refused.skip_literal), (InvalidKind::LiteralTooLarge, non_synchronizing(octets)));
    }
    assert_eq!(invalid("a APPEND x {99999999999999999999}\r\n").kind, InvalidKind::LiteralTooLarge);
    // Each is small enough, all together are not.
    let mut text = "a SEARCH".to_owned();
    for _ in 0..20 {
        text.push_str(&format!(" TEXT {{4000}}\r\n{}", "x".repeat(4_000)));
    }
    assert_eq!(invalid(text + "\r\n").kind, InvalidKind::LiteralTooLarge);
}

#[test]
fn what_follows_a_refused_command_is_no_command() {
    // The error stands before the literal; the literal comes all the same.
    for text in ["a BOGUS {5+}\r\n", "a FETCH 1 FOO {5+}\r\n", "a NOOP {5+}\r\n", "{5+}\r\n", "a SELECT ~{5+}\r\n"] {
        let skip = invalid(text).skip_literal.map(|head| head.octets);
        assert_eq!(skip, Some(5), "{text:?}");
    }
    // The error is in a literal, or behind it; the next one is at the end of the line.
    assert_eq!(invalid("a RENAME {4+}\r\n&bad {3+}\r\n").skip_literal, non_synchronizing(3));
    assert_eq!(invalid("a RENAME {4}\r\n&bad {3}\r\n").skip_literal, None);
    // What looks like a head but is what a literal holds is none.
    assert_eq!(invalid("a SELECT {4}\r\n{5+}x\r\n").skip_literal, None);
    assert_eq!(invalid("a RENAME {5}\r\n&{5+}\r\n").skip_literal, None);
    assert_eq!(literal_at_end(b" {3+}\r\n"), non_synchronizing(3));
    for none in ["{3+} \r\n", "3+}\r\n", "{}\r\n", "{+}\r\n", "{3-}\r\n", "{a}\r\n", "}\r\n", ""] {
        assert_eq!(literal_at_end(none.as_bytes()), None, "{none:?}");
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("a SEARCH {}ALL{}\r\n", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(command(nested(SEARCH_DEPTH_MAX)), command("a SEARCH ALL\r\n"));
    let too_deep = InvalidKind::Limit("SEARCH: keys are nested too deep");
    for depth in [SEARCH_DEPTH_MAX + 1, 20_000] {
        assert_eq!(invalid(nested(depth)).kind, too_deep);
    }
    assert_eq!(invalid(format!("a SEARCH {}ALL\r\n", "NOT ".repeat(10_000))).kind, too_deep);
    assert_eq!(invalid(format!("a SEARCH {}ALL\r\n", "OR ALL ".repeat(5_000))).kind, too_deep);
    let lists = format!("a FETCH 1 {}\r\n", "(".repeat(30_000));
    assert_eq!(invalid(lists).kind, InvalidKind::Syntax("FETCH: unknown data item"));
}

#[test]
fn counts_are_bounded() {
    let limited = |text: String| matches!(invalid(text + "\r\n").kind, InvalidKind::Limit(_));
    let many = |word: &str, count: usize| vec![word; count].join(" ");
    let keywords = |count: usize| (0..count).map(|number| format!("k{number}")).collect::<Vec<_>>().join(" ");
    assert!(limited(format!("a STORE 1 FLAGS ({})", keywords(10_000))));
    command(format!("a STORE 1 FLAGS ({})\r\n", keywords(64)));
    command(format!("a STORE 1 FLAGS ({})\r\n", many("Junk", 10_000)));
    command(format!("a STORE 1 FLAGS ({})\r\n", many("\\Seen", 9_000)));
    assert!(limited(format!("a STORE 1 FLAGS ({})", "k".repeat(65))));
    assert!(limited(format!("a SEARCH {}", many("ALL", SEARCH_KEYS_MAX + 1))));
    command(format!("a SEARCH {}\r\n", many("ALL", SEARCH_KEYS_MAX)));
    assert!(limited(format!("a FETCH 1 ({})", many("UID", FETCH_ITEMS_MAX + 1))));
    assert!(limited(format!("a FETCH 1 BODY[HEADER.FIELDS ({})]", many("x", FETCH_FIELDS_MAX + 1))));
    assert!(limited(format!("a FETCH 1 BODY[{}]", vec!["1"; SECTION_DEPTH_MAX + 1].join("."))));
    command(format!("a FETCH 1 BODY[{}]\r\n", vec!["1"; SECTION_DEPTH_MAX].join(".")));
    assert!(limited(format!("a LIST \"\" ({})", many("x", LIST_PATTERNS_MAX + 1))));
    assert!(limited(format!("a ENABLE {}", many("x", 33))));
    assert!(limited(format!("a ID ({})", many("\"a\" NIL", 31))));
    assert!(limited(format!("a LOGIN {} x", "u".repeat(513))));
    assert!(limited(format!("a SEARCH {}", many("TEXT {0+}\r\n", IMAP_LITERALS_MAX + 1))));
    assert!(matches!(invalid(format!("a SELECT \"{}\"\r\n", "x".repeat(513))).kind, InvalidKind::MailboxName(_)));
    assert_eq!(invalid(format!("{} NOOP\r\n", "t".repeat(129))).tag, None);
}

#[test]
fn sets_are_bounded() {
    let set = |count: usize| vec!["1"; count].join(",");
    command(format!("a FETCH {} UID\r\n", set(SEQUENCE_RANGES_MAX)));
    let too_many = InvalidKind::Limit("Message set has too many ranges");
    assert_eq!(invalid(format!("a FETCH {} UID\r\n", set(SEQUENCE_RANGES_MAX + 1))).kind, too_many);
    let half = set(SEQUENCE_RANGES_MAX / 2 + 1);
    assert_eq!(invalid(format!("a SEARCH {half} UID {half}\r\n")).kind, too_many);
}

#[test]
fn a_command_that_is_too_long_is_refused_but_known() {
    let long = |octets: usize| {
        let text = "a NOOP";
        format!("{text}{}\r\n", " ".repeat(octets - text.len() - 2))
    };
    command(long(IMAP_COMMAND_OCTETS_MAX));
    let refused = invalid(long(IMAP_COMMAND_OCTETS_MAX + 1));
    assert_eq!((refused.tag.as_deref(), refused.kind), (Some("a"), InvalidKind::TooLong));
}

#[test]
fn a_line_of_anything_is_refused_in_time() {
    for octet in *b"\0\r\n \"()*1:,+-.<>A[\\]{}~\x7f\x80\xff" {
        for prefix in [
            "",
            "a ",
            "a FETCH ",
            "a FETCH 1 ",
            "a FETCH 1 BODY[",
            "a SEARCH ",
            "a STORE 1 FLAGS (",
            "a LIST \"\" ",
            "a SELECT \"",
        ] {
            let mut line = prefix.as_bytes().to_vec();
            line.resize(IMAP_COMMAND_OCTETS_MAX - 2, octet);
            line.extend_from_slice(b"\r\n");
            assert!(!matches!(drive(&line, Names::ModifiedUtf7).0, Some(Ok(Decoded::NeedLiteral(_)))));
        }
    }
}
