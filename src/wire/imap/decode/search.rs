//! RFC 9051 6.4.4 SEARCH with RFC 3501's keys, ESEARCH (RFC 4731) and MODSEQ (RFC 7162).

use super::super::command::{Command, SearchKey, SearchReturn};
use super::InvalidKind;
use super::append::date_fields;
use super::cursor::{Cursor, Parsed, Stop, limit, syntax, utf8};
use super::message::keyword;
use crate::limits::{HEADER_FIELD_NAME_OCTETS_MAX, SEARCH_DEPTH_MAX, SEARCH_KEYS_MAX, SEARCH_TEXT_OCTETS_MAX};
use crate::mail::{InternalDate, ModSeq, SystemFlag};
use encoding_rs::Encoding;

pub(super) fn search(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    searching(cursor, false)
}

pub(super) fn uid_search(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    searching(cursor, true)
}

fn searching(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    cursor.space("SEARCH: keys must follow")?;
    let mut keys = Keys { left: SEARCH_KEYS_MAX, charset: None, word: None };
    let mut returns = None;
    let mut charset = None;
    let mut word = first_word(cursor);
    if word.as_deref() == Some("RETURN") {
        cursor.space("SEARCH: RETURN needs a list")?;
        returns = Some(return_options(cursor)?);
        cursor.space("SEARCH: keys must follow")?;
        word = first_word(cursor);
    }
    if word.as_deref() == Some("CHARSET") {
        cursor.space("SEARCH: a charset must follow")?;
        let name = cursor.astring(CHARSET_OCTETS_MAX, "SEARCH: a charset must follow")?;
        let name = utf8(name, "SEARCH: not a charset")?.to_ascii_uppercase();
        keys.charset = known_charset(&name)?;
        charset = Some(name.into());
        cursor.space("SEARCH: keys must follow")?;
        word = first_word(cursor);
    }
    keys.word = word;
    let key = keys.all(cursor, 0)?;
    Ok(Command::Search { uid, returns, charset, key })
}

/// The longest name that IANA has registered has 45 octets.
const CHARSET_OCTETS_MAX: usize = 64;

/// The word that comes next, unless a set, a parenthesis or a string does.
fn first_word(cursor: &mut Cursor<'_>) -> Option<super::cursor::Word> {
    cursor.peek().filter(u8::is_ascii_alphabetic).map(|_| cursor.word())
}

/// How texts become UTF-8; `None`: they are UTF-8 already.
fn known_charset(name: &str) -> Parsed<Option<&'static Encoding>> {
    match name {
        // RFC 9051 6.4.4: both must be known.
        "US-ASCII" | "UTF-8" | "ASCII" | "UTF8" => Ok(None),
        _ => match Encoding::for_label_no_replacement(name.as_bytes()) {
            Some(encoding) => Ok(Some(encoding)),
            None => Err(Stop::Invalid(InvalidKind::BadCharset)),
        },
    }
}

/// RFC 9051 section 9 `search-return-opts`.
fn return_options(cursor: &mut Cursor<'_>) -> Parsed<SearchReturn> {
    let mut returns = SearchReturn::default();
    cursor.list("SEARCH: RETURN needs a list", |cursor| {
        match cursor.word().as_str() {
            "MIN" => returns.min = true,
            "MAX" => returns.max = true,
            "ALL" => returns.all = true,
            "COUNT" => returns.count = true,
            "SAVE" => returns.save = true,
            _ => return cursor.fail("SEARCH: unknown return option"),
        }
        Ok(())
    })?;
    // RFC 9051 6.4.4: an empty list means ALL.
    if returns == SearchReturn::default() {
        returns.all = true;
    }
    Ok(returns)
}

/// What reading keys needs beside the cursor.
struct Keys {
    /// Keys that may still come.
    left: usize,
    charset: Option<&'static Encoding>,
    /// The word of the next key, where it has been read already.
    word: Option<super::cursor::Word>,
}

impl Keys {
    /// One key or more, up to a closing parenthesis or the end.
    fn all(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Parsed<SearchKey> {
        let mut keys = vec![self.key(cursor, depth)?];
        loop {
            let spaces = cursor.spaces();
            if cursor.at_end() || cursor.peek() == Some(b')') {
                break;
            }
            if !spaces {
                return cursor.fail("SEARCH: a space is missing between keys");
            }
            keys.push(self.key(cursor, depth)?);
        }
        Ok(match keys.len() {
            1 => keys.swap_remove(0),
            _ => SearchKey::And(keys),
        })
    }

    fn key(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Parsed<SearchKey> {
        if depth > SEARCH_DEPTH_MAX {
            return limit("SEARCH: keys are nested too deep");
        }
        self.left = match self.left.checked_sub(1) {
            Some(left) => left,
            None => return limit("SEARCH: too many keys"),
        };
        if let Some(word) = self.word.take() {
            return self.worded(cursor, &word, depth);
        }
        match cursor.peek() {
            Some(b'0'..=b'9' | b'*' | b'$') => Ok(SearchKey::Sequence(cursor.set()?)),
            Some(b'(') => {
                cursor.eat(b'(');
                cursor.spaces();
                let key = self.all(cursor, depth + 1)?;
                cursor.expect(b')', "SEARCH: a parenthesis does not end")?;
                Ok(key)
            }
            _ => {
                let word = cursor.word();
                self.worded(cursor, &word, depth)
            }
        }
    }

    fn worded(&mut self, cursor: &mut Cursor<'_>, word: &str, depth: usize) -> Parsed<SearchKey> {
        let not = |key| SearchKey::Not(Box::new(key));
        Ok(match word {
            "ALL" => SearchKey::All,
            "ANSWERED" => SearchKey::Flag(SystemFlag::Answered),
            "DELETED" => SearchKey::Flag(SystemFlag::Deleted),
            "DRAFT" => SearchKey::Flag(SystemFlag::Draft),
            "FLAGGED" => SearchKey::Flag(SystemFlag::Flagged),
            "SEEN" => SearchKey::Flag(SystemFlag::Seen),
            "UNANSWERED" => not(SearchKey::Flag(SystemFlag::Answered)),
            "UNDELETED" => not(SearchKey::Flag(SystemFlag::Deleted)),
            "UNDRAFT" => not(SearchKey::Flag(SystemFlag::Draft)),
            "UNFLAGGED" => not(SearchKey::Flag(SystemFlag::Flagged)),
            "UNSEEN" => not(SearchKey::Flag(SystemFlag::Seen)),
            "KEYWORD" => SearchKey::Keyword(keyword_name(cursor)?),
            "UNKEYWORD" => not(SearchKey::Keyword(keyword_name(cursor)?)),
            // RFC 3501 6.4.4: NEW is `RECENT UNSEEN`, OLD is `NOT RECENT`.
            "RECENT" => SearchKey::Recent,
            "OLD" => not(SearchKey::Recent),
            "NEW" => SearchKey::And(vec![SearchKey::Recent, not(SearchKey::Flag(SystemFlag::Seen))]),
            "BEFORE" => SearchKey::Before(day(cursor)?),
            "ON" => SearchKey::On(day(cursor)?),
            "SINCE" => SearchKey::Since(day(cursor)?),
            "SENTBEFORE" => SearchKey::SentBefore(day(cursor)?),
            "SENTON" => SearchKey::SentOn(day(cursor)?),
            "SENTSINCE" => SearchKey::SentSince(day(cursor)?),
            "LARGER" => SearchKey::Larger(size(cursor)?),
            "SMALLER" => SearchKey::Smaller(size(cursor)?),
            "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => SearchKey::Header(word.into(), self.text(cursor)?),
            "HEADER" => {
                cursor.space("SEARCH: HEADER needs a field name")?;
                let name = cursor.astring(HEADER_FIELD_NAME_OCTETS_MAX, "SEARCH: HEADER needs a field name")?;
                let name = utf8(name, "SEARCH: not a header field name")?.into();
                SearchKey::Header(name, self.text(cursor)?)
            }
            "BODY" => SearchKey::Body(self.text(cursor)?),
            "TEXT" => SearchKey::Text(self.text(cursor)?),
            "UID" => {
                cursor.space("SEARCH: UID needs a set")?;
                SearchKey::Uid(cursor.set()?)
            }
            "MODSEQ" => mod_seq(cursor)?,
            "NOT" => {
                cursor.space("SEARCH: NOT needs a key")?;
                not(self.key(cursor, depth + 1)?)
            }
            "OR" => {
                cursor.space("SEARCH: OR needs two keys")?;
                let one = self.key(cursor, depth + 1)?;
                cursor.space("SEARCH: OR needs two keys")?;
                SearchKey::Or(Box::new((one, self.key(cursor, depth + 1)?)))
            }
            _ => return cursor.fail("SEARCH: unknown key"),
        })
    }

    /// A space and a text, as UTF-8.
    fn text(&self, cursor: &mut Cursor<'_>) -> Parsed<Box<str>> {
        cursor.space("SEARCH: a text is missing")?;
        let octets = cursor.astring(SEARCH_TEXT_OCTETS_MAX, "SEARCH: a text is missing")?;
        match self.charset {
            None => Ok(utf8(octets, "SEARCH: text is not UTF-8")?.into()),
            Some(charset) => match charset.decode_without_bom_handling_and_without_replacement(&octets) {
                Some(text) => Ok(text.into()),
                None => syntax("SEARCH: text is not in its charset"),
            },
        }
    }
}

fn keyword_name(cursor: &mut Cursor<'_>) -> Parsed<crate::mail::Keyword> {
    cursor.space("SEARCH: a keyword is missing")?;
    keyword(cursor.atom("SEARCH: a keyword is missing")?)
}

fn size(cursor: &mut Cursor<'_>) -> Parsed<u64> {
    cursor.space("SEARCH: a size is missing")?;
    cursor.number("SEARCH: a size is missing")
}

/// RFC 9051 section 9 `date`, with or without quotes: days since 1970.
fn day(cursor: &mut Cursor<'_>) -> Parsed<i64> {
    const TEXT: &str = "SEARCH: a date is like 1-Feb-1994";
    cursor.space(TEXT)?;
    let text = cursor.astring(DATE_OCTETS_MAX, TEXT)?;
    let fields = core::str::from_utf8(&text).ok().and_then(date_fields);
    let day = fields.and_then(|(year, month, day)| InternalDate::day_of(year, month, day));
    day.map_or_else(|| syntax(TEXT), Ok)
}

/// `01-Feb-1994` has 11 octets; a longer one is refused as no date, not as too long.
const DATE_OCTETS_MAX: usize = 32;

/// RFC 7162 3.1.5: `MODSEQ "/flags/\\draft" all 620162338`, where name and type change nothing: one mod-sequence counts
/// all of a message's flags.
fn mod_seq(cursor: &mut Cursor<'_>) -> Parsed<SearchKey> {
    const TEXT: &str = "SEARCH: MODSEQ needs a number";
    cursor.space(TEXT)?;
    if cursor.string_is_next() {
        let name = cursor.string(HEADER_FIELD_NAME_OCTETS_MAX, TEXT)?;
        if !name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"/flags/")) {
            return syntax("SEARCH: MODSEQ's entry is not like \"/flags/\\\\draft\"");
        }
        cursor.space("SEARCH: MODSEQ's entry needs a type")?;
        if !matches!(cursor.word().as_str(), "PRIV" | "SHARED" | "ALL") {
            return cursor.fail("SEARCH: MODSEQ's entry type is not priv, shared or all");
        }
        cursor.space(TEXT)?;
    }
    Ok(SearchKey::ModSeq(ModSeq(cursor.number(TEXT)?)))
}
