//! The trace header that every message gets in front (RFC 5321 4.4): Return-Path and Received.

use crate::mail::{ForwardPath, InternalDate, ReversePath};
use crate::wire::smtp::ClientName;
use std::net::IpAddr;

/// What the trace header tells.
#[derive(Debug)]
pub struct Trace<'a> {
    /// From MAIL.
    pub reverse_path: &'a ReversePath,
    /// What the client called itself.
    pub client: &'a ClientName,
    /// Where it really is.
    pub address: IpAddr,
    /// Our name.
    pub host: &'a str,
    /// How it came.
    pub with: Protocol,
    /// Version and cipher suite of TLS.
    pub tls: Option<(&'a str, &'a str)>,
    /// What log and reply call this message.
    pub id: &'a str,
    /// The recipient, if there is only one: others are nobody's business (RFC 5321 7.2).
    pub recipient: Option<&'a ForwardPath>,
    /// When.
    pub date: InternalDate,
}

/// The `with` keyword, from RFC 3848 and RFC 6531 4.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// RFC 2033.
    pub lmtp: bool,
    /// EHLO rather than HELO.
    pub extended: bool,
    /// MAIL said SMTPUTF8.
    pub utf8: bool,
    /// Under TLS.
    pub tls: bool,
    /// The client logged in.
    pub authenticated: bool,
}

impl core::fmt::Display for Protocol {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match (self.lmtp, self.utf8, self.extended) {
            (true, true, _) => "UTF8LMTP",
            (true, false, _) => "LMTP",
            (false, true, _) => "UTF8SMTP",
            (false, false, true) => "ESMTP",
            (false, false, false) => "SMTP",
        })?;
        // RFC 3848 gives HELO no letters; TLS and AUTH need EHLO anyway.
        if self.lmtp || self.utf8 || self.extended {
            f.write_str(if self.tls { "S" } else { "" })?;
            f.write_str(if self.authenticated { "A" } else { "" })?;
        }
        Ok(())
    }
}

/// RFC 5321 4.1.3, with IPv4 addresses that came over an IPv6 socket as what they are.
fn literal(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

/// The header fields as they stand in the message, with CRLF.
#[must_use]
pub fn header(trace: &Trace<'_>) -> String {
    let Trace { reverse_path, client, address, host, with, tls, id, recipient, date } = trace;
    let tls = tls.map_or_else(String::new, |(version, cipher)| format!(" ({version} {cipher})"));
    let recipient = recipient.map_or_else(String::new, |path| format!(" for {path}"));
    format!(
        "Return-Path: {reverse_path}\r\nReceived: from {} ({})\r\n\tby {host} with {with}{tls}\r\n\tid {id}{recipient};\r\n\t{}\r\n",
        client.in_trace(),
        literal(*address),
        date.rfc5322(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::mail::Address;

    #[test]
    fn the_header_tells_all_and_folds() {
        let path = Address::parse("bob@example.org").unwrap();
        let trace = Trace {
            reverse_path: &ReversePath::Address(Address::parse("ann@example.com").unwrap()),
            client: &ClientName::parse("client(evil)").unwrap(),
            address: "::ffff:192.0.2.1".parse().unwrap(),
            host: "mail.example.org",
            with: Protocol { lmtp: false, extended: true, utf8: false, tls: true, authenticated: true },
            tls: Some(("TLSv1.3", "TLS_AES_128_GCM_SHA256")),
            id: "abc",
            recipient: Some(&ForwardPath::Address(path)),
            date: InternalDate::from_civil((1996, 7, 17), (2, 44, 25), 0).unwrap(),
        };
        assert_eq!(
            header(&trace),
            "Return-Path: <ann@example.com>\r\n\
             Received: from client?evil? ([192.0.2.1])\r\n\
             \tby mail.example.org with ESMTPSA (TLSv1.3 TLS_AES_128_GCM_SHA256)\r\n\
             \tid abc for <bob@example.org>;\r\n\
             \tWed, 17 Jul 1996 02:44:25 +0000\r\n"
        );
        let null = Trace {
            reverse_path: &ReversePath::Null,
            tls: None,
            recipient: None,
            address: "2001:db8::1".parse().unwrap(),
            ..trace
        };
        let header = header(&null);
        assert!(header.starts_with("Return-Path: <>\r\n") && header.contains("([IPv6:2001:db8::1])"));
        assert!(header.contains("\tid abc;\r\n"));
    }

    #[test]
    fn keywords_are_the_registered_ones() {
        let word = |lmtp, extended, utf8, tls, authenticated| {
            Protocol { lmtp, extended, utf8, tls, authenticated }.to_string()
        };
        assert_eq!(word(false, false, false, false, false), "SMTP");
        assert_eq!(word(false, true, false, false, false), "ESMTP");
        assert_eq!(word(false, true, false, true, false), "ESMTPS");
        assert_eq!(word(false, true, false, false, true), "ESMTPA");
        assert_eq!(word(false, true, true, true, true), "UTF8SMTPSA");
        assert_eq!(word(true, true, false, false, false), "LMTP");
        assert_eq!(word(true, true, true, true, false), "UTF8LMTPS");
    }
}
