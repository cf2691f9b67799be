//! How long a message may take to come in.
//!
//! A client that sends an octet now and then would hold a working buffer for ever; one on a slow line must be able to
//! finish. So the time grows with what has arrived.

use crate::limits::{SMTP_DATA_GRACE_TIMEOUT, SMTP_DATA_RATE_OCTETS_MIN, SMTP_DATA_TIMEOUT};
use core::time::Duration;

/// How long to wait for the next octets when `octets` have come in `elapsed`. `None`: too slow, hang up.
#[must_use]
pub fn patience(elapsed: Duration, octets: u64) -> Option<Duration> {
    let earned = Duration::from_secs(octets / SMTP_DATA_RATE_OCTETS_MIN);
    let left = SMTP_DATA_GRACE_TIMEOUT.saturating_add(earned).checked_sub(elapsed)?;
    (!left.is_zero()).then(|| left.min(SMTP_DATA_TIMEOUT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_octet_a_second_is_too_slow_and_a_modem_is_not() {
        let after = |seconds: u64, rate: u64| patience(Duration::from_secs(seconds), seconds * rate);
        assert_eq!(after(0, 1), Some(SMTP_DATA_TIMEOUT));
        assert!(after(179, 1).is_some());
        assert_eq!(after(200, 1), None);
        assert_eq!(after(100_000, 1_000), Some(SMTP_DATA_TIMEOUT));
    }
}
