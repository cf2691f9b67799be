//! Sockets, TLS, permits: the one place that knows tokio. It drives the sessions.

mod connection;

pub use connection::{Connection, ConnectionError, Line, TlsInfo};
