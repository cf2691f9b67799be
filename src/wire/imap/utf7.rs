//! Modified UTF-7 of mailbox names (RFC 3501 5.1.3).
//!
//! Printable ASCII stands for itself, `&-` for `&`, and `&...-` holds UTF-16 in base64 with `,` for `/` and without
//! padding. Only the one canonical form decodes, so that decoding and encoding are each other's inverse and a mailbox
//! has one name on the wire. Of a text without controls, the form on the wire is at most three times as long.

/// Why octets are not modified UTF-7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// RFC 3501 5.1.3: base64's alphabet with a comma for the solidus.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~')
}

/// UTF-8 to modified UTF-7.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut shifted = Shifted::default();
    for c in text.chars() {
        if is_printable(c) {
            shifted.end(&mut out);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                shifted.push(*unit, &mut out);
            }
        }
    }
    shifted.end(&mut out);
    out
}

/// Bits of a run in base64 that do not fill a character yet.
#[derive(Default)]
struct Shifted {
    open: bool,
    bits: u32,
    count: u32,
}

impl Shifted {
    fn push(&mut self, unit: u16, out: &mut String) {
        if !self.open {
            self.open = true;
            out.push('&');
        }
        // At most 4 bits wait here, so 20 bits fit.
        self.bits = self.bits << 16 | u32::from(unit);
        self.count += 16;
        while self.count >= 6 {
            self.count -= 6;
            out.push(sextet(self.bits >> self.count));
        }
        self.bits &= (1 << self.count) - 1;
    }

    fn end(&mut self, out: &mut String) {
        if self.open {
            if self.count > 0 {
                out.push(sextet(self.bits << (6 - self.count)));
            }
            out.push('-');
        }
        *self = Self::default();
    }
}

fn sextet(bits: u32) -> char {
    let index = usize::try_from(bits & 63).unwrap_or(0);
    ALPHABET.get(index).map_or('A', |&b| char::from(b))
}

fn value(octet: u8) -> Option<u32> {
    let value = match octet {
        b'A'..=b'Z' => octet - b'A',
        b'a'..=b'z' => octet - b'a' + 26,
        b'0'..=b'9' => octet - b'0' + 52,
        b'+' => 62,
        b',' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// Modified UTF-7 to UTF-8.
///
/// # Errors
/// [`Broken`] for octets beyond printable ASCII, unpaired surrogates, and every form but the canonical one.
pub fn decode(octets: &[u8]) -> Result<String, Broken> {
    let mut out = String::with_capacity(octets.len());
    let mut rest = octets.iter().copied();
    // RFC 3501 5.1.3: `&U,BTFw-&ZeVnLIqe-` has a superfluous shift.
    let mut after_run = false;
    while let Some(octet) = rest.next() {
        match octet {
            b'&' => {
                let run = run(&mut rest, &mut out)?;
                if run && after_run {
                    return Err(Broken);
                }
                after_run = run;
            }
            b' '..=b'~' => {
                out.push(char::from(octet));
                after_run = false;
            }
            _ => return Err(Broken),
        }
    }
    Ok(out)
}

/// Reads behind an `&` up to the `-`. Was it a run of base64, not `&-`?
fn run(rest: &mut impl Iterator<Item = u8>, out: &mut String) -> Result<bool, Broken> {
    let (mut bits, mut count) = (0_u32, 0_u32);
    let mut high = None;
    let mut empty = true;
    loop {
        let octet = rest.next().ok_or(Broken)?;
        if octet == b'-' {
            if empty {
                out.push('&');
                return Ok(false);
            }
            // What is left are fill bits: fewer than a character, all zero; and no half of a pair.
            return if count < 6 && bits == 0 && high.is_none() { Ok(true) } else { Err(Broken) };
        }
        empty = false;
        bits = bits << 6 | value(octet).ok_or(Broken)?;
        count += 6;
        if count < 16 {
            continue;
        }
        count -= 16;
        let unit = u16::try_from(bits >> count).map_err(|_| Broken)?;
        bits &= (1 << count) - 1;
        let c = match (high.take(), unit) {
            (None, 0xd800..=0xdbff) => {
                high = Some(unit);
                continue;
            }
            (Some(high), 0xdc00..=0xdfff) => char::decode_utf16([high, unit]).next().and_then(Result::ok),
            (Some(_), _) => None,
            (None, unit) => char::from_u32(u32::from(unit)),
        };
        match c {
            // RFC 3501 5.1.3: base64 must not be used for what can represent itself.
            Some(c) if !is_printable(c) => out.push(c),
            _ => return Err(Broken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_rfc_examples_hold() {
        for (wire, text) in [
            ("~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
            ("&Jjo-!", "☺!"),
            ("&U,BTF2XlZyyKng-", "台北日本語"),
            ("A&-B", "A&B"),
            ("Entw&APw-rfe", "Entwürfe"),
            ("&2D3eAA-", "😀"),
            ("", ""),
        ] {
            assert_eq!(decode(wire.as_bytes()).as_deref(), Ok(text), "{wire}");
            assert_eq!(encode(text), wire);
        }
    }

    #[test]
    fn every_other_form_is_broken() {
        for wire in [
            "&Jjo!",              // not ended
            "&",                  //
            "a&",                 //
            "&U,BTFw-&ZeVnLIqe-", // superfluous shift
            "&AGE-",              // `a` can represent itself
            "&ACY-",              // so does `&`, as `&-`
            "&Jj-",               // half a character
            "&JjoA-",             // a whole superfluous character of fill
            "&Jjp-",              // fill bits that are not zero
            "&2D0-",              // half of a surrogate pair
            "&3gA-",              // the other half
            "&2D3YPQ-",           // two first halves
            "&Jj/-",              // base64's own alphabet
            "&Jj=-",              //
            "ü",                  //
            "a\u{7f}",            //
            "a\0b",               //
            "a\r\nb",             //
        ] {
            assert_eq!(decode(wire.as_bytes()), Err(Broken), "{wire:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_survives(text in any::<String>()) {
            let wire = encode(&text);
            prop_assert!(wire.bytes().all(|b| (b' '..=b'~').contains(&b)));
            prop_assert!(wire.len() <= 3 * text.len() || text.contains(|c: char| c.is_ascii_control()));
            prop_assert_eq!(decode(wire.as_bytes()), Ok(text));
        }

        #[test]
        fn what_decodes_is_canonical(wire in "[ -~]{0,12}|(&[A-Za-z0-9+,]{0,9}-?[a-c&]?){0,4}") {
            if let Ok(text) = decode(wire.as_bytes()) {
                prop_assert_eq!(encode(&text), wire);
            }
        }

        #[test]
        fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&octets);
        }
    }
}
