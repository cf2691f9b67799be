//! The second partition: two state blocks and two update slots, raw.
//!
//! | offset | length | holds |
//! |---:|---:|---|
//! | 0 | 4 KiB | state block 0 |
//! | 4 MiB | 4 KiB | state block 1: in another erase unit, so that a card that dies within one keeps the other |
//! | 8 MiB | 60 MiB | slot A: the first octets of a bundle, see [`super::bundle`] |
//! | 68 MiB | 60 MiB | slot B |
//!
//! A state block, format version 1. Numbers are little-endian; what is not named is zero, also the block's other octets. The
//! blocks are written in turn; the valid one with the higher number counts. None: as the card was made, which is confirmed
//! factory.
//!
//! | offset | width | meaning |
//! |---:|---:|---|
//! | 0 | 8 | `PBOXSLOT` |
//! | 8 | 2 | format version: 1 |
//! | 10 | 1 | confirmed: 0 factory (the binary in the initramfs), 1 slot A, 2 slot B |
//! | 11 | 1 | on trial: 0 nothing, 1 slot A, 2 slot B |
//! | 12 | 1 | tries of it that have begun |
//! | 13 | 1 | kernel set to return to if the trial fails: 0 none, 1 `os-a/`, 2 `os-b/`; with nothing on trial: it is to be returned to now |
//! | 14 | 1 | why the last trial failed: 0 none has, 1 not confirmed in so many tries, 2 it does not verify |
//! | 15 | 1 | octets of that version's text |
//! | 16 | 8 | number of this block, from 1 on |
//! | 24 | 4 | starts in a row that did not become healthy |
//! | 32 | 32 | the version that failed |
//! | 64 | 32 | SHA-256 of its manifest; zero if that could not be read |
//! | 508 | 4 | CRC32C of the octets 0 to 508 |
//!
//! The reader of these blocks is in the initramfs of whichever kernel set runs, and the writer may be a newer binary: so a
//! later version may only give meaning to octets that are zero here, where zero means what this version does.
//!
//! Formats only; reading, writing and deciding are left to others.

use super::bundle::{FORMAT_VERSION, Invalid, put, sealed, take, text};
use super::layout::{MIB, SLOTS};
use super::manifest::Digest;
use super::version::{VERSION_OCTETS_MAX, Version};
use core::fmt;

/// Octets of a state block. What it says is in the first sector.
pub const STATE_OCTETS: usize = 4096;
/// Where the state blocks are.
pub const STATE_OFFSETS: [u64; 2] = [0, 4 * MIB];
/// Octets of a slot.
pub const SLOT_OCTETS: u64 = 60 * MIB;
/// Where the slots are.
const SLOT_OFFSETS: [u64; 2] = [8 * MIB, 68 * MIB];
const _: () =
    assert!(SLOT_OFFSETS[1] + SLOT_OCTETS <= SLOTS.octets && SLOT_OFFSETS[0] + SLOT_OCTETS <= SLOT_OFFSETS[1]);

const MAGIC: [u8; 8] = *b"PBOXSLOT";
const CRC_AT: usize = 508;

/// One of the two slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

impl Slot {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// Where it begins in the partition.
    #[must_use]
    pub fn offset(self) -> u64 {
        let [a, b] = SLOT_OFFSETS;
        match self {
            Self::A => a,
            Self::B => b,
        }
    }

    /// The letter that the environment variable `PILLARBOX_SLOT` has for it.
    #[must_use]
    pub fn letter(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "slot A",
            Self::B => "slot B",
        })
    }
}

/// Where a running binary comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// From the initramfs.
    Factory,
    /// From slot A.
    A,
    /// From slot B.
    B,
}

impl Running {
    /// The slot, if it is one.
    #[must_use]
    pub fn slot(self) -> Option<Slot> {
        match self {
            Self::Factory => None,
            Self::A => Some(Slot::A),
            Self::B => Some(Slot::B),
        }
    }

    /// What the environment variable `PILLARBOX_SLOT` says; nothing, or anything else, is factory.
    #[must_use]
    pub fn from_letter(letter: Option<&str>) -> Self {
        Slot::ALL.into_iter().find(|slot| Some(slot.letter()) == letter).map_or(Self::Factory, Self::from)
    }
}

impl From<Slot> for Running {
    fn from(slot: Slot) -> Self {
        match slot {
            Slot::A => Self::A,
            Slot::B => Self::B,
        }
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.slot() {
            None => f.write_str("the factory version"),
            Some(slot) => slot.fmt(f),
        }
    }
}

/// The folder of a kernel set on the boot partition, as `os_prefix=` in `config.txt` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// `os-a/`
    A,
    /// `os-b/`
    B,
}

impl Prefix {
    /// Its text, with the slash.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "os-a/",
            Self::B => "os-b/",
        }
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a trial failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was started as often as is allowed and never confirmed.
    Unconfirmed,
    /// What the slot holds is not what was signed.
    Unverified,
}

/// A trial that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Why.
    pub cause: Cause,
    /// Which version; `None` if the slot cannot be read.
    pub version: Option<Version>,
    /// SHA-256 of its manifest, or zero.
    pub manifest: Digest,
}

/// What the state blocks say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// What is known to work.
    pub confirmed: Running,
    /// What is to be tried.
    pub trial: Option<Slot>,
    /// How often it was tried so far.
    pub attempts: u8,
    /// The kernel set that goes with `confirmed`, while `config.txt` names, or may name, the other one.
    pub previous_kernel: Option<Prefix>,
    /// The last trial that failed.
    pub failed: Option<Failed>,
    /// Starts in a row that did not become healthy.
    pub unhealthy_boots: u32,
}

impl Default for State {
    /// As the card was made.
    fn default() -> Self {
        Self {
            confirmed: Running::Factory,
            trial: None,
            attempts: 0,
            previous_kernel: None,
            failed: None,
            unhealthy_boots: 0,
        }
    }
}

impl State {
    /// The octets of the block with this number.
    #[must_use]
    pub fn encode(&self, number: u64) -> [u8; STATE_OCTETS] {
        let mut octets = [0; STATE_OCTETS];
        put(&mut octets, 0, &MAGIC);
        put(&mut octets, 8, &FORMAT_VERSION.to_le_bytes());
        put(&mut octets, 10, &[slot_code(self.confirmed.slot()), slot_code(self.trial), self.attempts]);
        let prefix = self.previous_kernel.map_or(0, |prefix| match prefix {
            Prefix::A => 1,
            Prefix::B => 2,
        });
        put(&mut octets, 13, &[prefix]);
        if let Some(failed) = &self.failed {
            let version = failed.version.as_ref().map_or("", Version::as_str);
            let cause = match failed.cause {
                Cause::Unconfirmed => 1,
                Cause::Unverified => 2,
            };
            put(&mut octets, 14, &[cause, u8::try_from(version.len()).unwrap_or(0)]);
            put(&mut octets, 32, version.as_bytes());
            put(&mut octets, 64, &failed.manifest);
        }
        put(&mut octets, 16, &number.to_le_bytes());
        put(&mut octets, 24, &self.unhealthy_boots.to_le_bytes());
        let crc = crc32c::crc32c(octets.get(..CRC_AT).unwrap_or_default());
        put(&mut octets, CRC_AT, &crc.to_le_bytes());
        octets
    }

    /// Reads a block: its state and its number.
    ///
    /// # Errors
    /// [`Invalid`] if it is anything else; [`Invalid::Zero`] if it was never written.
    pub fn decode(octets: &[u8]) -> Result<(Self, u64), Invalid> {
        let octets: &[u8; STATE_OCTETS] = octets.first_chunk().ok_or(Invalid::Short)?;
        sealed(octets, MAGIC, CRC_AT)?;
        let [confirmed, trial, attempts, kernel, cause, version_octets] = take(octets, 10)?;
        let version = match usize::from(version_octets) {
            0 => None,
            len if len > VERSION_OCTETS_MAX => return Err(Invalid::Field("version")),
            len => Some(Version::parse(&text(octets, 32, len)?).ok_or(Invalid::Field("version"))?),
        };
        let manifest = take(octets, 64)?;
        let failed = match cause {
            0 => None,
            1 => Some(Failed { cause: Cause::Unconfirmed, version, manifest }),
            2 => Some(Failed { cause: Cause::Unverified, version, manifest }),
            _ => return Err(Invalid::Field("cause")),
        };
        let state = Self {
            confirmed: slot(confirmed)?.map_or(Running::Factory, Running::from),
            trial: slot(trial)?,
            attempts,
            previous_kernel: match kernel {
                0 => None,
                1 => Some(Prefix::A),
                2 => Some(Prefix::B),
                _ => return Err(Invalid::Field("kernel set")),
            },
            failed,
            unhealthy_boots: u32::from_le_bytes(take(octets, 24)?),
        };
        // A version on trial that is confirmed already is none.
        if state.trial.is_some() && state.trial == state.confirmed.slot() {
            return Err(Invalid::Field("slot on trial"));
        }
        match u64::from_le_bytes(take(octets, 16)?) {
            0 => Err(Invalid::Field("number")),
            number => Ok((state, number)),
        }
    }
}

fn slot_code(slot: Option<Slot>) -> u8 {
    match slot {
        None => 0,
        Some(Slot::A) => 1,
        Some(Slot::B) => 2,
    }
}

fn slot(code: u8) -> Result<Option<Slot>, Invalid> {
    match code {
        0 => Ok(None),
        1 => Ok(Some(Slot::A)),
        2 => Ok(Some(Slot::B)),
        _ => Err(Invalid::Field("slot")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    fn state() -> State {
        State {
            confirmed: Running::A,
            trial: Some(Slot::B),
            attempts: 2,
            previous_kernel: Some(Prefix::A),
            failed: Some(Failed {
                cause: Cause::Unconfirmed,
                version: Version::parse("0.3.0"),
                manifest: core::array::from_fn(|at| u8::try_from(at).unwrap()),
            }),
            unhealthy_boots: 7,
        }
    }

    /// Format version 1, for ever.
    #[test]
    fn golden_octets_of_version_1() {
        let octets = state().encode(258);
        let hex: String = octets[..96].iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(
            hex,
            "50424f58534c4f54010001020201010502010000000000000700000000000000302e332e30000000000000000000000000000000000000000000000000000000\
             000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        );
        assert!(octets[96..CRC_AT].iter().chain(&octets[CRC_AT + 4..]).all(|&octet| octet == 0));
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_refused() {
        let octets = state().encode(1);
        assert_eq!(State::decode(&octets), Ok((state(), 1)));
        for end in 0..octets.len() {
            assert_eq!(State::decode(&octets[..end]), Err(Invalid::Short));
        }
        for bit in 0..(CRC_AT + 4) * 8 {
            let mut flipped = octets;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(State::decode(&flipped).is_err(), "bit {bit}");
        }
        assert_eq!(State::decode(&[0; STATE_OCTETS]), Err(Invalid::Zero));
    }

    #[test]
    fn what_the_checksum_cannot_see() {
        let resealed = |at: usize, octet: u8| {
            let mut octets = state().encode(1);
            octets[at] = octet;
            let crc = crc32c::crc32c(&octets[..CRC_AT]);
            octets[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
            State::decode(&octets).map(|(_, number)| number)
        };
        for (at, octet, error) in [
            (8, 2, Invalid::Version(2)),
            (10, 3, Invalid::Field("slot")),
            (10, 2, Invalid::Field("slot on trial")),
            (11, 3, Invalid::Field("slot")),
            (13, 3, Invalid::Field("kernel set")),
            (14, 3, Invalid::Field("cause")),
            (15, 33, Invalid::Field("version")),
            (32, b'v', Invalid::Field("version")),
            (16, 0, Invalid::Field("number")),
        ] {
            assert_eq!(resealed(at, octet), Err(error), "{at}");
        }
    }

    #[test]
    fn slots_are_named_in_the_environment() {
        for running in [Running::Factory, Running::A, Running::B] {
            assert_eq!(Running::from_letter(running.slot().map(Slot::letter)), running);
        }
        assert_eq!(Running::from_letter(Some("c")), Running::Factory);
    }

    prop_compose! {
        fn states()(
            confirmed in 0..3usize, trial in 0..3usize, attempts: u8, kernel in 0..3usize, unhealthy_boots: u32,
            failed in proptest::option::of(("([0-9][0-9a-z.+-]{0,31})?", any::<bool>(), any::<Digest>())),
        ) -> State {
            let slots = [None, Some(Slot::A), Some(Slot::B)];
            let confirmed = slots[confirmed].map_or(Running::Factory, Running::from);
            State {
                confirmed,
                trial: slots[trial].filter(|&slot| confirmed != slot.into()),
                attempts,
                previous_kernel: [None, Some(Prefix::A), Some(Prefix::B)][kernel],
                failed: failed.map(|(version, unconfirmed, manifest)| Failed {
                    cause: if unconfirmed { Cause::Unconfirmed } else { Cause::Unverified },
                    version: Version::parse(&version),
                    manifest,
                }),
                unhealthy_boots,
            }
        }
    }

    proptest! {
        #[test]
        fn states_come_back(state in states(), number in 1..=u64::MAX) {
            prop_assert_eq!(State::decode(&state.encode(number)), Ok((state, number)));
        }
    }
}
