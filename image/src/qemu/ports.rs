//! Ports of this computer that lead into the machine.

use crate::step::Failure;
use std::net::{Ipv4Addr, TcpListener};

/// How far from the port that was asked for another one is looked for.
const SEARCHED_MAX: u16 = 100;

/// A port of the loopback interface that leads to one of the guest's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Port here.
    pub host: u16,
    /// Port of the guest.
    pub guest: u16,
}

fn is_free(port: u16) -> Option<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
    listener.local_addr().ok().map(|address| address.port())
}

/// `wanted` if it is free, otherwise the next free one; for 0, any.
///
/// # Errors
/// When there is none near it.
pub fn free(wanted: u16, taken: &[Forward]) -> Result<u16, Failure> {
    let last = wanted.saturating_add(SEARCHED_MAX);
    let candidates = if wanted == 0 { vec![0; usize::from(SEARCHED_MAX)] } else { (wanted..=last).collect() };
    candidates
        .into_iter()
        .filter_map(is_free)
        .find(|port| taken.iter().all(|forward| forward.host != *port))
        .ok_or_else(|| Failure(format!("no port from {wanted} to {last} is free on 127.0.0.1")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if port < u16::MAX - SEARCHED_MAX {
            let found = free(port, &[]).unwrap();
            assert!(found > port);
            assert!(free(port, &[Forward { host: found, guest: 25 }]).unwrap() > found);
        }
        assert_ne!(free(0, &[]).unwrap(), 0);
    }
}
