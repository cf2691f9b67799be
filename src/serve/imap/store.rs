//! STORE (RFC 9051 6.4.6, RFC 7162 3.1.3): flags, in steps of at most [`STORE_MESSAGES_MAX`] messages.

use super::Session;
use super::changes::{Telling, keyword_names};
use super::fetch::{Rows, Walk};
use super::reply::{Done, Ended};
use super::select::{GONE, Named};
use crate::limits::{IMAP_MODIFIED_RANGES_MAX, IMAP_TOLD_PAGE_ROWS, STORE_MESSAGES_MAX};
use crate::mail::{FlagChange, FlagSelection, Keyword, ModSeq, SequenceSet};
use crate::session::imap::{Asked, Runs};
use crate::store::{MailboxId, Receipt, Transaction, UidRanges};
use crate::wire::imap::encode::{self, Code, Condition};

/// The command.
#[derive(Debug)]
pub(super) struct Storing {
    /// Numbers in the set are UIDs.
    pub(super) uid: bool,
    /// Which messages.
    pub(super) set: SequenceSet,
    /// How.
    pub(super) change: FlagChange,
    /// .SILENT.
    pub(super) silent: bool,
    /// Which flags.
    pub(super) flags: FlagSelection,
    /// RFC 7162 3.1.3.
    pub(super) unchanged_since: Option<ModSeq>,
}

impl Session {
    /// Changes flags and tells what became of them.
    pub(super) async fn store(&mut self, storing: Storing) -> Result<Done, Ended> {
        let mailbox = self.selection()?.mailbox;
        let condstore = self.imap.enabled().condstore;
        let telling = Telling {
            flags: !storing.silent,
            // RFC 9051 6.4.9 for UID STORE; RFC 7162 3.1.3 shows both forms with MODSEQ.
            ..self.telling(storing.uid || condstore)
        };
        let named = self.named(&storing.set, storing.uid).await?;
        let expected = named.expected();
        // One page of rows is one step and one commit.
        let mut walk = Walk::new(named, STORE_MESSAGES_MAX);
        let mut found = 0_u32;
        let mut modified = Runs::new(IMAP_MODIFIED_RANGES_MAX);
        loop {
            // The buffer stands for the memory of the page. It goes back before the client is told anything.
            let buffer = self.lease().await?;
            let rows = self.next_rows(&mut walk).await?;
            if rows.is_empty() {
                break;
            }
            found = found.saturating_add(u32::try_from(rows.len()).unwrap_or(u32::MAX));
            let changed = self.store_page(mailbox, &storing, rows, &mut modified).await?;
            drop(buffer);
            self.tell_stored(mailbox, &storing, telling, changed).await?;
            // A view knows a few changes of its own: it is brought forward before there are too many.
            self.tell_changes(false).await?;
        }
        let gone = expected.is_some_and(|expected| found < expected);
        if modified.numbers() == 0 {
            return if gone { Err(GONE.into()) } else { Ok(Done::plain("Stored")) };
        }
        if gone {
            // The tagged response has room for one code.
            self.say(|out| encode::untagged(out, Condition::No, Some(&Code::Other(GONE.code, None)), GONE.text))
                .await?;
        }
        // RFC 7162 3.1.3: numbers are of the kind that the command used.
        Ok(Done::with("MODIFIED", Some(modified.to_string()), "Some have changed meanwhile"))
    }

    async fn store_page(
        &mut self,
        mailbox: MailboxId,
        storing: &Storing,
        rows: Rows,
        modified: &mut Runs,
    ) -> Result<UidRanges, Ended> {
        let transaction = Transaction::StoreFlags {
            mailbox,
            uids: uid_ranges(&rows),
            change: storing.change,
            flags: storing.flags.clone(),
            unchanged_since: storing.unchanged_since,
        };
        let receipt = self.services.store.commit(transaction).await;
        let (modseq, refused) = match receipt.map_err(|error| self.refused(&error, Asked::Selected))? {
            Receipt::Stored { modseq, modified } => (modseq, modified),
            _ => (None, Vec::new()),
        };
        if let (Some(open), Some(modseq)) = (&mut self.open, modseq) {
            open.view.note_own(modseq);
        }
        for (sequence, row) in &rows {
            if refused.contains(&row.uid) {
                modified.push(if storing.uid { row.uid.get() } else { *sequence });
            }
        }
        let mut changed = Runs::new(rows.len());
        for (_, row) in rows.iter().filter(|(_, row)| !refused.contains(&row.uid)) {
            changed.push(row.uid.get());
        }
        Ok(changed.take())
    }

    /// Tells the flags of messages that a step has changed, a few at a time.
    async fn tell_stored(
        &mut self,
        mailbox: MailboxId,
        storing: &Storing,
        telling: Telling,
        changed: UidRanges,
    ) -> Result<(), Ended> {
        // RFC 9051 7.3.5: a keyword that this has made is told before it is used.
        let tells = telling.flags || telling.modseq;
        if !tells && storing.flags.keywords.is_empty() {
            return Ok(());
        }
        let keywords = self.services.store.read(move |store| keyword_names(store, mailbox)).await;
        let keywords: Vec<Keyword> = keywords.map_err(|error| self.refused(&error, Asked::Selected))?;
        self.tell_new_keywords(&keywords).await?;
        if !tells {
            return Ok(());
        }
        let mut walk = Walk::new(Named { uid: true, ranges: changed }, IMAP_TOLD_PAGE_ROWS);
        loop {
            // As they are now: others may have changed them as well.
            let rows = self.next_rows(&mut walk).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for (sequence, row) in rows {
                self.say(|out| telling.encode(out, sequence, &row, &keywords)).await?;
            }
        }
    }
}

/// The UIDs of a page, in ranges.
pub(super) fn uid_ranges(rows: &Rows) -> UidRanges {
    let mut runs = Runs::new(rows.len());
    for (_, row) in rows {
        runs.push(row.uid.get());
    }
    runs.take()
}
