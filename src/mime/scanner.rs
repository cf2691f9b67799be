//! Finds the parts of a message while its octets stream by.
//!
//! Owns the state between two pieces: the beginning of the current line, the header fields that are passing, the
//! boundaries and parts that are open, and the outline of what was found. Bounded by
//! [`crate::limits::MIME_SCANNER_OCTETS_MAX`] whatever comes; time grows with the octets only, because a line is
//! compared with at most [`SECTION_DEPTH_MAX`] boundaries. It never fails: what cannot be read as MIME is text, and what
//! goes beyond a limit is an opaque part.
//!
//! The parts that come out keep a promise that IMAP's grammar needs (RFC 9051 section 9, `body`): a part is
//! `multipart` exactly if it has parts, and `message/rfc822` or `message/global` exactly if a message is inside.

use super::boundaries::{Boundaries, Found};
use super::fields::Fields;
use super::outline::{Kind, OFFSET_MAX, Outline};
use super::title::Title;
use super::{Span, Summary};
use crate::limits::{MIME_BOUNDARY_OCTETS_MAX, MIME_HELD_OCTETS_MAX, SECTION_DEPTH_MAX};

/// Octets of a line that are kept: `--`, a boundary, `--`.
const HEAD_OCTETS: usize = MIME_BOUNDARY_OCTETS_MAX + 4;
/// Containers that may be open, and the part in the innermost.
const OPEN_MAX: usize = SECTION_DEPTH_MAX + 1;

/// A place in the message: octets and lines before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    octets: u64,
    lines: u64,
}

/// The current line.
#[derive(Debug, Default)]
struct Line {
    /// Where it begins.
    from: Place,
    /// Octets of the line end before it: 0 at the message's beginning.
    end_before: u64,
    /// Its first octets; only as many as are needed to know that it is no boundary.
    head: heapless::Vec<u8, HEAD_OCTETS>,
    /// Is its last octet so far a CR?
    cr: bool,
}

/// A part that has begun.
#[derive(Clone, Copy, Debug)]
struct Open {
    kind: Kind,
    /// multipart/digest: RFC 2046 5.1.5.
    digest: bool,
    /// Where its content begins.
    body: Place,
    /// A multipart whose opaque last part takes in what its delimiters would divide.
    swallows: bool,
}

/// The scanner: give it the message with [`Scanner::push`], then take the result with [`Scanner::finish`].
#[derive(Debug)]
pub struct Scanner {
    at: Place,
    line: Line,
    /// A header that is passing, and where it began. `None`: in content.
    header: Option<(Place, Fields)>,
    open: heapless::Vec<Open, OPEN_MAX>,
    boundaries: Boundaries,
    outline: Outline,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Scanner {
    /// Before the first octet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            at: Place::default(),
            line: Line::default(),
            header: Some((Place::default(), Fields::new(true, MIME_HELD_OCTETS_MAX))),
            open: heapless::Vec::new(),
            boundaries: Boundaries::default(),
            outline: Outline::default(),
        }
    }

    /// The next octets of the message, in pieces of any size.
    pub fn push(&mut self, octets: &[u8]) {
        // Far beyond any message that is accepted; keeps the summary's integers small.
        let room = usize::try_from(OFFSET_MAX.saturating_sub(self.at.octets)).unwrap_or(usize::MAX);
        let mut rest = octets.get(..room).unwrap_or(octets);
        while !rest.is_empty() {
            if self.header.is_none() && self.boundaries.is_empty() {
                // Nothing can end this part before the message ends.
                self.at.octets = self.at.octets.saturating_add(length(rest));
                self.at.lines = self.at.lines.saturating_add(length_of(memchr::memchr_iter(b'\n', rest).count()));
                return;
            }
            match memchr::memchr(b'\n', rest).and_then(|end| rest.split_at_checked(end)) {
                Some((piece, tail)) => {
                    self.piece(piece);
                    self.line_end();
                    rest = tail.get(1..).unwrap_or_default();
                }
                None => {
                    self.piece(rest);
                    return;
                }
            }
        }
    }

    /// The message has ended.
    #[must_use]
    pub fn finish(mut self) -> Summary {
        if self.at.octets > self.line.from.octets {
            // The last line has no end; it may still be a boundary.
            self.line_complete();
        }
        while self.header.is_some() {
            self.header_end(self.at);
        }
        self.close(0, self.at);
        self.outline.build(self.at.lines)
    }

    /// Octets of the current line, without its LF.
    fn piece(&mut self, piece: &[u8]) {
        let Some(&last) = piece.last() else { return };
        self.at.octets = self.at.octets.saturating_add(length(piece));
        self.line.cr = last == b'\r';
        if self.line.head.len() < 2 || self.line.head.starts_with(b"--") {
            let free = self.line.head.capacity().saturating_sub(self.line.head.len());
            let _ = self.line.head.extend_from_slice(piece.get(..free).unwrap_or(piece));
        }
        if let Some((_, fields)) = &mut self.header {
            fields.push(piece);
        }
    }

    /// The LF of the current line.
    fn line_end(&mut self) {
        let before = self.at;
        self.at.octets = self.at.octets.saturating_add(1);
        self.at.lines = self.at.lines.saturating_add(1);
        let crlf = self.line.cr && before.octets > self.line.from.octets;
        let content = before.octets.saturating_sub(self.line.from.octets).saturating_sub(u64::from(crlf));
        if !self.line_complete() {
            match &mut self.header {
                // RFC 5322 2.1: an empty line ends the header.
                Some(_) if content == 0 => self.header_end(self.at),
                Some((_, fields)) => fields.line_end(),
                None => {}
            }
        }
        self.line.from = self.at;
        self.line.end_before = if crlf { 2 } else { 1 };
        self.line.head.clear();
        self.line.cr = false;
    }

    /// Acts on the current line if it is a boundary.
    fn line_complete(&mut self) -> bool {
        let found = self.line.head.strip_prefix(b"--").and_then(|line| self.boundaries.find(line));
        if let Some(found) = found {
            self.boundary(found);
        }
        found.is_some()
    }

    fn boundary(&mut self, found: Found) {
        // A header that was cut short by the boundary, and what it opens.
        while self.header.is_some() {
            self.header_end(self.line.from);
        }
        let Some(owner) = self.open.get(found.owner).copied() else { return };
        if owner.swallows && !found.closes {
            return;
        }
        // RFC 2046 5.1.1: the line end before the delimiter belongs to it.
        let end = Place {
            octets: self.line.from.octets.saturating_sub(self.line.end_before),
            lines: self.line.from.lines.saturating_sub(u64::from(self.line.end_before > 0)),
        };
        let begun = self.open.last().map_or(end, |innermost| innermost.body);
        self.close(found.owner.saturating_add(1), if begun.octets > end.octets { begun } else { end });
        if found.closes {
            // What follows is the epilogue, until a boundary further out.
            self.boundaries.truncate(found.index);
            return;
        }
        self.boundaries.truncate(found.index.saturating_add(1));
        if self.outline.is_full() {
            self.begin_opaque(Span { offset: self.at.octets, octets: 0 }, self.at);
        } else {
            self.header_begin(false);
        }
    }

    /// A header begins here: of a message, or of a part.
    fn header_begin(&mut self, message: bool) {
        let room = MIME_HELD_OCTETS_MAX.saturating_sub(self.outline.held());
        self.header = Some((self.at, Fields::new(message, room)));
    }

    /// The header ends before `end`, and its part begins.
    fn header_end(&mut self, end: Place) {
        let Some((begin, fields)) = self.header.take() else { return };
        let header = Span { offset: begin.octets, octets: end.octets.saturating_sub(begin.octets) };
        let message = self.open.last().is_none_or(|outer| outer.kind == Kind::Message);
        let digest = self.open.last().is_some_and(|outer| outer.digest);
        let title = Title::read(&fields, message, digest);
        drop(fields);
        let (title, kind, boundary) = self.decide(title);
        if !self.outline.begin(&title, header, kind) {
            return self.begin_opaque(header, end);
        }
        let owner = self.open.len();
        let digest = kind == Kind::Multipart && title.is_sub(b"digest");
        // `decide` opens no container where the stack has no room for its parts.
        let _ = self.open.push(Open { kind, digest, body: end, swallows: false });
        match kind {
            Kind::Leaf => {}
            Kind::Multipart => self.boundaries.push(&boundary, owner),
            Kind::Message => {
                self.header_begin(true);
                if let Some((begin, _)) = &mut self.header {
                    *begin = end;
                }
            }
        }
    }

    /// What a part is, and under which title it is shown.
    fn decide(&self, title: Title) -> (Title, Kind, Vec<u8>) {
        let deeper = self.open.len() < SECTION_DEPTH_MAX;
        let multipart = title.is(b"multipart");
        let message = title.is(b"message") && (title.is_sub(b"rfc822") || title.is_sub(b"global"));
        if multipart {
            let boundary = title.boundary();
            if boundary.is_empty() {
                // RFC 2046 5.1.1 requires it. Without one the type cannot be read, so RFC 2045 5.2's default holds.
                return (title.typed(b"text", b"plain"), Kind::Leaf, Vec::new());
            }
            if deeper && self.boundaries.has_room(&boundary) {
                return (title, Kind::Multipart, boundary);
            }
        } else if message {
            // RFC 2046 5.2.1 allows no other encodings here; what is encoded cannot be addressed by offsets.
            if deeper && title.is_identity() {
                return (title, Kind::Message, Vec::new());
            }
        } else {
            return (title, Kind::Leaf, Vec::new());
        }
        (title.typed(b"application", b"octet-stream"), Kind::Leaf, Vec::new())
    }

    /// A part that is not looked into: it reaches to its multipart's end.
    fn begin_opaque(&mut self, header: Span, body: Place) {
        self.outline.begin_opaque(header);
        if let Some(outer) = self.open.last_mut() {
            outer.swallows = true;
        }
        let _ = self.open.push(Open { kind: Kind::Leaf, digest: false, body, swallows: false });
    }

    /// Ends all parts above the first `keep`.
    fn close(&mut self, keep: usize, end: Place) {
        while self.open.len() > keep {
            let Some(part) = self.open.pop() else { return };
            let octets = end.octets.saturating_sub(part.body.octets);
            self.outline.end(end.octets, end.lines.saturating_sub(part.body.lines), octets);
        }
    }

    /// Octets on the heap and in itself.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let fields = self.header.as_ref().map_or(0, |(_, fields)| fields.held());
        size_of::<Self>() + fields + self.boundaries.held() + self.outline.held()
    }
}

fn length(octets: &[u8]) -> u64 {
    length_of(octets.len())
}

fn length_of(octets: usize) -> u64 {
    u64::try_from(octets).unwrap_or(u64::MAX)
}
