//! What the log records beside message octets: changes of the index, each complete in itself.
//!
//! Applying the events of a log in order to an empty index gives the index. Every event states the result of a change,
//! not how to compute it, and carries the modseq it happened at: an event that is older than what the index already
//! has for the same message changes nothing. So compaction may write the present state of a message again, further
//! on in the log, and drop the segment it came from.

use super::{BlobId, Extent, MailboxId, Owner};
use crate::mail::{Flags, InternalDate, Keyword, ModSeq, SpecialUse, Uid, UidValidity};
use serde::{Deserialize, Serialize};

/// One change. Postcard encodes the variant as its index: variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A mailbox was made.
    MailboxCreated {
        /// Its identifier.
        id: MailboxId,
        /// Its owner.
        owner: Owner,
        /// Full name.
        name: String,
        /// RFC 9051 2.3.1.1.
        uid_validity: UidValidity,
        /// RFC 6154.
        special_use: Option<SpecialUse>,
    },
    /// A mailbox is gone; it was empty.
    MailboxDeleted {
        /// Which one.
        id: MailboxId,
    },
    /// A mailbox and its inferiors have new names.
    MailboxRenamed {
        /// Whose.
        owner: Owner,
        /// From this full name.
        from: String,
        /// To this full name.
        to: String,
    },
    /// A subscription came or went.
    Subscribed {
        /// Whose.
        owner: Owner,
        /// Full name.
        name: String,
        /// There or gone.
        subscribed: bool,
    },
    /// A mailbox gave a keyword a position.
    KeywordAdded {
        /// In which mailbox.
        mailbox: MailboxId,
        /// Bit, 0 to 63.
        position: u8,
        /// Its name.
        name: Keyword,
    },
    /// A body is complete.
    BlobAdded {
        /// Its identifier.
        id: BlobId,
        /// All octets of the body.
        octets: u64,
        /// Its records in order.
        extents: Vec<Extent>,
        /// The record of its encoded summary.
        summary: Extent,
    },
    /// A message came into a mailbox.
    MessageAdded {
        /// Which mailbox.
        mailbox: MailboxId,
        /// Its UID.
        uid: Uid,
        /// When.
        modseq: ModSeq,
        /// Its flags.
        flags: Flags,
        /// RFC 9051 2.3.3.
        internal_date: InternalDate,
        /// RFC 8514, seconds since 1970.
        saved: i64,
        /// RFC822.SIZE.
        octets: u64,
        /// Its body.
        blob: BlobId,
    },
    /// Messages have new flags.
    FlagsChanged {
        /// In which mailbox.
        mailbox: MailboxId,
        /// When.
        modseq: ModSeq,
        /// The flags that each message has now.
        messages: Vec<(Uid, Flags)>,
    },
    /// Messages are gone.
    Expunged {
        /// From which mailbox.
        mailbox: MailboxId,
        /// When.
        modseq: ModSeq,
        /// Which ones.
        uids: Vec<Uid>,
    },
    /// A directory entry was put or removed.
    Directory {
        /// Its key.
        key: Vec<u8>,
        /// Its value; `None`: removed.
        value: Option<Vec<u8>>,
    },
}
