//! The segment files: which serial stands in which file, which files are spare, and open handles.
//!
//! Owns a bounded number of open files ([`HANDLES_MAX`]) and twelve octets a segment. Readers, the writer and the
//! pre-writer share it; nobody waits in here for the card except to open a file.

use super::Error;
use super::format::{BLOCK_OCTETS, SegmentHeader};
use super::medium::{Medium, MediumFile};
use super::width::wide;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Segment files that are held open for reading.
const HANDLES_MAX: usize = 32;
const PREFIX: &str = "segment-";
const UNFINISHED: &str = ".new";

/// All segment files of a store.
#[derive(Debug)]
pub(super) struct Segments {
    medium: Arc<dyn Medium>,
    octets: u32,
    inner: Mutex<Inner>,
    taken: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    /// Serial to file number.
    live: BTreeMap<u32, u32>,
    spares: VecDeque<u32>,
    number_next: u32,
    /// The one used last stands at the end.
    open: Vec<(u32, Arc<dyn MediumFile>)>,
    stopping: bool,
    /// Spares were taken, or batches were written, since the pre-writer last looked.
    busy: bool,
}

/// The name of a finished segment file.
pub(super) fn segment_name(number: u32) -> String {
    format!("{PREFIX}{number:08x}")
}

/// The name of a segment file that is being pre-written.
pub(super) fn unfinished_name(number: u32) -> String {
    format!("{PREFIX}{number:08x}{UNFINISHED}")
}

/// What a file name says.
pub(super) enum Named {
    Segment(u32),
    Unfinished,
    Other,
}

pub(super) fn parse_name(name: &str) -> Named {
    let Some(rest) = name.strip_prefix(PREFIX) else { return Named::Other };
    if rest.ends_with(UNFINISHED) {
        return Named::Unfinished;
    }
    match u32::from_str_radix(rest, 16) {
        Ok(number) if segment_name(number) == name => Named::Segment(number),
        _ => Named::Other,
    }
}

impl Segments {
    /// `live` and `spares` are file numbers; `number_next` is larger than any number in use.
    pub(super) fn new(
        medium: Arc<dyn Medium>,
        octets: u32,
        live: BTreeMap<u32, u32>,
        spares: VecDeque<u32>,
        number_next: u32,
    ) -> Self {
        let inner = Inner { live, spares, number_next, ..Inner::default() };
        Self { medium, octets, inner: Mutex::new(inner), taken: Condvar::new() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Octets of each file.
    pub(super) fn octets(&self) -> u32 {
        self.octets
    }

    /// Segments of the log, and spare ones.
    pub(super) fn counts(&self) -> (usize, usize) {
        let inner = self.inner();
        (inner.live.len(), inner.spares.len())
    }

    /// Is a spare segment there?
    pub(super) fn has_spare(&self) -> bool {
        !self.inner().spares.is_empty()
    }

    /// Octets that spare segments and the medium still take.
    pub(super) fn free_octets(&self) -> Result<u64, Error> {
        let spares = wide(self.counts().1).saturating_mul(self.octets.into());
        Ok(self.medium.free_octets()?.saturating_add(spares))
    }

    /// A live segment's file.
    pub(super) fn file(&self, serial: u32) -> Result<Arc<dyn MediumFile>, Error> {
        let mut inner = self.inner();
        if let Some(at) = inner.open.iter().position(|(open, _)| *open == serial) {
            let found = inner.open.remove(at);
            let file = Arc::clone(&found.1);
            inner.open.push(found);
            return Ok(file);
        }
        let number = *inner.live.get(&serial).ok_or_else(|| Error::Damaged(format!("segment {serial} is missing")))?;
        let name = segment_name(number);
        let file = self.medium.open(&name)?.ok_or_else(|| Error::Damaged(format!("{name} is missing")))?;
        Ok(inner.keep(serial, file))
    }

    /// The largest serial in use.
    pub(super) fn last_serial(&self) -> u32 {
        self.inner().live.last_key_value().map_or(0, |(serial, _)| *serial)
    }

    /// Begins the next segment: takes a spare file, or makes one, and writes the header. Not synced.
    ///
    /// The name of a new file is made durable here; a spare's name is durable already.
    pub(super) fn begin(&self, header: &SegmentHeader) -> Result<Arc<dyn MediumFile>, Begin> {
        let spare = {
            let mut inner = self.inner();
            inner.busy = true;
            inner.spares.pop_front()
        };
        self.taken.notify_all();
        let (number, file) = match spare {
            Some(number) => {
                let opened = self.medium.open(&segment_name(number)).map_err(Begin::Failed)?;
                let gone = || Begin::Failed(Error::Damaged(format!("{} is missing", segment_name(number))));
                (number, opened.ok_or_else(gone)?)
            }
            None => self.make()?,
        };
        let mut block = [0; BLOCK_OCTETS];
        for (octet, written) in block.iter_mut().zip(header.encode()) {
            *octet = written;
        }
        file.write_at(0, &block).map_err(Begin::Failed)?;
        let mut inner = self.inner();
        inner.live.insert(header.serial, number);
        Ok(inner.keep(header.serial, file))
    }

    /// Makes a segment file in the commit path: its room is taken, but it is not written twice.
    fn make(&self) -> Result<(u32, Box<dyn MediumFile>), Begin> {
        let number = self.next_number();
        let name = segment_name(number);
        let made = self.medium.create(&name).and_then(|file| {
            file.set_octets(self.octets.into())?;
            file.sync_data()?;
            self.medium.sync_directory()?;
            Ok(file)
        });
        match made {
            Ok(file) => Ok((number, file)),
            Err(Error::Full) => {
                // Nothing of the log has changed; that the empty file may stay after a crash does no harm.
                self.medium.remove(&name).map_err(Begin::Failed)?;
                Err(Begin::Full)
            }
            Err(error) => Err(Begin::Failed(error)),
        }
    }

    /// A number for a new file.
    pub(super) fn next_number(&self) -> u32 {
        let mut inner = self.inner();
        let number = inner.number_next;
        inner.number_next = number.saturating_add(1);
        number
    }

    /// A pre-written file is ready.
    pub(super) fn add_spare(&self, number: u32) {
        self.inner().spares.push_back(number);
    }

    /// Batches are being written: the pre-writer keeps away.
    pub(super) fn note_busy(&self) {
        self.inner().busy = true;
    }

    /// The pre-writer waits here until there is something to do. `true`: write a spare now; `false`: stop.
    pub(super) fn wait_for_work(&self, target: usize, low: usize, quiet: Duration) -> bool {
        let mut inner = self.inner();
        loop {
            if inner.stopping {
                return false;
            }
            if inner.spares.len() < low.min(target) {
                return true;
            }
            inner.busy = false;
            if inner.spares.len() >= target {
                inner = self.taken.wait(inner).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waited = self.taken.wait_timeout(inner, quiet).unwrap_or_else(PoisonError::into_inner);
            inner = waited.0;
            // Nothing was written for as long: a quiet time.
            if waited.1.timed_out() && !inner.busy && !inner.stopping {
                return true;
            }
        }
    }

    /// Waits until a segment is begun; `false` if the pre-writer is to stop.
    pub(super) fn wait_for_taken(&self) -> bool {
        let mut inner = self.inner();
        if !inner.stopping {
            inner = self.taken.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        !inner.stopping
    }

    /// Waits at most so long; `false` if the pre-writer is to stop.
    pub(super) fn pause(&self, low: usize, pause: Duration) -> bool {
        let mut inner = self.inner();
        if !inner.stopping && inner.busy && inner.spares.len() >= low {
            inner.busy = false;
            inner = self.taken.wait_timeout(inner, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
        !inner.stopping
    }

    /// The pre-writer is to stop.
    pub(super) fn stop(&self) {
        self.inner().stopping = true;
        self.taken.notify_all();
    }
}

/// Why the next segment could not be begun.
#[derive(Debug)]
pub(super) enum Begin {
    /// There is no room; the log is as it was.
    Full,
    /// The medium failed.
    Failed(Error),
}

impl Inner {
    fn keep(&mut self, serial: u32, file: Box<dyn MediumFile>) -> Arc<dyn MediumFile> {
        let file: Arc<dyn MediumFile> = Arc::from(file);
        if self.open.len() >= HANDLES_MAX {
            self.open.remove(0);
        }
        self.open.push((serial, Arc::clone(&file)));
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        assert!(matches!(parse_name(&segment_name(0x1f)), Named::Segment(0x1f)));
        assert!(matches!(parse_name(&unfinished_name(0x1f)), Named::Unfinished));
        for other in ["store", "segment-", "segment-1f", "segment-+0000001", "segment-0000001F", "index"] {
            assert!(matches!(parse_name(other), Named::Other), "{other}");
        }
    }
}
