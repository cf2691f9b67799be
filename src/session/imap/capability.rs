//! Which extensions are announced: only what works, and only when it can be used.

/// What of the connection decides on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances<'a> {
    /// Has the client logged in?
    pub logged_in: bool,
    /// Can STARTTLS be given: a certificate is there and TLS is not yet active.
    pub start_tls: bool,
    /// SASL mechanisms that may be used now; if none, LOGIN is refused as well.
    pub mechanisms: &'a [&'a str],
    /// May LOGIN be used: under TLS, or where the configuration allows it in the clear.
    pub login: bool,
    /// RFC 7889: the largest message that APPEND takes.
    pub append_limit: u64,
}

/// RFC 9051 7.2.2: before login only what is of use before login.
const BEFORE_LOGIN: &str = "IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ENABLE ID";

/// After login.
const AFTER_LOGIN: &str = "IMAP4rev1 IMAP4rev2 LITERAL+ ENABLE ID IDLE NAMESPACE UNSELECT UIDPLUS MOVE CHILDREN \
                           SPECIAL-USE CREATE-SPECIAL-USE ESEARCH SEARCHRES CONDSTORE LIST-EXTENDED LIST-STATUS STATUS=SIZE BINARY";

/// The list of a CAPABILITY response or response code, without the word CAPABILITY.
#[must_use]
pub fn capabilities(circumstances: Circumstances<'_>) -> String {
    if circumstances.logged_in {
        return format!("{AFTER_LOGIN} APPENDLIMIT={}", circumstances.append_limit);
    }
    let mut list = String::from(BEFORE_LOGIN);
    if circumstances.start_tls {
        list.push_str(" STARTTLS");
    }
    // RFC 9051 6.2.3: LOGINDISABLED where LOGIN would send the password in the clear.
    if !circumstances.login {
        list.push_str(" LOGINDISABLED");
    }
    for mechanism in circumstances.mechanisms {
        list.push_str(" AUTH=");
        list.push_str(mechanism);
    }
    list
}

/// What ENABLE can turn on, RFC 5161: the name as the response writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enableable {
    /// RFC 9051: revision 2 responses.
    Imap4Rev2,
    /// RFC 7162 3.1: MODSEQ in FETCH responses.
    CondStore,
}

impl Enableable {
    /// Finds it by its name in upper case; `None` is passed over in silence (RFC 5161 3.1).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "IMAP4REV2" => Some(Self::Imap4Rev2),
            "CONDSTORE" => Some(Self::CondStore),
            _ => None,
        }
    }

    /// On the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Imap4Rev2 => "IMAP4rev2",
            Self::CondStore => "CONDSTORE",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_follows_the_circumstances() {
        let mut clear =
            Circumstances { logged_in: false, start_tls: true, mechanisms: &[], login: false, append_limit: 7 };
        assert!(capabilities(clear).ends_with(" STARTTLS LOGINDISABLED"));
        clear.start_tls = false;
        clear.login = true;
        clear.mechanisms = &["PLAIN", "SCRAM-SHA-256"];
        let under_tls = capabilities(clear);
        assert!(under_tls.ends_with(" ID AUTH=PLAIN AUTH=SCRAM-SHA-256") && !under_tls.contains("STARTTLS"));
        clear.logged_in = true;
        let after = capabilities(clear);
        assert!(after.contains(" MOVE ") && after.ends_with(" APPENDLIMIT=7") && !after.contains("AUTH="));
        assert!(!after.contains("  "));
    }
}
