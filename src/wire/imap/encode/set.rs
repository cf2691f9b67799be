//! Sequence sets from numbers, one at a time.

use super::out::{Full, Out};
use core::ops::RangeInclusive;

/// Writes numbers as a sequence set: a run of numbers that each follow the one before becomes a range. Ascending numbers
/// give the shortest set; others keep their order, as COPYUID needs (RFC 9051 section 9 `uid-set`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetWriter {
    /// The run that is not written yet.
    run: Option<(u32, u32)>,
    written: bool,
}

impl SetWriter {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has it been given no number?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.run.is_none() && !self.written
    }

    /// The next number.
    ///
    /// # Errors
    /// [`Full`]; the writer is then as it was before, the output may hold part of a range: roll it back.
    pub fn push(&mut self, out: &mut Out<'_>, number: u32) -> Result<(), Full> {
        self.push_range(out, number..=number)
    }

    /// The next numbers.
    ///
    /// # Errors
    /// [`Full`], as for [`SetWriter::push`].
    pub fn push_range(&mut self, out: &mut Out<'_>, numbers: RangeInclusive<u32>) -> Result<(), Full> {
        let (from, to) = numbers.into_inner();
        match self.run {
            Some((first, last)) if last.checked_add(1) == Some(from) => self.run = Some((first, to)),
            Some(run) => {
                write_run(out, run, self.written)?;
                *self = Self { run: Some((from, to)), written: true };
            }
            None => self.run = Some((from, to)),
        }
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// [`Full`].
    pub fn end(self, out: &mut Out<'_>) -> Result<(), Full> {
        self.run.map_or(Ok(()), |run| write_run(out, run, self.written))
    }
}

fn write_run(out: &mut Out<'_>, (first, last): (u32, u32), comma: bool) -> Result<(), Full> {
    if comma {
        out.octet(b',')?;
    }
    if first == last { out.number(first.into()) } else { out.show(format_args!("{first}:{last}")) }
}

/// Ranges as a set, in their order.
///
/// # Errors
/// [`Full`].
pub fn set_of_ranges(out: &mut Out<'_>, ranges: &[RangeInclusive<u32>]) -> Result<(), Full> {
    let mut set = SetWriter::new();
    for range in ranges {
        set.push_range(out, range.clone())?;
    }
    set.end(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::SequenceSet;
    use proptest::prelude::*;

    fn set(numbers: &[u32]) -> String {
        let mut room = vec![0; 32 * numbers.len() + 1];
        let mut out = Out::new(&mut room);
        let mut set = SetWriter::new();
        for &number in numbers {
            set.push(&mut out, number).expect("room");
        }
        set.end(&mut out).expect("room");
        String::from_utf8(out.octets().to_vec()).expect("ASCII")
    }

    #[test]
    fn runs_become_ranges_and_order_stays() {
        assert_eq!(set(&[1]), "1");
        assert_eq!(set(&[1, 2, 3, 5, 7, 8]), "1:3,5,7:8");
        assert_eq!(set(&[9, 3, 4, u32::MAX, 1]), "9,3:4,4294967295,1");
        assert_eq!(set(&[]), "");
    }

    #[test]
    fn a_full_output_loses_no_number() {
        let mut sent = Vec::new();
        let mut set = SetWriter::new();
        let mut room = [0; 4];
        let mut out = Out::new(&mut room);
        for number in [1, 3, 4, 5, 9] {
            loop {
                let (mark, before) = (out.mark(), set);
                match set.push(&mut out, number) {
                    Ok(()) => break,
                    Err(Full) => {
                        out.roll_back(mark);
                        assert_eq!(set, before);
                        sent.extend_from_slice(out.octets());
                        out.clear();
                    }
                }
            }
        }
        sent.extend_from_slice(out.octets());
        out.clear();
        set.end(&mut out).expect("room");
        sent.extend_from_slice(out.octets());
        assert_eq!(sent, b"1,3:5,9");
    }

    proptest! {
        #[test]
        fn sorted_sets_read_back(numbers in proptest::collection::btree_set(1_u32..500, 1..100)) {
            let numbers: Vec<u32> = numbers.into_iter().collect();
            let read = SequenceSet::parse(&set(&numbers)).expect("a set");
            let back: Vec<u32> = read.resolve(500).into_iter().flatten().collect();
            prop_assert_eq!(back, numbers);
        }
    }
}
