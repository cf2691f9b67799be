//! Where a connection's octets come from: a TCP socket, or a pipe in memory for tests.
//!
//! Owns the socket and no buffer. It counts what goes through, and sees to it that what TLS must collect before it can
//! be used stays bounded: beyond [`TLS_SMALL_OCTETS_MAX`] the connection needs [`Room`], and beyond
//! [`TLS_SILENT_OCTETS_MAX`] it ends.

use super::room::{PLACES, Places, Room};
use crate::limits::{TLS_SILENT_OCTETS_MAX, TLS_SMALL_OCTETS_MAX};
use crate::status::COUNTERS;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::net::IpAddr;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

/// A socket or a pipe.
#[derive(Debug)]
pub struct Transport {
    end: End,
    room: Room,
    /// The input buffer is a large one.
    large_input: bool,
    /// What TLS has collected.
    records: Option<Records>,
}

#[derive(Debug)]
enum End {
    Tcp(TcpStream),
    Memory(DuplexStream),
}

impl Transport {
    /// Over TCP, from this address.
    #[must_use]
    pub fn tcp(stream: TcpStream, address: IpAddr) -> Self {
        Self::new(End::Tcp(stream), address, &PLACES)
    }

    /// In memory.
    #[must_use]
    pub fn memory(stream: DuplexStream, address: IpAddr) -> Self {
        Self::new(End::Memory(stream), address, &PLACES)
    }

    /// In memory, with a room of its own.
    #[cfg(test)]
    pub fn memory_with_room(stream: DuplexStream, address: IpAddr, places: &'static Places) -> Self {
        Self::new(End::Memory(stream), address, places)
    }

    fn new(end: End, address: IpAddr, places: &'static Places) -> Self {
        Self { end, room: Room::new(places, address), large_input: false, records: None }
    }

    /// Is the other end in this process?
    #[must_use]
    pub fn is_memory(&self) -> bool {
        matches!(self.end, End::Memory(_))
    }

    /// From now on TLS reads from here.
    pub fn begin_tls(&mut self) {
        self.records = Some(Records::default());
        self.room.set_shaking(true);
    }

    /// TLS is over; what still comes is not collected.
    pub fn end_tls(&mut self) {
        self.records = None;
    }

    /// The handshake is done.
    pub fn handshake_done(&mut self) {
        self.plaintext_came();
        self.room.set_shaking(false);
    }

    /// TLS has given plaintext: of all that came, only a record that is not whole is still there.
    pub fn plaintext_came(&mut self) {
        if let Some(records) = &mut self.records {
            records.silent = records.partial();
            self.room.progress();
        }
    }

    /// Takes room for a large input buffer if there is some now.
    pub fn try_large_input(&mut self) -> bool {
        self.large_input = self.room.try_take();
        self.large_input
    }

    /// Waits for room for a large input buffer.
    pub async fn large_input(&mut self) {
        core::future::poll_fn(|cx| self.room.poll_take(cx)).await;
        self.large_input = true;
    }

    /// The input buffer is a small one again.
    pub fn small_input(&mut self) {
        self.large_input = false;
        self.release();
    }

    /// Gives room back if nothing needs it.
    fn release(&mut self) {
        let is_small = self.records.as_ref().is_none_or(|records| records.silent == 0);
        if is_small && !self.large_input {
            self.room.release();
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // TLS asks for more only when all that it had is used: a record that was large is gone now.
        this.release();
        match this.records.as_ref().map_or(0, |records| records.silent) {
            0..TLS_SMALL_OCTETS_MAX => {}
            TLS_SMALL_OCTETS_MAX..TLS_SILENT_OCTETS_MAX => {
                if this.room.poll_take(cx).is_pending() {
                    // It may still hold what was for its handshake.
                    let overdue = this.room.poll_overdue(cx);
                    return if overdue { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending };
                }
            }
            _ => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "too much TLS without plaintext"))),
        }
        let before = into.filled().len();
        let result = match &mut this.end {
            End::Tcp(stream) => Pin::new(stream).poll_read(cx, into),
            End::Memory(stream) => Pin::new(stream).poll_read(cx, into),
        };
        if result.is_pending() && this.room.poll_overdue(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let came = into.filled().get(before..).unwrap_or_default();
        if let Some(records) = &mut this.records {
            records.came(came);
        }
        COUNTERS.octets_in.add(came.len());
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

/// Follows TLS records as they come: RFC 8446 5.1, five octets of header, the last two of them the length.
#[derive(Debug, Default)]
struct Records {
    /// Octets that came and have not yet led to plaintext.
    silent: usize,
    header: [u8; 5],
    /// Octets of the present record's header.
    header_octets: usize,
    /// Octets of the present record's body, so far and in all.
    body_octets: usize,
    body_octets_max: usize,
}

impl Records {
    fn came(&mut self, mut octets: &[u8]) {
        self.silent = self.silent.saturating_add(octets.len());
        while !octets.is_empty() {
            let in_header = self.header.len().saturating_sub(self.header_octets);
            let wanted = if in_header > 0 { in_header } else { self.body_octets_max.saturating_sub(self.body_octets) };
            let (now, later) = octets.split_at_checked(wanted).unwrap_or((octets, &[]));
            octets = later;
            if in_header > 0 {
                let end = self.header_octets.saturating_add(now.len());
                if let Some(part) = self.header.get_mut(self.header_octets..end) {
                    part.copy_from_slice(now);
                }
                self.header_octets = end;
                if now.len() == in_header {
                    let [_, _, _, high, low] = self.header;
                    self.body_octets_max = usize::from(u16::from_be_bytes([high, low]));
                }
            } else {
                self.body_octets = self.body_octets.saturating_add(now.len());
            }
            if self.header_octets == self.header.len() && self.body_octets == self.body_octets_max {
                (self.header_octets, self.body_octets, self.body_octets_max) = (0, 0, 0);
            }
        }
    }

    /// Octets of the record that is not whole.
    fn partial(&self) -> usize {
        self.header_octets.saturating_add(self.body_octets)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_are_followed_wherever_they_are_cut(
            bodies in proptest::collection::vec(0_u16..600, 1..8),
            cuts in proptest::collection::vec(1_usize..300, 1..40),
        ) {
            let mut wire = Vec::new();
            let mut ends = vec![0];
            for body in bodies {
                wire.extend_from_slice(&[23, 3, 3]);
                wire.extend_from_slice(&body.to_be_bytes());
                wire.resize(wire.len() + usize::from(body), 0);
                ends.push(wire.len());
            }
            let mut records = Records::default();
            let mut came = 0;
            for cut in cuts.into_iter().cycle() {
                let next = wire.len().min(came + cut);
                records.came(wire.get(came..next).unwrap());
                came = next;
                let begun = ends.iter().rev().find(|end| **end <= came).unwrap();
                prop_assert_eq!(records.partial(), came - begun);
                prop_assert_eq!(records.silent, came);
                if came == wire.len() {
                    break;
                }
            }
        }
    }
}
