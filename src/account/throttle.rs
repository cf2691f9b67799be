//! Slows down whoever tries passwords, without locking people out of their own server.
//!
//! Wrong passwords are counted for the address they come from (an IPv6 network of 64 bits is one address, RFC 6177) and
//! for the account they are tried on. After a few free ones each further one doubles the wait until the next try is
//! looked at. What keeps the owner in:
//!
//! - private, link-local and loopback addresses never wait longer than [`LOCAL_WAIT_MAX`];
//! - the account's own wait, which strangers can drive up, does not concern an address from which that account has
//!   logged in before, and such a pair never waits longer than [`LOCAL_WAIT_MAX`] either;
//! - a right password forgets the wrong ones of its address; without new ones all are forgotten after a while.
//!
//! Owns three tables with a fixed number of entries. A full table replaces an entry that has expired, or else the one
//! with the fewest wrong passwords, or among those the oldest: so a flood of addresses or names cannot wash out the
//! count of what is under attack. The time comes as an argument; logging and waiting are left to others.

use crate::limits::{GOOD_ADDRESSES_MAX, THROTTLED_ACCOUNTS_MAX, THROTTLED_ADDRESSES_MAX};
use core::hash::{BuildHasher as _, Hash};
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;
use std::hash::RandomState;
use std::time::Instant;

/// Wrong passwords of an address that cost no wait: typing errors, and clients that try each mechanism once.
const ADDRESS_FREE: u32 = 5;
/// Wrong passwords on an account that cost no wait.
const ACCOUNT_FREE: u32 = 10;
/// The first wait; each further one is twice as long.
const WAIT_MIN: Duration = Duration::from_secs(1);
/// The longest wait on the local network.
pub const LOCAL_WAIT_MAX: Duration = Duration::from_secs(30);
/// The longest wait elsewhere.
pub const WAIT_MAX: Duration = Duration::from_secs(15 * 60);
/// Without new wrong passwords a count is forgotten after so long. Longer than the longest wait, so that waiting it
/// out does not start anew.
const FORGET_LOCAL: Duration = Duration::from_secs(5 * 60);
const FORGET: Duration = Duration::from_secs(60 * 60);
/// A good address is remembered so long after its last login.
const FORGET_GOOD: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What counts as one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressGroup(IpAddr);

impl AddressGroup {
    /// An IPv4 address, or the /64 of an IPv6 address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        // ::ffff:192.0.2.1 is 192.0.2.1 on a socket that serves both.
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & 0xffff_ffff_ffff_ffff_0000_0000_0000_0000))
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }

    /// Is it of this machine or the local network: 127/8, RFC 1918, 169.254/16, ::1, fc00::/7, fe80::/10?
    #[must_use]
    pub fn is_local(self) -> bool {
        match self.0 {
            IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
            // ::1 has become ::, which nobody else comes from.
            IpAddr::V6(address) => {
                address.is_unspecified() || address.is_unique_local() || address.is_unicast_link_local()
            }
        }
    }
}

/// Wrong passwords of one address or on one account.
#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

/// Entries by key, at most `max`.
#[derive(Debug)]
struct Table<K, V> {
    entries: Vec<(K, V)>,
    max: usize,
}

impl<K: PartialEq, V> Table<K, V> {
    fn new(max: usize) -> Self {
        Self { entries: Vec::new(), max }
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.entries.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    fn remove(&mut self, key: &K) {
        self.entries.retain(|(known, _)| known != key);
    }

    /// Puts an entry; a full table replaces the one with the smallest `worth`.
    fn put<W: Ord>(&mut self, key: K, value: V, worth: impl Fn(&V) -> W) {
        if let Some((_, known)) = self.entries.iter_mut().find(|(known, _)| *known == key) {
            *known = value;
        } else if self.entries.len() < self.max {
            self.entries.push((key, value));
        } else if let Some(least) = self.entries.iter_mut().min_by_key(|(_, value)| worth(value)) {
            *least = (key, value);
        }
    }
}

/// Counts wrong passwords and says who has to wait.
#[derive(Debug)]
pub struct Throttle {
    addresses: Table<AddressGroup, Failures>,
    /// By a keyed hash of the login name: names are foreign input of any length.
    accounts: Table<u64, Failures>,
    good: Table<(u64, AddressGroup), Instant>,
    names: RandomState,
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

impl Throttle {
    /// With nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_room(THROTTLED_ADDRESSES_MAX, THROTTLED_ACCOUNTS_MAX, GOOD_ADDRESSES_MAX)
    }

    fn with_room(addresses: usize, accounts: usize, good: usize) -> Self {
        Self {
            addresses: Table::new(addresses),
            accounts: Table::new(accounts),
            good: Table::new(good),
            names: RandomState::new(),
        }
    }

    /// How long this address has to wait before a password for this account is looked at; zero: not at all.
    /// The same name must be given in the same form each time.
    #[must_use]
    pub fn wait(&self, account: &str, address: IpAddr, now: Instant) -> Duration {
        let group = AddressGroup::of(address);
        let account = self.names.hash_one(account);
        let known = self.is_good(account, group, now);
        let longest = if known || group.is_local() { LOCAL_WAIT_MAX } else { WAIT_MAX };
        let by_address = self
            .addresses
            .get(&group)
            .map_or(Duration::ZERO, |failures| remaining(failures, ADDRESS_FREE, longest, forget_after(group), now));
        if known {
            return by_address;
        }
        let by_account = self.accounts.get(&account);
        by_address
            .max(by_account.map_or(Duration::ZERO, |failures| remaining(failures, ACCOUNT_FREE, longest, FORGET, now)))
    }

    /// Is the address of the local network, or has this account logged in from it before?
    #[must_use]
    pub fn is_familiar(&self, account: &str, address: IpAddr, now: Instant) -> bool {
        let group = AddressGroup::of(address);
        group.is_local() || self.is_good(self.names.hash_one(account), group, now)
    }

    /// The password was wrong.
    pub fn failed(&mut self, account: &str, address: IpAddr, now: Instant) {
        let group = AddressGroup::of(address);
        let account = self.names.hash_one(account);
        // A good address that fails says nothing about strangers.
        if !self.is_good(account, group, now) {
            count(&mut self.accounts, account, FORGET, now);
        }
        count(&mut self.addresses, group, forget_after(group), now);
    }

    /// The password was right.
    pub fn succeeded(&mut self, account: &str, address: IpAddr, now: Instant) {
        let group = AddressGroup::of(address);
        let account = self.names.hash_one(account);
        self.addresses.remove(&group);
        self.good.put((account, group), now, |last| *last);
    }

    fn is_good(&self, account: u64, group: AddressGroup, now: Instant) -> bool {
        self.good.get(&(account, group)).is_some_and(|last| now.saturating_duration_since(*last) < FORGET_GOOD)
    }
}

fn forget_after(group: AddressGroup) -> Duration {
    if group.is_local() { FORGET_LOCAL } else { FORGET }
}

fn count<K: PartialEq>(table: &mut Table<K, Failures>, key: K, forget: Duration, now: Instant) {
    let stale = |failures: &Failures| now.saturating_duration_since(failures.last) >= forget;
    let before = table.get(&key).filter(|failures| !stale(failures)).map_or(0, |failures| failures.count);
    let failures = Failures { count: before.saturating_add(1), last: now };
    table.put(key, failures, |other| (if stale(other) { 0 } else { other.count }, other.last));
}

fn remaining(failures: &Failures, free: u32, longest: Duration, forget: Duration, now: Instant) -> Duration {
    let since = now.saturating_duration_since(failures.last);
    let Some(over) = failures.count.checked_sub(free).and_then(|over| over.checked_sub(1)) else {
        return Duration::ZERO;
    };
    if since >= forget {
        return Duration::ZERO;
    }
    let doubled = 1u32.checked_shl(over).filter(|_| over < 31).unwrap_or(u32::MAX);
    WAIT_MIN.saturating_mul(doubled).min(longest).saturating_sub(since)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const STRANGER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(203, 0, 113, 7));
    const HOME: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 168, 1, 20));

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn fail(throttle: &mut Throttle, account: &str, address: IpAddr, times: u32, now: Instant) {
        for _ in 0..times {
            throttle.failed(account, address, now);
        }
    }

    #[test]
    fn a_few_wrong_passwords_are_free_and_then_each_doubles_the_wait() {
        let (mut throttle, now) = (Throttle::new(), Instant::now());
        fail(&mut throttle, "ann", STRANGER, ADDRESS_FREE, now);
        assert_eq!(throttle.wait("ann", STRANGER, now), Duration::ZERO);
        for expected in [1, 2, 4, 8, 16] {
            throttle.failed("ann", STRANGER, now);
            assert_eq!(throttle.wait("ann", STRANGER, now), seconds(expected));
        }
        assert_eq!(throttle.wait("ann", STRANGER, now + seconds(15)), seconds(1));
        assert_eq!(throttle.wait("ann", STRANGER, now + seconds(16)), Duration::ZERO);
        fail(&mut throttle, "ann", STRANGER, 1000, now);
        assert_eq!(throttle.wait("ann", STRANGER, now), WAIT_MAX);
    }

    #[test]
    fn the_local_network_never_waits_long() {
        let (mut throttle, now) = (Throttle::new(), Instant::now());
        let locals = ["127.0.0.1", "10.1.2.3", "169.254.1.1", "::1", "fd00::1", "fe80::1", "::ffff:192.168.0.1"];
        for local in locals {
            let address = local.parse().unwrap();
            fail(&mut throttle, "ann", address, 100, now);
            assert_eq!(throttle.wait("ann", address, now), LOCAL_WAIT_MAX, "{local}");
            assert_eq!(throttle.wait("bob", address, now), LOCAL_WAIT_MAX, "{local}");
        }
        for stranger in ["8.8.8.8", "2001:db8::1", "172.32.0.1"] {
            assert!(!AddressGroup::of(stranger.parse().unwrap()).is_local(), "{stranger}");
        }
    }

    #[test]
    fn an_account_under_attack_stays_open_for_its_owner() {
        let (mut throttle, now) = (Throttle::new(), Instant::now());
        throttle.succeeded("ann", HOME, now);
        let travelling: IpAddr = "198.51.100.4".parse().unwrap();
        throttle.succeeded("ann", travelling, now);
        for last in 0..200u8 {
            fail(&mut throttle, "ann", IpAddr::from([203, 0, 113, last]), 3, now);
        }
        assert_eq!(throttle.wait("ann", "198.51.100.99".parse().unwrap(), now), WAIT_MAX, "a stranger waits");
        assert_eq!(throttle.wait("ann", travelling, now), Duration::ZERO);
        assert_eq!(throttle.wait("ann", HOME, now), Duration::ZERO);
        // From the local network it is short even where ann has never been.
        assert_eq!(throttle.wait("ann", "10.0.0.9".parse().unwrap(), now), LOCAL_WAIT_MAX);
        assert_eq!(throttle.wait("bob", "198.51.100.99".parse().unwrap(), now), Duration::ZERO);
        assert!(throttle.is_familiar("ann", travelling, now) && !throttle.is_familiar("bob", travelling, now));
        assert!(throttle.is_familiar("bob", HOME, now) && !throttle.is_familiar("ann", travelling, now + FORGET_GOOD));
    }

    #[test]
    fn a_right_password_forgets_the_wrong_ones_of_its_address() {
        let (mut throttle, now) = (Throttle::new(), Instant::now());
        fail(&mut throttle, "ann", STRANGER, 9, now);
        throttle.succeeded("ann", STRANGER, now);
        assert_eq!(throttle.wait("ann", STRANGER, now), Duration::ZERO);
    }

    #[test]
    fn counts_are_forgotten() {
        let (mut throttle, now) = (Throttle::new(), Instant::now());
        fail(&mut throttle, "ann", STRANGER, 100, now);
        assert_eq!(throttle.wait("ann", STRANGER, now + FORGET), Duration::ZERO);
        throttle.failed("ann", STRANGER, now + FORGET);
        assert_eq!(throttle.wait("ann", STRANGER, now + FORGET), Duration::ZERO, "counting starts anew");
    }

    #[test]
    fn one_ipv6_network_is_one_address() {
        let (mut throttle, now) = (Throttle::new(), Instant::now());
        for host in 0..100u16 {
            throttle.failed("ann", IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, host]), now);
        }
        let neighbour = IpAddr::from([0x2001, 0xdb8, 0, 2, 0, 0, 0, 1]);
        assert_eq!(throttle.wait("bob", IpAddr::from([0x2001, 0xdb8, 0, 1, 9, 9, 9, 9]), now), WAIT_MAX);
        assert_eq!(throttle.wait("bob", neighbour, now), Duration::ZERO);
    }

    #[test]
    fn a_flood_of_addresses_does_not_wash_out_a_count() {
        let (mut throttle, now) = (Throttle::with_room(8, 8, 8), Instant::now());
        fail(&mut throttle, "ann", STRANGER, 20, now);
        for index in 0..1000u16 {
            let [high, low] = index.to_be_bytes();
            throttle.failed(&format!("user{index}"), IpAddr::from([100, 64, high, low]), now + seconds(1));
            throttle.succeeded(&format!("user{index}"), IpAddr::from([100, 65, high, low]), now);
        }
        assert_eq!(throttle.addresses.entries.len(), 8);
        assert_eq!(throttle.accounts.entries.len(), 8);
        assert_eq!(throttle.good.entries.len(), 8);
        assert!(throttle.wait("ann", STRANGER, now + seconds(1)) > seconds(60));
    }

    proptest! {
        #[test]
        fn waits_have_a_ceiling_and_end(
            steps in proptest::collection::vec((0u8..4, 0u8..6, any::<bool>(), 0u64..2_000), 0..200),
        ) {
            let mut throttle = Throttle::with_room(3, 3, 3);
            let mut now = Instant::now();
            for (account, host, right, pause) in steps {
                now += seconds(pause);
                let account = format!("user{account}");
                let local = host % 2 == 0;
                let address = if local { IpAddr::from([10, 0, 0, host]) } else { IpAddr::from([203, 0, 113, host]) };
                let wait = throttle.wait(&account, address, now);
                let longest = if local { LOCAL_WAIT_MAX } else { WAIT_MAX };
                prop_assert!(wait <= longest);
                prop_assert_eq!(throttle.wait(&account, address, now + wait), Duration::ZERO);
                if right {
                    throttle.succeeded(&account, address, now);
                    prop_assert_eq!(throttle.wait(&account, address, now), Duration::ZERO);
                } else {
                    throttle.failed(&account, address, now);
                }
                prop_assert!(throttle.addresses.entries.len() <= 3 && throttle.accounts.entries.len() <= 3);
            }
        }
    }
}
