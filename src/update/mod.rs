//! Signed updates in two slots.

use crate::serve::Failure;
use std::path::PathBuf;

/// What `pillarbox update` is told.
#[derive(Clone, Debug)]
pub struct UpdateOptions {
    /// The bundle.
    pub file: PathBuf,
    /// The partition with the slots.
    pub slots: PathBuf,
    /// Where the boot partition is mounted.
    pub boot: PathBuf,
    /// The public key.
    pub key: PathBuf,
}

/// Installs a bundle.
///
/// # Errors
/// [`Failure`] if it is not whole, not signed by the key, or cannot be written.
pub fn run(options: &UpdateOptions) -> Result<(), Failure> {
    Err(Failure::Failed(format!("cannot use {}", options.file.display())))
}
