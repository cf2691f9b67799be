//! What a person left on the boot partition to be done at this start: a set-up, a factory reset, an update. Each is done by
//! a child with an end; PID 1 says how it went and goes on.

use super::boot::Machine;
use super::console::{self, say};
use super::factory_reset::{self, Request};
use super::notice;
use super::one_shot::{self, Ended};
use super::power;
use super::{data, mounts, supervisor};
use crate::limits::{CARD_RELEASE_TIMEOUT, CARD_WORK_TIMEOUT, SET_UP_TIMEOUT, UPDATE_TIMEOUT};
use crate::update::{self, Mounted};
use board::card::layout::SLOTS;
use board::card::slots::Slot;
use board::led::State;
use core::time::Duration;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// The empty data partition that is packed with the kernel.
const SEED: &str = "/lib/pillarbox/data.ext4.gz";

/// Runs this program in another role, to its end. None of them leaves the boot partition writable, whatever became of it.
fn role(machine: &mut Machine, arguments: &[&str], timeout: Duration) -> io::Result<Ended> {
    let output = || console::for_child(machine.line.verbose).map_or_else(Stdio::null, Stdio::from);
    let mut command = Command::new(supervisor::PROGRAM);
    command.args(arguments).env_clear().env("PILLARBOX_APPLIANCE", "1");
    // An update must not go to the slot that runs.
    command.env("PILLARBOX_SLOT", machine.version.running().slot().map_or("", Slot::letter));
    command.stdin(Stdio::null()).stdout(output()).stderr(output());
    let hardware = &mut machine.hardware;
    let ended = one_shot::run(&mut command, timeout, || hardware.feed());
    if machine.has_boot {
        match machine.on_card(CARD_WORK_TIMEOUT, |_| boot().close_after_others()) {
            Ok(was_open) if was_open => say("the boot partition was left writable; it is read-only again"),
            Ok(_) => {}
            Err(error) => say(&format!("the boot partition stays writable: {error}")),
        }
    }
    ended
}

/// Takes over what the boot partition's `pillarbox.toml` says.
pub fn set_up(machine: &mut Machine) {
    let arguments = ["--data", "/data/mail", "set-up", "--boot", mounts::BOOT, "--run", mounts::RUN];
    match role(machine, &arguments, SET_UP_TIMEOUT) {
        Ok(ended) if ended.code() == Some(0) => {}
        Ok(ended) => say(&format!("set-up: {ended}; what was set up before stays")),
        Err(error) => say(&format!("set-up cannot be started: {error}")),
    }
}

/// Carries out a factory reset that is asked for. `false`: it was begun and could not be ended; what is on the data
/// partition must not be used, because the next start erases it.
pub fn factory_reset(machine: &mut Machine, card: &str) -> bool {
    let request = match machine.on_card(CARD_WORK_TIMEOUT, |_| Ok(factory_reset::requested(Path::new(mounts::BOOT)))) {
        Ok(request) => request,
        Err(error) => {
            say(&format!("whether a factory reset is asked for cannot be read: {error}"));
            return true;
        }
    };
    let order = request.clone();
    match request {
        Request::None => return true,
        Request::Unclear { .. } => {
            say("factory-reset.txt does not say what to erase: nothing is erased; see factory-reset-answer.txt");
            let answered = machine.on_card(CARD_WORK_TIMEOUT, move |_| factory_reset::answer(&boot(), &order));
            if let Err(error) = answered {
                say(&format!("the answer cannot be written: {error}"));
            }
            return true;
        }
        Request::Erase { .. } => {}
    }
    let begun = machine.on_card(CARD_WORK_TIMEOUT, move |_| factory_reset::begin(&boot(), &order));
    if let Err(error) = begun {
        say(&format!("the factory reset cannot be begun, nothing is erased: {error}"));
        return true;
    }
    say("factory reset: all mail is erased now");
    machine.hardware.show(State::Updating);
    let device = data::partition(card);
    let erased = machine.on_card(CARD_WORK_TIMEOUT, move |alive| {
        factory_reset::write_seed(Path::new(SEED), Path::new(&device), &mut |_| alive())?;
        factory_reset::finish(&boot(), &request)
    });
    match erased {
        Ok(()) => {
            say("factory reset: done; the card is as it was when it was new");
            machine.hardware.show(State::Booting);
            true
        }
        Err(error) => {
            say(&format!("the factory reset is not finished, the next start goes on with it: {error}"));
            false
        }
    }
}

fn boot() -> Mounted {
    Mounted::at(Path::new(mounts::BOOT))
}

/// Installs the bundle that lies on the boot partition, if there is one, and starts the machine again to try it. Not while
/// another version is on trial: first that has to show what it is worth.
pub fn update(machine: &mut Machine, card: &str) {
    let Some(file) = update::request(Path::new(mounts::BOOT)).filter(|_| !machine.version.is_trial()) else { return };
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    say(&format!("update: installing {name}"));
    machine.hardware.show(State::Updating);
    let slots = board::card::partition(card, SLOTS.number);
    let path = file.to_string_lossy();
    let was_pending = is_pending(machine);
    match role(machine, &["update", &path, "--slots", &slots, "--boot", mounts::BOOT], UPDATE_TIMEOUT) {
        Ok(ended) if ended.code() == Some(0) => say("update: installed"),
        Ok(ended) if ended.code().is_some() => {
            say(&format!("update: {name} was not installed ({ended}); see {name}.refused.txt on the card"));
        }
        // It was killed, and could not say so itself: without that, every start would begin with the same again.
        Ok(ended) => {
            say(&format!("update: {name} was not installed ({ended})"));
            let reason = format!("Its installation broke off ({ended}). Copy it to the card again to try once more.");
            let refused = machine.on_card(CARD_WORK_TIMEOUT, move |_| {
                let refused = update::finish_request(Path::new(mounts::BOOT), &file, Some(&reason));
                refused.map_err(io::Error::other)
            });
            if let Err(error) = refused {
                say(&format!("update: {name} is tried again at the next start: {error}"));
            }
        }
        Err(error) => say(&format!("update: cannot be started: {error}")),
    }
    machine.hardware.show(State::Booting);
    // Only for what was installed just now: a card that fails must not start the machine again and again.
    if is_pending(machine) && !was_pending {
        say("update: starting again to try the new version");
        let released = machine.on_card(CARD_RELEASE_TIMEOUT, |_| mounts::release());
        if let Err(error) = released {
            say(&format!("the card cannot be released: {error}"));
        }
        machine.hardware.feed();
        power::end(notice::Request::Reboot);
    }
}

/// Is there a version that the next start tries?
fn is_pending(machine: &mut Machine) -> bool {
    let running = machine.version.running();
    let Some(slots) = machine.version.slots() else { return false };
    let pending = machine.on_card(CARD_WORK_TIMEOUT, move |_| Ok(update::pending(&slots, running).is_some()));
    pending.unwrap_or(false)
}
