//! Keeps the clock: asks time servers now and then and does what [`super::discipline`] says.
//!
//! Owns one task and, while servers are asked, one thread. Until the clock has been right once, servers are asked after
//! 2, 4, 8 and at last every 64 s; then every hour. Nobody else may set the clock while this runs; keeping the time over a
//! restart is left to PID 1.

use super::discipline::{Correction, Discipline, Verdict};
use super::sntp::{self, Round};
use crate::limits::{BUILD_OCTETS_MAX, TIME_INTERVAL, TIME_RETRY_INTERVAL, TIME_RETRY_INTERVAL_MAX, TIME_SERVERS_MAX};
use clock_steering::unix::UnixClock;
use clock_steering::{Clock as _, LeapIndicator};
use core::time::Duration;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};
use ring::rand::SecureRandom as _;
use std::io::Read as _;
use std::path::Path;
use std::time::Instant;
use tokio::sync::watch;

/// Nothing that runs this is older: 2026-01-01.
const EARLIEST: u64 = 1_767_225_600;

/// What the clock's task works with.
pub struct Clock {
    /// Whom to ask, best first; nobody while there is no network.
    pub servers: watch::Receiver<Vec<String>>,
    /// Becomes true when the clock has been compared and is right, or nearly.
    pub synchronised: watch::Sender<bool>,
    /// The earliest time that can be, since 1970.
    pub earliest: Duration,
    /// Without, the clock is compared and left alone.
    pub may_set: bool,
}

/// The time when the image was made, from its file of `KEY=VALUE` lines; if that is not there, when this was written.
#[must_use]
pub fn earliest(build_file: &Path) -> Duration {
    let mut text = String::new();
    let read = std::fs::File::open(build_file).and_then(|file| file.take(BUILD_OCTETS_MAX).read_to_string(&mut text));
    if let Err(error) = read {
        log::debug!("{}: {error}", build_file.display());
    }
    let epoch = text.lines().find_map(|line| line.strip_prefix("EPOCH=")?.trim().parse().ok());
    Duration::from_secs(epoch.unwrap_or(EARLIEST).max(EARLIEST))
}

impl Clock {
    /// Runs for ever.
    pub async fn run(mut self) {
        let mut discipline = Discipline::new(self.earliest, TIME_INTERVAL);
        let mut refusing: heapless::Vec<String, TIME_SERVERS_MAX> = heapless::Vec::new();
        let mut retry = TIME_RETRY_INTERVAL;
        let mut last = Instant::now();
        loop {
            let mut servers = self.servers.borrow_and_update().clone();
            servers.retain(|server| !refusing.contains(server));
            if servers.is_empty() {
                // An error means that the main loop has ended, and this task with it.
                if self.servers.changed().await.is_err() {
                    return;
                }
                refusing.clear();
                continue;
            }
            // On a thread: the C library's resolver blocks. A fault in there is no answer.
            let round = tokio::task::spawn_blocking(move || sntp::ask(&servers)).await.unwrap_or_default();
            let Round { offsets, refusing: more } = round;
            for server in more {
                // As many as there are servers fit.
                let _ = refusing.push(server);
            }
            // Not the clock that is corrected.
            let correction = discipline.correct(now(), last.elapsed(), &offsets);
            last = Instant::now();
            self.apply(correction);
            let is_known = matches!(correction.verdict, Verdict::Behind(_) | Verdict::Close(_) | Verdict::Ahead(_));
            let pause = if is_known || *self.synchronised.borrow() {
                jittered(TIME_INTERVAL)
            } else {
                let pause = retry;
                retry = retry.saturating_mul(2).min(TIME_RETRY_INTERVAL_MAX);
                pause
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // Another network may have better servers. An error is seen again above.
                _ = self.servers.changed(), if !*self.synchronised.borrow() => {
                    refusing.clear();
                    retry = TIME_RETRY_INTERVAL;
                    tokio::time::sleep(TIME_RETRY_INTERVAL).await;
                }
            }
        }
    }

    fn apply(&self, Correction { verdict, step, ppm }: Correction) {
        match verdict {
            Verdict::Silent => log::info!("no time server has answered"),
            Verdict::Disagreement => log::warn!("the time servers contradict each other; the clock is left as it is"),
            Verdict::Implausible(offset) => log::warn!(
                "the time servers say that the clock is off by {offset:.0} s, which cannot be; it is left as it is"
            ),
            Verdict::Behind(offset) => log::info!("the clock is behind by {offset:.3} s"),
            Verdict::Close(offset) => {
                log::debug!("the clock is right up to {offset:.6} s; it is slewed by {ppm:.1} ppm")
            }
            Verdict::Ahead(offset) => log::warn!(
                "the clock is ahead by {offset:.0} s. It is never set back: it goes slower by 1.8 s an hour until it is \
                 right. To have it right at once, restart without the saved time"
            ),
        }
        if self.may_set {
            if let Some(step) = step
                && let Err(error) = set_forward(step)
            {
                log::error!("the clock cannot be set: {error}");
                return;
            }
            let clock = UnixClock::CLOCK_REALTIME;
            if let Err(error) = clock.set_frequency(ppm) {
                log::warn!("the clock cannot be slewed: {error}");
            }
            if matches!(verdict, Verdict::Behind(_) | Verdict::Close(_)) {
                // Takes away the kernel's mark that the clock is not synchronised; it may then set a clock with a battery.
                let marked = clock
                    .error_estimate_update(Duration::from_millis(50), Duration::from_millis(500))
                    .and_then(|()| clock.set_leap_seconds(LeapIndicator::NoWarning));
                if let Err(error) = marked {
                    log::debug!("the kernel does not take the clock for synchronised: {error}");
                }
            }
        }
        if matches!(verdict, Verdict::Behind(_) | Verdict::Close(_)) {
            self.synchronised.send_if_modified(|synchronised| !core::mem::replace(synchronised, true));
        }
    }
}

fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_REALTIME).map(Duration::from).unwrap_or_default()
}

fn set_forward(step: Duration) -> nix::Result<()> {
    let then = now().saturating_add(step);
    clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from_duration(then))?;
    log::info!("the clock was set forward by {:.3} s", step.as_secs_f64());
    Ok(())
}

/// Up to a tenth less, so that the machines of one town do not ask all at once after a power cut.
fn jittered(interval: Duration) -> Duration {
    let mut random = [0];
    // Without randomness there is no jitter: that is no harm.
    let _ = ring::rand::SystemRandom::new().fill(&mut random);
    let [random] = random;
    interval.saturating_sub(interval.mul_f64(f64::from(random) / 2_560.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_image_says_how_early_it_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("build");
        assert_eq!(earliest(&file), Duration::from_secs(EARLIEST));
        for (text, seconds) in [
            ("VERSION=0.1.0\nEPOCH=1795000000\nARCH=arm64\n", 1_795_000_000),
            ("EPOCH=0\n", EARLIEST),
            ("EPOCH=x\n", EARLIEST),
            ("", EARLIEST),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(earliest(&file), Duration::from_secs(seconds), "{text}");
        }
    }

    #[test]
    fn jitter_is_a_tenth_at_most() {
        for _ in 0..100 {
            let hour = jittered(TIME_INTERVAL);
            assert!(hour <= TIME_INTERVAL && hour >= TIME_INTERVAL.mul_f64(0.9));
        }
    }
}
