//! Where encoders write: a caller's slice that may become full.

use core::fmt;
use embedded_io::{ErrorKind, ErrorType, Write};

/// The slice is full. An ordinary answer: send what is in it and go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the output is full")
    }
}

impl core::error::Error for Full {}

impl embedded_io::Error for Full {
    fn kind(&self) -> ErrorKind {
        ErrorKind::OutOfMemory
    }
}

/// A place in an [`Out`] to roll back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    used: usize,
    skip: u64,
}

/// Writes into a slice from its beginning.
#[derive(Debug)]
pub struct Out<'a> {
    room: &'a mut [u8],
    used: usize,
    /// Octets that are still dropped before any is kept.
    skip: u64,
}

impl<'a> Out<'a> {
    /// An empty output.
    #[must_use]
    pub fn new(room: &'a mut [u8]) -> Self {
        Self { room, used: 0, skip: 0 }
    }

    /// An output that drops the first `skip` octets written to it and then keeps what fits. With it, one value that is
    /// larger than the slice is sent in pieces: write it with `skip` 0; while that gives [`Full`], send the octets, add
    /// their number to `skip` and write it again.
    #[must_use]
    pub fn window(room: &'a mut [u8], skip: u64) -> Self {
        Self { room, used: 0, skip }
    }

    /// What has been written.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.room.get(..self.used).unwrap_or_default()
    }

    /// How much has been written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.used
    }

    /// Has nothing been written?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// How much still fits.
    #[must_use]
    pub fn left(&self) -> usize {
        self.room.len().saturating_sub(self.used)
    }

    /// This place.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { used: self.used, skip: self.skip }
    }

    /// Drops what was written since `mark`.
    pub fn roll_back(&mut self, mark: Mark) {
        self.used = mark.used.min(self.used);
        self.skip = mark.skip;
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.used = 0;
        self.skip = 0;
    }

    /// The rest of the slice, to be filled from elsewhere; [`Out::filled`] says how much of it was.
    pub fn room(&mut self) -> &mut [u8] {
        self.room.get_mut(self.used..).unwrap_or_default()
    }

    /// So many octets of [`Out::room`] are filled.
    pub fn filled(&mut self, octets: usize) {
        self.used = self.used.saturating_add(octets).min(self.room.len());
    }

    /// Writes octets.
    ///
    /// # Errors
    /// [`Full`] if they do not all fit; those that do are kept.
    pub fn push(&mut self, octets: &[u8]) -> Result<(), Full> {
        let dropped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(octets.len());
        self.skip = self.skip.saturating_sub(u64::try_from(dropped).unwrap_or(u64::MAX));
        let octets = octets.get(dropped..).unwrap_or_default();
        let kept = octets.len().min(self.left());
        for (to, from) in self.room().iter_mut().zip(octets) {
            *to = *from;
        }
        self.used += kept;
        if kept == octets.len() { Ok(()) } else { Err(Full) }
    }

    /// Writes text as it is.
    ///
    /// # Errors
    /// [`Full`].
    pub fn text(&mut self, text: &str) -> Result<(), Full> {
        self.push(text.as_bytes())
    }

    /// Writes one octet.
    ///
    /// # Errors
    /// [`Full`].
    pub fn octet(&mut self, octet: u8) -> Result<(), Full> {
        self.push(&[octet])
    }

    /// Writes a number in decimal digits.
    ///
    /// # Errors
    /// [`Full`].
    pub fn number(&mut self, number: u64) -> Result<(), Full> {
        self.show(format_args!("{number}"))
    }

    /// Writes what `format_args!` makes.
    ///
    /// # Errors
    /// [`Full`].
    pub fn show(&mut self, shown: fmt::Arguments<'_>) -> Result<(), Full> {
        // The only error that reaches `fmt` is `Full`.
        fmt::Write::write_fmt(self, shown).map_err(|fmt::Error| Full)
    }
}

impl fmt::Write for Out<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes()).map_err(|Full| fmt::Error)
    }
}

impl ErrorType for Out<'_> {
    type Error = Full;
}

impl Write for Out<'_> {
    fn write(&mut self, octets: &[u8]) -> Result<usize, Full> {
        let fits = octets.len().min(self.left());
        match octets.get(..fits) {
            Some([]) if !octets.is_empty() => Err(Full),
            Some(octets) => self.push(octets).map(|()| fits),
            None => Err(Full),
        }
    }

    fn flush(&mut self) -> Result<(), Full> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_slice_is_an_ordinary_answer() {
        let mut room = [0; 4];
        let mut out = Out::new(&mut room);
        assert_eq!(out.text("abc"), Ok(()));
        let mark = out.mark();
        assert_eq!(out.text("de"), Err(Full));
        assert_eq!(out.octets(), b"abcd");
        out.roll_back(mark);
        assert_eq!((out.octets(), out.left()), (&b"abc"[..], 1));
        assert_eq!(Write::write_all(&mut out, b"x"), Ok(()));
        assert_eq!(Write::write(&mut out, b"y"), Err(Full));
        assert_eq!(Write::write(&mut out, b""), Ok(0));
    }

    #[test]
    fn windows_together_give_the_whole() {
        let whole = |out: &mut Out<'_>| -> Result<(), Full> {
            out.text("one ")?;
            out.number(1234)?;
            out.text(" two")
        };
        for size in 1..20 {
            let mut sent = Vec::new();
            loop {
                let mut room = vec![0; size];
                let mut out = Out::window(&mut room, u64::try_from(sent.len()).expect("few"));
                let done = whole(&mut out).is_ok();
                sent.extend_from_slice(out.octets());
                if done {
                    break;
                }
            }
            assert_eq!(sent, b"one 1234 two", "{size}");
        }
    }
}
