//! What has happened since the start, as numbers.
//!
//! One static table of atomics: counting costs one instruction, takes no lock and no memory in proportion to load.
//! Whoever sees an event counts it; showing the numbers is left to the status command.

use core::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more.
    pub fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// So many more.
    pub fn add(&self, number: usize) {
        self.0.fetch_add(u64::try_from(number).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many there were.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number of things that are there now.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more is there.
    pub fn enter(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One has gone. Every call has had its [`Gauge::enter`].
    pub fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many are there.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! table {
    ($($(#[$doc:meta])* $name:ident: $kind:ident,)*) => {
        /// Everything that is counted.
        #[derive(Debug)]
        pub struct Counters { $($(#[$doc])* pub $name: $kind,)* }

        impl Counters {
            const fn new() -> Self {
                Self { $($name: $kind::new(),)* }
            }

            /// Each name with its present value, in the order of the table.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name.get()),)*].into_iter()
            }
        }
    };
}

table! {
    /// Connections that are open, by protocol.
    smtp_open: Gauge,
    /// Submission, with STARTTLS or TLS.
    submission_open: Gauge,
    /// LMTP.
    lmtp_open: Gauge,
    /// IMAP.
    imap_open: Gauge,
    /// POP3.
    pop3_open: Gauge,
    /// Connections that were let in.
    connections: Counter,
    /// Connections that heard that there are too many.
    connections_refused: Counter,
    /// TLS handshakes that succeeded.
    tls_handshakes: Counter,
    /// TLS handshakes that failed.
    tls_failures: Counter,
    /// Octets received from all sockets.
    octets_in: Counter,
    /// Octets sent to all sockets.
    octets_out: Counter,
    /// Passwords that were right.
    logins: Counter,
    /// Passwords that were wrong.
    logins_failed: Counter,
    /// Logins that were put off because there had been too many wrong ones.
    logins_throttled: Counter,
    /// Messages that SMTP or LMTP accepted: the client heard 250.
    messages_accepted: Counter,
    /// Messages that were refused after their content had been received.
    messages_refused: Counter,
    /// Recipients that were refused.
    recipients_refused: Counter,
    /// Messages that IMAP APPEND stored.
    messages_appended: Counter,
    /// Messages handed out whole or in part by IMAP FETCH.
    messages_fetched: Counter,
    /// Messages handed out by POP3 RETR and TOP.
    messages_retrieved: Counter,
    /// Messages that POP3 or IMAP removed.
    messages_expunged: Counter,
    /// Sessions that ended with an error inside Pillarbox.
    internal_errors: Counter,
}

/// The table of this process.
pub static COUNTERS: Counters = Counters::new();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let counters = Counters::new();
        counters.octets_in.add(7);
        counters.octets_in.increment();
        counters.imap_open.enter();
        counters.imap_open.enter();
        counters.imap_open.leave();
        let entries: Vec<_> = counters.entries().filter(|(_, value)| *value != 0).collect();
        assert_eq!(entries, [("imap_open", 1), ("octets_in", 8)]);
    }
}
