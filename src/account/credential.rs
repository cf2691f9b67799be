//! What is kept instead of a password, and how a password is compared with it.
//!
//! Three things are derived when a password is set: an argon2id hash (for PLAIN, LOGIN, IMAP LOGIN, POP3 PASS), the keys
//! of SCRAM-SHA-256 (RFC 5802 3), and, only while legacy logins are switched on, the password itself, because APOP
//! (RFC 1939 7) and CRAM-MD5 (RFC 2195) cannot be answered without it. A credential made with that switch off has no
//! password in it, and the legacy mechanisms fail for its account until the password is set again. Comparisons take
//! the same time wherever two values differ.

use super::hasher::{Cost, HASH_OCTETS, HashError, Hasher, SALT_OCTETS};
use super::password;
use core::num::NonZeroU32;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

/// RFC 5802 3: what a server keeps for SCRAM-SHA-256.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScramKeys {
    /// Iterations of PBKDF2.
    pub iterations: u32,
    /// Its salt.
    pub salt: [u8; SALT_OCTETS],
    /// `H(ClientKey)`.
    pub stored_key: [u8; 32],
    /// Signs what the server says last.
    pub server_key: [u8; 32],
}

/// An account's credential, as the directory keeps it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    cost: Cost,
    salt: [u8; SALT_OCTETS],
    hash: [u8; HASH_OCTETS],
    scram: ScramKeys,
    legacy: Option<String>,
}

impl Credential {
    /// Derives all that is kept from a prepared password.
    ///
    /// # Errors
    /// [`HashError`] if there are no random octets or no memory.
    pub fn derive(password: &str, hasher: &Hasher, iterations: u32, legacy: bool) -> Result<Self, HashError> {
        let salt = random()?;
        let cost = Cost::PRESENT;
        Ok(Self {
            cost,
            salt,
            hash: hasher.hash(password, &salt, cost)?,
            scram: ScramKeys::derive(password, random()?, iterations),
            legacy: legacy.then(|| password.to_owned()),
        })
    }

    /// What a stranger meets in the place of an account that does not exist: the same for a name each time, as costly
    /// as a real one, and fulfilled by no password.
    #[must_use]
    pub fn decoy(secret: &[u8; 32], login: &str, iterations: u32) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let part = |what: &str| {
            let mut context = hmac::Context::with_key(&key);
            context.update(what.as_bytes());
            context.update(&[0]);
            context.update(login.as_bytes());
            octets::<32>(context.sign().as_ref())
        };
        Self {
            cost: Cost::PRESENT,
            salt: octets(&part("salt")),
            hash: part("hash"),
            scram: ScramKeys {
                iterations,
                salt: octets(&part("scram salt")),
                stored_key: part("stored key"),
                server_key: part("server key"),
            },
            legacy: None,
        }
    }

    /// Is this the password? Octets that cannot be a password are not.
    ///
    /// # Errors
    /// [`HashError`] if there is no memory to find out.
    pub fn verify(&self, password: &[u8], hasher: &Hasher) -> Result<bool, HashError> {
        let Ok(password) = password::prepare(password) else { return Ok(false) };
        let hash = hasher.hash(&password, &self.salt, self.cost)?;
        Ok(hash.ct_eq(&self.hash).into())
    }

    /// The keys of SCRAM-SHA-256.
    #[must_use]
    pub fn scram(&self) -> &ScramKeys {
        &self.scram
    }

    /// The password for APOP and CRAM-MD5, if it was set while legacy logins were on.
    #[must_use]
    pub fn legacy(&self) -> Option<&str> {
        self.legacy.as_deref()
    }

    /// Changes whenever the password is set.
    #[must_use]
    pub fn fingerprint(&self) -> &[u8; HASH_OCTETS] {
        &self.hash
    }
}

impl ScramKeys {
    /// RFC 5802 3 with SHA-256 (RFC 7677). Fewer iterations than one are one.
    #[must_use]
    pub fn derive(password: &str, salt: [u8; SALT_OCTETS], iterations: u32) -> Self {
        let rounds = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &mut salted);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
        let client_key = hmac::sign(&key, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let server_key = hmac::sign(&key, b"Server Key");
        Self {
            iterations: rounds.get(),
            salt,
            stored_key: octets(stored_key.as_ref()),
            server_key: octets(server_key.as_ref()),
        }
    }
}

/// Secrets are not for logs.
impl core::fmt::Debug for Credential {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Credential").field("cost", &self.cost).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ScramKeys").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// Octets from the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], HashError> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(|_| HashError::NoRandomness)?;
    Ok(octets)
}

/// The first `N` octets of a digest of at least as many.
fn octets<const N: usize>(digest: &[u8]) -> [u8; N] {
    let mut octets = [0; N];
    for (to, from) in octets.iter_mut().zip(digest) {
        *to = *from;
    }
    octets
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::account::record;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    fn credential(password: &str, legacy: bool) -> Credential {
        Credential::derive(password, &Hasher::default(), 4096, legacy).unwrap()
    }

    #[test]
    fn only_the_password_verifies() {
        let hasher = Hasher::default();
        let kept = credential("correct horse", false);
        assert!(kept.verify(b"correct horse", &hasher).unwrap());
        assert!(kept.verify("correct\u{a0}horse".as_bytes(), &hasher).unwrap(), "spaces are prepared alike");
        for wrong in [&b"Correct horse"[..], b"correct horse ", b"", b"\xff", &[b'a'; 300]] {
            assert!(!kept.verify(wrong, &hasher).unwrap());
        }
        assert_eq!(kept.legacy(), None, "the password is not kept");
        assert_ne!(kept.fingerprint(), credential("correct horse", false).fingerprint());
    }

    #[test]
    fn the_password_is_kept_only_for_legacy_logins() {
        assert_eq!(credential("secret", true).legacy(), Some("secret"));
        let octets = record::encode(&credential("secret", false)).unwrap();
        assert!(!octets.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn credentials_fit_the_directory() {
        let longest = credential(&"x".repeat(crate::limits::PASSWORD_OCTETS_MAX), true);
        let octets = record::encode(&longest).unwrap();
        assert_eq!(record::decode::<Credential>("credential", &octets).unwrap(), longest);
    }

    #[test]
    fn the_keys_are_those_of_rfc_7677() {
        // RFC 7677 3: user "user", password "pencil".
        let salt: [u8; 16] = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
        let keys = ScramKeys::derive("pencil", salt, 4096);
        // Keys as other implementations compute them for this example.
        assert_eq!(STANDARD.encode(keys.stored_key), "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
        assert_eq!(STANDARD.encode(keys.server_key), "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
    }

    #[test]
    fn decoys_are_steady_and_hopeless() {
        let hasher = Hasher::default();
        let decoy = Credential::decoy(&[7; 32], "nobody@example.org", 4096);
        assert_eq!(decoy, Credential::decoy(&[7; 32], "nobody@example.org", 4096));
        assert_ne!(decoy.scram().salt, Credential::decoy(&[7; 32], "other@example.org", 4096).scram().salt);
        assert_ne!(decoy.scram().salt, Credential::decoy(&[8; 32], "nobody@example.org", 4096).scram().salt);
        assert!(!decoy.verify(b"secret", &hasher).unwrap());
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let text = format!("{:?}", credential("secret", true));
        assert!(!text.contains("secret"), "{text}");
    }
}
