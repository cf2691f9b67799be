//! Cross-building one static musl binary, which is the whole user space of the appliance.

use crate::debian;
use crate::step::{Failure, cargo, has_program, output, root, run};
use crate::tools;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A processor that the firmware is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Architecture {
    /// Raspberry Pi and other 64-bit ARM boards.
    Aarch64,
    /// PCs.
    #[value(name = "x86_64")]
    X86_64,
}

impl Architecture {
    const ALL: [Self; 2] = [Self::Aarch64, Self::X86_64];

    fn name(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64",
            Self::X86_64 => "x86_64",
        }
    }

    fn triple(self) -> String {
        format!("{}-unknown-linux-musl", self.name())
    }

    /// `e_machine` of the ELF header.
    fn elf_machine(self) -> u16 {
        match self {
            Self::Aarch64 => 183,
            Self::X86_64 => 62,
        }
    }
}

/// Where the standard library for the target comes from.
enum Toolchain {
    /// rustup has the target.
    Rustup,
    /// Debian's Rust builds it from source; the folder that holds its `cargo`.
    Debian,
}

/// Where the built binary of one architecture stands.
pub fn binary(architecture: Architecture) -> PathBuf {
    root().join("target").join("firmware").join(architecture.name()).join("pillarbox")
}

/// Builds the firmware for `wanted`, or for all architectures if none is named. `from_source` does not ask rustup.
pub fn build(wanted: &[Architecture], from_source: bool) -> Result<(), Failure> {
    let wanted = if wanted.is_empty() { &Architecture::ALL } else { wanted };
    debian::ensure(&[debian::Package { name: "python3-venv", proof: "/usr/share/doc/python3-venv" }])
        .or_else(|failure| if python_has_venv() { Ok(()) } else { Err(failure) })?;
    let zigbuild = tools::zigbuild()?;
    for &architecture in wanted {
        let toolchain = toolchain(architecture, from_source)?;
        compile(architecture, &toolchain, &zigbuild)?;
        let built = root().join("target").join(architecture.triple()).join("release").join("pillarbox");
        let kept = binary(architecture);
        let failed = |error: std::io::Error| Failure(format!("{}: {error}", kept.display()));
        std::fs::create_dir_all(kept.parent().unwrap_or(&kept)).map_err(failed)?;
        std::fs::copy(&built, &kept).map_err(failed)?;
        let octets = check(&kept, architecture)?;
        println!("{}: static, {:.1} MB", kept.display(), f64::from(u32::try_from(octets).unwrap_or(u32::MAX)) / 1e6);
    }
    Ok(())
}

fn python_has_venv() -> bool {
    output(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_ok()
}

/// rustup's target if it is there or can be had, otherwise Debian's Rust with the library's source.
fn toolchain(architecture: Architecture, from_source: bool) -> Result<Toolchain, Failure> {
    let triple = architecture.triple();
    if !from_source && has_program("rustup") {
        let installed = output(Command::new("rustup").args(["target", "list", "--installed"])).unwrap_or_default();
        if installed.lines().any(|line| line == triple) {
            return Ok(Toolchain::Rustup);
        }
        println!("asking rustup for {triple}");
        if run(Command::new("rustup").args(["target", "add", &triple])).is_ok() {
            return Ok(Toolchain::Rustup);
        }
        println!("rustup cannot provide {triple}: building the standard library from Debian's source instead");
    }
    debian::ensure(debian::RUST_SOURCE_PACKAGES)?;
    Ok(Toolchain::Debian)
}

fn compile(architecture: Architecture, toolchain: &Toolchain, zigbuild: &Path) -> Result<(), Failure> {
    let triple = architecture.triple();
    let flags = format!("CARGO_TARGET_{}_RUSTFLAGS", triple.to_uppercase().replace('-', "_"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(zigbuild.to_owned()).chain(std::env::split_paths(&path)))
        .map_err(|error| Failure(error.to_string()))?;
    let mut command = match toolchain {
        Toolchain::Rustup => cargo("zigbuild"),
        Toolchain::Debian => {
            let mut command = Command::new("/usr/bin/cargo");
            command.current_dir(root()).args(["zigbuild", "--ignore-rust-version"]);
            command.env("CARGO", "/usr/bin/cargo").env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
            // zig brings the musl start files; Debian's Rust has none of its own to link.
            command.env(flags, "-C link-self-contained=no -C target-feature=+crt-static");
            command.env_remove("RUSTUP_TOOLCHAIN").arg("-Zbuild-std=std,panic_unwind");
            command
        }
    };
    command.args(["--release", "--package", "pillarbox", "--bin", "pillarbox", "--target", &triple]);
    run(command.env("PATH", path))
}

/// Reads the ELF header: right machine, 64 bits, and no interpreter, which makes it static. Gives the file's size.
///
/// # Errors
/// Says which of these is not so.
pub fn check(file: &Path, architecture: Architecture) -> Result<usize, Failure> {
    let octets = std::fs::read(file).map_err(|error| Failure(format!("{}: {error}", file.display())))?;
    let wrong = |what: &str| Failure(format!("{}: {what}", file.display()));
    let u16_at = |at: usize| octets.get(at..at + 2).map(|b| b.iter().rev().fold(0u16, |n, &b| n << 8 | u16::from(b)));
    let u32_at = |at: usize| octets.get(at..at + 4).map(|b| b.iter().rev().fold(0u32, |n, &b| n << 8 | u32::from(b)));
    if !octets.starts_with(b"\x7fELF\x02\x01") {
        return Err(wrong("not a 64-bit little-endian ELF file"));
    }
    if u16_at(18) != Some(architecture.elf_machine()) {
        return Err(wrong("built for another processor"));
    }
    let table = u32_at(32).and_then(|offset| usize::try_from(offset).ok()).unwrap_or(usize::MAX);
    let entries = usize::from(u16_at(56).unwrap_or(0));
    const INTERPRETER: u32 = 3;
    let is_interpreter = |entry: usize| u32_at(table.saturating_add(entry.saturating_mul(56))) == Some(INTERPRETER);
    if (0..entries).any(is_interpreter) {
        return Err(wrong("needs a dynamic loader; it must be static"));
    }
    Ok(octets.len())
}
