//! One client's connection: octets in and out, in the clear or under TLS, with deadlines.

use core::time::Duration;
use std::net::SocketAddr;

/// What TLS negotiated, for `Received` headers, logs and channel binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// IANA name of the cipher suite.
    pub cipher: &'static str,
    /// RFC 9266 `tls-exporter` channel binding, 32 octets.
    pub exporter: Option<[u8; 32]>,
}

/// Why no more can be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionError {
    /// The client closed the connection, or it broke.
    Closed,
    /// The deadline passed.
    TimedOut,
    /// The server is stopping.
    Stopping,
}

/// A line that the client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Octets without their CRLF. May hold bare CR, LF and NUL: the caller's codec judges.
    Whole(&'a [u8]),
    /// Longer than the limit; read to its end and dropped.
    TooLong,
}

/// A connection with its bounded input buffer.
#[derive(Debug)]
pub struct Connection {
    _private: (),
}

impl Connection {
    /// The client's address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        todo!()
    }

    /// The address that the client reached.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        todo!()
    }

    /// Is it from this machine (127.0.0.0/8, ::1)?
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        todo!()
    }

    /// What log lines of this connection begin with.
    #[must_use]
    pub fn session_id(&self) -> u64 {
        todo!()
    }

    /// What TLS negotiated; `None` in the clear.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsInfo> {
        todo!()
    }

    /// Reads up to the next CRLF, at most `octets_max` octets without it (never more than
    /// [`crate::limits::INPUT_BUFFER_OCTETS`]).
    ///
    /// # Errors
    /// [`ConnectionError`] if the connection ends, the deadline passes or the server stops.
    pub async fn line(&mut self, octets_max: usize, timeout: Duration) -> Result<Line<'_>, ConnectionError> {
        let _ = (octets_max, timeout);
        todo!()
    }

    /// Octets that have been received and not been consumed. May be empty.
    #[must_use]
    pub fn buffered(&self) -> &[u8] {
        todo!()
    }

    /// Drops the first `octets` octets of [`Connection::buffered`].
    pub fn consume(&mut self, octets: usize) {
        let _ = octets;
        todo!()
    }

    /// Waits until [`Connection::buffered`] has more than it has now. If the buffer is full, returns at once.
    ///
    /// # Errors
    /// [`ConnectionError`] as for [`Connection::line`].
    pub async fn fill(&mut self, timeout: Duration) -> Result<(), ConnectionError> {
        let _ = timeout;
        todo!()
    }

    /// Reads straight into the caller's slice: buffered octets first, then from the socket. Gives at least one octet.
    ///
    /// # Errors
    /// [`ConnectionError`] as for [`Connection::line`].
    pub async fn read(&mut self, into: &mut [u8], timeout: Duration) -> Result<usize, ConnectionError> {
        let _ = (into, timeout);
        todo!()
    }

    /// Writes all octets; under TLS they may wait for [`Connection::flush`].
    ///
    /// # Errors
    /// [`ConnectionError`] if the client does not take them in time.
    pub async fn write(&mut self, octets: &[u8], timeout: Duration) -> Result<(), ConnectionError> {
        let _ = (octets, timeout);
        todo!()
    }

    /// Sends what was written.
    ///
    /// # Errors
    /// [`ConnectionError`] if the client does not take it in time.
    pub async fn flush(&mut self, timeout: Duration) -> Result<(), ConnectionError> {
        let _ = timeout;
        todo!()
    }

    /// Throws away whatever was received in the clear (RFC 3207 6), then does the server's side of a TLS handshake.
    ///
    /// # Errors
    /// [`ConnectionError`] if the handshake fails; the connection is of no more use.
    pub async fn start_tls(&mut self) -> Result<(), ConnectionError> {
        todo!()
    }

    /// Sends what is left and closes in order (TLS close_notify, FIN).
    pub async fn close(self) {
        todo!()
    }
}
