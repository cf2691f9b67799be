//! What the callers and the threads of one store share.

use super::feed::Feed;
use super::figures::Counters;
use super::index::Index;
use super::options::Options;
use super::queue::Queue;
use super::segments::Segments;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One open store.
pub(super) struct Shared {
    pub(super) segments: Arc<Segments>,
    index: Mutex<Index>,
    pub(super) queue: Queue,
    pub(super) feed: Arc<Feed>,
    pub(super) counters: Arc<Counters>,
    pub(super) options: Options,
    read_only: AtomicBool,
}

impl Shared {
    pub(super) fn new(segments: Arc<Segments>, index: Index, counters: Arc<Counters>, options: Options) -> Self {
        let (index, queue) = (Mutex::new(index), Queue::new(options.queue_max));
        let (feed, read_only) = (Arc::default(), AtomicBool::new(false));
        Self { segments, index, queue, feed, counters, options, read_only }
    }

    /// The index, for one short question or one batch of answers.
    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        // A reader that panicked has changed nothing: the index refuses by itself when its pages do not fit.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Acquire)
    }

    pub(super) fn set_read_only(&self) {
        self.read_only.store(true, Ordering::Release);
    }
}
