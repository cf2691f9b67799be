//! Debian packages that the tests and the cross-build need: installed when root, named otherwise.

use crate::step::{Failure, has_program, run};
use std::path::Path;
use std::process::Command;

/// A package and the file by which its presence is known.
pub struct Package {
    /// Its name in Debian 12 and later.
    pub name: &'static str,
    /// A program on the path, or an absolute file name.
    pub proof: &'static str,
}

/// Real programs that send, fetch and read mail, and what runs the firmware of another processor.
pub const TEST_PACKAGES: &[Package] = &[
    Package { name: "curl", proof: "curl" },
    Package { name: "swaks", proof: "swaks" },
    // swaks speaks TLS and SASL through these.
    Package { name: "libnet-ssleay-perl", proof: "/usr/share/doc/libnet-ssleay-perl" },
    Package { name: "libauthen-sasl-perl", proof: "/usr/share/doc/libauthen-sasl-perl" },
    Package { name: "msmtp", proof: "msmtp" },
    Package { name: "mutt", proof: "mutt" },
    // mutt and mbsync log in through these.
    Package { name: "libsasl2-modules", proof: "/usr/share/doc/libsasl2-modules" },
    Package { name: "isync", proof: "mbsync" },
    Package { name: "fetchmail", proof: "fetchmail" },
    Package { name: "postfix", proof: "/usr/sbin/postfix" },
    Package { name: "openssl", proof: "openssl" },
    Package { name: "qemu-user-static", proof: "qemu-aarch64-static" },
    Package { name: "python3-venv", proof: "/usr/share/doc/python3-venv" },
    Package { name: "g++", proof: "g++" },
    // Two machines on one cable, for the network's child.
    Package { name: "iproute2", proof: "/usr/sbin/ip" },
    Package { name: "dnsmasq-base", proof: "/usr/sbin/dnsmasq" },
];

/// What makes a card's image.
pub const BUILD_PACKAGES: &[Package] = &[
    Package { name: "apt", proof: "apt-cache" },
    Package { name: "debian-archive-keyring", proof: "/usr/share/doc/debian-archive-keyring" },
    Package { name: "dpkg", proof: "dpkg-deb" },
    Package { name: "kmod", proof: "/usr/sbin/depmod" },
    Package { name: "e2fsprogs", proof: "/usr/sbin/mke2fs" },
    Package { name: "dosfstools", proof: "/usr/sbin/mkfs.vfat" },
    Package { name: "mtools", proof: "mcopy" },
];

/// What looks into an image in the tests, and what runs it; besides [`BUILD_PACKAGES`].
pub const IMAGE_PACKAGES: &[Package] = &[
    Package { name: "dosfstools", proof: "/usr/sbin/fsck.vfat" },
    Package { name: "mtools", proof: "mcopy" },
    Package { name: "fdisk", proof: "/usr/sbin/sfdisk" },
    Package { name: "e2fsprogs", proof: "/usr/sbin/e2fsck" },
    Package { name: "cpio", proof: "cpio" },
    Package { name: "file", proof: "file" },
    Package { name: "xz-utils", proof: "xz" },
    Package { name: "device-tree-compiler", proof: "dtc" },
    Package { name: "qemu-system-arm", proof: "qemu-system-aarch64" },
];

/// Rust with the library's source, for machines whose rustup cannot fetch the musl target.
pub const RUST_SOURCE_PACKAGES: &[Package] = &[
    Package { name: "rustc-web", proof: "/usr/share/doc/rustc-web" },
    Package { name: "cargo-web", proof: "/usr/share/doc/cargo-web" },
    Package { name: "rust-web-src", proof: "/usr/share/doc/rust-web-src" },
];

fn is_there(package: &Package) -> bool {
    if package.proof.starts_with('/') { Path::new(package.proof).exists() } else { has_program(package.proof) }
}

/// Makes sure that all of `packages` are installed.
///
/// # Errors
/// Names what is missing and the command that installs it, when not root or when the installation fails.
pub fn ensure(packages: &[Package]) -> Result<(), Failure> {
    let missing: Vec<&str> = packages.iter().filter(|p| !is_there(p)).map(|p| p.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("apt-get install --no-install-recommends {}", missing.join(" "));
    let root = crate::step::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !root || !has_program("apt-get") {
        return Err(Failure(format!("these Debian packages are missing; as root run\n  {by_hand}")));
    }
    println!("installing from Debian: {}", missing.join(" "));
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    // No service may start by itself: RUNLEVEL=1 is what Debian's invoke-rc.d honours.
    install.env("RUNLEVEL", "1").args(["install", "-y", "-qq", "--no-install-recommends"]).args(&missing);
    run(&mut install)?;
    match packages.iter().find(|p| !is_there(p)) {
        None => Ok(()),
        Some(package) => Err(Failure(format!("{} was installed, but {} is not there", package.name, package.proof))),
    }
}
