//! Tests of the encoders: the RFCs' examples to the letter, an independent codec that reads them, and our own decoder for
//! what commands and responses have in common.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, clippy::panic)]

mod responses;
mod structures;

use super::*;

/// What `write` writes, with room enough. It must give [`Full`] for every slice that is smaller, after the same octets.
fn octets(write: impl Fn(&mut Out<'_>) -> Result<(), Full>) -> Vec<u8> {
    let mut room = vec![0; 200_000];
    let mut out = Out::new(&mut room);
    write(&mut out).unwrap();
    let whole = out.octets().to_vec();
    for size in (0..whole.len()).step_by(1 + whole.len() / 50) {
        let mut room = vec![0; size];
        let mut out = Out::new(&mut room);
        assert_eq!(write(&mut out), Err(Full));
        assert_eq!(out.octets(), &whole[..size]);
    }
    whole
}

fn text(write: impl Fn(&mut Out<'_>) -> Result<(), Full>) -> String {
    String::from_utf8(octets(write)).unwrap()
}
