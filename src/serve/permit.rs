//! The right to have something of which there is not much: a connection, a transaction, a working buffer before login.
//!
//! Owns the number of permits that are out, all together and by network. Bounded by that number. What a client without
//! a permit hears is left to whoever asks for it.

use crate::limits::PER_ADDRESS_TABLE_MAX;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Gives permits.
#[derive(Clone, Debug)]
pub struct Permits(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    total_max: usize,
    per_network_max: usize,
    held: Mutex<Held>,
    /// Told when a permit comes back.
    back: Notify,
    /// Told when the last permit comes back.
    all_back: Notify,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// One place, free again when dropped.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    /// `None` for this machine, which is not counted by network.
    network: Option<IpAddr>,
}

/// Why there is no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// All places are taken.
    TooMany,
    /// All places of this network are taken.
    TooManyFromThere,
}

impl Permits {
    /// So many places, of which one network may take `per_network_max`.
    #[must_use]
    pub fn new(total_max: usize, per_network_max: usize) -> Self {
        let (held, back, all_back) = (Mutex::default(), Notify::new(), Notify::new());
        Self(Arc::new(Shared { total_max, per_network_max, held, back, all_back }))
    }

    /// A place for a client at this address.
    ///
    /// # Errors
    /// [`Refusal`] says which limit is reached.
    pub fn acquire(&self, address: IpAddr) -> Result<Permit, Refusal> {
        let network = network(address);
        let mut held = self.0.held();
        if held.total >= self.0.total_max {
            return Err(Refusal::TooMany);
        }
        if let Some(network) = network {
            let from_there = held.by_network.get(&network).copied().unwrap_or(0);
            if from_there >= self.0.per_network_max
                || (from_there == 0 && held.by_network.len() >= PER_ADDRESS_TABLE_MAX)
            {
                return Err(Refusal::TooManyFromThere);
            }
            held.by_network.insert(network, from_there.saturating_add(1));
        }
        held.total = held.total.saturating_add(1);
        Ok(Permit { shared: Arc::clone(&self.0), network })
    }

    /// Waits for a place for a client at this address. In no line: each that comes back is tried for by all.
    pub async fn wait(&self, address: IpAddr) -> Permit {
        loop {
            // Before the look, so that none is missed that comes back after it.
            let back = self.0.back.notified();
            if let Ok(permit) = self.acquire(address) {
                return permit;
            }
            back.await;
        }
    }

    /// Permits that there are.
    #[must_use]
    pub fn total_max(&self) -> usize {
        self.0.total_max
    }

    /// Permits that are out.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.held().total
    }

    /// Waits until every permit is back.
    pub async fn drained(&self) {
        loop {
            let all_back = self.0.all_back.notified();
            if self.held() == 0 {
                return;
            }
            all_back.await;
        }
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.shared.held();
        held.total = held.total.saturating_sub(1);
        if let Some(network) = self.network
            && let Some(from_there) = held.by_network.get_mut(&network)
        {
            *from_there = from_there.saturating_sub(1);
            if *from_there == 0 {
                held.by_network.remove(&network);
                // A burst of addresses leaves no large table behind.
                if held.by_network.len() < held.by_network.capacity() / 8 {
                    held.by_network.shrink_to_fit();
                }
            }
        }
        self.shared.back.notify_waiters();
        if held.total == 0 {
            self.shared.all_back.notify_waiters();
        }
    }
}

/// Whom an address is counted with: an IPv6 customer has a whole /64.
fn network(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V4(address) => Some(address.into()),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn counts_all_and_by_network() {
        let permits = Permits::new(5, 2);
        let first = permits.acquire(address("192.0.2.1")).unwrap();
        let _second = permits.acquire(address("::ffff:192.0.2.1")).unwrap();
        assert_eq!(permits.acquire(address("192.0.2.1")).unwrap_err(), Refusal::TooManyFromThere);
        drop(first);
        let _third = permits.acquire(address("192.0.2.1")).unwrap();
        let _fourth = permits.acquire(address("2001:db8::1")).unwrap();
        let _fifth = permits.acquire(address("2001:db8::2")).unwrap();
        assert_eq!(permits.acquire(address("2001:db8::3")).unwrap_err(), Refusal::TooManyFromThere);
        let _sixth = permits.acquire(address("2001:db8:0:1::3")).unwrap();
        assert_eq!(permits.acquire(address("198.51.100.1")).unwrap_err(), Refusal::TooMany);
        assert_eq!(permits.held(), 5);
    }

    #[test]
    fn this_machine_may_take_all() {
        let permits = Permits::new(3, 1);
        let held: Vec<_> = ["127.0.0.1", "127.9.9.9", "::1"].map(|text| permits.acquire(address(text)).unwrap()).into();
        assert_eq!(permits.acquire(address("::1")).unwrap_err(), Refusal::TooMany);
        drop(held);
        assert_eq!(permits.held(), 0);
        assert!(permits.0.held().by_network.is_empty());
    }

    #[tokio::test]
    async fn who_waits_gets_what_comes_back() {
        let permits = Permits::new(9, 1);
        let held = permits.acquire(address("192.0.2.1")).unwrap();
        let waiting = tokio::spawn({
            let permits = permits.clone();
            async move { permits.wait(address("192.0.2.1")).await }
        });
        tokio::task::yield_now().await;
        drop(permits.wait(address("192.0.2.2")).await);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        let _held = waiting.await.unwrap();
        assert_eq!(permits.held(), 1);
    }

    #[tokio::test]
    async fn draining_waits_for_the_last_one() {
        let permits = Permits::new(3, 3);
        permits.drained().await;
        let (one, two) = (permits.acquire(address("::1")).unwrap(), permits.acquire(address("192.0.2.1")).unwrap());
        let waiting = tokio::spawn({
            let permits = permits.clone();
            async move { permits.drained().await }
        });
        tokio::task::yield_now().await;
        drop(one);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(two);
        waiting.await.unwrap();
    }
}
