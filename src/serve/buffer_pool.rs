//! The working buffers of all connections.
//!
//! Owns at most [`WORKING_BUFFERS_MAX`] buffers: allocated when first needed, reused from then on, and a few of them kept
//! while nobody needs any. Whoever wants one when all are out waits in line. What the buffers are used for is left to
//! the drivers.

use crate::limits::{WORKING_BUFFER_OCTETS, WORKING_BUFFERS_KEPT, WORKING_BUFFERS_MAX};
use crate::store::{BufferHome, WorkingBuffer};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Leases working buffers.
#[derive(Clone, Debug)]
pub struct BufferPool(Arc<Home>);

#[derive(Debug)]
struct Home {
    /// One permit for each buffer that is not out. Its queue is fair.
    free: Semaphore,
    kept: Mutex<Vec<Box<[u8]>>>,
}

impl BufferPool {
    /// A pool of [`WORKING_BUFFERS_MAX`] buffers.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Home { free: Semaphore::new(WORKING_BUFFERS_MAX), kept: Mutex::default() }))
    }

    /// Waits for a buffer. Its octets are whatever an earlier user left there.
    pub async fn lease(&self) -> WorkingBuffer {
        match self.0.free.acquire().await {
            Ok(permit) => permit.forget(),
            // The semaphore is never closed; were it, the buffer would still be counted when it comes back.
            Err(_) => log::error!("the pool of working buffers is closed"),
        }
        self.take()
    }

    /// A buffer, if one is free now.
    #[must_use]
    pub fn try_lease(&self) -> Option<WorkingBuffer> {
        self.0.free.try_acquire().ok()?.forget();
        Some(self.take())
    }

    /// How many buffers are out.
    #[must_use]
    pub fn leased(&self) -> usize {
        WORKING_BUFFERS_MAX.saturating_sub(self.0.free.available_permits())
    }

    /// Are so many out that whoever holds one has to hurry?
    #[must_use]
    pub fn is_scarce(&self) -> bool {
        self.leased() > WORKING_BUFFERS_MAX / 4 * 3
    }

    fn take(&self) -> WorkingBuffer {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let octets = kept.unwrap_or_else(|| vec![0; WORKING_BUFFER_OCTETS].into());
        let home: Arc<dyn BufferHome> = Arc::<Home>::clone(&self.0);
        WorkingBuffer::leased(octets, home)
    }
}

impl Default for BufferPool {
    fn default() -> Self {
        Self::new()
    }
}

impl BufferHome for Home {
    fn give_back(&self, octets: Box<[u8]>) {
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            // The others go back to the allocator: a burst does not count for ever.
            if kept.len() < WORKING_BUFFERS_KEPT && octets.len() == WORKING_BUFFER_OCTETS {
                kept.push(octets);
            }
        }
        self.free.add_permits(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn leases_all_then_waits_in_line() {
        let pool = BufferPool::new();
        let mut out: Vec<_> = (0..WORKING_BUFFERS_MAX).map_while(|_| pool.try_lease()).collect();
        assert_eq!((out.len(), pool.leased()), (WORKING_BUFFERS_MAX, WORKING_BUFFERS_MAX));
        assert!(pool.try_lease().is_none());
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { drop(pool.lease().await) }
        });
        tokio::task::yield_now().await;
        drop(out.pop());
        // The one that waits comes first.
        assert!(pool.try_lease().is_none());
        assert!(waiting.await.is_ok());
        drop(out);
        assert_eq!(pool.leased(), 0);
        assert_eq!(pool.0.kept.lock().map(|kept| kept.len()).ok(), Some(WORKING_BUFFERS_KEPT));
    }
}
