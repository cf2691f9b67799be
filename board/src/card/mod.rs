//! What lies where on a card: partitions, update slots, bundles. Formats only; reading and writing is left to others.

pub mod bundle;
pub mod layout;
pub mod manifest;
pub mod slots;
pub mod version;
