//! The one time that a build knows: every time stamp in the image is this one, so that two builds give equal octets.
//!
//! <https://reproducible-builds.org/specs/source-date-epoch/>

use crate::step::{Failure, output, root};
use std::process::Command;

/// `SOURCE_DATE_EPOCH`, or the time of the last commit, in seconds since 1970.
///
/// # Errors
/// When the variable is no number, or when there is neither the variable nor a commit.
pub fn source_date_epoch() -> Result<u64, Failure> {
    if let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") {
        return text.trim().parse().map_err(|_| Failure(format!("SOURCE_DATE_EPOCH is no number of seconds: {text}")));
    }
    let text =
        output(Command::new("git").current_dir(root()).args(["log", "-1", "--format=%ct"])).map_err(|failure| {
            Failure(format!("no commit to take the time from; set SOURCE_DATE_EPOCH\n  {}", failure.0))
        })?;
    text.trim().parse().map_err(|_| Failure(format!("git gave no time: {text}")))
}

/// A moment as a calendar shows it, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// For example 2026.
    pub year: u16,
    /// 1 to 12.
    pub month: u16,
    /// 1 to 31.
    pub day: u16,
    /// 0 to 23.
    pub hour: u16,
    /// 0 to 59.
    pub minute: u16,
    /// 0 to 59.
    pub second: u16,
}

impl Civil {
    /// The date of `epoch` seconds after 1970, by the Gregorian rule. Years that do not fit are cut to 9999.
    #[must_use]
    pub fn from_epoch(epoch: u64) -> Self {
        let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let (mut days, seconds) = (epoch / 86_400, epoch % 86_400);
        let mut year = 1970;
        while year < 9999 && days >= 365 + u64::from(leap(year)) {
            days -= 365 + u64::from(leap(year));
            year += 1;
        }
        let mut month = 1;
        for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
            if days < length {
                break;
            }
            days -= length;
            month += 1;
        }
        let small = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
        Self {
            year: small(year),
            month,
            day: small(days.min(30) + 1),
            hour: small(seconds / 3600),
            minute: small(seconds / 60 % 60),
            second: small(seconds % 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_agree_with_date_u() {
        let at = |epoch| {
            let c = Civil::from_epoch(epoch);
            (c.year, c.month, c.day, c.hour, c.minute, c.second)
        };
        assert_eq!(at(0), (1970, 1, 1, 0, 0, 0));
        assert_eq!(at(951_782_400), (2000, 2, 29, 0, 0, 0));
        assert_eq!(at(1_709_164_799), (2024, 2, 28, 23, 59, 59));
        assert_eq!(at(1_767_225_599), (2025, 12, 31, 23, 59, 59));
        assert_eq!(at(4_102_444_800), (2100, 1, 1, 0, 0, 0));
    }
}
