//! Which version of the program runs: chosen once by stage one, confirmed once it has moved its test mail.
//!
//! Owns the partition with the slots. Stage one hands over by exec(2): what it knows goes along in the environment.

use super::boot::Machine;
use super::console::say;
use super::errand::{Errand, Progress};
use super::mounts;
use super::notice::Request;
use super::power;
use crate::limits::CARD_WORK_TIMEOUT;
use crate::update::{self, Choice, MountedBoot, PublicKey, SlotDevice};
use board::card::layout::SLOTS;
use board::card::slots::Running;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Updates must be signed with this key.
pub const KEY: &str = "/etc/pillarbox/update.pub";
/// Where a chosen version is copied to, in memory.
const INTO: &str = "/run/version";
const STAGE: &str = "PILLARBOX_STAGE";
const SLOT: &str = "PILLARBOX_SLOT";
const ATTEMPT: &str = "PILLARBOX_ATTEMPT";

/// The version that runs, and what is known of the others.
pub struct Version {
    running: Running,
    on_trial: bool,
    slots: Option<Arc<SlotDevice>>,
    unhealthy_boots: u32,
    proved: bool,
    /// The card is being told that this version works.
    confirming: Option<Errand<Result<bool, update::Error>>>,
    /// What was said of the last attempt, so that it is said once.
    complaint: Option<update::Error>,
}

/// Stage one: chooses the version to run and becomes it, unless it is this one.
pub fn choose(machine: &mut Machine) {
    if std::env::var_os(STAGE).is_some() {
        let running = Running::from_letter(std::env::var(SLOT).ok().as_deref());
        let attempt = std::env::var(ATTEMPT).ok().and_then(|attempt| attempt.parse().ok());
        machine.version.take_over(running, attempt.unwrap_or(0));
        return;
    }
    let Some(slots) = machine.version.slots.clone() else { return };
    let key = match PublicKey::load(Path::new(KEY)) {
        Ok(key) => key,
        Err(error) => return say(&format!("updates cannot be checked, the factory version runs: {error}")),
    };
    if let Err(error) = std::fs::create_dir_all(INTO) {
        return say(&format!("{INTO}: {error}"));
    }
    let chosen = machine.on_card(CARD_WORK_TIMEOUT, move |_| Ok(update::stage_one(&slots, &key, Path::new(INTO))));
    let choice = match chosen {
        Ok(choice) => choice,
        Err(error) => return say(&format!("the card's versions cannot be read, the factory version runs: {error}")),
    };
    choice.notes.iter().for_each(|note| say(note));
    if choice.kernel_rollback.is_some() {
        restore_kernel(machine);
    }
    hand_over(machine, &choice);
}

/// The trial of a kernel is over: the one before it comes back.
fn restore_kernel(machine: &mut Machine) {
    let Some((card, slots)) = machine.card.clone().zip(machine.version.slots.clone()) else { return };
    let device = board::card::partition(&card, board::card::layout::BOOT.number);
    let restored = machine.on_card(CARD_WORK_TIMEOUT, move |_| {
        mounts::boot(&device).map_err(|error| std::io::Error::other(format!("{device}: {error}")))?;
        let restored = update::restore_kernel(&slots, &MountedBoot::at(Path::new(mounts::BOOT)));
        let released = mounts::release();
        let restored = restored.map_err(std::io::Error::other)?;
        released.map(|()| restored)
    });
    match restored {
        Ok(true) => {
            say("the kernel from before the update comes back");
            machine.hardware.feed();
            power::end(Request::Reboot);
        }
        Ok(false) => {}
        Err(error) => say(&format!("the kernel from before the update cannot be chosen: {error}")),
    }
}

/// Becomes the chosen version. The watchdog stays armed while nobody holds it: a version that does not take it loses its
/// try.
fn hand_over(machine: &mut Machine, choice: &Choice) {
    let Some(binary) = &choice.binary else { return };
    machine.hardware.feed();
    let slot = choice.running.slot().map_or("", board::card::slots::Slot::letter);
    let error = Command::new(binary)
        .arg0("/init")
        .env_clear()
        .env(STAGE, "two")
        .env(SLOT, slot)
        .env(ATTEMPT, choice.attempt.to_string())
        .exec();
    say(&format!("the version in slot {slot} cannot be run, the factory version runs: {error}"));
}

/// Counts this start as one that has not become healthy yet.
pub fn begin(machine: &mut Machine) {
    let Some(slots) = machine.version.slots.clone() else { return };
    let noted = machine.on_card(CARD_WORK_TIMEOUT, move |_| update::note_boot(&slots).map_err(std::io::Error::other));
    match noted {
        Ok(boots) => machine.version.unhealthy_boots = boots,
        Err(error) => say(&format!("this start is not counted: {error}")),
    }
}

impl Version {
    /// What is on a card; the factory version until [`choose`] has said otherwise.
    #[must_use]
    pub fn of(card: Option<&str>) -> Self {
        let device = card.map(|card| board::card::partition(card, SLOTS.number));
        let slots = device.and_then(|device| {
            let opened = SlotDevice::open(Path::new(&device));
            opened.map(Arc::new).inspect_err(|error| say(&format!("no updates: {error}"))).ok()
        });
        Self {
            running: Running::Factory,
            on_trial: false,
            slots,
            unhealthy_boots: 0,
            proved: false,
            confirming: None,
            complaint: None,
        }
    }

    fn take_over(&mut self, running: Running, attempt: u32) {
        self.running = running;
        self.on_trial = attempt > 0;
    }

    /// How many starts in a row have not become healthy, with this one.
    #[must_use]
    pub fn unhealthy_boots(&self) -> u32 {
        self.unhealthy_boots
    }

    /// Is it being tried?
    #[must_use]
    pub fn is_trial(&self) -> bool {
        self.on_trial && !self.proved
    }

    /// Which one it is.
    #[must_use]
    pub fn running(&self) -> Running {
        self.running
    }

    /// The slots, if the card has them.
    #[must_use]
    pub fn slots(&self) -> Option<Arc<SlotDevice>> {
        self.slots.clone()
    }

    /// It has moved its test mail: it is healthy, and if it was on trial, it stays. PID 1 does not wait until that is on the
    /// card: [`Version::look`] says when it is.
    pub fn proved(&mut self) {
        if self.proved || self.confirming.is_some() {
            return;
        }
        let Some(slots) = self.slots.clone() else { return };
        let running = self.running;
        let begun = Errand::begin(move || {
            update::confirm(&slots, running).and_then(|new| update::clear_boots(&slots).map(|()| new))
        });
        // Without a thread: the next probe tries again.
        self.confirming = begun.ok();
    }

    /// Takes note of what has reached the card.
    pub fn look(&mut self) {
        let Some(confirming) = &self.confirming else { return };
        let Progress::Done(confirmed) = confirming.look() else { return };
        self.confirming = None;
        match confirmed {
            Some(Ok(new)) => {
                if new {
                    say("the new version has moved its test mail and stays");
                }
                self.proved = true;
                self.unhealthy_boots = 0;
            }
            // The next probe tries again.
            Some(Err(error)) if self.complaint.as_ref() != Some(&error) => {
                say(&format!("the version that runs cannot be confirmed yet: {error}"));
                self.complaint = Some(error);
            }
            Some(Err(_)) | None => {}
        }
    }
}

impl core::fmt::Debug for Version {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Version")
            .field("running", &self.running)
            .field("on_trial", &self.on_trial)
            .finish_non_exhaustive()
    }
}
