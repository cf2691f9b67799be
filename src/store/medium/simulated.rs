//! A medium in memory that counts, fails on demand, and forgets what was not synced as cards do.
//!
//! Owns all its octets, in pages that copies share, so that a copy of the whole medium costs little: tests take one
//! before every write and sync ([`SimulatedMedium::keep_snapshots`]), cut the power there ([`SimulatedMedium::reboot`])
//! and open what is left. Nothing bounds its memory but [`SimulatedMedium::set_capacity`]. It is meant for tests and
//! tools; all of it is deterministic.

mod pages;

use super::super::Error;
use super::{Medium, MediumFile, MediumLock, SECTOR_OCTETS};
use core::fmt;
use pages::Pages;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a power cut does to that which was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All of it is lost.
    Lost,
    /// All of it had reached the card.
    Kept,
    /// Each write, in any order, is lost, kept, or torn into sectors that are lost, kept or garbage; names are kept up
    /// to some point.
    Torn,
    /// Only the process died: all of it is still there, and still not synced.
    Killed,
}

/// What was asked of the medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimulatedCounts {
    /// Calls of `write_at`.
    pub writes: u64,
    /// Octets they wrote.
    pub octets_written: u64,
    /// Calls of `sync_data`.
    pub syncs: u64,
    /// Calls of `sync_directory`.
    pub directory_syncs: u64,
    /// Calls of `read_at`.
    pub reads: u64,
    /// Octets they read.
    pub octets_read: u64,
    /// Everything that changes something: writes, syncs, new lengths, changes of names.
    pub steps: u64,
}

/// A directory in memory.
#[derive(Clone)]
pub struct SimulatedMedium {
    state: Arc<Mutex<State>>,
}

#[derive(Clone)]
struct State {
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    renaming: Vec<NameChange>,
    files: BTreeMap<u64, Arc<Contents>>,
    file_next: u64,
    capacity: u64,
    locked: bool,
    counts: SimulatedCounts,
    stop_at: Option<u64>,
    faults: Vec<Fault>,
    snapshots: Option<Vec<SimulatedMedium>>,
}

/// A change of the directory that was not synced.
#[derive(Clone)]
enum NameChange {
    Made(String, u64),
    Removed(String),
    Renamed(String, String),
}

/// One file: as it reads now, as it is on the card for certain, and what lies between.
#[derive(Clone, Default)]
struct Contents {
    now: Pages,
    durable: Pages,
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(u64, Arc<[u8]>),
    Length(u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Write,
    Sync,
    Other,
}

#[derive(Clone)]
struct Fault {
    step: Step,
    after: u64,
    error: Error,
}

impl Default for SimulatedMedium {
    fn default() -> Self {
        Self::new()
    }
}

impl SimulatedMedium {
    /// An empty directory of 64 GiB.
    #[must_use]
    pub fn new() -> Self {
        let state = State {
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            renaming: Vec::new(),
            files: BTreeMap::new(),
            file_next: 0,
            capacity: 64 << 30,
            locked: false,
            counts: SimulatedCounts::default(),
            stop_at: None,
            faults: Vec::new(),
            snapshots: None,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was asked of it so far.
    #[must_use]
    pub fn counts(&self) -> SimulatedCounts {
        self.state().counts
    }

    /// All files together hold at most so many octets.
    pub fn set_capacity(&self, octets: u64) {
        self.state().capacity = octets;
    }

    /// Lets so many more steps through ([`SimulatedCounts::steps`]); then everything fails until the reboot.
    pub fn stop_after(&self, steps: u64) {
        let mut state = self.state();
        state.stop_at = Some(state.counts.steps.saturating_add(steps));
    }

    /// The write that comes after `writes` more of them fails once.
    pub fn fail_write_after(&self, writes: u64, error: Error) {
        let mut state = self.state();
        let after = state.counts.writes.saturating_add(writes);
        state.faults.push(Fault { step: Step::Write, after, error });
    }

    /// The sync of a file that comes after `syncs` more of them fails once.
    pub fn fail_sync_after(&self, syncs: u64, error: Error) {
        let mut state = self.state();
        let after = state.counts.syncs.saturating_add(syncs);
        state.faults.push(Fault { step: Step::Sync, after, error });
    }

    /// From now on keeps a copy of the medium from before and after every step.
    pub fn keep_snapshots(&self) {
        self.state().snapshots = Some(Vec::new());
    }

    /// The copies kept since the last call.
    pub fn take_snapshots(&self) -> Vec<SimulatedMedium> {
        self.state().snapshots.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// How many copies are kept now.
    #[must_use]
    pub fn snapshots(&self) -> usize {
        self.state().snapshots.as_ref().map_or(0, Vec::len)
    }

    /// The medium as it is found after a power cut at this moment: whatever was not synced meets its `fate`, chosen by
    /// `seed`. This one is left as it is.
    #[must_use]
    pub fn reboot(&self, fate: Fate, seed: u64) -> SimulatedMedium {
        let mut state = self.state().clone();
        state.locked = false;
        state.stop_at = None;
        state.faults.clear();
        state.snapshots = None;
        state.counts = SimulatedCounts::default();
        if fate != Fate::Killed {
            state.cut_power(fate, &mut Choice(seed));
        }
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// A file's octets as they read now.
    #[must_use]
    pub fn octets_of(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let contents = state.names.get(name).and_then(|id| state.files.get(id))?;
        let mut octets = vec![0; usize::try_from(contents.now.octets()).ok()?];
        contents.now.read(0, &mut octets);
        Some(octets)
    }

    /// Puts a file there, name and octets durable: to damage it on purpose.
    pub fn put(&self, name: &str, octets: &[u8]) {
        let mut state = self.state();
        let mut contents = Contents::default();
        contents.now.write(0, octets);
        contents.durable = contents.now.clone();
        let id = state.new_file(contents);
        state.names.insert(name.to_owned(), id);
        state.durable_names.insert(name.to_owned(), id);
    }
}

impl fmt::Debug for SimulatedMedium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedMedium").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl State {
    fn new_file(&mut self, contents: Contents) -> u64 {
        self.file_next = self.file_next.saturating_add(1);
        self.files.insert(self.file_next, Arc::new(contents));
        self.file_next
    }

    /// Counts a step and says whether it happens.
    fn step(&mut self, step: Step, octets: usize) -> Result<(), Error> {
        self.snapshot();
        let counts = &mut self.counts;
        counts.steps = counts.steps.saturating_add(1);
        let done = match step {
            Step::Write => {
                counts.octets_written = counts.octets_written.saturating_add(u64::try_from(octets).unwrap_or(u64::MAX));
                &mut counts.writes
            }
            Step::Sync => &mut counts.syncs,
            Step::Other => &mut counts.directory_syncs,
        };
        let before = *done;
        if step != Step::Other {
            *done = before.saturating_add(1);
        }
        if self.stop_at.is_some_and(|stop| self.counts.steps > stop) {
            return Err(Error::Medium("the simulated medium has stopped".to_owned()));
        }
        match self.faults.iter().position(|fault| fault.step == step && fault.after == before) {
            Some(found) => Err(self.faults.swap_remove(found).error),
            None => Ok(()),
        }
    }

    fn snapshot(&mut self) {
        if let Some(mut kept) = self.snapshots.take() {
            kept.push(SimulatedMedium { state: Arc::new(Mutex::new(self.clone())) });
            self.snapshots = Some(kept);
        }
    }

    fn used(&self) -> u64 {
        self.names.values().filter_map(|id| self.files.get(id)).map(|contents| contents.now.octets()).sum()
    }

    /// Is there room for `contents` to grow to `octets`?
    fn room(&self, id: u64, octets: u64) -> Result<(), Error> {
        let now = self.files.get(&id).map_or(0, |contents| contents.now.octets());
        let more = octets.saturating_sub(now);
        if more > 0 && self.used().saturating_add(more) > self.capacity { Err(Error::Full) } else { Ok(()) }
    }

    fn change(&mut self, id: u64, change: Change) {
        if let Some(contents) = self.files.get_mut(&id) {
            let contents = Arc::make_mut(contents);
            change.apply(&mut contents.now);
            contents.unsynced.push(change);
        }
    }

    fn rename(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.renaming.push(change);
    }

    fn cut_power(&mut self, fate: Fate, choice: &mut Choice) {
        let kept = match fate {
            Fate::Lost => 0,
            Fate::Kept | Fate::Killed => self.renaming.len(),
            Fate::Torn => choice.below(self.renaming.len().saturating_add(1)),
        };
        for change in self.renaming.drain(..).take(kept) {
            change.apply(&mut self.durable_names);
        }
        self.names = self.durable_names.clone();
        self.files.retain(|id, _| self.names.values().any(|named| named == id));
        for contents in self.files.values_mut() {
            if contents.unsynced.is_empty() {
                continue;
            }
            let contents = Arc::make_mut(contents);
            match fate {
                Fate::Lost => {}
                Fate::Kept | Fate::Killed => contents.durable = contents.now.clone(),
                Fate::Torn => contents.tear(choice),
            }
            contents.unsynced.clear();
            contents.now = contents.durable.clone();
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Made(name, id) => {
                names.insert(name.clone(), *id);
            }
            Self::Removed(name) => {
                names.remove(name);
            }
            Self::Renamed(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
        }
    }
}

impl Change {
    fn apply(&self, pages: &mut Pages) {
        match self {
            Self::Write(offset, octets) => pages.write(*offset, octets),
            Self::Length(octets) => pages.set_octets(*octets),
        }
    }
}

impl Contents {
    fn tear(&mut self, choice: &mut Choice) {
        let mut changes = core::mem::take(&mut self.unsynced);
        // Half of the time the card writes in its own order.
        if choice.below(2) == 0 {
            for last in (1..changes.len()).rev() {
                changes.swap(last, choice.below(last.saturating_add(1)));
            }
        }
        for change in &changes {
            match (choice.below(4), change) {
                (0, _) => {}
                (1, _) | (_, Change::Length(_)) => change.apply(&mut self.durable),
                (_, Change::Write(offset, octets)) => {
                    let mut at = *offset;
                    for sector in octets.chunks(SECTOR_OCTETS) {
                        match choice.below(16) {
                            0..8 => self.durable.write(at, sector),
                            // A sector that lost power while it was written.
                            8 => self.durable.write(at, &choice.garbage(sector.len())),
                            _ => {}
                        }
                        at = at.saturating_add(u64::try_from(sector.len()).unwrap_or(u64::MAX));
                    }
                }
            }
        }
    }
}

/// Choices that a seed makes (SplitMix64).
struct Choice(u64);

impl Choice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(1);
        usize::try_from(self.next().checked_rem(limit).unwrap_or(0)).unwrap_or(0)
    }

    fn garbage(&mut self, octets: usize) -> Vec<u8> {
        core::iter::repeat_with(|| self.next().to_le_bytes()).flatten().take(octets).collect()
    }
}

impl Medium for SimulatedMedium {
    fn list(&self) -> Result<Vec<String>, Error> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> Result<Option<Box<dyn MediumFile>>, Error> {
        let id = self.state().names.get(name).copied();
        Ok(id.map(|id| -> Box<dyn MediumFile> {
            Box::new(SimulatedFile { medium: self.clone(), id, name: name.to_owned() })
        }))
    }

    fn create(&self, name: &str) -> Result<Box<dyn MediumFile>, Error> {
        let mut state = self.state();
        state.step(Step::Other, 0)?;
        let id = state.new_file(Contents::default());
        state.rename(NameChange::Made(name.to_owned(), id));
        drop(state);
        Ok(Box::new(SimulatedFile { medium: self.clone(), id, name: name.to_owned() }))
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let mut state = self.state();
        state.step(Step::Other, 0)?;
        state.rename(NameChange::Removed(name.to_owned()));
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        let mut state = self.state();
        state.step(Step::Other, 0)?;
        if !state.names.contains_key(from) {
            return Err(Error::Medium(format!("cannot rename {from}: it is not there")));
        }
        state.rename(NameChange::Renamed(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn sync_directory(&self) -> Result<(), Error> {
        let mut state = self.state();
        state.step(Step::Other, 0)?;
        state.counts.directory_syncs = state.counts.directory_syncs.saturating_add(1);
        state.renaming.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn free_octets(&self) -> Result<u64, Error> {
        let state = self.state();
        Ok(state.capacity.saturating_sub(state.used()))
    }

    fn lock(&self) -> Result<Box<dyn MediumLock>, Error> {
        let mut state = self.state();
        if state.locked {
            return Err(Error::Locked("the simulated medium".to_owned()));
        }
        state.locked = true;
        Ok(Box::new(SimulatedLock { medium: self.clone() }))
    }
}

#[derive(Debug)]
struct SimulatedLock {
    medium: SimulatedMedium,
}

impl MediumLock for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        self.medium.state().locked = false;
    }
}

struct SimulatedFile {
    medium: SimulatedMedium,
    id: u64,
    name: String,
}

impl fmt::Debug for SimulatedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl MediumFile for SimulatedFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, Error> {
        let mut state = self.medium.state();
        let read = state.files.get(&self.id).map_or(0, |contents| contents.now.read(offset, into));
        state.counts.reads = state.counts.reads.saturating_add(1);
        state.counts.octets_read = state.counts.octets_read.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }

    fn write_at(&self, offset: u64, octets: &[u8]) -> Result<(), Error> {
        let mut state = self.medium.state();
        let end = offset.saturating_add(u64::try_from(octets.len()).unwrap_or(u64::MAX));
        state.room(self.id, end)?;
        let outcome = state.step(Step::Write, octets.len());
        // A write that failed may have been written all the same.
        state.change(self.id, Change::Write(offset, octets.into()));
        outcome
    }

    fn sync_data(&self) -> Result<(), Error> {
        let mut state = self.medium.state();
        state.step(Step::Sync, 0)?;
        if let Some(contents) = state.files.get_mut(&self.id) {
            let contents = Arc::make_mut(contents);
            contents.unsynced.clear();
            contents.durable = contents.now.clone();
        }
        Ok(())
    }

    fn octets(&self) -> Result<u64, Error> {
        Ok(self.medium.state().files.get(&self.id).map_or(0, |contents| contents.now.octets()))
    }

    fn set_octets(&self, octets: u64) -> Result<(), Error> {
        let mut state = self.medium.state();
        state.room(self.id, octets)?;
        state.step(Step::Other, 0)?;
        state.change(self.id, Change::Length(octets));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_synced_survives_whatever_the_fate() {
        let medium = SimulatedMedium::new();
        let file = medium.create("a").unwrap();
        file.write_at(0, &[1; 8192]).unwrap();
        file.sync_data().unwrap();
        medium.sync_directory().unwrap();
        file.write_at(4096, &[2; 4096]).unwrap();
        for (seed, fate) in [Fate::Lost, Fate::Kept, Fate::Torn, Fate::Killed].into_iter().cycle().take(40).enumerate()
        {
            let after = medium.reboot(fate, seed.try_into().unwrap()).octets_of("a").unwrap();
            let (first, second) = after.split_at(4096);
            assert!(first.iter().all(|&octet| octet == 1));
            match fate {
                Fate::Lost => assert!(second.iter().all(|&octet| octet == 1)),
                Fate::Kept | Fate::Killed => assert!(second.iter().all(|&octet| octet == 2)),
                Fate::Torn => {}
            }
        }
        let killed = medium.reboot(Fate::Killed, 0).reboot(Fate::Lost, 0).octets_of("a").unwrap();
        assert!(killed.iter().all(|&octet| octet == 1));
    }

    #[test]
    fn names_that_were_not_synced_are_lost() {
        let medium = SimulatedMedium::new();
        medium.create("a").unwrap();
        medium.sync_directory().unwrap();
        medium.rename("a", "b").unwrap();
        assert!(medium.reboot(Fate::Lost, 0).open("a").unwrap().is_some());
        assert!(medium.reboot(Fate::Kept, 0).open("a").unwrap().is_none());
    }

    #[test]
    fn it_stops_fails_and_fills_up() {
        let medium = SimulatedMedium::new();
        let file = medium.create("a").unwrap();
        medium.fail_write_after(1, Error::Full);
        file.write_at(0, &[1]).unwrap();
        assert_eq!(file.write_at(0, &[1]), Err(Error::Full));
        file.write_at(0, &[1]).unwrap();
        medium.set_capacity(10);
        assert_eq!(file.write_at(0, &[1; 11]), Err(Error::Full));
        assert_eq!(medium.free_octets(), Ok(9));
        medium.stop_after(1);
        file.sync_data().unwrap();
        assert!(file.write_at(0, &[1]).is_err() && file.sync_data().is_err());
        assert_eq!(medium.counts().syncs, 2);
    }
}
