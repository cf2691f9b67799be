//! A card in memory for tests: the partition with the slots and the boot partition, which count their steps, stop at a
//! given one, and forget or tear what was not synced.

use super::boot::{KernelSets, failed};
use super::device::{Blocks, Lock, SlotDevice};
use super::{Error, Prefix};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard};

const SECTOR: u64 = 512;
type Sector = [u8; 512];

/// What a power cut does to that which was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Lost,
    Kept,
    /// Each sector is lost, kept, or garbage.
    Torn,
}

#[derive(Clone, Default)]
struct State {
    sectors: BTreeMap<u64, Sector>,
    /// Before the last sync.
    durable: BTreeMap<u64, Sector>,
    /// Not synced, in the order of writing.
    unsynced: Vec<(u64, Sector)>,
    files: BTreeMap<String, Vec<u8>>,
    /// Files that may be there or not, whole or not.
    unsynced_files: BTreeMap<String, Option<Vec<u8>>>,
    /// `config.txt` before its last change was synced.
    old_config: Option<Vec<u8>>,
    steps: u64,
    stop_at: Option<u64>,
    fail_reads: bool,
    locked: Vec<Lock>,
}

/// The card. Clones are the same card; [`Card::reboot`] makes another one.
#[derive(Clone, Default)]
pub struct Card(Arc<Mutex<State>>);

/// Choices that a seed makes (SplitMix64).
pub struct Choices(pub u64);

impl Choices {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

impl Card {
    /// As the image has it: kernel set `os-a/`, nothing else.
    pub fn new() -> Self {
        let card = Self::default();
        let mut config = b"arm_64bit=1\nos_prefix=os-a/\n".to_vec();
        config.resize(512, b'\n');
        let mut state = card.state();
        state.files.insert("config.txt".to_owned(), config);
        for name in board::card::manifest::KERNEL_SET {
            state.files.insert(format!("os-a/{name}"), format!("factory {name}").into_bytes());
        }
        drop(state);
        card
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn device(&self) -> SlotDevice {
        SlotDevice::new(Box::new(self.clone()))
    }

    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Lets so many more steps through; then everything that changes something fails.
    pub fn stop_after(&self, steps: u64) {
        let mut state = self.state();
        state.stop_at = Some(state.steps + steps);
    }

    pub fn fail_reads(&self, fail: bool) {
        self.state().fail_reads = fail;
    }

    pub fn file(&self, name: &str) -> Option<Vec<u8>> {
        self.state().files.get(name).cloned()
    }

    pub fn put_file(&self, name: &str, octets: &[u8]) {
        self.state().files.insert(name.to_owned(), octets.to_vec());
    }

    /// Flips a bit that stays flipped.
    pub fn damage(&self, offset: u64) {
        let mut octet = [0];
        self.read_at(offset, &mut octet).unwrap();
        self.write_at(offset, &[octet[0] ^ 1]).unwrap();
        self.sync().unwrap();
    }

    /// The card as it is found after a power cut now.
    pub fn reboot(&self, fate: Fate, seed: u64) -> Self {
        let mut state = self.state().clone();
        let mut choices = Choices(seed);
        for (at, sector) in core::mem::take(&mut state.unsynced) {
            let found = match fate {
                Fate::Lost => None,
                Fate::Kept => Some(sector),
                Fate::Torn => match choices.below(8) {
                    0..4 => Some(sector),
                    4 => Some(core::array::from_fn(|_| choices.below(256).try_into().unwrap())),
                    _ => None,
                },
            };
            if let Some(sector) = found {
                state.durable.insert(at, sector);
            }
        }
        state.sectors = state.durable.clone();
        let mut changes = core::mem::take(&mut state.unsynced_files);
        for (name, before) in &mut changes {
            let now = state.files.get(name).cloned();
            let found = match fate {
                Fate::Lost => before.take(),
                Fate::Kept => now,
                Fate::Torn => match (choices.below(3), now) {
                    (0, now) => now,
                    (1, Some(mut now)) => {
                        let left = choices.below(now.len() as u64 + 1) as usize;
                        now.truncate(left);
                        Some(now)
                    }
                    _ => before.take(),
                },
            };
            match found {
                Some(octets) => state.files.insert(name.clone(), octets),
                None => state.files.remove(name),
            };
        }
        if let Some(config) = state.old_config.take() {
            // One sector: the old one or the new one.
            if fate == Fate::Lost || (fate == Fate::Torn && choices.below(2) == 0) {
                state.files.insert("config.txt".to_owned(), config);
            }
        }
        state.stop_at = None;
        state.steps = 0;
        state.locked.clear();
        Self(Arc::new(Mutex::new(state)))
    }
}

impl State {
    fn step(&mut self) -> io::Result<()> {
        self.steps += 1;
        if self.stop_at.is_some_and(|stop| self.steps > stop) {
            return Err(io::Error::other("the power is off"));
        }
        Ok(())
    }

    fn remember(&mut self, name: &str) {
        let before = self.files.get(name).cloned();
        self.unsynced_files.entry(name.to_owned()).or_insert(before);
    }
}

impl Blocks for Card {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        if state.fail_reads {
            return Err(io::Error::other("unreadable"));
        }
        let mut at = offset;
        let mut into = into;
        while !into.is_empty() {
            let begin = (at % SECTOR) as usize;
            let (piece, rest) = into.split_at_mut((512 - begin).min(into.len()));
            match state.sectors.get(&(at / SECTOR)) {
                Some(sector) => piece.copy_from_slice(&sector[begin..][..piece.len()]),
                None => piece.fill(0),
            }
            at += piece.len() as u64;
            into = rest;
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let outcome = state.step();
        // A write that was cut off may have happened all the same; one after the cut has not.
        if state.stop_at.is_some_and(|stop| state.steps > stop + 1) {
            return outcome;
        }
        let end = offset + octets.len() as u64;
        for at in offset / SECTOR..end.div_ceil(SECTOR) {
            let mut sector = state.sectors.get(&at).copied().unwrap_or([0; 512]);
            let begin = (at * SECTOR).max(offset);
            let stop = ((at + 1) * SECTOR).min(end);
            sector[(begin % SECTOR) as usize..][..(stop - begin) as usize]
                .copy_from_slice(&octets[(begin - offset) as usize..(stop - offset) as usize]);
            state.sectors.insert(at, sector);
            state.unsynced.push((at, sector));
        }
        outcome
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.unsynced.clear();
        state.durable = state.sectors.clone();
        Ok(())
    }

    fn lock(&self, lock: Lock) -> io::Result<bool> {
        let mut state = self.state();
        let free = !state.locked.contains(&lock);
        if free {
            state.locked.push(lock);
        }
        Ok(free)
    }

    fn unlock(&self, lock: Lock) {
        self.state().locked.retain(|&held| held != lock);
    }
}

impl KernelSets for Card {
    fn begin(&self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&self) {}

    fn config(&self) -> io::Result<Vec<u8>> {
        self.file("config.txt").ok_or(io::ErrorKind::NotFound.into())
    }

    fn set_config_octet(&self, offset: u64, octet: u8) -> io::Result<()> {
        let mut state = self.state();
        let old = state.files["config.txt"].clone();
        let mut new = old.clone();
        new[offset as usize] = octet;
        let cut = state.step();
        if cut.is_ok() || state.stop_at.is_some_and(|stop| state.steps == stop + 1) {
            state.files.insert("config.txt".to_owned(), new);
            state.old_config = Some(old);
        }
        cut?;
        state.step()?;
        state.old_config = None;
        Ok(())
    }

    fn clear(&self, prefix: Prefix) -> io::Result<()> {
        let mut state = self.state();
        let names: Vec<String> = state.files.keys().filter(|name| name.starts_with(prefix.as_str())).cloned().collect();
        for name in names {
            state.step()?;
            state.remember(&name);
            state.files.remove(&name);
        }
        state.step()?;
        state.unsynced_files.clear();
        Ok(())
    }

    fn free_octets(&self) -> io::Result<u64> {
        Ok(100 << 20)
    }

    fn create(
        &self,
        prefix: Prefix,
        name: &str,
        write: &mut dyn FnMut(&mut dyn Write) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let name = format!("{prefix}{name}");
        let mut file = SimulatedFile { card: self.clone(), name: name.clone() };
        {
            let mut state = self.state();
            state.step().map_err(failed("create"))?;
            state.remember(&name);
            assert!(state.files.insert(name, Vec::new()).is_none(), "never over something that is there");
        }
        write(&mut file)?;
        let mut state = self.state();
        state.step().map_err(failed("sync"))?;
        state.unsynced_files.clear();
        Ok(())
    }

    fn open(&self, prefix: Prefix, name: &str, read: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let octets = self.file(&format!("{prefix}{name}"));
        let octets = octets.ok_or(io::ErrorKind::NotFound.into()).map_err(failed("open"))?;
        octets.chunks(1000).try_for_each(read)
    }
}

struct SimulatedFile {
    card: Card,
    name: String,
}

impl Write for SimulatedFile {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut state = self.card.state();
        state.step()?;
        state.files.get_mut(&self.name).unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
