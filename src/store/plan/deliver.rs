//! A new message into its mailboxes.

use super::super::event::Event;
use super::super::format::{EXTENTS_MAX, RecordKind};
use super::super::{BlobId, Delivery, Error, Receipt};
use super::{Planner, Refusal};
use crate::limits::SUMMARY_OCTETS_MAX;

impl Planner<'_> {
    pub(super) fn deliver(&mut self, delivery: &Delivery) -> Result<Receipt, Refusal> {
        if delivery.summary.len() > SUMMARY_OCTETS_MAX {
            return Err(Error::OverLimit("a message's summary").into());
        }
        if delivery.targets.is_empty() {
            return Err(Error::NoSuchMailbox.into());
        }
        let spool = &delivery.spool;
        if spool.extents.len() >= EXTENTS_MAX {
            return Err(Error::TooLarge.into());
        }
        let octets = spool.octets();
        let blob = self.body(delivery, octets)?;
        let mut delivered = Vec::with_capacity(delivery.targets.len());
        for target in &delivery.targets {
            let mut row = self.mailbox(target.mailbox)?;
            self.check_quota(row.owner, target.quota, octets.into())?;
            let flags = self.flags(&mut row, &target.flags)?;
            let uid = Self::take_uid(&mut row)?;
            row.highest_modseq = row.highest_modseq.next();
            self.batch.event(&Event::MessageAdded {
                mailbox: row.id,
                uid,
                modseq: row.highest_modseq,
                flags,
                internal_date: target.internal_date,
                saved: self.now,
                octets,
                blob,
            })?;
            delivered.push((row.id, row.uid_validity, uid));
            self.draft.add_usage(row.owner, octets.into());
            self.draft.set_mailbox(row);
        }
        // Asked last: whoever names a mailbox that is not there, or is over quota, hears that.
        self.need_room()?;
        Ok(Receipt::Delivered(delivered))
    }

    /// The message's last octets, its summary, and where all of it stands.
    fn body(&mut self, delivery: &Delivery, octets: u64) -> Result<BlobId, Refusal> {
        let spool = &delivery.spool;
        let next = self.overlay.blob_next().unwrap_or_else(|| self.index.next_blob_id());
        let mut extents = Vec::with_capacity(spool.extents.len().saturating_add(1));
        extents.extend_from_slice(&spool.extents);
        if let Some(rest) = spool.buffer.as_slice().get(..spool.filled).filter(|rest| !rest.is_empty()) {
            extents.push(self.batch.record(RecordKind::Chunk, rest)?);
        }
        let summary = self.batch.record(RecordKind::Summary, &delivery.summary)?;
        self.batch.event(&Event::BlobAdded { id: next, octets, extents, summary })?;
        self.draft.set_blob_next(BlobId(next.0.saturating_add(1)));
        Ok(next)
    }
}
