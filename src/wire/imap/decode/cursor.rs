//! The words of RFC 9051 section 9: spaces, atoms, strings, literals, numbers, sets.
//!
//! A cursor goes through the octets of one command from front to back and never back.

use super::super::command::LiteralHead;
use super::super::mailbox_name::{self, Names};
use super::InvalidKind;
use crate::limits::{
    IMAP_COMMAND_OCTETS_MAX, IMAP_LITERALS_MAX, IMAP_TAG_OCTETS_MAX, MAILBOX_NAME_WIRE_OCTETS_MAX, SEQUENCE_RANGES_MAX,
};
use crate::mail::{SequenceSet, SequenceSetError};
use std::borrow::Cow;

/// Why reading stops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stop {
    /// The octets end behind this head.
    NeedLiteral(LiteralHead),
    /// They are wrong.
    Invalid(InvalidKind),
}

/// What every function here gives.
pub(super) type Parsed<T> = Result<T, Stop>;

/// A word of the grammar in upper case: a verb, an option, an item. Empty if it is longer than any that is known.
pub(super) type Word = heapless::String<24>;

/// Where reading is.
pub(super) struct Cursor<'a> {
    octets: &'a [u8],
    at: usize,
    /// Where the last line begins: behind the last literal.
    line: usize,
    literals: usize,
    ranges: usize,
    names: Names,
}

/// Ends reading with a syntax error.
pub(super) fn syntax<T>(text: &'static str) -> Parsed<T> {
    Err(Stop::Invalid(InvalidKind::Syntax(text)))
}

/// Ends reading because there is too much of something.
pub(super) fn limit<T>(text: &'static str) -> Parsed<T> {
    Err(Stop::Invalid(InvalidKind::Limit(text)))
}

/// RFC 9051 section 9 `ATOM-CHAR`.
fn is_atom_char(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"(){%*\"\\]".contains(&octet)
}

/// RFC 9051 section 9 `ASTRING-CHAR`.
pub(in super::super) fn is_astring_char(octet: u8) -> bool {
    is_atom_char(octet) || octet == b']'
}

/// What stands between the braces of a literal's head: digits and perhaps a plus (RFC 7888). A number that is too large
/// for the wire's 63 bits reads as the largest, which is too large everywhere.
pub(super) fn literal_head(inside: &[u8], binary: bool) -> Option<LiteralHead> {
    let (digits, non_synchronizing) = match inside.strip_suffix(b"+") {
        Some(digits) => (digits, true),
        None => (inside, false),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(LiteralHead { octets: number_of(digits).unwrap_or(u64::MAX), non_synchronizing, binary })
}

/// A number of at most 63 bits.
fn number_of(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, &digit| {
        let number = number.checked_mul(10)?.checked_add(u64::from(digit.checked_sub(b'0')?))?;
        i64::try_from(number).ok().map(|_| number)
    })
}

impl<'a> Cursor<'a> {
    pub(super) fn new(octets: &'a [u8], names: Names) -> Self {
        Self { octets, at: 0, line: 0, literals: 0, ranges: 0, names }
    }

    /// Everything behind the last literal.
    pub(super) fn last_line(&self) -> &'a [u8] {
        self.octets.get(self.line..).unwrap_or_default()
    }

    fn rest(&self) -> &'a [u8] {
        self.octets.get(self.at..).unwrap_or_default()
    }

    /// The next octet.
    pub(super) fn peek(&self) -> Option<u8> {
        self.octets.get(self.at).copied()
    }

    /// Goes past `octet` if it is next.
    pub(super) fn eat(&mut self, octet: u8) -> bool {
        let next = self.peek() == Some(octet);
        if next {
            self.at += 1;
        }
        next
    }

    /// The next octet must be `octet`.
    pub(super) fn expect(&mut self, octet: u8, text: &'static str) -> Parsed<()> {
        if self.eat(octet) { Ok(()) } else { self.fail(text) }
    }

    /// What comes here is wrong: `text`, or something worse that is wrong with it.
    pub(super) fn fail<T>(&self, text: &'static str) -> Parsed<T> {
        match self.peek() {
            None => Err(Stop::Invalid(InvalidKind::Incomplete)),
            Some(0) => syntax("NUL in a command"),
            Some(b'\r' | b'\n') if self.rest() != b"\r\n" => syntax("Bare CR or LF in a command"),
            Some(_) => syntax(text),
        }
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|&octet| !wanted(octet)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// Goes past spaces, if there are any.
    pub(super) fn spaces(&mut self) -> bool {
        !self.take_while(|octet| octet == b' ').is_empty()
    }

    /// One space, or several of a sloppy client.
    pub(super) fn space(&mut self, text: &'static str) -> Parsed<()> {
        if self.spaces() && !self.at_end() { Ok(()) } else { self.fail(text) }
    }

    /// Is only the line end left?
    pub(super) fn at_end(&self) -> bool {
        self.rest() == b"\r\n"
    }

    /// The command must end here.
    pub(super) fn end(&mut self) -> Parsed<()> {
        self.spaces();
        if self.at_end() { Ok(()) } else { self.fail("Unexpected text behind the command") }
    }

    /// RFC 9051 section 9 `tag`.
    pub(super) fn tag(&mut self) -> Parsed<&'a str> {
        let tag = self.take_while(|octet| is_astring_char(octet) && octet != b'+');
        match core::str::from_utf8(tag) {
            Ok(tag) if tag.len() <= IMAP_TAG_OCTETS_MAX && self.peek() == Some(b' ') && !tag.is_empty() => Ok(tag),
            Ok("") if self.at_end() => syntax("Empty line"),
            // A tag alone is known, so that the answer can bear it.
            Ok(tag) if tag.len() <= IMAP_TAG_OCTETS_MAX && self.at_end() => Ok(tag),
            _ => self.fail("A command begins with a tag of at most 128 characters"),
        }
    }

    /// A word of the grammar: letters, digits, `.`, `-`, `_`, `=`.
    pub(super) fn word(&mut self) -> Word {
        let octets = self.take_while(|octet| octet.is_ascii_alphanumeric() || b".-_=".contains(&octet));
        let mut word = core::str::from_utf8(octets).ok().and_then(|word| Word::try_from(word).ok()).unwrap_or_default();
        word.make_ascii_uppercase();
        word
    }

    /// RFC 9051 section 9 `atom`.
    pub(super) fn atom(&mut self, text: &'static str) -> Parsed<&'a str> {
        match core::str::from_utf8(self.take_while(is_atom_char)) {
            Ok(atom) if !atom.is_empty() => Ok(atom),
            _ => self.fail(text),
        }
    }

    /// A flag's name: an atom, or a backslash and an atom.
    pub(super) fn flag_name(&mut self, text: &'static str) -> Parsed<&'a str> {
        let from = self.at;
        self.eat(b'\\');
        self.atom(text)?;
        let name = self.octets.get(from..self.at).unwrap_or_default();
        core::str::from_utf8(name).or_else(|_| self.fail(text))
    }

    /// Digits, at most 63 bits of them.
    pub(super) fn number(&mut self, text: &'static str) -> Parsed<u64> {
        let digits = self.take_while(|octet| octet.is_ascii_digit());
        if digits.is_empty() {
            return self.fail(text);
        }
        number_of(digits).map_or_else(|| syntax("Number is too large"), Ok)
    }

    /// RFC 9051 section 9 `nz-number`.
    pub(super) fn positive(&mut self, text: &'static str) -> Parsed<u32> {
        match u32::try_from(self.number(text)?) {
            Ok(number) if number > 0 => Ok(number),
            _ => syntax(text),
        }
    }

    /// RFC 9051 section 9 `sequence-set`; `$` gives the empty set (RFC 9051 6.4.4.1).
    pub(super) fn set(&mut self) -> Parsed<SequenceSet> {
        const NOT_A_SET: &str = "Message set is not a list of numbers and ranges";
        if self.eat(b'$') {
            return Ok(SequenceSet::default());
        }
        let octets = self.take_while(|octet| octet.is_ascii_digit() || b",:*".contains(&octet));
        let Ok(text) = core::str::from_utf8(octets) else {
            return self.fail(NOT_A_SET);
        };
        if text.is_empty() {
            return self.fail(NOT_A_SET);
        }
        match SequenceSet::parse(text) {
            // All sets of one command share one bound.
            Ok(set) if self.ranges + set.ranges().len() <= SEQUENCE_RANGES_MAX => {
                self.ranges += set.ranges().len();
                Ok(set)
            }
            Ok(_) | Err(SequenceSetError::TooMany) => limit("Message set has too many ranges"),
            Err(SequenceSetError::Syntax) => syntax(NOT_A_SET),
        }
    }

    /// RFC 9051 section 9 `astring` of at most `octets_max` octets.
    pub(super) fn astring(&mut self, octets_max: usize, text: &'static str) -> Parsed<Cow<'a, [u8]>> {
        if self.string_is_next() {
            return self.string(octets_max, text);
        }
        self.plain(octets_max, is_astring_char, text)
    }

    /// RFC 9051 section 9 `list-mailbox`.
    pub(super) fn list_mailbox(&mut self) -> Parsed<String> {
        const TEXT: &str = "LIST: a pattern is missing";
        let octets = if self.string_is_next() {
            self.string(MAILBOX_NAME_WIRE_OCTETS_MAX, TEXT)?
        } else {
            let wanted = |octet| is_astring_char(octet) || octet == b'%' || octet == b'*';
            self.plain(MAILBOX_NAME_WIRE_OCTETS_MAX, wanted, TEXT)?
        };
        self.name(&octets)
    }

    /// RFC 9051 section 9 `mailbox`.
    pub(super) fn mailbox(&mut self) -> Parsed<String> {
        let octets = self.astring(MAILBOX_NAME_WIRE_OCTETS_MAX, "A mailbox name is missing")?;
        self.name(&octets)
    }

    fn name(&self, octets: &[u8]) -> Parsed<String> {
        mailbox_name::read(octets, self.names).map_err(|text| Stop::Invalid(InvalidKind::MailboxName(text)))
    }

    fn plain(&mut self, octets_max: usize, wanted: impl Fn(u8) -> bool, text: &'static str) -> Parsed<Cow<'a, [u8]>> {
        let octets = self.take_while(wanted);
        if octets.is_empty() || self.peek().is_some_and(|octet| !octet.is_ascii()) {
            return match self.peek() {
                Some(octet) if !octet.is_ascii() => syntax("8-bit characters need a quoted string or a literal"),
                _ => self.fail(text),
            };
        }
        bounded(Cow::Borrowed(octets), octets_max)
    }

    /// Does a quoted string or a literal come? An atom may begin with `~`.
    pub(super) fn string_is_next(&self) -> bool {
        matches!(self.rest(), [b'"' | b'{', ..] | [b'~', b'{', ..])
    }

    /// RFC 9051 section 9 `string` of at most `octets_max` octets.
    pub(super) fn string(&mut self, octets_max: usize, text: &'static str) -> Parsed<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"') => bounded(self.quoted()?, octets_max),
            Some(b'{' | b'~') => self.literal(octets_max, text).map(Cow::Borrowed),
            _ => self.fail(text),
        }
    }

    /// RFC 9051 section 9 `quoted`, UTF-8 included. A backslash makes any character stand for itself.
    fn quoted(&mut self) -> Parsed<Cow<'a, [u8]>> {
        const TEXT: &str = "Quoted string does not end on its line";
        let is_plain = |octet| !matches!(octet, b'"' | b'\\' | b'\r' | b'\n' | 0);
        self.expect(b'"', TEXT)?;
        let mut string = Cow::Borrowed(self.take_while(is_plain));
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(octet) if !matches!(octet, b'\r' | b'\n' | 0) => {
                            self.at += 1;
                            string.to_mut().push(octet);
                        }
                        _ => return self.fail(TEXT),
                    }
                    string.to_mut().extend_from_slice(self.take_while(is_plain));
                }
                _ => return self.fail(TEXT),
            }
        }
    }

    /// The head of a literal with its line end.
    pub(super) fn literal_head(&mut self, text: &'static str) -> Parsed<LiteralHead> {
        let binary = self.eat(b'~');
        self.expect(b'{', text)?;
        let inside = self.take_while(|octet| octet.is_ascii_digit() || octet == b'+');
        let Some(head) = literal_head(inside, binary) else {
            return self.fail("Literal has no size");
        };
        self.expect(b'}', "Literal's size is not followed by a brace")?;
        if !self.rest().starts_with(b"\r\n") {
            return self.fail("Literal's size is not at the end of the line");
        }
        self.at += 2;
        Ok(head)
    }

    /// A literal with its octets.
    fn literal(&mut self, octets_max: usize, text: &'static str) -> Parsed<&'a [u8]> {
        let head = self.literal_head(text)?;
        if head.binary {
            return syntax("A binary literal can only be a message");
        }
        let octets = usize::try_from(head.octets).unwrap_or(usize::MAX);
        // RFC 7888 4: decided before a synchronizing one is sent.
        if octets > octets_max || octets > IMAP_COMMAND_OCTETS_MAX.saturating_sub(self.at) {
            return Err(Stop::Invalid(InvalidKind::LiteralTooLarge));
        }
        self.literals += 1;
        if self.literals > IMAP_LITERALS_MAX {
            return limit("Command has too many literals");
        }
        let Some(literal) = self.rest().get(..octets) else {
            let nothing_yet = self.rest().is_empty();
            return Err(if nothing_yet { Stop::NeedLiteral(head) } else { Stop::Invalid(InvalidKind::Incomplete) });
        };
        if self.rest().is_empty() {
            // A literal of no octets has come only when the line behind it has.
            return Err(Stop::NeedLiteral(head));
        }
        self.at += octets;
        self.line = self.at;
        // RFC 9051 section 9: CHAR8 is any octet but NUL.
        if literal.contains(&0) { syntax("NUL in a literal") } else { Ok(literal) }
    }

    /// RFC 9051 section 9 `nstring`.
    pub(super) fn nstring(&mut self, octets_max: usize, text: &'static str) -> Parsed<Option<Cow<'a, [u8]>>> {
        if self.string_is_next() {
            return self.string(octets_max, text).map(Some);
        }
        if self.atom(text)?.eq_ignore_ascii_case("NIL") { Ok(None) } else { syntax(text) }
    }

    /// `"(" *(item SP) ")"`, which may be empty: how many items there may be, `item` says.
    pub(super) fn list(&mut self, text: &'static str, mut item: impl FnMut(&mut Self) -> Parsed<()>) -> Parsed<()> {
        self.expect(b'(', text)?;
        self.spaces();
        while !self.eat(b')') {
            item(self)?;
            if self.peek() != Some(b')') {
                self.space("A list does not end")?;
            }
        }
        Ok(())
    }
}

fn bounded(string: Cow<'_, [u8]>, octets_max: usize) -> Parsed<Cow<'_, [u8]>> {
    if string.len() <= octets_max { Ok(string) } else { limit("Argument is too long") }
}

/// UTF-8, or the error `text`.
pub(super) fn utf8(octets: Cow<'_, [u8]>, text: &'static str) -> Parsed<String> {
    String::from_utf8(octets.into_owned()).or_else(|_| syntax(text))
}
