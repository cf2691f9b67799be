//! Taking entries out of the tree; pages that become empty enough join a neighbour, and their places are free again.

use super::super::Error;
use super::page::{BODY_OCTETS, Page};
use super::tree::{Path, Tree};

/// A page with less than this looks for a neighbour to join.
const JOIN_BELOW: usize = BODY_OCTETS / 2;
/// Two pages join if this much or less comes of it, so that the next entries do not split it again.
const JOINED_MAX: usize = BODY_OCTETS / 8 * 7;

impl Tree {
    /// Takes a key and its value out. False if there was none.
    ///
    /// # Errors
    /// If a page is damaged or the medium fails; the tree is not to be used any more then.
    pub fn remove(&mut self, key: &[u8]) -> Result<bool, Error> {
        // Nothing is copied for a key that is not there.
        if !self.contains(key)? {
            return Ok(false);
        }
        let mut path = Path::new();
        let leaf = self.descend_owned(key, &mut path)?;
        let page = self.pager.write(leaf)?;
        let Ok(slot) = page.find(key) else {
            return Err(Error::Damaged(format!("index page {leaf}: an entry is lost")));
        };
        page.remove(slot);
        self.add_below(&path, -1)?;
        self.entries = self.entries.saturating_sub(1);
        self.join_upwards(path, leaf).and_then(|()| self.lower_root()).map(|()| true)
    }

    fn join_upwards(&mut self, mut path: Path, page: u32) -> Result<(), Error> {
        let mut number = page;
        while let Some((parent, slot)) = path.pop() {
            let page = self.pager.read(number)?;
            if page.used() >= JOIN_BELOW {
                return Ok(());
            }
            let empty = page.len() == 0;
            let siblings = self.pager.read(parent)?.len();
            let joined =
                (slot > 0 && self.join(parent, slot - 1)?) || (slot + 1 < siblings && self.join(parent, slot)?);
            if !joined {
                if !empty {
                    return Ok(());
                }
                // Without entries, and its neighbours are too full to take it in.
                self.pager.write(parent)?.remove(slot);
                self.pager.free(number);
            }
            number = parent;
        }
        Ok(())
    }

    /// Joins the children at `slot` and behind it, if they fit one page.
    fn join(&mut self, parent: u32, slot: usize) -> Result<bool, Error> {
        let page = self.pager.read(parent)?;
        let (left, right) = (page.child(slot), page.child(slot + 1));
        let entries = page.below(slot).saturating_add(page.below(slot + 1));
        let separator = page.key(slot + 1).to_vec();
        let left_used = self.pager.read(left)?.used();
        let source: Page = self.pager.read(right)?.clone();
        // In a branch, the first key of the right page becomes a real one.
        let separator = if source.is_leaf() { Vec::new() } else { separator };
        if left_used + source.used() + separator.len() > JOINED_MAX {
            return Ok(false);
        }
        let owned = self.pager.own(left)?;
        let page = self.pager.write(owned)?;
        for place in 0..source.len() {
            let key = if place == 0 && !source.is_leaf() { separator.as_slice() } else { source.key(place) };
            if !page.push(key, source.value(place)) {
                return Err(Error::Damaged(format!("index page {owned}: no room for its neighbour")));
            }
        }
        let page = self.pager.write(parent)?;
        page.set_child(slot, owned, entries);
        page.remove(slot + 1);
        self.pager.free(right);
        Ok(true)
    }

    /// A root with one child gives way to it; one without entries to nothing.
    fn lower_root(&mut self) -> Result<(), Error> {
        loop {
            let root = self.root;
            let page = self.pager.read(root)?;
            let only = match (page.is_leaf(), page.len()) {
                (_, 0) => 0,
                (false, 1) => page.child(0),
                _ => return Ok(()),
            };
            self.root = only;
            self.pager.free(root);
            if only == 0 {
                return Ok(());
            }
        }
    }
}
