//! COPY and MOVE (RFC 9051 6.4.7, 6.4.8) with COPYUID (RFC 4315 3), in steps of at most [`COPY_MESSAGES_MAX`] messages.
//!
//! One step is one commit. A COPY of more messages than that which fails on its way takes back what it has copied, as
//! far as the store still lets it; a MOVE that fails has moved the steps before, and has said so: no message is lost
//! or doubled by it.

use super::Session;
use super::fetch::{Rows, Walk};
use super::reply::{Done, Ended};
use super::select::GONE;
use crate::limits::{COPY_MESSAGES_MAX, IMAP_COPYUID_RANGES_MAX, IMAP_EXPUNGE_RANGES_MAX, IMAP_PAGE_ROWS};
use crate::mail::{SequenceSet, Uid, UidValidity};
use crate::session::imap::{Asked, Runs};
use crate::store::{Error, MailboxId, QuotaRule, Receipt, Transaction, UidRanges};
use crate::wire::imap::encode::{self, Code, Condition};

/// What was copied so far, for COPYUID.
struct Copied {
    validity: Option<UidValidity>,
    from: Runs,
    to: Runs,
    messages: u32,
}

impl Copied {
    fn new() -> Self {
        let runs = || Runs::new(IMAP_COPYUID_RANGES_MAX);
        Self { validity: None, from: runs(), to: runs(), messages: 0 }
    }

    fn push(&mut self, from: Uid, to: Uid) {
        self.from.push(from.get());
        self.to.push(to.get());
        self.messages = self.messages.saturating_add(1);
    }

    /// RFC 4315 3: both sets in the same order. What does not fit is left out altogether: half of it would be wrong.
    fn code(&self) -> Option<Code<'_>> {
        if self.messages == 0 || self.from.overflowed() || self.to.overflowed() {
            return None;
        }
        Some(Code::CopyUid(self.validity?, self.from.ranges(), self.to.ranges()))
    }
}

impl Session {
    /// Copies messages, or moves them.
    pub(super) async fn copy(
        &mut self,
        uid: bool,
        set: SequenceSet,
        name: String,
        remove_source: bool,
    ) -> Result<Done, Ended> {
        let (from, owner) = (self.selection()?.mailbox, self.owner()?);
        // By UID: sequence numbers change under a MOVE of several steps.
        let (named, expected) = self.named_by_uid(&set, uid).await?;
        let target = self.services.store.read(move |store| store.mailbox(owner, &name)).await;
        let target = target.and_then(|row| row.ok_or(Error::NoSuchMailbox));
        let to = target.map_err(|error| self.refused(&error, Asked::Target))?.id;
        if !remove_source {
            self.check_room(Walk::new(named.clone(), IMAP_PAGE_ROWS)).await?;
        }
        let mut walk = Walk::new(named, IMAP_PAGE_ROWS);
        let mut found = 0_u32;
        let mut copied = Copied::new();
        let mut taken_back = Runs::new(COPY_MESSAGES_MAX);
        // A view keeps a bounded number of ranges until its client is told what is gone.
        let mut step = Runs::new(if remove_source { IMAP_EXPUNGE_RANGES_MAX } else { COPY_MESSAGES_MAX });
        loop {
            let rows: Rows = self.next_rows(&mut walk).await?;
            let last = rows.is_empty();
            found = found.saturating_add(u32::try_from(rows.len()).unwrap_or(u32::MAX));
            let gone = last && expected.is_some_and(|expected| found < expected);
            for (_, row) in &rows {
                if step.is_full() || usize::try_from(step.numbers()).unwrap_or(usize::MAX) >= COPY_MESSAGES_MAX {
                    self.copy_step(from, to, &mut step, remove_source, &mut copied, &mut taken_back).await?;
                }
                step.push(row.uid.get());
            }
            if gone && !remove_source {
                // RFC 2180 4.4.1: not all could be copied, so none is.
                self.take_back(to, taken_back.take()).await;
                return Err(GONE.into());
            }
            if last {
                self.copy_step(from, to, &mut step, remove_source, &mut copied, &mut taken_back).await?;
                if gone {
                    return Err(GONE.into());
                }
                break;
            }
        }
        if remove_source {
            return Ok(Done::plain("Moved"));
        }
        let code = copied.code().map(|_| {
            let validity = copied.validity.map_or(0, UidValidity::get);
            ("COPYUID", Some(format!("{validity} {} {}", copied.from, copied.to)))
        });
        Ok(Done { code, text: "Copied" })
    }

    /// RFC 9051 7.1 OVERQUOTA: a COPY that would go over the quota is not begun. A MOVE uses no more than before.
    async fn check_room(&mut self, mut walk: Walk) -> Result<(), Ended> {
        let Some(quota) = self.imap.user().and_then(|user| user.quota) else { return Ok(()) };
        let owner = self.owner()?;
        let mut octets = 0_u64;
        loop {
            let rows = self.next_rows(&mut walk).await?;
            if rows.is_empty() {
                break;
            }
            octets = rows.iter().fold(octets, |sum, (_, row)| sum.saturating_add(row.octets));
        }
        let usage = self.services.store.read(move |store| store.usage(owner)).await;
        let usage = usage.map_err(|error| self.refused(&error, Asked::Target))?;
        // Nothing to copy is no reason to complain.
        if octets > 0 && usage.octets.saturating_add(octets) > quota {
            return Err(self.refused(&Error::OverQuota, Asked::Target));
        }
        Ok(())
    }

    async fn copy_step(
        &mut self,
        from: MailboxId,
        to: MailboxId,
        step: &mut Runs,
        remove_source: bool,
        copied: &mut Copied,
        taken_back: &mut Runs,
    ) -> Result<(), Ended> {
        if step.numbers() == 0 {
            return Ok(());
        }
        let quota = self.imap.user().and_then(|user| user.quota).map_or(QuotaRule::Octets(u64::MAX), QuotaRule::Octets);
        let transaction = Transaction::Copy { from, uids: step.take(), to, remove_source, quota };
        match self.services.store.commit(transaction).await {
            Ok(Receipt::Copied { uid_validity, uids }) => {
                copied.validity = Some(uid_validity);
                for (source, target) in uids {
                    copied.push(source, target);
                    taken_back.push(target.get());
                }
                if remove_source {
                    return self.tell_moved(copied).await;
                }
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => {
                if !remove_source {
                    self.take_back(to, taken_back.take()).await;
                }
                Err(self.refused(&error, Asked::Target))
            }
        }
    }

    /// RFC 9051 6.4.8: COPYUID comes in an untagged OK before the messages are gone.
    async fn tell_moved(&mut self, copied: &mut Copied) -> Result<(), Ended> {
        if let Some(code) = copied.code() {
            self.say(|out| encode::untagged(out, Condition::Ok, Some(&code), "Moved")).await?;
        }
        *copied = Copied::new();
        self.tell_changes(true).await
    }

    /// RFC 9051 6.4.7: a COPY that fails leaves the target as it was.
    async fn take_back(&mut self, mailbox: MailboxId, uids: UidRanges) {
        if uids.is_empty() {
            return;
        }
        loop {
            let transaction = Transaction::Expunge { mailbox, uids: uids.clone(), only_deleted: false };
            match self.services.store.commit(transaction).await {
                Ok(Receipt::Expunged { uids, .. }) if !uids.is_empty() => {}
                Ok(_) => return,
                Err(error) => {
                    log::error!("[{}] IMAP: half a COPY stays: {error}", self.connection.session_id());
                    return;
                }
            }
        }
    }
}
