//! What `serve` takes away from itself before it speaks with anybody: files beyond its own, and system calls that a mail
//! server never makes. Whoever takes over a session gains mail, not the machine.
//!
//! Landlock leaves reading and writing below the data directory, reading where the administrator keeps a certificate,
//! and this process's own entry in /proc (its memory, for `status`). Names are not resolved here, so neither resolv.conf
//! nor hosts is needed. TCP is left as it is. System calls are left to [`system_calls`]. No right can be got by
//! executing a file, and nothing can be executed.
//!
//! Every part is done as far as the kernel can: mail is served also where a part is missing, and log and `status` say
//! so. Owns one open directory, and nothing that grows.

mod system_calls;

use crate::status::Value;
use core::error::Error;
use landlock::{
    ABI, Access, AccessFs, BitFlags, LandlockStatus, PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The rights that are taken away where nothing gives them back. A fixed version: what a newer kernel knows is first to be
/// tried with it.
const RIGHTS: ABI = ABI::V6;

/// What is enforced.
#[derive(Debug)]
pub struct Sandbox {
    files: String,
    system_calls: String,
    /// /proc/self. While it is open the kernel keeps that entry, to which the right of reading belongs.
    _process: Option<File>,
}

impl Sandbox {
    /// Nothing is: on a desktop, where nobody asked for it.
    #[must_use]
    pub fn off() -> Self {
        Self { files: "not restricted".to_owned(), system_calls: "not restricted".to_owned(), _process: None }
    }

    /// Restricts this thread and those that it will start. `readable`: directories of certificates.
    #[must_use]
    pub fn apply(data: &Path, readable: &[PathBuf]) -> Self {
        let process = File::open("/proc/self").ok();
        let files = match restrict_files(data, readable) {
            Ok(status) => describe(&status),
            Err(error) => format!("not restricted: {error}"),
        };
        let system_calls = match system_calls::restrict() {
            Ok(count) => format!("{count} refused"),
            Err(error) => format!("not restricted: {error}"),
        };
        log::info!("sandbox: files: {files}; system calls: {system_calls}");
        Self { files, system_calls, _process: process }
    }

    /// For `status`.
    #[must_use]
    pub fn entries(&self) -> [(&'static str, Value); 2] {
        [("files", Value::Text(self.files.clone())), ("system_calls", Value::Text(self.system_calls.clone()))]
    }
}

fn restrict_files(data: &Path, readable: &[PathBuf]) -> Result<RestrictionStatus, Box<dyn Error>> {
    let all = AccessFs::from_all(RIGHTS);
    // Devices, pipes and links have no place among mail, and nothing there is a program.
    let never = AccessFs::Execute
        | AccessFs::MakeChar
        | AccessFs::MakeBlock
        | AccessFs::MakeFifo
        | AccessFs::MakeSym
        | AccessFs::IoctlDev;
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    // Abstract sockets stay: the supervisor's may be one (sd_notify(3)).
    let mut rules = Ruleset::default().handle_access(all)?.scope(Scope::Signal)?.create()?;
    rules = rules.add_rule(PathBeneath::new(PathFd::new(data)?, all & !never))?;
    for path in readable.iter().map(PathBuf::as_path).chain([Path::new("/proc/self")]) {
        match PathFd::new(path) {
            Ok(directory) => rules = rules.add_rule(PathBeneath::new(directory, read))?,
            Err(error) => log::warn!("sandbox: {error}"),
        }
    }
    Ok(rules.restrict_self()?)
}

fn describe(status: &RestrictionStatus) -> String {
    let version = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => format!("Landlock {effective_abi}"),
        LandlockStatus::NotEnabled => "Landlock is not enabled in this kernel".to_owned(),
        LandlockStatus::NotImplemented => "this kernel has no Landlock".to_owned(),
    };
    match status.ruleset {
        RulesetStatus::FullyEnforced => format!("the data directory only ({version})"),
        RulesetStatus::PartiallyEnforced => format!("the data directory only, as far as {version} can"),
        RulesetStatus::NotEnforced => format!("not restricted: {version}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use nix::errno::Errno;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    use std::process::Command;

    /// In a thread of its own, which is lost to the other tests.
    fn restricted<T: Send>(data: &Path, readable: &[PathBuf], work: impl FnOnce(Sandbox) -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(|| work(Sandbox::apply(data, readable))).join().unwrap())
    }

    #[test]
    fn nothing_can_be_executed_and_no_call_changes_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        restricted(folder.path(), &[], |sandbox| {
            assert!(sandbox.system_calls.ends_with(" refused"), "{}", sandbox.system_calls);
            let error = Command::new("/proc/self/exe").spawn().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(nix::libc::EPERM));
            assert_eq!(nix::unistd::chroot("/"), Err(Errno::EPERM));
            let packets = socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), None);
            assert_eq!(packets.unwrap_err(), Errno::EPERM);
            assert!(nix::sys::prctl::get_no_new_privs().unwrap());
            // What a server needs works as before, in new threads as well.
            std::thread::spawn(|| {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                std::os::unix::net::UnixDatagram::unbound().unwrap();
                assert_eq!(Command::new("/bin/true").spawn().unwrap_err().raw_os_error(), Some(nix::libc::EPERM));
            })
            .join()
            .unwrap();
        });
    }

    #[test]
    fn files_are_written_below_the_data_directory_only() {
        let (data, given, outside) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let certificate = given.path().join("server.pem");
        std::fs::write(&certificate, "old").unwrap();
        let readable = [given.path().to_owned()];
        restricted(data.path(), &readable, |sandbox| {
            if sandbox.files.contains("Landlock is not enabled") || sandbox.files.contains("no Landlock") {
                return eprintln!("not tested: {}", sandbox.files);
            }
            assert!(sandbox.files.starts_with("the data directory only"), "{}", sandbox.files);
            let file = data.path().join("store/log");
            std::fs::create_dir(data.path().join("store")).unwrap();
            std::fs::write(&file, "mail").unwrap();
            std::fs::write(&file, "more").unwrap();
            std::fs::rename(&file, data.path().join("log")).unwrap();
            std::fs::remove_file(data.path().join("log")).unwrap();
            assert_eq!(std::fs::read_to_string(&certificate).unwrap(), "old");
            assert!(crate::status::allocator::resident_octets().is_some());
            let refused = |error: std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
            assert!(refused(std::fs::write(&certificate, "new").unwrap_err()));
            assert!(refused(std::fs::write(outside.path().join("x"), "x").unwrap_err()));
            assert!(refused(std::fs::read("/etc/passwd").unwrap_err()));
            assert!(refused(std::fs::read_dir("/").unwrap_err()));
        });
        // Only that thread is restricted.
        std::fs::write(outside.path().join("x"), "x").unwrap();
    }
}
