//! Tests of the decoder: examples of the RFCs, an encoder that only tests need, properties, an independent codec, and
//! hostile input.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, clippy::panic)]

mod cross_check;
mod encoder;
mod examples;
mod hostile;
mod properties;

use super::*;

/// Does what a driver does with a client's octets: lines and literals are appended until something is decided. Gives
/// that and how many octets it took.
fn drive(stream: &[u8], names: Names) -> (Option<Result<Decoded, Invalid>>, usize) {
    let mut end = 0;
    loop {
        let Some(line) = stream[end..].windows(2).position(|two| two == b"\r\n") else {
            return (None, end);
        };
        end += line + 2;
        match decode_as(&stream[..end], names) {
            Ok(Decoded::NeedLiteral(head)) => {
                let octets = usize::try_from(head.octets).unwrap();
                if stream.len() - end < octets {
                    return (None, end);
                }
                end += octets;
            }
            decided => return (Some(decided), end),
        }
    }
}

/// A command that must be whole and right.
fn command(text: impl AsRef<[u8]>) -> Command {
    let text = text.as_ref();
    match drive(text, Names::ModifiedUtf7) {
        (Some(Ok(Decoded::Command(tagged))), end) if end == text.len() => tagged.command,
        (Some(Ok(Decoded::Append { append, .. })), end) if end == text.len() => Command::Append(append),
        other => panic!("{:?}: {other:?}", String::from_utf8_lossy(text)),
    }
}

/// Octets that must be wrong.
fn invalid(text: impl AsRef<[u8]>) -> Invalid {
    let text = text.as_ref();
    match drive(text, Names::ModifiedUtf7) {
        (Some(Err(invalid)), _) => invalid,
        other => panic!("{:?}: {other:?}", String::from_utf8_lossy(text)),
    }
}
