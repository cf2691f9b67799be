//! RFC 9051 7.1 status responses and 7.6 continuation requests.

use super::super::decode::InvalidKind;
use super::code::Code;
use super::out::{Full, Out};
use crate::wire::base64;

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Done, or for information.
    Ok,
    /// Could not be done, or a warning.
    No,
    /// Not understood or not allowed now.
    Bad,
    /// Already authenticated.
    PreAuth,
    /// The server closes the connection.
    Bye,
}

impl Condition {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
            Self::PreAuth => "PREAUTH",
            Self::Bye => "BYE",
        }
    }
}

/// The completion of a command: `tag OK [CODE] text`.
///
/// # Errors
/// [`Full`].
pub fn tagged(out: &mut Out<'_>, tag: &str, how: Condition, code: Option<&Code<'_>>, text: &str) -> Result<(), Full> {
    out.text(tag)?;
    status(out, how, code, text)
}

/// `* OK [CODE] text`.
///
/// # Errors
/// [`Full`].
pub fn untagged(out: &mut Out<'_>, how: Condition, code: Option<&Code<'_>>, text: &str) -> Result<(), Full> {
    out.octet(b'*')?;
    status(out, how, code, text)
}

/// `* BYE text`.
///
/// # Errors
/// [`Full`].
pub fn bye(out: &mut Out<'_>, text: &str) -> Result<(), Full> {
    untagged(out, Condition::Bye, None, text)
}

/// `+ text`.
///
/// # Errors
/// [`Full`].
pub fn continuation(out: &mut Out<'_>, text: &str) -> Result<(), Full> {
    out.text("+ ")?;
    if !text.is_empty() {
        human(out, text)?;
    }
    out.text("\r\n")
}

/// RFC 9051 6.2.2: `+ ` and a challenge in base64.
///
/// # Errors
/// [`Full`].
pub fn continuation_base64(out: &mut Out<'_>, challenge: &[u8]) -> Result<(), Full> {
    out.text("+ ")?;
    out.text(&base64::encode(challenge))?;
    out.text("\r\n")
}

fn status(out: &mut Out<'_>, how: Condition, code: Option<&Code<'_>>, text: &str) -> Result<(), Full> {
    out.octet(b' ')?;
    out.text(how.name())?;
    out.octet(b' ')?;
    if let Some(code) = code {
        code.encode(out)?;
        out.octet(b' ')?;
    }
    human(out, text)?;
    out.text("\r\n")
}

/// RFC 9051 section 9 `text`: at least one character, none a control or beyond ASCII, and not one that looks like a
/// code.
fn human(out: &mut Out<'_>, text: &str) -> Result<(), Full> {
    if text.is_empty() {
        return out.octet(b'-');
    }
    for (index, c) in text.chars().enumerate() {
        match c {
            '[' if index == 0 => out.octet(b'(')?,
            ' '..='~' => out.show(format_args!("{c}"))?,
            c if c.is_control() => out.octet(b' ')?,
            _ => out.octet(b'?')?,
        }
    }
    Ok(())
}

impl InvalidKind {
    /// What the client hears of it.
    #[must_use]
    pub fn answer(self) -> (Condition, Option<Code<'static>>, &'static str) {
        const CHARSETS: &[&str] = &["US-ASCII", "UTF-8"];
        match self {
            Self::Syntax(text) => (Condition::Bad, None, text),
            Self::UnknownCommand => (Condition::Bad, None, "Unknown command"),
            Self::Incomplete => (Condition::Bad, None, "Command is not whole"),
            Self::TooLong => (Condition::Bad, None, "Command is too long"),
            // RFC 7888 4: NO or BAD, and this code.
            Self::LiteralTooLarge => (Condition::No, Some(Code::TooBig), "Literal is too large"),
            Self::BadCharset => (Condition::No, Some(Code::BadCharset(CHARSETS)), "Unknown charset"),
            Self::MailboxName(text) => (Condition::No, Some(Code::Cannot), text),
            Self::UseAttribute => (Condition::No, Some(Code::UseAttribute), "No mailbox can be made for this use"),
            Self::Limit(text) => (Condition::No, Some(Code::Limit), text),
        }
    }
}
