//! The device tree of QEMU's `virt` with two LEDs added, so that the guest has `/sys/class/leds/ACT` and the host can see
//! it: lines 5 and 6 of the GPIO controller that `virt` has anyway.
//!
//! QEMU dumps its tree, dtc and fdtoverlay add ours. The result depends on QEMU's version and the machine's options, and
//! is kept below `target/qemu` by these.

use crate::step::{Failure, output, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The GPIO controller in `virt`.
const CONTROLLER: &str = "/pl061@9030000";
/// The controller's line of the ACT LED; PWR is the next one.
pub const ACT_LINE: u32 = 5;

/// The tree for a machine with these options, made if it is not there yet.
///
/// # Errors
/// When QEMU or the device tree programs fail.
pub fn with_leds(qemu: &Path, options: &[String]) -> Result<PathBuf, Failure> {
    let version = version(qemu)?;
    let folder = crate::step::root().join("target").join("qemu");
    let name: String = format!("{version} {}", options.join(" "))
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let tree = folder.join(format!("{name}.dtb"));
    if tree.is_file() {
        return Ok(tree);
    }
    let failed = |error: std::io::Error| Failure(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(&folder).map_err(failed)?;
    // Several tests may come here at one time: each works in a folder of its own, the last rename counts.
    let work = tempfile::tempdir_in(&folder).map_err(failed)?;
    let (plain, source, overlay, whole) =
        (work.path().join("plain"), work.path().join("source"), work.path().join("overlay"), work.path().join("whole"));
    let mut dump = options.to_vec();
    for option in &mut dump {
        if option == "virt" {
            *option = format!("virt,dumpdtb={}", plain.display());
        }
    }
    // Says on the standard error that it has done so; what matters is the file.
    let said = Command::new(qemu).args(dump).args(["-nodefaults", "-display", "none"]).output().map_err(failed)?;
    if !plain.is_file() {
        return Err(Failure(format!("QEMU wrote no device tree: {}", String::from_utf8_lossy(&said.stderr).trim())));
    }
    let phandle = output(Command::new("fdtget").args(["-t", "x"]).arg(&plain).args([CONTROLLER, "phandle"]))?;
    std::fs::write(&source, overlay_source(phandle.trim())).map_err(failed)?;
    run(Command::new("dtc").args(["-q", "-@", "-I", "dts", "-O", "dtb", "-o"]).arg(&overlay).arg(&source))?;
    run(Command::new("fdtoverlay").arg("-i").arg(&plain).arg("-o").arg(&whole).arg(&overlay))?;
    std::fs::rename(&whole, &tree).map_err(failed)?;
    Ok(tree)
}

fn version(qemu: &Path) -> Result<String, Failure> {
    // `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)`.
    let text = output(Command::new(qemu).arg("--version"))?;
    Ok(text.lines().next().unwrap_or_default().trim_start_matches("QEMU emulator version ").to_owned())
}

fn overlay_source(phandle: &str) -> String {
    let (act, pwr) = (ACT_LINE, ACT_LINE + 1);
    format!(
        "/dts-v1/;\n/plugin/;\n&{{/}} {{ leds {{ compatible = \"gpio-leds\";\n\
         led-act {{ label = \"ACT\"; gpios = <0x{phandle} {act} 0>; default-state = \"keep\";\n\
         linux,default-trigger = \"heartbeat\"; }};\n\
         led-pwr {{ label = \"PWR\"; gpios = <0x{phandle} {pwr} 0>; default-state = \"on\"; }}; }}; }};\n"
    )
}
