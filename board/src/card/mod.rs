//! The card: which device it is, and what lies where on it: partitions, update slots, bundles. Formats only; reading and
//! writing is left to others.

pub mod bundle;
mod device;
pub mod layout;
pub mod manifest;
pub mod slots;
pub mod version;

pub use device::{find, is_ours, partition};
