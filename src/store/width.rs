//! Widths of numbers: the log counts in 32 and 64 bits, memory in `usize`.

/// Octets in memory as the log counts them.
pub(super) fn wide(octets: usize) -> u64 {
    u64::try_from(octets).unwrap_or(u64::MAX)
}

/// Octets within a segment; segments and batches are far smaller than 4 GiB.
pub(super) fn narrow(octets: usize) -> u32 {
    u32::try_from(octets).unwrap_or(u32::MAX)
}

/// Octets within a segment, in memory.
pub(super) fn size(octets: u32) -> usize {
    usize::try_from(octets).unwrap_or(usize::MAX)
}
