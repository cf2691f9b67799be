//! RFC 9051 7.5.2 FETCH responses, item by item, with the octets of sections streamed between them.

use super::super::command::{Section, SectionName};
use super::body::{StructureForm, structure};
use super::envelope;
use super::out::{Full, Out};
use super::section::{origin_octet, part_numbers, section_name};
use super::string::{flags, internal_date, literal_head};
use crate::mail::{Flags, InternalDate, Keyword, ModSeq, Uid};
use crate::mime::{Envelope, Part};

/// One response. It is `Copy`: keep it with [`Out::mark`], so that an item that did not fit can be written again.
#[derive(Clone, Copy, Debug)]
pub struct FetchResponse {
    first: bool,
    imap4rev2: bool,
}

/// What follows a section's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionOctets {
    /// There is no such part.
    Nil,
    /// A literal's head; the caller then writes exactly so many octets, none of them NUL.
    Literal(u64),
    /// RFC 3516 4.2.1: the same as a literal8, whose octets may be NUL.
    Literal8(u64),
}

impl FetchResponse {
    /// Begins `* 5 FETCH (`.
    ///
    /// # Errors
    /// [`Full`], as all functions here.
    pub fn begin(out: &mut Out<'_>, sequence: u32) -> Result<Self, Full> {
        out.show(format_args!("* {sequence} FETCH ("))?;
        Ok(Self { first: true, imap4rev2: false })
    }

    /// For a client that has enabled IMAP4rev2: structures may have what RFC 3501 does not know.
    #[must_use]
    pub fn imap4rev2(self, enabled: bool) -> Self {
        Self { imap4rev2: enabled, ..self }
    }

    fn item(&mut self, out: &mut Out<'_>, name: &str) -> Result<(), Full> {
        if !self.first {
            out.octet(b' ')?;
        }
        self.first = false;
        out.text(name)
    }

    /// FLAGS.
    ///
    /// # Errors
    /// [`Full`].
    pub fn flags(&mut self, out: &mut Out<'_>, set: Flags, keywords: &[Keyword], recent: bool) -> Result<(), Full> {
        self.item(out, "FLAGS ")?;
        flags(out, set, keywords, recent)
    }

    /// UID.
    ///
    /// # Errors
    /// [`Full`].
    pub fn uid(&mut self, out: &mut Out<'_>, uid: Uid) -> Result<(), Full> {
        self.item(out, "UID ")?;
        out.number(uid.get().into())
    }

    /// INTERNALDATE.
    ///
    /// # Errors
    /// [`Full`].
    pub fn internal_date(&mut self, out: &mut Out<'_>, date: InternalDate) -> Result<(), Full> {
        self.item(out, "INTERNALDATE ")?;
        internal_date(out, date)
    }

    /// RFC822.SIZE.
    ///
    /// # Errors
    /// [`Full`].
    pub fn rfc822_size(&mut self, out: &mut Out<'_>, octets: u64) -> Result<(), Full> {
        self.item(out, "RFC822.SIZE ")?;
        out.number(octets)
    }

    /// MODSEQ (RFC 7162 3.1.4.2).
    ///
    /// # Errors
    /// [`Full`].
    pub fn modseq(&mut self, out: &mut Out<'_>, modseq: ModSeq) -> Result<(), Full> {
        self.item(out, "MODSEQ ")?;
        out.show(format_args!("({modseq})"))
    }

    /// ENVELOPE.
    ///
    /// # Errors
    /// [`Full`].
    pub fn envelope(&mut self, out: &mut Out<'_>, of: &Envelope) -> Result<(), Full> {
        self.item(out, "ENVELOPE ")?;
        envelope::envelope(out, of)
    }

    /// BODY.
    ///
    /// # Errors
    /// [`Full`].
    pub fn body(&mut self, out: &mut Out<'_>, root: &Part) -> Result<(), Full> {
        self.item(out, "BODY ")?;
        structure(out, root, StructureForm { extended: false, imap4rev2: self.imap4rev2 })
    }

    /// BODYSTRUCTURE.
    ///
    /// # Errors
    /// [`Full`].
    pub fn body_structure(&mut self, out: &mut Out<'_>, root: &Part) -> Result<(), Full> {
        self.item(out, "BODYSTRUCTURE ")?;
        structure(out, root, StructureForm { extended: true, imap4rev2: self.imap4rev2 })
    }

    /// BODY[...], or an old name: the name and the head; the octets are the caller's.
    ///
    /// # Errors
    /// [`Full`].
    pub fn section(
        &mut self,
        out: &mut Out<'_>,
        section: &Section,
        name: SectionName,
        origin: Option<u64>,
        octets: SectionOctets,
    ) -> Result<(), Full> {
        self.item(out, "")?;
        section_name(out, section, name, origin)?;
        out.octet(b' ')?;
        octets.head(out)
    }

    /// BINARY[...]: the name and the head; the octets are the caller's.
    ///
    /// # Errors
    /// [`Full`].
    pub fn binary(
        &mut self,
        out: &mut Out<'_>,
        part: &[u32],
        origin: Option<u64>,
        octets: SectionOctets,
    ) -> Result<(), Full> {
        self.item(out, "BINARY[")?;
        part_numbers(out, part)?;
        out.octet(b']')?;
        origin_octet(out, origin)?;
        out.octet(b' ')?;
        octets.head(out)
    }

    /// BINARY.SIZE[...].
    ///
    /// # Errors
    /// [`Full`].
    pub fn binary_size(&mut self, out: &mut Out<'_>, part: &[u32], octets: u64) -> Result<(), Full> {
        self.item(out, "BINARY.SIZE[")?;
        part_numbers(out, part)?;
        out.show(format_args!("] {octets}"))
    }

    /// Ends the response.
    ///
    /// # Errors
    /// [`Full`].
    pub fn end(self, out: &mut Out<'_>) -> Result<(), Full> {
        out.text(")\r\n")
    }
}

impl SectionOctets {
    fn head(self, out: &mut Out<'_>) -> Result<(), Full> {
        match self {
            Self::Nil => out.text("NIL"),
            Self::Literal(octets) => literal_head(out, octets),
            Self::Literal8(octets) => {
                out.octet(b'~')?;
                literal_head(out, octets)
            }
        }
    }
}
