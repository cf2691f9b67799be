//! Responses about the server: CAPABILITY, ENABLED, ID, NAMESPACE.

use super::super::mailbox_name::SEPARATOR;
use super::out::{Full, Out};
use super::string::{nstring, string};

/// RFC 9051 7.2.2.
///
/// # Errors
/// [`Full`].
pub fn capability(out: &mut Out<'_>, names: &[&str]) -> Result<(), Full> {
    spaced(out, "* CAPABILITY", names)
}

/// RFC 5161 3.2: those that are now on; may be none.
///
/// # Errors
/// [`Full`].
pub fn enabled(out: &mut Out<'_>, names: &[&str]) -> Result<(), Full> {
    spaced(out, "* ENABLED", names)
}

fn spaced(out: &mut Out<'_>, start: &str, names: &[&str]) -> Result<(), Full> {
    out.text(start)?;
    for name in names {
        out.octet(b' ')?;
        out.text(name)?;
    }
    out.text("\r\n")
}

/// RFC 2971 3.2; no pairs give NIL.
///
/// # Errors
/// [`Full`].
pub fn id(out: &mut Out<'_>, pairs: &[(&str, Option<&str>)]) -> Result<(), Full> {
    if pairs.is_empty() {
        return out.text("* ID NIL\r\n");
    }
    out.text("* ID (")?;
    for (index, (field, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.octet(b' ')?;
        }
        string(out, field.as_bytes())?;
        out.octet(b' ')?;
        nstring(out, value.map(str::as_bytes))?;
    }
    out.text(")\r\n")
}

/// RFC 9051 7.3.4: one personal namespace without a prefix, no others.
///
/// # Errors
/// [`Full`].
pub fn namespace(out: &mut Out<'_>) -> Result<(), Full> {
    out.show(format_args!("* NAMESPACE ((\"\" \"{SEPARATOR}\")) NIL NIL\r\n"))
}
