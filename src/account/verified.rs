//! Remembers for a short while which passwords were right, so that a client that connects every few seconds does not
//! cost an argon2 hash each time.
//!
//! An entry is a keyed digest of owner, kept hash and password, under a key that lives only in this process; no
//! password can be read from it. Because the kept hash goes into it, setting a password makes earlier entries
//! useless at once. At most [`VERIFIED_MAX`] entries; the oldest makes room. The time comes as an argument.

use super::{Account, Credential};
use crate::limits::{VERIFIED_MAX, VERIFIED_TIMEOUT};
use ring::hmac;
use ring::rand::SystemRandom;
use std::collections::VecDeque;
use std::time::Instant;
use subtle::ConstantTimeEq as _;

/// Names one account with one password.
#[derive(Clone, Copy)]
pub struct Tag([u8; 32]);

/// Passwords that were right a short while ago.
#[derive(Default)]
pub struct Verified {
    key: Option<hmac::Key>,
    /// Oldest first, because all entries live equally long.
    entries: VecDeque<(Tag, Instant)>,
    max: usize,
}

impl Verified {
    /// Remembers nothing yet. Without random octets it never will.
    #[must_use]
    pub fn new() -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok();
        Self { key, entries: VecDeque::new(), max: VERIFIED_MAX }
    }

    /// The tag of a password that somebody gives for an account. `None`: nothing can be remembered.
    #[must_use]
    pub fn tag(&self, account: &Account, credential: &Credential, password: &[u8]) -> Option<Tag> {
        let mut context = hmac::Context::with_key(self.key.as_ref()?);
        // Two parts of fixed width and one that is last: no two inputs run into each other.
        context.update(&account.owner.0.to_be_bytes());
        context.update(credential.fingerprint());
        context.update(password);
        context.sign().as_ref().try_into().ok().map(Tag)
    }

    /// Was this password right a short while ago?
    #[must_use]
    pub fn contains(&self, tag: &Tag, now: Instant) -> bool {
        self.entries.iter().any(|(known, since)| is_fresh(*since, now) && bool::from(known.0.ct_eq(&tag.0)))
    }

    /// Remembers that this password was right.
    pub fn insert(&mut self, tag: Tag, now: Instant) {
        self.entries.retain(|(known, since)| is_fresh(*since, now) && known.0 != tag.0);
        if self.entries.len() >= self.max {
            self.entries.pop_front();
        }
        self.entries.push_back((tag, now));
    }
}

fn is_fresh(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < VERIFIED_TIMEOUT
}

impl core::fmt::Debug for Verified {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Verified").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::account::Hasher;
    use crate::store::Owner;

    fn account(owner: u32) -> Account {
        Account { owner: Owner(owner), address: format!("user{owner}@x.y"), quota: None, administrator: false }
    }

    fn credential() -> Credential {
        Credential::derive("secret", &Hasher::default(), 1, false).unwrap()
    }

    #[test]
    fn only_the_same_password_of_the_same_account_is_remembered() {
        let (mut verified, now, kept) = (Verified::new(), Instant::now(), credential());
        let tag = |verified: &Verified, owner, password: &[u8]| verified.tag(&account(owner), &kept, password).unwrap();
        let right = tag(&verified, 1, b"secret");
        verified.insert(right, now);
        assert!(verified.contains(&tag(&verified, 1, b"secret"), now));
        assert!(!verified.contains(&tag(&verified, 1, b"Secret"), now));
        assert!(!verified.contains(&tag(&verified, 2, b"secret"), now));
        let changed = credential();
        assert!(
            !verified.contains(&verified.tag(&account(1), &changed, b"secret").unwrap(), now),
            "password was set anew"
        );
        assert!(!verified.contains(&right, now + VERIFIED_TIMEOUT), "a short while only");
    }

    #[test]
    fn the_oldest_makes_room() {
        let (mut verified, now, kept) = (Verified::new(), Instant::now(), credential());
        verified.max = 3;
        let tags: Vec<Tag> = (0..5).map(|owner| verified.tag(&account(owner), &kept, b"secret").unwrap()).collect();
        for tag in &tags {
            verified.insert(*tag, now);
        }
        let kept: Vec<bool> = tags.iter().map(|tag| verified.contains(tag, now)).collect();
        assert_eq!(kept, [false, false, true, true, true]);
    }
}
