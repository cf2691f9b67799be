//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, RFC 5802 and RFC 7677, with the channel binding `tls-exporter` of RFC 9266.
//!
//! ```text
//! client-first > [caller brings keys] > server-first > client-final > server-final
//! ```

use super::{Context, Exchange, Failure, Step, read_user};
use crate::limits::SASL_NONCE_OCTETS_MAX;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::{digest, hmac};
use subtle::ConstantTimeEq as _;

/// Random octets of the server's part of the nonce.
pub const NONCE_OCTETS: usize = 18;

/// The only channel binding type that is offered.
const TLS_EXPORTER: &str = "tls-exporter";

/// This connection's channel binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The -PLUS mechanism is not offered on this connection.
    None,
    /// RFC 9266: it is, with this exporter value.
    TlsExporter([u8; 32]),
    /// It is accepted with this exporter value, but stands in no list of mechanisms.
    Unlisted([u8; 32]),
}

/// RFC 5802 3: what is kept of a user's password.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    /// Iterations of PBKDF2.
    pub iterations: u32,
    /// Its salt.
    pub salt: &'a [u8],
    /// `H(ClientKey)`.
    pub stored_key: [u8; 32],
    /// `HMAC(SaltedPassword, "Server Key")`.
    pub server_key: [u8; 32],
}

/// An exchange that waits for the client.
#[derive(Debug)]
pub struct Scram {
    state: State,
}

enum State {
    First { plus: bool, nonce: [u8; NONCE_OCTETS], binding: Binding },
    Final(Awaited),
}

/// What the client's last message is compared with.
struct Awaited {
    /// Of `c=`, in base64.
    binding: String,
    nonce: String,
    /// `client-first-message-bare "," server-first-message ","`.
    authenticated: String,
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

/// An exchange that waits for the user's keys.
pub struct AwaitKeys {
    binding: String,
    nonce: String,
    first_bare: String,
}

/// The client's first message, RFC 5802 7.
#[derive(Debug, PartialEq, Eq)]
struct ClientFirst<'a> {
    /// With its two commas.
    gs2_header: &'a str,
    flag: Flag<'a>,
    user: String,
    nonce: &'a str,
    bare: &'a str,
}

/// `gs2-cbind-flag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flag<'a> {
    /// `n`: the client has no channel binding.
    No,
    /// `y`: it has, and thinks that the server has not.
    Unoffered,
    /// `p=`: it binds with this type.
    Bound(&'a str),
}

impl Scram {
    pub(super) fn new(plus: bool, context: &Context<'_>) -> Self {
        Self { state: State::First { plus, nonce: context.nonce, binding: context.binding } }
    }

    pub(super) fn handle(self, message: &[u8]) -> Step {
        let Ok(message) = core::str::from_utf8(message) else {
            return Step::Failed(Failure::Malformed("SCRAM is not UTF-8"));
        };
        let step = match self.state {
            State::First { plus, nonce, binding } => first(message, plus, nonce, binding),
            State::Final(awaited) => awaited.check(message).map(Step::Proved),
        };
        step.unwrap_or_else(Step::Failed)
    }
}

fn first(message: &str, plus: bool, nonce: [u8; NONCE_OCTETS], binding: Binding) -> Result<Step, Failure> {
    let first = ClientFirst::read(message)?;
    let mut bound = first.gs2_header.as_bytes().to_vec();
    match (first.flag, binding, plus) {
        (Flag::Bound(TLS_EXPORTER), Binding::TlsExporter(exporter) | Binding::Unlisted(exporter), true) => bound.extend_from_slice(&exporter),
        // RFC 5802 6: the flag says `y` though the -PLUS mechanism is offered: somebody took it out of the list.
        (Flag::Unoffered, Binding::TlsExporter(_), _)
        // A binding of another type, or one where none was offered, or the mechanism and the flag disagree.
        | (Flag::Bound(_), _, _)
        | (Flag::No | Flag::Unoffered, _, true) => return Err(Failure::ChannelBinding),
        (Flag::No, _, false) | (Flag::Unoffered, Binding::None | Binding::Unlisted(_), false) => {}
    }
    // 18 octets are 24 characters, none of them a comma.
    let nonce = format!("{}{}", first.nonce, URL_SAFE_NO_PAD.encode(nonce));
    let exchange = AwaitKeys { binding: STANDARD.encode(bound), nonce, first_bare: first.bare.to_owned() };
    Ok(Step::NeedKeys { user: first.user, exchange })
}

impl<'a> ClientFirst<'a> {
    /// `client-first-message = gs2-header client-first-message-bare`.
    fn read(message: &'a str) -> Result<Self, Failure> {
        const SYNTAX: Failure = Failure::Malformed("not a SCRAM client-first-message");
        let (flag, rest) = message.split_once(',').ok_or(SYNTAX)?;
        let (authorize, bare) = rest.split_once(',').ok_or(SYNTAX)?;
        let gs2_header = message.strip_suffix(bare).ok_or(SYNTAX)?;
        let flag = match flag {
            "n" => Flag::No,
            "y" => Flag::Unoffered,
            _ => Flag::Bound(flag.strip_prefix("p=").ok_or(SYNTAX)?),
        };
        // `reserved-mext` would come first; RFC 5802 5.1: an extension that is not understood and must be, fails.
        if bare.starts_with("m=") {
            return Err(Failure::Malformed("SCRAM extension"));
        }
        let mut attributes = bare.split(',');
        let user = attributes.next().and_then(|attribute| attribute.strip_prefix("n=")).ok_or(SYNTAX)?;
        let nonce = attributes.next().and_then(|attribute| attribute.strip_prefix("r=")).ok_or(SYNTAX)?;
        let user = read_user(read_saslname(user).ok_or(SYNTAX)?.as_bytes())?;
        // RFC 5802 7: printable ASCII but the comma, which has divided already.
        if nonce.is_empty() || !nonce.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(SYNTAX);
        }
        if nonce.len() > SASL_NONCE_OCTETS_MAX {
            return Err(Failure::TooLong);
        }
        if !attributes.all(is_attribute) {
            return Err(SYNTAX);
        }
        let authorized = match authorize {
            "" => true,
            _ => {
                let authorize = authorize.strip_prefix("a=").and_then(read_saslname).ok_or(SYNTAX)?;
                authorize.eq_ignore_ascii_case(&user)
            }
        };
        if authorized { Ok(Self { gs2_header, flag, user, nonce, bare }) } else { Err(Failure::Authorization) }
    }
}

/// RFC 5802 7: a letter, `=`, and a value.
fn is_attribute(attribute: &str) -> bool {
    let mut octets = attribute.bytes();
    octets.next().is_some_and(|letter| letter.is_ascii_alphabetic()) && octets.next() == Some(b'=')
}

/// RFC 5802 5.1: `=2C` is a comma and `=3D` is an equals sign; no other `=` may stand in a name.
fn read_saslname(text: &str) -> Option<String> {
    let mut parts = text.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        if let Some(rest) = part.strip_prefix("2C") {
            name.push(',');
            name.push_str(rest);
        } else {
            name.push('=');
            name.push_str(part.strip_prefix("3D")?);
        }
    }
    Some(name)
}

impl AwaitKeys {
    /// Goes on with the user's keys: the server's first message.
    #[must_use]
    pub fn proceed(self, keys: Keys<'_>) -> Step {
        let server_first = format!("r={},s={},i={}", self.nonce, STANDARD.encode(keys.salt), keys.iterations);
        let awaited = Awaited {
            binding: self.binding,
            nonce: self.nonce,
            authenticated: format!("{},{server_first},", self.first_bare),
            stored_key: keys.stored_key,
            server_key: keys.server_key,
        };
        Step::Challenge(Exchange::Scram(Scram { state: State::Final(awaited) }), server_first.into_bytes())
    }
}

impl Awaited {
    /// Checks `client-final-message` and makes `server-final-message`.
    fn check(&self, message: &str) -> Result<Vec<u8>, Failure> {
        const SYNTAX: Failure = Failure::Malformed("not a SCRAM client-final-message");
        // The proof comes last and holds no comma.
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(SYNTAX)?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|attribute| attribute.strip_prefix("c=")).ok_or(SYNTAX)?;
        let nonce = attributes.next().and_then(|attribute| attribute.strip_prefix("r=")).ok_or(SYNTAX)?;
        if !attributes.all(is_attribute) {
            return Err(SYNTAX);
        }
        let proof: [u8; 32] = STANDARD.decode(proof).ok().and_then(|proof| proof.try_into().ok()).ok_or(SYNTAX)?;
        // RFC 5802 5.1: the whole nonce again, and the same header with this connection's binding.
        if nonce != self.nonce {
            return Err(Failure::Malformed("another nonce"));
        }
        if binding != self.binding {
            return Err(Failure::ChannelBinding);
        }
        // RFC 5802 3: ClientProof := ClientKey XOR HMAC(StoredKey, AuthMessage).
        let auth_message = format!("{}{without_proof}", self.authenticated);
        let sign = |key: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), auth_message.as_bytes());
        let mut client_key = proof;
        for (octet, signature) in client_key.iter_mut().zip(sign(&self.stored_key).as_ref()) {
            *octet ^= signature;
        }
        let stored_key = digest::digest(&digest::SHA256, &client_key);
        if !bool::from(stored_key.as_ref().ct_eq(&self.stored_key)) {
            return Err(Failure::Proof);
        }
        Ok(format!("v={}", STANDARD.encode(sign(&self.server_key))).into_bytes())
    }
}

/// Keys are not for logs.
impl core::fmt::Debug for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::First { .. } => "First",
            Self::Final(_) => "Final",
        })
    }
}

impl core::fmt::Debug for AwaitKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("AwaitKeys")
    }
}

impl core::fmt::Debug for Keys<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Keys")
    }
}

#[cfg(test)]
#[path = "scram_tests.rs"]
mod tests;
