//! Messages, whole and in parts.

use pillarbox::limits::SECTION_DEPTH_MAX;
use pillarbox::mime::{
    Body, HeaderFilter, Part, Scanner, Span, Summary, TextMatcher, TransferDecoder, decode_header, fold, sent_day,
};

/// Every message has a summary that fits, however it was cut, and spans that lie within each other.
pub fn message(octets: &[u8]) {
    let Some((&piece, message)) = octets.split_first() else { return };
    let scan = |piece: usize| {
        let mut scanner = Scanner::new();
        message.chunks(piece).for_each(|octets| scanner.push(octets));
        scanner.finish()
    };
    let summary = scan(usize::from(piece).max(1));
    assert_eq!(summary, scan(usize::MAX));
    part(&summary.root, Span { offset: 0, octets: message.len() as u64 }, 0);
    let encoded = summary.encode().expect("a summary always fits");
    assert_eq!(Summary::decode(&encoded), Some(summary.clone()));
    let _ = sent_day(&summary.envelope);
    let _ = Summary::decode(message);
}

fn part(part_: &Part, outer: Span, depth: usize) {
    let end = |span: Span| span.offset + span.octets;
    assert!(depth <= SECTION_DEPTH_MAX);
    assert!(part_.header.offset >= outer.offset && end(part_.header) == part_.body.offset);
    assert!(end(part_.body) <= end(outer));
    match &part_.inside {
        Body::Leaf => {}
        Body::Multipart(parts) => {
            assert!(!parts.is_empty());
            parts.iter().for_each(|inner| part(inner, part_.body, depth + 1));
        }
        Body::Message(inner) => part(&inner.1, part_.body, depth + 1),
    }
}

/// Decoding, searching and filtering do not depend on where the octets are cut.
pub fn content(octets: &[u8]) {
    let Some((&[kind, piece], content)) = octets.split_first_chunk::<2>() else { return };
    let piece = usize::from(piece).max(1);
    let encoding: &[u8] = [&b"base64"[..], b"quoted-printable", b"8bit"][usize::from(kind) % 3];
    let decode = |piece: usize| {
        let mut decoder = TransferDecoder::new(encoding).expect("a known encoding");
        let mut out = Vec::new();
        content.chunks(piece).for_each(|octets| decoder.push(octets, &mut out));
        decoder.finish(&mut out);
        out
    };
    let decoded = decode(piece);
    assert_eq!(decoded, decode(usize::MAX));

    let charset: &[u8] = [&b"utf-8"[..], b"", b"gb18030", b"iso-2022-jp", b"utf-16"][usize::from(kind) % 5];
    let finds = |piece: usize| {
        let matcher = TextMatcher::new("a b", charset);
        let mut matcher = if kind & 1 == 1 { matcher.html() } else { matcher };
        decoded.chunks(piece).for_each(|octets| {
            matcher.push(octets);
        });
        matcher.finish()
    };
    assert_eq!(finds(piece), finds(usize::MAX));

    let filter = |piece: usize| {
        let names = vec!["Subject".into(), "a".into()];
        let mut filter = if kind & 2 == 2 { HeaderFilter::only(names) } else { HeaderFilter::except(names) };
        let mut out = Vec::new();
        content.chunks(piece).for_each(|octets| filter.push(octets, &mut out));
        filter.finish(&mut out);
        assert!(out.len() <= content.len());
        out
    };
    assert_eq!(filter(piece), filter(usize::MAX));

    let folded = fold(&decode_header(content));
    assert_eq!(fold(&folded), folded);
}
