//! What happens to a message's header on its way in, while it streams by.
//!
//! Received fields are counted (RFC 5321 6.3), Return-Path fields are taken out (RFC 5321 4.4: only the delivering
//! system makes one), and a submitted message gets the Date and Message-ID that it lacks (RFC 6409 8) at the end of
//! its header, where it is known which fields there are. Holds one field name of at most [`HEADER_NAME_OCTETS_MAX`]
//! octets and nothing else. The structure of the message is `mime`'s business.

use crate::limits::HEADER_NAME_OCTETS_MAX;

/// Fields for a submitted message that has none.
#[derive(Clone, Debug)]
pub struct Missing {
    /// Content of a Date field.
    pub date: String,
    /// Content of a Message-ID field.
    pub message_id: String,
}

/// Where the pass stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the first octet.
    Start,
    /// Behind a line end; the field before it is taken out or was passed on.
    LineStart { dropping: bool },
    /// In a field's name, which is held.
    Name { first: bool },
    /// In the rest of a line that is passed on or taken out.
    Line { dropping: bool },
    /// Behind the CR of what may be the empty line; the CR is held.
    EmptyLine,
    /// Behind the empty line.
    Body,
}

/// Passes a message on with its header changed.
#[derive(Debug)]
pub struct HeaderPass {
    at: At,
    held: heapless::Vec<u8, HEADER_NAME_OCTETS_MAX>,
    missing: Option<Missing>,
    date: bool,
    message_id: bool,
    received: u32,
    out: Vec<u8>,
}

/// What a line that does not begin with white space is.
enum Field {
    /// More octets are needed.
    Undecided,
    /// A field; is it to be taken out?
    Is { dropping: bool },
    /// No field: the body begins, without the empty line that should be there.
    None,
}

impl HeaderPass {
    /// Before a message; `missing` only for submissions.
    #[must_use]
    pub fn new(missing: Option<Missing>) -> Self {
        Self {
            at: At::Start,
            held: heapless::Vec::new(),
            missing,
            date: false,
            message_id: false,
            received: 0,
            out: Vec::new(),
        }
    }

    /// Received fields so far.
    #[must_use]
    pub fn received(&self) -> u32 {
        self.received
    }

    /// Takes some of the input and gives what goes on instead, which may be nothing. Call until all is consumed.
    pub fn next<'a>(&'a mut self, input: &'a [u8]) -> (usize, &'a [u8]) {
        self.out.clear();
        let mut consumed = 0usize;
        while let Some(octet) = input.get(consumed).copied() {
            match (self.at, octet) {
                (At::Body, _) => return (input.len(), input.get(consumed..).unwrap_or_default()),
                (At::Line { dropping }, _) => {
                    let rest = input.get(consumed..).unwrap_or_default();
                    let end = memchr::memchr(b'\n', rest);
                    let taken = end.map_or(rest.len(), |end| end.saturating_add(1));
                    if end.is_some() {
                        self.at = At::LineStart { dropping };
                    }
                    consumed = consumed.saturating_add(taken);
                    if !dropping {
                        return (consumed, rest.get(..taken).unwrap_or_default());
                    }
                }
                (At::LineStart { dropping }, b' ' | b'\t') => self.at = At::Line { dropping },
                (At::Start | At::LineStart { .. }, b'\r') => {
                    self.at = At::EmptyLine;
                    consumed = consumed.saturating_add(1);
                }
                (At::Start, _) => self.at = At::Name { first: true },
                (At::LineStart { .. }, _) => self.at = At::Name { first: false },
                (At::EmptyLine, b'\n') => {
                    self.end_header();
                    return (consumed.saturating_add(1), &self.out);
                }
                (At::EmptyLine, _) => {
                    // A bare CR: the message is refused in the end, unless it is binary.
                    self.at = At::Line { dropping: false };
                    return (consumed, b"\r");
                }
                (At::Name { first }, _) => {
                    // Room was made by the decision on the octet before.
                    let _ = self.held.push(octet);
                    consumed = consumed.saturating_add(1);
                    match self.field(first) {
                        Field::Undecided => {}
                        Field::Is { dropping } => {
                            self.at = At::Line { dropping };
                            if !dropping {
                                self.out.extend_from_slice(&self.held);
                            }
                            self.held.clear();
                            return (consumed, &self.out);
                        }
                        Field::None => {
                            self.end_header();
                            self.out.extend_from_slice(&self.held);
                            self.held.clear();
                            return (consumed, &self.out);
                        }
                    }
                }
            }
        }
        (consumed, &self.out)
    }

    /// What is still to go on when the message has ended.
    pub fn finish(&mut self) -> &[u8] {
        self.out.clear();
        match self.at {
            At::Body => {}
            At::Start | At::LineStart { .. } | At::EmptyLine => self.end_header(),
            At::Line { dropping } => {
                if !dropping {
                    self.out.extend_from_slice(b"\r\n");
                }
                self.end_header();
            }
            At::Name { .. } => {
                self.end_header();
                self.out.extend_from_slice(&self.held);
                self.held.clear();
            }
        }
        &self.out
    }

    /// Adds the fields that are missing and the empty line.
    fn end_header(&mut self) {
        self.at = At::Body;
        if let Some(missing) = self.missing.take() {
            if !self.date {
                self.out.extend_from_slice(format!("Date: {}\r\n", missing.date).as_bytes());
            }
            if !self.message_id {
                self.out.extend_from_slice(format!("Message-ID: {}\r\n", missing.message_id).as_bytes());
            }
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// Judges what is held of a line.
    fn field(&mut self, first: bool) -> Field {
        let Some((last, before)) = self.held.split_last() else { return Field::Undecided };
        let name = before.trim_ascii_end();
        match last {
            // RFC 5322 4.5.8: old messages may have white space between name and colon.
            b':' if !name.is_empty() => {
                let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
                self.date |= is("Date");
                self.message_id |= is("Message-ID");
                self.received = self.received.saturating_add(u32::from(is("Received")));
                Field::Is { dropping: is("Return-Path") }
            }
            // The envelope line of an mbox file, which some programs leave in front: not part of the message.
            b' ' if first && name == b"From" => Field::Is { dropping: true },
            b' ' | b'\t' if !name.is_empty() => Field::Undecided,
            // RFC 5322 2.2: a name is of graphic ASCII, and white space may only be followed by the colon.
            b'!'..=b'~' if *last != b':' && name.len() == before.len() => {
                if self.held.is_full() {
                    Field::Is { dropping: false }
                } else {
                    Field::Undecided
                }
            }
            _ => Field::None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    fn missing() -> Missing {
        Missing { date: "now".into(), message_id: "<id@host>".into() }
    }

    fn pass(input: &[u8], missing: Option<Missing>, cut: usize) -> (String, u32) {
        let mut pass = HeaderPass::new(missing);
        let mut out = Vec::new();
        let (one, two) = input.split_at(cut.min(input.len()));
        for mut rest in [one, two] {
            while !rest.is_empty() {
                let (consumed, octets) = pass.next(rest);
                assert!(consumed > 0 || !octets.is_empty());
                out.extend_from_slice(octets);
                rest = &rest[consumed..];
            }
        }
        out.extend_from_slice(pass.finish());
        (String::from_utf8_lossy(&out).into_owned(), pass.received())
    }

    #[test]
    fn headers_change_where_they_must_however_they_are_cut() {
        let added = "Date: now\r\nMessage-ID: <id@host>\r\n";
        for (input, out) in [
            ("A: b\r\n\r\nReturn-Path: x\r\n", format!("A: b\r\n{added}\r\nReturn-Path: x\r\n")),
            ("", format!("{added}\r\n")),
            ("\r\nbody", format!("{added}\r\nbody")),
            ("A: b\r\n", format!("A: b\r\n{added}\r\n")),
            ("A: b", format!("A: b\r\n{added}\r\n")),
            ("date: x\r\nMESSAGE-ID : y\r\n\r\n", "date: x\r\nMESSAGE-ID : y\r\n\r\n".into()),
            ("Return-Path: <a>\r\n\tmore\r\nDate: x\r\n\r\n", "Date: x\r\nMessage-ID: <id@host>\r\n\r\n".into()),
            ("Date: x\r\nReturn-path:\r\n", "Date: x\r\nMessage-ID: <id@host>\r\n\r\n".into()),
            ("Subject: a\r\n date: no\r\n\r\n", format!("Subject: a\r\n date: no\r\n{added}\r\n")),
            ("no header at all\r\n", format!("{added}\r\nno header at all\r\n")),
            (" white\r\n", format!("{added}\r\n white\r\n")),
            (":\r\n", format!("{added}\r\n:\r\n")),
            ("word", format!("{added}\r\nword")),
            ("A: b\r\nbody: but\r\nnot this\r\n", format!("A: b\r\nbody: but\r\n{added}\r\nnot this\r\n")),
            ("From ann Mon\r\nA: b\r\n\r\n", format!("A: b\r\n{added}\r\n")),
            ("A: b\r\nFrom ann\r\n", format!("A: b\r\n{added}\r\nFrom ann\r\n")),
            ("ä: b\r\n", format!("{added}\r\nä: b\r\n")),
        ] {
            for cut in 0..=input.len() {
                assert_eq!(pass(input.as_bytes(), Some(missing()), cut).0, out, "{input:?} cut at {cut}");
            }
        }
        let long = format!("{}: x\r\n\r\n", "X".repeat(200));
        assert_eq!(pass(long.as_bytes(), None, 100).0, long);
    }

    #[test]
    fn received_fields_are_counted_in_the_header_only() {
        let input = "Received: a\r\n b\r\nreceived:c\r\nReceived-SPF: x\r\n\r\nReceived: d\r\n";
        assert_eq!(pass(input.as_bytes(), None, 7), (input.to_owned(), 2));
    }

    proptest! {
        #[test]
        fn bodies_pass_unchanged(body: Vec<u8>, cut in 0usize..64) {
            let mut input = b"A: b\r\n\r\n".to_vec();
            input.extend_from_slice(&body);
            prop_assert_eq!(pass(&input, None, cut).0, String::from_utf8_lossy(&input).into_owned());
        }

        #[test]
        fn cuts_change_nothing(input in "[A:\r\n \tab]{0,30}", cut in 0usize..30) {
            prop_assert_eq!(pass(input.as_bytes(), Some(missing()), cut), pass(input.as_bytes(), Some(missing()), 0));
        }
    }
}
