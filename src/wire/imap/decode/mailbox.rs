//! RFC 9051 6.3: commands about whole mailboxes, except LIST and APPEND.

use super::super::command::{Command, StatusItems};
use super::super::mailbox_name::{self, SEPARATOR};
use super::InvalidKind;
use super::cursor::{Cursor, Parsed, Stop, syntax};
use crate::mail::SpecialUse;

pub(super) fn select(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    opening(cursor, false)
}

pub(super) fn examine(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    opening(cursor, true)
}

fn opening(cursor: &mut Cursor<'_>, read_only: bool) -> Parsed<Command> {
    let mailbox = name(cursor)?;
    let mut condstore = false;
    cursor.spaces();
    // RFC 4466 2.1 select parameters.
    if cursor.peek() == Some(b'(') {
        cursor.list("SELECT: parameters must be in parentheses", |cursor| match cursor.word().as_str() {
            "CONDSTORE" => {
                condstore = true;
                Ok(())
            }
            _ => cursor.fail("SELECT: unknown parameter"),
        })?;
    }
    Ok(Command::Select { mailbox, read_only, condstore })
}

/// A space and a mailbox name.
fn name(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.space("A mailbox name is missing")?;
    cursor.mailbox()
}

/// The name of a mailbox that is to be.
fn new_name(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let mut name = name(cursor)?;
    // RFC 9051 6.3.4: a trailing separator declares that names below will be created; it is not part of the name.
    if name.ends_with(SEPARATOR) {
        name.pop();
    }
    mailbox_name::creatable(&name).map_err(|text| Stop::Invalid(InvalidKind::MailboxName(text)))?;
    Ok(name)
}

/// RFC 9051 6.3.4, RFC 6154 3.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let mailbox = new_name(cursor)?;
    let mut special_use = Vec::new();
    cursor.spaces();
    if cursor.peek() == Some(b'(') {
        cursor.list("CREATE: parameters must be in parentheses", |cursor| {
            if cursor.word() != "USE" {
                return cursor.fail("CREATE: unknown parameter");
            }
            cursor.space("CREATE: USE needs a list")?;
            cursor.list("CREATE: USE needs a list", |cursor| {
                let name = cursor.flag_name("CREATE: USE needs names such as \\Sent")?;
                let special = SpecialUse::parse(name).ok_or(Stop::Invalid(InvalidKind::UseAttribute))?;
                if !special_use.contains(&special) {
                    special_use.push(special);
                }
                Ok(())
            })
        })?;
    }
    Ok(Command::Create { mailbox, special_use })
}

pub(super) fn delete(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Delete { mailbox: name(cursor)? })
}

pub(super) fn rename(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Rename { from: name(cursor)?, to: new_name(cursor)? })
}

pub(super) fn subscribe(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Subscribe { mailbox: name(cursor)? })
}

pub(super) fn unsubscribe(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Unsubscribe { mailbox: name(cursor)? })
}

/// RFC 2342.
pub(super) fn namespace(_: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Namespace)
}

/// RFC 9051 6.3.11.
pub(super) fn status(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let mailbox = name(cursor)?;
    cursor.space("STATUS: a list of items must follow")?;
    Ok(Command::Status { mailbox, items: status_items(cursor)? })
}

/// RFC 9051 section 9 `status-att`s in parentheses.
pub(super) fn status_items(cursor: &mut Cursor<'_>) -> Parsed<StatusItems> {
    let mut items = StatusItems::default();
    cursor.list("STATUS: items must be in parentheses", |cursor| {
        match cursor.word().as_str() {
            "MESSAGES" => items.messages = true,
            "RECENT" => items.recent = true,
            "UIDNEXT" => items.uid_next = true,
            "UIDVALIDITY" => items.uid_validity = true,
            "UNSEEN" => items.unseen = true,
            "DELETED" => items.deleted = true,
            "SIZE" => items.size = true,
            "HIGHESTMODSEQ" => items.highest_modseq = true,
            _ => return cursor.fail("STATUS: unknown item"),
        }
        Ok(())
    })?;
    if items == StatusItems::default() { syntax("STATUS: no items") } else { Ok(items) }
}
