//! The messages of one session as they were when it began (RFC 1939 4).
//!
//! Owns counts and the marks of deleted messages, no rows. Bounded by [`POP3_MESSAGES_MAX`]: messages beyond it are not
//! shown. New arrivals are not shown either: the maildrop is fixed at login.

use super::Step;
use super::marks::Marks;
use crate::limits::POP3_MESSAGES_MAX;
use crate::mail::{Uid, UidValidity};
use crate::wire::pop3::{MessageNumber, Reply, UniqueId};

/// What the session needs of a message's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its UID.
    pub uid: Uid,
    /// Its octets.
    pub octets: u64,
}

/// An open maildrop.
#[derive(Debug)]
pub struct Maildrop {
    uid_validity: UidValidity,
    messages: u32,
    octets: u64,
    deleted: Marks,
    deleted_octets: u64,
}

impl Maildrop {
    /// A maildrop of so many messages (at most [`POP3_MESSAGES_MAX`]) and octets.
    #[must_use]
    pub fn new(uid_validity: UidValidity, messages: u32, octets: u64) -> Self {
        let messages = messages.min(POP3_MESSAGES_MAX);
        Self { uid_validity, messages, octets, deleted: Marks::default(), deleted_octets: 0 }
    }

    /// Messages that are not deleted.
    #[must_use]
    pub fn messages(&self) -> u32 {
        self.messages.saturating_sub(self.deleted.count())
    }

    /// Octets of the messages that are not deleted.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets.saturating_sub(self.deleted_octets)
    }

    /// The highest message number, deleted or not.
    #[must_use]
    pub fn highest(&self) -> u32 {
        self.messages
    }

    /// Is this message marked?
    #[must_use]
    pub fn is_deleted(&self, number: u32) -> bool {
        self.deleted.contains(number)
    }

    /// All marks.
    #[must_use]
    pub fn deleted(&self) -> &Marks {
        &self.deleted
    }

    /// RFC 1939 7 UIDL: the same for ever, in every session.
    #[must_use]
    pub fn unique_id(&self, message: Message) -> UniqueId {
        UniqueId(self.uid_validity, message.uid)
    }

    /// Gives `step` if there is such a message and it is not deleted.
    pub(super) fn with(&self, number: MessageNumber, step: Step) -> Step {
        if number.get() > self.messages {
            Step::Reply(Reply::NoSuchMessage)
        } else if self.is_deleted(number.get()) {
            Step::Reply(Reply::AlreadyDeleted(number.get()))
        } else {
            step
        }
    }

    /// DELE.
    pub(super) fn delete(&mut self, number: MessageNumber, octets: u64) {
        if number.get() <= self.messages && self.deleted.insert(number.get()) {
            self.deleted_octets = self.deleted_octets.saturating_add(octets);
        }
    }

    /// RSET.
    pub(super) fn restore(&mut self) {
        self.deleted = Marks::default();
        self.deleted_octets = 0;
    }
}
