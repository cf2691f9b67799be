//! The folding under which SEARCH compares texts.
//!
//! Owns nothing but whether the last character was white space. Like i;unicode-casemap (RFC 5051) it disregards case
//! and compatibility forms: full-width letters are letters, a composed accent equals its pieces. Runs of white space
//! count as one space, so that words are found across line ends.

use unicode_normalization::char::decompose_compatible;

/// Folds a text, also a search key, for [`super::header_contains`] and for comparing by octets.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut folding = Folding::default();
    for c in text.chars() {
        folding.push(c, &mut folded);
    }
    folded
}

/// Folds characters that come one by one.
#[derive(Debug, Default)]
pub(super) struct Folding {
    blank: bool,
}

impl Folding {
    /// Appends what `c` gives.
    pub(super) fn push(&mut self, c: char, out: &mut String) {
        if c.is_ascii_graphic() {
            self.blank = false;
            out.push(c.to_ascii_lowercase());
        } else if c.is_whitespace() || c == '\0' {
            if !core::mem::replace(&mut self.blank, true) {
                out.push(' ');
            }
        } else {
            decompose_compatible(c, |piece| self.cased(piece, out));
        }
    }

    fn cased(&mut self, c: char, out: &mut String) {
        if c.is_whitespace() {
            return self.push(' ', out);
        }
        self.blank = false;
        // Up and down again: final sigma becomes sigma, sharp s becomes two letters.
        out.extend(c.to_uppercase().flat_map(char::to_lowercase));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_that_should_be_found_fold_alike() {
        for (one, other) in [
            ("Hello", "hELLO"),
            ("STRASSE", "straße"),
            ("ΟΔΟΣ", "οδος"),
            ("é", "E\u{301}"),
            ("ＡＢＣ　ｘ", "abc x"),
            ("a \r\n\t b", "A B"),
            ("ﬁx", "FIX"),
            ("ПРИВЕТ", "привет"),
            ("ｶﾞ", "ガ"),
            ("㈱", "(株)"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert_ne!(fold("測試"), fold("测试"));
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,40}") {
            prop_assert_eq!(fold(&fold(&text)), fold(&text));
        }
    }
}
