//! What is kept: an append-only log of segments (the truth), an index derived from it, and a change feed.
//!
//! A message is streamed into a [`Spool`], handed over in a [`Transaction`], and durable when the [`Receipt`] comes
//! back. Readers see only what is durable. One writer thread owns the log; readers use positioned reads.
//! The bytes are described in [`format`]. What bounds its memory: the index's page cache, one batch buffer, and the
//! working buffers that callers bring along. Sockets, tasks and clocks are left to others.

mod batch;
mod blob;
mod buffer;
mod discovery;
mod error;
pub mod event;
mod feed;
mod figures;
pub mod format;
pub mod index;
mod log;
pub mod medium;
mod options;
mod overlay;
mod plan;
mod prewrite;
mod queue;
mod recovery;
mod replay;
mod segments;
mod shared;
#[allow(clippy::module_inception)]
mod store;
#[cfg(test)]
mod tests;
mod transaction;
mod types;
mod width;
mod writer;

pub use blob::BlobReader;
pub use buffer::{BufferHome, Spool, WorkingBuffer};
pub use error::Error;
pub use feed::Subscription;
pub use figures::Figures;
pub use index::View;
pub use medium::{FileMedium, Medium, MediumFile, SimulatedMedium};
pub use options::Options;
pub use queue::Reply;
pub use recovery::OpenReport;
pub use store::Store;
pub use transaction::{Delivery, MailboxSpec, QuotaRule, Receipt, Target, Transaction, UidRanges};
pub use types::{
    BlobId, Change, DirectoryEntry, Extent, LogPosition, MailboxId, MailboxRow, MessageRow, Owner, Pulse, Usage,
};
