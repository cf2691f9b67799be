//! Where the octets of a section stand in the message, RFC 9051 6.4.5 and 6.4.5.1.

use crate::mime::{Body, Part, Span, Summary};
use crate::wire::imap::command::{Section, SectionText};

/// Where a section's octets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located<'a> {
    /// There is no such section: NIL.
    Missing,
    /// These octets of the message as they stand.
    Octets(Span),
    /// Of this header block only some fields.
    Fields {
        /// The header.
        header: Span,
        /// Field names.
        names: &'a [Box<str>],
        /// Are the named ones left out, instead of kept?
        not: bool,
    },
}

/// Where are the octets of `section`? `octets` is the size of the whole message.
#[must_use]
pub fn locate<'a>(summary: &Summary, section: &'a Section, octets: u64) -> Located<'a> {
    let whole = section.part.is_empty();
    let part = if whole { Some(&summary.root) } else { summary.part(&section.part) };
    let Some(part) = part else { return Located::Missing };
    match (&section.text, message_of(part, whole)) {
        (SectionText::All, _) if whole => Located::Octets(Span { offset: 0, octets }),
        (SectionText::All, _) => Located::Octets(part.body),
        // RFC 9051 6.4.5.1: MIME always stands behind a part number.
        (SectionText::Mime, _) if whole => Located::Missing,
        (SectionText::Mime, _) => Located::Octets(part.header),
        // HEADER and TEXT behind a part number are those of a message inside; other parts have none.
        (_, None) => Located::Missing,
        (SectionText::Header, Some(message)) => Located::Octets(message.header),
        (SectionText::Text, Some(message)) => Located::Octets(message.body),
        (SectionText::Fields(names), Some(message)) => Located::Fields { header: message.header, names, not: false },
        (SectionText::FieldsNot(names), Some(message)) => Located::Fields { header: message.header, names, not: true },
    }
}

/// The message that HEADER and TEXT speak of.
fn message_of(part: &Part, whole: bool) -> Option<&Part> {
    match &part.inside {
        _ if whole => Some(part),
        Body::Message(message) => Some(&message.1),
        Body::Leaf | Body::Multipart(_) => None,
    }
}

/// Cuts `octets` octets to a partial fetch: from where on, and how many (RFC 9051 6.4.5: what lies beyond is left out).
#[must_use]
pub fn cut(octets: u64, partial: Option<(u64, u64)>) -> Span {
    let (offset, count) = partial.unwrap_or((0, u64::MAX));
    let offset = offset.min(octets);
    Span { offset, octets: count.min(octets.saturating_sub(offset)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::Envelope;

    fn part(header: (u64, u64), body: (u64, u64), inside: Body) -> Part {
        let span = |(offset, octets)| Span { offset, octets };
        Part {
            media_type: (*b"text").into(),
            media_subtype: (*b"plain").into(),
            parameters: Vec::new(),
            id: None,
            description: None,
            encoding: (*b"7BIT").into(),
            md5: None,
            disposition: None,
            language: Vec::new(),
            location: None,
            header: span(header),
            body: span(body),
            lines: 0,
            inside,
        }
    }

    fn section(part: &[u32], text: SectionText) -> Section {
        Section { part: part.to_vec(), text }
    }

    #[test]
    fn sections_are_spans_of_the_message() {
        let inner = part((60, 10), (70, 20), Body::Leaf);
        let forwarded = part((50, 10), (60, 30), Body::Message(Box::new((Envelope::default(), inner))));
        let text = part((20, 5), (25, 15), Body::Leaf);
        let root = part((0, 15), (15, 85), Body::Multipart(vec![text, forwarded]));
        let summary = Summary { envelope: Envelope::default(), root, lines: 9 };
        let at = |part: &[u32], text| match locate(&summary, &section(part, text), 100) {
            Located::Octets(span) => Some((span.offset, span.octets)),
            _ => None,
        };
        assert_eq!(at(&[], SectionText::All), Some((0, 100)));
        assert_eq!(at(&[], SectionText::Header), Some((0, 15)));
        assert_eq!(at(&[], SectionText::Text), Some((15, 85)));
        assert_eq!(at(&[], SectionText::Mime), None);
        let names = vec![Box::from("Subject")];
        let fields = section(&[], SectionText::FieldsNot(names.clone()));
        let header = Span { offset: 0, octets: 15 };
        assert_eq!(locate(&summary, &fields, 100), Located::Fields { header, names: &names, not: true });
        assert_eq!(at(&[1], SectionText::All), Some((25, 15)));
        assert_eq!(at(&[1], SectionText::Mime), Some((20, 5)));
        assert_eq!(at(&[1], SectionText::Header), None);
        assert_eq!(at(&[2], SectionText::Header), Some((60, 10)));
        assert_eq!(at(&[2], SectionText::Text), Some((70, 20)));
        assert_eq!(at(&[3], SectionText::All), None);
    }

    #[test]
    fn partial_fetches_are_cut_at_the_end() {
        let cut = |octets, partial| {
            let span = super::cut(octets, partial);
            (span.offset, span.octets)
        };
        assert_eq!(cut(10, None), (0, 10));
        assert_eq!(cut(10, Some((3, 4))), (3, 4));
        assert_eq!(cut(10, Some((8, 4))), (8, 2));
        assert_eq!(cut(10, Some((11, 4))), (10, 0));
        assert_eq!(cut(u64::MAX, Some((u64::MAX, u64::MAX))), (u64::MAX, 0));
    }
}
