//! What a person sees of a long run: a bar with the step's name on a terminal, one plain line a step elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// Steps of known number, one after the other.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    plain: bool,
    steps: u64,
    done: u64,
}

impl Progress {
    /// Progress over `steps` steps.
    #[must_use]
    pub fn new(steps: u64) -> Self {
        let plain = !std::io::stderr().is_terminal();
        let bar = if plain { ProgressBar::hidden() } else { ProgressBar::new(steps) };
        bar.set_style(style("{bar:30} {pos}/{len} {wide_msg}"));
        Self { bar, plain, steps, done: 0 }
    }

    /// Begins the next step.
    pub fn step(&mut self, what: &str) {
        self.bar.set_position(self.done);
        self.done += 1;
        self.bar.set_message(what.to_owned());
        self.bar.tick();
        if self.plain {
            eprintln!("[{}/{}] {what}", self.done, self.steps);
        }
    }

    /// Says something that is to stay on the screen.
    pub fn say(&self, line: &str) {
        if self.plain {
            eprintln!("{line}");
        } else {
            self.bar.println(line);
        }
    }

    /// A bar for octets below the steps: for downloads and cards.
    #[must_use]
    pub fn octets(&self, total: u64) -> ProgressBar {
        octets(total)
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    // A failure's message must not share its line with a bar.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A bar that counts octets; hidden where there is no terminal.
#[must_use]
pub fn octets(total: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total);
    bar.set_style(style("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} {wide_msg}"));
    bar
}

fn style(template: &str) -> ProgressStyle {
    // A wrong template shows the default bar; it is only looks.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
