//! Octets of a simulated file, in pages that copies share.

use std::sync::Arc;

const PAGE_OCTETS: usize = 4096;

/// A sparse run of octets; copying it copies references.
#[derive(Clone, Default)]
pub(super) struct Pages {
    pages: Vec<Option<Arc<[u8; PAGE_OCTETS]>>>,
    octets: u64,
}

/// The page of an offset and the place in it.
fn place(offset: u64) -> (usize, usize) {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    (offset / PAGE_OCTETS, offset % PAGE_OCTETS)
}

impl Pages {
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    pub(super) fn set_octets(&mut self, octets: u64) {
        let (page, within) = place(octets);
        if octets < self.octets {
            // What is cut off must read as zeros when the file grows again.
            self.pages.truncate(if within == 0 { page } else { page.saturating_add(1) });
            if let Some(Some(last)) = self.pages.get_mut(page)
                && let Some(tail) = Arc::make_mut(last).get_mut(within..)
            {
                tail.fill(0);
            }
        }
        self.octets = octets;
    }

    pub(super) fn write(&mut self, offset: u64, mut octets: &[u8]) {
        let end = offset.saturating_add(u64::try_from(octets.len()).unwrap_or(u64::MAX));
        self.octets = self.octets.max(end);
        let (mut page, mut within) = place(offset);
        while !octets.is_empty() {
            let (now, rest) = octets.split_at(octets.len().min(PAGE_OCTETS.saturating_sub(within)));
            let zeros = now.iter().all(|&octet| octet == 0);
            if self.pages.len() <= page && !zeros {
                self.pages.resize(page.saturating_add(1), None);
            }
            if let Some(slot) = self.pages.get_mut(page)
                && !(zeros && slot.is_none())
            {
                let held = slot.get_or_insert_with(|| Arc::new([0; PAGE_OCTETS]));
                if let Some(into) = Arc::make_mut(held).get_mut(within..within.saturating_add(now.len())) {
                    into.copy_from_slice(now);
                }
            }
            octets = rest;
            page = page.saturating_add(1);
            within = 0;
        }
    }

    pub(super) fn read(&self, offset: u64, into: &mut [u8]) -> usize {
        let there = usize::try_from(self.octets.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = into.len().min(there);
        let (mut page, mut within) = place(offset);
        let mut read = 0_usize;
        while read < length {
            let now = length.saturating_sub(read).min(PAGE_OCTETS.saturating_sub(within));
            if let Some(slot) = into.get_mut(read..read.saturating_add(now)) {
                match self
                    .pages
                    .get(page)
                    .and_then(Option::as_ref)
                    .and_then(|held| held.get(within..within.saturating_add(now)))
                {
                    Some(octets) => slot.copy_from_slice(octets),
                    None => slot.fill(0),
                }
            }
            read = read.saturating_add(now);
            page = page.saturating_add(1);
            within = 0;
        }
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_behave_like_one_run_of_octets() {
        let mut pages = Pages::default();
        let mut plain = vec![0_u8; 20_000];
        for (offset, length, octet) in [(0, 10, 1), (4090, 20, 2), (8192, 8192, 3), (19_999, 1, 4), (100, 5000, 0)] {
            pages.write(u64::try_from(offset).unwrap_or(0), &vec![octet; length]);
            plain.iter_mut().skip(offset).take(length).for_each(|o| *o = octet);
        }
        let mut read = vec![9; 20_000];
        assert_eq!(pages.read(0, &mut read), 20_000);
        assert_eq!(read, plain);
        pages.set_octets(9_000);
        pages.set_octets(12_000);
        plain.iter_mut().skip(9_000).for_each(|o| *o = 0);
        assert_eq!(pages.read(5_000, &mut read), 7_000);
        assert!(read.iter().zip(plain.iter().skip(5_000)).take(7_000).all(|(a, b)| a == b));
        assert_eq!(pages.read(12_000, &mut read), 0);
    }
}
