//! RFC 9051 6.3.9 LIST with the options of RFC 5258, RFC 5819 and RFC 6154, and RFC 3501 6.3.9 LSUB.

use super::super::command::{Command, List};
use super::cursor::{Cursor, Parsed, limit, syntax};
use super::mailbox::status_items;
use crate::limits::LIST_PATTERNS_MAX;

pub(super) fn lsub(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space("LSUB: a reference must follow")?;
    let reference = cursor.mailbox()?;
    cursor.space("LSUB: a pattern must follow")?;
    let patterns = vec![cursor.list_mailbox()?];
    Ok(Command::List(List { lsub: true, reference, patterns, ..List::default() }))
}

pub(super) fn list(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let mut list = List::default();
    cursor.space("LIST: a reference must follow")?;
    if cursor.peek() == Some(b'(') {
        selection(cursor, &mut list)?;
        cursor.space("LIST: a reference must follow")?;
    }
    list.reference = cursor.mailbox()?;
    cursor.space("LIST: a pattern must follow")?;
    if cursor.peek() == Some(b'(') {
        list.extended = true;
        cursor.list("LIST: a pattern must follow", |cursor| {
            if list.patterns.len() == LIST_PATTERNS_MAX {
                return limit("LIST: too many patterns");
            }
            list.patterns.push(cursor.list_mailbox()?);
            Ok(())
        })?;
        if list.patterns.is_empty() {
            return syntax("LIST: no patterns");
        }
    } else {
        list.patterns.push(cursor.list_mailbox()?);
    }
    cursor.spaces();
    if !cursor.at_end() {
        if cursor.word() != "RETURN" {
            return cursor.fail("LIST: only RETURN may follow the pattern");
        }
        cursor.space("LIST: RETURN needs a list")?;
        returns(cursor, &mut list)?;
    }
    Ok(Command::List(list))
}

/// RFC 9051 6.3.9.1.
fn selection(cursor: &mut Cursor<'_>, list: &mut List) -> Parsed<()> {
    list.extended = true;
    cursor.list("LIST: selection options must be in parentheses", |cursor| {
        match cursor.word().as_str() {
            "SUBSCRIBED" => list.select_subscribed = true,
            "REMOTE" => list.select_remote = true,
            "RECURSIVEMATCH" => list.recursive_match = true,
            "SPECIAL-USE" => list.select_special_use = true,
            _ => return cursor.fail("LIST: unknown selection option"),
        }
        Ok(())
    })?;
    // RFC 9051 6.3.9.1: RECURSIVEMATCH says how another option selects; REMOTE does not select.
    if list.recursive_match && !list.select_subscribed && !list.select_special_use {
        return syntax("LIST: RECURSIVEMATCH needs another selection option");
    }
    Ok(())
}

/// RFC 9051 6.3.9.2.
fn returns(cursor: &mut Cursor<'_>, list: &mut List) -> Parsed<()> {
    list.extended = true;
    cursor.list("LIST: RETURN needs a list", |cursor| {
        match cursor.word().as_str() {
            "SUBSCRIBED" => list.return_subscribed = true,
            "CHILDREN" => list.return_children = true,
            "SPECIAL-USE" => list.return_special_use = true,
            // RFC 5819 2.
            "STATUS" => {
                cursor.space("LIST: RETURN STATUS needs a list of items")?;
                list.return_status = Some(status_items(cursor)?);
            }
            _ => return cursor.fail("LIST: unknown return option"),
        }
        Ok(())
    })
}
