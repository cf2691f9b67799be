//! The languages that replies are written in (RFC 6856 3).
//!
//! Owns the list of them. Their words are in [`super::text`].

/// A language of replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// RFC 6856 3.1: `i-default` until a client chooses, which is English (RFC 2277 4.5).
    #[default]
    English,
    /// German.
    German,
    /// Chinese in simplified characters.
    Chinese,
}

impl Language {
    /// All of them, in the order in which LANG lists them.
    pub const ALL: [Self; 3] = [Self::English, Self::German, Self::Chinese];

    /// Its tag (RFC 5646).
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::Chinese => "zh",
        }
    }

    /// Its name in itself.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
            Self::Chinese => "中文",
        }
    }

    /// Finds the language for a client's range: RFC 4647 3.4 lookup, so `de-AT` finds German. `*` is the server's choice,
    /// `i-default` English.
    #[must_use]
    pub fn find(range: &str) -> Option<Self> {
        if range == "*" || range.eq_ignore_ascii_case("i-default") {
            return Some(Self::default());
        }
        let primary = range.split('-').next().unwrap_or(range);
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_find_their_language() {
        for (range, expected) in [
            ("en", Some(Language::English)),
            ("EN-gb", Some(Language::English)),
            ("de-CH-1901", Some(Language::German)),
            ("zh-Hans-CN", Some(Language::Chinese)),
            ("*", Some(Language::English)),
            ("i-default", Some(Language::English)),
            ("uga", None),
            ("d", None),
            ("", None),
            ("*-de", None),
        ] {
            assert_eq!(Language::find(range), expected, "{range}");
        }
    }
}
