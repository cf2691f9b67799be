//! What the transactions of a batch have changed so far: the index shows it only when the batch is durable.
//!
//! Owns one row for each mailbox that the batch changes. Bounded by what fits a batch.

use super::{BlobId, MailboxId, MailboxRow, Owner};
use std::collections::BTreeMap;

/// Changes that later transactions of the same batch must know.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    mailboxes: BTreeMap<MailboxId, MailboxRow>,
    /// Octets that each owner will use more (or less) than the index says.
    usage: BTreeMap<Owner, i128>,
    /// Names that each owner has subscribed, the same one counted again; what was taken back is not.
    subscribed: BTreeMap<Owner, usize>,
    blob_next: Option<BlobId>,
    structural: bool,
}

impl Overlay {
    /// Nothing has changed yet.
    pub(super) fn is_empty(&self) -> bool {
        self.mailboxes.is_empty() && !self.structural
    }

    /// Has a mailbox come, gone or been renamed?
    pub(super) fn is_structural(&self) -> bool {
        self.structural
    }

    pub(super) fn set_structural(&mut self) {
        self.structural = true;
    }

    /// A mailbox as it will be: its counters and keywords (not its counts of messages).
    pub(super) fn mailbox(&self, id: MailboxId) -> Option<&MailboxRow> {
        self.mailboxes.get(&id)
    }

    pub(super) fn set_mailbox(&mut self, row: MailboxRow) {
        self.mailboxes.insert(row.id, row);
    }

    /// The mailboxes that have changed.
    pub(super) fn mailboxes(&self) -> impl Iterator<Item = MailboxId> + '_ {
        self.mailboxes.keys().copied()
    }

    pub(super) fn usage(&self, owner: Owner) -> i128 {
        self.usage.get(&owner).copied().unwrap_or(0)
    }

    pub(super) fn add_usage(&mut self, owner: Owner, octets: i128) {
        let sum = self.usage.entry(owner).or_default();
        *sum = sum.saturating_add(octets);
    }

    pub(super) fn subscribed(&self, owner: Owner) -> usize {
        self.subscribed.get(&owner).copied().unwrap_or(0)
    }

    pub(super) fn add_subscribed(&mut self, owner: Owner) {
        let sum = self.subscribed.entry(owner).or_default();
        *sum = sum.saturating_add(1);
    }

    pub(super) fn blob_next(&self) -> Option<BlobId> {
        self.blob_next
    }

    pub(super) fn set_blob_next(&mut self, id: BlobId) {
        self.blob_next = Some(id);
    }

    /// Takes over what a transaction has changed.
    pub(super) fn merge(&mut self, draft: Self) {
        self.mailboxes.extend(draft.mailboxes);
        for (owner, octets) in draft.usage {
            self.add_usage(owner, octets);
        }
        for (owner, names) in draft.subscribed {
            let sum = self.subscribed.entry(owner).or_default();
            *sum = sum.saturating_add(names);
        }
        self.blob_next = draft.blob_next.or(self.blob_next);
        self.structural |= draft.structural;
    }
}
