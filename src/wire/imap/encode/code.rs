//! RFC 9051 7.1 response codes.

use super::out::{Full, Out};
use super::set::set_of_ranges;
use super::string::{astring, flag_names, words};
use crate::mail::{Keyword, ModSeq, Uid, UidValidity};
use core::ops::RangeInclusive;

/// What a response's code says to programs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Code<'a> {
    /// Must be shown to the user.
    Alert,
    /// RFC 5530: the name is taken.
    AlreadyExists,
    /// RFC 4315: the UIDs that appended messages got.
    AppendUid(UidValidity, &'a [RangeInclusive<u32>]),
    /// RFC 5530.
    AuthenticationFailed,
    /// RFC 5530.
    AuthorizationFailed,
    /// The charsets that SEARCH knows.
    BadCharset(&'a [&'a str]),
    /// RFC 5530: can never work.
    Cannot,
    /// Capability names.
    Capability(&'a [&'a str]),
    /// RFC 5530.
    ClientBug,
    /// RFC 7162: the mailbox that was selected before is closed.
    Closed,
    /// RFC 5530.
    ContactAdmin,
    /// RFC 4315: UIDs of the source, and of the copies in the same order.
    CopyUid(UidValidity, &'a [RangeInclusive<u32>], &'a [RangeInclusive<u32>]),
    /// RFC 5530.
    Corruption,
    /// RFC 5530.
    Expired,
    /// RFC 5530: messages are gone that the client still knows.
    ExpungeIssued,
    /// RFC 9051 6.3.5: names below exist.
    HasChildren,
    /// RFC 7162.
    HighestModSeq(ModSeq),
    /// RFC 5530.
    InUse,
    /// RFC 5530.
    Limit,
    /// RFC 7162: messages that UNCHANGEDSINCE left alone.
    Modified(&'a [RangeInclusive<u32>]),
    /// RFC 7162: the mailbox keeps no mod-sequences.
    NoModSeq,
    /// RFC 5530.
    NonExistent,
    /// RFC 5182: the result was not saved.
    NotSaved,
    /// RFC 5530.
    NoPerm,
    /// RFC 5530.
    OverQuota,
    /// A message could not be parsed.
    Parse,
    /// Flags that can be changed for good.
    PermanentFlags(PermanentFlags<'a>),
    /// RFC 5530.
    PrivacyRequired,
    /// Opened by EXAMINE.
    ReadOnly,
    /// Opened by SELECT.
    ReadWrite,
    /// RFC 5530.
    ServerBug,
    /// RFC 4469, RFC 7889: the message is too big.
    TooBig,
    /// The mailbox could be created.
    TryCreate,
    /// The next message's UID or less.
    UidNext(Uid),
    /// RFC 4315: UIDs do not last.
    UidNotSticky,
    /// RFC 9051 2.3.1.1.
    UidValidity(UidValidity),
    /// RFC 5530: try later.
    Unavailable,
    /// RFC 3516: the transfer encoding cannot be decoded.
    UnknownCte,
    /// RFC 3501: the first message without `\Seen`.
    Unseen(u32),
    /// RFC 6154: a mailbox cannot be created with this use.
    UseAttribute,
    /// Any other, for an extension: its name, and its argument as it goes on the wire.
    Other(&'a str, Option<&'a str>),
}

/// RFC 9051 7.1 PERMANENTFLAGS.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PermanentFlags<'a> {
    /// None: a mailbox that is open for reading.
    None,
    /// All system flags and these keywords.
    Known(&'a [Keyword]),
    /// And any other that a client makes up (`\*`).
    KnownAndNew(&'a [Keyword]),
}

impl Code<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Alert => "ALERT",
            Self::AlreadyExists => "ALREADYEXISTS",
            Self::AppendUid(..) => "APPENDUID",
            Self::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Self::AuthorizationFailed => "AUTHORIZATIONFAILED",
            Self::BadCharset(_) => "BADCHARSET",
            Self::Cannot => "CANNOT",
            Self::Capability(_) => "CAPABILITY",
            Self::ClientBug => "CLIENTBUG",
            Self::Closed => "CLOSED",
            Self::ContactAdmin => "CONTACTADMIN",
            Self::CopyUid(..) => "COPYUID",
            Self::Corruption => "CORRUPTION",
            Self::Expired => "EXPIRED",
            Self::ExpungeIssued => "EXPUNGEISSUED",
            Self::HasChildren => "HASCHILDREN",
            Self::HighestModSeq(_) => "HIGHESTMODSEQ",
            Self::InUse => "INUSE",
            Self::Limit => "LIMIT",
            Self::Modified(_) => "MODIFIED",
            Self::NoModSeq => "NOMODSEQ",
            Self::NonExistent => "NONEXISTENT",
            Self::NotSaved => "NOTSAVED",
            Self::NoPerm => "NOPERM",
            Self::OverQuota => "OVERQUOTA",
            Self::Parse => "PARSE",
            Self::PermanentFlags(_) => "PERMANENTFLAGS",
            Self::PrivacyRequired => "PRIVACYREQUIRED",
            Self::ReadOnly => "READ-ONLY",
            Self::ReadWrite => "READ-WRITE",
            Self::ServerBug => "SERVERBUG",
            Self::TooBig => "TOOBIG",
            Self::TryCreate => "TRYCREATE",
            Self::UidNext(_) => "UIDNEXT",
            Self::UidNotSticky => "UIDNOTSTICKY",
            Self::UidValidity(_) => "UIDVALIDITY",
            Self::Unavailable => "UNAVAILABLE",
            Self::UnknownCte => "UNKNOWN-CTE",
            Self::Unseen(_) => "UNSEEN",
            Self::UseAttribute => "USEATTR",
            Self::Other(name, _) => name,
        }
    }

    /// Writes it with its brackets.
    ///
    /// # Errors
    /// [`Full`].
    pub fn encode(&self, out: &mut Out<'_>) -> Result<(), Full> {
        out.octet(b'[')?;
        out.text(self.name())?;
        match self {
            Self::AppendUid(validity, uids) => {
                out.show(format_args!(" {validity} "))?;
                set_of_ranges(out, uids)?;
            }
            Self::CopyUid(validity, from, to) => {
                out.show(format_args!(" {validity} "))?;
                set_of_ranges(out, from)?;
                out.octet(b' ')?;
                set_of_ranges(out, to)?;
            }
            Self::BadCharset(names) if !names.is_empty() => {
                out.text(" (")?;
                for (index, name) in names.iter().enumerate() {
                    if index > 0 {
                        out.octet(b' ')?;
                    }
                    astring(out, name.as_bytes())?;
                }
                out.octet(b')')?;
            }
            Self::Capability(names) => {
                for name in *names {
                    out.octet(b' ')?;
                    out.text(name)?;
                }
            }
            Self::HighestModSeq(modseq) => out.show(format_args!(" {modseq}"))?,
            Self::Modified(ranges) => {
                out.octet(b' ')?;
                set_of_ranges(out, ranges)?;
            }
            Self::PermanentFlags(flags) => {
                out.octet(b' ')?;
                match flags {
                    PermanentFlags::None => words(out, core::iter::empty())?,
                    PermanentFlags::Known(keywords) => flag_names(out, keywords, false)?,
                    PermanentFlags::KnownAndNew(keywords) => flag_names(out, keywords, true)?,
                }
            }
            Self::UidNext(uid) => out.show(format_args!(" {uid}"))?,
            Self::UidValidity(validity) => out.show(format_args!(" {validity}"))?,
            Self::Unseen(sequence) => out.show(format_args!(" {sequence}"))?,
            Self::Other(_, Some(argument)) => {
                out.octet(b' ')?;
                out.text(argument)?;
            }
            _ => {}
        }
        out.octet(b']')
    }
}
