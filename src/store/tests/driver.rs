//! Drives a store without threads, step by step, and notes what was handed in and what was acknowledged, and when.

use super::model::{Model, Op, internal_date};
use crate::store::medium::SimulatedMedium;
use crate::store::prewrite::Prewriter;
use crate::store::writer::Writer;
use crate::store::{
    Delivery, Error, MailboxSpec, OpenReport, Options, QuotaRule, Receipt, Spool, Store, Target, Transaction,
    WorkingBuffer,
};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Small sizes, a clock and a source of randomness that the test holds.
pub fn options(clock: &Arc<AtomicI64>, seed: u64) -> Options {
    let (clock, counter) = (Arc::clone(clock), AtomicU64::new(seed));
    Options {
        checkpoint_octets: 128 << 10,
        segment_octets: 256 << 10,
        index_cache_octets: 256 << 10,
        clock: Arc::new(move || clock.load(Ordering::Relaxed)),
        random: Arc::new(move || Ok(super::Random(counter.fetch_add(1, Ordering::Relaxed)).next())),
        ..Options::small()
    }
}

/// One change on its way.
#[derive(Debug)]
pub struct Note {
    pub op: Op,
    pub now: i64,
    /// Snapshots of the medium when it was handed in.
    pub handed_in: usize,
    /// The answer, and snapshots of the medium then.
    pub answer: Option<(Result<Receipt, Error>, usize)>,
}

pub struct Driver {
    pub medium: SimulatedMedium,
    pub clock: Arc<AtomicI64>,
    pub store: Store,
    pub writer: Writer,
    pub prewriter: Prewriter,
    pub report: OpenReport,
    pub notes: Arc<Mutex<Vec<Note>>>,
}

impl Driver {
    pub fn open(medium: &SimulatedMedium, now: i64, seed: u64) -> Result<Self, Error> {
        Self::open_with(medium, now, seed, |_| {})
    }

    pub fn open_with(
        medium: &SimulatedMedium,
        now: i64,
        seed: u64,
        change: impl FnOnce(&mut Options),
    ) -> Result<Self, Error> {
        let clock = Arc::new(AtomicI64::new(now));
        let mut options = options(&clock, seed);
        change(&mut options);
        let (store, writer, prewriter, report) = Store::open_unthreaded(Arc::new(medium.clone()), options)?;
        Ok(Self { medium: medium.clone(), clock, store, writer, prewriter, report, notes: Arc::default() })
    }

    pub fn now(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    pub fn tick(&self) {
        self.clock.fetch_add(1, Ordering::Relaxed);
    }

    /// Streams a body into a spool; full chunks are written on the way.
    pub fn spool(&mut self, body: &[u8]) -> Result<Spool, Error> {
        let mut spool = Spool::new(WorkingBuffer::unpooled(), 1 << 30);
        let mut rest = body;
        while !rest.is_empty() {
            let taken = spool.push(rest)?;
            rest = &rest[taken..];
            if taken == 0 {
                let back = Arc::new(Mutex::new(None));
                let slot = Arc::clone(&back);
                self.store.spill(spool, Box::new(move |outcome| *slot.lock().unwrap() = Some(outcome)));
                self.writer.round();
                spool = back.lock().unwrap().take().unwrap()?;
            }
        }
        Ok(spool)
    }

    pub fn transaction(&mut self, op: &Op) -> Result<Transaction, Error> {
        Ok(match op.clone() {
            Op::Deliver { targets, body, summary } => {
                let spool = self.spool(&body)?;
                let target = |(mailbox, flags, quota): (_, _, Option<u64>)| Target {
                    mailbox,
                    flags,
                    internal_date: internal_date(),
                    quota: quota.map_or(QuotaRule::Promised, QuotaRule::Octets),
                };
                let targets = targets.into_iter().map(target).collect();
                Transaction::Deliver(Delivery { spool, summary, targets })
            }
            Op::Flags { mailbox, uids, change, flags, since } => {
                Transaction::StoreFlags { mailbox, uids, change, flags, unchanged_since: since }
            }
            Op::Expunge { mailbox, uids, only_deleted } => Transaction::Expunge { mailbox, uids, only_deleted },
            Op::Copy { from, uids, to, remove } => {
                Transaction::Copy { from, uids, to, remove_source: remove, quota: QuotaRule::Promised }
            }
            Op::Create { owner, name, special_use, subscribed } => {
                Transaction::CreateMailbox(MailboxSpec { owner, name, special_use, subscribed })
            }
            Op::Delete { mailbox } => Transaction::DeleteMailbox { mailbox },
            Op::Rename { owner, from, to } => Transaction::RenameMailbox { owner, from, to },
            Op::Subscribe { owner, name, subscribed } => Transaction::Subscribe { owner, name, subscribed },
            Op::Directory(entries) => Transaction::Directory(entries),
        })
    }

    /// Hands changes in together, and lets the writer work until nothing waits.
    pub fn submit(&mut self, ops: &[Op]) -> Result<(), Error> {
        let transactions: Vec<_> = ops.iter().map(|op| self.transaction(op)).collect::<Result<_, _>>()?;
        for (op, transaction) in ops.iter().zip(transactions) {
            let (notes, medium) = (Arc::clone(&self.notes), self.medium.clone());
            let number = {
                let mut notes = notes.lock().unwrap();
                let (now, handed_in) = (self.now(), medium.snapshots());
                notes.push(Note { op: op.clone(), now, handed_in, answer: None });
                notes.len() - 1
            };
            self.store.submit(
                transaction,
                Box::new(move |outcome| notes.lock().unwrap()[number].answer = Some((outcome, medium.snapshots()))),
            );
        }
        while self.writer.round() {}
        Ok(())
    }

    /// One change, answered.
    pub fn commit(&mut self, op: Op) -> Result<Receipt, Error> {
        self.submit(&[op])?;
        let notes = self.notes.lock().unwrap();
        notes.last().unwrap().answer.clone().unwrap().0
    }

    pub fn read(&self) -> Model {
        Model::read(&self.store).unwrap()
    }
}
