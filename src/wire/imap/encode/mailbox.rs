//! Responses about one mailbox: FLAGS, EXISTS, RECENT, EXPUNGE, STATUS.

use super::super::command::StatusItems;
use super::super::mailbox_name::Names;
use super::out::{Full, Out};
use super::string::{flag_names, mailbox_name};
use crate::mail::{Keyword, ModSeq, Uid, UidValidity};

/// RFC 9051 7.4.1.
///
/// # Errors
/// [`Full`].
pub fn exists(out: &mut Out<'_>, messages: u32) -> Result<(), Full> {
    out.show(format_args!("* {messages} EXISTS\r\n"))
}

/// RFC 3501 7.3.2.
///
/// # Errors
/// [`Full`].
pub fn recent(out: &mut Out<'_>, messages: u32) -> Result<(), Full> {
    out.show(format_args!("* {messages} RECENT\r\n"))
}

/// RFC 9051 7.5.1.
///
/// # Errors
/// [`Full`].
pub fn expunge(out: &mut Out<'_>, sequence: u32) -> Result<(), Full> {
    out.show(format_args!("* {sequence} EXPUNGE\r\n"))
}

/// RFC 9051 7.3.5: system flags and the mailbox's keywords.
///
/// # Errors
/// [`Full`].
pub fn flags_available(out: &mut Out<'_>, keywords: &[Keyword]) -> Result<(), Full> {
    out.text("* FLAGS ")?;
    flag_names(out, keywords, false)?;
    out.text("\r\n")
}

/// What STATUS may tell; only what was asked for is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusCounts {
    /// MESSAGES.
    pub messages: u32,
    /// RECENT (RFC 3501).
    pub recent: u32,
    /// UIDNEXT; `None`: there is no UID left, which the wire cannot say: the largest is written.
    pub uid_next: Option<Uid>,
    /// UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// UNSEEN.
    pub unseen: u32,
    /// DELETED.
    pub deleted: u32,
    /// SIZE.
    pub size: u64,
    /// HIGHESTMODSEQ.
    pub highest_modseq: ModSeq,
}

/// RFC 9051 7.3.3.
///
/// # Errors
/// [`Full`].
pub fn mailbox_status(
    out: &mut Out<'_>,
    mailbox: &str,
    names: Names,
    items: StatusItems,
    counts: &StatusCounts,
) -> Result<(), Full> {
    out.text("* STATUS ")?;
    mailbox_name(out, mailbox, names)?;
    out.text(" (")?;
    let values = [
        (items.messages, "MESSAGES", u64::from(counts.messages)),
        (items.recent, "RECENT", counts.recent.into()),
        (items.uid_next, "UIDNEXT", counts.uid_next.unwrap_or(Uid::MAX).get().into()),
        (items.uid_validity, "UIDVALIDITY", counts.uid_validity.get().into()),
        (items.unseen, "UNSEEN", counts.unseen.into()),
        (items.deleted, "DELETED", counts.deleted.into()),
        (items.size, "SIZE", counts.size),
        (items.highest_modseq, "HIGHESTMODSEQ", counts.highest_modseq.get()),
    ];
    for (index, (_, name, value)) in values.iter().filter(|(wanted, ..)| *wanted).enumerate() {
        if index > 0 {
            out.octet(b' ')?;
        }
        out.show(format_args!("{name} {value}"))?;
    }
    out.text(")\r\n")
}
