//! Sockets, TLS, permits: the one place that knows tokio. It drives the sessions.

mod buffer_pool;
mod connection;
mod input;
mod permit;
mod stop;
mod tls;
mod transport;

pub use buffer_pool::BufferPool;
pub use connection::{Connection, ConnectionError, Line, Surroundings, TlsInfo};
pub use permit::Permit;
pub use stop::{StopSignal, Stopper};
