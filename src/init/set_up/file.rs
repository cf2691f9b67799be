//! The set-up file: `pillarbox.toml` of the boot partition, written by a person.
//!
//! Owns its keys and what is wrong with a value. Everything is checked before anything is done. A message names the line
//! and never holds a password; where passwords stand in the file is known for the time when they have been taken over.

use super::network::{Network, RawNetwork, is_label};
use crate::account::password;
use crate::limits::{SET_UP_ACCOUNTS_MAX, SET_UP_OCTETS_MAX};
use crate::mail::{Address, Domain};
use core::ops::Range;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

/// The file's name.
pub const SET_UP_NAME: &str = "pillarbox.toml";
/// The file that the image has in this place: all of it comments.
pub const TEMPLATE: &str = include_str!("../set_up.toml");
/// What stands in the template for a password.
pub(super) const PASSWORD_EXAMPLE: &str = "choose a password";
/// What a password is overwritten with.
pub const STAR: u8 = b'*';

/// A set-up file, checked.
#[derive(Debug, PartialEq, Eq)]
pub struct SetUp {
    /// What the mail server calls itself.
    pub host_name: Option<String>,
    /// A domain beside those of the accounts.
    pub domain: Option<Domain>,
    /// Who gets mail here.
    pub accounts: Vec<AccountSetUp>,
    /// For the network child.
    pub network: Network,
}

/// One account.
#[derive(PartialEq, Eq)]
pub struct AccountSetUp {
    /// Its address.
    pub address: Address,
    /// Its password.
    pub password: Password,
    /// Where it stands, from 1 on.
    pub line: usize,
}

/// What the file says of a password.
#[derive(PartialEq, Eq)]
pub enum Password {
    /// This one, and where it stands between its quotes.
    New(String, Range<usize>),
    /// It was taken over: only stars are left.
    TakenOver,
    /// Nothing.
    Missing,
}

/// Passwords are not for logs.
impl core::fmt::Debug for AccountSetUp {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AccountSetUp").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What is wrong with a set-up file, for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetUpError {
    /// Where, in octets from the beginning, and then as a line from 1 on.
    place: Place,
    /// What.
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Unknown,
    Octet(usize),
    Line(usize),
}

/// What is wrong with a value.
pub(super) fn at<T>(value: &Spanned<T>, message: String) -> SetUpError {
    SetUpError { place: Place::Octet(value.span().start), message }
}

fn nowhere(message: String) -> SetUpError {
    SetUpError { place: Place::Unknown, message }
}

impl core::fmt::Display for SetUpError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.place {
            Place::Line(line) => write!(f, "{SET_UP_NAME}, line {line}: {}", self.message),
            Place::Unknown | Place::Octet(_) => write!(f, "{SET_UP_NAME}: {}", self.message),
        }
    }
}

impl core::error::Error for SetUpError {}

/// The file as TOML has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    host_name: Option<Spanned<String>>,
    domain: Option<Spanned<String>>,
    #[serde(default)]
    account: OneOrMore,
    #[serde(default)]
    network: RawNetwork,
    relay: Option<Spanned<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccount {
    address: Option<Spanned<String>>,
    password: Option<Spanned<String>>,
}

/// `[account]` or several `[[account]]`.
#[derive(Default)]
struct OneOrMore(Vec<Spanned<RawAccount>>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("an account: [[account]] with address and password")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMore, A::Error> {
                let account = RawAccount::deserialize(MapAccessDeserializer::new(map))?;
                let start =
                    [&account.address, &account.password].into_iter().flatten().map(|key| key.span().start).min();
                let start = start.unwrap_or(0);
                Ok(OneOrMore(vec![Spanned::new(start..start, account)]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OneOrMore, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMore)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl SetUp {
    /// Reads a file's octets; a file that is not there is an empty one.
    ///
    /// # Errors
    /// [`SetUpError`]; nothing of a wrong file is used.
    pub fn parse(octets: &[u8]) -> Result<Self, SetUpError> {
        if u64::try_from(octets.len()).is_ok_and(|length| length > SET_UP_OCTETS_MAX) {
            return Err(nowhere(format!("longer than {SET_UP_OCTETS_MAX} octets; is this the right file?")));
        }
        if octets.starts_with(&[0xff, 0xfe]) || octets.starts_with(&[0xfe, 0xff]) {
            return Err(nowhere("saved as UTF-16; save it again as UTF-8 (Notepad: Save as, Encoding)".to_owned()));
        }
        let line_of = |octet: usize| {
            let before = octets.get(..octet).unwrap_or(octets);
            before.split(|&octet| octet == b'\n').count()
        };
        let text = core::str::from_utf8(octets).map_err(|error| SetUpError {
            place: Place::Line(line_of(error.valid_up_to())),
            message: "a character that is not UTF-8; save the file again as UTF-8".to_owned(),
        })?;
        Self::read(text, &line_of).map_err(|error| match error.place {
            Place::Octet(octet) => SetUpError { place: Place::Line(line_of(octet)), ..error },
            Place::Unknown | Place::Line(_) => error,
        })
    }

    fn read(text: &str, line_of: &dyn Fn(usize) -> usize) -> Result<Self, SetUpError> {
        let raw: Raw = toml::from_str(text).map_err(|error| syntax(text, &error))?;
        if let Some(relay) = raw.relay {
            let message = "relay: this version does not send mail to other servers yet, so it cannot use a relay; \
                           remove this part";
            return Err(at(&relay, message.to_owned()));
        }
        let host_name = raw.host_name.map(|name| host_name(&name)).transpose()?;
        let domain = raw.domain.map(|domain| own_domain(&domain)).transpose()?;
        let OneOrMore(raw_accounts) = raw.account;
        if let Some(extra) = raw_accounts.get(SET_UP_ACCOUNTS_MAX) {
            let message = format!("{SET_UP_ACCOUNTS_MAX} accounts at most; add more with `pillarbox account add`");
            return Err(at(extra, message));
        }
        let mut accounts: Vec<AccountSetUp> = Vec::with_capacity(raw_accounts.len());
        for raw in raw_accounts {
            let line = line_of(raw.span().start);
            let account = account(text, raw, domain.as_ref(), line)?;
            if accounts.iter().any(|other| other.address.canonical() == account.address.canonical()) {
                let message = format!("the account {} stands here twice", account.address);
                return Err(SetUpError { place: Place::Line(line), message });
            }
            accounts.push(account);
        }
        // Neighbours look for the first label; the mail server has the full name.
        let label = host_name.as_deref().and_then(|name| name.split('.').next());
        let network = Network::check(raw.network, label.unwrap_or(&Network::default().host_name))?;
        Ok(Self { host_name, domain, accounts, network })
    }

    /// Does it hold a password that has not been taken over?
    #[must_use]
    pub fn has_new_passwords(&self) -> bool {
        self.accounts.iter().any(|account| account.password.place().is_some())
    }
}

impl Password {
    /// Where a new one stands between its quotes.
    #[must_use]
    pub fn place(&self) -> Option<Range<usize>> {
        match self {
            Self::New(_, place) => Some(place.clone()),
            Self::TakenOver | Self::Missing => None,
        }
    }
}

/// What TOML says, without what stands there if that may be a password.
fn syntax(text: &str, error: &toml::de::Error) -> SetUpError {
    let Some(span) = error.span() else { return nowhere(error.message().trim().to_owned()) };
    let start = span.start.min(text.len());
    let line_start =
        text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline.saturating_add(1));
    let line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let message = error.message().trim().replacen("unknown field", "unknown key", 1);
    let secret = line.contains("pass") && !message.starts_with("unknown key");
    let message = if secret {
        "the password must stand in quotes, in one line: password = \"correct horse battery staple\"; \
         if it holds a \" or a \\, write it between two ' instead"
            .to_owned()
    } else {
        message
    };
    SetUpError { place: Place::Octet(start), message }
}

/// A name for the mail server: a single label is one that neighbours find by mDNS (RFC 6762).
fn host_name(name: &Spanned<String>) -> Result<String, SetUpError> {
    let text = name.get_ref().trim_end_matches('.').to_ascii_lowercase();
    if text.len() > 253 || !text.split('.').all(is_label) || text.parse::<core::net::IpAddr>().is_ok() {
        let message = format!("host_name: {:?} is not a name of letters, digits and hyphens", name.get_ref());
        return Err(at(name, message));
    }
    Ok(if text.contains('.') { text } else { format!("{text}.local") })
}

fn own_domain(domain: &Spanned<String>) -> Result<Domain, SetUpError> {
    let parsed = Domain::parse(domain.get_ref()).ok().filter(|domain| !domain.is_literal());
    let wrong = || at(domain, format!("domain: {:?} is not a domain such as example.org", domain.get_ref()));
    parsed.ok_or_else(wrong)
}

fn account(
    text: &str,
    raw: Spanned<RawAccount>,
    domain: Option<&Domain>,
    line: usize,
) -> Result<AccountSetUp, SetUpError> {
    let wrong = |message: String| SetUpError { place: Place::Line(line), message };
    let RawAccount { address, password } = raw.into_inner();
    let written =
        address.ok_or_else(|| wrong("an account needs an address: address = \"ann@example.org\"".to_owned()))?;
    let full = match domain {
        Some(domain) if !written.get_ref().contains('@') => format!("{}@{domain}", written.get_ref()),
        _ => written.get_ref().clone(),
    };
    let address = Address::parse(&full).ok().filter(|address| !address.domain.is_literal());
    let address = address.ok_or_else(|| {
        at(&written, format!("{:?} is not a mail address such as ann@example.org", written.get_ref()))
    })?;
    let password = match password {
        None => Password::Missing,
        Some(password) => read_password(text, &password)?,
    };
    Ok(AccountSetUp { address, password, line })
}

fn read_password(text: &str, password: &Spanned<String>) -> Result<Password, SetUpError> {
    let (span, value) = (password.span(), password.get_ref());
    let wrong = |message: &str| Err(at(password, message.to_owned()));
    if !value.is_empty() && value.bytes().all(|octet| octet == STAR) {
        return Ok(Password::TakenOver);
    }
    let quoted = text.get(span.clone()).unwrap_or_default();
    // A text over several lines has other quotes, and would keep its line ends when it is overwritten.
    if quoted.starts_with("\"\"\"") || quoted.starts_with("'''") {
        return wrong("the password has to stand in one line, between two \" or two '");
    }
    if value == PASSWORD_EXAMPLE {
        return wrong("this is the password of the example: choose your own");
    }
    if let Err(why) = password::prepare(value.as_bytes()) {
        return wrong(why);
    }
    let inside = span.start.saturating_add(1)..span.end.saturating_sub(1);
    Ok(Password::New(value.clone(), inside))
}
