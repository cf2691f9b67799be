//! LOGIN: name and password, each as the answer to a challenge. Never a standard, still what old clients speak.

use super::plain::read_password;
use super::{Exchange, Step, read_user};

/// What the client sends next.
#[derive(Debug)]
pub enum Login {
    /// Its name.
    Name,
    /// The password of this user.
    Password(String),
}

impl Login {
    pub(super) fn handle(self, response: &[u8]) -> Step {
        match self {
            Self::Name => match read_user(response) {
                Ok(user) => Step::Challenge(Exchange::Login(Self::Password(user)), b"Password:".to_vec()),
                Err(failure) => Step::Failed(failure),
            },
            Self::Password(user) => match read_password(response) {
                Ok(password) => Step::Check { user, password },
                Err(failure) => Step::Failed(failure),
            },
        }
    }
}
