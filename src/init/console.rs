//! What PID 1 says to a person at a screen or a serial line.
//!
//! Owns the open consoles, all that the kernel uses. A line is written whole or dropped: PID 1 waits for nobody who
//! reads. The same lines go to the kernel's log, which keeps the last ones of everybody, bounded by its ring.

use nix::fcntl::OFlag;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Mutex;

/// Consoles at one time.
const CONSOLES_MAX: usize = 4;

static CONSOLES: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Opens the consoles. Before, and where there are none, lines go to the kernel's log alone.
pub fn open() {
    let active = std::fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    let files = active.split_ascii_whitespace().take(CONSOLES_MAX).filter_map(|name| writable(&format!("/dev/{name}")));
    let files: Vec<File> = files.collect();
    if let Ok(mut consoles) = CONSOLES.lock() {
        *consoles = files;
    }
}

fn writable(path: &str) -> Option<File> {
    // A console must not become PID 1's controlling terminal: its interrupt key would reach PID 1.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new().write(true).custom_flags(flags.bits()).open(path).ok()
}

/// One line for people, with the seconds since the kernel started.
pub fn say(text: &str) {
    let up = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME)
        .map_or(0.0, |now| core::time::Duration::from(now).as_secs_f64());
    let line = format!("[{up:9.3}] pillarbox: {}\r\n", text.replace(|c: char| c.is_control(), " "));
    if let Ok(mut consoles) = CONSOLES.lock() {
        for console in consoles.iter_mut() {
            // A console that is full or gone loses the line; the kernel's log has it.
            let _ = console.write_all(line.as_bytes());
        }
    }
    if let Some(mut log) = writable("/dev/kmsg") {
        // Level 6: for the log, not for the console, where it stands already.
        let _ = log.write_all(format!("<6>pillarbox: {text}").as_bytes());
    }
}

/// Where a child's output goes: the console when wanted, and the kernel's log otherwise.
#[must_use]
pub fn for_child(verbose: bool) -> Option<File> {
    let active = std::fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    // The last one is where /dev/console leads.
    let console = active.split_ascii_whitespace().last().map(|name| format!("/dev/{name}"));
    let path = if verbose { console? } else { "/dev/kmsg".to_owned() };
    OpenOptions::new().write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(path).ok()
}
