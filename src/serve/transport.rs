//! Where a connection's octets come from: a TCP socket, or a pipe in memory for tests.
//!
//! Counts what goes through, and what came without yielding plaintext (see [`TLS_SILENT_OCTETS_MAX`]). Holds no buffer.

use crate::limits::TLS_SILENT_OCTETS_MAX;
use crate::status::COUNTERS;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

/// A socket or a pipe.
#[derive(Debug)]
pub struct Transport {
    end: End,
    /// Under TLS: octets that came since the last plaintext.
    silent: Option<usize>,
}

#[derive(Debug)]
enum End {
    Tcp(TcpStream),
    Memory(DuplexStream),
}

impl Transport {
    /// Over TCP.
    #[must_use]
    pub fn tcp(stream: TcpStream) -> Self {
        Self { end: End::Tcp(stream), silent: None }
    }

    /// In memory.
    #[must_use]
    pub fn memory(stream: DuplexStream) -> Self {
        Self { end: End::Memory(stream), silent: None }
    }

    /// Is the other end in this process?
    #[must_use]
    pub fn is_memory(&self) -> bool {
        matches!(self.end, End::Memory(_))
    }

    /// From now on TLS reads from here: so many octets may come without plaintext. Called again for each plaintext.
    pub fn plaintext_came(&mut self) {
        self.silent = Some(0);
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.silent.is_some_and(|octets| octets > TLS_SILENT_OCTETS_MAX) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "too much TLS without plaintext")));
        }
        let before = into.filled().len();
        let result = match &mut self.end {
            End::Tcp(stream) => Pin::new(stream).poll_read(cx, into),
            End::Memory(stream) => Pin::new(stream).poll_read(cx, into),
        };
        let came = into.filled().len().saturating_sub(before);
        if let Some(silent) = &mut self.silent {
            *silent = silent.saturating_add(came);
        }
        COUNTERS.octets_in.add(came);
        result
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let result = match &mut self.end {
            End::Tcp(stream) => Pin::new(stream).poll_write(cx, octets),
            End::Memory(stream) => Pin::new(stream).poll_write(cx, octets),
        };
        if let Poll::Ready(Ok(went)) = &result {
            COUNTERS.octets_out.add(*went);
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.end {
            End::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            End::Memory(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.end {
            End::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            End::Memory(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
