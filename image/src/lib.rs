//! The host tool of Pillarbox: cross-builds the firmware and runs everything that CI runs.
//!
//! `cargo image firmware` makes one static musl binary a target; `cargo ci` runs every check and test in order. What a
//! machine lacks is installed from Debian when the tool runs as root, and named otherwise.
//!
//! A library, so that tests use the same code: `main.rs` only calls [`command::run`].

pub mod ci;
pub mod command;
pub mod debian;
pub mod firmware;
pub mod qemu;
pub mod step;
pub mod tools;
