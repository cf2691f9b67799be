//! RFC 3461 4: text that stands in a parameter, with `+` and two hexadecimal digits for what may not stand there.

use serde::{Deserialize, Serialize};

/// Encoded text, kept as it was written, because it is passed on unchanged (RFC 3461 5.2.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Xtext(Box<str>);

impl Xtext {
    /// Checks the encoding. `None` if it is not xtext.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let this = Self(text.into());
        this.decode().map(|_| this)
    }

    /// Encodes any octets.
    #[must_use]
    pub fn encode(octets: &[u8]) -> Self {
        let mut text = String::with_capacity(octets.len());
        for &octet in octets {
            if is_xchar(octet) {
                text.push(char::from(octet));
            } else {
                text.push_str(&format!("+{octet:02X}"));
            }
        }
        Self(text.into())
    }

    /// The encoded form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The octets it stands for. Always `Some` for a value that was parsed or encoded here.
    #[must_use]
    pub fn decode(&self) -> Option<Vec<u8>> {
        let mut octets = Vec::with_capacity(self.0.len());
        let mut rest = self.0.bytes();
        while let Some(octet) = rest.next() {
            octets.push(match octet {
                b'+' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
                octet if is_xchar(octet) => octet,
                _ => return None,
            });
        }
        Some(octets)
    }
}

/// RFC 3461 4 `xchar`: graphic characters but `+` and `=`.
fn is_xchar(octet: u8) -> bool {
    octet.is_ascii_graphic() && octet != b'+' && octet != b'='
}

/// RFC 3461 4 writes upper case; lower case is understood as well.
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_xtext_is_refused() {
        for text in ["+", "+4", "+4G", "a=b", "a b", "ä"] {
            assert_eq!(Xtext::parse(text), None, "{text}");
        }
        assert_eq!(Xtext::parse("e+3Dmc2").and_then(|text| text.decode()), Some(b"e=mc2".to_vec()));
    }

    proptest! {
        #[test]
        fn octets_survive(octets: Vec<u8>) {
            let text = Xtext::encode(&octets);
            prop_assert_eq!(Xtext::parse(text.as_str()), Some(text.clone()));
            prop_assert_eq!(text.decode(), Some(octets));
        }
    }
}
