//! The bytes of the store. To be described here before any code that writes them.

/// Octets of a batch's unit and of everything that is written at once: a block.
pub const BLOCK_OCTETS: usize = 4096;

/// Payload octets of a full chunk, such that batch header, record header and payload fill whole blocks.
pub const CHUNK_OCTETS_MAX: usize = crate::limits::WORKING_BUFFER_OCTETS - 128;
