//! What set-up remembers from one start to the next: `set-up.toml` in the data directory.
//!
//! It holds no secret and nothing that cannot be found again: without it the set-up file is taken over once more, which
//! changes nothing.

use super::file::SetUpError;
use super::network::Network;
use super::redaction;
use crate::init::boot_partition::read_at_most;
use crate::limits::SET_UP_STATE_OCTETS_MAX;
use crate::serve::files::{PRIVATE, write_whole};
use core::ops::Range;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// Its name in the data directory.
pub const STATE_NAME: &str = "set-up.toml";

/// What set-up remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// SHA-256 of the set-up file that was taken over wholly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_over: Option<String>,
    /// Passwords that are about to be overwritten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overwriting: Option<Overwriting>,
    /// The network's settings of the last file that was right.
    pub network: Network,
}

/// Passwords that are about to be overwritten. The accounts have them already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overwriting {
    /// SHA-256 of the file when it is done.
    pub digest: String,
    /// Where they stand.
    pub places: Vec<Range<usize>>,
}

impl State {
    /// Reads it; one that is missing or cannot be read is an empty one.
    #[must_use]
    pub fn read(data: &Path) -> Self {
        let path = data.join(STATE_NAME);
        let octets = match read_at_most(&path, SET_UP_STATE_OCTETS_MAX) {
            Ok(octets) => octets.unwrap_or_default(),
            Err(error) => {
                log::warn!("set-up: {error}");
                return Self::default();
            }
        };
        let parsed = core::str::from_utf8(&octets).ok().and_then(|text| toml::from_str(text).ok());
        parsed.unwrap_or_else(|| {
            log::warn!("set-up: {} cannot be read: starting afresh", path.display());
            Self::default()
        })
    }

    /// Writes it.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn write(&self, data: &Path) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        write_whole(&data.join(STATE_NAME), text.as_bytes(), PRIVATE)
    }

    /// Places in the file where overwriting was cut short. Empty if it was not, or if a person has changed the file since.
    #[must_use]
    pub fn torn(&self, octets: &[u8]) -> Vec<Range<usize>> {
        let Some(overwriting) = &self.overwriting else { return Vec::new() };
        let done = redaction::redacted(octets, &overwriting.places);
        if redaction::digest(&done) != overwriting.digest {
            return Vec::new();
        }
        overwriting.places.iter().filter(|place| redaction::torn(octets, place)).cloned().collect()
    }
}

/// What was not done, for the person: one paragraph each.
#[must_use]
pub(super) fn explain(errors: &[String]) -> String {
    let mut text = "Pillarbox could not do all that pillarbox.toml says:\n\n".to_owned();
    for error in errors {
        text.push_str(error);
        text.push_str("\n\n");
    }
    text.push_str("Put this right and start again; this file then goes away. What is not named here was done.\n");
    text
}

/// A file of which nothing was used.
#[must_use]
pub(super) fn explain_refusal(error: &SetUpError) -> String {
    format!(
        "Pillarbox cannot use pillarbox.toml:\n\n{error}\n\nNothing in it was changed or used; what was set up before goes \
         on. Put this right and start again; this file then goes away.\n"
    )
}
