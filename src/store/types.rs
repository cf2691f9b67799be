//! What the store hands out: identifiers, rows of the index and changes of a view.

use crate::mail::{Flags, InternalDate, Keyword, ModSeq, SpecialUse, Uid, UidValidity};
use serde::{Deserialize, Serialize};

/// Who owns mailboxes and is charged for them: one account. The account module gives the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner(pub u32);

/// Names one mailbox for ever, through renames; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MailboxId(pub u32);

/// Names one stored message body, however many messages share it; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlobId(pub u64);

/// A place in the log: the segment's serial number and the octet within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogPosition {
    /// Serial number of the segment; grows with every segment opened, also when its file is recycled.
    pub segment: u32,
    /// Octets from the beginning of the segment file.
    pub offset: u32,
}

/// One record of the log that holds message octets: where it begins and how many payload octets it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Extent {
    /// Where the record's header begins.
    pub at: LogPosition,
    /// Payload octets.
    pub octets: u32,
}

/// One mailbox with its counts. Counts are kept with every change, so STATUS costs one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxRow {
    /// Its identifier.
    pub id: MailboxId,
    /// Its owner.
    pub owner: Owner,
    /// Full name in UTF-8, levels divided by `/`; the inbox is exactly `INBOX`.
    pub name: String,
    /// RFC 9051 2.3.1.1.
    pub uid_validity: UidValidity,
    /// RFC 9051 2.3.1.1: the next message gets this UID or a larger one. `None`: no UIDs are left.
    pub uid_next: Option<Uid>,
    /// RFC 7162 3.1.2.1.
    pub highest_modseq: ModSeq,
    /// Messages in it.
    pub messages: u32,
    /// Messages without `\Seen`.
    pub unseen: u32,
    /// Messages with `\Deleted`.
    pub deleted: u32,
    /// Octets of all its messages.
    pub octets: u64,
    /// RFC 6154.
    pub special_use: Option<SpecialUse>,
    /// Keyword names; the index in this list is the bit in [`crate::mail::Keywords`].
    pub keywords: Vec<Keyword>,
}

/// One message of one mailbox, as the index keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// Its UID.
    pub uid: Uid,
    /// System flags and keyword bits.
    pub flags: Flags,
    /// When it last changed.
    pub modseq: ModSeq,
    /// RFC 9051 2.3.3.
    pub internal_date: InternalDate,
    /// Seconds since 1970 at which it came into this mailbox (RFC 8514).
    pub saved: i64,
    /// Octets of the whole message, RFC822.SIZE.
    pub octets: u64,
    /// Its body and its summary.
    pub blob: BlobId,
}

/// Key and value of a directory entry.
pub type DirectoryEntry = (Vec<u8>, Vec<u8>);

/// What an account uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Messages in all its mailboxes; a message in two mailboxes counts twice.
    pub messages: u64,
    /// Octets of all its messages, counted like the messages.
    pub octets: u64,
}

/// What the writer says when it is asked whether it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Is there room on the card for new mail?
    pub takes_mail: bool,
}

/// What has changed in a view since it was last brought up to date, in the order in which a client must hear it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// RFC 9051 7.5.1: the message with this sequence number is gone; later numbers are already one smaller.
    Expunged {
        /// The number it had at this point of the list.
        sequence: u32,
        /// Its UID, for VANISHED.
        uid: Uid,
    },
    /// RFC 9051 7.4.1: so many messages are there now.
    Exists(u32),
    /// Flags of a message that the view already had.
    Flags {
        /// Its sequence number after all expunges of this list.
        sequence: u32,
        /// The message as it is now.
        row: MessageRow,
    },
}
