//! The emulated appliance: QEMU boots a card image as a board would, for a person (`cargo qemu`) and for the tests.
//!
//! [`Machine`] says what is to be emulated, [`Running`] is the machine under power. There is no boot firmware in QEMU, so
//! [`boot_files`] plays it: at power-on and at every reset it reads `config.txt` from the card and hands kernel,
//! initramfs and command line to QEMU. An update that switches the kernel set therefore works as on a board.
//!
//! Owns: the QEMU process, a folder with what was read from the card, the console's transcript. Bounded: the console
//! keeps [`console::TEXT_OCTETS_MAX`]; the transcript file is as long as the guest is talkative. Leaves to others: what
//! is on the card (`image`), what the guest does (PID 1).

pub mod boot_files;
pub mod card;
pub mod command;
pub mod console;
pub mod device_tree;
pub mod led;
pub mod machine;
pub mod ports;
pub mod qmp;
pub mod running;

pub use machine::{Attachment, Card, Kind, Machine};
pub use running::{Boot, Cause, Ending, Running};
