#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::desk::{Desk, Lookups};
use super::*;
use crate::account::memory::MemoryShelf;
use crate::account::{Accounts, Options};
use crate::mail::{Address, Domain};
use crate::serve::Config;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::num::NonZeroU32;
use ring::{digest, hmac, pbkdf2};
use std::collections::VecDeque;
use std::sync::Arc;

const EXPORTER: [u8; 32] = [5; 32];

fn accounts(legacy_logins: bool) -> Accounts {
    let options = Options { scram_iterations: 10, legacy_logins, ..Options::default() };
    let accounts = MemoryShelf::default().accounts(options);
    accounts.add_domain(&Domain::parse("example.org").unwrap()).unwrap();
    for (name, password) in [("ann@example.org", "ann's"), ("bob@example.org", "bob's")] {
        accounts.add_account(&Address::parse(name).unwrap(), password, None).unwrap();
    }
    accounts
}

fn clear(address: &str) -> PeerInfo {
    let address: SocketAddr = format!("{address}:1024").parse().unwrap();
    PeerInfo { address, tls: None, loopback: address.ip().is_loopback(), session: 7 }
}

fn tls(address: &str) -> PeerInfo {
    let tls = TlsInfo { version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", exporter: Some(EXPORTER) };
    PeerInfo { tls: Some(tls), ..clear(address) }
}

/// What a login needs.
struct House {
    accounts: Accounts,
    state: AuthState,
}

impl House {
    fn new(config: &Config) -> Self {
        Self { accounts: accounts(config.legacy_logins), state: AuthState::new(config) }
    }

    fn desk<'a>(&'a self, peer: &'a PeerInfo) -> Desk<'a> {
        Desk { accounts: &self.accounts, state: &self.state, peer, lookups: Lookups::Memory }
    }

    async fn login(&self, peer: &PeerInfo, user: &str, password: &str) -> Result<String, AuthError> {
        self.desk(peer).login(user, password.as_bytes()).await.map(|account| account.address)
    }

    async fn sasl(
        &self,
        peer: &PeerInfo,
        mechanism: &str,
        initial: Option<&[u8]>,
        client: &mut Script,
    ) -> Result<String, AuthError> {
        let initial = initial.map(<[u8]>::to_vec);
        self.desk(peer).authenticate(mechanism, initial, client).await.map(|account| account.address)
    }
}

/// Answers challenges in turn.
#[derive(Default)]
struct Script {
    answers: VecDeque<Result<Vec<u8>, Cancelled>>,
    heard: Vec<Vec<u8>>,
}

impl Script {
    fn of(answers: &[&[u8]]) -> Self {
        Self { answers: answers.iter().map(|answer| Ok(answer.to_vec())).collect(), heard: Vec::new() }
    }
}

impl Challenge for Script {
    async fn ask(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Cancelled> {
        self.heard.push(challenge.to_vec());
        self.answers.pop_front().unwrap_or(Err(Cancelled::ByClient))
    }
}

/// A SCRAM client.
struct ScramClient<'a> {
    user: &'a str,
    password: &'a str,
    header: &'a str,
    bound: &'a [u8],
    /// What the server must say last.
    expected: Option<String>,
}

impl<'a> ScramClient<'a> {
    fn new(user: &'a str, password: &'a str, header: &'a str, bound: &'a [u8]) -> Self {
        Self { user, password, header, bound, expected: None }
    }

    fn bare(&self) -> String {
        format!("n={},r=abcdef", self.user)
    }

    fn first(&self) -> Vec<u8> {
        format!("{}{}", self.header, self.bare()).into_bytes()
    }
}

impl Challenge for ScramClient<'_> {
    async fn ask(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Cancelled> {
        let challenge = core::str::from_utf8(challenge).unwrap();
        if challenge.is_empty() {
            return Ok(self.first());
        }
        if let Some(expected) = &self.expected {
            assert_eq!(challenge, expected);
            return Ok(Vec::new());
        }
        let part = |letter: &str| challenge.split(',').find_map(|part| part.strip_prefix(letter)).unwrap();
        let iterations = NonZeroU32::new(part("i=").parse().unwrap()).unwrap();
        let mut salted = [0; 32];
        let salt = STANDARD.decode(part("s=")).unwrap();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, self.password.as_bytes(), &mut salted);
        let mac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
        let binding = [self.header.as_bytes(), self.bound].concat();
        let last = format!("c={},r={}", STANDARD.encode(binding), part("r="));
        let message = format!("{},{challenge},{last}", self.bare());
        let client_key = mac(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let signature = mac(stored_key.as_ref(), message.as_bytes());
        let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        let server_key = mac(&salted, b"Server Key");
        self.expected = Some(format!("v={}", STANDARD.encode(mac(server_key.as_ref(), message.as_bytes()))));
        Ok(format!("{last},p={}", STANDARD.encode(proof)).into_bytes())
    }
}

#[tokio::test]
async fn passwords_cross_only_under_tls_or_where_it_is_allowed() {
    let house = House::new(&Config::default());
    assert_eq!(house.login(&tls("203.0.113.7"), "ANN@example.org", "ann's").await.as_deref(), Ok("ann@example.org"));
    assert_eq!(house.login(&tls("203.0.113.7"), "bob", "bob's").await.as_deref(), Ok("bob@example.org"));
    assert_eq!(house.login(&clear("203.0.113.7"), "ann", "ann's").await, Err(AuthError::TlsRequired));
    assert_eq!(house.login(&clear("127.0.0.1"), "ann", "ann's").await, Err(AuthError::TlsRequired));
    let plain = Some(&b"\0ann\0ann's"[..]);
    let refused = house.sasl(&clear("203.0.113.7"), "PLAIN", plain, &mut Script::default()).await;
    assert_eq!(refused, Err(AuthError::TlsRequired));
    let lenient = House::new(&Config { plain_login_on_loopback: true, ..Config::default() });
    assert!(lenient.login(&clear("127.0.0.1"), "ann", "ann's").await.is_ok());
    assert_eq!(lenient.login(&clear("203.0.113.7"), "ann", "ann's").await, Err(AuthError::TlsRequired));
}

#[tokio::test]
async fn mechanisms_depend_on_the_connection() {
    let house = House::new(&Config::default());
    let names = |house: &House, peer: &PeerInfo| house.state.mechanisms(peer).join(" ");
    assert_eq!(names(&house, &tls("203.0.113.7")), "SCRAM-SHA-256 PLAIN LOGIN");
    let listed = House::new(&Config { list_scram_plus: true, ..Config::default() });
    assert_eq!(names(&listed, &tls("203.0.113.7")), "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN");
    assert_eq!(names(&house, &clear("203.0.113.7")), "SCRAM-SHA-256");
    let mut old = tls("203.0.113.7");
    old.tls.as_mut().unwrap().version = "TLSv1.2";
    assert_eq!(names(&house, &old), "SCRAM-SHA-256 PLAIN LOGIN");
    let lenient = Config { plain_login_on_loopback: true, legacy_logins: true, ..Config::default() };
    let lenient = House::new(&lenient);
    assert_eq!(names(&lenient, &clear("127.0.0.1")), "SCRAM-SHA-256 PLAIN LOGIN CRAM-MD5");
    assert_eq!(names(&lenient, &clear("203.0.113.7")), "SCRAM-SHA-256 CRAM-MD5");
}

#[tokio::test]
async fn plain_and_login_log_in() {
    let house = House::new(&Config::default());
    let peer = tls("203.0.113.7");
    let mut script = Script::of(&[b"\0ann\0ann's"]);
    assert!(house.sasl(&peer, "plain", None, &mut script).await.is_ok());
    assert_eq!(script.heard, [b""]);
    let mut script = Script::of(&[b"ann@example.org", b"ann's"]);
    assert!(house.sasl(&peer, "LOGIN", None, &mut script).await.is_ok());
    assert_eq!(script.heard, [&b"Username:"[..], b"Password:"]);
    let wrong = house.sasl(&peer, "PLAIN", Some(b"\0ann\0bob's"), &mut Script::default()).await;
    assert_eq!(wrong, Err(AuthError::Invalid));
    let garbled = house.sasl(&peer, "PLAIN", Some(b"ann"), &mut Script::default()).await;
    assert_eq!(garbled, Err(AuthError::Invalid));
    let unknown = house.sasl(&peer, "GSSAPI", None, &mut Script::default()).await;
    assert_eq!(unknown, Err(AuthError::MechanismUnknown));
    let cancelled = house.sasl(&peer, "LOGIN", None, &mut Script::default()).await;
    assert_eq!(cancelled, Err(AuthError::Cancelled(Cancelled::ByClient)));
}

#[tokio::test]
async fn scram_logs_in_with_and_without_channel_binding() {
    let house = House::new(&Config::default());
    for (peer, mechanism, header, bound) in [
        (clear("203.0.113.7"), "SCRAM-SHA-256", "n,,", &b""[..]),
        (clear("203.0.113.7"), "scram-sha-256", "y,,", b""),
        (tls("203.0.113.7"), "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", &EXPORTER),
    ] {
        let mut client = ScramClient::new("ann@example.org", "ann's", header, bound);
        let first = client.first();
        let done = house.desk(&peer).authenticate(mechanism, Some(first), &mut client).await;
        assert_eq!(done.map(|account| account.address).as_deref(), Ok("ann@example.org"), "{mechanism} {header}");
        let mut client = ScramClient::new("ann@example.org", "ann's", header, bound);
        assert!(house.desk(&peer).authenticate(mechanism, None, &mut client).await.is_ok(), "without initial response");
    }
    let peer = tls("203.0.113.7");
    // Where -PLUS is not listed, a client that could have used it is right to say so.
    let mut client = ScramClient::new("ann", "ann's", "y,,", b"");
    assert!(house.desk(&peer).authenticate("SCRAM-SHA-256", None, &mut client).await.is_ok());
    let house = House::new(&Config { list_scram_plus: true, ..Config::default() });
    for (user, password, header) in [("ann", "bob's", "n,,"), ("carol", "ann's", "n,,"), ("ann", "ann's", "y,,")] {
        let mut client = ScramClient::new(user, password, header, b"");
        let refused = house.desk(&peer).authenticate("SCRAM-SHA-256", None, &mut client).await;
        assert_eq!(refused, Err(AuthError::Invalid), "{user} {header}");
    }
    let refused = house.sasl(&clear("203.0.113.7"), "SCRAM-SHA-256-PLUS", None, &mut Script::default()).await;
    assert_eq!(refused, Err(AuthError::MechanismUnknown));
}

#[tokio::test]
async fn legacy_logins_are_behind_their_switch() {
    let house = House::new(&Config::default());
    let peer = clear("203.0.113.7");
    let timestamp = "<1.2@mail.example.org>";
    let digest = |password: &str| {
        use md5::{Digest as _, Md5};
        let digest = Md5::digest(format!("{timestamp}{password}"));
        digest.iter().map(|octet| format!("{octet:02x}")).collect::<String>()
    };
    let apop = async |house: &House, user: &str, password: &str| {
        house.desk(&peer).apop(user, timestamp, digest(password).as_bytes()).await.map(|account| account.address)
    };
    assert_eq!(apop(&house, "ann", "ann's").await, Err(AuthError::MechanismUnknown));
    let cram = house.sasl(&peer, "CRAM-MD5", None, &mut Script::default()).await;
    assert_eq!(cram, Err(AuthError::MechanismUnknown));
    let legacy = House::new(&Config { legacy_logins: true, ..Config::default() });
    assert_eq!(apop(&legacy, "ann", "ann's").await.as_deref(), Ok("ann@example.org"));
    assert_eq!(apop(&legacy, "ann", "bob's").await, Err(AuthError::Invalid));
    assert_eq!(apop(&legacy, "carol", "none").await, Err(AuthError::Invalid));
    let mut script = Script::of(&[b"ann 0123456789abcdef0123456789abcdef"]);
    assert_eq!(legacy.sasl(&peer, "CRAM-MD5", None, &mut script).await, Err(AuthError::Invalid));
    assert!(script.heard[0].ends_with(b"@pillarbox.local>"));
    // An account whose password was set while the switch was off has nothing to compare with.
    let set_before = House { accounts: accounts(false), state: legacy.state };
    assert_eq!(apop(&set_before, "ann", "ann's").await, Err(AuthError::Invalid));
}

#[tokio::test]
async fn wrong_passwords_slow_down_whatever_the_mechanism() {
    let house = House::new(&Config::default());
    let peer = tls("203.0.113.7");
    for turn in 0..6 {
        let wrong = if turn % 2 == 0 {
            house.login(&peer, "ann", "wrong").await
        } else {
            let mut client = ScramClient::new("ann", "wrong", "n,,", b"");
            house.desk(&peer).authenticate("SCRAM-SHA-256", None, &mut client).await.map(|account| account.address)
        };
        assert_eq!(wrong, Err(AuthError::Invalid), "{turn}");
    }
    let throttled = |result| matches!(result, Err(AuthError::Throttled { wait }) if wait > Duration::ZERO);
    assert!(throttled(house.login(&peer, "ann", "ann's").await), "also with the right one");
    assert!(throttled(house.sasl(&peer, "PLAIN", Some(b"\0bob\0bob's"), &mut Script::default()).await));
    assert!(throttled(house.sasl(&peer, "SCRAM-SHA-256", Some(b"n,,n=ann,r=x"), &mut Script::default()).await));
    assert!(house.login(&tls("198.51.100.1"), "ann", "ann's").await.is_ok());
    let lifted = House::new(&Config { login_throttle: false, ..Config::default() });
    for _ in 0..20 {
        assert_eq!(lifted.login(&peer, "ann", "wrong").await, Err(AuthError::Invalid));
    }
    assert!(lifted.login(&peer, "ann", "ann's").await.is_ok());
}

#[tokio::test]
async fn exchanges_that_began_before_the_throttle_do_not_get_past_it() {
    /// Fails other logins while its own exchange is under way.
    struct Slow<'a>(&'a House, &'a PeerInfo, ScramClient<'a>);
    impl Challenge for Slow<'_> {
        async fn ask(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Cancelled> {
            for _ in 0..6 {
                assert_eq!(self.0.login(self.1, "ann", "wrong").await, Err(AuthError::Invalid));
            }
            self.2.ask(challenge).await
        }
    }
    let house = House::new(&Config::default());
    let peer = tls("203.0.113.7");
    let client = ScramClient::new("ann", "ann's", "n,,", b"");
    let first = client.first();
    let mut slow = Slow(&house, &peer, client);
    let late = house.desk(&peer).authenticate("SCRAM-SHA-256", Some(first), &mut slow).await;
    assert!(matches!(late, Err(AuthError::Throttled { .. })));
}

#[tokio::test]
async fn a_new_password_counts_at_once() {
    let house = House::new(&Config::default());
    let peer = tls("203.0.113.7");
    assert!(house.login(&peer, "ann", "ann's").await.is_ok());
    assert!(house.login(&peer, "ann", "ann's").await.is_ok(), "remembered");
    house.accounts.set_password(&Address::parse("ann@example.org").unwrap(), "new").unwrap();
    assert_eq!(house.login(&peer, "ann", "ann's").await, Err(AuthError::Invalid));
    assert!(house.login(&peer, "ann", "new").await.is_ok());
    house.accounts.remove_account(&Address::parse("bob@example.org").unwrap()).unwrap();
    assert_eq!(house.login(&peer, "bob", "bob's").await, Err(AuthError::Invalid));
}

#[tokio::test]
async fn many_at_once_with_one_password_cost_one_hash_and_all_get_in() {
    let house = Arc::new(House::new(&Config::default()));
    let logins: Vec<_> = (0..200)
        .map(|_| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { house.login(&tls("192.168.1.2"), "ann", "ann's").await })
        })
        .collect();
    for login in logins {
        assert!(login.await.unwrap().is_ok());
    }
    let hashes = house.accounts.hasher().hashes.load(core::sync::atomic::Ordering::Relaxed);
    assert_eq!(hashes, 3, "two when the accounts were made, and one");
}

#[tokio::test]
async fn logins_may_move_between_threads() {
    let house = Arc::new(House::new(&Config::default()));
    let task = tokio::spawn(async move {
        let peer = tls("192.168.1.2");
        let mut client = ScramClient::new("ann", "ann's", "n,,", b"");
        house.desk(&peer).authenticate("SCRAM-SHA-256", None, &mut client).await.map(|account| account.address)
    });
    assert_eq!(task.await.unwrap().as_deref(), Ok("ann@example.org"));
}

#[tokio::test]
async fn the_queue_for_hashes_is_bounded_and_strangers_have_the_smaller_part() {
    use crate::limits::{PASSWORD_WAITS_MAX, PASSWORD_WAITS_STRANGERS_MAX};
    let state = AuthState::new(&Config::default());
    let turn = state.turn(true).await.unwrap();
    let mut waiting: Vec<_> = (0..PASSWORD_WAITS_MAX).map(|_| Box::pin(state.turn(true))).collect();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for (place, waiting) in waiting.iter_mut().enumerate() {
        if place == PASSWORD_WAITS_STRANGERS_MAX {
            assert!(state.turn(false).await.is_none());
        }
        assert!(waiting.as_mut().poll(&mut context).is_pending());
    }
    assert!(state.turn(true).await.is_none());
    // Whoever goes away gives its place up.
    drop(waiting);
    drop(turn);
    assert!(state.turn(false).await.is_some());
}

#[tokio::test]
async fn names_that_are_not_fit_for_a_log_are_survived() {
    let house = House::new(&Config::default());
    let peer = tls("192.168.1.2");
    for user in ["", "\r\nforged", "\u{0}", &"x".repeat(10_000), "\u{202e}"] {
        assert!(house.login(&peer, user, "x").await.is_err());
    }
    assert_eq!(house.login(&tls("10.0.0.1"), "ann", &"x".repeat(100_000)).await, Err(AuthError::Invalid));
}
