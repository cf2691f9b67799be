//! The right to have a connection. A connection gets its permit before its first octet is read.

/// One connection's place, free again when dropped.
#[derive(Debug)]
pub struct Permit {
    _private: (),
}
