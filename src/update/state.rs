//! Reads and writes the state blocks: which version is confirmed, which is on trial.
//!
//! Both blocks are read, the valid one with the higher number counts, and the other one is overwritten: until the new one is
//! whole on the card, the old one stands. Holds two blocks at a time. What the state means for a start is left to
//! [`super::stage_one`].

use super::Error;
use super::device::{Lock, SlotDevice};
use board::card::bundle::Invalid;
use board::card::slots::{STATE_OCTETS, STATE_OFFSETS, State};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The state.
    pub state: State,
    /// The newest block's number; 0 if there is none.
    number: u64,
    /// Which block the next one goes to.
    next: u64,
    /// A block that is neither valid nor empty: what is wrong with it. One is what a power cut leaves.
    pub damaged: Option<Invalid>,
}

/// Reads the newest state.
///
/// # Errors
/// [`Error::Card`] if neither block can be read. A block that cannot be read, beside one that can, counts as damaged: it may
/// have been the newer one, and then the older one counts, as after a power cut.
pub(super) fn read(device: &SlotDevice) -> Result<Found, Error> {
    let [first, second] = STATE_OFFSETS;
    let blocks = [block(device, first), block(device, second)];
    let mut damaged = None;
    let mut newest: Option<(State, u64, u64)> = None;
    let mut unread = None;
    for (block, other) in blocks.into_iter().zip([second, first]) {
        match block {
            Ok(Ok((state, number))) => {
                if newest.as_ref().is_none_or(|(_, known, _)| number > *known) {
                    newest = Some((state, number, other));
                }
            }
            Ok(Err(Invalid::Zero)) => {}
            Ok(Err(invalid)) => damaged = Some(invalid),
            Err(error) => unread = Some(error),
        }
    }
    match (newest, unread) {
        (Some((state, number, next)), unread) => {
            let damaged = damaged.or(unread.map(|_| Invalid::Short));
            Ok(Found { state, number, next, damaged })
        }
        (None, Some(error)) => Err(error),
        (None, None) => Ok(Found { state: State::default(), number: 0, next: first, damaged }),
    }
}

fn block(device: &SlotDevice, offset: u64) -> Result<Result<(State, u64), Invalid>, Error> {
    let mut octets = [0; STATE_OCTETS];
    let read = device.blocks().read_at(offset, &mut octets);
    read.map_err(|error| Error::card("cannot read the state of the update slots", &error))?;
    Ok(State::decode(&octets))
}

/// Reads the state, lets `change` change it, and writes it if it did; no other process does so meanwhile. Gives the state
/// that stands now.
///
/// # Errors
/// [`Error::Busy`] at once if another process is at it; those of `change`; [`Error::Card`] and [`Error::ReadBack`] if the
/// state does not stand on the card: then the old one does, or after a power cut perhaps the new one.
pub(super) fn change<E>(device: &SlotDevice, change: impl FnOnce(&mut State) -> Result<(), E>) -> Result<State, E>
where
    E: From<Error>,
{
    let _held = device.lock(Lock::State)?;
    let Found { state: before, number, next, .. } = read(device)?;
    let mut state = before.clone();
    change(&mut state)?;
    if state != before {
        write(device, &state, number.saturating_add(1), next)?;
    }
    Ok(state)
}

fn write(device: &SlotDevice, state: &State, number: u64, offset: u64) -> Result<(), Error> {
    let octets = state.encode(number);
    let failed = |error: std::io::Error| Error::card("cannot write the state of the update slots", &error);
    device.blocks().write_at(offset, &octets).map_err(failed)?;
    device.blocks().sync().map_err(failed)?;
    let mut read = [0; STATE_OCTETS];
    device.blocks().read_at(offset, &mut read).map_err(failed)?;
    if read == octets { Ok(()) } else { Err(Error::ReadBack("the state of the update slots".to_owned())) }
}
