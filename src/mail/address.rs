//! Mail addresses: a local part, an `@` and a domain.
//!
//! The text is kept as it was written; comparisons follow RFC 5321 2.4: domains without regard to case, and local
//! parts of our own domains as well, because no person expects `Ann@` and `ann@` to be two mailboxes.

use crate::limits::{ADDRESS_OCTETS_MAX, DOMAIN_OCTETS_MAX, LOCAL_PART_OCTETS_MAX};
use serde::{Deserialize, Serialize};

/// Why a text is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// Not `local-part "@" domain` of RFC 5321 4.1.2, or characters that may not stand there.
    Syntax,
    /// RFC 5321 4.5.3.1: local part over 64 octets, domain over 255, or all of it over 254.
    TooLong,
    /// Characters beyond ASCII where SMTPUTF8 (RFC 6531) was not asked for.
    NotAscii,
}

/// A domain name or an address literal in brackets, RFC 5321 4.1.2 and 4.1.3.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Domain(Box<str>);

/// The part before the `@`, unquoted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LocalPart(Box<str>);

/// A mail address. Show it with `Display`, which quotes the local part where it must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Address {
    /// Before the `@`.
    pub local: LocalPart,
    /// After the `@`.
    pub domain: Domain,
}

impl Domain {
    /// Reads a domain (letters, digits, hyphens, and beyond ASCII as RFC 6531 allows) or a bracketed literal.
    ///
    /// # Errors
    /// [`AddressError`] if the text is neither.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > DOMAIN_OCTETS_MAX {
            return Err(AddressError::TooLong);
        }
        if let Some(literal) = text.strip_prefix('[') {
            let inner = literal.strip_suffix(']').ok_or(AddressError::Syntax)?;
            let address = inner.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:")).map_or_else(
                || inner.parse::<core::net::Ipv4Addr>().is_ok(),
                |_| inner.get(5..).is_some_and(|rest| rest.parse::<core::net::Ipv6Addr>().is_ok()),
            );
            return if address { Ok(Self(text.into())) } else { Err(AddressError::Syntax) };
        }
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c > '\u{9f}')
        };
        if text.split('.').all(label) { Ok(Self(text.into())) } else { Err(AddressError::Syntax) }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that lookups use: lower case, and A-labels (RFC 5890) for names beyond ASCII.
    #[must_use]
    pub fn canonical(&self) -> String {
        idna::domain_to_ascii(&self.0).unwrap_or_else(|_| self.0.to_lowercase())
    }

    /// Is it an address literal such as `[192.0.2.1]`?
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.0.starts_with('[')
    }
}

impl LocalPart {
    /// Reads a dot-string or a quoted string of RFC 5321 4.1.2 and takes the quotes off.
    ///
    /// # Errors
    /// [`AddressError`] if the text is neither.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > LOCAL_PART_OCTETS_MAX {
            return Err(AddressError::TooLong);
        }
        let Some(quoted) = text.strip_prefix('"') else {
            let atom = |atom: &str| !atom.is_empty() && atom.chars().all(is_atext);
            return if text.split('.').all(atom) { Ok(Self(text.into())) } else { Err(AddressError::Syntax) };
        };
        let mut plain = String::with_capacity(quoted.len());
        let mut rest = quoted.chars();
        while let Some(c) = rest.next() {
            match c {
                '"' => {
                    return if rest.as_str().is_empty() { Ok(Self(plain.into())) } else { Err(AddressError::Syntax) };
                }
                '\\' => match rest.next() {
                    Some(c @ ' '..='~') => plain.push(c),
                    _ => return Err(AddressError::Syntax),
                },
                ' '..='~' => plain.push(c),
                c if c > '\u{9f}' => plain.push(c),
                _ => return Err(AddressError::Syntax),
            }
        }
        Err(AddressError::Syntax)
    }

    /// The text without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// RFC 5233: the part before the first `separator` and the detail behind it.
    #[must_use]
    pub fn split_detail(&self, separator: char) -> (&str, Option<&str>) {
        match self.0.split_once(separator) {
            Some((user, detail)) if !user.is_empty() => (user, Some(detail)),
            _ => (&self.0, None),
        }
    }
}

/// RFC 5322 3.2.3 `atext`, with RFC 6531's characters beyond ASCII (controls of Latin-1 excepted).
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || c > '\u{9f}'
}

impl Address {
    /// Reads `local-part "@" domain`.
    ///
    /// # Errors
    /// [`AddressError`] if the text is not an address or is too long.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > ADDRESS_OCTETS_MAX {
            return Err(AddressError::TooLong);
        }
        // The last `@` divides: a quoted local part may hold others.
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::Syntax)?;
        Ok(Self { local: LocalPart::parse(local)?, domain: Domain::parse(domain)? })
    }

    /// Does it need SMTPUTF8 (RFC 6531) to be sent?
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.local.0.is_ascii() && self.domain.0.is_ascii()
    }

    /// The form that lookups use: local part and domain in lower case.
    #[must_use]
    pub fn canonical(&self) -> String {
        format!("{}@{}", self.local.0.to_lowercase(), self.domain.canonical())
    }
}

impl core::fmt::Display for Domain {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::fmt::Display for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let local = self.local.as_str();
        if !local.is_empty() && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext)) {
            return write!(f, "{local}@{}", self.domain);
        }
        f.write_str("\"")?;
        for c in local.chars() {
            if c == '"' || c == '\\' {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        write!(f, "\"@{}", self.domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_show_as_they_were_read() {
        for text in
            ["ann@example.org", "\"a b\"@example.org", "ann+x@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "用户@例子.广告"]
        {
            assert_eq!(Address::parse(text).expect(text).to_string(), text);
        }
        assert_eq!(Address::parse("\"a\\\"b\"@x.y").expect("quoted").local.as_str(), "a\"b");
        assert_eq!(Address::parse("\"plain\"@x.y").expect("quoted").to_string(), "plain@x.y");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["", "@", "a@", "@b", "a b@c", "a@b..c", "a@-b", ".a@b", "a.@b", "\"a@b", "a@[1.2.3]", "a@b c", "a\r\n@b"]
        {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(Address::parse(&format!("{}@b", "a".repeat(65))), Err(AddressError::TooLong));
    }

    #[test]
    fn details_split_at_the_first_separator() {
        let split = |text: &str| {
            let local = LocalPart::parse(text).expect(text);
            let (user, detail) = local.split_detail('+');
            (user.to_owned(), detail.map(str::to_owned))
        };
        assert_eq!(split("ann+a+b"), ("ann".into(), Some("a+b".into())));
        assert_eq!(split("+ann"), ("+ann".into(), None));
    }

    #[test]
    fn lookups_disregard_case() {
        assert_eq!(Address::parse("Ann@EXAMPLE.org").expect("address").canonical(), "ann@example.org");
    }
}
