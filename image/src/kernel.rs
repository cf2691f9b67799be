//! What the image takes from Debian's kernel package: the kernel, its modules and the boards' device trees.

use crate::initramfs;
use crate::modules::{self, Modules};
use crate::packages::Unpacked;
use crate::step::{Failure, at};
use std::path::PathBuf;

/// Device trees of the boards, by mainline's names, which the boot firmware looks for with `upstream_kernel=1`.
const DEVICE_TREES: &[&str] = &[
    "bcm2711-rpi-4-b.dtb",
    "bcm2711-rpi-400.dtb",
    "bcm2711-rpi-cm4-io.dtb",
    "bcm2837-rpi-3-a-plus.dtb",
    "bcm2837-rpi-3-b-plus.dtb",
    "bcm2837-rpi-3-b.dtb",
    "bcm2837-rpi-cm3-io3.dtb",
    "bcm2837-rpi-zero-2-w.dtb",
];

/// An unpacked kernel package.
#[derive(Clone, Debug)]
pub struct Kernel {
    folder: PathBuf,
    /// What `uname -r` says under it.
    pub release: String,
}

impl Kernel {
    /// The kernel of an unpacked package; its release is in the name of `vmlinuz`.
    ///
    /// # Errors
    /// When there is no kernel in the package.
    pub fn of_package(unpacked: &Unpacked) -> Result<Self, Failure> {
        let boot = unpacked.folder.join("boot");
        let entries = std::fs::read_dir(&boot).map_err(at(&boot))?;
        let release = entries
            .flatten()
            .find_map(|entry| entry.file_name().to_str()?.strip_prefix("vmlinuz-").map(str::to_owned))
            .ok_or_else(|| Failure(format!("{}: no vmlinuz in it", boot.display())))?;
        Ok(Self { folder: unpacked.folder.clone(), release })
    }

    /// The kernel, gzip'ed: arm64's vmlinuz is not compressed, and the boot firmware unpacks gzip.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn image(&self) -> Result<Vec<u8>, Failure> {
        let file = self.folder.join("boot").join(format!("vmlinuz-{}", self.release));
        initramfs::gzip(&std::fs::read(&file).map_err(at(&file))?)
    }

    /// The boards' device trees with their names.
    ///
    /// # Errors
    /// When the package lacks one.
    pub fn device_trees(&self) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        let folder = self.folder.join("usr/lib").join(format!("linux-image-{}", self.release)).join("broadcom");
        let read = |name: &&str| {
            let file = folder.join(name);
            Ok(((*name).to_owned(), std::fs::read(&file).map_err(at(&file))?))
        };
        DEVICE_TREES.iter().map(read).collect()
    }

    /// The boards' modules.
    ///
    /// # Errors
    /// When depmod fails or there are none.
    pub fn modules(&self) -> Result<Modules, Failure> {
        Modules::of_kernel(&self.folder, &self.release, &modules::of_all_boards())
    }
}
