//! The board's watchdog and LED, in PID 1's hands.
//!
//! Owns both while they are there. Feeding happens at most every [`WATCHDOG_FEED_INTERVAL`], however often it is asked for,
//! so that every loop may ask. When to feed and what to show is left to [`super::policy`].

use super::console::say;
use crate::limits::{WATCHDOG_FEED_INTERVAL, WATCHDOG_TIMEOUT};
use board::led::{Led, State};
use board::watchdog::{BootStatus, Watchdog};
use board::{Board, Definition};
use std::path::Path;
use std::time::Instant;

/// What PID 1 looks after.
#[derive(Debug)]
pub struct Hardware {
    watchdog: Option<Watchdog>,
    led: Option<Led>,
    shown: Option<State>,
    fed: Option<Instant>,
}

impl Hardware {
    /// Takes hold of what the board has. `with_watchdog`: from now on the machine resets itself unless it is fed.
    #[must_use]
    pub fn open(board: &Board, with_watchdog: bool) -> Self {
        let Definition { watchdog, led, .. } = board.definition;
        let watchdog = watchdog.filter(|_| with_watchdog).and_then(|path| {
            let opened = Watchdog::open(Path::new(path), WATCHDOG_TIMEOUT);
            opened.inspect_err(|error| say(&format!("no watchdog: {path}: {error}"))).ok()
        });
        let led = Led::find(Path::new("/sys"), led);
        Self { watchdog, led, shown: None, fed: None }
    }

    /// Was the last start a reset by the watchdog?
    #[must_use]
    pub fn was_reset(&self) -> bool {
        self.watchdog.as_ref().is_some_and(|watchdog| watchdog.boot_status() == BootStatus::Watchdog)
    }

    /// Is there a watchdog that resets the machine when PID 1 hangs?
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.watchdog.is_some()
    }

    /// Feeds the watchdog when it is time.
    pub fn feed(&mut self) {
        let Some(watchdog) = &mut self.watchdog else { return };
        if self.fed.is_some_and(|fed| fed.elapsed() < WATCHDOG_FEED_INTERVAL) {
            return;
        }
        self.fed = Some(Instant::now());
        if let Err(error) = watchdog.feed() {
            say(&format!("the watchdog cannot be fed: {error}"));
        }
    }

    /// Shows a state, unless it is shown already.
    pub fn show(&mut self, state: State) {
        if self.shown.replace(state) == Some(state) {
            return;
        }
        if let Some(led) = &mut self.led
            && let Err(error) = led.show(state)
        {
            // Once: a LED that does not work is no reason to fill the log.
            say(&format!("the LED does not work: {error}"));
            self.led = None;
        }
    }

    /// Switches the watchdog off, for a machine that is about to be off.
    pub fn disarm(&mut self) {
        if let Some(watchdog) = self.watchdog.take()
            && let Err(error) = watchdog.disarm()
        {
            say(&format!("the watchdog stays on: {error}"));
        }
    }
}
