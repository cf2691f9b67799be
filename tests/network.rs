//! `pillarbox network` between two network namespaces: a DHCP server, a time server and a neighbour on the other end of a
//! virtual cable.
//!
//! Needs root, `ip` (iproute2), `dnsmasq` (dnsmasq-base) and `unshare` (util-linux); without them it says so and passes. It
//! sets no clock and changes nothing outside its namespaces.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::as_conversions, missing_docs)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// Says which part this process plays when it is started again inside a namespace.
const PART: &str = "PILLARBOX_NETWORK_TEST_PART";

/// Two namespaces: `appliance` with the program, `neighbour` with everybody else.
struct Lab {
    folder: TempDir,
    appliance: String,
    neighbour: String,
    notify: UnixDatagram,
    children: Vec<Child>,
    heard: Vec<String>,
}

impl Lab {
    /// `None`, with a message, if it cannot be built here.
    fn build(name: &str) -> Option<Self> {
        let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
        let missing: Vec<&str> = ["ip", "dnsmasq", "unshare"].into_iter().filter(|tool| !is_there(tool)).collect();
        if !root || !missing.is_empty() {
            eprintln!("NOT TESTED: this needs root and ip, dnsmasq, unshare; root: {root}, missing: {missing:?}");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let [appliance, neighbour] = ["a", "n"].map(|end| format!("pillarbox-{name}-{}-{end}", std::process::id()));
        let added = Command::new("ip").args(["netns", "add", &appliance]).output().unwrap();
        if !added.status.success() {
            eprintln!("NOT TESTED: no network namespaces here: {}", String::from_utf8_lossy(&added.stderr));
            return None;
        }
        let notify = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        notify.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let lab = Self { folder, appliance, neighbour, notify, children: Vec::new(), heard: Vec::new() };
        ip(&["netns", "add", &lab.neighbour]);
        Some(lab)
    }

    /// Lays the cable; the neighbour's end is up and has an address.
    fn connect(&self) {
        let (appliance, neighbour) = (self.appliance.as_str(), self.neighbour.as_str());
        ip(&["link", "add", "wan7", "netns", appliance, "type", "veth", "peer", "name", "lan0", "netns", neighbour]);
        ip(&["-n", neighbour, "address", "add", "192.168.77.1/24", "dev", "lan0"]);
        ip(&["-n", neighbour, "link", "set", "lan0", "up"]);
        ip(&["-n", neighbour, "link", "set", "lo", "up"]);
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn inside(&self, namespace: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).env("NOTIFY_SOCKET", self.path("notify"));
        command
    }

    fn start_pillarbox(&mut self, settings: &str) {
        let settings = format!(
            "set_clock = false\nresolver_file = {:?}\n{settings}\n",
            self.path("resolv.conf").to_str().unwrap()
        );
        fs::write(self.path("network.toml"), settings).unwrap();
        // A host name and a /run of its own: the default file of name servers is there. `exec`s all the way, so that a
        // signal reaches the program.
        let child = self
            .inside(&self.appliance)
            .args(["unshare", "--uts", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /run && exec \"$0\" \"$@\""])
            .args([env!("CARGO_BIN_EXE_pillarbox"), "network", "--settings"])
            .arg(self.path("network.toml"))
            .spawn();
        self.children.push(child.unwrap());
    }

    fn start_dnsmasq(&mut self) {
        let leases = format!("--dhcp-leasefile={}", self.path("leases").display());
        let log = File::create(self.path("dnsmasq.log")).unwrap();
        let child = self
            .inside(&self.neighbour)
            .args(["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--interface=lan0"])
            .args(["--bind-interfaces", "--no-resolv", "--no-hosts", "--no-ping", "--log-dhcp", &leases])
            // Two minutes are the least it gives; but it can be told to want a renewal after three seconds.
            .args(["--dhcp-range=192.168.77.20,192.168.77.50,255.255.255.0,120", "--dhcp-option=option:T1,3"])
            .args(["--dhcp-option=option:ntp-server,192.168.77.1"])
            .stderr(log)
            .spawn();
        self.children.push(child.unwrap());
    }

    /// Starts this very program in the neighbour's namespace to play a part.
    fn start_part(&mut self, part: &str) -> BufReader<std::process::ChildStdout> {
        let mut child = self
            .inside(&self.neighbour)
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "plays_a_part", "--ignored", "--nocapture"])
            .env(PART, part)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        self.children.push(child);
        output
    }

    /// Waits until the supervisor is told `field`, and gives the whole of it.
    fn hear(&mut self, field: &str) -> String {
        let began = Instant::now();
        loop {
            if let Some(at) = self.heard.iter().position(|heard| heard.starts_with(field)) {
                // What was said before is over.
                return self.heard.drain(..=at).next_back().unwrap();
            }
            let mut octets = [0; 4096];
            if let Ok(length) = self.notify.recv(&mut octets) {
                let text = String::from_utf8(octets[..length].to_vec()).unwrap();
                self.heard.extend(text.lines().map(str::to_owned));
            }
            assert!(began.elapsed() < PATIENCE, "{field} was not heard; {}", self.report());
        }
    }

    fn report(&self) -> String {
        let log = fs::read_to_string(self.path("dnsmasq.log")).unwrap_or_default();
        let addresses = Command::new("ip").args(["-n", &self.appliance, "address"]).output().unwrap();
        format!("dnsmasq:\n{log}\nappliance:\n{}", String::from_utf8_lossy(&addresses.stdout))
    }

    /// What `ip` says of the appliance.
    fn shown(&self, what: &[&str]) -> String {
        let output = Command::new("ip").args(["-n", &self.appliance]).args(what).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn wait(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let began = Instant::now();
        while !condition() {
            assert!(began.elapsed() < PATIENCE, "{what}: in vain; {}", self.report());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn stop_pillarbox(&mut self) {
        let mut child = self.children.remove(0);
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        let began = Instant::now();
        assert!(child.wait().unwrap().success());
        assert!(began.elapsed() < Duration::from_secs(5), "it took {:?} to stop", began.elapsed());
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        for namespace in [&self.appliance, &self.neighbour] {
            let _ = Command::new("ip").args(["netns", "delete", namespace]).status();
        }
    }
}

fn is_there(tool: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(tool).exists())
        || Path::new("/usr/sbin").join(tool).exists()
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_address_by_dhcp_a_name_and_the_time() {
    let Some(mut lab) = Lab::build("dhcp") else { return };
    lab.connect();
    lab.start_pillarbox("host_name = \"post\"\ntime_servers = []");
    lab.start_dnsmasq();
    let mut time = lab.start_part("time");
    assert_eq!(lab.hear("READY"), "READY=1");
    // NET_BIND_SERVICE, NET_ADMIN, NET_RAW and SYS_TIME: nothing else is left of root.
    let status = fs::read_to_string(format!("/proc/{}/status", lab.children[0].id())).unwrap();
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert!(status.contains(&format!("{set}:\t0000000002003400\n")), "{status}");
    }
    let address = lab.hear("X_PILLARBOX_ADDRESS=wan7 192.168.77.");
    let (_, cidr) = address.split_once(' ').unwrap();
    let own: Ipv4Addr = cidr.strip_suffix("/24").unwrap().parse().unwrap();
    assert_eq!(lab.hear("X_PILLARBOX_NETWORK"), "X_PILLARBOX_NETWORK=up");
    assert!(lab.shown(&["route"]).contains("default via 192.168.77.1 dev wan7 proto static metric 100"));
    let resolver = fs::read_to_string(lab.path("resolv.conf")).unwrap();
    assert!(resolver.ends_with("\nnameserver 192.168.77.1\n"), "{resolver}");
    assert!(fs::read_to_string(lab.path("leases")).unwrap().contains(" post "));
    // The kernel ends the address with the lease, whatever becomes of the program.
    assert!(lab.shown(&["address", "show", "dev", "wan7"]).contains("dynamic"));

    // The time server of the DHCP server is asked.
    assert_eq!(lab.hear("X_PILLARBOX_CLOCK"), "X_PILLARBOX_CLOCK=synchronised");
    let mut line = String::new();
    while !line.contains("asked") {
        line.clear();
        assert_ne!(time.read_line(&mut line).unwrap(), 0);
    }
    assert_eq!(lab.hear("WATCHDOG"), "WATCHDOG=1");

    // The name and the services are found by multicast.
    let (sender, receiver) = mpsc::channel();
    let names = lab.start_part("names");
    std::thread::spawn(move || names.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
    let answer = |line: &String| line.starts_with("answer ");
    let found = std::iter::from_fn(|| receiver.recv_timeout(PATIENCE).ok()).find(answer).unwrap();
    assert_eq!(found, format!("answer {own} imaps 993"));

    // T1 passes, and the lease is renewed: the server hears it a second time.
    lab.wait("a renewal", || {
        fs::read_to_string(lab.path("dnsmasq.log")).unwrap().matches("DHCPACK(lan0)").count() >= 2
    });
    assert!(lab.shown(&["address", "show", "dev", "wan7"]).contains(&own.to_string()));

    // The cable is pulled out and plugged in again.
    lab.heard.clear();
    ip(&["-n", &lab.neighbour, "link", "set", "lan0", "down"]);
    lab.hear("X_PILLARBOX_NETWORK=down");
    assert!(!lab.shown(&["address", "show", "dev", "wan7"]).contains("192.168.77."));
    assert!(!lab.shown(&["route"]).contains("default"));
    assert!(!fs::read_to_string(lab.path("resolv.conf")).unwrap().contains("nameserver"));
    ip(&["-n", &lab.neighbour, "link", "set", "lan0", "up"]);
    assert_eq!(lab.hear("X_PILLARBOX_ADDRESS"), address);
    lab.hear("X_PILLARBOX_NETWORK=up");
    lab.stop_pillarbox();
    lab.hear("STOPPING=1");
}

#[test]
fn a_fixed_address_for_an_adapter_that_is_plugged_in_later() {
    let Some(mut lab) = Lab::build("fixed") else { return };
    lab.start_pillarbox(
        "address = \"192.168.77.9/24\"\ngateway = \"192.168.77.1\"\ndns = [\"192.168.77.1\", \"192.0.2.53\"]\n\
         ipv6 = \"2001:db8::9/64\"",
    );
    lab.hear("READY");
    lab.connect();
    lab.hear("X_PILLARBOX_ADDRESS=wan7 192.168.77.9/24");
    lab.hear("X_PILLARBOX_NETWORK=up");
    let resolver = fs::read_to_string(lab.path("resolv.conf")).unwrap();
    assert!(resolver.ends_with("\nnameserver 192.168.77.1\nnameserver 192.0.2.53\n"), "{resolver}");
    assert!(lab.shown(&["route"]).contains("default via 192.168.77.1 dev wan7"));
    assert!(lab.shown(&["address"]).contains("inet6 2001:db8::9/64"));
    // The adapter is pulled out, and another one takes its place.
    ip(&["-n", &lab.appliance, "link", "delete", "wan7"]);
    lab.hear("X_PILLARBOX_NETWORK=down");
    lab.connect();
    lab.hear("X_PILLARBOX_ADDRESS=wan7 192.168.77.9/24");
    lab.stop_pillarbox();
}

#[test]
fn settings_that_are_wrong_do_not_cost_the_network() {
    let Some(mut lab) = Lab::build("wrong") else { return };
    lab.connect();
    lab.start_pillarbox("address = \"not an address\"");
    lab.start_dnsmasq();
    lab.hear("STATUS=the network's settings are wrong");
    lab.hear("X_PILLARBOX_ADDRESS=wan7 192.168.77.");
    lab.stop_pillarbox();
}

/// Not a test: what this program does when it is started in the neighbour's namespace.
#[test]
#[ignore = "a part of the other tests"]
fn plays_a_part() {
    match std::env::var(PART).as_deref() {
        Ok("time") => serve_time(),
        Ok("names") => ask_names(),
        Ok(_) | Err(_) => {}
    }
}

/// A time server (RFC 4330 5), for ever.
fn serve_time() {
    let socket = UdpSocket::bind("192.168.77.1:123").unwrap();
    loop {
        let mut packet = [0; 48];
        let (_, peer) = socket.recv_from(&mut packet).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seconds = u32::try_from(now.as_secs() + 2_208_988_800).unwrap();
        let fraction = u32::try_from((u64::from(now.subsec_nanos()) << 32) / 1_000_000_000).unwrap();
        let transmitted = packet[40..].to_vec();
        // No warning, version 4, server; stratum 1.
        packet[..2].copy_from_slice(&[0x24, 1]);
        packet[12..16].copy_from_slice(b"LOCL");
        packet[24..32].copy_from_slice(&transmitted);
        for at in [16, 32, 40] {
            packet[at..at + 4].copy_from_slice(&seconds.to_be_bytes());
            packet[at + 4..at + 8].copy_from_slice(&fraction.to_be_bytes());
        }
        socket.send_to(&packet, peer).unwrap();
        println!("asked");
    }
}

/// Asks by multicast, as RFC 6762 6.7 lets simple programs do, until both answers are there.
fn ask_names() {
    let socket = UdpSocket::bind("192.168.77.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let (mut address, mut port) = (None, None);
    while address.is_none() || port.is_none() {
        for (name, kind) in [(&["post", "local"][..], 1), (&["post", "_imaps", "_tcp", "local"], 33)] {
            // RFC 1035 4.1: one question of class IN.
            let mut query = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            for label in name {
                query.push(u8::try_from(label.len()).unwrap());
                query.extend_from_slice(label.as_bytes());
            }
            query.extend_from_slice(&[0, 0, kind, 0, 1]);
            // A neighbour without a route for multicast has the socket's own address for that.
            if socket.send_to(&query, "224.0.0.251:5353").is_err() {
                continue;
            }
            let mut answer = [0; 1500];
            let Ok((length, _)) = socket.recv_from(&mut answer) else { continue };
            match first_answer(&answer[..length]) {
                Some((1, data)) => address = <[u8; 4]>::try_from(data).ok().map(Ipv4Addr::from),
                Some((33, data)) => port = Some(u16::from_be_bytes([data[4], data[5]])),
                Some(_) | None => {}
            }
        }
    }
    println!("\nanswer {} imaps {}", address.unwrap(), port.unwrap());
}

/// The type and the data of the first resource record of an answer.
fn first_answer(message: &[u8]) -> Option<(u16, &[u8])> {
    let skip_name = |mut at: usize| loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length if length >= 0xc0 => return Some(at + 2),
            length => at += usize::from(length) + 1,
        }
    };
    let number = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
    let mut at = 12;
    for _ in 0..number(4)? {
        at = skip_name(at)? + 4;
    }
    if number(6)? == 0 {
        return None;
    }
    at = skip_name(at)?;
    Some((number(at)?, message.get(at + 10..at + 10 + usize::from(number(at + 8)?))?))
}
