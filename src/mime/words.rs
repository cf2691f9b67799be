//! Header values as people read them: RFC 2047 words decoded, octets beyond ASCII guessed.
//!
//! Owns nothing. Bounded by [`HEADER_VALUE_OCTETS_MAX`]: what comes after it is not looked at. The words themselves,
//! with their charsets, are mail-parser's to decode.

use super::fold;
use crate::limits::HEADER_VALUE_OCTETS_MAX;
use mail_parser::{HeaderForm, HeaderValue};
use std::borrow::Cow;

/// The text of a header value, folded (RFC 5322 2.2.3) or not.
#[must_use]
pub fn decode_header(value: &[u8]) -> String {
    let value = value.get(..HEADER_VALUE_OCTETS_MAX).unwrap_or(value);
    let plain = guess(value);
    let parsed = HeaderForm::Text.parse(plain.as_bytes());
    match parsed.value() {
        HeaderValue::Text(text) => text.to_owned(),
        _ => plain.trim().to_owned(),
    }
}

/// Is a text in the value? The needle is already [`fold`]ed; an empty one is in every value.
#[must_use]
pub fn header_contains(field_value: &[u8], needle_folded: &str) -> bool {
    fold(&decode_header(field_value)).contains(needle_folded)
}

/// Raw octets as text. RFC 6532 makes them UTF-8; older programs wrote their local charset.
fn guess(value: &[u8]) -> Cow<'_, str> {
    match core::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        // Cut within its last character: other characters beyond ASCII show that it was UTF-8.
        Err(error) if error.error_len().is_none() && !prefix(value, error.valid_up_to()).is_ascii() => {
            Cow::Borrowed(prefix(value, error.valid_up_to()))
        }
        Err(_) if looks_like_gb2312(value) => encoding_rs::GB18030.decode_without_bom_handling(value).0,
        // No value is malformed here.
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(value).0,
    }
}

/// The part of a value that is UTF-8.
fn prefix(value: &[u8], octets: usize) -> &str {
    value.get(..octets).and_then(|valid| core::str::from_utf8(valid).ok()).unwrap_or_default()
}

/// Do all octets beyond ASCII come in pairs that are characters of GB 2312? Western texts have them singly.
fn looks_like_gb2312(value: &[u8]) -> bool {
    let mut octets = value.iter();
    let mut pairs = 0_usize;
    while let Some(&first) = octets.next() {
        if first.is_ascii() {
            continue;
        }
        let second = octets.next().copied().unwrap_or(0);
        // Rows 1 to 9 are signs, 16 to 87 characters.
        if !matches!(first, 0xa1..=0xa9 | 0xb0..=0xf7) || second < 0xa1 || second == 0xff {
            return false;
        }
        pairs = pairs.saturating_add(1);
    }
    pairs >= 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_of_many_charsets() {
        for (value, expected) in [
            ("plain", "plain"),
            (" folded\r\n value ", "folded value"),
            ("=?utf-8?B?5rWL6K+V?= =?utf-8?Q?=E9=82=AE=E4=BB=B6?=", "测试邮件"),
            ("=?GB2312?B?suLK1A==?=", "测试"),
            ("=?gb18030?B?suLK1A==?=", "测试"),
            ("=?big5?B?tPq41Q==?=", "測試"),
            ("=?ISO-2022-JP?B?GyRCRnxLXDhsGyhC?=", "日本語"),
            ("=?euc-kr?B?x9Gxub7u?= x", "한국어 x"),
            ("=?iso-8859-1?q?Gr=FC=DFe?= you", "Grüße you"),
            ("=?utf-8?q?broken", "=?utf-8?q?broken"),
        ] {
            assert_eq!(decode_header(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn raw_octets_are_guessed() {
        assert_eq!(decode_header("测试".as_bytes()), "测试");
        assert_eq!(decode_header(b"\xb2\xe2\xca\xd4 abc"), "测试 abc");
        assert_eq!(decode_header(b"Gr\xfc\xdfe"), "Grüße");
        assert_eq!(decode_header(b"caf\xe9"), "café");
        assert_eq!(decode_header(b"\xe6\xb5\x8b\xe8\xaf"), "测");
        assert_eq!(decode_header(b"caf\xe9 x"), "café x");
    }

    #[test]
    fn needles_are_found_in_words() {
        assert!(header_contains(b"=?utf-8?B?5rWL6K+V?= Mail", &fold("试 MAIL")));
        assert!(header_contains(b"anything", ""));
        assert!(!header_contains(b"=?utf-8?B?5rWL6K+V?=", &fold("utf")));
    }

    proptest! {
        #[test]
        fn any_octets_give_some_text(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_header(&octets);
            let _ = decode_header(&[b"=?gb18030?q?".to_vec(), octets].concat());
        }
    }
}
