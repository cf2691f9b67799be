//! Looks for a text in a part's content while it streams by, decoded to characters and folded.
//!
//! Owns the folded needle, the charset decoders and a window of the folded text no longer than one step and the needle.
//! The transfer encoding is already off ([`super::TransferDecoder`]); what is searched is for others to say.

use super::fold::{Folding, fold};
use super::html::HtmlText;
use encoding_rs::{CoderResult, Decoder, Encoding};

/// Octets that are decoded in one step.
const STEP_OCTETS: usize = 1_024;
/// One step, decoded: three octets of UTF-8 for each octet, and what the decoder held back.
const DECODED_OCTETS: usize = 3 * STEP_OCTETS + 16;

/// Charsets that text without a usable declaration is tried in (WHATWG labels). UTF-8 is what it is mostly.
const UNDECLARED: [&[u8]; 3] = [b"utf-8", b"gb18030", b"windows-1252"];

/// Finds one needle.
pub struct TextMatcher {
    needle: Box<str>,
    lanes: Vec<Lane>,
    found: bool,
}

impl core::fmt::Debug for TextMatcher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TextMatcher").field("needle", &self.needle).field("found", &self.found).finish_non_exhaustive()
    }
}

/// The text as one charset reads it.
struct Lane {
    decoder: Decoder,
    folding: Folding,
    html: Option<HtmlText>,
    window: String,
}

impl TextMatcher {
    /// Looks for `needle`, folded or not, in text of a charset as its part declares it (empty: not declared). An empty
    /// needle is in every text.
    #[must_use]
    pub fn new(needle: &str, charset: &[u8]) -> Self {
        let needle = fold(needle).into_boxed_str();
        let declared =
            Encoding::for_label_no_replacement(charset).filter(|_| !charset.eq_ignore_ascii_case(b"us-ascii"));
        let encodings: Vec<&'static Encoding> = match declared {
            Some(encoding) => vec![encoding],
            None => UNDECLARED.iter().filter_map(|label| Encoding::for_label(label)).collect(),
        };
        let lane = |encoding: &&'static Encoding| Lane {
            decoder: encoding.new_decoder(),
            folding: Folding::default(),
            html: None,
            window: String::new(),
        };
        Self { found: needle.is_empty(), lanes: encodings.iter().map(lane).collect(), needle }
    }

    /// The content is HTML: looks in its text, not in its tags. To be called before the first octets.
    #[must_use]
    pub fn html(mut self) -> Self {
        for lane in &mut self.lanes {
            lane.html = Some(HtmlText::new());
        }
        self
    }

    /// The next octets. Has the needle been found, in these or before?
    pub fn push(&mut self, octets: &[u8]) -> bool {
        for step in octets.chunks(STEP_OCTETS) {
            if self.found {
                break;
            }
            self.step(step, false);
        }
        self.found
    }

    /// The content has ended. Was the needle found?
    #[must_use]
    pub fn finish(mut self) -> bool {
        if !self.found {
            self.step(&[], true);
        }
        self.found
    }

    fn step(&mut self, octets: &[u8], last: bool) {
        let mut decoded = [0_u8; DECODED_OCTETS];
        for lane in &mut self.lanes {
            let mut rest = octets;
            loop {
                let (result, read, written, _) = lane.decoder.decode_to_utf8(rest, &mut decoded, last);
                let text = decoded.get(..written).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or_default();
                lane.take(text);
                rest = rest.get(read..).unwrap_or_default();
                if result == CoderResult::InputEmpty {
                    break;
                }
            }
            if last && let Some(html) = lane.html.take() {
                html.finish(|c| lane.folding.push(c, &mut lane.window));
            }
            if memchr::memmem::find(lane.window.as_bytes(), self.needle.as_bytes()).is_some() {
                self.found = true;
                return;
            }
            lane.forget(self.needle.len());
        }
    }

    /// Octets that its windows hold.
    #[cfg(test)]
    fn held(&self) -> usize {
        self.lanes.iter().map(|lane| lane.window.capacity()).sum()
    }
}

impl Lane {
    fn take(&mut self, text: &str) {
        for c in text.chars() {
            match &mut self.html {
                Some(html) => html.push(c, |c| self.folding.push(c, &mut self.window)),
                None => self.folding.push(c, &mut self.window),
            }
        }
    }

    /// Keeps only what a needle of so many octets may have begun in.
    fn forget(&mut self, needle: usize) {
        let mut cut = self.window.len().saturating_sub(needle.saturating_sub(1));
        while !self.window.is_char_boundary(cut) {
            cut = cut.saturating_sub(1);
        }
        self.window.drain(..cut);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn finds(needle: &str, charset: &str, octets: &[u8], piece: usize) -> bool {
        let mut matcher = TextMatcher::new(needle, charset.as_bytes());
        for octets in octets.chunks(piece) {
            matcher.push(octets);
        }
        matcher.finish()
    }

    #[test]
    fn texts_are_found_in_their_charset_wherever_they_are_cut() {
        for (charset, text, needle) in [
            ("utf-8", "今天我们测试邮件", "测"),
            ("gb18030", "今天我们测试邮件", "测试"),
            ("GBK", "今天我们测试邮件", "邮件"),
            ("big5", "今天我們測試郵件", "測試"),
            ("iso-2022-jp", "これは日本語のメールです", "日本"),
            ("shift_jis", "これは日本語のメールです", "メール"),
            ("euc-jp", "これは日本語のメールです", "語"),
            ("euc-kr", "한국어 메일", "메일"),
            ("iso-8859-1", "Grüße aus Köln", "GRÜSSE"),
            ("koi8-r", "Привет, мир", "МИР"),
        ] {
            let (octets, _, _) = Encoding::for_label(charset.as_bytes()).unwrap().encode(text);
            for piece in 1..octets.len() {
                assert!(finds(needle, charset, &octets, piece), "{charset} {piece}");
                assert!(!finds("not there", charset, &octets, piece));
            }
        }
    }

    #[test]
    fn undeclared_text_is_tried_in_several_charsets() {
        let (gb, _, _) = encoding_rs::GB18030.encode("中文邮件");
        for charset in ["", "us-ascii", "x-unknown"] {
            assert!(finds("邮件", charset, "中文邮件".as_bytes(), 5));
            assert!(finds("邮件", charset, &gb, 5));
            assert!(finds("köln", charset, b"K\xd6LN", 1));
        }
    }

    #[test]
    fn words_are_found_across_lines_and_tags() {
        assert!(finds("two words", "utf-8", b"these are two\r\n  words", 3));
        let mut matcher = TextMatcher::new("hello world", b"utf-8").html();
        matcher.push(b"<p class=\"x\">Hel<b>lo</b>&nbsp;wor");
        assert!(matcher.push(b"ld</p>"));
        let mut matcher = TextMatcher::new("class", b"utf-8").html();
        matcher.push(b"<p class=\"x\">Hello</p>");
        assert!(!matcher.finish());
    }

    #[test]
    fn an_empty_needle_is_everywhere() {
        assert!(TextMatcher::new("", b"").finish());
    }

    #[test]
    fn the_window_stays_small() {
        let mut matcher = TextMatcher::new(&"x".repeat(5_000), b"");
        for _ in 0..1_000 {
            matcher.push(&[b'\xff', b'x'].repeat(500));
            assert!(matcher.held() <= 3 * (5_000 + DECODED_OCTETS) * 4, "{}", matcher.held());
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(text in "[aäB \\n測<&;]{0,40}", needle in "[aäb 測]{1,3}", piece in 1_usize..9) {
            let expected = fold(&text).contains(&fold(&needle));
            prop_assert_eq!(finds(&needle, "utf-8", text.as_bytes(), piece), expected);
        }

        #[test]
        fn any_octets_do(octets in proptest::collection::vec(any::<u8>(), 0..300), piece in 1_usize..50) {
            for charset in ["", "iso-2022-jp", "gb18030", "utf-16"] {
                let mut matcher = TextMatcher::new("zz測", charset.as_bytes()).html();
                for octets in octets.chunks(piece) {
                    matcher.push(octets);
                }
                let _ = matcher.finish();
            }
        }
    }
}
