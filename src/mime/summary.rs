//! What is known of a message once it has been received: its envelope and the tree of its parts.

use crate::limits::SUMMARY_OCTETS_MAX;
use serde::{Deserialize, Serialize};

/// Octets of a header as they stand in the message, unfolded, RFC 2047 words not decoded.
pub type Text = Box<[u8]>;

/// A run of octets of the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// From this octet of the message on.
    pub offset: u64,
    /// So many octets.
    pub octets: u64,
}

/// All that IMAP needs of a message without reading it again. Encoded with postcard behind one version octet;
/// what does not fit [`crate::limits::MIME_OUTLINE_OCTETS_MAX`] is cut: long texts first, then parts (the rest of a cut
/// multipart shows as one `application/octet-stream`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// RFC 9051 7.5.2 ENVELOPE.
    pub envelope: Envelope,
    /// The message itself as a part; its `header` is the message's header.
    pub root: Part,
    /// The message's lines.
    pub lines: u64,
}

/// RFC 9051 7.5.2: fields of the header as they stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Date.
    pub date: Option<Text>,
    /// Subject.
    pub subject: Option<Text>,
    /// From.
    pub from: Vec<EnvelopeAddress>,
    /// Sender; IMAP shows From where it is empty.
    pub sender: Vec<EnvelopeAddress>,
    /// Reply-To; IMAP shows From where it is empty.
    pub reply_to: Vec<EnvelopeAddress>,
    /// To.
    pub to: Vec<EnvelopeAddress>,
    /// Cc.
    pub cc: Vec<EnvelopeAddress>,
    /// Bcc.
    pub bcc: Vec<EnvelopeAddress>,
    /// In-Reply-To.
    pub in_reply_to: Option<Text>,
    /// Message-ID.
    pub message_id: Option<Text>,
}

/// RFC 9051 7.5.2 address structure. A group begins with host `None` and mailbox = its name, and ends with both `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeAddress {
    /// Display name, quotes taken off, RFC 2047 words not decoded.
    pub name: Option<Text>,
    /// Local part.
    pub mailbox: Option<Text>,
    /// Domain.
    pub host: Option<Text>,
}

/// A parameter of Content-Type or Content-Disposition, as written (RFC 2231 pieces not joined).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: Text,
    /// Its value, quotes taken off.
    pub value: Text,
}

/// RFC 2183 Content-Disposition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disposition {
    /// `inline`, `attachment` or another.
    pub kind: Text,
    /// `filename` and others.
    pub parameters: Vec<Parameter>,
}

/// One body part, or the message itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Media type as written; `text` where none was given.
    pub media_type: Text,
    /// Media subtype as written; `plain` where none was given.
    pub media_subtype: Text,
    /// Parameters of Content-Type.
    pub parameters: Vec<Parameter>,
    /// Content-ID.
    pub id: Option<Text>,
    /// Content-Description.
    pub description: Option<Text>,
    /// Content-Transfer-Encoding as written; `7BIT` where none was given.
    pub encoding: Text,
    /// Content-MD5.
    pub md5: Option<Text>,
    /// Content-Disposition.
    pub disposition: Option<Disposition>,
    /// Content-Language tags.
    pub language: Vec<Text>,
    /// Content-Location.
    pub location: Option<Text>,
    /// Its MIME header with the empty line that ends it; for the root the message's header.
    pub header: Span,
    /// Its content, without the line end that belongs to the boundary.
    pub body: Span,
    /// Lines of its content.
    pub lines: u64,
    /// What is inside.
    pub inside: Body,
}

/// What a part holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// Nothing that IMAP looks into.
    Leaf,
    /// Parts of a multipart, at least one.
    Multipart(Vec<Part>),
    /// A message/rfc822 or message/global: its envelope, and the message as a part with its own header span.
    Message(Box<(Envelope, Part)>),
}

/// Version octet of the encoding.
const SUMMARY_VERSION: u8 = 1;

impl Summary {
    /// Encodes it, at most [`SUMMARY_OCTETS_MAX`] octets. `None` if it is larger: the scanner cuts before.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut octets = vec![SUMMARY_VERSION];
        octets.extend_from_slice(&postcard::to_stdvec(self).ok()?);
        (octets.len() <= SUMMARY_OCTETS_MAX).then_some(octets)
    }

    /// Finds a part by its numbers as RFC 9051 6.4.5 counts them; none: the message itself.
    ///
    /// The first number counts the parts of a multipart message; any other message has one part, number 1, which is its
    /// text. Numbers inside a `message/rfc822` part count the parts of the message that it holds, in the same way.
    #[must_use]
    pub fn part(&self, numbers: &[u32]) -> Option<&Part> {
        let mut part = &self.root;
        // Does the next number count the parts of a message, or of this part?
        let mut message = true;
        for &number in numbers {
            let index = usize::try_from(number).ok()?.checked_sub(1)?;
            if !message && let Body::Message(inner) = &part.inside {
                part = &inner.1;
                message = true;
            }
            match &part.inside {
                Body::Multipart(parts) => part = parts.get(index)?,
                _ if message && index == 0 => {}
                _ => return None,
            }
            message = false;
        }
        Some(part)
    }

    /// Decodes what [`Summary::encode`] gave. `None` for anything else.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        match octets.split_first() {
            Some((&SUMMARY_VERSION, rest)) => postcard::from_bytes(rest).ok(),
            _ => None,
        }
    }
}
