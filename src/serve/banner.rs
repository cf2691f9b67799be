//! What a start prints: where things are, and how to try them.

use super::first_start::FirstAccount;
use super::listener::Listener;
use super::protocol::Protocol;
use core::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The table of one start.
pub struct Banner<'a> {
    /// The data directory.
    pub data: &'a Path,
    /// What clients can trust, if it is ours.
    pub authority: Option<PathBuf>,
    /// The account that this start has made.
    pub first: Option<&'a FirstAccount>,
    /// The administrator's address, if there is one.
    pub address: Option<&'a str>,
    /// Protocols and where they listen.
    pub listeners: &'a [(Protocol, SocketAddr)],
}

impl Banner<'_> {
    fn port(&self, protocol: Protocol) -> Option<u16> {
        self.listeners.iter().find(|(its, _)| *its == protocol).map(|(_, address)| address.port())
    }

    /// Where a program on this machine reaches a listener.
    fn place(&self, protocol: Protocol) -> Option<String> {
        let (_, address) = self.listeners.iter().find(|(its, _)| *its == protocol)?;
        let host = if address.ip().is_unspecified() || address.ip().is_loopback() {
            // In the certificate, whatever the machine is called.
            "localhost".to_owned()
        } else {
            SocketAddr::new(address.ip(), 0).to_string().trim_end_matches(":0").to_owned()
        };
        Some(format!("{host}:{}", address.port()))
    }
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = self.data.display();
        writeln!(f, "Pillarbox {}\n", env!("CARGO_PKG_VERSION"))?;
        match (self.first, self.address) {
            (Some(first), _) => {
                writeln!(f, "  address   {}", first.address)?;
                writeln!(f, "  password  {}   (shown only now)", first.password)?;
                writeln!(f, "            another one: pillarbox --data {data} account passwd {}", first.address)?;
            }
            (None, Some(address)) => {
                writeln!(f, "  address   {address}")?;
                writeln!(f, "  password  as it was; another one: pillarbox --data {data} account passwd {address}")?;
            }
            (None, None) => writeln!(f, "  no account yet: pillarbox --data {data} account add NAME@DOMAIN")?,
        }
        let mut ports = String::new();
        for protocol in Protocol::ALL {
            if let Some(port) = self.port(protocol) {
                write!(ports, "{}{protocol} {port}", if ports.is_empty() { "" } else { ", " })?;
            }
        }
        writeln!(f, "  ports     {ports}")?;
        writeln!(f, "  data      {data}")?;
        if let Some(authority) = &self.authority {
            writeln!(f, "  CA file   {}   (clients that trust it trust this server)", authority.display())?;
        }
        let address = self.first.map(|first| first.address.as_str()).or(self.address);
        if let Some(address) = address {
            self.examples(f, address)?;
        }
        Ok(())
    }
}

impl Banner<'_> {
    fn examples(&self, f: &mut fmt::Formatter<'_>, address: &str) -> fmt::Result {
        let mut head = "\n  try it    ";
        if let Some(place) = self.place(Protocol::Smtp) {
            writeln!(f, "{head}swaks --server {place} --to {address}")?;
            head = "            ";
        }
        if let Some(place) = self.place(Protocol::Imaps) {
            let trust = self.authority.as_ref().map(|path| format!("--cacert {} ", quoted(path))).unwrap_or_default();
            let password = self.first.map_or("PASSWORD", |first| &first.password);
            writeln!(f, "{head}curl {trust}--user '{address}:{password}' 'imaps://{place}/INBOX;MAILINDEX=1'")?;
        }
        writeln!(f)
    }
}

/// For a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+,@".contains(c));
    if is_plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// The lines of the `ports` file: as in `--listen`, with the real ports.
#[must_use]
pub fn ports_file(listeners: &[(Protocol, SocketAddr)]) -> String {
    listeners.iter().map(|(protocol, address)| format!("{protocol}={address}\n")).collect()
}

/// What is listened for, and where.
#[must_use]
pub fn places(listeners: &[Listener]) -> Vec<(Protocol, SocketAddr)> {
    listeners.iter().map(|listener| (listener.protocol(), listener.address())).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn listeners() -> Vec<(Protocol, SocketAddr)> {
        vec![
            (Protocol::Smtp, "[::]:2525".parse().unwrap()),
            (Protocol::Imaps, "127.0.0.1:2993".parse().unwrap()),
            (Protocol::Imap, "192.0.2.1:2143".parse().unwrap()),
        ]
    }

    #[test]
    fn a_first_start_shows_all_that_is_needed_to_try_it() {
        let first = FirstAccount { address: "me@pillarbox.local".to_owned(), password: "abc-def".to_owned() };
        let banner = Banner {
            data: Path::new("/srv/mail"),
            authority: Some("/srv/my mail/ca.pem".into()),
            first: Some(&first),
            address: None,
            listeners: &listeners(),
        };
        let text = banner.to_string();
        for expected in [
            "  address   me@pillarbox.local\n  password  abc-def ",
            "pillarbox --data /srv/mail account passwd me@pillarbox.local\n",
            "  ports     smtp 2525, imap 2143, imaps 2993\n",
            "  data      /srv/mail\n  CA file   /srv/my mail/ca.pem ",
            "swaks --server localhost:2525 --to me@pillarbox.local\n",
            "curl --cacert '/srv/my mail/ca.pem' --user 'me@pillarbox.local:abc-def' \
             'imaps://localhost:2993/INBOX;MAILINDEX=1'\n",
        ] {
            assert!(text.contains(expected), "{text}");
        }
        assert_eq!(banner.place(Protocol::Imap).unwrap(), "192.0.2.1:2143");
        assert_eq!(ports_file(&listeners()), "smtp=[::]:2525\nimaps=127.0.0.1:2993\nimap=192.0.2.1:2143\n");
    }

    #[test]
    fn a_later_start_shows_no_password() {
        let (data, listeners) = (Path::new("/srv/mail"), listeners());
        let banner = Banner { data, authority: None, first: None, address: Some("a@b.example"), listeners: &listeners };
        let text = banner.to_string();
        assert!(text.contains("password  as it was") && text.contains("a@b.example:PASSWORD"), "{text}");
        assert!(!text.contains("CA file") && !text.contains("--cacert"), "{text}");
        let text = Banner { address: None, ..banner }.to_string();
        assert!(text.contains("no account yet") && !text.contains("try it"), "{text}");
    }
}
