//! Structured header fields of MIME: media types, dispositions and their parameters (RFC 2045 5.1, RFC 2183 2).
//!
//! Owns nothing; reads unfolded values that are bounded already. Tolerates what mail programs write: missing quotes,
//! stray semicolons, comments anywhere (RFC 5322 3.2.2), octets beyond ASCII.

use super::{Parameter, Text};

/// Parameters of one field that are looked at.
const PARAMETERS_MAX: usize = 64;

/// Reads an unfolded value from left to right.
#[derive(Clone, Debug)]
pub(super) struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    /// At the beginning of a value.
    pub(super) fn new(value: &'a [u8]) -> Self {
        Self { rest: value }
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next octet.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Reads one octet.
    pub(super) fn next(&mut self) -> Option<u8> {
        let (&octet, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(octet)
    }

    /// Reads it if it comes next.
    pub(super) fn take(&mut self, octet: u8) -> bool {
        let taken = self.peek() == Some(octet);
        if taken {
            self.next();
        }
        taken
    }

    /// Reads while `wanted` holds.
    pub(super) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&octet| !wanted(octet)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    /// Skips white space and comments; gives the last comment's text.
    pub(super) fn blank(&mut self) -> Option<Vec<u8>> {
        let mut comment = None;
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r' | b'\n') => {
                    self.next();
                }
                Some(b'(') => comment = Some(self.comment()),
                _ => return comment,
            }
        }
    }

    /// RFC 5322 3.2.2 `comment`, which may nest. One that never ends reaches to the end of the value.
    fn comment(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut depth = 0_usize;
        while let Some(octet) = self.next() {
            match octet {
                b'(' => {
                    depth = depth.saturating_add(1);
                    if depth == 1 {
                        continue;
                    }
                }
                b')' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        break;
                    }
                }
                b'\\' => {
                    text.extend(self.next());
                    continue;
                }
                _ => {}
            }
            text.push(octet);
        }
        text
    }

    /// RFC 5322 3.2.4 `quoted-string`, its quotes taken off. One that never ends reaches to the end of the value.
    pub(super) fn quoted(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        self.take(b'"');
        while let Some(octet) = self.next() {
            match octet {
                b'"' => break,
                b'\\' => text.extend(self.next()),
                _ => text.push(octet),
            }
        }
        text
    }

    /// RFC 2045 5.1 `token`, octets beyond ASCII included; empty if there is none.
    pub(super) fn token(&mut self) -> &'a [u8] {
        self.take_while(|octet| octet > b' ' && octet != 0x7f && !b"()<>@,;:\\\"/[]?=".contains(&octet))
    }
}

/// RFC 2045 5.1: type, subtype and parameters. `None` if there is no type: RFC 2045 5.2 then takes the default.
pub(super) fn media_type(value: &[u8]) -> Option<(Text, Text, Vec<Parameter>)> {
    let mut tokens = Tokens::new(value);
    tokens.blank();
    let kind = tokens.token();
    tokens.blank();
    if kind.is_empty() {
        return None;
    }
    let subtype = if tokens.take(b'/') {
        tokens.blank();
        tokens.token()
    } else if kind.eq_ignore_ascii_case(b"text") {
        // RFC 1049 mail: `Content-Type: text`.
        b"plain"
    } else {
        return None;
    };
    if subtype.is_empty() {
        return None;
    }
    Some((kind.into(), subtype.into(), parameters(&mut tokens)))
}

/// RFC 2183 2: disposition type and parameters.
pub(super) fn disposition(value: &[u8]) -> Option<(Text, Vec<Parameter>)> {
    let mut tokens = Tokens::new(value);
    tokens.blank();
    let kind = tokens.token();
    (!kind.is_empty()).then(|| (kind.into(), parameters(&mut tokens)))
}

/// The first token of a value, comments left out: Content-Transfer-Encoding, Content-MD5.
pub(super) fn word(value: &[u8]) -> Option<Text> {
    let mut tokens = Tokens::new(value);
    tokens.blank();
    if tokens.peek() == Some(b'"') {
        return Some(tokens.quoted().into());
    }
    let word = tokens.take_while(|octet| !matches!(octet, b' ' | b'\t' | b';' | b'('));
    (!word.is_empty()).then(|| word.into())
}

/// RFC 3282 Content-Language: tags divided by commas.
pub(super) fn tags(value: &[u8], most: usize) -> Vec<Text> {
    let mut tokens = Tokens::new(value);
    let mut tags = Vec::new();
    while tags.len() < most && !tokens.rest().is_empty() {
        tokens.blank();
        let tag = tokens.token();
        if tag.is_empty() {
            tokens.next();
        } else {
            tags.push(tag.into());
        }
    }
    tags
}

/// `*(";" attribute "=" value)`.
fn parameters(tokens: &mut Tokens<'_>) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    while parameters.len() < PARAMETERS_MAX && skip_to_semicolon(tokens) {
        tokens.blank();
        let name = tokens.take_while(|octet| octet > b' ' && !b"=;\"(".contains(&octet));
        tokens.blank();
        if name.is_empty() || !tokens.take(b'=') {
            continue;
        }
        tokens.blank();
        let value = if tokens.peek() == Some(b'"') { tokens.quoted() } else { unquoted(tokens) };
        parameters.push(Parameter { name: name.into(), value: value.into() });
    }
    parameters
}

/// A value without quotes. A token by the RFC; but file names with spaces come as well.
fn unquoted(tokens: &mut Tokens<'_>) -> Vec<u8> {
    let mut value = Vec::new();
    while let Some(octet) = tokens.peek() {
        if octet == b';' || (octet == b'(' && value.last().is_none_or(u8::is_ascii_whitespace)) {
            break;
        }
        value.push(octet);
        tokens.next();
    }
    value.truncate(value.trim_ascii_end().len());
    value
}

/// Reads past the next semicolon that is in no comment and no quoted string. False if there is none.
fn skip_to_semicolon(tokens: &mut Tokens<'_>) -> bool {
    loop {
        tokens.blank();
        match tokens.peek() {
            None => return false,
            Some(b'"') => {
                tokens.quoted();
            }
            Some(octet) => {
                tokens.next();
                if octet == b';' {
                    return true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shown(value: &str) -> String {
        match media_type(value.as_bytes()) {
            None => "none".into(),
            Some((kind, subtype, parameters)) => {
                let mut text = format!("{}/{}", String::from_utf8_lossy(&kind), String::from_utf8_lossy(&subtype));
                for parameter in parameters {
                    text += &format!(
                        "|{}={}",
                        String::from_utf8_lossy(&parameter.name),
                        String::from_utf8_lossy(&parameter.value)
                    );
                }
                text
            }
        }
    }

    #[test]
    fn media_types_as_mail_programs_write_them() {
        for (value, expected) in [
            ("text/plain; charset=us-ascii", "text/plain|charset=us-ascii"),
            ("TEXT / Plain (a (nested) comment); charset = \"utf-8\" (c)", "TEXT/Plain|charset=utf-8"),
            ("text/plain;;format=flowed ;", "text/plain|format=flowed"),
            ("image/png; name=my picture (1).png; x=y", "image/png|name=my picture|x=y"),
            ("image/png; name=my(1).png", "image/png|name=my(1).png"),
            ("a/b; name=\"a\\\"b;c\\\\d\"; z=1", "a/b|name=a\"b;c\\d|z=1"),
            ("a/b; name*0*=utf-8''%e4; name*1=b", "a/b|name*0*=utf-8''%e4|name*1=b"),
            ("a/b; name=\"never ends; x=y", "a/b|name=never ends; x=y"),
            ("a/b; charset", "a/b"),
            ("text", "text/plain"),
            ("text; charset=big5", "text/plain|charset=big5"),
            ("", "none"),
            ("application", "none"),
            ("/plain", "none"),
            ("text/", "none"),
            ("(text/plain", "none"),
            ("application/x-文件; name=文件.txt", "application/x-文件|name=文件.txt"),
        ] {
            assert_eq!(shown(value), expected, "{value:?}");
        }
    }

    #[test]
    fn words_and_tags() {
        assert_eq!(word(b" (x) Base64; y").unwrap().as_ref(), b"Base64");
        assert_eq!(word(b"(only a comment)"), None);
        assert_eq!(word(b"\"base64\"").unwrap().as_ref(), b"base64");
        let tags: Vec<_> = tags(b"en, (c) zh-Hant , , de", 8).into_iter().map(|tag| tag.to_vec()).collect();
        assert_eq!(tags, [b"en".to_vec(), b"zh-Hant".to_vec(), b"de".to_vec()]);
    }

    #[test]
    fn deep_comments_end() {
        let value = [b"(".repeat(100_000), b"text/plain".to_vec()].concat();
        assert!(media_type(&value).is_none());
    }
}
