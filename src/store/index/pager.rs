//! Pages as the tree sees them: read, changed by copying when a checkpoint holds them, given away and given back.
//!
//! Owns the cache, the page bitmaps and the generation that pages are written for. After a crash at any write the file
//! holds the last checkpoint whole: its pages are never written, and its header is replaced only by the next but one.
//! What bounds its memory: `cache_octets`, of which the bitmaps take their part first.

use super::super::Error;
use super::super::medium::MediumFile;
use super::cache::{Cache, CacheFigures, FRAME_OCTETS, place};
use super::header::{Header, Slot};
use super::page::{BODY_OCTETS, Kind, PAGE_OCTETS, Page};
use super::space::Space;
use super::{Counters, Covered};

/// The pages.
#[derive(Debug)]
pub struct Pager {
    cache: Cache,
    space: Space,
    /// The checkpoint that is being prepared.
    generation: u32,
    /// Where the durable bitmap is.
    bitmaps: heapless::Vec<u32, { super::header::BITMAPS_MAX }>,
    cache_octets: usize,
    /// Pages that the file has.
    file_pages: u32,
}

/// What a file holds.
#[derive(Debug)]
// One of these exists, while a file is opened.
#[allow(clippy::large_enum_variant)]
pub enum Found {
    /// No checkpoint was ever made.
    Fresh,
    /// A checkpoint.
    Checkpoint(Header),
    /// Neither, and why.
    Unusable(String),
}

impl Pager {
    /// Opens a file. If it holds no checkpoint, the pager is as over an empty file; then, if it is
    /// [`Found::Unusable`], [`Pager::reset`] must come before the first page is written.
    ///
    /// # Errors
    /// If the medium fails.
    pub fn open(file: Box<dyn MediumFile>, cache_octets: usize) -> Result<(Self, Found), Error> {
        let octets = file.octets()?;
        let file_pages = u32::try_from(octets / place(1)).unwrap_or(u32::MAX);
        let mut pager = Self {
            cache: Cache::new(file, cache_octets / FRAME_OCTETS),
            space: Space::empty(),
            generation: 1,
            bitmaps: heapless::Vec::new(),
            cache_octets,
            file_pages,
        };
        let found = pager.newest(octets)?;
        if let Found::Checkpoint(header) = &found {
            match pager.restore(header) {
                Ok(()) => {}
                Err(Error::Damaged(what)) => return Ok((pager, Found::Unusable(what))),
                Err(error) => return Err(error),
            }
        }
        pager.share_cache()?;
        Ok((pager, found))
    }

    /// The newest checkpoint's header.
    fn newest(&self, octets: u64) -> Result<Found, Error> {
        let mut invalid = None;
        let mut newest: Option<Header> = None;
        for slot in 0..2 {
            let mut block = [0; PAGE_OCTETS];
            if place(slot) < octets {
                self.cache.file().read_at(place(slot), &mut block)?;
            }
            match Header::decode(&block) {
                Slot::Vacant => {}
                Slot::Invalid(why) => invalid = Some(format!("index header {slot}: {why}")),
                Slot::Valid(header) => {
                    if newest.as_ref().is_none_or(|newest| newest.generation < header.generation) {
                        newest = Some(header);
                    }
                }
            }
        }
        Ok(match (newest, invalid) {
            (Some(header), _) => Found::Checkpoint(header),
            (None, Some(why)) => Found::Unusable(why),
            (None, None) => Found::Fresh,
        })
    }

    /// Takes a checkpoint's bitmap in.
    fn restore(&mut self, header: &Header) -> Result<(), Error> {
        let mut octets = Vec::new();
        let mut page = Page::blank();
        for &number in &header.bitmaps {
            self.cache.file().read_exact_at(place(number), page.octets_mut())?;
            page.check(number, header.generation)?;
            octets.extend_from_slice(page.body());
        }
        let space = Space::restore(&octets, header.pages)?;
        let generation =
            header.generation.checked_add(1).ok_or_else(|| Error::Damaged("index generation".to_owned()))?;
        if header.root != 0 && !space.is_used(header.root) {
            return Err(Error::Damaged("index root".to_owned()));
        }
        self.space = space;
        self.generation = generation;
        self.bitmaps = header.bitmaps.clone();
        Ok(())
    }

    /// Forgets everything: first durably that there was a checkpoint, so that none can come back over pages that
    /// are written from now on.
    ///
    /// # Errors
    /// If the medium fails.
    pub fn reset(&mut self) -> Result<(), Error> {
        self.wipe()?;
        // What lies behind is given back to the medium.
        let file = self.cache.file();
        file.set_octets(place(2))?;
        file.sync_data()?;
        self.file_pages = 2;
        self.cache.clear();
        self.space = Space::empty();
        self.bitmaps.clear();
        self.generation = 1;
        self.share_cache()
    }

    /// Takes the last checkpoint back, durably: whoever opens the file next finds none.
    ///
    /// # Errors
    /// If the medium fails.
    pub fn wipe(&self) -> Result<(), Error> {
        self.cache.wipe()
    }

    /// Was that done when a damaged page was met?
    #[must_use]
    pub fn is_wiped(&self) -> bool {
        self.cache.is_wiped()
    }

    /// The first damaged page that was met.
    #[must_use]
    pub fn damage(&self) -> Option<&Error> {
        self.cache.damage()
    }

    /// Writes changed pages and the bitmap to their places, which the last checkpoint does not use.
    ///
    /// # Errors
    /// If the medium fails; what is not written stays changed, and another try may be made.
    pub fn write_out(&mut self) -> Result<(), Error> {
        // Those of the last checkpoint, or of a try that failed.
        for page in core::mem::take(&mut self.bitmaps) {
            self.space.free(page);
        }
        // Each page for the bitmap is itself in the bitmap, and may make it longer.
        while self.bitmaps.len() * BODY_OCTETS < self.space.bitmap_octets() {
            let page = self.allocate()?;
            self.bitmaps.push(page).map_err(|_| Error::OverLimit("index bitmap"))?;
        }
        self.cache.flush(self.generation)?;
        let mut octets = self.space.bitmap();
        for &number in &self.bitmaps {
            let mut page = Page::empty(Kind::Bitmap, number);
            for (place, octet) in page.body_mut().iter_mut().zip(&mut octets) {
                *place = octet;
            }
            page.seal(self.generation);
            self.cache.file().write_at(place(number), page.octets())?;
        }
        Ok(())
    }

    /// Makes what was written out durable under the root `root`.
    ///
    /// # Errors
    /// If the medium fails. Nothing may be written any more then: the file may hold the new checkpoint or the last one.
    pub fn commit(&mut self, root: u32, entries: u64, covered: Covered, counters: Counters) -> Result<(), Error> {
        let (generation, pages, bitmaps) = (self.generation, self.space.pages(), self.bitmaps.clone());
        let header = Header { generation, root, pages, entries, covered, counters, bitmaps };
        let file = self.cache.file();
        file.sync_data()?;
        file.write_at(place(generation % 2), &header.encode()?)?;
        file.sync_data()?;
        self.space.settle();
        self.generation = generation.checked_add(1).ok_or(Error::OverLimit("index checkpoints"))?;
        self.give_back()
    }

    /// Cuts off the file's end if much of it is free. A header that still counts these pages does no harm: none of
    /// them is in use, and the file grows again when one is.
    fn give_back(&mut self) -> Result<(), Error> {
        if self.space.shrink() {
            self.cache.file().set_octets(place(self.space.pages()))?;
            self.file_pages = self.space.pages();
            self.share_cache()?;
        }
        Ok(())
    }

    /// A page to read.
    ///
    /// # Errors
    /// If it is damaged or the medium fails.
    pub fn read(&mut self, number: u32) -> Result<&Page, Error> {
        self.cache.read(number, self.generation)
    }

    /// A page to change in place: one that [`Pager::own`] or [`Pager::create`] gave since the last checkpoint.
    ///
    /// # Errors
    /// If it is damaged or the medium fails.
    pub fn write(&mut self, number: u32) -> Result<&mut Page, Error> {
        if self.space.is_durable(number) || !self.space.is_used(number) {
            return Err(Error::Damaged(format!("index page {number} must not be changed")));
        }
        self.cache.write(number, self.generation)
    }

    /// Makes a page one that may be changed: if the checkpoint holds it, a copy takes its place. Gives its number now.
    ///
    /// # Errors
    /// If it is damaged, no page is free or the medium fails.
    pub fn own(&mut self, number: u32) -> Result<u32, Error> {
        if !self.space.is_durable(number) {
            return Ok(number);
        }
        let copy = self.allocate()?;
        if let Err(error) = self.cache.rename(number, copy, self.generation) {
            self.space.free(copy);
            return Err(error);
        }
        self.space.free(number);
        Ok(copy)
    }

    /// A new, empty page.
    ///
    /// # Errors
    /// If no page is free or the medium fails.
    pub fn create(&mut self, kind: Kind) -> Result<u32, Error> {
        let number = self.allocate()?;
        self.cache.create(number, kind, self.generation)?;
        Ok(number)
    }

    /// The tree does not use this page any more.
    pub fn free(&mut self, number: u32) {
        self.cache.discard(number);
        self.space.free(number);
    }

    /// Counters of the cache.
    #[must_use]
    pub fn cache_figures(&self) -> CacheFigures {
        self.cache.figures()
    }

    /// The page bitmaps.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Pages that hold the durable bitmap.
    #[cfg(test)]
    pub fn bitmap_pages(&self) -> &[u32] {
        &self.bitmaps
    }

    /// Takes room on the medium ahead, so that so many pages are free.
    ///
    /// # Errors
    /// [`Error::Full`] if there is no such room; nothing has changed then but the wish for it.
    pub fn reserve(&mut self, pages: u32) -> Result<(), Error> {
        let octets = self.space.octets();
        self.space.reserve(pages)?;
        self.grow()?;
        if self.space.octets() != octets {
            self.share_cache()?;
        }
        Ok(())
    }

    fn grow(&mut self) -> Result<(), Error> {
        if self.space.pages() > self.file_pages {
            self.cache.file().set_octets(place(self.space.pages()))?;
            self.file_pages = self.space.pages();
        }
        Ok(())
    }

    fn allocate(&mut self) -> Result<u32, Error> {
        let octets = self.space.octets();
        let number = self.space.allocate()?;
        match self.grow() {
            // What is taken in is in the log already and must not fail for want of room: the page stays in the cache,
            // which keeps what cannot be written, and the checkpoint waits until there is room.
            Ok(()) | Err(Error::Full) => {}
            Err(error) => {
                self.space.free(number);
                return Err(error);
            }
        }
        if self.space.octets() != octets {
            match self.share_cache() {
                Ok(()) | Err(Error::Full) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(number)
    }

    /// What the bitmaps take, the cache does not get.
    fn share_cache(&mut self) -> Result<(), Error> {
        let rest = self.cache_octets.saturating_sub(self.space.octets());
        self.cache.set_frames_max(rest / FRAME_OCTETS, self.generation)
    }
}
