//! What the server says: status, response code and text, and the lines of listings.
//!
//! Owns nothing but numbers and names. Every reply fits the 512 octets of RFC 1939 3. Texts in the client's language
//! are in [`super::text`]; messages themselves go through [`crate::wire::dot`].

use super::language::Language;
use super::text;
use crate::mail::{Uid, UidValidity};
use core::time::Duration;
use embedded_io::Write;

/// RFC 2449 8, RFC 3206, RFC 6856: what a client's program understands of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// RFC 2449 8.1.2: another session has the maildrop.
    InUse,
    /// RFC 2449 8.1.1: try to log in later.
    LoginDelay,
    /// RFC 3206 4: the client's name or password is wrong.
    Auth,
    /// RFC 3206 5: may be better later.
    SysTemp,
    /// RFC 3206 5: a person must look after it.
    SysPerm,
}

impl Code {
    fn text(self) -> &'static str {
        match self {
            Self::InUse => "[IN-USE] ",
            Self::LoginDelay => "[LOGIN-DELAY] ",
            Self::Auth => "[AUTH] ",
            Self::SysTemp => "[SYS/TEMP] ",
            Self::SysPerm => "[SYS/PERM] ",
        }
    }
}

/// RFC 1939 7 UIDL: names a message for ever. One UID under one UIDVALIDITY is never given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UniqueId(pub UidValidity, pub Uid);

impl core::fmt::Display for UniqueId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// One status line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The greeting, with the timestamp of RFC 1939 7 if APOP is offered.
    Greeting {
        /// The server's name.
        host: Box<str>,
        /// `<...@...>`.
        timestamp: Option<Box<str>>,
    },
    /// A name was given; the password is next.
    PasswordNext,
    /// Logged in: messages and octets of the maildrop.
    Maildrop(u32, u64),
    /// STAT.
    Statistics(u32, u64),
    /// LIST: messages and octets; the list follows.
    ListFollows(u32, u64),
    /// LIST of one message.
    Listed(u32, u64),
    /// UIDL; the list follows.
    UidlFollows,
    /// UIDL of one message.
    Uid(u32, UniqueId),
    /// RETR: octets; the message follows.
    MessageFollows(u64),
    /// TOP; the beginning of the message follows.
    TopFollows,
    /// DELE.
    Deleted(u32),
    /// RSET: messages and octets of the maildrop.
    Restored(u32, u64),
    /// NOOP.
    Done,
    /// CAPA; the list follows.
    CapabilitiesFollow,
    /// AUTH without a mechanism; the list follows.
    MechanismsFollow,
    /// LANG without a language; the list follows.
    LanguagesFollow,
    /// LANG: this language from now on.
    LanguageIs(Language),
    /// UTF8.
    Utf8On,
    /// STLS: the handshake is next.
    BeginTls,
    /// QUIT, and whatever was deleted is gone.
    Goodbye,
    /// QUIT, but RFC 1939 6: some messages that were deleted are still there.
    NotRemoved,
    /// No such keyword.
    UnknownCommand,
    /// Arguments that do not fit the command.
    BadArguments,
    /// No message number.
    BadNumber,
    /// Controls in the line.
    BadControl,
    /// No UTF-8, or not ASCII.
    BadCharacters,
    /// No base64.
    BadBase64,
    /// The line was longer than it may be.
    LineTooLong,
    /// Too many commands that make no sense: the connection is closed.
    TooManyBad,
    /// The command needs a login.
    LogInFirst,
    /// The command is only for before the login.
    LoggedInAlready,
    /// PASS without USER.
    UserFirst,
    /// The message is marked as deleted.
    AlreadyDeleted(u32),
    /// No message has this number, or it was removed by another program.
    NoSuchMessage,
    /// The stored message cannot be read.
    Unreadable,
    /// LANG: not this one.
    NoSuchLanguage,
    /// STLS, but TLS is active.
    TlsActive,
    /// STLS, but there is no certificate.
    NoTls,
    /// Logging in needs TLS here.
    TlsRequired,
    /// Wrong name or password.
    LoginFailed,
    /// Too many wrong passwords: wait.
    LoginDelayed(Duration),
    /// AUTH: no such mechanism.
    NoSuchMechanism,
    /// AUTH: the client cancelled it.
    Cancelled,
    /// Another session has the maildrop.
    InUse,
    /// Something does not work for the moment.
    Temporary,
}

impl Reply {
    /// `+OK`, or `-ERR` with its code.
    ///
    /// # Errors
    /// The response code of a failure, if it has one.
    pub fn status(&self) -> Result<(), Option<Code>> {
        match self {
            Self::Greeting { .. }
            | Self::PasswordNext
            | Self::Maildrop(..)
            | Self::Statistics(..)
            | Self::ListFollows(..)
            | Self::Listed(..)
            | Self::UidlFollows
            | Self::Uid(..)
            | Self::MessageFollows(_)
            | Self::TopFollows
            | Self::Deleted(_)
            | Self::Restored(..)
            | Self::Done
            | Self::CapabilitiesFollow
            | Self::MechanismsFollow
            | Self::LanguagesFollow
            | Self::LanguageIs(_)
            | Self::Utf8On
            | Self::BeginTls
            | Self::Goodbye => Ok(()),
            Self::NotRemoved | Self::Temporary => Err(Some(Code::SysTemp)),
            Self::Unreadable => Err(Some(Code::SysPerm)),
            Self::LoginFailed => Err(Some(Code::Auth)),
            Self::LoginDelayed(_) => Err(Some(Code::LoginDelay)),
            Self::InUse => Err(Some(Code::InUse)),
            Self::UnknownCommand
            | Self::BadArguments
            | Self::BadNumber
            | Self::BadControl
            | Self::BadCharacters
            | Self::BadBase64
            | Self::LineTooLong
            | Self::TooManyBad
            | Self::LogInFirst
            | Self::LoggedInAlready
            | Self::UserFirst
            | Self::AlreadyDeleted(_)
            | Self::NoSuchMessage
            | Self::NoSuchLanguage
            | Self::TlsActive
            | Self::NoTls
            | Self::TlsRequired
            | Self::NoSuchMechanism
            | Self::Cancelled => Err(None),
        }
    }

    /// Writes the line with its CRLF.
    ///
    /// # Errors
    /// Whatever `out` reports when it is full.
    pub fn encode<W: Write>(&self, language: Language, out: &mut W) -> Result<(), W::Error> {
        match self.status() {
            Ok(()) => out.write_all(b"+OK ")?,
            Err(code) => {
                out.write_all(b"-ERR ")?;
                out.write_all(code.map_or("", Code::text).as_bytes())?;
            }
        }
        // RFC 6856 3.2: a reply to LANG, and the list of languages, begin with the language.
        if let Self::LanguageIs(language) = self {
            out.write_all(language.tag().as_bytes())?;
            out.write_all(b" ")?;
        }
        let mut line = text::Line::default();
        text::write(self, language, &mut line);
        out.write_all(line.as_bytes())?;
        out.write_all(b"\r\n")
    }
}

/// What can be used at this point of the session (RFC 2449 6).
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// TLS is there to be started.
    pub stls: bool,
    /// Passwords may be sent: USER is offered.
    pub plain: bool,
    /// RFC 5034 6.
    pub mechanisms: heapless::Vec<&'static str, 8>,
}

impl Offer {
    /// Writes the lines that follow [`Reply::CapabilitiesFollow`], with the final dot.
    ///
    /// # Errors
    /// Whatever `out` reports when it is full.
    pub fn capabilities<W: Write>(&self, authorized: bool, out: &mut W) -> Result<(), W::Error> {
        out.write_all(b"TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n")?;
        if !authorized {
            if self.plain {
                out.write_all(b"USER\r\n")?;
            }
            if !self.mechanisms.is_empty() {
                out.write_all(b"SASL")?;
                for mechanism in &self.mechanisms {
                    out.write_all(b" ")?;
                    out.write_all(mechanism.as_bytes())?;
                }
                out.write_all(b"\r\n")?;
            }
            // RFC 2595 4: only where it may be used.
            if self.stls {
                out.write_all(b"STLS\r\n")?;
            }
        }
        // RFC 2449 6.5 and 6.7: log in as often as you like; what is not deleted stays. RFC 6856 2.3: names may be UTF-8.
        out.write_all(b"LOGIN-DELAY 0\r\nEXPIRE NEVER\r\nUTF8 USER\r\nLANG\r\nIMPLEMENTATION Pillarbox\r\n.\r\n")
    }

    /// Writes the lines that follow [`Reply::MechanismsFollow`], with the final dot.
    ///
    /// # Errors
    /// Whatever `out` reports when it is full.
    pub fn mechanisms<W: Write>(&self, out: &mut W) -> Result<(), W::Error> {
        for mechanism in &self.mechanisms {
            out.write_all(mechanism.as_bytes())?;
            out.write_all(b"\r\n")?;
        }
        out.write_all(b".\r\n")
    }
}

impl Language {
    /// Writes the lines that follow [`Reply::LanguagesFollow`], with the final dot.
    ///
    /// # Errors
    /// Whatever `out` reports when it is full.
    pub fn list<W: Write>(out: &mut W) -> Result<(), W::Error> {
        for language in Self::ALL {
            out.write_all(language.tag().as_bytes())?;
            out.write_all(b" ")?;
            out.write_all(language.name().as_bytes())?;
            out.write_all(b"\r\n")?;
        }
        out.write_all(b".\r\n")
    }
}

/// Writes one line of LIST.
///
/// # Errors
/// Whatever `out` reports when it is full.
pub fn list_line<W: Write>(number: u32, octets: u64, out: &mut W) -> Result<(), W::Error> {
    let mut line = text::Line::default();
    line.put(format_args!("{number} {octets}\r\n"));
    out.write_all(line.as_bytes())
}

/// Writes one line of UIDL.
///
/// # Errors
/// Whatever `out` reports when it is full.
pub fn uidl_line<W: Write>(number: u32, id: UniqueId, out: &mut W) -> Result<(), W::Error> {
    let mut line = text::Line::default();
    line.put(format_args!("{number} {id}\r\n"));
    out.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn all() -> Vec<Reply> {
        let id = UniqueId(UidValidity(core::num::NonZeroU32::MAX), Uid::MAX);
        vec![
            Reply::Greeting { host: "h".repeat(255).into(), timestamp: Some("<t@h>".into()) },
            Reply::PasswordNext,
            Reply::Maildrop(u32::MAX, u64::MAX),
            Reply::Statistics(u32::MAX, u64::MAX),
            Reply::ListFollows(u32::MAX, u64::MAX),
            Reply::Listed(u32::MAX, u64::MAX),
            Reply::UidlFollows,
            Reply::Uid(u32::MAX, id),
            Reply::MessageFollows(u64::MAX),
            Reply::TopFollows,
            Reply::Deleted(u32::MAX),
            Reply::Restored(u32::MAX, u64::MAX),
            Reply::Done,
            Reply::CapabilitiesFollow,
            Reply::MechanismsFollow,
            Reply::LanguagesFollow,
            Reply::LanguageIs(Language::Chinese),
            Reply::Utf8On,
            Reply::BeginTls,
            Reply::Goodbye,
            Reply::NotRemoved,
            Reply::UnknownCommand,
            Reply::BadArguments,
            Reply::BadNumber,
            Reply::BadControl,
            Reply::BadCharacters,
            Reply::BadBase64,
            Reply::LineTooLong,
            Reply::TooManyBad,
            Reply::LogInFirst,
            Reply::LoggedInAlready,
            Reply::UserFirst,
            Reply::AlreadyDeleted(u32::MAX),
            Reply::NoSuchMessage,
            Reply::Unreadable,
            Reply::NoSuchLanguage,
            Reply::TlsActive,
            Reply::NoTls,
            Reply::TlsRequired,
            Reply::LoginFailed,
            Reply::LoginDelayed(Duration::MAX),
            Reply::NoSuchMechanism,
            Reply::Cancelled,
            Reply::InUse,
            Reply::Temporary,
        ]
    }

    fn line(reply: &Reply, language: Language) -> String {
        let mut out = Vec::new();
        reply.encode(language, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_reply_is_one_line_in_every_language() {
        for reply in all() {
            for language in Language::ALL {
                let line = line(&reply, language);
                assert!(line.len() <= 512 && line.ends_with("\r\n"), "{line:?}");
                assert!(!line.trim_end_matches("\r\n").contains(char::is_control), "{line:?}");
                assert_eq!(line.starts_with("+OK "), reply.status().is_ok());
                assert_eq!(line.starts_with("-ERR "), reply.status().is_err());
            }
        }
    }

    #[test]
    fn texts_are_translated() {
        for reply in all() {
            if matches!(reply, Reply::Statistics(..) | Reply::Listed(..) | Reply::Uid(..) | Reply::Greeting { .. }) {
                continue;
            }
            let texts = Language::ALL.map(|language| line(&reply, language));
            assert!(texts[0].is_ascii(), "{}", texts[0]);
            assert_ne!(texts[0], texts[1]);
            assert_ne!(texts[1], texts[2]);
            assert!(!texts[2].is_ascii(), "{}", texts[2]);
        }
    }

    #[test]
    fn lines_as_the_rfcs_show_them() {
        let id = UniqueId(UidValidity(core::num::NonZeroU32::new(7).unwrap()), Uid::MIN);
        for (reply, expected) in [
            (Reply::Statistics(2, 320), "+OK 2 320\r\n"),
            (Reply::Listed(2, 200), "+OK 2 200\r\n"),
            (Reply::Uid(2, id), "+OK 2 7.1\r\n"),
            (Reply::InUse, "-ERR [IN-USE] Another session is using this maildrop\r\n"),
            (Reply::LanguageIs(Language::German), "+OK de Language changed\r\n"),
        ] {
            assert_eq!(line(&reply, Language::English), expected);
        }
        let mut out = Vec::new();
        list_line(1, 120, &mut out).unwrap();
        uidl_line(1, id, &mut out).unwrap();
        assert_eq!(out, b"1 120\r\n1 7.1\r\n");
    }

    #[test]
    fn capabilities_depend_on_the_state() {
        let mut offer = Offer { stls: true, plain: false, mechanisms: heapless::Vec::new() };
        let shown = |offer: &Offer, authorized| {
            let mut out = Vec::new();
            offer.capabilities(authorized, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert!(shown(&offer, false).contains("\r\nSTLS\r\n") && !shown(&offer, false).contains("USER\r\nS"));
        assert!(!shown(&offer, false).contains("SASL"));
        (offer.stls, offer.plain) = (false, true);
        offer.mechanisms.push("PLAIN").unwrap();
        offer.mechanisms.push("SCRAM-SHA-256").unwrap();
        let text = shown(&offer, false);
        assert!(text.contains("\r\nUSER\r\nSASL PLAIN SCRAM-SHA-256\r\n") && !text.contains("STLS"));
        let text = shown(&offer, true);
        assert!(!text.contains("\r\nUSER\r\n") && !text.contains("SASL") && text.ends_with("\r\n.\r\n"));
    }
}
