//! How long a message may take to come in, and a transaction to come to its message.
//!
//! A client that sends an octet now and then would hold a working buffer for ever; one on a slow line must be able to
//! finish. So the time grows with what has arrived, and shrinks when buffers or transactions run short.

use crate::limits::{
    SMTP_COMMAND_TIMEOUT, SMTP_DATA_RATE_OCTETS_MIN, SMTP_DATA_TIMEOUT, SMTP_SCARCE_DATA_RATE_OCTETS_MIN,
    SMTP_SCARCE_DATA_TIMEOUT, SMTP_SCARCE_TRANSACTION_TIMEOUT,
};
use core::time::Duration;

/// What a wait is measured by.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Since the message, or the transaction, began.
    pub elapsed: Duration,
    /// Since the client last said something.
    pub silent: Duration,
    /// Does somebody else need what this client holds?
    pub scarce: bool,
    /// Has the client not logged in, and is it not on this machine?
    pub stranger: bool,
}

impl Pace {
    /// How much longer to wait for octets of a message of which `octets` have come. `None`: too slow, hang up.
    #[must_use]
    pub fn for_data(self, octets: u64) -> Option<Duration> {
        let grace = if self.scarce { SMTP_SCARCE_DATA_TIMEOUT } else { SMTP_DATA_TIMEOUT };
        let rate =
            if self.scarce && self.stranger { SMTP_SCARCE_DATA_RATE_OCTETS_MIN } else { SMTP_DATA_RATE_OCTETS_MIN };
        let earned = Duration::from_secs(octets.checked_div(rate).unwrap_or(0));
        shorter(left(grace.saturating_add(earned), self.elapsed), left(grace, self.silent))
    }

    /// How much longer to wait for the next command of a transaction. `None`: hang up.
    #[must_use]
    pub fn for_command(self) -> Option<Duration> {
        let silence = left(SMTP_COMMAND_TIMEOUT, self.silent);
        if self.scarce { shorter(silence, left(SMTP_SCARCE_TRANSACTION_TIMEOUT, self.elapsed)) } else { silence }
    }
}

/// What is left of a time; never nothing.
fn left(of: Duration, gone: Duration) -> Option<Duration> {
    of.checked_sub(gone).filter(|left| !left.is_zero())
}

fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    Some(one?.min(other?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(elapsed: u64, silent: u64, scarce: bool) -> Pace {
        Pace { elapsed: Duration::from_secs(elapsed), silent: Duration::from_secs(silent), scarce, stranger: true }
    }

    #[test]
    fn an_octet_a_second_is_too_slow_and_a_modem_is_not() {
        assert_eq!(pace(0, 0, false).for_data(0), Some(SMTP_DATA_TIMEOUT));
        assert!(pace(179, 1, false).for_data(179).is_some());
        assert_eq!(pace(181, 1, false).for_data(181), None);
        assert!(pace(100_000, 1, false).for_data(100_000_000).is_some());
        assert_eq!(pace(200, 180, false).for_data(100_000_000), None);
    }

    #[test]
    fn who_holds_what_others_need_gets_less_time() {
        assert!(pace(21, 0, false).for_data(0).is_some());
        assert_eq!(pace(21, 0, true).for_data(0), None);
        assert!(pace(21, 0, true).for_data(100_000).is_some());
        // 700 octets a second are welcome only while nobody else waits, or from whom we know.
        assert!(pace(600, 1, false).for_data(420_000).is_some());
        assert_eq!(pace(600, 1, true).for_data(420_000), None);
        assert!(Pace { stranger: false, ..pace(600, 1, true) }.for_data(420_000).is_some());
        assert!(pace(290, 299, false).for_command().is_some());
        assert_eq!(pace(0, 300, false).for_command(), None);
        assert_eq!(pace(16, 0, true).for_command(), None);
        assert_eq!(pace(10, 0, true).for_command(), Some(Duration::from_secs(5)));
    }
}
