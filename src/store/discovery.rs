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
    let mut empty = Vec::new();
    for name in names {
        match parse_name(&name) {
            Named::Segment(number) => {
                found.number_next = found.number_next.max(number.saturating_add(1));
                found.segment(medium, name, number, now, report, &mut empty)?;
            }
            Named::Unfinished => found.leftovers.push(name),
            Named::Other => {}
        }
    }
    // Spares are told from files that were not finished by their size, which the header says.
    for (number, octets) in empty {
        match found.header {
            Some(header) if u64::from(header.segment_octets) == octets => found.spares.push_back(number),
            _ => found.leftovers.push(segment_name(number)),
        }
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
    fn segment(
        &mut self,
        medium: &dyn Medium,
        name: String,
        number: u32,
        now: i64,
        report: &mut OpenReport,
        empty: &mut Vec<(u32, u64)>,
    ) -> Result<(), Error> {
        let Some(file) = medium.open(&name)? else { return Ok(()) };
        let octets = file.octets()?;
        let mut head = [0; HEADER_OCTETS];
        let read = file.read_at(0, &mut head)?;
        let header = match SegmentHeader::decode(head.get(..read).unwrap_or(&head)) {
            Ok(header) => header,
            Err(Invalid::Version(version)) => return Err(Error::Version(version)),
            // Not a whole header's worth of octets, or zeros: no batch was ever acknowledged in here.
            Err(Invalid::Zero | Invalid::Short) if read < HEADER_OCTETS || head.iter().all(|&octet| octet == 0) => {
                empty.push((number, octets));
                return Ok(());
            }
            Err(invalid) => {
                report.damaged(format!("header of {name}: {invalid}"));
                match self.header.map(|store| header_of_batches(&*file, store)).transpose()?.flatten() {
                    Some(header) => header,
                    // Left alone: it may hold mail, and it may be torn from the beginning.
                    None => return Ok(()),
                }
            }
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
        Ok(())
    }
}

/// What a damaged segment header must have said, told from the first batch, if the second one says that it was durable:
/// then the header was durable too. Otherwise the header may be what a power cut has torn, and the batch stale.
fn header_of_batches(file: &dyn MediumFile, store: StoreHeader) -> Result<Option<SegmentHeader>, Error> {
    let batch_at = |offset: usize| -> Result<Option<BatchHeader>, Error> {
        let mut head = [0; BATCH_HEADER_OCTETS];
        let read = file.read_at(wide(offset), &mut head)?;
        let decoded = BatchHeader::decode(head.get(..read).unwrap_or(&head));
        Ok(decoded.ok().map(|(batch, _)| batch).filter(|batch| batch.store_tag == store.id.tag()))
    };
    let Some(first) = batch_at(BLOCK_OCTETS)? else { return Ok(None) };
    let second = BLOCK_OCTETS.saturating_add(blocks(BATCH_HEADER_OCTETS.saturating_add(size(first.payload_octets))));
    let proved =
        batch_at(second)?.is_some_and(|batch| batch.segment == first.segment && batch.durable > first.sequence);
    Ok(proved.then_some(SegmentHeader {
        serial: first.segment,
        store: store.id,
        octets: store.segment_octets,
        chain: first.chain,
        sequence: first.sequence,
        nonce: first.nonce,
    }))
}
