//! SEARCH (RFC 9051 6.4.4): pages of index rows, decided one by one, and the result written while it is found.
//!
//! No result is kept: RFC 3501 numbers go out as they come, ESEARCH's ALL as ranges as they close. What bounds the rest
//! is one page of rows and what [`Scan`] holds of one message. Keys that need octets are evaluated where blocking is
//! allowed, in steps of [`IMAP_READ_OCTETS_AT_ONCE`].

use super::Session;
use super::changes::keyword_names;
use super::fetch::{Rows, Walk};
use super::production::load;
use super::reply::{Done, Ended};
use super::scan::{Begun, Scan};
use super::select::Named;
use crate::limits::{IMAP_OUTPUT_OCTETS, IMAP_PAGE_ROWS, IMAP_READ_OCTETS_AT_ONCE, SAVED_RESULT_RANGES_MAX};
use crate::mail::{ModSeq, Uid};
use crate::mime::{Summary, fold};
use crate::session::imap::{Answers, Asked, Decision, Mailbox, Refusal, Runs, SearchPlan};
use crate::store::{Error, MessageRow, Store, WorkingBuffer};
use crate::wire::imap::command::{SearchKey, SearchReturn};
use crate::wire::imap::encode::{Esearch, Search, SetWriter};
use crate::wire::imap::{Full, Out};
use std::sync::Arc;

/// A message that was found.
#[derive(Clone, Copy)]
struct Hit {
    sequence: u32,
    uid: u32,
    modseq: ModSeq,
}

/// A page of rows on its way through the keys.
struct Hunt {
    plan: Arc<SearchPlan>,
    rows: std::vec::IntoIter<(u32, MessageRow)>,
    current: Option<(u32, MessageRow)>,
    answers: Answers,
    scan: Option<(usize, Box<Scan>)>,
    hits: Vec<Hit>,
    failed: Option<Error>,
    /// For the reader of the message at hand.
    buffer: Option<WorkingBuffer>,
}

impl Hunt {
    /// Goes on; gives whether the page is decided.
    fn go_on(&mut self, store: &Store) -> bool {
        let mut budget = IMAP_READ_OCTETS_AT_ONCE;
        let mut summary: Option<Summary> = None;
        while budget > 0 {
            let Some((sequence, row)) = self.current.or_else(|| self.rows.next()) else { return true };
            self.current = Some((sequence, row));
            match self.plan.decide(sequence, &row, &self.answers) {
                Decision::Known(holds) => {
                    if holds {
                        self.hits.push(Hit { sequence, uid: row.uid.get(), modseq: row.modseq });
                    }
                    self.next_message();
                    summary = None;
                }
                Decision::Needs(leaf) => match self.answer(store, &row, leaf, &mut summary, &mut budget) {
                    Ok(Some(holds)) => self.answers.set(leaf, holds),
                    Ok(None) => return false,
                    Err(error) => {
                        // A message that is gone matches nothing. One that cannot be read is told at the end.
                        if error != Error::Gone {
                            self.failed = Some(error);
                        }
                        self.next_message();
                        summary = None;
                    }
                },
            }
        }
        false
    }

    fn next_message(&mut self) {
        self.current = None;
        self.scan = None;
        self.answers.clear();
    }

    /// Finds out about a key; `None`: the budget is used up.
    fn answer(
        &mut self,
        store: &Store,
        row: &MessageRow,
        leaf: usize,
        summary: &mut Option<Summary>,
        budget: &mut usize,
    ) -> Result<Option<bool>, Error> {
        let mut scan = match self.scan.take() {
            Some((scanned, scan)) if scanned == leaf => scan,
            _ => {
                let Some(key) = self.plan.leaf_at(leaf) else { return Ok(Some(false)) };
                if summary.is_none() {
                    *summary = Some(load(store, row, None, budget)?);
                }
                let Some(summary) = summary else { return Ok(Some(false)) };
                let buffer = &mut self.buffer;
                let lend = || buffer.take().unwrap_or_else(WorkingBuffer::unpooled);
                match Scan::begin(store, row, key, summary, lend)? {
                    Begun::Known(holds) => return Ok(Some(holds)),
                    Begun::Scan(scan) => scan,
                }
            }
        };
        let answer = scan.go_on(budget);
        if matches!(answer, Ok(None)) {
            self.scan = Some((leaf, scan));
        } else {
            self.buffer = Some(scan.into_buffer());
        }
        answer
    }
}

/// The response while it is written.
enum Response {
    /// RFC 3501 7.2.5.
    Numbers(Search),
    /// RFC 9051 7.3.4.
    Extended(Esearch, Option<SetWriter>),
    /// RFC 9051 6.4.4: RETURN (SAVE) alone says nothing.
    Silent,
}

/// What is told of the whole result.
struct Tally {
    returns: SearchReturn,
    first: Option<Hit>,
    last: Option<Hit>,
    count: u32,
    highest: ModSeq,
    saved: Runs,
}

impl Tally {
    fn take(&mut self, hit: Hit) {
        self.first.get_or_insert(hit);
        self.last = Some(hit);
        self.count = self.count.saturating_add(1);
        self.highest = self.highest.max(hit.modseq);
        if self.returns.save && (self.whole() || (!self.returns.min && !self.returns.max)) {
            self.saved.push(hit.uid);
        }
    }

    /// Does the result speak of all messages found?
    fn whole(&self) -> bool {
        self.returns.all || self.returns.count
    }

    /// RFC 9051 6.4.4.1: SAVE with MIN or MAX alone saves only these.
    fn save_ends(&mut self) {
        if !self.returns.save || self.whole() || !(self.returns.min || self.returns.max) {
            return;
        }
        let min = self.first.filter(|_| self.returns.min).map(|hit| hit.uid);
        let max = self.last.filter(|_| self.returns.max).map(|hit| hit.uid);
        self.saved.take();
        for uid in min.into_iter().chain(max.filter(|max| Some(*max) != min)) {
            self.saved.push(uid);
        }
    }

    /// RFC 7162 3.1.5 and RFC 4731 3.2: of the messages that the response names.
    fn modseq(&self) -> Option<ModSeq> {
        let (first, last) = (self.first?, self.last?);
        let (min, max) = (self.returns.min, self.returns.max);
        Some(match (self.whole() || !(min || max), min, max) {
            (true, ..) => self.highest,
            (false, true, false) => first.modseq,
            (false, false, true) => last.modseq,
            (false, ..) => first.modseq.max(last.modseq),
        })
    }
}

impl Session {
    /// Finds messages.
    pub(super) async fn search(
        &mut self,
        tag: &str,
        uid: bool,
        returns: Option<SearchReturn>,
        key: SearchKey,
    ) -> Result<Done, Ended> {
        let result = self.searching(tag, uid, returns, key).await;
        if result.is_err() && returns.is_some_and(|returns| returns.save) {
            // RFC 9051 6.4.4.1: a search that fails leaves nothing saved.
            self.save_result(Vec::new());
        }
        result
    }

    async fn searching(
        &mut self,
        tag: &str,
        uid: bool,
        returns: Option<SearchReturn>,
        key: SearchKey,
    ) -> Result<Done, Ended> {
        let mailbox = self.selection()?.mailbox;
        let asked = self.with_view(move |store, view| Ok((store.last_uid(view)?, keyword_names(store, mailbox)?)));
        let (last_uid, keywords) = asked.await?;
        let context = Mailbox {
            exists: self.open.as_ref().map_or(0, |open| open.exists),
            last_uid: last_uid.map_or(0, Uid::get),
            recent_from: self.recent_from().unwrap_or(u32::MAX),
            keywords: &keywords,
            saved: self.open.as_ref().map_or(&[], |open| open.saved.as_slice()),
        };
        let plan = Arc::new(SearchPlan::new(key, &context, fold));
        let ranges = match (plan.sequences(), plan.uids()) {
            (Some(sequences), _) => Named { uid: false, ranges: sequences.to_vec() },
            (None, Some(uids)) => Named { uid: true, ranges: uids.to_vec() },
            (None, None) => Named { uid: true, ranges: vec![1..=u32::MAX] },
        };
        let mut tally = Tally {
            returns: returns.unwrap_or(SearchReturn { all: true, ..SearchReturn::default() }),
            first: None,
            last: None,
            count: 0,
            highest: ModSeq(0),
            saved: Runs::new(SAVED_RESULT_RANGES_MAX),
        };
        let failed = self.write_result(tag, uid, returns, &plan, ranges, &mut tally).await?;
        if let Some(error) = failed {
            return Err(self.refused(&error, Asked::Named));
        }
        tally.save_ends();
        if tally.returns.save && (tally.saved.overflowed() || !self.save_result(tally.saved.take())) {
            return Err(Refusal::no("NOTSAVED", "The result is too scattered to be saved").into());
        }
        Ok(Done::plain("Searched"))
    }

    /// Walks over the messages and writes what is found. An error of the store comes back after the response.
    async fn write_result(
        &mut self,
        tag: &str,
        uid: bool,
        returns: Option<SearchReturn>,
        plan: &Arc<SearchPlan>,
        ranges: Named,
        tally: &mut Tally,
    ) -> Result<Option<Error>, Ended> {
        let mut walk = Walk::new(ranges, IMAP_PAGE_ROWS);
        let mut room = vec![0; IMAP_OUTPUT_OCTETS];
        let mut failed = None;
        let only_save = SearchReturn { save: true, ..SearchReturn::default() };
        let mut out = Out::new(&mut room);
        // It is empty and larger than what is written here.
        let mut response = match returns {
            None => Search::begin(&mut out).map(Response::Numbers),
            Some(returns) if returns == only_save => Ok(Response::Silent),
            Some(_) => Esearch::begin(&mut out, tag, uid).map(|esearch| Response::Extended(esearch, None)),
        }
        .unwrap_or(Response::Silent);
        let mut written = out.len();
        let only_min = SearchReturn { min: true, ..SearchReturn::default() };
        loop {
            let hunted = match self.next_rows(&mut walk).await {
                Ok(rows) if rows.is_empty() => break,
                Ok(rows) => self.hunt(plan, rows).await,
                Err(ended) => Err(ended),
            };
            let (hits, problem) = match hunted {
                Ok(hunted) => hunted,
                Err(ended) => {
                    // The line that has begun is ended before anything else is said.
                    self.send(room.get(..written).unwrap_or_default()).await?;
                    self.send(b"\r\n").await?;
                    return Err(ended);
                }
            };
            failed = failed.or(problem);
            let mut out = Out::new(&mut room);
            out.filled(written);
            for hit in hits {
                tally.take(hit);
                let number = if uid { hit.uid } else { hit.sequence };
                // A page of hits and what is said at the end fit many times.
                let _ = response.push(&mut out, tally.returns, number);
            }
            written = out.len();
            if written >= crate::limits::GATHER_OCTETS_MAX {
                self.send(room.get(..written).unwrap_or_default()).await?;
                written = 0;
            }
            if returns == Some(only_min) && tally.count > 0 {
                break;
            }
        }
        let mut out = Out::new(&mut room);
        out.filled(written);
        let modseq = tally.modseq().filter(|_| plan.names_modseq());
        let _ = response.end(&mut out, uid, tally, modseq);
        let written = out.len();
        self.send(room.get(..written).unwrap_or_default()).await?;
        Ok(failed)
    }

    /// Decides a page. A working buffer is there only meanwhile, and only if octets of messages may be needed.
    async fn hunt(&mut self, plan: &Arc<SearchPlan>, rows: Rows) -> Result<(Vec<Hit>, Option<Error>), Ended> {
        let buffer = if plan.leaf_at(0).is_some() { Some(self.lease().await?) } else { None };
        let mut hunt = Hunt {
            plan: Arc::clone(plan),
            rows: rows.into_iter(),
            current: None,
            answers: plan.answers(),
            scan: None,
            hits: Vec::new(),
            failed: None,
            buffer,
        };
        loop {
            let (back, decided) = self
                .services
                .store
                .read(move |store| {
                    let decided = hunt.go_on(store);
                    (hunt, decided)
                })
                .await;
            hunt = back;
            if decided {
                return Ok((hunt.hits, hunt.failed));
            }
        }
    }
}

impl Response {
    /// One more number.
    fn push(&mut self, out: &mut Out<'_>, returns: SearchReturn, number: u32) -> Result<(), Full> {
        match self {
            Self::Numbers(search) => search.push(out, number),
            Self::Extended(_, Some(all)) => all.push(out, number),
            Self::Extended(esearch, all @ None) if returns.all => {
                let mut writer = esearch.all(out)?;
                writer.push(out, number)?;
                *all = Some(writer);
                Ok(())
            }
            Self::Extended(..) | Self::Silent => Ok(()),
        }
    }

    /// The end of the line. RFC 9051 7.3.4: MIN, MAX and ALL only where something was found, COUNT always.
    fn end(self, out: &mut Out<'_>, uid: bool, tally: &Tally, modseq: Option<ModSeq>) -> Result<(), Full> {
        match self {
            Self::Silent => Ok(()),
            Self::Numbers(search) => search.end(out, modseq),
            Self::Extended(esearch, all) => {
                if let Some(all) = all {
                    all.end(out)?;
                }
                let number = |hit: Hit| if uid { hit.uid } else { hit.sequence };
                if let Some(first) = tally.first.filter(|_| tally.returns.min) {
                    esearch.min(out, number(first))?;
                }
                if let Some(last) = tally.last.filter(|_| tally.returns.max) {
                    esearch.max(out, number(last))?;
                }
                if tally.returns.count {
                    esearch.count(out, tally.count)?;
                }
                esearch.end(out, modseq)
            }
        }
    }
}
