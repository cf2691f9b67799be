//! Replies of SMTP: a code, an enhanced code (RFC 2034, RFC 3463) and text on one line or several.

use crate::limits::SMTP_REPLY_LINE_OCTETS_MAX;
use embedded_io::Write;
use std::borrow::Cow;

/// One reply. The class of its enhanced code is the first digit of its code, so the two cannot contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    detail: Option<(u16, u16)>,
    text: Cow<'static, str>,
}

impl Reply {
    /// A reply with the subject and detail of its enhanced code. Lines of the text are divided by LF.
    #[must_use]
    pub const fn new(code: u16, detail: (u16, u16), text: &'static str) -> Self {
        Self { code, detail: Some(detail), text: Cow::Borrowed(text) }
    }

    /// A reply without an enhanced code: the greeting, the replies to EHLO and HELO, and those that ask for more
    /// (RFC 2034 4).
    #[must_use]
    pub const fn bare(code: u16, text: &'static str) -> Self {
        Self { code, detail: None, text: Cow::Borrowed(text) }
    }

    /// With another text.
    #[must_use]
    pub fn with_text(mut self, text: String) -> Self {
        self.text = Cow::Owned(text);
        self
    }

    /// The three digits.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Subject and detail of the enhanced code.
    #[must_use]
    pub fn detail(&self) -> Option<(u16, u16)> {
        self.detail
    }

    /// The text, lines divided by LF.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes it as lines with CRLF. Characters that could end a line early show as `?`; a text line that is too long
    /// (RFC 5321 4.5.3.1.5) goes on in the next one.
    ///
    /// # Errors
    /// What the writer says, such as that it is full.
    pub fn encode<W: Write>(&self, out: &mut W) -> Result<(), W::Error> {
        let prefix = match self.detail {
            Some((subject, detail)) => format!("{}.{subject}.{detail} ", self.code / 100),
            None => String::new(),
        };
        let room = SMTP_REPLY_LINE_OCTETS_MAX.saturating_sub("250-".len() + "\r\n".len()).saturating_sub(prefix.len());
        let mut lines = self.text.split('\n').flat_map(|line| pieces(line, room)).peekable();
        while let Some(line) = lines.next() {
            let between = if lines.peek().is_some() { '-' } else { ' ' };
            let line: String = line.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
            out.write_all(format!("{}{between}{prefix}{line}\r\n", self.code).as_bytes())?;
        }
        Ok(())
    }
}

/// A line in pieces of at most `room` octets; one empty piece for an empty line.
fn pieces(line: &str, room: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    core::iter::from_fn(move || {
        let line = rest.take()?;
        if line.len() <= room {
            return Some(line);
        }
        let end = (1..=room).rev().find(|end| line.is_char_boundary(*end))?;
        let (piece, behind) = line.split_at_checked(end)?;
        rest = Some(behind);
        Some(piece)
    })
}

/// What octets from a server are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The reply goes on: send more octets.
    Incomplete,
    /// Not a reply.
    Invalid,
    /// A reply and how many octets it took.
    Reply(Reply, usize),
}

/// Reads the reply at the beginning of `octets`: the other direction, for clients and tests.
#[must_use]
pub fn decode(octets: &[u8]) -> Decoded {
    let mut reply: Option<Reply> = None;
    let mut taken = 0usize;
    while let Some(rest) = octets.get(taken..) {
        let Some(end) = memchr::memmem::find(rest, b"\r\n") else {
            // No server needs that long a line; waiting for its end would be waiting for ever.
            return if rest.len() > 2 * SMTP_REPLY_LINE_OCTETS_MAX { Decoded::Invalid } else { Decoded::Incomplete };
        };
        let line = rest.get(..end).and_then(|line| core::str::from_utf8(line).ok());
        let Some((code, last, text)) = line.and_then(line_of) else { return Decoded::Invalid };
        taken = taken.saturating_add(end).saturating_add(2);
        let (detail, text) = detail_of(code, text);
        let reply = match &mut reply {
            // RFC 5321 4.2.1: every line has the same code.
            Some(reply) if reply.code != code => return Decoded::Invalid,
            Some(reply) => {
                let joined = reply.text.to_mut();
                joined.push('\n');
                joined.push_str(text);
                reply
            }
            None => reply.insert(Reply { code, detail, text: Cow::Owned(text.to_owned()) }),
        };
        if last {
            return Decoded::Reply(reply.clone(), taken);
        }
    }
    Decoded::Incomplete
}

/// RFC 5321 4.2: three digits, then `-` or a space; the last line may end behind its code.
fn line_of(line: &str) -> Option<(u16, bool, &str)> {
    let (digits, rest) = line.split_at_checked(3)?;
    let code = digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok())??;
    if !(200..600).contains(&code) {
        return None;
    }
    match rest.strip_prefix('-') {
        Some(text) => Some((code, false, text)),
        None if rest.is_empty() => Some((code, true, "")),
        None => rest.strip_prefix(' ').map(|text| (code, true, text)),
    }
}

/// RFC 3463 2: takes `class "." subject "." detail SP` off, if it is there and its class fits the code.
fn detail_of(code: u16, text: &str) -> (Option<(u16, u16)>, &str) {
    let parse = || {
        let (status, text) = text.split_once(' ')?;
        let mut numbers = status.split('.');
        let (class, subject, detail) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let number = |text: &str| (text.len() <= 3).then(|| text.parse::<u16>().ok()).flatten();
        let fits = number(class)? == code / 100 && numbers.next().is_none();
        fits.then_some(((number(subject)?, number(detail)?), text))
    };
    parse().map_or((None, text), |(detail, text)| (Some(detail), text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn encoded(reply: &Reply) -> Vec<u8> {
        let mut octets = Vec::new();
        reply.encode(&mut octets).unwrap();
        octets
    }

    #[test]
    fn replies_have_one_line_or_several() {
        assert_eq!(encoded(&Reply::new(250, (0, 0), "Ok")), b"250 2.0.0 Ok\r\n");
        assert_eq!(encoded(&Reply::bare(250, "host\nPIPELINING\nHELP")), b"250-host\r\n250-PIPELINING\r\n250 HELP\r\n");
        assert_eq!(encoded(&Reply::new(214, (0, 0), "a\n")), b"214-2.0.0 a\r\n214 2.0.0 \r\n");
        let hostile = Reply::new(550, (1, 1), "").with_text("a\r250 b\0".into());
        assert_eq!(encoded(&hostile), b"550 5.1.1 a?250 b?\r\n");
    }

    #[test]
    fn lines_never_pass_the_limit() {
        let reply = Reply::new(250, (0, 0), "").with_text("ä".repeat(1_000));
        let octets = encoded(&reply);
        assert!(octets.split(|octet| *octet == b'\n').all(|line| line.len() < SMTP_REPLY_LINE_OCTETS_MAX));
        let Decoded::Reply(read, taken) = decode(&octets) else { panic!() };
        assert_eq!((read.text().replace('\n', ""), taken), (reply.text().to_owned(), octets.len()));
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for octets in ["25 x\r\n", "abc x\r\n", "250_x\r\n", "100 x\r\n", "250-a\r\n251 b\r\n", "\u{e4}0\r\n", "\r\n"] {
            assert_eq!(decode(octets.as_bytes()), Decoded::Invalid, "{octets}");
        }
        assert_eq!(decode(b"354\r\n"), Decoded::Reply(Reply::bare(354, ""), 5));
    }

    proptest! {
        #[test]
        fn replies_survive_and_every_cut_waits(
            code in 200u16..600, detail in proptest::option::of((0u16..1000, 0u16..1000)), text in "[a-zA-Z ä]{0,40}(\n[a-z]{0,9}){0,3}",
        ) {
            // A text that begins like an enhanced code reads as one; letters do not.
            let reply = Reply { code, detail, text: Cow::Owned(text) };
            let octets = encoded(&reply);
            prop_assert_eq!(decode(&octets), Decoded::Reply(reply, octets.len()));
            for cut in 0..octets.len() {
                prop_assert_eq!(decode(&octets[..cut]), Decoded::Incomplete);
            }
        }

        #[test]
        fn any_octets_are_read_without_harm(octets: Vec<u8>) {
            let _ = decode(&octets);
        }
    }
}
