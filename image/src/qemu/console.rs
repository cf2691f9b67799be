//! The guest's serial console: kept for those who wait for a line, written to a transcript, shown if wanted.

use crate::step::Failure;
use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The last so many octets are kept in memory; a guest that panics in a loop writes more.
pub const TEXT_OCTETS_MAX: usize = 4 << 20;

/// A place in the console's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(usize);

/// What the guest has written.
#[derive(Default)]
pub struct Console {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The octets from `begin` on.
    text: Vec<u8>,
    begin: usize,
    /// Nothing more will come.
    ended: bool,
}

impl State {
    fn since(&self, mark: Mark) -> String {
        let from = mark.0.saturating_sub(self.begin).min(self.text.len());
        // Serial lines end with CR LF.
        String::from_utf8_lossy(self.text.get(from..).unwrap_or_default()).replace('\r', "")
    }
}

impl Console {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes all that `source` gives, in a thread of its own: until QEMU ends.
    pub(super) fn follow(
        self: &Arc<Self>,
        mut source: impl Read + Send + 'static,
        transcript: Option<File>,
        show: bool,
    ) {
        let console = Arc::clone(self);
        let mut transcript = transcript;
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(octets @ 1..) = source.read(&mut piece) {
                let octets = piece.get(..octets).unwrap_or_default();
                // A transcript on a full disk must not stop the machine.
                let _ = transcript.as_mut().map(|file| file.write_all(octets));
                if show {
                    let _ = std::io::stdout().write_all(octets).and_then(|()| std::io::stdout().flush());
                }
                console.add(octets);
            }
        });
    }

    fn add(&self, octets: &[u8]) {
        let mut state = self.state();
        state.text.extend_from_slice(octets);
        if state.text.len() > TEXT_OCTETS_MAX {
            let gone = state.text.len() - TEXT_OCTETS_MAX / 2;
            state.text.drain(..gone);
            state.begin += gone;
        }
        self.changed.notify_all();
    }

    /// No machine will write any more.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }

    /// All that is kept.
    #[must_use]
    pub fn text(&self) -> String {
        self.state().since(Mark::default())
    }

    /// The place that the next octet will have.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let state = self.state();
        Mark(state.begin + state.text.len())
    }

    /// Waits until a whole line since `mark` contains `needle`, and gives that line.
    ///
    /// # Errors
    /// When none came in time or the machine ended; the message holds the console's last lines.
    pub fn wait_for(&self, needle: &str, mark: Mark, timeout: Duration) -> Result<String, Failure> {
        let deadline = Instant::now() + timeout;
        let mut state = self.state();
        loop {
            let text = state.since(mark);
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            if let Some(line) = whole.lines().find(|line| line.contains(needle)) {
                return Ok(line.to_owned());
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() || state.ended {
                let why = if state.ended { "the machine ended" } else { "none came" };
                let lines: Vec<&str> = text.lines().collect();
                let last = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n");
                return Err(Failure(format!(
                    "waited {} s for a console line with {needle:?}; {why}. Since then:\n{last}",
                    timeout.as_secs()
                )));
            }
            state = match self.changed.wait_timeout(state, rest) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_is_waited_for_after_the_mark_only() {
        let console = Arc::new(Console::default());
        console.add(b"ready\r\n");
        let mark = console.mark();
        let other = Arc::clone(&console);
        let waiting = std::thread::spawn(move || other.wait_for("ready", mark, Duration::from_secs(30)).unwrap());
        console.add(b"not rea");
        console.add(b"dy after 2 s");
        console.add(b"\r\n");
        assert_eq!(waiting.join().unwrap(), "not ready after 2 s");
        assert_eq!(console.wait_for("ready", Mark::default(), Duration::ZERO).unwrap(), "ready");
        console.end();
        let failure = console.wait_for("never", mark, Duration::from_secs(3600)).unwrap_err();
        assert!(failure.0.contains("the machine ended") && failure.0.contains("not ready"), "{failure}");
    }

    #[test]
    fn a_talkative_guest_does_not_fill_the_memory() {
        let console = Console::default();
        for _ in 0..3 {
            console.add(&vec![b'x'; TEXT_OCTETS_MAX]);
        }
        console.add(b"last\n");
        assert!(console.text().len() <= TEXT_OCTETS_MAX);
        assert!(console.mark() > Mark(3 * TEXT_OCTETS_MAX));
        assert!(console.text().ends_with("last\n"));
    }
}
