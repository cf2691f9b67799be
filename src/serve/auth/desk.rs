//! One login: from what the client says to the account that it may use.

use super::{AuthError, AuthState, Challenge, PeerInfo};
use crate::account::{Account, Accounts, Candidate};
use crate::limits::PASSWORD_OCTETS_MAX;
use crate::serve::AsyncStore;
use crate::session::sasl::{self, Context, Digest, Exchange, Failure, Keys, Mechanism, NONCE_OCTETS, Step};
use crate::status::COUNTERS;
use ring::rand::{SecureRandom as _, SystemRandom};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Octets of a login name that a log line shows.
const SHOWN_NAME_CHARACTERS_MAX: usize = 100;

/// Where accounts are looked up.
pub(super) enum Lookups<'a> {
    /// On the store's threads for reading.
    Store(&'a AsyncStore),
    /// At once: there is no store.
    #[cfg(test)]
    Memory,
}

/// One login of one peer.
pub(super) struct Desk<'a> {
    pub(super) accounts: &'a Accounts,
    pub(super) state: &'a AuthState,
    pub(super) peer: &'a PeerInfo,
    pub(super) lookups: Lookups<'a>,
}

impl Desk<'_> {
    pub(super) async fn authenticate(
        &self,
        mechanism: &str,
        initial: Option<Vec<u8>>,
        client: &mut (impl Challenge + Send),
    ) -> Result<Account, AuthError> {
        let mechanism = Mechanism::parse(mechanism).ok_or(AuthError::MechanismUnknown)?;
        if !self.state.offers(mechanism, self.peer) {
            // With TLS it would be offered, or it is not offered at all.
            let by_tls = mechanism.shows_password();
            return Err(if by_tls { AuthError::TlsRequired } else { AuthError::MechanismUnknown });
        }
        let context = self.context()?;
        let mut step = Exchange::begin(mechanism, initial.as_deref(), &context);
        // SCRAM: who claims to be whom, once the client has said it.
        let mut claimed: Option<Candidate> = None;
        loop {
            step = match step {
                Step::Challenge(exchange, challenge) => {
                    let response = client.ask(&challenge).await.map_err(AuthError::Cancelled)?;
                    if let Some(candidate) = &claimed {
                        // Many exchanges may have begun before the first of them failed.
                        self.may_try(candidate, mechanism.name())?;
                    }
                    exchange.handle(&response)
                }
                Step::Check { user, password } => return self.check(mechanism.name(), &user, &password).await,
                Step::CheckDigest { user, digest } => {
                    return self
                        .check_digest(mechanism.name(), &user, |password| Digest::matches(&digest, password))
                        .await;
                }
                Step::NeedKeys { user, exchange } => {
                    let candidate = self.candidate(&user).await?;
                    self.may_try(&candidate, mechanism.name())?;
                    let kept = candidate.credential.scram();
                    let next = exchange.proceed(Keys {
                        iterations: kept.iterations,
                        salt: &kept.salt,
                        stored_key: kept.stored_key,
                        server_key: kept.server_key,
                    });
                    claimed = Some(candidate);
                    next
                }
                Step::Proved(last) => {
                    let Some(candidate) = claimed else { return Err(AuthError::Temporary) };
                    // RFC 4422 5: the server's last words are a challenge; the client answers with nothing.
                    let response = client.ask(&last).await.map_err(AuthError::Cancelled)?;
                    return self.conclude(candidate, response.is_empty(), mechanism.name());
                }
                Step::Failed(failure) => return Err(self.failed(failure, claimed, mechanism.name())),
            };
        }
    }

    /// Name and password without SASL.
    pub(super) async fn login(&self, user: &str, password: &[u8]) -> Result<Account, AuthError> {
        if !self.state.allows_passwords(self.peer) {
            return Err(AuthError::TlsRequired);
        }
        self.check("password", user, password).await
    }

    pub(super) async fn apop(&self, user: &str, timestamp: &str, digits: &[u8]) -> Result<Account, AuthError> {
        if !self.state.has_legacy() {
            return Err(AuthError::MechanismUnknown);
        }
        self.check_digest("APOP", user, |password| sasl::apop_matches(timestamp, password, digits)).await
    }

    fn context(&self) -> Result<Context<'_>, AuthError> {
        let mut nonce = [0; NONCE_OCTETS];
        SystemRandom::new().fill(&mut nonce).map_err(|_| {
            log::error!("{} the operating system gives no random octets", self.session());
            AuthError::Temporary
        })?;
        // CRAM-MD5's timestamp need not be right, only the nonce new.
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(Context { nonce, binding: self.state.binding(self.peer), host: self.state.host(), unix })
    }

    async fn candidate(&self, user: &str) -> Result<Candidate, AuthError> {
        let (accounts, user) = (self.accounts.clone(), user.to_owned());
        let found = match &self.lookups {
            Lookups::Store(store) => store.read(move |_| accounts.candidate(&user)).await,
            #[cfg(test)]
            Lookups::Memory => accounts.candidate(&user),
        };
        found.map_err(|error| {
            log::error!("{} looking up an account: {error}", self.session());
            AuthError::Temporary
        })
    }

    /// Is a try allowed now?
    fn may_try(&self, candidate: &Candidate, how: &str) -> Result<(), AuthError> {
        let Some(throttle) = self.state.throttle() else { return Ok(()) };
        let wait = throttle.wait(&candidate.name, self.peer.address.ip(), Instant::now());
        drop(throttle);
        if wait.is_zero() {
            return Ok(());
        }
        COUNTERS.logins_throttled.increment();
        log::info!(
            "{} {how} login of {} put off for {} s",
            self.session(),
            shown(&candidate.name),
            wait.as_secs().max(1)
        );
        Err(AuthError::Throttled { wait })
    }

    /// A password that the client sent.
    async fn check(&self, how: &str, user: &str, password: &[u8]) -> Result<Account, AuthError> {
        let candidate = self.candidate(user).await?;
        self.may_try(&candidate, how)?;
        // Longer than a password can be: none, and not worth a hash.
        if password.len() > PASSWORD_OCTETS_MAX {
            return self.conclude(candidate, false, how);
        }
        if self.was_right(&candidate, password) {
            return self.conclude(candidate, true, how);
        }
        let is_familiar = self
            .state
            .throttle()
            .is_none_or(|throttle| throttle.is_familiar(&candidate.name, self.peer.address.ip(), Instant::now()));
        let Some(turn) = self.state.turn(is_familiar).await else {
            log::warn!("{} {how} login of {} put off: too many wait", self.session(), shown(&candidate.name));
            return Err(AuthError::Temporary);
        };
        // While this one waited, its password may have turned out right, or too many others wrong.
        self.may_try(&candidate, how)?;
        if self.was_right(&candidate, password) {
            return self.conclude(candidate, true, how);
        }
        let (accounts, credential, given) = (self.accounts.clone(), candidate.credential.clone(), password.to_vec());
        // The turn goes along and comes back: it is held to the end of the hash even if the client has gone, and until the
        // result is remembered, so that whoever waits with the same password finds it.
        let verified = tokio::task::spawn_blocking(move || (credential.verify(&given, accounts.hasher()), turn)).await;
        match verified {
            Ok((Ok(right), _turn)) => {
                if right && let Some(account) = &candidate.account {
                    let mut verified = self.state.verified();
                    if let Some(tag) = verified.tag(account, &candidate.credential, password) {
                        verified.insert(tag, Instant::now());
                    }
                }
                self.conclude(candidate, right, how)
            }
            Ok((Err(error), _turn)) => {
                log::error!("{} {how} login of {}: {error}", self.session(), shown(&candidate.name));
                Err(AuthError::Temporary)
            }
            // It panicked, or the runtime is going down.
            Err(error) => {
                log::error!("{} checking a password: {error}", self.session());
                Err(AuthError::Temporary)
            }
        }
    }

    fn was_right(&self, candidate: &Candidate, password: &[u8]) -> bool {
        let Some(account) = &candidate.account else { return false };
        let verified = self.state.verified();
        let tag = verified.tag(account, &candidate.credential, password);
        tag.is_some_and(|tag| verified.contains(&tag, Instant::now()))
    }

    /// A digest that was made with the password.
    async fn check_digest(
        &self,
        how: &str,
        user: &str,
        matches: impl FnOnce(Option<&str>) -> bool,
    ) -> Result<Account, AuthError> {
        let candidate = self.candidate(user).await?;
        self.may_try(&candidate, how)?;
        let right = matches(candidate.credential.legacy());
        self.conclude(candidate, right, how)
    }

    /// The end of every check: counts it, logs it, answers.
    fn conclude(&self, candidate: Candidate, right: bool, how: &str) -> Result<Account, AuthError> {
        let (address, now) = (self.peer.address.ip(), Instant::now());
        match candidate.account {
            Some(account) if right => {
                if let Some(mut throttle) = self.state.throttle() {
                    throttle.succeeded(&candidate.name, address, now);
                }
                COUNTERS.logins.increment();
                log::info!("{} login of {} by {how}", self.session(), account.address);
                Ok(account)
            }
            Some(_) | None => {
                if let Some(mut throttle) = self.state.throttle() {
                    throttle.failed(&candidate.name, address, now);
                }
                COUNTERS.logins_failed.increment();
                log::warn!("{} {how} login of {} failed", self.session(), shown(&candidate.name));
                Err(AuthError::Invalid)
            }
        }
    }

    /// An exchange that came to nothing.
    fn failed(&self, failure: Failure, claimed: Option<Candidate>, how: &str) -> AuthError {
        match (failure, claimed) {
            (Failure::Proof, Some(candidate)) => match self.conclude(candidate, false, how) {
                Ok(_) => AuthError::Invalid,
                Err(error) => error,
            },
            // These say nothing about a password.
            (failure, _) => {
                COUNTERS.logins_failed.increment();
                log::warn!("{} {how} login failed: {}", self.session(), failure.reason());
                AuthError::Invalid
            }
        }
    }

    /// What a log line begins with.
    fn session(&self) -> String {
        format!("[{}] {}:", self.peer.session, self.peer.address.ip())
    }
}

/// A name that a stranger gave, fit for one line of a log.
fn shown(name: &str) -> String {
    name.chars().take(SHOWN_NAME_CHARACTERS_MAX).flat_map(char::escape_debug).collect()
}
