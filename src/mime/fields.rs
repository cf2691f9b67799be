//! The fields of a header block that a summary is made of, collected while the block streams by.
//!
//! Owns the unfolded values of these fields until the block ends; all other fields pass without being held. Bounded by
//! a cap for each field and by the room that the scanner gives. What the values mean is for
//! [`super::title`] to say.

use crate::limits::MIME_ADDRESSES_OCTETS_MAX;

/// A field that ENVELOPE or BODYSTRUCTURE shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Date,
    Subject,
    From,
    Sender,
    ReplyTo,
    To,
    Cc,
    Bcc,
    InReplyTo,
    MessageId,
    ContentType,
    Encoding,
    Id,
    Description,
    Md5,
    Disposition,
    Language,
    Location,
}

/// Name in lower case, field, most octets of its value. Addresses share [`MIME_ADDRESSES_OCTETS_MAX`].
const TABLE: [(&[u8], Field, usize); 18] = [
    (b"date", Field::Date, 128),
    (b"subject", Field::Subject, 2_048),
    (b"from", Field::From, MIME_ADDRESSES_OCTETS_MAX),
    (b"sender", Field::Sender, MIME_ADDRESSES_OCTETS_MAX),
    (b"reply-to", Field::ReplyTo, MIME_ADDRESSES_OCTETS_MAX),
    (b"to", Field::To, MIME_ADDRESSES_OCTETS_MAX),
    (b"cc", Field::Cc, MIME_ADDRESSES_OCTETS_MAX),
    (b"bcc", Field::Bcc, MIME_ADDRESSES_OCTETS_MAX),
    (b"in-reply-to", Field::InReplyTo, 1_024),
    (b"message-id", Field::MessageId, 1_024),
    (b"content-type", Field::ContentType, 2_048),
    (b"content-transfer-encoding", Field::Encoding, 128),
    (b"content-id", Field::Id, 512),
    (b"content-description", Field::Description, 1_024),
    (b"content-md5", Field::Md5, 128),
    (b"content-disposition", Field::Disposition, 2_048),
    (b"content-language", Field::Language, 256),
    (b"content-location", Field::Location, 1_024),
];

/// The longest name of [`TABLE`] is `content-transfer-encoding`; some white space may follow it (RFC 5322 4.5).
const NAME_OCTETS_MAX: usize = 32;
/// Values of one header: every field once, and some address fields again.
const VALUES_MAX: usize = 32;
/// Fields that stand again take a value only as long as every field can still have its first.
const VALUES_AGAIN_MAX: usize = VALUES_MAX - TABLE.len();
/// Room that only the fields which decide the structure may take: Content-Type and Content-Transfer-Encoding.
const STRUCTURE_OCTETS: usize = 2_048 + 128;
/// The run of values grows by this step, not by doubling.
const GROWTH_OCTETS: usize = 1_024;

impl Field {
    /// Address fields may stand more than once: their addresses are taken together.
    fn is_addresses(self) -> bool {
        matches!(self, Self::From | Self::Sender | Self::ReplyTo | Self::To | Self::Cc | Self::Bcc)
    }

    /// Does the tree of parts depend on it?
    fn is_structure(self) -> bool {
        matches!(self, Self::ContentType | Self::Encoding)
    }

    /// Does it belong to the envelope, which only a message has?
    fn is_envelope(self) -> bool {
        self.is_addresses() || matches!(self, Self::Date | Self::Subject | Self::InReplyTo | Self::MessageId)
    }
}

/// Where in a field the reader is.
#[derive(Debug)]
enum Reading {
    /// Nothing to continue: at the block's beginning, or in a field that is not held.
    Skip,
    /// In the name.
    Name(heapless::Vec<u8, NAME_OCTETS_MAX>),
    /// In the value of a held field, which may take so many octets more.
    Value(usize),
}

/// One value in the common run.
#[derive(Clone, Copy, Debug)]
struct Value {
    field: Field,
    end: usize,
}

/// The collector of one header block.
#[derive(Debug)]
pub(super) struct Fields {
    envelope: bool,
    room: usize,
    octets: Vec<u8>,
    values: heapless::Vec<Value, VALUES_MAX>,
    addresses: usize,
    reading: Reading,
    line_begins: bool,
    cr: bool,
}

impl Fields {
    /// For a message's header (`envelope`) or a part's, with room for so many octets.
    pub(super) fn new(envelope: bool, room: usize) -> Self {
        Self {
            envelope,
            room,
            octets: Vec::new(),
            values: heapless::Vec::new(),
            addresses: 0,
            reading: Reading::Skip,
            line_begins: true,
            cr: false,
        }
    }

    /// Octets of the current line, without its LF.
    pub(super) fn push(&mut self, octets: &[u8]) {
        if self.line_begins {
            let Some(&first) = octets.first() else { return };
            self.line_begins = false;
            // RFC 5322 2.2.3: a line that begins with white space continues the field before it.
            if !matches!(first, b' ' | b'\t') {
                self.reading = Reading::Name(heapless::Vec::new());
            }
        }
        for (at, &octet) in octets.iter().enumerate() {
            match &mut self.reading {
                Reading::Skip => return,
                Reading::Name(name) if octet == b':' => {
                    let name = core::mem::take(name);
                    self.open(&name);
                }
                Reading::Name(name) => {
                    if name.push(octet).is_err() {
                        self.reading = Reading::Skip;
                    }
                }
                Reading::Value(_) => {
                    for &octet in octets.get(at..).unwrap_or_default() {
                        self.value(octet);
                    }
                    return;
                }
            }
        }
    }

    /// The current line ended; its CR is part of the end.
    pub(super) fn line_end(&mut self) {
        self.cr = false;
        self.line_begins = true;
        if let Reading::Name(_) = self.reading {
            // A line without a colon is no field.
            self.reading = Reading::Skip;
        }
    }

    fn open(&mut self, name: &[u8]) {
        self.reading = Reading::Skip;
        let name = name.trim_ascii_end();
        let Some(&(_, field, most)) = TABLE.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(name)) else {
            return;
        };
        if field.is_envelope() && !self.envelope {
            return;
        }
        let again = self.values.iter().any(|value| value.field == field);
        // Of a field that may stand only once the first one counts.
        if again && (!field.is_addresses() || self.values.len() >= VALUES_AGAIN_MAX) {
            return;
        }
        if self.values.push(Value { field, end: self.octets.len() }).is_ok() {
            self.reading = Reading::Value(most);
        }
    }

    fn value(&mut self, octet: u8) {
        if core::mem::take(&mut self.cr) {
            // A CR that is not part of a line end stands for white space.
            self.keep(b' ');
        }
        match octet {
            b'\r' => self.cr = true,
            // RFC 9051 4.3: strings hold no NUL.
            0 => {}
            _ => self.keep(octet),
        }
    }

    fn keep(&mut self, octet: u8) {
        let Reading::Value(left) = &mut self.reading else { return };
        let Some(value) = self.values.last_mut() else { return };
        let addresses = value.field.is_addresses();
        let reserved = if value.field.is_structure() { 0 } else { STRUCTURE_OCTETS };
        let room = self.room.saturating_sub(reserved);
        if *left == 0 || self.octets.len() >= room || (addresses && self.addresses >= MIME_ADDRESSES_OCTETS_MAX) {
            return;
        }
        if self.octets.len() == self.octets.capacity() {
            self.octets.reserve_exact(GROWTH_OCTETS.min(self.room.saturating_sub(self.octets.len())));
        }
        *left = left.saturating_sub(1);
        self.addresses = self.addresses.saturating_add(usize::from(addresses));
        self.octets.push(octet);
        value.end = self.octets.len();
    }

    /// All values of a field, unfolded, without white space around them.
    pub(super) fn all(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.values.iter().enumerate().filter(move |(_, value)| value.field == field).map(|(index, value)| {
            let start = index.checked_sub(1).and_then(|before| self.values.get(before)).map_or(0, |before| before.end);
            self.octets.get(start..value.end).unwrap_or_default().trim_ascii()
        })
    }

    /// The field's value.
    pub(super) fn first(&self, field: Field) -> Option<&[u8]> {
        self.all(field).next()
    }

    /// Octets held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.octets.capacity()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn collect(block: &[u8], piece: usize) -> Fields {
        let mut fields = Fields::new(true, 10_000);
        for line in block.split_inclusive(|&octet| octet == b'\n') {
            for octets in line.strip_suffix(b"\n").unwrap_or(line).chunks(piece) {
                fields.push(octets);
            }
            if line.ends_with(b"\n") {
                fields.line_end();
            }
        }
        fields
    }

    #[test]
    fn values_are_unfolded_and_others_pass_by() {
        let block = b"Received: x\r\n\ty\r\nSUBJECT : one\r\n two\n\tthree \r\nno field\r\nX: y\r\nto:a\r\nTo: b\r\nsubject: no\r\n";
        for piece in 1..80 {
            let fields = collect(block, piece);
            assert_eq!(fields.first(Field::Subject).unwrap(), b"one two\tthree");
            assert_eq!(fields.all(Field::To).collect::<Vec<_>>(), [b"a", b"b"]);
            assert_eq!(fields.first(Field::Date), None);
        }
    }

    #[test]
    fn controls_do_not_come_through() {
        assert_eq!(collect(b"Subject: a\0b\rc\r\r\n", 1).first(Field::Subject).unwrap(), b"ab c");
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut block = b"To: ".to_vec();
        block.extend_from_slice(&b"a@example.org,\r\n ".repeat(10_000));
        for _ in 0..1_000 {
            block.extend_from_slice(b"\r\nCc: b@example.org");
        }
        let fields = collect(&block, 1_000);
        assert!(fields.octets.len() <= MIME_ADDRESSES_OCTETS_MAX);
        assert!(fields.held() <= MIME_ADDRESSES_OCTETS_MAX + GROWTH_OCTETS);
    }
}
