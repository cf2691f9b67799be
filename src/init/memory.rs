//! How much of the machine's memory is in use, for the console and the tests.

use core::fmt;

/// From `/proc/meminfo` (proc_meminfo(5)), in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All that the kernel manages.
    total: u64,
    /// What could not be given to a program that asks for it: the kernel's own and that of programs.
    used: u64,
    /// What programs have: their own pages, memory file systems, and the program's file while it runs.
    programs: u64,
}

impl Memory {
    /// Asks the kernel; `None` if it does not say.
    #[must_use]
    pub fn read() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/meminfo").ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| -> Option<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.trim().strip_suffix("kB")?.trim().parse().ok()
        };
        let total = value("MemTotal")?;
        let used = total.saturating_sub(value("MemAvailable")?);
        let programs = ["AnonPages", "Shmem", "Mapped"].into_iter().filter_map(value).fold(0, u64::saturating_add);
        Some(Self { total, used, programs })
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { total, used, programs } = self;
        write!(f, "{programs} KiB by programs, {used} KiB with the kernel, of {total} KiB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_summed_up() {
        let text =
            "MemTotal: 500 kB\nMemFree: 300 kB\nMemAvailable: 400 kB\nAnonPages: 20 kB\nMapped: 7 kB\nShmem: 3 kB\n";
        let memory = Memory::parse(text).map(|memory| memory.to_string());
        assert_eq!(memory.as_deref(), Some("30 KiB by programs, 100 KiB with the kernel, of 500 KiB"));
        assert_eq!(Memory::parse("MemTotal: many kB\n"), None);
    }
}
