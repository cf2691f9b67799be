//! What PID 1 makes of what it knows: what the LED shows, and whether the hardware watchdog is fed.
//!
//! Pure, so that every rule is a line of a test.

use super::notice::Health;
use crate::limits::{SHORT_RUNS_SHOWN, SILENT_RESTARTS_MAX, UNHEALTHY_BOOTS_MAX};
use board::led::State;

/// All that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// The data partition cannot be used, or takes no writes.
    pub card_failing: bool,
    /// `serve` has said that it is ready, once since the machine started.
    pub was_ready: bool,
    /// `serve` has a fresh heartbeat.
    pub is_fresh: bool,
    /// What `serve` says of itself.
    pub health: Health,
    /// Some network can be reached.
    pub network: bool,
    /// A message moved a moment ago.
    pub mail_moving: bool,
    /// How often in a row `serve` was killed for its silence.
    pub silent_restarts: u32,
    /// How often in a row `serve` ended soon after its start, as with a configuration that is wrong.
    pub short_runs: u32,
    /// `serve` was killed and does not end: it hangs in the kernel.
    pub is_stuck: bool,
    /// How many starts of the machine in a row have not become healthy, this one included.
    pub unhealthy_boots: u32,
}

/// What the LED shows: the first of these that is true is what a person should know.
#[must_use]
pub fn led(now: &Situation) -> State {
    if now.card_failing || now.health == Health::CardFailing {
        return State::CardFailing;
    }
    if !now.was_ready {
        let is_wrong = now.silent_restarts > 0 || now.short_runs >= SHORT_RUNS_SHOWN;
        return if is_wrong { State::Degraded } else { State::Booting };
    }
    if !now.is_fresh || now.health == Health::Degraded {
        return State::Degraded;
    }
    if !now.network {
        return State::NoNetwork;
    }
    match now.health {
        Health::SetUp => State::WaitingForSetUp,
        _ if now.mail_moving => State::MailMoving,
        _ => State::Serving,
    }
}

/// Is the hardware watchdog fed? Not when starting `serve` again has not helped: then the whole machine starts again. But a
/// failing card, or one that has had its new starts already, is not helped by more of them, and a person may still read mail.
#[must_use]
pub fn feeds_watchdog(now: &Situation) -> bool {
    let is_hopeless = now.is_stuck || now.silent_restarts >= SILENT_RESTARTS_MAX;
    let is_card_failing = now.card_failing || now.health == Health::CardFailing;
    !is_hopeless || is_card_failing || now.unhealthy_boots >= UNHEALTHY_BOOTS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: Situation = Situation {
        card_failing: false,
        was_ready: true,
        is_fresh: true,
        health: Health::Serving,
        network: true,
        mail_moving: false,
        silent_restarts: 0,
        short_runs: 0,
        is_stuck: false,
        unhealthy_boots: 0,
    };

    #[test]
    fn the_led_shows_what_a_person_should_know_first() {
        for (situation, expected) in [
            (FINE, State::Serving),
            (Situation { mail_moving: true, ..FINE }, State::MailMoving),
            (Situation { network: false, mail_moving: true, ..FINE }, State::NoNetwork),
            (Situation { health: Health::SetUp, ..FINE }, State::WaitingForSetUp),
            (Situation { health: Health::SetUp, network: false, ..FINE }, State::NoNetwork),
            (Situation { is_fresh: false, network: false, ..FINE }, State::Degraded),
            (Situation { health: Health::Degraded, ..FINE }, State::Degraded),
            (Situation { health: Health::CardFailing, is_fresh: false, ..FINE }, State::CardFailing),
            (Situation { card_failing: true, was_ready: false, ..FINE }, State::CardFailing),
            (Situation { was_ready: false, is_fresh: false, ..FINE }, State::Booting),
            (Situation { was_ready: false, silent_restarts: 1, ..FINE }, State::Degraded),
            (Situation { was_ready: false, short_runs: SHORT_RUNS_SHOWN - 1, ..FINE }, State::Booting),
            (Situation { was_ready: false, short_runs: SHORT_RUNS_SHOWN, ..FINE }, State::Degraded),
        ] {
            assert_eq!(led(&situation), expected, "{situation:?}");
        }
    }

    #[test]
    fn the_machine_starts_again_only_where_that_may_help() {
        let silent = Situation { is_fresh: false, silent_restarts: SILENT_RESTARTS_MAX, ..FINE };
        assert!(feeds_watchdog(&FINE));
        assert!(!feeds_watchdog(&silent));
        assert!(feeds_watchdog(&Situation { silent_restarts: SILENT_RESTARTS_MAX - 1, ..silent }));
        assert!(!feeds_watchdog(&Situation { is_stuck: true, ..FINE }));
        assert!(feeds_watchdog(&Situation { card_failing: true, ..silent }));
        assert!(feeds_watchdog(&Situation { health: Health::CardFailing, ..silent }));
        // Nothing but the person who wrote it can mend a configuration: starting the machine again does not.
        assert!(feeds_watchdog(&Situation { short_runs: u32::MAX, was_ready: false, ..FINE }));
        assert!(feeds_watchdog(&Situation { unhealthy_boots: UNHEALTHY_BOOTS_MAX, ..silent }));
    }
}
