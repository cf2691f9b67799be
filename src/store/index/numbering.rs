//! Sequence numbers of a view: from UID to number and back, and messages by either.
//!
//! Every question first takes in what was expunged since the last one, so that what is there and what is pending add
//! up to what the client believes. Costs: a few walks through the tree, and as much as the answer.

use super::super::{Error, MailboxId, MessageRow};
use super::Index;
use super::keys::{self, Table};
use super::rows::{self, Gone, Mailbox};
use super::view::{Run, View};
use crate::mail::{ModSeq, Uid};
use core::ops::{ControlFlow, RangeInclusive};

/// Entries of the table of gone messages taken in at one time.
const ABSORB_STEP: usize = 16;
/// Pending messages of a run with gaps that are looked up to answer for one number.
const LOOK_UP_MAX: usize = 1_024;

impl Index {
    /// A view of a mailbox as it is now.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], or if a page is damaged or the medium fails.
    pub fn open_view(&mut self, mailbox: MailboxId) -> Result<View, Error> {
        self.check()?;
        let row = self.mailbox_record(mailbox)?.ok_or(Error::NoSuchMailbox)?;
        Ok(View::new(mailbox, row.last_uid, row.messages, row.highest_modseq))
    }

    /// Announced messages of these UIDs that are still there, ascending, with their numbers, at most `max`.
    ///
    /// # Errors
    /// [`Error::ViewLost`], [`Error::NoSuchMailbox`] if it was deleted, or if a page is damaged or the medium fails; so
    /// for all that follows.
    pub fn messages_by_uid(
        &mut self,
        view: &mut View,
        uids: RangeInclusive<u32>,
        max: usize,
    ) -> Result<Vec<(u32, MessageRow)>, Error> {
        self.absorb(view)?;
        let (from, to) = (*uids.start().max(&1), *uids.end().min(&view.through));
        let messages = self.rows_in(view.mailbox(), from..=to, max)?;
        let Some(first) = messages.first() else { return Ok(Vec::new()) };
        let before = self.live_below(view.mailbox(), first.uid.get())?;
        Ok(numbered(view, before, messages).collect())
    }

    /// Messages of these sequence numbers that are still there, ascending, with their numbers, at most `max`.
    ///
    /// # Errors
    /// See [`Index::messages_by_uid`].
    pub fn messages_by_sequence(
        &mut self,
        view: &mut View,
        sequences: RangeInclusive<u32>,
        max: usize,
    ) -> Result<Vec<(u32, MessageRow)>, Error> {
        self.absorb(view)?;
        let (from, to) = (*sequences.start().max(&1), *sequences.end().min(&view.exists));
        if from > to || max == 0 {
            return Ok(Vec::new());
        }
        // The first one that is there, and no more than could belong to the answer.
        let before = match self.locate(view, from)? {
            Located::Live(before) => before,
            Located::Pending { live_below, .. } => live_below,
        };
        let Some(first) = self.live_at(view, before)? else { return Ok(Vec::new()) };
        let most = usize::try_from(to - from).unwrap_or(usize::MAX).saturating_add(1).min(max);
        let messages = self.rows_in(view.mailbox(), first.get()..=view.through, most)?;
        Ok(numbered(view, before, messages).take_while(|(sequence, _)| *sequence <= to).collect())
    }

    /// The UID of a number, also of a message that is gone and not told, where that is known.
    ///
    /// # Errors
    /// See [`Index::messages_by_uid`].
    pub fn uid_at(&mut self, view: &mut View, sequence: u32) -> Result<Option<Uid>, Error> {
        self.absorb(view)?;
        if sequence == 0 || sequence > view.exists {
            return Ok(None);
        }
        match self.locate(view, sequence)? {
            Located::Live(before) => self.live_at(view, before),
            Located::Pending { run, offset, .. } if run.is_dense() => Ok(Uid::new(run.low.saturating_add(offset))),
            Located::Pending { run, offset, .. } => {
                let wanted = usize::try_from(offset).unwrap_or(usize::MAX).saturating_add(1);
                if wanted > LOOK_UP_MAX {
                    return Ok(None);
                }
                let uids = self.pending_uids(view, run, wanted)?;
                Ok(uids.get(wanted - 1).copied().and_then(Uid::new))
            }
        }
    }

    /// The number of an announced message, also of one that is gone and not told, where that is known.
    ///
    /// # Errors
    /// See [`Index::messages_by_uid`].
    pub fn sequence_of(&mut self, view: &mut View, uid: Uid) -> Result<Option<u32>, Error> {
        self.absorb(view)?;
        if uid.get() > view.through {
            return Ok(None);
        }
        let mailbox = view.mailbox();
        let pending = view.pending_below(uid.get());
        let live = self.tree.contains(&Table::Messages.at(mailbox, uid.get()))?;
        let run = view.runs.iter().find(|run| (run.low..=run.high).contains(&uid.get())).copied();
        let within = match run {
            _ if live => 0,
            Some(run) if run.is_dense() => uid.get() - run.low,
            Some(_) | None => return Ok(None),
        };
        let below = self.live_below(mailbox, uid.get())?;
        Ok(Some(below.saturating_add(pending).saturating_add(within).saturating_add(1)))
    }

    /// The number of the first message without `\Seen`.
    ///
    /// # Errors
    /// See [`Index::messages_by_uid`].
    pub fn first_unseen(&mut self, view: &mut View) -> Result<Option<u32>, Error> {
        self.absorb(view)?;
        let first = self.uids_in(Table::Unseen, view.mailbox(), 1..=view.through, 1)?;
        match first.first() {
            Some(uid) => self.sequence_of(view, *uid),
            None => Ok(None),
        }
    }

    /// The UID of the last message that the client believes to be there.
    ///
    /// # Errors
    /// See [`Index::messages_by_uid`].
    pub fn last_uid(&mut self, view: &mut View) -> Result<Option<Uid>, Error> {
        self.absorb(view)?;
        let end = keys::after(&Table::Messages.at(view.mailbox(), view.through));
        let prefix = Table::Messages.of(view.mailbox());
        let live = self.tree.last_below(&end)?.filter(|(key, _)| key.starts_with(&prefix));
        let live = live.map_or(0, |(key, _)| keys::last_number(&key));
        let pending = view.runs.last().map_or(0, |run| run.high);
        Ok(Uid::new(live.max(pending)))
    }

    /// Takes in what was expunged since the view last looked; gives the mailbox as it is now.
    pub(super) fn absorb(&mut self, view: &mut View) -> Result<Mailbox, Error> {
        self.check()?;
        if view.lost {
            return Err(Error::ViewLost);
        }
        let row = self.mailbox_record(view.mailbox())?.ok_or(Error::NoSuchMailbox)?;
        if row.highest_modseq > view.absorbed {
            // Half of it taken in could not be taken in again.
            view.lost = true;
            if view.absorbed < row.gone_floor {
                return Err(Error::ViewLost);
            }
            self.absorb_until(view, row.highest_modseq)?;
            view.lost = false;
            view.absorbed = row.highest_modseq;
            view.settle();
        }
        Ok(row)
    }

    fn absorb_until(&mut self, view: &mut View, until: ModSeq) -> Result<(), Error> {
        let mailbox = view.mailbox();
        let mut from = Table::Gone.when(mailbox, view.absorbed.next(), 0).to_vec();
        let to = Table::Gone.when(mailbox, until, u32::MAX);
        loop {
            let step = self
                .collect_to(&from, &to, ABSORB_STEP, |key, value| Ok((key.to_vec(), rows::decode::<Gone>(value)?)))?;
            let Some((last, _)) = step.last() else { return Ok(()) };
            from = keys::after(last);
            for (key, gone) in &step {
                for (low, high) in gone.runs(keys::last_number(key)) {
                    // What came and went without being announced was never there.
                    if low <= view.through {
                        view.add_run(low, high.min(view.through), |uid| self.next_live(mailbox, uid))?;
                    }
                }
            }
        }
    }

    /// The smallest UIDs of a run's pending messages, at most `max`. In a run with gaps they are what is gone within
    /// it since the view was calm; one walk through that history finds them.
    pub(super) fn pending_uids(&mut self, view: &mut View, run: Run, max: usize) -> Result<Vec<u32>, Error> {
        let most = max.min(usize::try_from(run.count).unwrap_or(usize::MAX));
        if run.is_dense() {
            return Ok((run.low..=run.high).take(most).collect());
        }
        let mailbox = view.mailbox();
        if self.mailbox_record(mailbox)?.ok_or(Error::NoSuchMailbox)?.gone_floor > view.calm {
            view.lost = true;
            return Err(Error::ViewLost);
        }
        let from = Table::Gone.when(mailbox, view.calm.next(), 0);
        let to = Table::Gone.when(mailbox, view.absorbed, u32::MAX);
        let mut smallest = std::collections::BinaryHeap::with_capacity(most.saturating_add(1));
        let mut failed = Ok(());
        self.tree.ascend(&from, |key, value| {
            if key > to.as_slice() {
                return ControlFlow::Break(());
            }
            match rows::decode::<Gone>(value) {
                Ok(gone) => {
                    for (low, high) in gone.runs(keys::last_number(key)) {
                        for uid in low.max(run.low)..=high.min(run.high) {
                            if smallest.len() == most && smallest.peek().is_some_and(|largest| *largest <= uid) {
                                break;
                            }
                            smallest.push(uid);
                            if smallest.len() > most {
                                smallest.pop();
                            }
                        }
                    }
                }
                Err(error) => failed = Err(error),
            }
            if failed.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        failed?;
        Ok(smallest.into_sorted_vec())
    }

    /// Messages of a mailbox that are there below a UID.
    pub(super) fn live_below(&mut self, mailbox: MailboxId, uid: u32) -> Result<u32, Error> {
        let below = self.tree.count(&Table::Messages.of(mailbox), &Table::Messages.at(mailbox, uid))?;
        u32::try_from(below).map_err(|_| Error::Damaged("index: more messages than UIDs".to_owned()))
    }

    /// The first message that is there from a UID on.
    fn next_live(&mut self, mailbox: MailboxId, uid: u32) -> Result<Option<u32>, Error> {
        Ok(self.uids_in(Table::Messages, mailbox, uid..=u32::MAX, 1)?.first().map(|uid| uid.get()))
    }

    /// The announced message that is there with `before` others before it.
    fn live_at(&mut self, view: &View, before: u32) -> Result<Option<Uid>, Error> {
        let prefix = Table::Messages.of(view.mailbox());
        let first = self.tree.rank(&prefix)?;
        let Some((key, _)) = self.tree.select(first.saturating_add(u64::from(before)))? else { return Ok(None) };
        let uid = keys::last_number(&key);
        Ok(Uid::new(uid).filter(|_| key.starts_with(&prefix) && uid <= view.through))
    }

    /// What a number stands for.
    fn locate(&mut self, view: &View, sequence: u32) -> Result<Located, Error> {
        let before = sequence.saturating_sub(1);
        // The last run that begins at this number or before it.
        let (mut low, mut high) = (0, view.runs.len());
        let mut last = None;
        while low < high {
            let middle = low.midpoint(high);
            let Some(&run) = view.runs.get(middle) else { break };
            let live_below = self.live_below(view.mailbox(), run.low)?;
            let pending_below = view.pending_below(run.low);
            let run_before = live_below.saturating_add(pending_below);
            if run_before <= before {
                last = Some((run, live_below, pending_below, before - run_before));
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(match last {
            None => Located::Live(before),
            Some((run, live_below, _, offset)) if offset < run.count => Located::Pending { run, offset, live_below },
            Some((run, _, pending_below, _)) => {
                Located::Live(before.saturating_sub(pending_below).saturating_sub(run.count))
            }
        })
    }
}

/// What a sequence number stands for.
enum Located {
    /// The message that is there with so many others that are there before it.
    Live(u32),
    /// A pending one.
    Pending {
        /// Its run.
        run: Run,
        /// So many of the run are before it.
        offset: u32,
        /// So many that are there.
        live_below: u32,
    },
}

/// Messages that follow each other, the first with `before` others that are there before it, with their numbers.
fn numbered(view: &View, before: u32, messages: Vec<MessageRow>) -> impl Iterator<Item = (u32, MessageRow)> + '_ {
    let mut runs = view.runs.iter().peekable();
    let mut pending = 0u32;
    (before..).zip(messages).map(move |(before, row)| {
        while let Some(run) = runs.next_if(|run| run.high < row.uid.get()) {
            pending = pending.saturating_add(run.count);
        }
        (before.saturating_add(pending).saturating_add(1), row)
    })
}
