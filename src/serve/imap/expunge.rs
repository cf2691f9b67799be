//! EXPUNGE, UID EXPUNGE and what CLOSE does of it (RFC 9051 6.4.3, 6.4.1), in steps.

use super::Session;
use super::fetch::{Rows, Walk};
use super::reply::{Done, Ended};
use super::select::Named;
use crate::limits::{IMAP_EXPUNGE_RANGES_MAX, IMAP_PAGE_ROWS, STORE_MESSAGES_MAX};
use crate::mail::{SequenceSet, SystemFlag};
use crate::session::imap::{Asked, Runs};
use crate::store::Transaction;

impl Session {
    /// Removes messages with `\Deleted`, all or those named by UID.
    pub(super) async fn expunge(&mut self, uids: Option<SequenceSet>) -> Result<Done, Ended> {
        let uids = match &uids {
            Some(set) => Some(self.named(set, true).await?),
            None => None,
        };
        self.expunge_deleted(uids, false).await?;
        Ok(Done::plain("Expunged"))
    }

    /// Removes them; told as they go unless it is to be `silent`.
    pub(super) async fn expunge_deleted(&mut self, uids: Option<Named>, silent: bool) -> Result<(), Ended> {
        let mailbox = self.selection()?.mailbox;
        let row = self.services.store.read(move |store| store.mailbox_by_id(mailbox)).await;
        let row = row.map_err(|error| self.refused(&error, Asked::Selected))?;
        // The count spares the walk in the usual case.
        if row.is_none_or(|row| row.deleted == 0) {
            return Ok(());
        }
        let all = Named { uid: true, ranges: vec![1..=u32::MAX] };
        let mut walk = Walk::new(uids.unwrap_or(all), IMAP_PAGE_ROWS);
        let mut found = Runs::new(IMAP_EXPUNGE_RANGES_MAX);
        loop {
            let rows = self.next_rows(&mut walk).await?;
            let last = rows.is_empty();
            for uid in deleted(&rows) {
                // A view keeps a bounded number of ranges until its client is told: steps are smaller than that.
                if found.is_full() || usize::try_from(found.numbers()).unwrap_or(usize::MAX) >= STORE_MESSAGES_MAX {
                    self.expunge_step(mailbox, &mut found, silent).await?;
                }
                found.push(uid);
            }
            if last {
                return self.expunge_step(mailbox, &mut found, silent).await;
            }
        }
    }

    async fn expunge_step(
        &mut self,
        mailbox: crate::store::MailboxId,
        found: &mut Runs,
        silent: bool,
    ) -> Result<(), Ended> {
        if found.numbers() == 0 {
            return Ok(());
        }
        // Only those that still have the flag when the step's turn comes.
        let transaction = Transaction::Expunge { mailbox, uids: found.take(), only_deleted: true };
        let receipt = self.services.store.commit(transaction).await;
        receipt.map_err(|error| self.refused(&error, Asked::Selected))?;
        if silent {
            return self.forget_changes().await;
        }
        self.tell_changes(true).await
    }

    /// RFC 9051 6.4.1: CLOSE says nothing of the messages it removes; the view takes them in all the same.
    async fn forget_changes(&mut self) -> Result<(), Ended> {
        self.with_view(|store, view| {
            while !store.sync(view, true, crate::limits::IMAP_CHANGES_AT_ONCE)?.is_empty() {}
            Ok(())
        })
        .await
    }
}

fn deleted(rows: &Rows) -> impl Iterator<Item = u32> {
    rows.iter().filter(|(_, row)| row.flags.has(SystemFlag::Deleted)).map(|(_, row)| row.uid.get())
}
