//! Working buffers and the spool that a message is streamed into.

use super::{Error, Extent};
use crate::limits::WORKING_BUFFER_OCTETS;
use std::sync::Arc;

/// Takes working buffers back. The pool that leases them implements it.
pub trait BufferHome: Send + Sync {
    /// The buffer is free again.
    fn give_back(&self, octets: Box<[u8]>);
}

/// [`WORKING_BUFFER_OCTETS`] octets that go back to their pool when dropped.
pub struct WorkingBuffer {
    octets: Box<[u8]>,
    home: Option<Arc<dyn BufferHome>>,
}

impl WorkingBuffer {
    /// A buffer of a pool.
    #[must_use]
    pub fn leased(octets: Box<[u8]>, home: Arc<dyn BufferHome>) -> Self {
        Self { octets, home: Some(home) }
    }

    /// A buffer of its own, for tools and tests.
    #[must_use]
    pub fn unpooled() -> Self {
        Self { octets: vec![0; WORKING_BUFFER_OCTETS].into(), home: None }
    }

    /// All its octets.
    pub fn octets(&mut self) -> &mut [u8] {
        &mut self.octets
    }

    /// All its octets, to read.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.octets
    }
}

impl Drop for WorkingBuffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.give_back(core::mem::take(&mut self.octets));
        }
    }
}

impl core::fmt::Debug for WorkingBuffer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("WorkingBuffer").field("octets", &self.octets.len()).finish()
    }
}

/// A message on its way into the log: full chunks are already there, the rest waits in the working buffer.
///
/// When [`Spool::push`] takes less than it was given, hand the spool to `Store::spill` and go on with what comes back.
#[derive(Debug)]
pub struct Spool {
    pub(super) buffer: WorkingBuffer,
    pub(super) filled: usize,
    pub(super) extents: Vec<Extent>,
    octets: u64,
    octets_max: u64,
}

impl Spool {
    /// An empty spool that takes at most `octets_max` octets.
    #[must_use]
    pub fn new(buffer: WorkingBuffer, octets_max: u64) -> Self {
        Self { buffer, filled: 0, extents: Vec::new(), octets: 0, octets_max }
    }

    /// Takes octets until the chunk is full; gives how many it took.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the message would grow beyond its limit; nothing is taken then.
    pub fn push(&mut self, octets: &[u8]) -> Result<usize, Error> {
        let room = super::format::CHUNK_OCTETS_MAX.saturating_sub(self.filled);
        let taken = octets.len().min(room);
        let total = self.octets.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
        if total > self.octets_max {
            return Err(Error::TooLarge);
        }
        let free = self.buffer.octets.get_mut(self.filled..self.filled.saturating_add(taken));
        if let (Some(free), Some(octets)) = (free, octets.get(..taken)) {
            free.copy_from_slice(octets);
            self.filled = self.filled.saturating_add(taken);
            self.octets = total;
        }
        Ok(taken)
    }

    /// Is the chunk full, so that it must be spilled before more can be pushed?
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.filled >= super::format::CHUNK_OCTETS_MAX
    }

    /// Octets of the message so far.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Gives the working buffer back and forgets the message.
    #[must_use]
    pub fn abandon(self) -> WorkingBuffer {
        self.buffer
    }
}
