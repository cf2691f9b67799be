//! What is said about the version that runs: it works, it did not become healthy, is it known to work.

use super::Error;
use super::device::SlotDevice;
use super::stage_one::failure_text;
use super::state;
use board::card::slots::{Running, State};

/// The version that runs has passed its test mail. If it was on trial, it is what runs from now on, with the kernel set that
/// `config.txt` names; `true` says so. Otherwise nothing is written, so it may be called after every probe.
///
/// # Errors
/// [`Error::Busy`] if another process is changing the state at this moment: call again. [`Error::Card`] and
/// [`Error::ReadBack`] if it cannot be recorded: the trial goes on.
pub fn confirm(device: &SlotDevice, running: Running) -> Result<bool, Error> {
    let mut confirmed = false;
    state::change(device, |state| {
        let on_trial = state.trial.is_some() && state.trial == running.slot();
        if on_trial {
            *state = State { confirmed: running, ..State::default() };
            confirmed = true;
        }
        Ok::<_, Error>(())
    })?;
    Ok(confirmed)
}

/// Is the version that runs known to work? The mail store's format moves forward only then, because a version that is not
/// confirmed may have to give way to an older one. `false` also if it cannot be found out.
#[must_use]
pub fn is_confirmed(device: &SlotDevice, running: Running) -> bool {
    state::read(device).is_ok_and(|found| found.state.confirmed == running)
}

/// Counts a start that has not become healthy yet, and gives the count with this one. It ends at `u32::MAX`.
///
/// # Errors
/// As [`confirm`].
pub fn note_boot(device: &SlotDevice) -> Result<u32, Error> {
    let state = state::change(device, |state| {
        state.unhealthy_boots = state.unhealthy_boots.saturating_add(1);
        Ok::<_, Error>(())
    })?;
    Ok(state.unhealthy_boots)
}

/// This start has become healthy. Nothing is written if none was counted.
///
/// # Errors
/// As [`confirm`].
pub fn clear_boots(device: &SlotDevice) -> Result<(), Error> {
    let cleared = state::change(device, |state| {
        state.unhealthy_boots = 0;
        Ok::<_, Error>(())
    });
    cleared.map(drop)
}

/// What became of the last version that was tried, if it failed: `version 0.3.0 did not pass its test mail in 3 tries;
/// 0.2.0 runs`. `running_version` is the one that runs. Gone once another version is confirmed.
#[must_use]
pub fn last_failure(device: &SlotDevice, running_version: &str) -> Option<String> {
    let failed = state::read(device).ok()?.state.failed?;
    Some(failure_text(&failed, Some(running_version)))
}
