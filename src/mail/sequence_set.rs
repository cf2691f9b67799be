//! Sets of message numbers or UIDs as IMAP writes them: `1,3:5,9:*`.

use crate::limits::SEQUENCE_RANGES_MAX;

/// One end of a range, RFC 9051 section 9 `seq-number`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetNumber {
    /// A number, never zero.
    Number(u32),
    /// `*`: the largest number in use.
    Largest,
}

/// From one end to the other, in either order; a single number has two equal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceRange(pub SetNumber, pub SetNumber);

/// RFC 9051 section 9 `sequence-set`: at most [`SEQUENCE_RANGES_MAX`] ranges, as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SequenceSet(Vec<SequenceRange>);

/// Why a text is not a sequence set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceSetError {
    /// Not the RFC's syntax, or a zero.
    Syntax,
    /// More ranges than [`SEQUENCE_RANGES_MAX`].
    TooMany,
}

impl SequenceSet {
    /// Reads a whole set.
    ///
    /// # Errors
    /// [`SequenceSetError`] if it is not one or has too many ranges.
    pub fn parse(text: &str) -> Result<Self, SequenceSetError> {
        let mut ranges = Vec::new();
        for part in text.split(',') {
            if ranges.len() == SEQUENCE_RANGES_MAX {
                return Err(SequenceSetError::TooMany);
            }
            ranges.push(match part.split_once(':') {
                Some((from, to)) => SequenceRange(number(from)?, number(to)?),
                None => {
                    let only = number(part)?;
                    SequenceRange(only, only)
                }
            });
        }
        Ok(Self(ranges))
    }

    /// The ranges as written.
    #[must_use]
    pub fn ranges(&self) -> &[SequenceRange] {
        &self.0
    }

    /// The set in numbers: sorted, disjoint, non-adjacent ranges, `*` being `largest` (RFC 9051: `*` and `9:*` name the
    /// largest number even where it is below 9). Empty if `largest` is zero, that is, in an empty mailbox.
    #[must_use]
    pub fn resolve(&self, largest: u32) -> Vec<core::ops::RangeInclusive<u32>> {
        if largest == 0 {
            return Vec::new();
        }
        let value = |end: SetNumber| match end {
            SetNumber::Number(number) => number,
            SetNumber::Largest => largest,
        };
        let mut ranges: Vec<(u32, u32)> =
            self.0.iter().map(|range| (value(range.0), value(range.1))).map(|(a, b)| (a.min(b), a.max(b))).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (from, to) in ranges {
            match merged.last_mut() {
                Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        merged.into_iter().map(|(from, to)| from..=to).collect()
    }
}

fn number(text: &str) -> Result<SetNumber, SequenceSetError> {
    if text == "*" {
        return Ok(SetNumber::Largest);
    }
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    let value = text.parse().ok().filter(|_| digits).ok_or(SequenceSetError::Syntax)?;
    Ok(SetNumber::Number(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str, largest: u32) -> Vec<(u32, u32)> {
        let set = SequenceSet::parse(text).expect(text);
        set.resolve(largest).into_iter().map(|range| (*range.start(), *range.end())).collect()
    }

    #[test]
    fn sets_resolve_to_sorted_ranges() {
        assert_eq!(resolved("5:3,1,4:9", 20), [(1, 1), (3, 9)]);
        assert_eq!(resolved("1,2,3", 20), [(1, 3)]);
        assert_eq!(resolved("9:*", 4), [(4, 9)]);
        assert_eq!(resolved("*", 4), [(4, 4)]);
        assert!(resolved("*", 0).is_empty());
        assert_eq!(resolved("4294967295,1:4294967295", 4), [(1, u32::MAX)]);
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for text in ["", "0", "1,", ",1", "1:", "1:2:3", "01", "4294967296", "a", "1 ", "+1"] {
            assert_eq!(SequenceSet::parse(text), Err(SequenceSetError::Syntax), "{text:?}");
        }
        let long = vec!["1"; SEQUENCE_RANGES_MAX + 1].join(",");
        assert_eq!(SequenceSet::parse(&long), Err(SequenceSetError::TooMany));
    }
}
