//! RFC 9051 7.3.1 LIST and RFC 3501 7.2.3 LSUB.

use super::super::mailbox_name::{Names, SEPARATOR};
use super::out::{Full, Out};
use super::string::{mailbox_name, words};
use crate::mail::SpecialUse;

/// RFC 9051 7.3.1 mailbox attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListAttributes {
    /// `\NonExistent`, which implies `\Noselect`.
    pub non_existent: bool,
    /// `\Noselect`: a level that only has others below it.
    pub no_select: bool,
    /// `\Noinferiors`.
    pub no_inferiors: bool,
    /// `\HasChildren`.
    pub has_children: bool,
    /// `\HasNoChildren`.
    pub has_no_children: bool,
    /// `\Subscribed`.
    pub subscribed: bool,
    /// `\Remote`.
    pub remote: bool,
    /// RFC 6154.
    pub special_use: Option<SpecialUse>,
}

/// One response.
#[derive(Clone, Copy, Debug)]
pub struct ListRow<'a> {
    /// LSUB instead of LIST.
    pub lsub: bool,
    /// What it is.
    pub attributes: ListAttributes,
    /// Its name.
    pub name: &'a str,
    /// RFC 9051 6.3.9.6 CHILDINFO: names below it are subscribed.
    pub child_subscribed: bool,
    /// RFC 9051 6.3.9.7 OLDNAME: what it was called before RENAME.
    pub old_name: Option<&'a str>,
}

/// Writes one response.
///
/// # Errors
/// [`Full`].
pub fn list(out: &mut Out<'_>, row: &ListRow<'_>, names: Names) -> Result<(), Full> {
    out.text(if row.lsub { "* LSUB " } else { "* LIST " })?;
    let has = row.attributes;
    let attributes = [
        (has.non_existent, "\\NonExistent"),
        (has.no_select, "\\Noselect"),
        (has.no_inferiors, "\\Noinferiors"),
        (has.has_children, "\\HasChildren"),
        (has.has_no_children, "\\HasNoChildren"),
        (has.subscribed, "\\Subscribed"),
        (has.remote, "\\Remote"),
    ];
    let named = attributes.into_iter().filter(|(has, _)| *has).map(|(_, name)| name);
    words(out, named.chain(has.special_use.map(SpecialUse::name)))?;
    out.show(format_args!(" \"{SEPARATOR}\" "))?;
    mailbox_name(out, row.name, names)?;
    // RFC 9051 section 9 `mbox-list-extended`.
    if row.child_subscribed || row.old_name.is_some() {
        out.text(" (")?;
        if row.child_subscribed {
            out.text("\"CHILDINFO\" (\"SUBSCRIBED\")")?;
        }
        if let Some(name) = row.old_name {
            out.text(if row.child_subscribed { " \"OLDNAME\" (" } else { "\"OLDNAME\" (" })?;
            mailbox_name(out, name, names)?;
            out.octet(b')')?;
        }
        out.octet(b')')?;
    }
    out.text("\r\n")
}
