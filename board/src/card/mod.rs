//! The card: which device it is, and what lies where on it: partitions, update slots, bundles. Formats only; reading and
//! writing is left to others.

mod device;
pub mod layout;

pub use device::{find, is_ours, partition};
