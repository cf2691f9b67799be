//! The change feed: who waits for a mailbox is woken when it has changed, once for any number of changes.
//!
//! Owns one small cell a subscription, so its memory is bounded by the connections. It says that a mailbox changed,
//! never what: `Store::sync` tells that from the index. Knows no executor: only the wakers of `core::task`.

use super::MailboxId;
use core::fmt;
use core::task::{Context, Poll, Waker};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All subscriptions of a store.
#[derive(Default)]
pub(super) struct Feed {
    cells: Mutex<HashMap<MailboxId, Vec<Arc<Cell>>>>,
}

#[derive(Default)]
struct Cell {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    changed: bool,
    waker: Option<Waker>,
}

impl Cell {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    fn cells(&self) -> MutexGuard<'_, HashMap<MailboxId, Vec<Arc<Cell>>>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribe(self: &Arc<Self>, mailbox: MailboxId) -> Subscription {
        let cell = Arc::new(Cell::default());
        self.cells().entry(mailbox).or_default().push(Arc::clone(&cell));
        Subscription { feed: Arc::clone(self), mailbox, cell }
    }

    /// The mailbox has changed, durably, and readers see it.
    pub(super) fn changed(&self, mailbox: MailboxId) {
        let mut wakers = Vec::new();
        for cell in self.cells().get(&mailbox).into_iter().flatten() {
            let mut state = cell.state();
            state.changed = true;
            wakers.extend(state.waker.take());
        }
        // Outside the lock: whoever is woken may end its subscription at once.
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Tells when a mailbox has changed since it was last asked. Ends when dropped.
pub struct Subscription {
    feed: Arc<Feed>,
    mailbox: MailboxId,
    cell: Arc<Cell>,
}

impl Subscription {
    /// Its mailbox.
    #[must_use]
    pub fn mailbox(&self) -> MailboxId {
        self.mailbox
    }

    /// Ready if the mailbox has changed since the last time that this was ready.
    pub fn poll_changed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.cell.state();
        if core::mem::take(&mut state.changed) {
            return Poll::Ready(());
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Waits until the mailbox has changed. Nothing is lost when the future is dropped.
    pub async fn changed(&mut self) {
        core::future::poll_fn(|context| self.poll_changed(context)).await;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut cells = self.feed.cells();
        if let Some(waiting) = cells.get_mut(&self.mailbox) {
            waiting.retain(|cell| !Arc::ptr_eq(cell, &self.cell));
            if waiting.is_empty() {
                cells.remove(&self.mailbox);
            }
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("mailbox", &self.mailbox).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn changes_are_merged_and_wake_only_their_mailbox() {
        let feed = Arc::new(Feed::default());
        let woken = Arc::new(Counting::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut one = feed.subscribe(MailboxId(1));
        let mut two = feed.subscribe(MailboxId(2));
        assert!(one.poll_changed(&mut context).is_pending() && two.poll_changed(&mut context).is_pending());
        feed.changed(MailboxId(1));
        feed.changed(MailboxId(1));
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(one.poll_changed(&mut context).is_ready());
        assert!(one.poll_changed(&mut context).is_pending() && two.poll_changed(&mut context).is_pending());
        drop((one, two));
        assert!(feed.cells().is_empty());
    }
}
