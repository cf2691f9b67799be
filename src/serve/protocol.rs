//! The protocols that can be listened for, and where.

use core::fmt;
use core::str::FromStr;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RFC 5321: mail from other servers.
    Smtp,
    /// RFC 6409: mail from our users, with STARTTLS.
    Submission,
    /// RFC 8314 7.3: the same, under TLS from the beginning.
    Submissions,
    /// RFC 1939, with STLS.
    Pop3,
    /// RFC 8314 7.2: the same, under TLS from the beginning.
    Pop3s,
    /// RFC 9051, with STARTTLS.
    Imap,
    /// RFC 8314 7.1: the same, under TLS from the beginning.
    Imaps,
    /// RFC 2033: mail from programs that are trusted to hand it in.
    Lmtp,
}

impl Protocol {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] =
        [Self::Smtp, Self::Submission, Self::Submissions, Self::Pop3, Self::Pop3s, Self::Imap, Self::Imaps, Self::Lmtp];

    /// The name in configuration, `--listen` and log lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Submission => "submission",
            Self::Submissions => "submissions",
            Self::Pop3 => "pop3",
            Self::Pop3s => "pop3s",
            Self::Imap => "imap",
            Self::Imaps => "imaps",
            Self::Lmtp => "lmtp",
        }
    }

    /// The usual ports: the registered one for root, one that anyone may use. LMTP has none, it is asked for.
    #[must_use]
    pub fn ports(self) -> Option<(u16, u16)> {
        match self {
            Self::Smtp => Some((25, 2_525)),
            Self::Submission => Some((587, 2_587)),
            Self::Submissions => Some((465, 2_465)),
            Self::Pop3 => Some((110, 2_110)),
            Self::Pop3s => Some((995, 2_995)),
            Self::Imap => Some((143, 2_143)),
            Self::Imaps => Some((993, 2_993)),
            Self::Lmtp => None,
        }
    }

    /// Does TLS begin before the protocol does?
    #[must_use]
    pub fn is_implicit_tls(self) -> bool {
        matches!(self, Self::Submissions | Self::Pop3s | Self::Imaps)
    }

    /// What one client too many hears instead of a greeting, in the clear.
    #[must_use]
    pub fn refusal(self) -> &'static str {
        match self {
            // RFC 5321 3.8 and RFC 3463 3.5: system not accepting network messages.
            Self::Smtp | Self::Submission | Self::Submissions | Self::Lmtp => {
                "421 4.3.2 Too many connections, try again later\r\n"
            }
            // RFC 9051 7.1.5, RFC 5530 3.
            Self::Imap | Self::Imaps => "* BYE [UNAVAILABLE] Too many connections, try again later\r\n",
            // RFC 3206 4.
            Self::Pop3 | Self::Pop3s => "-ERR [SYS/TEMP] Too many connections, try again later\r\n",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(protocol) = Self::ALL.into_iter().find(|protocol| protocol.name() == text) {
            return Ok(protocol);
        }
        match text {
            "managesieve" | "http" | "https" => Err(format!("{text} is not supported by this version")),
            _ => Err(format!("unknown protocol {text:?}: one of {}", Self::ALL.map(Self::name).join(", "))),
        }
    }
}

/// A protocol and an address to listen at: `imap=127.0.0.1:143`, `imaps=[::1]:993`, `smtp=*:25`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ListenAddress {
    /// What is spoken there.
    pub protocol: Protocol,
    /// The address; `None`: all of the machine's.
    pub address: Option<IpAddr>,
    /// The port; 0: any that is free.
    pub port: u16,
}

impl ListenAddress {
    /// The usual ports on all addresses.
    #[must_use]
    pub fn usual(is_root: bool) -> Vec<Self> {
        let port = |(root, anyone)| if is_root { root } else { anyone };
        Protocol::ALL
            .into_iter()
            .filter_map(|protocol| Some(Self { protocol, address: None, port: port(protocol.ports()?) }))
            .collect()
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("{text:?} is not PROTOCOL=ADDRESS:PORT, like imap=127.0.0.1:143 or smtp=*:25");
        let (protocol, place) = text.split_once('=').ok_or_else(wanted)?;
        let protocol = protocol.trim().parse()?;
        let (host, port) = place.trim().rsplit_once(':').ok_or_else(wanted)?;
        let port: u16 = port.parse().map_err(|_| wanted())?;
        let address = match host {
            "*" | "" => None,
            "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            // Only an address in brackets may hold colons of its own.
            _ => Some(format!("{host}:{port}").parse::<SocketAddr>().map_err(|_| wanted())?.ip()),
        };
        Ok(Self { protocol, address, port })
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            None => write!(f, "{}=*:{}", self.protocol, self.port),
            Some(address) => write!(f, "{}={}", self.protocol, SocketAddr::new(address, self.port)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        for text in ["smtp=*:25", "imap=127.0.0.1:0", "pop3s=[::1]:995", "lmtp=[::]:24"] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
        assert_eq!("smtp=:25".parse::<ListenAddress>().unwrap().to_string(), "smtp=*:25");
        assert_eq!("smtp=localhost:25".parse::<ListenAddress>().unwrap().to_string(), "smtp=127.0.0.1:25");
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        for (text, expected) in [
            ("smtp", "is not PROTOCOL="),
            ("smtp=25", "is not PROTOCOL="),
            ("smtp=::1:25", "is not PROTOCOL="),
            ("smtp=example.org:25", "is not PROTOCOL="),
            ("smtp=*:65536", "is not PROTOCOL="),
            ("gopher=*:70", "one of smtp, submission, submissions, pop3, pop3s, imap, imaps, lmtp"),
            ("managesieve=*:4190", "managesieve is not supported by this version"),
            ("https=*:443", "https is not supported by this version"),
        ] {
            let error = text.parse::<ListenAddress>().unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_usual_ports() {
        let ports = |is_root| ListenAddress::usual(is_root).iter().map(|listen| listen.port).collect::<Vec<_>>();
        assert_eq!(ports(true), [25, 587, 465, 110, 995, 143, 993]);
        assert_eq!(ports(false), [2_525, 2_587, 2_465, 2_110, 2_995, 2_143, 2_993]);
    }
}
