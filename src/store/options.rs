//! What a store is opened with: sizes, and the clock and randomness that it must not take by itself.

use super::Error;
use super::format::{BLOCK_OCTETS, blocks};
use super::width::{narrow, size};
use crate::limits::{BATCH_OCTETS_MAX, INDEX_CACHE_OCTETS, LOG_QUEUE_MAX, SUMMARY_OCTETS_MAX, WORKING_BUFFER_OCTETS};
use core::fmt;
use ring::rand::SecureRandom;
use std::sync::Arc;
use std::time::SystemTime;

/// A segment must hold its header and the largest delivery: a chunk, a summary, its events, and their headers.
const SEGMENT_OCTETS_MIN: usize = 3 * WORKING_BUFFER_OCTETS + SUMMARY_OCTETS_MAX + 2 * BLOCK_OCTETS;
const SEGMENT_OCTETS_MAX: u32 = 1 << 30;

/// What a store is opened with.
#[derive(Clone)]
pub struct Options {
    /// Octets of a segment file of a new store; an existing store keeps its own. Rounded up to blocks.
    pub segment_octets: u32,
    /// Spare segments that are pre-written in quiet times.
    pub spares: usize,
    /// With fewer spare segments, more are written at once.
    pub spares_low: usize,
    /// New mail is refused when less than this is free on the medium and in spare segments.
    pub reserve_octets: u64,
    /// The index makes a checkpoint after so many octets of log.
    pub checkpoint_octets: u64,
    /// Page cache of the index.
    pub index_cache_octets: usize,
    /// Requests that may wait for the writer; one more gets [`Error::Busy`].
    pub queue_max: usize,
    /// Seconds since 1970: `saved` dates and UIDVALIDITY.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Random numbers: the store's id and the nonce of each opening.
    pub random: Arc<dyn Fn() -> Result<u64, Error> + Send + Sync>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_octets: 16 << 20,
            spares: 16,
            spares_low: 2,
            reserve_octets: 64 << 20,
            checkpoint_octets: 16 << 20,
            index_cache_octets: INDEX_CACHE_OCTETS,
            queue_max: LOG_QUEUE_MAX,
            clock: Arc::new(now),
            random: Arc::new(random),
        }
    }
}

impl Options {
    /// Small sizes, for tests: nothing is pre-written.
    #[must_use]
    pub fn small() -> Self {
        Self {
            segment_octets: narrow(blocks(SEGMENT_OCTETS_MIN)),
            spares: 0,
            spares_low: 0,
            reserve_octets: 1 << 20,
            checkpoint_octets: 1 << 20,
            index_cache_octets: 1 << 20,
            ..Self::default()
        }
    }

    /// The segment size of a new store.
    pub(super) fn segment_octets(&self) -> u32 {
        let octets = size(self.segment_octets).clamp(SEGMENT_OCTETS_MIN, size(SEGMENT_OCTETS_MAX));
        narrow(blocks(octets))
    }
}

/// Octets of the largest batch in segments of this size.
pub(super) fn batch_octets(segment_octets: u32) -> usize {
    BATCH_OCTETS_MAX.min(size(segment_octets).saturating_sub(BLOCK_OCTETS))
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("segment_octets", &self.segment_octets)
            .field("spares", &self.spares)
            .field("reserve_octets", &self.reserve_octets)
            .field("checkpoint_octets", &self.checkpoint_octets)
            .finish_non_exhaustive()
    }
}

fn now() -> i64 {
    // A clock before 1970 counts as 1970.
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn random() -> Result<u64, Error> {
    let mut octets = [0; 8];
    match ring::rand::SystemRandom::new().fill(&mut octets) {
        Ok(()) => Ok(u64::from_le_bytes(octets)),
        Err(_) => Err(Error::Medium("the operating system gives no random numbers".to_owned())),
    }
}
