//! Work on the card that somebody else does, so that PID 1 never waits for a card: a thread.
//!
//! A card that fails may keep a call for minutes, and one that hangs keeps it for ever; no signal ends that. PID 1 has to feed
//! the watchdog meanwhile, and to go on without the card in the end. A thread that does not come back stays where it is:
//! there are as many as there are calls of [`wait_for`] that gave up, a handful, with [`STACK_OCTETS`] of stack each.
//! What is worth waiting for, and for how long, is left to the caller.

use core::time::Duration;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::Instant;

/// Hashing a slot and unpacking the seed are the deepest of it; their buffers are elsewhere.
const STACK_OCTETS: usize = 512 * 1024;
/// How often PID 1 looks around while it waits.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Work that goes on.
#[derive(Debug)]
pub struct Errand<T>(Receiver<T>);

/// How far it is.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress<T> {
    /// It goes on.
    Pending,
    /// It is done; `None`: it broke off.
    Done(Option<T>),
}

impl<T: Send + 'static> Errand<T> {
    /// Begins it.
    ///
    /// # Errors
    /// As the operating system says if there can be no more threads; the work has not begun then.
    pub fn begin(work: impl FnOnce() -> T + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new().name("errand".to_owned()).stack_size(STACK_OCTETS);
        // Nobody may be left who waits for the outcome.
        thread.spawn(move || drop(sender.send(work())))?;
        Ok(Self(receiver))
    }

    /// Looks whether it is done, without waiting.
    pub fn look(&self) -> Progress<T> {
        match self.0.try_recv() {
            Ok(outcome) => Progress::Done(Some(outcome)),
            Err(TryRecvError::Empty) => Progress::Pending,
            Err(TryRecvError::Disconnected) => Progress::Done(None),
        }
    }
}

/// Has the work done, and calls `meanwhile` again and again; `timeout` counts from the last sign of life that the work gives
/// through what it is handed.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] if it takes longer: it goes on nevertheless, and what it holds is gone. Otherwise as
/// [`Errand::begin`].
pub fn wait_for<T: Send + 'static>(
    timeout: Duration,
    mut meanwhile: impl FnMut(),
    work: impl FnOnce(&mut dyn FnMut()) -> T + Send + 'static,
) -> io::Result<T> {
    enum Sign<T> {
        Alive,
        Done(T),
    }
    let (sender, receiver) = channel();
    let thread = std::thread::Builder::new().name("errand".to_owned()).stack_size(STACK_OCTETS);
    thread.spawn(move || {
        let alive = sender.clone();
        let outcome = work(&mut || drop(alive.send(Sign::Alive)));
        drop(sender.send(Sign::Done(outcome)));
    })?;
    let mut begin = Instant::now();
    loop {
        meanwhile();
        match receiver.recv_timeout(LOOK_INTERVAL.min(timeout)) {
            Ok(Sign::Done(outcome)) => return Ok(outcome),
            Ok(Sign::Alive) => begin = Instant::now(),
            Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("it broke off")),
            Err(RecvTimeoutError::Timeout) if begin.elapsed() >= timeout => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the card does not answer"));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_card_that_hangs_is_not_waited_for() {
        // Closed by nobody until the test ends: the work hangs.
        let (_held, never) = channel::<()>();
        let mut looks = 0;
        let hung = wait_for(Duration::from_millis(20), || looks += 1, move |_| never.recv().is_ok());
        assert_eq!(hung.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(looks > 0, "the watchdog was fed");
        assert_eq!(wait_for(Duration::from_secs(60), || (), |_| 7).unwrap(), 7);
    }

    #[test]
    fn an_errand_is_looked_after_without_waiting() {
        let (go, wait) = channel::<u32>();
        let errand = Errand::begin(move || wait.recv().unwrap()).unwrap();
        assert_eq!(errand.look(), Progress::Pending);
        go.send(9).unwrap();
        let outcome = loop {
            match errand.look() {
                Progress::Pending => std::thread::yield_now(),
                Progress::Done(outcome) => break outcome,
            }
        };
        assert_eq!(outcome, Some(9));
    }
}
