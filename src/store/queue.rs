//! The bounded queue in front of the writer.
//!
//! Owns requests from the moment they are handed in until the writer takes them. At most [`Options::queue_max`] wait;
//! one more is refused with [`Error::Busy`], or waits if its caller may block.
//!
//! [`Options::queue_max`]: super::Options::queue_max

use super::{Error, Pulse, Receipt, Spool, Transaction};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How a request is answered: called once, from the writer's thread (or at once, when the request is refused).
pub type Reply<T> = Box<dyn FnOnce(Result<T, Error>) + Send>;

/// What the writer is asked to do.
pub(super) enum Request {
    /// A change.
    Transaction(Box<Transaction>, Reply<Receipt>),
    /// A full chunk of a message on its way in.
    Spill(Spool, Reply<Spool>),
    /// Make the index durable.
    Checkpoint(Reply<()>),
    /// Nothing: only say that it is this one's turn.
    Pulse(Reply<Pulse>),
}

impl Request {
    /// Answers without having done anything.
    pub(super) fn refuse(self, error: Error) {
        match self {
            Self::Transaction(transaction, reply) => {
                // Working buffers go home before the caller goes on.
                drop(transaction);
                reply(Err(error));
            }
            Self::Spill(spool, reply) => {
                drop(spool);
                reply(Err(error));
            }
            Self::Checkpoint(reply) => reply(Err(error)),
            Self::Pulse(reply) => reply(Err(error)),
        }
    }
}

/// A queue between many callers and one writer.
pub(super) struct Queue {
    inner: Mutex<Inner>,
    arrived: Condvar,
    room: Condvar,
    max: usize,
}

struct Inner {
    waiting: VecDeque<Request>,
    closed: bool,
}

impl Queue {
    pub(super) fn new(max: usize) -> Self {
        let inner = Inner { waiting: VecDeque::new(), closed: false };
        Self { inner: Mutex::new(inner), arrived: Condvar::new(), room: Condvar::new(), max: max.max(1) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a request in, or refuses it.
    pub(super) fn push(&self, request: Request) {
        let mut inner = self.inner();
        let refused = if inner.closed {
            Error::Closed
        } else if inner.waiting.len() >= self.max {
            Error::Busy
        } else {
            inner.waiting.push_back(request);
            self.arrived.notify_one();
            return;
        };
        drop(inner);
        request.refuse(refused);
    }

    /// Hands a request in, and waits for room if it must.
    pub(super) fn push_blocking(&self, request: Request) {
        let mut inner = self.inner();
        while !inner.closed && inner.waiting.len() >= self.max {
            inner = self.room.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        drop(inner);
        self.push(request);
    }

    /// The next request, if one waits.
    pub(super) fn pop(&self) -> Option<Request> {
        let request = self.inner().waiting.pop_front();
        if request.is_some() {
            self.room.notify_one();
        }
        request
    }

    /// Waits until a request waits. `false`: the queue is closed and empty.
    pub(super) fn wait(&self) -> bool {
        let mut inner = self.inner();
        while inner.waiting.is_empty() && !inner.closed {
            inner = self.arrived.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        !inner.waiting.is_empty()
    }

    /// The next request, if one waits or comes within `patience`.
    pub(super) fn pop_within(&self, patience: Duration) -> Option<Request> {
        let inner = self.inner();
        let still_empty = |inner: &mut Inner| inner.waiting.is_empty() && !inner.closed;
        let waited = self.arrived.wait_timeout_while(inner, patience, still_empty);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.pop()
    }

    /// Takes no more requests; those that wait are still done. `false` if it was closed before.
    pub(super) fn close(&self) -> bool {
        let mut inner = self.inner();
        let first = !inner.closed;
        inner.closed = true;
        self.arrived.notify_all();
        self.room.notify_all();
        first
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.inner().waiting.len()
    }
}
