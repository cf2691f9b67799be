//! The host tool of Pillarbox: builds the firmware and the card's image, and runs everything that CI runs.
//!
//! `cargo image build` makes the card's image of that binary and of Debian's kernel; `cargo image firmware` makes only
//! the static musl binary; `cargo ci` runs every check and test in order. What a machine lacks is installed from Debian
//! when the tool runs as root, and named otherwise.
//!
//! A library, so that tests use the same code: `main.rs` only calls [`command::run`].

pub mod boot;
pub mod build;
pub mod bundle;
pub mod card;
pub mod ci;
pub mod command;
pub mod debian;
pub mod epoch;
pub mod ext4;
pub mod fat;
pub mod firmware;
pub mod flash;
pub mod initramfs;
pub mod inspect;
pub mod kernel;
pub mod key;
pub mod mbr;
pub mod modules;
pub mod packages;
pub mod progress;
pub mod qemu;
pub mod step;
pub mod tools;
