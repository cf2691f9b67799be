//! What a command answers: rows, shown as an aligned table or as one JSON object a line.

use super::{Account, Command};
use crate::store::Usage;
use core::fmt::Write as _;
use serde::{Deserialize, Serialize};

/// The answer to one [`Command`]; no rows: done, and nothing to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// All of one kind.
    pub rows: Vec<Row>,
    /// Asks for the next page of a list.
    pub next: Option<Command>,
}

/// One line of an answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Row {
    /// An account.
    Account {
        /// Its address.
        address: String,
        /// Its new password, if that was generated.
        password: Option<String>,
        /// Octets; `None`: no limit.
        quota: Option<u64>,
        /// Is it the administrator?
        administrator: bool,
        /// Messages and octets, in lists.
        usage: Option<(u64, u64)>,
    },
    /// One target of an alias.
    Alias {
        /// The alias.
        alias: String,
        /// Where it leads.
        target: String,
    },
    /// A domain.
    Domain {
        /// Its name.
        domain: String,
    },
}

impl Row {
    pub(super) fn account(account: Account) -> Self {
        Self::Account {
            address: account.address,
            password: None,
            quota: account.quota,
            administrator: account.administrator,
            usage: None,
        }
    }

    pub(super) fn with_usage(mut self, used: Usage) -> Self {
        if let Self::Account { usage, .. } = &mut self {
            *usage = Some((used.messages, used.octets));
        }
        self
    }

    /// Names and values; a value is shown as it is, quoted in JSON if it is a text.
    fn fields(&self) -> Vec<(&'static str, Value<'_>)> {
        match self {
            Self::Account { address, password, quota, administrator, usage } => {
                let mut fields = vec![("address", Value::Text(address))];
                if let Some(password) = password {
                    fields.push(("password", Value::Text(password)));
                }
                fields.push(("quota", quota.map_or(Value::None, Value::Number)));
                if let Some((messages, octets)) = usage {
                    fields.push(("messages", Value::Number(*messages)));
                    fields.push(("octets", Value::Number(*octets)));
                }
                fields.push(("administrator", Value::Flag(*administrator)));
                fields
            }
            Self::Alias { alias, target } => vec![("alias", Value::Text(alias)), ("target", Value::Text(target))],
            Self::Domain { domain } => vec![("domain", Value::Text(domain))],
        }
    }
}

enum Value<'a> {
    Text(&'a str),
    Number(u64),
    Flag(bool),
    None,
}

impl Value<'_> {
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => (*text).to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Flag(true) => "yes".to_owned(),
            Self::Flag(false) => "no".to_owned(),
            Self::None => "none".to_owned(),
        }
    }

    fn json(&self) -> String {
        match self {
            Self::Text(text) => json_text(text),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::None => "null".to_owned(),
        }
    }
}

impl Answer {
    pub(super) fn one(row: Row) -> Self {
        Self { rows: vec![row], next: None }
    }

    /// One JSON object a line.
    #[must_use]
    pub fn json_lines(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let fields: Vec<String> =
                row.fields().iter().map(|(name, value)| format!("{}:{}", json_text(name), value.json())).collect();
            text.push('{');
            text.push_str(&fields.join(","));
            text.push_str("}\n");
        }
        text
    }

    /// A table with its columns aligned and a line of their names, unless `heading` is off (for further pages).
    #[must_use]
    pub fn table(&self, heading: bool) -> String {
        let Some(first) = self.rows.first() else { return String::new() };
        let names = first.fields().into_iter().map(|(name, _)| name.to_uppercase()).collect();
        let mut lines: Vec<Vec<String>> = if heading { vec![names] } else { Vec::new() };
        lines.extend(self.rows.iter().map(|row| row.fields().iter().map(|(_, value)| value.shown()).collect()));
        let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for line in &lines {
            let mut shown = String::new();
            for (cell, width) in line.iter().zip(&widths) {
                // Writing to a text does not fail.
                let _ = write!(shown, "{cell:width$}  ");
            }
            text.push_str(shown.trim_end());
            text.push('\n');
        }
        text
    }
}

/// The table.
impl core::fmt::Display for Answer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.table(true))
    }
}

/// A generated password is not for logs.
impl core::fmt::Debug for Row {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Account { address, .. } => {
                f.debug_struct("Account").field("address", address).finish_non_exhaustive()
            }
            Self::Alias { alias, target } => {
                f.debug_struct("Alias").field("alias", alias).field("target", target).finish()
            }
            Self::Domain { domain } => f.debug_struct("Domain").field("domain", domain).finish(),
        }
    }
}

/// RFC 8259 7.
fn json_text(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        let row = |address: &str, quota, messages| Row::Account {
            address: address.into(),
            password: None,
            quota,
            administrator: messages == 1,
            usage: Some((messages, messages * 10)),
        };
        Answer {
            rows: vec![row("ann@example.org", None, 1), row("bartholomew@example.org", Some(1000), 2000)],
            next: None,
        }
    }

    #[test]
    fn tables_are_aligned() {
        let expected = "\
ADDRESS                  QUOTA  MESSAGES  OCTETS  ADMINISTRATOR
ann@example.org          none   1         10      yes
bartholomew@example.org  1000   2000      20000   no
";
        assert_eq!(answer().to_string(), expected);
        assert_eq!(Answer::default().to_string(), "");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let lines = answer().json_lines();
        let first = lines.lines().next();
        let expected = r#"{"address":"ann@example.org","quota":null,"messages":1,"octets":10,"administrator":true}"#;
        assert_eq!(first, Some(expected));
        let odd = Answer::one(Row::Alias { alias: "\"a\\\"b\"@x.y".into(), target: "ä\u{7}@x.y".into() });
        assert_eq!(odd.json_lines(), "{\"alias\":\"\\\"a\\\\\\\"b\\\"@x.y\",\"target\":\"ä\\u0007@x.y\"}\n");
    }

    #[test]
    fn answers_travel_and_debug_output_holds_no_password() {
        let row = Row::Account {
            address: "ann@example.org".into(),
            password: Some("s3cret".into()),
            quota: None,
            administrator: true,
            usage: None,
        };
        let answer = Answer::one(row);
        let octets = postcard::to_stdvec(&answer).expect("encoded");
        assert_eq!(postcard::from_bytes::<Answer>(&octets).expect("decoded"), answer);
        assert!(!format!("{answer:?}").contains("s3cret"));
        assert!(answer.to_string().contains("s3cret"), "shown once");
    }
}
