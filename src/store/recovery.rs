//! Opening a store: finds its files, replays the log's tail into the index, and says where the log goes on.
//!
//! Reads the log only; the index, which is derived, is brought up to date. Can be cut short anywhere and run again.
//! Takes time in proportion to the tail behind the last checkpoint; if the index is missing or damaged, in proportion
//! to the log. Only when all of that is done are leftover files removed and a missing store header written.

use super::discovery::{Discovered, STORE_NAME, STORE_NAME_NEW, discover};
use super::event::Event;
use super::figures::Counters;
use super::format::{BLOCK_OCTETS, RecordKind, Records, SegmentHeader, StoreHeader, StoreId, decode_event};
use super::index::{Covered, Index, Opened};
use super::log::{Log, LogEnd};
use super::medium::Medium;
use super::options::{Options, batch_octets};
use super::replay::Replay;
use super::segments::Segments;
use super::width::{narrow, size, wide};
use super::{Error, LogPosition};
use std::collections::BTreeMap;
use std::sync::Arc;

const INDEX_NAME: &str = "index";
/// Lines of [`OpenReport::damage`].
const DAMAGE_LINES_MAX: usize = 32;

/// What opening a store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// There was no store; an empty one was made.
    pub created: bool,
    /// Why the index was made anew from the whole log.
    pub rebuilt: Option<String>,
    /// Batches behind the last checkpoint that were read.
    pub replayed_batches: u64,
    /// Their octets.
    pub replayed_octets: u64,
    /// Segments of the log.
    pub segments: usize,
    /// Spare segments.
    pub spares: usize,
    /// What was found damaged, the first 32 findings.
    pub damage: Vec<String>,
    /// How many findings there were.
    pub damage_count: u64,
}

impl OpenReport {
    pub(super) fn damaged(&mut self, what: String) {
        log::error!("store: {what}");
        self.damage_count = self.damage_count.saturating_add(1);
        if self.damage.len() < DAMAGE_LINES_MAX {
            self.damage.push(what);
        }
    }
}

/// An opened store, before its threads run.
pub(super) struct Recovered {
    pub(super) segments: Arc<Segments>,
    pub(super) index: Index,
    pub(super) log: Log,
    /// The batch buffer.
    pub(super) buffer: Box<[u8]>,
    pub(super) report: OpenReport,
}

/// Opens what the medium holds; makes a store if it holds none.
pub(super) fn recover(
    medium: &Arc<dyn Medium>,
    options: &Options,
    counters: &Arc<Counters>,
) -> Result<Recovered, Error> {
    let mut report = OpenReport::default();
    let now = (options.clock)();
    let nonce = (options.random)()?;
    let found = discover(&**medium, now, &mut report)?;
    let header = match found.header {
        Some(header) => header,
        None => {
            report.created = true;
            let [low, high] = [(options.random)()?.to_le_bytes(), (options.random)()?.to_le_bytes()];
            let mut id = [0; 16];
            id.iter_mut().zip(low.into_iter().chain(high)).for_each(|(octet, random)| *octet = random);
            StoreHeader { id: StoreId(id), segment_octets: options.segment_octets(), made_at: now }
        }
    };
    let Discovered { header_whole, live, spares, leftovers, number_next, .. } = found;
    let numbers = live.iter().map(|(&serial, &(_, number))| (serial, number)).collect();
    let headers: BTreeMap<u32, SegmentHeader> = live.iter().map(|(&serial, &(header, _))| (serial, header)).collect();
    let segments = Segments::new(Arc::clone(medium), header.segment_octets, numbers, spares, number_next);
    let segments = Arc::new(segments);
    let mut buffer = vec![0; batch_octets(header.segment_octets)].into_boxed_slice();

    let file = match medium.open(INDEX_NAME)? {
        Some(file) => file,
        None => medium.create(INDEX_NAME)?,
    };
    let (index, opened) = Index::open(file, options.index_cache_octets)?;
    let mut tail = Tail { index, segments: &segments, headers: &headers, store: header.id, buffer: &mut buffer };
    let end = tail.replay(opened, options.checkpoint_octets, &mut report)?;
    let index = tail.index;

    // The log has been read and verified; from here on files change. A process that died may have left names that are
    // not durable yet: what is built on them must not be.
    for name in &leftovers {
        medium.remove(name)?;
    }
    if !header_whole {
        let mut block = [0; BLOCK_OCTETS];
        block.iter_mut().zip(header.encode()).for_each(|(octet, written)| *octet = written);
        let file = medium.create(STORE_NAME_NEW)?;
        file.write_at(0, &block)?;
        file.sync_data()?;
        medium.rename(STORE_NAME_NEW, STORE_NAME)?;
    }
    medium.sync_directory()?;
    let log = Log::open(Arc::clone(&segments), Arc::clone(counters), header.id, nonce, end)?;
    (report.segments, report.spares) = segments.counts();
    counters.replayed_batches.set(report.replayed_batches);
    Ok(Recovered { segments, index, log, buffer, report })
}

/// The log behind the last checkpoint, on its way into the index.
struct Tail<'a> {
    index: Index,
    segments: &'a Segments,
    headers: &'a BTreeMap<u32, SegmentHeader>,
    store: StoreId,
    buffer: &'a mut [u8],
}

impl Tail<'_> {
    fn replay(&mut self, opened: Opened, checkpoint: u64, report: &mut OpenReport) -> Result<LogEnd, Error> {
        let why = match opened {
            Opened::Checkpoint(covered) if self.fits(covered) => {
                let Covered { position, sequence, chain } = covered;
                let end = LogEnd { position: Some(position), sequence, chain };
                let read = self.read(Some(end), checkpoint, report);
                match read.and_then(|end| self.index.verify().map(|()| end).map_err(Failed::Index)) {
                    Ok(end) => return Ok(end),
                    // The index fails on its own pages: they are derived, so they are made anew.
                    Err(Failed::Index(error)) => format!("index: {error}"),
                    Err(Failed::Log(error)) => return Err(error),
                }
            }
            Opened::Checkpoint(_) => "the index covers a log that is not there".to_owned(),
            Opened::Unusable(why) => why,
            Opened::Fresh if self.headers.is_empty() => {
                return self.read(None, checkpoint, report).map_err(Error::from);
            }
            Opened::Fresh => "there was no index".to_owned(),
        };
        log::warn!("store: the index is made anew: {why}");
        report.rebuilt = Some(why);
        (report.replayed_batches, report.replayed_octets) = (0, 0);
        self.index.reset()?;
        self.read(None, checkpoint, report).map_err(Error::from)
    }

    /// Can a checkpoint at this place be of this log?
    fn fits(&self, covered: Covered) -> bool {
        let offset = size(covered.position.offset);
        self.headers.get(&covered.position.segment).is_some_and(|header| {
            header.sequence <= covered.sequence
                && (header.sequence < covered.sequence || header.chain == covered.chain)
                && offset.is_multiple_of(BLOCK_OCTETS)
                && offset >= BLOCK_OCTETS
                && offset <= size(header.octets)
        })
    }

    fn read(&mut self, from: Option<LogEnd>, checkpoint: u64, report: &mut OpenReport) -> Result<LogEnd, Failed> {
        let mut replay = match from {
            Some(end) => Replay::from(self.segments, self.headers, self.store, self.buffer, end),
            None => Replay::from_begin(self.segments, self.headers, self.store, self.buffer),
        };
        let mut since_checkpoint = 0_u64;
        while let Some(read) = replay.next(report).map_err(Failed::Log)? {
            let records = Records::new(replay.payload(&read));
            let taken = match read.whole {
                true => apply(&mut self.index, read.at, records, Some(report)),
                false => apply_remains(&mut self.index, read.at, records, report),
            };
            taken.map_err(Failed::Index)?;
            report.replayed_batches = report.replayed_batches.saturating_add(1);
            report.replayed_octets = report.replayed_octets.saturating_add(wide(read.octets));
            since_checkpoint = since_checkpoint.saturating_add(wide(read.octets));
            // A long way is not gone twice. What stands before the last segment is durable.
            if since_checkpoint >= checkpoint
                && !replay.in_last_segment()
                && let LogEnd { position: Some(position), sequence, chain } = replay.end()
            {
                self.index.checkpoint(Covered { position, sequence, chain }).map_err(Failed::Index)?;
                since_checkpoint = 0;
            }
        }
        Ok(replay.end())
    }
}

/// Whose fault it was.
enum Failed {
    Index(Error),
    Log(Error),
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Index(error) | Failed::Log(error) => error,
        }
    }
}

/// Takes the events among a batch's records into the index.
pub(super) fn apply(
    index: &mut Index,
    at: LogPosition,
    records: Records<'_>,
    report: Option<&mut OpenReport>,
) -> Result<(), Error> {
    apply_if(index, at, records, report, |_| true)
}

/// Takes in what is left of a damaged batch. A MOVE whose new message is lost must not remove the old one, which would
/// be the last of its body: what was expunged comes back instead. (A mailbox is never deleted in a batch that changes
/// messages, and its name may be in use again later on, so it stays deleted.)
fn apply_remains(
    index: &mut Index,
    at: LogPosition,
    records: Records<'_>,
    report: &mut OpenReport,
) -> Result<(), Error> {
    apply_if(index, at, records, Some(report), |event| !matches!(event, Event::Expunged { .. }))
}

fn apply_if(
    index: &mut Index,
    at: LogPosition,
    records: Records<'_>,
    mut report: Option<&mut OpenReport>,
    wanted: impl Fn(&Event) -> bool,
) -> Result<(), Error> {
    for (offset, record) in records {
        let here = LogPosition { offset: at.offset.saturating_add(narrow(offset)), ..at };
        let event = record.and_then(|record| match record.kind {
            RecordKind::Event => decode_event(record.payload).map(Some),
            RecordKind::Chunk | RecordKind::Summary => Ok(None),
        });
        match event {
            Ok(Some(event)) if wanted(&event) => index.apply(&event, here)?,
            Ok(_) => {}
            Err(invalid) => {
                let what = format!("record at segment {} octet {}: {invalid}", here.segment, here.offset);
                match &mut report {
                    Some(report) => report.damaged(what),
                    None => return Err(Error::Damaged(what)),
                }
            }
        }
    }
    Ok(())
}
