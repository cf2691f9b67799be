//! Address lists of RFC 5322 3.4 as ENVELOPE shows them: names and local parts without their quotes, groups with
//! their begin and end marks, RFC 2047 words untouched.
//!
//! Owns nothing; reads unfolded values that are bounded already, in one pass. Tolerates the obsolete forms of
//! RFC 5322 4.4 (routes, white space around dots) and whatever else mail programs put there.

use super::structured::Tokens;
use super::{EnvelopeAddress, Text};

/// Shown where an address has no domain: IMAP would take NIL for the mark of a group (RFC 9051 7.5.2).
const MISSING_DOMAIN: &[u8] = b"MISSING_DOMAIN";
/// Shown where an address has no local part.
const MISSING_MAILBOX: &[u8] = b"MISSING_MAILBOX";
/// RFC 2047 2 allows 75 octets for an encoded word; some programs write longer ones.
const ENCODED_WORD_OCTETS_MAX: usize = 1_024;

/// Reads addresses into `list` until it holds `most`. A group that is cut is still ended.
pub(super) fn read(value: &[u8], most: usize, list: &mut Vec<EnvelopeAddress>) {
    let mut tokens = Tokens::new(value);
    let mut group = false;
    while list.len() < most && !tokens.rest().is_empty() {
        match one(&mut tokens) {
            Found::Nothing => {}
            Found::Address(address) => list.push(address),
            Found::Group(name) => {
                if group {
                    list.push(EnvelopeAddress::default());
                }
                group = true;
                list.push(EnvelopeAddress { name: None, mailbox: Some(name), host: None });
            }
        }
        match tokens.next() {
            Some(b';') if group => {
                group = false;
                list.push(EnvelopeAddress::default());
            }
            _ => {}
        }
    }
    if group {
        list.push(EnvelopeAddress::default());
    }
}

/// What stands between two separators.
enum Found {
    Nothing,
    Address(EnvelopeAddress),
    /// A group begins; its name.
    Group(Text),
}

/// Words before `<`, `@`, `:` or a separator.
#[derive(Default)]
struct Phrase {
    text: Vec<u8>,
    /// Where the last run of words begins that could be a local part.
    last: usize,
    quoted: bool,
    spaced: bool,
}

impl Phrase {
    fn begin_word(&mut self, first: u8) {
        if core::mem::take(&mut self.spaced) && !self.text.is_empty() {
            // RFC 5322 4.4: in an obsolete local part white space may stand around dots.
            let joined = first == b'.' || self.text.last() == Some(&b'.');
            self.text.push(b' ');
            if !joined {
                self.last = self.text.len();
                self.quoted = false;
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty() && !self.quoted
    }

    /// Divides it into display name and local part.
    fn split(mut self) -> (Vec<u8>, Vec<u8>) {
        let mut local = self.text.split_off(self.last.min(self.text.len()));
        if !self.quoted {
            local.retain(|octet| !octet.is_ascii_whitespace());
        }
        self.text.truncate(self.text.trim_ascii_end().len());
        (self.text, local)
    }
}

/// Reads up to the next `,` or `;`, or past the `:` of a group.
fn one(tokens: &mut Tokens<'_>) -> Found {
    let mut phrase = Phrase::default();
    let mut comment = None;
    loop {
        match tokens.peek() {
            Some(b' ' | b'\t' | b'\r' | b'\n' | b'(') => {
                comment = tokens.blank().or(comment);
                phrase.spaced = true;
            }
            Some(b'"') => {
                phrase.begin_word(b'"');
                phrase.quoted = true;
                phrase.text.extend(tokens.quoted());
            }
            Some(b'<') => {
                tokens.next();
                let (mailbox, host) = angle(tokens);
                let name = if phrase.is_empty() { rest_of_address(tokens).or(comment) } else { Some(phrase.text) };
                rest_of_address(tokens);
                return address(name, mailbox, host);
            }
            Some(b'@') => {
                tokens.next();
                let host = domain(tokens);
                let (name, local) = phrase.split();
                comment = rest_of_address(tokens).or(comment);
                return address(Some(name).filter(|name| !name.is_empty()).or(comment), local, host);
            }
            Some(b':') if !phrase.is_empty() => {
                // The separator that the caller reads past is the colon.
                return Found::Group(phrase.text.into());
            }
            None | Some(b',' | b';') => {
                if phrase.is_empty() {
                    return Found::Nothing;
                }
                let (name, local) = phrase.split();
                return address(Some(name).filter(|name| !name.is_empty()).or(comment), local, Vec::new());
            }
            Some(first) => {
                phrase.begin_word(first);
                match encoded_word(tokens.rest()) {
                    0 => phrase.text.extend(tokens.next()),
                    octets => {
                        for _ in 0..octets {
                            phrase.text.extend(tokens.next());
                        }
                    }
                }
            }
        }
    }
}

fn address(name: Option<Vec<u8>>, mailbox: Vec<u8>, host: Vec<u8>) -> Found {
    let or = |text: Vec<u8>, missing: &[u8]| if text.is_empty() { missing.into() } else { text.into() };
    Found::Address(EnvelopeAddress {
        name: name.map(Into::into),
        mailbox: Some(or(mailbox, MISSING_MAILBOX)),
        host: Some(or(host, MISSING_DOMAIN)),
    })
}

/// Octets of the encoded word (RFC 2047 2) that comes next, 0 if none: it may hold any delimiter when badly encoded.
fn encoded_word(rest: &[u8]) -> usize {
    if !rest.starts_with(b"=?") {
        return 0;
    }
    let rest = rest.get(..ENCODED_WORD_OCTETS_MAX).unwrap_or(rest);
    // `=?charset?encoding?text?=`: the third question mark begins the text, which ends at the first `?=`.
    let mut marks = rest.iter().enumerate().filter(|&(_, &octet)| octet == b'?').map(|(at, _)| at);
    let Some(text) = marks.nth(2).map(|at| at.saturating_add(1)) else { return 0 };
    let Some(body) = rest.get(text..) else { return 0 };
    match body.windows(2).position(|two| two == b"?=") {
        Some(end) if !rest.get(..text.saturating_add(end)).unwrap_or_default().contains(&b' ') => {
            text.saturating_add(end).saturating_add(2)
        }
        _ => 0,
    }
}

/// What stands in angle brackets, the closing one included: local part and domain.
fn angle(tokens: &mut Tokens<'_>) -> (Vec<u8>, Vec<u8>) {
    tokens.blank();
    // RFC 5322 4.4 obs-route: `@a,@b:`, to be ignored.
    if tokens.peek() == Some(b'@') {
        let mut route = tokens.clone();
        route.take_while(|octet| !matches!(octet, b':' | b'>'));
        if route.take(b':') {
            *tokens = route;
        }
    }
    let mut local = Vec::new();
    let mut host = Vec::new();
    loop {
        tokens.blank();
        match tokens.peek() {
            None | Some(b',' | b';') => break,
            Some(b'"') => local.extend(tokens.quoted()),
            Some(b'@') => {
                tokens.next();
                host = domain(tokens);
            }
            Some(octet) => {
                tokens.next();
                if octet == b'>' {
                    break;
                }
                if host.is_empty() {
                    local.push(octet);
                }
            }
        }
    }
    (local, host)
}

/// RFC 5322 3.4.1 `domain`, without the white space and comments that may stand in it.
fn domain(tokens: &mut Tokens<'_>) -> Vec<u8> {
    let mut host = Vec::new();
    loop {
        tokens_blank_inside(tokens, &host);
        match tokens.peek() {
            Some(b'[') if host.is_empty() => {
                host.extend(tokens.take_while(|octet| octet != b']'));
                host.extend(tokens.next());
                return host;
            }
            None | Some(b',' | b';' | b'>' | b'<' | b' ' | b'\t' | b'\r' | b'\n' | b'(' | b'"' | b':') => return host,
            Some(octet) => {
                tokens.next();
                host.push(octet);
            }
        }
    }
}

/// Skips blanks where a domain goes on behind them: at its beginning and around its dots.
fn tokens_blank_inside(tokens: &mut Tokens<'_>, host: &[u8]) {
    let mut ahead = tokens.clone();
    if matches!(ahead.peek(), Some(b' ' | b'\t' | b'(')) {
        ahead.blank();
        if host.is_empty() || host.last() == Some(&b'.') || ahead.peek() == Some(b'.') {
            *tokens = ahead;
        }
    }
}

/// Reads up to the separator behind an address; gives the last comment on the way.
fn rest_of_address(tokens: &mut Tokens<'_>) -> Option<Vec<u8>> {
    let mut comment = None;
    loop {
        comment = tokens.blank().or(comment);
        match tokens.peek() {
            None | Some(b',' | b';') => return comment,
            Some(b'"') => {
                tokens.quoted();
            }
            Some(_) => {
                tokens.next();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shown(value: &str) -> String {
        let mut list = Vec::new();
        read(value.as_bytes(), 100, &mut list);
        let show =
            |text: &Option<Text>| text.as_ref().map_or("NIL".into(), |t| String::from_utf8_lossy(t).into_owned());
        let each = |a: &EnvelopeAddress| format!("{}|{}|{}", show(&a.name), show(&a.mailbox), show(&a.host));
        list.iter().map(each).collect::<Vec<_>>().join(" ; ")
    }

    #[test]
    fn addresses_of_all_forms() {
        for (value, expected) in [
            ("ann@example.org", "NIL|ann|example.org"),
            ("Ann Lee <ann@example.org>, bob@x.y", "Ann Lee|ann|example.org ; NIL|bob|x.y"),
            ("\"Lee, Ann\" <ann@example.org>", "Lee, Ann|ann|example.org"),
            ("\"A \\\"B\\\" C\" <a@b>", "A \"B\" C|a|b"),
            ("ann@example.org (Ann (the) Lee)", "Ann (the) Lee|ann|example.org"),
            ("<ann@example.org> (Ann)", "Ann|ann|example.org"),
            ("John Q. Public <jqp@x.y>", "John Q. Public|jqp|x.y"),
            ("\"john doe\"@x.y", "NIL|john doe|x.y"),
            ("john . doe @ x . y", "NIL|john.doe|x.y"),
            ("<@a.b,@c.d:ann@x.y>", "NIL|ann|x.y"),
            ("Ann Lee ann@x.y", "Ann Lee|ann|x.y"),
            ("ann@[IPv6:::1]", "NIL|ann|[IPv6:::1]"),
            ("Team:a@b, C <c@d>;, e@f", "NIL|Team|NIL ; NIL|a|b ; C|c|d ; NIL|NIL|NIL ; NIL|e|f"),
            ("undisclosed-recipients:;", "NIL|undisclosed-recipients|NIL ; NIL|NIL|NIL"),
            ("A: b@c", "NIL|A|NIL ; NIL|b|c ; NIL|NIL|NIL"),
            ("=?utf-8?Q?Lee,_<Ann>?= <ann@x.y>", "=?utf-8?Q?Lee,_<Ann>?=|ann|x.y"),
            ("=?utf-8?B?5rWL6K+V?= =?utf-8?B?5rWL?= <a@b>", "=?utf-8?B?5rWL6K+V?= =?utf-8?B?5rWL?=|a|b"),
            ("用户 <用户@例子.广告>", "用户|用户|例子.广告"),
            ("root", "NIL|root|MISSING_DOMAIN"),
            ("Ann <>", "Ann|MISSING_MAILBOX|MISSING_DOMAIN"),
            ("Ann <ann>", "Ann|ann|MISSING_DOMAIN"),
            ("<ann@x.y", "NIL|ann|x.y"),
            (",,;; , a@b,", "NIL|a|b"),
            ("", ""),
            ("a@b c@d", "NIL|a|b"),
            ("\"\" <a@b>", "|a|b"),
            ("a b <c d@e>", "a b|cd|e"),
            ("(comment) a@b", "comment|a|b"),
            ("\"unterminated <a@b>", "NIL|unterminated <a@b>|MISSING_DOMAIN"),
        ] {
            assert_eq!(shown(value), expected, "{value:?}");
        }
    }

    #[test]
    fn a_cut_group_is_ended() {
        let mut list = Vec::new();
        read(b"g: a@b, c@d, e@f;", 2, &mut list);
        assert_eq!(list.len(), 3);
        assert_eq!(list.last(), Some(&EnvelopeAddress::default()));
    }
}
