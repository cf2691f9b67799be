//! Writes spare segments ahead, so that commits find blocks that the file system need not allocate any more.
//!
//! Measured on ext4: a commit into a pre-written file costs its own blocks and one flush, into an allocated one four
//! times as much. Owns nothing but the file it is writing; its zeros are static. Works in quiet times, and at once when
//! few spares are left; between pieces it stands back while the log is being written.

use super::Error;
use super::figures::Counters;
use super::medium::Medium;
use super::segments::{Segments, segment_name, unfinished_name};
use super::width::wide;
use std::sync::Arc;
use std::time::Duration;

/// One piece of zeros.
const PIECE_OCTETS: usize = 64 * 1024;
static ZEROS: [u8; PIECE_OCTETS] = [0; PIECE_OCTETS];
/// Synced after so many octets, so that a commit never waits behind a whole segment in the card's queue.
const SYNC_OCTETS: u64 = 1 << 20;
/// Nothing was written for so long: a quiet time.
const QUIET_TIMEOUT: Duration = Duration::from_secs(2);
/// While the log is being written, a pause after each synced piece.
const PAUSE_TIMEOUT: Duration = Duration::from_millis(200);

/// Writes spare segments.
pub(super) struct Prewriter {
    medium: Arc<dyn Medium>,
    segments: Arc<Segments>,
    counters: Arc<Counters>,
    target: usize,
    low: usize,
    reserve_octets: u64,
}

/// What became of one spare segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Prewritten {
    /// It is ready.
    Done,
    /// The rest of the medium is for the log.
    NoRoom,
    /// The store is closing.
    Stopped,
}

impl Prewriter {
    pub(super) fn new(
        medium: Arc<dyn Medium>,
        segments: Arc<Segments>,
        counters: Arc<Counters>,
        (target, low): (usize, usize),
        reserve_octets: u64,
    ) -> Self {
        Self { medium, segments, counters, target, low, reserve_octets }
    }

    /// The thread's work, until the store closes.
    pub(super) fn run(&self) {
        while self.segments.wait_for_work(self.target, self.low, QUIET_TIMEOUT) {
            match self.prewrite() {
                Ok(Prewritten::Done) => {}
                Ok(Prewritten::Stopped) => return,
                // Until the log has taken another one, nothing changes.
                Ok(Prewritten::NoRoom) if self.segments.wait_for_taken() => {}
                Ok(Prewritten::NoRoom) => return,
                // The log finds out by itself whether the card still works: it makes its segments without us.
                Err(error) => return log::error!("pre-writing segments ends: {error}"),
            }
        }
    }

    /// Writes one spare segment.
    pub(super) fn prewrite(&self) -> Result<Prewritten, Error> {
        let octets = u64::from(self.segments.octets());
        if self.medium.free_octets()? < octets.saturating_add(self.reserve_octets) {
            return Ok(Prewritten::NoRoom);
        }
        let number = self.segments.next_number();
        let unfinished = unfinished_name(number);
        let file = self.medium.create(&unfinished)?;
        let mut written = 0_u64;
        let mut synced = 0_u64;
        while written < octets {
            let piece = usize::try_from(octets.saturating_sub(written)).unwrap_or(PIECE_OCTETS).min(PIECE_OCTETS);
            file.write_at(written, ZEROS.get(..piece).unwrap_or(&ZEROS))?;
            written = written.saturating_add(wide(piece));
            self.counters.prewritten_octets.add(wide(piece));
            if written.saturating_sub(synced) >= SYNC_OCTETS {
                file.sync_data()?;
                synced = written;
                if !self.segments.pause(self.low, PAUSE_TIMEOUT) {
                    // Left unfinished: the next opening removes it.
                    return Ok(Prewritten::Stopped);
                }
            }
        }
        file.sync_data()?;
        self.medium.rename(&unfinished, &segment_name(number))?;
        self.medium.sync_directory()?;
        self.segments.add_spare(number);
        self.counters.segments_prewritten.add(1);
        Ok(Prewritten::Done)
    }
}
