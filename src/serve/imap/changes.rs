//! What a client is told without asking: messages that came and went, and flags that others changed (RFC 9051 5.2).

use super::Session;
use super::reply::Ended;
use crate::limits::IMAP_CHANGES_AT_ONCE;
use crate::mail::{Keyword, ModSeq};
use crate::store::{Change, Error, MailboxId, MessageRow, Store};
use crate::wire::imap::encode::{self, Code, Condition, FetchResponse};
use crate::wire::imap::{Full, Out};

/// What a FETCH response that nobody asked for says, beside the flags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Telling {
    /// UID.
    pub(super) uid: bool,
    /// FLAGS; without them only MODSEQ.
    pub(super) flags: bool,
    /// MODSEQ.
    pub(super) modseq: bool,
    /// RFC 3501: from this UID on `\Recent`.
    pub(super) recent_from: Option<u32>,
}

impl Telling {
    /// Writes one.
    pub(super) fn encode(
        self,
        out: &mut Out<'_>,
        sequence: u32,
        row: &MessageRow,
        keywords: &[Keyword],
    ) -> Result<(), Full> {
        let mut response = FetchResponse::begin(out, sequence)?;
        if self.uid {
            response.uid(out, row.uid)?;
        }
        if self.flags {
            let recent = self.recent_from.is_some_and(|from| row.uid.get() >= from);
            response.flags(out, row.flags, keywords, recent)?;
        }
        if self.modseq {
            response.modseq(out, row.modseq)?;
        }
        response.end(out)
    }
}

/// The keyword names of a mailbox; none if it is gone.
pub(super) fn keyword_names(store: &Store, mailbox: MailboxId) -> Result<Vec<Keyword>, Error> {
    Ok(store.mailbox_by_id(mailbox)?.map(|row| row.keywords).unwrap_or_default())
}

impl Session {
    /// Tells what has changed in the selected mailbox since the client last heard of it.
    pub(super) async fn tell_changes(&mut self, expunges: bool) -> Result<(), Ended> {
        while self.open.is_some() {
            let changes = self
                .with_view(move |store, view| {
                    let changes = store.sync(view, expunges, IMAP_CHANGES_AT_ONCE)?;
                    let flags = changes.iter().any(|change| matches!(change, Change::Flags { .. }));
                    let keywords = if flags { keyword_names(store, view.mailbox())? } else { Vec::new() };
                    Ok((changes, keywords))
                })
                .await;
            let (changes, keywords) = changes?;
            if changes.is_empty() {
                return Ok(());
            }
            self.tell_new_keywords(&keywords).await?;
            for change in changes {
                self.tell_change(change, &keywords).await?;
            }
        }
        Ok(())
    }

    async fn tell_change(&mut self, change: Change, keywords: &[Keyword]) -> Result<(), Ended> {
        let recent_from = self.recent_from();
        let Some(open) = &mut self.open else { return Ok(()) };
        match change {
            Change::Expunged { sequence, uid } => {
                open.exists = open.exists.saturating_sub(1);
                if recent_from.is_some_and(|from| uid.get() >= from) {
                    open.recent = open.recent.saturating_sub(1);
                }
                self.say(|out| encode::expunge(out, sequence)).await?;
            }
            Change::Exists(exists) => {
                open.recent = open.recent.saturating_add(exists.saturating_sub(open.exists));
                open.exists = exists;
                let recent = recent_from.map(|_| open.recent);
                self.say(|out| {
                    encode::exists(out, exists)?;
                    // RFC 3501 7.3.2; RFC 9051 appendix E has no RECENT.
                    recent.map_or(Ok(()), |recent| encode::recent(out, recent))
                })
                .await?;
            }
            Change::Flags { sequence, row } => {
                let telling = self.telling(true);
                self.say(|out| telling.encode(out, sequence, &row, keywords)).await?;
            }
        }
        Ok(())
    }

    /// What unasked FETCH responses say. The UID helps clients that lost count, and RFC 7162 3.2.4 asks for it.
    pub(super) fn telling(&self, uid: bool) -> Telling {
        let modseq = self.imap.enabled().condstore;
        Telling { uid, flags: true, modseq, recent_from: self.recent_from() }
    }

    /// RFC 3501 2.3.2: messages with this UID and larger ones are `\Recent`; there is no such flag in revision 2.
    pub(super) fn recent_from(&self) -> Option<u32> {
        let selection = self.imap.selection().filter(|_| !self.imap.enabled().rev2)?;
        Some(selection.recent_from)
    }

    /// RFC 9051 7.3.5: FLAGS again when a keyword came up that the client was not told of.
    pub(super) async fn tell_new_keywords(&mut self, keywords: &[Keyword]) -> Result<(), Ended> {
        let read_only = self.imap.selection().is_some_and(|selection| selection.read_only);
        let Some(open) = &mut self.open else { return Ok(()) };
        if keywords.len() <= open.keywords {
            return Ok(());
        }
        open.keywords = keywords.len();
        self.say(|out| encode::flags_available(out, keywords)).await?;
        self.say_permanent_flags(keywords, read_only).await
    }

    /// RFC 7162 3.1: the first command that turns CONDSTORE on while a mailbox is open is told its HIGHESTMODSEQ.
    pub(super) async fn announce_modseq(&mut self) -> Result<(), crate::serve::ConnectionError> {
        let Some(open) = &self.open else { return Ok(()) };
        let modseq = open.view.modseq().max(ModSeq(1));
        self.say(|out| encode::untagged(out, Condition::Ok, Some(&Code::HighestModSeq(modseq)), "Highest")).await
    }
}
