//! Parameters of MAIL and RCPT (RFC 5321 4.1.2 `esmtp-param`), of the extensions that we announce.

use super::{Invalid, Xtext};
use crate::mail::{Address, ReversePath};
use core::fmt;
use serde::{Deserialize, Serialize};

/// RFC 6152 and RFC 3030: what the message's octets may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// Lines of ASCII.
    SevenBit,
    /// Lines of any octets but NUL, CR and LF.
    EightBitMime,
    /// Any octets; only BDAT can bring them.
    BinaryMime,
}

/// RFC 3461 4.3: how much of the message a notification brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Return {
    /// All of it.
    Full,
    /// Its header.
    Headers,
}

/// RFC 3461 4.1: when the sender wants to be notified about a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Notify {
    /// In no case.
    Never,
    /// In these cases.
    On {
        /// When it was delivered.
        success: bool,
        /// When it cannot be delivered.
        failure: bool,
        /// When it takes long.
        delay: bool,
    },
}

/// RFC 3461 4.2: the address that the sender wrote first, kept unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OriginalRecipient {
    /// `rfc822`, `utf-8` (RFC 6533) or another.
    pub kind: Box<str>,
    /// The address: xtext, or for `utf-8` the encodings of RFC 6533 3.
    pub address: Box<str>,
}

/// Parameters of MAIL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// RFC 1870: the size that the client expects.
    pub size: Option<u64>,
    /// RFC 6152, RFC 3030.
    pub body: Option<Body>,
    /// RFC 6531: addresses and header may be UTF-8.
    pub smtp_utf8: bool,
    /// RFC 3461 4.3.
    pub ret: Option<Return>,
    /// RFC 3461 4.4.
    pub envelope_id: Option<Xtext>,
    /// RFC 4954 5: who handed the message in first.
    pub auth: Option<ReversePath>,
}

/// Parameters of RCPT.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RcptParameters {
    /// RFC 3461 4.1.
    pub notify: Option<Notify>,
    /// RFC 3461 4.2.
    pub original: Option<OriginalRecipient>,
}

/// RFC 5321 4.1.2: a keyword and perhaps a value.
type Parameter<'a> = (&'a str, Option<&'a str>);

/// Splits what follows a path into parameters and checks their form.
fn split(text: &str) -> impl Iterator<Item = Result<Parameter<'_>, Invalid>> {
    text.split(' ').filter(|word| !word.is_empty()).map(|word| {
        let (keyword, value) = word.split_once('=').map_or((word, None), |(keyword, value)| (keyword, Some(value)));
        let named = keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
            && keyword.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        // RFC 5321 4.1.2: a value has one character at least; which ones, each parameter knows.
        let valued = value.is_none_or(|value| !value.is_empty());
        if named && valued { Ok((keyword, value)) } else { Err(Invalid::Parameter("it is not keyword=value")) }
    })
}

/// Takes a parameter that may stand once.
fn once<T>(slot: &mut Option<T>, value: Option<T>, why: &'static str) -> Result<(), Invalid> {
    let value = value.ok_or(Invalid::Parameter(why))?;
    if slot.replace(value).is_some() { Err(Invalid::Parameter("it stands there twice")) } else { Ok(()) }
}

impl MailParameters {
    /// Reads what follows the reverse-path.
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let mut read = Self::default();
        let mut smtp_utf8 = None;
        for parameter in split(text) {
            let (keyword, value) = parameter?;
            if keyword.eq_ignore_ascii_case("SIZE") {
                once(&mut read.size, value.and_then(size), "SIZE takes a number")?;
            } else if keyword.eq_ignore_ascii_case("BODY") {
                let body = value.and_then(Body::parse);
                once(&mut read.body, body, "BODY takes 7BIT, 8BITMIME or BINARYMIME")?;
            } else if keyword.eq_ignore_ascii_case("SMTPUTF8") {
                once(&mut smtp_utf8, value.is_none().then_some(()), "SMTPUTF8 takes no value")?;
            } else if keyword.eq_ignore_ascii_case("RET") {
                once(&mut read.ret, value.and_then(Return::parse), "RET takes FULL or HDRS")?;
            } else if keyword.eq_ignore_ascii_case("ENVID") {
                once(&mut read.envelope_id, value.and_then(envelope_id), "ENVID takes up to 100 of xtext")?;
            } else if keyword.eq_ignore_ascii_case("AUTH") {
                once(&mut read.auth, value.and_then(auth), "AUTH takes <> or an address in xtext")?;
            } else {
                return Err(Invalid::UnknownParameter);
            }
        }
        read.smtp_utf8 = smtp_utf8.is_some();
        Ok(read)
    }
}

impl RcptParameters {
    /// Reads what follows the forward-path.
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let mut read = Self::default();
        for parameter in split(text) {
            let (keyword, value) = parameter?;
            if keyword.eq_ignore_ascii_case("NOTIFY") {
                let notify = value.and_then(Notify::parse);
                once(&mut read.notify, notify, "NOTIFY takes NEVER or some of SUCCESS, FAILURE and DELAY")?;
            } else if keyword.eq_ignore_ascii_case("ORCPT") {
                let original = value.and_then(OriginalRecipient::parse);
                once(&mut read.original, original, "ORCPT takes a type, a semicolon and an address in xtext")?;
            } else {
                return Err(Invalid::UnknownParameter);
            }
        }
        Ok(read)
    }
}

/// RFC 1870 6.1: up to 20 digits; what passes 64 bits is larger than every limit all the same.
fn size(value: &str) -> Option<u64> {
    let digits = value.len() <= 20 && value.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| value.parse().unwrap_or(u64::MAX))
}

/// RFC 3461 4.4: at most 100 octets of printable ASCII.
fn envelope_id(value: &str) -> Option<Xtext> {
    let text = Xtext::parse(value).filter(|_| value.len() <= 100)?;
    text.decode()?.iter().all(|octet| (b' '..=b'~').contains(octet)).then_some(text)
}

/// RFC 4954 5.
fn auth(value: &str) -> Option<ReversePath> {
    if value == "<>" {
        return Some(ReversePath::Null);
    }
    let octets = Xtext::parse(value)?.decode()?;
    Address::parse(core::str::from_utf8(&octets).ok()?).ok().map(ReversePath::Address)
}

impl Body {
    fn parse(value: &str) -> Option<Self> {
        [Self::SevenBit, Self::EightBitMime, Self::BinaryMime]
            .into_iter()
            .find(|body| body.name().eq_ignore_ascii_case(value))
    }

    /// The value on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        }
    }
}

impl Return {
    fn parse(value: &str) -> Option<Self> {
        [Self::Full, Self::Headers].into_iter().find(|ret| ret.name().eq_ignore_ascii_case(value))
    }

    /// The value on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Headers => "HDRS",
        }
    }
}

impl Notify {
    fn parse(value: &str) -> Option<Self> {
        if value.eq_ignore_ascii_case("NEVER") {
            return Some(Self::Never);
        }
        let (mut success, mut failure, mut delay) = (false, false, false);
        for word in value.split(',') {
            let flag = match word {
                word if word.eq_ignore_ascii_case("SUCCESS") => &mut success,
                word if word.eq_ignore_ascii_case("FAILURE") => &mut failure,
                word if word.eq_ignore_ascii_case("DELAY") => &mut delay,
                _ => return None,
            };
            *flag = true;
        }
        Some(Self::On { success, failure, delay })
    }
}

impl OriginalRecipient {
    fn parse(value: &str) -> Option<Self> {
        // RFC 3461 4.2: 500 octets at most.
        let (kind, address) = value.split_once(';').filter(|_| value.len() <= 500)?;
        let atom = !kind.is_empty() && kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let encoded = if kind.eq_ignore_ascii_case("utf-8") {
            // RFC 6533 3: `utf-8-addr-xtext` and `utf-8-addr-unitext`: graphic characters, others as \x{HEX}.
            address.chars().all(|c| (c.is_ascii_graphic() && c != '=' && c != '+') || c > '\u{9f}')
        } else {
            Xtext::parse(address).is_some()
        };
        (atom && encoded && !address.is_empty()).then(|| Self { kind: kind.into(), address: address.into() })
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Never => f.write_str("NEVER"),
            Self::On { success, failure, delay } => {
                let mut between = "";
                for (on, name) in [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")] {
                    if on {
                        write!(f, "{between}{name}")?;
                        between = ",";
                    }
                }
                Ok(())
            }
        }
    }
}

/// As they stand on the wire, each with a space before it.
impl fmt::Display for MailParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(size) = self.size {
            write!(f, " SIZE={size}")?;
        }
        if let Some(body) = self.body {
            write!(f, " BODY={}", body.name())?;
        }
        if self.smtp_utf8 {
            f.write_str(" SMTPUTF8")?;
        }
        if let Some(ret) = self.ret {
            write!(f, " RET={}", ret.name())?;
        }
        if let Some(id) = &self.envelope_id {
            write!(f, " ENVID={}", id.as_str())?;
        }
        match &self.auth {
            Some(ReversePath::Null) => f.write_str(" AUTH=<>"),
            Some(ReversePath::Address(address)) => {
                write!(f, " AUTH={}", Xtext::encode(address.to_string().as_bytes()).as_str())
            }
            None => Ok(()),
        }
    }
}

/// As they stand on the wire, each with a space before it.
impl fmt::Display for RcptParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(notify) = self.notify {
            write!(f, " NOTIFY={notify}")?;
        }
        if let Some(original) = &self.original {
            write!(f, " ORCPT={};{}", original.kind, original.address)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn parameters_show_as_they_were_read() {
        let text = " SIZE=1000 BODY=BINARYMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B314159 AUTH=e+3Dmc2@example.com";
        assert_eq!(MailParameters::parse(text).unwrap().to_string(), text);
        assert_eq!(MailParameters::parse(" auth=<> body=7bit").unwrap().to_string(), " BODY=7BIT AUTH=<>");
        for text in [
            "",
            " NOTIFY=NEVER",
            " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;ann+2Bx@example.org",
            " ORCPT=utf-8;用户@例子.广告",
        ] {
            assert_eq!(RcptParameters::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn wrong_values_and_unknown_names_differ() {
        for text in [
            "SIZE",
            "SIZE=",
            "SIZE=x",
            "SIZE=-1",
            "SIZE=123456789012345678901",
            "SIZE=1 SIZE=1",
            "BODY=9BIT",
            "BODY",
            "SMTPUTF8=yes",
            "SMTPUTF8 SMTPUTF8",
            "RET=ALL",
            "ENVID=a+",
            "ENVID=+0D+0A",
            "AUTH=x",
            "=x",
            "-A=x",
            "A_B=x",
        ] {
            assert!(matches!(MailParameters::parse(text), Err(Invalid::Parameter(_))), "{text}");
        }
        for text in ["NOTIFY=", "NOTIFY=NEVER,DELAY", "NOTIFY=,", "ORCPT=rfc822", "ORCPT=;a", "ORCPT=rfc822;a=b"] {
            assert!(matches!(RcptParameters::parse(text), Err(Invalid::Parameter(_))), "{text}");
        }
        assert_eq!(MailParameters::parse(" NOTIFY=NEVER"), Err(Invalid::UnknownParameter));
        assert_eq!(RcptParameters::parse(" SIZE=1"), Err(Invalid::UnknownParameter));
        assert_eq!(MailParameters::parse("SIZE=99999999999999999999").unwrap().size, Some(u64::MAX));
    }
}
