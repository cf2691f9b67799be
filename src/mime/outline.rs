//! The parts found so far, in the compact form in which a scanner holds them until the message has ended.
//!
//! Owns a run of records: a part begins, a part ends. It charges every part with what it will take in the encoded
//! [`Summary`], so that this never outgrows [`MIME_OUTLINE_OCTETS_MAX`]: when it would, long texts are cut first, in the
//! steps of [`CUTS`], and then no more parts are taken. Which parts there are is for the scanner to say.

use super::title::{CUTS, Cut, Title};
use super::{Body, Envelope, Part, Span, Summary};
use crate::limits::{MIME_OUTLINE_OCTETS_MAX, MIME_PARTS_MAX, SECTION_DEPTH_MAX};
use serde::{Deserialize, Serialize};

/// What a part may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    Leaf,
    Multipart,
    Message,
}

/// One step of the outline. It lives for a moment only, so the variants' sizes do not matter.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Serialize, Deserialize)]
enum Record {
    /// A part begins; its body begins where its header ends.
    Begins(Title, Span, Kind),
    /// The innermost open part ends at this octet of the message, after so many lines of its body.
    Ends(u64, u64),
}

/// Offsets stay below 2^35, so each takes at most five octets as a postcard integer. Far beyond
/// [`crate::limits::MESSAGE_OCTETS_MAX`].
pub(super) const OFFSET_MAX: u64 = (1 << 35) - 1;
const OFFSET_OCTETS: usize = 5;
/// The tag of what is inside a part and the number of its parts.
const INSIDE_OCTETS: usize = 3;
/// An opaque part of a multipart that is cut, or the empty text of a multipart without parts: no more than this.
const SMALL_PART_OCTETS: usize = 72;
/// Once nothing fits, every open container may still get one opaque part.
const RESERVE_OCTETS: usize = SMALL_PART_OCTETS * (SECTION_DEPTH_MAX + 1);
/// Version, lines, and the rest of the frame around the root.
const FRAME_OCTETS: usize = 16;
/// The run of records grows by this step, not by doubling.
const GROWTH_OCTETS: usize = 2_048;

/// The outline of one message.
#[derive(Debug, Default)]
pub(super) struct Outline {
    records: Vec<u8>,
    charged: usize,
    parts: usize,
    cut: usize,
    full: bool,
}

impl Outline {
    /// A part begins. `false`: it was not taken, and no part will be.
    pub(super) fn begin(&mut self, title: &Title, header: Span, kind: Kind) -> bool {
        if self.full || self.parts >= MIME_PARTS_MAX {
            self.full = true;
            return false;
        }
        loop {
            let mut title = title.clone();
            title.cut(self.cut());
            let spare = if kind == Kind::Multipart { SMALL_PART_OCTETS } else { 0 };
            let octets = charge(&title, header).saturating_add(spare);
            let room = MIME_OUTLINE_OCTETS_MAX.saturating_sub(RESERVE_OCTETS).saturating_sub(FRAME_OCTETS);
            if self.charged.saturating_add(octets) <= room {
                self.charged = self.charged.saturating_add(octets);
                self.parts = self.parts.saturating_add(1);
                self.append(&Record::Begins(title, header, kind));
                return true;
            }
            if self.cut.saturating_add(1) >= CUTS.len() {
                self.full = true;
                return false;
            }
            self.cut = self.cut.saturating_add(1);
            self.shorten();
        }
    }

    /// An opaque part begins, for which the reserve has room: once for each open container.
    pub(super) fn begin_opaque(&mut self, header: Span) {
        self.append(&Record::Begins(Title::opaque(), header, Kind::Leaf));
    }

    /// The innermost open part ends.
    pub(super) fn end(&mut self, end: u64, lines: u64, body_octets: u64) {
        let unused = OFFSET_OCTETS.saturating_mul(2).saturating_sub(varint(body_octets)).saturating_sub(varint(lines));
        self.charged = self.charged.saturating_sub(if self.full { 0 } else { unused });
        self.append(&Record::Ends(end, lines));
    }

    /// Does it take no more parts?
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Octets held.
    pub(super) fn held(&self) -> usize {
        self.records.capacity()
    }

    fn cut(&self) -> Cut {
        CUTS.get(self.cut).copied().unwrap_or(Cut { text: 0, addresses: 0, parameters: 0 })
    }

    fn append(&mut self, record: &Record) {
        let octets = postcard::to_stdvec(record).unwrap_or_default();
        let spare = self.records.capacity().saturating_sub(self.records.len());
        if spare < octets.len() {
            self.records.reserve_exact(octets.len().max(GROWTH_OCTETS));
        }
        self.records.extend_from_slice(&octets);
    }

    /// Cuts the texts of all parts to the present step.
    fn shorten(&mut self) {
        let cut = self.cut();
        let old = core::mem::take(&mut self.records);
        for record in records(&old) {
            match record {
                Record::Begins(mut title, header, kind) => {
                    let before = charge(&title, header);
                    title.cut(cut);
                    let less = before.saturating_sub(charge(&title, header));
                    self.charged = self.charged.saturating_sub(less);
                    self.append(&Record::Begins(title, header, kind));
                }
                ended @ Record::Ends(..) => self.append(&ended),
            }
        }
    }

    /// The summary of a message with so many lines. All parts have ended.
    pub(super) fn build(self, lines: u64) -> Summary {
        let mut open: Vec<Open> = Vec::with_capacity(SECTION_DEPTH_MAX);
        let mut root = None;
        for record in records(&self.records) {
            match record {
                Record::Begins(title, header, kind) => {
                    open.push(Open { title, header, kind, inside: Vec::new() });
                }
                Record::Ends(end, lines) => {
                    let Some(part) = open.pop().map(|open| open.close(end, lines)) else { break };
                    match open.last_mut() {
                        Some(outer) => outer.inside.push(part),
                        None => root = Some(part),
                    }
                }
            }
        }
        let (root, envelope) =
            root.unwrap_or_else(|| Title::empty_text().into_part(Span::default(), Span::default(), 0, Body::Leaf));
        Summary { envelope: envelope.unwrap_or_default(), root, lines }
    }
}

/// A part whose end has not come yet.
struct Open {
    title: Title,
    header: Span,
    kind: Kind,
    inside: Vec<(Part, Option<Envelope>)>,
}

impl Open {
    fn close(self, end: u64, lines: u64) -> (Part, Option<Envelope>) {
        let offset = self.header.offset.saturating_add(self.header.octets);
        let body = Span { offset, octets: end.saturating_sub(offset) };
        let mut inside = self.inside.into_iter();
        let inside = match self.kind {
            Kind::Leaf => Body::Leaf,
            Kind::Multipart if inside.len() == 0 => {
                // RFC 2046 5.1 asks for one part at least, and so does RFC 9051's grammar of body structures.
                let at = Span { offset: offset.saturating_add(body.octets), octets: 0 };
                Body::Multipart(vec![Title::empty_text().into_part(at, at, 0, Body::Leaf).0])
            }
            Kind::Multipart => {
                let mut parts = Vec::with_capacity(inside.len());
                parts.extend(inside.map(|(part, _)| part));
                Body::Multipart(parts)
            }
            Kind::Message => inside
                .next()
                .map_or(Body::Leaf, |(part, envelope)| Body::Message(Box::new((envelope.unwrap_or_default(), part)))),
        };
        self.title.into_part(self.header, body, lines, inside)
    }
}

/// Reads records back. What this module wrote can be read; anything else ends the list.
fn records(mut octets: &[u8]) -> impl Iterator<Item = Record> {
    core::iter::from_fn(move || {
        let (record, rest) = postcard::take_from_bytes(octets).ok()?;
        octets = rest;
        Some(record)
    })
}

/// What a part takes in the encoded summary at most; body and lines, not known yet, are taken for large.
fn charge(title: &Title, header: Span) -> usize {
    let title = postcard::to_stdvec(title).map_or(MIME_OUTLINE_OCTETS_MAX, |octets| octets.len());
    title
        .saturating_add(varint(header.offset))
        .saturating_add(varint(header.octets))
        .saturating_add(varint(header.offset.saturating_add(header.octets)))
        .saturating_add(OFFSET_OCTETS.saturating_mul(2))
        .saturating_add(INSIDE_OCTETS)
}

/// Octets of a postcard integer.
fn varint(value: u64) -> usize {
    let bits = u64::BITS.saturating_sub(value.leading_zeros()).max(1);
    usize::try_from(bits.div_ceil(7)).unwrap_or(10)
}
