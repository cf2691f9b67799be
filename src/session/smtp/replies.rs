//! What the peer hears: one match for each way in which something ends, none with a `_`.

use super::{Admission, Received, Resolution, Rules, Scene, Service, Verification};
use crate::limits::{RECIPIENTS_MAX, TRANSACTIONS_PER_CONNECTION_MAX};
use crate::store::Error;
use crate::wire::smtp::{Fault, Invalid, Reply, Verb};

pub(super) const OK: Reply = Reply::new(250, (0, 0), "Ok");
pub(super) const SENDER_OK: Reply = Reply::new(250, (1, 0), "Sender ok");
pub(super) const RECIPIENT_OK: Reply = Reply::new(250, (1, 5), "Recipient ok");
pub(super) const BYE: Reply = Reply::new(221, (0, 0), "Bye");
pub(super) const READY_FOR_TLS: Reply = Reply::new(220, (0, 0), "Ready to start TLS");
pub(super) const LOGGED_IN: Reply = Reply::new(235, (7, 0), "Authentication succeeded");
pub(super) const TOO_MANY_FAULTS: Reply = Reply::new(421, (7, 0), "Too many errors, closing");
pub(super) const TOO_MANY_UNKNOWN: Reply = Reply::new(421, (7, 0), "Too many unknown recipients, closing");
pub(super) const TOO_MANY_TRANSACTIONS: Reply = Reply::new(452, (5, 3), "Too many messages on one connection");
pub(super) const TOO_MANY_RECIPIENTS: Reply = Reply::new(452, (5, 3), "Too many recipients");
pub(super) const NO_RECIPIENTS: Reply = Reply::new(554, (5, 1), "No valid recipients");
pub(super) const TOO_LARGE: Reply = Reply::new(552, (3, 4), "Message is larger than this server takes");
pub(super) const BINARY_NEEDS_BDAT: Reply = Reply::new(503, (5, 1), "BODY=BINARYMIME needs BDAT");
pub(super) const LOGIN_REQUIRED: Reply = Reply::new(530, (7, 0), "Authentication required");
pub(super) const TLS_REQUIRED: Reply = Reply::new(530, (7, 0), "Must issue a STARTTLS command first");
pub(super) const LOGGED_IN_ALREADY: Reply = Reply::new(503, (5, 1), "Already authenticated");
pub(super) const TLS_ALREADY: Reply = Reply::new(503, (5, 1), "TLS is active already");
pub(super) const NO_TLS: Reply = Reply::new(454, (7, 0), "TLS is not available");
pub(super) const UNKNOWN_VERB: Reply = Reply::new(500, (5, 1), "Command not recognized");
pub(super) const NOT_IMPLEMENTED: Reply = Reply::new(502, (5, 1), "Command not implemented");
pub(super) const CANNOT_VERIFY: Reply =
    Reply::new(252, (0, 0), "Cannot verify, but will take mail and try to deliver it");
pub(super) const NEEDS_SMTPUTF8: Reply = Reply::new(553, (6, 7), "Address needs SMTPUTF8");

/// RFC 5321 4.1.1.4: go on.
pub const START_INPUT: Reply = Reply::bare(354, "End data with <CR><LF>.<CR><LF>");
/// RFC 5321 3.8: the server stops.
pub const STOPPING: Reply = Reply::new(421, (3, 2), "Server is stopping, try again later");
/// RFC 5321 4.5.3.2.7: the client said nothing for too long.
pub const TIMED_OUT: Reply = Reply::new(421, (4, 2), "Waited too long, closing");

/// RFC 5321 4.2: the first line of all.
#[must_use]
pub fn greeting(rules: &Rules) -> Reply {
    let protocol = match rules.service {
        Service::Relay | Service::Submission => "ESMTP",
        Service::Lmtp => "LMTP",
    };
    Reply::bare(220, "").with_text(format!("{} {protocol} Pillarbox", rules.host))
}

/// RFC 5321 4.1.1.1: our name, and what we can do.
pub(super) fn extensions(scene: &Scene<'_>) -> Reply {
    let rules = scene.rules;
    let mut text = format!(
        "{}\nPIPELINING\nSIZE {}\n8BITMIME\nBINARYMIME\nCHUNKING\nENHANCEDSTATUSCODES\n",
        rules.host, rules.message_octets_max
    );
    // RFC 3207 4.2: not again under TLS.
    if rules.starttls && !scene.tls {
        text.push_str("STARTTLS\n");
    }
    if rules.service != Service::Lmtp && !scene.mechanisms.is_empty() {
        text.push_str(&format!("AUTH {}\n", scene.mechanisms.join(" ")));
    }
    text.push_str(&format!(
        "SMTPUTF8\nDSN\nLIMITS MAILMAX={TRANSACTIONS_PER_CONNECTION_MAX} RCPTMAX={RECIPIENTS_MAX}\nHELP"
    ));
    Reply::bare(250, "").with_text(text)
}

/// RFC 5321 4.1.1.8.
pub(super) fn help() -> Reply {
    let verbs: Vec<&str> = Verb::ALL.into_iter().filter(|verb| *verb != Verb::Etrn).map(Verb::name).collect();
    Reply::new(214, (0, 0), "").with_text(format!("Commands: {}\nSee RFC 5321", verbs.join(" ")))
}

/// A line that is no command.
pub(super) fn invalid(invalid: Invalid) -> Reply {
    match invalid {
        Invalid::TooLong => Reply::new(500, (5, 2), "Line too long"),
        Invalid::Octets => Reply::new(500, (5, 2), "Line holds control characters or is not UTF-8"),
        Invalid::UnknownVerb => UNKNOWN_VERB,
        Invalid::Arguments(verb) => {
            Reply::new(501, (5, 4), "").with_text(format!("Wrong arguments for {}", verb.name()))
        }
        Invalid::ReversePath => Reply::new(501, (1, 7), "Bad sender address"),
        Invalid::ForwardPath => Reply::new(501, (1, 3), "Bad recipient address"),
        Invalid::PathTooLong(Verb::Mail) => Reply::new(501, (1, 7), "Sender address too long"),
        Invalid::PathTooLong(_) => Reply::new(501, (1, 3), "Recipient address too long"),
        Invalid::NeedsSmtpUtf8 => NEEDS_SMTPUTF8,
        Invalid::UnknownParameter => Reply::new(555, (5, 4), "Parameter not recognized"),
        Invalid::Parameter(why) => Reply::new(501, (5, 4), "").with_text(format!("Bad parameter: {why}")),
        Invalid::ChunkSize => Reply::new(421, (5, 4), "BDAT without a readable size, closing"),
    }
}

/// The store did not do as asked.
#[must_use]
pub fn failed(error: &Error) -> Reply {
    match error {
        Error::Full => Reply::new(452, (3, 1), "Insufficient system storage"),
        Error::OverQuota => Reply::new(452, (2, 2), "Mailbox is full"),
        Error::TooLarge => TOO_LARGE,
        Error::NoSuchMailbox => Reply::new(450, (2, 1), "Mailbox is not available"),
        Error::Busy => Reply::new(451, (3, 2), "Server is busy, try again later"),
        Error::ReadOnly => Reply::new(451, (3, 0), "Storage takes no mail at present"),
        Error::Closed => Reply::new(451, (3, 2), "Server is stopping, try again later"),
        Error::Version(_) => Reply::new(451, (3, 5), "Storage cannot be used"),
        Error::MailboxExists
        | Error::NotEmpty
        | Error::Gone
        | Error::OverLimit(_)
        | Error::ViewLost
        | Error::Damaged(_)
        | Error::Medium(_)
        | Error::Locked(_) => Reply::new(451, (3, 0), "Local error, try again later"),
    }
}

/// MAIL.
pub(super) fn admission(admission: &Admission) -> Reply {
    match admission {
        Admission::Admitted => SENDER_OK,
        Admission::Overloaded => Reply::new(452, (3, 2), "Too many transactions at present, try again later"),
        Admission::NotYours => Reply::new(553, (7, 1), "Sender address does not belong to you"),
        Admission::Failed(error) => failed(error),
    }
}

/// RCPT. Relaying is refused in other words to those who would be allowed to.
pub(super) fn resolution(resolution: &Resolution, logged_in: bool) -> Reply {
    match resolution {
        Resolution::Local(_) => RECIPIENT_OK,
        Resolution::OverQuota => Reply::new(452, (2, 2), "Mailbox is full"),
        Resolution::NoSuchUser => Reply::new(550, (1, 1), "No such user here"),
        Resolution::Remote if logged_in => {
            Reply::new(550, (4, 4), "Cannot be sent: outbound delivery is not yet configured")
        }
        Resolution::Remote => Reply::new(550, (7, 1), "Relaying denied"),
        Resolution::Failed(error) => failed(error),
    }
}

/// DATA and BDAT.
pub(super) fn received(received: &Received) -> Reply {
    match received {
        Received::Stored(id) => Reply::new(250, (0, 0), "").with_text(format!("Ok: queued as {id}")),
        Received::Chunk(octets) => Reply::new(250, (0, 0), "").with_text(format!("{octets} octets received")),
        Received::Unavailable => Reply::new(451, (3, 2), "Too many messages at present, try again later"),
        Received::Fault(Fault::BareCr) => Reply::new(550, (6, 0), "Message holds a CR without LF"),
        Received::Fault(Fault::BareLf) => Reply::new(550, (6, 0), "Message holds an LF without CR"),
        Received::Fault(Fault::Nul) => Reply::new(550, (6, 0), "Message holds a NUL"),
        Received::TooLarge => TOO_LARGE,
        Received::Loop => Reply::new(554, (4, 6), "Too many hops: the message is in a loop"),
        Received::Failed(error) => failed(error),
    }
}

/// VRFY.
pub(super) fn verification(verification: Verification) -> Reply {
    match verification {
        Verification::Known(address) => Reply::new(250, (1, 5), "").with_text(format!("<{address}>")),
        Verification::Unknown => Reply::new(550, (1, 1), "No such user here"),
        Verification::Unclear => CANNOT_VERIFY,
        Verification::Failed(error) => failed(&error),
    }
}

/// EXPN.
pub(super) fn expansion(members: Result<Option<Vec<String>>, Error>) -> Reply {
    match members {
        Ok(Some(members)) if !members.is_empty() => {
            let lines: Vec<String> = members.iter().map(|member| format!("<{member}>")).collect();
            Reply::new(250, (1, 5), "").with_text(lines.join("\n"))
        }
        Ok(_) => Reply::new(550, (1, 1), "No such list here"),
        Err(error) => failed(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_store_error_has_its_reply() {
        let code = |error: Error| {
            let reply = failed(&error);
            (reply.code(), reply.detail())
        };
        // A new variant does not compile in `failed`; here stands what each of today's says.
        for (error, expected) in [
            (Error::Full, (452, Some((3, 1)))),
            (Error::OverQuota, (452, Some((2, 2)))),
            (Error::TooLarge, (552, Some((3, 4)))),
            (Error::NoSuchMailbox, (450, Some((2, 1)))),
            (Error::MailboxExists, (451, Some((3, 0)))),
            (Error::NotEmpty, (451, Some((3, 0)))),
            (Error::Gone, (451, Some((3, 0)))),
            (Error::OverLimit("x"), (451, Some((3, 0)))),
            (Error::Busy, (451, Some((3, 2)))),
            (Error::ViewLost, (451, Some((3, 0)))),
            (Error::ReadOnly, (451, Some((3, 0)))),
            (Error::Damaged("x".into()), (451, Some((3, 0)))),
            (Error::Medium("x".into()), (451, Some((3, 0)))),
            (Error::Locked("x".into()), (451, Some((3, 0)))),
            (Error::Version(9), (451, Some((3, 5)))),
            (Error::Closed, (451, Some((3, 2)))),
        ] {
            assert_eq!(code(error.clone()), expected, "{error:?}");
        }
    }

    #[test]
    fn causes_do_not_reach_the_peer() {
        assert!(!failed(&Error::Medium("/data/log: EIO".into())).text().contains("EIO"));
    }
}
