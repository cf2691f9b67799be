//! FETCH (RFC 9051 6.4.5): pages of index rows, and the octets of their responses as the client takes them.

use super::Session;
use super::changes::keyword_names;
use super::production::{Production, Progress, Wanted, is_unseen};
use super::reply::{Done, Ended};
use super::select::{GONE, Named};
use crate::limits::{
    IMAP_BODY_PAGE_ROWS, IMAP_HELD_WRITE_TIMEOUT, IMAP_OUTPUT_OCTETS, IMAP_TOLD_OCTETS, IMAP_TOLD_PAGE_ROWS,
};
use crate::mail::{FlagChange, FlagSelection, ModSeq, SequenceSet, SystemFlag};
use crate::serve::ConnectionError;
use crate::session::imap::{Asked, FetchPlan, Refusal};
use crate::store::{Error, MailboxId, MessageRow, Receipt, Store, Transaction, UidRanges, View};
use crate::wire::imap::command::FetchItem;
use core::ops::RangeInclusive;
use std::sync::Arc;

/// Messages with their sequence numbers.
pub(super) type Rows = Vec<(u32, MessageRow)>;

/// One page of messages by UID or by sequence number.
pub(super) fn page(
    store: &Store,
    view: &mut View,
    uid: bool,
    range: RangeInclusive<u32>,
    max: usize,
) -> Result<Rows, Error> {
    if uid { store.messages_by_uid(view, range, max) } else { store.messages_by_sequence(view, range, max) }
}

/// Walks over messages, a page at a time.
#[derive(Debug)]
pub(super) struct Walk {
    uid: bool,
    ranges: std::vec::IntoIter<RangeInclusive<u32>>,
    range: Option<RangeInclusive<u32>>,
    rows_max: usize,
}

impl Walk {
    /// Over these messages.
    pub(super) fn new(named: Named, rows_max: usize) -> Self {
        Self { uid: named.uid, ranges: named.ranges.into_iter(), range: None, rows_max }
    }
}

impl Session {
    /// The next rows of a walk; none at its end. Several ranges are taken together, so that a set of single numbers
    /// does not cost a read each.
    pub(super) async fn next_rows(&mut self, walk: &mut Walk) -> Result<Rows, Ended> {
        let (uid, rows_max) = (walk.uid, walk.rows_max);
        let mut range = walk.range.take();
        let mut ranges = core::mem::take(&mut walk.ranges);
        let (rows, range, ranges) = self
            .with_view(move |store, view| {
                let mut rows = Rows::new();
                while rows.len() < rows_max {
                    let Some(now) = range.take().or_else(|| ranges.next()) else { break };
                    let max = rows_max.saturating_sub(rows.len());
                    let found = page(store, view, uid, now.clone(), max)?;
                    if found.len() >= max {
                        let last = found.last().map(|(sequence, row)| if uid { row.uid.get() } else { *sequence });
                        let from = last.and_then(|last| last.checked_add(1)).filter(|from| from <= now.end());
                        range = from.map(|from| from..=*now.end());
                    }
                    rows.extend(found);
                }
                Ok((rows, range, ranges))
            })
            .await?;
        walk.range = range;
        walk.ranges = ranges;
        Ok(rows)
    }

    /// RFC 9051 6.4.5.
    pub(super) async fn fetch(
        &mut self,
        uid: bool,
        set: SequenceSet,
        items: Vec<FetchItem>,
        changed_since: Option<ModSeq>,
    ) -> Result<Done, Ended> {
        let selection = self.selection()?;
        let (mailbox, read_only) = (selection.mailbox, selection.read_only);
        let plan = FetchPlan::new(items, uid, changed_since.is_some(), read_only, self.imap.enabled());
        let plan = Arc::new(plan);
        let named = self.named(&set, uid).await?;
        drop(set);
        let expected = named.expected();
        let mut walk = Walk::new(named, if plan.octets { IMAP_BODY_PAGE_ROWS } else { IMAP_TOLD_PAGE_ROWS });
        let mut problems = super::production::Problems::default();
        let mut found = 0_u32;
        loop {
            let mut rows = self.next_rows(&mut walk).await?;
            if rows.is_empty() {
                break;
            }
            found = found.saturating_add(u32::try_from(rows.len()).unwrap_or(u32::MAX));
            if let Some(since) = changed_since {
                rows.retain(|(_, row)| row.modseq > since);
            }
            let wanted = self.mark_seen(&plan, mailbox, rows).await?;
            let sets = wanted.iter().any(|wanted| wanted.seen);
            let keywords = self.keywords_of(mailbox, &plan).await?;
            let production = Production::new(Arc::clone(&plan), keywords, self.recent_from(), wanted);
            let mut production = self.produce(production).await?;
            if sets {
                // A view knows a few changes of its own: it is brought forward before there are too many.
                self.tell_changes(false).await?;
            }
            problems.gone |= production.problems.gone;
            problems.unknown_encoding |= production.problems.unknown_encoding;
            problems.damaged = problems.damaged.or(production.problems.damaged);
            problems.failed = problems.failed.or(production.problems.failed.take());
        }
        if let Some(uid) = problems.damaged {
            return Err(Ended::Damaged(uid));
        }
        if let Some(error) = problems.failed {
            return Err(self.refused(&error, Asked::Named));
        }
        if problems.unknown_encoding {
            return Err(Refusal::no("UNKNOWN-CTE", "A part has a transfer encoding that is not known here").into());
        }
        if problems.gone || expected.is_some_and(|expected| found < expected) {
            return Err(GONE.into());
        }
        Ok(Done::plain("Fetched"))
    }

    /// Sends everything that a production makes. A working buffer is there only where octets of messages are read, and
    /// not while a client takes its time: what was read last is read again then.
    async fn produce(&mut self, mut production: Production) -> Result<Production, Ended> {
        let mut room = vec![0; if production.reads() { IMAP_OUTPUT_OCTETS } else { IMAP_TOLD_OCTETS }];
        let mut begun = false;
        loop {
            if production.reads() && !production.has_buffer() {
                let buffer = match self.lease().await {
                    Ok(buffer) => buffer,
                    Err(ended) if !begun => return Err(ended),
                    // A response may have begun: nothing else can be said. Nobody waits for what this client has.
                    Err(_) => self.services.buffers.lease().await,
                };
                production.take_buffer(buffer);
            }
            begun = true;
            let (back, filled, produced) = self
                .services
                .store
                .read(move |store| {
                    let produced = production.produce(store, &mut room);
                    (production, room, produced)
                })
                .await;
            (production, room) = (back, filled);
            match produced {
                Ok((octets, progress)) => {
                    if progress == Progress::Finished {
                        production.park();
                    }
                    let mut sending = core::pin::pin!(self.send(room.get(..octets).unwrap_or_default()));
                    match tokio::time::timeout(IMAP_HELD_WRITE_TIMEOUT, sending.as_mut()).await {
                        Ok(sent) => sent?,
                        Err(_) => {
                            production.park();
                            sending.await?;
                        }
                    }
                    if progress == Progress::Finished {
                        return Ok(production);
                    }
                }
                Err(error) => {
                    // Octets were announced that cannot be read: whatever came next would be taken for them.
                    log::error!("[{}] IMAP: within a response: {error}", self.connection.session_id());
                    return Err(ConnectionError::Closed.into());
                }
            }
        }
    }

    /// Keyword names, where flags are told.
    async fn keywords_of(&mut self, mailbox: MailboxId, plan: &FetchPlan) -> Result<Vec<crate::mail::Keyword>, Ended> {
        if !plan.sets_seen && !plan.items.contains(&FetchItem::Flags) {
            return Ok(Vec::new());
        }
        let keywords = self.services.store.read(move |store| keyword_names(store, mailbox)).await;
        let keywords = keywords.map_err(|error| self.refused(&error, Asked::Selected))?;
        self.tell_new_keywords(&keywords).await?;
        Ok(keywords)
    }

    /// RFC 9051 6.4.5: BODY[...] sets `\Seen`. Done for a page before its octets are sent, so that the flags are told
    /// with them and one commit serves them all; that it fails is no reason to keep the message back.
    async fn mark_seen(&mut self, plan: &FetchPlan, mailbox: MailboxId, rows: Rows) -> Result<Vec<Wanted>, Ended> {
        let unseen: UidRanges = rows
            .iter()
            .filter(|(_, row)| plan.sets_seen && is_unseen(row))
            .map(|(_, row)| row.uid.get()..=row.uid.get())
            .collect();
        let mut stored = None;
        if !unseen.is_empty() {
            let transaction = Transaction::StoreFlags {
                mailbox,
                uids: unseen,
                change: FlagChange::Add,
                flags: FlagSelection::of(SystemFlag::Seen),
                unchanged_since: None,
            };
            match self.services.store.commit(transaction).await {
                Ok(Receipt::Stored { modseq, .. }) => stored = modseq,
                Ok(_) => {}
                Err(error) => log::warn!("[{}] IMAP: \\Seen: {error}", self.connection.session_id()),
            }
        }
        if let (Some(open), Some(modseq)) = (&mut self.open, stored) {
            open.view.note_own(modseq);
        }
        let wanted = rows.into_iter().map(|(sequence, mut row)| {
            let seen = plan.sets_seen && is_unseen(&row) && stored.is_some();
            if let (true, Some(modseq)) = (seen, stored) {
                row.flags = row.flags.with(SystemFlag::Seen);
                row.modseq = modseq;
            }
            Wanted { sequence, row, seen }
        });
        Ok(wanted.collect())
    }
}
