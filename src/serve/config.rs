//! The configuration: one commented TOML file, read when the server starts.
//!
//! Owns the keys, their defaults and what is wrong with a value. Defaults live in [`Config::default`]; the commented
//! file that a first start writes shows the same ones, and a test keeps it so. A file has at most
//! [`CONFIG_OCTETS_MAX`] octets.

use super::protocol::ListenAddress;
use crate::limits::{
    CONFIG_OCTETS_MAX, CONNECTION_OCTETS_MAX, CONNECTIONS_MAX, MEMORY_CEILING_OCTETS, MESSAGE_OCTETS_DEFAULT,
    MESSAGE_OCTETS_MAX,
};
use crate::mail::Domain;
use serde::Deserialize;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The name that a machine without one of its own gets.
pub const HOST_NAME_DEFAULT: &str = "pillarbox.local";

/// What a first start writes; `HOST_NAME` stands for the machine's name.
const TEMPLATE: &str = include_str!("config.toml");

/// Every key of the configuration file; `serve/config.toml` explains them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What this server calls itself.
    pub host_name: String,
    /// Parts a user's name from a detail (RFC 5233); `None`: there are no details.
    #[serde(deserialize_with = "delimiter")]
    pub recipient_delimiter: Option<char>,
    /// Where it listens; empty: the usual ports.
    pub listen: Vec<ListenAddress>,
    /// A certificate chain that is not our own.
    pub tls_certificate: Option<PathBuf>,
    /// Its private key.
    pub tls_key: Option<PathBuf>,
    /// Octets of the largest message, announced by SIZE (RFC 1870).
    pub message_octets_max: u64,
    /// Does VRFY tell whether an address exists?
    pub vrfy: bool,
    /// Do wrong passwords slow down the next try?
    pub login_throttle: bool,
    /// May clients on this machine log in without TLS?
    pub plain_login_on_loopback: bool,
    /// Does SCRAM-SHA-256-PLUS stand in the lists of mechanisms?
    pub list_scram_plus: bool,
    /// Are APOP and CRAM-MD5 offered?
    pub legacy_logins: bool,
    /// The memory that the server stays under.
    pub memory_ceiling_mib: usize,
    /// Connections at one time.
    pub connections_max: usize,
    /// Connections at one time from one address.
    pub connections_per_address_max: usize,
    /// Log segments written ahead.
    pub prewrite_mib: u64,
    /// How long sessions may go on when the server stops.
    pub stop_seconds: u64,
    /// What is logged.
    #[serde(deserialize_with = "level")]
    pub log_level: log::LevelFilter,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host_name: HOST_NAME_DEFAULT.to_owned(),
            recipient_delimiter: Some('+'),
            listen: Vec::new(),
            tls_certificate: None,
            tls_key: None,
            message_octets_max: MESSAGE_OCTETS_DEFAULT,
            vrfy: false,
            login_throttle: true,
            plain_login_on_loopback: false,
            list_scram_plus: false,
            legacy_logins: false,
            memory_ceiling_mib: MEMORY_CEILING_OCTETS >> 20,
            connections_max: CONNECTIONS_MAX,
            connections_per_address_max: 200,
            prewrite_mib: 256,
            stop_seconds: 5,
            log_level: log::LevelFilter::Info,
        }
    }
}

/// What is wrong with a configuration file, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Which file.
    pub path: PathBuf,
    /// Which line, from 1 on, if it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl core::error::Error for ConfigError {}

impl Config {
    /// The commented file for a machine of this name.
    #[must_use]
    pub fn template(host_name: &str) -> String {
        TEMPLATE.replacen("HOST_NAME", host_name, 1)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`] if it cannot be read, or says something that cannot be.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let error = |message| ConfigError { path: path.to_owned(), line: None, message };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(|cause| error(cause.to_string()))?;
        let octets = file.take(CONFIG_OCTETS_MAX.saturating_add(1)).read_to_string(&mut text);
        match octets.map(u64::try_from) {
            Ok(Ok(octets)) if octets <= CONFIG_OCTETS_MAX => Self::parse(&text, path),
            Ok(_) => Err(error(format!("longer than {CONFIG_OCTETS_MAX} octets"))),
            Err(cause) => Err(error(cause.to_string())),
        }
    }

    /// Reads a file's text; `path` is for messages.
    ///
    /// # Errors
    /// [`ConfigError`] if the text says something that cannot be.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| ConfigError {
            path: path.to_owned(),
            line: error.span().and_then(|span| text.get(..span.start)).map(line_of),
            message: error.message().trim().replacen("unknown field", "unknown key", 1),
        })?;
        config.check().map_err(|(key, message)| {
            let at = text.lines().position(|line| line.split('=').next().is_some_and(|name| name.trim() == key));
            let line = at.map(|at| at.saturating_add(1));
            ConfigError { path: path.to_owned(), line, message: format!("{key}: {message}") }
        })?;
        Ok(config)
    }

    /// Directories of the certificate and the key that are given, where they really are: what renews them puts others
    /// there.
    #[must_use]
    pub fn certificate_folders(&self) -> Vec<PathBuf> {
        let files = [&self.tls_certificate, &self.tls_key].into_iter().flatten();
        files.filter_map(|file| Some(std::fs::canonicalize(file).ok()?.parent()?.to_owned())).collect()
    }

    /// What parsing alone does not see: the key and what is wrong with its value.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let between = |key, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) { Ok(()) } else { Err((key, format!("{least} to {most}, not {value}"))) }
        };
        if Domain::parse(&self.host_name).is_err() || !self.host_name.is_ascii() || self.host_name.starts_with('[') {
            return Err(("host_name", format!("{:?} is not a host name", self.host_name)));
        }
        match (&self.tls_certificate, &self.tls_key) {
            (Some(_), None) => return Err(("tls_certificate", "needs tls_key as well".to_owned())),
            (None, Some(_)) => return Err(("tls_key", "needs tls_certificate as well".to_owned())),
            (Some(_), Some(_)) | (None, None) => {}
        }
        between("message_octets_max", self.message_octets_max, 65_536, MESSAGE_OCTETS_MAX)?;
        between("memory_ceiling_mib", as_u64(self.memory_ceiling_mib), as_u64(MEMORY_CEILING_OCTETS >> 20), 65_536)?;
        let spare = self.memory_ceiling_mib.saturating_mul(1 << 20).saturating_sub(MEMORY_CEILING_OCTETS);
        let most = CONNECTIONS_MAX.saturating_add(spare / CONNECTION_OCTETS_MAX);
        if !(1..=most).contains(&self.connections_max) {
            let (mib, given) = (self.memory_ceiling_mib, self.connections_max);
            return Err(("connections_max", format!("1 to {most} with {mib} MiB of memory, not {given}")));
        }
        between("connections_per_address_max", as_u64(self.connections_per_address_max), 1, u64::MAX)?;
        between("prewrite_mib", self.prewrite_mib, 0, 4_096)?;
        between("stop_seconds", self.stop_seconds, 0, 600)?;
        match self.recipient_delimiter {
            // RFC 5322 3.2.3: what may stand unquoted in a local part, and is neither a letter nor a digit.
            Some(delimiter) if !"+-_=!#$%&'*/?^`{|}~".contains(delimiter) => {
                Err(("recipient_delimiter", format!("{delimiter:?} cannot part a name from its detail")))
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn as_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The number of the line that `before` leads up to.
fn line_of(before: &str) -> usize {
    before.matches('\n').count().saturating_add(1)
}

fn delimiter<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<char>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(serde::de::Error::custom("recipient_delimiter is one character or \"\"")),
    }
}

fn level<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<log::LevelFilter, D::Error> {
    let text = String::deserialize(deserializer)?;
    let message = "log_level is one of off, error, warn, info, debug, trace";
    text.parse().map_err(|_| serde::de::Error::custom(message))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("pillarbox.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_template_is_the_default() {
        let template = Config::template(HOST_NAME_DEFAULT);
        assert_eq!(parse(&template), Ok(Config::default()));
        assert_eq!(parse(""), Ok(Config::default()));
    }

    #[test]
    fn every_key_is_in_the_template_with_its_default() {
        let uncommented: String = Config::template(HOST_NAME_DEFAULT)
            .lines()
            .filter(|line| !line.starts_with("#tls_"))
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        assert_eq!(parse(&uncommented), Ok(Config::default()));
        // serde names all keys when it meets one that it does not know.
        let known = parse("nonsense = 1").unwrap_err();
        for key in known.split('`').skip(3).step_by(2) {
            assert!(TEMPLATE.contains(&format!("\n#{key} = ")) || key == "host_name", "{key}");
        }
    }

    #[test]
    fn errors_name_key_and_line() {
        let path = "pillarbox.toml, line 2: ";
        for (text, expected) in [
            ("\nhostname = \"a\"", "unknown key `hostname`"),
            ("\nvrfy = 7", "invalid type: integer `7`, expected a boolean"),
            ("\nhost_name = \"a b\"", "host_name: \"a b\" is not a host name"),
            ("\nhost_name = \"[127.0.0.1]\"", "host_name: "),
            ("\nmessage_octets_max = 1", "message_octets_max: 65536 to 268435456, not 1"),
            ("\nmemory_ceiling_mib = 32", "memory_ceiling_mib: 64 to 65536, not 32"),
            ("\nconnections_max = 1025", "connections_max: 1 to 1024 with 64 MiB of memory, not 1025"),
            ("\ntls_key = \"x\"", "tls_key: needs tls_certificate as well"),
            ("\nrecipient_delimiter = \"a\"", "recipient_delimiter: 'a' cannot"),
            ("\nrecipient_delimiter = \"++\"", "recipient_delimiter is one character"),
            ("\nlog_level = \"loud\"", "log_level is one of"),
            ("\nlisten = [\"http=*:80\"]", "http is not supported by this version"),
            ("\nlisten = [\"gopher=*:70\"]", "unknown protocol"),
            ("\nvrfy = true\nvrfy = true", ""),
        ] {
            let error = parse(text).unwrap_err();
            let line = if text.matches("vrfy").count() == 2 { "pillarbox.toml, line 3: " } else { path };
            assert!(error.starts_with(&format!("{line}{expected}")), "{text:?}: {error}");
        }
    }

    #[test]
    fn more_memory_allows_more_connections() {
        let config = parse("memory_ceiling_mib = 128\nconnections_max = 3000").unwrap();
        assert_eq!(config.connections_max, 3_000);
        assert_eq!(parse("recipient_delimiter = \"\"").unwrap().recipient_delimiter, None);
    }

    #[test]
    fn a_file_that_is_not_there_or_too_long_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pillarbox.toml");
        assert!(Config::load(&path).unwrap_err().to_string().contains("No such file"));
        std::fs::write(&path, "#".repeat(usize::try_from(CONFIG_OCTETS_MAX).unwrap() + 1)).unwrap();
        assert!(Config::load(&path).unwrap_err().to_string().contains("longer than"));
        std::fs::write(&path, "vrfy = true\n").unwrap();
        assert!(Config::load(&path).unwrap().vrfy);
    }
}
