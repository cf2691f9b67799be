//! Strings, names, flags and dates of RFC 9051 section 9.

use super::super::decode::is_astring_char;
use super::super::mailbox_name::Names;
use super::super::utf7;
use super::out::{Full, Out};
use crate::mail::{Flags, InternalDate, Keyword, SystemFlag};

/// The head of a literal, `{n}` and its line end; so many octets must follow.
///
/// # Errors
/// [`Full`].
pub fn literal_head(out: &mut Out<'_>, octets: u64) -> Result<(), Full> {
    out.show(format_args!("{{{octets}}}\r\n"))
}

/// A quoted string where every octet may stand in one (RFC 9051 section 9 `TEXT-CHAR`), otherwise a literal. NUL, which may
/// stand in neither, shows as `?`.
///
/// # Errors
/// [`Full`].
pub fn string(out: &mut Out<'_>, octets: &[u8]) -> Result<(), Full> {
    if octets.iter().all(|b| matches!(b, b' '..=b'~' | b'\t')) {
        return quoted(out, octets);
    }
    literal_head(out, u64::try_from(octets.len()).unwrap_or(u64::MAX))?;
    for (index, run) in octets.split(|&b| b == 0).enumerate() {
        if index > 0 {
            out.octet(b'?')?;
        }
        out.push(run)?;
    }
    Ok(())
}

/// In quotes, whatever it is: the caller has made sure that it may.
fn quoted(out: &mut Out<'_>, octets: &[u8]) -> Result<(), Full> {
    out.octet(b'"')?;
    for run in octets.split_inclusive(|&b| b == b'"' || b == b'\\') {
        match run.split_last() {
            Some((&special @ (b'"' | b'\\'), plain)) => {
                out.push(plain)?;
                out.push(&[b'\\', special])?;
            }
            _ => out.push(run)?,
        }
    }
    out.octet(b'"')
}

/// A string, or NIL for nothing.
///
/// # Errors
/// [`Full`].
pub fn nstring(out: &mut Out<'_>, octets: Option<&[u8]>) -> Result<(), Full> {
    match octets {
        Some(octets) => string(out, octets),
        None => out.text("NIL"),
    }
}

/// An atom where it may be one, otherwise a string.
///
/// # Errors
/// [`Full`].
pub fn astring(out: &mut Out<'_>, octets: &[u8]) -> Result<(), Full> {
    // `NIL` is an atom that clients take for nothing.
    let atom = !octets.is_empty() && octets.iter().all(|&b| is_astring_char(b)) && !octets.eq_ignore_ascii_case(b"NIL");
    if atom { out.push(octets) } else { string(out, octets) }
}

/// A mailbox name, or a reference.
///
/// # Errors
/// [`Full`].
pub fn mailbox_name(out: &mut Out<'_>, name: &str, names: Names) -> Result<(), Full> {
    match names {
        Names::ModifiedUtf7 => astring(out, utf7::encode(name).as_bytes()),
        Names::Utf8 if name.is_ascii() => astring(out, name.as_bytes()),
        // RFC 9051 section 9 `QUOTED-CHAR`: UTF-8 may stand in quotes; names hold no controls.
        Names::Utf8 => quoted(out, name.as_bytes()),
    }
}

/// A message's flags in parentheses; `keywords` are the names of its mailbox in the order of their bits.
///
/// # Errors
/// [`Full`].
pub fn flags(out: &mut Out<'_>, flags: Flags, keywords: &[Keyword], recent: bool) -> Result<(), Full> {
    let system = SystemFlag::ALL.into_iter().filter(|&flag| flags.has(flag)).map(|flag| -> &str { flag.name() });
    let recent: Option<&str> = recent.then_some("\\Recent");
    let named = keywords
        .iter()
        .enumerate()
        .filter(|(position, _)| u8::try_from(*position).is_ok_and(|position| flags.has_keyword(position)))
        .map(|(_, keyword)| keyword.as_str());
    words(out, recent.into_iter().chain(system).chain(named))
}

/// All system flags, these keywords, and `\*` where more may be made, in parentheses.
///
/// # Errors
/// [`Full`].
pub fn flag_names(out: &mut Out<'_>, keywords: &[Keyword], more: bool) -> Result<(), Full> {
    let system = SystemFlag::ALL.into_iter().map(|flag| -> &str { flag.name() });
    words(out, system.chain(keywords.iter().map(Keyword::as_str)).chain(more.then_some("\\*")))
}

/// Words with spaces between them, in parentheses.
pub(super) fn words<'w>(out: &mut Out<'_>, words: impl Iterator<Item = &'w str>) -> Result<(), Full> {
    out.octet(b'(')?;
    for (index, word) in words.enumerate() {
        if index > 0 {
            out.octet(b' ')?;
        }
        out.text(word)?;
    }
    out.octet(b')')
}

/// RFC 9051 section 9 `date-time`, in quotes.
///
/// # Errors
/// [`Full`].
pub fn internal_date(out: &mut Out<'_>, date: InternalDate) -> Result<(), Full> {
    out.show(format_args!("\"{}\"", date.imap()))
}
