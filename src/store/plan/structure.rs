//! Mailboxes that come, go and are renamed; subscriptions; the directory.

use super::super::event::Event;
use super::super::{Error, MailboxId, MailboxSpec, Owner, Receipt};
use super::{Planner, Refusal};
use crate::limits::{
    DIRECTORY_KEY_OCTETS_MAX, DIRECTORY_VALUE_OCTETS_MAX, MAILBOX_NAME_OCTETS_MAX, MAILBOXES_PER_ACCOUNT_MAX,
    SUBSCRIPTIONS_PER_ACCOUNT_MAX,
};
use crate::mail::UidValidity;
use core::num::NonZeroU32;

/// Mailboxes that are looked up at a time.
const PAGE_MAILBOXES: usize = 64;

impl Planner<'_> {
    /// What changes names is alone in its batch.
    fn alone(&mut self) -> Result<(), Refusal> {
        if !self.overlay.is_empty() {
            return Err(Refusal::Conflict);
        }
        self.draft.set_structural();
        Ok(())
    }

    /// RFC 9051 6.3.4, without the parents.
    pub(super) fn create(&mut self, spec: &MailboxSpec) -> Result<Receipt, Refusal> {
        self.alone()?;
        name(&spec.name)?;
        if self.index.mailbox(spec.owner, &spec.name)?.is_some() {
            return Err(Error::MailboxExists.into());
        }
        let count = self.index.mailbox_count(spec.owner)?;
        if usize::try_from(count).is_ok_and(|count| count >= MAILBOXES_PER_ACCOUNT_MAX) {
            return Err(Error::OverLimit("mailboxes of an account").into());
        }
        self.need_room()?;
        let id = self.index.next_mailbox_id();
        self.batch.event(&Event::MailboxCreated {
            id,
            owner: spec.owner,
            name: spec.name.clone(),
            uid_validity: self.uid_validity()?,
            special_use: spec.special_use,
        })?;
        if spec.subscribed {
            self.may_subscribe(spec.owner, &spec.name)?;
            self.batch.event(&Event::Subscribed { owner: spec.owner, name: spec.name.clone(), subscribed: true })?;
        }
        Ok(Receipt::Created(id))
    }

    /// RFC 9051 2.3.1.1: larger than every one before; the time, so that it also grows when a store is made anew.
    fn uid_validity(&self) -> Result<UidValidity, Refusal> {
        let now = u32::try_from(self.now.max(1)).unwrap_or(1);
        let value = match self.index.last_uid_validity() {
            Some(last) => last.get().checked_add(1).ok_or(Error::OverLimit("UIDVALIDITY"))?.max(now),
            None => now,
        };
        Ok(UidValidity(NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN)))
    }

    /// RFC 9051 6.3.5.
    pub(super) fn delete(&mut self, mailbox: MailboxId) -> Result<Receipt, Refusal> {
        self.alone()?;
        let row = self.mailbox(mailbox)?;
        if row.messages > 0 {
            return Err(Error::NotEmpty.into());
        }
        self.batch.event(&Event::MailboxDeleted { id: mailbox })?;
        // Whoever waits for it hears that it is gone.
        self.draft.set_mailbox(row);
        Ok(Receipt::Done)
    }

    /// RFC 9051 6.3.6. The mailbox itself need not exist if some are below it.
    pub(super) fn rename(&mut self, owner: Owner, from: &str, to: &str) -> Result<Receipt, Refusal> {
        self.alone()?;
        name(to)?;
        let below = format!("{from}/");
        if to == from {
            return Err(Error::MailboxExists.into());
        }
        if to.starts_with(&below) {
            return Err(Error::OverLimit("a mailbox cannot be moved below itself").into());
        }
        let mut found = false;
        if self.index.mailbox(owner, from)?.is_some() {
            found = true;
            self.free_name(owner, to)?;
        }
        // Names are listed in the order of their octets, so all that are below stand together.
        let mut last = below.clone();
        loop {
            let page = self.index.mailboxes(owner, Some(&last), PAGE_MAILBOXES)?;
            let mut inferiors = page.iter().take_while(|row| row.name.starts_with(&below)).peekable();
            if inferiors.peek().is_none() {
                break;
            }
            found = true;
            for row in inferiors {
                let rest = row.name.strip_prefix(from).unwrap_or_default();
                self.free_name(owner, &format!("{to}{rest}"))?;
                last.clone_from(&row.name);
            }
        }
        if !found {
            return Err(Error::NoSuchMailbox.into());
        }
        self.need_little_room()?;
        self.batch.event(&Event::MailboxRenamed { owner, from: from.to_owned(), to: to.to_owned() })?;
        Ok(Receipt::Done)
    }

    /// Can a mailbox get this name?
    fn free_name(&mut self, owner: Owner, new: &str) -> Result<(), Refusal> {
        name(new)?;
        match self.index.mailbox(owner, new)? {
            Some(_) => Err(Error::MailboxExists.into()),
            None => Ok(()),
        }
    }

    /// RFC 9051 6.3.7 and 6.3.8.
    pub(super) fn subscribe(&mut self, owner: Owner, subscription: &str, subscribed: bool) -> Result<Receipt, Refusal> {
        name(subscription)?;
        if subscribed {
            self.may_subscribe(owner, subscription)?;
            self.need_room()?;
        }
        self.batch.event(&Event::Subscribed { owner, name: subscription.to_owned(), subscribed })?;
        Ok(Receipt::Done)
    }

    fn may_subscribe(&mut self, owner: Owner, name: &str) -> Result<(), Refusal> {
        if self.index.is_subscribed(owner, name)? {
            return Ok(());
        }
        let durable = usize::try_from(self.index.subscription_count(owner)?).unwrap_or(usize::MAX);
        if durable.saturating_add(self.overlay.subscribed(owner)) >= SUBSCRIPTIONS_PER_ACCOUNT_MAX {
            return Err(Error::OverLimit("subscriptions of an account").into());
        }
        self.draft.add_subscribed(owner);
        Ok(())
    }

    pub(super) fn directory(&mut self, entries: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<Receipt, Refusal> {
        if entries.iter().any(|(_, value)| value.is_some()) {
            self.need_room()?;
        }
        for (key, value) in entries {
            if key.len() > DIRECTORY_KEY_OCTETS_MAX {
                return Err(Error::OverLimit("a directory key").into());
            }
            if value.as_ref().is_some_and(|value| value.len() > DIRECTORY_VALUE_OCTETS_MAX) {
                return Err(Error::OverLimit("a directory value").into());
            }
            self.batch.event(&Event::Directory { key: key.clone(), value: value.clone() })?;
        }
        Ok(Receipt::Done)
    }
}

fn name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() || name.len() > MAILBOX_NAME_OCTETS_MAX {
        return Err(Error::OverLimit("a mailbox name").into());
    }
    Ok(())
}
