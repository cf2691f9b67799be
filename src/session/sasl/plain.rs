//! PLAIN, RFC 4616: everything in one message.

use super::{Failure, Step, read_user};
use crate::limits::PASSWORD_OCTETS_MAX;

/// Waits for the client's only message.
#[derive(Debug)]
pub struct Plain;

impl Plain {
    /// RFC 4616 2: `[authzid] NUL authcid NUL passwd`.
    pub(super) fn handle(self, message: &[u8]) -> Step {
        match read(message) {
            Ok((user, password)) => Step::Check { user, password },
            Err(failure) => Step::Failed(failure),
        }
    }
}

fn read(message: &[u8]) -> Result<(String, Vec<u8>), Failure> {
    let mut parts = message.split(|octet| *octet == 0);
    let (Some(authorize), Some(user), Some(password), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Failure::Malformed("PLAIN is a name, a NUL, a name, a NUL and a password"));
    };
    let user = read_user(user)?;
    // RFC 4616 2: an empty authorization identity is the user's own; nobody acts for others here.
    if !authorize.is_empty() && !authorize.eq_ignore_ascii_case(user.as_bytes()) {
        return Err(Failure::Authorization);
    }
    Ok((user, read_password(password)?))
}

/// A password's octets; whether they are a password shows when it is checked.
pub(super) fn read_password(password: &[u8]) -> Result<Vec<u8>, Failure> {
    if password.is_empty() {
        return Err(Failure::Malformed("the password is empty"));
    }
    if password.len() > PASSWORD_OCTETS_MAX { Err(Failure::TooLong) } else { Ok(password.to_vec()) }
}
