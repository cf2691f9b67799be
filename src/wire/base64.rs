//! Base64 as SASL exchanges carry it (RFC 4648 4, RFC 9051 6.2.2): one line, padded, nothing else in it.
//!
//! Owns nothing; what it gives is at most as long as the line it is given, which the caller's line limit bounds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The line is not base64: RFC 9051 6.2.2 answers BAD, RFC 4954 4 answers 501.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBase64;

/// Decodes one line without its CRLF.
///
/// # Errors
/// [`NotBase64`] for anything but canonical, padded base64.
pub fn decode(line: &[u8]) -> Result<Vec<u8>, NotBase64> {
    STANDARD.decode(line).map_err(|_| NotBase64)
}

/// Encodes a challenge or response, without a line end.
#[must_use]
pub fn encode(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_canonical_lines_decode() {
        assert_eq!(decode(b"AGFubgBwYXNz"), Ok(b"\0ann\0pass".to_vec()));
        assert_eq!(decode(b""), Ok(Vec::new()));
        for bad in [&b"A"[..], b"AA", b"AB==", b"AA==\r", b"A A=", b"====", b"AA=A", b"\xff\xff\xff\xff"] {
            assert_eq!(decode(bad), Err(NotBase64), "{bad:?}");
        }
        assert_eq!(encode(b"\0ann\0pass"), "AGFubgBwYXNz");
    }
}
