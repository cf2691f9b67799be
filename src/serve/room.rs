//! The right of a connection to receive much before anything of it can be used: a large TLS record, a long line.
//!
//! Every connection may hold a little. What goes beyond needs room, of which there is [`LARGE_INPUTS_MAX`] for all
//! connections together; who finds none waits in line. Room is given back as soon as a connection holds little again,
//! and whoever has it must get on within [`LARGE_INPUT_TIMEOUT`], so that nobody can sit on it.

use crate::limits::{LARGE_INPUT_TIMEOUT, LARGE_INPUTS_MAX};
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tokio::time::{Instant, Sleep};

/// The room of this process.
pub static ROOM: Semaphore = Semaphore::const_new(LARGE_INPUTS_MAX);

type Waiting = Pin<Box<dyn Future<Output = Result<SemaphorePermit<'static>, AcquireError>> + Send + Sync>>;

/// One connection's share.
pub struct Room {
    pool: &'static Semaphore,
    held: Option<Held>,
    waiting: Option<Waiting>,
}

struct Held {
    _permit: SemaphorePermit<'static>,
    deadline: Pin<Box<Sleep>>,
}

impl Held {
    fn new(permit: SemaphorePermit<'static>) -> Self {
        Self { _permit: permit, deadline: Box::pin(tokio::time::sleep(LARGE_INPUT_TIMEOUT)) }
    }
}

impl Room {
    /// No room yet.
    #[must_use]
    pub fn new(pool: &'static Semaphore) -> Self {
        Self { pool, held: None, waiting: None }
    }

    /// Is there room?
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Takes room if there is some and nobody waits for it.
    pub fn try_take(&mut self) -> bool {
        if self.held.is_none() {
            self.held = self.pool.try_acquire().ok().map(Held::new);
        }
        self.held.is_some()
    }

    /// Waits in line for room.
    pub fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.held.is_none() {
            let pool = self.pool;
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(pool.acquire()));
            let permit = ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
            // Never closed; were it, the connection would go on without being counted.
            self.held = permit.ok().map(Held::new);
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
            held.deadline.as_mut().reset(Instant::now() + LARGE_INPUT_TIMEOUT);
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
