//! What callers ask the store to change. A transaction happens as a whole or not at all.

use super::{MailboxId, Owner, Spool};
use crate::mail::{FlagChange, FlagSelection, InternalDate, ModSeq, SpecialUse, Uid, UidValidity};
use core::ops::RangeInclusive;

/// UIDs as sorted, disjoint ranges.
pub type UidRanges = Vec<RangeInclusive<u32>>;

/// One change of the store.
#[derive(Debug)]
pub enum Transaction {
    /// A new message into one mailbox or several; its body is kept once.
    Deliver(Delivery),
    /// RFC 9051 6.4.6 on at most [`crate::limits::STORE_MESSAGES_MAX`] messages: callers go on with the rest.
    StoreFlags {
        /// In which mailbox.
        mailbox: MailboxId,
        /// Which messages; those that are not there are passed over.
        uids: UidRanges,
        /// Replace, add or remove.
        change: FlagChange,
        /// Which flags.
        flags: FlagSelection,
        /// RFC 7162 3.1.3: leave messages alone that changed later, and name them in [`Receipt::Stored`].
        unchanged_since: Option<ModSeq>,
    },
    /// RFC 9051 6.4.3 and RFC 4315 2.1: removes at most [`crate::limits::STORE_MESSAGES_MAX`] messages.
    Expunge {
        /// From which mailbox.
        mailbox: MailboxId,
        /// Which messages.
        uids: UidRanges,
        /// Only those with `\Deleted`; POP3 and MOVE remove whatever is named.
        only_deleted: bool,
    },
    /// RFC 9051 6.4.7, and 6.4.8 when the source is removed as well; at most [`crate::limits::COPY_MESSAGES_MAX`]
    /// messages, so that one copy is one commit.
    Copy {
        /// From which mailbox.
        from: MailboxId,
        /// Which messages; those that are not there are passed over.
        uids: UidRanges,
        /// Into which mailbox.
        to: MailboxId,
        /// MOVE: expunge the originals in the same commit.
        remove_source: bool,
        /// Is the quota of the target's owner enforced? Not asked when an owner moves messages: they use no more then.
        quota: QuotaRule,
    },
    /// Makes a mailbox; the store creates no parents (the caller does, RFC 9051 6.3.4).
    CreateMailbox(MailboxSpec),
    /// Removes an empty mailbox; one with messages gives `NotEmpty`: callers expunge first.
    DeleteMailbox {
        /// Which one.
        mailbox: MailboxId,
    },
    /// RFC 9051 6.3.6: renames a mailbox and all whose names begin with its name and `/`.
    RenameMailbox {
        /// Whose.
        owner: Owner,
        /// From this full name.
        from: String,
        /// To this full name.
        to: String,
    },
    /// Subscribes a name, which need not exist (RFC 9051 6.3.7), or takes the subscription back.
    Subscribe {
        /// Whose.
        owner: Owner,
        /// Full name.
        name: String,
        /// Subscribe or unsubscribe.
        subscribed: bool,
    },
    /// Puts (`Some`) and removes (`None`) entries of the directory, all at once. The account module owns their meaning.
    /// Keys have at most [`crate::limits::DIRECTORY_KEY_OCTETS_MAX`] octets, values
    /// [`crate::limits::DIRECTORY_VALUE_OCTETS_MAX`].
    Directory(Vec<(Vec<u8>, Option<Vec<u8>>)>),
}

/// A message that was streamed into a spool and where it goes.
#[derive(Debug)]
pub struct Delivery {
    /// The body; its last octets may still be in the working buffer.
    pub spool: Spool,
    /// The encoded [`crate::mime::Summary`], at most [`crate::limits::SUMMARY_OCTETS_MAX`] octets.
    pub summary: Vec<u8>,
    /// One mailbox or several.
    pub targets: Vec<Target>,
}

/// One mailbox that a message goes to.
#[derive(Clone, Debug)]
pub struct Target {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Its flags there.
    pub flags: FlagSelection,
    /// RFC 9051 2.3.3.
    pub internal_date: InternalDate,
    /// Is the owner's quota enforced?
    pub quota: QuotaRule,
}

/// How a delivery treats quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaRule {
    /// The transaction fails with `OverQuota` if the owner would then use more octets than this.
    Octets(u64),
    /// Already decided at RCPT: what was promised there is kept. When a message turns out larger than announced, SMTP
    /// gives the recipient with the most room the other rule: if not even that one has room, nobody gets the message;
    /// otherwise all do, and a quota is passed by one message at most.
    Promised,
}

/// A mailbox to be made.
#[derive(Clone, Debug)]
pub struct MailboxSpec {
    /// Whose.
    pub owner: Owner,
    /// Full name in UTF-8.
    pub name: String,
    /// RFC 6154.
    pub special_use: Option<SpecialUse>,
    /// Subscribe it as well.
    pub subscribed: bool,
}

/// What a transaction has done; when it arrives, all of it is on the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// One entry for each target, in their order.
    Delivered(Vec<(MailboxId, UidValidity, Uid)>),
    /// Flags were stored.
    Stored {
        /// The change's modseq; `None` if nothing changed.
        modseq: Option<ModSeq>,
        /// RFC 7162 3.1.3: messages that failed UNCHANGEDSINCE.
        modified: Vec<Uid>,
    },
    /// Messages that are gone, and the change's modseq.
    Expunged {
        /// `None` if there were none.
        modseq: Option<ModSeq>,
        /// Which ones.
        uids: Vec<Uid>,
    },
    /// RFC 4315 3: COPYUID.
    Copied {
        /// Of the target mailbox.
        uid_validity: UidValidity,
        /// Source and target UID of each message.
        uids: Vec<(Uid, Uid)>,
    },
    /// A mailbox was made.
    Created(MailboxId),
    /// Nothing more to say.
    Done,
}
