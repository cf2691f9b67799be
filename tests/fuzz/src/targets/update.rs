//! Octets of an update bundle and of the update slots' state, which may be anything.

use board::card::bundle::{HEADER_OCTETS, Header};
use board::card::manifest::Manifest;
use board::card::slots::{STATE_OCTETS, State};
use pillarbox::update::{PublicKey, check_front};

/// The key of minisign's own documentation.
const KEY: &str = "untrusted comment: x\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n";

/// What stands where a bundle is expected is refused, signed by this key or not; a header or manifest that is read says the
/// same when it is written again.
pub fn bundle(octets: &[u8]) {
    let key = PublicKey::decode(KEY).expect("a key");
    let sealed = sealed(octets, HEADER_OCTETS, HEADER_OCTETS - 4);
    for octets in [octets, &sealed] {
        assert!(check_front(octets, &key).is_err());
        if let Ok(header) = Header::decode(octets) {
            assert_eq!(header.encode().expect("read").as_slice(), &octets[..HEADER_OCTETS]);
        }
    }
    // Nobody without the key gets this far.
    if let Ok(manifest) = Manifest::decode(octets) {
        let text = manifest.encode().expect("no longer than it was");
        assert_eq!(Manifest::decode(text.as_bytes()), Ok(manifest));
    }
}

/// A state that is read says the same when it is written again.
pub fn state(octets: &[u8]) {
    let sealed = sealed(octets, STATE_OCTETS, 508);
    for octets in [octets, &sealed] {
        if let Ok((state, number)) = State::decode(octets) {
            assert_eq!(State::decode(&state.encode(number)), Ok((state, number)));
        }
    }
}

/// The same octets in a block of `len` with a checksum that fits: it would keep nearly all inputs out.
fn sealed(octets: &[u8], len: usize, crc_at: usize) -> Vec<u8> {
    let mut octets = octets.to_vec();
    octets.resize(octets.len().max(len), 0);
    let crc = crc32c::crc32c(&octets[..crc_at]);
    octets[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
    octets
}
