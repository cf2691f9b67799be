//! What holds for every command: it survives being written and read, it is whole only when it is, and no octets do harm.

use super::super::super::command::*;
use super::super::super::mailbox_name;
use super::super::*;
use super::drive;
use super::encoder::encode;
use crate::mail::{
    FlagChange, FlagSelection, Flags, InternalDate, Keyword, ModSeq, SequenceSet, SpecialUse, SystemFlag,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,12}", "[a-z\"\\\\\r\n{}()*%é日😀]{0,8}"]
}

fn name() -> impl Strategy<Value = String> {
    let level = prop_oneof!["[a-zA-Z0-9 .&+~_-]{1,6}x", "[aé日😀\"\\\\&(){\\]]{1,5}", Just("INBOX".to_owned())];
    vec(level, 1..4).prop_map(|levels| levels.join("/")).prop_filter("as the decoder gives it", |name| {
        mailbox_name::read(name.as_bytes(), Names::Utf8).as_deref() == Ok(name)
    })
}

fn pattern() -> impl Strategy<Value = String> {
    (name(), "[%*]{0,2}").prop_map(|(name, wild)| name + &wild)
}

fn set() -> impl Strategy<Value = SequenceSet> {
    let number = || prop_oneof![4 => (1_u32..100).prop_map(|n| n.to_string()), 1 => any::<u32>().prop_map(|n| n.max(1).to_string()), 1 => Just("*".to_owned())];
    let range = (number(), proptest::option::of(number())).prop_map(|(from, to)| match to {
        Some(to) => format!("{from}:{to}"),
        None => from,
    });
    prop_oneof![
        9 => vec(range, 1..5).prop_map(|ranges| SequenceSet::parse(&ranges.join(",")).unwrap()),
        1 => Just(SequenceSet::default()),
    ]
}

fn keyword() -> impl Strategy<Value = Keyword> {
    "[$a-zA-Z][a-zA-Z0-9_+.\\[!]{0,9}".prop_map(|name| Keyword::parse(&name).unwrap())
}

fn system_flag() -> impl Strategy<Value = SystemFlag> {
    select(SystemFlag::ALL.to_vec())
}

fn flags() -> impl Strategy<Value = FlagSelection> {
    (subsequence(SystemFlag::ALL.to_vec(), 0..=5), vec(keyword(), 0..4)).prop_map(|(system, mut keywords)| {
        keywords.dedup_by(|a, b| a.same(b));
        let mut seen: Vec<Keyword> = Vec::new();
        for keyword in keywords {
            if !seen.iter().any(|known| known.same(&keyword)) {
                seen.push(keyword);
            }
        }
        FlagSelection { system: system.into_iter().fold(Flags::NONE, Flags::with), keywords: seen }
    })
}

fn modseq() -> impl Strategy<Value = ModSeq> {
    (0..=i64::MAX).prop_map(|number| ModSeq(number.cast_unsigned()))
}

fn status_items() -> impl Strategy<Value = StatusItems> {
    any::<[bool; 8]>().prop_map(|[messages, recent, uid_next, uid_validity, unseen, deleted, size, highest_modseq]| {
        let any = recent || uid_next || uid_validity || unseen || deleted || size || highest_modseq;
        StatusItems {
            messages: messages || !any,
            recent,
            uid_next,
            uid_validity,
            unseen,
            deleted,
            size,
            highest_modseq,
        }
    })
}

fn list() -> impl Strategy<Value = List> {
    let extended = (name(), vec(pattern(), 1..4), any::<[bool; 7]>(), proptest::option::of(status_items())).prop_map(
        |(reference, patterns, [a, b, c, d, e, f, g], return_status)| List {
            lsub: false,
            reference,
            patterns,
            select_subscribed: a,
            select_remote: b,
            recursive_match: c && (a || d),
            select_special_use: d,
            return_subscribed: e,
            return_children: f,
            return_special_use: g,
            return_status,
            extended: true,
        },
    );
    let plain = (name(), pattern(), any::<bool>()).prop_map(|(reference, pattern, lsub)| List {
        lsub,
        reference,
        patterns: vec![pattern],
        ..List::default()
    });
    prop_oneof![extended, plain]
}

fn literal() -> impl Strategy<Value = LiteralHead> {
    (0..=i64::MAX, any::<bool>(), any::<bool>()).prop_map(|(octets, non_synchronizing, binary)| LiteralHead {
        octets: octets.cast_unsigned(),
        non_synchronizing,
        binary,
    })
}

fn date() -> impl Strategy<Value = InternalDate> {
    (0_i64..4_000_000_000, -1439_i16..=1439).prop_map(|(unix, zone_minutes)| InternalDate { unix, zone_minutes })
}

fn search_key() -> impl Strategy<Value = SearchKey> {
    use SearchKey as K;
    let boxed = || text().prop_map(String::into_boxed_str);
    let day = || -700_000_i64..2_000_000;
    let leaf = prop_oneof![
        Just(K::All),
        Just(K::Recent),
        set().prop_map(K::Sequence),
        set().prop_map(K::Uid),
        system_flag().prop_map(K::Flag),
        keyword().prop_map(K::Keyword),
        day().prop_map(K::Before),
        day().prop_map(K::On),
        day().prop_map(K::Since),
        day().prop_map(K::SentBefore),
        day().prop_map(K::SentOn),
        day().prop_map(K::SentSince),
        (0..=i64::MAX).prop_map(|octets| K::Larger(octets.cast_unsigned())),
        (0..=i64::MAX).prop_map(|octets| K::Smaller(octets.cast_unsigned())),
        ("(BCC|CC|FROM|SUBJECT|TO|[A-Za-z-]{1,9})", boxed()).prop_map(|(name, text)| K::Header(name.into(), text)),
        boxed().prop_map(K::Body),
        boxed().prop_map(K::Text),
        modseq().prop_map(K::ModSeq),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..5).prop_map(K::And),
            (inner.clone(), inner.clone()).prop_map(|both| K::Or(Box::new(both))),
            inner.prop_map(|key| K::Not(Box::new(key))),
        ]
    })
}

fn fetch_item() -> impl Strategy<Value = FetchItem> {
    use FetchItem as I;
    let part = |least| vec(1_u32.., least..4_usize);
    let names = || vec("[A-Za-z][A-Za-z0-9-]{0,9}|[!-9;-~]{1,5}".prop_map(String::into_boxed_str), 1..4);
    let text = prop_oneof![
        Just(SectionText::All),
        Just(SectionText::Header),
        Just(SectionText::Text),
        names().prop_map(SectionText::Fields),
        names().prop_map(SectionText::FieldsNot),
    ];
    let section = prop_oneof![
        4 => (part(0), text).prop_map(|(part, text)| Section { part, text }),
        1 => part(1).prop_map(|part| Section { part, text: SectionText::Mime }),
    ];
    let partial = || proptest::option::of((0..u64::from(u32::MAX), 1..u64::from(u32::MAX)));
    let old =
        |text, peek, name| Just(I::Section { section: Section { part: vec![], text }, peek, partial: None, name });
    prop_oneof![
        select(vec![
            I::Flags,
            I::Uid,
            I::InternalDate,
            I::Rfc822Size,
            I::Envelope,
            I::Body,
            I::BodyStructure,
            I::ModSeq
        ]),
        (section, any::<bool>(), partial()).prop_map(|(section, peek, partial)| I::Section {
            section,
            peek,
            partial,
            name: SectionName::Body
        }),
        old(SectionText::All, false, SectionName::Rfc822),
        old(SectionText::Header, true, SectionName::Rfc822Header),
        old(SectionText::Text, false, SectionName::Rfc822Text),
        (part(0), any::<bool>(), partial()).prop_map(|(part, peek, partial)| I::Binary { part, peek, partial }),
        part(0).prop_map(|part| I::BinarySize { part }),
    ]
}

pub(super) fn any_command() -> impl Strategy<Value = Command> {
    use Command as C;
    let simple = select(vec![
        C::Capability,
        C::Noop,
        C::Logout,
        C::StartTls,
        C::Idle,
        C::Namespace,
        C::Check,
        C::Close,
        C::Unselect,
        C::Id(None),
        C::Expunge { uids: None },
    ]);
    let session = prop_oneof![
        vec((text(), proptest::option::of(text())), 0..4).prop_map(|pairs| C::Id(Some(pairs))),
        ("[A-Z0-9_-]{1,12}", proptest::option::of(vec(any::<u8>(), 0..20)))
            .prop_map(|(mechanism, initial)| C::Authenticate { mechanism: mechanism.into(), initial }),
        (text(), vec(1_u8.., 0..12)).prop_map(|(user, password)| C::Login { user, password }),
        vec("[A-Z0-9=-]{1,12}".prop_map(String::into_boxed_str), 1..4).prop_map(C::Enable),
    ];
    let mailbox = prop_oneof![
        (name(), any::<bool>(), any::<bool>()).prop_map(|(mailbox, read_only, condstore)| C::Select {
            mailbox,
            read_only,
            condstore
        }),
        (name(), subsequence(SpecialUse::ALL.to_vec(), 0..=5))
            .prop_map(|(mailbox, special_use)| C::Create { mailbox, special_use }),
        name().prop_map(|mailbox| C::Delete { mailbox }),
        (name(), name()).prop_map(|(from, to)| C::Rename { from, to }),
        name().prop_map(|mailbox| C::Subscribe { mailbox }),
        name().prop_map(|mailbox| C::Unsubscribe { mailbox }),
        list().prop_map(C::List),
        (name(), status_items()).prop_map(|(mailbox, items)| C::Status { mailbox, items }),
        (name(), flags(), proptest::option::of(date()), literal()).prop_map(
            |(mailbox, flags, internal_date, literal)| C::Append(Append { mailbox, flags, internal_date, literal })
        ),
    ];
    let returns = any::<[bool; 5]>().prop_map(|[min, max, all, count, save]| SearchReturn {
        min,
        max,
        all: all || !(min || max || count || save),
        count,
        save,
    });
    let charset = select(vec![None, Some("UTF-8"), Some("US-ASCII")]);
    let message = prop_oneof![
        set().prop_map(|set| C::Expunge { uids: Some(set) }),
        (any::<bool>(), proptest::option::of(returns), charset, search_key())
            .prop_map(|(uid, returns, charset, key)| C::Search { uid, returns, charset: charset.map(Box::from), key }),
        (any::<bool>(), set(), vec(fetch_item(), 1..5), proptest::option::of(modseq()))
            .prop_map(|(uid, set, items, changed_since)| C::Fetch { uid, set, items, changed_since }),
        (
            any::<(bool, bool)>(),
            set(),
            select(vec![FlagChange::Replace, FlagChange::Add, FlagChange::Remove]),
            flags(),
            proptest::option::of(modseq())
        )
            .prop_map(|((uid, silent), set, change, flags, unchanged_since)| C::Store {
                uid,
                set,
                change,
                silent,
                flags,
                unchanged_since
            }),
        (any::<bool>(), set(), name(), any::<bool>()).prop_map(|(uid, set, mailbox, remove_source)| C::Copy {
            uid,
            set,
            mailbox,
            remove_source
        }),
    ];
    prop_oneof![1 => simple, 2 => session, 4 => mailbox, 8 => message]
}

pub(super) fn any_tagged() -> impl Strategy<Value = Tagged> {
    ("[A-Za-z0-9.]{1,8}", any_command()).prop_map(|(tag, command)| Tagged { tag: tag.into(), command })
}

fn expected(tagged: Tagged) -> Decoded {
    match tagged.command {
        Command::Append(append) => Decoded::Append { tag: tagged.tag, append },
        _ => Decoded::Command(tagged),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn what_a_client_writes_is_read(tagged in any_tagged(), seed in any::<u64>(), utf8 in any::<bool>()) {
        let names = if utf8 { Names::Utf8 } else { Names::ModifiedUtf7 };
        let octets = encode(&tagged, names, seed);
        let (decided, end) = drive(&octets, names);
        prop_assert_eq!(decided, Some(Ok(expected(tagged))), "{}", String::from_utf8_lossy(&octets));
        prop_assert_eq!(end, octets.len());
    }

    #[test]
    fn no_octets_do_harm(octets in vec(any::<u8>(), 0..80)) {
        let _ = decode(&octets);
        let mut line = octets;
        line.extend_from_slice(b"\r\n");
        let _ = decode(&line);
        let _ = literal_at_end(&line);
    }

    #[test]
    fn nothing_like_a_command_does_harm(
        words in vec(select(vec![
            "UID ", "FETCH ", "STORE ", "SEARCH ", "LIST ", "APPEND ", "STATUS ", "1:* ", "(", ")", " ", "\"", "\\", "{3}\r\nabc",
            "{3+}\r\n", "~{1}\r\n", "{0}\r\n", "BODY[", "]", "HEADER.FIELDS ", "<0.1>", "RETURN ", "NOT ", "OR ", "x ", "\r\n", "&AGE-", "\u{e9}", "\0",
        ]), 0..12)
    ) {
        let _ = drive(format!("a {}\r\n", words.concat()).as_bytes(), Names::ModifiedUtf7);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// A command that is cut anywhere is not a command; where it is cut behind the head of a literal, that is asked for.
    #[test]
    fn a_command_is_whole_only_at_its_end(tagged in any_tagged(), seed in any::<u64>()) {
        let octets = encode(&tagged, Names::Utf8, seed);
        // Where literals are, as the driver finds them.
        let mut heads = Vec::new();
        let mut at = 0;
        while let Some(line) = octets[at..].windows(2).position(|two| two == b"\r\n") {
            let end = at + line + 2;
            match literal_at_end(&octets[at..end]) {
                Some(head) if end < octets.len() => {
                    heads.push((end, head));
                    at = end + usize::try_from(head.octets).unwrap();
                }
                _ => break,
            }
        }
        for cut in 0..octets.len() {
            let decided = decode_as(&octets[..cut], Names::Utf8);
            let head = heads.iter().find(|(at, _)| *at == cut).map(|(_, head)| *head);
            match (head, decided) {
                (Some(head), decided) => prop_assert_eq!(decided, Ok(Decoded::NeedLiteral(head))),
                (None, Err(Invalid { kind: InvalidKind::Incomplete, .. })) => {}
                (None, decided) => prop_assert!(false, "{cut} of {:?}: {decided:?}", String::from_utf8_lossy(&octets)),
            }
        }
    }
}
