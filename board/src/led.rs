//! What the appliance shows to a person: one LED, one pattern a state.
//!
//! Owns the table of states and the attributes of one LED below `/sys/class/leds`
//! (Documentation/ABI/testing/sysfs-class-led and -trigger-pattern). The kernel repeats a pattern by itself, so nothing
//! runs here. Which state it is, is left to PID 1.

use crate::file;
use core::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// What the appliance is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It is starting.
    Booting,
    /// It runs, and has no account yet.
    WaitingForSetUp,
    /// It runs.
    Serving,
    /// Mail is coming in or going out; shown for about a second.
    MailMoving,
    /// It runs, but something is wrong.
    Degraded,
    /// The card gives errors.
    CardFailing,
    /// A new version or a clean card is being written.
    Updating,
    /// It runs, and reaches no network.
    NoNetwork,
    /// It has stopped: the power can be cut.
    Halted,
}

/// What a pattern is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Light or dark.
    pub on: bool,
    /// For how long.
    pub milliseconds: u16,
}

/// One period of what the LED does, for ever. A single step is a steady light or darkness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern(&'static [Step]);

const fn on(milliseconds: u16) -> Step {
    Step { on: true, milliseconds }
}

const fn off(milliseconds: u16) -> Step {
    Step { on: false, milliseconds }
}

/// State, pattern, how the pattern looks, what it means for a person.
type Row = (State, Pattern, &'static str, &'static str);

/// The table. Nothing faster than 10 flashes a second, nothing that takes longer than 5 s to recognise.
const TABLE: [Row; 9] = [
    (
        State::Booting,
        Pattern(&[on(250), off(250)]),
        "quick even blinking, twice a second",
        "It is starting. Wait up to a minute; the first start takes longest.",
    ),
    (
        State::WaitingForSetUp,
        Pattern(&[on(1000), off(1000)]),
        "slow even blinking, one second on, one second off",
        "It runs and has no account yet: write `pillarbox.toml` on the card.",
    ),
    (
        State::Serving,
        Pattern(&[on(3900), off(100)]),
        "steady light with a short dark moment every four seconds",
        "All is well.",
    ),
    (State::MailMoving, Pattern(&[on(50), off(50)]), "flickering for a moment", "Mail is coming in or being read."),
    (
        State::NoNetwork,
        Pattern(&[on(200), off(200), on(200), off(1400)]),
        "two flashes, pause",
        "It runs, but reaches no network: look at the cable and the router.",
    ),
    (
        State::Degraded,
        Pattern(&[on(200), off(200), on(200), off(200), on(200), off(1400)]),
        "three flashes, pause",
        "Something is wrong and it tries to mend it; `pillarbox status` and the log say what.",
    ),
    (
        State::CardFailing,
        Pattern(&[
            on(150),
            off(150),
            on(150),
            off(150),
            on(150),
            off(350),
            on(450),
            off(150),
            on(450),
            off(150),
            on(450),
            off(350),
            on(150),
            off(150),
            on(150),
            off(150),
            on(150),
            off(900),
        ]),
        "SOS: three short, three long, three short",
        "The card gives errors: mail that is there can still be read. Copy it and use another card.",
    ),
    (
        State::Updating,
        Pattern(&[on(1000), off(200), on(200), off(200)]),
        "one long, one short, again and again",
        "A new version or an empty card is being written. Leave the power on.",
    ),
    (State::Halted, Pattern(&[off(1000)]), "dark", "It has stopped; the power can be cut."),
];

impl State {
    /// All states, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(state, ..)| *state)
    }

    /// What the LED does in this state.
    #[must_use]
    pub fn pattern(self) -> Pattern {
        TABLE.iter().find(|(state, ..)| *state == self).map_or(Pattern(&[]), |(_, pattern, ..)| *pattern)
    }
}

impl Pattern {
    /// One period.
    #[must_use]
    pub fn steps(self) -> &'static [Step] {
        self.0
    }

    /// Every state with its pattern, as the README's Markdown table.
    #[must_use]
    pub fn table() -> String {
        table()
    }

    /// How long the LED is light, and how long it is dark, in one period: all that the timer trigger can show.
    fn light_and_dark(self) -> (u32, u32) {
        self.0.iter().fold((0, 0), |(light, dark), step| {
            let time = u32::from(step.milliseconds);
            if step.on { (light + time, dark) } else { (light, dark + time) }
        })
    }

    /// `Some` if the LED stays as it is.
    fn steady(self) -> Option<bool> {
        match self.light_and_dark() {
            (_, 0) => Some(true),
            (0, _) => Some(false),
            _ => None,
        }
    }
}

/// Every state with its pattern, as the README's Markdown table.
#[must_use]
pub fn table() -> String {
    let mut text = "| the LED | what it means |\n| --- | --- |\n".to_owned();
    for (_, _, looks, means) in TABLE {
        // Writing to a String does not fail.
        let _ = writeln!(text, "| {looks} | {means} |");
    }
    text
}

/// One LED.
#[derive(Clone, Debug)]
pub struct Led {
    folder: PathBuf,
    shown: Option<State>,
}

impl Led {
    /// The first of `names` that is there; `sys_root` is where sysfs is mounted, `/sys`.
    #[must_use]
    pub fn find(sys_root: &Path, names: &[&str]) -> Option<Self> {
        let class = sys_root.join("class/leds");
        let folder = names.iter().map(|name| class.join(name)).find(|folder| folder.join("brightness").exists())?;
        Some(Self { folder, shown: None })
    }

    /// Shows a state until the next one: by the kernel's pattern trigger, or else by its timer trigger, which can only blink
    /// evenly, or else as a steady light, dark when [`State::Halted`]. Does nothing if it is shown already.
    ///
    /// # Errors
    /// What the last of these ways said.
    pub fn show(&mut self, state: State) -> io::Result<()> {
        if self.shown == Some(state) {
            return Ok(());
        }
        self.shown = None;
        let pattern = state.pattern();
        match pattern.steady() {
            Some(light) => self.steady(light),
            None => self
                .repeat(pattern)
                .or_else(|_| self.blink(pattern))
                // A LED without triggers: light as long as anything runs.
                .or_else(|_| self.steady(true)),
        }?;
        self.shown = Some(state);
        Ok(())
    }

    fn repeat(&self, pattern: Pattern) -> io::Result<()> {
        self.choose("pattern")?;
        let bright = self.brightness_max();
        let mut text = String::new();
        for step in pattern.steps() {
            let level = if step.on { bright } else { 0 };
            // A second tuple of no length: change at once instead of fading to the next step.
            let _ = write!(text, "{level} {} {level} 0 ", step.milliseconds);
        }
        self.write("pattern", text.trim_end())
    }

    fn blink(&self, pattern: Pattern) -> io::Result<()> {
        self.choose("timer")?;
        let (light, dark) = pattern.light_and_dark();
        self.write("delay_on", &light.to_string())?;
        self.write("delay_off", &dark.to_string())
    }

    fn steady(&self, light: bool) -> io::Result<()> {
        // The trigger first: one that goes on would change the brightness again. An LED without triggers has no such file.
        let _ = self.write("trigger", "none");
        self.write("brightness", &(if light { self.brightness_max() } else { 0 }).to_string())
    }

    /// Makes `trigger` the LED's trigger. One that is already is left alone, or it would start over.
    fn choose(&self, trigger: &str) -> io::Result<()> {
        // All that there are, with brackets around the current one: `none [heartbeat] pattern`.
        let known = file::text(&self.folder.join("trigger")).unwrap_or_default();
        let mut current = known.split_whitespace().filter_map(|name| name.strip_prefix('[')?.strip_suffix(']'));
        if current.any(|name| name == trigger) { Ok(()) } else { self.write("trigger", trigger) }
    }

    fn brightness_max(&self) -> u32 {
        file::number(&self.folder.join("max_brightness")).filter(|max| *max > 0).unwrap_or(1)
    }

    fn write(&self, attribute: &str, value: &str) -> io::Result<()> {
        file::write(&self.folder.join(attribute), value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Machine;

    fn pairs() -> impl Iterator<Item = (State, State)> {
        State::all().flat_map(|one| State::all().map(move |other| (one, other))).filter(|(one, other)| one != other)
    }

    #[test]
    fn every_state_has_a_pattern_that_changes_and_ends() {
        assert_eq!(State::all().collect::<std::collections::HashSet<_>>().len(), TABLE.len());
        for state in State::all() {
            let steps = state.pattern().steps();
            assert!(!steps.is_empty(), "{state:?}");
            assert!(steps.iter().all(|step| step.milliseconds >= 50), "{state:?}: too short to see");
            // The last step is followed by the first.
            let next = steps.iter().cycle().skip(1);
            assert!(steps.len() == 1 || steps.iter().zip(next).all(|(step, next)| step.on != next.on), "{state:?}");
            let (light, dark) = state.pattern().light_and_dark();
            assert!(light + dark <= 5_000, "{state:?}: too long to recognise");
        }
    }

    #[test]
    fn a_person_can_tell_patterns_apart() {
        // What one sees: how many flashes before it starts again, and how long the longest light and darkness are.
        let seen = |state: State| {
            let longest = |on: bool| {
                let steps = state.pattern().steps().iter().filter(|step| step.on == on);
                steps.map(|step| step.milliseconds).max().unwrap_or(0)
            };
            (state.pattern().steps().len() / 2, longest(true), longest(false))
        };
        // Times that differ by a factor of two are not mistaken.
        let differ = |one: u16, other: u16| one.max(other) >= one.min(other).saturating_mul(2) && one != other;
        for (one, other) in pairs() {
            let (a, b) = (seen(one), seen(other));
            assert!(a.0 != b.0 || differ(a.1, b.1) || differ(a.2, b.2), "{one:?} looks like {other:?}");
        }
    }

    #[test]
    fn the_timer_shows_states_differently_as_well() {
        for (one, other) in pairs() {
            assert_ne!(one.pattern().light_and_dark(), other.pattern().light_and_dark(), "{one:?} {other:?}");
        }
    }

    #[test]
    fn the_kernel_repeats_the_pattern() {
        let machine = Machine::new();
        let mut led = machine.led("ACT", "none timer [heartbeat] pattern\n");
        led.show(State::NoNetwork).expect("shown");
        assert_eq!(machine.read("sys/class/leds/ACT/trigger"), "pattern");
        let pattern = "255 200 255 0 0 200 0 0 255 200 255 0 0 1400 0 0";
        assert_eq!(machine.read("sys/class/leds/ACT/pattern"), pattern);
    }

    #[test]
    fn what_is_shown_is_not_written_again() {
        let machine = Machine::new();
        let mut led = machine.led("ACT", "none [pattern]\n");
        led.show(State::Serving).expect("shown");
        assert_eq!(machine.read("sys/class/leds/ACT/trigger"), "none [pattern]\n");
        machine.file("sys/class/leds/ACT/pattern", "");
        led.show(State::Serving).expect("shown");
        assert_eq!(machine.read("sys/class/leds/ACT/pattern"), "");
        led.show(State::Booting).expect("shown");
        assert_eq!(machine.read("sys/class/leds/ACT/pattern"), "255 250 255 0 0 250 0 0");
    }

    #[test]
    fn halted_is_dark_and_stays_so() {
        let machine = Machine::new();
        let mut led = machine.led("ACT", "none [pattern]\n");
        led.show(State::Halted).expect("shown");
        assert_eq!(machine.read("sys/class/leds/ACT/trigger"), "none");
        assert_eq!(machine.read("sys/class/leds/ACT/brightness"), "0");
    }

    #[test]
    fn without_the_pattern_trigger_it_blinks_and_without_that_it_is_lit() {
        let machine = Machine::new();
        let mut led = machine.led("ACT", "none timer\n");
        let attribute = |name: &str| machine.root().join("sys/class/leds/ACT").join(name);
        // Without its trigger, the kernel has no such file.
        std::fs::remove_file(attribute("pattern")).expect("removed");
        led.show(State::NoNetwork).expect("shown");
        assert_eq!(machine.read("sys/class/leds/ACT/trigger"), "timer");
        assert_eq!(machine.read("sys/class/leds/ACT/delay_on"), "400");
        assert_eq!(machine.read("sys/class/leds/ACT/delay_off"), "1600");
        std::fs::remove_file(attribute("delay_on")).expect("removed");
        led.show(State::Booting).expect("shown");
        assert_eq!(machine.read("sys/class/leds/ACT/brightness"), "255");
        led.show(State::Halted).expect("shown");
        assert_eq!(machine.read("sys/class/leds/ACT/brightness"), "0");
    }

    #[test]
    fn an_led_that_vanished_is_an_error_until_it_is_back() {
        let machine = Machine::new();
        let mut led = machine.led("ACT", "none pattern\n");
        let folder = machine.root().join("sys/class/leds/ACT");
        std::fs::rename(&folder, folder.with_extension("gone")).expect("renamed");
        assert!(led.show(State::Serving).is_err());
        std::fs::rename(folder.with_extension("gone"), &folder).expect("renamed");
        led.show(State::Serving).expect("shown");
    }

    #[test]
    fn the_best_name_that_is_there_is_taken() {
        let machine = Machine::new();
        let sys = machine.root().join("sys");
        assert!(Led::find(&sys, &["ACT", "mmc0::"]).is_none());
        drop(machine.led("mmc0::", "none\n"));
        let led = Led::find(&sys, &["ACT", "mmc0::"]).expect("found");
        assert!(led.folder.ends_with("mmc0::"));
    }

    #[test]
    fn the_table_names_every_state_once() {
        let table = table();
        assert_eq!(table.lines().count(), TABLE.len() + 2);
        assert_eq!(table, Pattern::table());
        assert!(table.lines().all(|line| line.starts_with("| ") && line.ends_with(" |")));
    }

    #[test]
    fn the_readme_has_the_table() {
        assert!(include_str!("../../README.md").contains(&table()));
    }
}
