//! What can go wrong with an update, in words for people.

use board::card::bundle::Invalid;
use board::card::version::Version;
use core::fmt;

/// Why an update was not done. Nothing that worked before has stopped working.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no partition with update slots.
    NoSlots(String),
    /// The public key cannot be read.
    Key(String),
    /// The file is no bundle.
    NotABundle(Invalid),
    /// The file ends early.
    Truncated {
        /// Its length.
        at: u64,
        /// What it should be.
        of: u64,
    },
    /// The file goes on after the end of the bundle, which this is.
    TooLong(u64),
    /// Signed with another key, or not over this.
    NotSigned(String),
    /// A part is not what was signed.
    Damaged(String),
    /// For another processor.
    Architecture(String),
    /// Older than what runs.
    Older {
        /// The bundle's.
        offered: Version,
        /// What runs.
        running: Version,
    },
    /// This very bundle has been tried and did not pass.
    FailedBefore(Version),
    /// What runs is itself on trial, so both slots are needed.
    OnTrial,
    /// Another process is changing the slots.
    Busy,
    /// The kernel set does not fit on the boot partition.
    NoRoom {
        /// Octets that it needs.
        needs: u64,
        /// Octets that are free.
        free: u64,
    },
    /// `config.txt` does not say in one place which kernel set is used.
    Config(&'static str),
    /// What was read back is not what was written.
    ReadBack(String),
    /// The bundle cannot be read.
    Bundle(String),
    /// The card does not do what it should.
    Card(String),
    /// The boot partition does not do what it should.
    Boot(String),
}

impl Error {
    /// Is nothing wrong with the bundle or the card, so that the same bundle may be installed at another start? A card that
    /// fails is not asked again: each installation writes many megabytes.
    #[must_use]
    pub fn is_for_now(&self) -> bool {
        match self {
            Self::OnTrial | Self::Busy | Self::NoSlots(_) | Self::Key(_) => true,
            Self::NotABundle(_)
            | Self::Truncated { .. }
            | Self::TooLong(_)
            | Self::NotSigned(_)
            | Self::Damaged(_)
            | Self::Architecture(_)
            | Self::Older { .. }
            | Self::FailedBefore(_)
            | Self::NoRoom { .. }
            | Self::Config(_)
            | Self::ReadBack(_)
            | Self::Bundle(_)
            | Self::Card(_)
            | Self::Boot(_) => false,
        }
    }

    pub(super) fn card(what: &str, error: &std::io::Error) -> Self {
        Self::Card(format!("{what}: {error}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSlots(why) => write!(
                f,
                "there are no update slots on this machine ({why}): this is not an appliance. Where Pillarbox runs as an \
                 ordinary program, replace the program itself"
            ),
            Self::Key(why) => write!(f, "the public key for updates cannot be read: {why}"),
            Self::NotABundle(why) => write!(f, "this is not an update bundle: {why}"),
            Self::Truncated { at, of } => {
                write!(f, "the bundle is truncated at octet {at} of {of}: copy or download it again")
            }
            Self::TooLong(octets) => {
                write!(f, "the file goes on after octet {octets}, where the bundle ends: copy or download it again")
            }
            Self::NotSigned(why) => write!(f, "the bundle is not signed by this appliance's key: {why}"),
            Self::Damaged(part) => {
                write!(f, "{part} is not what was signed: copy or download the bundle again")
            }
            Self::Architecture(architecture) => write!(
                f,
                "the bundle is for {architecture} processors, and this machine has {}",
                std::env::consts::ARCH
            ),
            Self::Older { offered, running } => write!(
                f,
                "the bundle has version {offered}, which is older than {running}, which runs; --allow-older installs it \
                 all the same, but an older version may refuse mail that a newer one has kept"
            ),
            Self::FailedBefore(version) => write!(
                f,
                "this bundle of version {version} was tried before and did not pass its test mail; to try it once more \
                 install it by hand"
            ),
            Self::OnTrial => f.write_str(
                "the version that runs is itself on trial: it must pass its test mail, or be given up, before another \
                 one can be installed. Try again in a few minutes",
            ),
            Self::Busy => f.write_str("another update is being installed; try again when it is done"),
            Self::NoRoom { needs, free } => write!(
                f,
                "the kernel of this bundle needs {needs} octets on the boot partition, and {free} are free: delete what \
                 is not needed there"
            ),
            Self::Config(why) => write!(f, "config.txt on the boot partition {why}, so no other kernel can be chosen"),
            Self::ReadBack(what) => {
                write!(f, "{what} reads back differently than it was written: the card is failing; replace it")
            }
            Self::Bundle(why) => write!(f, "the bundle cannot be read: {why}"),
            Self::Card(why) => write!(f, "the card fails: {why}"),
            Self::Boot(why) => write!(f, "the boot partition fails: {why}"),
        }
    }
}

impl core::error::Error for Error {}
