//! RFC 9051 6.4.5 FETCH with RFC 3501's items, BINARY (RFC 3516) and CHANGEDSINCE (RFC 7162).

use super::super::command::{Command, FetchItem, Section, SectionName, SectionText};
use super::cursor::{Cursor, Parsed, limit, syntax};
use crate::limits::{FETCH_FIELDS_MAX, FETCH_ITEMS_MAX, HEADER_FIELD_NAME_OCTETS_MAX, SECTION_DEPTH_MAX};
use crate::mail::ModSeq;

pub(super) fn fetch(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    fetching(cursor, false)
}

pub(super) fn uid_fetch(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    fetching(cursor, true)
}

const UNKNOWN: &str = "FETCH: unknown data item";

fn fetching(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    cursor.space("A message set must follow")?;
    let set = cursor.set()?;
    cursor.space("FETCH: data items must follow")?;
    let mut items = Vec::new();
    let mut fields = 0;
    if cursor.peek() == Some(b'(') {
        cursor.list("FETCH: data items must follow", |cursor| {
            if items.len() == FETCH_ITEMS_MAX {
                return limit("FETCH: too many data items");
            }
            let word = cursor.word();
            items.push(item(cursor, &word, &mut fields)?);
            Ok(())
        })?;
        if items.is_empty() {
            return syntax("FETCH: no data items");
        }
    } else {
        let word = cursor.word();
        match macro_items(&word) {
            Some(all) => items = all,
            None => items.push(item(cursor, &word, &mut fields)?),
        }
    }
    let changed_since = modifiers(cursor)?;
    Ok(Command::Fetch { uid, set, items, changed_since })
}

/// RFC 9051 6.4.5: the three macros, spelled out.
fn macro_items(word: &str) -> Option<Vec<FetchItem>> {
    let mut items = vec![FetchItem::Flags, FetchItem::InternalDate, FetchItem::Rfc822Size];
    match word {
        "FAST" => {}
        "ALL" => items.push(FetchItem::Envelope),
        "FULL" => items.extend([FetchItem::Envelope, FetchItem::Body]),
        _ => return None,
    }
    Some(items)
}

fn item(cursor: &mut Cursor<'_>, word: &str, fields: &mut usize) -> Parsed<FetchItem> {
    let old = |text, peek, name| {
        let section = Section { part: Vec::new(), text };
        FetchItem::Section { section, peek, partial: None, name }
    };
    Ok(match word {
        "FLAGS" => FetchItem::Flags,
        "UID" => FetchItem::Uid,
        "INTERNALDATE" => FetchItem::InternalDate,
        "RFC822.SIZE" => FetchItem::Rfc822Size,
        "ENVELOPE" => FetchItem::Envelope,
        "BODYSTRUCTURE" => FetchItem::BodyStructure,
        "MODSEQ" => FetchItem::ModSeq,
        "BODY" if cursor.peek() != Some(b'[') => FetchItem::Body,
        "BODY" | "BODY.PEEK" => {
            let section = section(cursor, fields)?;
            let partial = partial(cursor)?;
            FetchItem::Section { section, peek: word == "BODY.PEEK", partial, name: SectionName::Body }
        }
        // RFC 3501 6.4.5: RFC822 is BODY[], RFC822.HEADER is BODY.PEEK[HEADER], RFC822.TEXT is BODY[TEXT].
        "RFC822" => old(SectionText::All, false, SectionName::Rfc822),
        "RFC822.HEADER" => old(SectionText::Header, true, SectionName::Rfc822Header),
        "RFC822.TEXT" => old(SectionText::Text, false, SectionName::Rfc822Text),
        "BINARY" | "BINARY.PEEK" => {
            let part = binary_part(cursor)?;
            FetchItem::Binary { part, peek: word == "BINARY.PEEK", partial: partial(cursor)? }
        }
        "BINARY.SIZE" => FetchItem::BinarySize { part: binary_part(cursor)? },
        _ => return cursor.fail(UNKNOWN),
    })
}

/// One more part number; a section has as many as a message has levels.
fn part_number(cursor: &mut Cursor<'_>, part: &mut Vec<u32>) -> Parsed<()> {
    if part.len() == SECTION_DEPTH_MAX {
        return limit("FETCH: section is too deep");
    }
    part.push(cursor.positive("FETCH: a part number is not positive")?);
    Ok(())
}

/// RFC 9051 section 9 `section`.
fn section(cursor: &mut Cursor<'_>, fields: &mut usize) -> Parsed<Section> {
    cursor.expect(b'[', "FETCH: a section must follow")?;
    let mut part = Vec::new();
    let mut text = SectionText::All;
    let mut dot = false;
    while cursor.peek().is_some_and(|octet| octet.is_ascii_digit()) {
        part_number(cursor, &mut part)?;
        dot = cursor.eat(b'.');
        if !dot {
            break;
        }
    }
    if dot || (part.is_empty() && cursor.peek() != Some(b']')) {
        text = section_text(cursor, !part.is_empty(), fields)?;
    }
    cursor.expect(b']', "FETCH: section does not end")?;
    Ok(Section { part, text })
}

fn section_text(cursor: &mut Cursor<'_>, has_part: bool, fields: &mut usize) -> Parsed<SectionText> {
    Ok(match cursor.word().as_str() {
        "HEADER" => SectionText::Header,
        "HEADER.FIELDS" => SectionText::Fields(field_names(cursor, fields)?),
        "HEADER.FIELDS.NOT" => SectionText::FieldsNot(field_names(cursor, fields)?),
        "TEXT" => SectionText::Text,
        // RFC 9051 6.4.5: MIME must have a part number before it.
        "MIME" if has_part => SectionText::Mime,
        _ => return cursor.fail("FETCH: unknown section"),
    })
}

fn field_names(cursor: &mut Cursor<'_>, fields: &mut usize) -> Parsed<Vec<Box<str>>> {
    const TEXT: &str = "FETCH: header field names must be in parentheses";
    let mut names = Vec::new();
    cursor.space(TEXT)?;
    cursor.list(TEXT, |cursor| {
        if *fields == FETCH_FIELDS_MAX {
            return limit("FETCH: too many header field names");
        }
        *fields += 1;
        let name = cursor.astring(HEADER_FIELD_NAME_OCTETS_MAX, "FETCH: a header field name is missing")?;
        names.push(header_field_name(&name)?);
        Ok(())
    })?;
    if names.is_empty() { syntax("FETCH: no header field names") } else { Ok(names) }
}

/// RFC 5322 3.6.8 `field-name`: printable ASCII without a colon.
fn header_field_name(name: &[u8]) -> Parsed<Box<str>> {
    match core::str::from_utf8(name) {
        Ok(text) if !name.is_empty() && name.iter().all(|&b| b.is_ascii_graphic() && b != b':') => Ok(text.into()),
        _ => syntax("FETCH: not a header field name"),
    }
}

/// RFC 9051 section 9 `section-binary`.
fn binary_part(cursor: &mut Cursor<'_>) -> Parsed<Vec<u32>> {
    let mut part = Vec::new();
    cursor.expect(b'[', "FETCH: BINARY needs a part in brackets")?;
    if !cursor.eat(b']') {
        loop {
            part_number(cursor, &mut part)?;
            if !cursor.eat(b'.') {
                break;
            }
        }
        cursor.expect(b']', "FETCH: section does not end")?;
    }
    Ok(part)
}

/// RFC 9051 section 9 `partial`.
fn partial(cursor: &mut Cursor<'_>) -> Parsed<Option<(u64, u64)>> {
    const TEXT: &str = "FETCH: a partial is like <0.2048>";
    if !cursor.eat(b'<') {
        return Ok(None);
    }
    let first = cursor.number(TEXT)?;
    cursor.expect(b'.', TEXT)?;
    let octets = cursor.number(TEXT)?;
    if octets == 0 {
        return syntax(TEXT);
    }
    cursor.expect(b'>', TEXT)?;
    Ok(Some((first, octets)))
}

/// RFC 7162 3.1.4.1.
fn modifiers(cursor: &mut Cursor<'_>) -> Parsed<Option<ModSeq>> {
    let mut changed_since = None;
    cursor.spaces();
    if cursor.peek() == Some(b'(') {
        cursor.list("FETCH: modifiers must be in parentheses", |cursor| {
            if cursor.word() != "CHANGEDSINCE" {
                return cursor.fail("FETCH: unknown modifier");
            }
            cursor.space("FETCH: CHANGEDSINCE needs a number")?;
            changed_since = Some(ModSeq(cursor.number("FETCH: CHANGEDSINCE needs a number")?));
            Ok(())
        })?;
    }
    Ok(changed_since)
}
