//! SASL (RFC 4422), the server's side, without I/O: PLAIN, LOGIN, SCRAM-SHA-256, SCRAM-SHA-256-PLUS and CRAM-MD5.
//!
//! An [`Exchange`] takes what the client sent, decoded from base64, and gives the next [`Step`]. It looks nothing up:
//! where a password or keys are needed, the step says for whom, and the caller brings them. An exchange holds a few
//! hundred octets at most; a client's message has at most [`SASL_MESSAGE_OCTETS_MAX`]. Which mechanism is allowed on
//! which connection, base64, throttling and the passwords themselves are left to others.

mod apop;
mod cram_md5;
mod login;
mod mechanism;
mod plain;
mod scram;

pub use apop::apop_matches;
pub use cram_md5::{CramMd5, Digest};
pub use login::Login;
pub use mechanism::Mechanism;
pub use plain::Plain;
pub use scram::{AwaitKeys, Binding, Keys, NONCE_OCTETS, Scram};

use crate::limits::SASL_MESSAGE_OCTETS_MAX;

/// An exchange under way; each variant knows what may come next.
#[derive(Debug)]
pub enum Exchange {
    /// RFC 4616.
    Plain(Plain),
    /// draft-murchison-sasl-login: two challenges.
    Login(Login),
    /// RFC 5802 and 7677.
    Scram(Scram),
    /// RFC 2195.
    CramMd5(CramMd5),
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Send this challenge and handle the client's response to it.
    Challenge(Exchange, Vec<u8>),
    /// Is this the user's password? That decides.
    Check {
        /// Login name.
        user: String,
        /// As the client sent it.
        password: Vec<u8>,
    },
    /// Look up this user's SCRAM keys and go on with them, or with decoys for an unknown user.
    NeedKeys {
        /// Login name.
        user: String,
        /// Takes the keys.
        exchange: AwaitKeys,
    },
    /// Compare the digest with this user's password. That decides.
    CheckDigest {
        /// Login name.
        user: String,
        /// Takes the password.
        digest: Digest,
    },
    /// The keys' owner has proved to know the password. Send this as a last challenge, to which the client's response is
    /// empty (RFC 4422 5: no mail protocol here sends data with success).
    Proved(Vec<u8>),
    /// It has failed.
    Failed(Failure),
}

/// Why an exchange has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Not what the mechanism's syntax allows here; what.
    Malformed(&'static str),
    /// Longer than [`SASL_MESSAGE_OCTETS_MAX`], or a part longer than it may be.
    TooLong,
    /// The client wants to act for somebody else, which nobody may here.
    Authorization,
    /// The channel binding is not that of this connection, or was talked out of it (RFC 5802 6).
    ChannelBinding,
    /// The proof is wrong.
    Proof,
}

/// What a mechanism needs to begin.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// Random octets, fresh for each exchange.
    pub nonce: [u8; NONCE_OCTETS],
    /// This connection's channel binding.
    pub binding: Binding,
    /// This server's name, for CRAM-MD5.
    pub host: &'a str,
    /// Seconds since 1970, for CRAM-MD5.
    pub unix: u64,
}

impl Exchange {
    /// Begins an exchange. `initial` is the client's initial response, if it sent one; an empty one is one.
    #[must_use]
    pub fn begin(mechanism: Mechanism, initial: Option<&[u8]>, context: &Context<'_>) -> Step {
        let exchange = match mechanism {
            Mechanism::Plain => Self::Plain(Plain),
            Mechanism::Login => {
                // Not in the draft, but clients send the name at once, and servers take it.
                return match initial {
                    Some(initial) => Self::Login(Login::Name).handle(initial),
                    None => Step::Challenge(Self::Login(Login::Name), b"Username:".to_vec()),
                };
            }
            Mechanism::ScramSha256 => Self::Scram(Scram::new(false, context)),
            Mechanism::ScramSha256Plus => Self::Scram(Scram::new(true, context)),
            Mechanism::CramMd5 => {
                // RFC 4422 5: a server-first mechanism takes no initial response.
                if initial.is_some() {
                    return Step::Failed(Failure::Malformed("CRAM-MD5 takes no initial response"));
                }
                let (exchange, challenge) = CramMd5::new(context);
                return Step::Challenge(Self::CramMd5(exchange), challenge);
            }
        };
        match initial {
            Some(initial) => exchange.handle(initial),
            // RFC 4422 5: a client-first mechanism begins with an empty challenge.
            None => Step::Challenge(exchange, Vec::new()),
        }
    }

    /// Takes the client's response to the last challenge.
    #[must_use]
    pub fn handle(self, response: &[u8]) -> Step {
        if response.len() > SASL_MESSAGE_OCTETS_MAX {
            return Step::Failed(Failure::TooLong);
        }
        match self {
            Self::Plain(exchange) => exchange.handle(response),
            Self::Login(exchange) => exchange.handle(response),
            Self::Scram(exchange) => exchange.handle(response),
            Self::CramMd5(exchange) => exchange.handle(response),
        }
    }
}

impl Failure {
    /// For logs; the client hears only that it failed.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Malformed(what) => what,
            Self::TooLong => "a message is too long",
            Self::Authorization => "acting for another user",
            Self::ChannelBinding => "channel binding differs",
            Self::Proof => "wrong proof",
        }
    }
}

/// A login name: UTF-8, neither empty nor longer than an address, without control characters.
fn read_user(octets: &[u8]) -> Result<String, Failure> {
    let user = core::str::from_utf8(octets).map_err(|_| Failure::Malformed("the name is not UTF-8"))?;
    if user.is_empty() || user.chars().any(char::is_control) {
        return Err(Failure::Malformed("the name is empty or holds a control character"));
    }
    // Twice the octets of an address: escapes of quoted local parts.
    if user.len() > crate::limits::ADDRESS_OCTETS_MAX.saturating_mul(2) {
        return Err(Failure::TooLong);
    }
    Ok(user.to_owned())
}

#[cfg(test)]
mod tests;
