//! What every connection's driver shares.

use super::async_store::AsyncStore;
use super::auth::AuthState;
use super::buffer_pool::BufferPool;
use super::config::Config;
use crate::account::Accounts;
use crate::limits::TRANSACTIONS_MAX;
use crate::status::{COUNTERS, Counters};
use crate::store::Store;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The parts that drivers work with. One for the whole server.
pub struct Services {
    /// What is kept.
    pub store: AsyncStore,
    /// Who may receive and log in. Blocking: used through [`AsyncStore::read`].
    pub accounts: Accounts,
    /// What logins remember of each other.
    pub auth: AuthState,
    /// What the administrator wants.
    pub config: Arc<Config>,
    /// Working buffers for whoever moves a message or takes a long command.
    pub buffers: BufferPool,
    /// Mail transactions that are open at one time.
    pub transactions: Arc<Semaphore>,
    /// What has happened.
    pub counters: &'static Counters,
}

impl Services {
    /// Everything over one store.
    #[must_use]
    pub fn new(store: Store, accounts: Accounts, config: Arc<Config>) -> Arc<Self> {
        Arc::new(Self {
            store: AsyncStore::new(store),
            accounts,
            auth: AuthState::new(&config),
            config,
            buffers: BufferPool::new(),
            transactions: Arc::new(Semaphore::new(TRANSACTIONS_MAX)),
            counters: &COUNTERS,
        })
    }
}

impl core::fmt::Debug for Services {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Services").field("config", &self.config).finish_non_exhaustive()
    }
}
