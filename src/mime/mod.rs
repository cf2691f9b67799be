//! The structure of a message, found while it streams by: where its parts are, what they are, and its envelope.
//!
//! The scanner never holds a message; it is given octets in pieces of any size and ends with a [`Summary`], which the
//! store keeps beside the body, so that IMAP answers ENVELOPE, BODYSTRUCTURE and every section from offsets.

mod summary;

pub use summary::{Body, Disposition, Envelope, EnvelopeAddress, Parameter, Part, Span, Summary, Text};
