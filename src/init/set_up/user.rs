//! Doing things in the server's data directory as the server's user.
//!
//! Root that follows a path which another user may change can be led anywhere. So root steps down for that time: its
//! effective user (credentials(7)) is the server's, and what it makes is owned by it. Threads that are started meanwhile
//! are that user's as well.

use nix::unistd::{Gid, Uid, chown, getegid, geteuid, setegid, seteuid};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// User and group of the mail server, in /etc/passwd of the appliance.
pub const MAIL_USER: u32 = 1_000;

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    user: Uid,
    group: Gid,
}

impl User {
    /// The mail server's, if this process is root; `None`: whoever runs this.
    #[must_use]
    pub fn of_mail() -> Option<Self> {
        let of_mail = Self { user: Uid::from_raw(MAIL_USER), group: Gid::from_raw(MAIL_USER) };
        geteuid().is_root().then_some(of_mail)
    }

    /// Makes a directory with `create` and gives it to the user. Its parent has to be root's own.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn own(user: Option<Self>, path: &Path, create: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        create(path)?;
        let Some(Self { user, group }) = user else { return Ok(()) };
        let there = std::fs::symlink_metadata(path)?;
        if there.is_dir() && (there.uid(), there.gid()) != (user.as_raw(), group.as_raw()) {
            chown(path, Some(user), Some(group))?;
        }
        Ok(())
    }

    /// Does `work` as the user.
    ///
    /// # Errors
    /// As seteuid(2) says; the work has not begun then.
    pub fn act<T>(user: Option<Self>, work: impl FnOnce() -> T) -> io::Result<T> {
        let Some(Self { user, group }) = user else { return Ok(work()) };
        let _back = Back { user: geteuid(), group: getegid() };
        // The group first: only root may choose it.
        setegid(group)?;
        seteuid(user)?;
        Ok(work())
    }
}

/// Steps up again, also when the work panics.
struct Back {
    user: Uid,
    group: Gid,
}

impl Drop for Back {
    fn drop(&mut self) {
        let back = seteuid(self.user).and_then(|()| setegid(self.group));
        if let Err(error) = back {
            // The saved user of a process that was root lets it back; without, all that follows is refused, not done wrong.
            log::error!("set-up: cannot be user {} again: {error}", self.user);
        }
    }
}
