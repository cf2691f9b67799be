//! Names of message data items with a section: `BODY[1.HEADER.FIELDS (FROM TO)]<0>`.

use super::super::command::{Section, SectionName, SectionText};
use super::out::{Full, Out};
use super::string::astring;

/// RFC 9051 7.5.2: how a FETCH response names octets. `origin` is the first octet of a partial.
///
/// # Errors
/// [`Full`].
pub fn section_name(out: &mut Out<'_>, section: &Section, name: SectionName, origin: Option<u64>) -> Result<(), Full> {
    match name {
        // RFC 3501 7.4.2: the old items come back under their own names.
        SectionName::Rfc822 => out.text("RFC822"),
        SectionName::Rfc822Header => out.text("RFC822.HEADER"),
        SectionName::Rfc822Text => out.text("RFC822.TEXT"),
        SectionName::Body => {
            out.text("BODY[")?;
            part_numbers(out, &section.part)?;
            if section.text != SectionText::All && !section.part.is_empty() {
                out.octet(b'.')?;
            }
            match &section.text {
                SectionText::All => {}
                SectionText::Header => out.text("HEADER")?,
                SectionText::Fields(names) => field_names(out, "HEADER.FIELDS (", names)?,
                SectionText::FieldsNot(names) => field_names(out, "HEADER.FIELDS.NOT (", names)?,
                SectionText::Text => out.text("TEXT")?,
                SectionText::Mime => out.text("MIME")?,
            }
            out.octet(b']')?;
            origin_octet(out, origin)
        }
    }
}

/// `1.2.3`.
pub(super) fn part_numbers(out: &mut Out<'_>, part: &[u32]) -> Result<(), Full> {
    for (index, number) in part.iter().enumerate() {
        if index > 0 {
            out.octet(b'.')?;
        }
        out.number((*number).into())?;
    }
    Ok(())
}

/// `<0>`.
pub(super) fn origin_octet(out: &mut Out<'_>, origin: Option<u64>) -> Result<(), Full> {
    origin.map_or(Ok(()), |first| out.show(format_args!("<{first}>")))
}

fn field_names(out: &mut Out<'_>, start: &str, names: &[Box<str>]) -> Result<(), Full> {
    out.text(start)?;
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.octet(b' ')?;
        }
        astring(out, name.as_bytes())?;
    }
    out.octet(b')')
}
