//! A counted B+tree: entries in key order, and at which place of the order each stands.
//!
//! Every branch says how many entries lie below each child, so `rank` and `select` cost one walk from the root, like
//! `get`. Owns the root and, through [`Pager`], the pages. Memory: the cache's and one path. Reading is here, putting
//! in [`super::insert`], removing in [`super::remove`]; what keys mean is left to [`super::keys`].

use super::super::Error;
use super::pager::Pager;
use core::ops::ControlFlow;

/// Octets of a key.
pub const KEY_OCTETS_MAX: usize = 600;
/// Octets of a value: two of the longest entries still fit a page.
pub const VALUE_OCTETS_MAX: usize = 1_200;
/// Levels of the tree: with the least possible fan-out, more than the largest file has pages for.
pub const DEPTH_MAX: usize = 24;

/// Branches from the root downwards, each with the slot that the walk took.
pub type Path = heapless::Vec<(u32, usize), DEPTH_MAX>;

/// The tree.
#[derive(Debug)]
pub struct Tree {
    pub(super) pager: Pager,
    /// Zero: no entries.
    pub(super) root: u32,
    pub(super) entries: u64,
}

/// One entry: key and value.
pub type Entry = (Vec<u8>, Vec<u8>);

impl Tree {
    /// A tree over pages.
    #[must_use]
    pub fn new(pager: Pager, root: u32, entries: u64) -> Self {
        Self { pager, root, entries }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// If a page is damaged or the medium fails; so for all that follows.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.get_with(key, <[u8]>::to_vec)
    }

    /// What `take` makes of the value of a key.
    ///
    /// # Errors
    /// See [`Tree::get`].
    pub fn get_with<T>(&mut self, key: &[u8], take: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, Error> {
        if self.root == 0 {
            return Ok(None);
        }
        let leaf = self.descend(key, &mut Path::new())?;
        let page = self.pager.read(leaf)?;
        Ok(page.find(key).ok().map(|slot| take(page.value(slot))))
    }

    /// Is there such a key?
    ///
    /// # Errors
    /// See [`Tree::get`].
    pub fn contains(&mut self, key: &[u8]) -> Result<bool, Error> {
        Ok(self.get_with(key, |_| ())?.is_some())
    }

    /// Entries with a smaller key.
    ///
    /// # Errors
    /// See [`Tree::get`].
    pub fn rank(&mut self, key: &[u8]) -> Result<u64, Error> {
        let mut rank = 0;
        let mut number = self.root;
        for _ in 0..DEPTH_MAX {
            if number == 0 {
                return Ok(rank);
            }
            let page = self.pager.read(number)?;
            if page.is_leaf() {
                let (Ok(slot) | Err(slot)) = page.find(key);
                return Ok(rank + count(slot));
            }
            let slot = page.child_slot(key);
            rank += (0..slot).map(|slot| u64::from(page.below(slot))).sum::<u64>();
            number = page.child(slot);
        }
        Err(too_deep())
    }

    /// Entries from `from` on and before `to`.
    ///
    /// # Errors
    /// See [`Tree::get`].
    pub fn count(&mut self, from: &[u8], to: &[u8]) -> Result<u64, Error> {
        let below = self.rank(from)?;
        Ok(self.rank(to)?.saturating_sub(below))
    }

    /// The entry with `rank` entries before it.
    ///
    /// # Errors
    /// See [`Tree::get`].
    pub fn select(&mut self, rank: u64) -> Result<Option<Entry>, Error> {
        let mut rest = rank;
        let mut number = if rank < self.entries { self.root } else { 0 };
        for _ in 0..DEPTH_MAX {
            if number == 0 {
                return Ok(None);
            }
            let page = self.pager.read(number)?;
            if page.is_leaf() {
                let slot = usize::try_from(rest).unwrap_or(usize::MAX);
                return Ok((slot < page.len()).then(|| (page.key(slot).to_vec(), page.value(slot).to_vec())));
            }
            let mut next = 0;
            for slot in 0..page.len() {
                let below = u64::from(page.below(slot));
                if rest < below {
                    next = page.child(slot);
                    break;
                }
                rest -= below;
            }
            number = next;
        }
        Err(too_deep())
    }

    /// Shows entries from the key `from` on, in ascending order, until `visit` breaks.
    ///
    /// # Errors
    /// See [`Tree::get`].
    pub fn ascend(&mut self, from: &[u8], mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>) -> Result<(), Error> {
        if self.root == 0 {
            return Ok(());
        }
        let mut path = Path::new();
        let mut leaf = self.descend(from, &mut path)?;
        let (Ok(mut slot) | Err(mut slot)) = self.pager.read(leaf)?.find(from);
        loop {
            let page = self.pager.read(leaf)?;
            for slot in slot..page.len() {
                if visit(page.key(slot), page.value(slot)).is_break() {
                    return Ok(());
                }
            }
            // The nearest branch that has a child further right, then down along its left edge.
            let mut next = 0;
            while let Some((branch, taken)) = path.pop() {
                let page = self.pager.read(branch)?;
                if taken + 1 < page.len() {
                    next = page.child(taken + 1);
                    push(&mut path, branch, taken + 1)?;
                    break;
                }
            }
            if next == 0 {
                return Ok(());
            }
            leaf = self.edge(next, &mut path, false)?;
            slot = 0;
        }
    }

    /// Shows entries below the key `below`, in descending order, until `visit` breaks.
    ///
    /// # Errors
    /// See [`Tree::get`].
    pub fn descend_from(
        &mut self,
        below: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        if self.root == 0 {
            return Ok(());
        }
        let mut path = Path::new();
        let mut leaf = self.descend(below, &mut path)?;
        let (Ok(mut end) | Err(mut end)) = self.pager.read(leaf)?.find(below);
        loop {
            let page = self.pager.read(leaf)?;
            for slot in (0..end).rev() {
                if visit(page.key(slot), page.value(slot)).is_break() {
                    return Ok(());
                }
            }
            let mut next = 0;
            while let Some((branch, taken)) = path.pop() {
                if let Some(left) = taken.checked_sub(1) {
                    next = self.pager.read(branch)?.child(left);
                    push(&mut path, branch, left)?;
                    break;
                }
            }
            if next == 0 {
                return Ok(());
            }
            leaf = self.edge(next, &mut path, true)?;
            end = self.pager.read(leaf)?.len();
        }
    }

    /// The first entry from `from` on.
    ///
    /// # Errors
    /// See [`Tree::get`].
    pub fn first_from(&mut self, from: &[u8]) -> Result<Option<Entry>, Error> {
        let mut found = None;
        self.ascend(from, |key, value| {
            found = Some((key.to_vec(), value.to_vec()));
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// The last entry below `below`.
    ///
    /// # Errors
    /// See [`Tree::get`].
    pub fn last_below(&mut self, below: &[u8]) -> Result<Option<Entry>, Error> {
        let mut found = None;
        self.descend_from(below, |key, value| {
            found = Some((key.to_vec(), value.to_vec()));
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// The leaf that holds or would hold `key`, and the branches above it.
    pub(super) fn descend(&mut self, key: &[u8], path: &mut Path) -> Result<u32, Error> {
        let mut number = self.root;
        loop {
            let page = self.pager.read(number)?;
            if page.is_leaf() {
                return Ok(number);
            }
            let slot = page.child_slot(key);
            let child = page.child(slot);
            push(path, number, slot)?;
            number = child;
        }
    }

    /// Down from `number` along its left or right edge.
    fn edge(&mut self, mut number: u32, path: &mut Path, right: bool) -> Result<u32, Error> {
        loop {
            let page = self.pager.read(number)?;
            if page.is_leaf() {
                return Ok(number);
            }
            let slot = if right { page.len().saturating_sub(1) } else { 0 };
            let child = page.child(slot);
            push(path, number, slot)?;
            number = child;
        }
    }

    /// As [`Tree::descend`], all pages on the way made changeable.
    pub(super) fn descend_owned(&mut self, key: &[u8], path: &mut Path) -> Result<u32, Error> {
        self.root = self.pager.own(self.root)?;
        let mut number = self.root;
        loop {
            let page = self.pager.read(number)?;
            if page.is_leaf() {
                return Ok(number);
            }
            let slot = page.child_slot(key);
            let (child, below) = (page.child(slot), page.below(slot));
            let owned = self.pager.own(child)?;
            if owned != child {
                self.pager.write(number)?.set_child(slot, owned, below);
            }
            push(path, number, slot)?;
            number = owned;
        }
    }

    /// Adds to the counts along a path whose pages are changeable.
    pub(super) fn add_below(&mut self, path: &Path, change: i32) -> Result<(), Error> {
        for &(number, slot) in path {
            let page = self.pager.write(number)?;
            let below = page.below(slot).checked_add_signed(change);
            let below = below.ok_or_else(|| Error::Damaged(format!("index page {number}: count of entries")))?;
            page.set_child(slot, page.child(slot), below);
        }
        Ok(())
    }
}

/// One step further down. A path longer than any tree means a circle.
pub(super) fn push(path: &mut Path, number: u32, slot: usize) -> Result<(), Error> {
    path.push((number, slot)).map_err(|_| too_deep())
}

/// A number of entries.
pub(super) fn count(entries: usize) -> u64 {
    u64::try_from(entries).unwrap_or(u64::MAX)
}

fn too_deep() -> Error {
    Error::Damaged("the index's tree is too deep".to_owned())
}
