//! The power button, and the machine's end.
//!
//! Owns the input devices. The button is whatever sends `KEY_POWER` (include/uapi/linux/input-event-codes.h).

use super::notice::Request;
use nix::fcntl::OFlag;
use nix::sys::reboot::{RebootMode, reboot, set_cad_enabled};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

/// Devices that are listened to at one time.
const BUTTONS_MAX: usize = 4;
/// struct `input_event` on a 64-bit machine: 16 octets of time, type, code, value.
const EVENT_OCTETS: usize = 24;
const EV_KEY: u16 = 1;
const KEY_POWER: u16 = 116;

/// The buttons that there are.
#[derive(Debug)]
pub struct Buttons(Vec<File>);

impl Buttons {
    /// Opens them; a board without any has none. Ctrl-Alt-Delete becomes a signal to PID 1 instead of a reset.
    #[must_use]
    pub fn open() -> Self {
        let _ = set_cad_enabled(false);
        let devices = (0..BUTTONS_MAX).filter_map(|number| {
            let path = format!("/dev/input/event{number}");
            OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).ok()
        });
        Self(devices.collect())
    }

    /// What to wait for.
    pub fn files(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(AsFd::as_fd)
    }

    /// Was one pressed? Reads all that waits.
    pub fn was_pressed(&mut self) -> bool {
        let mut pressed = false;
        self.0.retain_mut(|device| {
            let mut event = [0; EVENT_OCTETS];
            loop {
                match device.read(&mut event) {
                    Ok(EVENT_OCTETS) => pressed |= is_press(&event),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return true,
                    // Unplugged.
                    Ok(_) | Err(_) => return false,
                }
            }
        });
        pressed
    }
}

fn is_press(event: &[u8; EVENT_OCTETS]) -> bool {
    let [.., type_low, type_high, code_low, code_high, value, _, _, _] = *event;
    let kind = u16::from_ne_bytes([type_low, type_high]);
    let code = u16::from_ne_bytes([code_low, code_high]);
    kind == EV_KEY && code == KEY_POWER && value == 1
}

/// Ends the machine's run. What has to be kept is on the card: nothing is waited for here, as a card that hangs would not let
/// the machine end.
pub fn end(how: Request) -> ! {
    let mode = match how {
        Request::Reboot => RebootMode::RB_AUTOBOOT,
        Request::PowerOff => RebootMode::RB_POWER_OFF,
    };
    // A kernel that cannot switch off halts; PID 1 must not return.
    let _ = reboot(mode);
    let _ = reboot(RebootMode::RB_HALT_SYSTEM);
    loop {
        std::thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u16, code: u16, value: i32) -> [u8; EVENT_OCTETS] {
        let mut octets = [0x33; EVENT_OCTETS];
        let fields = kind.to_ne_bytes().into_iter().chain(code.to_ne_bytes()).chain(value.to_ne_bytes());
        octets.iter_mut().skip(16).zip(fields).for_each(|(octet, field)| *octet = field);
        octets
    }

    #[test]
    fn only_pressing_the_power_key_counts() {
        assert!(is_press(&event(EV_KEY, KEY_POWER, 1)));
        for other in [event(EV_KEY, KEY_POWER, 0), event(EV_KEY, 30, 1), event(0, 0, 0), event(3, KEY_POWER, 1)] {
            assert!(!is_press(&other));
        }
    }
}
