//! The one time that a build knows: every time stamp in the image is this one, so that two builds give equal octets.
//!
//! <https://reproducible-builds.org/specs/source-date-epoch/>

use crate::step::{Failure, output, root};
use std::process::Command;

/// `SOURCE_DATE_EPOCH`, or the time of the last commit, in seconds since 1970.
///
/// # Errors
/// When the variable is no number, or when there is neither the variable nor a commit.
pub fn source_date_epoch() -> Result<u64, Failure> {
    if let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") {
        return text.trim().parse().map_err(|_| Failure(format!("SOURCE_DATE_EPOCH is no number of seconds: {text}")));
    }
    let text =
        output(Command::new("git").current_dir(root()).args(["log", "-1", "--format=%ct"])).map_err(|failure| {
            Failure(format!("no commit to take the time from; set SOURCE_DATE_EPOCH\n  {}", failure.0))
        })?;
    text.trim().parse().map_err(|_| Failure(format!("git gave no time: {text}")))
}
