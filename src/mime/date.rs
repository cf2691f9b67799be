//! The day that a message was sent, for SEARCH SENTBEFORE, SENTON and SENTSINCE.
//!
//! Owns and holds nothing. The date's many forms (RFC 5322 3.3 and 4.3) are mail-parser's to read.

use super::Envelope;
use crate::mail::InternalDate;
use mail_parser::{DateTime, HeaderForm, HeaderValue};

/// Days since 1970-01-01 of the Date field as it is written, disregarding time and zone (RFC 9051 6.4.4). `None` if
/// there is no date that can be read.
#[must_use]
pub fn sent_day(envelope: &Envelope) -> Option<i64> {
    let parsed = HeaderForm::Date.parse(envelope.date.as_deref()?);
    match parsed.value() {
        HeaderValue::DateTime(DateTime { year, month, day, .. }) => InternalDate::day_of(year, month, day),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(date: &str) -> Option<i64> {
        sent_day(&Envelope { date: Some(date.as_bytes().into()), ..Envelope::default() })
    }

    #[test]
    fn dates_of_all_forms_give_the_day_that_is_written() {
        let expected = InternalDate::day_of(1997, 11, 21);
        for date in [
            "Fri, 21 Nov 1997 09:55:06 -0600",
            "21 Nov 97 09:55:06 GMT",
            "Fri, 21 Nov 1997 23:59:59 -1200",
            "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600",
            "Fri,21 Nov 1997 09:55 +0000 (UTC)",
            "21 NOV 1997 09:55:06 EST",
        ] {
            assert_eq!(day(date), expected, "{date}");
        }
    }

    #[test]
    fn what_is_no_date_gives_none() {
        for date in
            ["", "yesterday", "31 Feb 2024 00:00:00 +0000", "99999999999999999999", "Fri, 0 Nov 1997 00:00:00 Z"]
        {
            assert_eq!(day(date), None, "{date}");
        }
        assert_eq!(sent_day(&Envelope::default()), None);
    }
}
