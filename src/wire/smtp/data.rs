//! Message data on its way in: dots taken off (RFC 5321 4.5.2), line ends checked, in pieces of any size.
//!
//! Nothing is held: a piece names a run of the input that belongs to the message. What must not be in a message is
//! remembered as a [`Fault`] and reading goes on to the true end, `CRLF "." CRLF` and nothing else, so that no part of a
//! message is ever taken for a command (SMTP smuggling).

/// What may not stand in a message of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// RFC 5321 2.3.8: a CR that no LF follows.
    BareCr,
    /// RFC 5321 2.3.8: an LF that no CR precedes.
    BareLf,
    /// RFC 6152 2 and RFC 2045 2.8: NUL.
    Nul,
}

/// A run of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Octets of the input that are done with.
    pub consumed: usize,
    /// Octets of the message among them.
    pub octets: &'a [u8],
    /// Was the end of the message among them? What follows `consumed` is the next command.
    pub end: bool,
}

/// Where the decoder stands, by what it saw last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    LineStart,
    Text,
    Cr,
    /// A dot at the start of a line, not passed on.
    Dot,
    /// A CR behind such a dot, not passed on.
    DotCr,
    End,
}

/// Takes the dots off the data behind DATA.
#[derive(Clone, Debug)]
pub struct DataDecoder {
    at: At,
    fault: Option<Fault>,
}

impl Default for DataDecoder {
    fn default() -> Self {
        Self { at: At::LineStart, fault: None }
    }
}

impl DataDecoder {
    /// At the beginning of a message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The first thing that may not be in a message, if there was one.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Reads on. Unless it tells the end, call again with what it did not consume and what came after that.
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Piece<'a> {
        let mut start = 0usize;
        let mut position = 0usize;
        let run = |start: usize, end: usize| input.get(start..end).unwrap_or_default();
        while let Some(rest) = input.get(position..) {
            let Some(octet) = rest.first().copied() else { break };
            match (self.at, octet) {
                (At::End, _) => break,
                (At::LineStart, b'.') => {
                    // RFC 5321 4.5.2: the dot itself never belongs to the message.
                    self.at = At::Dot;
                    if position > start {
                        return Piece { consumed: position + 1, octets: run(start, position), end: false };
                    }
                    position += 1;
                    start = position;
                }
                (At::Dot, b'\r') => {
                    self.at = At::DotCr;
                    position += 1;
                    start = position;
                }
                (At::DotCr, b'\n') => {
                    self.at = At::End;
                    return Piece { consumed: position + 1, octets: &[], end: true };
                }
                (At::DotCr, _) => {
                    self.note(Fault::BareCr);
                    self.at = At::Text;
                }
                (At::Cr, b'\n') => {
                    self.at = At::LineStart;
                    position += 1;
                }
                (At::Cr, _) => {
                    self.note(Fault::BareCr);
                    self.at = At::Text;
                }
                (At::LineStart | At::Dot | At::Text, _) => {
                    self.at = At::Text;
                    let Some(found) = memchr::memchr3(b'\r', b'\n', 0, rest) else {
                        position = input.len();
                        break;
                    };
                    match rest.get(found) {
                        Some(b'\r') => self.at = At::Cr,
                        // A bare LF ends no line, so a dot behind it is text.
                        Some(b'\n') => self.note(Fault::BareLf),
                        _ => self.note(Fault::Nul),
                    }
                    position += found + 1;
                }
            }
        }
        Piece { consumed: position, octets: run(start, position), end: self.at == At::End }
    }

    fn note(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }
}

/// Looks for faults in chunks of BDAT, which carry no dots (RFC 3030 2) but must be lines all the same unless the
/// client said BINARYMIME.
#[derive(Clone, Debug, Default)]
pub struct LineCheck {
    after_cr: bool,
    fault: Option<Fault>,
}

impl LineCheck {
    /// Looks at more octets.
    pub fn feed(&mut self, octets: &[u8]) {
        let mut position = 0usize;
        while let Some(rest) = octets.get(position..).filter(|rest| !rest.is_empty() && self.fault.is_none()) {
            if core::mem::take(&mut self.after_cr) {
                if rest.first() == Some(&b'\n') {
                    position += 1;
                } else {
                    self.fault = Some(Fault::BareCr);
                }
                continue;
            }
            let Some(found) = memchr::memchr3(b'\r', b'\n', 0, rest) else { return };
            match rest.get(found) {
                Some(b'\r') => self.after_cr = true,
                Some(b'\n') => self.fault = Some(Fault::BareLf),
                _ => self.fault = Some(Fault::Nul),
            }
            position += found + 1;
        }
    }

    /// The first fault up to here; at the message's end a CR that still waits for its LF is one.
    #[must_use]
    pub fn fault(&self, at_end: bool) -> Option<Fault> {
        self.fault.or((at_end && self.after_cr).then_some(Fault::BareCr))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    /// The message, its fault and what was left behind its end, with the input cut at the given places.
    fn decode(input: &[u8], cuts: &[usize]) -> Option<(Vec<u8>, Option<Fault>, Vec<u8>)> {
        let mut decoder = DataDecoder::new();
        let mut message = Vec::new();
        let mut ends: Vec<usize> = cuts.iter().copied().filter(|cut| *cut < input.len()).collect();
        ends.push(input.len());
        ends.sort_unstable();
        let mut from = 0;
        for end in ends {
            while from < end {
                let piece = decoder.next(&input[from..end]);
                message.extend_from_slice(piece.octets);
                from += piece.consumed;
                if piece.end {
                    return Some((message, decoder.fault(), input[from..].to_vec()));
                }
                assert!(piece.consumed > 0);
            }
        }
        None
    }

    /// The same by looking at all of it at once.
    fn plainly(input: &[u8]) -> Option<(Vec<u8>, bool, Vec<u8>)> {
        let mut whole = b"\r\n".to_vec();
        whole.extend_from_slice(input);
        let end = memchr::memmem::find(&whole, b"\r\n.\r\n")?;
        let lines = &whole[2..(end + 2).max(2)];
        let mut message = Vec::new();
        for (index, octet) in lines.iter().enumerate() {
            if *octet == b'.' && (index == 0 || lines[..index].ends_with(b"\r\n")) {
                continue;
            }
            message.push(*octet);
        }
        let faulty = (0..lines.len()).any(|index| match lines[index] {
            b'\r' => lines.get(index + 1) != Some(&b'\n'),
            b'\n' => index == 0 || lines[index - 1] != b'\r',
            octet => octet == 0,
        });
        Some((message, faulty, whole[end + 5..].to_vec()))
    }

    /// RFC 5321 4.5.2, the sender's side.
    fn stuffed(message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in message.split_inclusive(|octet| *octet == b'\n') {
            if line.starts_with(b".") {
                out.push(b'.');
            }
            out.extend_from_slice(line);
        }
        out.extend_from_slice(b".\r\n");
        out
    }

    #[test]
    fn only_the_true_end_ends_a_message() {
        // The ways in which servers have been led to see an end, or clients' relays not to see one.
        for smuggled in [
            "\n.\n",
            "\r.\r",
            "\n.\r\n",
            "\r.\r\n",
            "\r\n.\n",
            "\r\n.\r",
            "\n.\r",
            "\r\n\0.\r\n",
            "\r\n.\0\r\n",
            "\r\n..\n",
            "\r\n.\r\0\n",
            "\n\n.\r\n",
            "\r\r.\r\n",
            "\r\n.\r\r\n",
        ] {
            let input = format!("text{smuggled}MAIL FROM:<a@b.c>\r\n.\r\nQUIT\r\n");
            let (message, fault, rest) = decode(input.as_bytes(), &[]).unwrap();
            assert!(fault.is_some(), "{smuggled:?}");
            assert_eq!(rest, b"QUIT\r\n", "{smuggled:?}");
            assert!(message.ends_with(b"MAIL FROM:<a@b.c>\r\n"), "{smuggled:?}");
        }
    }

    #[test]
    fn dots_come_off() {
        let whole = |input: &str| decode(input.as_bytes(), &[]).unwrap();
        assert_eq!(whole(".\r\n"), (vec![], None, vec![]));
        assert_eq!(whole("..\r\n.\r\n"), (b".\r\n".to_vec(), None, vec![]));
        assert_eq!(whole("a\r\n.b\r\n...\r\n\r\n.\r\nx"), (b"a\r\nb\r\n..\r\n\r\n".to_vec(), None, b"x".to_vec()));
        assert_eq!(whole("a\r\r\n.\r\n"), (b"a\r\r\n".to_vec(), Some(Fault::BareCr), vec![]));
    }

    fn octets() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(proptest::sample::select(b"\r\n.a\0".to_vec()), 0..40)
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_read_the_same(mut input in octets(), cuts in proptest::collection::vec(0usize..48, 0..6)) {
            input.extend_from_slice(b"\r\n.\r\nNOOP");
            let (message, fault, rest) = decode(&input, &cuts).unwrap();
            let (plain, faulty, behind) = plainly(&input).unwrap();
            prop_assert_eq!(rest, behind);
            prop_assert_eq!(fault.is_some(), faulty);
            if !faulty {
                prop_assert_eq!(message, plain);
            }
        }

        #[test]
        fn what_was_stuffed_comes_back(lines in proptest::collection::vec("[.a-c]{0,4}", 0..8)) {
            let message: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let input = stuffed(message.as_bytes());
            for cut in 0..input.len() {
                let read = decode(&input, &[cut]).unwrap();
                prop_assert_eq!(read, (message.clone().into_bytes(), None, vec![]));
            }
        }

        #[test]
        fn chunks_have_the_faults_of_lines(input in octets(), cut in 0usize..40) {
            let mut check = LineCheck::default();
            let (one, two) = input.split_at(cut.min(input.len()));
            check.feed(one);
            check.feed(two);
            let faulty = (0..input.len()).any(|index| match input[index] {
                b'\r' => input.get(index + 1) != Some(&b'\n'),
                b'\n' => index == 0 || input[index - 1] != b'\r',
                octet => octet == 0,
            });
            prop_assert_eq!(check.fault(true).is_some(), faulty);
        }
    }
}
