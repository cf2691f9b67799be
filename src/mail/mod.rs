//! The shared words of mail: paths, addresses, unique identifiers, flags, sequence sets and dates.
//!
//! Values here are parsed once at the edge and cannot be wrong afterwards. Nothing here does I/O or knows a
//! protocol's framing; every type is bounded by a constant of [`crate::limits`].

mod address;
mod date;
mod flags;
mod modseq;
mod path;
mod sequence_set;
mod special_use;
mod uid;

pub use address::{Address, AddressError, Domain, LocalPart};
pub use date::{ImapDate, InternalDate, Rfc5322Date};
pub use flags::{FlagChange, FlagSelection, Flags, Keyword, Keywords, SystemFlag};
pub use modseq::ModSeq;
pub use path::{ForwardPath, ReversePath};
pub use sequence_set::{SequenceRange, SequenceSet, SequenceSetError, SetNumber};
pub use special_use::SpecialUse;
pub use uid::{Uid, UidValidity};
