//! The command line of the host tool: which verb does what. The work is done by the modules that it names.

use crate::{ci, firmware, qemu};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Cross-builds Pillarbox and runs its checks.
#[derive(Parser)]
#[command(name = "cargo image", bin_name = "cargo image", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
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
