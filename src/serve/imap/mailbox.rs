//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE and STATUS (RFC 9051 6.3.4 to 6.3.8 and 6.3.11).

use super::Session;
use super::reply::{Done, Ended};
use crate::limits::{IMAP_LIST_PAGE_ROWS, STORE_MESSAGES_MAX};
use crate::mail::{ModSeq, SpecialUse};
use crate::session::imap::{Asked, Refusal, Runs, check_name, first_below, is_below, parents};
use crate::store::{
    Error, MailboxId, MailboxRow, MailboxSpec, Owner, QuotaRule, Receipt, Store, Transaction, UidRanges,
};
use crate::wire::imap::command::StatusItems;
use crate::wire::imap::encode::{self, Code, Condition, StatusCounts, mailbox_status};
use crate::wire::imap::mailbox_name::INBOX;

/// How often DELETE empties a mailbox into which messages keep coming.
const DELETE_TRIES: usize = 8;

/// STATUS of a row; `recent` is the selected mailbox and its `\Recent` messages.
pub(super) fn counts(row: &MailboxRow, recent: Option<(MailboxId, u32)>) -> StatusCounts {
    StatusCounts {
        messages: row.messages,
        recent: recent.filter(|(mailbox, _)| *mailbox == row.id).map_or(0, |(_, recent)| recent),
        uid_next: row.uid_next,
        uid_validity: row.uid_validity,
        unseen: row.unseen,
        deleted: row.deleted,
        size: row.octets,
        highest_modseq: row.highest_modseq.max(ModSeq(1)),
    }
}

/// Is there a mailbox with this special use?
fn has_special_use(store: &Store, owner: Owner, special_use: SpecialUse) -> Result<bool, Error> {
    let mut after: Option<String> = None;
    loop {
        let rows = store.mailboxes(owner, after.as_deref(), IMAP_LIST_PAGE_ROWS)?;
        if rows.iter().any(|row| row.special_use == Some(special_use)) {
            return Ok(true);
        }
        if rows.len() < IMAP_LIST_PAGE_ROWS {
            return Ok(false);
        }
        after = rows.last().map(|row| row.name.clone());
    }
}

/// The mailbox, if there is one, and whether there are mailboxes below the name.
fn look(store: &Store, owner: Owner, name: &str) -> Result<(Option<MailboxRow>, bool), Error> {
    let next = store.mailboxes(owner, Some(&format!("{name}/")), 1)?;
    let below = first_below(name, next.first().map(|row| row.name.as_str()));
    Ok((store.mailbox(owner, name)?, below))
}

impl Session {
    /// How many messages of the selected mailbox are `\Recent`.
    pub(super) fn recent_of_selected(&self) -> Option<(MailboxId, u32)> {
        let open = self.open.as_ref()?;
        Some((open.view.mailbox(), open.recent))
    }

    async fn look(&self, owner: Owner, name: &str) -> Result<(Option<MailboxRow>, bool), Ended> {
        let name = name.to_owned();
        let looked = self.services.store.read(move |store| look(store, owner, &name)).await;
        looked.map_err(|error| self.refused(&error, Asked::Named))
    }

    async fn change(&self, transaction: Transaction) -> Result<Receipt, Ended> {
        let receipt = self.services.store.commit(transaction).await;
        receipt.map_err(|error| self.refused(&error, Asked::Named))
    }

    /// RFC 9051 6.3.4, RFC 6154 3.
    pub(super) async fn create(&mut self, name: String, special_use: Option<SpecialUse>) -> Result<Done, Ended> {
        check_name(&name)?;
        let owner = self.owner()?;
        if let Some(wanted) = special_use {
            let taken = self.services.store.read(move |store| has_special_use(store, owner, wanted)).await;
            if taken.map_err(|error| self.refused(&error, Asked::Named))? {
                // RFC 6154 3: mail programs could not tell which of two Sent mailboxes to use.
                return Err(Refusal::no("USEATTR", "Another mailbox has this special use").into());
            }
        }
        if self.look(owner, &name).await?.0.is_some() {
            return Err(self.refused(&Error::MailboxExists, Asked::Named));
        }
        self.create_parents(owner, &name).await?;
        let spec = MailboxSpec { owner, name, special_use, subscribed: false };
        self.change(Transaction::CreateMailbox(spec)).await?;
        Ok(Done::plain("Created"))
    }

    /// RFC 9051 6.3.4: superior names are made as well.
    async fn create_parents(&self, owner: Owner, name: &str) -> Result<(), Ended> {
        for parent in parents(name) {
            if self.look(owner, parent).await?.0.is_some() {
                continue;
            }
            let spec = MailboxSpec { owner, name: parent.to_owned(), special_use: None, subscribed: false };
            match self.services.store.commit(Transaction::CreateMailbox(spec)).await {
                Ok(_) | Err(Error::MailboxExists) => {}
                Err(error) => return Err(self.refused(&error, Asked::Named)),
            }
        }
        Ok(())
    }

    /// RFC 9051 6.3.5. What is below stays; the name is then listed as `\NonExistent`.
    pub(super) async fn delete(&mut self, name: String) -> Result<Done, Ended> {
        if name == INBOX {
            return Err(Refusal::no("CANNOT", "The inbox cannot be deleted").into());
        }
        let owner = self.owner()?;
        let mailbox = match self.look(owner, &name).await? {
            (Some(row), _) => row.id,
            (None, true) => return Err(Refusal::no("HASCHILDREN", "It is there only through what is below it").into()),
            (None, false) => return Err(self.refused(&Error::NoSuchMailbox, Asked::Named)),
        };
        if self.imap.selection().is_some_and(|selection| selection.mailbox == mailbox) {
            self.unselect();
            self.say(|out| encode::untagged(out, Condition::Ok, Some(&Code::Closed), "Closed")).await?;
        }
        for _ in 0..DELETE_TRIES {
            self.empty(mailbox).await?;
            match self.services.store.commit(Transaction::DeleteMailbox { mailbox }).await {
                Ok(_) => return Ok(Done::plain("Deleted")),
                // A message came in between.
                Err(Error::NotEmpty) => {}
                Err(error) => return Err(self.refused(&error, Asked::Named)),
            }
        }
        Err(self.refused(&Error::NotEmpty, Asked::Named))
    }

    /// Removes all messages, in steps.
    async fn empty(&self, mailbox: MailboxId) -> Result<(), Ended> {
        loop {
            let uids = self.first_uids(mailbox).await?;
            if uids.is_empty() {
                return Ok(());
            }
            self.change(Transaction::Expunge { mailbox, uids, only_deleted: false }).await?;
        }
    }

    /// The first messages of a mailbox that this session need not have selected.
    async fn first_uids(&self, mailbox: MailboxId) -> Result<UidRanges, Ended> {
        let uids = self.services.store.read(move |store| {
            let mut view = store.open_view(mailbox)?;
            let mut uids = Runs::new(STORE_MESSAGES_MAX);
            for (_, row) in store.messages_by_uid(&mut view, 1..=u32::MAX, STORE_MESSAGES_MAX)? {
                uids.push(row.uid.get());
            }
            Ok(uids.take())
        });
        uids.await.map_err(|error: Error| self.refused(&error, Asked::Named))
    }

    /// RFC 9051 6.3.6.
    pub(super) async fn rename(&mut self, from: String, to: String) -> Result<Done, Ended> {
        check_name(&to)?;
        let owner = self.owner()?;
        if from != INBOX && is_below(&to, &from) {
            return Err(Refusal::no("CANNOT", "A mailbox cannot be moved below itself").into());
        }
        if self.look(owner, &to).await?.0.is_some() {
            return Err(self.refused(&Error::MailboxExists, Asked::Named));
        }
        let (source, below) = self.look(owner, &from).await?;
        if source.is_none() && !below {
            return Err(self.refused(&Error::NoSuchMailbox, Asked::Named));
        }
        self.create_parents(owner, &to).await?;
        if let Some(inbox) = source.filter(|row| row.name == INBOX) {
            return self.rename_inbox(owner, inbox.id, to).await;
        }
        self.change(Transaction::RenameMailbox { owner, from, to }).await?;
        Ok(Done::plain("Renamed"))
    }

    /// RFC 9051 6.3.6: the inbox stays; its messages go to a new mailbox.
    async fn rename_inbox(&self, owner: Owner, inbox: MailboxId, to: String) -> Result<Done, Ended> {
        let spec = MailboxSpec { owner, name: to, special_use: None, subscribed: false };
        let Receipt::Created(to) = self.change(Transaction::CreateMailbox(spec)).await? else {
            return Err(self.refused(&Error::NoSuchMailbox, Asked::Named));
        };
        loop {
            let uids = self.first_uids(inbox).await?;
            if uids.is_empty() {
                return Ok(Done::plain("Moved the messages of the inbox"));
            }
            self.change(Transaction::Copy { from: inbox, uids, to, remove_source: true, quota: QuotaRule::Promised })
                .await?;
        }
    }

    /// RFC 9051 6.3.7 and 6.3.8.
    pub(super) async fn subscribe(&mut self, name: String, subscribed: bool) -> Result<Done, Ended> {
        if subscribed {
            check_name(&name)?;
        }
        let owner = self.owner()?;
        self.change(Transaction::Subscribe { owner, name, subscribed }).await?;
        Ok(Done::plain(if subscribed { "Subscribed" } else { "No longer subscribed" }))
    }

    /// RFC 9051 6.3.11.
    pub(super) async fn status(&mut self, name: String, items: StatusItems) -> Result<Done, Ended> {
        let owner = self.owner()?;
        let (row, _) = self.look(owner, &name).await?;
        let row = row.ok_or_else(|| self.refused(&Error::NoSuchMailbox, Asked::Named))?;
        let counts = counts(&row, self.recent_of_selected());
        let names = self.names();
        self.say(|out| mailbox_status(out, &name, names, items, &counts)).await?;
        Ok(Done::plain("Counted"))
    }
}
