//! SELECT, EXAMINE, CLOSE and UNSELECT, and what is kept of an open mailbox.

use super::Session;
use super::reply::{Done, Ended};
use crate::limits::SAVED_RESULT_RANGES_MAX;
use crate::mail::{Keyword, ModSeq, SequenceSet, Uid};
use crate::session::imap::{Asked, Refusal, Selection};
use crate::store::{Error, MailboxRow, Owner, Store, UidRanges, View};
use crate::wire::imap::command::is_saved_result;
use crate::wire::imap::encode::{self, Code, Condition, ListAttributes, ListRow, PermanentFlags};
use core::ops::RangeInclusive;

/// The selected mailbox's numbering and what this client was told of it.
#[derive(Debug)]
pub(super) struct Open {
    /// Sequence numbers.
    pub(super) view: View,
    /// EXISTS as last told.
    pub(super) exists: u32,
    /// RFC 3501: messages that arrived during this session.
    pub(super) recent: u32,
    /// Keywords that FLAGS has named.
    pub(super) keywords: usize,
    /// RFC 9051 6.4.4.1: the result that SEARCH saved, UIDs.
    pub(super) saved: UidRanges,
}

/// A view and the row that belongs to it.
struct Opened {
    row: MailboxRow,
    view: View,
    unseen: Option<u32>,
}

/// How often a mailbox that changes meanwhile is opened anew, to tell UIDNEXT and EXISTS of the same moment.
const OPEN_TRIES: usize = 4;

fn open(store: &Store, owner: Owner, name: &str, wants_unseen: bool) -> Result<Opened, Error> {
    for last in (0..OPEN_TRIES).rev() {
        let row = store.mailbox(owner, name)?.ok_or(Error::NoSuchMailbox)?;
        let mut view = store.open_view(row.id)?;
        let again = store.mailbox_by_id(row.id)?.ok_or(Error::NoSuchMailbox)?;
        // The row before the view: should it still be older, UIDNEXT is only smaller than it could be.
        if again.uid_next == row.uid_next || last == 0 {
            let unseen = if wants_unseen { store.first_unseen(&mut view)? } else { None };
            return Ok(Opened { row, view, unseen });
        }
    }
    Err(Error::Busy)
}

impl Session {
    /// RFC 9051 6.3.2 and 6.3.3.
    pub(super) async fn select(&mut self, name: String, read_only: bool, closed: bool) -> Result<Done, Ended> {
        self.open = None;
        if closed {
            self.say(|out| encode::untagged(out, Condition::Ok, Some(&Code::Closed), "Closed")).await?;
        }
        let owner = self.owner()?;
        let rev2 = self.imap.enabled().rev2;
        let wanted = name.clone();
        let opened = self.services.store.read(move |store| open(store, owner, &wanted, !rev2)).await;
        let Opened { row, view, unseen } = opened.map_err(|error| self.refused(&error, Asked::Named))?;
        let exists = view.exists();
        let keywords = row.keywords.as_slice();
        self.say(|out| encode::flags_available(out, keywords)).await?;
        self.say_permanent_flags(keywords, read_only).await?;
        let names = self.names();
        self.say(|out| {
            encode::exists(out, exists)?;
            if !rev2 {
                encode::recent(out, 0)?;
                if let Some(unseen) = unseen {
                    encode::untagged(out, Condition::Ok, Some(&Code::Unseen(unseen)), "First unseen")?;
                }
            }
            let validity = Code::UidValidity(row.uid_validity);
            encode::untagged(out, Condition::Ok, Some(&validity), "UIDs are valid")?;
            let next = Code::UidNext(row.uid_next.unwrap_or(Uid::MAX));
            encode::untagged(out, Condition::Ok, Some(&next), "Predicted next UID")?;
            let modseq = Code::HighestModSeq(row.highest_modseq.max(ModSeq(1)));
            encode::untagged(out, Condition::Ok, Some(&modseq), "Highest")?;
            if rev2 {
                // RFC 9051 6.3.2: the LIST response tells the name that the server knows the mailbox by.
                let row = ListRow {
                    lsub: false,
                    attributes: ListAttributes { special_use: row.special_use, ..ListAttributes::default() },
                    name: &row.name,
                    child_subscribed: false,
                    old_name: None,
                };
                encode::list(out, &row, names)?;
            }
            Ok(())
        })
        .await?;
        let recent_from = row.uid_next.map_or(u32::MAX, Uid::get);
        let imap = core::mem::replace(&mut self.imap, crate::session::imap::Imap::Logout);
        self.imap = imap.select(Selection { mailbox: row.id, name, read_only, recent_from });
        self.open = Some(Open { view, exists, recent: 0, keywords: row.keywords.len(), saved: Vec::new() });
        let (code, text) = if read_only { ("READ-ONLY", "Opened for reading") } else { ("READ-WRITE", "Selected") };
        Ok(Done::with(code, None, text))
    }

    /// RFC 9051 7.1: flags that a client may change for good.
    pub(super) async fn say_permanent_flags(&mut self, keywords: &[Keyword], read_only: bool) -> Result<(), Ended> {
        let flags = if read_only {
            PermanentFlags::None
        } else if keywords.len() < crate::limits::KEYWORDS_PER_MAILBOX_MAX {
            PermanentFlags::KnownAndNew(keywords)
        } else {
            PermanentFlags::Known(keywords)
        };
        let code = Code::PermanentFlags(flags);
        let text = if read_only { "No flags can be changed" } else { "Limited to these" };
        Ok(self.say(|out| encode::untagged(out, Condition::Ok, Some(&code), text)).await?)
    }

    /// RFC 9051 6.4.1 and 6.4.2.
    pub(super) async fn close(&mut self, expunge: bool) -> Result<Done, Ended> {
        let removed = if expunge { self.expunge_deleted(None, true).await } else { Ok(()) };
        self.unselect();
        // RFC 9051 6.4.1: the mailbox is closed whatever becomes of the rest.
        removed?;
        Ok(Done::plain("Closed"))
    }

    /// No mailbox is open any more.
    pub(super) fn unselect(&mut self) {
        self.open = None;
        let imap = core::mem::replace(&mut self.imap, crate::session::imap::Imap::Logout);
        self.imap = imap.unselect();
    }

    /// Whose mailboxes these are.
    pub(super) fn owner(&self) -> Result<Owner, Ended> {
        self.imap.user().map(|user| user.owner).ok_or(Ended::Refused(Refusal::bad("Log in first")))
    }

    /// The selected mailbox.
    pub(super) fn selection(&self) -> Result<&Selection, Ended> {
        self.imap.selection().ok_or(Ended::Refused(Refusal::bad("Select a mailbox first")))
    }

    /// Asks the store about the open mailbox. The view is away meanwhile: if the task ends there, the session ends.
    pub(super) async fn with_view<T: Send + 'static>(
        &mut self,
        ask: impl FnOnce(&Store, &mut View) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Ended> {
        let Some(Open { mut view, exists, recent, keywords, saved }) = self.open.take() else {
            return Err(Ended::Refused(Refusal::bad("Select a mailbox first")));
        };
        let (view, answer) = self
            .services
            .store
            .read(move |store| {
                let answer = ask(store, &mut view);
                (view, answer)
            })
            .await;
        self.open = Some(Open { view, exists, recent, keywords, saved });
        answer.map_err(|error| self.refused(&error, Asked::Selected))
    }

    /// The messages that a command names.
    pub(super) async fn named(&mut self, set: &SequenceSet, uid: bool) -> Result<Named, Ended> {
        if is_saved_result(set) {
            let saved = self.open.as_ref().map(|open| open.saved.clone()).unwrap_or_default();
            return Ok(Named { uid: true, ranges: saved });
        }
        if uid {
            let last = self.with_view(|store, view| store.last_uid(view)).await?;
            return Ok(Named { uid: true, ranges: set.resolve(last.map_or(0, Uid::get)) });
        }
        let exists = self.open.as_ref().map_or(0, |open| open.exists);
        Ok(Named { uid: false, ranges: crate::session::imap::sequences(set, exists)? })
    }

    /// The messages that a command names, by UID; and how many of them must be there.
    pub(super) async fn named_by_uid(&mut self, set: &SequenceSet, uid: bool) -> Result<(Named, Option<u32>), Ended> {
        let named = self.named(set, uid).await?;
        let expected = named.expected();
        if named.uid {
            return Ok((named, expected));
        }
        let ranges = self.with_view(move |store, view| {
            let mut uids = UidRanges::new();
            for range in named.ranges {
                let end = *range.end();
                let Some((_, first)) = store.messages_by_sequence(view, range, 1)?.pop() else { continue };
                // Up to the message behind the range; messages that have not been told of have larger UIDs.
                let behind = match end.checked_add(1) {
                    Some(next) if next <= view.exists() => store.messages_by_sequence(view, next..=u32::MAX, 1)?.pop(),
                    _ => None,
                };
                let last = behind.map(|(_, row)| row.uid.get().saturating_sub(1));
                let last = match last {
                    Some(last) => last,
                    None => store.last_uid(view)?.map_or(0, Uid::get),
                };
                uids.push(first.uid.get()..=last);
            }
            Ok(uids)
        });
        Ok((Named { uid: true, ranges: ranges.await? }, expected))
    }

    /// Keeps a SEARCH's result for `$`; gives whether it could be kept.
    pub(super) fn save_result(&mut self, uids: UidRanges) -> bool {
        let fits = uids.len() <= SAVED_RESULT_RANGES_MAX;
        if let Some(open) = &mut self.open {
            open.saved = if fits { uids } else { Vec::new() };
        }
        fits
    }
}

impl Named {
    /// How many numbers these are.
    pub(super) fn numbers(&self) -> u32 {
        let count = |range: &RangeInclusive<u32>| range.end().saturating_sub(*range.start()).saturating_add(1);
        self.ranges.iter().fold(0, |all, range| all.saturating_add(count(range)))
    }

    /// Sequence numbers must all be there: the client was told of them. UIDs that are not there are passed over
    /// (RFC 9051 6.4.9).
    pub(super) fn expected(&self) -> Option<u32> {
        (!self.uid).then(|| self.numbers())
    }
}

/// What a client hears whose sequence numbers stand for messages that are gone.
pub(super) const GONE: Refusal = Refusal::no("EXPUNGEISSUED", "Some of these messages are gone");

/// Messages by number: sorted, disjoint ranges.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// UIDs, not sequence numbers.
    pub(super) uid: bool,
    /// Which.
    pub(super) ranges: UidRanges,
}
