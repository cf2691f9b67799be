//! Pages of the index file in memory: a fixed number of frames, second chance.
//!
//! Owns the file and the frames. A changed page may be written to its place at any time, because the durable
//! checkpoint never refers to a place that is written. What bounds its memory: the number of frames, given by its
//! owner, who may lower it at any time. Which pages may be changed is left to [`super::pager`].

use super::super::Error;
use super::super::medium::MediumFile;
use super::page::{Kind, PAGE_OCTETS, Page};
use std::collections::HashMap;

/// What one page in memory costs: the page, its frame, its place in the map with the map's spare room.
pub const FRAME_OCTETS: usize = PAGE_OCTETS + 96;
const PAGE_OCTETS_U64: u64 = 4096;
const _: () = assert!(PAGE_OCTETS == 4096);
/// Fewer frames than this make no sense: a path through the tree and its neighbours.
pub const FRAMES_MIN: usize = 8;

/// Frames beyond the allowed ones while no page can be written: 256 KiB, so that a full card can be read and deleted from.
const FRAMES_SPARE: usize = 64;

#[derive(Debug)]
struct Frame {
    /// Zero: empty. The header slots are never cached, so no page has this number.
    number: u32,
    page: Page,
    dirty: bool,
    used: bool,
}

/// The cache.
#[derive(Debug)]
pub struct Cache {
    file: Box<dyn MediumFile>,
    frames: Vec<Frame>,
    map: HashMap<u32, usize>,
    hand: usize,
    frames_max: usize,
    dirty: usize,
    hits: u64,
    misses: u64,
    written: u64,
    /// The first page that was not what it should be.
    damage: Option<Error>,
    /// There is no checkpoint any more because of it.
    wiped: bool,
}

/// Counters of a cache.
#[derive(Clone, Copy, Debug)]
pub struct CacheFigures {
    /// Frames that it may have.
    pub frames_max: usize,
    /// Pages in it.
    pub pages: usize,
    /// Pages in it that the file does not have yet.
    pub dirty: usize,
    /// Pages that were there.
    pub hits: u64,
    /// Pages that had to be read.
    pub misses: u64,
    /// Pages written.
    pub written: u64,
}

impl Cache {
    /// An empty cache over a file.
    #[must_use]
    pub fn new(file: Box<dyn MediumFile>, frames_max: usize) -> Self {
        Self {
            file,
            frames: Vec::new(),
            map: HashMap::new(),
            hand: 0,
            frames_max: frames_max.max(FRAMES_MIN),
            dirty: 0,
            hits: 0,
            misses: 0,
            written: 0,
            damage: None,
            wiped: false,
        }
    }

    /// The first damage that was found since the cache was cleared.
    #[must_use]
    pub fn damage(&self) -> Option<&Error> {
        self.damage.as_ref()
    }

    /// Takes the last checkpoint back, durably: whoever opens the file next finds none.
    ///
    /// # Errors
    /// If the medium fails.
    pub fn wipe(&self) -> Result<(), Error> {
        self.file.write_at(0, &[0; 2 * PAGE_OCTETS])?;
        self.file.sync_data()
    }

    /// Was the last checkpoint taken back because of damage?
    #[must_use]
    pub fn is_wiped(&self) -> bool {
        self.wiped
    }

    /// The file, for what is not a page of the tree.
    #[must_use]
    pub fn file(&self) -> &dyn MediumFile {
        self.file.as_ref()
    }

    /// Its counters.
    #[must_use]
    pub fn figures(&self) -> CacheFigures {
        CacheFigures {
            frames_max: self.frames_max,
            pages: self.map.len(),
            dirty: self.dirty,
            hits: self.hits,
            misses: self.misses,
            written: self.written,
        }
    }

    /// Drops everything, written or not.
    pub fn clear(&mut self) {
        self.frames = Vec::new();
        self.map = HashMap::new();
        self.hand = 0;
        self.dirty = 0;
        self.damage = None;
        self.wiped = false;
    }

    /// Changes the number of frames. `generation` is what pages that must be written for it belong to.
    ///
    /// # Errors
    /// If the medium fails.
    pub fn set_frames_max(&mut self, frames_max: usize, generation: u32) -> Result<(), Error> {
        self.frames_max = frames_max.max(FRAMES_MIN);
        while self.frames.len() > self.frames_max {
            let last = self.frames.len() - 1;
            self.clean(last, generation)?;
            if let Some(frame) = self.frames.pop() {
                self.map.remove(&frame.number);
            }
        }
        Ok(())
    }

    /// A page to read.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the file does not have it, or if the medium fails.
    pub fn read(&mut self, number: u32, generation: u32) -> Result<&Page, Error> {
        let frame = self.frame_of(number, generation)?;
        self.frames.get(frame).map(|frame| &frame.page).ok_or_else(lost)
    }

    /// A page to change.
    ///
    /// # Errors
    /// As [`Cache::read`].
    pub fn write(&mut self, number: u32, generation: u32) -> Result<&mut Page, Error> {
        let frame = self.frame_of(number, generation)?;
        let may_change = self.may_change();
        let frame = self.frames.get_mut(frame).ok_or_else(lost)?;
        if !frame.dirty {
            may_change?;
            frame.dirty = true;
            self.dirty += 1;
        }
        Ok(&mut frame.page)
    }

    /// A new, empty page.
    ///
    /// # Errors
    /// If the medium fails to take the page that must make room.
    pub fn create(&mut self, number: u32, kind: Kind, generation: u32) -> Result<&mut Page, Error> {
        self.discard(number);
        self.may_change()?;
        let index = self.vacate(generation)?;
        let frame = self.frames.get_mut(index).ok_or_else(lost)?;
        frame.page.clear(kind, number);
        (frame.number, frame.dirty, frame.used) = (number, true, true);
        self.dirty += 1;
        self.map.insert(number, index);
        Ok(&mut frame.page)
    }

    /// The page `from`, which is not changed, becomes the changed page `to`.
    ///
    /// # Errors
    /// As [`Cache::read`].
    pub fn rename(&mut self, from: u32, to: u32, generation: u32) -> Result<(), Error> {
        self.discard(to);
        let index = self.frame_of(from, generation)?;
        self.may_change()?;
        let frame = self.frames.get_mut(index).ok_or_else(lost)?;
        self.map.remove(&from);
        self.map.insert(to, index);
        frame.page.set_number(to);
        frame.number = to;
        if !frame.dirty {
            frame.dirty = true;
            self.dirty += 1;
        }
        Ok(())
    }

    /// The page is not needed any more, whatever was written to it.
    pub fn discard(&mut self, number: u32) {
        if let Some(frame) = self.map.remove(&number).and_then(|index| self.frames.get_mut(index)) {
            self.dirty -= usize::from(frame.dirty);
            (frame.number, frame.dirty, frame.used) = (0, false, false);
        }
    }

    /// Writes all changed pages to their places, in the file's order, without sync.
    ///
    /// # Errors
    /// If the medium fails; what is not written stays changed.
    pub fn flush(&mut self, generation: u32) -> Result<(), Error> {
        let dirty = self.frames.iter().enumerate().filter(|(_, frame)| frame.dirty);
        let mut order: Vec<(u32, usize)> = dirty.map(|(index, frame)| (frame.number, index)).collect();
        order.sort_unstable();
        for (_, index) in order {
            self.clean(index, generation)?;
        }
        Ok(())
    }

    /// The frame that holds a page, loaded if need be.
    fn frame_of(&mut self, number: u32, generation: u32) -> Result<usize, Error> {
        if let Some(&index) = self.map.get(&number) {
            self.hits += 1;
            if let Some(frame) = self.frames.get_mut(index) {
                frame.used = true;
            }
            return Ok(index);
        }
        if number < 2 {
            return Err(Error::Damaged(format!("index page {number} is no page of the tree")));
        }
        self.misses += 1;
        let index = self.vacate(generation)?;
        let frame = self.frames.get_mut(index).ok_or_else(lost)?;
        let read = self.file.read_exact_at(place(number), frame.page.octets_mut());
        if let Err(error) = read.and_then(|()| frame.page.check(number, generation)) {
            if matches!(error, Error::Damaged(_)) && self.damage.is_none() {
                self.damage = Some(error.clone());
                log::error!("store: the index will be made anew at the next start: {error}");
                // At once: who knows how this run ends. If it fails, the next try for a checkpoint does it again.
                match self.wipe() {
                    Ok(()) => self.wiped = true,
                    Err(error) => log::error!("store: {error}"),
                }
            }
            return Err(error);
        }
        (frame.number, frame.used) = (number, true);
        self.map.insert(number, index);
        Ok(index)
    }

    /// May one more page be changed? While none can be written, some frames are left to read with.
    fn may_change(&self) -> Result<(), Error> {
        let most = self.frames_max.saturating_add(FRAMES_SPARE - FRAMES_MIN);
        if self.dirty < most { Ok(()) } else { Err(Error::Full) }
    }

    /// Makes an empty frame.
    fn vacate(&mut self, generation: u32) -> Result<usize, Error> {
        if self.frames.len() < self.frames_max {
            self.frames.push(Frame { number: 0, page: Page::blank(), dirty: false, used: false });
            return Ok(self.frames.len() - 1);
        }
        // Frames that cannot be written now.
        let mut kept = 0;
        loop {
            let index = self.hand;
            self.hand = if index + 1 < self.frames.len() { index + 1 } else { 0 };
            let frame = self.frames.get_mut(index).ok_or_else(lost)?;
            if frame.number != 0 && frame.used {
                frame.used = false;
                continue;
            }
            let number = frame.number;
            match self.clean(index, generation) {
                // The card is full: another page may be in the file already.
                Err(Error::Full) if kept < self.frames.len() => {
                    kept += 1;
                    continue;
                }
                Err(Error::Full) if self.frames.len() < self.frames_max.saturating_add(FRAMES_SPARE) => {
                    self.frames.push(Frame { number: 0, page: Page::blank(), dirty: false, used: false });
                    return Ok(self.frames.len() - 1);
                }
                cleaned => cleaned?,
            }
            self.map.remove(&number);
            if let Some(frame) = self.frames.get_mut(index) {
                frame.number = 0;
            }
            return Ok(index);
        }
    }

    /// Writes a frame's page if the file does not have it.
    fn clean(&mut self, index: usize, generation: u32) -> Result<(), Error> {
        if let Some(frame) = self.frames.get_mut(index).filter(|frame| frame.dirty) {
            frame.page.seal(generation);
            self.file.write_at(place(frame.number), frame.page.octets())?;
            frame.dirty = false;
            self.dirty -= 1;
            self.written += 1;
        }
        Ok(())
    }
}

/// Where a page begins in the file.
#[must_use]
pub fn place(number: u32) -> u64 {
    u64::from(number) * PAGE_OCTETS_U64
}

fn lost() -> Error {
    Error::Damaged("index cache: a frame is missing".to_owned())
}
