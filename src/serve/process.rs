//! What the operating system says of this process and its machine.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use std::time::SystemTime;
use time::OffsetDateTime;

/// Files of the process that are not connections: store, listeners, control, runtime.
const OTHER_FILES: u64 = 128;

/// What PID 1 sets to `1` for its children.
const APPLIANCE: &str = "PILLARBOX_APPLIANCE";

/// Is this root, who may use the registered ports?
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Is this an appliance, whose PID 1 is this program? Then the machine is ours to restart.
#[must_use]
pub fn is_appliance() -> bool {
    std::env::var_os(APPLIANCE).is_some_and(|value| value == "1")
}

/// The machine's own name, in lower case; empty if it has none that can be told.
#[must_use]
pub fn machine_name() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    name.unwrap_or_default().trim_end_matches('.').to_ascii_lowercase()
}

/// The name of the user who runs this.
#[must_use]
pub fn user_name() -> Option<String> {
    nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.name)
}

/// What is made from now on is for its owner only: mail, keys, sockets.
pub fn keep_files_private() {
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
}

/// Raises the limit on open files so that `connections` fit, and gives how many do.
#[must_use]
pub fn make_room_for(connections: usize) -> usize {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return connections };
    let mut allowed = soft;
    if soft < wanted {
        // Root may raise the hard limit as well.
        let raised = [(wanted, hard.max(wanted)), (wanted.min(hard), hard)]
            .into_iter()
            .find(|(soft, hard)| setrlimit(Resource::RLIMIT_NOFILE, *soft, *hard).is_ok());
        allowed = raised.map_or(soft, |(soft, _)| soft);
    }
    let room = usize::try_from(allowed.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX).max(1);
    if room < connections {
        log::warn!("the system allows {allowed} open files (RLIMIT_NOFILE): at most {room} connections at one time");
    }
    connections.min(room)
}

/// The time of day.
#[must_use]
pub fn now() -> OffsetDateTime {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_some_connections() {
        assert_eq!(make_room_for(10), 10);
    }

    #[test]
    fn the_machine_has_a_name_without_dots_at_its_end() {
        assert!(!machine_name().ends_with('.'));
    }
}
