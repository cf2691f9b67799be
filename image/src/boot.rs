//! What stands on the boot partition: boot firmware, `config.txt`, one kernel set in `os-a/`, and what people read.
//!
//! `config.txt` is exactly one sector long. An update writes the other kernel set and then overwrites that sector with
//! the other [`Prefix`]: the length stays, so that a power cut leaves the old one or the new one.

use crate::fat;
use crate::kernel::Kernel;
use crate::packages::Packages;
use crate::step::{Failure, at};
use board::card::layout::CONFIG_TXT_OCTETS;
use std::path::Path;

/// A folder with a kernel set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// `os-a/`: filled in a new image.
    A,
    /// `os-b/`: empty in a new image.
    B,
}

impl Prefix {
    /// The folder's name with its slash, as `os_prefix` wants it.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::A => "os-a/",
            Self::B => "os-b/",
        }
    }
}

/// What goes before the kernel: the boot ROM of Pi 3 and Zero 2 W loads `bootcode.bin`, that of Pi 4 has its own in
/// flash; then `start*.elf` with its `fixup*.dat`. `_cd` is the cut-down one, which `gpu_mem=16` chooses; the full one
/// is there for those who change that line.
const FIRMWARE: &[&str] = &[
    "bootcode.bin",
    "fixup.dat",
    "fixup4.dat",
    "fixup4cd.dat",
    "fixup_cd.dat",
    "start.elf",
    "start4.elf",
    "start4cd.elf",
    "start_cd.elf",
];

/// Settings of the boot firmware, besides `os_prefix`.
///
/// - `upstream_kernel=1`: look for device trees by mainline's names (`bcm2837-rpi-3-b.dtb`), which Debian's kernel has,
///   not by Raspberry Pi's own (`bcm2710-rpi-3-b.dtb`). The firmware puts the model together itself, so that no
///   `[pi3]` sections are needed, of which several match one board. It would also set `os_prefix=upstream/`, but not
///   where `os_prefix` is given. Debian's own `raspi-firmware` boots this kernel with the same line.
/// - `initramfs` takes no `=`.
/// - `enable_uart=1`: the mini UART's clock stays fixed, so that the serial console can be read.
/// - `kernel_watchdog_timeout` is left out: a board whose kernel needs longer than that to its first module would
///   restart for ever, and no board was there to find out. PID 1 arms the watchdog early instead.
const CONFIG: &str = "\
# Written by updates: exactly 512 octets, os_prefix is os-a/ or os-b/.
# Settings of Pillarbox are in pillarbox.toml, not here.
arm_64bit=1
upstream_kernel=1
kernel=kernel8.img
initramfs initramfs.img followkernel
enable_uart=1
gpu_mem=16
disable_splash=1
";

/// `config.txt` that boots the kernel set in `prefix`, filled with comment lines to one sector.
#[must_use]
pub fn config_txt(prefix: Prefix) -> Vec<u8> {
    let mut octets = format!("os_prefix={}\n{CONFIG}", prefix.folder()).into_bytes();
    while octets.len() < CONFIG_TXT_OCTETS {
        // Lines of 64 at most: some readers of config.txt stop at 98.
        let rest = CONFIG_TXT_OCTETS - octets.len();
        let dashes = rest.min(64).saturating_sub(2);
        if rest > 1 {
            octets.push(b'#');
        }
        octets.extend(std::iter::repeat_n(b'-', dashes));
        octets.push(b'\n');
    }
    octets
}

/// The kernel's command line. A kernel set brings its own, because switches change with kernels.
///
/// `ttyS1` is the mini UART on pins 8 and 10 of Pi 3, Zero 2 W and Pi 4 (mainline's device trees); the last `console`
/// is where PID 1 writes. `panic=10` restarts after a panic; Debian's kernel would stay there.
pub const COMMAND_LINE: &str = "console=tty1 console=ttyS1,115200 rdinit=/init panic=10 cgroup_enable=memory quiet";

/// Set-up template for people: the one that the appliance itself writes after a factory reset.
const PILLARBOX_TOML: &str = include_str!("../../src/init/set_up.toml");
/// What the card is, for those who put it into a computer.
const README_TXT: &str = include_str!("../boot/README.txt");

/// One kernel set: what stands in `os-a/` or `os-b/`, and what an update brings to exchange the kernel.
///
/// # Errors
/// When the kernel package lacks a device tree.
pub fn kernel_set(kernel: &Kernel, kernel_image: Vec<u8>, initramfs: Vec<u8>) -> Result<fat::Contents, Failure> {
    let mut set = fat::Contents::new();
    set.insert("kernel8.img".into(), kernel_image);
    set.insert("initramfs.img".into(), initramfs);
    set.insert("cmdline.txt".into(), format!("{COMMAND_LINE}\n").into_bytes());
    for (name, octets) in kernel.device_trees()? {
        set.insert(name, octets);
    }
    Ok(set)
}

/// All files of the boot partition.
///
/// # Errors
/// When a package lacks a file.
pub fn contents(packages: &Packages, set: &fat::Contents) -> Result<fat::Contents, Failure> {
    let mut contents = fat::Contents::new();
    let firmware = packages.firmware.folder.join("usr/lib/raspi-firmware");
    for name in FIRMWARE {
        contents.insert((*name).into(), read(&firmware.join(name))?);
    }
    // The licence wants to be with the files.
    let licence = packages.firmware.folder.join("usr/share/doc/raspi-firmware/copyright");
    contents.insert("LICENCE.broadcom".into(), read(&licence)?);
    contents.insert("config.txt".into(), config_txt(Prefix::A));
    for (name, octets) in set {
        contents.insert(format!("{}{name}", Prefix::A.folder()), octets.clone());
    }
    contents.insert(Prefix::B.folder().into(), Vec::new());
    contents.insert("pillarbox.toml".into(), PILLARBOX_TOML.into());
    contents.insert("README.txt".into(), read_me(packages).into_bytes());
    Ok(contents)
}

fn read_me(packages: &Packages) -> String {
    let mut text = README_TXT.replace("@LIGHT@\n", &light());
    for unpacked in [&packages.kernel, &packages.check, &packages.firmware] {
        text.push_str(&format!("  {} {} ({})\n", unpacked.pinned.name, unpacked.pinned.version, unpacked.pinned.suite));
    }
    // Windows' oldest editors want both.
    text.replace('\n', "\r\n")
}

/// What the LED shows, from the board's table, which is Markdown: two lines of plain text a row.
fn light() -> String {
    let table = board::led::table();
    let rows = table.lines().skip(2).filter_map(|line| line.trim_matches(['|', ' ']).split_once(" | "));
    rows.map(|(looks, means)| format!("  {looks}:\n      {}\n\n", means.replace('`', ""))).collect()
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(at(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_configurations_differ_in_one_octet() {
        let (a, b) = (config_txt(Prefix::A), config_txt(Prefix::B));
        assert_eq!((a.len(), b.len()), (CONFIG_TXT_OCTETS, CONFIG_TXT_OCTETS));
        assert_eq!(a.iter().zip(&b).filter(|(a, b)| a != b).count(), 1);
        assert_eq!(a.last(), Some(&b'\n'));
        let text = String::from_utf8(a).expect("text");
        assert!(text.starts_with("os_prefix=os-a/\n"));
        assert!(text.lines().all(|line| line.len() <= 80));
        for line in text.lines().skip(10) {
            assert!(line.starts_with('#') || line.is_empty(), "{line}");
        }
    }

    #[test]
    fn the_light_is_explained_in_plain_text() {
        let text = light();
        assert!(text.contains("All is well.") && !text.contains('|') && !text.contains("---"), "{text}");
        assert!(README_TXT.contains("@LIGHT@\n"));
    }

    #[test]
    fn the_template_is_toml() {
        toml::from_str::<toml::Table>(PILLARBOX_TOML).expect("TOML");
    }
}
