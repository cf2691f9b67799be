//! Programs that come from package registries and live below `target/tools`: zig as linker, cargo-deny.

use crate::step::{Failure, root, run};
use std::path::PathBuf;
use std::process::Command;

/// The versions that the recipe was tried with.
const ZIGLANG: &str = "ziglang==0.15.2";
const CARGO_ZIGBUILD: &str = "cargo-zigbuild==0.24.0";
const CARGO_DENY: &str = "cargo-deny@0.20.2";

fn folder() -> PathBuf {
    root().join("target").join("tools")
}

/// The folder with `cargo-zigbuild` in it; made at first use.
pub fn zigbuild() -> Result<PathBuf, Failure> {
    let environment = folder().join("python");
    let bin = environment.join("bin");
    if !bin.join("cargo-zigbuild").is_file() {
        println!("installing {ZIGLANG} and {CARGO_ZIGBUILD} below target/tools");
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        run(Command::new(bin.join("pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .args([ZIGLANG, CARGO_ZIGBUILD]))?;
    }
    Ok(bin)
}

/// The program `cargo-deny`; built at first use (a debug build: it starts once and reads a few files).
pub fn cargo_deny() -> Result<PathBuf, Failure> {
    let program = folder().join("bin").join("cargo-deny");
    if !program.is_file() {
        println!("building {CARGO_DENY} below target/tools");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        run(Command::new(cargo)
            .args(["install", "--quiet", "--locked", "--debug", CARGO_DENY, "--root"])
            .arg(folder())
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .arg("--target-dir")
            .arg(folder().join("build")))?;
        // The program is all that is needed; the build tree is a gigabyte.
        std::fs::remove_dir_all(folder().join("build")).map_err(|error| Failure(error.to_string()))?;
    }
    Ok(program)
}
