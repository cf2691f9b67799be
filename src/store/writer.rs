//! The one thread that writes: takes what waits, lays it out in batches, writes them, syncs once, answers.
//!
//! Owns the log's end and the batch buffer. While one group of batches is on its way to the card the next one gathers in
//! the queue, so groups are as large as the load makes them; most of the time a group is one batch. Nobody sees a change
//! before it is durable. After a failed write or sync everything is refused until the store is opened again.

use super::batch::Batch;
use super::format::{RecordKind, Records};
use super::log::Log;
use super::medium::MediumLock;
use super::overlay::Overlay;
use super::plan::{Level, Planner, Refusal};
use super::queue::{Reply, Request};
use super::recovery::apply;
use super::segments::Begin;
use super::shared::Shared;
use super::width::wide;
use super::{Error, LogPosition, Pulse, Receipt, Spool, Transaction};
use crate::limits::{
    GROUP_CROWD_MIN, GROUP_GAP_TIMEOUT, GROUP_PROBE_TIMEOUT, GROUP_TIMEOUT, WORKING_BUFFER_OCTETS, WORKING_BUFFERS_MAX,
};
use std::sync::Arc;
use std::time::Instant;

/// Octets that are written before a sync, at most: all that can be in working buffers at one time.
const GROUP_OCTETS_MAX: usize = WORKING_BUFFERS_MAX * WORKING_BUFFER_OCTETS;

/// The writer of a store.
pub(super) struct Writer {
    shared: Arc<Shared>,
    log: Log,
    batch: Batch,
    /// The batch has its place.
    begun: bool,
    /// What the group has changed.
    overlay: Overlay,
    answers: Vec<Answer>,
    /// Batches of the group that are written: where their records stand, and how many octets they have.
    written: Vec<(LogPosition, usize)>,
    /// Octets of the log when the group began.
    group_at: u64,
    /// Transactions that this group may expect: those of the group before it, and whoever came while that one was synced.
    expected: usize,
    /// What must wait for the next batch.
    carry: Option<Request>,
    /// Octets written when the last checkpoint was made.
    checkpoint_at: u64,
    /// Octets that the opening has replayed, until the first checkpoint.
    tail_octets: u64,
    level: Level,
    /// Other processes stay out as long as this one may write.
    _lock: Box<dyn MediumLock>,
}

/// What is to be said.
enum Answer {
    /// Once all is durable.
    Receipt(Reply<Receipt>, Receipt),
    /// Once all is written.
    Spool(Reply<Spool>, Spool),
}

impl Answer {
    fn give(self, outcome: Result<(), Error>) {
        match self {
            Self::Receipt(reply, receipt) => reply(outcome.map(|()| receipt)),
            Self::Spool(reply, spool) => reply(outcome.map(|()| spool)),
        }
    }
}

/// What became of a request.
enum Taken {
    /// It is in the batch, or answered.
    Done,
    /// It does not fit into this batch.
    NoRoom(Request),
    /// It must wait until the group is durable.
    Conflict(Request),
}

impl Writer {
    /// `tail_octets` of the log are not covered by a checkpoint yet.
    pub(super) fn new(
        shared: Arc<Shared>,
        log: Log,
        buffer: Box<[u8]>,
        lock: Box<dyn MediumLock>,
        tail_octets: u64,
    ) -> Self {
        Self {
            shared,
            log,
            batch: Batch::new(buffer),
            begun: false,
            overlay: Overlay::default(),
            answers: Vec::new(),
            written: Vec::new(),
            group_at: 0,
            expected: 0,
            carry: None,
            checkpoint_at: 0,
            tail_octets,
            level: Level::Enough,
            _lock: lock,
        }
    }

    /// The thread's work, until the queue is closed and empty. Then the index is made durable.
    pub(super) fn run(mut self) -> Result<(), Error> {
        let _ending = Ending(Arc::clone(&self.shared));
        self.checkpoint_if_due();
        while self.carry.is_some() || self.shared.queue.wait() {
            self.round();
        }
        self.checkpoint()
    }

    /// Writes one group of what waits. `false` if nothing is left to do.
    pub(super) fn round(&mut self) -> bool {
        self.look_at_room();
        self.group_at = self.shared.counters.log_octets.get();
        let begun = Instant::now();
        while let Some(request) = self.carry.take().or_else(|| self.next(begun)) {
            if self.shared.is_read_only() {
                request.refuse(Error::ReadOnly);
                continue;
            }
            match self.take(request) {
                Taken::Done => {}
                Taken::Conflict(request) => {
                    self.carry = Some(request);
                    break;
                }
                Taken::NoRoom(request) => {
                    self.carry = Some(request);
                    self.write();
                }
            }
            // What changes nothing fills no batch; it is answered in time all the same.
            let octets = self.shared.counters.log_octets.get().saturating_sub(self.group_at);
            if octets >= wide(GROUP_OCTETS_MAX) || self.answers.len() >= self.shared.options.queue_max {
                break;
            }
        }
        self.finish();
        self.checkpoint_if_due();
        self.carry.is_some() || self.shared.queue.len() > 0
    }

    /// Transactions of this group so far.
    fn receipts(&self) -> usize {
        self.answers.iter().filter(|answer| matches!(answer, Answer::Receipt(..))).count()
    }

    /// The next request for the group that began at `begun`. Where several clients commit at a time, those that are about
    /// to are waited for: one sync more or less is worth more to the card than the moment is to them. A client alone
    /// never waits.
    fn next(&self, begun: Instant) -> Option<Request> {
        let waiting = self.shared.queue.pop();
        if waiting.is_some() || self.answers.is_empty() {
            return waiting;
        }
        let patience = match self.receipts() {
            receipts if receipts < self.expected => GROUP_GAP_TIMEOUT,
            // Where so many come, there may be more of them than the last group had.
            receipts if receipts >= GROUP_CROWD_MIN => GROUP_PROBE_TIMEOUT,
            _ => return None,
        };
        let left = GROUP_TIMEOUT.checked_sub(begun.elapsed())?;
        self.shared.queue.pop_within(left.min(patience))
    }

    fn checkpoint_if_due(&mut self) {
        let written = self.shared.counters.log_octets.get().saturating_sub(self.checkpoint_at);
        let since = written.saturating_add(self.tail_octets);
        let due = self.shared.options.checkpoint_octets;
        let idle = self.carry.is_none() && self.shared.queue.len() == 0;
        // Better while nobody waits, but not much later.
        if (since >= due && idle) || since >= due.saturating_mul(2) {
            // What went wrong is logged; the next one is due after as many octets again.
            let _ = self.checkpoint();
        }
    }

    /// How much is left? The index takes its room now, while nothing is in the log that it would have to take in.
    fn look_at_room(&mut self) {
        let reserve = self.shared.options.reserve_octets;
        match self.shared.segments.free_octets() {
            Ok(free) => {
                let free = free.saturating_add(self.log.room().into());
                self.shared.counters.free_octets.set(free);
                self.level = match free {
                    _ if free >= reserve => Level::Enough,
                    _ if free >= reserve / 2 => Level::Low,
                    _ => Level::Last,
                };
            }
            // Whoever cannot say how much is left may still have it; a write tells.
            Err(error) => log::warn!("store: {error}"),
        }
        if !self.shared.is_read_only() && self.shared.index().reserve() == Err(Error::Full) {
            self.level = Level::Last;
        }
    }

    /// Takes a request into the batch, or answers it.
    fn take(&mut self, request: Request) -> Taken {
        match request {
            Request::Transaction(transaction, reply) => self.transact(transaction, reply),
            Request::Spill(spool, reply) => self.spill(spool, reply),
            // Writes nothing, begins no batch, and waits for no sync: it came as far as any change would.
            Request::Pulse(reply) => {
                if self.is_idle() {
                    // The group may have begun with another pulse, some time ago.
                    self.look_at_room();
                }
                reply(Ok(Pulse { takes_mail: self.level == Level::Enough }));
                Taken::Done
            }
            Request::Checkpoint(_) if !self.is_idle() => Taken::Conflict(request),
            Request::Checkpoint(reply) => {
                reply(self.checkpoint());
                Taken::Done
            }
        }
    }

    /// Is nothing on its way?
    fn is_idle(&self) -> bool {
        self.answers.is_empty() && self.batch.is_empty() && self.written.is_empty()
    }

    fn transact(&mut self, transaction: Box<Transaction>, reply: Reply<Receipt>) -> Taken {
        loop {
            if let Err(error) = self.place() {
                Request::Transaction(transaction, reply).refuse(error);
                return Taken::Done;
            }
            let mark = self.batch.mark();
            let (planned, draft) = self.plan(&transaction);
            let refusal = match planned {
                Ok(receipt) => {
                    if self.batch.mark() > mark {
                        self.batch.set_commits();
                    }
                    self.overlay.merge(draft);
                    self.answers.push(Answer::Receipt(reply, receipt));
                    return Taken::Done;
                }
                Err(refusal) => refusal,
            };
            self.batch.back_to(mark);
            let error = match refusal {
                Refusal::Error(error) => error,
                Refusal::Conflict => return Taken::Conflict(Request::Transaction(transaction, reply)),
                Refusal::NoRoom => match self.make_room() {
                    Room::NextBatch => return Taken::NoRoom(Request::Transaction(transaction, reply)),
                    Room::Made => continue,
                    Room::None(error) => error,
                },
            };
            self.shared.counters.refused.add(1);
            Request::Transaction(transaction, reply).refuse(error);
            return Taken::Done;
        }
    }

    fn plan(&mut self, transaction: &Transaction) -> (Result<Receipt, Refusal>, Overlay) {
        let mut planner = Planner {
            index: &mut self.shared.index(),
            overlay: &self.overlay,
            batch: &mut self.batch,
            draft: Overlay::default(),
            now: (self.shared.options.clock)(),
            level: self.level,
        };
        let planned = planner.plan(transaction);
        (planned, planner.draft)
    }

    /// Writes the chunk that fills a spool, so that more can be pushed.
    fn spill(&mut self, mut spool: Spool, reply: Reply<Spool>) -> Taken {
        if self.level > Level::Enough {
            Request::Spill(spool, reply).refuse(Error::Full);
            return Taken::Done;
        }
        loop {
            if let Err(error) = self.place() {
                Request::Spill(spool, reply).refuse(error);
                return Taken::Done;
            }
            let chunk = spool.buffer.as_slice().get(..spool.filled).unwrap_or(&[]);
            if chunk.is_empty() {
                self.answers.push(Answer::Spool(reply, spool));
                return Taken::Done;
            }
            match self.batch.record(RecordKind::Chunk, chunk) {
                Ok(extent) => {
                    spool.extents.push(extent);
                    spool.filled = 0;
                    self.shared.counters.spilled.add(1);
                    self.answers.push(Answer::Spool(reply, spool));
                    return Taken::Done;
                }
                Err(super::batch::NoRoom) => match self.make_room() {
                    Room::NextBatch => return Taken::NoRoom(Request::Spill(spool, reply)),
                    Room::Made => {}
                    Room::None(error) => {
                        Request::Spill(spool, reply).refuse(error);
                        return Taken::Done;
                    }
                },
            }
        }
    }

    /// Gives the batch its place in the log, if it has none.
    fn place(&mut self) -> Result<(), Error> {
        if self.begun {
            return Ok(());
        }
        // Twice at most: a spare segment that becomes ready just after a store's first segment was begun ends that one, and
        // any other has room when it is new.
        loop {
            if let Some((at, room)) = self.log.place() {
                self.batch.begin(at, room);
                self.begun = true;
                return Ok(());
            }
            self.roll()?;
        }
    }

    fn roll(&mut self) -> Result<(), Error> {
        match self.log.roll() {
            Ok(()) => Ok(()),
            Err(Begin::Full) => Err(Error::Full),
            Err(Begin::Failed(error)) => {
                self.fail(&error);
                Err(Error::ReadOnly)
            }
        }
    }

    /// What came last did not fit.
    fn make_room(&mut self) -> Room {
        if !self.batch.is_empty() {
            return Room::NextBatch;
        }
        if self.log.at_begin() {
            return Room::None(Error::OverLimit("one transaction"));
        }
        self.begun = false;
        match self.roll() {
            Ok(()) => Room::Made,
            Err(error) => Room::None(error),
        }
    }

    /// Writes the batch, not synced. Whoever waits to spill more can go on.
    fn write(&mut self) {
        if !core::mem::take(&mut self.begun) || self.batch.is_empty() {
            return;
        }
        let (at, records) = self.batch.records();
        let octets = records.octets();
        let outcome = self.log.write(&mut self.batch);
        match &outcome {
            Ok(()) if self.batch.commits() => self.written.push((at, octets)),
            Ok(()) => {}
            Err(error) => self.fail(error),
        }
        for answer in self.answers.extract_if(.., |answer| matches!(answer, Answer::Spool(..))) {
            answer.give(outcome.clone().map_err(|_| Error::ReadOnly));
        }
    }

    /// Writes what is left of the group, makes it durable, shows what it changed, and answers.
    fn finish(&mut self) {
        self.write();
        let overlay = core::mem::take(&mut self.overlay);
        let receipts = self.receipts();
        let answers = core::mem::take(&mut self.answers);
        let written = core::mem::take(&mut self.written);
        let outcome = match written.split_last() {
            _ if self.shared.is_read_only() => Err(Error::ReadOnly),
            None => Ok(()),
            Some((last, before)) => self.log.sync().and_then(|()| self.show(before, *last)),
        };
        if let Err(error) = &outcome {
            self.fail(error);
        }
        self.batch.begin(self.batch.at(), 0);
        // Nobody has heard an answer yet: who waits now was not in this group.
        self.expected = receipts.saturating_add(self.shared.queue.len());
        let outcome = outcome.map_err(|_| Error::ReadOnly);
        for answer in answers {
            if outcome.is_ok() && matches!(answer, Answer::Receipt(..)) {
                self.shared.counters.transactions.add(1);
            }
            answer.give(outcome.clone());
        }
        if outcome.is_ok() {
            overlay.mailboxes().for_each(|mailbox| self.shared.feed.changed(mailbox));
        }
    }

    /// Takes the events of a group's batches into the index. The last batch with any is still in the buffer, unless a
    /// spill came after it.
    fn show(&mut self, before: &[(LogPosition, usize)], last: (LogPosition, usize)) -> Result<(), Error> {
        let mut index = self.shared.index();
        let (held, records) = self.batch.records();
        // With others before it, the buffer is needed for these.
        if held == last.0 && before.is_empty() {
            return apply(&mut index, held, records, None);
        }
        for (at, octets) in before.iter().chain([&last]) {
            let file = self.shared.segments.file(at.segment)?;
            let payload = self.batch.lend(*octets)?;
            file.read_exact_at(at.offset.into(), payload)?;
            apply(&mut index, *at, Records::new(payload), None)?;
        }
        Ok(())
    }

    /// Nothing more is written.
    fn fail(&self, error: &Error) {
        if self.shared.is_read_only() {
            return;
        }
        log::error!("store: read-only until the next start: {error}");
        self.shared.set_read_only();
    }

    /// Makes the index durable for all of the log.
    pub(super) fn checkpoint(&mut self) -> Result<(), Error> {
        if self.shared.is_read_only() {
            return Err(Error::ReadOnly);
        }
        self.checkpoint_at = self.shared.counters.log_octets.get();
        self.tail_octets = 0;
        let made = self.log.sync().and_then(|()| match self.log.covered() {
            Some(covered) => self.shared.index().checkpoint(covered),
            None => Ok(()),
        });
        match &made {
            Ok(()) => self.shared.counters.checkpoints.add(1),
            // The index stays in memory and in the log; after deletions there may be room.
            Err(Error::Full) => log::warn!("store: no room for a checkpoint"),
            Err(error) => self.fail(error),
        }
        made
    }
}

/// What a request that did not fit can hope for.
enum Room {
    /// The batch must be written first.
    NextBatch,
    /// A new segment has been begun.
    Made,
    None(Error),
}

/// However the writer's thread ends, nobody waits for it in vain.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.queue.close();
        self.0.set_read_only();
        while let Some(request) = self.0.queue.pop() {
            request.refuse(Error::Closed);
        }
    }
}
