//! Changes of messages that are there: flags, expunge, copy and move.

use super::super::event::Event;
use super::super::{MailboxId, MessageRow, QuotaRule, Receipt, UidRanges};
use super::{Planner, Refusal, known_position, system_only};
use crate::limits::{COPY_MESSAGES_MAX, STORE_MESSAGES_MAX};
use crate::mail::{FlagChange, FlagSelection, Flags, ModSeq, SystemFlag, Uid};

/// Messages that are looked up at a time.
const PAGE_MESSAGES: usize = 256;

impl Planner<'_> {
    /// RFC 9051 6.4.6 and RFC 7162 3.1.3.
    pub(super) fn store_flags(
        &mut self,
        mailbox: MailboxId,
        uids: &UidRanges,
        change: FlagChange,
        selection: &FlagSelection,
        unchanged_since: Option<ModSeq>,
    ) -> Result<Receipt, Refusal> {
        let mut row = self.settled_mailbox(mailbox)?;
        let keywords = row.keywords.len();
        let mut modified = Vec::new();
        let mut messages = self.index.messages_in(mailbox, uids, STORE_MESSAGES_MAX)?;
        messages.retain(|message| {
            let later = unchanged_since.is_some_and(|since| message.modseq > since);
            if later {
                modified.push(message.uid);
            }
            !later
        });
        let selected = match change {
            _ if messages.is_empty() => Flags::NONE,
            FlagChange::Replace | FlagChange::Add => self.flags(&mut row, selection)?,
            // What no message can have need not be known in order to be removed.
            FlagChange::Remove => selection
                .keywords
                .iter()
                .filter_map(|keyword| known_position(&row, keyword))
                .fold(system_only(selection.system), Flags::with_keyword),
        };
        let changed: Vec<(Uid, Flags)> = messages
            .iter()
            .map(|message| {
                let flags = match change {
                    FlagChange::Replace => selected,
                    FlagChange::Add => message.flags.union(selected),
                    FlagChange::Remove => message.flags.minus(selected),
                };
                (message, flags)
            })
            .filter(|(message, flags)| message.flags != *flags)
            .map(|(message, flags)| (message.uid, flags))
            .collect();
        if changed.is_empty() {
            return Ok(Receipt::Stored { modseq: None, modified });
        }
        if row.keywords.len() > keywords {
            self.need_room()?;
        }
        if change != FlagChange::Add || !selection.system.has(SystemFlag::Deleted) {
            self.need_little_room()?;
        }
        row.highest_modseq = row.highest_modseq.next();
        let modseq = row.highest_modseq;
        self.batch.event(&Event::FlagsChanged { mailbox, modseq, messages: changed })?;
        self.draft.set_mailbox(row);
        Ok(Receipt::Stored { modseq: Some(modseq), modified })
    }

    /// RFC 9051 6.4.3.
    pub(super) fn expunge(
        &mut self,
        mailbox: MailboxId,
        uids: &UidRanges,
        only_deleted: bool,
    ) -> Result<Receipt, Refusal> {
        let row = self.settled_mailbox(mailbox)?;
        let messages = if only_deleted {
            self.index.deleted_in(mailbox, uids, STORE_MESSAGES_MAX)?
        } else {
            self.index.messages_in(mailbox, uids, STORE_MESSAGES_MAX)?
        };
        if messages.is_empty() {
            return Ok(Receipt::Expunged { modseq: None, uids: Vec::new() });
        }
        let octets = messages.iter().map(|message| i128::from(message.octets)).sum::<i128>();
        self.draft.add_usage(row.owner, octets.saturating_neg());
        let uids: Vec<Uid> = messages.iter().map(|message| message.uid).collect();
        let modseq = self.expunged(mailbox, uids.clone())?;
        Ok(Receipt::Expunged { modseq: Some(modseq), uids })
    }

    fn expunged(&mut self, mailbox: MailboxId, uids: Vec<Uid>) -> Result<ModSeq, Refusal> {
        let mut row = self.mailbox(mailbox)?;
        row.highest_modseq = row.highest_modseq.next();
        let modseq = row.highest_modseq;
        self.batch.event(&Event::Expunged { mailbox, modseq, uids })?;
        self.draft.set_mailbox(row);
        Ok(modseq)
    }

    /// RFC 9051 6.4.7, and 6.4.8 with `remove_source`. No body is written: the messages share theirs.
    pub(super) fn copy(
        &mut self,
        from: MailboxId,
        uids: &UidRanges,
        to: MailboxId,
        remove_source: bool,
        quota: QuotaRule,
    ) -> Result<Receipt, Refusal> {
        let source = self.settled_mailbox(from)?;
        let mut target = self.mailbox(to)?;
        let uid_validity = target.uid_validity;
        let modseq = target.highest_modseq.next();
        let mut pairs: Vec<(Uid, Uid)> = Vec::new();
        let mut octets = 0_i128;
        let mut rest = uids.clone();
        while pairs.len() < COPY_MESSAGES_MAX {
            let page = PAGE_MESSAGES.min(COPY_MESSAGES_MAX.saturating_sub(pairs.len()));
            let messages = self.index.messages_in(from, &rest, page)?;
            let Some(last) = messages.last() else { break };
            rest = beyond(&rest, last.uid);
            for message in &messages {
                let mut flags = message.flags;
                if from != to {
                    flags = self.translate(&source.keywords, message, &mut target)?;
                }
                let uid = Self::take_uid(&mut target)?;
                self.batch.event(&Event::MessageAdded {
                    mailbox: to,
                    uid,
                    modseq,
                    flags,
                    internal_date: message.internal_date,
                    saved: self.now,
                    octets: message.octets,
                    blob: message.blob,
                })?;
                pairs.push((message.uid, uid));
                octets = octets.saturating_add(message.octets.into());
            }
        }
        if pairs.is_empty() {
            return Ok(Receipt::Copied { uid_validity, uids: pairs });
        }
        if remove_source && source.owner == target.owner {
            self.need_little_room()?;
        } else {
            self.check_quota(target.owner, quota, octets)?;
            self.need_room()?;
        }
        target.highest_modseq = modseq;
        self.draft.add_usage(target.owner, octets);
        self.draft.set_mailbox(target);
        if remove_source {
            // After the copies, so that a body always has a message.
            self.expunged(from, pairs.iter().map(|(source, _)| *source).collect())?;
            self.draft.add_usage(source.owner, octets.saturating_neg());
        }
        Ok(Receipt::Copied { uid_validity, uids: pairs })
    }

    /// RFC 9051 6.4.7: copies keep their flags. A keyword is a bit; which one, each mailbox says for itself.
    fn translate(
        &mut self,
        names: &[crate::mail::Keyword],
        message: &MessageRow,
        target: &mut super::MailboxRow,
    ) -> Result<Flags, Refusal> {
        let mut flags = system_only(message.flags);
        for (position, name) in (0_u8..).zip(names) {
            // A keyword that the target has no position left for is dropped: better than no copy.
            if message.flags.has_keyword(position)
                && let Some(position) = self.position(target, name)?
            {
                flags = flags.with_keyword(position);
            }
        }
        Ok(flags)
    }
}

/// The ranges behind a UID.
fn beyond(uids: &UidRanges, uid: Uid) -> UidRanges {
    let next = uid.get().saturating_add(1);
    let behind = uids.iter().filter(|range| *range.end() > uid.get());
    behind.map(|range| next.max(*range.start())..=*range.end()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ranges_are_cut_behind_a_uid() {
        let uids = vec![1..=3, 5..=9, 12..=u32::MAX];
        assert_eq!(beyond(&uids, Uid::new(6).unwrap()), [7..=9, 12..=u32::MAX]);
        assert_eq!(beyond(&uids, Uid::new(9).unwrap()), [12..=u32::MAX]);
        assert!(beyond(&uids, Uid::MAX).is_empty());
    }
}
