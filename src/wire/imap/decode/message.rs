//! RFC 9051 6.4: commands about messages, except SEARCH and FETCH.

use super::super::command::Command;
use super::cursor::{Cursor, Parsed, limit, syntax};
use crate::limits::KEYWORD_OCTETS_MAX;
use crate::limits::KEYWORDS_PER_MAILBOX_MAX;
use crate::mail::{FlagChange, FlagSelection, Keyword, ModSeq, SystemFlag};

/// RFC 3501 6.4.1.
pub(super) fn check(_: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Check)
}

pub(super) fn close(_: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Close)
}

pub(super) fn unselect(_: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Unselect)
}

pub(super) fn expunge(_: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Expunge { uids: None })
}

pub(super) fn uid_expunge(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space("UID EXPUNGE: a set of UIDs must follow")?;
    Ok(Command::Expunge { uids: Some(cursor.set()?) })
}

pub(super) fn copy(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    transfer(cursor, false, false)
}

pub(super) fn uid_copy(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    transfer(cursor, true, false)
}

/// RFC 9051 6.4.8 MOVE.
pub(super) fn relocate(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    transfer(cursor, false, true)
}

pub(super) fn uid_move(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    transfer(cursor, true, true)
}

fn transfer(cursor: &mut Cursor<'_>, uid: bool, remove_source: bool) -> Parsed<Command> {
    cursor.space("A message set must follow")?;
    let set = cursor.set()?;
    cursor.space("A mailbox name is missing")?;
    Ok(Command::Copy { uid, set, mailbox: cursor.mailbox()?, remove_source })
}

pub(super) fn store(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    storing(cursor, false)
}

pub(super) fn uid_store(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    storing(cursor, true)
}

/// RFC 9051 6.4.6, RFC 7162 3.1.3.
fn storing(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    cursor.space("A message set must follow")?;
    let set = cursor.set()?;
    cursor.space("STORE: FLAGS, +FLAGS or -FLAGS must follow")?;
    let mut unchanged_since = None;
    if cursor.peek() == Some(b'(') {
        cursor.list("STORE: modifiers must be in parentheses", |cursor| {
            if cursor.word() != "UNCHANGEDSINCE" {
                return cursor.fail("STORE: unknown modifier");
            }
            cursor.space("STORE: UNCHANGEDSINCE needs a number")?;
            unchanged_since = Some(ModSeq(cursor.number("STORE: UNCHANGEDSINCE needs a number")?));
            Ok(())
        })?;
        cursor.space("STORE: FLAGS, +FLAGS or -FLAGS must follow")?;
    }
    let change = match cursor.peek() {
        Some(b'+') => FlagChange::Add,
        Some(b'-') => FlagChange::Remove,
        _ => FlagChange::Replace,
    };
    if change == FlagChange::Add {
        cursor.eat(b'+');
    } else if change == FlagChange::Remove {
        cursor.eat(b'-');
    }
    let silent = match cursor.word().as_str() {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
        _ => return cursor.fail("STORE: unknown data item"),
    };
    cursor.space("STORE: flags must follow")?;
    let mut flags = FlagSelection::default();
    if cursor.peek() == Some(b'(') {
        flag_list(cursor, &mut flags)?;
    } else {
        // RFC 9051 section 9: `flag *(SP flag)` without parentheses.
        loop {
            flag(cursor, &mut flags)?;
            cursor.spaces();
            if cursor.at_end() {
                break;
            }
        }
    }
    Ok(Command::Store { uid, set, change, silent, flags, unchanged_since })
}

/// RFC 9051 section 9 `flag-list`.
pub(super) fn flag_list(cursor: &mut Cursor<'_>, flags: &mut FlagSelection) -> Parsed<()> {
    cursor.list("Flags must be in parentheses", |cursor| flag(cursor, flags))
}

fn flag(cursor: &mut Cursor<'_>, flags: &mut FlagSelection) -> Parsed<()> {
    let name = cursor.flag_name("Not a flag")?;
    if let Some(flag) = SystemFlag::parse(name) {
        flags.system = flags.system.with(flag);
        return Ok(());
    }
    // RFC 3501 2.3.2: clients cannot alter `\Recent`. Those that copy flags from elsewhere send it none the less.
    if name.eq_ignore_ascii_case("\\Recent") {
        return Ok(());
    }
    if name.starts_with('\\') {
        return syntax("Unknown system flag");
    }
    let keyword = keyword(name)?;
    if flags.keywords.iter().any(|known| known.same(&keyword)) {
        return Ok(());
    }
    // No message can have more.
    if flags.keywords.len() == KEYWORDS_PER_MAILBOX_MAX {
        return limit("Too many keywords");
    }
    flags.keywords.push(keyword);
    Ok(())
}

/// A keyword by its name, which is an atom.
pub(super) fn keyword(name: &str) -> Parsed<Keyword> {
    match Keyword::parse(name) {
        Some(keyword) => Ok(keyword),
        None if name.len() > KEYWORD_OCTETS_MAX => limit("Keyword is too long"),
        None => syntax("Not a keyword"),
    }
}
