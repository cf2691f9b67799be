//! What a client can ask: one variant a command, every argument already checked.
//!
//! Owns nothing: values borrow from the line, which has at most [`crate::limits::POP3_LINE_OCTETS_MAX`] octets. Which
//! command may be given when is for the session to say.

use crate::wire::base64;
use core::num::NonZeroU32;

/// RFC 1939 5: messages are numbered from 1.
pub type MessageNumber = NonZeroU32;

/// One command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// RFC 1939 7.
    User(&'a str),
    /// RFC 1939 7: everything behind the first space, spaces included.
    Pass(&'a [u8]),
    /// RFC 1939 7: name, and an MD5 digest as 32 hexadecimal digits.
    Apop(&'a str, &'a str),
    /// RFC 5034 4. Without a mechanism it asks for their list, as RFC 1734's clients do.
    Auth {
        /// As it was written.
        mechanism: Option<&'a str>,
        /// Decoded from base64; `=` is an empty one.
        initial: Option<Vec<u8>>,
    },
    /// RFC 1939 5.
    Stat,
    /// RFC 1939 5.
    List(Option<MessageNumber>),
    /// RFC 1939 7.
    Uidl(Option<MessageNumber>),
    /// RFC 1939 5.
    Retr(MessageNumber),
    /// RFC 1939 5.
    Dele(MessageNumber),
    /// RFC 1939 5.
    Rset,
    /// RFC 1939 7: a message and lines of its body.
    Top(MessageNumber, u64),
    /// RFC 1939 5.
    Noop,
    /// RFC 1939 4 and 6.
    Quit,
    /// RFC 2449 5.
    Capa,
    /// RFC 2595 4.
    Stls,
    /// RFC 6856 2.1.
    Utf8,
    /// RFC 6856 3.2.
    Lang(Option<&'a str>),
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// No such keyword.
    Unknown,
    /// Arguments that the command does not take, or none where it needs them.
    Arguments,
    /// No number from 1 on where a message is meant.
    Number,
    /// NUL, a bare CR or LF, or another control: RFC 1939 3 knows only printable characters.
    Control,
    /// Octets that are no UTF-8 (RFC 6856 2.1), or beyond ASCII where only ASCII may stand.
    Characters,
    /// No base64 (RFC 5034 4).
    Base64,
}

/// Reads one line without its CRLF.
///
/// # Errors
/// [`Invalid`]; the line has been read to its end, so the next one is the next command.
pub fn decode(line: &[u8]) -> Result<Command<'_>, Invalid> {
    if line.iter().any(u8::is_ascii_control) {
        return Err(Invalid::Control);
    }
    let (keyword, rest) = match line.iter().position(|&octet| octet == b' ') {
        Some(space) => (line.get(..space).unwrap_or(line), line.get(space.saturating_add(1)..)),
        None => (line, None),
    };
    // RFC 1939 3: keywords in any case.
    let is = |name: &str| keyword.eq_ignore_ascii_case(name.as_bytes());
    if is("PASS") {
        return rest.map(Command::Pass).ok_or(Invalid::Arguments);
    }
    let text = core::str::from_utf8(rest.unwrap_or_default()).map_err(|_| Invalid::Characters)?;
    // A space at the end is no argument.
    let text = text.trim_end_matches(' ');
    let mut arguments = Arguments(text);
    if is("USER") {
        // RFC 6856 2.2: the name may be UTF-8. A name with spaces in it is one argument.
        return if text.is_empty() { Err(Invalid::Arguments) } else { Ok(Command::User(text)) };
    }
    if !text.is_ascii() {
        return Err(Invalid::Characters);
    }
    let command = if is("STAT") {
        Command::Stat
    } else if is("LIST") {
        Command::List(arguments.optional_number()?)
    } else if is("UIDL") {
        Command::Uidl(arguments.optional_number()?)
    } else if is("RETR") {
        Command::Retr(arguments.number()?)
    } else if is("DELE") {
        Command::Dele(arguments.number()?)
    } else if is("TOP") {
        let number = arguments.number()?;
        let lines = arguments.next().ok_or(Invalid::Arguments)?;
        Command::Top(number, digits(lines).ok_or(Invalid::Number)?)
    } else if is("RSET") {
        Command::Rset
    } else if is("NOOP") {
        Command::Noop
    } else if is("QUIT") {
        Command::Quit
    } else if is("CAPA") {
        Command::Capa
    } else if is("STLS") {
        Command::Stls
    } else if is("UTF8") {
        Command::Utf8
    } else if is("LANG") {
        Command::Lang(arguments.next())
    } else if is("AUTH") {
        let mechanism = arguments.next();
        let initial = arguments.next().map(initial_response).transpose()?;
        Command::Auth { mechanism, initial }
    } else if is("APOP") {
        // The digest is the last word; a name might have spaces.
        let (name, digest) = text.rsplit_once(' ').ok_or(Invalid::Arguments)?;
        arguments.0 = "";
        if digest.len() != 32 || !digest.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return Err(Invalid::Arguments);
        }
        Command::Apop(name, digest)
    } else {
        return Err(Invalid::Unknown);
    };
    if arguments.0.is_empty() { Ok(command) } else { Err(Invalid::Arguments) }
}

/// RFC 5034 4: base64, or `=` for an empty response.
fn initial_response(text: &str) -> Result<Vec<u8>, Invalid> {
    if text == "=" {
        return Ok(Vec::new());
    }
    base64::decode(text.as_bytes()).map_err(|_| Invalid::Base64)
}

/// What follows the keyword, word by word.
struct Arguments<'a>(&'a str);

impl<'a> Arguments<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start_matches(' ');
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        self.0 = rest.trim_start_matches(' ');
        (!word.is_empty()).then_some(word)
    }

    fn number(&mut self) -> Result<MessageNumber, Invalid> {
        self.optional_number()?.ok_or(Invalid::Arguments)
    }

    fn optional_number(&mut self) -> Result<Option<MessageNumber>, Invalid> {
        let Some(word) = self.next() else { return Ok(None) };
        let number = digits(word).and_then(|number| u32::try_from(number).ok()).and_then(MessageNumber::new);
        number.map(Some).ok_or(Invalid::Number)
    }
}

/// Decimal digits and nothing else; a number too large to be of any message is the largest.
fn digits(word: &str) -> Option<u64> {
    let all = !word.is_empty() && word.bytes().all(|octet| octet.is_ascii_digit());
    all.then(|| word.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn number(value: u32) -> MessageNumber {
        MessageNumber::new(value).unwrap()
    }

    #[test]
    fn every_command() {
        let auth = |mechanism, initial| Command::Auth { mechanism, initial };
        for (line, expected) in [
            ("USER ann@example.org", Command::User("ann@example.org")),
            ("user 用户", Command::User("用户")),
            ("PASS  two  spaces ", Command::Pass(b" two  spaces ")),
            ("PASS ", Command::Pass(b"")),
            ("APOP mrose c4c9334bac560ecc979e58001b3e22fb", Command::Apop("mrose", "c4c9334bac560ecc979e58001b3e22fb")),
            ("AUTH", auth(None, None)),
            ("AUTH PLAIN", auth(Some("PLAIN"), None)),
            ("AUTH PLAIN =", auth(Some("PLAIN"), Some(vec![]))),
            ("auth plain AGEAYg==", auth(Some("plain"), Some(b"\0a\0b".to_vec()))),
            ("STAT", Command::Stat),
            ("stat ", Command::Stat),
            ("LIST", Command::List(None)),
            ("LIST 2", Command::List(Some(number(2)))),
            ("UIDL", Command::Uidl(None)),
            ("UIDL 4294967295", Command::Uidl(Some(number(u32::MAX)))),
            ("RETR 1", Command::Retr(number(1))),
            ("DELE 007", Command::Dele(number(7))),
            ("RSET", Command::Rset),
            ("TOP 1 0", Command::Top(number(1), 0)),
            ("TOP 1 99999999999999999999", Command::Top(number(1), u64::MAX)),
            ("NOOP", Command::Noop),
            ("QuiT", Command::Quit),
            ("CAPA", Command::Capa),
            ("STLS", Command::Stls),
            ("UTF8", Command::Utf8),
            ("LANG", Command::Lang(None)),
            ("LANG zh-Hans", Command::Lang(Some("zh-Hans"))),
        ] {
            assert_eq!(decode(line.as_bytes()), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_says_why() {
        for (line, expected) in [
            (&b""[..], Invalid::Unknown),
            (b" STAT", Invalid::Unknown),
            (b"XYZZY 1", Invalid::Unknown),
            (b"STAT 1", Invalid::Arguments),
            (b"RETR", Invalid::Arguments),
            (b"RETR 1 2", Invalid::Arguments),
            (b"RETR 0", Invalid::Number),
            (b"RETR -1", Invalid::Number),
            (b"RETR +1", Invalid::Number),
            (b"DELE 4294967296", Invalid::Number),
            (b"DELE 1a", Invalid::Number),
            (b"TOP 1", Invalid::Arguments),
            (b"TOP 1 x", Invalid::Number),
            (b"USER", Invalid::Arguments),
            (b"USER  ", Invalid::Arguments),
            (b"PASS", Invalid::Arguments),
            (b"APOP mrose", Invalid::Arguments),
            (b"APOP mrose c4c9", Invalid::Arguments),
            (b"APOP mrose +4c9334bac560ecc979e58001b3e22fb", Invalid::Arguments),
            (b"AUTH PLAIN !!", Invalid::Base64),
            (b"AUTH PLAIN AGEAYg== x", Invalid::Arguments),
            (b"STAT\0", Invalid::Control),
            (b"NOOP\rQUIT", Invalid::Control),
            (b"NOOP\n", Invalid::Control),
            (b"USER \xff", Invalid::Characters),
            (b"LIST \xe4\xb8\xad", Invalid::Characters),
            (b"LIST\t1", Invalid::Control),
        ] {
            assert_eq!(decode(line), Err(expected), "{:?}", String::from_utf8_lossy(line));
        }
    }

    proptest! {
        #[test]
        fn any_line_is_answered(line in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&line);
            for keyword in ["APOP ", "AUTH X ", "TOP ", "LIST ", "USER "] {
                let _ = decode(&[keyword.as_bytes(), &line].concat());
            }
        }

        #[test]
        fn numbers_come_through(value in 1_u32.., lines: u64) {
            let top = format!("TOP {value} {lines}");
            prop_assert_eq!(decode(top.as_bytes()), Ok(Command::Top(number(value), lines)));
        }
    }
}
