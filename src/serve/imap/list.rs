//! LIST and LSUB (RFC 9051 6.3.9, RFC 3501 6.3.9), with STATUS of what is listed (RFC 5819).
//!
//! Walks over the account's mailboxes, or its subscriptions, in the order of their names' octets, a page at a time.

use super::Session;
use super::mailbox::counts;
use super::reply::{Done, Ended};
use crate::limits::IMAP_LIST_PAGE_ROWS;
use crate::session::imap::{Asked, Candidate, Levels, Listing, first_below};
use crate::store::{Error, MailboxRow, Owner, Store};
use crate::wire::imap::command::List;
use crate::wire::imap::encode::{self, ListAttributes, ListRow, mailbox_status};
use std::collections::VecDeque;
use std::sync::Arc;

/// A name that is listed.
struct Found {
    name: String,
    candidate: Candidate,
    row: Option<MailboxRow>,
}

/// The walk.
struct Walker {
    listing: Arc<Listing>,
    owner: Owner,
    after: Option<String>,
    levels: Levels,
    subscribed: Subscribed,
}

/// Subscriptions beside a walk over mailboxes: both come in the same order.
#[derive(Default)]
struct Subscribed {
    next: VecDeque<String>,
    after: Option<String>,
    ended: bool,
}

impl Subscribed {
    /// Is `name` subscribed? Asked of ascending names only.
    fn has(&mut self, store: &Store, owner: Owner, name: &str) -> Result<bool, Error> {
        loop {
            match self.next.front() {
                Some(next) if next.as_str() < name => {
                    self.next.pop_front();
                }
                Some(next) => return Ok(next == name),
                None if self.ended => return Ok(false),
                None => {
                    let more = store.subscriptions(owner, self.after.as_deref(), IMAP_LIST_PAGE_ROWS)?;
                    self.ended = more.len() < IMAP_LIST_PAGE_ROWS;
                    self.after = more.last().cloned().or(self.after.take());
                    self.next.extend(more);
                }
            }
        }
    }
}

impl Walker {
    /// The next page; whether there are more.
    fn page(&mut self, store: &Store) -> Result<(Vec<Found>, bool), Error> {
        let mut found = Vec::new();
        let after = self.after.clone();
        let passed = if self.listing.walks_subscriptions() {
            let names = store.subscriptions(self.owner, after.as_deref(), IMAP_LIST_PAGE_ROWS)?;
            for name in &names {
                let row = store.mailbox(self.owner, name)?;
                self.pass(store, name, row, true, &mut found)?;
            }
            self.after = names.last().cloned();
            names.len()
        } else {
            let rows = store.mailboxes(self.owner, after.as_deref(), IMAP_LIST_PAGE_ROWS)?;
            self.after = rows.last().map(|row| row.name.clone());
            let passed = rows.len();
            for row in rows {
                let wanted = self.listing.needs_subscribed();
                let subscribed = wanted && self.subscribed.has(store, self.owner, &row.name)?;
                let name = row.name.clone();
                self.pass(store, &name, Some(row), subscribed, &mut found)?;
            }
            passed
        };
        Ok((found, passed == IMAP_LIST_PAGE_ROWS))
    }

    /// A name walks past.
    fn pass(
        &mut self,
        store: &Store,
        name: &str,
        row: Option<MailboxRow>,
        subscribed: bool,
        found: &mut Vec<Found>,
    ) -> Result<(), Error> {
        if !self.listing.selects(row.as_ref().and_then(|row| row.special_use)) {
            return Ok(());
        }
        for parent in self.levels.advance(name) {
            if self.listing.wants_parents() && self.listing.matches(&parent) {
                let row = store.mailbox(self.owner, &parent)?;
                let candidate = Candidate { selected_below: true, only_parent: true, ..Candidate::default() };
                found.push(self.looked_at(store, parent, row, candidate)?);
            }
        }
        if self.listing.matches(name) {
            let below = self.listing.wants_child_info() && self.subscribed_below(store, name)?;
            let candidate = Candidate { subscribed, selected_below: below, ..Candidate::default() };
            found.push(self.looked_at(store, name.to_owned(), row, candidate)?);
        }
        Ok(())
    }

    fn looked_at(
        &self,
        store: &Store,
        name: String,
        row: Option<MailboxRow>,
        candidate: Candidate,
    ) -> Result<Found, Error> {
        let children = self.listing.needs_children() && {
            let next = store.mailboxes(self.owner, Some(&format!("{name}/")), 1)?;
            first_below(&name, next.first().map(|row| row.name.as_str()))
        };
        let special_use = row.as_ref().and_then(|row| row.special_use);
        let candidate = Candidate { exists: row.is_some(), children, special_use, ..candidate };
        Ok(Found { name, candidate, row })
    }

    fn subscribed_below(&self, store: &Store, name: &str) -> Result<bool, Error> {
        let next = store.subscriptions(self.owner, Some(&format!("{name}/")), 1)?;
        Ok(first_below(name, next.first().map(String::as_str)))
    }
}

impl Session {
    /// Lists mailboxes.
    pub(super) async fn list(&mut self, options: List) -> Result<Done, Ended> {
        let listing = Arc::new(Listing::new(options));
        let names = self.names();
        if listing.asks_for_separator() {
            let attributes = ListAttributes { no_select: true, ..ListAttributes::default() };
            let lsub = listing.options().lsub;
            let row = ListRow { lsub, attributes, name: "", child_subscribed: false, old_name: None };
            self.say(|out| encode::list(out, &row, names)).await?;
            return Ok(Done::plain("Listed"));
        }
        let mut walker = Walker {
            listing: Arc::clone(&listing),
            owner: self.owner()?,
            after: None,
            levels: Levels::default(),
            subscribed: Subscribed::default(),
        };
        let recent = self.recent_of_selected();
        loop {
            let (back, page) = self
                .services
                .store
                .read(move |store| {
                    let page = walker.page(store);
                    (walker, page)
                })
                .await;
            walker = back;
            let (found, more) = page.map_err(|error| self.refused(&error, Asked::Named))?;
            for Found { name, candidate, row } in found {
                let status = listing.options().return_status.zip(row);
                self.say(|out| {
                    encode::list(out, &listing.row(&name, candidate), names)?;
                    match &status {
                        Some((items, row)) => mailbox_status(out, &name, names, *items, &counts(row, recent)),
                        None => Ok(()),
                    }
                })
                .await?;
            }
            if !more {
                return Ok(Done::plain("Listed"));
            }
        }
    }
}
