//! How the server is: probed at intervals, told to the supervisor, shown by `status`.
//!
//! Owns the state and the figures of the last probe. Each probe that passes in time is a heartbeat (`WATCHDOG=1`); one
//! that does not is none, is counted and logged, and the supervisor decides. That this task runs at all shows that
//! sessions can run; the rest is shown by [`super::probe`]. `STATUS` and the state are said with every heartbeat, so that
//! a message that was lost is made good.

use super::probe::{Answer, Card, Depth, Probed};
use super::stop::StopSignal;
use crate::limits::{FULL_PROBE_INTERVAL, MAIL_NOTICE_INTERVAL, PROBE_INTERVAL, PROBE_TIMEOUT};
use crate::notify::Notifier;
use crate::status::{COUNTERS, Value};
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// How the server is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Mail comes in and out.
    #[default]
    Serving,
    /// There is no domain yet: set-up is waited for.
    SetUp,
    /// The card is full, or the last probe did not pass.
    Degraded,
    /// A write failed: mail can only be read.
    CardFailing,
}

impl State {
    /// The word for it between serve and PID 1.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::SetUp => "setup",
            Self::Degraded => "degraded",
            Self::CardFailing => "card-failing",
        }
    }

    /// The worst that a probe has found.
    fn of(probed: Probed) -> Self {
        match probed.card {
            Card::Failing => Self::CardFailing,
            Card::Full => Self::Degraded,
            Card::Good if probed.is_set_up => Self::Serving,
            Card::Good => Self::SetUp,
        }
    }
}

/// For people, in `STATUS` and `status`.
fn text(probed: Probed) -> &'static str {
    match probed.card {
        Card::Failing => {
            "the card failed to write: mail can be read, new mail is refused; copy it and replace the card"
        }
        Card::Full => "the card is full: new mail is refused; delete mail or use a larger card",
        Card::Good if probed.is_set_up => "serving mail",
        Card::Good => "waiting for set-up: there is no domain yet",
    }
}

/// The last that is known.
#[derive(Debug, Default)]
pub struct Health(Mutex<Record>);

#[derive(Debug, Default)]
struct Record {
    state: State,
    text: String,
    /// When the last probe ended that passed, and how long it took.
    passed: Option<(Instant, Duration)>,
    delivered: Option<Instant>,
    failures: u64,
}

impl Health {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For `status`.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'static str, Value)> {
        let record = self.record();
        let seconds = |at: Instant| Value::Seconds(at.elapsed().as_secs());
        let milliseconds = |took: Duration| Value::Number(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let mut entries = vec![
            ("state", Value::Text(record.state.name().to_owned())),
            ("explanation", Value::Text(record.text.clone())),
            ("probes_failed", Value::Number(record.failures)),
        ];
        if let Some((at, took)) = record.passed {
            entries.extend([("last_probe_ago", seconds(at)), ("last_probe_milliseconds", milliseconds(took))]);
        }
        entries.extend(record.delivered.map(|at| ("last_test_message_ago", seconds(at))));
        entries
    }

    fn passed(&self, probed: Probed, took: Duration) {
        let mut record = self.record();
        let state = State::of(probed);
        if record.text != text(probed) {
            let level = if state == State::Serving { log::Level::Info } else { log::Level::Warn };
            log::log!(level, "health: {}: {}", state.name(), text(probed));
        }
        record.state = state;
        text(probed).clone_into(&mut record.text);
        let now = Instant::now();
        record.passed = Some((now, took));
        if probed.delivered {
            record.delivered = Some(now);
        }
    }

    fn failed(&self, why: String) {
        log::error!("health: {why}: the supervisor hears no heartbeat");
        let mut record = self.record();
        record.failures = record.failures.saturating_add(1);
        // A card that fails stays that: it is the worse news.
        if record.state != State::CardFailing {
            record.state = State::Degraded;
        }
        record.text = why;
    }

    /// Tells the supervisor how it is, after `first`.
    fn tell(&self, notifier: &Notifier, first: &[(&str, &str)]) {
        let (state, text) = {
            let record = self.record();
            (record.state, record.text.clone())
        };
        let mut fields = first.to_vec();
        fields.extend([("X_PILLARBOX_HEALTH", state.name()), ("STATUS", &text)]);
        notifier.send(&fields);
    }
}

/// Probes until the server stops: at once and every 15 minutes in full, every few seconds lightly.
pub async fn watch(
    health: &Health,
    mut probe: impl FnMut(Depth) -> oneshot::Receiver<Answer>,
    notifier: &Notifier,
    mut stop: StopSignal,
) {
    let mut ticks = interval(PROBE_INTERVAL);
    // After a slow probe the next one is as far away as after any other.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut full: Option<Instant> = None;
    loop {
        tokio::select! {
            biased;
            () = stop.stopped() => return,
            _ = ticks.tick() => {}
        }
        let is_due = full.is_none_or(|at| at.elapsed() >= FULL_PROBE_INTERVAL);
        let begun = Instant::now();
        let mut answer = probe(if is_due { Depth::Full } else { Depth::Light });
        let mut in_time = true;
        let answer = loop {
            tokio::select! {
                biased;
                () = stop.stopped() => return,
                answer = &mut answer => break answer,
                // Its thread hangs where mail would hang as well. There is no second one until it is back.
                () = sleep(PROBE_TIMEOUT) => {
                    in_time = false;
                    health.failed(format!("the store has not answered for {} s", begun.elapsed().as_secs()));
                    health.tell(notifier, &[]);
                }
            }
        };
        match answer {
            Ok(Ok(probed)) => {
                if probed.delivered {
                    full = Some(Instant::now());
                }
                health.passed(probed, begun.elapsed());
                match (in_time, probed.delivered) {
                    (true, true) => health.tell(notifier, &[("WATCHDOG", "1"), ("X_PILLARBOX_PROBE", "passed")]),
                    (true, false) => health.tell(notifier, &[("WATCHDOG", "1")]),
                    (false, _) => log::warn!("health: the store answered after {} s", begun.elapsed().as_secs()),
                }
            }
            Ok(Err(error)) => {
                // A message that cannot be read says nothing of those to come: try one that is new.
                full = None;
                health.failed(format!("the probe failed: {error}"));
                health.tell(notifier, &[]);
            }
            Err(_) => {
                health.failed("the probe broke off".to_owned());
                health.tell(notifier, &[]);
            }
        }
    }
}

/// Tells the supervisor that mail has moved, once a second at most, until the server stops.
pub async fn tell_of_mail(notifier: &Notifier, mut stop: StopSignal) {
    if !notifier.is_active() {
        return;
    }
    let mut ticks = interval(MAIL_NOTICE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = mail_moved();
    loop {
        tokio::select! {
            biased;
            () = stop.stopped() => return,
            _ = ticks.tick() => {}
        }
        let now = mail_moved();
        if now != before {
            notifier.send(&[("X_PILLARBOX_MAIL", "1")]);
        }
        before = now;
    }
}

/// Messages that came or were read.
fn mail_moved() -> u64 {
    let counters = [
        &COUNTERS.messages_accepted,
        &COUNTERS.messages_appended,
        &COUNTERS.messages_fetched,
        &COUNTERS.messages_retrieved,
    ];
    counters.into_iter().fold(0, |sum, counter| sum.wrapping_add(counter.get()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::serve::Stopper;
    use crate::store::Error;
    use std::os::unix::net::UnixDatagram;
    use std::sync::Arc;

    const GOOD: Probed = Probed { card: Card::Good, is_set_up: true, delivered: false };

    struct Watched {
        health: Arc<Health>,
        asked: tokio::sync::mpsc::UnboundedReceiver<(Depth, oneshot::Sender<Answer>)>,
        supervisor: UnixDatagram,
        _folder: tempfile::TempDir,
        _stopper: Stopper,
    }

    impl Watched {
        fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("notify");
            let supervisor = UnixDatagram::bind(&path).unwrap();
            supervisor.set_nonblocking(true).unwrap();
            let notifier = Notifier::to(path.as_os_str()).unwrap();
            let (sender, asked) = tokio::sync::mpsc::unbounded_channel();
            let (stopper, stop) = Stopper::new();
            let health = Arc::<Health>::default();
            drop(tokio::spawn({
                let health = Arc::clone(&health);
                async move {
                    let probe = |depth| {
                        let (answer, receiver) = oneshot::channel();
                        sender.send((depth, answer)).unwrap();
                        receiver
                    };
                    watch(&health, probe, &notifier, stop).await;
                }
            }));
            Self { health, asked, supervisor, _folder: folder, _stopper: stopper }
        }

        /// Waits for the next probe, and what came before it.
        async fn next(&mut self) -> (Depth, oneshot::Sender<Answer>, String) {
            let (depth, answer) = self.asked.recv().await.unwrap();
            (depth, answer, self.heard())
        }

        fn heard(&self) -> String {
            let mut heard = String::new();
            let mut octets = [0; 4_096];
            while let Ok(length) = self.supervisor.recv(&mut octets) {
                heard.push_str(core::str::from_utf8(octets.get(..length).unwrap()).unwrap());
                heard.push('\n');
            }
            heard
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_probe_is_a_heartbeat_and_some_write() {
        let mut watched = Watched::start();
        let (depth, answer, heard) = watched.next().await;
        assert_eq!((depth, heard.as_str()), (Depth::Full, ""));
        let begun = Instant::now();
        answer.send(Ok(Probed { delivered: true, ..GOOD })).unwrap();
        let (mut light, mut before) = (0, String::new());
        loop {
            let (depth, answer, heard) = watched.next().await;
            if light == 0 {
                assert_eq!(
                    heard,
                    "WATCHDOG=1\nX_PILLARBOX_PROBE=passed\nX_PILLARBOX_HEALTH=serving\nSTATUS=serving mail\n\n"
                );
            } else {
                assert_eq!(heard, "WATCHDOG=1\nX_PILLARBOX_HEALTH=serving\nSTATUS=serving mail\n\n");
            }
            before.push_str(&heard);
            if depth == Depth::Full {
                break;
            }
            light += 1;
            answer.send(Ok(GOOD)).unwrap();
        }
        assert_eq!(begun.elapsed(), FULL_PROBE_INTERVAL);
        assert_eq!(light, 179);
        assert_eq!(before.matches("passed").count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_answer_is_no_heartbeat_until_it_does() {
        let mut watched = Watched::start();
        let (_, answer, _) = watched.next().await;
        sleep(3 * PROBE_TIMEOUT + Duration::from_secs(1)).await;
        let heard = watched.heard();
        assert!(!heard.contains("WATCHDOG") && heard.contains("X_PILLARBOX_HEALTH=degraded"), "{heard}");
        assert!(watched.health.entries().contains(&("probes_failed", Value::Number(3))));
        answer.send(Ok(Probed { delivered: true, ..GOOD })).unwrap();
        // An answer that late is none; the next one counts.
        let (depth, answer, heard) = watched.next().await;
        assert_eq!((depth, heard.contains("WATCHDOG")), (Depth::Light, false));
        answer.send(Ok(GOOD)).unwrap();
        assert!(watched.next().await.2.starts_with("WATCHDOG=1\nX_PILLARBOX_HEALTH=serving\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_bad_card_is_told_and_beats_on() {
        let mut watched = Watched::start();
        for (card, is_set_up, expected) in [
            (Card::Good, false, "setup"),
            (Card::Full, true, "degraded"),
            (Card::Failing, true, "card-failing"),
            (Card::Good, true, "serving"),
        ] {
            let (depth, answer, _) = watched.next().await;
            // Until a message has come through, each probe tries one.
            assert_eq!(depth, Depth::Full);
            answer.send(Ok(Probed { card, is_set_up, delivered: false })).unwrap();
            while watched.health.record().state.name() != expected {
                tokio::task::yield_now().await;
            }
            let heard = watched.heard();
            assert!(heard.starts_with(&format!("WATCHDOG=1\nX_PILLARBOX_HEALTH={expected}\n")), "{heard}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_fails_is_followed_by_one_that_writes() {
        let mut watched = Watched::start();
        watched.next().await.1.send(Ok(Probed { delivered: true, ..GOOD })).unwrap();
        let (depth, answer, _) = watched.next().await;
        assert_eq!(depth, Depth::Light);
        answer.send(Err(Error::Damaged("x".to_owned()))).unwrap();
        let (depth, answer, heard) = watched.next().await;
        assert_eq!((depth, heard.contains("WATCHDOG")), (Depth::Full, false));
        // The thread is gone.
        drop(answer);
        assert!(!watched.next().await.2.contains("WATCHDOG"));
        assert!(watched.health.entries().contains(&("probes_failed", Value::Number(2))));
    }
}
