//! The network's child of PID 1: links, addresses, names, time.
//!
//! ```text
//! kernel > links > manager > link > netlink > kernel        which interfaces there are, what they have
//! DHCP server > dhcp > ipv4 > manager > resolver            what strangers say, checked before it is used
//! manager > clock (SNTP), names (mDNS), supervisor          who wants to know
//! ```
//!
//! It is root, keeps of that what it needs ([`privileges`]), reads nobody's mail, and may be killed and started again at
//! any time: addresses that are there stay there. Beside `serve`, this is the only place that touches tokio: `mozim` is
//! written for it, and one thread that waits for many things is what is needed here.
//!
//! Memory: every list has its bound in [`crate::limits`]; a DHCP client holds one message and one lease.

mod addresses;
mod cidr;
mod clock;
mod dhcp;
mod discipline;
mod interfaces;
mod ipv4;
mod ipv6;
mod link;
mod links;
mod manager;
mod names;
mod netlink;
mod privileges;
mod resolver;
mod settings;
mod sntp;

pub use cidr::Cidr;
pub use settings::{Ipv6, Settings, SettingsError};

use crate::notify::Notifier;
use crate::serve::Failure;
use manager::Manager;
use std::path::Path;

/// Runs until SIGTERM.
///
/// # Errors
/// [`Failure`] if nothing can be done at all.
pub fn run(settings: &Path) -> Result<(), Failure> {
    let failed = |what: &str, error: &dyn std::error::Error| Failure::Failed(format!("network: {what}: {error}"));
    crate::status::log_ring::start(log::LevelFilter::Info).map_err(|error| failed("no log", &error))?;
    let notifier = Notifier::from_environment();
    let settings = Settings::read(settings).unwrap_or_else(|error| {
        // A machine without a display is of no use without its network: DHCP is better than nothing.
        log::error!("{}: {error}. None of it is used; DHCP on every interface instead", settings.display());
        notifier.send(&[("STATUS", "the network's settings are wrong and not used")]);
        Settings::default()
    });
    // This needs CAP_SYS_ADMIN, which is then given up.
    if let Err(error) = nix::unistd::sethostname(&settings.host_name) {
        log::warn!("the host name cannot be set: {error}");
    }
    if let Err(error) = privileges::drop_most() {
        log::warn!("capabilities cannot be given up: {error}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    let runtime = runtime.map_err(|error| failed("no runtime", &error))?;
    let manager = Manager::new(settings, notifier).map_err(|error| failed("no rtnetlink", &error))?;
    let ended = runtime.block_on(manager.run()).map_err(|error| failed("the kernel's messages", &error));
    // A name server that does not answer must not hold up the end.
    runtime.shutdown_background();
    ended
}
