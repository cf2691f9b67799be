//! The store as tasks see it: its callbacks as futures, its blocking reads on threads of their own.

use crate::store::{Error, Receipt, Reply, Spool, Store, Transaction};
use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot};

/// The store, for tasks.
#[derive(Clone)]
pub struct AsyncStore {
    store: Store,
    /// Reads at one time: no more wait for the card than there are threads for it.
    reads: Arc<Semaphore>,
}

impl AsyncStore {
    /// The store of this process.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, reads: Arc::new(Semaphore::new(crate::limits::BLOCKING_READS_MAX)) }
    }

    /// Commits a transaction; when it returns with `Ok`, all of it is on the card.
    ///
    /// # Errors
    /// As the store says. `Closed` if the store is gone.
    pub async fn commit(&self, transaction: Transaction) -> Result<Receipt, Error> {
        let (reply, answer) = reply();
        self.store.submit(transaction, reply);
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Writes a spool's full chunk and gives the emptied spool back.
    ///
    /// # Errors
    /// As the store says; the spool is gone then.
    pub async fn spill(&self, spool: Spool) -> Result<Spool, Error> {
        let (reply, answer) = reply();
        self.store.spill(spool, reply);
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Runs a short read of the store where blocking is allowed.
    ///
    /// # Panics
    /// If `read` panics, or the runtime is shutting down: the task ends with it.
    pub async fn read<T: Send + 'static>(&self, read: impl FnOnce(&Store) -> T + Send + 'static) -> T {
        let store = self.store.clone();
        // Closed never: an error only means one read more than planned.
        let _permit = self.reads.acquire().await;
        match tokio::task::spawn_blocking(move || read(&store)).await {
            Ok(value) => value,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Cancelled: the runtime is going down and this task will not be polled again.
                Err(_) => core::future::pending().await,
            },
        }
    }

    /// The store itself, for what does not block.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }
}

/// A store's callback and the future of its answer.
fn reply<T: Send + 'static>() -> (Reply<T>, oneshot::Receiver<Result<T, Error>>) {
    let (sender, receiver) = oneshot::channel();
    // Nobody listens any more: the client has gone while its change was on the way.
    (Box::new(move |answer| drop(sender.send(answer))), receiver)
}
