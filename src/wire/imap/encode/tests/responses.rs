//! Responses that are one line.

use super::super::super::command::*;
use super::super::super::decode::{Decoded, InvalidKind, decode, decode_as};
use super::super::super::mailbox_name::{self, Names};
use super::super::*;
use super::{octets, text};
use crate::mail::{Flags, InternalDate, Keyword, ModSeq, SpecialUse, SystemFlag, Uid, UidValidity};
use core::num::NonZeroU32;
use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder as _;
use imap_codec::imap_types::response as theirs;
use proptest::prelude::*;

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn validity(number: u32) -> UidValidity {
    UidValidity(NonZeroU32::new(number).unwrap())
}

fn keywords(names: &[&str]) -> Vec<Keyword> {
    names.iter().map(|name| Keyword::parse(name).unwrap()).collect()
}

/// The other codec's view of one whole response.
fn read(octets: &[u8]) -> theirs::Response<'static> {
    match ResponseCodec::default().decode_static(octets) {
        Ok((rest, response)) => {
            assert!(rest.is_empty());
            response
        }
        Err(error) => panic!("{error:?}: {}", String::from_utf8_lossy(octets)),
    }
}

#[test]
fn codes_are_written_as_the_rfcs_show_them() {
    let kept = keywords(&["$Forwarded", "Junk"]);
    let (one, two) = ([304..=304, 319..=320], [3956..=3958]);
    for (code, expected) in [
        (Code::Alert, "[ALERT]"),
        (Code::BadCharset(&[]), "[BADCHARSET]"),
        (Code::BadCharset(&["US-ASCII", "UTF-8"]), "[BADCHARSET (US-ASCII UTF-8)]"),
        (Code::Capability(&["IMAP4rev2", "AUTH=PLAIN"]), "[CAPABILITY IMAP4rev2 AUTH=PLAIN]"),
        (Code::PermanentFlags(PermanentFlags::None), "[PERMANENTFLAGS ()]"),
        (
            Code::PermanentFlags(PermanentFlags::KnownAndNew(&kept)),
            "[PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded Junk \\*)]",
        ),
        (
            Code::PermanentFlags(PermanentFlags::Known(&[])),
            "[PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)]",
        ),
        (Code::ReadWrite, "[READ-WRITE]"),
        (Code::UidNext(uid(4392)), "[UIDNEXT 4392]"),
        (Code::UidValidity(validity(3_857_529_045)), "[UIDVALIDITY 3857529045]"),
        (Code::Unseen(12), "[UNSEEN 12]"),
        (Code::AppendUid(validity(38_505), &two), "[APPENDUID 38505 3956:3958]"),
        (Code::CopyUid(validity(38_505), &one, &two), "[COPYUID 38505 304,319:320 3956:3958]"),
        (Code::HighestModSeq(ModSeq(715_194_045_007)), "[HIGHESTMODSEQ 715194045007]"),
        (Code::Modified(&one), "[MODIFIED 304,319:320]"),
        (Code::UnknownCte, "[UNKNOWN-CTE]"),
        (Code::UseAttribute, "[USEATTR]"),
        (Code::Other("BADEVENT", Some("(MessageNew)")), "[BADEVENT (MessageNew)]"),
    ] {
        assert_eq!(text(|out| code.encode(out)), expected);
        read(&octets(|out| untagged(out, Condition::Ok, Some(&code), "text")));
    }
}

#[test]
fn status_responses_are_read_as_they_were_meant() {
    assert_eq!(text(|out| tagged(out, "A1", Condition::Ok, None, "done")), "A1 OK done\r\n");
    assert_eq!(text(|out| untagged(out, Condition::PreAuth, None, "hello")), "* PREAUTH hello\r\n");
    assert_eq!(text(|out| bye(out, "idle too long")), "* BYE idle too long\r\n");
    assert_eq!(text(|out| continuation(out, "")), "+ \r\n");
    assert_eq!(text(|out| continuation(out, "idling")), "+ idling\r\n");
    assert_eq!(text(|out| continuation_base64(out, b"x\0y")), "+ eAB5\r\n");
    assert_eq!(
        text(|out| tagged(out, "a", Condition::No, Some(&Code::OverQuota), "[no]\r\n* OK\0 ü")),
        "a NO [OVERQUOTA] (no]  * OK  ?\r\n"
    );
    let answers = [
        InvalidKind::Syntax("FETCH: unknown data item"),
        InvalidKind::UnknownCommand,
        InvalidKind::Incomplete,
        InvalidKind::TooLong,
        InvalidKind::LiteralTooLarge,
        InvalidKind::BadCharset,
        InvalidKind::MailboxName("Mailbox name is empty"),
        InvalidKind::UseAttribute,
        InvalidKind::Limit("LIST: too many patterns"),
    ];
    for kind in answers {
        let (how, code, words) = kind.answer();
        let theirs::Response::Status(theirs::Status::Tagged(read)) =
            read(&octets(|out| tagged(out, "a", how, code.as_ref(), words)))
        else {
            panic!("{kind:?}");
        };
        assert_eq!(read.body.text.inner(), words);
        assert_eq!(read.body.kind == theirs::StatusKind::Bad, how == Condition::Bad);
    }
}

#[test]
fn mailbox_responses() {
    assert_eq!(text(|out| exists(out, 23)), "* 23 EXISTS\r\n");
    assert_eq!(text(|out| recent(out, 5)), "* 5 RECENT\r\n");
    assert_eq!(text(|out| expunge(out, 44)), "* 44 EXPUNGE\r\n");
    assert_eq!(
        text(|out| flags_available(out, &keywords(&["Junk"]))),
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft Junk)\r\n"
    );
    let items = StatusItems { uid_next: true, messages: true, ..StatusItems::default() };
    let counts = StatusCounts {
        messages: 231,
        recent: 0,
        uid_next: Some(uid(44_292)),
        uid_validity: validity(7),
        unseen: 1,
        deleted: 2,
        size: 5_000_000_000,
        highest_modseq: ModSeq(9),
    };
    let status = |items, names| text(|out| mailbox_status(out, "blurdy bloöp", names, items, &counts));
    assert_eq!(status(items, Names::Utf8), "* STATUS \"blurdy bloöp\" (MESSAGES 231 UIDNEXT 44292)\r\n");
    let all = StatusItems {
        messages: true,
        recent: true,
        uid_next: true,
        uid_validity: true,
        unseen: true,
        deleted: true,
        size: true,
        highest_modseq: true,
    };
    let all = status(all, Names::ModifiedUtf7);
    assert_eq!(
        all,
        "* STATUS \"blurdy blo&APY-p\" (MESSAGES 231 RECENT 0 UIDNEXT 44292 UIDVALIDITY 7 UNSEEN 1 DELETED 2 \
         SIZE 5000000000 HIGHESTMODSEQ 9)\r\n"
    );
    read(all.as_bytes());
}

#[test]
fn list_responses() {
    let row = |attributes, name| ListRow { lsub: false, attributes, name, child_subscribed: false, old_name: None };
    let none = ListAttributes::default();
    let show = |row: &ListRow<'_>| text(|out| list(out, row, Names::ModifiedUtf7));
    assert_eq!(show(&row(ListAttributes { no_select: true, ..none }, "")), "* LIST (\\Noselect) \"/\" \"\"\r\n");
    assert_eq!(
        show(&row(
            ListAttributes { has_children: true, subscribed: true, special_use: Some(SpecialUse::Sent), ..none },
            "台北"
        )),
        "* LIST (\\HasChildren \\Subscribed \\Sent) \"/\" &U,BTFw-\r\n"
    );
    assert_eq!(show(&row(none, "nil")), "* LIST () \"/\" \"nil\"\r\n");
    assert_eq!(show(&ListRow { lsub: true, ..row(none, "a\"b") }), "* LSUB () \"/\" \"a\\\"b\"\r\n");
    assert_eq!(
        show(&ListRow { child_subscribed: true, ..row(ListAttributes { non_existent: true, ..none }, "Foo") }),
        "* LIST (\\NonExistent) \"/\" Foo (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
    );
    assert_eq!(
        show(&ListRow { child_subscribed: true, old_name: Some("old one"), ..row(none, "Foo") }),
        "* LIST () \"/\" Foo (\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (\"old one\"))\r\n"
    );
    read(
        show(&row(ListAttributes { has_no_children: true, no_inferiors: true, remote: true, ..none }, "a&b"))
            .as_bytes(),
    );
}

#[test]
fn search_responses() {
    let search = |numbers: &'static [u32], modseq| {
        text(move |out| {
            let search = Search::begin(out)?;
            numbers.iter().try_for_each(|&number| search.push(out, number))?;
            search.end(out, modseq)
        })
    };
    assert_eq!(search(&[2, 84, 882], None), "* SEARCH 2 84 882\r\n");
    assert_eq!(search(&[], None), "* SEARCH\r\n");
    assert_eq!(search(&[2, 5], Some(ModSeq(917_162_500))), "* SEARCH 2 5 (MODSEQ 917162500)\r\n");
    read(search(&[2, 5], Some(ModSeq(917_162_500))).as_bytes());
    let esearch = text(|out| {
        let esearch = Esearch::begin(out, "A\"282", true)?;
        esearch.min(out, 2)?;
        esearch.max(out, 47)?;
        esearch.count(out, 25)?;
        let mut all = esearch.all(out)?;
        [2, 3, 4, 47].into_iter().try_for_each(|number| all.push(out, number))?;
        all.end(out)?;
        esearch.end(out, Some(ModSeq(7)))
    });
    assert_eq!(esearch, "* ESEARCH (TAG \"A\\\"282\") UID MIN 2 MAX 47 COUNT 25 ALL 2:4,47 MODSEQ 7\r\n");
    assert_eq!(text(|out| Esearch::begin(out, "a", false)?.end(out, None)), "* ESEARCH (TAG \"a\")\r\n");
}

#[test]
fn server_responses() {
    assert_eq!(text(|out| capability(out, &["IMAP4rev1", "IDLE"])), "* CAPABILITY IMAP4rev1 IDLE\r\n");
    assert_eq!(text(|out| enabled(out, &["CONDSTORE"])), "* ENABLED CONDSTORE\r\n");
    assert_eq!(text(|out| enabled(out, &[])), "* ENABLED\r\n");
    assert_eq!(text(namespace), "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
    assert_eq!(text(|out| id(out, &[])), "* ID NIL\r\n");
    let id = text(|out| id(out, &[("name", Some("Pillar\"box")), ("version", None)]));
    assert_eq!(id, "* ID (\"name\" \"Pillar\\\"box\" \"version\" NIL)\r\n");
    for response in [id, text(namespace), text(|out| enabled(out, &["CONDSTORE"]))] {
        read(response.as_bytes());
    }
}

#[test]
fn fetch_responses() {
    let set = Flags::NONE.with(SystemFlag::Seen).with_keyword(1).with_keyword(9);
    let response = octets(|out| {
        let mut response = FetchResponse::begin(out, 5)?;
        response.flags(out, set, &keywords(&["Junk", "$Forwarded"]), true)?;
        response.uid(out, uid(77))?;
        response.internal_date(out, InternalDate::from_civil((1996, 7, 7), (2, 44, 25), -420).unwrap())?;
        response.rfc822_size(out, 44_827)?;
        response.modseq(out, ModSeq(65_402))?;
        let section = Section { part: vec![1, 2], text: SectionText::Mime };
        response.section(out, &section, SectionName::Body, Some(3), SectionOctets::Literal(4))?;
        out.text("ab\r\n")?;
        response.section(out, &section, SectionName::Rfc822Text, None, SectionOctets::Nil)?;
        response.binary(out, &[3], None, SectionOctets::Literal8(2))?;
        out.push(b"\0x")?;
        response.binary_size(out, &[3], 9)?;
        response.end(out)
    });
    assert_eq!(
        String::from_utf8(response.clone()).unwrap(),
        "* 5 FETCH (FLAGS (\\Recent \\Seen $Forwarded) UID 77 INTERNALDATE \" 7-Jul-1996 02:44:25 -0700\" \
         RFC822.SIZE 44827 MODSEQ (65402) BODY[1.2.MIME]<3> {4}\r\nab\r\n RFC822.TEXT NIL BINARY[3] ~{2}\r\n\0x \
         BINARY.SIZE[3] 9)\r\n"
    );
    read(&response);
}

#[test]
fn an_item_that_does_not_fit_is_written_again() {
    let mut room = [0; 20];
    let mut out = Out::new(&mut room);
    let mut response = FetchResponse::begin(&mut out, 5).unwrap();
    response.uid(&mut out, uid(7)).unwrap();
    let (mark, before) = (out.mark(), response);
    assert_eq!(response.rfc822_size(&mut out, 123_456), Err(Full));
    out.roll_back(mark);
    assert_eq!(out.octets(), b"* 5 FETCH (UID 7");
    out.clear();
    response = before;
    response.rfc822_size(&mut out, 12).unwrap();
    assert_eq!(out.octets(), b" RFC822.SIZE 12");
}

#[test]
fn strings_take_the_form_that_they_need() {
    for (value, expected) in [
        (&b"plain"[..], "\"plain\""),
        (b"", "\"\""),
        (b"a\"b\\\\", "\"a\\\"b\\\\\\\\\""),
        (b"a\tb", "\"a\tb\""),
        ("ü".as_bytes(), "{2}\r\nü"),
        (b"a\r\nb", "{4}\r\na\r\nb"),
        (b"\0a\0\0", "{4}\r\n?a??"),
    ] {
        assert_eq!(text(|out| string(out, value)), expected);
    }
    assert_eq!(text(|out| nstring(out, None)), "NIL");
    assert_eq!(text(|out| nstring(out, Some(b""))), "\"\"");
    assert_eq!(text(|out| astring(out, b"a]b")), "a]b");
    assert_eq!(text(|out| astring(out, b"a b")), "\"a b\"");
    assert_eq!(text(|out| astring(out, b"Nil")), "\"Nil\"");
}

proptest! {
    #[test]
    fn a_status_is_one_line_whatever_its_text(words in any::<String>()) {
        let line = octets(|out| tagged(out, "a", Condition::No, Some(&Code::Limit), &words));
        prop_assert!(line.ends_with(b"\r\n"));
        prop_assert!(line[..line.len() - 2].iter().all(|b| (b' '..=b'~').contains(b)));
        read(&line);
    }

    #[test]
    fn mailbox_names_are_read_as_they_are_written(name in any::<String>(), utf8 in any::<bool>()) {
        let names = if utf8 { Names::Utf8 } else { Names::ModifiedUtf7 };
        prop_assume!(mailbox_name::read(name.as_bytes(), Names::Utf8).as_deref() == Ok(&name));
        let mut line = b"a SELECT ".to_vec();
        line.extend(octets(|out| super::super::mailbox_name(out, &name, names)));
        line.extend_from_slice(b"\r\n");
        let expected = Command::Select { mailbox: name, read_only: false, condstore: false };
        prop_assert_eq!(
            decode_as(&line, names),
            Ok(Decoded::Command(Tagged { tag: "a".into(), command: expected }))
        );
    }

    #[test]
    fn section_names_are_read_as_they_are_written(
        part in proptest::collection::vec(1_u32.., 1..4),
        which in 0..6,
        names in proptest::collection::vec("[!-9;-~]{1,8}".prop_map(String::into_boxed_str), 1..4),
    ) {
        let section = Section { part, text: match which {
            0 => SectionText::All,
            1 => SectionText::Header,
            2 => SectionText::Text,
            3 => SectionText::Mime,
            4 => SectionText::Fields(names),
            _ => SectionText::FieldsNot(names),
        } };
        let mut line = b"a FETCH 1 ".to_vec();
        line.extend(octets(|out| section_name(out, &section, SectionName::Body, None)));
        line.extend_from_slice(b"\r\n");
        let Ok(Decoded::Command(Tagged { command: Command::Fetch { items, .. }, .. })) = decode(&line) else {
            panic!("{}", String::from_utf8_lossy(&line));
        };
        let expected = FetchItem::Section { section, peek: false, partial: None, name: SectionName::Body };
        prop_assert_eq!(items, vec![expected]);
    }
}
