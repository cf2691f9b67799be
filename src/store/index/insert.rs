//! Putting entries into the tree; full pages split.

use super::super::Error;
use super::page::{BODY_OCTETS, CELL_EXTRA, Kind, Page, branch_value};
use super::tree::{KEY_OCTETS_MAX, Path, Tree, VALUE_OCTETS_MAX};

impl Tree {
    /// Puts a value under a key, in place of the one that is there. True if there was none.
    ///
    /// # Errors
    /// [`Error::OverLimit`] if either is too long. After any other error the tree is not to be used any more.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<bool, Error> {
        if key.len() > KEY_OCTETS_MAX || value.len() > VALUE_OCTETS_MAX {
            return Err(Error::OverLimit("index entry"));
        }
        if self.root == 0 {
            self.root = self.pager.create(Kind::Leaf)?;
        }
        let mut path = Path::new();
        let leaf = self.descend_owned(key, &mut path)?;
        let page = self.pager.write(leaf)?;
        let slot = match page.find(key) {
            Ok(slot) if page.replace_same(slot, value) => return Ok(false),
            Ok(slot) => {
                page.remove(slot);
                self.insert_at(path, leaf, slot, key, value)?;
                return Ok(false);
            }
            Err(slot) => slot,
        };
        self.add_below(&path, 1)?;
        self.insert_at(path, leaf, slot, key, value)?;
        self.entries += 1;
        Ok(true)
    }

    /// Inserts a cell; as long as it does not fit, the page splits and its new neighbour's cell goes into the parent.
    /// The counts above are right already.
    fn insert_at(&mut self, mut path: Path, page: u32, slot: usize, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let (mut number, mut slot) = (page, slot);
        let (mut key, mut value) = (key.to_vec(), value.to_vec());
        loop {
            let page = self.pager.write(number)?;
            if page.insert(slot, &key, &value) {
                return Ok(());
            }
            let kind = if page.is_leaf() { Kind::Leaf } else { Kind::Branch };
            let old = page.clone();
            let right_number = self.pager.create(kind)?;
            let halves = split(&old, right_number, slot, &key, &value)?;
            let (left_entries, right_entries) = (below(&halves.left)?, below(&halves.right)?);
            *self.pager.write(number)? = halves.left;
            *self.pager.write(right_number)? = halves.right;
            key = halves.separator;
            value = branch_value(right_number, right_entries).to_vec();
            if let Some((parent, parent_slot)) = path.pop() {
                self.pager.write(parent)?.set_child(parent_slot, number, left_entries);
                (number, slot) = (parent, parent_slot + 1);
            } else {
                let root = self.pager.create(Kind::Branch)?;
                let fits = self.pager.write(root)?.push(&[], &branch_value(number, left_entries));
                debug_assert!(fits, "an empty page takes a cell without a key");
                self.root = root;
                (number, slot) = (root, 1);
            }
        }
    }
}

/// What became of a page.
struct Halves {
    left: Page,
    right: Page,
    /// Above all keys of the left, not above any of the right.
    separator: Vec<u8>,
}

/// Divides the cells of a page and a new one at `slot` among two pages.
fn split(old: &Page, right_number: u32, slot: usize, key: &[u8], value: &[u8]) -> Result<Halves, Error> {
    let cells = old.len() + 1;
    let cell = |place: usize| match place.cmp(&slot) {
        core::cmp::Ordering::Less => (old.key(place), old.value(place)),
        core::cmp::Ordering::Equal => (key, value),
        core::cmp::Ordering::Greater => (old.key(place - 1), old.value(place - 1)),
    };
    let octets = |place: usize| CELL_EXTRA + cell(place).0.len() + cell(place).1.len();
    let total: usize = (0..cells).map(octets).sum();
    let mut divide = None;
    let mut left = 0;
    for place in 1..cells {
        left += octets(place - 1);
        let right = total - left;
        if left > BODY_OCTETS || right > BODY_OCTETS {
            continue;
        }
        // Rows that come in ascending order: what lies behind them leaves, so that they can go on to fill this page;
        // if nothing does, this page stays full and they go on in the next.
        let ascending = slot > 0 && old.newest() == slot - 1;
        let uneven = match place {
            _ if ascending && place == slot + 1 => 0,
            _ if ascending && place == slot => 1,
            _ => 2 + left.abs_diff(right),
        };
        if divide.is_none_or(|(_, best)| uneven < best) {
            divide = Some((place, uneven));
        }
    }
    let Some((divide, _)) = divide else {
        return Err(Error::Damaged(format!("index page {} does not split", old.number())));
    };
    let leaf = old.is_leaf();
    let kind = if leaf { Kind::Leaf } else { Kind::Branch };
    let (mut left, mut right) = (Page::empty(kind, old.number()), Page::empty(kind, right_number));
    let separator = if leaf { separator(cell(divide - 1).0, cell(divide).0) } else { cell(divide).0.to_vec() };
    for place in 0..cells {
        let (key, value) = cell(place);
        // The first key of a branch is never looked at: what is below it goes there as well.
        let key = if place == divide && !leaf { &[] } else { key };
        let fits = if place < divide { left.push(key, value) } else { right.push(key, value) };
        if !fits {
            return Err(Error::Damaged(format!("index page {} does not split", old.number())));
        }
    }
    // Whoever goes on behind the new cell is recognised in its new page.
    if slot < divide {
        left.set_newest(slot);
    } else {
        right.set_newest(slot - divide);
    }
    Ok(Halves { left, right, separator })
}

/// The shortest beginning of `right` that is above `left`.
fn separator(left: &[u8], right: &[u8]) -> Vec<u8> {
    let common = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    right.iter().take(common + 1).copied().collect()
}

fn below(page: &Page) -> Result<u32, Error> {
    u32::try_from(page.entries()).map_err(|_| Error::OverLimit("index entries"))
}

#[cfg(test)]
mod tests {
    use super::separator;

    #[test]
    fn separators_are_short() {
        assert_eq!(separator(b"abc", b"abd"), b"abd");
        assert_eq!(separator(b"abcde", b"b"), b"b");
        assert_eq!(separator(b"ab", b"abcd"), b"abc");
        assert_eq!(separator(b"", b"xyz"), b"x");
    }
}
