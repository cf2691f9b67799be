//! What the Raspberry Pi's firmware does between power and kernel: reads `config.txt`, finds the kernel set below
//! `os_prefix`, loads kernel, initramfs, command line and device tree.
//!
//! Only the options that our `config.txt` uses are understood (config.txt documentation, "boot options"): `os_prefix`,
//! `kernel`, `initramfs`, `ramfsfile`, `cmdline`. Of the conditional sections only `[all]` counts.

use super::card;
use super::machine::Kind;
use crate::step::Failure;
use std::path::{Path, PathBuf};

/// The device tree that QEMU's raspi3b likes best: with the -3-b tree its LED hangs on a chip that QEMU has not.
const RASPI3B_TREE: &str = "bcm2837-rpi-zero-2-w.dtb";

/// What was read from the card, as files that QEMU can open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootFiles {
    /// The prefix that `config.txt` names: which kernel set this is.
    pub prefix: String,
    /// The kernel.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initramfs: Option<PathBuf>,
    /// The device tree, for boards that take it from the card.
    pub device_tree: Option<PathBuf>,
    /// The kernel command line.
    pub command_line: String,
}

/// What `config.txt` says.
#[derive(Debug, PartialEq, Eq)]
struct Config {
    prefix: String,
    kernel: String,
    initramfs: Option<String>,
    command_line: String,
}

impl Config {
    fn parse(text: &str) -> Self {
        let mut config = Self {
            prefix: String::new(),
            kernel: "kernel8.img".to_owned(),
            initramfs: None,
            command_line: "cmdline.txt".to_owned(),
        };
        let mut applies = true;
        for line in text.lines().map(str::trim) {
            if let Some(section) = line.strip_prefix('[') {
                applies = section.trim_end_matches(']').eq_ignore_ascii_case("all");
            } else if !applies || line.starts_with('#') {
                continue;
            } else if let Some(rest) = line.strip_prefix("initramfs ") {
                // `initramfs FILE [followkernel]`, the one option without an equals sign.
                config.initramfs = rest.split_whitespace().next().map(str::to_owned);
            } else if let Some((name, value)) = line.split_once('=') {
                let value = value.trim().to_owned();
                match name.trim() {
                    "os_prefix" => config.prefix = value,
                    "kernel" => config.kernel = value,
                    "ramfsfile" => config.initramfs = Some(value),
                    "cmdline" => config.command_line = value,
                    _ => {}
                }
            }
        }
        config
    }
}

/// Reads from `image` what a machine of this kind boots, into `folder`.
///
/// # Errors
/// When the card cannot be read or has no kernel where `config.txt` says.
pub fn load(image: &Path, kind: Kind, folder: &Path) -> Result<BootFiles, Failure> {
    let fat = card::boot_partition(image, false)?;
    let config = card::read_boot_file(&fat, "config.txt")?
        .ok_or_else(|| Failure(format!("{}: there is no config.txt on its boot partition", image.display())))?;
    let config = Config::parse(&String::from_utf8_lossy(&config));
    std::fs::create_dir_all(folder).map_err(|error| Failure(format!("{}: {error}", folder.display())))?;
    let extract = |prefix: &str, name: &str| -> Result<Option<PathBuf>, Failure> {
        let Some(octets) = card::read_boot_file(&fat, &format!("{prefix}{name}"))? else { return Ok(None) };
        let file = folder.join(name.replace('/', "-"));
        std::fs::write(&file, octets).map_err(|error| Failure(format!("{}: {error}", file.display())))?;
        Ok(Some(file))
    };
    // The firmware forgets the prefix when there is no kernel below it.
    let mut prefix = config.prefix.as_str();
    let mut kernel = extract(prefix, &config.kernel)?;
    if kernel.is_none() {
        prefix = "";
        kernel = extract(prefix, &config.kernel)?;
    }
    let kernel = kernel.ok_or_else(|| {
        let Config { prefix, kernel, .. } = &config;
        Failure(format!("{}: config.txt names the kernel {prefix}{kernel}, which is not there", image.display()))
    })?;
    let initramfs = match &config.initramfs {
        Some(name) => Some(extract(prefix, name)?.ok_or_else(|| {
            Failure(format!("{}: config.txt names the initramfs {prefix}{name}, which is not there", image.display()))
        })?),
        None => None,
    };
    let command_line = card::read_boot_file(&fat, &format!("{prefix}{}", config.command_line))?.unwrap_or_default();
    let device_tree = match kind {
        Kind::Virt => None,
        Kind::Raspi3b => extract(prefix, RASPI3B_TREE)?,
    };
    Ok(BootFiles {
        prefix: prefix.to_owned(),
        kernel,
        initramfs,
        device_tree,
        command_line: String::from_utf8_lossy(&command_line).trim().to_owned(),
    })
}

impl BootFiles {
    /// Is it the same that `other` boots, octet by octet?
    #[must_use]
    pub fn boots_the_same_as(&self, other: &Self) -> bool {
        let same = |a: &Path, b: &Path| std::fs::read(a).ok().zip(std::fs::read(b).ok()).is_some_and(|(a, b)| a == b);
        let both = |a: &Option<PathBuf>, b: &Option<PathBuf>| match (a, b) {
            (Some(a), Some(b)) => same(a, b),
            (None, None) => true,
            _ => false,
        };
        self.command_line == other.command_line
            && same(&self.kernel, &other.kernel)
            && both(&self.initramfs, &other.initramfs)
            && both(&self.device_tree, &other.device_tree)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use board::card::layout;

    #[test]
    fn config_txt_is_read_as_the_firmware_reads_it() {
        let text =
            "# comment\nos_prefix=os-b/\n[pi4]\nkernel=other.img\n[all]\ninitramfs initramfs.img followkernel\n\n";
        let expected = Config {
            prefix: "os-b/".to_owned(),
            kernel: "kernel8.img".to_owned(),
            initramfs: Some("initramfs.img".to_owned()),
            command_line: "cmdline.txt".to_owned(),
        };
        assert_eq!(Config::parse(text), expected);
    }

    #[test]
    fn the_kernel_set_below_the_prefix_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("card.img");
        std::fs::File::create(&image).unwrap().set_len(layout::IMAGE_OCTETS).unwrap();
        let window = card::Window::open(&image, layout::BOOT, true).unwrap();
        fatfs::format_volume(window, fatfs::FormatVolumeOptions::new()).unwrap();
        for name in ["os-a", "os-b"] {
            let fat = card::boot_partition(&image, true).unwrap();
            fat.root_dir().create_dir(name).unwrap();
        }
        card::write_boot_file(&image, "config.txt", b"os_prefix=os-b/\ninitramfs initramfs.img\n").unwrap();
        let load = |name: &str| load(&image, Kind::Virt, &folder.path().join(name));
        let failure = load("none").unwrap_err();
        assert!(failure.0.contains("os-b/kernel8.img"), "{failure}");
        for (name, octets) in [("kernel8.img", "kernel"), ("initramfs.img", "initramfs"), ("cmdline.txt", "quiet\n")] {
            card::write_boot_file(&image, &format!("os-b/{name}"), octets.as_bytes()).unwrap();
        }
        let files = load("one").unwrap();
        assert_eq!((files.prefix.as_str(), files.command_line.as_str()), ("os-b/", "quiet"));
        assert_eq!(std::fs::read(files.initramfs.as_ref().unwrap()).unwrap(), b"initramfs");
        assert!(files.boots_the_same_as(&load("two").unwrap()));
        card::write_boot_file(&image, "os-b/initramfs.img", b"another").unwrap();
        assert!(!files.boots_the_same_as(&load("three").unwrap()));
    }
}
