//! What a header says of its part: media type, encoding, disposition and, for a message, its envelope.
//!
//! Owns one part's texts on their way from [`Fields`] into the outline. Bounded by the fields' caps, and cut further
//! by [`Cut`] when a summary grows too large. Where the part begins and ends is for the scanner to say.

use super::fields::{Field, Fields};
use super::{Body, Disposition, Envelope, EnvelopeAddress, Parameter, Part, Span, Text};
use super::{addresses, structured};
use serde::{Deserialize, Serialize};

/// How much of a title is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// Octets of one text.
    pub(super) text: usize,
    /// Addresses of one field.
    pub(super) addresses: usize,
    /// Parameters, and language tags.
    pub(super) parameters: usize,
}

/// First everything that the fields' caps let through, then less and less.
pub(super) const CUTS: [Cut; 4] = [
    Cut { text: 2_048, addresses: 256, parameters: 64 },
    Cut { text: 512, addresses: 64, parameters: 32 },
    Cut { text: 128, addresses: 24, parameters: 12 },
    Cut { text: 64, addresses: 8, parameters: 6 },
];

/// Pieces of a boundary that is written as RFC 2231 3 continuations.
const PIECES_MAX: usize = 8;

/// A part's description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Title {
    pub(super) media_type: Text,
    pub(super) media_subtype: Text,
    pub(super) parameters: Vec<Parameter>,
    id: Option<Text>,
    description: Option<Text>,
    pub(super) encoding: Text,
    md5: Option<Text>,
    disposition: Option<Disposition>,
    language: Vec<Text>,
    location: Option<Text>,
    /// Only of a message.
    envelope: Option<Envelope>,
}

impl Title {
    /// Reads it from a header's fields: of a message (`message`) or of a part; `digest`: in a multipart/digest.
    pub(super) fn read(fields: &Fields, message: bool, digest: bool) -> Self {
        let text = |field| fields.first(field).map(Text::from);
        let typed = fields.first(Field::ContentType).and_then(structured::media_type);
        let (media_type, media_subtype, parameters) = match typed {
            Some(typed) => typed,
            // RFC 2046 5.1.5: the default in a digest.
            None if digest => (b"message"[..].into(), b"rfc822"[..].into(), Vec::new()),
            // RFC 2045 5.2: the default for no type, and for one that cannot be read.
            None => (b"text"[..].into(), b"plain"[..].into(), Vec::new()),
        };
        let disposition = fields.first(Field::Disposition).and_then(structured::disposition);
        Self {
            media_type,
            media_subtype,
            parameters,
            id: text(Field::Id),
            description: text(Field::Description),
            // RFC 2045 6.1: the default.
            encoding: fields.first(Field::Encoding).and_then(structured::word).unwrap_or_else(|| b"7BIT"[..].into()),
            md5: fields.first(Field::Md5).and_then(structured::word),
            disposition: disposition.map(|(kind, parameters)| Disposition { kind, parameters }),
            language: fields
                .first(Field::Language)
                .map(|value| structured::tags(value, CUTS.first().map_or(0, |cut| cut.parameters)))
                .unwrap_or_default(),
            location: text(Field::Location),
            envelope: message.then(|| envelope(fields)),
        }
    }

    /// What stands for parts that are not looked into.
    pub(super) fn opaque() -> Self {
        Self {
            media_type: b"application"[..].into(),
            media_subtype: b"octet-stream"[..].into(),
            parameters: Vec::new(),
            id: None,
            description: None,
            encoding: b"8BIT"[..].into(),
            md5: None,
            disposition: None,
            language: Vec::new(),
            location: None,
            envelope: None,
        }
    }

    /// The empty text that stands in a multipart without parts.
    pub(super) fn empty_text() -> Self {
        Self { encoding: b"7BIT"[..].into(), ..Self::opaque() }.typed(b"text", b"plain")
    }

    /// The same with another type, and without the old type's parameters.
    pub(super) fn typed(mut self, media_type: &[u8], media_subtype: &[u8]) -> Self {
        self.media_type = media_type.into();
        self.media_subtype = media_subtype.into();
        self.parameters = Vec::new();
        self
    }

    /// Is it of this type?
    pub(super) fn is(&self, media_type: &[u8]) -> bool {
        self.media_type.eq_ignore_ascii_case(media_type)
    }

    /// Is it of this subtype?
    pub(super) fn is_sub(&self, media_subtype: &[u8]) -> bool {
        self.media_subtype.eq_ignore_ascii_case(media_subtype)
    }

    /// Can its content be read as it stands (RFC 2045 6.2: 7bit, 8bit, binary)?
    pub(super) fn is_identity(&self) -> bool {
        !self.encoding.eq_ignore_ascii_case(b"base64") && !self.encoding.eq_ignore_ascii_case(b"quoted-printable")
    }

    /// RFC 2046 5.1.1: the boundary parameter; RFC 2231 3: also one in pieces.
    pub(super) fn boundary(&self) -> Vec<u8> {
        let named = |name: &[u8]| self.parameters.iter().find(|p| p.name.eq_ignore_ascii_case(name));
        let mut boundary = Vec::new();
        if let Some(parameter) = named(b"boundary") {
            boundary.extend_from_slice(&parameter.value);
        } else {
            for piece in 0..PIECES_MAX {
                let Some(parameter) = named(format!("boundary*{piece}").as_bytes()) else { break };
                boundary.extend_from_slice(&parameter.value);
            }
        }
        boundary.truncate(boundary.trim_ascii_end().len());
        boundary
    }

    /// Shortens everything to what `cut` allows.
    pub(super) fn cut(&mut self, cut: Cut) {
        shorten(&mut self.media_type, cut.text);
        shorten(&mut self.media_subtype, cut.text);
        shorten(&mut self.encoding, cut.text);
        cut_parameters(&mut self.parameters, cut);
        for text in [&mut self.id, &mut self.description, &mut self.md5, &mut self.location].into_iter().flatten() {
            shorten(text, cut.text);
        }
        if let Some(disposition) = &mut self.disposition {
            shorten(&mut disposition.kind, cut.text);
            cut_parameters(&mut disposition.parameters, cut);
        }
        self.language.truncate(cut.parameters);
        self.language.iter_mut().for_each(|tag| shorten(tag, cut.text));
        if let Some(envelope) = &mut self.envelope {
            let texts =
                [&mut envelope.date, &mut envelope.subject, &mut envelope.in_reply_to, &mut envelope.message_id];
            for text in texts.into_iter().flatten() {
                shorten(text, cut.text);
            }
            for list in [
                &mut envelope.from,
                &mut envelope.sender,
                &mut envelope.reply_to,
                &mut envelope.to,
                &mut envelope.cc,
                &mut envelope.bcc,
            ] {
                cut_addresses(list, cut);
            }
        }
    }

    /// Makes the part, and its envelope if it is a message.
    pub(super) fn into_part(self, header: Span, body: Span, lines: u64, inside: Body) -> (Part, Option<Envelope>) {
        let part = Part {
            media_type: self.media_type,
            media_subtype: self.media_subtype,
            parameters: self.parameters,
            id: self.id,
            description: self.description,
            encoding: self.encoding,
            md5: self.md5,
            disposition: self.disposition,
            language: self.language,
            location: self.location,
            header,
            body,
            lines,
            inside,
        };
        (part, self.envelope)
    }
}

fn envelope(fields: &Fields) -> Envelope {
    let most = CUTS.first().map_or(0, |cut| cut.addresses);
    let text = |field| fields.first(field).map(Text::from);
    let list = |field| {
        let mut list = Vec::new();
        for value in fields.all(field) {
            addresses::read(value, most, &mut list);
        }
        list
    };
    Envelope {
        date: text(Field::Date),
        subject: text(Field::Subject),
        from: list(Field::From),
        sender: list(Field::Sender),
        reply_to: list(Field::ReplyTo),
        to: list(Field::To),
        cc: list(Field::Cc),
        bcc: list(Field::Bcc),
        in_reply_to: text(Field::InReplyTo),
        message_id: text(Field::MessageId),
    }
}

/// Cuts a text, not within a character of UTF-8.
fn shorten(text: &mut Text, octets_max: usize) {
    if text.len() <= octets_max {
        return;
    }
    let mut end = octets_max;
    while end > octets_max.saturating_sub(3) && text.get(end).is_some_and(|octet| octet & 0xc0 == 0x80) {
        end = end.saturating_sub(1);
    }
    *text = text.get(..end).unwrap_or_default().into();
}

fn cut_parameters(parameters: &mut Vec<Parameter>, cut: Cut) {
    parameters.truncate(cut.parameters);
    for parameter in parameters {
        shorten(&mut parameter.name, cut.text);
        shorten(&mut parameter.value, cut.text);
    }
}

fn cut_addresses(list: &mut Vec<EnvelopeAddress>, cut: Cut) {
    if list.len() > cut.addresses {
        list.truncate(cut.addresses);
        // A group that was cut is ended, in the place of its last member.
        let open = list.iter().rposition(|a| a.host.is_none() && a.mailbox.is_some());
        let ended = list.iter().rposition(|a| a.host.is_none() && a.mailbox.is_none());
        if open > ended
            && let Some(last) = list.last_mut()
        {
            *last = EnvelopeAddress::default();
        }
    }
    for address in list {
        for text in [&mut address.name, &mut address.mailbox, &mut address.host].into_iter().flatten() {
            shorten(text, cut.text);
        }
    }
}
