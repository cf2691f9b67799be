//! Makes update bundles: `target/image/pillarbox-VERSION.update`, signed with the key of `cargo image key`.
//!
//! The format is [`board::card::bundle`]'s, the signature minisign's. All parts are in memory at one time, as is the bundle:
//! below 200 MB. Two bundles of the same parts are the same but for the signature's randomness, if minisign has any.

use crate::epoch::source_date_epoch;
use crate::firmware::{self, Architecture};
use crate::step::{Failure, at, image_folder, write_whole};
use crate::{build, key};
use board::card::bundle::{Invalid, VERSION_WORD, front};
use board::card::manifest::{BINARY, KERNEL_SET, Manifest, Part};
use board::card::version::Version;
use minisign::{SecretKey, SecretKeyBox};
use sha2::{Digest, Sha256};
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// What `cargo image bundle` is told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The binary instead of the firmware's.
    pub binary: Option<PathBuf>,
    /// With the kernel set of the last image.
    pub kernel_set: bool,
    /// Its version instead of the binary's.
    pub version: Option<String>,
    /// The secret key's file instead of `target/image/update.key`.
    pub key: Option<PathBuf>,
    /// Where it goes instead of `target/image/pillarbox-VERSION.update`.
    pub out: Option<PathBuf>,
}

/// A part of a bundle: its name and its octets.
pub type NamedOctets = (String, Vec<u8>);

/// Makes a bundle from files and says what is in it.
///
/// # Errors
/// Names the file that is missing and the command that makes it.
pub fn bundle(options: &Options) -> Result<(), Failure> {
    let binary = options.binary.clone().unwrap_or_else(|| firmware::binary(Architecture::Aarch64));
    let octets = std::fs::read(&binary).map_err(|error| {
        Failure(format!("{}: {error}\n  `cargo image firmware` builds the binary", binary.display()))
    })?;
    let mut parts = vec![(BINARY.to_owned(), octets)];
    if options.kernel_set {
        parts.extend(kernel_set(&build::kernel_set_folder())?);
    }
    let version = options.version.as_deref().unwrap_or(env!("CARGO_PKG_VERSION"));
    let secret = secret_key(&options.key.clone().unwrap_or_else(key::secret_file))?;
    let out = options.out.clone().unwrap_or_else(|| image_folder().join(format!("pillarbox-{version}.update")));
    make(&parts, version, &secret, &out)?;
    println!("{}", out.display());
    for (name, octets) in &parts {
        println!("  {name:32} {:>10} octets", octets.len());
    }
    println!(
        "install it with `pillarbox update FILE` on the appliance, or put it on the card's first partition and start the \
         appliance"
    );
    Ok(())
}

/// Writes a bundle of these parts: the binary, `pillarbox`, first, then perhaps a kernel set. The binary's ELF header says
/// for which processor it is.
///
/// # Errors
/// When the version or the parts cannot be so, or the file cannot be written.
pub fn make(parts: &[NamedOctets], version: &str, key: &SecretKey, out: &Path) -> Result<(), Failure> {
    let octets = sign(parts, version, key)?;
    write_whole(out, &octets)
}

/// The octets of such a bundle.
///
/// # Errors
/// When the version or the parts cannot be so.
pub fn sign(parts: &[NamedOctets], version: &str, key: &SecretKey) -> Result<Vec<u8>, Failure> {
    let version = Version::parse(version)
        .ok_or_else(|| Failure(format!("{version:?} is no version: digits, letters, `.`, `-`, `+`, such as 0.2.0")))?;
    let (_, binary) = parts.first().ok_or_else(|| Failure("a bundle needs the binary".to_owned()))?;
    let architecture = architecture(binary)?;
    let part = |(name, octets): &NamedOctets| Part {
        name: name.clone(),
        octets: u64::try_from(octets.len()).unwrap_or(u64::MAX),
        sha256: Sha256::digest(octets).into(),
    };
    let invalid = |invalid: Invalid| Failure(format!("the bundle cannot be made: {invalid}"));
    let epoch = source_date_epoch()?;
    let manifest = Manifest::new(version, epoch, architecture, parts.iter().map(part).collect()).map_err(invalid)?;
    // The trusted comment is signed as well; the appliance compares its version with the manifest's.
    let comment = format!("timestamp:{epoch}\tfile:pillarbox-{0}.update\t{VERSION_WORD}{0}", manifest.version);
    let minisign = |text: &[u8]| {
        minisign::sign(None, key, Cursor::new(text), Some(&comment), Some("signature of a Pillarbox update's manifest"))
            .map(|signature| signature.into_string())
            .map_err(|error| Problem(format!("the bundle cannot be signed: {error}")))
    };
    let mut bundle = front(&manifest, minisign).map_err(|Problem(text)| Failure(text))?;
    parts.iter().for_each(|(_, octets)| bundle.extend_from_slice(octets));
    Ok(bundle)
}

/// Either side's error, as text.
struct Problem(String);

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self(format!("the bundle cannot be made: {invalid}"))
    }
}

/// The secret key; its password is asked for if it has one.
///
/// # Errors
/// When it is not there, is none, or the password is wrong.
pub fn secret_key(file: &Path) -> Result<SecretKey, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure(format!("{}: {error}\n  `cargo image key` makes the key that signs updates", file.display()))
    })?;
    let none = |error: minisign::PError| Failure(format!("{}: {error}", file.display()));
    let in_box = || SecretKeyBox::from_string(&text).map_err(none);
    in_box()?.into_unencrypted_secret_key().or_else(|_| in_box()?.into_secret_key(None).map_err(none))
}

/// The files of a kernel set, kernel, initramfs and command line first, then the others by name.
fn kernel_set(folder: &Path) -> Result<Vec<NamedOctets>, Failure> {
    let mut names = Vec::new();
    files_below(folder, "", &mut names)
        .map_err(|failure| Failure(format!("{}\n  `cargo image build` makes the kernel set", failure.0)))?;
    names.sort_by_key(|name| {
        (KERNEL_SET.iter().position(|known| known == name).unwrap_or(KERNEL_SET.len()), name.clone())
    });
    let read = |name: String| {
        let path = folder.join(&name);
        let octets = std::fs::read(&path).map_err(at(&path))?;
        Ok((name, octets))
    };
    names.into_iter().map(read).collect()
}

fn files_below(folder: &Path, below: &str, names: &mut Vec<String>) -> Result<(), Failure> {
    let here = folder.join(below);
    for entry in std::fs::read_dir(&here).map_err(at(&here))? {
        let entry = entry.map_err(at(&here))?;
        let name =
            entry.file_name().into_string().map_err(|name| Failure(format!("{name:?} is no name for a part")))?;
        let name = format!("{below}{name}");
        if entry.file_type().map_err(at(&here))?.is_dir() {
            files_below(folder, &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

/// For which processor an ELF file is: `e_machine` of a 64-bit little-endian header (elf(5)).
fn architecture(binary: &[u8]) -> Result<&'static str, Failure> {
    let machine = binary.get(18..20).filter(|_| binary.starts_with(b"\x7fELF\x02\x01"));
    match machine {
        Some([183, 0]) => Ok("aarch64"),
        Some([62, 0]) => Ok("x86_64"),
        _ => Err(Failure("the binary is not an ELF file for aarch64 or x86_64".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use board::card::bundle::{HEADER_OCTETS, Header};
    use minisign::{KeyPair, PublicKey, SignatureBox};

    fn binary(machine: u8) -> NamedOctets {
        let mut octets = b"\x7fELF\x02\x01".to_vec();
        octets.resize(100, 7);
        if let Some(field) = octets.get_mut(18..20) {
            field.copy_from_slice(&[machine, 0]);
        }
        (BINARY.to_owned(), octets)
    }

    fn keys() -> KeyPair {
        KeyPair::generate_unencrypted_keypair().expect("a key")
    }

    fn check(bundle: &[u8], key: &PublicKey) -> Manifest {
        let header = Header::decode(bundle).expect("a header");
        let text = bundle.get(HEADER_OCTETS..HEADER_OCTETS + header.manifest_octets).expect("a manifest");
        let signature = SignatureBox::from_string(&header.signature).expect("a signature");
        assert!(signature.is_prehashed());
        minisign::verify(key, &signature, Cursor::new(text), true, false, false).expect("signed");
        let manifest = Manifest::decode(text).expect("a manifest");
        let comment = signature.trusted_comment().expect("a comment");
        assert!(comment.ends_with(&format!("\tversion:{}", manifest.version)), "{comment}");
        assert_eq!(u64::try_from(bundle.len() - HEADER_OCTETS).ok(), Some(header.payload_octets));
        manifest
    }

    #[test]
    fn a_bundle_is_signed_and_whole() {
        let keys = keys();
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("x.update");
        make(&[binary(183)], "0.2.0", &keys.sk, &out).expect("made");
        let manifest = check(&std::fs::read(&out).expect("there"), &keys.pk);
        assert_eq!((manifest.version.as_str(), manifest.architecture.as_str()), ("0.2.0", "aarch64"));
    }

    #[test]
    fn a_kernel_set_comes_after_the_binary() {
        let keys = keys();
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["bcm2837-rpi-3-b.dtb", "kernel8.img", "overlays/a.dtbo", "cmdline.txt", "initramfs.img"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, name).expect("written");
        }
        let mut parts = vec![binary(62)];
        parts.extend(kernel_set(folder.path()).expect("a kernel set"));
        let bundle = sign(&parts, "1.0.0-rc1", &keys.sk).expect("made");
        let manifest = check(&bundle, &keys.pk);
        let names: Vec<&str> = manifest.parts().iter().map(|part| part.name.as_str()).collect();
        let expected =
            [BINARY, "kernel8.img", "initramfs.img", "cmdline.txt", "bcm2837-rpi-3-b.dtb", "overlays/a.dtbo"];
        assert_eq!(names, expected);
    }

    #[test]
    fn what_cannot_be_is_said() {
        let keys = keys();
        let said = |parts: &[NamedOctets], version: &str| sign(parts, version, &keys.sk).expect_err("cannot be").0;
        assert!(said(&[binary(183)], "next").contains("no version"));
        assert!(said(&[binary(40)], "1").contains("aarch64 or x86_64"));
        assert!(said(&[binary(183), ("kernel8.img".to_owned(), vec![1])], "1").contains("kernel set"));
        let missing = secret_key(Path::new("/nowhere/update.key")).map(drop).expect_err("not there");
        assert!(missing.0.contains("cargo image key"));
    }
}
