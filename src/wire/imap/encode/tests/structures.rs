//! ENVELOPE, BODY and BODYSTRUCTURE: what an independent codec reads from them is what was meant.

use super::super::*;
use super::{octets, text};
use crate::mime::{Body, Disposition, Envelope, EnvelopeAddress, Parameter, Part, Span, Text};
use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder as _;
use imap_codec::imap_types::body as their_body;
use imap_codec::imap_types::core::{IString, NString};
use imap_codec::imap_types::envelope as their_envelope;
use imap_codec::imap_types::fetch::MessageDataItem;
use imap_codec::imap_types::response::{Data, Response};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn words(text: &str) -> Text {
    text.as_bytes().into()
}

fn leaf(media_type: &str, media_subtype: &str) -> Part {
    Part {
        media_type: words(media_type),
        media_subtype: words(media_subtype),
        parameters: vec![],
        id: None,
        description: None,
        encoding: words("7BIT"),
        md5: None,
        disposition: None,
        language: vec![],
        location: None,
        header: Span::default(),
        body: Span { offset: 0, octets: 1152 },
        lines: 23,
        inside: Body::Leaf,
    }
}

fn parameter(name: &str, value: &str) -> Parameter {
    Parameter { name: words(name), value: words(value) }
}

fn address(name: Option<&str>, mailbox: Option<&str>, host: Option<&str>) -> EnvelopeAddress {
    EnvelopeAddress { name: name.map(words), mailbox: mailbox.map(words), host: host.map(words) }
}

#[test]
fn the_envelope_of_the_rfc() {
    let gray = || vec![address(Some("Terry Gray"), Some("gray"), Some("cac.washington.edu"))];
    let of = Envelope {
        date: Some(words("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)")),
        subject: Some(words("IMAP4rev2 WG mtg summary and minutes")),
        from: gray(),
        to: vec![address(None, Some("imap"), Some("cac.washington.edu"))],
        cc: vec![
            address(None, Some("A group"), None),
            address(Some("J\u{f6}rg"), Some("minutes"), Some("CNRI.Reston.VA.US")),
            address(None, None, None),
        ],
        message_id: Some(words("<B27397-0100000@cac.washington.ed>")),
        ..Envelope::default()
    };
    assert_eq!(
        text(|out| envelope(out, &of)),
        "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" \
         ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
         ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
         ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((NIL NIL \"imap\" \"cac.washington.edu\")) \
         ((NIL NIL \"A group\" NIL)({5}\r\nJörg NIL \"minutes\" \"CNRI.Reston.VA.US\")(NIL NIL NIL NIL)) NIL NIL \
         \"<B27397-0100000@cac.washington.ed>\")"
    );
}

#[test]
fn the_structures_of_the_rfc() {
    let plain = Part { parameters: vec![parameter("CHARSET", "US-ASCII")], ..leaf("TEXT", "PLAIN") };
    assert_eq!(
        text(|out| body(out, &plain)),
        "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1152 23)"
    );
    let attached = Part {
        parameters: vec![parameter("NAME", "cc.diff")],
        id: Some(words("<960723163407.20117h@cac.washington.edu>")),
        description: Some(words("Compiler diff")),
        encoding: words("BASE64"),
        disposition: Some(Disposition {
            kind: words("attachment"),
            parameters: vec![parameter("filename", "cc.diff")],
        }),
        language: vec![words("de"), words("en")],
        ..leaf("text", "plain")
    };
    let mixed = Part {
        parameters: vec![parameter("boundary", "x")],
        language: vec![words("en")],
        location: Some(words("http://x/")),
        inside: Body::Multipart(vec![plain.clone(), attached]),
        ..leaf("multipart", "MIXED")
    };
    assert_eq!(
        text(|out| body(out, &mixed)),
        "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1152 23)(\"text\" \"plain\" (\"NAME\" \
         \"cc.diff\" \"charset\" \"us-ascii\") \"<960723163407.20117h@cac.washington.edu>\" \"Compiler diff\" \"BASE64\" 1152 \
         23) \"MIXED\")"
    );
    assert_eq!(
        text(|out| body_structure(out, &mixed)),
        "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1152 23 NIL NIL NIL NIL)(\"text\" \"plain\" \
         (\"NAME\" \"cc.diff\" \"charset\" \"us-ascii\") \"<960723163407.20117h@cac.washington.edu>\" \"Compiler diff\" \
         \"BASE64\" 1152 23 NIL (\"attachment\" (\"filename\" \"cc.diff\")) (\"de\" \"en\") NIL) \"MIXED\" (\"boundary\" \
         \"x\") NIL \"en\" \"http://x/\")"
    );
    let forwarded = Part { inside: Body::Message(Box::new((Envelope::default(), plain))), ..leaf("message", "rfc822") };
    assert_eq!(
        text(|out| body(out, &forwarded)),
        "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 1152 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) (\"TEXT\" \"PLAIN\" \
         (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1152 23) 23)"
    );
}

#[test]
fn parts_that_were_not_looked_into_still_have_the_form_of_their_type() {
    for part in [
        leaf("multipart", "mixed"),
        leaf("message", "rfc822"),
        leaf("MESSAGE", "Global"),
        leaf("message", "delivery-status"),
        leaf("text", "html"),
        Part { inside: Body::Multipart(vec![]), ..leaf("multipart", "mixed") },
        Part { inside: Body::Multipart(vec![]), ..leaf("text", "plain") },
    ] {
        read(&part, true);
        read(&part, false);
    }
    assert_eq!(
        text(|out| body(out, &leaf("multipart", "mixed"))),
        "(\"application\" \"octet-stream\" NIL NIL NIL \"7BIT\" 1152)"
    );
    // RFC 3501 does not know it as a message, RFC 9051 does.
    let global = Part {
        inside: Body::Message(Box::new((Envelope::default(), leaf("image", "png")))),
        ..leaf("message", "global")
    };
    assert_eq!(text(|out| body(out, &global)), "(\"message\" \"global\" NIL NIL NIL \"7BIT\" 1152)");
    assert_eq!(
        text(|out| structure(out, &global, StructureForm { extended: false, imap4rev2: true })),
        "(\"message\" \"global\" NIL NIL NIL \"7BIT\" 1152 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) (\"image\" \"png\" NIL \
         NIL NIL \"7BIT\" 1152) 23)"
    );
}

#[test]
fn depth_does_not_matter_and_size_is_written_in_windows() {
    let mut deep = leaf("text", "plain");
    for _ in 0..1_000 {
        deep = Part { inside: Body::Multipart(vec![deep]), ..leaf("multipart", "mixed") };
    }
    assert!(octets(|out| body_structure(out, &deep)).len() < 10_000);
    let wide = Part { inside: Body::Multipart(vec![leaf("text", "plain"); 1_000]), ..leaf("multipart", "mixed") };
    let whole = octets(|out| body_structure(out, &wide));
    let mut sent = Vec::new();
    let mut room = [0; 4_096];
    loop {
        let mut out = Out::window(&mut room, u64::try_from(sent.len()).unwrap());
        let done = body_structure(&mut out, &wide);
        sent.extend_from_slice(out.octets());
        if done.is_ok() {
            break;
        }
    }
    assert!(whole.len() > 64 * 1024 && sent == whole);
}

// ---- what the other codec reads, in our words ----

fn theirs(string: &IString<'_>) -> Text {
    string.as_ref().into()
}

fn their_text(string: &NString<'_>) -> Option<Text> {
    string.0.as_ref().map(theirs)
}

fn their_addresses(list: &[their_envelope::Address<'_>]) -> Vec<EnvelopeAddress> {
    list.iter()
        .map(|address| {
            assert!(address.adl.0.is_none());
            EnvelopeAddress {
                name: their_text(&address.name),
                mailbox: their_text(&address.mailbox),
                host: their_text(&address.host),
            }
        })
        .collect()
}

fn their_headers(envelope: &their_envelope::Envelope<'_>) -> Envelope {
    Envelope {
        date: their_text(&envelope.date),
        subject: their_text(&envelope.subject),
        from: their_addresses(&envelope.from),
        sender: their_addresses(&envelope.sender),
        reply_to: their_addresses(&envelope.reply_to),
        to: their_addresses(&envelope.to),
        cc: their_addresses(&envelope.cc),
        bcc: their_addresses(&envelope.bcc),
        in_reply_to: their_text(&envelope.in_reply_to),
        message_id: their_text(&envelope.message_id),
    }
}

fn their_parameters(list: &[(IString<'_>, IString<'_>)]) -> Vec<Parameter> {
    list.iter().map(|(name, value)| Parameter { name: theirs(name), value: theirs(value) }).collect()
}

fn their_tail(part: &mut Part, disposition: &their_body::Disposition<'_>) {
    part.disposition = disposition
        .disposition
        .as_ref()
        .map(|(kind, list)| Disposition { kind: theirs(kind), parameters: their_parameters(list) });
    let language = disposition.tail.as_ref().unwrap();
    part.language = language.language.iter().map(theirs).collect();
    part.location = their_text(&language.tail.as_ref().unwrap().location);
}

fn their_part(structure: &their_body::BodyStructure<'_>) -> Part {
    match structure {
        their_body::BodyStructure::Single { body, extension_data } => {
            let basic = &body.basic;
            let (media_type, media_subtype, lines, inside) = match &body.specific {
                their_body::SpecificFields::Basic { r#type, subtype } => {
                    (theirs(r#type), theirs(subtype), 0, Body::Leaf)
                }
                their_body::SpecificFields::Text { subtype, number_of_lines } => {
                    (words("text"), theirs(subtype), *number_of_lines, Body::Leaf)
                }
                their_body::SpecificFields::Message { envelope, body_structure, number_of_lines } => {
                    let inside = (their_headers(envelope), their_part(body_structure));
                    (words("message"), words("rfc822"), *number_of_lines, Body::Message(Box::new(inside)))
                }
            };
            let mut part = Part {
                parameters: their_parameters(&basic.parameter_list),
                id: their_text(&basic.id),
                description: their_text(&basic.description),
                encoding: theirs(&basic.content_transfer_encoding),
                body: Span { offset: 0, octets: basic.size.into() },
                media_type,
                media_subtype,
                lines: lines.into(),
                inside,
                ..leaf("", "")
            };
            if let Some(extension) = extension_data {
                part.md5 = their_text(&extension.md5);
                their_tail(&mut part, extension.tail.as_ref().unwrap());
            }
            part
        }
        their_body::BodyStructure::Multi { bodies, subtype, extension_data } => {
            let mut part = Part {
                media_subtype: theirs(subtype),
                inside: Body::Multipart(bodies.as_ref().iter().map(their_part).collect()),
                body: Span::default(),
                lines: 0,
                encoding: words(""),
                ..leaf("multipart", "")
            };
            if let Some(extension) = extension_data {
                part.parameters = their_parameters(&extension.parameter_list);
                their_tail(&mut part, extension.tail.as_ref().unwrap());
            }
            part
        }
    }
}

/// What the wire keeps of a part.
fn shown(part: &Part, extended: bool) -> Part {
    let mut shown = part.clone();
    shown.header = Span::default();
    shown.body.offset = 0;
    if !extended {
        (shown.md5, shown.disposition, shown.location) = (None, None, None);
        shown.language.clear();
    }
    match &mut shown.inside {
        Body::Multipart(parts) => {
            parts.iter_mut().for_each(|inside| *inside = self::shown(inside, extended));
            (shown.id, shown.description, shown.md5) = (None, None, None);
            (shown.encoding, shown.body, shown.lines) = (words(""), Span::default(), 0);
            if !extended {
                shown.parameters.clear();
            }
        }
        Body::Message(inside) => {
            inside.0 = headers_shown(&inside.0);
            inside.1 = self::shown(&inside.1, extended);
        }
        Body::Leaf if &*shown.media_type == b"text" => {
            if !shown.parameters.iter().any(|parameter| parameter.name.eq_ignore_ascii_case(b"charset")) {
                shown.parameters.push(parameter("charset", "us-ascii"));
            }
        }
        Body::Leaf => shown.lines = 0,
    }
    shown
}

fn headers_shown(envelope: &Envelope) -> Envelope {
    let mut shown = envelope.clone();
    for list in [&mut shown.sender, &mut shown.reply_to] {
        if list.is_empty() {
            list.clone_from(&envelope.from);
        }
    }
    shown
}

fn read(part: &Part, extended: bool) -> Part {
    let response = octets(|out| {
        let mut response = FetchResponse::begin(out, 1)?;
        if extended {
            response.body_structure(out, part)?
        } else {
            response.body(out, part)?
        }
        response.end(out)
    });
    match ResponseCodec::default().decode(&response) {
        Ok((b"", Response::Data(Data::Fetch { items, .. }))) => match &items.as_ref()[0] {
            MessageDataItem::Body(structure) | MessageDataItem::BodyStructure(structure) => their_part(structure),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?} of {}", String::from_utf8_lossy(&response)),
    }
}

// ---- anything ----

fn any_text() -> impl Strategy<Value = Text> {
    // NUL cannot be on the wire.
    prop_oneof!["[ -~]{0,12}".prop_map(|text| words(&text)), vec(1_u8.., 0..12).prop_map(Vec::into_boxed_slice),]
}

fn any_addresses() -> impl Strategy<Value = Vec<EnvelopeAddress>> {
    let part = || option::of(any_text());
    vec((part(), part(), part()).prop_map(|(name, mailbox, host)| EnvelopeAddress { name, mailbox, host }), 0..3)
}

fn any_envelope() -> impl Strategy<Value = Envelope> {
    let lists = (any_addresses(), any_addresses(), any_addresses(), any_addresses(), any_addresses(), any_addresses());
    let texts = (option::of(any_text()), option::of(any_text()), option::of(any_text()), option::of(any_text()));
    (lists, texts).prop_map(|((from, sender, reply_to, to, cc, bcc), (date, subject, in_reply_to, message_id))| {
        Envelope { date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id }
    })
}

fn any_parameters() -> impl Strategy<Value = Vec<Parameter>> {
    let name = prop_oneof![any_text(), Just(words("Charset"))];
    vec((name, any_text()).prop_map(|(name, value)| Parameter { name, value }), 0..3)
}

/// A part without its type and what is inside.
fn any_fields() -> impl Strategy<Value = Part> {
    let disposition = (any_text(), any_parameters()).prop_map(|(kind, parameters)| Disposition { kind, parameters });
    let texts = (option::of(any_text()), option::of(any_text()), option::of(any_text()), option::of(any_text()));
    (texts, any_text(), any_parameters(), option::of(disposition), vec(any_text(), 0..3), any::<(u32, u32)>()).prop_map(
        |((id, description, md5, location), encoding, parameters, disposition, language, (octets, lines))| Part {
            parameters,
            id,
            description,
            encoding,
            md5,
            disposition,
            language,
            location,
            body: Span { offset: 7, octets: octets.into() },
            lines: lines.into(),
            ..leaf("", "")
        },
    )
}

fn any_part() -> impl Strategy<Value = Part> {
    let types = prop_oneof![Just(("text", "html")), Just(("image", "png")), Just(("message", "delivery-status"))];
    let leaf = (any_fields(), types).prop_map(|(fields, (media_type, media_subtype))| Part {
        media_type: words(media_type),
        media_subtype: words(media_subtype),
        ..fields
    });
    leaf.prop_recursive(3, 12, 3, |inner| {
        let multipart =
            (any_fields(), any_text(), vec(inner.clone(), 1..4)).prop_map(|(fields, media_subtype, parts)| Part {
                media_type: words("multipart"),
                media_subtype,
                inside: Body::Multipart(parts),
                ..fields
            });
        let message = (any_fields(), any_envelope(), inner).prop_map(|(fields, envelope, inside)| Part {
            media_type: words("message"),
            media_subtype: words("rfc822"),
            inside: Body::Message(Box::new((envelope, inside))),
            ..fields
        });
        prop_oneof![multipart, message]
    })
}

proptest! {
    #[test]
    fn envelopes_are_read_as_they_were_meant(of in any_envelope()) {
        let response = octets(|out| {
            let mut response = FetchResponse::begin(out, 1)?;
            response.envelope(out, &of)?;
            response.end(out)
        });
        match ResponseCodec::default().decode(&response) {
            Ok((b"", Response::Data(Data::Fetch { items, .. }))) => match &items.as_ref()[0] {
                MessageDataItem::Envelope(envelope) => prop_assert_eq!(their_headers(envelope), headers_shown(&of)),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?} of {}", String::from_utf8_lossy(&response)),
        }
    }

    #[test]
    fn structures_are_read_as_they_were_meant(part in any_part(), extended in any::<bool>()) {
        prop_assert_eq!(read(&part, extended), shown(&part, extended));
    }
}
