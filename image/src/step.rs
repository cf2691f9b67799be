//! Running one program of the build and saying what went wrong with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What failed and what a person can do about it.
#[derive(Debug)]
pub struct Failure(pub String);

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "failed: {}", self.0)
    }
}

/// The root of the checkout: the folder above this package.
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// A cargo command in the checkout that does not mind the Rust version that mail-parser declares.
pub fn cargo(verb: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).arg(verb).arg("--ignore-rust-version");
    command
}

/// Runs a program with its output shown.
pub fn run(command: &mut Command) -> Result<(), Failure> {
    let shown = format!("{command:?}").replace('"', "");
    let status = command.stdin(Stdio::null()).status().map_err(|error| Failure(format!("{shown}\n  {error}")))?;
    if status.success() { Ok(()) } else { Err(Failure(format!("{shown}\n  ended with {status}"))) }
}

/// Runs a program and gives what it printed; its errors are shown.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let shown = format!("{command:?}").replace('"', "");
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure(format!("{shown}\n  {error}")))?;
    if !output.status.success() {
        return Err(Failure(format!("{shown}\n  ended with {}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Is this program to be found on the path?
pub fn has_program(name: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}
