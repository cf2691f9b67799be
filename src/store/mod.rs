//! What is kept: an append-only log of segments (the truth), an index derived from it, and a change feed.
//!
//! A message is streamed into a [`Spool`], handed over in a [`Transaction`], and durable when the [`Receipt`] comes
//! back. Readers see only what is durable. One writer thread owns the log; readers use positioned reads.
//! The bytes are described in [`format`]. What bounds its memory: the index's page cache, one batch buffer, and the
//! working buffers that callers bring along. Sockets, tasks and clocks are left to others.

mod buffer;
mod error;
pub mod event;
pub mod format;
pub mod index;
pub mod medium;
mod transaction;
mod types;

pub use buffer::{BufferHome, Spool, WorkingBuffer};
pub use error::Error;
pub use index::View;
pub use transaction::{Delivery, MailboxSpec, QuotaRule, Receipt, Target, Transaction, UidRanges};
pub use types::{BlobId, Change, Extent, LogPosition, MailboxId, MailboxRow, MessageRow, Owner, Usage};
