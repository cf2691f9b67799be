//! The right of a connection to receive much before anything of it can be used: a large TLS record, a long line.
//!
//! Every connection may hold a little. What goes beyond needs room, of which there is [`LARGE_INPUTS_MAX`] for all
//! connections together and [`LARGE_INPUTS_PER_NETWORK_MAX`] for those of one network; who finds none waits. Whoever
//! is still in a TLS handshake gets it from [`LARGE_HANDSHAKES_MAX`] others, so that strangers cannot take it from
//! clients. Room is given back as soon as a connection holds little again, and whoever has it must get on within
//! [`LARGE_INPUT_TIMEOUT`] or [`LARGE_HANDSHAKE_TIMEOUT`], so that nobody can sit on it.

use super::permit::{Permit, Permits};
use crate::limits::{
    LARGE_HANDSHAKE_TIMEOUT, LARGE_HANDSHAKES_MAX, LARGE_INPUT_TIMEOUT, LARGE_INPUTS_MAX, LARGE_INPUTS_PER_NETWORK_MAX,
};
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::net::IpAddr;
use std::sync::LazyLock;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, Sleep};

/// The room of this process.
pub static PLACES: LazyLock<Places> = LazyLock::new(|| Places::new(LARGE_INPUTS_MAX, LARGE_HANDSHAKES_MAX));

/// All the room there is.
#[derive(Debug)]
pub struct Places {
    /// For records and lines.
    pub open: Semaphore,
    /// For handshakes.
    pub shaking: Semaphore,
    /// The right to a place in `open`.
    pub shares: Permits,
}

impl Places {
    /// So many of both.
    #[must_use]
    pub fn new(open: usize, shaking: usize) -> Self {
        let shares = Permits::new(usize::MAX, LARGE_INPUTS_PER_NETWORK_MAX);
        Self { open: Semaphore::new(open), shaking: Semaphore::new(shaking), shares }
    }
}

type Waiting = Pin<Box<dyn Future<Output = Option<Held>> + Send + Sync>>;

/// One connection's share.
pub struct Room {
    places: &'static Places,
    address: IpAddr,
    /// A handshake is under way.
    shaking: bool,
    held: Option<Box<Held>>,
    waiting: Option<Waiting>,
}

struct Held {
    _permit: SemaphorePermit<'static>,
    _share: Option<Permit>,
    shaking: bool,
    deadline: Pin<Box<Sleep>>,
}

impl Held {
    fn new(permit: SemaphorePermit<'static>, share: Option<Permit>) -> Self {
        let shaking = share.is_none();
        let deadline = Box::pin(tokio::time::sleep(Self::time(shaking)));
        Self { _permit: permit, _share: share, shaking, deadline }
    }

    fn time(shaking: bool) -> Duration {
        if shaking { LARGE_HANDSHAKE_TIMEOUT } else { LARGE_INPUT_TIMEOUT }
    }
}

impl Room {
    /// No room yet, for a client at this address.
    #[must_use]
    pub fn new(places: &'static Places, address: IpAddr) -> Self {
        Self { places, address, shaking: false, held: None, waiting: None }
    }

    /// A handshake begins or is over. What is held stays so until there is other room, or none is needed.
    pub fn set_shaking(&mut self, shaking: bool) {
        self.shaking = shaking;
        self.waiting = None;
    }

    /// Is there room?
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.shaking == self.shaking)
    }

    /// Takes room if there is some and nobody waits for it.
    pub fn try_take(&mut self) -> bool {
        if !self.is_held() {
            let taken = if self.shaking {
                self.places.shaking.try_acquire().ok().map(|permit| Held::new(permit, None))
            } else {
                let share = self.places.shares.acquire(self.address).ok();
                share.and_then(|share| Some(Held::new(self.places.open.try_acquire().ok()?, Some(share))))
            };
            self.held = taken.map(Box::new).or_else(|| self.held.take());
        }
        self.is_held()
    }

    /// Waits for room.
    pub fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_held() {
            let (places, address, shaking) = (self.places, self.address, self.shaking);
            let waiting = self.waiting.get_or_insert_with(|| {
                Box::pin(async move {
                    if shaking {
                        return places.shaking.acquire().await.ok().map(|permit| Held::new(permit, None));
                    }
                    // One network's clients wait for each other, and only then in line with all.
                    let share = places.shares.wait(address).await;
                    places.open.acquire().await.ok().map(|permit| Held::new(permit, Some(share)))
                })
            });
            let held = ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
            // Never closed; were it, the connection would go on without being counted.
            self.held = held.map(Box::new);
        }
        Poll::Ready(())
    }

    /// Gives it back, or leaves the line.
    pub fn release(&mut self) {
        self.held = None;
        self.waiting = None;
    }

    /// Something could be used: the time begins anew.
    pub fn progress(&mut self) {
        if let Some(held) = &mut self.held {
            held.deadline.as_mut().reset(Instant::now() + Held::time(held.shaking));
        }
    }

    /// Has it been held for too long? Otherwise the task is woken when it has.
    pub fn poll_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        self.held.as_mut().is_some_and(|held| held.deadline.as_mut().poll(cx).is_ready())
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("held", &self.is_held()).field("waiting", &self.waiting.is_some()).finish()
    }
}
