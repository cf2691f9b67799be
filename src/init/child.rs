//! A child that PID 1 keeps running: when it is started, when it is given up, how long PID 1 waits in between.
//!
//! Pure: it owns a state and some moments, and is told what happened and when. Starting, killing and reaping are left to
//! the supervisor.

use crate::limits::{
    CHILD_BEAT_TIMEOUT, CHILD_DELAY_MAX, CHILD_DELAY_MIN, CHILD_PROVED, CHILD_START_TIMEOUT, CHILD_START_TIMEOUT_MAX,
    CHILD_STOP_TIMEOUT,
};
use core::time::Duration;
use std::time::Instant;

/// One child.
#[derive(Debug)]
pub struct Child {
    /// For people.
    pub name: &'static str,
    state: State,
    delay: Duration,
    /// How often in a row it was killed because it had no heartbeat.
    silent: u32,
    /// How often in a row it ended by itself soon after its start.
    short: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Down { until: Option<Instant> },
    Up { process: i32, since: Instant, beat: Option<Instant>, given_up: Option<Instant> },
}

impl Child {
    /// A child that may be started at once.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, state: State::Down { until: None }, delay: CHILD_DELAY_MIN, silent: 0, short: 0 }
    }

    /// Is it time to start it?
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        matches!(self.state, State::Down { until } if until.is_none_or(|until| until <= now))
    }

    /// Its process, while it runs.
    #[must_use]
    pub fn process(&self) -> Option<i32> {
        match self.state {
            State::Up { process, .. } => Some(process),
            State::Down { .. } => None,
        }
    }

    /// Has it a fresh heartbeat?
    #[must_use]
    pub fn is_fresh(&self, now: Instant) -> bool {
        matches!(self.state, State::Up { beat: Some(beat), .. } if now.saturating_duration_since(beat) < CHILD_BEAT_TIMEOUT)
    }

    /// How often in a row it fell silent.
    #[must_use]
    pub fn silent(&self) -> u32 {
        self.silent
    }

    /// How often in a row it ended soon after its start.
    #[must_use]
    pub fn short(&self) -> u32 {
        self.short
    }

    /// It was started.
    pub fn started(&mut self, process: i32, now: Instant) {
        self.state = State::Up { process, since: now, beat: None, given_up: None };
    }

    /// It could not be started.
    pub fn failed(&mut self, now: Instant) {
        self.short = self.short.saturating_add(1);
        self.wait(now);
    }

    /// It gave a heartbeat.
    pub fn beats(&mut self, now: Instant) {
        if let State::Up { beat, .. } = &mut self.state {
            *beat = Some(now);
            self.silent = 0;
        }
    }

    /// Should it be killed because it has been silent for too long? Says so once.
    pub fn give_up(&mut self, now: Instant) -> bool {
        let State::Up { since, beat, given_up, .. } = &mut self.state else { return false };
        // A start may have a long log to read; longer each time, or it would never get to the end of one that is too long.
        let longer = CHILD_START_TIMEOUT.saturating_mul(2_u32.saturating_pow(self.silent)).min(CHILD_START_TIMEOUT_MAX);
        let (last, patience) = beat.map_or((*since, longer), |beat| (beat, CHILD_BEAT_TIMEOUT));
        if given_up.is_some() || now.saturating_duration_since(last) < patience {
            return false;
        }
        *given_up = Some(now);
        self.silent = self.silent.saturating_add(1);
        true
    }

    /// Was it killed, and is there all the same? Then it hangs in the kernel, mostly because the card does not answer.
    #[must_use]
    pub fn is_stuck(&self, now: Instant) -> bool {
        let State::Up { given_up: Some(killed), .. } = self.state else { return false };
        now.saturating_duration_since(killed) >= CHILD_STOP_TIMEOUT
    }

    /// It ended. Gives how long PID 1 waits before it starts it again.
    pub fn ended(&mut self, now: Instant) -> Duration {
        if let State::Up { since, given_up, .. } = self.state
            // One that ran well, or was killed for its silence, is started again soon.
            && (given_up.is_some() || now.saturating_duration_since(since) >= CHILD_PROVED)
        {
            self.delay = CHILD_DELAY_MIN;
            self.short = 0;
        } else {
            self.short = self.short.saturating_add(1);
        }
        self.wait(now)
    }

    fn wait(&mut self, now: Instant) -> Duration {
        let delay = self.delay;
        self.state = State::Down { until: now.checked_add(delay) };
        self.delay = delay.saturating_mul(2).min(CHILD_DELAY_MAX);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_ends_at_once_waits_longer_and_longer() {
        let mut child = Child::new("serve");
        let mut now = Instant::now();
        let mut last = Duration::ZERO;
        for _ in 0..12 {
            assert!(child.is_due(now));
            child.started(7, now);
            assert!(!child.is_due(now));
            let delay = child.ended(now);
            assert!(delay >= last && delay <= CHILD_DELAY_MAX);
            assert!(!child.is_due(now + delay / 2));
            now += delay;
            last = delay;
        }
        assert_eq!(last, CHILD_DELAY_MAX);
        assert_eq!(child.short(), 12);
        child.started(8, now);
        assert_eq!(child.ended(now + CHILD_PROVED), CHILD_DELAY_MIN);
        assert_eq!(child.short(), 0);
    }

    #[test]
    fn a_start_that_took_too_long_gets_more_time_and_not_for_ever() {
        let mut child = Child::new("serve");
        let mut now = Instant::now();
        for patience in [CHILD_START_TIMEOUT, CHILD_START_TIMEOUT * 2, CHILD_START_TIMEOUT * 4] {
            child.started(7, now);
            assert!(!child.give_up(now + patience - Duration::from_secs(1)));
            now += patience;
            assert!(child.give_up(now));
            child.ended(now);
        }
        child.silent = u32::MAX;
        child.started(7, now);
        assert!(child.give_up(now + CHILD_START_TIMEOUT_MAX));
    }

    #[test]
    fn silence_is_noticed_once_and_forgiven_after_a_beat() {
        let mut child = Child::new("serve");
        let now = Instant::now();
        child.started(7, now);
        assert!(!child.give_up(now + CHILD_START_TIMEOUT / 2));
        assert!(child.give_up(now + CHILD_START_TIMEOUT));
        assert!(!child.give_up(now + CHILD_START_TIMEOUT));
        assert_eq!(child.silent(), 1);
        let killed = now + CHILD_START_TIMEOUT;
        assert!(!child.is_stuck(killed) && child.is_stuck(killed + CHILD_STOP_TIMEOUT));
        assert_eq!(child.ended(now), CHILD_DELAY_MIN);
        child.started(8, now);
        child.beats(now);
        assert!(child.is_fresh(now) && child.silent() == 0);
        let later = now + CHILD_BEAT_TIMEOUT;
        assert!(!child.is_fresh(later) && child.give_up(later));
        assert_eq!(child.process(), Some(8));
    }
}
