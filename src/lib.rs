//! Pillarbox: a mail appliance in one binary.
//!
//! The way of one message:
//!
//! ```text
//! in:   socket > permit > TLS > wire framing > command > session step > store transaction > log commit > 250
//! kept: log (truth)  ->  index (derived, rebuildable)  ->  change feed (bounded)
//! out:  change feed > IDLE;   mailbox > blob reader > response chunks > TLS > socket
//! ```
//!
//! Who may know whom: [`mail`] knows nobody. [`wire`], [`mime`] and [`store`] know `mail`. [`session`] knows
//! `wire`, `mime` and the store's types. [`account`] knows `mail` and `store`. [`serve`] binds them all to sockets.
//! [`limits`], [`status`] and [`notify`] may be used from anywhere.

pub mod account;
pub mod command;
pub mod init;
pub mod limits;
pub mod mail;
pub mod mime;
pub mod notify;
pub mod serve;
pub mod session;
pub mod status;
pub mod store;
pub mod update;
pub mod wire;
