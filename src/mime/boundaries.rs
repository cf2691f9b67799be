//! The boundaries of the multiparts that are open, innermost last.
//!
//! Owns their octets in one run. Bounded by [`MIME_BOUNDARIES_OCTETS_MAX`] and [`SECTION_DEPTH_MAX`]. What a found
//! boundary means for the parts is the scanner's business.

use crate::limits::{MIME_BOUNDARIES_OCTETS_MAX, MIME_BOUNDARY_OCTETS_MAX, SECTION_DEPTH_MAX};

/// A boundary line that was recognized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Which of the open boundaries, outermost is 0.
    pub(super) index: usize,
    /// Place of its multipart on the scanner's stack.
    pub(super) owner: usize,
    /// RFC 2046 5.1.1 close-delimiter: `--` follows.
    pub(super) closes: bool,
}

/// One open boundary: where its octets end in the common run, and whose it is.
#[derive(Clone, Copy, Debug)]
struct Mark {
    end: usize,
    owner: usize,
}

/// All open boundaries.
#[derive(Debug, Default)]
pub(super) struct Boundaries {
    octets: Vec<u8>,
    marks: heapless::Vec<Mark, SECTION_DEPTH_MAX>,
}

impl Boundaries {
    /// Is there room for this one?
    pub(super) fn has_room(&self, boundary: &[u8]) -> bool {
        boundary.len() <= MIME_BOUNDARY_OCTETS_MAX
            && self.octets.len().saturating_add(boundary.len()) <= MIME_BOUNDARIES_OCTETS_MAX
            && !self.marks.is_full()
    }

    /// Opens one, if there is room.
    pub(super) fn push(&mut self, boundary: &[u8], owner: usize) {
        if self.has_room(boundary) {
            self.octets.reserve_exact(boundary.len());
            self.octets.extend_from_slice(boundary);
            // `has_room` has seen that the marks are not full.
            let _ = self.marks.push(Mark { end: self.octets.len(), owner });
        }
    }

    /// Keeps the outermost `count`.
    pub(super) fn truncate(&mut self, count: usize) {
        self.marks.truncate(count);
        self.octets.truncate(self.marks.last().map_or(0, |mark| mark.end));
    }

    /// Is none open? Then no line can end anything.
    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Octets held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.octets.capacity()
    }

    /// Finds the boundary that a line stands for; `line` is what follows the line's first `--`, its end cut off.
    ///
    /// RFC 2046 5.1.1: the beginning of the line decides, and trailing white space is padding. Where several begin the
    /// line the innermost that makes up all of it is meant, else the longest.
    pub(super) fn find(&self, line: &[u8]) -> Option<Found> {
        let line = line.trim_ascii_end();
        let mut best: Option<(usize, Found)> = None;
        for (index, mark) in self.marks.iter().enumerate().rev() {
            let start = index.checked_sub(1).and_then(|before| self.marks.get(before)).map_or(0, |before| before.end);
            let Some(boundary) = self.octets.get(start..mark.end) else { continue };
            if best.is_some_and(|(octets, _)| octets >= boundary.len()) {
                continue;
            }
            let Some(rest) = line.strip_prefix(boundary) else { continue };
            best = Some((boundary.len(), Found { index, owner: mark.owner, closes: rest.starts_with(b"--") }));
            if rest.is_empty() || rest == b"--" {
                break;
            }
        }
        best.map(|(_, found)| found)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn open(boundaries: &[&str]) -> Boundaries {
        let mut open = Boundaries::default();
        for (index, boundary) in boundaries.iter().enumerate() {
            open.push(boundary.as_bytes(), index * 10);
        }
        open
    }

    #[test]
    fn the_longest_boundary_wins_and_padding_does_not_count() {
        let open = open(&["a", "ab", "abc"]);
        assert_eq!(open.find(b"ab \t"), Some(Found { index: 1, owner: 10, closes: false }));
        assert_eq!(open.find(b"abcd"), Some(Found { index: 2, owner: 20, closes: false }));
        assert_eq!(open.find(b"a--"), Some(Found { index: 0, owner: 0, closes: true }));
        assert_eq!(open.find(b"b"), None);
    }

    #[test]
    fn of_a_name_with_dashes_the_innermost_whole_line_is_meant() {
        assert_eq!(open(&["b--", "b"]).find(b"b--"), Some(Found { index: 1, owner: 10, closes: true }));
        assert_eq!(open(&["b", "b--"]).find(b"b--"), Some(Found { index: 1, owner: 10, closes: false }));
    }

    #[test]
    fn closing_the_outer_one_forgets_the_inner_ones() {
        let mut open = open(&["out", "in"]);
        open.truncate(1);
        assert_eq!(open.find(b"in"), None);
        assert!(open.find(b"out").is_some());
        open.truncate(0);
        assert!(open.is_empty() && open.octets.is_empty());
    }

    #[test]
    fn too_many_and_too_long_ones_find_no_room() {
        let mut open = Boundaries::default();
        assert!(!open.has_room(&[b'x'; MIME_BOUNDARY_OCTETS_MAX + 1]));
        for owner in 0..1_000 {
            open.push(&[b'x'; MIME_BOUNDARY_OCTETS_MAX], owner);
        }
        assert!(open.octets.len() <= MIME_BOUNDARIES_OCTETS_MAX);
    }
}
