//! Messages as multi-line answers: every line ends with CRLF, a dot at a line's beginning is doubled, and a line with
//! one dot ends it (RFC 1939 3, RFC 5321 4.5.2).
//!
//! Owns the state between two pieces, no octets. What is stored is sent as it is where it keeps to these rules; a bare
//! LF or CR becomes CRLF, so that no client can take a part of the message for the end of the answer. Streaming the
//! message from the store is left to others.

use embedded_io::Write;

/// Octets that one octet of a message may become.
pub const DOT_EXPANSION_MAX: usize = 2;
/// Octets that [`DotEncoder::finish`] writes at most.
pub const DOT_END_OCTETS_MAX: usize = 7;

/// Encodes one message.
#[derive(Clone, Debug)]
pub struct DotEncoder {
    line_begins: bool,
    /// A CR came and its LF may follow.
    cr: bool,
    /// RFC 1939 7 TOP.
    top: Option<Top>,
}

/// How far TOP has come.
#[derive(Clone, Copy, Debug)]
struct Top {
    header: bool,
    lines_left: u64,
}

impl DotEncoder {
    /// For a whole message.
    #[must_use]
    pub fn new() -> Self {
        Self { line_begins: true, cr: false, top: None }
    }

    /// For its header, the empty line, and so many lines of its body.
    #[must_use]
    pub fn top(lines: u64) -> Self {
        Self { top: Some(Top { header: true, lines_left: lines }), ..Self::new() }
    }

    /// Are all lines that TOP asked for there? Then the rest of the message need not be read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.top.is_some_and(|top| !top.header && top.lines_left == 0) && !self.cr
    }

    /// Encodes the next octets: at most [`DOT_EXPANSION_MAX`] times as many, and two for what went before.
    ///
    /// # Errors
    /// Whatever `out` reports when it is full.
    pub fn push<W: Write>(&mut self, octets: &[u8], out: &mut W) -> Result<(), W::Error> {
        let mut rest = octets;
        while let Some(&first) = rest.first() {
            if core::mem::take(&mut self.cr) {
                self.line_end(out)?;
                if first == b'\n' {
                    rest = rest.get(1..).unwrap_or_default();
                    continue;
                }
            }
            if self.is_complete() {
                return Ok(());
            }
            let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
            let (line, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            if !line.is_empty() {
                if self.line_begins && first == b'.' {
                    out.write_all(b".")?;
                }
                self.line_begins = false;
                out.write_all(line)?;
            }
            match tail.split_first() {
                Some((b'\r', tail)) => {
                    self.cr = true;
                    rest = tail;
                }
                Some((_, tail)) => {
                    self.line_end(out)?;
                    rest = tail;
                }
                None => return Ok(()),
            }
        }
        Ok(())
    }

    fn line_end<W: Write>(&mut self, out: &mut W) -> Result<(), W::Error> {
        let empty = core::mem::replace(&mut self.line_begins, true);
        match &mut self.top {
            Some(top) if top.header => top.header = !empty,
            Some(top) => top.lines_left = top.lines_left.saturating_sub(1),
            None => {}
        }
        out.write_all(b"\r\n")
    }

    /// Writes the end of the answer: at most [`DOT_END_OCTETS_MAX`] octets.
    ///
    /// # Errors
    /// Whatever `out` reports when it is full.
    pub fn finish<W: Write>(mut self, out: &mut W) -> Result<(), W::Error> {
        if self.cr || !self.line_begins {
            self.line_end(out)?;
        }
        out.write_all(b".\r\n")
    }
}

impl Default for DotEncoder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    fn encode(mut encoder: DotEncoder, message: &[u8], piece: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for octets in message.chunks(piece.max(1)) {
            let before = out.len();
            encoder.push(octets, &mut out).unwrap();
            assert!(out.len() - before <= DOT_EXPANSION_MAX * octets.len() + 2);
        }
        let before = out.len();
        encoder.finish(&mut out).unwrap();
        assert!(out.len() - before <= DOT_END_OCTETS_MAX);
        out
    }

    /// What a client makes of an answer.
    fn decode(answer: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        let mut rest = answer;
        loop {
            let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
            let (line, tail) = rest.split_at(end + 2);
            if line == b".\r\n" {
                assert!(tail.is_empty(), "octets after the end");
                return message;
            }
            assert!(!line[..end].contains(&b'\r') && !line[..end].contains(&b'\n'));
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            rest = tail;
        }
    }

    #[test]
    fn lines_are_stuffed_and_ended() {
        for (message, expected) in [
            (&b"a\r\n.b\r\n..\r\n"[..], &b"a\r\n..b\r\n...\r\n.\r\n"[..]),
            (b"", b".\r\n"),
            (b".", b"..\r\n.\r\n"),
            (b"no end", b"no end\r\n.\r\n"),
            (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r.\r\nb\r", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"\r\r\n\n", b"\r\n\r\n\r\n.\r\n"),
        ] {
            for piece in 1..=message.len().max(1) {
                assert_eq!(encode(DotEncoder::new(), message, piece), expected, "{message:?} {piece}");
            }
        }
    }

    #[test]
    fn top_ends_where_it_was_asked_to() {
        let message = b"A: b\r\nC: d\r\n\r\none\r\n.two\r\nthree\r\n";
        for piece in 1..message.len() {
            let top = |lines| encode(DotEncoder::top(lines), message, piece);
            assert_eq!(top(0), b"A: b\r\nC: d\r\n\r\n.\r\n");
            assert_eq!(top(2), b"A: b\r\nC: d\r\n\r\none\r\n..two\r\n.\r\n");
            assert_eq!(top(u64::MAX), encode(DotEncoder::new(), message, piece));
        }
        assert_eq!(encode(DotEncoder::top(1), b"A: b\nC: d", 3), b"A: b\r\nC: d\r\n.\r\n");
        assert_eq!(encode(DotEncoder::top(1), b"\n\nx\n", 1), b"\r\n\r\n.\r\n");
    }

    proptest! {
        #[test]
        fn a_client_reads_back_what_is_stored(message in proptest::collection::vec(
            proptest::sample::select(b"a.\r\n\0".to_vec()), 0..40), piece in 1_usize..9) {
            let answer = encode(DotEncoder::new(), &message, piece);
            // The message with every line end made CRLF.
            let mut expected = Vec::new();
            let mut rest = &message[..];
            while !rest.is_empty() {
                let end = rest.iter().position(|octet| matches!(octet, b'\r' | b'\n'));
                expected.extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
                expected.extend_from_slice(b"\r\n");
                let Some(end) = end else { break };
                rest = &rest[end..];
                rest = rest.strip_prefix(b"\r\n").unwrap_or(&rest[1..]);
            }
            prop_assert_eq!(decode(&answer), expected);
        }
    }
}
