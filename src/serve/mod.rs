//! Sockets, TLS, permits: the one place that knows tokio. It drives the sessions.

mod async_store;
pub mod auth;
mod buffer_pool;
pub mod certificate;
pub mod config;
mod connection;
pub mod control;
mod failure;
pub mod files;
mod input;
mod listener;
mod permit;
mod pop3;
mod protocol;
mod services;
mod stop;
mod tls;
mod transport;

pub use async_store::AsyncStore;
pub use buffer_pool::BufferPool;
pub use config::Config;
pub use connection::{Connection, ConnectionError, Line, Surroundings, TlsInfo};
pub use failure::{EXIT_CODES, Failure};
pub use permit::{Permit, Permits};
pub use pop3::serve_pop3;
pub use protocol::{ListenAddress, Protocol};
pub use services::Services;
pub use stop::{StopSignal, Stopper};
