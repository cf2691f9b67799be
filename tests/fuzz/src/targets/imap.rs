//! What an IMAP client sends, and what it is sent.

use pillarbox::mime::Scanner;
use pillarbox::wire::imap::encode::{self, body_structure, envelope};
use pillarbox::wire::imap::{Decoded, Full, InvalidKind, Names, Out, decode_as, literal_at_end, utf7};

/// Octets are fed as the driver feeds them: up to a line end, literals in place.
pub fn command(octets: &[u8]) {
    let (names, octets) = match octets.split_first() {
        Some((first, rest)) if first & 1 == 1 => (Names::Utf8, rest),
        _ => (Names::ModifiedUtf7, octets),
    };
    let mut end = 0;
    let mut literals = 0;
    while let Some(line) = octets[end..].windows(2).position(|two| two == b"\r\n") {
        let line_start = end;
        end += line + 2;
        let so_far = &octets[..end];
        match decode_as(so_far, names) {
            Ok(Decoded::NeedLiteral(head)) => {
                assert_eq!(literal_at_end(&octets[line_start..end]), Some(head));
                literals += 1;
                assert!(literals <= pillarbox::limits::IMAP_LITERALS_MAX);
                let Some(after) = usize::try_from(head.octets).ok().and_then(|octets| end.checked_add(octets)) else {
                    return;
                };
                if after > octets.len() {
                    return;
                }
                end = after;
            }
            Ok(Decoded::Command(tagged)) => {
                assert!(!tagged.tag.is_empty());
                return cut(so_far, names);
            }
            Ok(Decoded::Append { append, .. }) => {
                let head = literal_at_end(&octets[line_start..end]).expect("an APPEND ends in its literal's head");
                assert_eq!(head, append.literal);
                return;
            }
            Err(invalid) => {
                assert_ne!(invalid.kind, InvalidKind::Incomplete);
                let head = literal_at_end(&octets[line_start..end]).filter(|head| head.non_synchronizing);
                assert_eq!(invalid.skip_literal, head);
                return;
            }
        }
    }
}

/// A command without its end is not whole.
fn cut(whole: &[u8], names: Names) {
    let cut = decode_as(&whole[..whole.len() - 1], names);
    assert!(matches!(cut, Err(invalid) if invalid.kind == InvalidKind::Incomplete));
}

/// Each way is the other's inverse.
pub fn utf7(octets: &[u8]) {
    if let Ok(text) = utf7::decode(octets) {
        assert_eq!(utf7::encode(&text).as_bytes(), octets);
    }
    if let Ok(text) = core::str::from_utf8(octets) {
        assert_eq!(utf7::decode(utf7::encode(text).as_bytes()).as_deref(), Ok(text));
    }
}

/// A string reads back as it was, except for NUL.
pub fn string(octets: &[u8]) {
    let mut room = vec![0; 2 * octets.len() + 32];
    let mut out = Out::new(&mut room);
    encode::string(&mut out, octets).expect("there is room");
    let kept: Vec<u8> = octets.iter().map(|&b| if b == 0 { b'?' } else { b }).collect();
    let (read, rest) = read_string(out.octets());
    assert_eq!((read, rest), (kept, &b""[..]));
}

/// The envelope and structure of any message are balanced lists of strings, numbers and NIL.
pub fn structure(octets: &[u8]) {
    let mut scanner = Scanner::new();
    scanner.push(octets);
    let summary = scanner.finish();
    for written in [write(|out| body_structure(out, &summary.root)), write(|out| envelope(out, &summary.envelope))] {
        let mut rest = &written[..];
        let mut depth = 0_u32;
        while let Some(first) = rest.first() {
            match first {
                b'(' => depth += 1,
                b')' => depth = depth.checked_sub(1).expect("a parenthesis too many"),
                b'"' | b'{' => {
                    rest = read_string(rest).1;
                    continue;
                }
                b' ' | b'0'..=b'9' | b'N' | b'I' | b'L' => {}
                other => panic!("{other} outside of a string"),
            }
            rest = &rest[1..];
        }
        assert_eq!(depth, 0);
    }
}

fn write(write: impl Fn(&mut Out<'_>) -> Result<(), Full>) -> Vec<u8> {
    let mut room = vec![0; 1 << 20];
    let mut out = Out::new(&mut room);
    write(&mut out).expect("a summary is small");
    out.octets().to_vec()
}

/// The quoted string or literal at the beginning, and what follows.
fn read_string(octets: &[u8]) -> (Vec<u8>, &[u8]) {
    if let Some(head) = octets.strip_prefix(b"{") {
        let end = head.windows(3).position(|three| three == b"}\r\n").expect("a head");
        let size: usize = core::str::from_utf8(&head[..end]).expect("digits").parse().expect("digits");
        let (literal, rest) = head[end + 3..].split_at(size);
        return (literal.to_vec(), rest);
    }
    let mut read = Vec::new();
    let mut rest = octets.strip_prefix(b"\"").expect("a quoted string");
    loop {
        match rest {
            [b'"', after @ ..] => return (read, after),
            [b'\\', octet, after @ ..] | [octet, after @ ..] => {
                assert!(!matches!(octet, b'\r' | b'\n' | 0 | 0x80..));
                read.push(*octet);
                rest = after;
            }
            [] => panic!("a quoted string does not end"),
        }
    }
}
