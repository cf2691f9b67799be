//! The step between PID 1 and `serve`: puts the child into its cgroup, takes root away from it, and becomes it.
//!
//! PID 1 only starts this program again; whatever must happen in the new process before its real work happens here, with
//! nothing but this process to lose. Owns nothing: it ends by exec(2), so the child keeps this process's id, which PID 1
//! knows already. What the child may still do is left to the child's own sandbox.

use crate::serve::Failure;
use core::fmt::Display;
use nix::sys::prctl::set_no_new_privs;
use nix::sys::signal::SigSet;
use nix::unistd::{Gid, Uid, getegid, geteuid, setgroups, setresgid, setresuid};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// This program, wherever it lies: also when its directory is closed to the child's user.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// What PID 1 asks for.
#[derive(Clone, Debug)]
pub struct LaunchOptions {
    /// The user that the child runs as.
    pub user: u32,
    /// Its only group.
    pub group: u32,
    /// The cgroup that holds it.
    pub cgroup: Option<PathBuf>,
    /// The child's command line, without the program.
    pub arguments: Vec<OsString>,
}

/// Becomes the child. Returns only if that is not possible.
///
/// # Errors
/// [`Failure::Launch`]: which step failed, and why. The child has not begun then.
pub fn run(options: &LaunchOptions) -> Result<(), Failure> {
    if let Some(folder) = &options.cgroup {
        join(folder)?;
    }
    drop_root(Uid::from_raw(options.user), Gid::from_raw(options.group))?;
    // No file that the child might execute gives it more rights than it has (prctl(2), PR_SET_NO_NEW_PRIVS).
    set_no_new_privs().map_err(|error| failed("no_new_privs", &error))?;
    // PID 1 waits for its signals with all of them blocked, and exec(2) keeps the mask.
    SigSet::empty().thread_set_mask().map_err(|error| failed("the signal mask", &error))?;
    let mut command = Command::new(THIS_PROGRAM);
    command.arg0("pillarbox").args(&options.arguments);
    // sd_listen_fds(3): sockets are for the process with this id alone, which PID 1 could not know in advance.
    if std::env::var_os("LISTEN_FDS").is_some() {
        command.env("LISTEN_PID", std::process::id().to_string());
    }
    let error = command.exec();
    let advice = format!("it must be executable by user {}", options.user);
    Err(failed(&format!("starting {THIS_PROGRAM} again ({advice})"), &error))
}

/// cgroups(7): a process is moved by writing its id.
fn join(folder: &Path) -> Result<(), Failure> {
    let file = folder.join("cgroup.procs");
    let written = std::fs::OpenOptions::new()
        .write(true)
        .open(&file)
        .and_then(|mut file| std::io::Write::write_all(&mut file, std::process::id().to_string().as_bytes()));
    written.map_err(|error| failed(&format!("joining the cgroup {}", file.display()), &error))
}

/// Groups first: once the user is another one, they can no longer be changed.
fn drop_root(user: Uid, group: Gid) -> Result<(), Failure> {
    if !geteuid().is_root() {
        // Whoever tries this out on a desktop has no root to give up.
        return if (geteuid(), getegid()) == (user, group) {
            Ok(())
        } else {
            Err(failed(&format!("becoming user {user}"), &"only root can"))
        };
    }
    setgroups(&[group]).map_err(|error| failed("leaving root's groups", &error))?;
    setresgid(group, group, group).map_err(|error| failed(&format!("becoming group {group}"), &error))?;
    setresuid(user, user, user).map_err(|error| failed(&format!("becoming user {user}"), &error))
}

fn failed(step: &str, cause: &dyn Display) -> Failure {
    Failure::Launch(format!("launch: {step}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_that_is_not_there_is_named() {
        let options = LaunchOptions {
            user: geteuid().as_raw(),
            group: getegid().as_raw(),
            cgroup: Some("/no/such/cgroup".into()),
            arguments: vec!["version".into()],
        };
        // It must not get as far as exec(2): that would end the test.
        let failure = run(&options).map_or_else(|failure| failure, |()| Failure::Launch(String::new()));
        assert_eq!(failure.code(), 4);
        assert!(failure.to_string().contains("/no/such/cgroup/cgroup.procs: No such file"), "{failure}");
    }
}
