//! CRAM-MD5, RFC 2195: the client signs a challenge with the password, which the server must therefore keep. Legacy.

use super::{Context, Failure, Step, read_user};
use core::fmt::Write as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use subtle::ConstantTimeEq as _;

/// Waits for the answer to its challenge.
#[derive(Debug)]
pub struct CramMd5 {
    challenge: Vec<u8>,
}

/// What the client says that the password makes of the challenge.
#[derive(Debug)]
pub struct Digest {
    challenge: Vec<u8>,
    digest: [u8; 16],
}

impl CramMd5 {
    /// RFC 2195 2: the challenge looks like a message identifier and never comes twice.
    pub(super) fn new(context: &Context<'_>) -> (Self, Vec<u8>) {
        let mut random = String::new();
        for octet in context.nonce {
            // Writing to a text does not fail.
            let _ = write!(random, "{octet:02x}");
        }
        let challenge = format!("<{random}.{}@{}>", context.unix, context.host).into_bytes();
        (Self { challenge: challenge.clone() }, challenge)
    }

    /// RFC 2195 2: the name, a space, and 32 hexadecimal digits.
    pub(super) fn handle(self, response: &[u8]) -> Step {
        let space = response.iter().rposition(|octet| *octet == b' ');
        let parts = space.and_then(|at| Some((response.get(..at)?, response.get(at.checked_add(1)?..)?)));
        let Some((user, digest)) = parts else {
            return Step::Failed(Failure::Malformed("CRAM-MD5 is a name, a space and a digest"));
        };
        match (read_user(user), read_hex(digest)) {
            (Ok(user), Some(digest)) => {
                Step::CheckDigest { user, digest: Digest { challenge: self.challenge, digest } }
            }
            (Err(failure), _) => Step::Failed(failure),
            (Ok(_), None) => Step::Failed(Failure::Malformed("the digest is not 32 hexadecimal digits")),
        }
    }
}

impl Digest {
    #[cfg(test)]
    pub(super) fn example(challenge: &str, digits: &[u8]) -> Self {
        Self { challenge: challenge.as_bytes().to_vec(), digest: read_hex(digits).unwrap_or_default() }
    }

    /// Was it made with this password? Without one it was not, and that takes as long to find out.
    #[must_use]
    pub fn matches(&self, password: Option<&str>) -> bool {
        // HMAC takes keys of any length.
        let Ok(mut hmac) = Hmac::<Md5>::new_from_slice(password.unwrap_or("none").as_bytes()) else { return false };
        hmac.update(&self.challenge);
        let same = hmac.finalize().into_bytes().as_slice().ct_eq(&self.digest);
        bool::from(same) && password.is_some()
    }
}

/// 16 octets in hexadecimal, in either case.
pub(super) fn read_hex(digits: &[u8]) -> Option<[u8; 16]> {
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let octet = |pair: &[u8; 2]| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(octet).collect::<Option<Vec<u8>>>()?.try_into().ok()
}
