//! Asks time servers: SNTP (RFC 4330, RFC 5905 14) by `rsntp`.
//!
//! Owns one socket and one packet at a time; gives at most [`TIME_SERVERS_ASKED_MAX`] answers. It blocks, on name servers as
//! well: to be called on a thread of its own. What the answers mean is left to [`super::discipline`].

use crate::limits::{TIME_ANSWER_TIMEOUT, TIME_SERVERS_ASKED_MAX, TIME_SERVERS_MAX};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use heapless::Vec;
use rsntp::{Config, ProtocolError, SntpClient, SynchronizationError};
use std::net::ToSocketAddrs;

/// RFC 5905 7.3: the port of NTP.
const PORT: u16 = 123;

/// What a round of questions brought.
#[derive(Debug, Default)]
pub struct Round {
    /// How far the clock is behind each server, in seconds.
    pub offsets: Vec<f64, TIME_SERVERS_ASKED_MAX>,
    /// Servers that do not want to be asked again.
    pub refusing: Vec<String, TIME_SERVERS_MAX>,
}

/// Asks one server after the other until enough have answered.
pub fn ask(servers: &[String]) -> Round {
    let mut round = Round::default();
    for server in servers.iter().take(TIME_SERVERS_MAX) {
        if round.offsets.is_full() {
            break;
        }
        match ask_one(server) {
            Ok(offset) => {
                log::debug!("time server {server}: the clock is behind by {offset:.6} s");
                // There is room: see above.
                let _ = round.offsets.push(offset);
            }
            // RFC 4330 8: kiss-o'-death; the client must not ask this server again.
            Err(SynchronizationError::ProtocolError(ProtocolError::KissODeath(code))) => {
                log::warn!("time server {server} refuses: {code}");
                // As many as there are servers fit.
                let _ = round.refusing.push(server.clone());
            }
            Err(error) => log::debug!("time server {server}: {error}"),
        }
    }
    round
}

fn ask_one(server: &str) -> Result<f64, SynchronizationError> {
    let addresses: std::vec::Vec<SocketAddr> =
        (server, PORT).to_socket_addrs().map_err(SynchronizationError::IOError)?.take(8).collect();
    // IPv4 first: where there is IPv6 only, there is no other.
    let address = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    let Some(address) = address else {
        return Err(SynchronizationError::IOError(std::io::ErrorKind::NotFound.into()));
    };
    let any = if address.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let config = Config::default().bind_address(SocketAddr::new(any, 0)).timeout(TIME_ANSWER_TIMEOUT);
    let result = SntpClient::with_config(config).synchronize(*address)?;
    Ok(result.clock_offset().as_secs_f64())
}
