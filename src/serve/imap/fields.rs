//! A header block in fields, while it streams by.
//!
//! Owns the field that is coming in, at most [`HEADER_VALUE_OCTETS_MAX`] octets of it; the rest of a longer one is not
//! looked at.

use crate::limits::HEADER_VALUE_OCTETS_MAX;

/// Divides a header block.
#[derive(Debug, Default)]
pub(super) struct Fields {
    field: Vec<u8>,
    /// Octets of the line so far: it is empty if only its end comes.
    line: usize,
    ended: bool,
}

impl Fields {
    /// The next octets; `visit` is given each whole field with its name, and says whether to go on. Gives whether the
    /// block goes on.
    pub(super) fn push(&mut self, octets: &[u8], mut visit: impl FnMut(&[u8]) -> bool) -> bool {
        for line in octets.split_inclusive(|&octet| octet == b'\n') {
            if self.ended {
                break;
            }
            let begins = self.line == 0;
            if begins && !matches!(line.first(), Some(b' ' | b'\t')) && !self.field.is_empty() {
                let more = visit(&self.field);
                self.field.clear();
                if !more {
                    self.ended = true;
                    break;
                }
            }
            let room = HEADER_VALUE_OCTETS_MAX.saturating_sub(self.field.len());
            self.field.extend_from_slice(line.get(..room).unwrap_or(line));
            self.line = self.line.saturating_add(line.len());
            if line.ends_with(b"\n") {
                // The empty line that ends the block; its CR may have come in the piece before.
                let empty = self.line <= 2 && self.field.trim_ascii().is_empty();
                self.line = 0;
                if empty {
                    self.field.clear();
                    self.ended = true;
                }
            }
        }
        !self.ended
    }

    /// The octets have ended: the last field, if the empty line was missing.
    pub(super) fn finish(self, visit: impl FnOnce(&[u8]) -> bool) {
        if !self.ended && !self.field.is_empty() {
            visit(&self.field);
        }
    }
}

/// Name and value of a field; `None` for a line that is none.
pub(super) fn split(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', field)?;
    let (name, value) = field.split_at_checked(colon)?;
    Some((name.trim_ascii(), value.get(1..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &[u8] = b"From: a\r\nSubject: b\r\n\tc\r\nbroken\r\nTo:d\r\n\r\nBody: no\r\n";

    fn fields(pieces: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        let mut fields = Fields::default();
        for piece in pieces {
            fields.push(piece, |field| {
                found.push(String::from_utf8_lossy(field).into_owned());
                true
            });
        }
        fields.finish(|field| {
            found.push(String::from_utf8_lossy(field).into_owned());
            true
        });
        found
    }

    #[test]
    fn fields_are_the_same_however_they_are_cut() {
        let whole = ["From: a\r\n", "Subject: b\r\n\tc\r\n", "broken\r\n", "To:d\r\n"];
        for cut in 0..BLOCK.len() {
            let (one, other) = BLOCK.split_at(cut);
            assert_eq!(fields(&[one, other]), whole, "{cut}");
        }
        let octets: Vec<&[u8]> = BLOCK.chunks(1).collect();
        assert_eq!(fields(&octets), whole);
        assert_eq!(fields(&[b"A: b"]), ["A: b"]);
        assert_eq!(split(b"To:d\r\n"), Some((&b"To"[..], &b"d\r\n"[..])));
    }

    #[test]
    fn a_field_without_end_is_cut() {
        let mut fields = Fields::default();
        let long = vec![b'x'; 10_000];
        for _ in 0..100 {
            fields.push(&long, |_| true);
        }
        assert!(fields.field.len() <= HEADER_VALUE_OCTETS_MAX);
    }

    #[test]
    fn a_visitor_may_have_enough() {
        let mut fields = Fields::default();
        assert!(!fields.push(BLOCK, |_| false));
    }
}
