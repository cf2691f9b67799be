//! One client's numbering of a mailbox.
//!
//! What the client believes to be there is what is there now, up to the largest UID that was announced, and what is
//! gone but was not yet told: the pending messages. A sequence number is the number of both that lie below, plus one.
//! The first part is a rank in the tree; only the second is kept here, as runs. What bounds its memory:
//! [`VIEW_EXPUNGED_RANGES_MAX`] runs, whatever the mailbox's size and however many messages are pending.
//!
//! Questions to a view are in [`super::numbering`], what its client must hear in [`super::sync`].

use super::super::{Error, MailboxId};
use crate::limits::VIEW_EXPUNGED_RANGES_MAX;
use crate::mail::ModSeq;

/// Own changes of flags that are remembered until they are passed over: more than clients pipeline. Beyond that,
/// clients hear of their own changes, which does no harm.
const OWN_MAX: usize = 16;

/// Pending messages between whose UIDs lies no message that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// No pending message of the run is below.
    pub low: u32,
    /// The UID of the last pending message of the run.
    pub high: u32,
    /// How many.
    pub count: u32,
}

impl Run {
    /// Is every UID from `low` to `high` a pending message?
    pub fn is_dense(self) -> bool {
        self.high.saturating_sub(self.low).saturating_add(1) == self.count
    }
}

/// A round of telling changed flags, perhaps not finished in one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// Go on from this change.
    pub modseq: ModSeq,
    /// And, of that modseq, from this UID.
    pub uid: u32,
    /// Up to this change; later ones belong to the next round.
    pub until: ModSeq,
    /// Messages beyond this UID were announced as new in this round and need no word on their flags.
    pub through: u32,
}

/// One client's numbering of a mailbox: sequence numbers stay fixed until `sync` says otherwise (RFC 9051 2.3.1.2).
#[derive(Clone, Debug)]
pub struct View {
    mailbox: MailboxId,
    /// The largest UID that was announced; zero if none was.
    pub(super) through: u32,
    /// Messages that the client believes to be there.
    pub(super) exists: u32,
    /// What was expunged up to here is pending or told.
    pub(super) absorbed: ModSeq,
    /// Nothing was pending at this time. So what is gone since is pending, except what two other fields say.
    pub(super) calm: ModSeq,
    /// Largest UID announced at that time: of messages above, some may be gone that were never announced.
    pub(super) calm_through: u32,
    /// Largest UID that was told since that time: at it and below, some may be gone and told.
    pub(super) told_through: u32,
    /// Pending messages, in ascending order.
    pub(super) runs: Vec<Run>,
    /// Changes of flags up to here are told.
    pub(super) flags_told: ModSeq,
    pub(super) round: Option<Round>,
    own: heapless::Deque<ModSeq, OWN_MAX>,
    /// Taking in what is gone failed half-way.
    pub(super) lost: bool,
}

impl View {
    pub(super) fn new(mailbox: MailboxId, through: u32, exists: u32, modseq: ModSeq) -> Self {
        Self {
            mailbox,
            through,
            exists,
            absorbed: modseq,
            calm: modseq,
            calm_through: through,
            told_through: 0,
            runs: Vec::new(),
            flags_told: modseq,
            round: None,
            own: heapless::Deque::new(),
            lost: false,
        }
    }

    /// Its mailbox.
    #[must_use]
    pub fn mailbox(&self) -> MailboxId {
        self.mailbox
    }

    /// Messages that the client believes to be there.
    #[must_use]
    pub fn exists(&self) -> u32 {
        self.exists
    }

    /// All changes of flags up to here have been told, and perhaps some later ones.
    #[must_use]
    pub fn modseq(&self) -> ModSeq {
        self.flags_told
    }

    /// The client changed flags itself: `sync` is silent about this change.
    pub fn note_own(&mut self, modseq: ModSeq) {
        if self.own.is_full() {
            self.own.pop_front();
        }
        // There is room now.
        let _ = self.own.push_back(modseq);
    }

    pub(super) fn is_own(&self, modseq: ModSeq) -> bool {
        self.own.iter().any(|own| *own == modseq)
    }

    /// Flags are told up to here.
    pub(super) fn finish_round(&mut self, until: ModSeq) {
        self.round = None;
        self.flags_told = until;
        while self.own.front().is_some_and(|own| *own <= until) {
            self.own.pop_front();
        }
    }

    /// Messages that are gone and not told.
    pub(super) fn pending(&self) -> u32 {
        self.runs.iter().fold(0, |sum, run| sum.saturating_add(run.count))
    }

    /// Pending messages below a UID that is not itself pending.
    pub(super) fn pending_below(&self, uid: u32) -> u32 {
        self.runs.iter().take_while(|run| run.high < uid).fold(0, |sum, run| sum.saturating_add(run.count))
    }

    /// If nothing is pending, the past need not be looked at any more.
    pub(super) fn settle(&mut self) {
        if self.runs.is_empty() {
            self.calm = self.absorbed;
            self.calm_through = self.through;
            self.told_through = 0;
        }
    }

    /// May two pending messages belong to one run if no message that is there lies between them? Later their UIDs are
    /// found as those that are gone since the view was calm: so nothing else that is gone since then may lie between.
    fn may_span(&self, from: u32, to: u32) -> bool {
        from >= self.told_through && to <= self.calm_through.saturating_add(1)
    }

    /// Messages `low` to `high`, all announced and all gone, are pending. `next_live` gives the first message that is
    /// there from a UID on.
    ///
    /// # Errors
    /// [`Error::ViewLost`] if there are too many runs, or what `next_live` gives.
    pub(super) fn add_run(
        &mut self,
        low: u32,
        high: u32,
        mut next_live: impl FnMut(u32) -> Result<Option<u32>, Error>,
    ) -> Result<(), Error> {
        let count = high.saturating_sub(low).saturating_add(1);
        let place = self.runs.partition_point(|run| run.high < low);
        // Within a run: they were gone already when their neighbours were joined across them.
        if let Some(run) = self.runs.get_mut(place).filter(|run| run.low <= high) {
            run.low = run.low.min(low);
            run.high = run.high.max(high);
            run.count = run.count.saturating_add(count);
            return Ok(());
        }
        self.runs.insert(place, Run { low, high, count });
        self.join_at(place, &mut next_live)?;
        if let Some(before) = place.checked_sub(1) {
            self.join_at(before, &mut next_live)?;
        }
        if self.runs.len() > VIEW_EXPUNGED_RANGES_MAX {
            // Messages that kept runs apart may be gone by now.
            let mut place = 0;
            while place + 1 < self.runs.len() {
                if !self.join_at(place, &mut next_live)? {
                    place += 1;
                }
            }
        }
        if self.runs.len() > VIEW_EXPUNGED_RANGES_MAX { Err(Error::ViewLost) } else { Ok(()) }
    }

    /// Joins the run at `place` and the next one if nothing lies between them.
    fn join_at(
        &mut self,
        place: usize,
        next_live: &mut impl FnMut(u32) -> Result<Option<u32>, Error>,
    ) -> Result<bool, Error> {
        let (Some(&left), Some(&right)) = (self.runs.get(place), self.runs.get(place + 1)) else {
            return Ok(false);
        };
        let behind = left.high.saturating_add(1);
        let joins = behind == right.low
            || (self.may_span(left.high, right.low) && next_live(behind)?.is_none_or(|live| live > right.high));
        if joins {
            if let Some(run) = self.runs.get_mut(place) {
                run.high = right.high;
                run.count = run.count.saturating_add(right.count);
            }
            self.runs.remove(place + 1);
        }
        Ok(joins)
    }

    /// The first pending message of all, which has this UID, is told.
    pub(super) fn tell_first(&mut self, uid: u32) {
        if let Some(run) = self.runs.first_mut() {
            run.count = run.count.saturating_sub(1);
            run.low = uid.saturating_add(1);
            if run.count == 0 {
                self.runs.remove(0);
            }
        }
        self.told_through = self.told_through.max(uid);
        self.exists = self.exists.saturating_sub(1);
    }
}
