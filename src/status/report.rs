//! What the status command shows: sections of named values, as a table for people or as JSON for programs.

use core::fmt::Write as _;
use serde::{Deserialize, Serialize};

/// The state of a server at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// In the order in which they are shown.
    pub sections: Vec<Section>,
}

/// Values that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Its name, one word.
    pub name: String,
    /// Names, in `snake_case`, and values.
    pub entries: Vec<(String, Value)>,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// A plain number.
    Number(u64),
    /// Octets: people see KiB, MiB or GiB as well.
    Octets(u64),
    /// Seconds: people see days, hours and minutes.
    Seconds(u64),
    /// A text.
    Text(String),
    /// Yes or no.
    Flag(bool),
}

impl Report {
    /// Adds a section.
    pub fn add<N: Into<String>>(&mut self, name: &str, entries: impl IntoIterator<Item = (N, Value)>) {
        let entries = entries.into_iter().map(|(name, value)| (name.into(), value)).collect();
        self.sections.push(Section { name: name.to_owned(), entries });
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let names = self.sections.iter().flat_map(|section| &section.entries).map(|(name, _)| name.len());
        let width = names.max().unwrap_or(0);
        let mut text = String::new();
        for section in &self.sections {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&section.name);
            text.push('\n');
            for (name, value) in &section.entries {
                // Writing to a text does not fail.
                let _ = writeln!(text, "  {:width$}  {}", name.replace('_', " "), value.shown());
            }
        }
        text
    }

    /// For programs: one object of objects.
    #[must_use]
    pub fn json(&self) -> String {
        let object = |entries: Vec<String>| format!("{{{}}}", entries.join(","));
        let sections = self.sections.iter().map(|section| {
            let entries = section.entries.iter().map(|(name, value)| format!("{}:{}", quoted(name), value.json()));
            format!("{}:{}", quoted(&section.name), object(entries.collect()))
        });
        object(sections.collect())
    }
}

impl Value {
    fn shown(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Octets(octets) => shown_octets(*octets),
            Self::Seconds(seconds) => shown_seconds(*seconds),
            Self::Text(text) => text.clone(),
            Self::Flag(true) => "yes".to_owned(),
            Self::Flag(false) => "no".to_owned(),
        }
    }

    fn json(&self) -> String {
        match self {
            Self::Number(number) | Self::Octets(number) | Self::Seconds(number) => number.to_string(),
            Self::Text(text) => quoted(text),
            Self::Flag(flag) => flag.to_string(),
        }
    }
}

fn shown_octets(octets: u64) -> String {
    let (mut unit, mut shift) = ("octets", 0_u32);
    for (larger, its_shift) in [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)] {
        if octets >> its_shift > 0 {
            (unit, shift) = (larger, its_shift);
        }
    }
    if shift == 0 {
        return format!("{octets} {unit}");
    }
    let tenths = octets.saturating_mul(10) >> shift;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

fn shown_seconds(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, minutes) => format!("{days} d {hours} h {minutes} min"),
    }
}

/// RFC 8259 7.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_same_to_people_and_programs() {
        let mut report = Report::default();
        report.add("server", [("version", Value::Text("0.1 \"x\"\n".to_owned())), ("up_time", Value::Seconds(90_061))]);
        report.add("memory", [("current", Value::Octets(1_572_864)), ("few", Value::Octets(9))]);
        report.add("store", [("read_only", Value::Flag(false)), ("syncs", Value::Number(3))]);
        assert_eq!(
            report.table(),
            "server\n  version    0.1 \"x\"\n\n  up time    1 d 1 h 1 min\n\nmemory\n  current    1.5 MiB\n  few        \
             9 octets\n\nstore\n  read only  no\n  syncs      3\n"
        );
        assert_eq!(
            report.json(),
            r#"{"server":{"version":"0.1 \"x\"\u000a","up_time":90061},"memory":{"current":1572864,"few":9},"store":{"read_only":false,"syncs":3}}"#
        );
    }
}
