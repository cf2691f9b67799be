//! Passes on some fields of a header block, for BODY[HEADER.FIELDS (...)] and BODY[HEADER.FIELDS.NOT (...)].
//!
//! Owns the names it was given and the beginning of the current line, at most [`FIELD_NAME_OCTETS_MAX`] octets. The
//! block streams through and may be of any size.

use crate::limits::FIELD_NAME_OCTETS_MAX;

/// Filters one header block.
#[derive(Debug)]
pub struct HeaderFilter {
    names: Vec<Box<str>>,
    listed_pass: bool,
    /// What there is of a line that may still be a name, or an empty line.
    head: heapless::Vec<u8, FIELD_NAME_OCTETS_MAX>,
    /// It is known whether the current line passes.
    decided: bool,
    /// Did the field before this line pass? Lines that continue it go with it.
    passing: bool,
}

impl HeaderFilter {
    /// Passes on the fields with these names, in any case.
    #[must_use]
    pub fn only(names: Vec<Box<str>>) -> Self {
        Self { names, listed_pass: true, head: heapless::Vec::new(), decided: false, passing: false }
    }

    /// Passes on all fields but these.
    #[must_use]
    pub fn except(names: Vec<Box<str>>) -> Self {
        Self { listed_pass: false, ..Self::only(names) }
    }

    /// The next octets of the block; appends what passes: at most `octets.len() + FIELD_NAME_OCTETS_MAX` octets.
    pub fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let mut rest = octets;
        while !rest.is_empty() {
            if self.decided {
                let end = memchr::memchr(b'\n', rest).map(|at| at.saturating_add(1));
                let (line, tail) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, &[]));
                if self.passing {
                    out.extend_from_slice(line);
                }
                self.decided = end.is_none();
                rest = tail;
            } else if let Some((&octet, tail)) = rest.split_first() {
                rest = tail;
                // There is room: a full head is decided at once.
                let _ = self.head.push(octet);
                let continues = matches!(self.head.first(), Some(b' ' | b'\t'));
                if octet == b'\n' || octet == b':' || self.head.is_full() || continues {
                    self.decide(out);
                }
            }
        }
    }

    /// The block has ended: appends what still waits.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if !self.head.is_empty() {
            self.decide(out);
        }
    }

    fn decide(&mut self, out: &mut Vec<u8>) {
        let head = self.head.as_slice();
        let empty = matches!(head, b"\n" | b"\r\n");
        if empty {
            // RFC 9051 6.4.5: the empty line that ends the header is always part of the answer.
            self.passing = true;
        } else if !matches!(head.first(), Some(b' ' | b'\t')) {
            // A line that is no field has no name and is on no list.
            let name = head.strip_suffix(b":").map(<[u8]>::trim_ascii_end);
            let listed = name.is_some_and(|name| self.names.iter().any(|n| n.as_bytes().eq_ignore_ascii_case(name)));
            self.passing = listed == self.listed_pass;
        }
        if self.passing {
            out.extend_from_slice(head);
        }
        self.decided = !head.ends_with(b"\n");
        self.head.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BLOCK: &[u8] = b"From: a\r\nSubject: one\r\n two\r\nno field\r\nX-Y : z\r\nTO:\r\n\tb\r\n\r\n";

    fn filter(mut filter: HeaderFilter, block: &[u8], piece: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for octets in block.chunks(piece) {
            filter.push(octets, &mut out);
        }
        filter.finish(&mut out);
        out
    }

    #[test]
    fn fields_are_picked_wherever_the_block_is_cut() {
        for piece in 1..BLOCK.len() {
            let only = |names: &[&str]| {
                filter(HeaderFilter::only(names.iter().map(|&name| name.into()).collect()), BLOCK, piece)
            };
            assert_eq!(only(&["SUBJECT", "to"]), b"Subject: one\r\n two\r\nTO:\r\n\tb\r\n\r\n");
            assert_eq!(only(&["x-y"]), b"X-Y : z\r\n\r\n");
            assert_eq!(only(&["cc"]), b"\r\n");
            let except = filter(HeaderFilter::except(vec!["subject".into(), "From".into()]), BLOCK, piece);
            assert_eq!(except, b"no field\r\nX-Y : z\r\nTO:\r\n\tb\r\n\r\n");
        }
    }

    #[test]
    fn long_names_are_not_held_and_a_cut_block_ends_as_it_is() {
        let block = [b"x".repeat(10_000), b": y\nA: b".to_vec()].concat();
        assert_eq!(filter(HeaderFilter::except(vec![]), &block, 100), block);
        assert_eq!(filter(HeaderFilter::only(vec!["a".into()]), &block, 100), b"A: b");
    }
}
