//! The structure of a message, found while it streams by: where its parts are, what they are, and its envelope.
//!
//! The scanner never holds a message; it is given octets in pieces of any size and ends with a [`Summary`], which the
//! store keeps beside the body, so that IMAP answers ENVELOPE, BODYSTRUCTURE and every section from offsets.
//! Beside it stand the streaming helpers that sections and SEARCH need: [`TransferDecoder`], [`TextMatcher`] and
//! [`HeaderFilter`].
//!
//! Owns nothing that outlives a message. Bounded by the MIME section of [`crate::limits`], whatever comes. Where the
//! octets come from and who asks is left to others.

mod addresses;
mod boundaries;
mod date;
mod fields;
mod fold;
mod header_filter;
mod html;
mod matcher;
mod outline;
mod scanner;
mod structured;
mod summary;
mod title;
mod transfer;
mod words;

#[cfg(test)]
mod messages;

pub use date::sent_day;
pub use fold::fold;
pub use header_filter::HeaderFilter;
pub use matcher::TextMatcher;
pub use scanner::Scanner;
pub use summary::{Body, Disposition, Envelope, EnvelopeAddress, Parameter, Part, Span, Summary, Text};
pub use transfer::TransferDecoder;
pub use words::{decode_header, header_contains};
