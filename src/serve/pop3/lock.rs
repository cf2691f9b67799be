//! The exclusive lock on a maildrop (RFC 1939 4), which ends with the connection that holds it.
//!
//! Owns a set of owners, at most one for each connection. IMAP sessions do not take it: what they remove meanwhile is
//! simply gone for POP3.

use crate::serve::Services;
use crate::store::Owner;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Which server of this process, and whose maildrop. Only tests run several servers in one process.
type Key = (usize, Owner);

static LOCKED: Mutex<BTreeSet<Key>> = Mutex::new(BTreeSet::new());

fn locked() -> MutexGuard<'static, BTreeSet<Key>> {
    // Each change is one call: a poisoned set is as good.
    LOCKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A maildrop that nobody else has.
#[derive(Debug)]
pub(super) struct Lock(Key);

impl Lock {
    /// Takes the lock. `None`: another session has it.
    pub(super) fn take(services: &Arc<Services>, owner: Owner) -> Option<Self> {
        let key = (Arc::as_ptr(services).addr(), owner);
        let free = locked().insert(key);
        // Only a lock that was taken may be made: dropping one gives it back.
        if free { Some(Self(key)) } else { None }
    }

    /// Whose maildrop.
    pub(super) fn owner(&self) -> Owner {
        self.0.1
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        locked().remove(&self.0);
    }
}
