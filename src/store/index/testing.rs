//! A file in memory that loses power on request, and a check of a whole tree. For tests only.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, clippy::panic)]

use super::super::Error;
use super::super::medium::{MediumFile, SECTOR_OCTETS};
use super::pager::{Found, Pager};
use super::tree::Tree;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
struct Octets {
    /// What readers see.
    seen: Vec<u8>,
    /// What is on the card for certain.
    durable: Vec<u8>,
    /// Sectors written since, in order.
    pending: Vec<(usize, Vec<u8>)>,
    /// Writes and syncs that still succeed.
    budget: Option<u64>,
    writes: u64,
}

/// The file; clones share its octets.
#[derive(Clone, Debug, Default)]
pub struct SimFile(Arc<Mutex<Octets>>);

impl SimFile {
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes and syncs so far.
    pub fn operations(&self) -> u64 {
        self.0.lock().unwrap().writes
    }

    /// Only so many writes and syncs succeed from now on.
    pub fn fail_after(&self, operations: u64) {
        self.0.lock().unwrap().budget = Some(operations);
    }

    /// The power is cut: of the sectors that were not synced, those stay that `keep` says. Gives the file as it is
    /// after the next start.
    pub fn cut(&self, mut keep: impl FnMut() -> bool) -> Self {
        let octets = self.0.lock().unwrap();
        let mut durable = octets.durable.clone();
        for (at, sector) in octets.pending.iter().filter(|_| keep()) {
            if durable.len() < at + sector.len() {
                durable.resize(at + sector.len(), 0);
            }
            durable[*at..at + sector.len()].copy_from_slice(sector);
        }
        Self(Arc::new(Mutex::new(Octets { seen: durable.clone(), durable, ..Octets::default() })))
    }

    /// Turns a bit over.
    pub fn hurt(&self, at: usize) {
        let mut octets = self.0.lock().unwrap();
        octets.seen[at] ^= 1;
        octets.durable[at] ^= 1;
    }
}

impl Octets {
    fn spend(&mut self) -> Result<(), Error> {
        self.writes += 1;
        match &mut self.budget {
            Some(0) => Err(Error::Medium("the power is cut".to_owned())),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl MediumFile for SimFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, Error> {
        let octets = self.0.lock().unwrap();
        let rest = octets.seen.get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(into.len());
        into[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&self, offset: u64, written: &[u8]) -> Result<(), Error> {
        let mut octets = self.0.lock().unwrap();
        let at = offset as usize;
        assert!(at.is_multiple_of(SECTOR_OCTETS) && written.len().is_multiple_of(SECTOR_OCTETS));
        // The write that fails is torn: its sectors may have arrived all the same.
        for (index, sector) in written.chunks(SECTOR_OCTETS).enumerate() {
            octets.pending.push((at + index * SECTOR_OCTETS, sector.to_vec()));
        }
        octets.spend()?;
        if octets.seen.len() < at + written.len() {
            octets.seen.resize(at + written.len(), 0);
        }
        octets.seen[at..at + written.len()].copy_from_slice(written);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), Error> {
        let mut octets = self.0.lock().unwrap();
        octets.spend()?;
        octets.durable = octets.seen.clone();
        octets.pending.clear();
        Ok(())
    }

    fn octets(&self) -> Result<u64, Error> {
        Ok(self.0.lock().unwrap().seen.len() as u64)
    }

    fn set_octets(&self, length: u64) -> Result<(), Error> {
        let mut octets = self.0.lock().unwrap();
        octets.spend()?;
        octets.seen.resize(length as usize, 0);
        Ok(())
    }
}

/// A tree over a file, as its newest checkpoint has it.
pub fn tree_over(file: &SimFile, cache_octets: usize) -> (Tree, Found) {
    let (pager, found) = Pager::open(Box::new(file.clone()), cache_octets).unwrap();
    let (root, entries) = match &found {
        Found::Checkpoint(header) => (header.root, header.entries),
        Found::Fresh | Found::Unusable(_) => (0, 0),
    };
    (Tree::new(pager, root, entries), found)
}

/// Every page is well-filled and counted, no page is used twice, none is lost.
pub fn check_tree(tree: &mut Tree) {
    let mut seen = BTreeSet::new();
    let root = tree.root;
    let entries = if root == 0 { 0 } else { check_page(tree, root, None, None, &mut seen).0 };
    assert_eq!(entries, tree.entries, "entries");
    let bitmaps: Vec<u32> = tree.pager.bitmap_pages().to_vec();
    for page in bitmaps {
        assert!(seen.insert(page), "bitmap page {page} is in the tree");
    }
    let pages = tree.pager.space().pages();
    let used: BTreeSet<u32> = (2..pages).filter(|page| tree.pager.space().is_used(*page)).collect();
    assert_eq!(used, seen, "pages in use");
}

fn check_page(
    tree: &mut Tree,
    number: u32,
    low: Option<&[u8]>,
    high: Option<&[u8]>,
    seen: &mut BTreeSet<u32>,
) -> (u64, usize) {
    assert!(seen.insert(number), "page {number} is used twice");
    let page = tree.pager.read(number).unwrap().clone();
    let first = usize::from(!page.is_leaf());
    for slot in first..page.len() {
        let key = page.key(slot);
        assert!(slot <= first || page.key(slot - 1) < key, "page {number} is not in order");
        assert!(low.is_none_or(|low| low <= key) && high.is_none_or(|high| key < high), "page {number}: bounds");
    }
    assert!(page.len() > 0, "page {number} is empty");
    if page.is_leaf() {
        return (page.len() as u64, 1);
    }
    let mut entries = 0;
    let mut depth = None;
    for slot in 0..page.len() {
        let low = if slot == 0 { low } else { Some(page.key(slot)) };
        let high = if slot + 1 < page.len() { Some(page.key(slot + 1)) } else { high };
        let (below, levels) = check_page(tree, page.child(slot), low, high, seen);
        assert_eq!(below, u64::from(page.below(slot)), "page {number} slot {slot}: count");
        assert!(depth.is_none_or(|depth| depth == levels), "page {number}: depth");
        depth = Some(levels);
        entries += below;
    }
    (entries, depth.unwrap() + 1)
}
