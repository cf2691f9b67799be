//! The canonical form of names, under which the directory keeps them.
//!
//! Domains: lower case, A-labels (RFC 5890). Local parts: lower case and Unicode NFC, because no person expects `Ann@`
//! and `ann@`, or two ways to encode the same letter, to be two mailboxes (RFC 5321 2.4 leaves that to the host).

use crate::limits::ADDRESS_OCTETS_MAX;
use crate::mail::{Address, AddressError, Domain, LocalPart};
use unicode_normalization::UnicodeNormalization as _;

/// An address in canonical form, in its two parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Before the `@`, unquoted.
    pub local: String,
    /// After the `@`.
    pub domain: String,
}

impl Name {
    /// The canonical form of an address. `None` if its A-labels make it longer than an address may be.
    #[must_use]
    pub fn of(address: &Address) -> Option<Self> {
        Self::from_parts(address.local.as_str(), &address.domain)
    }

    fn from_parts(local: &str, domain: &Domain) -> Option<Self> {
        let name = Self { local: local_part(local), domain: domain.canonical() };
        let octets = name.local.len().checked_add(name.domain.len())?.checked_add(1)?;
        (octets <= ADDRESS_OCTETS_MAX).then_some(name)
    }

    /// Another local part at the same domain, already canonical.
    #[must_use]
    pub fn with_local(&self, local: &str) -> Self {
        Self { local: local.to_owned(), domain: self.domain.clone() }
    }

    /// As a mail address again, quoted where it must be.
    ///
    /// # Errors
    /// [`AddressError`] if it is none, which a name made by [`Name::of`] never is.
    pub fn address(&self) -> Result<Address, AddressError> {
        let plain = LocalPart::parse(&self.local);
        let local = match plain {
            Ok(local) => local,
            Err(_) => LocalPart::parse(&quoted(&self.local))?,
        };
        Ok(Address { local, domain: Domain::parse(&self.domain)? })
    }
}

impl core::fmt::Display for Name {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.address() {
            Ok(address) => address.fmt(f),
            Err(_) => write!(f, "{}@{}", self.local, self.domain),
        }
    }
}

/// A local part in canonical form.
#[must_use]
pub fn local_part(local: &str) -> String {
    local.to_lowercase().nfc().collect()
}

fn quoted(local: &str) -> String {
    let mut text = String::with_capacity(local.len().saturating_add(2));
    text.push('"');
    for c in local.chars() {
        if c == '"' || c == '\\' {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn name(text: &str) -> String {
        Name::of(&Address::parse(text).unwrap()).unwrap().to_string()
    }

    #[test]
    fn names_are_one_however_they_are_written() {
        assert_eq!(name("Ann@EXAMPLE.org"), "ann@example.org");
        assert_eq!(name("\"ann\"@example.org"), "ann@example.org");
        assert_eq!(name("a@Bücher.example"), "a@xn--bcher-kva.example");
        assert_eq!(name("a@xn--bcher-kva.example"), "a@xn--bcher-kva.example");
        // One letter, composed and decomposed.
        assert_eq!(name("J\u{fc}rgen@x.y"), name("Ju\u{308}rgen@x.y"));
        assert_eq!(name("\"a b\"@x.y"), "\"a b\"@x.y");
        assert_eq!(name("\"a\\\"b\"@x.y"), "\"a\\\"b\"@x.y");
    }

    #[test]
    fn a_name_that_grows_too_long_is_none() {
        let label = "ü".repeat(20);
        let address = format!("{}@{label}.{label}.{label}.{label}.example", "a".repeat(60));
        // 254 octets as written; A-labels are of another length, so only the bound is checked here.
        if let Ok(address) = Address::parse(&address) {
            assert!(Name::of(&address).is_none_or(|name| name.to_string().len() <= ADDRESS_OCTETS_MAX));
        }
    }
}
