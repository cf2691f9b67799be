//! Who uses how much: references to blobs, octets of live blobs in each segment of the log, messages and octets of
//! each owner.

use super::super::{BlobId, Error, Extent, LogPosition, Owner};
use super::Index;
use super::keys;
use super::rows::{self, Blob, BlobPlace, SPANS_MAX, Used};

impl Index {
    /// A body is complete, or compaction has moved it.
    pub(super) fn place_blob(
        &mut self,
        id: BlobId,
        event_at: LogPosition,
        octets: u64,
        extents: &[Extent],
        summary: Extent,
    ) -> Result<(), Error> {
        let mut row = self.blob_record(id)?.unwrap_or_default();
        if let Some(old) = &row.place {
            if old.event_at >= event_at {
                return Ok(());
            }
            self.count_segments(&old.spans, false)?;
        }
        let spans = spans(extents, summary);
        self.count_segments(&spans, true)?;
        row.place = Some(BlobPlace { event_at, octets, summary, spans });
        self.tree.put(&keys::blob(id), &rows::encode(&row)?).map(drop)
    }

    /// One message more has this body.
    pub(super) fn refer_to_blob(&mut self, id: BlobId) -> Result<(), Error> {
        let mut row = self.blob_record(id)?.unwrap_or_default();
        row.references = row.references.saturating_add(1);
        self.tree.put(&keys::blob(id), &rows::encode(&row)?).map(drop)
    }

    /// One message less has this body; with the last one it goes.
    pub(super) fn release_blob(&mut self, id: BlobId) -> Result<(), Error> {
        let Some(mut row) = self.blob_record(id)? else { return Ok(()) };
        row.references = row.references.saturating_sub(1);
        if row.references > 0 {
            return self.tree.put(&keys::blob(id), &rows::encode(&row)?).map(drop);
        }
        if let Some(place) = &row.place {
            self.count_segments(&place.spans, false)?;
        }
        self.tree.remove(&keys::blob(id)).map(drop)
    }

    /// The row of a blob.
    pub(super) fn blob_record(&mut self, id: BlobId) -> Result<Option<Blob>, Error> {
        self.tree.get_with(&keys::blob(id), rows::decode)?.transpose()
    }

    /// An owner has so many messages and octets more or less.
    pub(super) fn charge(&mut self, owner: Owner, messages: u64, octets: u64, more: bool) -> Result<(), Error> {
        if messages == 0 && octets == 0 {
            return Ok(());
        }
        let old = self.used(owner)?;
        let new = Used { messages: changed(old.messages, messages, more), octets: changed(old.octets, octets, more) };
        self.tree.put(&keys::usage(owner), &rows::encode(&new)?).map(drop)
    }

    /// What an owner uses.
    pub(super) fn used(&mut self, owner: Owner) -> Result<Used, Error> {
        Ok(self.tree.get_with(&keys::usage(owner), rows::decode)?.transpose()?.unwrap_or_default())
    }

    fn count_segments(&mut self, spans: &[(u32, u64)], more: bool) -> Result<(), Error> {
        for &(serial, octets) in spans {
            let old = self.segment_octets(serial)?;
            let new = changed(old, octets, more);
            let row = new.to_be_bytes();
            self.set(&keys::segment(serial), (new > 0).then_some(row.as_slice()))?;
        }
        Ok(())
    }

    /// Octets of live blobs in a segment.
    pub(super) fn segment_octets(&mut self, serial: u32) -> Result<u64, Error> {
        let row = self.tree.get_with(&keys::segment(serial), |row| row.first_chunk().copied())?.flatten();
        Ok(row.map_or(0, u64::from_be_bytes))
    }
}

/// Octets in each segment. Bodies over more than [`SPANS_MAX`] segments are counted in the first ones only.
fn spans(extents: &[Extent], summary: Extent) -> Vec<(u32, u64)> {
    let mut spans: Vec<(u32, u64)> = Vec::new();
    for extent in extents.iter().chain([&summary]) {
        let octets = u64::from(extent.octets);
        if let Some((_, sum)) = spans.iter_mut().find(|(serial, _)| *serial == extent.at.segment) {
            *sum = sum.saturating_add(octets);
        } else if spans.len() < SPANS_MAX {
            spans.push((extent.at.segment, octets));
        }
    }
    spans
}

fn changed(old: u64, by: u64, more: bool) -> u64 {
    if more { old.saturating_add(by) } else { old.saturating_sub(by) }
}
