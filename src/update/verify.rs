//! Is this what the maker signed? The same for a bundle's file and for a slot, which holds a bundle's first octets.
//!
//! First the front: header and manifest, at most 20 KiB in memory, believed once the signature over the manifest is good.
//! Then each part as a stream of [`UPDATE_COPY_OCTETS`], hashed as it passes and compared at its end, so whoever copies a part
//! must not use the copy before [`copy_part`] has returned.

use super::Error;
use crate::limits::{UPDATE_COPY_OCTETS, UPDATE_KEY_OCTETS_MAX};
use board::card::bundle::{HEADER_OCTETS, Header, Invalid, VERSION_WORD};
use board::card::manifest::{Digest, Manifest, Part};
use ring::digest::{Context, SHA256, digest};
use std::io::Read;
use std::path::Path;

/// The key that bundles must be signed with.
#[derive(Clone, Debug)]
pub struct PublicKey(minisign_verify::PublicKey);

impl PublicKey {
    /// Reads a public key file of minisign.
    ///
    /// # Errors
    /// [`Error::Key`] if it cannot be read or is none.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let failed = |why: &dyn core::fmt::Display| Error::Key(format!("{}: {why}", path.display()));
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
        file.take(UPDATE_KEY_OCTETS_MAX).read_to_string(&mut text).map_err(|error| failed(&error))?;
        Self::decode(&text).map_err(|_| failed(&"it is not a minisign public key"))
    }

    /// Reads the text of such a file: a comment, then the key in base64.
    ///
    /// # Errors
    /// [`Error::Key`] if it is none.
    pub fn decode(text: &str) -> Result<Self, Error> {
        minisign_verify::PublicKey::decode(text).map(Self).map_err(|error| Error::Key(error.to_string()))
    }
}

/// Where a bundle's octets come from.
pub(super) trait Source {
    /// Fills `into` with the bundle's octets from `offset` on.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), Error>;
}

/// Header and manifest, verified.
#[derive(Clone, Debug)]
pub(super) struct Front {
    /// Their octets, which are the same in the bundle and in a slot.
    pub octets: Vec<u8>,
    /// What the manifest says.
    pub manifest: Manifest,
    /// Its SHA-256, by which this very bundle is known again.
    pub digest: Digest,
}

impl Front {
    /// Reads and verifies it.
    ///
    /// # Errors
    /// [`Error::NotABundle`], [`Error::NotSigned`], and those of `source`.
    pub fn read(source: &dyn Source, key: &PublicKey) -> Result<Self, Error> {
        let mut octets = vec![0; HEADER_OCTETS];
        source.read_at(0, &mut octets)?;
        let header = Header::decode(&octets).map_err(Error::NotABundle)?;
        octets.resize(HEADER_OCTETS.saturating_add(header.manifest_octets), 0);
        let (_, text) = octets.split_at_mut(HEADER_OCTETS);
        source.read_at(wide(HEADER_OCTETS), text)?;
        let manifest = signed_manifest(&header, text, key)?;
        let digest = sha256(text);
        Ok(Self { octets, manifest, digest })
    }

    /// The parts and where they begin.
    pub fn parts(&self) -> impl Iterator<Item = (u64, &Part)> {
        self.manifest.parts().iter().scan(wide(self.octets.len()), |at, part| {
            let begins = *at;
            *at = at.saturating_add(part.octets);
            Some((begins, part))
        })
    }
}

/// The manifest in `text`, which nothing is read from before its signature is good.
fn signed_manifest(header: &Header, text: &[u8], key: &PublicKey) -> Result<Manifest, Error> {
    let signature = minisign_verify::Signature::decode(&header.signature)
        .map_err(|_| Error::NotABundle(Invalid::Field("signature")))?;
    let mut verifier = key.0.verify_stream(&signature).map_err(refused)?;
    verifier.update(text);
    verifier.finalize().map_err(refused)?;
    let manifest = Manifest::decode(text).map_err(Error::NotABundle)?;
    let version = signature.trusted_comment().split('\t').find_map(|word| word.strip_prefix(VERSION_WORD));
    if version != Some(manifest.version.as_str()) {
        return Err(Error::NotABundle(Invalid::Field("trusted comment")));
    }
    // The header is not signed: what it says must be what follows from the manifest.
    if header.payload_octets != wide(text.len()).saturating_add(manifest.octets()) {
        return Err(Error::NotABundle(Invalid::Field("length")));
    }
    Ok(manifest)
}

fn refused(error: minisign_verify::Error) -> Error {
    use minisign_verify::Error as E;
    let why = match error {
        E::UnexpectedKeyId => "it was signed with another one",
        E::UnsupportedLegacyMode | E::UnexpectedAlgorithm | E::UnsupportedAlgorithm => {
            "the signature is of a kind that is not used for bundles"
        }
        E::InvalidSignature | E::InvalidEncoding | E::IoError(_) => {
            "the signature does not fit what the bundle says about itself; it was changed or damaged"
        }
    };
    Error::NotSigned(why.to_owned())
}

/// Passes a part to `sink`, piece by piece, and then says whether it was what was signed.
///
/// # Errors
/// [`Error::Damaged`] if it was not; those of `source` and `sink`.
pub(super) fn copy_part(
    source: &dyn Source,
    offset: u64,
    part: &Part,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut buffer = vec![0; UPDATE_COPY_OCTETS];
    let mut hash = Context::new(&SHA256);
    let mut done = 0;
    while done < part.octets {
        let left = usize::try_from(part.octets.saturating_sub(done)).unwrap_or(usize::MAX);
        let piece = buffer.get_mut(..left.min(UPDATE_COPY_OCTETS)).unwrap_or_default();
        source.read_at(offset.saturating_add(done), piece)?;
        hash.update(piece);
        sink(piece)?;
        done = done.saturating_add(wide(piece.len()));
    }
    if hash.finish().as_ref() == part.sha256 { Ok(()) } else { Err(Error::Damaged(part.name.clone())) }
}

/// SHA-256 of octets in memory.
pub(super) fn sha256(octets: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, octets).as_ref());
    out
}

/// Octets in memory as the card counts them.
pub(super) fn wide(octets: usize) -> u64 {
    u64::try_from(octets).unwrap_or(u64::MAX)
}

/// The verifying side of a front in memory, for fuzzing: no octets make it panic.
///
/// # Errors
/// [`Error::NotABundle`] and [`Error::NotSigned`].
pub fn check_front(octets: &[u8], key: &PublicKey) -> Result<Manifest, Error> {
    struct Memory<'a>(&'a [u8]);
    impl Source for Memory<'_> {
        fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), Error> {
            let at = usize::try_from(offset).unwrap_or(usize::MAX);
            let octets = self.0.get(at..at.saturating_add(into.len())).ok_or(Error::NotABundle(Invalid::Short))?;
            into.copy_from_slice(octets);
            Ok(())
        }
    }
    Front::read(&Memory(octets), key).map(|front| front.manifest)
}
