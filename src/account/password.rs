//! Passwords as people type them: normalised before use, and generated where nobody gave one.
//!
//! A password is a UTF-8 text. It is prepared as RFC 8265's OpaqueString: spaces beyond ASCII become a space, then
//! Unicode NFC; control characters, an empty text and more than [`PASSWORD_OCTETS_MAX`] octets are refused. Case and
//! width are kept. (SASLprep, RFC 4013, maps a few compatibility characters further; a SCRAM client that uses it agrees
//! with this for all passwords without such characters.)

use crate::limits::PASSWORD_OCTETS_MAX;
use ring::rand::{SecureRandom, SystemRandom};
use unicode_normalization::UnicodeNormalization as _;

/// Letters and digits without look-alikes (`i l o 0 1`): 31 characters, just under 5 bits each.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
const GROUPS: usize = 4;
const GROUP_CHARACTERS: usize = 5;

/// Prepares a password, RFC 8265 4.2.2.
///
/// # Errors
/// Why it cannot be one, in words for a person.
pub fn prepare(password: &[u8]) -> Result<String, &'static str> {
    if password.len() > PASSWORD_OCTETS_MAX {
        return Err("the password is too long: 256 octets are the limit");
    }
    let text = core::str::from_utf8(password).map_err(|_| "the password is not UTF-8")?;
    if text.chars().any(char::is_control) {
        return Err("the password holds a control character");
    }
    // RFC 8265 4.2.2 step 2: every other space becomes U+0020. What is white space and no control is category Zs,
    // but for the line and paragraph separators, which nobody types.
    let prepared: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).nfc().collect();
    if prepared.is_empty() {
        return Err("the password is empty");
    }
    if prepared.len() > PASSWORD_OCTETS_MAX {
        return Err("the password is too long: 256 octets are the limit");
    }
    Ok(prepared)
}

/// A random password that can be read out and typed: four groups of five characters, 99 bits. `None` if the operating
/// system gives no random octets.
#[must_use]
pub fn generate() -> Option<String> {
    let random = SystemRandom::new();
    let mut password = String::with_capacity(GROUPS * (GROUP_CHARACTERS + 1));
    let mut characters = 0;
    let mut octets = [0u8; 64];
    while characters < GROUPS * GROUP_CHARACTERS {
        random.fill(&mut octets).ok()?;
        for octet in octets {
            // Five bits name one of 32; the one without a character is drawn again, so that all are equally likely.
            let Some(&character) = ALPHABET.get(usize::from(octet & 31)) else { continue };
            if characters == GROUPS * GROUP_CHARACTERS {
                break;
            }
            if characters > 0 && characters % GROUP_CHARACTERS == 0 {
                password.push('-');
            }
            password.push(char::from(character));
            characters += 1;
        }
    }
    Some(password)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn generated_passwords_are_readable_and_differ() {
        let one = generate().unwrap();
        assert_eq!(one.len(), 23);
        assert!(one.split('-').all(|group| group.len() == 5 && group.bytes().all(|b| ALPHABET.contains(&b))), "{one}");
        assert_ne!(one, generate().unwrap());
        assert_eq!(prepare(one.as_bytes()).unwrap(), one);
    }

    #[test]
    fn passwords_are_prepared_as_rfc_8265_says() {
        assert_eq!(prepare("correct horse battery staple".as_bytes()).unwrap(), "correct horse battery staple");
        assert_eq!(prepare("Correct Horse".as_bytes()).unwrap(), "Correct Horse");
        assert_eq!(prepare("πßå".as_bytes()).unwrap(), "πßå");
        assert_eq!(prepare("Jack of ♦s".as_bytes()).unwrap(), "Jack of ♦s");
        assert_eq!(prepare("foo\u{1680}bar".as_bytes()).unwrap(), "foo bar");
        assert_eq!(prepare("a\u{308}".as_bytes()).unwrap(), "ä");
        for bad in [&b""[..], b"my cat is a \x09by", b"a\x00b", b"\xff", &[b'x'; PASSWORD_OCTETS_MAX + 1]] {
            assert!(prepare(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn preparing_twice_is_preparing_once(password in ".{0,80}") {
            if let Ok(once) = prepare(password.as_bytes()) {
                prop_assert_eq!(prepare(once.as_bytes()), Ok(once));
            }
        }
    }
}
