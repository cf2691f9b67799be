//! What files a store has: its header, its segments by serial, its spares. Reads a header of each file, writes nothing.

use super::format::{
    BATCH_HEADER_OCTETS, BLOCK_OCTETS, BatchHeader, HEADER_OCTETS, Invalid, SegmentHeader, StoreHeader, blocks,
};
use super::medium::{Medium, MediumFile};
use super::segments::{Named, parse_name, segment_name};
use super::width::{size, wide};
use super::{Error, OpenReport};
use std::collections::{BTreeMap, VecDeque};

/// The store header's file.
pub(super) const STORE_NAME: &str = "store";
/// The same, while it is being written.
pub(super) const STORE_NAME_NEW: &str = "store.new";

/// The files of a store.
pub(super) struct Discovered {
    /// `None`: the file is missing or damaged, and no segment says what it was.
    pub(super) header: Option<StoreHeader>,
    /// The header is known, and its file need not be written.
    pub(super) header_whole: bool,
    /// Segments of the log and their file numbers, by serial.
    pub(super) live: BTreeMap<u32, (SegmentHeader, u32)>,
    pub(super) spares: VecDeque<u32>,
    /// Files that hold nothing: removed once the log has been read.
    pub(super) leftovers: Vec<String>,
    /// Larger than every file number.
    pub(super) number_next: u32,
}

/// Looks at every file.
pub(super) fn discover(medium: &dyn Medium, now: i64, report: &mut OpenReport) -> Result<Discovered, Error> {
    let header = store_header(medium, report)?;
    let mut found = Discovered {
        header,
        header_whole: header.is_some(),
        live: BTreeMap::new(),
        spares: VecDeque::new(),
        leftovers: Vec::new(),
        number_next: 0,
    };
    let mut names = medium.list()?;
    names.sort_unstable();
    let mut headless = Vec::new();
    for name in names {
        match parse_name(&name) {
            Named::Segment(number) => {
                found.number_next = found.number_next.max(number.saturating_add(1));
                if let Some(invalid) = found.segment(medium, &name, number, now, report)? {
                    headless.push((name, number, invalid));
                }
            }
            Named::Unfinished => found.leftovers.push(name),
            Named::Other => {}
        }
    }
    for (name, number, invalid) in headless {
        found.headless(medium, name, number, invalid, report)?;
    }
    Ok(found)
}

fn store_header(medium: &dyn Medium, report: &mut OpenReport) -> Result<Option<StoreHeader>, Error> {
    let Some(file) = medium.open(STORE_NAME)? else { return Ok(None) };
    let mut octets = [0; HEADER_OCTETS];
    let read = file.read_at(0, &mut octets)?;
    match StoreHeader::decode(octets.get(..read).unwrap_or(&octets)) {
        Ok(header) => Ok(Some(header)),
        Err(Invalid::Version(version)) => Err(Error::Version(version)),
        Err(invalid) => {
            report.damaged(format!("store header: {invalid}"));
            Ok(None)
        }
    }
}

impl Discovered {
    /// Looks at a segment file's header; gives what is wrong with it.
    fn segment(
        &mut self,
        medium: &dyn Medium,
        name: &str,
        number: u32,
        now: i64,
        report: &mut OpenReport,
    ) -> Result<Option<Invalid>, Error> {
        let Some(file) = medium.open(name)? else { return Ok(None) };
        let mut head = [0; HEADER_OCTETS];
        let read = file.read_at(0, &mut head)?;
        let header = match SegmentHeader::decode(head.get(..read).unwrap_or(&head)) {
            Ok(header) => header,
            Err(Invalid::Version(version)) => return Err(Error::Version(version)),
            Err(invalid) => return Ok(Some(invalid)),
        };
        let store =
            *self.header.get_or_insert(StoreHeader { id: header.store, segment_octets: header.octets, made_at: now });
        if header.store != store.id || header.octets != store.segment_octets {
            report.damaged(format!("{name} belongs to another store"));
        } else if let Some((_, other)) = self.live.get(&header.serial) {
            report.damaged(format!("{name} has the same serial as {}", segment_name(*other)));
        } else {
            self.live.insert(header.serial, (header, number));
        }
        Ok(None)
    }

    /// A file without a whole header: a spare, one that was not finished, or a segment whose header is damaged.
    fn headless(
        &mut self,
        medium: &dyn Medium,
        name: String,
        number: u32,
        invalid: Invalid,
        report: &mut OpenReport,
    ) -> Result<(), Error> {
        let (Some(file), Some(store)) = (medium.open(&name)?, self.header) else {
            // No segment has a header: there is no log.
            self.leftovers.push(name);
            return Ok(());
        };
        if let Some(header) = self.header_of_batches(&*file, store)? {
            report.damaged(format!("header of {name}: {invalid}; its first batch says what it was"));
            self.live.insert(header.serial, (header, number));
        } else if !matches!(invalid, Invalid::Zero | Invalid::Short) {
            // Left alone: it may hold mail, or be torn from the beginning.
            report.damaged(format!("header of {name}: {invalid}"));
        } else if file.octets()? == u64::from(store.segment_octets) {
            self.spares.push_back(number);
        } else {
            self.leftovers.push(name);
        }
        Ok(())
    }

    /// What a damaged segment header must have said, told from the first batch, if that was durable: if the second batch
    /// says so, or if there is a later segment. Otherwise the header may be what a power cut has torn, and the batch
    /// stale.
    fn header_of_batches(&self, file: &dyn MediumFile, store: StoreHeader) -> Result<Option<SegmentHeader>, Error> {
        let batch_at = |offset: usize| -> Result<Option<BatchHeader>, Error> {
            let mut head = [0; BATCH_HEADER_OCTETS];
            let read = file.read_at(wide(offset), &mut head)?;
            let decoded = BatchHeader::decode(head.get(..read).unwrap_or(&head));
            Ok(decoded.ok().map(|(batch, _)| batch).filter(|batch| batch.store_tag == store.id.tag()))
        };
        let Some(first) = batch_at(BLOCK_OCTETS)? else { return Ok(None) };
        let second =
            BLOCK_OCTETS.saturating_add(blocks(BATCH_HEADER_OCTETS.saturating_add(size(first.payload_octets))));
        let second = batch_at(second)?.filter(|second| second.segment == first.segment);
        let durable = second.is_some_and(|second| second.durable > first.sequence)
            || self.live.values().any(|(later, _)| later.serial > first.segment && later.sequence > first.sequence);
        Ok((durable && !self.live.contains_key(&first.segment)).then_some(SegmentHeader {
            serial: first.segment,
            store: store.id,
            octets: store.segment_octets,
            chain: first.chain,
            sequence: first.sequence,
            nonce: first.nonce,
        }))
    }
}
