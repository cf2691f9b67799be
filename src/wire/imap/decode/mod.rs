//! Octets to [`Command`]: recursive descent over one whole command in a slice.
//!
//! [`decode`] is called when a line has come, and again with a literal and the next line appended. It reads each octet
//! once a call; calls are bounded by [`crate::limits::IMAP_LITERALS_MAX`]. What it allocates is bounded by the command and
//! by the counts in `limits.rs`. It reads lines as leniently as clients are sloppy: any case, several spaces, spaces
//! before the line end.
//!
//! One file a group of commands; [`VERBS`] is the list. An extension adds its file and its lines there. What a command
//! means, and when it is allowed, is the session's business.

mod append;
mod cursor;
mod fetch;
mod list;
mod mailbox;
mod message;
mod search;
mod session;

use super::command::{Append, Command, LiteralHead, Tagged};
use super::mailbox_name::Names;
use crate::limits::IMAP_COMMAND_OCTETS_MAX;
pub(super) use cursor::is_astring_char;
use cursor::{Cursor, Parsed, Stop};

/// What the octets so far are.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// A whole command; never an APPEND.
    Command(Tagged),
    /// The last line ends in the head of a literal that belongs into the octets: read it (after `+ ` where it is
    /// synchronizing) and the next line, append both and decode again.
    NeedLiteral(LiteralHead),
    /// An APPEND; its message, [`Append::literal`], follows in the stream, and then the rest of its line. Of a
    /// synchronizing literal nothing has been sent yet, so that the session can refuse.
    Append {
        /// Repeated in the completion response.
        tag: Box<str>,
        /// Everything before the message.
        append: Append,
    },
}

/// Why octets are not a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Invalid {
    /// The tag, where there was one: the answer is tagged. Otherwise it is an untagged BAD (RFC 9051 7.1.3).
    pub tag: Option<Box<str>>,
    /// What is wrong.
    pub kind: InvalidKind,
    /// RFC 7888 4: the line ends in a non-synchronizing literal, which comes whatever is answered. Read and drop so many
    /// octets, then the next line; if that ends in one again ([`literal_at_end`]), drop that as well. Then answer.
    pub skip_literal: Option<LiteralHead>,
}

/// What is wrong with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidKind {
    /// BAD, with this text.
    Syntax(&'static str),
    /// BAD: there is no such command.
    UnknownCommand,
    /// The octets end before the command does. Does not happen to a driver that reads whole lines and literals.
    Incomplete,
    /// BAD: the command is longer than [`IMAP_COMMAND_OCTETS_MAX`].
    TooLong,
    /// The literal at the end is larger than may stand there. BAD, or NO TOOBIG.
    LiteralTooLarge,
    /// RFC 9051 6.4.4: NO BADCHARSET.
    BadCharset,
    /// No mailbox can have this name: NO CANNOT, with this text.
    MailboxName(&'static str),
    /// RFC 6154 6: NO USEATTR.
    UseAttribute,
    /// More of something than `limits.rs` allows: NO LIMIT, with this text.
    Limit(&'static str),
}

/// Reads the arguments of one command.
type Arguments = fn(&mut Cursor<'_>) -> Parsed<Command>;

/// Every command.
const VERBS: &[(&str, Arguments)] = &[
    ("CAPABILITY", session::capability),
    ("NOOP", session::noop),
    ("LOGOUT", session::logout),
    ("ID", session::id),
    ("STARTTLS", session::starttls),
    ("AUTHENTICATE", session::authenticate),
    ("LOGIN", session::login),
    ("ENABLE", session::enable),
    ("IDLE", session::idle),
    ("SELECT", mailbox::select),
    ("EXAMINE", mailbox::examine),
    ("CREATE", mailbox::create),
    ("DELETE", mailbox::delete),
    ("RENAME", mailbox::rename),
    ("SUBSCRIBE", mailbox::subscribe),
    ("UNSUBSCRIBE", mailbox::unsubscribe),
    ("LIST", list::list),
    ("LSUB", list::lsub),
    ("NAMESPACE", mailbox::namespace),
    ("STATUS", mailbox::status),
    ("APPEND", append::append),
    ("CHECK", message::check),
    ("CLOSE", message::close),
    ("UNSELECT", message::unselect),
    ("EXPUNGE", message::expunge),
    ("SEARCH", search::search),
    ("FETCH", fetch::fetch),
    ("STORE", message::store),
    ("COPY", message::copy),
    ("MOVE", message::relocate),
];

/// RFC 9051 6.4.9: what may stand behind UID.
const UID_VERBS: &[(&str, Arguments)] = &[
    ("COPY", message::uid_copy),
    ("MOVE", message::uid_move),
    ("FETCH", fetch::uid_fetch),
    ("STORE", message::uid_store),
    ("SEARCH", search::uid_search),
    ("EXPUNGE", message::uid_expunge),
];

/// Decodes a command whose mailbox names are those of RFC 3501; see [`decode_as`].
///
/// # Errors
/// [`Invalid`] if the octets are not a command.
pub fn decode(octets: &[u8]) -> Result<Decoded, Invalid> {
    decode_as(octets, Names::ModifiedUtf7)
}

/// Decodes the whole command so far: lines with their CRLF and literals in place, up to and including the last line's
/// CRLF.
///
/// # Errors
/// [`Invalid`] if the octets are not a command.
pub fn decode_as(octets: &[u8], names: Names) -> Result<Decoded, Invalid> {
    if !octets.ends_with(b"\r\n") {
        return Err(Invalid { tag: None, kind: InvalidKind::Incomplete, skip_literal: None });
    }
    let mut cursor = Cursor::new(octets, names);
    let tag = cursor.tag();
    let command = tag.as_ref().map_err(|&stop| stop).and_then(|_| command(&mut cursor));
    let stop = match (tag.as_ref(), command) {
        (Ok(tag), Ok(command)) if octets.len() <= IMAP_COMMAND_OCTETS_MAX => {
            let tag = Box::from(*tag);
            return Ok(match command {
                Command::Append(append) => Decoded::Append { tag, append },
                command => Decoded::Command(Tagged { tag, command }),
            });
        }
        (_, Err(Stop::NeedLiteral(head))) if octets.len() <= IMAP_COMMAND_OCTETS_MAX => {
            return Ok(Decoded::NeedLiteral(head));
        }
        (_, Err(Stop::Invalid(kind))) => kind,
        _ => InvalidKind::TooLong,
    };
    let skip_literal = literal_at_end(cursor.last_line()).filter(|head| head.non_synchronizing);
    Err(Invalid { tag: tag.ok().map(Box::from), kind: stop, skip_literal })
}

/// The head of a literal at the end of a line (with or without its CRLF), of whatever command.
#[must_use]
pub fn literal_at_end(line: &[u8]) -> Option<LiteralHead> {
    let line = line.strip_suffix(b"\r\n").unwrap_or(line).strip_suffix(b"}")?;
    let open = line.iter().rposition(|&b| b == b'{')?;
    let (before, inside) = line.split_at_checked(open)?;
    cursor::literal_head(inside.get(1..)?, before.ends_with(b"~"))
}

fn command(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space("A command must follow the tag")?;
    let mut verb = cursor.word();
    let mut verbs = VERBS;
    if verb == "UID" {
        cursor.space("UID: a command must follow")?;
        verb = cursor.word();
        verbs = UID_VERBS;
    }
    let known = verbs.iter().find(|(name, _)| verb == *name);
    let (_, arguments) = known.ok_or(Stop::Invalid(InvalidKind::UnknownCommand))?;
    let command = arguments(cursor)?;
    // The line of an APPEND ends in its literal's head, which has been read.
    if !matches!(command, Command::Append(_)) {
        cursor.end()?;
    }
    Ok(command)
}

#[cfg(test)]
mod tests;
