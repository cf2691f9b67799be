//! What a person left on the boot partition to be done at this start: a set-up, a factory reset, an update. Each is done by
//! a child with an end; PID 1 says how it went and goes on.

use super::boot::Machine;
use super::boot_partition::MountedBoot;
use super::console::{self, say};
use super::factory_reset::{self, Request};
use super::notice;
use super::one_shot::{self, Ended};
use super::power;
use super::{data, mounts, supervisor};
use crate::limits::{SET_UP_TIMEOUT, UPDATE_TIMEOUT};
use crate::update;
use board::card::layout::SLOTS;
use board::card::slots::Slot;
use board::led::State;
use core::time::Duration;
use std::path::Path;
use std::process::{Command, Stdio};

/// The empty data partition that is packed with the kernel.
const SEED: &str = "/lib/pillarbox/data.ext4.gz";

/// Runs this program in another role, to its end.
fn role(machine: &mut Machine, arguments: &[&str], timeout: Duration) -> std::io::Result<Ended> {
    let output = || console::for_child(machine.line.verbose).map_or_else(Stdio::null, Stdio::from);
    let mut command = Command::new(supervisor::PROGRAM);
    command.args(arguments).env_clear().env("PILLARBOX_APPLIANCE", "1");
    // An update must not go to the slot that runs.
    command.env("PILLARBOX_SLOT", machine.version.running().slot().map_or("", Slot::letter));
    command.stdin(Stdio::null()).stdout(output()).stderr(output());
    let hardware = &mut machine.hardware;
    one_shot::run(&mut command, timeout, || hardware.feed())
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
    let boot = MountedBoot::new(Path::new(mounts::BOOT));
    let request = factory_reset::requested(Path::new(mounts::BOOT));
    match request {
        Request::None => return true,
        Request::Unclear { .. } => {
            say("factory-reset.txt does not say what to erase: nothing is erased; see factory-reset-answer.txt");
            if let Err(error) = factory_reset::answer(&boot, &request) {
                say(&format!("the answer cannot be written: {error}"));
            }
            return true;
        }
        Request::Erase { .. } => {}
    }
    if let Err(error) = factory_reset::begin(&boot, &request) {
        say(&format!("the factory reset cannot be begun, nothing is erased: {error}"));
        return true;
    }
    say("factory reset: all mail is erased now");
    machine.hardware.show(State::Updating);
    let hardware = &mut machine.hardware;
    let erased =
        factory_reset::write_seed(Path::new(SEED), Path::new(&data::partition(card)), &mut |_| hardware.feed());
    match erased.and_then(|_| factory_reset::finish(&boot, &request)) {
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

/// Installs the bundle that lies on the boot partition, if there is one, and starts the machine again to try it. Not while
/// another version is on trial: first that has to show what it is worth.
pub fn update(machine: &mut Machine, card: &str) {
    let Some(file) = update::request(Path::new(mounts::BOOT)).filter(|_| !machine.version.is_trial()) else { return };
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    say(&format!("update: installing {name}"));
    machine.hardware.show(State::Updating);
    let slots = board::card::partition(card, SLOTS.number);
    let path = file.to_string_lossy();
    let pending = |machine: &Machine| {
        let version = &machine.version;
        version.slots().is_some_and(|slots| update::pending(slots, version.running()).is_some())
    };
    let was_pending = pending(machine);
    match role(machine, &["update", &path, "--slots", &slots, "--boot", mounts::BOOT], UPDATE_TIMEOUT) {
        Ok(ended) if ended.code() == Some(0) => say("update: installed"),
        Ok(ended) => say(&format!("update: {name} was not installed ({ended}); see {name}.refused.txt on the card")),
        Err(error) => say(&format!("update: cannot be started: {error}")),
    }
    machine.hardware.show(State::Booting);
    // Only for what was installed just now: a card that fails must not start the machine again and again.
    if pending(machine) && !was_pending {
        say("update: starting again to try the new version");
        mounts::release();
        machine.hardware.feed();
        power::end(notice::Request::Reboot);
    }
}
