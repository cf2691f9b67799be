//! One client's connection: octets in and out, in the clear or under TLS, with deadlines.
//!
//! Owns the socket, its TLS state, a bounded input buffer and the octets that gather for the next flush. What bounds
//! its memory: [`crate::limits::INPUT_BUFFER_OCTETS`] in, [`GATHER_OCTETS_MAX`] out, and one TLS record each way; more
//! than a little in only with [`super::room`]. What the octets mean is left to the protocol drivers.

use super::input::{INPUT_BUFFER_MAX, Input};
use super::permit::Permit;
use super::stop::StopSignal;
use super::tls;
use super::transport::Transport;
use crate::limits::{
    CLOSE_TIMEOUT, GATHER_OCTETS_MAX, INPUT_BUFFER_SMALL_OCTETS, TLS_HANDSHAKE_TIMEOUT, TLS_RECORD_OCTETS_MAX,
};
use crate::status::COUNTERS;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::Poll;
use core::time::Duration;
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout as within;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

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

/// What a [`Connection`] is given by whoever accepted it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// How to do TLS; `None`: there is none.
    pub tls: Option<Arc<ServerConfig>>,
    /// Says when the server stops.
    pub stop: StopSignal,
}

/// A connection with its bounded input buffer.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    input: Input,
    /// A line was too long: its rest is still to be dropped.
    skipping: bool,
    /// How the last such line began.
    skipped: [u8; SKIPPED_OCTETS],
    /// Written and not yet sent; of these, `sent` are gone already.
    gathered: Vec<u8>,
    sent: usize,
    /// The client will take no more.
    broken: bool,
    surroundings: Surroundings,
    peer: SocketAddr,
    local: SocketAddr,
    session_id: u64,
    tls: Option<Box<TlsInfo>>,
    /// Held for as long as the connection lives.
    _permit: Option<Permit>,
}

#[derive(Debug)]
enum Stream {
    Clear(Transport),
    Tls(Box<TlsStream<Transport>>),
    /// A handshake failed or is under way.
    Gone,
}

/// What is remembered of a line that is too long: its verb.
const SKIPPED_OCTETS: usize = 8;

/// Session numbers count from 1 with every start of the program.
static SESSIONS: AtomicU64 = AtomicU64::new(1);

impl Connection {
    /// A connection over TCP.
    #[must_use]
    pub fn tcp(stream: TcpStream, peer: SocketAddr, permit: Option<Permit>, surroundings: Surroundings) -> Self {
        // Replies are sent whole: waiting for more (RFC 896) would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            log::debug!("TCP_NODELAY: {error}");
        }
        let local = stream.local_addr().unwrap_or(peer);
        let (peer, local) = (canonical(peer), canonical(local));
        Self::new(Transport::tcp(stream, peer.ip()), peer, local, permit, surroundings)
    }

    /// A connection whose other end is in this process, in the clear and never stopped: for tests.
    #[must_use]
    pub fn in_memory(peer: SocketAddr) -> (Self, tokio::io::DuplexStream) {
        Self::in_memory_with(peer, Surroundings { tls: None, stop: StopSignal::never() })
    }

    /// As [`Connection::in_memory`], with TLS and a stop signal.
    #[must_use]
    pub fn in_memory_with(peer: SocketAddr, surroundings: Surroundings) -> (Self, tokio::io::DuplexStream) {
        let (near, far) = tokio::io::duplex(TLS_RECORD_OCTETS_MAX);
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        (Self::new(Transport::memory(near, peer.ip()), peer, local, None, surroundings), far)
    }

    fn new(
        transport: Transport,
        peer: SocketAddr,
        local: SocketAddr,
        permit: Option<Permit>,
        surroundings: Surroundings,
    ) -> Self {
        Self {
            stream: Stream::Clear(transport),
            input: Input::new(),
            skipping: false,
            skipped: [0; SKIPPED_OCTETS],
            gathered: Vec::new(),
            sent: 0,
            broken: false,
            surroundings,
            peer,
            local,
            session_id: SESSIONS.fetch_add(1, Ordering::Relaxed),
            tls: None,
            _permit: permit,
        }
    }

    /// The client's address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The address that the client reached.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Is it from this machine (127.0.0.0/8, ::1)?
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.peer.ip().is_loopback()
    }

    /// What log lines of this connection begin with.
    #[must_use]
    pub fn session_id(&self) -> u64 {
        self.session_id
    }

    /// What TLS negotiated; `None` in the clear.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_deref()
    }

    /// Can [`Connection::start_tls`] succeed: is there a certificate, and no TLS yet?
    #[must_use]
    pub fn can_start_tls(&self) -> bool {
        self.surroundings.tls.is_some() && matches!(self.stream, Stream::Clear(_))
    }

    /// Is the server stopping?
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.surroundings.stop.is_stopping()
    }

    /// Reads up to the next CRLF, at most `octets_max` octets without it (never more than
    /// [`crate::limits::INPUT_BUFFER_OCTETS`]). A call that is dropped while it waits loses nothing.
    ///
    /// # Errors
    /// [`ConnectionError`] if the connection ends, the deadline passes or the server stops.
    pub async fn line(&mut self, octets_max: usize, timeout: Duration) -> Result<Line<'_>, ConnectionError> {
        let whole = within(timeout, self.find_line(octets_max)).await.map_err(|_| ConnectionError::TimedOut)??;
        let Some(octets) = whole else { return Ok(Line::TooLong) };
        let line = self.input.take(octets.saturating_add(2));
        Ok(Line::Whole(line.get(..octets).unwrap_or_default()))
    }

    /// Waits until a line begins the input: its octets without CRLF, or `None` if it was too long and is dropped.
    async fn find_line(&mut self, octets_max: usize) -> Result<Option<usize>, ConnectionError> {
        let octets_max = octets_max.min(INPUT_BUFFER_MAX.saturating_sub(2));
        let mut searched = 0_usize;
        loop {
            let received = self.input.as_slice();
            let found = find_crlf(received, searched);
            if self.skipping {
                match found {
                    Some(at) => {
                        self.input.consume(at.saturating_add(2));
                        self.skipping = false;
                        return Ok(None);
                    }
                    // The last octet may be the CR of the CRLF.
                    None => self.input.consume(received.len().saturating_sub(1)),
                }
                searched = 0;
            } else {
                match found {
                    Some(at) if at <= octets_max => return Ok(Some(at)),
                    Some(_) => {
                        self.skip();
                        continue;
                    }
                    // A line of the largest size may still wait for its LF.
                    None if received.len() > octets_max.saturating_add(1) => {
                        self.skip();
                        continue;
                    }
                    None => searched = received.len().saturating_sub(1),
                }
            }
            self.receive().await?;
        }
    }

    /// How the last [`Line::TooLong`] began.
    #[must_use]
    pub fn too_long_head(&self) -> &[u8] {
        &self.skipped
    }

    /// The input begins with a line that is too long.
    fn skip(&mut self) {
        self.skipping = true;
        if let Some(head) = self.input.as_slice().first_chunk() {
            self.skipped = *head;
        }
    }

    /// Octets that have been received and not been consumed. May be empty.
    #[must_use]
    pub fn buffered(&self) -> &[u8] {
        self.input.as_slice()
    }

    /// Drops the first `octets` octets of [`Connection::buffered`].
    pub fn consume(&mut self, octets: usize) {
        self.input.consume(octets);
    }

    /// Waits until [`Connection::buffered`] has more than it has now. If the buffer is full, returns at once. A call that
    /// is dropped while it waits loses nothing.
    ///
    /// # Errors
    /// [`ConnectionError`] as for [`Connection::line`].
    pub async fn fill(&mut self, timeout: Duration) -> Result<(), ConnectionError> {
        if self.input.is_full() {
            return Ok(());
        }
        within(timeout, self.receive()).await.map_err(|_| ConnectionError::TimedOut)?
    }

    /// Reads straight into the caller's slice: buffered octets first, then from the socket. Gives at least one octet,
    /// unless the slice is empty.
    ///
    /// # Errors
    /// [`ConnectionError`] as for [`Connection::line`].
    pub async fn read(&mut self, into: &mut [u8], timeout: Duration) -> Result<usize, ConnectionError> {
        if into.is_empty() {
            return Ok(0);
        }
        let octets = self.input.held().min(into.len());
        if octets > 0 {
            if let Some(into) = into.get_mut(..octets) {
                into.copy_from_slice(self.input.take(octets));
            }
            return Ok(octets);
        }
        let reading = self.stream.read(into, &mut self.surroundings.stop);
        within(timeout, reading).await.map_err(|_| ConnectionError::TimedOut)?
    }

    /// Receives at least one more octet into the input buffer, which is not full.
    async fn receive(&mut self) -> Result<(), ConnectionError> {
        let stop = &mut self.surroundings.stop;
        if self.input.is_large() {
            // While the client keeps sending, the large buffer is worth its place.
            if let Some(octets) = at_once(self.stream.read(self.input.room(INPUT_BUFFER_MAX), stop)).await {
                self.input.filled(octets?);
                return Ok(());
            }
            if self.input.held() < INPUT_BUFFER_SMALL_OCTETS {
                self.input.shrink();
                self.stream.transport().map(Transport::small_input);
            }
        }
        let mut octets_max = INPUT_BUFFER_MAX;
        if !self.input.is_large()
            && self.input.wanted() > INPUT_BUFFER_SMALL_OCTETS
            && let Some(transport) = self.stream.transport()
            && !transport.try_large_input()
        {
            if self.input.held() < INPUT_BUFFER_SMALL_OCTETS {
                octets_max = INPUT_BUFFER_SMALL_OCTETS;
            } else {
                tokio::select! {
                    () = stop.stopped() => return Err(ConnectionError::Stopping),
                    () = transport.large_input() => {}
                }
            }
        }
        let octets = self.stream.read(self.input.room(octets_max), stop).await?;
        self.input.filled(octets);
        Ok(())
    }

    /// Writes all octets; they may wait for [`Connection::flush`].
    ///
    /// # Errors
    /// [`ConnectionError`] if the client does not take them in time; the connection is of no more use.
    pub async fn write(&mut self, octets: &[u8], timeout: Duration) -> Result<(), ConnectionError> {
        let room = GATHER_OCTETS_MAX.saturating_sub(self.gathered.len());
        if octets.len() <= room && !self.broken {
            self.gathered.extend_from_slice(octets);
            return Ok(());
        }
        self.sending(timeout, async |connection| connection.write_through(octets).await).await
    }

    /// Sends what was written.
    ///
    /// # Errors
    /// [`ConnectionError`] if the client does not take it in time; the connection is of no more use.
    pub async fn flush(&mut self, timeout: Duration) -> Result<(), ConnectionError> {
        self.sending(timeout, async |connection| {
            connection.send_gathered().await?;
            connection.stream.flush().await
        })
        .await?;
        // Given back while nothing is to be said.
        self.gathered = Vec::new();
        Ok(())
    }

    /// Runs something that sends, unless an earlier one failed.
    async fn sending(
        &mut self,
        timeout: Duration,
        send: impl AsyncFnOnce(&mut Self) -> io::Result<()>,
    ) -> Result<(), ConnectionError> {
        if self.broken {
            return Err(ConnectionError::Closed);
        }
        // Stays if the future is dropped: half a record may have been sent.
        self.broken = true;
        let result = within(timeout, send(self)).await;
        self.broken = !matches!(result, Ok(Ok(())));
        match result {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(ConnectionError::Closed),
            Err(_) => Err(ConnectionError::TimedOut),
        }
    }

    /// Sends all that fills a record; the rest gathers.
    async fn write_through(&mut self, mut octets: &[u8]) -> io::Result<()> {
        let room = GATHER_OCTETS_MAX.saturating_sub(self.gathered.len());
        if !self.gathered.is_empty() {
            let (head, rest) = octets.split_at_checked(room).unwrap_or((octets, &[]));
            self.gathered.extend_from_slice(head);
            octets = rest;
            self.send_gathered().await?;
        }
        while octets.len() >= GATHER_OCTETS_MAX {
            let record = octets.get(..TLS_RECORD_OCTETS_MAX).unwrap_or(octets);
            let went = self.stream.write(record).await?;
            octets = octets.get(went..).unwrap_or_default();
        }
        self.gathered.extend_from_slice(octets);
        Ok(())
    }

    async fn send_gathered(&mut self) -> io::Result<()> {
        while let Some(rest) = self.gathered.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let went = self.stream.write(rest).await?;
            self.sent = self.sent.saturating_add(went);
        }
        self.gathered.clear();
        self.sent = 0;
        Ok(())
    }

    /// Throws away whatever was received in the clear (RFC 3207 6), then does the server's side of a TLS handshake.
    ///
    /// # Errors
    /// [`ConnectionError`] if the handshake fails; the connection is of no more use.
    pub async fn start_tls(&mut self) -> Result<(), ConnectionError> {
        // A handshake's state is large and short-lived: it should not live in every session for ever.
        Box::pin(self.shake_hands()).await
    }

    async fn shake_hands(&mut self) -> Result<(), ConnectionError> {
        // RFC 3207 6, RFC 9051 6.2.1, RFC 2595 4: what was pipelined in the clear must not act under TLS.
        self.input.clear();
        self.skipping = false;
        // The client would otherwise wait for the word to begin.
        self.flush(TLS_HANDSHAKE_TIMEOUT).await?;
        let acceptor = self.surroundings.tls.clone().map(TlsAcceptor::from).ok_or(ConnectionError::Closed)?;
        let Stream::Clear(mut transport) = core::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(ConnectionError::Closed);
        };
        // The buffer is empty: see above.
        transport.small_input();
        transport.begin_tls();
        let mut stop = self.surroundings.stop.clone();
        let handshake = within(TLS_HANDSHAKE_TIMEOUT, acceptor.accept(transport));
        let result = tokio::select! {
            biased;
            result = handshake => result,
            () = stop.stopped() => return Err(ConnectionError::Stopping),
        };
        match result {
            Ok(Ok(mut stream)) => {
                let (transport, session) = stream.get_mut();
                transport.handshake_done();
                session.set_buffer_limit(Some(TLS_RECORD_OCTETS_MAX));
                self.tls = Some(Box::new(tls::describe(session)));
                self.stream = Stream::Tls(Box::new(stream));
                COUNTERS.tls_handshakes.increment();
                Ok(())
            }
            Ok(Err(error)) => {
                COUNTERS.tls_failures.increment();
                log::info!("[{}] TLS handshake with {} failed: {error}", self.session_id, self.peer.ip());
                Err(ConnectionError::Closed)
            }
            Err(_) => {
                COUNTERS.tls_failures.increment();
                Err(ConnectionError::TimedOut)
            }
        }
    }

    /// Sends what is left and closes in order (TLS close_notify, FIN).
    pub fn close(mut self) -> impl Future<Output = ()> + Send {
        // Boxed: a session need not keep a place for its end.
        Box::pin(async move {
            if self.flush(CLOSE_TIMEOUT).await.is_ok() {
                // Best effort: the client may be gone already.
                let _ = within(CLOSE_TIMEOUT, self.stream.end()).await;
            }
        })
    }
}

impl Stream {
    async fn read(&mut self, into: &mut [u8], stop: &mut StopSignal) -> Result<usize, ConnectionError> {
        if stop.is_stopping() {
            return Err(ConnectionError::Stopping);
        }
        let octets = tokio::select! {
            biased;
            octets = self.read_some(into) => octets,
            () = stop.stopped() => return Err(ConnectionError::Stopping),
        };
        match octets {
            Ok(0) => Err(ConnectionError::Closed),
            Ok(octets) => Ok(octets),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(ConnectionError::TimedOut),
            Err(_) => Err(ConnectionError::Closed),
        }
    }

    fn transport(&mut self) -> Option<&mut Transport> {
        match self {
            Self::Clear(transport) => Some(transport),
            Self::Tls(stream) => Some(stream.get_mut().0),
            Self::Gone => None,
        }
    }

    async fn read_some(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(transport) => transport.read(into).await,
            Self::Tls(stream) => {
                let octets = stream.read(into).await?;
                stream.get_mut().0.plaintext_came();
                Ok(octets)
            }
            Self::Gone => Ok(0),
        }
    }

    async fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let went = match self {
            Self::Clear(transport) => transport.write(octets).await?,
            Self::Tls(stream) => stream.write(octets).await?,
            Self::Gone => 0,
        };
        if went == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(went) }
    }

    async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Clear(transport) => transport.flush().await,
            Self::Tls(stream) => stream.flush().await,
            Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Ends the sending side, then waits for the client to end its own: closing a socket that still has input to be read
    /// sends RST, which may overtake our last reply.
    async fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Clear(transport) => transport.shutdown().await?,
            Self::Tls(stream) => stream.shutdown().await?,
            Self::Gone => return Ok(()),
        }
        let Some(transport) = self.transport() else { return Ok(()) };
        if transport.is_memory() {
            return Ok(());
        }
        transport.end_tls();
        let mut dropped = [0; 512];
        while transport.read(&mut dropped).await? > 0 {}
        Ok(())
    }
}

/// What a future gives if it need not wait.
async fn at_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = core::pin::pin!(future);
    core::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// An IPv4 client of a socket for both families is an IPv4 client.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Where the first CRLF at or after `from` begins.
fn find_crlf(octets: &[u8], from: usize) -> Option<usize> {
    let rest = octets.get(from..)?;
    memchr::memchr_iter(b'\n', rest)
        .map(|at| at.saturating_add(from))
        .find(|at| at.checked_sub(1).and_then(|before| octets.get(before)) == Some(&b'\r'))?
        .checked_sub(1)
}

#[cfg(test)]
mod tests;
