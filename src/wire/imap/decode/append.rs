//! RFC 9051 6.3.12 APPEND up to its message, which is streamed and never comes here.

use super::super::command::{Append, Command};
use super::InvalidKind;
use super::cursor::{Cursor, Parsed, Stop, syntax};
use super::message::flag_list;
use crate::mail::{FlagSelection, InternalDate};

pub(super) fn append(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space("APPEND: a mailbox name must follow")?;
    let mailbox = cursor.mailbox()?;
    cursor.space("APPEND: a message must follow")?;
    let mut flags = FlagSelection::default();
    if cursor.peek() == Some(b'(') {
        flag_list(cursor, &mut flags)?;
        cursor.space("APPEND: a message must follow")?;
    }
    let mut internal_date = None;
    if cursor.peek() == Some(b'"') {
        let text = cursor.string(DATE_TIME_OCTETS_MAX, "APPEND: the date is not a string")?;
        match date_time(&text) {
            Some(date) => internal_date = Some(date),
            None => return syntax("APPEND: the date is not like \"17-Jul-1996 02:44:25 -0700\""),
        }
        cursor.space("APPEND: a message must follow")?;
    }
    let literal = cursor.literal_head("APPEND: the message must be a literal")?;
    // RFC 9051 section 9: number64 has 63 bits. What is too large for a mailbox, the session says.
    if literal.octets == u64::MAX {
        return Err(Stop::Invalid(InvalidKind::LiteralTooLarge));
    }
    Ok(Command::Append(Append { mailbox, flags, internal_date, literal }))
}

/// RFC 9051 section 9 `date-time` has 26 octets between its quotes; a few may be spaces too many.
const DATE_TIME_OCTETS_MAX: usize = 40;

/// RFC 9051 section 9 `date-time` without its quotes; a day of one digit needs no space before it.
pub(super) fn date_time(text: &[u8]) -> Option<InternalDate> {
    let text = core::str::from_utf8(text).ok()?;
    let mut words = text.split_ascii_whitespace();
    let (date, clock, zone) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    let mut clock = clock.split(':').map(two_digits);
    let time = (clock.next()??, clock.next()??, clock.next()??);
    if clock.next().is_some() {
        return None;
    }
    let (hours, minutes) = zone.get(1..)?.split_at_checked(2)?;
    let minutes = i16::from(two_digits(hours)?) * 60 + i16::from(two_digits(minutes).filter(|&minutes| minutes < 60)?);
    let zone = match zone.get(..1)? {
        "+" => minutes,
        "-" => -minutes,
        _ => return None,
    };
    InternalDate::from_civil(date_fields(date)?, time, zone)
}

fn two_digits(text: &str) -> Option<u8> {
    if text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// `1-Feb-1994`: year, month, day.
pub(super) fn date_fields(text: &str) -> Option<(u16, u8, u8)> {
    let mut fields = text.split('-');
    let (day, month, year) = (fields.next()?, fields.next()?, fields.next()?);
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if fields.next().is_some() || year.len() != 4 || !digits(year) || !digits(day) || !(1..=2).contains(&day.len()) {
        return None;
    }
    Some((year.parse().ok()?, InternalDate::month_number(month)?, day.parse().ok()?))
}
