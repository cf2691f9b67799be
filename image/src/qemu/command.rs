//! `cargo qemu`: the appliance on a desktop, with its ports here and its console in the terminal.
//!
//! Works on a copy of the image that is kept between runs, so that mail stays. A new copy gets a `pillarbox.toml` with an
//! account, as a person would write one onto a card.

use super::machine::{Attachment, Card, Kind, MEMORY_MIB, Machine};
use super::{Ending, Running, card};
use crate::step::{Failure, root};
use nix::sys::signal::{SigSet, Signal};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Protocols, the ports that are tried first here, and those of the guest.
const PORTS: [(&str, u16, u16); 7] = [
    ("smtp", 2525, 25),
    ("submission", 2587, 587),
    ("submissions", 2465, 465),
    ("imap", 2143, 143),
    ("imaps", 2993, 993),
    ("pop3", 2110, 110),
    ("pop3s", 2995, 995),
];
/// Larger than the image, so that the first start has something to grow to; QEMU wants a power of two.
const CARD_OCTETS: u64 = 2 << 30;
/// The account of a new copy.
const ADDRESS: &str = "me@pillarbox.local";
/// Signals that come so close together are one wish.
const SAME_PRESS: Duration = Duration::from_millis(500);
/// After Ctrl-C the machine must be off by then.
const POWER_OFF_TIMEOUT: Duration = Duration::from_secs(90);
/// How often the machine's end is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// What the person wants.
#[derive(clap::Args)]
pub struct Options {
    /// The image to copy from; target/image/pillarbox.img when not given
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// Emulate a Raspberry Pi 3B (slower) instead of QEMU's own board
    #[arg(long)]
    pub raspi3b: bool,
    /// Start with a new copy of the image: the mail in the old one is deleted
    #[arg(long)]
    pub fresh: bool,
    /// Memory in MiB; a Raspberry Pi 3B has always 1024
    #[arg(long, value_name = "MIB", default_value_t = MEMORY_MIB)]
    pub memory: u32,
    /// More words for QEMU
    #[arg(last = true, value_name = "QEMU ARGUMENTS")]
    pub extra: Vec<OsString>,
}

/// Runs the machine until it is switched off.
///
/// # Errors
/// When the image or QEMU is missing, or the machine ends otherwise than by being switched off.
pub fn run(options: Options) -> Result<(), Failure> {
    let image = options.image.unwrap_or_else(|| root().join("target").join("image").join("pillarbox.img"));
    if !image.is_file() {
        return Err(Failure(format!("{} is not there; `cargo image build` makes it", image.display())));
    }
    let copy = root().join("target").join("image").join("qemu.img");
    let password = prepare(&image, &copy, options.fresh)?;
    let kind = if options.raspi3b { Kind::Raspi3b } else { Kind::Virt };
    let mut machine = Machine::new(kind, Card::File(copy.clone()))
        .attachment(Attachment::SdCard)
        .memory(options.memory)
        .qemu_arguments(options.extra)
        .show_console();
    for (_, host, guest) in PORTS {
        machine = machine.forward(host, guest);
    }
    // Before any thread is made: all inherit it, and only ours below takes these signals.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block().map_err(|error| Failure(format!("signals: {error}")))?;
    let running = machine.start()?;
    println!("{}", table(&running, kind, &copy, &password));
    attend(running, signals)
}

/// Waits for the machine's end, or for Ctrl-C: once is the power button, twice a power cut.
fn attend(mut running: Running, signals: SigSet) -> Result<(), Failure> {
    let (sender, interrupts) = channel();
    std::thread::spawn(move || while signals.wait().is_ok() && sender.send(()).is_ok() {});
    let mut asked: Option<Instant> = None;
    loop {
        match interrupts.recv_timeout(LOOK_INTERVAL) {
            Ok(()) if asked.is_none() => {
                asked = Some(Instant::now());
                println!("\nswitching off in order; Ctrl-C again cuts the power");
                running.power_down()?;
            }
            // One press of Ctrl-C can come as two signals.
            Ok(()) if asked.is_some_and(|asked| asked.elapsed() < SAME_PRESS) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                running.kill();
                println!("\npower cut");
                return Ok(());
            }
            Err(RecvTimeoutError::Timeout) => {
                if asked.is_some_and(|asked| asked.elapsed() > POWER_OFF_TIMEOUT) {
                    running.kill();
                    return Err(Failure("the appliance did not switch itself off; its power was cut".into()));
                }
            }
        }
        match running.wait(Duration::ZERO) {
            None => {}
            Some(Ending::PowerOff | Ending::Killed) => {
                println!("the machine is off");
                return Ok(());
            }
            Some(Ending::Failed(why)) => return Err(Failure(why)),
        }
    }
}

/// Makes the working copy if there is none; gives the password of its account.
fn prepare(image: &Path, copy: &Path, fresh: bool) -> Result<String, Failure> {
    let kept = copy.with_extension("password");
    if !fresh
        && copy.is_file()
        && let Ok(password) = std::fs::read_to_string(&kept)
    {
        let modified = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
        // The copy changes with every run, the file beside it only when the copy is made.
        if modified(image) > modified(&kept) {
            println!(
                "{} is newer than its copy {}; --fresh takes the new one and deletes the mail in the old one",
                image.display(),
                copy.display()
            );
        }
        return Ok(password);
    }
    let password = password()?;
    // Without this file a copy that was cut short is made again.
    let _ = std::fs::remove_file(&kept);
    card::copy_sparse(image, copy, CARD_OCTETS)?;
    card::write_boot_file(copy, "pillarbox.toml", set_up_file(ADDRESS, &password).as_bytes())?;
    std::fs::write(&kept, &password).map_err(|error| Failure(format!("{}: {error}", kept.display())))?;
    Ok(password)
}

/// A `pillarbox.toml` for the boot partition that makes one account.
#[must_use]
pub fn set_up_file(address: &str, password: &str) -> String {
    format!("[[account]]\naddress = \"{address}\"\npassword = \"{password}\"\n")
}

/// Letters that are not mistaken for others.
const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789x";

/// Three groups of five letters: 75 bits.
fn password() -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure(format!("/dev/urandom: {error}"));
    let mut octets = [0_u8; 15];
    std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut octets)).map_err(failed)?;
    let letters: Vec<char> = octets
        .iter()
        .filter_map(|octet| LETTERS.get(usize::from(octet % 32)).map(|&letter| char::from(letter)))
        .collect();
    Ok(letters.chunks(5).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-"))
}

fn table(running: &Running, kind: Kind, copy: &Path, password: &str) -> String {
    let port = |guest: u16| running.port(guest).unwrap_or_default();
    let mut ports = String::new();
    for (name, _, guest) in PORTS {
        let comma = if ports.is_empty() { "" } else { ", " };
        let _ = write!(ports, "{comma}{name} {}", port(guest));
    }
    let machine = match kind {
        Kind::Virt => "QEMU's virt",
        Kind::Raspi3b => "an emulated Raspberry Pi 3B",
    };
    format!(
        "Pillarbox on {machine}\n\n  \
           address   {ADDRESS}\n  \
           password  {password}\n  \
           ports     {ports}\n  \
           card      {}   (kept; --fresh starts anew)\n\n  \
           try it    swaks --server localhost:{} --to {ADDRESS}\n            \
                     curl --insecure --user '{ADDRESS}:{password}' 'imaps://localhost:{}/INBOX;MAILINDEX=1'\n  \
           stop      Ctrl-C switches off in order, twice cuts the power\n",
        copy.display(),
        port(25),
        port(993),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn passwords_are_random_and_can_be_read_aloud() {
        let (one, other) = (password().unwrap(), password().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 17);
        assert!(one.chars().all(|c| c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit()), "{one}");
        assert!(toml::from_str::<toml::Table>(&set_up_file(ADDRESS, &one)).is_ok());
    }
}
