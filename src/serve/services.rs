//! What every connection's driver shares.

use super::async_store::AsyncStore;
use super::auth::AuthState;
use super::buffer_pool::BufferPool;
use super::config::Config;
use super::permit::Permits;
use crate::account::Accounts;
use crate::limits::{
    TRANSACTIONS_MAX, TRANSACTIONS_PER_NETWORK_MAX, WORKING_BUFFERS_BEFORE_LOGIN_MAX, WORKING_BUFFERS_PER_NETWORK_MAX,
};
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
    /// The right to hold one of them before login.
    pub buffer_shares: Permits,
    /// Mail transactions that are open at one time.
    pub transactions: Arc<Semaphore>,
    /// The same by network.
    pub transaction_shares: Permits,
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
            buffer_shares: Permits::new(WORKING_BUFFERS_BEFORE_LOGIN_MAX, WORKING_BUFFERS_PER_NETWORK_MAX),
            transactions: Arc::new(Semaphore::new(TRANSACTIONS_MAX)),
            transaction_shares: Permits::new(usize::MAX, TRANSACTIONS_PER_NETWORK_MAX),
            counters: &COUNTERS,
        })
    }
}

impl core::fmt::Debug for Services {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Services").field("config", &self.config).finish_non_exhaustive()
    }
}
