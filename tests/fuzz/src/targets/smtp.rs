//! SMTP: command lines, replies, message data, and the header's way in.

use pillarbox::session::smtp::{HeaderPass, Missing};
use pillarbox::wire::smtp::{DataDecoder, Decoded, Fault, decode, decode_reply};

/// A command that was read shows as a line that reads as the same command.
pub fn command(octets: &[u8]) {
    if let Ok(command) = decode(octets) {
        let line = command.to_string();
        assert_eq!(decode(line.as_bytes()), Ok(command));
    }
}

/// A reply that was read takes no more octets than there are, and none of it can be missing.
pub fn reply(octets: &[u8]) {
    if let Decoded::Reply(reply, taken) = decode_reply(octets) {
        assert_eq!(decode_reply(&octets[..taken]), Decoded::Reply(reply, taken));
        assert!(!matches!(decode_reply(&octets[..taken - 1]), Decoded::Reply(..)));
    }
}

/// Message, fault, and how many octets it took; `None`: it has no end.
fn decoded(octets: &[u8], at_once: usize) -> Option<(Vec<u8>, Option<Fault>, usize)> {
    let mut decoder = DataDecoder::new();
    let mut message = Vec::new();
    let mut taken = 0;
    for chunk in octets.chunks(at_once.max(1)) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let piece = decoder.next(rest);
            message.extend_from_slice(piece.octets);
            rest = &rest[piece.consumed..];
            taken += piece.consumed;
            if piece.end {
                return Some((message, decoder.fault(), taken));
            }
        }
    }
    None
}

/// A message ends at its first CRLF.CRLF and nowhere else, however it is cut.
pub fn data(octets: &[u8]) {
    let whole = decoded(octets, usize::MAX);
    let by_one = decoded(octets, 1);
    let end = |read: &Option<(Vec<u8>, Option<Fault>, usize)>| read.as_ref().map(|(_, fault, taken)| (*fault, *taken));
    assert_eq!(end(&whole), end(&by_one));
    let mut with_start = b"\r\n".to_vec();
    with_start.extend_from_slice(octets);
    let true_end = with_start.windows(5).position(|window| window == b"\r\n.\r\n").map(|at| at + 3);
    assert_eq!(whole.as_ref().map(|(_, _, taken)| *taken), true_end);
    if let (Some((whole, None, _)), Some((by_one, ..))) = (whole, by_one) {
        assert_eq!(whole, by_one);
        // What is stored is lines.
        assert!(whole.is_empty() || whole.ends_with(b"\r\n"));
    }
}

fn passed(octets: &[u8], at_once: usize) -> Vec<u8> {
    let missing = Missing { date: "now".to_owned(), message_id: "<id@host>".to_owned() };
    let mut pass = HeaderPass::new(Some(missing));
    let mut out = Vec::new();
    for chunk in octets.chunks(at_once.max(1)) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let (consumed, passed) = pass.next(rest);
            out.extend_from_slice(passed);
            rest = &rest[consumed..];
        }
    }
    out.extend_from_slice(pass.finish());
    out
}

/// The header pass gives the same however it is cut, and always ends the header.
pub fn header(octets: &[u8]) {
    let whole = passed(octets, usize::MAX);
    assert_eq!(whole, passed(octets, 1));
    assert_eq!(whole, passed(octets, 7));
    assert!(whole.starts_with(b"\r\n") || whole.windows(3).any(|window| window == b"\n\r\n"));
}
