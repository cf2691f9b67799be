//! The appliance in QEMU: the card's image as `cargo image build` makes it, switched on, used, and maltreated.
//!
//! All tests but those of the helpers themselves need the image, and are ignored without being asked for:
//! `cargo ci --only appliance`, or `cargo test --test appliance -- --ignored --test-threads=1 --nocapture`. One machine at
//! a time is quickest. `PILLARBOX_IMAGE` names another image, whose `update.key` lies beside it. When a test fails, all that
//! the machine wrote to its console follows.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    // Casts here are of lengths and counts that fit.
    clippy::cast_possible_truncation
)]

mod appliance;
mod everyday;
mod led;
mod lines;
mod mailbox;
mod nbd;
mod power_cuts;
mod updates;
mod watchdog;
