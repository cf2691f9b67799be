//! `pillarbox update FILE`: installs a bundle and tells how far it is, and what comes next.

use super::boot::MountedBoot;
use super::device::SlotDevice;
use super::install::{Installed, Progress, Rules, Stage, install};
use super::request::{finish_request, is_request};
use super::verify::PublicKey;
use super::{Error, Running};
use crate::limits::UPDATE_ATTEMPTS_MAX;
use crate::serve::Failure;
use board::card::version::Version;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::path::PathBuf;

/// The environment variable that says where the version that runs comes from: `a`, `b`, or nothing for factory.
pub const SLOT_VARIABLE: &str = "PILLARBOX_SLOT";

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
    /// Install a version that is older than what runs.
    pub allow_older: bool,
}

/// Installs a bundle. One in the root of the boot partition is a request: it is renamed when it has been dealt with, and is
/// not tried again if it has failed before.
///
/// # Errors
/// [`Failure`] if it is not whole, not signed by the key, or cannot be written.
pub fn run(options: &UpdateOptions) -> Result<(), Failure> {
    let is_request = is_request(&options.boot, &options.file);
    let outcome = install_with_progress(options, is_request);
    if is_request {
        let refused = match &outcome {
            Ok(_) => None,
            // It waits where it is for the next start.
            Err(error) if error.is_for_now() => return Err(failure(error)),
            Err(error) => Some(error.to_string()),
        };
        // Whether the card could be written for it or not, what was installed is.
        if let Err(error) = finish_request(&options.boot, &options.file, refused.as_deref()) {
            say(&format!("{} could not be renamed: {error}", options.file.display()));
        }
    }
    say(&text(&outcome.map_err(|error| failure(&error))?));
    Ok(())
}

fn install_with_progress(options: &UpdateOptions, is_request: bool) -> Result<Installed, Error> {
    let device = SlotDevice::open(&options.slots)?;
    let key = PublicKey::load(&options.key)?;
    let boot = MountedBoot::at(&options.boot);
    let rules = Rules {
        running: Running::from_letter(std::env::var(SLOT_VARIABLE).ok().as_deref()),
        factory_version: Version::parse(env!("CARGO_PKG_VERSION")).expect("cargo's versions are versions"),
        allow_older: options.allow_older,
        allow_failed: !is_request,
    };
    let mut display = Display::default();
    let outcome = install(&options.file, &device, &boot, &key, &rules, &mut |progress| display.show(progress));
    display.end();
    outcome
}

fn text(installed: &Installed) -> String {
    match installed {
        Installed::OnTrial { version, slot, kernel } => {
            let kernel = kernel.map_or_else(String::new, |prefix| format!(", its kernel in {prefix}"));
            format!(
                "version {version} is in {slot}{kernel}. The next start tries it; if it does not pass its test mail in \
                 {UPDATE_ATTEMPTS_MAX} tries, the version that runs now comes back by itself"
            )
        }
        Installed::Already { version, confirmed: true } => format!("version {version} is installed already"),
        Installed::Already { version, confirmed: false } => {
            format!("version {version} is installed already and on trial")
        }
    }
}

fn failure(error: &Error) -> Failure {
    let message = error.to_string();
    match error {
        Error::NoSlots(_) | Error::OnTrial | Error::Busy => Failure::Unavailable(message),
        Error::Bundle(_) | Error::Key(_) => Failure::Usage(message),
        Error::NotABundle(_)
        | Error::Truncated { .. }
        | Error::TooLong(_)
        | Error::NotSigned(_)
        | Error::Damaged(_)
        | Error::Architecture(_)
        | Error::Older { .. }
        | Error::FailedBefore(_)
        | Error::NoRoom { .. }
        | Error::Config(_)
        | Error::ReadBack(_)
        | Error::Card(_)
        | Error::Boot(_) => Failure::Failed(message),
    }
}

fn say(line: &str) {
    // There is nobody left to tell that nobody reads it.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A bar for each stage on a terminal; otherwise a line when it begins.
#[derive(Default)]
struct Display {
    bar: Option<(Stage, ProgressBar)>,
}

impl Display {
    fn show(&mut self, progress: Progress) {
        if self.bar.as_ref().is_none_or(|(stage, _)| *stage != progress.stage) {
            self.end();
            let what = match progress.stage {
                Stage::Checking => "checking the bundle",
                Stage::Writing => "writing the slot",
                Stage::ReadingBack => "reading it back",
                Stage::Kernel => "writing the kernel",
            };
            let bar = ProgressBar::new(progress.total);
            if bar.is_hidden() {
                say(&format!("{what}: {} octets", progress.total));
            }
            let style = ProgressStyle::with_template("{msg:20} [{bar:30}] {bytes}/{total_bytes}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(what);
            self.bar = Some((progress.stage, bar));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set_position(progress.done);
        }
    }

    fn end(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            // A stage that was not finished stays as it is, for the message below it.
            bar.abandon();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use board::card::bundle::Invalid;
    use std::path::Path;

    fn options(folder: &Path) -> UpdateOptions {
        UpdateOptions {
            file: folder.join("boot").join("x.update"),
            slots: folder.join("slots"),
            boot: folder.join("boot"),
            key: folder.join("key"),
            allow_older: false,
        }
    }

    #[test]
    fn a_desktop_is_no_appliance() {
        let folder = tempfile::tempdir().unwrap();
        let failed = run(&options(folder.path())).unwrap_err();
        assert_eq!(failed.code(), 3);
        assert!(failed.to_string().contains("this is not an appliance"), "{failed}");
    }

    #[test]
    fn every_error_says_what_to_do_or_what_is_wrong() {
        let version = Version::parse("0.1.0").unwrap();
        for error in [
            Error::NotABundle(Invalid::Magic),
            Error::Truncated { at: 1, of: 2 },
            Error::NotSigned("x".to_owned()),
            Error::Older { offered: version.clone(), running: version },
            Error::NoRoom { needs: 2, free: 1 },
        ] {
            assert_eq!(failure(&error).code(), 1);
            assert!(error.to_string().len() > 20);
        }
        assert_eq!(
            Error::Truncated { at: 1, of: 2 }.to_string(),
            "the bundle is truncated at octet 1 of 2: copy or download it again"
        );
    }
}
