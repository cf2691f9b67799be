//! What can go wrong in the store. One `match` per protocol turns it into what the peer hears.

/// Why the store did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The card is full up to its reserve: new mail is refused, deleting goes on.
    Full,
    /// The owner would use more than the quota.
    OverQuota,
    /// The message is larger than allowed.
    TooLarge,
    /// No such mailbox, or it is gone.
    NoSuchMailbox,
    /// A mailbox of this name is there already.
    MailboxExists,
    /// The mailbox still holds messages.
    NotEmpty,
    /// No such message, blob or record: expunged meanwhile.
    Gone,
    /// A name, key or value is longer than the limit, or a list has more entries than the limit.
    OverLimit(&'static str),
    /// More changes are waiting than the queue holds: try again.
    Busy,
    /// The view missed more changes than it can keep: open the mailbox again.
    ViewLost,
    /// A sync or write failed earlier: nothing is written until the store is opened again.
    ReadOnly,
    /// Octets on the card are not what was written there; what and where.
    Damaged(String),
    /// The operating system refused; what, where and why.
    Medium(String),
    /// Another process has the store open.
    Locked(String),
    /// The store was made by a newer version.
    Version(u16),
    /// The store has been closed.
    Closed,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Full => f.write_str("the card is full: delete mail or use a larger card"),
            Self::OverQuota => f.write_str("the account's quota is used up"),
            Self::TooLarge => f.write_str("the message is larger than allowed"),
            Self::NoSuchMailbox => f.write_str("no such mailbox"),
            Self::MailboxExists => f.write_str("the mailbox exists already"),
            Self::NotEmpty => f.write_str("the mailbox is not empty"),
            Self::Gone => f.write_str("the message is gone"),
            Self::OverLimit(what) => write!(f, "over the limit: {what}"),
            Self::Busy => f.write_str("too many changes are waiting: try again"),
            Self::ViewLost => f.write_str("the mailbox changed too much: open it again"),
            Self::ReadOnly => f.write_str("the card failed to write: the store is read-only until the next start"),
            Self::Damaged(what) => write!(f, "damaged: {what}"),
            Self::Medium(what) => f.write_str(what),
            Self::Locked(what) => write!(f, "in use by another process: {what}"),
            Self::Version(version) => write!(f, "the store has format version {version}, made by a newer Pillarbox"),
            Self::Closed => f.write_str("the store is closed"),
        }
    }
}

impl core::error::Error for Error {}
