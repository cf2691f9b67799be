//! The kernel's command line: what whoever starts the kernel may tell PID 1.
//!
//! | switch | meaning |
//! |---|---|
//! | `pillarbox.watchdog=off` | the hardware watchdog is left alone |
//! | `pillarbox.card=/dev/vda` | the card is this device, whatever the board says |
//! | `pillarbox.clock=SECONDS` | the clock starts there (seconds since 1970) |
//! | `pillarbox.console=verbose` | what the children log goes to the console as well |
//! | `pillarbox.drill=freeze-serve` | once mail is served, `serve` is stopped (SIGSTOP): it must be noticed |
//! | `pillarbox.drill=freeze-init` | once mail is served, PID 1 itself freezes: the watchdog must reset the machine |
//!
//! A drill is for whoever wants to see that help comes; the appliance's own tests do.
//!
//! Every switch has a default, and one that cannot be read is as if it were not there: a typing mistake must not stop a
//! machine without a keyboard.

use std::path::Path;

/// A fault that is made on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drill {
    /// `serve` is stopped.
    FreezeServe,
    /// PID 1 freezes.
    FreezeInit,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// May the hardware watchdog be used?
    pub watchdog: bool,
    /// The card's device.
    pub card: Option<String>,
    /// Where the clock starts, in seconds since 1970.
    pub clock: Option<i64>,
    /// Do children write to the console?
    pub verbose: bool,
    /// What is to break.
    pub drill: Option<Drill>,
}

impl CommandLine {
    /// Reads `/proc/cmdline`; nothing is said if it cannot be read.
    #[must_use]
    pub fn read() -> Self {
        Self::parse(&std::fs::read_to_string(Path::new("/proc/cmdline")).unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let value = |name: &str| {
            let words = text.split_ascii_whitespace().filter_map(|word| word.strip_prefix("pillarbox."));
            // The last one counts, as for the kernel's own.
            words
                .filter_map(|word| word.split_once('='))
                .filter(|(key, _)| *key == name)
                .map(|(_, value)| value)
                .next_back()
        };
        Self {
            watchdog: value("watchdog") != Some("off"),
            card: value("card").filter(|card| card.starts_with("/dev/")).map(str::to_owned),
            clock: value("clock").and_then(|clock| clock.parse().ok()),
            verbose: value("console") == Some("verbose"),
            drill: match value("drill") {
                Some("freeze-serve") => Some(Drill::FreezeServe),
                Some("freeze-init") => Some(Drill::FreezeInit),
                Some(_) | None => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_found_among_the_kernels_own() {
        let nothing = CommandLine { watchdog: true, card: None, clock: None, verbose: false, drill: None };
        assert_eq!(CommandLine::parse("quiet pillarbox.drill=fire pillarbox. pillarbox.card"), nothing);
        let line = "console=ttyAMA0 quiet pillarbox.card=/dev/vdb pillarbox.card=/dev/vda pillarbox.clock=86400";
        let card = Some("/dev/vda".to_owned());
        assert_eq!(CommandLine::parse(line), CommandLine { card, clock: Some(86_400), ..nothing.clone() });
        let line = "pillarbox.watchdog=off pillarbox.console=verbose pillarbox.card=vda pillarbox.clock=now";
        let line = format!("{line} pillarbox.drill=freeze-init");
        let line = line.as_str();
        let expected = CommandLine { watchdog: false, verbose: true, drill: Some(Drill::FreezeInit), ..nothing };
        assert_eq!(CommandLine::parse(line), expected);
    }
}
