//! Octets of a card that may hold anything.

use pillarbox::store::format::{Records, decode_batch, decode_event, decode_record};

/// Whatever stands where a batch, a record or an event is expected is read or refused. The checksums would keep nearly
/// all inputs out of the inner codecs, so these are tried on the same octets as well.
pub fn batch(octets: &[u8]) {
    let payload = decode_batch(octets).map_or(octets, |(_, _, payload)| payload);
    // Records end, whatever their lengths say.
    assert!(Records::new(payload).count() <= payload.len());
    let _ = decode_record(octets);
    let _ = decode_event(octets);
}
