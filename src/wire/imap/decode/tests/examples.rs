//! Commands as the RFCs and clients write them, and what they decode to.

use super::super::super::command::*;
use super::super::*;
use super::{command, drive, invalid};
use crate::mail::{FlagChange, FlagSelection, InternalDate, Keyword, ModSeq, SequenceSet, SpecialUse, SystemFlag};

fn set(text: &str) -> SequenceSet {
    SequenceSet::parse(text).unwrap()
}

fn keyword(name: &str) -> Keyword {
    Keyword::parse(name).unwrap()
}

fn day(year: u16, month: u8, day: u8) -> i64 {
    InternalDate::day_of(year, month, day).unwrap()
}

fn table(rows: Vec<(&str, Command)>) {
    for (text, expected) in rows {
        assert_eq!(command(format!("{text}\r\n")), expected, "{text}");
        // Clients are sloppy: lower case verbs, spaces at the end.
        let tag = text.find(' ').unwrap();
        let verb = text[tag + 1..].find(' ').map_or(text.len(), |end| tag + 1 + end);
        let sloppy = format!("{} {}{}  \r\n", &text[..tag], text[tag..verb].to_lowercase(), &text[verb..]);
        if !matches!(expected, Command::Append(_)) {
            assert_eq!(command(sloppy), expected, "{text}");
        }
    }
}

#[test]
fn of_any_state() {
    table(vec![
        ("abcd CAPABILITY", Command::Capability),
        ("a002 NOOP", Command::Noop),
        ("A023 LOGOUT", Command::Logout),
        ("a01 STARTTLS", Command::StartTls),
        ("a042 ID NIL", Command::Id(None)),
        ("a042 ID ()", Command::Id(Some(vec![]))),
        (
            "a023 ID (\"name\" \"sodr\" \"version\" \"19.34\" \"vendor\" NIL)",
            Command::Id(Some(vec![
                ("name".into(), Some("sodr".into())),
                ("version".into(), Some("19.34".into())),
                ("vendor".into(), None),
            ])),
        ),
        ("a AUTHENTICATE gssapi", Command::Authenticate { mechanism: "GSSAPI".into(), initial: None }),
        ("a AUTHENTICATE EXTERNAL =", Command::Authenticate { mechanism: "EXTERNAL".into(), initial: Some(vec![]) }),
        (
            "C01 AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q=",
            Command::Authenticate { mechanism: "PLAIN".into(), initial: Some(b"test\0test\0test".to_vec()) },
        ),
        ("a001 LOGIN SMITH SESAME", Command::Login { user: "SMITH".into(), password: b"SESAME".to_vec() }),
        (
            "a001 LOGIN \"fred\\\"foo\" \"b\\\\r \\ü\"",
            Command::Login { user: "fred\"foo".into(), password: "b\\r ü".as_bytes().to_vec() },
        ),
        (
            "A001 LOGIN {11}\r\nFRED FOOBAR {7}\r\nfat man",
            Command::Login { user: "FRED FOOBAR".into(), password: b"fat man".to_vec() },
        ),
        ("A001 LOGIN {0+}\r\n {0}\r\n", Command::Login { user: String::new(), password: vec![] }),
        ("t1 ENABLE CONDSTORE x-good-idea", Command::Enable(vec!["CONDSTORE".into(), "X-GOOD-IDEA".into()])),
        ("A002 IDLE", Command::Idle),
    ]);
}

#[test]
fn of_mailboxes() {
    let mailbox = |name: &str| name.to_owned();
    let select = |name: &str| Command::Select { mailbox: name.into(), read_only: false, condstore: false };
    table(vec![
        ("A142 SELECT INBOX", select("INBOX")),
        ("A142 SELECT {5}\r\ninbox", select("INBOX")),
        ("A142 SELECT \"&U,BTFw-/&ZeVnLIqe-\"", select("台北/日本語")),
        ("A142 SELECT \"Entwürfe\"", select("Entwürfe")),
        ("A142 SELECT ~peter", select("~peter")),
        ("A142 SELECT a]b", select("a]b")),
        ("a SELECT x (CONDSTORE)", Command::Select { mailbox: mailbox("x"), read_only: false, condstore: true }),
        (
            "a EXAMINE blurdybloop",
            Command::Select { mailbox: mailbox("blurdybloop"), read_only: true, condstore: false },
        ),
        ("A003 CREATE owatagusiam/", Command::Create { mailbox: mailbox("owatagusiam"), special_use: vec![] }),
        (
            "t2 CREATE Mist (USE (\\Drafts \\sent \\Drafts))",
            Command::Create { mailbox: mailbox("Mist"), special_use: vec![SpecialUse::Drafts, SpecialUse::Sent] },
        ),
        ("A683 DELETE foo", Command::Delete { mailbox: mailbox("foo") }),
        ("A683 RENAME inbox old-mail", Command::Rename { from: mailbox("INBOX"), to: mailbox("old-mail") }),
        ("A002 SUBSCRIBE #news.comp.mail.mime", Command::Subscribe { mailbox: mailbox("#news.comp.mail.mime") }),
        ("A002 UNSUBSCRIBE a/b", Command::Unsubscribe { mailbox: mailbox("a/b") }),
        ("A001 NAMESPACE", Command::Namespace),
        (
            "A042 STATUS blurdybloop (UIDNEXT MESSAGES)",
            Command::Status {
                mailbox: mailbox("blurdybloop"),
                items: StatusItems { uid_next: true, messages: true, ..StatusItems::default() },
            },
        ),
        (
            "A STATUS x (messages recent uidnext uidvalidity unseen deleted size highestmodseq)",
            Command::Status {
                mailbox: mailbox("x"),
                items: StatusItems {
                    messages: true,
                    recent: true,
                    uid_next: true,
                    uid_validity: true,
                    unseen: true,
                    deleted: true,
                    size: true,
                    highest_modseq: true,
                },
            },
        ),
    ]);
}

#[test]
fn of_lists() {
    let list = |reference: &str, pattern: &str| List {
        reference: reference.into(),
        patterns: vec![pattern.into()],
        ..List::default()
    };
    table(vec![
        ("A101 LIST \"\" \"\"", Command::List(list("", ""))),
        ("A102 LIST #news.comp.mail.misc \"\"", Command::List(list("#news.comp.mail.misc", ""))),
        ("A202 LIST ~/Mail/ %", Command::List(list("~/Mail/", "%"))),
        ("A202 LIST \"\" inbox*", Command::List(list("", "inbox*"))),
        ("A002 LSUB \"#news.\" \"comp.mail.*\"", Command::List(List { lsub: true, ..list("#news.", "comp.mail.*") })),
        (
            "A03 LIST () \"\" \"%\" RETURN (CHILDREN)",
            Command::List(List { return_children: true, extended: true, ..list("", "%") }),
        ),
        (
            "A04 LIST (SUBSCRIBED REMOTE recursivematch) \"\" *",
            Command::List(List {
                select_subscribed: true,
                select_remote: true,
                recursive_match: true,
                extended: true,
                ..list("", "*")
            }),
        ),
        (
            "BBB LIST \"\" (\"INBOX\" \"Drafts\" Sent/%)",
            Command::List(List {
                patterns: vec!["INBOX".into(), "Drafts".into(), "Sent/%".into()],
                extended: true,
                ..List::default()
            }),
        ),
        (
            "t3 LIST (SPECIAL-USE) \"\" % RETURN (SPECIAL-USE SUBSCRIBED STATUS (MESSAGES SIZE))",
            Command::List(List {
                select_special_use: true,
                return_special_use: true,
                return_subscribed: true,
                return_status: Some(StatusItems { messages: true, size: true, ..StatusItems::default() }),
                extended: true,
                ..list("", "%")
            }),
        ),
    ]);
}

#[test]
fn of_messages() {
    let seen = FlagSelection::of(SystemFlag::Seen);
    table(vec![
        ("FXXZ CHECK", Command::Check),
        ("A341 CLOSE", Command::Close),
        ("A342 UNSELECT", Command::Unselect),
        ("A202 EXPUNGE", Command::Expunge { uids: None }),
        ("A003 UID EXPUNGE 3000:3002", Command::Expunge { uids: Some(set("3000:3002")) }),
        (
            "A003 COPY 2:4 MEETING",
            Command::Copy { uid: false, set: set("2:4"), mailbox: "MEETING".into(), remove_source: false },
        ),
        (
            "a UID MOVE 42:69,* foo",
            Command::Copy { uid: true, set: set("42:69,*"), mailbox: "foo".into(), remove_source: true },
        ),
        (
            "a UID COPY $ foo",
            Command::Copy { uid: true, set: SequenceSet::default(), mailbox: "foo".into(), remove_source: false },
        ),
        (
            "A003 STORE 2:4 +FLAGS (\\Deleted)",
            Command::Store {
                uid: false,
                set: set("2:4"),
                change: FlagChange::Add,
                silent: false,
                flags: FlagSelection::of(SystemFlag::Deleted),
                unchanged_since: None,
            },
        ),
        (
            "b103 UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) -flags.silent (\\Seen $MDNSent $mdnsent \\recent)",
            Command::Store {
                uid: true,
                set: set("6,4,8"),
                change: FlagChange::Remove,
                silent: true,
                flags: FlagSelection { keywords: vec![keyword("$MDNSent")], ..seen.clone() },
                unchanged_since: Some(ModSeq(12_121_230_045)),
            },
        ),
        (
            "a STORE 1 FLAGS \\Seen junk",
            Command::Store {
                uid: false,
                set: set("1"),
                change: FlagChange::Replace,
                silent: false,
                flags: FlagSelection { keywords: vec![keyword("junk")], ..seen.clone() },
                unchanged_since: None,
            },
        ),
        (
            "a STORE 1 FLAGS ()",
            Command::Store {
                uid: false,
                set: set("1"),
                change: FlagChange::Replace,
                silent: false,
                flags: FlagSelection::default(),
                unchanged_since: None,
            },
        ),
    ]);
}

#[test]
fn of_appending() {
    let literal = LiteralHead { octets: 310, non_synchronizing: false, binary: false };
    let append =
        |flags, internal_date, literal| Append { mailbox: "saved-messages".into(), flags, internal_date, literal };
    table(vec![
        (
            "A003 APPEND saved-messages (\\Seen) {310}",
            Command::Append(append(FlagSelection::of(SystemFlag::Seen), None, literal)),
        ),
        (
            "A003 APPEND {14}\r\nsaved-messages {310+}",
            Command::Append(append(FlagSelection::default(), None, LiteralHead { non_synchronizing: true, ..literal })),
        ),
        (
            "A003 APPEND saved-messages () \" 7-Feb-1994 22:43:04 -0800\" ~{310}",
            Command::Append(append(
                FlagSelection::default(),
                InternalDate::from_civil((1994, 2, 7), (22, 43, 4), -480),
                LiteralHead { binary: true, ..literal },
            )),
        ),
        (
            // What is too large, the session says.
            "A003 APPEND saved-messages {4294967296}",
            Command::Append(append(FlagSelection::default(), None, LiteralHead { octets: 4_294_967_296, ..literal })),
        ),
    ]);
}

#[test]
fn of_searching() {
    use SearchKey as K;
    let not = |key| K::Not(Box::new(key));
    let header = |name: &str, text: &str| K::Header(name.into(), text.into());
    let unseen = || not(K::Flag(SystemFlag::Seen));
    let all = SearchReturn { all: true, ..SearchReturn::default() };
    let search = |returns, key| Command::Search { uid: false, returns, charset: None, key };
    table(vec![
        (
            "A282 SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
            search(
                None,
                K::And(vec![K::Flag(SystemFlag::Flagged), K::Since(day(1994, 2, 1)), not(header("FROM", "Smith"))]),
            ),
        ),
        (
            "A282 SEARCH RETURN (MIN COUNT) NEW",
            search(
                Some(SearchReturn { min: true, count: true, ..SearchReturn::default() }),
                K::And(vec![K::Recent, unseen()]),
            ),
        ),
        ("A283 SEARCH RETURN () ALL", search(Some(all), K::All)),
        (
            "A301 SEARCH RETURN (SAVE) $ OLD",
            search(
                Some(SearchReturn { save: true, ..SearchReturn::default() }),
                K::And(vec![K::Sequence(SequenceSet::default()), not(K::Recent)]),
            ),
        ),
        (
            "P283 SEARCH CHARSET utf-8 (OR 1,3:* FROM {5}\r\nJürg UNSEEN) TEXT \"été\"",
            Command::Search {
                uid: false,
                returns: None,
                charset: Some("UTF-8".into()),
                key: K::And(vec![
                    K::And(vec![K::Or(Box::new((K::Sequence(set("1,3:*")), header("FROM", "Jürg")))), unseen()]),
                    K::Text("été".into()),
                ]),
            },
        ),
        (
            "a UID SEARCH RETURN (ALL) UID 1:* KEYWORD $Forwarded UNKEYWORD junk LARGER 5 SMALLER 4294967296",
            Command::Search {
                uid: true,
                returns: Some(all),
                charset: None,
                key: K::And(vec![
                    K::Uid(set("1:*")),
                    K::Keyword(keyword("$Forwarded")),
                    not(K::Keyword(keyword("junk"))),
                    K::Larger(5),
                    K::Smaller(4_294_967_296),
                ]),
            },
        ),
        ("a SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338", search(None, K::ModSeq(ModSeq(620_162_338)))),
        (
            "t SEARCH OR NOT MODSEQ 720162338 LARGER 50000",
            search(None, K::Or(Box::new((not(K::ModSeq(ModSeq(720_162_338))), K::Larger(50_000))))),
        ),
        (
            "a SEARCH before \"01-feb-1994\" on 2-Mar-2000 sentbefore 1-Jan-1970 senton 2-Jan-1970 sentsince 31-Dec-9999",
            search(
                None,
                K::And(vec![
                    K::Before(day(1994, 2, 1)),
                    K::On(day(2000, 3, 2)),
                    K::SentBefore(0),
                    K::SentOn(1),
                    K::SentSince(day(9999, 12, 31)),
                ]),
            ),
        ),
        (
            "a SEARCH header Message-ID <x@y> SUBJECT \"\" bcc a cc b to c BODY {0}\r\n",
            search(
                None,
                K::And(vec![
                    header("Message-ID", "<x@y>"),
                    header("SUBJECT", ""),
                    header("BCC", "a"),
                    header("CC", "b"),
                    header("TO", "c"),
                    K::Body("".into()),
                ]),
            ),
        ),
        (
            "a SEARCH answered deleted draft seen unanswered undeleted undraft unflagged ((ALL))",
            search(
                None,
                K::And(vec![
                    K::Flag(SystemFlag::Answered),
                    K::Flag(SystemFlag::Deleted),
                    K::Flag(SystemFlag::Draft),
                    K::Flag(SystemFlag::Seen),
                    not(K::Flag(SystemFlag::Answered)),
                    not(K::Flag(SystemFlag::Deleted)),
                    not(K::Flag(SystemFlag::Draft)),
                    not(K::Flag(SystemFlag::Flagged)),
                    K::All,
                ]),
            ),
        ),
    ]);
}

#[test]
fn charsets_are_decoded_once() {
    for (charset, octets, text) in [
        ("iso-8859-1", &b"\xe9t\xe9"[..], "été"),
        ("KOI8-R", b"\xcd\xc9\xd2", "мир"),
        ("\"Shift_JIS\"", b"\x93\xfa\x96{", "日本"),
        ("US-ASCII", b"plain", "plain"),
        // A client that does not mean it.
        ("US-ASCII", "été".as_bytes(), "été"),
    ] {
        let mut octets_sent = format!("a SEARCH CHARSET {charset} TEXT {{{}}}\r\n", octets.len()).into_bytes();
        octets_sent.extend_from_slice(octets);
        octets_sent.extend_from_slice(b"\r\n");
        let Command::Search { key, .. } = command(&octets_sent) else { panic!("{charset}") };
        assert_eq!(key, SearchKey::Text(text.into()), "{charset}");
    }
    assert_eq!(invalid("a SEARCH CHARSET x-none TEXT a\r\n").kind, InvalidKind::BadCharset);
    assert_eq!(invalid("a SEARCH CHARSET iso-2022-kr TEXT a\r\n").kind, InvalidKind::BadCharset);
    assert!(matches!(invalid(b"a SEARCH TEXT {1}\r\n\xff\r\n").kind, InvalidKind::Syntax(_)));
    assert!(matches!(invalid(b"a SEARCH CHARSET shift_jis TEXT {1}\r\n\x81\r\n").kind, InvalidKind::Syntax(_)));
}

#[test]
fn of_fetching() {
    use FetchItem as I;
    let whole = |text, peek, partial| I::Section {
        section: Section { part: vec![], text },
        peek,
        partial,
        name: SectionName::Body,
    };
    let part = |part: &[u32], text| I::Section {
        section: Section { part: part.to_vec(), text },
        peek: true,
        partial: None,
        name: SectionName::Body,
    };
    let old = |text, peek, name| I::Section { section: Section { part: vec![], text }, peek, partial: None, name };
    let fields = |names: &[&str]| names.iter().map(|&name| name.into()).collect::<Vec<Box<str>>>();
    let fetch = |items| Command::Fetch { uid: false, set: set("2:4"), items, changed_since: None };
    table(vec![
        (
            "A654 FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])",
            fetch(vec![I::Flags, whole(SectionText::Fields(fields(&["DATE", "FROM"])), false, None)]),
        ),
        ("a FETCH 2:4 fast", fetch(vec![I::Flags, I::InternalDate, I::Rfc822Size])),
        ("a FETCH 2:4 ALL", fetch(vec![I::Flags, I::InternalDate, I::Rfc822Size, I::Envelope])),
        ("a FETCH 2:4 FULL", fetch(vec![I::Flags, I::InternalDate, I::Rfc822Size, I::Envelope, I::Body])),
        ("a FETCH 2:4 body", fetch(vec![I::Body])),
        ("a FETCH 2:4 (BODY BODYSTRUCTURE MODSEQ UID)", fetch(vec![I::Body, I::BodyStructure, I::ModSeq, I::Uid])),
        ("a FETCH 2:4 BODY[]<0.2048>", fetch(vec![whole(SectionText::All, false, Some((0, 2048)))])),
        ("a FETCH 2:4 ( BODY.PEEK[text]<5.1> )", fetch(vec![whole(SectionText::Text, true, Some((5, 1)))])),
        (
            "a FETCH 2:4 (BODY.PEEK[1] body.peek[1.2.MIME] BODY.PEEK[4.header] BODY.PEEK[3.TEXT])",
            fetch(vec![
                part(&[1], SectionText::All),
                part(&[1, 2], SectionText::Mime),
                part(&[4], SectionText::Header),
                part(&[3], SectionText::Text),
            ]),
        ),
        (
            "a FETCH 2:4 BODY.PEEK[1.header.fields.not (\"X-Spam\" {2}\r\nTo)]",
            fetch(vec![part(&[1], SectionText::FieldsNot(fields(&["X-Spam", "To"])))]),
        ),
        (
            "a FETCH 2:4 (RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE)",
            fetch(vec![
                old(SectionText::All, false, SectionName::Rfc822),
                old(SectionText::Header, true, SectionName::Rfc822Header),
                old(SectionText::Text, false, SectionName::Rfc822Text),
                I::Rfc822Size,
            ]),
        ),
        (
            "a FETCH 2:4 (BINARY[1.2]<0.9> BINARY.PEEK[] BINARY.SIZE[3])",
            fetch(vec![
                I::Binary { part: vec![1, 2], peek: false, partial: Some((0, 9)) },
                I::Binary { part: vec![], peek: true, partial: None },
                I::BinarySize { part: vec![3] },
            ]),
        ),
        (
            "s100 UID FETCH 1:* (FLAGS) (CHANGEDSINCE 12345)",
            Command::Fetch { uid: true, set: set("1:*"), items: vec![I::Flags], changed_since: Some(ModSeq(12_345)) },
        ),
    ]);
}

#[test]
fn what_is_wrong_is_said() {
    use InvalidKind::*;
    for (text, kind) in [
        ("", Syntax("Empty line")),
        ("   ", Syntax("A command begins with a tag of at most 128 characters")),
        ("+ x", Syntax("A command begins with a tag of at most 128 characters")),
        ("a", Syntax("A command must follow the tag")),
        ("a XYZZY", UnknownCommand),
        ("a UID NOOP", UnknownCommand),
        ("a UID", Syntax("UID: a command must follow")),
        ("a NOOP x", Syntax("Unexpected text behind the command")),
        ("a NO\0OP", UnknownCommand),
        ("a SELECT a\0b", Syntax("NUL in a command")),
        ("a SELECT a\rb", Syntax("Bare CR or LF in a command")),
        ("a SELECT \"a\nb\"", Syntax("Bare CR or LF in a command")),
        ("a SELECT bücher", Syntax("8-bit characters need a quoted string or a literal")),
        ("a SELECT {3}\r\na\0b", Syntax("NUL in a literal")),
        ("a SELECT \"a", Syntax("Quoted string does not end on its line")),
        ("a SELECT ~{3}\r\nabc", Syntax("A binary literal can only be a message")),
        ("a SELECT &AGE-", MailboxName("Mailbox name is not modified UTF-7 (RFC 3501 5.1.3)")),
        ("a SELECT {4}\r\n&bad", MailboxName("Mailbox name is not modified UTF-7 (RFC 3501 5.1.3)")),
        ("a SELECT x (QRESYNC (1 2))", Syntax("SELECT: unknown parameter")),
        ("a CREATE a//b", MailboxName("Mailbox name has an empty level")),
        ("a CREATE ../../etc/passwd", MailboxName("Mailbox name has a level that is a dot or two")),
        ("a RENAME a /", MailboxName("Mailbox name is empty")),
        ("a CREATE x (USE (\\All))", UseAttribute),
        ("a CREATE x (SIZE 3)", Syntax("CREATE: unknown parameter")),
        ("a STATUS x ()", Syntax("STATUS: no items")),
        ("a STATUS x (FOO)", Syntax("STATUS: unknown item")),
        ("a LIST (RECURSIVEMATCH) \"\" *", Syntax("LIST: RECURSIVEMATCH needs another selection option")),
        ("a LIST \"\" ()", Syntax("LIST: no patterns")),
        ("a LIST \"\" * FOO", Syntax("LIST: only RETURN may follow the pattern")),
        ("a FETCH 1 (FLAGS FOO)", Syntax("FETCH: unknown data item")),
        ("a FETCH 1 ()", Syntax("FETCH: no data items")),
        ("a FETCH 1 (FLAGS", Syntax("A list does not end")),
        ("a FETCH 0 FLAGS", Syntax("Message set is not a list of numbers and ranges")),
        ("a FETCH 1:2:3 FLAGS", Syntax("Message set is not a list of numbers and ranges")),
        ("a FETCH FLAGS", Syntax("Message set is not a list of numbers and ranges")),
        ("a FETCH 1 BODY[MIME]", Syntax("FETCH: unknown section")),
        ("a FETCH 1 BODY[0]", Syntax("FETCH: a part number is not positive")),
        ("a FETCH 1 BODY[1.]", Syntax("FETCH: unknown section")),
        ("a FETCH 1 BODY[1", Syntax("FETCH: section does not end")),
        ("a FETCH 1 BODY[]<0.0>", Syntax("FETCH: a partial is like <0.2048>")),
        ("a FETCH 1 BODY[HEADER.FIELDS ()]", Syntax("FETCH: no header field names")),
        ("a FETCH 1 BODY[HEADER.FIELDS (\"a b\")]", Syntax("FETCH: not a header field name")),
        ("a FETCH 1 FLAGS (VANISHED)", Syntax("FETCH: unknown modifier")),
        ("a STORE 1 FLAGZ (\\Seen)", Syntax("STORE: unknown data item")),
        ("a STORE 1 FLAGS (\\Foo)", Syntax("Unknown system flag")),
        ("a STORE 1 FLAGS (\\*)", Syntax("Not a flag")),
        ("a STORE 1 +FLAGS", Syntax("STORE: flags must follow")),
        ("a SEARCH", Syntax("SEARCH: keys must follow")),
        ("a SEARCH RETURN (MIN)", Syntax("SEARCH: keys must follow")),
        ("a SEARCH RETURN (FOO) ALL", Syntax("SEARCH: unknown return option")),
        ("a SEARCH FOO", Syntax("SEARCH: unknown key")),
        ("a SEARCH (ALL", Syntax("SEARCH: a parenthesis does not end")),
        ("a SEARCH ALL)", Syntax("Unexpected text behind the command")),
        ("a SEARCH ()", Syntax("SEARCH: unknown key")),
        ("a SEARCH ON 30-Feb-2000", Syntax("SEARCH: a date is like 1-Feb-1994")),
        ("a SEARCH NOT", Syntax("SEARCH: NOT needs a key")),
        ("a SEARCH LARGER 9223372036854775808", Syntax("Number is too large")),
        ("a AUTHENTICATE PLAIN !!!", Syntax("AUTHENTICATE: the initial response is not base64")),
        ("a APPEND x \"tomorrow\" {1}", Syntax("APPEND: the date is not like \"17-Jul-1996 02:44:25 -0700\"")),
        (
            "a APPEND x \"31-Jun-1996 02:44:25 -0700\" {1}",
            Syntax("APPEND: the date is not like \"17-Jul-1996 02:44:25 -0700\""),
        ),
        ("a APPEND x hello", Syntax("APPEND: the message must be a literal")),
        ("a ID foo", Syntax("ID: NIL or a list of names and values must follow")),
        ("a ENABLE", Syntax("ENABLE: capability names must follow")),
    ] {
        let invalid = invalid(format!("{text}\r\n"));
        assert_eq!(invalid.kind, kind, "{text:?}");
        assert_eq!(invalid.tag.as_deref(), text.starts_with('a').then_some("a"), "{text:?}");
        assert_eq!(invalid.skip_literal, None, "{text:?}");
    }
}

#[test]
fn names_are_utf8_once_imap4rev2_is_enabled() {
    let (decided, _) = drive(b"a SELECT \"Tom & J\xc3\xbcrg\"\r\n", Names::Utf8);
    let select = Command::Select { mailbox: "Tom & Jürg".into(), read_only: false, condstore: false };
    assert_eq!(decided, Some(Ok(Decoded::Command(Tagged { tag: "a".into(), command: select }))));
}
