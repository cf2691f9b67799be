//! A child that has an end: a check, a step of the set-up, an update. PID 1 keeps the watchdog fed while it runs.

use crate::limits::CHILD_STOP_TIMEOUT;
use core::time::Duration;
use std::io;
use std::process::{Command, ExitStatus};
use std::time::Instant;

/// How often the child is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// How a child ended.
#[derive(Debug)]
pub enum Ended {
    /// By itself.
    With(ExitStatus),
    /// It took longer than it may, and was killed.
    TimedOut,
}

impl Ended {
    /// Its exit code, if it had one.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::With(status) => status.code(),
            Self::TimedOut => None,
        }
    }
}

impl core::fmt::Display for Ended {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::With(status) => write!(f, "{status}"),
            Self::TimedOut => f.write_str("took too long"),
        }
    }
}

/// Runs a program to its end or for `timeout`; `meanwhile` is called again and again.
///
/// # Errors
/// If it cannot be started or waited for.
pub fn run(command: &mut Command, timeout: Duration, mut meanwhile: impl FnMut()) -> io::Result<Ended> {
    let begin = Instant::now();
    let mut child = command.spawn()?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::With(status));
        }
        if begin.elapsed() > timeout {
            child.kill()?;
            // One that waits for a card that hangs does not end before that does.
            let killed = Instant::now();
            while child.try_wait()?.is_none() && killed.elapsed() < CHILD_STOP_TIMEOUT {
                meanwhile();
                std::thread::sleep(LOOK_INTERVAL);
            }
            return Ok(Ended::TimedOut);
        }
        meanwhile();
        std::thread::sleep(LOOK_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        let ended = run(Command::new("sh").args(["-c", "exit 3"]), Duration::from_secs(60), || ()).unwrap();
        assert_eq!(ended.code(), Some(3));
        let mut looks = 0;
        let ended = run(Command::new("sleep").arg("600"), Duration::from_millis(60), || looks += 1).unwrap();
        assert!(matches!(ended, Ended::TimedOut) && looks > 0);
        assert!(run(&mut Command::new("/no/such/program"), Duration::ZERO, || ()).is_err());
    }
}
