//! The DHCP client of one interface (RFC 2131): `mozim` speaks the protocol, this asks it again and again.
//!
//! Owns one client, whose socket has the kernel's default buffer and whose messages are at most 1500 octets. Reports go
//! through a bounded channel; when it is full, the client waits. Installing addresses is left to [`super::link`].
//!
//! Not done: the address is not probed by ARP before it is used (RFC 2131 3.1, a SHOULD), a DHCPNAK to a renewal is taken
//! for silence, so that an address that the server no longer wants is used until its lease ends, and leases are not kept
//! over a restart: servers know the machine by its Ethernet address and give the same one again.

use super::interfaces::Interface;
use super::ipv4::Configuration;
use crate::limits::{DHCP_RETRY_INTERVAL, DHCP_RETRY_INTERVAL_MAX, DHCP_SELECTING_TIMEOUT};
use mozim::{DhcpError, DhcpV4Client, DhcpV4Config, DhcpV4State, ErrorKind};
use tokio::sync::mpsc::Sender;
use tokio::time::{sleep, timeout};

/// What a client has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The index of its interface.
    pub link: u32,
    /// The client that says it: an interface may have had another one before.
    pub client: u64,
    /// The address that may be used from now on; `None` if none may be.
    pub lease: Option<Configuration>,
}

/// Where a client's reports go to.
pub struct Reporter {
    /// The main loop.
    pub sender: Sender<Report>,
    /// See [`Report::client`].
    pub client: u64,
}

/// Gets an address and keeps it, for as long as the caller wants.
pub async fn run(interface: Interface, host_name: String, reporter: Reporter) {
    let mut pause = DHCP_RETRY_INTERVAL;
    loop {
        let mut had_lease = false;
        let Err(error) = obtain(&interface, &host_name, &reporter, &mut had_lease).await;
        if had_lease {
            pause = DHCP_RETRY_INTERVAL;
            report(&interface, &reporter, None).await;
        }
        log::warn!("{}: DHCP failed: {error}; it is tried again in {} s", interface.name, pause.as_secs());
        sleep(pause).await;
        pause = pause.saturating_mul(2).min(DHCP_RETRY_INTERVAL_MAX);
    }
}

/// One client from INIT on, until it fails.
async fn obtain(
    interface: &Interface,
    host_name: &str,
    reporter: &Reporter,
    has_lease: &mut bool,
) -> Result<core::convert::Infallible, DhcpError> {
    let mut config = DhcpV4Config::new(&interface.name);
    config.set_iface_index(interface.index).set_iface_mac_raw(&interface.mac)?;
    // Option 12 and, for servers that tell machines apart by it, option 61.
    config.set_host_name(host_name).use_mac_as_client_id();
    let mut client = DhcpV4Client::init(config, None).await?;
    let mut selecting = false;
    loop {
        let state = if selecting {
            // `mozim` would ask a server that made an offer and went away for ever.
            match timeout(DHCP_SELECTING_TIMEOUT, client.run()).await {
                Ok(state) => state?,
                Err(_) => {
                    log::warn!("{}: a DHCP server made an offer and does not confirm it", interface.name);
                    client.clean_up();
                    DhcpV4State::InitReboot
                }
            }
        } else {
            client.run().await?
        };
        selecting = state == DhcpV4State::Selecting;
        match state {
            DhcpV4State::Done(lease) => {
                let configuration = Configuration::from_lease(&lease).ok_or_else(|| {
                    let what = format!("the server gave {}, which is not the address of a machine", lease.yiaddr);
                    DhcpError::new(ErrorKind::InvalidDhcpMessage, what)
                })?;
                *has_lease = true;
                report(interface, reporter, Some(configuration)).await;
            }
            // RFC 2131 4.4.5: when the lease ends, the client must stop using the address and begin anew.
            DhcpV4State::InitReboot if *has_lease => {
                *has_lease = false;
                log::warn!("{}: the DHCP lease has ended, and no server renewed it", interface.name);
                report(interface, reporter, None).await;
            }
            DhcpV4State::InitReboot | DhcpV4State::Selecting | DhcpV4State::Renewing | DhcpV4State::Rebinding => {
                log::debug!("{}: DHCP is {state}", interface.name);
            }
        }
    }
}

async fn report(interface: &Interface, reporter: &Reporter, lease: Option<Configuration>) {
    // An error means that the main loop has ended, and this task with it.
    let _ = reporter.sender.send(Report { link: interface.index, client: reporter.client, lease }).await;
}
