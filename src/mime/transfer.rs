//! Takes Content-Transfer-Encodings off while octets stream by (RFC 2045 6.7 and 6.8).
//!
//! Owns the few octets that wait for their rest: at most [`BLANKS_MAX`]. Never fails: damage costs the damaged octets
//! only, as mail programs expect. Which part is decoded is for others to say.

/// White space that waits for the end of its line, where it would not count (RFC 2045 6.7 rule 3).
const BLANKS_MAX: usize = 128;

/// Decodes one part's content.
#[derive(Debug)]
pub struct TransferDecoder(Coding);

#[derive(Debug)]
enum Coding {
    Identity,
    Base64 { bits: u32, sextets: u8 },
    QuotedPrintable { state: Quoted, blanks: heapless::Vec<u8, BLANKS_MAX> },
}

/// Where in a quoted-printable line the decoder is.
#[derive(Clone, Copy, Debug)]
enum Quoted {
    Plain,
    /// After `=`.
    Equals,
    /// After `=` and a hexadecimal digit.
    Digit(u8),
    /// After `=` and white space, or a CR: a soft line break if the line ends here.
    Soft,
}

impl TransferDecoder {
    /// For a Content-Transfer-Encoding in any case. `None`: unknown, the content cannot be decoded.
    #[must_use]
    pub fn new(encoding: &[u8]) -> Option<Self> {
        let is = |name: &[u8]| encoding.eq_ignore_ascii_case(name);
        if is(b"base64") {
            Some(Self(Coding::Base64 { bits: 0, sextets: 0 }))
        } else if is(b"quoted-printable") {
            Some(Self(Coding::QuotedPrintable { state: Quoted::Plain, blanks: heapless::Vec::new() }))
        } else if encoding.is_empty() || is(b"7bit") || is(b"8bit") || is(b"binary") {
            Some(Self(Coding::Identity))
        } else {
            None
        }
    }

    /// Decodes the next octets and appends what they give: at most `input.len()` octets and [`BLANKS_MAX`] more.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        match &mut self.0 {
            Coding::Identity => out.extend_from_slice(input),
            Coding::Base64 { bits, sextets } => {
                for &octet in input {
                    base64(octet, bits, sextets, out);
                }
            }
            Coding::QuotedPrintable { state, blanks } => {
                for &octet in input {
                    *state = quoted(*state, octet, blanks, out);
                }
            }
        }
    }

    /// The content has ended: appends what still waits.
    pub fn finish(self, out: &mut Vec<u8>) {
        match self.0 {
            Coding::Identity => {}
            Coding::Base64 { bits, sextets } => flush(bits, sextets, out),
            // White space at the end of the last line does not count either.
            Coding::QuotedPrintable { state: Quoted::Plain | Quoted::Soft, .. } => {}
            Coding::QuotedPrintable { state: Quoted::Equals, .. } => {}
            Coding::QuotedPrintable { state: Quoted::Digit(digit), .. } => out.extend_from_slice(&[b'=', digit]),
        }
    }
}

fn base64(octet: u8, bits: &mut u32, sextets: &mut u8, out: &mut Vec<u8>) {
    let sextet = match octet {
        b'A'..=b'Z' => octet - b'A',
        b'a'..=b'z' => octet - b'a' + 26,
        b'0'..=b'9' => octet - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        b'=' => {
            // The end of one encoded run; some programs put several after each other.
            flush(*bits, *sextets, out);
            (*bits, *sextets) = (0, 0);
            return;
        }
        // RFC 2045 6.8: all other characters are to be ignored.
        _ => return,
    };
    *bits = (*bits << 6) | u32::from(sextet);
    *sextets += 1;
    if *sextets == 4 {
        let [_, first, second, third] = bits.to_be_bytes();
        out.extend_from_slice(&[first, second, third]);
        (*bits, *sextets) = (0, 0);
    }
}

/// What two or three sextets of an unfinished group hold.
fn flush(bits: u32, sextets: u8, out: &mut Vec<u8>) {
    match sextets {
        2 => out.extend((bits >> 4).to_be_bytes().last()),
        3 => {
            let [_, _, first, second] = (bits >> 2).to_be_bytes();
            out.extend_from_slice(&[first, second]);
        }
        _ => {}
    }
}

fn quoted(state: Quoted, octet: u8, blanks: &mut heapless::Vec<u8, BLANKS_MAX>, out: &mut Vec<u8>) -> Quoted {
    match (state, octet) {
        (Quoted::Plain, b'=') => {
            give(blanks, out);
            Quoted::Equals
        }
        (Quoted::Plain, b' ' | b'\t') => {
            if blanks.is_full() {
                give(blanks, out);
            }
            let _ = blanks.push(octet);
            Quoted::Plain
        }
        (Quoted::Plain, b'\r' | b'\n') => {
            blanks.clear();
            out.push(octet);
            Quoted::Plain
        }
        (Quoted::Plain, _) => {
            give(blanks, out);
            out.push(octet);
            Quoted::Plain
        }
        (Quoted::Equals, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => Quoted::Digit(octet),
        (Quoted::Equals | Quoted::Soft, b'\n') => Quoted::Plain,
        (Quoted::Equals | Quoted::Soft, b' ' | b'\t' | b'\r') => Quoted::Soft,
        // Damage: shown as it stands.
        (Quoted::Equals, _) => {
            out.push(b'=');
            quoted(Quoted::Plain, octet, blanks, out)
        }
        (Quoted::Soft, _) => quoted(Quoted::Plain, octet, blanks, out),
        (Quoted::Digit(high), _) => match (digit(high), digit(octet)) {
            (Some(high), Some(low)) => {
                out.push(high * 16 + low);
                Quoted::Plain
            }
            _ => {
                out.extend_from_slice(&[b'=', high]);
                quoted(Quoted::Plain, octet, blanks, out)
            }
        },
    }
}

fn give(blanks: &mut heapless::Vec<u8, BLANKS_MAX>, out: &mut Vec<u8>) {
    out.extend_from_slice(blanks);
    blanks.clear();
}

fn digit(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base64::Engine;
    use proptest::prelude::*;

    fn decode(encoding: &str, input: &[u8], piece: usize) -> Vec<u8> {
        let mut decoder = TransferDecoder::new(encoding.as_bytes()).unwrap();
        let mut out = Vec::new();
        for octets in input.chunks(piece.max(1)) {
            let before = out.len();
            decoder.push(octets, &mut out);
            assert!(out.len() - before <= octets.len() + BLANKS_MAX + 2);
        }
        decoder.finish(&mut out);
        out
    }

    fn check(encoding: &str, input: &[u8], expected: &[u8]) {
        for piece in 1..=input.len().max(1) {
            let got = decode(encoding, input, piece);
            assert_eq!(got, expected, "{:?} in pieces of {piece}", String::from_utf8_lossy(input));
        }
    }

    #[test]
    fn base64_of_all_kinds() {
        check("base64", b"SGVsbG8=", b"Hello");
        check("BASE64", b"SGVs\r\nbG8=\r\n", b"Hello");
        check("base64", b"SGVsbG8", b"Hello");
        check("base64", b"SG Vs!*bG8=", b"Hello");
        check("base64", b"SGVsbG8=SGVsbG8=", b"HelloHello");
        check("base64", b"SGVsbG8=!==\r\n*** !", b"Hello");
        check("base64", b"S", b"");
        check("base64", b"", b"");
    }

    #[test]
    fn quoted_printable_of_all_kinds() {
        check("quoted-printable", b"a=3Db=c3=A4", b"a=b\xc3\xa4");
        check("quoted-printable", b"soft=\r\nbreak=\nand=  \t\r\nblank", b"softbreakandblank");
        check("quoted-printable", b"trailing \t \r\nspace ", b"trailing\r\nspace");
        check("quoted-printable", b"bad =ZZ =4 =", b"bad =ZZ =4 ");
        check("quoted-printable", b"end=4", b"end=4");
        check("Quoted-Printable", b"a b  c", b"a b  c");
        check("quoted-printable", b"==41", b"=A");
    }

    #[test]
    fn a_long_run_of_blanks_is_not_held() {
        let input = [b" ".repeat(10_000), b"x".to_vec()].concat();
        assert_eq!(decode("quoted-printable", &input, 7).len(), 10_001);
    }

    #[test]
    fn other_encodings_are_identity_or_unknown() {
        for encoding in ["", "7bit", "8BIT", "binary"] {
            check(encoding, b"a=3D\r\n\0", b"a=3D\r\n\0");
        }
        assert!(TransferDecoder::new(b"x-uuencode").is_none());
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(octets in proptest::collection::vec(any::<u8>(), 0..200), piece in 1_usize..80) {
            let text = base64::engine::general_purpose::STANDARD.encode(&octets);
            prop_assert_eq!(decode("base64", text.as_bytes(), piece), octets.clone());
            let text: String = octets.iter().map(|octet| format!("={octet:02X}")).collect();
            prop_assert_eq!(decode("quoted-printable", text.as_bytes(), piece), octets);
        }

        #[test]
        fn pieces_make_no_difference(octets in proptest::collection::vec(
            proptest::sample::select(b"=A4z \t\r\n-\xff".to_vec()), 0..60), piece in 1_usize..8) {
            for encoding in ["base64", "quoted-printable"] {
                prop_assert_eq!(decode(encoding, &octets, piece), decode(encoding, &octets, octets.len()));
            }
        }
    }
}
