//! The network child: links, addresses, names, time.

use crate::serve::Failure;
use std::path::Path;

/// Runs until SIGTERM.
///
/// # Errors
/// [`Failure`] if nothing can be done at all.
pub fn run(settings: &Path) -> Result<(), Failure> {
    Err(Failure::Failed(format!("cannot use {}", settings.display())))
}
