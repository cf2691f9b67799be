//! The main loop: which interfaces there are, who gets a DHCP client, what the supervisor hears.
//!
//! Owns at most [`NETWORK_LINKS_MAX`](crate::limits::NETWORK_LINKS_MAX) links, each with one task, and a channel of
//! [`NETWORK_REPORTS_MAX`] reports. It never waits for anything but its events: calls to the kernel are answered at once.
//! Whatever happens, the state of all links is looked up anew and made right; so no event has to be understood.

use super::addresses;
use super::clock::{self, Clock};
use super::dhcp::{self, Report, Reporter};
use super::interfaces::{self, Interface};
use super::ipv4::Configuration;
use super::ipv6;
use super::link::Link;
use super::links::Links;
use super::names::Names;
use super::netlink::Netlink;
use super::resolver::Resolver;
use super::settings::{Ipv6, Settings};
use crate::limits::{NETWORK_HEARTBEAT_INTERVAL, NETWORK_METRIC, NETWORK_REPORTS_MAX, TIME_SERVERS_MAX};
use crate::notify::Notifier;
use std::io;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// Everything that the main loop knows.
pub struct Manager {
    settings: Settings,
    notifier: Notifier,
    netlink: Netlink,
    resolver: Resolver,
    links: Vec<Link>,
    reports: (Sender<Report>, Receiver<Report>),
    clients: u64,
    time_servers: watch::Sender<Vec<String>>,
    is_up: bool,
}

impl Manager {
    /// Ready to run, with nothing done yet.
    ///
    /// # Errors
    /// If there is no rtnetlink.
    pub fn new(settings: Settings, notifier: Notifier) -> io::Result<Self> {
        Ok(Self {
            netlink: Netlink::open()?,
            resolver: Resolver::new(settings.resolver_file.clone()),
            settings,
            notifier,
            links: Vec::new(),
            reports: channel(NETWORK_REPORTS_MAX),
            clients: 0,
            time_servers: watch::Sender::default(),
            is_up: false,
        })
    }

    /// Runs until SIGTERM or SIGINT. Addresses stay as they are, for those who still speak.
    ///
    /// # Errors
    /// If the kernel no longer says what happens.
    pub async fn run(mut self) -> io::Result<()> {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let events = Links::listen()?;
        let mut heartbeat = interval(NETWORK_HEARTBEAT_INTERVAL);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (synchronised, mut clock) = watch::channel(false);
        tokio::spawn(
            Clock {
                servers: self.time_servers.subscribe(),
                synchronised,
                earliest: clock::earliest(&self.settings.build_file),
                may_set: self.settings.set_clock,
            }
            .run(),
        );
        let names = Names::announce(&self.settings.host_name, self.settings.interface.clone())
            .inspect_err(|error| log::error!("{}.local cannot be announced: {error}", self.settings.host_name))
            .ok();
        self.bring_loopback_up();
        self.look();
        self.notifier.send(&[("READY", "1")]);
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                changed = events.changed() => {
                    changed?;
                    self.look();
                }
                Some(report) = self.reports.1.recv() => self.hear(report),
                Ok(()) = clock.changed() => self.notifier.send(&[("X_PILLARBOX_CLOCK", "synchronised")]),
                _ = heartbeat.tick() => {
                    // Also without any event: whatever was missed is found here.
                    self.look();
                    names.iter().for_each(Names::look);
                    self.notifier.send(&[("WATCHDOG", "1"), ("X_PILLARBOX_NETWORK", self.state())]);
                    if *clock.borrow() {
                        self.notifier.send(&[("X_PILLARBOX_CLOCK", "synchronised")]);
                    }
                }
            }
        }
        self.notifier.send(&[("STOPPING", "1")]);
        self.links.iter_mut().for_each(Link::stop_client);
        if let Some(names) = names {
            names.withdraw();
        }
        Ok(())
    }

    fn bring_loopback_up(&mut self) {
        let up = nix::net::if_::if_nametoindex("lo").map_err(io::Error::from).and_then(|lo| self.netlink.bring_up(lo));
        if let Err(error) = up {
            log::warn!("lo cannot be brought up: {error}");
        }
    }

    /// Looks at all interfaces and makes everything right.
    fn look(&mut self) {
        let mut found = interfaces::wired(Path::new("/"));
        if let Some(only) = &self.settings.interface {
            found.retain(|interface| &interface.name == only);
        }
        self.links.retain_mut(|link| {
            let is_there = found.iter().any(|interface| interface.index == link.interface.index);
            if !is_there {
                log::info!("{} is gone", link.interface.name);
                link.stop_client();
            }
            is_there
        });
        for interface in found {
            match self.links.iter_mut().find(|link| link.interface.index == interface.index) {
                Some(link) => update(link, interface),
                None => self.add(interface),
            }
        }
        for link in &mut self.links {
            match (link.interface.carrier, &link.client) {
                (true, None) if link.fixed.is_none() => {
                    self.clients = self.clients.wrapping_add(1);
                    let reporter = Reporter { sender: self.reports.0.clone(), client: self.clients };
                    let client = dhcp::run(link.interface.clone(), self.settings.host_name.clone(), reporter);
                    link.client = Some((self.clients, tokio::spawn(client).abort_handle()));
                }
                // It ends only by a fault; the next heartbeat starts another one.
                (true, Some((_, client))) if client.is_finished() => link.stop_client(),
                (false, Some(_)) => link.stop_client(),
                (true, None | Some(_)) | (false, None) => {}
            }
            link.apply(&mut self.netlink, false);
        }
        self.publish();
    }

    /// Takes a new interface into use.
    fn add(&mut self, mut interface: Interface) {
        let root = Path::new("/");
        let (index, name) = (interface.index, interface.name.clone());
        if interface.mac_is_random
            && let Some(mac) = interfaces::device_tree_mac(root, &name)
            && mac != interface.mac
        {
            match self.netlink.set_mac(index, mac) {
                Ok(()) => interface.mac = mac,
                Err(error) => log::warn!("{name}: its own Ethernet address cannot be set: {error}"),
            }
        }
        if let Err(error) = ipv6::configure(root, &name, self.settings.ipv6) {
            log::warn!("{name}: IPv6 cannot be configured: {error}");
        }
        if let Err(error) = self.netlink.bring_up(index) {
            log::warn!("{name} cannot be brought up: {error}");
        }
        let metric = (NETWORK_METRIC..).find(|metric| self.links.iter().all(|link| link.metric != *metric));
        let metric = metric.unwrap_or(u32::MAX);
        let mut link = Link::new(interface, metric);
        // What is said for one interface is for the first one.
        if metric == NETWORK_METRIC {
            link.fixed = Configuration::from_settings(&self.settings);
            link.fixed6 = if let Ipv6::Static(address) = self.settings.ipv6 { Some(address) } else { None };
        }
        log::info!("using {name}{}", if link.interface.carrier { "" } else { ", which has no cable yet" });
        self.links.push(link);
    }

    fn hear(&mut self, report: Report) {
        let link = self.links.iter_mut().find(|link| link.interface.index == report.link);
        // A client that was stopped may have said something before.
        let current = |link: &&mut Link| link.client.as_ref().is_some_and(|(client, _)| *client == report.client);
        let Some(link) = link.filter(current) else { return };
        link.lease = report.lease;
        link.apply(&mut self.netlink, true);
        self.publish();
    }

    /// Tells everybody who needs to know how things are now.
    fn publish(&mut self) {
        let servers: Vec<_> = if self.settings.dns.is_empty() {
            self.in_order().filter_map(Link::wanted).flat_map(|wanted| wanted.name_servers.clone()).collect()
        } else {
            self.settings.dns.clone()
        };
        if let Err(error) = self.resolver.write(servers) {
            log::error!("the name servers cannot be written to {}: {error}", self.settings.resolver_file.display());
        }
        let mut is_up = false;
        for link in &mut self.links {
            // Without a cable the kernel keeps IPv6 addresses, under which nobody reaches this machine.
            let has = if link.interface.carrier { addresses::usable(&link.interface.name) } else { Vec::new() };
            is_up |= !has.is_empty();
            if link.addresses != has {
                link.addresses = has;
                let name = &link.interface.name;
                for address in &link.addresses {
                    self.notifier.send(&[("X_PILLARBOX_ADDRESS", &format!("{name} {address}"))]);
                }
            }
        }
        if is_up != self.is_up {
            self.is_up = is_up;
            log::info!("the network is {}", self.state());
            self.notifier.send(&[("X_PILLARBOX_NETWORK", self.state())]);
        }
        let servers = if self.is_up { self.servers_for_time() } else { Vec::new() };
        self.time_servers.send_if_modified(|known| {
            let differs = *known != servers;
            *known = servers;
            differs
        });
    }

    /// The local network's first server, those of the settings, the other local ones: so that no DHCP server alone is the
    /// majority while the Internet can be reached.
    fn servers_for_time(&self) -> Vec<String> {
        let mut local = self.in_order().filter_map(Link::wanted).flat_map(|wanted| &wanted.time_servers);
        let mut servers: Vec<String> = Vec::new();
        let first = local.next().map(ToString::to_string);
        for server in first.into_iter().chain(self.settings.time_servers.clone()).chain(local.map(ToString::to_string))
        {
            if servers.len() < TIME_SERVERS_MAX && !servers.contains(&server) {
                servers.push(server);
            }
        }
        servers
    }

    fn state(&self) -> &'static str {
        if self.is_up { "up" } else { "down" }
    }

    fn in_order(&self) -> impl Iterator<Item = &Link> {
        let mut links: Vec<&Link> = self.links.iter().collect();
        links.sort_unstable_by_key(|link| link.metric);
        links.into_iter()
    }
}

fn update(link: &mut Link, interface: Interface) {
    if link.interface.carrier != interface.carrier {
        log::info!("{}: {}", interface.name, if interface.carrier { "cable plugged in" } else { "no cable" });
    }
    // The client speaks under the old name and address.
    if link.interface.name != interface.name || link.interface.mac != interface.mac {
        link.stop_client();
    }
    link.interface = interface;
}
