//! RFC 9051 7.5.2 BODY and BODYSTRUCTURE.

use super::envelope::envelope;
use super::out::{Full, Out};
use super::string::{nstring, string};
use crate::limits::SECTION_DEPTH_MAX;
use crate::mime::{Body, Disposition, Envelope, Parameter, Part};

/// How a structure is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StructureForm {
    /// With extension data: BODYSTRUCTURE instead of BODY.
    pub extended: bool,
    /// The client has enabled IMAP4rev2, so that it knows that message/global has the form of message/rfc822.
    pub imap4rev2: bool,
}

/// BODY for a client of IMAP4rev1.
///
/// # Errors
/// [`Full`].
pub fn body(out: &mut Out<'_>, root: &Part) -> Result<(), Full> {
    structure(out, root, StructureForm { extended: false, imap4rev2: false })
}

/// BODYSTRUCTURE for a client of IMAP4rev1.
///
/// # Errors
/// [`Full`].
pub fn body_structure(out: &mut Out<'_>, root: &Part) -> Result<(), Full> {
    structure(out, root, StructureForm { extended: true, imap4rev2: false })
}

/// BODY or BODYSTRUCTURE.
///
/// # Errors
/// [`Full`].
pub fn structure(out: &mut Out<'_>, root: &Part, form: StructureForm) -> Result<(), Full> {
    part(out, root, form, 0)
}

/// RFC 9051 section 9 `body`. The scanner keeps no more levels than this; deeper ones would show as a leaf.
fn part(out: &mut Out<'_>, part: &Part, form: StructureForm, depth: usize) -> Result<(), Full> {
    let deeper = depth <= 2 * SECTION_DEPTH_MAX;
    out.octet(b'(')?;
    match &part.inside {
        Body::Multipart(parts) if deeper && !parts.is_empty() => multipart(out, part, parts, form, depth)?,
        Body::Message(inside) if deeper && is_message(part, form) => {
            fields(out, part, None)?;
            out.octet(b' ')?;
            message(out, &inside.0, Some(&inside.1), part.lines, form, depth)?;
            if form.extended {
                single_extension(out, part)?;
            }
        }
        Body::Leaf | Body::Multipart(_) | Body::Message(_) => leaf(out, part, form)?,
    }
    out.octet(b')')
}

fn multipart(out: &mut Out<'_>, whole: &Part, parts: &[Part], form: StructureForm, depth: usize) -> Result<(), Full> {
    for inside in parts {
        part(out, inside, form, depth + 1)?;
    }
    out.octet(b' ')?;
    string(out, &whole.media_subtype)?;
    if form.extended {
        out.octet(b' ')?;
        parameters(out, &whole.parameters, false)?;
        common_extension(out, whole)?;
    }
    Ok(())
}

fn leaf(out: &mut Out<'_>, part: &Part, form: StructureForm) -> Result<(), Full> {
    if part.media_type.eq_ignore_ascii_case(b"text") {
        fields(out, part, None)?;
        out.show(format_args!(" {}", part.lines))?;
    } else if part.media_type.eq_ignore_ascii_case(b"multipart") {
        // It has no parts that could be shown, and a client expects some.
        fields(out, part, Some(("application", "octet-stream")))?;
    } else if is_message(part, form) {
        // Not looked into: encoded, or too deep. RFC 9051 section 9 `body-type-msg` wants an envelope all the same.
        fields(out, part, None)?;
        out.octet(b' ')?;
        message(out, &Envelope::default(), None, part.lines, form, 0)?;
    } else {
        fields(out, part, None)?;
    }
    if form.extended { single_extension(out, part) } else { Ok(()) }
}

/// RFC 9051 section 9 `media-message`; RFC 3501's has no GLOBAL, and its clients take that for any other leaf.
fn is_message(part: &Part, form: StructureForm) -> bool {
    part.media_type.eq_ignore_ascii_case(b"message")
        && (part.media_subtype.eq_ignore_ascii_case(b"rfc822")
            || (form.imap4rev2 && part.media_subtype.eq_ignore_ascii_case(b"global")))
}

/// Type, subtype and RFC 9051 section 9 `body-fields`.
fn fields(out: &mut Out<'_>, part: &Part, shown_as: Option<(&str, &str)>) -> Result<(), Full> {
    let (media_type, media_subtype) = match shown_as {
        Some((media_type, media_subtype)) => (media_type.as_bytes(), media_subtype.as_bytes()),
        None => (&*part.media_type, &*part.media_subtype),
    };
    string(out, media_type)?;
    out.octet(b' ')?;
    string(out, media_subtype)?;
    out.octet(b' ')?;
    // RFC 2045 5.2: text without a charset is US-ASCII.
    let has_charset = part.parameters.iter().any(|parameter| parameter.name.eq_ignore_ascii_case(b"charset"));
    parameters(out, &part.parameters, media_type.eq_ignore_ascii_case(b"text") && !has_charset)?;
    out.octet(b' ')?;
    nstring(out, part.id.as_deref())?;
    out.octet(b' ')?;
    nstring(out, part.description.as_deref())?;
    out.octet(b' ')?;
    string(out, &part.encoding)?;
    out.show(format_args!(" {}", part.body.octets))
}

/// What a message/rfc822 has beside its fields: envelope, structure, lines.
fn message(
    out: &mut Out<'_>,
    headers: &Envelope,
    inside: Option<&Part>,
    lines: u64,
    form: StructureForm,
    depth: usize,
) -> Result<(), Full> {
    envelope(out, headers)?;
    out.octet(b' ')?;
    match inside {
        Some(inside) => part(out, inside, form, depth + 1)?,
        None => {
            out.text("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0")?;
            out.text(if form.extended { " NIL NIL NIL NIL)" } else { ")" })?;
        }
    }
    out.show(format_args!(" {lines}"))
}

/// RFC 9051 section 9 `body-fld-param`.
fn parameters(out: &mut Out<'_>, parameters: &[Parameter], us_ascii: bool) -> Result<(), Full> {
    if parameters.is_empty() && !us_ascii {
        return out.text("NIL");
    }
    out.octet(b'(')?;
    for (index, parameter) in parameters.iter().enumerate() {
        if index > 0 {
            out.octet(b' ')?;
        }
        string(out, &parameter.name)?;
        out.octet(b' ')?;
        string(out, &parameter.value)?;
    }
    if us_ascii {
        out.text(if parameters.is_empty() { "" } else { " " })?;
        out.text("\"charset\" \"us-ascii\"")?;
    }
    out.octet(b')')
}

/// RFC 9051 section 9 `body-ext-1part`, with the space before it.
fn single_extension(out: &mut Out<'_>, part: &Part) -> Result<(), Full> {
    out.octet(b' ')?;
    nstring(out, part.md5.as_deref())?;
    common_extension(out, part)
}

/// Disposition, language and location, which all parts have, with the space before them.
fn common_extension(out: &mut Out<'_>, part: &Part) -> Result<(), Full> {
    out.octet(b' ')?;
    disposition(out, part.disposition.as_ref())?;
    out.octet(b' ')?;
    match &*part.language {
        [] => out.text("NIL")?,
        [one] => string(out, one)?,
        several => {
            out.octet(b'(')?;
            for (index, language) in several.iter().enumerate() {
                if index > 0 {
                    out.octet(b' ')?;
                }
                string(out, language)?;
            }
            out.octet(b')')?;
        }
    }
    out.octet(b' ')?;
    nstring(out, part.location.as_deref())
}

/// RFC 9051 section 9 `body-fld-dsp`.
fn disposition(out: &mut Out<'_>, disposition: Option<&Disposition>) -> Result<(), Full> {
    let Some(disposition) = disposition else {
        return out.text("NIL");
    };
    out.octet(b'(')?;
    string(out, &disposition.kind)?;
    out.octet(b' ')?;
    parameters(out, &disposition.parameters, false)?;
    out.octet(b')')
}
