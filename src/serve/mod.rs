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
mod protocol;
mod services;
pub mod smtp;
mod stop;
mod tls;
mod transport;

pub use async_store::AsyncStore;
pub use buffer_pool::BufferPool;
pub use config::Config;
pub use connection::{Connection, ConnectionError, Line, Surroundings, TlsInfo};
pub use failure::{EXIT_CODES, Failure};
pub use permit::{Permit, Permits};
pub use protocol::{ListenAddress, Protocol};
pub use services::Services;
pub use smtp::{SmtpService, serve_smtp};
pub use stop::{StopSignal, Stopper};
