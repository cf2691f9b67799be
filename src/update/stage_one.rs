//! Stage one: which version this start runs.
//!
//! | what the state says | what runs |
//! |---|---|
//! | nothing on trial | the confirmed version |
//! | on trial, fewer than [`UPDATE_ATTEMPTS_MAX`] tries | the one on trial, after this try has been counted on the card |
//! | on trial, all tries used | the confirmed version; the trial is over |
//! | on trial, but its slot does not verify | the confirmed version; the trial is over |
//! | the confirmed slot does not verify | the factory version; the state is left as it is |
//! | the try cannot be counted, or no state can be read | the confirmed version, or factory: never one that might be tried for ever |
//!
//! A power cut between any two writes leads to the same table at the next start. Power that is cut during three tries in a
//! row counts as three tries that failed: nothing on the machine can tell the difference.
//!
//! Holds one piece of the binary at a time. Mounting, running and rebooting are left to PID 1.

use super::Error;
use super::device::SlotDevice;
use super::slot;
use super::state::{self, Found};
use super::verify::PublicKey;
use crate::limits::UPDATE_ATTEMPTS_MAX;
use board::card::slots::{Cause, Failed, Prefix, Running, Slot, State};
use board::card::version::Version;
use std::path::{Path, PathBuf};

/// What stage one has decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What is to run.
    pub running: Running,
    /// Its verified binary; `None` for the factory version, which runs already.
    pub binary: Option<PathBuf>,
    /// Its version; `None` for the factory version.
    pub version: Option<Version>,
    /// Which try of a version on trial this is, from 1 on; 0 if it is confirmed.
    pub attempt: u32,
    /// What a person should know, for console and log.
    pub notes: Vec<String>,
    /// The kernel set that `config.txt` must name, because the trial of another one is over. Do it with
    /// [`super::restore_kernel`], and start again if that says so; if it cannot be done, go on with this choice.
    pub kernel_rollback: Option<Prefix>,
}

/// Decides, and copies the chosen slot's binary to `into/pillarbox` as it verifies it.
///
/// It never fails: what goes wrong is in the notes, and in the worst case the factory version runs.
#[must_use]
pub fn stage_one(device: &SlotDevice, key: &PublicKey, into: &Path) -> Choice {
    let mut notes = Vec::new();
    let Found { mut state, damaged, .. } = match state::read(device) {
        Ok(found) => found,
        Err(error) => {
            notes.push(format!("{error}; the factory version runs"));
            return Choice::factory(notes, None);
        }
    };
    if let Some(invalid) = damaged {
        notes.push(format!(
            "one of the two records of the update slots is damaged ({invalid}), as a power cut can leave it; the other counts"
        ));
    }
    if let Some(slot) = state.trial
        && let Some(choice) = try_trial(device, key, into, slot, &mut state, &mut notes)
    {
        return choice;
    }
    let mut choice = confirmed(device, key, into, &state, notes);
    if let Some(failed) = &state.failed {
        choice.notes.push(failure_text(failed, choice.version.as_ref().map(Version::as_str)));
    }
    choice
}

impl Choice {
    fn factory(notes: Vec<String>, kernel_rollback: Option<Prefix>) -> Self {
        Self { running: Running::Factory, binary: None, version: None, attempt: 0, notes, kernel_rollback }
    }
}

/// The version on trial, or `None` if it is not to run; `state` is then what stands.
fn try_trial(
    device: &SlotDevice,
    key: &PublicKey,
    into: &Path,
    slot: Slot,
    state: &mut State,
    notes: &mut Vec<String>,
) -> Option<Choice> {
    if state.attempts >= UPDATE_ATTEMPTS_MAX {
        give_up(device, key, slot, Cause::Unconfirmed, state, notes);
        return None;
    }
    // Before anything of the new version is touched: whatever it does from here on, the try is counted.
    let counted = state::change(device, |state| {
        state.attempts = state.attempts.saturating_add(1);
        Ok::<_, Error>(())
    });
    match counted {
        Ok(counted) => *state = counted,
        Err(error) => {
            notes.push(format!("the new version in {slot} is not tried, because the try cannot be recorded: {error}"));
            return None;
        }
    }
    match slot::take_out(device, slot, key, into) {
        Ok((binary, front)) => {
            let version = front.manifest.version;
            notes.push(format!("version {version} is on trial, try {} of {UPDATE_ATTEMPTS_MAX}", state.attempts));
            Some(Choice {
                running: slot.into(),
                binary: Some(binary),
                version: Some(version),
                attempt: u32::from(state.attempts),
                notes: core::mem::take(notes),
                kernel_rollback: None,
            })
        }
        // It may be readable at the next start, and the try is counted.
        Err(error @ Error::Card(_)) => {
            notes.push(format!("the new version in {slot} is not tried now: {error}"));
            None
        }
        Err(error) => {
            notes.push(format!("the new version in {slot} is not tried: {}", slot_text(&error)));
            give_up(device, key, slot, Cause::Unverified, state, notes);
            None
        }
    }
}

/// The trial is over. If that cannot be written, the next start comes to the same end.
fn give_up(device: &SlotDevice, key: &PublicKey, slot: Slot, cause: Cause, state: &mut State, notes: &mut Vec<String>) {
    let known = slot::front(device, slot, key).ok();
    let failed = Failed {
        cause,
        manifest: known.as_ref().map_or([0; 32], |front| front.digest),
        version: known.map(|front| front.manifest.version),
    };
    let over = |state: &mut State| {
        state.trial = None;
        state.attempts = 0;
        state.unhealthy_boots = 0;
        state.failed = Some(failed.clone());
    };
    // What is decided counts for this start, whether it can be recorded or not.
    over(state);
    let recorded = state::change(device, |state| {
        over(state);
        Ok::<_, Error>(())
    });
    if let Err(error) = recorded {
        notes.push(format!("the end of the trial cannot be recorded: {error}"));
    }
}

/// The confirmed version; factory if it does not verify.
fn confirmed(device: &SlotDevice, key: &PublicKey, into: &Path, state: &State, mut notes: Vec<String>) -> Choice {
    // With something on trial the new kernel is wanted as well; without, the old one is.
    let kernel_rollback = if state.trial.is_none() { state.previous_kernel } else { None };
    let Some(slot) = state.confirmed.slot() else { return Choice::factory(notes, kernel_rollback) };
    match slot::take_out(device, slot, key, into) {
        Ok((binary, front)) => Choice {
            running: slot.into(),
            binary: Some(binary),
            version: Some(front.manifest.version),
            attempt: 0,
            notes,
            kernel_rollback,
        },
        Err(error) => {
            notes.push(format!(
                "{slot} cannot be run: {}; the factory version runs. Install an update again",
                slot_text(&error)
            ));
            Choice::factory(notes, kernel_rollback)
        }
    }
}

/// Errors of a bundle, said of a slot.
fn slot_text(error: &Error) -> String {
    match error {
        Error::NotABundle(invalid) => format!("it does not hold a version: {invalid}"),
        Error::NotSigned(_) => "what it holds is not signed by this appliance's key".to_owned(),
        Error::Damaged(_) => "it is damaged: its binary is not what was signed".to_owned(),
        other => other.to_string(),
    }
}

/// What became of the last trial, for console and status. `running` is the version that runs.
pub(super) fn failure_text(failed: &Failed, running: Option<&str>) -> String {
    let version = failed.version.as_ref().map_or_else(|| "the new version".to_owned(), |v| format!("version {v}"));
    let runs = running.unwrap_or(env!("CARGO_PKG_VERSION"));
    match failed.cause {
        Cause::Unconfirmed => {
            format!("{version} did not pass its test mail in {UPDATE_ATTEMPTS_MAX} tries; {runs} runs")
        }
        Cause::Unverified => format!("{version} was damaged on the card and not tried; {runs} runs"),
    }
}
