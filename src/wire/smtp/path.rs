//! Paths in angle brackets, RFC 5321 4.1.2, with the source routes of old.

use crate::mail::{Address, AddressError, Domain, ForwardPath, ReversePath};

/// Why a path could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathError {
    /// No `<`, no `>`, or no address between them.
    Syntax,
    /// RFC 5321 4.5.3.1.
    TooLong,
}

impl From<AddressError> for PathError {
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::Syntax | AddressError::NotAscii => Self::Syntax,
            AddressError::TooLong => Self::TooLong,
        }
    }
}

/// Splits `<path> rest` behind the path's `>`; gives the path without brackets and route, and the rest.
fn bracketed(text: &str) -> Result<(&str, &str), PathError> {
    let inner = text.strip_prefix('<').ok_or(PathError::Syntax)?;
    let mut quoted = false;
    let mut escaped = false;
    let end = inner
        .bytes()
        .position(|octet| {
            // A quoted local part may hold `>`, and `"` behind a backslash.
            match octet {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'>' if !quoted => return true,
                _ => {}
            }
            false
        })
        .ok_or(PathError::Syntax)?;
    let (path, rest) = inner.split_at_checked(end).ok_or(PathError::Syntax)?;
    Ok((without_route(path)?, rest.strip_prefix('>').ok_or(PathError::Syntax)?))
}

/// RFC 5321 4.1.1.3 and appendix C: source routes must be accepted and should be ignored.
fn without_route(path: &str) -> Result<&str, PathError> {
    if !path.starts_with('@') {
        return Ok(path);
    }
    let (route, path) = path.split_once(':').ok_or(PathError::Syntax)?;
    // An address literal of IPv6 holds colons; nobody routes through one.
    for hop in route.split(',') {
        Domain::parse(hop.strip_prefix('@').ok_or(PathError::Syntax)?)?;
    }
    Ok(path)
}

/// The path behind `MAIL FROM:`, and what follows it.
pub(super) fn reverse(text: &str) -> Result<(ReversePath, &str), PathError> {
    let (path, rest) = bracketed(text)?;
    // RFC 5321 4.1.2: the null path has nothing between its brackets, no route either.
    if path.is_empty() && text.starts_with("<>") {
        return Ok((ReversePath::Null, rest));
    }
    Ok((ReversePath::Address(Address::parse(path)?), rest))
}

/// The path behind `RCPT TO:`, and what follows it.
pub(super) fn forward(text: &str) -> Result<(ForwardPath, &str), PathError> {
    let (path, rest) = bracketed(text)?;
    // RFC 5321 4.1.1.3: `<Postmaster>` without a domain, in any case.
    if path.eq_ignore_ascii_case("postmaster") {
        return Ok((ForwardPath::Postmaster, rest));
    }
    Ok((ForwardPath::Address(Address::parse(path)?), rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_are_read_up_to_their_bracket() {
        for (text, path, rest) in [
            ("<ann@example.org>", "<ann@example.org>", ""),
            ("<ann@example.org> SIZE=1", "<ann@example.org>", " SIZE=1"),
            ("<\"a>b\"@example.org>x", "<\"a>b\"@example.org>", "x"),
            ("<\"a\\\">b\"@example.org>", "<\"a\\\">b\"@example.org>", ""),
            ("<@one.example,@two.example:ann@example.org>", "<ann@example.org>", ""),
            ("<ann@[IPv6:2001:db8::1]>", "<ann@[IPv6:2001:db8::1]>", ""),
        ] {
            let (read, behind) = forward(text).unwrap();
            assert_eq!((read.to_string().as_str(), behind), (path, rest));
        }
        assert_eq!(reverse("<>"), Ok((ReversePath::Null, "")));
        assert_eq!(forward("<POSTmaster>"), Ok((ForwardPath::Postmaster, "")));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "<", ">", "ann@example.org", "<ann@example.org", "<\"ann@example.org>", "<ann>", "<a b@c.d>"] {
            assert_eq!(forward(text), Err(PathError::Syntax), "{text}");
        }
        for text in ["<@a.example>", "<@a.example:>", "<a.example:ann@b.c>", "<@a.example,b:ann@b.c>", "<@:ann@b.c>"] {
            assert_eq!(reverse(text), Err(PathError::Syntax), "{text}");
        }
        assert_eq!(forward("<>"), Err(PathError::Syntax));
        assert_eq!(forward(&format!("<{}@b.c>", "a".repeat(65))), Err(PathError::TooLong));
    }
}
