//! The index: what the log says, arranged so that every question costs as much as its answer.
//!
//! A counted copy-on-write B+tree in 4 KiB pages and, on it, the tables that IMAP asks: mailboxes, messages, changes
//! since a modseq, what is gone, blobs, usage, the directory. All of it is derived from the log: it is durable only at
//! checkpoints and may be thrown away and made again at any time. What bounds its memory: the page cache, two bits a
//! page of the file, and nothing else, whatever the size of mailboxes. The log's bytes are left to the store.
//!
//! A page that has rotted is met when it is read. The checkpoint is taken back at that moment, so that the next start,
//! however this run ends, makes the index anew from the log; until then what is on that page cannot be asked. Nothing is
//! made anew while the store runs: for minutes nobody could ask anything. What every start needs is read while the store
//! is opened, and damage there makes the index anew at once.

mod account;
mod apply;
mod cache;
mod header;
mod insert;
mod keys;
mod messages;
mod numbering;
mod page;
mod pager;
mod read;
mod remove;
mod rows;
mod space;
mod sync;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tree;
#[cfg(test)]
mod tree_tests;
mod view;
#[cfg(test)]
mod view_tests;

pub use view::View;

use super::event::Event;
use super::medium::MediumFile;
use super::{Error, Extent, LogPosition};
use crate::mail::UidValidity;
use core::ops::ControlFlow;
use pager::{Found, Pager};
use tree::Tree;

/// Pages that are kept free for the next group of transactions: 1 MiB. A change copies each page that it touches once
/// between checkpoints; what a group needs beyond these stays in the cache as long as the card is full.
const RESERVED_PAGES: u32 = 256;

/// How much of the log a checkpoint holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Events before this place of the log are in the index; those at it or behind it are not.
    pub position: LogPosition,
    /// The store's own: sequence number of the last batch that is covered.
    pub sequence: u64,
    /// The store's own: the chained checksum of that batch.
    pub chain: u32,
}

/// Numbers that are given away once in the whole store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counters {
    next_mailbox: u32,
    next_blob: u64,
    last_uid_validity: Option<UidValidity>,
}

/// What [`Index::open`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// An empty file: apply the whole log.
    Fresh,
    /// A checkpoint: apply the log from there.
    Checkpoint(Covered),
    /// Why what is there cannot be used: [`Index::reset`], then apply the whole log.
    Unusable(String),
}

/// One blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobRow {
    /// Where the newest event stands that lists its extents.
    pub event_at: LogPosition,
    /// All octets of the body.
    pub octets: u64,
    /// Its encoded summary.
    pub summary: Extent,
    /// Messages that have this body.
    pub references: u32,
}

/// What the index uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexFigures {
    /// Entries of all tables.
    pub entries: u64,
    /// Pages of the file that hold something now.
    pub pages_used: u64,
    /// Pages of the file.
    pub pages_file: u64,
    /// Pages that the cache may hold.
    pub cache_pages_max: u64,
    /// Pages that the cache holds.
    pub cache_pages: u64,
    /// Of these, changed and not yet written.
    pub cache_dirty: u64,
    /// Pages that were found in the cache.
    pub cache_hits: u64,
    /// Pages that were read from the file.
    pub cache_misses: u64,
    /// Pages written to the file.
    pub pages_written: u64,
    /// Checkpoints made since the index was opened.
    pub checkpoints: u64,
    /// A damaged page was met: the next start makes the index anew.
    pub damaged: bool,
}

/// The index over one file.
#[derive(Debug)]
pub struct Index {
    tree: Tree,
    counters: Counters,
    /// What the last checkpoint holds of the log.
    covered: Option<Covered>,
    /// Why nothing can be asked: an event was taken in only in part, or the file was not reset yet.
    broken: Option<Error>,
    /// A sync failed, so that nothing is known of what the file holds: no more is changed.
    sealed: bool,
    /// Deleted mailboxes may have left rows behind.
    garbage: bool,
    checkpoints: u64,
    /// There is no checkpoint to open, and will be none.
    wiped: bool,
}

impl Index {
    /// Opens what the file holds. Page cache and page bitmaps together take `cache_octets`.
    ///
    /// # Errors
    /// Only if the medium fails; damage is [`Opened::Unusable`].
    pub fn open(file: Box<dyn MediumFile>, cache_octets: usize) -> Result<(Self, Opened), Error> {
        let (pager, found) = Pager::open(file, cache_octets)?;
        let mut index = Self {
            tree: Tree::new(pager, 0, 0),
            counters: Counters::default(),
            covered: None,
            broken: None,
            sealed: false,
            garbage: true,
            checkpoints: 0,
            wiped: false,
        };
        let opened = match found {
            Found::Fresh => Opened::Fresh,
            Found::Checkpoint(header) => {
                index.tree.root = header.root;
                index.tree.entries = header.entries;
                index.counters = header.counters;
                index.covered = Some(header.covered);
                Opened::Checkpoint(header.covered)
            }
            Found::Unusable(why) => {
                index.broken = Some(Error::Damaged(why.clone()));
                Opened::Unusable(why)
            }
        };
        Ok((index, opened))
    }

    /// Forgets everything, durably, so that the whole log can be applied again.
    ///
    /// # Errors
    /// If the medium fails.
    pub fn reset(&mut self) -> Result<(), Error> {
        self.broken = Some(Error::Damaged("the index was not reset".to_owned()));
        self.tree.pager.reset()?;
        self.tree.root = 0;
        self.tree.entries = 0;
        self.counters = Counters::default();
        self.covered = None;
        self.broken = None;
        self.sealed = false;
        self.wiped = false;
        self.garbage = false;
        Ok(())
    }

    /// Takes room for what one group of transactions changes, as far as it can be known. Call it before there is
    /// anything in the log that must be taken in.
    ///
    /// # Errors
    /// [`Error::Full`] if there is none; or if the medium fails.
    pub fn reserve(&mut self) -> Result<(), Error> {
        self.check()?;
        self.tree.pager.reserve(RESERVED_PAGES)
    }

    /// Takes an event in, which stands at `at` in the log. Events that the last checkpoint covers are passed over, and
    /// one that was taken in before changes nothing. Where one transaction adds messages and removes others with the
    /// same body (MOVE), it must add first, or the body is forgotten between.
    ///
    /// After an error the index refuses everything until it is reset or opened again.
    ///
    /// # Errors
    /// If the medium fails or a page is damaged.
    pub fn apply(&mut self, event: &Event, at: LogPosition) -> Result<(), Error> {
        self.check()?;
        if self.sealed {
            return Err(Error::ReadOnly);
        }
        if self.covered.is_some_and(|covered| at < covered.position) {
            return Ok(());
        }
        let taken = self.take_in(event, at);
        match &taken {
            // The pages are whole, only the event is not: it can be read on, and the next start takes it from the log.
            Err(Error::Full) => self.sealed = true,
            Err(error) => self.broken = Some(error.clone()),
            Ok(()) => {}
        }
        taken
    }

    /// Reads what every start needs: the root, the whole directory, and what there is of mailboxes and their names.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a page that was met since the opening is: the index should be reset. Or if the medium fails.
    pub fn verify(&mut self) -> Result<(), Error> {
        self.check()?;
        for (from, last) in keys::NEEDED {
            self.tree.ascend(&[from], |key, _| {
                if key.first().is_some_and(|table| *table <= last) {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })?;
        }
        self.tree.pager.damage().cloned().map_or(Ok(()), Err)
    }

    /// Makes all that was applied durable, as what covers the log up to `covered`. If a damaged page was met, no
    /// checkpoint is made and the last one is taken back: what is whole can be asked until the next start, which makes
    /// the index anew.
    ///
    /// # Errors
    /// If the medium fails: the last checkpoint stays, and what was applied since can still be read. After a failed sync
    /// nothing more is applied.
    pub fn checkpoint(&mut self, covered: Covered) -> Result<(), Error> {
        self.check()?;
        if self.sealed {
            return Err(Error::ReadOnly);
        }
        if let Some(damage) = self.tree.pager.damage() {
            if !self.wiped && !self.tree.pager.is_wiped() {
                log::error!("store: the index will be made anew at the next start: {damage}");
                self.tree.pager.wipe()?;
                self.wiped = true;
            }
            return Ok(());
        }
        let (root, entries) = (self.tree.root, self.tree.entries);
        self.tree.pager.write_out()?;
        if let Err(error) = self.tree.pager.commit(root, entries, covered, self.counters) {
            self.sealed = true;
            return Err(error);
        }
        self.covered = Some(covered);
        self.checkpoints = self.checkpoints.saturating_add(1);
        Ok(())
    }

    /// What the index uses and has done.
    #[must_use]
    pub fn figures(&self) -> IndexFigures {
        let cache = self.tree.pager.cache_figures();
        let space = self.tree.pager.space();
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        IndexFigures {
            entries: self.tree.entries,
            pages_used: u64::from(space.used()),
            pages_file: u64::from(space.pages()),
            cache_pages_max: count(cache.frames_max),
            cache_pages: count(cache.pages),
            cache_dirty: count(cache.dirty),
            cache_hits: cache.hits,
            cache_misses: cache.misses,
            pages_written: cache.written,
            checkpoints: self.checkpoints,
            damaged: self.tree.pager.damage().is_some(),
        }
    }

    /// May the index be asked?
    fn check(&self) -> Result<(), Error> {
        self.broken.clone().map_or(Ok(()), Err)
    }
}
