//! FETCH responses, produced where blocking is allowed, one bounded buffer at a time.
//!
//! [`Production`] is a cursor over one page of index rows: each call fills a buffer with the octets that come next and
//! stops wherever that is full, in the middle of a literal too. Between two calls it keeps the message's reader and, for
//! filtered and decoded sections, one piece of it; summaries are read again after a break, so that as many of them are
//! in memory as there are threads that block. A structure larger than the buffer is written in windows.

use super::octets::{Made, Making, Measure, Sending, Source};
use crate::limits::IMAP_READ_OCTETS_AT_ONCE;
use crate::mail::{Keyword, SystemFlag, Uid};
use crate::mime::{Scanner, Span, Summary};
use crate::session::imap::{FetchPlan, Located, cut, locate};
use crate::store::{BlobReader, Error, MessageRow, Store, WorkingBuffer};
use crate::wire::imap::command::FetchItem;
use crate::wire::imap::encode::{FetchResponse, SectionOctets};
use crate::wire::imap::{Full, Out};
use std::sync::Arc;

/// A message to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Its number.
    pub(super) sequence: u32,
    /// Its row.
    pub(super) row: MessageRow,
    /// This FETCH has set `\Seen`: the flags are told also where they were not asked for.
    pub(super) seen: bool,
}

/// What went wrong without being in the way of other messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Problems {
    /// A message was expunged meanwhile.
    pub(super) gone: bool,
    /// RFC 3516 4.3: a part in an unknown transfer encoding.
    pub(super) unknown_encoding: bool,
    /// The first message that is damaged.
    pub(super) damaged: Option<Uid>,
    /// The store could not give a message.
    pub(super) failed: Option<Error>,
}

impl Problems {
    /// A message, or some of it, could not be read.
    fn missed(&mut self, uid: Uid, error: Error) {
        match error {
            Error::Gone => self.gone = true,
            Error::Damaged(what) => {
                log::error!("message {uid}: {what}");
                self.damaged.get_or_insert(uid);
            }
            error => self.failed = Some(error),
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Call again.
    More,
    /// All messages have been sent.
    Finished,
}

/// The cursor.
pub(super) struct Production {
    plan: Arc<FetchPlan>,
    keywords: Vec<Keyword>,
    recent_from: Option<u32>,
    wanted: std::vec::IntoIter<Wanted>,
    current: Option<Current>,
    /// For the reader of the message at hand.
    buffer: Option<WorkingBuffer>,
    /// What went wrong.
    pub(super) problems: Problems,
}

/// A response that has begun.
struct Current {
    wanted: Wanted,
    reader: Option<BlobReader>,
    response: FetchResponse,
    /// The item that comes next.
    item: usize,
    /// Octets of the item's text that have been sent: it is larger than the buffer.
    sent: u64,
    stage: Stage,
    /// It could not be opened again.
    lost: bool,
}

enum Stage {
    /// The item's text.
    Text,
    /// The size of a made section is being counted.
    Measuring(Box<Measure>, Span, Making),
    /// The size is known.
    Measured(Span, Making, u64, bool),
    /// Octets of a literal.
    Sending(Sending),
    /// What the item asks for cannot be read.
    Unreadable,
}

impl Current {
    fn next_item(&mut self) {
        self.item = self.item.saturating_add(1);
        self.sent = 0;
        self.stage = Stage::Text;
    }
}

/// What the next piece of a response is.
enum Piece {
    /// Written, the response is complete.
    End,
    /// Written, the item is complete.
    Done,
    /// Written up to the literal's head; its octets follow.
    Literal(Sending),
    /// To be counted first.
    Count(Span, Making),
}

impl Production {
    /// Sends these messages.
    pub(super) fn new(
        plan: Arc<FetchPlan>,
        keywords: Vec<Keyword>,
        recent_from: Option<u32>,
        wanted: Vec<Wanted>,
    ) -> Self {
        let (wanted, problems) = (wanted.into_iter(), Problems::default());
        Self { plan, keywords, recent_from, wanted, current: None, buffer: None, problems }
    }

    /// Does it read octets of messages, for which it wants a working buffer?
    pub(super) fn reads(&self) -> bool {
        self.plan.octets
    }

    /// Has it a working buffer?
    pub(super) fn has_buffer(&self) -> bool {
        self.buffer.is_some() || self.current.as_ref().is_some_and(|current| current.reader.is_some())
    }

    /// Has one from now on.
    pub(super) fn take_buffer(&mut self, buffer: WorkingBuffer) {
        self.buffer = Some(buffer);
    }

    /// Gives it back. The message at hand is opened again when there is another.
    pub(super) fn park(&mut self) {
        self.buffer = None;
        if let Some(current) = &mut self.current {
            current.reader = None;
        }
    }

    /// The buffer for a reader. It is lost with a message that could not be opened, which is rare.
    fn lend(&mut self) -> WorkingBuffer {
        self.buffer.take().unwrap_or_else(WorkingBuffer::unpooled)
    }

    /// Fills `room`, of 32 octets at least, with what comes next; gives how much of it.
    ///
    /// # Errors
    /// The store failed within a response: what has been sent cannot be completed.
    pub(super) fn produce(&mut self, store: &Store, room: &mut [u8]) -> Result<(usize, Progress), Error> {
        let mut out = Out::window(room, self.current.as_ref().map_or(0, |current| current.sent));
        let mut budget = IMAP_READ_OCTETS_AT_ONCE;
        let mut summary = None;
        loop {
            if self.current.is_none() {
                summary = None;
                let Some(wanted) = self.wanted.as_slice().first().copied() else {
                    return Ok((out.len(), Progress::Finished));
                };
                match self.begin(store, wanted, &mut out, &mut summary, &mut budget) {
                    Ok(current) => self.current = current,
                    Err(Full) => return Ok((out.len(), Progress::More)),
                }
                self.wanted.next();
                continue;
            }
            if budget == 0 {
                return Ok((out.len(), Progress::More));
            }
            if !self.go_on(store, &mut out, &mut summary, &mut budget)? {
                return Ok((out.len(), Progress::More));
            }
        }
    }

    /// Begins a response, once all that it needs can be read. `None`: there is none for this message.
    fn begin(
        &mut self,
        store: &Store,
        wanted: Wanted,
        out: &mut Out<'_>,
        summary: &mut Option<Summary>,
        budget: &mut usize,
    ) -> Result<Option<Current>, Full> {
        let blob = wanted.row.blob;
        let mut reader = if self.plan.octets {
            match store.open_blob_with(blob, self.lend()) {
                Ok(reader) => Some(reader),
                Err(error) => {
                    self.problems.missed(wanted.row.uid, error);
                    return Ok(None);
                }
            }
        } else {
            None
        };
        if self.plan.summary {
            match load(store, &wanted.row, reader.as_mut(), budget) {
                Ok(loaded) => *summary = Some(loaded),
                Err(error) => {
                    self.buffer = reader.map(BlobReader::into_buffer).or(self.buffer.take());
                    self.problems.missed(wanted.row.uid, error);
                    return Ok(None);
                }
            }
        }
        let mark = out.mark();
        match FetchResponse::begin(out, wanted.sequence) {
            Ok(response) => {
                Ok(Some(Current { wanted, reader, response, item: 0, sent: 0, stage: Stage::Text, lost: false }))
            }
            Err(Full) => {
                self.buffer = reader.map(BlobReader::into_buffer).or(self.buffer.take());
                out.roll_back(mark);
                Err(Full)
            }
        }
    }

    /// Opens the message at hand where its buffer was given back.
    fn open_again(&mut self, store: &Store) {
        let Some(current) = &mut self.current else { return };
        if self.plan.octets && current.reader.is_none() && !current.lost {
            let buffer = self.buffer.take().unwrap_or_else(WorkingBuffer::unpooled);
            match store.open_blob_with(current.wanted.row.blob, buffer) {
                Ok(reader) => current.reader = Some(reader),
                Err(error) => {
                    current.lost = true;
                    self.problems.missed(current.wanted.row.uid, error);
                }
            }
        }
    }

    /// Goes on with the response; gives whether there is room for more.
    fn go_on(
        &mut self,
        store: &Store,
        out: &mut Out<'_>,
        summary: &mut Option<Summary>,
        budget: &mut usize,
    ) -> Result<bool, Error> {
        let plan = Arc::clone(&self.plan);
        self.open_again(store);
        let Some(current) = &mut self.current else { return Ok(true) };
        match &mut current.stage {
            Stage::Sending(sending) if sending.left == 0 => {
                current.next_item();
                Ok(true)
            }
            Stage::Sending(sending) => {
                if out.left() == 0 {
                    return Ok(false);
                }
                if current.lost {
                    sending.source = Source::Spaces;
                }
                match sending.fill(current.reader.as_mut(), out.room(), budget) {
                    Ok(filled) => out.filled(filled),
                    Err(error) => {
                        // The octets were announced. Without them, whatever came next would be taken for them.
                        self.problems.missed(current.wanted.row.uid, error);
                        sending.source = Source::Spaces;
                    }
                }
                Ok(true)
            }
            Stage::Measuring(measure, source, making) => {
                let Some(reader) = &mut current.reader else {
                    current.stage = Stage::Unreadable;
                    return Ok(true);
                };
                match measure.go_on(reader, budget) {
                    Ok(true) => {
                        current.stage = Stage::Measured(*source, making.clone(), measure.octets, measure.nul);
                    }
                    Ok(false) => {}
                    Err(error) => {
                        self.problems.missed(current.wanted.row.uid, error);
                        current.stage = Stage::Unreadable;
                    }
                }
                Ok(true)
            }
            Stage::Text | Stage::Measured(..) | Stage::Unreadable => {
                if !matches!(current.stage, Stage::Unreadable)
                    && needs_summary(plan.items.get(current.item))
                    && summary.is_none()
                {
                    match load(store, &current.wanted.row, current.reader.as_mut(), budget) {
                        Ok(loaded) => *summary = Some(loaded),
                        Err(error) if current.sent > 0 => return Err(error),
                        Err(error) => {
                            // The response has begun and goes on without this item.
                            self.problems.missed(current.wanted.row.uid, error);
                            current.stage = Stage::Unreadable;
                        }
                    }
                }
                self.text(&plan, out, summary.as_ref())
            }
        }
    }

    /// Writes an item's text, or the end of the response.
    fn text(&mut self, plan: &FetchPlan, out: &mut Out<'_>, summary: Option<&Summary>) -> Result<bool, Error> {
        let Some(current) = &mut self.current else { return Ok(true) };
        let (mark, before) = (out.mark(), current.response);
        // Is this at the beginning of the buffer, so that it will not fit any better later?
        let fresh = out.is_empty();
        let flags = (self.keywords.as_slice(), self.recent_from);
        let written = match plan.items.get(current.item) {
            Some(item) => encode(current, item, out, summary, flags, &mut self.problems),
            None => end(current, plan, out, flags),
        };
        match written {
            Ok(Piece::End) => {
                let reader = self.current.take().and_then(|current| current.reader);
                self.buffer = reader.map(BlobReader::into_buffer).or(self.buffer.take());
                Ok(true)
            }
            Ok(Piece::Done) => {
                current.next_item();
                Ok(true)
            }
            Ok(Piece::Literal(sending)) => {
                current.sent = 0;
                current.stage = Stage::Sending(sending);
                Ok(true)
            }
            Ok(Piece::Count(source, making)) => {
                let made = Made::new(source, &making).ok_or_else(|| Error::Damaged("a transfer encoding".into()))?;
                current.stage = Stage::Measuring(Box::new(Measure::new(made)), source, making);
                Ok(true)
            }
            Err(Full) if fresh => {
                // Larger than the buffer: what fits goes, and the next call writes it again from there.
                current.response = before;
                current.sent = current.sent.saturating_add(u64::try_from(out.len()).unwrap_or(u64::MAX));
                Ok(false)
            }
            Err(Full) => {
                out.roll_back(mark);
                current.response = before;
                Ok(false)
            }
        }
    }
}

/// Writes the end of the response.
fn end(
    current: &mut Current,
    plan: &FetchPlan,
    out: &mut Out<'_>,
    (keywords, recent_from): (&[Keyword], Option<u32>),
) -> Result<Piece, Full> {
    let row = &current.wanted.row;
    if current.wanted.seen && !plan.items.contains(&FetchItem::Flags) {
        // RFC 9051 6.4.5: flags that change this way are part of the response.
        let recent = recent_from.is_some_and(|from| row.uid.get() >= from);
        current.response.flags(out, row.flags, keywords, recent)?;
        if plan.seen_modseq {
            current.response.modseq(out, row.modseq)?;
        }
    }
    current.response.end(out)?;
    Ok(Piece::End)
}

/// Writes one item, or its beginning.
fn encode(
    current: &mut Current,
    item: &FetchItem,
    out: &mut Out<'_>,
    summary: Option<&Summary>,
    (keywords, recent_from): (&[Keyword], Option<u32>),
    problems: &mut Problems,
) -> Result<Piece, Full> {
    let row = current.wanted.row;
    // The first octet shows whether a literal can be begun.
    if let (Stage::Text, Some(span)) = (&current.stage, whole(item, summary, row.octets))
        && let Some(reader) = &mut current.reader
        && let Err(error) = reader.read_at(span.offset, &mut [0])
    {
        problems.missed(row.uid, error);
        current.stage = Stage::Unreadable;
    }
    let unreadable = matches!(current.stage, Stage::Unreadable) || current.lost;
    let response = &mut current.response;
    let measured = match &current.stage {
        Stage::Measured(source, making, octets, nul) => Some((*source, making, *octets, *nul)),
        _ => None,
    };
    match item {
        FetchItem::Flags => {
            let recent = recent_from.is_some_and(|from| row.uid.get() >= from);
            response.flags(out, row.flags, keywords, recent)?;
        }
        FetchItem::Uid => response.uid(out, row.uid)?,
        FetchItem::InternalDate => response.internal_date(out, row.internal_date)?,
        FetchItem::Rfc822Size => response.rfc822_size(out, row.octets)?,
        FetchItem::ModSeq => response.modseq(out, row.modseq)?,
        FetchItem::Section { section, partial, name, .. } if unreadable => {
            let origin = partial.map(|(first, _)| first);
            response.section(out, section, *name, origin, SectionOctets::Nil)?;
        }
        FetchItem::Binary { part, partial, .. } if unreadable => {
            response.binary(out, part, partial.map(|(first, _)| first), SectionOctets::Nil)?;
        }
        FetchItem::BinarySize { .. } if unreadable => {}
        FetchItem::Envelope => {
            if let Some(summary) = summary {
                response.envelope(out, &summary.envelope)?;
            }
        }
        FetchItem::Body => {
            if let Some(summary) = summary {
                response.body(out, &summary.root)?;
            }
        }
        FetchItem::BodyStructure => {
            if let Some(summary) = summary {
                response.body_structure(out, &summary.root)?;
            }
        }
        FetchItem::Section { section, peek: _, partial, name } => {
            let origin = partial.map(|(first, _)| first);
            if let Some((source, making, octets, _)) = measured {
                let part = cut(octets, *partial);
                response.section(out, section, *name, origin, SectionOctets::Literal(part.octets))?;
                return Ok(made(source, making, part, false));
            }
            let located = match summary {
                Some(summary) => locate(summary, section, row.octets),
                // Without a summary the plan only asks for all octets.
                None => Located::Octets(Span { offset: 0, octets: row.octets }),
            };
            match located {
                Located::Missing => response.section(out, section, *name, origin, SectionOctets::Nil)?,
                Located::Octets(span) => {
                    let part = cut(span.octets, *partial);
                    response.section(out, section, *name, origin, SectionOctets::Literal(part.octets))?;
                    return Ok(stored(span, part));
                }
                Located::Fields { header, names, not } => {
                    return Ok(Piece::Count(header, Making::Fields { names: names.to_vec(), not }));
                }
            }
        }
        FetchItem::Binary { part: numbers, peek: _, partial } => {
            let origin = partial.map(|(first, _)| first);
            if let Some((source, making, octets, nul)) = measured {
                let part = cut(octets, *partial);
                let head = if nul { SectionOctets::Literal8(part.octets) } else { SectionOctets::Literal(part.octets) };
                response.binary(out, numbers, origin, head)?;
                return Ok(made(source, making, part, nul));
            }
            match binary(numbers, summary, row.octets) {
                Decodable::Missing => response.binary(out, numbers, origin, SectionOctets::Nil)?,
                Decodable::Unknown => problems.unknown_encoding = true,
                Decodable::Part(source, encoding) => return Ok(Piece::Count(source, Making::Decoded(encoding))),
            }
        }
        FetchItem::BinarySize { part: numbers } => {
            if let Some((_, _, octets, _)) = measured {
                response.binary_size(out, numbers, octets)?;
                return Ok(Piece::Done);
            }
            match binary(numbers, summary, row.octets) {
                Decodable::Missing => response.binary_size(out, numbers, 0)?,
                Decodable::Unknown => problems.unknown_encoding = true,
                Decodable::Part(source, encoding) => return Ok(Piece::Count(source, Making::Decoded(encoding))),
            }
        }
    }
    Ok(Piece::Done)
}

/// The octets of the message that go into a literal as they stand, if there are any.
fn whole(item: &FetchItem, summary: Option<&Summary>, octets: u64) -> Option<Span> {
    let FetchItem::Section { section, partial, .. } = item else { return None };
    let located =
        summary.map_or(Located::Octets(Span { offset: 0, octets }), |summary| locate(summary, section, octets));
    let Located::Octets(span) = located else { return None };
    let part = cut(span.octets, *partial);
    (part.octets > 0).then(|| Span { offset: span.offset.saturating_add(part.offset), octets: part.octets })
}

fn stored(span: Span, part: Span) -> Piece {
    let source = Source::Stored(span.offset.saturating_add(part.offset));
    Piece::Literal(Sending { source, left: part.octets, nul: false })
}

fn made(source: Span, making: &Making, part: Span, nul: bool) -> Piece {
    match Made::new(source, making) {
        Some(made) => {
            Piece::Literal(Sending { source: Source::Made(Box::new(made), part.offset), left: part.octets, nul })
        }
        // It was counted with the same decoder before.
        None => Piece::Done,
    }
}

/// What BINARY finds.
enum Decodable {
    Missing,
    Unknown,
    Part(Span, Box<[u8]>),
}

/// RFC 3516 4.2: a part's content and its transfer encoding; the message itself has none.
fn binary(numbers: &[u32], summary: Option<&Summary>, octets: u64) -> Decodable {
    if numbers.is_empty() {
        return Decodable::Part(Span { offset: 0, octets }, (*b"binary").into());
    }
    let Some(part) = summary.and_then(|summary| summary.part(numbers)) else { return Decodable::Missing };
    match crate::mime::TransferDecoder::new(&part.encoding) {
        Some(_) => Decodable::Part(part.body, part.encoding.clone()),
        None => Decodable::Unknown,
    }
}

fn needs_summary(item: Option<&FetchItem>) -> bool {
    match item {
        Some(FetchItem::Envelope | FetchItem::Body | FetchItem::BodyStructure) => true,
        Some(FetchItem::Section { section, .. }) => {
            !section.part.is_empty() || section.text != crate::wire::imap::command::SectionText::All
        }
        Some(FetchItem::Binary { part, .. } | FetchItem::BinarySize { part }) => !part.is_empty(),
        _ => false,
    }
}

/// The summary kept beside a message; if it cannot be read, the message is looked through again.
pub(super) fn load(
    store: &Store,
    row: &MessageRow,
    reader: Option<&mut BlobReader>,
    budget: &mut usize,
) -> Result<Summary, Error> {
    let kept = match store.summary(row.blob) {
        Ok(octets) => Summary::decode(&octets),
        Err(Error::Damaged(what)) => {
            log::error!("summary of message {}: {what}", row.uid);
            None
        }
        Err(error) => return Err(error),
    };
    if let Some(summary) = kept {
        *budget = budget.saturating_sub(crate::limits::IMAP_SUMMARY_COST);
        return Ok(summary);
    }
    let mut opened;
    let reader = match reader {
        Some(reader) => reader,
        None => {
            opened = store.open_blob(row.blob)?;
            &mut opened
        }
    };
    *budget = 0;
    let mut scanner = Scanner::new();
    let mut piece = vec![0; crate::limits::IMAP_PIECE_OCTETS];
    let mut at = 0_u64;
    loop {
        let octets = reader.read_at(at, &mut piece)?;
        if octets == 0 {
            return Ok(scanner.finish());
        }
        scanner.push(piece.get(..octets).unwrap_or_default());
        at = at.saturating_add(u64::try_from(octets).unwrap_or(u64::MAX));
    }
}

/// Does the message lack `\Seen`?
pub(super) fn is_unseen(row: &MessageRow) -> bool {
    !row.flags.has(SystemFlag::Seen)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::mail::{FlagSelection, InternalDate};
    use crate::session::imap::Enabled;
    use crate::store::{Delivery, MailboxSpec, Owner, QuotaRule, Receipt, Spool, Target, Transaction};
    use crate::wire::imap::command::Command;
    use crate::wire::imap::{Decoded, decode};

    const MESSAGE: &str = "From: a@example.org\r\nSubject: x\r\nX-Long: 1\r\n 2\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        SGVsbG8gd29ybGQsIGhlbGxvIGFnYWlu\r\n--b\r\n\r\nplain\r\n--b--\r\n";

    fn store() -> (Store, Vec<Wanted>) {
        let store = Store::open_in_memory().unwrap();
        let spec = MailboxSpec { owner: Owner(1), name: "INBOX".into(), special_use: None, subscribed: false };
        let Receipt::Created(mailbox) = store.commit(Transaction::CreateMailbox(spec)).unwrap() else {
            return (store, vec![]);
        };
        for _ in 0..2 {
            let mut spool = Spool::new(WorkingBuffer::unpooled(), 100_000);
            spool.push(MESSAGE.as_bytes()).unwrap();
            let mut scanner = Scanner::new();
            scanner.push(MESSAGE.as_bytes());
            let target = Target {
                mailbox,
                flags: FlagSelection::of(SystemFlag::Draft),
                internal_date: InternalDate::utc(0),
                quota: QuotaRule::Promised,
            };
            let summary = scanner.finish().encode().unwrap();
            store.commit(Transaction::Deliver(Delivery { spool, summary, targets: vec![target] })).unwrap();
        }
        let mut view = store.open_view(mailbox).unwrap();
        let rows = store.messages_by_uid(&mut view, 1..=u32::MAX, 10).unwrap();
        let wanted = rows.into_iter().map(|(sequence, row)| Wanted { sequence, row, seen: sequence == 2 }).collect();
        (store, wanted)
    }

    fn items(command: &str) -> Vec<FetchItem> {
        match decode(format!("a FETCH 1 {command}\r\n").as_bytes()) {
            Ok(Decoded::Command(tagged)) => match tagged.command {
                Command::Fetch { items, .. } => items,
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn produced(store: &Store, wanted: &[Wanted], command: &str, room: usize) -> Vec<u8> {
        let plan = Arc::new(FetchPlan::new(items(command), false, false, false, Enabled::default()));
        let mut production = Production::new(plan, Vec::new(), Some(2), wanted.to_vec());
        let mut sent = Vec::new();
        loop {
            let mut buffer = vec![0; room];
            let (octets, progress) = production.produce(store, &mut buffer).unwrap();
            sent.extend_from_slice(&buffer[..octets]);
            if progress == Progress::Finished {
                return sent;
            }
            if room.is_multiple_of(2) {
                // As when a client does not read: the message is opened again.
                production.park();
            }
        }
    }

    #[test]
    fn responses_are_the_same_however_small_the_buffer_is() {
        let (store, wanted) = store();
        let command = "(UID FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[] BODY.PEEK[HEADER.FIELDS (SUBJECT X-LONG)]<2.12> \
                       BODY.PEEK[9] BODY[HEADER.FIELDS.NOT (FROM)] BINARY[1]<6.9> BINARY.SIZE[1] BODY.PEEK[2]<3.100>)";
        assert_eq!(items(command).len(), 11);
        let whole = produced(&store, &wanted, command, 16_384);
        let text = String::from_utf8(whole.clone()).unwrap();
        assert!(text.contains(&format!("BODY[] {{{}}}\r\n{MESSAGE}", MESSAGE.len())));
        assert!(text.contains("BODY[HEADER.FIELDS (SUBJECT X-LONG)]<2> {12}\r\nbject: x\r\nX- BODY[9] NIL"), "{text}");
        assert!(text.contains("BINARY[1]<6> {9}\r\nworld, he BINARY.SIZE[1] 24 BODY[2]<3> {2}\r\nin)\r\n"), "{text}");
        assert!(text.contains("* 2 FETCH (UID 2 FLAGS (\\Recent \\Draft)"), "{text}");
        for room in (32..100).chain([200, 1_000]) {
            assert_eq!(produced(&store, &wanted, command, room), whole, "{room}");
        }
    }

    #[test]
    fn flags_that_a_fetch_has_set_are_told_with_it() {
        let (store, wanted) = store();
        let text = String::from_utf8(produced(&store, &wanted, "(BODY[2])", 100)).unwrap();
        assert_eq!(
            text,
            "* 1 FETCH (BODY[2] {5}\r\nplain)\r\n* 2 FETCH (BODY[2] {5}\r\nplain FLAGS (\\Recent \\Draft))\r\n"
        );
    }

    #[test]
    fn what_is_gone_is_passed_over() {
        let (store, mut wanted) = store();
        wanted[0].row.blob = crate::store::BlobId(999);
        let plan = Arc::new(FetchPlan::new(items("(ENVELOPE)"), false, false, false, Enabled::default()));
        let mut production = Production::new(plan, Vec::new(), None, wanted);
        let mut room = vec![0; 4_096];
        let (octets, progress) = production.produce(&store, &mut room).unwrap();
        assert_eq!(progress, Progress::Finished);
        assert!(room[..octets].starts_with(b"* 2 FETCH (ENVELOPE ("));
        assert!(production.problems.gone);
    }
}
