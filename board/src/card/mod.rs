//! What lies where on a card: partitions, update slots, bundles. Formats only; reading and writing is left to others.

pub mod layout;
