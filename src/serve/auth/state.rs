//! What all logins share: the throttle, the passwords that were right a short while ago, and the queue for hashes.

use super::PeerInfo;
use crate::account::{Throttle, Verified};
use crate::limits::{PASSWORD_HASHES_MAX, PASSWORD_WAITS_MAX, PASSWORD_WAITS_STRANGERS_MAX};
use crate::serve::{Config, TlsInfo};
use crate::session::sasl::{Binding, Mechanism};
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One for the process.
#[derive(Debug)]
pub struct AuthState {
    /// `None`: `login_throttle` is off.
    throttle: Option<Mutex<Throttle>>,
    verified: Mutex<Verified>,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    plain_on_loopback: bool,
    legacy: bool,
    list_plus: bool,
    host: String,
}

impl AuthState {
    /// As the configuration says.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            throttle: config.login_throttle.then(|| Mutex::new(Throttle::new())),
            verified: Mutex::new(Verified::new()),
            turns: Arc::new(Semaphore::new(PASSWORD_HASHES_MAX)),
            waiting: AtomicUsize::new(0),
            plain_on_loopback: config.plain_login_on_loopback,
            legacy: config.legacy_logins,
            list_plus: config.list_scram_plus,
            host: config.host_name.clone(),
        }
    }

    /// The throttle; whoever panicked with it left at worst one count too few.
    pub(super) fn throttle(&self) -> Option<MutexGuard<'_, Throttle>> {
        self.throttle.as_ref().map(|throttle| throttle.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn verified(&self) -> MutexGuard<'_, Verified> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn has_legacy(&self) -> bool {
        self.legacy
    }

    /// RFC 8314 3, RFC 4616 5, RFC 4954 4: no password in the clear, but for tests on this machine.
    pub(super) fn allows_passwords(&self, peer: &PeerInfo) -> bool {
        peer.tls.is_some() || (peer.loopback && self.plain_on_loopback)
    }

    /// RFC 9266 2: under TLS 1.2 the exporter binds only with the extended master secret, and clients of that age know
    /// only bindings that are not offered here. So -PLUS is for TLS 1.3.
    pub(super) fn binding(&self, peer: &PeerInfo) -> Binding {
        match &peer.tls {
            Some(TlsInfo { version: "TLSv1.3", exporter: Some(exporter), .. }) if self.list_plus => {
                Binding::TlsExporter(*exporter)
            }
            Some(TlsInfo { version: "TLSv1.3", exporter: Some(exporter), .. }) => Binding::Unlisted(*exporter),
            Some(_) | None => Binding::None,
        }
    }

    pub(super) fn offers(&self, mechanism: Mechanism, peer: &PeerInfo) -> bool {
        match mechanism {
            Mechanism::ScramSha256Plus => self.binding(peer) != Binding::None,
            Mechanism::ScramSha256 => true,
            Mechanism::Plain | Mechanism::Login => self.allows_passwords(peer),
            Mechanism::CramMd5 => self.legacy,
        }
    }

    /// What to advertise. Mail programs whose library knows -PLUS but which do not hand it the binding (mutt 2.2 with
    /// GNU SASL, for one) choose it from the list, fail and try nothing else: so it is listed only when asked for.
    pub(super) fn mechanisms(&self, peer: &PeerInfo) -> heapless::Vec<&'static str, 8> {
        let listed = |one: &Mechanism| *one != Mechanism::ScramSha256Plus || self.list_plus;
        Mechanism::ALL.into_iter().filter(listed).filter(|one| self.offers(*one, peer)).map(Mechanism::name).collect()
    }

    /// Waits for a turn to hash. `None`: too many wait already.
    pub(super) async fn turn(&self, is_familiar: bool) -> Option<OwnedSemaphorePermit> {
        let max = if is_familiar { PASSWORD_WAITS_MAX } else { PASSWORD_WAITS_STRANGERS_MAX };
        let place = Place(&self.waiting);
        if place.0.fetch_add(1, Ordering::Relaxed) >= max {
            return None;
        }
        // Closed never.
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok();
        drop(place);
        turn
    }
}

/// A place in the queue; given up when dropped, also when the client goes away while waiting.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
