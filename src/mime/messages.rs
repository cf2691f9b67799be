//! The scanner against messages of the real world (`tests/messages`) and hostile ones.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, clippy::panic)]

use super::*;
use crate::limits::{MIME_OUTLINE_OCTETS_MAX, MIME_PARTS_MAX, MIME_SCANNER_OCTETS_MAX, SECTION_DEPTH_MAX};
use proptest::prelude::*;

fn scan(message: &[u8], piece: usize) -> Summary {
    let mut scanner = Scanner::new();
    for octets in message.chunks(piece.max(1)) {
        scanner.push(octets);
        assert!(scanner.held() <= MIME_SCANNER_OCTETS_MAX, "holds {}", scanner.held());
    }
    let summary = scanner.finish();
    check(message, &summary);
    summary
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/messages/{name}.eml", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn slice(message: &[u8], span: Span) -> &[u8] {
    &message[usize::try_from(span.offset).unwrap()..][..usize::try_from(span.octets).unwrap()]
}

/// What must hold for every summary of every input.
fn check(message: &[u8], summary: &Summary) {
    let whole = Span { offset: 0, octets: message.len() as u64 };
    assert_eq!(summary.root.header.offset, 0);
    assert_eq!(summary.root.header.octets + summary.root.body.octets, whole.octets);
    assert_eq!(summary.lines, message.iter().filter(|&&octet| octet == b'\n').count() as u64);
    let parts = check_part(message, &summary.root, whole, 0);
    assert!(parts <= MIME_PARTS_MAX + 2 * SECTION_DEPTH_MAX, "{parts} parts");
    let encoded = summary.encode().expect("a summary always fits");
    assert!(encoded.len() <= MIME_OUTLINE_OCTETS_MAX);
    assert_eq!(Summary::decode(&encoded).as_ref(), Some(summary));
}

fn end(span: Span) -> u64 {
    span.offset + span.octets
}

fn check_part(message: &[u8], part: &Part, outer: Span, depth: usize) -> usize {
    assert!(depth <= SECTION_DEPTH_MAX);
    assert!(part.header.offset >= outer.offset && end(part.header) == part.body.offset && end(part.body) <= end(outer));
    assert_eq!(part.lines, slice(message, part.body).iter().filter(|&&octet| octet == b'\n').count() as u64);
    let is = |kind: &[u8], sub: &[&[u8]]| {
        part.media_type.eq_ignore_ascii_case(kind)
            && (sub.is_empty() || sub.iter().any(|sub| part.media_subtype.eq_ignore_ascii_case(sub)))
    };
    match &part.inside {
        Body::Leaf => {
            assert!(!is(b"multipart", &[]) && !is(b"message", &[b"rfc822", b"global"]));
            1
        }
        Body::Multipart(parts) => {
            assert!(is(b"multipart", &[]) && !parts.is_empty());
            for two in parts.windows(2) {
                assert!(end(two[0].body) <= two[1].header.offset);
            }
            1 + parts.iter().map(|inner| check_part(message, inner, part.body, depth + 1)).sum::<usize>()
        }
        Body::Message(inner) => {
            assert!(is(b"message", &[b"rfc822", b"global"]));
            assert_eq!(inner.1.header.offset, part.body.offset);
            1 + check_part(message, &inner.1, part.body, depth + 1)
        }
    }
}

/// `type/subtype octets/lines`, with what is inside in brackets.
fn shown(part: &Part) -> String {
    let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let own = format!("{}/{} {}/{}", text(&part.media_type), text(&part.media_subtype), part.body.octets, part.lines);
    match &part.inside {
        Body::Leaf => own,
        Body::Multipart(parts) => format!("{own} [{}]", parts.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Body::Message(inner) => {
            let subject = inner.0.subject.as_deref().map(text).unwrap_or_default();
            format!("{own} {{{subject}: {}}}", shown(&inner.1))
        }
    }
}

const TABLE: [(&str, &str); 19] = [
    ("plain", "TEXT/PLAIN 57/2"),
    ("alternative", "multipart/alternative 331/15 [text/plain 27/1, text/html 39/1]"),
    (
        "attachment",
        "multipart/mixed 724/28 [multipart/related 478/17 [text/html 19/0, image/png 26/1], application/pdf 12/0]",
    ),
    (
        "nested",
        "multipart/mixed 411/30 [text/plain 10/0, message/rfc822 243/15 {lunch: multipart/alternative 96/9 [text/plain \
         5/0, text/html 12/0]}, message/rfc822 31/2 {plain one: text/plain 9/0}]",
    ),
    (
        "bare-lf",
        "multipart/mixed 381/30 [text/plain 10/0, message/rfc822 228/15 {lunch: multipart/alternative 87/9 [text/plain \
         5/0, text/html 12/0]}, message/rfc822 29/2 {plain one: text/plain 9/0}]",
    ),
    (
        "digest",
        "multipart/digest 232/20 [message/rfc822 45/4 {first: text/plain 6/1}, message/rfc822 54/5 {second: text/plain \
         14/2}, text/plain 13/0]",
    ),
    ("no-end", "multipart/mixed 95/12 [multipart/mixed 24/5 [text/plain 3/0, text/plain 3/0], text/plain 7/1]"),
    ("no-header", "text/plain 53/2"),
    ("no-body", "text/plain 0/0"),
    ("empty-multipart", "multipart/mixed 24/1 [text/plain 0/0]"),
    ("no-boundary", "text/plain 42/4"),
    ("gb18030", "text/plain 34/2"),
    ("iso-2022-jp", "text/plain 26/1"),
    ("raw-subject", "text/plain 3/1"),
    ("raw-latin1", "text/plain 3/1"),
    ("flowed", "text/plain 43/4"),
    (
        "report",
        "multipart/report 594/28 [text/plain 12/1, message/delivery-status 113/5, message/rfc822 71/4 {hello: \
         text/plain 9/0}]",
    ),
    ("broken-base64", "text/plain 37/3"),
    (
        "encoded-message",
        "multipart/mixed 191/12 [application/octet-stream 32/0, message/global 24/2 {ümlaut: text/plain 4/0}]",
    ),
];

#[test]
fn structures_of_real_messages() {
    for (name, expected) in TABLE {
        assert_eq!(shown(&scan(&read(name), usize::MAX).root), expected, "{name}");
    }
}

#[test]
fn pieces_make_no_difference() {
    for (name, _) in TABLE {
        let message = read(name);
        let whole = scan(&message, usize::MAX);
        for cut in 0..=message.len() {
            let mut scanner = Scanner::new();
            scanner.push(&message[..cut]);
            scanner.push(&message[cut..]);
            assert_eq!(scanner.finish(), whole, "{name} cut at {cut}");
            // A message that ends anywhere is a message too.
            scan(&message[..cut], 7);
        }
        for piece in [1, 2, 3, 5, 64] {
            assert_eq!(scan(&message, piece), whole, "{name} in pieces of {piece}");
        }
    }
}

#[test]
fn envelopes_hold_the_header_as_it_stands() {
    let text = |text: &Option<Text>| String::from_utf8_lossy(text.as_ref().unwrap()).into_owned();
    let envelope = scan(&read("alternative"), 10).envelope;
    assert_eq!(text(&envelope.subject), "=?utf-8?B?5rWL6K+V?= =?utf-8?Q?_second_word?=");
    assert_eq!(text(&envelope.date), "Fri, 21 Nov 1997 09:55:06 -0600");
    assert_eq!(text(&envelope.message_id), "<1@example.org>");
    assert_eq!(text(&envelope.in_reply_to), "<0@example.org>");
    assert_eq!(text(&envelope.from[0].name), "Lee, Ann");
    assert_eq!(text(&envelope.to[1].name), "Team \"A\"");
    assert!(envelope.sender.is_empty() && envelope.bcc.is_empty());
    let hosts: Vec<bool> = envelope.cc.iter().map(|address| address.host.is_some()).collect();
    assert_eq!(hosts, [false, true, true, false]);
    assert_eq!(sent_day(&envelope), crate::mail::InternalDate::day_of(1997, 11, 21));
    assert_eq!(decode_header(&envelope.subject.unwrap()), "测试 second word");

    let envelope = scan(&read("gb18030"), 10).envelope;
    assert_eq!(decode_header(&envelope.subject.unwrap()), "测试 mail");
    assert_eq!(decode_header(envelope.from[0].name.as_ref().unwrap()), "王小明");
    assert_eq!(decode_header(&scan(&read("iso-2022-jp"), 10).envelope.subject.unwrap()), "日本語の件名");
    assert_eq!(decode_header(&scan(&read("raw-subject"), 10).envelope.subject.unwrap()), "Grüße aus 北京");
    assert_eq!(decode_header(&scan(&read("raw-latin1"), 10).envelope.subject.unwrap()), "Grüße aus Köln");
    assert_eq!(scan(&read("no-header"), 10).envelope, Envelope::default());
}

#[test]
fn parts_are_described_as_written() {
    let message = read("attachment");
    let summary = scan(&message, 10);
    let text = |text: &Text| String::from_utf8_lossy(text).into_owned();
    let image = summary.part(&[1, 2]).unwrap();
    assert_eq!(text(&image.encoding), "base64");
    assert_eq!(text(&image.parameters[0].value), "=?utf-8?B?5Zu+LnBuZw==?=");
    let disposition = image.disposition.as_ref().unwrap();
    assert_eq!(text(&disposition.kind), "inline");
    let names: Vec<_> = disposition.parameters.iter().map(|p| text(&p.name) + "=" + &text(&p.value)).collect();
    assert_eq!(names, ["filename*0*=utf-8''%E5%9B%BE", "filename*1=.png", "size=16"]);
    assert_eq!(text(image.id.as_ref().unwrap()), "<1@x>");
    assert_eq!(text(image.description.as_ref().unwrap()), "a (small) picture");
    assert_eq!(text(image.md5.as_ref().unwrap()), "Q2hlY2sgSW50ZWdyaXR5IQ==");
    assert_eq!(image.language.iter().map(text).collect::<Vec<_>>(), ["en", "zh-Hant"]);
    assert_eq!(text(image.location.as_ref().unwrap()), "http://example.org/1.png");
    assert_eq!(slice(&message, image.body), b"iVBORw0KGgoAAAANSUhEUg==\r\n");
    let pdf = summary.part(&[2]).unwrap();
    assert_eq!(text(&pdf.disposition.as_ref().unwrap().parameters[0].value), "report");
    assert!(slice(&message, pdf.header).ends_with(b"base64\r\n\r\n"));
    assert_eq!(text(&summary.part(&[1, 1]).unwrap().encoding), "7BIT");
}

#[test]
fn parts_are_numbered_as_imap_counts_them() {
    let message = read("nested");
    let summary = scan(&message, 10);
    let body = |numbers: &[u32]| summary.part(numbers).map(|part| slice(&message, part.body));
    assert_eq!(body(&[1]).unwrap(), b"See below.");
    assert!(body(&[2]).unwrap().starts_with(b"From: bob"));
    assert_eq!(body(&[2, 1]).unwrap(), b"Noon?");
    assert_eq!(body(&[2, 2]).unwrap(), b"<p>Noon?</p>");
    // RFC 9051 6.4.5: the text of a message/rfc822 part that is no multipart is its part 1.
    assert_eq!(body(&[3, 1]).unwrap(), b"just text");
    assert_eq!(summary.part(&[]), Some(&summary.root));
    for numbers in [&[0][..], &[4], &[1, 1], &[2, 3], &[2, 1, 1], &[3, 2], &[3, 1, 1], &[u32::MAX]] {
        assert_eq!(body(numbers), None, "{numbers:?}");
    }
    let message = read("plain");
    let summary = scan(&message, 10);
    assert!(slice(&message, summary.part(&[1]).unwrap().body).starts_with(b"Hello Joe"));
    assert_eq!(summary.part(&[2]), None);
    assert_eq!(summary.part(&[1, 1]), None);
    let inner = b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ntext";
    let summary = scan(inner, 10);
    assert_eq!(slice(inner, summary.part(&[1]).unwrap().body), b"Subject: x\r\n\r\ntext");
    assert_eq!(slice(inner, summary.part(&[1, 1]).unwrap().body), b"text");
}

#[test]
fn the_line_end_before_a_boundary_belongs_to_it() {
    let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--b\r\nX: y\r\n--b\r\n\r\n\r\n--b\r\n\r\nx\r\n\r\n--b--";
    let summary = scan(message, 1);
    let Body::Multipart(parts) = &summary.root.inside else { panic!("{summary:?}") };
    let bodies: Vec<_> = parts.iter().map(|part| slice(message, part.body)).collect();
    assert_eq!(bodies, [&b""[..], b"", b"", b"x\r\n"]);
    assert_eq!(slice(message, parts[1].header), b"X: y\r\n");
}

#[test]
fn text_that_only_looks_like_a_boundary_is_text() {
    let message = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\n -- b\n--\n-- b\n--B\nx --b\n--b--\n--b\n";
    let summary = scan(message, 1);
    assert_eq!(shown(&summary.root), "multipart/mixed 39/9 [text/plain 23/4]");
    let quoted = b"Content-Type: multipart/mixed; boundary=\"a b/(c)\"\n\n--a b/(c)\n\nx\n--a b/(c)--";
    assert_eq!(shown(&scan(quoted, 1).root), "multipart/mixed 24/3 [text/plain 1/0]");
    let continued = b"Content-Type: multipart/mixed; boundary*0=ab; boundary*1=cd\n\n--abcd\n\nx\n--abcd--";
    assert_eq!(shown(&scan(continued, 1).root), "multipart/mixed 18/3 [text/plain 1/0]");
}

fn multipart(boundary: &str) -> Vec<u8> {
    format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n").into_bytes()
}

#[test]
fn nesting_ends_at_the_limit() {
    let nested = |depth: usize| (0..depth).flat_map(|level| multipart(&format!("b{level}x"))).collect::<Vec<u8>>();
    let summary = scan(&nested(1_000), 1_000);
    let (mut part, mut depth) = (&summary.root, 0);
    while let Body::Multipart(parts) = &part.inside {
        (part, depth) = (&parts[0], depth + 1);
    }
    assert_eq!(depth, SECTION_DEPTH_MAX);
    assert_eq!(part.media_type.as_ref(), b"application");
    assert!(part.body.octets > 50_000);
    // Boundaries further out still end it.
    let mut message = nested(100);
    message.extend_from_slice(b"inside\r\n--b0x\r\n\r\nsecond");
    let summary = scan(&message, 3);
    assert_eq!(slice(&message, summary.part(&[2]).unwrap().body), b"second");

    let messages = b"Content-Type: message/rfc822\r\n\r\n".repeat(1_000);
    let summary = scan(&messages, 777);
    let (mut part, mut depth) = (&summary.root, 0);
    while let Body::Message(inner) = &part.inside {
        (part, depth) = (&inner.1, depth + 1);
    }
    assert_eq!(depth, SECTION_DEPTH_MAX);
    // Nested ones that are closed again leave room for others.
    let mut message = multipart("out");
    for level in 0..100 {
        message.extend_from_slice(&multipart(&format!("in{level}")));
        message.extend_from_slice(format!("\r\nx\r\n--in{level}--\r\n--out\r\n").as_bytes());
    }
    let Body::Multipart(parts) = scan(&message, 100).root.inside else { panic!("no multipart") };
    assert_eq!(parts.len(), 101);
    assert!(parts[..100].iter().all(|part| shown(part).contains("[text/plain 1/0]")));
}

#[test]
fn what_comes_after_too_many_parts_is_one_opaque_part() {
    let mut message = multipart("b");
    message.extend_from_slice(&b"\r\nx\r\n--b\r\n".repeat(10_000));
    message.extend_from_slice(b"\r\nlast\r\n--b--\r\nepilogue");
    let summary = scan(&message, 1_000);
    let Body::Multipart(parts) = &summary.root.inside else { panic!("no multipart") };
    assert!(parts.len() > 400, "{}", parts.len());
    assert_eq!(slice(&message, parts[parts.len() - 2].body), b"x");
    let last = parts.last().unwrap();
    assert_eq!(last.media_subtype.as_ref(), b"octet-stream");
    assert!(slice(&message, last.body).ends_with(b"\r\nlast"));
    // In an inner multipart: the outer ones get one opaque part each.
    let mut message = multipart("out");
    message.extend_from_slice(&multipart("inner"));
    message.extend_from_slice(&b"\r\nx\r\n--inner\r\n".repeat(10_000));
    message.extend_from_slice(b"\r\nx\r\n--inner--\r\n--out\r\n\r\ny\r\n--out\r\n\r\nz\r\n--out--\r\n");
    let summary = scan(&message, 1_000);
    let Body::Multipart(parts) = &summary.root.inside else { panic!("no multipart") };
    assert_eq!(parts.len(), 2);
    assert_eq!(slice(&message, parts[1].body), b"\r\ny\r\n--out\r\n\r\nz");
}

#[test]
fn long_texts_are_cut_before_parts_are() {
    let long = "x".repeat(1_900);
    let mut message = format!("Subject: {long}\r\n").into_bytes();
    message.extend_from_slice(&multipart("b"));
    for _ in 0..100 {
        message.extend_from_slice(
            format!("Content-Type: text/plain; name=\"{long}\"\r\nContent-ID: <{long}>\r\n\r\nx\r\n--b\r\n").as_bytes(),
        );
    }
    let summary = scan(&message, 1_000);
    let Body::Multipart(parts) = &summary.root.inside else { panic!("no multipart") };
    assert_eq!(parts.len(), 101);
    assert_eq!(summary.envelope.subject.as_ref().map(|subject| subject.len()), Some(64));
    assert_eq!(parts[0].parameters[0].value.len(), 64);
    // With few parts nothing is cut.
    let mut message = format!("Subject: {long}\r\n").into_bytes();
    message.extend_from_slice(&multipart("b"));
    assert_eq!(scan(&message, 1_000).envelope.subject.map(|subject| subject.len()), Some(1_900));
}

#[test]
fn large_headers_are_counted_and_not_held() {
    let mut message = b"Subject: ".to_vec();
    message.extend_from_slice(&vec![b's'; 1 << 20]);
    message.extend_from_slice(b"\r\n\r\nbody\r\n");
    let summary = scan(&message, 4_096);
    assert_eq!(slice(&message, summary.root.body), b"body\r\n");
    assert_eq!(summary.envelope.subject.unwrap().len(), 2_047);

    for line in
        ["X-Line: y\r\n", "To: a@example.org, b@example.org\r\n", " folded\r\n", "no field\r\n", "Subject: x\r\n"]
    {
        let mut message = line.as_bytes().repeat(100_000);
        message.extend_from_slice(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n");
        let summary = scan(&message, 4_096);
        assert_eq!(summary.root.body.octets, 17, "{line}");
        assert!(matches!(&summary.root.inside, Body::Multipart(parts) if parts.len() == 1), "{line}");
    }
}

/// Symptom: address fields took all the room of a header, and a multipart behind them showed as text.
#[test]
fn long_addresses_do_not_hide_the_structure() {
    let mut message = multipart("out");
    for part in 0..40 {
        message.extend_from_slice(b"Content-Type: message/rfc822\r\n\r\n");
        for name in ["To", "Cc", "Subject", "In-Reply-To", "Message-ID", "Content-Disposition"] {
            message.extend_from_slice(format!("{name}: {}\r\n", "<a@b>, ".repeat(1_500)).as_bytes());
        }
        message.extend_from_slice(&multipart(&format!("in{part}")));
        message.extend_from_slice(format!("\r\nx\r\n--in{part}--\r\n--out\r\n").as_bytes());
    }
    let summary = scan(&message, 2_000);
    let Body::Multipart(parts) = &summary.root.inside else { panic!("no multipart") };
    assert!(parts.len() > 5);
    for part in &parts[..parts.len() - 1] {
        assert!(shown(part).ends_with("[text/plain 1/0]}"), "{}", shown(part));
    }
}

#[test]
fn addresses_by_the_thousand_are_cut() {
    let mut message = Vec::new();
    for name in ["From", "Sender", "Reply-To", "To", "Cc", "Bcc"] {
        message.extend_from_slice(format!("{name}: team:").as_bytes());
        message.extend_from_slice(&b"a@b, \"c\" <d@e>,\r\n ".repeat(5_000));
        message.extend_from_slice(b"x@y;\r\n");
    }
    message.extend_from_slice(b"\r\n");
    let summary = scan(&message, 4_096);
    assert!(!summary.envelope.from.is_empty());
    assert_eq!(summary.envelope.from.last(), Some(&EnvelopeAddress::default()));
}

#[test]
fn boundaries_of_odd_lengths() {
    for octets in [1, 70, 71, 200, 256] {
        let mut message = multipart(&"b".repeat(octets));
        message.extend_from_slice(format!("\r\nx\r\n--{}--\r\n", "b".repeat(octets)).as_bytes());
        assert!(shown(&scan(&message, 100).root).ends_with("[text/plain 1/0]"), "{octets}");
    }
    assert!(shown(&scan(&multipart(&"b".repeat(257)), 100).root).starts_with("application/octet-stream"));
    assert!(shown(&scan(&multipart(""), 100).root).starts_with("text/plain"));
    // Many long ones: what finds no room is opaque.
    let message: Vec<u8> = (0..40).flat_map(|level| multipart(&format!("{level:0200}"))).collect();
    assert!(shown(&scan(&message, 100).root).contains("application/octet-stream"));
}

/// Pieces of which hostile messages are made.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let fragments: Vec<Vec<u8>> = [
        &b"\r\n"[..],
        b"\n",
        b"\r",
        b"--",
        b"--a",
        b"--a\r\n",
        b"--a--\r\n",
        b"--ab\r\n",
        b"--ab--\n",
        b"a",
        b" ",
        b":",
        b"\0",
        b"\xff",
        b"Content-Type: multipart/mixed; boundary=a\r\n",
        b"Content-Type: multipart/digest; boundary=\"ab\"\n",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Subject: x\r\n y\r\n",
        b"To: g:\"a\" <b@c>, (d) e;\r\n",
        b"(\"<@,;:[",
    ]
    .into_iter()
    .map(<[u8]>::to_vec)
    .collect();
    proptest::collection::vec(proptest::sample::select(fragments), 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_octets_are_a_message(octets in proptest::collection::vec(any::<u8>(), 0..300), piece in 1_usize..40) {
        prop_assert_eq!(scan(&octets, piece), scan(&octets, usize::MAX));
    }

    #[test]
    fn hostile_structures_keep_the_promises(octets in fragments(), piece in 1_usize..40) {
        prop_assert_eq!(scan(&octets, piece), scan(&octets, usize::MAX));
    }

    #[test]
    fn any_header_is_described(field in proptest::sample::select(vec![
        "From", "To", "Content-Type", "Content-Disposition", "Content-Language", "Content-Transfer-Encoding", "Date",
    ]), value in proptest::collection::vec(proptest::sample::select(
        b"ab@.,;:<>()[]\"\\= \t\r\n\r\n\r\n/?*'%\x80\xff".to_vec()), 0..80)) {
        scan(&[field.as_bytes(), b":", &value[..]].concat(), 11);
    }
}

#[test]
fn the_scanner_fits_its_limit_at_its_fullest() {
    // A full outline, open boundaries, and a header with all that it may hold.
    let mut message: Vec<u8> = (0..31).flat_map(|level| multipart(&format!("{level:070}"))).collect();
    let inner = format!("{:070}", 30);
    for _ in 0..150 {
        message.extend_from_slice(format!("X: y\r\n\r\n\r\n--{inner}\r\n").as_bytes());
        message.extend_from_slice(b"Content-Type: message/rfc822\r\n\r\n");
        for name in ["Subject", "To", "Message-ID", "In-Reply-To", "Content-Type", "Content-Disposition", "Content-ID"]
        {
            message.extend_from_slice(format!("{name}: {}\r\n", "<a@b>, ".repeat(700)).as_bytes());
        }
        message.extend_from_slice(format!("\r\n--{inner}\r\n").as_bytes());
    }
    let summary = scan(&message, 5_000);
    assert!(summary.encode().unwrap().len() > MIME_OUTLINE_OCTETS_MAX / 2);
}
