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

/// Turns an input or output error into a failure that names the file.
pub fn at(path: &Path) -> impl Fn(std::io::Error) -> Failure + '_ {
    move |error| Failure(format!("{}: {error}", path.display()))
}

/// The folder with everything that belongs to the card's image: `target/image`.
pub fn image_folder() -> PathBuf {
    root().join("target").join("image")
}

/// Lower-case hexadecimal digits of octets, as checksums are written.
pub fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Writes a file so that it is there whole or not at all: under another name first, then renamed.
///
/// # Errors
/// What the file system said, with the file's name.
pub fn write_whole(path: &Path, octets: &[u8]) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(at(folder))?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    std::fs::write(&part, octets).map_err(at(&part))?;
    std::fs::rename(&part, path).map_err(at(path))
}
