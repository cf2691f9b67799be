//! Command lines of SMTP (RFC 5321 4.1) and its extensions.

use super::path::{self, PathError};
use super::{MailParameters, RcptParameters};
use crate::limits::{DOMAIN_OCTETS_MAX, SMTP_AUTH_LINE_OCTETS_MAX, SMTP_COMMAND_OCTETS_MAX};
use crate::mail::{Domain, ForwardPath, ReversePath};
use core::fmt;

/// The word that a command begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// RFC 5321 4.1.1.1, without extensions.
    Helo,
    /// RFC 5321 4.1.1.1.
    Ehlo,
    /// RFC 2033 4.1.
    Lhlo,
    /// RFC 5321 4.1.1.2.
    Mail,
    /// RFC 5321 4.1.1.3.
    Rcpt,
    /// RFC 5321 4.1.1.4.
    Data,
    /// RFC 3030 2.
    Bdat,
    /// RFC 5321 4.1.1.5.
    Rset,
    /// RFC 5321 4.1.1.6.
    Vrfy,
    /// RFC 5321 4.1.1.7.
    Expn,
    /// RFC 5321 4.1.1.8.
    Help,
    /// RFC 5321 4.1.1.9.
    Noop,
    /// RFC 5321 4.1.1.10.
    Quit,
    /// RFC 1985.
    Etrn,
    /// RFC 4954.
    Auth,
    /// RFC 3207.
    StartTls,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Helo,
        Self::Ehlo,
        Self::Lhlo,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Bdat,
        Self::Rset,
        Self::Vrfy,
        Self::Expn,
        Self::Help,
        Self::Noop,
        Self::Quit,
        Self::Etrn,
        Self::Auth,
        Self::StartTls,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Helo => "HELO",
            Self::Ehlo => "EHLO",
            Self::Lhlo => "LHLO",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Bdat => "BDAT",
            Self::Rset => "RSET",
            Self::Vrfy => "VRFY",
            Self::Expn => "EXPN",
            Self::Help => "HELP",
            Self::Noop => "NOOP",
            Self::Quit => "QUIT",
            Self::Etrn => "ETRN",
            Self::Auth => "AUTH",
            Self::StartTls => "STARTTLS",
        }
    }

    /// RFC 5321 2.4: verbs are read in any case.
    #[must_use]
    pub fn parse(word: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.name().as_bytes().eq_ignore_ascii_case(word))
    }
}

/// What a client calls itself in HELO, EHLO or LHLO: printable text, which need not be a domain, because clients in
/// the field say many things and RFC 5321 4.1.4 forbids to refuse them for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientName(Box<str>);

impl ClientName {
    /// `None` if it is empty, too long, or has characters that no reader of a log or header should meet.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let printable = |c: char| c.is_ascii_graphic() || c > '\u{9f}';
        (!text.is_empty() && text.len() <= DOMAIN_OCTETS_MAX && text.chars().all(printable)).then(|| Self(text.into()))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For a Received field: the domain or literal that it is, else with `?` for all that could be read as syntax.
    #[must_use]
    pub fn in_trace(&self) -> String {
        if Domain::parse(&self.0).is_ok() {
            return self.0.to_string();
        }
        self.0.chars().map(|c| if c.is_alphanumeric() || ".-_:".contains(c) { c } else { '?' }).collect()
    }
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// HELO.
    Helo(ClientName),
    /// EHLO.
    Ehlo(ClientName),
    /// LHLO.
    Lhlo(ClientName),
    /// MAIL FROM.
    Mail(ReversePath, MailParameters),
    /// RCPT TO.
    Rcpt(ForwardPath, RcptParameters),
    /// DATA.
    Data,
    /// BDAT: so many octets follow the line.
    Bdat {
        /// Octets of the chunk.
        octets: u64,
        /// Is it the message's last chunk?
        last: bool,
    },
    /// RSET.
    Rset,
    /// VRFY.
    Vrfy(&'a str),
    /// EXPN.
    Expn(&'a str),
    /// HELP, perhaps about something.
    Help(&'a str),
    /// NOOP; what follows it means nothing.
    Noop,
    /// QUIT.
    Quit,
    /// ETRN.
    Etrn(&'a str),
    /// AUTH: a mechanism and perhaps the first response, still in base64.
    Auth {
        /// Name of the mechanism, as it was written.
        mechanism: &'a str,
        /// RFC 4954 4: `=` stands for a response of no octets.
        initial: Option<&'a str>,
    },
    /// STARTTLS.
    StartTls,
}

/// Why a line is no command. The line has been read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// Longer than the limit.
    TooLong,
    /// A bare CR or LF, NUL or another control character, or octets that are not UTF-8.
    Octets,
    /// No verb that we know.
    UnknownVerb,
    /// The verb's arguments are missing, too many or wrong.
    Arguments(Verb),
    /// The path behind `MAIL FROM:`.
    ReversePath,
    /// The path behind `RCPT TO:`.
    ForwardPath,
    /// RFC 5321 4.5.3.1.3: a path longer than 256 octets, or parts of it too long.
    PathTooLong(Verb),
    /// RFC 6531 3.5: an address beyond ASCII in MAIL without SMTPUTF8.
    NeedsSmtpUtf8,
    /// A parameter that no announced extension defines.
    UnknownParameter,
    /// A parameter with a wrong value; why.
    Parameter(&'static str),
    /// RFC 3030 2: BDAT without a readable size. Nobody knows where the next command begins.
    ChunkSize,
}

/// What is wrong with a line that is too long, of which at least the first octets are there.
#[must_use]
pub fn too_long(head: &[u8]) -> Invalid {
    if is_bdat(head) { Invalid::ChunkSize } else { Invalid::TooLong }
}

/// Does the client mean BDAT, however badly it writes it? Then a chunk follows.
fn is_bdat(line: &[u8]) -> bool {
    let name = Verb::Bdat.name().as_bytes();
    line.trim_ascii_start().split_at_checked(name.len()).is_some_and(|(word, rest)| {
        word.eq_ignore_ascii_case(name) && !rest.first().is_some_and(u8::is_ascii_alphabetic)
    })
}

/// Reads a line without its CRLF.
///
/// # Errors
/// [`Invalid`] says what is wrong with it.
pub fn decode(line: &[u8]) -> Result<Command<'_>, Invalid> {
    let length = line.len();
    // RFC 5321 4.1.1: white space at the end is tolerated.
    let visible =
        line.iter().rposition(|octet| !matches!(octet, b' ' | b'\t')).map_or(0, |last| last.saturating_add(1));
    let line = line.get(..visible).unwrap_or_default();
    let end = line.iter().position(|octet| *octet == b' ').unwrap_or(line.len());
    let (word, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    let verb = Verb::parse(word);
    let octets_max = if verb == Some(Verb::Auth) { SMTP_AUTH_LINE_OCTETS_MAX } else { SMTP_COMMAND_OCTETS_MAX };
    // The limits count the CRLF (RFC 5321 4.5.3.1.4).
    if length.saturating_add(2) > octets_max {
        return Err(too_long(line));
    }
    // RFC 5321 2.3.8: CR and LF mean nothing alone, and must not be taken for the end of a line.
    if line.iter().any(|octet| octet.is_ascii_control() && *octet != b'\t') {
        return Err(if is_bdat(line) { Invalid::ChunkSize } else { Invalid::Octets });
    }
    if verb != Some(Verb::Bdat) && is_bdat(line) {
        return Err(Invalid::ChunkSize);
    }
    let verb = verb.ok_or(Invalid::UnknownVerb)?;
    let wrong = Invalid::Arguments(verb);
    let not_utf8 = if verb == Verb::Bdat { Invalid::ChunkSize } else { Invalid::Octets };
    let rest = core::str::from_utf8(rest).map_err(|_| not_utf8)?.trim_start_matches(' ');
    let alone = |command| if rest.is_empty() { Ok(command) } else { Err(wrong) };
    let some = if rest.is_empty() { Err(wrong) } else { Ok(rest) };
    match verb {
        Verb::Helo => ClientName::parse(rest).map(Command::Helo).ok_or(wrong),
        Verb::Ehlo => ClientName::parse(rest).map(Command::Ehlo).ok_or(wrong),
        Verb::Lhlo => ClientName::parse(rest).map(Command::Lhlo).ok_or(wrong),
        Verb::Mail => mail(rest),
        Verb::Rcpt => rcpt(rest),
        Verb::Data => alone(Command::Data),
        Verb::Bdat => bdat(rest),
        Verb::Rset => alone(Command::Rset),
        Verb::Vrfy => some.map(Command::Vrfy),
        Verb::Expn => some.map(Command::Expn),
        Verb::Help => Ok(Command::Help(rest)),
        Verb::Noop => Ok(Command::Noop),
        Verb::Quit => alone(Command::Quit),
        Verb::Etrn => some.map(Command::Etrn),
        Verb::Auth => auth(rest),
        Verb::StartTls => alone(Command::StartTls),
    }
}

/// Takes `FROM:` or `TO:` off. White space behind the colon is against RFC 5321 3.3, and common.
fn behind<'a>(rest: &'a str, prefix: &str) -> Option<&'a str> {
    let (before, path) = rest.split_at_checked(prefix.len())?;
    before.eq_ignore_ascii_case(prefix).then(|| path.trim_start_matches(' '))
}

/// RFC 5321 4.1.2: parameters stand behind a space.
fn parameters(rest: &str, verb: Verb) -> Result<&str, Invalid> {
    if rest.is_empty() || rest.starts_with(' ') { Ok(rest) } else { Err(Invalid::Arguments(verb)) }
}

fn mail(rest: &str) -> Result<Command<'static>, Invalid> {
    let rest = behind(rest, "FROM:").ok_or(Invalid::Arguments(Verb::Mail))?;
    let (path, rest) = path::reverse(rest).map_err(|error| match error {
        PathError::Syntax => Invalid::ReversePath,
        PathError::TooLong => Invalid::PathTooLong(Verb::Mail),
    })?;
    let parameters = MailParameters::parse(parameters(rest, Verb::Mail)?)?;
    let ascii = match &path {
        ReversePath::Null => true,
        ReversePath::Address(address) => address.is_ascii(),
    };
    if ascii || parameters.smtp_utf8 { Ok(Command::Mail(path, parameters)) } else { Err(Invalid::NeedsSmtpUtf8) }
}

fn rcpt(rest: &str) -> Result<Command<'static>, Invalid> {
    let rest = behind(rest, "TO:").ok_or(Invalid::Arguments(Verb::Rcpt))?;
    let (path, rest) = path::forward(rest).map_err(|error| match error {
        PathError::Syntax => Invalid::ForwardPath,
        PathError::TooLong => Invalid::PathTooLong(Verb::Rcpt),
    })?;
    Ok(Command::Rcpt(path, RcptParameters::parse(parameters(rest, Verb::Rcpt)?)?))
}

/// RFC 3030 2: `BDAT SP chunk-size [SP "LAST"]`.
fn bdat(rest: &str) -> Result<Command<'static>, Invalid> {
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let size = words.next().filter(|word| word.bytes().all(|octet| octet.is_ascii_digit()));
    let octets = size.and_then(|size| size.parse().ok()).ok_or(Invalid::ChunkSize)?;
    match (words.next(), words.next()) {
        (None, _) => Ok(Command::Bdat { octets, last: false }),
        (Some(word), None) if word.eq_ignore_ascii_case("LAST") => Ok(Command::Bdat { octets, last: true }),
        // The size is readable, but what the client meant is not.
        _ => Err(Invalid::ChunkSize),
    }
}

/// RFC 4954 4: `AUTH SP sasl-mech [SP initial-response]`.
fn auth(rest: &str) -> Result<Command<'_>, Invalid> {
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    match (words.next(), words.next(), words.next()) {
        (Some(mechanism), initial, None) => Ok(Command::Auth { mechanism, initial }),
        _ => Err(Invalid::Arguments(Verb::Auth)),
    }
}

/// The line, without its CRLF.
impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = self.verb().name();
        match self {
            Self::Helo(name) | Self::Ehlo(name) | Self::Lhlo(name) => write!(f, "{verb} {}", name.as_str()),
            Self::Mail(path, parameters) => write!(f, "{verb} FROM:{path}{parameters}"),
            Self::Rcpt(path, parameters) => write!(f, "{verb} TO:{path}{parameters}"),
            Self::Bdat { octets, last } => write!(f, "{verb} {octets}{}", if *last { " LAST" } else { "" }),
            Self::Vrfy(text) | Self::Expn(text) | Self::Etrn(text) => write!(f, "{verb} {text}"),
            Self::Help(text) if !text.is_empty() => write!(f, "{verb} {text}"),
            Self::Auth { mechanism, initial: Some(initial) } => write!(f, "{verb} {mechanism} {initial}"),
            Self::Auth { mechanism, initial: None } => write!(f, "{verb} {mechanism}"),
            Self::Data | Self::Rset | Self::Help(_) | Self::Noop | Self::Quit | Self::StartTls => f.write_str(verb),
        }
    }
}

impl Command<'_> {
    /// Its verb.
    #[must_use]
    pub fn verb(&self) -> Verb {
        match self {
            Self::Helo(_) => Verb::Helo,
            Self::Ehlo(_) => Verb::Ehlo,
            Self::Lhlo(_) => Verb::Lhlo,
            Self::Mail(..) => Verb::Mail,
            Self::Rcpt(..) => Verb::Rcpt,
            Self::Data => Verb::Data,
            Self::Bdat { .. } => Verb::Bdat,
            Self::Rset => Verb::Rset,
            Self::Vrfy(_) => Verb::Vrfy,
            Self::Expn(_) => Verb::Expn,
            Self::Help(_) => Verb::Help,
            Self::Noop => Verb::Noop,
            Self::Quit => Verb::Quit,
            Self::Etrn(_) => Verb::Etrn,
            Self::Auth { .. } => Verb::Auth,
            Self::StartTls => Verb::StartTls,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_show_as_they_were_read() {
        for line in [
            "HELO client.example",
            "EHLO [192.0.2.1]",
            "LHLO localhost",
            "MAIL FROM:<> SIZE=1 BODY=8BITMIME",
            "MAIL FROM:<用户@例子.广告> SMTPUTF8",
            "RCPT TO:<Postmaster>",
            "RCPT TO:<ann@example.org> NOTIFY=NEVER",
            "DATA",
            "BDAT 0 LAST",
            "BDAT 86400",
            "RSET",
            "VRFY ann",
            "EXPN staff",
            "HELP",
            "HELP MAIL",
            "NOOP",
            "QUIT",
            "ETRN example.org",
            "AUTH PLAIN",
            "AUTH PLAIN =",
            "STARTTLS",
        ] {
            assert_eq!(decode(line.as_bytes()).unwrap().to_string(), line);
        }
    }

    #[test]
    fn lenient_forms_are_read() {
        for (line, same) in [
            ("mail from: <ann@example.org> ", "MAIL FROM:<ann@example.org>"),
            ("rcpt to:<@a.example:postMASTER>  ", "RCPT TO:<Postmaster>"),
            ("Noop anything at all", "NOOP"),
            ("quit\t", "QUIT"),
            ("bdat 007  last", "BDAT 7 LAST"),
        ] {
            assert_eq!(decode(line.as_bytes()).unwrap().to_string(), same);
        }
    }

    #[test]
    fn every_way_to_be_wrong_has_its_name() {
        let long = format!("MAIL FROM:<{}@example.org>", "a".repeat(65));
        let longer = format!("NOOP {}", "a".repeat(SMTP_COMMAND_OCTETS_MAX));
        let cases: [(&[u8], Invalid); 36] = [
            (b"", Invalid::UnknownVerb),
            (b"MAILFROM:<a@b.c>", Invalid::UnknownVerb),
            (b" MAIL FROM:<a@b.c>", Invalid::UnknownVerb),
            (b"GET / HTTP/1.1", Invalid::UnknownVerb),
            (b"\xff\xfe", Invalid::UnknownVerb),
            (b"NOOP \xff", Invalid::Octets),
            (b"NOOP\nMAIL FROM:<a@b.c>", Invalid::Octets),
            (b"MAIL FROM:<a@b.c>\rRCPT", Invalid::Octets),
            (b"RSET\0", Invalid::Octets),
            (b"EHLO", Invalid::Arguments(Verb::Ehlo)),
            (b"EHLO a b", Invalid::Arguments(Verb::Ehlo)),
            (b"MAIL", Invalid::Arguments(Verb::Mail)),
            (b"MAIL TO:<a@b.c>", Invalid::Arguments(Verb::Mail)),
            (b"MAIL FROM:a@b.c", Invalid::ReversePath),
            (b"MAIL FROM:<a@b.c>SIZE=1", Invalid::Arguments(Verb::Mail)),
            (long.as_bytes(), Invalid::PathTooLong(Verb::Mail)),
            (longer.as_bytes(), Invalid::TooLong),
            ("MAIL FROM:<ä@b.c>".as_bytes(), Invalid::NeedsSmtpUtf8),
            (b"MAIL FROM:<a@b.c> X=1", Invalid::UnknownParameter),
            (b"RCPT TO:<>", Invalid::ForwardPath),
            (b"DATA now", Invalid::Arguments(Verb::Data)),
            (b"BDAT", Invalid::ChunkSize),
            (b"BDAT x", Invalid::ChunkSize),
            (b"BDAT 1 FIRST", Invalid::ChunkSize),
            (b"BDAT 99999999999999999999999", Invalid::ChunkSize),
            (b"BDAT 1\0", Invalid::ChunkSize),
            (b"BDAT\t5", Invalid::ChunkSize),
            (b"bdat\t5\tLAST", Invalid::ChunkSize),
            (b"BDAT 5\tLAST", Invalid::ChunkSize),
            (b"\t BDAT 5", Invalid::ChunkSize),
            (b"BDAT5", Invalid::ChunkSize),
            (b"BDAT 5 \xff", Invalid::ChunkSize),
            (b"BDATA 5", Invalid::UnknownVerb),
            (b"VRFY", Invalid::Arguments(Verb::Vrfy)),
            (b"AUTH", Invalid::Arguments(Verb::Auth)),
            (b"AUTH PLAIN a b", Invalid::Arguments(Verb::Auth)),
        ];
        for (line, invalid) in cases {
            assert_eq!(decode(line), Err(invalid), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn auth_lines_may_be_longer() {
        let line = format!("AUTH PLAIN {}", "A".repeat(SMTP_COMMAND_OCTETS_MAX));
        assert!(decode(line.as_bytes()).is_ok());
    }

    #[test]
    fn hostile_names_do_not_reach_a_header() {
        let name = |text| ClientName::parse(text).map(|name| name.in_trace());
        assert_eq!(name("client.example").as_deref(), Some("client.example"));
        assert_eq!(name("[192.0.2.1]").as_deref(), Some("[192.0.2.1]"));
        assert_eq!(name("a(b);c<d>").as_deref(), Some("a?b??c?d?"));
        assert_eq!(name("a\r\nb"), None);
        assert_eq!(name("a\u{85}b"), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_harm(line: Vec<u8>) {
            let _ = decode(&line);
        }

        #[test]
        fn what_was_read_reads_the_same_again(
            verb in 0usize..16, rest in "[ -~ä]{0,40}|(FROM|TO): ?<[a-z@.,:\"\\\\]{0,20}>( [A-Z]{3,8}=[!-~]{0,9})?",
        ) {
            let line = format!("{} {rest}", Verb::ALL[verb].name());
            if let Ok(command) = decode(line.as_bytes()) {
                let shown = command.to_string();
                prop_assert_eq!(decode(shown.as_bytes()), Ok(command));
            }
        }
    }
}
