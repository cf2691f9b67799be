//! The manifest of a bundle: what is in it, each part with its length and SHA-256, as a small TOML text.
//!
//! ```toml
//! version = "0.2.0"
//! epoch = 1767225600
//! architecture = "aarch64"
//!
//! [[part]]
//! name = "pillarbox"
//! octets = 9437184
//! sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
//! ```
//!
//! The signature is over exactly these octets, so a manifest is parsed only once it is known to be the maker's. It is
//! bounded by [`MANIFEST_OCTETS_MAX`] and [`PARTS_MAX`]. Whether the parts fit their hashes is left to whoever reads them.

use super::bundle::{HEADER_OCTETS, Invalid};
use super::slots::SLOT_OCTETS;
use super::version::Version;
use serde::{Deserialize, Serialize};

/// Octets of a manifest: [`PARTS_MAX`] parts of about 150 octets fit twice.
pub const MANIFEST_OCTETS_MAX: usize = 16 * 1024;
/// Parts of a bundle: the binary, kernel, initramfs, command line, the device trees of the boards, a few overlays.
pub const PARTS_MAX: usize = 48;
/// Octets of a part's name, which becomes a name on the FAT partition.
pub const PART_NAME_OCTETS_MAX: usize = 64;
/// All parts together; the boot partition has 252 MiB for two kernel sets and the bundle itself.
pub const PARTS_OCTETS_MAX: u64 = 128 << 20;
/// The part that a slot holds; it is the first one.
pub const BINARY: &str = "pillarbox";
/// What a kernel set has at least. Without its own command line the firmware would start the kernel with none.
pub const KERNEL_SET: [&str; 3] = ["kernel8.img", "initramfs.img", "cmdline.txt"];
/// The folder of a kernel set that may have parts of its own: device tree overlays.
const OVERLAYS: &str = "overlays/";

/// SHA-256 of something.
pub type Digest = [u8; 32];

/// What a bundle says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its version.
    pub version: Version,
    /// When it was made, in seconds since 1970.
    pub epoch: u64,
    /// For which processor: `aarch64` or `x86_64`, as [`std::env::consts::ARCH`] says it.
    pub architecture: String,
    /// The binary, then the kernel set, in the order of their octets. Never empty.
    parts: Vec<Part>,
}

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its length.
    pub octets: u64,
    /// Its hash.
    pub sha256: Digest,
}

#[derive(Serialize, Deserialize)]
struct Text {
    version: String,
    epoch: u64,
    architecture: String,
    part: Vec<PartText>,
}

#[derive(Serialize, Deserialize)]
struct PartText {
    name: String,
    octets: u64,
    sha256: String,
}

impl Manifest {
    /// A manifest of these parts.
    ///
    /// # Errors
    /// [`Invalid::Field`] if they are not the binary, or the binary and a whole kernel set, or are too large.
    pub fn new(version: Version, epoch: u64, architecture: &str, parts: Vec<Part>) -> Result<Self, Invalid> {
        let known = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'_';
        if architecture.is_empty() || architecture.len() > 16 || !architecture.bytes().all(known) {
            return Err(Invalid::Field("architecture"));
        }
        // TOML numbers are signed.
        if i64::try_from(epoch).is_err() {
            return Err(Invalid::Field("epoch"));
        }
        check(&parts)?;
        Ok(Self { version, epoch, architecture: architecture.to_owned(), parts })
    }

    /// Its TOML text.
    ///
    /// # Errors
    /// [`Invalid::Field`] if it is longer than [`MANIFEST_OCTETS_MAX`].
    pub fn encode(&self) -> Result<String, Invalid> {
        let part = |part: &Part| PartText { name: part.name.clone(), octets: part.octets, sha256: hex(&part.sha256) };
        let text = Text {
            version: self.version.as_str().to_owned(),
            epoch: self.epoch,
            architecture: self.architecture.clone(),
            part: self.parts.iter().map(part).collect(),
        };
        let text = toml::to_string(&text).map_err(|_| Invalid::Field("manifest"))?;
        if text.len() > MANIFEST_OCTETS_MAX { Err(Invalid::Field("manifest")) } else { Ok(text) }
    }

    /// Reads a manifest; keys that this version does not know are passed over.
    ///
    /// # Errors
    /// [`Invalid::Field`] names what cannot be.
    pub fn decode(octets: &[u8]) -> Result<Self, Invalid> {
        if octets.len() > MANIFEST_OCTETS_MAX {
            return Err(Invalid::Field("manifest"));
        }
        let text = core::str::from_utf8(octets).map_err(|_| Invalid::Field("manifest"))?;
        let text: Text = toml::from_str(text).map_err(|_| Invalid::Field("manifest"))?;
        let version = Version::parse(&text.version).ok_or(Invalid::Field("version"))?;
        let part = |part: PartText| {
            let sha256 = unhex(&part.sha256).ok_or(Invalid::Field("sha256"))?;
            Ok(Part { name: part.name, octets: part.octets, sha256 })
        };
        let parts = text.part.into_iter().map(part).collect::<Result<_, Invalid>>()?;
        Self::new(version, text.epoch, &text.architecture, parts)
    }

    /// All parts, in the order of their octets.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The binary.
    #[must_use]
    pub fn binary(&self) -> &Part {
        self.parts.first().expect("a manifest without parts is not made")
    }

    /// The kernel set; empty if the bundle has none.
    #[must_use]
    pub fn kernel_set(&self) -> &[Part] {
        self.parts.get(1..).unwrap_or_default()
    }

    /// Octets of all parts.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.octets))
    }
}

fn check(parts: &[Part]) -> Result<(), Invalid> {
    let Some((binary, kernel_set)) = parts.split_first() else { return Err(Invalid::Field("part")) };
    if parts.len() > PARTS_MAX {
        return Err(Invalid::Field("part"));
    }
    if binary.name != BINARY || kernel_set.iter().any(|part| !is_name(&part.name)) {
        return Err(Invalid::Field("name"));
    }
    // FAT does not tell Kernel8.img from kernel8.img.
    let twice = |(index, part): (usize, &Part)| {
        parts.iter().take(index).any(|before| before.name.eq_ignore_ascii_case(&part.name))
    };
    if parts.iter().enumerate().any(twice) {
        return Err(Invalid::Field("name"));
    }
    let has = |name: &str| kernel_set.iter().any(|part| part.name == name);
    if !kernel_set.is_empty() && !KERNEL_SET.iter().all(|name| has(name)) {
        return Err(Invalid::Field("kernel set"));
    }
    let front = u64::try_from(HEADER_OCTETS + MANIFEST_OCTETS_MAX).unwrap_or(u64::MAX);
    let octets = parts.iter().try_fold(0u64, |sum, part| sum.checked_add(part.octets));
    if octets.is_none_or(|octets| octets > PARTS_OCTETS_MAX) || binary.octets > SLOT_OCTETS.saturating_sub(front) {
        return Err(Invalid::Field("octets"));
    }
    if parts.iter().any(|part| part.octets == 0) { Err(Invalid::Field("octets")) } else { Ok(()) }
}

/// A plain file name, perhaps in the folder of overlays: no way out of the kernel set's folder.
fn is_name(name: &str) -> bool {
    let file = name.strip_prefix(OVERLAYS).unwrap_or(name);
    let of_name = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_' | b'+');
    let ends_well = !file.starts_with('.') && !file.ends_with('.');
    ends_well && !file.is_empty() && name.len() <= PART_NAME_OCTETS_MAX && file.bytes().all(of_name)
}

fn hex(digest: &Digest) -> String {
    digest.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unhex(text: &str) -> Option<Digest> {
    let digit = |octet: u8| match octet {
        b'0'..=b'9' => Some(octet.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(octet.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    };
    let pairs = text.as_bytes().chunks_exact(2);
    if text.len() != 64 {
        return None;
    }
    let octet = |pair: &[u8]| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    pairs.map(octet).collect::<Option<Vec<u8>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn part(name: &str, octets: u64) -> Part {
        Part { name: name.to_owned(), octets, sha256: core::array::from_fn(|at| u8::try_from(at * 7).unwrap()) }
    }

    fn manifest(parts: Vec<Part>) -> Result<Manifest, Invalid> {
        Manifest::new(Version::parse("0.2.0").unwrap(), 1_767_225_600, "aarch64", parts)
    }

    fn kernel_set() -> Vec<Part> {
        let mut parts = vec![part(BINARY, 9 << 20)];
        parts.extend(KERNEL_SET.map(|name| part(name, 100)));
        parts.push(part("overlays/disable-bt.dtbo", 10));
        parts
    }

    #[test]
    fn manifests_come_back() {
        for parts in [vec![part(BINARY, 1)], kernel_set()] {
            let manifest = manifest(parts).unwrap();
            assert_eq!(Manifest::decode(manifest.encode().unwrap().as_bytes()), Ok(manifest));
        }
        assert_eq!(manifest(kernel_set()).unwrap().kernel_set().len(), 4);
        // The most that a manifest may have fits its bound.
        let mut most = kernel_set();
        while most.len() < PARTS_MAX {
            most.push(part(&format!("{:0>60}", most.len()), 1 << 20));
        }
        assert!(manifest(most.clone()).unwrap().encode().is_ok());
        most.push(part("more", 1));
        assert_eq!(manifest(most), Err(Invalid::Field("part")));
    }

    #[test]
    fn the_text_of_a_manifest() {
        let text = manifest(vec![part(BINARY, 5)]).unwrap().encode().unwrap();
        let expected = "version = \"0.2.0\"\nepoch = 1767225600\narchitecture = \"aarch64\"\n\n[[part]]\nname = \"pillarbox\"\n\
                        octets = 5\nsha256 = \"00070e151c232a31383f464d545b626970777e858c939aa1a8afb6bdc4cbd2d9\"\n";
        assert_eq!(text, expected);
        // Keys of later versions are no reason to refuse.
        assert!(Manifest::decode(format!("colour = \"red\"\n{text}").as_bytes()).is_ok());
    }

    #[test]
    fn what_a_manifest_may_not_say() {
        let with = |name: &str| {
            let mut parts = kernel_set();
            parts.push(part(name, 1));
            manifest(parts)
        };
        for name in
            ["", ".", "..", "../init", "/init", "a/b", "overlays/../x", "overlays/", ".x", "x.", "KERNEL8.IMG", "a b"]
        {
            assert_eq!(with(name), Err(Invalid::Field("name")), "{name}");
        }
        assert_eq!(manifest(vec![]), Err(Invalid::Field("part")));
        assert_eq!(manifest(vec![part("other", 1)]), Err(Invalid::Field("name")));
        assert_eq!(manifest(vec![part(BINARY, 1), part("kernel8.img", 1)]), Err(Invalid::Field("kernel set")));
        for octets in [0, SLOT_OCTETS, u64::MAX] {
            assert_eq!(manifest(vec![part(BINARY, octets)]), Err(Invalid::Field("octets")));
        }
        let text = manifest(kernel_set()).unwrap().encode().unwrap();
        for (from, to) in [
            ("\"0.2.0\"", "\"x\""),
            ("sha256 = \"00", "sha256 = \"0g"),
            ("sha256 = \"00", "sha256 = \"0"),
            ("aarch64", "a/b"),
        ] {
            assert!(Manifest::decode(text.replace(from, to).as_bytes()).is_err(), "{to}");
        }
    }

    #[test]
    fn every_cut_is_refused_or_is_a_whole_manifest() {
        let text = manifest(kernel_set()).unwrap().encode().unwrap();
        for end in 0..text.len() {
            if let Ok(manifest) = Manifest::decode(&text.as_bytes()[..end]) {
                assert!(manifest.parts().len() <= 5);
            }
        }
    }
}
