//! What the store counts, for the status page, the metrics and the tests.

use super::index::IndexFigures;
use core::sync::atomic::{AtomicU64, Ordering};

/// One number that any thread adds to.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, more: u64) {
        // Counters order nothing: each is read for itself.
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the threads of one store add to.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) log_octets: Counter,
    pub(super) batches: Counter,
    pub(super) syncs: Counter,
    pub(super) transactions: Counter,
    pub(super) refused: Counter,
    pub(super) spilled: Counter,
    pub(super) segments_prewritten: Counter,
    pub(super) prewritten_octets: Counter,
    pub(super) checkpoints: Counter,
    pub(super) replayed_batches: Counter,
    pub(super) free_octets: Counter,
}

/// Figures of a store at one moment. Counts begin at its opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Octets written to the log, with headers and padding.
    pub log_octets: u64,
    /// Batches written.
    pub batches: u64,
    /// Syncs of the log; pre-writing and checkpoints have their own.
    pub syncs: u64,
    /// Transactions that happened.
    pub transactions: u64,
    /// Transactions that were refused.
    pub refused: u64,
    /// Chunks of messages written before their transaction.
    pub spilled: u64,
    /// Segments of the log.
    pub segments: u64,
    /// Spare segments.
    pub spares: u64,
    /// Segments that were pre-written.
    pub segments_prewritten: u64,
    /// Octets that were written in advance.
    pub prewritten_octets: u64,
    /// Octets left for mail, on the medium and in spare segments, when last looked at.
    pub free_octets: u64,
    /// Checkpoints made.
    pub checkpoints: u64,
    /// Batches that the opening read.
    pub replayed_batches: u64,
    /// Requests that wait for the writer.
    pub waiting: u64,
    /// Has a write failed, so that the store only reads?
    pub read_only: bool,
    /// Pages of the index.
    pub index: IndexFigures,
}
