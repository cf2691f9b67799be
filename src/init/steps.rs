//! What a person left on the boot partition to be done at this start: a set-up, a factory reset, an update. Each is done by
//! a child with an end; PID 1 says how it went and goes on.

use super::boot::Machine;
use super::console::{self, say};
use super::one_shot::{self, Ended};
use super::{mounts, supervisor};
use crate::limits::SET_UP_TIMEOUT;
use core::time::Duration;
use std::process::{Command, Stdio};

/// Runs this program in another role, to its end.
fn role(machine: &mut Machine, arguments: &[&str], timeout: Duration) -> std::io::Result<Ended> {
    let output = || console::for_child(machine.line.verbose).map_or_else(Stdio::null, Stdio::from);
    let mut command = Command::new(supervisor::PROGRAM);
    command.args(arguments).env_clear().env("PILLARBOX_APPLIANCE", "1");
    command.stdin(Stdio::null()).stdout(output()).stderr(output());
    let hardware = &mut machine.hardware;
    one_shot::run(&mut command, timeout, || hardware.feed())
}

/// Takes over what the boot partition's `pillarbox.toml` says.
pub fn set_up(machine: &mut Machine) {
    let arguments = ["--data", "/data/mail", "set-up", "--boot", mounts::BOOT, "--run", mounts::RUN];
    match role(machine, &arguments, SET_UP_TIMEOUT) {
        Ok(ended) if ended.code() == Some(0) => {}
        Ok(ended) => say(&format!("set-up: {ended}; what was set up before stays")),
        Err(error) => say(&format!("set-up cannot be started: {error}")),
    }
}
