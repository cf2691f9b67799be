//! The moment a message was received, as IMAP's INTERNALDATE keeps it.

use serde::{Deserialize, Serialize};

/// RFC 9051 2.3.3: seconds since 1970-01-01 UTC and the zone it is shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InternalDate {
    /// Seconds since the epoch, UTC.
    pub unix: i64,
    /// Zone in minutes east of UTC, -1439 to 1439.
    pub zone_minutes: i16,
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// A calendar day: year, month 1 to 12, day 1 to 31, and days since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Civil {
    year: i64,
    month: u8,
    day: u8,
}

/// Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant's `days_from_civil`).
fn days_from_civil(year: i64, month: u8, day: u8) -> i64 {
    let y = if month <= 2 { year.saturating_sub(1) } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = (i64::from(month) + 9) % 12;
    let doy = (153 * mp + 2) / 5 + i64::from(day) - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era.saturating_mul(146_097).saturating_add(doe).saturating_sub(719_468)
}

fn civil_from_days(days: i64) -> Civil {
    let z = days.saturating_add(719_468);
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    Civil { year, month: u8::try_from(month).unwrap_or(1), day: u8::try_from(day).unwrap_or(1) }
}

impl InternalDate {
    /// A moment shown in UTC.
    #[must_use]
    pub fn utc(unix: i64) -> Self {
        Self { unix, zone_minutes: 0 }
    }

    /// From a local calendar date and time and its zone. `None` if any field is out of range.
    #[must_use]
    pub fn from_civil(date: (u16, u8, u8), time: (u8, u8, u8), zone_minutes: i16) -> Option<Self> {
        let (year, month, day) = date;
        let (hour, minute, second) = time;
        let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let longest = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u8::from(leap),
            _ => return None,
        };
        if day == 0 || day > longest || hour > 23 || minute > 59 || second > 60 || zone_minutes.abs() > 1439 {
            return None;
        }
        let clock = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        let unix = days_from_civil(i64::from(year), month, day) * 86_400 + clock - i64::from(zone_minutes) * 60;
        Some(Self { unix, zone_minutes })
    }

    /// Days since the epoch of the date as shown, disregarding time and zone (RFC 9051 6.4.4: SEARCH BEFORE, ON, SINCE).
    #[must_use]
    pub fn local_day(self) -> i64 {
        self.unix.saturating_add(i64::from(self.zone_minutes) * 60).div_euclid(86_400)
    }

    /// Days since the epoch of a calendar date; `None` if there is no such date.
    #[must_use]
    pub fn day_of(year: u16, month: u8, day: u8) -> Option<i64> {
        Self::from_civil((year, month, day), (0, 0, 0), 0).map(Self::local_day)
    }

    fn fields(self) -> (Civil, i64, i64, i64) {
        let local = self.unix.saturating_add(i64::from(self.zone_minutes) * 60);
        let clock = local.rem_euclid(86_400);
        (civil_from_days(local.div_euclid(86_400)), clock / 3600, clock / 60 % 60, clock % 60)
    }

    fn zone(self) -> (char, u16, u16) {
        let minutes = self.zone_minutes.unsigned_abs();
        (if self.zone_minutes < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
    }

    /// A month's number, 1 to 12, from its English three-letter name in any case.
    #[must_use]
    pub fn month_number(name: &str) -> Option<u8> {
        let index = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
        u8::try_from(index + 1).ok()
    }

    /// RFC 9051 section 9 `date-time` without its quotes: `17-Jul-1996 02:44:25 -0700`, the day padded with a space.
    #[must_use]
    pub fn imap(self) -> ImapDate {
        ImapDate(self)
    }

    /// RFC 5322 3.3 `date-time`: `Wed, 17 Jul 1996 02:44:25 -0700`.
    #[must_use]
    pub fn rfc5322(self) -> Rfc5322Date {
        Rfc5322Date(self)
    }
}

/// Shows an [`InternalDate`] as IMAP writes it.
#[derive(Clone, Copy, Debug)]
pub struct ImapDate(InternalDate);

impl core::fmt::Display for ImapDate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (civil, hour, minute, second) = self.0.fields();
        let month = MONTHS.get(usize::from(civil.month.saturating_sub(1))).copied().unwrap_or("Jan");
        let (sign, zh, zm) = self.0.zone();
        write!(f, "{:2}-{month}-{:04} {hour:02}:{minute:02}:{second:02} {sign}{zh:02}{zm:02}", civil.day, civil.year)
    }
}

/// Shows an [`InternalDate`] as message headers write it.
#[derive(Clone, Copy, Debug)]
pub struct Rfc5322Date(InternalDate);

impl core::fmt::Display for Rfc5322Date {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (civil, hour, minute, second) = self.0.fields();
        let month = MONTHS.get(usize::from(civil.month.saturating_sub(1))).copied().unwrap_or("Jan");
        let weekday = usize::try_from(self.0.local_day().rem_euclid(7)).unwrap_or(0);
        let weekday = DAYS.get(weekday).copied().unwrap_or("Thu");
        let (sign, zh, zm) = self.0.zone();
        write!(
            f,
            "{weekday}, {} {month} {:04} {hour:02}:{minute:02}:{second:02} {sign}{zh:02}{zm:02}",
            civil.day, civil.year
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfc_example_shows_both_ways() {
        let date = InternalDate::from_civil((1996, 7, 17), (2, 44, 25), -420).expect("a real date");
        assert_eq!(date.unix, 837_596_665);
        assert_eq!(date.imap().to_string(), "17-Jul-1996 02:44:25 -0700");
        assert_eq!(date.rfc5322().to_string(), "Wed, 17 Jul 1996 02:44:25 -0700");
    }

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        assert!(InternalDate::day_of(2023, 2, 29).is_none());
        assert!(InternalDate::day_of(2024, 2, 29).is_some());
        assert!(InternalDate::day_of(2024, 13, 1).is_none());
        assert!(InternalDate::from_civil((2024, 1, 1), (24, 0, 0), 0).is_none());
    }

    #[test]
    fn every_day_of_800_years_survives_the_round_trip() {
        for day in -100_000..200_000 {
            let civil = civil_from_days(day);
            assert_eq!(days_from_civil(civil.year, civil.month, civil.day), day);
        }
    }
}
