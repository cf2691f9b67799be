//! The hardware watchdog: a timer that restarts the machine unless it is fed (Documentation/watchdog/watchdog-api.rst).
//!
//! Owns the open device. Opening starts the timer; only [`Watchdog::disarm`] stops it again, so a program that dies or is
//! dropped leaves it running, and the machine restarts. Deciding when to feed is left to PID 1, which should do so three
//! times within the timeout at least.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// The longest timeout. The Pi's hardware counts to a little under 16 s, and before 2026 its driver took any longer
/// request modulo 16: 60 s became 12 s, 64 s became none.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(15);
/// The shortest: the interface counts whole seconds.
pub const TIMEOUT_MIN: Duration = Duration::from_secs(1);

/// Why the machine started, as far as the watchdog knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootStatus {
    /// Not because of the watchdog.
    Ordinary,
    /// The watchdog had not been fed.
    Watchdog,
    /// The driver cannot say. That of the Pi never can.
    Unknown,
}

/// What PID 1 does with a watchdog; a test has one of its own.
pub trait Timer: Send {
    /// Starts the timer again.
    ///
    /// # Errors
    /// What the driver says.
    fn feed(&mut self) -> io::Result<()>;

    /// Stops the timer and closes the device.
    ///
    /// # Errors
    /// What the driver says; then the timer goes on.
    fn disarm(self: Box<Self>) -> io::Result<()>;

    /// Why the machine started.
    fn boot_status(&self) -> BootStatus;
}

/// An armed watchdog. Dropping it leaves it armed.
#[derive(Debug)]
pub struct Watchdog {
    device: File,
    status: BootStatus,
    timeout: Duration,
}

impl Watchdog {
    /// Opens and so arms a watchdog. A part of a second in `timeout` is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if `timeout` is not from [`TIMEOUT_MIN`] to [`TIMEOUT_MAX`]: then the device was not
    /// touched. Otherwise what open(2) or the driver says; the timer does not run then, unless the driver forbids stopping.
    pub fn open(path: &Path, timeout: Duration) -> io::Result<Self> {
        if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&timeout) {
            let message = format!("a watchdog's timeout is 1 to 15 seconds, not {timeout:?}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let device = OpenOptions::new().write(true).open(path)?;
        let status = ioctl::boot_status(&device);
        match ioctl::set_timeout(&device, timeout) {
            Ok(timeout) => Ok(Self { device, status, timeout }),
            Err(error) => {
                // Nobody would feed it in time for a timeout that nobody knows.
                let unused = Self { device, status, timeout };
                unused.disarm()?;
                Err(error)
            }
        }
    }

    /// The timeout that the driver chose: what was asked for, or what it can do.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Starts the timer again.
    ///
    /// # Errors
    /// What write(2) says.
    pub fn feed(&mut self) -> io::Result<()> {
        // Any octet does, but for the V that announces closing.
        self.device.write_all(b"\0")
    }

    /// Stops the timer and closes the device, by the "magic close". A driver under NOWAYOUT goes on nevertheless.
    ///
    /// # Errors
    /// What write(2) says.
    pub fn disarm(mut self) -> io::Result<()> {
        self.device.write_all(b"V")
    }

    /// Why the machine started.
    #[must_use]
    pub fn boot_status(&self) -> BootStatus {
        self.status
    }
}

impl Timer for Watchdog {
    fn feed(&mut self) -> io::Result<()> {
        Self::feed(self)
    }

    fn disarm(self: Box<Self>) -> io::Result<()> {
        Self::disarm(*self)
    }

    fn boot_status(&self) -> BootStatus {
        Self::boot_status(self)
    }
}

/// What the bits of WDIOC_GETBOOTSTATUS mean, with the driver's name for itself.
fn boot_status(bits: i32, driver: &[u8]) -> BootStatus {
    /// WDIOF_CARDRESET of <linux/watchdog.h>: the watchdog restarted the machine.
    const CARD_RESET: i32 = 0x20;
    if bits & CARD_RESET != 0 {
        BootStatus::Watchdog
    } else if bits != 0 || driver.starts_with(b"Broadcom BCM2835") {
        // The Pi's driver always says 0: that means nothing.
        BootStatus::Unknown
    } else {
        BootStatus::Ordinary
    }
}

/// The three requests of <linux/watchdog.h> that have no file of their own: the only unsafe place of this crate.
#[allow(unsafe_code)]
mod ioctl {
    use super::{BootStatus, TIMEOUT_MAX};
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    /// `struct watchdog_info`.
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        options: u32,
        firmware_version: u32,
        identity: [u8; 32],
    }

    mod request {
        nix::ioctl_read!(get_support, b'W', 0, super::Info);
        nix::ioctl_read!(get_boot_status, b'W', 2, i32);
        nix::ioctl_readwrite!(set_timeout, b'W', 6, i32);
    }

    pub(super) fn boot_status(device: &File) -> BootStatus {
        let (mut info, mut bits) = (Info::default(), 0);
        // SAFETY: the descriptor is open for the whole call, and each request writes one object of the type that
        // <linux/watchdog.h> names for it, through a pointer to a live one of just that layout.
        let asked = unsafe {
            let supported = request::get_support(device.as_raw_fd(), &raw mut info);
            supported.and_then(|_| request::get_boot_status(device.as_raw_fd(), &raw mut bits))
        };
        if asked.is_ok() { super::boot_status(bits, &info.identity) } else { BootStatus::Unknown }
    }

    pub(super) fn set_timeout(device: &File, timeout: Duration) -> io::Result<Duration> {
        let asked = timeout.min(TIMEOUT_MAX).as_secs();
        let mut seconds = i32::try_from(asked).map_err(io::Error::other)?;
        // SAFETY: as above; the request reads and writes one int.
        unsafe { request::set_timeout(device.as_raw_fd(), &raw mut seconds) }?;
        // The driver writes back what it chose.
        u64::try_from(seconds).map(Duration::from_secs).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Machine;

    #[test]
    fn a_timeout_that_the_hardware_cannot_count_does_not_touch_it() {
        let path = Path::new("/nonexistent/watchdog");
        for seconds in [0, 16, 60, 64, u64::MAX] {
            let error = Watchdog::open(path, Duration::from_secs(seconds)).expect_err("refused");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{seconds}");
        }
        let error = Watchdog::open(path, Duration::from_millis(999)).expect_err("refused");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(Watchdog::open(path, TIMEOUT_MAX).expect_err("not there").kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_no_watchdog_is_let_go_at_once() {
        let machine = Machine::new();
        machine.file("watchdog", "");
        assert!(Watchdog::open(&machine.root().join("watchdog"), Duration::from_secs(10)).is_err());
        // It was opened, so it was also told to stop.
        assert_eq!(machine.read("watchdog"), "V");
    }

    #[test]
    fn feeding_never_says_the_letter_that_stops_it() {
        let machine = Machine::new();
        machine.file("watchdog", "");
        let device = OpenOptions::new().append(true).open(machine.root().join("watchdog")).expect("a file");
        let mut watchdog = Watchdog { device, status: BootStatus::Ordinary, timeout: TIMEOUT_MAX };
        watchdog.feed().and_then(|()| watchdog.feed()).expect("fed");
        assert_eq!(machine.read("watchdog"), "\0\0");
        watchdog.disarm().expect("disarmed");
        assert_eq!(machine.read("watchdog"), "\0\0V");
    }

    #[test]
    fn dropping_leaves_it_armed() {
        let machine = Machine::new();
        machine.file("watchdog", "");
        let device = OpenOptions::new().append(true).open(machine.root().join("watchdog")).expect("a file");
        drop(Watchdog { device, status: BootStatus::Ordinary, timeout: TIMEOUT_MAX });
        assert_eq!(machine.read("watchdog"), "");
    }

    #[test]
    fn what_the_driver_says_of_the_last_start() {
        assert_eq!(boot_status(0x20, b"i6300ESB timer"), BootStatus::Watchdog);
        assert_eq!(boot_status(0, b"i6300ESB timer"), BootStatus::Ordinary);
        assert_eq!(boot_status(0, b"Broadcom BCM2835 Watchdog timer\0"), BootStatus::Unknown);
        assert_eq!(boot_status(0x01, b"other"), BootStatus::Unknown);
    }
}
