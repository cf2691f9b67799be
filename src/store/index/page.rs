//! One 4 KiB page of the index file: a sorted array of cells, each a key and a value.
//!
//! ```text
//! offset width meaning (little-endian)
//!      0     4 CRC32C of octets 4 to 4095
//!      4     4 number of this page, so that a page in a wrong place is found out
//!      8     4 generation: the checkpoint that this state of the page will belong to
//!     12     1 kind: 1 leaf, 2 branch, 3 bitmap
//!     13     1 zero
//!     14     2 cells
//!     16     2 where the cells' octets begin; they reach to the end of the page
//!     18     2 octets among them that belong to no cell any more
//!     20     2 slot of the newest cell, to know rows that come in ascending order
//!     22     2 zero
//!     24   2*n for each cell, in key order, where its octets begin
//!  cell:     2 octets of the key, 2 octets of the value, key, value
//! ```
//!
//! A branch's value is a page number (4) and how many leaf entries lie below it (4). The key of a branch's first cell
//! is empty: it stands for everything below the second. A bitmap page has raw octets from 24 on.
//! Owns its 4,096 octets. What they mean is left to [`super::tree`].

use super::super::Error;

/// Octets of a page, the store's block.
pub const PAGE_OCTETS: usize = super::super::format::BLOCK_OCTETS;
/// Where slots, or a bitmap's octets, begin.
pub const BODY_AT: usize = 24;
/// Octets for slots and cells.
pub const BODY_OCTETS: usize = PAGE_OCTETS - BODY_AT;
/// What a cell costs beside key and value: two lengths and its slot.
pub const CELL_EXTRA: usize = 6;

const NUMBER_AT: usize = 4;
const GENERATION_AT: usize = 8;
const KIND_AT: usize = 12;
const CELLS_AT: usize = 14;
const HEAP_AT: usize = 16;
const DEAD_AT: usize = 18;
const NEWEST_AT: usize = 20;

/// What a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Entries.
    Leaf,
    /// Children.
    Branch,
    /// Bits of pages in use.
    Bitmap,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Leaf => 1,
            Self::Branch => 2,
            Self::Bitmap => 3,
        }
    }

    fn decode(code: u8) -> Option<Self> {
        [Self::Leaf, Self::Branch, Self::Bitmap].into_iter().find(|kind| kind.code() == code)
    }
}

/// One page.
#[derive(Clone)]
pub struct Page(Box<[u8; PAGE_OCTETS]>);

impl core::fmt::Debug for Page {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Page").field("number", &self.number()).field("cells", &self.len()).finish()
    }
}

impl Page {
    /// Octets without meaning yet, to load into.
    #[must_use]
    pub fn blank() -> Self {
        Self(Box::new([0; PAGE_OCTETS]))
    }

    /// An empty page.
    #[must_use]
    pub fn empty(kind: Kind, number: u32) -> Self {
        let mut page = Self::blank();
        page.clear(kind, number);
        page
    }

    /// Makes it an empty page.
    pub fn clear(&mut self, kind: Kind, number: u32) {
        self.0.fill(0);
        if let Some(code) = self.0.get_mut(KIND_AT) {
            *code = kind.code();
        }
        self.set_number(number);
        self.set_u16(HEAP_AT, PAGE_OCTETS);
        self.set_u16(NEWEST_AT, usize::from(u16::MAX));
    }

    /// All its octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// All its octets, to load into.
    pub fn octets_mut(&mut self) -> &mut [u8] {
        self.0.as_mut_slice()
    }

    /// A bitmap's octets.
    pub fn body_mut(&mut self) -> &mut [u8] {
        self.0.get_mut(BODY_AT..).unwrap_or_default()
    }

    /// A bitmap's octets.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.0.get(BODY_AT..).unwrap_or_default()
    }

    /// Writes generation and checksum; the page may go to the file then.
    pub fn seal(&mut self, generation: u32) {
        self.set_u32(GENERATION_AT, generation);
        let crc = crc32c::crc32c(self.0.get(NUMBER_AT..).unwrap_or_default());
        self.set_u32(0, crc);
    }

    /// Checks what was read as page `number` when the newest checkpoint may have generation `newest`.
    ///
    /// # Errors
    /// [`Error::Damaged`] if these octets are not that page.
    pub fn check(&self, number: u32, newest: u32) -> Result<(), Error> {
        let damaged = |what: &str| Err(Error::Damaged(format!("index page {number}: {what}")));
        if crc32c::crc32c(self.0.get(NUMBER_AT..).unwrap_or_default()) != self.u32(0) {
            return damaged("checksum");
        }
        if self.number() != number {
            return damaged("it is another page");
        }
        // A newer page under an older root: this place was given away after that root's time.
        if self.u32(GENERATION_AT) > newest {
            return damaged("it is newer than its root");
        }
        match self.kind() {
            None => damaged("kind"),
            Some(Kind::Bitmap) => Ok(()),
            Some(Kind::Leaf | Kind::Branch) if self.is_well_formed() => Ok(()),
            Some(Kind::Leaf | Kind::Branch) => damaged("cells"),
        }
    }

    /// Do all slots and cells lie where they should, so that nothing below needs to look again?
    fn is_well_formed(&self) -> bool {
        let slots_end = self.slots_end();
        let heap = self.heap();
        let branch = self.kind() == Some(Kind::Branch);
        slots_end <= heap
            && heap <= PAGE_OCTETS
            && (0..self.len()).all(|slot| {
                let at = self.slot(slot);
                let (key, value) = (self.u16(at), self.u16(at.saturating_add(2)));
                at >= heap && at + 4 + key + value <= PAGE_OCTETS && (!branch || value == 8)
            })
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.u32(NUMBER_AT)
    }

    /// It moves to another place.
    pub fn set_number(&mut self, number: u32) {
        self.set_u32(NUMBER_AT, number);
    }

    /// What it holds.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.0.get(KIND_AT).copied().and_then(Kind::decode)
    }

    /// Is it a leaf?
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        self.kind() == Some(Kind::Leaf)
    }

    /// Cells in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.u16(CELLS_AT)
    }

    /// The slot of the newest cell; nonsense if there is none.
    #[must_use]
    pub fn newest(&self) -> usize {
        self.u16(NEWEST_AT)
    }

    /// Says which cell is the newest.
    pub fn set_newest(&mut self, slot: usize) {
        self.set_u16(NEWEST_AT, slot);
    }

    /// Octets that slots and cells use.
    #[must_use]
    pub fn used(&self) -> usize {
        (PAGE_OCTETS + self.slots_end()).saturating_sub(BODY_AT + self.heap() + self.u16(DEAD_AT))
    }

    /// Octets of one cell and its slot.
    #[must_use]
    pub fn cell_octets(&self, slot: usize) -> usize {
        CELL_EXTRA + self.key(slot).len() + self.value(slot).len()
    }

    /// The key of a cell; empty if there is no such slot.
    #[must_use]
    pub fn key(&self, slot: usize) -> &[u8] {
        let at = self.cell_at(slot);
        self.0.get(at + 4..at + 4 + self.u16(at)).unwrap_or_default()
    }

    /// The value of a cell; empty if there is no such slot.
    #[must_use]
    pub fn value(&self, slot: usize) -> &[u8] {
        let at = self.cell_at(slot);
        let from = at + 4 + self.u16(at);
        self.0.get(from..from + self.u16(at + 2)).unwrap_or_default()
    }

    /// `Ok`: the slot that has this key; `Err`: the slot that it would get.
    ///
    /// # Errors
    /// See above.
    pub fn find(&self, key: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.key(middle).cmp(key) {
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Equal => return Ok(middle),
                core::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// In a branch, the slot of the child that holds `key`.
    #[must_use]
    pub fn child_slot(&self, key: &[u8]) -> usize {
        match self.find(key) {
            Ok(slot) => slot,
            // The first child's key stands for all that is smaller.
            Err(slot) => slot.saturating_sub(1),
        }
    }

    /// In a branch, a child's page; zero, which is no tree page, if there is no such slot.
    #[must_use]
    pub fn child(&self, slot: usize) -> u32 {
        self.value(slot).first_chunk().map_or(0, |octets| u32::from_le_bytes(*octets))
    }

    /// In a branch, how many leaf entries lie below a child.
    #[must_use]
    pub fn below(&self, slot: usize) -> u32 {
        self.value(slot).last_chunk().map_or(0, |octets| u32::from_le_bytes(*octets))
    }

    /// Leaf entries in this page or below it.
    #[must_use]
    pub fn entries(&self) -> u64 {
        if self.is_leaf() {
            u64::try_from(self.len()).unwrap_or(u64::MAX)
        } else {
            (0..self.len()).map(|slot| u64::from(self.below(slot))).sum()
        }
    }

    /// In a branch, gives a child another page or count.
    pub fn set_child(&mut self, slot: usize, child: u32, below: u32) {
        let replaced = self.replace_same(slot, &branch_value(child, below));
        debug_assert!(replaced, "all values of a branch have eight octets");
    }

    /// Puts a cell before what is now at `slot`. False if there is no room; nothing has changed then.
    #[must_use]
    pub fn insert(&mut self, slot: usize, key: &[u8], value: &[u8]) -> bool {
        let cells = self.len();
        let octets = CELL_EXTRA + key.len() + value.len();
        if self.used() + octets > BODY_OCTETS || slot > cells {
            return false;
        }
        if self.slots_end() + octets > self.heap() {
            self.compact();
        }
        let at = self.heap().saturating_sub(octets - 2);
        self.set_u16(at, key.len());
        self.set_u16(at + 2, value.len());
        self.write(at + 4, key);
        self.write(at + 4 + key.len(), value);
        let slot_at = BODY_AT + 2 * slot;
        self.0.copy_within(slot_at..BODY_AT + 2 * cells, slot_at + 2);
        self.set_u16(slot_at, at);
        self.set_u16(HEAP_AT, at);
        self.set_u16(CELLS_AT, cells + 1);
        self.set_u16(NEWEST_AT, slot);
        true
    }

    /// Puts a cell behind all others.
    #[must_use]
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> bool {
        self.insert(self.len(), key, value)
    }

    /// Gives a cell another value of the same length. False if its length differs; nothing has changed then.
    #[must_use]
    pub fn replace_same(&mut self, slot: usize, value: &[u8]) -> bool {
        if slot >= self.len() || self.value(slot).len() != value.len() {
            return false;
        }
        let at = self.cell_at(slot);
        self.write(at + 4 + self.u16(at), value);
        true
    }

    /// Takes a cell out.
    pub fn remove(&mut self, slot: usize) {
        let cells = self.len();
        if slot >= cells {
            return;
        }
        let octets = self.cell_octets(slot) - 2;
        let slot_at = BODY_AT + 2 * slot;
        self.0.copy_within(slot_at + 2..BODY_AT + 2 * cells, slot_at);
        self.set_u16(CELLS_AT, cells - 1);
        self.set_u16(DEAD_AT, self.u16(DEAD_AT) + octets);
        self.set_u16(NEWEST_AT, usize::from(u16::MAX));
    }

    /// Moves the cells together so that all free octets are in one piece.
    fn compact(&mut self) {
        let old = self.clone();
        let mut heap = PAGE_OCTETS;
        for slot in 0..old.len() {
            let at = old.cell_at(slot);
            let octets = old.cell_octets(slot) - 2;
            heap -= octets;
            self.write(heap, old.0.get(at..at + octets).unwrap_or_default());
            self.set_u16(BODY_AT + 2 * slot, heap);
        }
        self.set_u16(HEAP_AT, heap);
        self.set_u16(DEAD_AT, 0);
    }

    fn heap(&self) -> usize {
        self.u16(HEAP_AT)
    }

    fn slots_end(&self) -> usize {
        BODY_AT + 2 * self.len()
    }

    fn slot(&self, slot: usize) -> usize {
        self.u16(BODY_AT + 2 * slot)
    }

    /// Where a cell begins. What is no slot has its cell behind the page, where all reads give nothing.
    fn cell_at(&self, slot: usize) -> usize {
        if slot < self.len() { self.slot(slot) } else { PAGE_OCTETS }
    }

    fn u16(&self, at: usize) -> usize {
        let octets = self.0.get(at..).and_then(<[u8]>::first_chunk);
        octets.map_or(0, |octets| usize::from(u16::from_le_bytes(*octets)))
    }

    fn u32(&self, at: usize) -> u32 {
        self.0.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |octets| u32::from_le_bytes(*octets))
    }

    fn set_u16(&mut self, at: usize, value: usize) {
        self.write(at, &u16::try_from(value).unwrap_or(u16::MAX).to_le_bytes());
    }

    fn set_u32(&mut self, at: usize, value: u32) {
        self.write(at, &value.to_le_bytes());
    }

    fn write(&mut self, at: usize, octets: &[u8]) {
        if let Some(place) = self.0.get_mut(at..at + octets.len()) {
            place.copy_from_slice(octets);
        }
    }
}

/// A branch's value.
#[must_use]
pub fn branch_value(child: u32, below: u32) -> [u8; 8] {
    let mut value = [0; 8];
    let (left, right) = value.split_at_mut(4);
    left.copy_from_slice(&child.to_le_bytes());
    right.copy_from_slice(&below.to_le_bytes());
    value
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, clippy::panic)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn a_page_is_a_sorted_map(ops in proptest::collection::vec((any::<bool>(), 0u8..60, 0usize..300), 1..300)) {
            let mut page = Page::empty(Kind::Leaf, 7);
            let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
            for (put, key, length) in ops {
                let key = vec![key; usize::from(key % 5) + 1];
                let value = vec![length as u8; length];
                match page.find(&key) {
                    Ok(slot) => {
                        assert!(model.contains_key(&key));
                        page.remove(slot);
                        model.remove(&key);
                    }
                    Err(slot) if put => {
                        let fits = page.used() + CELL_EXTRA + key.len() + value.len() <= BODY_OCTETS;
                        assert_eq!(page.insert(slot, &key, &value), fits);
                        if fits {
                            model.insert(key, value);
                        }
                    }
                    Err(_) => assert!(!model.contains_key(&key)),
                }
                let used: usize = model.iter().map(|(key, value)| CELL_EXTRA + key.len() + value.len()).sum();
                assert_eq!(page.used(), used);
                assert!(page.is_well_formed());
                let cells: Vec<_> = (0..page.len()).map(|s| (page.key(s).to_vec(), page.value(s).to_vec())).collect();
                assert_eq!(cells, model.clone().into_iter().collect::<Vec<_>>());
            }
        }

        #[test]
        fn any_octets_are_refused_or_harmless(octets in proptest::collection::vec(any::<u8>(), PAGE_OCTETS), kind in 0u8..4, cells in 0u8..9) {
            let mut page = Page::blank();
            page.octets_mut().copy_from_slice(&octets);
            page.0[KIND_AT] = kind;
            page.set_u16(CELLS_AT, usize::from(cells));
            page.set_number(3);
            page.seal(1);
            if page.check(3, 1).is_ok() {
                for slot in 0..page.len() + 2 {
                    let _ = (page.key(slot), page.value(slot), page.child(slot), page.below(slot));
                }
                let _ = page.find(b"abc");
            }
        }
    }

    #[test]
    fn damage_is_found() {
        let mut page = Page::empty(Kind::Leaf, 9);
        assert!(page.push(b"key", b"value"));
        page.seal(4);
        assert_eq!(page.check(9, 4), Ok(()));
        assert!(page.check(8, 4).is_err() && page.check(9, 3).is_err());
        for at in [0, 5, 30, 2000, 4095] {
            let mut hurt = page.clone();
            hurt.0[at] ^= 0x40;
            assert!(hurt.check(9, 4).is_err(), "octet {at}");
        }
    }
}
