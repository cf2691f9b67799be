//! Counts the memory that the program has allocated, now and at most.
//!
//! Wraps the system's allocator and owns two numbers. It sees what Rust code allocates; thread stacks, code and what the
//! system's allocator keeps for later show in the resident size, which [`resident_octets`] reads.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator with a count.
#[derive(Debug)]
pub struct CountingAllocator;

static CURRENT: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Octets that are allocated now; 0 if the program does not count.
#[must_use]
pub fn current_octets() -> usize {
    CURRENT.load(Ordering::Relaxed)
}

/// The most octets that were allocated at one time.
#[must_use]
pub fn peak_octets() -> usize {
    PEAK.load(Ordering::Relaxed)
}

/// Octets of memory that the process holds now and held at most, as the kernel counts them.
#[must_use]
pub fn resident_octets() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = |key: &str| -> Option<u64> {
        let value = text.lines().find_map(|line| line.strip_prefix(key))?;
        value.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1_024)
    };
    Some((kib("VmRSS:")?, kib("VmHWM:")?))
}

/// Has glibc give freed memory back. Called once, before there are other threads; does nothing with another libc.
///
/// By itself glibc makes eight arenas a processor, and the first large block that is freed (the 7 MiB of a password hash)
/// raises the size from which blocks are mapped on their own, and with it what every arena keeps for later: after some
/// logins 100 MiB were resident with 2 MiB allocated. musl has neither arenas nor such a threshold.
pub fn keep_resident_memory_small() {
    #[cfg(target_env = "gnu")]
    {
        use nix::libc::{M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, mallopt};
        const ARENAS: i32 = 2;
        const THRESHOLD_OCTETS: i32 = 128 * 1024;
        for (parameter, value) in
            [(M_ARENA_MAX, ARENAS), (M_MMAP_THRESHOLD, THRESHOLD_OCTETS), (M_TRIM_THRESHOLD, THRESHOLD_OCTETS)]
        {
            #[allow(unsafe_code)]
            // SAFETY: mallopt(3) takes two integers and touches nothing of ours. It is not thread-safe, and no other
            // thread exists yet. A refusal (0) leaves the parameter as it was, which costs memory and nothing else.
            let _ = unsafe { mallopt(parameter, value) };
        }
    }
}

fn grown(octets: usize) {
    let now = CURRENT.fetch_add(octets, Ordering::Relaxed).saturating_add(octets);
    // Almost always a plain load: the peak is rarely passed.
    if now > PEAK.load(Ordering::Relaxed) {
        PEAK.fetch_max(now, Ordering::Relaxed);
    }
}

fn shrunk(octets: usize) {
    CURRENT.fetch_sub(octets, Ordering::Relaxed);
}

#[allow(unsafe_code)]
// SAFETY: every call is passed on to `System` as it came, and what `System` returns is passed back as it came; counting
// neither allocates nor panics. So all that `GlobalAlloc` asks for holds because it holds for `System`.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises about `layout` are those that `System` asks for.
        let pointer = unsafe { System.alloc(layout) };
        if !pointer.is_null() {
            grown(layout.size());
        }
        pointer
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as for `alloc`.
        let pointer = unsafe { System.alloc_zeroed(layout) };
        if !pointer.is_null() {
            grown(layout.size());
        }
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller promises that `pointer` came from this allocator with `layout`, hence from `System`.
        unsafe { System.dealloc(pointer, layout) };
        shrunk(layout.size());
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, octets: usize) -> *mut u8 {
        // SAFETY: as for `dealloc`; the caller promises that `octets` is a legal size.
        let moved = unsafe { System.realloc(pointer, layout, octets) };
        if !moved.is_null() {
            grown(octets);
            shrunk(layout.size());
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, unsafe_code)]
    use super::*;

    #[test]
    fn counts_what_is_there_and_what_was() {
        let before = current_octets();
        let layout = Layout::from_size_align(10_000, 8).unwrap();
        // SAFETY: the layout is not empty, and what is allocated here is freed here with the layout it has then.
        unsafe {
            let pointer = CountingAllocator.alloc_zeroed(layout);
            assert_eq!(current_octets(), before + 10_000);
            let pointer = CountingAllocator.realloc(pointer, layout, 30_000);
            assert_eq!(current_octets(), before + 30_000);
            CountingAllocator.dealloc(pointer, Layout::from_size_align(30_000, 8).unwrap());
        }
        assert_eq!(current_octets(), before);
        assert!(peak_octets() >= before + 30_000);
    }

    #[test]
    fn the_kernel_counts_as_well() {
        let (now, most) = resident_octets().unwrap();
        assert!(now > 100_000 && most >= now);
    }
}
