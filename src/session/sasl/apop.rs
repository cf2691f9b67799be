//! APOP, RFC 1939 7: POP3's own digest of a timestamp and the password. Legacy, like CRAM-MD5.

use super::cram_md5::read_hex;
use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq as _;

/// Is `digits` the MD5 of the greeting's timestamp, angle brackets included, and the password, in hexadecimal? Without
/// a password it is not, and that takes as long to find out.
#[must_use]
pub fn apop_matches(timestamp: &str, password: Option<&str>, digits: &[u8]) -> bool {
    let Some(given) = read_hex(digits) else { return false };
    let mut md5 = Md5::new();
    md5.update(timestamp.as_bytes());
    md5.update(password.unwrap_or("none").as_bytes());
    let same = md5.finalize().as_slice().ct_eq(&given);
    bool::from(same) && password.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfc_example_matches() {
        let timestamp = "<1896.697170952@dbc.mtview.ca.us>";
        let digest = b"c4c9334bac560ecc979e58001b3e22fb";
        assert!(apop_matches(timestamp, Some("tanstaaf"), digest));
        assert!(apop_matches(timestamp, Some("tanstaaf"), &digest.to_ascii_uppercase()));
        assert!(!apop_matches(timestamp, Some("tanstaag"), digest));
        assert!(!apop_matches(timestamp, None, digest));
        for bad in [&b""[..], b"c4", b"c4c9334bac560ecc979e58001b3e22fbff", b"+4c9334bac560ecc979e58001b3e22fb"] {
            assert!(!apop_matches(timestamp, Some("tanstaaf"), bad));
        }
    }
}
