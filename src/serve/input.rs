//! The octets that a connection has received and not yet consumed.
//!
//! Owns one buffer. It is small while nothing is going on, grows to [`INPUT_BUFFER_MAX`] while the client fills it
//! faster than it is read, and shrinks again when it is empty. Reading from the socket, and the question whether the
//! buffer may be a large one, are left to the connection.

use crate::limits::{INPUT_BUFFER_IDLE_OCTETS, INPUT_BUFFER_OCTETS, INPUT_BUFFER_SMALL_OCTETS};

/// A line of [`INPUT_BUFFER_OCTETS`] and its CRLF.
pub const INPUT_BUFFER_MAX: usize = INPUT_BUFFER_OCTETS + 2;

/// A bounded buffer that is filled at its end and consumed at its beginning.
#[derive(Debug)]
pub struct Input {
    octets: Box<[u8]>,
    start: usize,
    end: usize,
    /// The last filling used all the room there was: the client has more to say.
    hungry: bool,
}

impl Input {
    /// An empty buffer; it allocates when it is first filled.
    #[must_use]
    pub fn new() -> Self {
        Self { octets: Box::default(), start: 0, end: 0, hungry: false }
    }

    /// What is there.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.octets.get(self.start..self.end).unwrap_or_default()
    }

    /// How much is there.
    #[must_use]
    pub fn held(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Is there no room, and no more to be had?
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.held() >= INPUT_BUFFER_MAX
    }

    /// How many octets the buffer holds at present.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.octets.len()
    }

    /// Drops the first `octets`.
    pub fn consume(&mut self, octets: usize) {
        self.start = self.start.saturating_add(octets).min(self.end);
    }

    /// Drops the first `octets` and gives them back to look at; they are gone with the next filling.
    pub fn take(&mut self, octets: usize) -> &[u8] {
        let from = self.start;
        self.consume(octets);
        self.octets.get(from..self.start).unwrap_or_default()
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// How large the buffer would like to be for what is held and what seems to come.
    #[must_use]
    pub fn wanted(&self) -> usize {
        let (held, capacity) = (self.held(), self.capacity());
        let wanted = if held >= capacity || (self.hungry && self.end >= capacity) {
            if capacity < INPUT_BUFFER_SMALL_OCTETS { INPUT_BUFFER_SMALL_OCTETS } else { INPUT_BUFFER_MAX }
        } else if held == 0 && !self.hungry {
            INPUT_BUFFER_IDLE_OCTETS
        } else {
            capacity
        };
        wanted.clamp(INPUT_BUFFER_IDLE_OCTETS, INPUT_BUFFER_MAX)
    }

    /// Is the buffer larger than any connection may have at any time?
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.capacity() > INPUT_BUFFER_SMALL_OCTETS
    }

    /// Room to fill in a buffer of at most `octets_max` octets, or as many as are held: at least one octet if that is more
    /// than are held.
    pub fn room(&mut self, octets_max: usize) -> &mut [u8] {
        let wanted = self.wanted().min(octets_max).max(self.held());
        self.hungry = false;
        self.resize(wanted);
        self.octets.get_mut(self.end..).unwrap_or_default()
    }

    /// Makes the buffer a small one. What is held fits into that.
    pub fn shrink(&mut self) {
        self.hungry = false;
        self.resize(INPUT_BUFFER_SMALL_OCTETS.max(self.held()));
    }

    /// The first `octets` of [`Input::room`] have been filled.
    pub fn filled(&mut self, octets: usize) {
        self.end = self.end.saturating_add(octets).min(self.octets.len());
        self.hungry = self.end == self.octets.len();
    }

    /// Moves what is there to the beginning of a buffer of `octets` octets, which hold it.
    fn resize(&mut self, octets: usize) {
        let held = self.held();
        if octets == self.octets.len() {
            self.octets.copy_within(self.start..self.end, 0);
        } else {
            let mut other = vec![0; octets].into_boxed_slice();
            if let (Some(to), Some(from)) = (other.get_mut(..held), self.octets.get(self.start..self.end)) {
                to.copy_from_slice(from);
            }
            self.octets = other;
        }
        self.start = 0;
        self.end = held;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn grows_for_a_long_line_and_shrinks_when_empty() {
        let mut input = Input::new();
        assert_eq!(input.capacity(), 0);
        while !input.is_full() {
            let room = input.room(INPUT_BUFFER_MAX);
            room.fill(7);
            let octets = room.len();
            input.filled(octets);
        }
        assert_eq!(input.held(), INPUT_BUFFER_MAX);
        assert!(input.room(INPUT_BUFFER_MAX).is_empty());
        input.consume(INPUT_BUFFER_MAX);
        input.room(INPUT_BUFFER_MAX);
        input.filled(1);
        input.consume(1);
        input.room(INPUT_BUFFER_MAX);
        assert_eq!(input.capacity(), INPUT_BUFFER_IDLE_OCTETS);
    }

    proptest! {
        #[test]
        fn is_a_queue_of_octets(steps in proptest::collection::vec((0_usize..5_000, 0_usize..5_000), 1..60)) {
            let mut input = Input::new();
            let mut model = std::collections::VecDeque::new();
            let mut next = 0_u8;
            for (fill, consume) in steps {
                let room = input.room(INPUT_BUFFER_MAX);
                let fill = fill.min(room.len());
                for octet in &mut room[..fill] {
                    *octet = next;
                    model.push_back(next);
                    next = next.wrapping_add(1);
                }
                input.filled(fill);
                prop_assert!(input.capacity() <= INPUT_BUFFER_MAX);
                prop_assert!(input.is_full() || !input.room(INPUT_BUFFER_MAX).is_empty());
                let consume = consume.min(input.held());
                let taken = input.take(consume).to_vec();
                prop_assert_eq!(taken, model.drain(..consume).collect::<Vec<_>>());
                prop_assert_eq!(input.as_slice(), model.make_contiguous() as &[u8]);
            }
        }
    }
}
