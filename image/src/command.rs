//! The command line of the host tool: which verb does what. The work is done by the modules that it names.

use crate::packages::{self, Versions};
use crate::{build, bundle, ci, firmware, flash, inspect, key, qemu};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Builds Pillarbox and the image for its card, and runs its checks.
#[derive(Parser)]
#[command(name = "cargo image", bin_name = "cargo image", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build the card's image, target/image/pillarbox.img
    ///
    /// Takes kernel, boot firmware and e2fsck from Debian in the versions of image/packages.lock, and the binary from
    /// `cargo image firmware`. Files that were fetched once are kept below target/image/packages.
    #[command(after_help = "Examples:\n  cargo image build\n  cargo image build --newest\n  \
                            cargo image build --binary target/firmware/aarch64/pillarbox")]
    Build {
        /// Take this static aarch64 binary instead of building one
        #[arg(long, value_name = "FILE")]
        binary: Option<PathBuf>,
        /// Take the newest versions of the Debian packages, without changing the lock
        #[arg(long)]
        newest: bool,
        /// Public key that updates are signed with [default: target/image/update.pub, made when it is not there]
        #[arg(long, value_name = "FILE.pub")]
        update_key: Option<PathBuf>,
        /// Debian mirror [default: the one that this machine's apt uses]
        #[arg(long, value_name = "URI")]
        mirror: Option<String>,
    },
    /// Write the newest versions of the Debian packages to image/packages.lock
    Lock {
        /// Debian mirror [default: the one that this machine's apt uses]
        #[arg(long, value_name = "URI")]
        mirror: Option<String>,
    },
    /// Make the key that signs updates: target/image/update.key and update.pub
    Key {
        /// Encrypt the secret key with a password, which is asked for
        #[arg(long)]
        encrypted: bool,
    },
    /// Make a signed update, target/image/pillarbox-VERSION.update
    ///
    /// Signs with target/image/update.key: cards whose image was built with its public half take it.
    #[command(after_help = "Examples:\n  cargo image bundle\n  cargo image bundle --kernel-set --version 0.2.0")]
    Bundle {
        /// The binary [default: target/firmware/aarch64/pillarbox]
        #[arg(long, value_name = "FILE")]
        binary: Option<PathBuf>,
        /// With kernel, initramfs and device trees of the last `cargo image build`
        #[arg(long)]
        kernel_set: bool,
        /// What the appliance takes it for [default: this checkout's version]
        #[arg(long)]
        version: Option<String>,
        /// The secret key [default: target/image/update.key]
        #[arg(long, value_name = "FILE.key")]
        key: Option<PathBuf>,
        /// Where to put it [default: target/image/pillarbox-VERSION.update]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Show what an image or a card holds: partitions, files, versions
    #[command(after_help = "Examples:\n  cargo image inspect\n  cargo image inspect --initramfs /dev/sdb")]
    Inspect {
        /// An image or a device [default: target/image/pillarbox.img]
        file: Option<PathBuf>,
        /// List the files of the initramfs too
        #[arg(long)]
        initramfs: bool,
    },
    /// Write the image to a card, read it back and compare
    ///
    /// Asks before it writes. Refuses what is mounted, swap, part of something larger, too small, a partition, or a
    /// disk that cannot be taken out.
    #[command(after_help = "Examples:\n  cargo image flash /dev/sdb\n  cargo image flash /dev/mmcblk0 --yes")]
    Flash {
        /// The whole card, not a partition of it; `lsblk` names them
        device: PathBuf,
        /// The image [default: target/image/pillarbox.img]
        #[arg(long, value_name = "FILE")]
        image: Option<PathBuf>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Write also to a device that does not say that it can be taken out
        #[arg(long)]
        force: bool,
    },
    /// Build the static binary that is the whole user space of the appliance, into target/firmware/ARCHITECTURE/
    ///
    /// Uses rustup's musl target where rustup can provide it, and otherwise builds the standard library from
    /// Debian's rust-web-src. The linker is zig's, in a Python environment below target/tools.
    #[command(after_help = "Examples:\n  cargo image firmware\n  cargo image firmware --architecture x86_64")]
    Firmware {
        /// For which processor; both when not given
        #[arg(long, value_enum)]
        architecture: Vec<firmware::Architecture>,
        /// Build the standard library from Debian's rust-web-src even where rustup has the target
        #[arg(long)]
        from_source: bool,
    },
    /// Boot the card image in QEMU, with its ports on this computer: `cargo qemu`
    ///
    /// Works on a copy of the image, target/image/qemu.img, which is kept so that mail stays. Ctrl-C switches the machine
    /// off in order; a second one cuts its power.
    #[command(after_help = "Examples:\n  cargo qemu\n  cargo qemu --fresh --memory 1024\n  cargo qemu --raspi3b")]
    Qemu(qemu::command::Options),
    /// Run what CI runs: format, lints, licences, tests, interop, fuzzing, firmware
    #[command(after_help = "Examples:\n  cargo ci\n  cargo ci --list\n  cargo ci --only clippy --only test")]
    Ci {
        /// Only these steps
        #[arg(long, value_name = "STEP")]
        only: Vec<String>,
        /// Name the steps and stop
        #[arg(long)]
        list: bool,
    },
}

/// Reads the command line, does what it says, and tells on standard error what went wrong.
#[must_use]
pub fn run() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        Verb::Build { binary, newest, update_key, mirror } => {
            let versions = if newest { Versions::Newest } else { Versions::Locked };
            build::build(&build::Options { binary, versions, mirror, update_key })
        }
        Verb::Bundle { binary, kernel_set, version, key, out } => {
            bundle::bundle(&bundle::Options { binary, kernel_set, version, key, out })
        }
        Verb::Lock { mirror } => packages::lock(mirror.as_deref()),
        Verb::Inspect { file, initramfs } => inspect::inspect(file.as_deref(), initramfs),
        Verb::Flash { device, image, yes, force } => flash::flash(&flash::Options { device, image, yes, force }),
        Verb::Key { encrypted } => key::create(encrypted),
        Verb::Firmware { architecture, from_source } => firmware::build(&architecture, from_source),
        Verb::Qemu(options) => qemu::command::run(options),
        Verb::Ci { only, list } => ci::steps(&only, list),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\n{failure}");
            ExitCode::FAILURE
        }
    }
}
