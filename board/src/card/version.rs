//! The version of a build, as bundles carry it: text of at most [`VERSION_OCTETS_MAX`] octets that can be ordered.
//!
//! Versions are compared part by part as numbers (Semantic Versioning 2.0.0, 11), so that 0.10.0 is newer than 0.9.0; a
//! pre-release such as `1.0.0-rc1` is older than its release; what follows a `+` says nothing about order.

use core::cmp::Ordering;
use core::fmt;

/// Octets of a version's text. It has a field of this width in the state blocks.
pub const VERSION_OCTETS_MAX: usize = 32;

/// A version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    /// Reads a version: it begins with a digit and has letters, digits, `.`, `-` and `+`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let of_version = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'+');
        let begins_well = text.bytes().next().is_some_and(|octet| octet.is_ascii_digit());
        let good = begins_well && text.len() <= VERSION_OCTETS_MAX && text.bytes().all(of_version);
        good.then(|| Self(text.to_owned()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which of the two came later. `Equal` does not mean the same text: 1.0 and 1.0.0 are equally new.
    #[must_use]
    pub fn age(&self, other: &Self) -> Ordering {
        let (numbers, pre) = self.split();
        let (other_numbers, other_pre) = other.split();
        by_parts(numbers, other_numbers, "0").then_with(|| match (pre, other_pre) {
            (None, None) => Ordering::Equal,
            // A pre-release comes before its release.
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => by_parts(one, other, ""),
        })
    }

    /// Is it older than `other`?
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.age(other) == Ordering::Less
    }

    /// The numbers and, if there is one, the pre-release; build metadata dropped.
    fn split(&self) -> (&str, Option<&str>) {
        let without_build = self.0.split_once('+').map_or(self.0.as_str(), |(before, _)| before);
        without_build.split_once('-').map_or((without_build, None), |(numbers, pre)| (numbers, Some(pre)))
    }
}

/// Compares what stands between the dots; where one text has no more, `missing` stands in.
fn by_parts(one: &str, other: &str, missing: &str) -> Ordering {
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    loop {
        match (ones.next(), others.next()) {
            (None, None) => return Ordering::Equal,
            (one, other) => match part(one.unwrap_or(missing), other.unwrap_or(missing)) {
                Ordering::Equal => {}
                decided => return decided,
            },
        }
    }
}

/// Numbers as numbers, however long; numbers before texts; texts by their octets.
fn part(one: &str, other: &str) -> Ordering {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    match (is_number(one), is_number(other)) {
        (true, true) => {
            let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
            one.len().cmp(&other.len()).then_with(|| one.cmp(other))
        }
        (true, false) if other.is_empty() => Ordering::Greater,
        (false, true) if one.is_empty() => Ordering::Less,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => one.cmp(other),
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_order_of_versions() {
        let oldest_first = [
            "0.1.0-alpha",
            "0.1.0-alpha.1",
            "0.1.0-beta",
            "0.1.0-rc.2",
            "0.1.0-rc.10",
            "0.1.0",
            "0.1.1",
            "0.2.0",
            "0.9.9",
            "0.10.0",
            "1",
            "1.0.1",
            "2.0.0",
            "99999999999999999999.0",
            "100000000000000000000",
        ]
        .map(|text| Version::parse(text).unwrap());
        for (index, one) in oldest_first.iter().enumerate() {
            for (other_index, other) in oldest_first.iter().enumerate() {
                assert_eq!(one.age(other), index.cmp(&other_index), "{one} {other}");
            }
        }
        for (one, other) in [("1.0", "1.0.0"), ("1.2.3+build7", "1.2.3"), ("01.2", "1.02.0")] {
            assert_eq!(Version::parse(one).unwrap().age(&Version::parse(other).unwrap()), Ordering::Equal);
        }
    }

    #[test]
    fn what_is_no_version() {
        for text in ["", "v1", "1 2", "1/2", "1.0\n", "é", "123456789.123456789.123456789.123"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_order_is_one(texts in proptest::array::uniform3("[0-9]{1,2}(\\.[0-9a-b]{0,2}){0,2}(-[0-9a-b.]{0,3})?")) {
            let [a, b, c] = texts.map(|text| Version::parse(&text).unwrap());
            prop_assert_eq!(a.age(&b), b.age(&a).reverse());
            if a.age(&b) != Ordering::Greater && b.age(&c) != Ordering::Greater {
                prop_assert_ne!(a.age(&c), Ordering::Greater);
            }
        }
    }
}
