//! What has changed for a client, in the order in which it must hear it.

use super::super::{Change, Error};
use super::Index;
use super::keys::{self, Table};
use super::rows::Mailbox;
use super::view::{Round, View};
use crate::mail::Uid;
use core::ops::ControlFlow;

impl Index {
    /// Brings a view up to date and says what its client must hear, at most `max` changes: call again until there are
    /// none. Without `expunges`, numbers stay as they are (RFC 9051 7.5.1: none are told during FETCH, STORE and SEARCH).
    ///
    /// # Errors
    /// [`Error::ViewLost`], [`Error::NoSuchMailbox`] if it was deleted, or if a page is damaged or the medium fails.
    pub fn sync(&mut self, view: &mut View, expunges: bool, max: usize) -> Result<Vec<Change>, Error> {
        let row = self.absorb(view)?;
        let mut changes = Vec::new();
        let told = self.tell(view, &row, expunges, max, &mut changes);
        // What the view has counted as told does not arrive.
        view.lost = told.is_err();
        told.map(|()| changes)
    }

    fn tell(
        &mut self,
        view: &mut View,
        row: &Mailbox,
        expunges: bool,
        max: usize,
        changes: &mut Vec<Change>,
    ) -> Result<(), Error> {
        if expunges {
            self.tell_expunged(view, max, changes)?;
        }
        if changes.len() >= max {
            return Ok(());
        }
        let before = changes.len();
        // The end of an older round may have had nothing to tell while there is more since.
        while changes.len() == before || view.round.is_some() {
            let round = match view.round {
                Some(round) => round,
                None if view.flags_told >= row.highest_modseq => break,
                None => {
                    let through = view.through;
                    announce(view, row, changes);
                    Round { modseq: view.flags_told.next(), uid: 0, until: row.highest_modseq, through }
                }
            };
            self.tell_flags(view, round, max, changes)?;
            if view.round.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// The lowest go first: each number is then one more than what is there below.
    fn tell_expunged(&mut self, view: &mut View, max: usize, changes: &mut Vec<Change>) -> Result<(), Error> {
        while let Some(&run) = view.runs.first() {
            let room = max.saturating_sub(changes.len());
            if room == 0 {
                return Ok(());
            }
            let uids = self.pending_uids(view, run, room)?;
            if uids.is_empty() {
                return Err(Error::ViewLost);
            }
            let sequence = self.live_below(view.mailbox(), run.low)?.saturating_add(1);
            for uid in uids.into_iter().filter_map(Uid::new) {
                changes.push(Change::Expunged { sequence, uid });
                view.tell_first(uid.get());
            }
        }
        view.settle();
        Ok(())
    }

    fn tell_flags(
        &mut self,
        view: &mut View,
        mut round: Round,
        max: usize,
        changes: &mut Vec<Change>,
    ) -> Result<(), Error> {
        let mailbox = view.mailbox();
        let room = max.saturating_sub(changes.len());
        let from = Table::Changes.when(mailbox, round.modseq, round.uid);
        let to = Table::Changes.when(mailbox, round.until, u32::MAX);
        let mut changed = Vec::new();
        let mut finished = true;
        self.tree.ascend(&from, |key, _| {
            if key > to.as_slice() {
                return ControlFlow::Break(());
            }
            let (modseq, uid) = keys::last_modseq_uid(key);
            if uid > round.through || view.is_own(modseq) {
                return ControlFlow::Continue(());
            }
            if changed.len() >= room {
                (round.modseq, round.uid) = (modseq, uid);
                finished = false;
                return ControlFlow::Break(());
            }
            changed.extend(Uid::new(uid));
            ControlFlow::Continue(())
        })?;
        for uid in changed {
            let Some(message) = self.message_record(mailbox, uid)? else {
                return Err(Error::Damaged("index: a change without its message".to_owned()));
            };
            let below = self.live_below(mailbox, uid.get())?.saturating_add(view.pending_below(uid.get()));
            changes.push(Change::Flags { sequence: below.saturating_add(1), row: message.with_uid(uid) });
        }
        if finished {
            view.finish_round(round.until);
        } else {
            view.round = Some(round);
        }
        Ok(())
    }
}

/// RFC 9051 7.4.1: new messages, and with them all that are there by now.
fn announce(view: &mut View, row: &Mailbox, changes: &mut Vec<Change>) {
    view.through = row.last_uid.max(view.through);
    let exists = row.messages.saturating_add(view.pending());
    if exists != view.exists {
        view.exists = exists;
        changes.push(Change::Exists(exists));
    }
    view.settle();
}
