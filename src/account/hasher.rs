//! argon2id (RFC 9106) with bounded memory.
//!
//! One hash at a time has the arena of [`PASSWORD_HASH_OCTETS`]; others wait for the lock. The arena is allocated for
//! the hash and given back after it, so that an idle server does not hold it, and it is asked for in a way that can be
//! refused: no memory is an error for one login, never the end of the process.

use crate::limits::PASSWORD_HASH_OCTETS;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};

/// Octets of a salt; RFC 9106 3.1 recommends 16.
pub const SALT_OCTETS: usize = 16;
/// Octets of a hash.
pub const HASH_OCTETS: usize = 32;

/// What one hash costs. Kept beside the hash, so that a later version can ask for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// KiB.
    pub memory: u32,
    /// Passes over the memory.
    pub passes: u32,
}

impl Cost {
    /// OWASP's choice for 7 MiB of memory.
    #[cfg(not(test))]
    pub const PRESENT: Self = Self { memory: MEMORY_KIB, passes: 5 };
    /// Unit tests hash often and guard nothing.
    #[cfg(test)]
    pub const PRESENT: Self = Self { memory: 64, passes: 1 };
}

const MEMORY_KIB: u32 = 7 * 1024;
const _: () = assert!(PASSWORD_HASH_OCTETS == 7 * 1024 * 1024, "the memory of one hash is what limits.rs says");

/// Why there is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashError {
    /// The arena could not be had.
    OutOfMemory,
    /// A kept hash asks for more memory than there is for it: it is damaged or of a newer version.
    Cost,
    /// The operating system gave no random octets.
    NoRandomness,
}

impl core::fmt::Display for HashError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::OutOfMemory => "not enough memory to check the password: try again",
            Self::Cost => "the kept password hash cannot be computed here: set a new password",
            Self::NoRandomness => "the operating system gives no random octets: try again",
        })
    }
}

impl core::error::Error for HashError {}

/// Computes password hashes, one at a time.
#[derive(Debug, Default)]
pub struct Hasher {
    turn: Mutex<()>,
    /// Hashes so far.
    #[cfg(test)]
    pub(crate) hashes: core::sync::atomic::AtomicUsize,
}

impl Hasher {
    /// The hash of a prepared password. Takes tens of milliseconds on a desktop, some hundreds on a small board.
    ///
    /// # Errors
    /// [`HashError`] if there is no memory, or the cost is not one that this version can pay.
    pub fn hash(&self, password: &str, salt: &[u8; SALT_OCTETS], cost: Cost) -> Result<[u8; HASH_OCTETS], HashError> {
        if cost.memory > MEMORY_KIB {
            return Err(HashError::Cost);
        }
        let params = Params::new(cost.memory, cost.passes, 1, Some(HASH_OCTETS)).map_err(|_| HashError::Cost)?;
        let blocks = params.block_count();
        #[cfg(test)]
        self.hashes.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
        // The lock guards no data, so a poisoned one is as good.
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut arena: Vec<Block> = Vec::new();
        arena.try_reserve_exact(blocks).map_err(|_| HashError::OutOfMemory)?;
        arena.resize(blocks, Block::new());
        let mut hash = [0; HASH_OCTETS];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let done = argon2.hash_password_into_with_memory(password.as_bytes(), salt, &mut hash, arena.as_mut_slice());
        drop(arena);
        drop(turn);
        done.map_err(|_| HashError::Cost)?;
        Ok(hash)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hashes_depend_on_password_salt_and_cost() {
        let hasher = Hasher::default();
        let cost = Cost { memory: 64, passes: 1 };
        let one = hasher.hash("secret", &[1; 16], cost).unwrap();
        assert_eq!(hasher.hash("secret", &[1; 16], cost).unwrap(), one);
        assert_ne!(hasher.hash("Secret", &[1; 16], cost).unwrap(), one);
        assert_ne!(hasher.hash("secret", &[2; 16], cost).unwrap(), one);
        assert_ne!(hasher.hash("secret", &[1; 16], Cost { memory: 64, passes: 2 }).unwrap(), one);
    }

    #[test]
    fn costs_beyond_the_arena_are_refused() {
        let hasher = Hasher::default();
        for cost in
            [Cost { memory: MEMORY_KIB + 1, passes: 1 }, Cost { memory: 64, passes: 0 }, Cost { memory: 0, passes: 1 }]
        {
            assert_eq!(hasher.hash("secret", &[0; 16], cost), Err(HashError::Cost));
        }
    }

    #[test]
    fn the_full_cost_fits_the_arena() {
        assert!(Hasher::default().hash("secret", &[1; 16], Cost { memory: MEMORY_KIB, passes: 1 }).is_ok());
    }
}
