//! From the kernel's hand-over to the loop.
//!
//! Stage one is the binary in the initramfs, which changes only with the kernel: it finds the card and chooses the version to
//! run. Stage two is that version, or stage one itself when there is none. Nothing here gives up: what fails is said and
//! shown, and PID 1 goes on with what there is.

use super::command_line::CommandLine;
use super::console::{self, say};
use super::hardware::Hardware;
use super::modules::Modules;
use super::notice::Request;
use super::supervisor::Supervisor;
use super::version::{self, Version};
use super::{clock, data, errand, mounts, power, steps};
use crate::limits::{CARD_TIMEOUT, CARD_WORK_TIMEOUT};
use board::Board;
use board::led::State;
use core::time::Duration;
use std::io;
use std::path::Path;
use std::time::Instant;

/// Who built this image, and when.
const BUILD: &str = "/etc/pillarbox/build";
/// How often the card is looked for.
const CARD_LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// After a panic, so long for a person to read it.
const PANIC_PAUSE: Duration = Duration::from_secs(5);

/// The machine as stage two knows it.
#[derive(Debug)]
pub struct Machine {
    /// What the kernel was told.
    pub line: CommandLine,
    /// Watchdog and LED.
    pub hardware: Hardware,
    /// Which version runs, and where the others are.
    pub version: Version,
    /// The boot partition is mounted.
    pub has_boot: bool,
    /// The data partition is mounted and may be written to.
    pub has_data: bool,
    /// Its device, if it was found.
    pub card: Option<String>,
    /// The card did not answer: it is not asked again at this start.
    pub card_hangs: bool,
}

impl Machine {
    /// Has something done on the card, and feeds the watchdog meanwhile. `timeout` counts from the last sign of life that
    /// the work gives.
    ///
    /// # Errors
    /// Those of the work; [`io::ErrorKind::TimedOut`] if the card does not answer, now or before.
    pub fn on_card<T: Send + 'static>(
        &mut self,
        timeout: Duration,
        work: impl FnOnce(&mut dyn FnMut()) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        if self.card_hangs {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the card did not answer before"));
        }
        let hardware = &mut self.hardware;
        let done = errand::wait_for(timeout, || hardware.feed(), work);
        if matches!(&done, Err(error) if error.kind() == io::ErrorKind::TimedOut) {
            self.card_hangs = true;
        }
        done.and_then(core::convert::identity)
    }
}

/// Is this the first process of a machine that was started from our initramfs?
#[must_use]
pub fn is_pid_one() -> bool {
    let name = std::env::args_os().next();
    std::process::id() == 1 && name.is_some_and(|name| Path::new(&name).file_name().is_some_and(|name| name == "init"))
}

/// Starts the machine and looks after it until it is switched off.
pub fn run() -> ! {
    std::panic::set_hook(Box::new(|panic| {
        say(&format!("PID 1 broke and starts the machine again: {panic}"));
        // Not here: it waits as long as a card hangs.
        let _ = errand::Errand::begin(nix::unistd::sync);
        std::thread::sleep(PANIC_PAUSE);
        power::end(Request::Reboot);
    }));
    let failures = mounts::kernel();
    console::open();
    let line = CommandLine::read();
    let board = Board::detect();
    let version = env!("CARGO_PKG_VERSION");
    say(&format!("Pillarbox {version} on {}", board.model.as_deref().unwrap_or(board.definition.name)));
    failures.iter().for_each(|failure| say(failure));

    let mut modules = Modules::of_this_kernel();
    modules.load(board.definition.modules.early).iter().for_each(|failure| say(failure));
    let mut hardware = Hardware::open(&board, line.watchdog);
    hardware.show(State::Booting);
    if hardware.was_reset() {
        say("the last start was a reset by the watchdog");
    }
    let card = find_card(&board, &line, &mut hardware);
    let version = Version::of(card.as_deref());
    let mut machine = Machine { line, hardware, version, has_boot: false, has_data: false, card, card_hangs: false };
    version::choose(&mut machine);
    modules.load(board.definition.modules.late).iter().for_each(|failure| say(failure));
    version::begin(&mut machine);
    open_card(&mut machine);
    Supervisor::new(machine).run()
}

/// Waits for the card.
fn find_card(board: &Board, line: &CommandLine, hardware: &mut Hardware) -> Option<String> {
    let begin = Instant::now();
    loop {
        let given = line.card.as_deref().filter(|card| Path::new(card).exists()).map(str::to_owned);
        let found = if line.card.is_some() { given } else { board::card::find(Path::new("/"), board.definition) };
        // Its partitions come a moment after the card itself.
        if let Some(card) = found
            && Path::new(&data::partition(&card)).exists()
        {
            return Some(card);
        }
        if begin.elapsed() > CARD_TIMEOUT {
            say("there is no card that can be read; put one in that was made from a Pillarbox image");
            return None;
        }
        hardware.feed();
        std::thread::sleep(CARD_LOOK_INTERVAL);
    }
}

/// Mounts the card's partitions and does what was left there to be done: a factory reset, a set-up, an update.
fn open_card(machine: &mut Machine) {
    let Some(card) = machine.card.clone() else { return };
    let device = board::card::partition(&card, board::card::layout::BOOT.number);
    match machine.on_card(CARD_WORK_TIMEOUT, move |_| mounts::boot(&device)) {
        Ok(()) => machine.has_boot = true,
        Err(error) => say(&format!("the boot partition cannot be read: {error}")),
    }
    if machine.has_boot && !steps::factory_reset(machine, &card) {
        return;
    }
    if machine.has_boot {
        steps::update(machine, &card);
    }
    let device = data::partition(&card);
    let extended = machine.on_card(CARD_WORK_TIMEOUT, move |_| {
        data::extend(&card);
        Ok(())
    });
    if let Err(error) = extended {
        say(&format!("the card stays as large as it is: {error}"));
    }
    if !machine.card_hangs
        && let Err(failure) = data::check(&device, &mut machine.hardware)
    {
        say(&failure);
    }
    let name = device.clone();
    let mounted = machine.on_card(CARD_WORK_TIMEOUT, move |alive| {
        data::mount(&device)?;
        alive();
        data::grow(&device);
        alive();
        data::directories(super::supervisor::SERVE_USER)
    });
    match mounted {
        Ok(()) => machine.has_data = mounts::is_writable(mounts::DATA) == Some(true),
        Err(error) => say(&format!("the mail cannot be reached: {name}: {error}")),
    }
    let kept = machine.on_card(CARD_WORK_TIMEOUT, |_| Ok(clock::kept(Path::new(mounts::DATA)))).unwrap_or(0);
    let given = machine.line.clock.unwrap_or(0);
    if let Some(behind) = clock::start(&[kept, clock::build_epoch(Path::new(BUILD)), given]) {
        say(&format!("the clock was {behind} s behind what is known already"));
    }
    // Without the card, accounts would be made in memory, and their passwords then overwritten in pillarbox.toml.
    if machine.has_data {
        steps::set_up(machine);
    }
}
