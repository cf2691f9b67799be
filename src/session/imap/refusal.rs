//! What a client hears when something is not done: `NO`, `BAD` or `BYE`, a response code and a sentence.
//!
//! Owns the one match from [`store::Error`] to IMAP. Causes go to the log (the driver's work), codes go to the client.

use crate::store;

/// How a refusal is tagged, RFC 9051 7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// 7.1.2: the command failed.
    No,
    /// 7.1.3: the command is not one, or not one now.
    Bad,
    /// 7.1.5: the connection ends after it.
    Bye,
}

/// A refusal in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// NO, BAD or BYE.
    pub severity: Severity,
    /// RFC 9051 7.1 and RFC 5530 response code without its brackets; empty: none.
    pub code: &'static str,
    /// What a person reads.
    pub text: &'static str,
}

impl Refusal {
    /// `NO [code] text`.
    #[must_use]
    pub const fn no(code: &'static str, text: &'static str) -> Self {
        Self { severity: Severity::No, code, text }
    }

    /// `BAD text`.
    #[must_use]
    pub const fn bad(text: &'static str) -> Self {
        Self { severity: Severity::Bad, code: "", text }
    }

    /// `BYE [code] text`.
    #[must_use]
    pub const fn bye(code: &'static str, text: &'static str) -> Self {
        Self { severity: Severity::Bye, code, text }
    }
}

/// What was asked of the store when it failed: the same error means different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To put messages into a mailbox (APPEND, COPY, MOVE): a missing one may be made.
    Target,
    /// Anything of a mailbox that the client named.
    Named,
    /// Something of the selected mailbox: if that is gone, the session cannot go on.
    Selected,
}

/// What the client hears of an error of the store.
#[must_use]
pub fn refusal(error: &store::Error, asked: Asked) -> Refusal {
    use store::Error;
    match error {
        // RFC 9208 4.3: also where the limit is the card's and not the account's.
        Error::Full => Refusal::no("OVERQUOTA", "The card is full: delete mail or use a larger card"),
        Error::OverQuota => Refusal::no("OVERQUOTA", "Your quota is used up: delete mail first"),
        // RFC 7889 4.
        Error::TooLarge => Refusal::no("TOOBIG", "The message is larger than this server takes"),
        Error::NoSuchMailbox => match asked {
            // RFC 9051 6.3.12: the client may make it and try again.
            Asked::Target => Refusal::no("TRYCREATE", "There is no such mailbox"),
            Asked::Named => Refusal::no("NONEXISTENT", "There is no such mailbox"),
            // RFC 2180 3.3: the session has lost what it stands on.
            Asked::Selected => Refusal::bye("UNAVAILABLE", "The selected mailbox has been deleted"),
        },
        Error::MailboxExists => Refusal::no("ALREADYEXISTS", "There is a mailbox of this name already"),
        Error::NotEmpty => Refusal::no("INUSE", "New messages arrived meanwhile: try again"),
        // RFC 5530: expunged by another session and not yet announced to this one.
        Error::Gone => Refusal::no("EXPUNGEISSUED", "The message is gone"),
        Error::OverLimit(what) => Refusal::no("LIMIT", what),
        Error::Busy => Refusal::no("INUSE", "Too many changes are waiting: try again"),
        Error::ViewLost => Refusal::bye("UNAVAILABLE", "The mailbox changed too much at once: please reconnect"),
        Error::ReadOnly => Refusal::no("UNAVAILABLE", "The card failed to write: nothing can be changed"),
        Error::Damaged(_) => Refusal::no("CORRUPTION", "This is damaged on the card"),
        Error::Medium(_) => Refusal::no("SERVERBUG", "The card could not be read or written"),
        Error::Locked(_) => Refusal::no("UNAVAILABLE", "The store is in use by another process"),
        Error::Version(_) => Refusal::no("UNAVAILABLE", "The store was made by a newer version"),
        Error::Closed => Refusal::bye("UNAVAILABLE", "The server is stopping"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Error;

    #[test]
    fn every_store_error_has_an_answer() {
        let every = [
            (Error::Full, "OVERQUOTA"),
            (Error::OverQuota, "OVERQUOTA"),
            (Error::TooLarge, "TOOBIG"),
            (Error::NoSuchMailbox, "TRYCREATE"),
            (Error::MailboxExists, "ALREADYEXISTS"),
            (Error::NotEmpty, "INUSE"),
            (Error::Gone, "EXPUNGEISSUED"),
            (Error::OverLimit("mailboxes of one account"), "LIMIT"),
            (Error::Busy, "INUSE"),
            (Error::ViewLost, "UNAVAILABLE"),
            (Error::ReadOnly, "UNAVAILABLE"),
            (Error::Damaged("segment 3".into()), "CORRUPTION"),
            (Error::Medium("write: EIO".into()), "SERVERBUG"),
            (Error::Locked("pid 7".into()), "UNAVAILABLE"),
            (Error::Version(9), "UNAVAILABLE"),
            (Error::Closed, "UNAVAILABLE"),
        ];
        for (error, code) in &every {
            for asked in [Asked::Target, Asked::Named, Asked::Selected] {
                let refusal = refusal(error, asked);
                assert!(!refusal.text.is_empty() && refusal.text.is_ascii(), "{error:?}");
                assert_ne!(refusal.severity, Severity::Bad, "{error:?} is never the client's fault");
            }
            assert_eq!(refusal(error, Asked::Target).code, *code, "{error:?}");
        }
        assert_eq!(refusal(&Error::NoSuchMailbox, Asked::Named).code, "NONEXISTENT");
        assert_eq!(refusal(&Error::NoSuchMailbox, Asked::Selected).severity, Severity::Bye);
    }

    #[test]
    fn causes_do_not_reach_the_client() {
        let heard = refusal(&Error::Medium("/data/segments/7: EIO".into()), Asked::Named);
        assert!(!heard.text.contains("segments"));
    }
}
