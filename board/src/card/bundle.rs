//! An update bundle: one signed file with a new binary and, if wanted, a new kernel set.
//!
//! ```text
//! bundle:  header (4096 octets)  manifest  part  part  part ...
//! slot:    header (4096 octets)  manifest  part               the bundle's first octets, up to the binary's end
//! ```
//!
//! The header, format version 1. Numbers are little-endian; what is not named is zero.
//!
//! | offset | width | meaning |
//! |---:|---:|---|
//! | 0 | 8 | `PBOXUPDT` |
//! | 8 | 2 | format version: 1 |
//! | 12 | 4 | octets of the manifest |
//! | 16 | 8 | octets of what follows the header: the manifest and all parts |
//! | 24 | 2 | octets of the signature |
//! | 32 | 1024 | the signature: a minisign file of four lines, prehashed (`ED`), over the manifest |
//! | 4092 | 4 | CRC32C of the octets 0 to 4092 |
//!
//! The signature covers the manifest, and the manifest has the SHA-256 of every part: so a slot, which holds the first part
//! only, is verified without the others, and no octet of a part is believed for what stands next to it. The header itself is
//! not signed; whatever it says is checked against the manifest. The trusted comment of the signature has `version:` and the
//! manifest's version. The CRC tells damage from a wrong key, no more.
//!
//! Formats only, in memory of a header and a manifest; signing and verifying are left to others. To look at a bundle with
//! other tools: `dd if=FILE bs=32 skip=1 count=32 | tr -d '\0'` gives the signature, `dd if=FILE bs=4096 skip=1` begins with
//! the manifest, which ends where the header says.

use super::manifest::{MANIFEST_OCTETS_MAX, Manifest, PARTS_OCTETS_MAX};
use core::fmt;

/// Octets of a header.
pub const HEADER_OCTETS: usize = 4096;
/// Octets of a signature's text; minisign's are about 330.
pub const SIGNATURE_OCTETS_MAX: usize = 1024;
/// The version of this format.
pub const FORMAT_VERSION: u16 = 1;
/// What the trusted comment of a signature has before the version, among words that are separated by tabs.
pub const VERSION_WORD: &str = "version:";

/// What a bundle begins with.
pub const MAGIC: [u8; 8] = *b"PBOXUPDT";
const SIGNATURE_AT: usize = 32;
const CRC_AT: usize = HEADER_OCTETS - 4;

/// Why octets are no header, no manifest, or no state block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// There are too few.
    Short,
    /// They are all zero: never written.
    Zero,
    /// They begin with something else.
    Magic,
    /// Of a version that is not known here.
    Version(u16),
    /// The checksum does not fit.
    Checksum,
    /// This field says something that cannot be.
    Field(&'static str),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("it ends too early"),
            Self::Zero => f.write_str("there is nothing"),
            Self::Magic => f.write_str("it begins with something else"),
            Self::Version(version) => write!(f, "its format is version {version}, and this program knows 1"),
            Self::Checksum => f.write_str("it is damaged: the checksum does not fit"),
            Self::Field(field) => write!(f, "its {field} cannot be so"),
        }
    }
}

impl core::error::Error for Invalid {}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Octets of the manifest.
    pub manifest_octets: usize,
    /// Octets of the manifest and all parts.
    pub payload_octets: u64,
    /// The signature's text.
    pub signature: String,
}

impl Header {
    /// Its octets.
    ///
    /// # Errors
    /// [`Invalid::Field`] if something is too long.
    pub fn encode(&self) -> Result<[u8; HEADER_OCTETS], Invalid> {
        self.check()?;
        let mut octets = [0; HEADER_OCTETS];
        put(&mut octets, 0, &MAGIC);
        put(&mut octets, 8, &FORMAT_VERSION.to_le_bytes());
        put(&mut octets, 12, &u32::try_from(self.manifest_octets).unwrap_or(u32::MAX).to_le_bytes());
        put(&mut octets, 16, &self.payload_octets.to_le_bytes());
        put(&mut octets, 24, &u16::try_from(self.signature.len()).unwrap_or(u16::MAX).to_le_bytes());
        put(&mut octets, SIGNATURE_AT, self.signature.as_bytes());
        let crc = crc32c::crc32c(octets.get(..CRC_AT).unwrap_or_default());
        put(&mut octets, CRC_AT, &crc.to_le_bytes());
        Ok(octets)
    }

    /// Reads a header from the front of `octets`.
    ///
    /// # Errors
    /// [`Invalid`] if they are anything else.
    pub fn decode(octets: &[u8]) -> Result<Self, Invalid> {
        let octets: &[u8; HEADER_OCTETS] = octets.first_chunk().ok_or(Invalid::Short)?;
        sealed(octets, MAGIC, CRC_AT)?;
        let header = Self {
            manifest_octets: usize::try_from(u32::from_le_bytes(take(octets, 12)?)).map_err(|_| Invalid::Short)?,
            payload_octets: u64::from_le_bytes(take(octets, 16)?),
            signature: text(octets, SIGNATURE_AT, usize::from(u16::from_le_bytes(take(octets, 24)?)))?,
        };
        header.check()?;
        // One meaning has one form: what is not named is zero.
        if header.encode()? == *octets { Ok(header) } else { Err(Invalid::Field("filling")) }
    }

    fn check(&self) -> Result<(), Invalid> {
        if self.manifest_octets == 0 || self.manifest_octets > MANIFEST_OCTETS_MAX {
            return Err(Invalid::Field("manifest's length"));
        }
        let manifest = u64::try_from(self.manifest_octets).unwrap_or(u64::MAX);
        if self.payload_octets.checked_sub(manifest).is_none_or(|parts| parts > PARTS_OCTETS_MAX) {
            return Err(Invalid::Field("length"));
        }
        let signature = self.signature.len();
        if signature == 0 || signature > SIGNATURE_OCTETS_MAX || self.signature.contains('\0') {
            return Err(Invalid::Field("signature"));
        }
        Ok(())
    }
}

/// Header and manifest of a bundle, which the parts follow. `sign` makes the minisign signature of the octets it is given.
///
/// # Errors
/// Those of `sign`, and [`Invalid::Field`] as text if something is too long.
pub fn front<E: From<Invalid>>(
    manifest: &Manifest,
    sign: impl FnOnce(&[u8]) -> Result<String, E>,
) -> Result<Vec<u8>, E> {
    let text = manifest.encode()?;
    let payload_octets = u64::try_from(text.len()).unwrap_or(u64::MAX).saturating_add(manifest.octets());
    let header = Header { manifest_octets: text.len(), payload_octets, signature: sign(text.as_bytes())? };
    let mut octets = header.encode()?.to_vec();
    octets.extend_from_slice(text.as_bytes());
    Ok(octets)
}

/// Checks magic, checksum and version, in this order, so that a newer version is told apart from damage.
pub(super) fn sealed(octets: &[u8], magic: [u8; 8], crc_at: usize) -> Result<(), Invalid> {
    if octets.iter().all(|&octet| octet == 0) {
        return Err(Invalid::Zero);
    }
    if take(octets, 0)? != magic {
        return Err(Invalid::Magic);
    }
    let covered = octets.get(..crc_at).ok_or(Invalid::Short)?;
    if u32::from_le_bytes(take(octets, crc_at)?) != crc32c::crc32c(covered) {
        return Err(Invalid::Checksum);
    }
    match u16::from_le_bytes(take(octets, 8)?) {
        FORMAT_VERSION => Ok(()),
        other => Err(Invalid::Version(other)),
    }
}

/// Puts a field into octets that have room for it: places are constants of a table, and lengths were checked.
pub(super) fn put(octets: &mut [u8], at: usize, field: &[u8]) {
    if let Some(place) = octets.get_mut(at..at.saturating_add(field.len())) {
        place.copy_from_slice(field);
    }
}

/// The field at `at`.
pub(super) fn take<const N: usize>(octets: &[u8], at: usize) -> Result<[u8; N], Invalid> {
    octets.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Invalid::Short)
}

/// The text of `len` octets at `at`.
pub(super) fn text(octets: &[u8], at: usize, len: usize) -> Result<String, Invalid> {
    let field = octets.get(at..at.saturating_add(len)).ok_or(Invalid::Short)?;
    core::str::from_utf8(field).map(str::to_owned).map_err(|_| Invalid::Field("text"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn header() -> Header {
        Header { manifest_octets: 300, payload_octets: 9_000_300, signature: "untrusted comment: x\nRUQ=\n".to_owned() }
    }

    fn resealed(change: impl FnOnce(&mut [u8; HEADER_OCTETS])) -> [u8; HEADER_OCTETS] {
        let mut octets = header().encode().unwrap();
        change(&mut octets);
        let crc = crc32c::crc32c(&octets[..CRC_AT]);
        octets[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        octets
    }

    #[test]
    fn headers_come_back() {
        assert_eq!(Header::decode(&header().encode().unwrap()), Ok(header()));
        assert_eq!(Header::decode(&[0; HEADER_OCTETS]), Err(Invalid::Zero));
        assert_eq!(Header::decode(&[7; HEADER_OCTETS]), Err(Invalid::Magic));
    }

    /// Format version 1, for ever.
    #[test]
    fn golden_octets_of_version_1() {
        let octets = header().encode().unwrap();
        let hex: String = octets[..64].iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(
            hex,
            "50424f5855504454010000002c0100006c558900000000001a00000000000000756e7472757374656420636f6d6d656e743a20780a5255513d0a000000000000"
        );
        assert_eq!(crc32c::crc32c(&octets[..CRC_AT]).to_le_bytes(), octets[CRC_AT..]);
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_refused() {
        let octets = header().encode().unwrap();
        for end in 0..octets.len() {
            assert_eq!(Header::decode(&octets[..end]), Err(Invalid::Short));
        }
        for bit in 0..octets.len() * 8 {
            let mut flipped = octets;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn what_the_checksum_cannot_see() {
        assert_eq!(Header::decode(&resealed(|octets| octets[8] = 2)), Err(Invalid::Version(2)));
        assert_eq!(Header::decode(&resealed(|octets| octets[2000] = 1)), Err(Invalid::Field("filling")));
        assert_eq!(Header::decode(&resealed(|octets| octets[15] = 255)), Err(Invalid::Field("manifest's length")));
        assert_eq!(Header::decode(&resealed(|octets| octets[23] = 255)), Err(Invalid::Field("length")));
        assert_eq!(Header::decode(&resealed(|octets| octets[25] = 255)), Err(Invalid::Short));
        assert_eq!(Header::decode(&resealed(|octets| octets[25] = 8)), Err(Invalid::Field("signature")));
        assert_eq!(Header::decode(&resealed(|octets| octets[40] = 255)), Err(Invalid::Field("text")));
    }
}
