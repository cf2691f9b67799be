//! RFC 9051 6.1 and 6.2: commands that need no mailbox.

use super::super::command::Command;
use super::cursor::{Cursor, Parsed, limit, syntax, utf8};
use crate::limits::{
    ENABLE_NAMES_MAX, ID_FIELD_OCTETS_MAX, ID_PAIRS_MAX, ID_VALUE_OCTETS_MAX, LOGIN_PASSWORD_OCTETS_MAX,
    LOGIN_USER_OCTETS_MAX,
};
use crate::wire::base64;

pub(super) fn capability(_: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Capability)
}

pub(super) fn noop(_: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Noop)
}

pub(super) fn logout(_: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Logout)
}

pub(super) fn starttls(_: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::StartTls)
}

/// RFC 2177.
pub(super) fn idle(_: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Idle)
}

/// RFC 2971 3.1.
pub(super) fn id(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    const TEXT: &str = "ID: NIL or a list of names and values must follow";
    cursor.space(TEXT)?;
    if cursor.peek() != Some(b'(') {
        return if cursor.word() == "NIL" { Ok(Command::Id(None)) } else { cursor.fail(TEXT) };
    }
    let mut pairs = Vec::new();
    cursor.list(TEXT, |cursor| {
        if pairs.len() == ID_PAIRS_MAX {
            return limit("ID: more than 30 values");
        }
        let field = cursor.string(ID_FIELD_OCTETS_MAX, "ID: a name is not a string")?;
        cursor.space("ID: a name without a value")?;
        let value = cursor.nstring(ID_VALUE_OCTETS_MAX, "ID: a value is neither a string nor NIL")?;
        // It is only for logs and statistics (RFC 2971 2): what is not UTF-8 shows as such.
        let shown = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        pairs.push((shown(&field), value.map(|value| shown(&value))));
        Ok(())
    })?;
    Ok(Command::Id(Some(pairs)))
}

/// RFC 9051 6.2.2 with RFC 4959.
pub(super) fn authenticate(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space("AUTHENTICATE: a mechanism must follow")?;
    let mechanism = cursor.atom("AUTHENTICATE: a mechanism must follow")?.to_ascii_uppercase().into();
    cursor.spaces();
    if cursor.at_end() {
        return Ok(Command::Authenticate { mechanism, initial: None });
    }
    // An atom holds all of base64's alphabet.
    let initial = cursor.atom("AUTHENTICATE: the initial response is not base64")?;
    // RFC 4959 3: `=` is an empty response.
    let initial = if initial == "=" { Ok(Vec::new()) } else { base64::decode(initial.as_bytes()) };
    match initial {
        Ok(initial) => Ok(Command::Authenticate { mechanism, initial: Some(initial) }),
        Err(base64::NotBase64) => syntax("AUTHENTICATE: the initial response is not base64"),
    }
}

/// RFC 9051 6.2.3.
pub(super) fn login(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space("LOGIN: user name and password must follow")?;
    let user = cursor.astring(LOGIN_USER_OCTETS_MAX, "LOGIN: the user name is missing")?;
    let user = utf8(user, "LOGIN: the user name is not UTF-8")?;
    cursor.space("LOGIN: the password is missing")?;
    let password = cursor.astring(LOGIN_PASSWORD_OCTETS_MAX, "LOGIN: the password is missing")?.into_owned();
    Ok(Command::Login { user, password })
}

/// RFC 5161 3.1.
pub(super) fn enable(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let mut names = Vec::new();
    cursor.space("ENABLE: capability names must follow")?;
    while !cursor.at_end() {
        if names.len() == ENABLE_NAMES_MAX {
            return limit("ENABLE: too many names");
        }
        names.push(cursor.atom("ENABLE: not a capability name")?.to_ascii_uppercase().into());
        if !cursor.spaces() {
            break;
        }
    }
    Ok(Command::Enable(names))
}
