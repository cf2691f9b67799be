//! Why a command ends without success, and the exit code that says so to scripts.

use super::certificate::CertificateError;
use super::config::ConfigError;
use crate::account::AccountError;
use crate::store;
use std::io;

/// Why it did not work, in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 1: it did not work.
    Failed(String),
    /// 2: the command line or the configuration file says something that cannot be.
    Usage(String),
    /// 3: no server is running there, or another one has the data directory.
    Unavailable(String),
    /// 4: the store is damaged, or of a newer version.
    Damaged(String),
    /// 4 as well, and only seen by PID 1: a child could not be set up, and has not begun.
    Launch(String),
}

/// The table of exit codes, for help and README.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  it did not work; standard error says why
  2  the command line or the configuration file is wrong
  3  no server is running on this data directory (status, log, stop, checkpoint,
     reboot, poweroff), or another process has it open and does not answer;
     there are no update slots, or they are in use (update)
  4  the store is damaged, or was made by a newer Pillarbox";

impl Failure {
    /// The exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Unavailable(_) => 3,
            Self::Damaged(_) | Self::Launch(_) => 4,
        }
    }

    /// What went wrong in another process that gave this code.
    #[must_use]
    pub fn with_code(code: u8, message: String) -> Self {
        match code {
            2 => Self::Usage(message),
            3 => Self::Unavailable(message),
            4 => Self::Damaged(message),
            _ => Self::Failed(message),
        }
    }
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Failed(message)
            | Self::Usage(message)
            | Self::Unavailable(message)
            | Self::Damaged(message)
            | Self::Launch(message) => f.write_str(message),
        }
    }
}

impl core::error::Error for Failure {}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        use store::Error as E;
        let message = error.to_string();
        match error {
            E::Locked(_) => Self::Unavailable(message),
            E::Damaged(_) | E::Version(_) => Self::Damaged(message),
            E::Full
            | E::OverQuota
            | E::TooLarge
            | E::NoSuchMailbox
            | E::MailboxExists
            | E::NotEmpty
            | E::Gone
            | E::OverLimit(_)
            | E::Busy
            | E::ViewLost
            | E::ReadOnly
            | E::Medium(_)
            | E::Closed => Self::Failed(message),
        }
    }
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Store(error) => error.into(),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<CertificateError> for Failure {
    fn from(error: CertificateError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_both_ways_and_are_documented() {
        for failure in [
            Failure::Failed("a".to_owned()),
            Failure::from(ConfigError { path: "x".into(), line: None, message: "b".to_owned() }),
            Failure::from(store::Error::Locked("c".to_owned())),
            Failure::from(AccountError::Store(store::Error::Version(9))),
        ] {
            assert_eq!(Failure::with_code(failure.code(), failure.to_string()), failure);
            assert!(EXIT_CODES.contains(&format!("\n  {}  ", failure.code())));
        }
    }
}
