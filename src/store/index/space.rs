//! Which pages of the index file are in use: now, and by the last durable checkpoint.
//!
//! A page that the durable checkpoint uses is never written; one that only the present uses may be changed in place;
//! one that neither uses may be given away. Owns two bits a page of the file: 64 KiB for each GiB of index, taken out
//! of the cache's share. The bits' place in the file is left to [`super::pager`].

use super::super::Error;

/// Pages that an index may have: 4 GiB, about 20 million messages.
pub const INDEX_PAGES_MAX: u32 = 1 << 20;
/// Pages by which the file grows.
const GROWTH: u32 = 256;
/// Free pages at the end of the file that are worth giving back: 16 MiB.
const SHRINKAGE_MIN: u32 = 4_096;
/// The two header slots are in use for ever.
const HEADERS: u64 = 0b11;

/// The bits.
#[derive(Clone, Debug)]
pub struct Space {
    now: Vec<u64>,
    durable: Vec<u64>,
    pages: u32,
    used: u32,
    /// Below this word nothing is free.
    first_free: usize,
}

impl Space {
    /// Nothing is in use in a file of no length.
    #[must_use]
    pub fn empty() -> Self {
        let mut space = Self { now: Vec::new(), durable: Vec::new(), pages: 0, used: 0, first_free: 0 };
        space.set_pages(GROWTH);
        if let (Some(now), Some(durable)) = (space.now.first_mut(), space.durable.first_mut()) {
            *now = HEADERS;
            *durable = HEADERS;
        }
        space.used = 2;
        space
    }

    /// As a checkpoint has it: `octets` are its bitmap for `pages` pages.
    ///
    /// # Errors
    /// [`Error::Damaged`] if that cannot be.
    pub fn restore(octets: &[u8], pages: u32) -> Result<Self, Error> {
        let words: Vec<u64> = octets.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let wanted = words_for(pages);
        let headers = words.first().copied().unwrap_or(0) & HEADERS;
        if pages > INDEX_PAGES_MAX
            || pages == 0
            || !pages.is_multiple_of(64)
            || words.len() < wanted
            || headers != HEADERS
        {
            return Err(Error::Damaged("index bitmap".to_owned()));
        }
        let now: Vec<u64> = words.into_iter().take(wanted).collect();
        let used = now.iter().map(|word| word.count_ones()).sum();
        Ok(Self { durable: now.clone(), now, pages, used, first_free: 0 })
    }

    /// Pages of the file.
    #[must_use]
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// Pages in use now, headers included.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.used
    }

    /// Octets of both bitmaps in memory.
    #[must_use]
    pub fn octets(&self) -> usize {
        (self.now.len() + self.durable.len()) * 8
    }

    /// Octets of one bitmap in the file.
    #[must_use]
    pub fn bitmap_octets(&self) -> usize {
        self.now.len() * 8
    }

    /// The bitmap as the file has it.
    pub fn bitmap(&self) -> impl Iterator<Item = u8> + '_ {
        self.now.iter().flat_map(|word| word.to_le_bytes())
    }

    /// Does the durable checkpoint use this page?
    #[must_use]
    pub fn is_durable(&self, page: u32) -> bool {
        bit(&self.durable, page)
    }

    /// Is this page in use now?
    #[must_use]
    pub fn is_used(&self, page: u32) -> bool {
        bit(&self.now, page)
    }

    /// Lengthens the file on paper until so many pages are free.
    ///
    /// # Errors
    /// [`Error::Full`] if the index would have more than [`INDEX_PAGES_MAX`] pages.
    pub fn reserve(&mut self, wanted: u32) -> Result<(), Error> {
        loop {
            let mut free = 0_u32;
            for (now, durable) in self.now.iter().zip(&self.durable).skip(self.first_free) {
                free = free.saturating_add((now | durable).count_zeros());
                if free >= wanted {
                    return Ok(());
                }
            }
            if self.pages >= INDEX_PAGES_MAX {
                return Err(Error::Full);
            }
            self.set_pages(self.pages + GROWTH);
        }
    }

    /// Gives a free page away; the file must have [`Space::pages`] pages then.
    ///
    /// # Errors
    /// [`Error::Full`] if the index has [`INDEX_PAGES_MAX`] pages.
    pub fn allocate(&mut self) -> Result<u32, Error> {
        loop {
            let from = self.first_free;
            let free =
                self.now.iter().zip(&self.durable).skip(from).position(|(now, durable)| now | durable != u64::MAX);
            let Some(free) = free else {
                self.first_free = self.now.len();
                if self.pages >= INDEX_PAGES_MAX {
                    return Err(Error::Full);
                }
                self.set_pages(self.pages + GROWTH);
                continue;
            };
            self.first_free = from + free;
            let durable = self.durable.get(self.first_free).copied().unwrap_or(0);
            if let Some(now) = self.now.get_mut(self.first_free) {
                let place = (*now | durable).trailing_ones();
                *now |= 1 << place;
                self.used += 1;
                return Ok(u32::try_from(self.first_free).unwrap_or(u32::MAX) * 64 + place);
            }
        }
    }

    /// A page is no longer used now. If the durable checkpoint uses it, it is given away only after the next one.
    pub fn free(&mut self, page: u32) {
        let word = word_of(page);
        if let Some(now) = self.now.get_mut(word).filter(|now| **now & mask(page) != 0) {
            *now &= !mask(page);
            self.used -= 1;
            self.first_free = self.first_free.min(word);
        }
    }

    /// What is in use now is durable.
    pub fn settle(&mut self) {
        self.durable.clone_from(&self.now);
        self.first_free = 0;
    }

    /// Forgets free pages at the end if they are many. False if they are not.
    pub fn shrink(&mut self) -> bool {
        let words = self.now.iter().zip(&self.durable).rposition(|(now, durable)| now | durable != 0);
        let last = u32::try_from(words.map_or(0, |word| word * 64 + 64)).unwrap_or(u32::MAX);
        let pages = last.next_multiple_of(GROWTH);
        let many = self.pages.saturating_sub(pages) >= SHRINKAGE_MIN;
        if many {
            self.set_pages(pages);
            self.first_free = 0;
        }
        many
    }

    fn set_pages(&mut self, pages: u32) {
        self.pages = pages;
        self.now.resize(words_for(pages), 0);
        self.durable.resize(words_for(pages), 0);
        self.now.shrink_to_fit();
        self.durable.shrink_to_fit();
    }
}

fn words_for(pages: u32) -> usize {
    usize::try_from(pages.div_ceil(64)).unwrap_or(usize::MAX)
}

fn word_of(page: u32) -> usize {
    usize::try_from(page / 64).unwrap_or(usize::MAX)
}

fn mask(page: u32) -> u64 {
    1 << (page % 64)
}

fn bit(words: &[u64], page: u32) -> bool {
    words.get(word_of(page)).is_some_and(|word| word & mask(page) != 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_durable_is_not_given_away() {
        let mut space = Space::empty();
        let first = space.allocate().unwrap();
        let second = space.allocate().unwrap();
        assert_eq!((first, second), (2, 3));
        space.settle();
        space.free(first);
        assert_eq!(space.allocate().unwrap(), 4);
        space.settle();
        assert_eq!(space.allocate().unwrap(), first);
        space.free(first);
        assert_eq!(space.allocate().unwrap(), first, "a page of the present alone may be used again at once");
        assert_eq!(space.used(), 5);
    }

    #[test]
    fn the_bitmap_comes_back() {
        let mut space = Space::empty();
        let pages: Vec<u32> = (0..1000).map(|_| space.allocate().unwrap()).collect();
        assert_eq!(pages, (2..1002).collect::<Vec<_>>());
        space.free(500);
        let octets: Vec<u8> = space.bitmap().collect();
        let mut again = Space::restore(&octets, space.pages()).unwrap();
        assert_eq!((again.used(), again.pages()), (space.used(), space.pages()));
        assert!(again.is_durable(499) && !again.is_durable(500));
        assert_eq!(again.allocate().unwrap(), 500);
        assert!(Space::restore(&octets, space.pages() + 256).is_err());
        assert!(Space::restore(&[0; 64], 256).is_err());
    }
}
