//! What a POP3 client sends, and what it is sent.

use pillarbox::session::pop3::{Session, Step};
use pillarbox::wire::dot::{DOT_EXPANSION_MAX, DotEncoder};
use pillarbox::wire::pop3::decode;

/// Every line has an answer of one line, or something for the driver to do.
pub fn commands(octets: &[u8]) {
    let mut session = Session::new();
    for line in octets.split(|&octet| octet == b'\n') {
        let (next, step) = match decode(line) {
            Ok(command) => session.handle(command),
            Err(invalid) => session.invalid(invalid),
        };
        if let Step::Reply(reply) | Step::Close(reply) = &step {
            let mut out = Vec::new();
            reply.encode(next.language(), &mut out).expect("a vector takes everything");
            assert!(out.len() <= 512 && out.ends_with(b"\r\n"));
            assert_eq!(out.iter().filter(|&&octet| octet == b'\n').count(), 1);
        }
        if let Step::Close(_) | Step::Update = step {
            return;
        }
        session = next;
    }
}

/// No message can end its answer early, however it was cut.
pub fn dots(octets: &[u8]) {
    let Some((&[piece, lines], message)) = octets.split_first_chunk::<2>() else { return };
    let encode = |piece: usize| {
        let mut dots = if lines & 1 == 1 { DotEncoder::top(u64::from(lines / 2)) } else { DotEncoder::new() };
        let mut out = Vec::new();
        for octets in message.chunks(piece) {
            let before = out.len();
            dots.push(octets, &mut out).expect("a vector takes everything");
            assert!(out.len() - before <= DOT_EXPANSION_MAX * octets.len() + 2);
        }
        dots.finish(&mut out).expect("a vector takes everything");
        out
    };
    let answer = encode(usize::from(piece).max(1));
    assert_eq!(answer, encode(usize::MAX));
    let end = if answer.starts_with(b".\r\n") {
        3
    } else {
        answer.windows(5).position(|five| five == b"\r\n.\r\n").expect("an end") + 5
    };
    assert_eq!(end, answer.len());
}
