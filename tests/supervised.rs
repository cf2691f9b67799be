//! `serve` as a supervisor's child, as PID 1 of the appliance and systemd have it: sockets that it inherits, a launch
//! that takes root away, its sandbox, heartbeats.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use command_fds::{CommandFdExt, FdMapping};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, geteuid};
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::{PATIENCE, Server, Wire, eventually, finish, pillarbox, succeed};

/// What a supervisor holds while servers come and go: a data directory and listening sockets.
struct Supervisor {
    folder: tempfile::TempDir,
    sockets: Vec<(&'static str, TcpListener)>,
}

/// A child, killed when dropped.
struct Served {
    child: Child,
    log: PathBuf,
}

impl Supervisor {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sockets = ["smtp", "imap"].map(|name| (name, TcpListener::bind("127.0.0.1:0").unwrap()));
        Self { folder, sockets: sockets.into() }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn address(&self, name: &str) -> SocketAddr {
        self.sockets.iter().find(|(other, _)| *other == name).unwrap().1.local_addr().unwrap()
    }

    fn connect(&self, name: &str) -> Wire {
        Wire::new(TcpStream::connect(self.address(name)).unwrap())
    }

    /// One account, and a configuration that lets it log in from here.
    fn set_up(&self) {
        let data = self.data();
        succeed(pillarbox(&data).args(["domain", "add", "example.org"]), b"");
        let password = format!("{}\n", Server::password("ann"));
        succeed(pillarbox(&data).args(["account", "add", "ann@example.org", "--password-stdin"]), password.as_bytes());
        std::fs::write(data.join("pillarbox.toml"), "plain_login_on_loopback = true\nprewrite_mib = 0\n").unwrap();
    }

    /// `serve` with these words behind it.
    fn serve(&self, words: &[&str]) -> Command {
        let mut command = pillarbox(&self.data());
        command.arg("serve").args(words);
        command
    }

    /// The same by way of `launch`, as the user that tests run as, or one without rights instead of root.
    fn launch(&self, words: &[&str]) -> Command {
        let mut command = self.serve(words);
        let arguments: Vec<OsString> = command.get_args().map(OsString::from).collect();
        let (user, group) = self.user();
        if geteuid().is_root() {
            hand_over(self.folder.path(), user, group);
        }
        command = Command::new(command.get_program());
        command.args(["launch", "--user", &user.to_string(), "--group", &group.to_string(), "--"]).args(arguments);
        command
    }

    fn user(&self) -> (u32, u32) {
        match geteuid().is_root() {
            true => (65_534, 65_534),
            false => (geteuid().as_raw(), nix::unistd::getegid().as_raw()),
        }
    }

    /// Hands the sockets over; with these names, or their own.
    fn with_sockets(&self, mut command: Command, names: Option<&str>) -> Command {
        let own = self.sockets.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(":");
        let sockets = self.sockets.iter().map(|(_, socket)| OwnedFd::from(socket.try_clone().unwrap()));
        let mappings = (3..).zip(sockets).map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd });
        command.fd_mappings(mappings.collect()).unwrap();
        command.env("LISTEN_FDS", self.sockets.len().to_string()).env("LISTEN_FDNAMES", names.unwrap_or(&own));
        command
    }

    /// Starts it and waits until it is ready.
    fn start(&self, mut command: Command) -> Served {
        let log = self.folder.path().join("stderr.log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        let mut served = Served { child, log };
        let mut output = BufReader::new(served.child.stdout.take().unwrap());
        let mut printed = String::new();
        while !printed.lines().any(|line| line == "ready") {
            let octets = output.read_line(&mut printed).unwrap();
            assert!(octets > 0, "the server ended before it was ready:\n{printed}");
        }
        served
    }
}

impl Served {
    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    fn stop(mut self) -> Option<i32> {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        eventually("the server to stop", || self.child.try_wait().unwrap()).code()
    }

    /// A line of `/proc/PID/status`.
    fn status(&self, key: &str) -> String {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        text.lines().find_map(|line| line.strip_prefix(key)).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Gives a directory and all that is in it to a user.
fn hand_over(path: &Path, user: u32, group: u32) {
    std::os::unix::fs::lchown(path, Some(user), Some(group)).unwrap();
    if path.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| hand_over(&entry.unwrap().path(), user, group));
    }
}

/// Sends a message to ann.
fn deliver(wire: &mut Wire, subject: &str) {
    wire.until("220 ");
    wire.ask("EHLO client.example", "250 ");
    wire.ask("MAIL FROM:<bob@example.net>", "250 ");
    wire.ask("RCPT TO:<ann@example.org>", "250 ");
    wire.ask("DATA", "354 ");
    wire.ask(&format!("Subject: {subject}\r\n\r\nwhatever happens\r\n."), "250 ");
}

/// Reads ann's inbox.
fn inbox(mut wire: Wire) -> String {
    wire.imap_login("ann");
    wire.imap("SELECT INBOX");
    wire.imap("FETCH 1:* BODY[]").join("\n")
}

#[test]
fn mail_comes_through_sockets_that_the_supervisor_opened() {
    let supervisor = Supervisor::new();
    supervisor.set_up();
    let served = supervisor.start(supervisor.with_sockets(supervisor.launch(&[]), None));
    let ports = std::fs::read_to_string(supervisor.data().join("ports")).unwrap();
    let expected = ["smtp", "imap"].map(|name| format!("{name}={}\n", supervisor.address(name)));
    // Nothing else was bound.
    assert_eq!(ports, expected.concat());
    deliver(&mut supervisor.connect("smtp"), "inherited");
    assert!(inbox(supervisor.connect("imap")).contains("Subject: inherited"));
    let (user, group) = supervisor.user();
    assert_eq!(
        served.status("Uid:"),
        [user.to_string(), user.to_string(), user.to_string(), user.to_string()].join(" ")
    );
    assert_eq!(served.status("NoNewPrivs:"), "1");
    if geteuid().is_root() {
        assert_eq!(served.status("Groups:"), group.to_string());
        assert_eq!(served.status("CapPrm:"), "0000000000000000");
    }
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn a_client_that_comes_between_two_servers_is_served_by_the_second() {
    let supervisor = Supervisor::new();
    supervisor.set_up();
    let served = supervisor.start(supervisor.with_sockets(supervisor.serve(&[]), None));
    deliver(&mut supervisor.connect("smtp"), "first");
    assert_eq!(served.stop(), Some(0));
    let mut between = supervisor.connect("smtp");
    let served = supervisor.start(supervisor.with_sockets(supervisor.serve(&[]), None));
    deliver(&mut between, "between");
    let heard = inbox(supervisor.connect("imap"));
    assert!(heard.contains("Subject: first") && heard.contains("Subject: between"), "{heard}");
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn what_is_asked_for_on_the_command_line_is_listened_for_as_well() {
    let supervisor = Supervisor::new();
    supervisor.set_up();
    let served = supervisor.start(supervisor.with_sockets(supervisor.serve(&["--listen", "pop3=127.0.0.1:0"]), None));
    let ports = std::fs::read_to_string(supervisor.data().join("ports")).unwrap();
    let pop3 = ports.lines().find_map(|line| line.strip_prefix("pop3=")).unwrap();
    assert_eq!(ports.lines().count(), 3);
    Wire::new(TcpStream::connect(pop3.parse::<SocketAddr>().unwrap()).unwrap()).until("+OK");
    assert_eq!(served.stop(), Some(0));
}

#[test]
fn sockets_that_are_of_no_use_are_named() {
    let supervisor = Supervisor::new();
    let (code, message) = finish(&mut supervisor.with_sockets(supervisor.serve(&[]), Some("smtp:web")), b"");
    assert!(code == Some(1) && message.contains("socket 2 \"web\": unknown protocol"), "{message}");
    let (code, message) = finish(&mut supervisor.with_sockets(supervisor.serve(&[]), Some("a.socket:imap")), b"");
    assert!(code == Some(1) && message.contains("socket 1 \"a.socket\": port "), "{message}");
    let mut command = supervisor.serve(&[]);
    let socket = OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap());
    command.fd_mappings(vec![FdMapping { parent_fd: socket, child_fd: 3 }]).unwrap();
    command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "smtp");
    let (code, message) = finish(&mut command, b"");
    assert!(code == Some(1) && message.contains("not a valid tcp socket"), "{message}");
    // A start that fails at its sockets has made nothing.
    assert!(!supervisor.data().exists());
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let supervisor = Supervisor::new();
    supervisor.set_up();
    let mut command = supervisor.with_sockets(supervisor.serve(&[]), None);
    std::fs::write(supervisor.data().join("pillarbox.toml"), "listen = [\"smtp=127.0.0.1:0\"]\nprewrite_mib = 0\n")
        .unwrap();
    command.env("LISTEN_PID", "1");
    let served = supervisor.start(command);
    let ports = std::fs::read_to_string(supervisor.data().join("ports")).unwrap();
    assert!(ports.lines().count() == 1 && !ports.contains(&supervisor.address("smtp").to_string()), "{ports}");
    drop(served);
}

#[test]
fn a_launch_joins_its_cgroup_first_and_says_what_is_in_the_way() {
    let supervisor = Supervisor::new();
    let cgroup = supervisor.folder.path().join("cgroup");
    std::fs::create_dir(&cgroup).unwrap();
    let (user, group) = supervisor.user();
    let launch = |extra: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pillarbox"));
        command.args(["launch", "--user", &user.to_string(), "--group", &group.to_string(), "--cgroup"]);
        command.arg(&cgroup).args(extra).args(["--", "version"]);
        command
    };
    let (code, message) = finish(&mut launch(&[]), b"");
    assert!(code == Some(4) && message.contains("cgroup.procs: No such file"), "{message}");
    std::fs::write(cgroup.join("cgroup.procs"), "").unwrap();
    let mut child = launch(&[]).stdout(Stdio::piped()).spawn().unwrap();
    let mut printed = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut printed).unwrap();
    assert!(printed.starts_with("pillarbox "), "{printed}");
    assert!(child.wait().unwrap().success());
    assert_eq!(std::fs::read_to_string(cgroup.join("cgroup.procs")).unwrap(), child.id().to_string());
}

#[test]
fn a_server_in_its_sandbox_carries_mail_and_is_administered() {
    let supervisor = Supervisor::new();
    supervisor.set_up();
    for round in ["first", "second"] {
        let served = supervisor.start(supervisor.with_sockets(supervisor.launch(&["--sandbox"]), None));
        deliver(&mut supervisor.connect("smtp"), round);
        assert!(inbox(supervisor.connect("imap")).contains(&format!("Subject: {round}")));
        // The kernel's own word for it: a filter is in force.
        assert_eq!(served.status("Seccomp:"), "2");
        let data = supervisor.data();
        let status = succeed(pillarbox(&data).arg("status"), b"");
        assert!(status.contains("\nsandbox\n") && status.contains(" refused\n"), "{status}");
        let address = format!("{round}@example.org");
        succeed(pillarbox(&data).args(["account", "add", &address, "--password-stdin"]), b"correct horse\n");
        succeed(pillarbox(&data).arg("checkpoint"), b"");
        assert_eq!(served.stop(), Some(0));
    }
}

#[test]
fn without_a_first_account_all_mail_is_refused_until_there_is_one() {
    let supervisor = Supervisor::new();
    let command = supervisor.serve(&["--no-first-account"]);
    let served = supervisor.start(supervisor.with_sockets(command, None));
    let mut wire = supervisor.connect("smtp");
    wire.until("220 ");
    wire.ask("EHLO client.example", "250 ");
    wire.ask("MAIL FROM:<bob@example.net>", "250 ");
    wire.ask("RCPT TO:<me@pillarbox.local>", "5");
    let data = supervisor.data();
    assert_eq!(succeed(pillarbox(&data).args(["domain", "list", "--json"]), b""), "");
    succeed(pillarbox(&data).args(["domain", "add", "example.org"]), b"");
    succeed(pillarbox(&data).args(["account", "add", "ann@example.org", "--password-stdin"]), b"correct horse\n");
    wire.ask("RCPT TO:<ann@example.org>", "250 ");
    assert_eq!(served.stop(), Some(0));
}

/// Hears what a child tells its supervisor.
struct Ear {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Ear {
    fn of(supervisor: &Supervisor) -> Self {
        let path = supervisor.folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, path }
    }

    /// The next message.
    fn next(&self) -> String {
        let mut octets = [0; 4_096];
        let length = self.socket.recv(&mut octets).unwrap();
        String::from_utf8(octets[..length].to_vec()).unwrap()
    }

    /// Waits for a message with this line.
    fn until(&self, line: &str) -> String {
        loop {
            let message = self.next();
            if message.lines().any(|other| other == line) {
                return message;
            }
        }
    }

    /// What has come so far.
    fn drain(&self) -> String {
        self.socket.set_nonblocking(true).unwrap();
        let mut octets = [0; 4_096];
        let mut heard = String::new();
        while let Ok(length) = self.socket.recv(&mut octets) {
            heard.push_str(core::str::from_utf8(&octets[..length]).unwrap());
        }
        self.socket.set_nonblocking(false).unwrap();
        heard
    }
}

#[test]
fn the_supervisor_hears_of_health_mail_requests_and_the_end() {
    let supervisor = Supervisor::new();
    let ear = Ear::of(&supervisor);
    let mut command = supervisor.with_sockets(supervisor.launch(&["--no-first-account", "--sandbox"]), None);
    command.env("NOTIFY_SOCKET", &ear.path).env("PILLARBOX_APPLIANCE", "1");
    let served = supervisor.start(command);
    assert!(ear.next().starts_with("READY=1\n"));
    // The first probe writes, and a mail server without a domain waits for one.
    let first = ear.until("X_PILLARBOX_PROBE=passed");
    assert!(first.starts_with("WATCHDOG=1\n") && first.contains("X_PILLARBOX_HEALTH=setup\n"), "{first}");
    let data = supervisor.data();
    succeed(pillarbox(&data).args(["domain", "add", "example.org"]), b"");
    succeed(pillarbox(&data).args(["account", "add", "ann@example.org", "--password-stdin"]), b"correct horse\n");
    deliver(&mut supervisor.connect("smtp"), "moves");
    ear.until("X_PILLARBOX_MAIL=1");
    let later = ear.until("X_PILLARBOX_HEALTH=serving");
    assert!(later.starts_with("WATCHDOG=1\n") && !later.contains("PROBE"), "{later}");
    let status = succeed(pillarbox(&data).arg("status"), b"");
    assert!(status.contains("serving mail") && status.contains("last probe milliseconds"), "{status}");
    assert!(!succeed(pillarbox(&data).args(["account", "list"]), b"").contains("probe"));
    succeed(pillarbox(&data).arg("reboot"), b"");
    assert_eq!(ear.until("X_PILLARBOX_REQUEST=reboot"), "X_PILLARBOX_REQUEST=reboot\n");
    succeed(pillarbox(&data).arg("poweroff"), b"");
    ear.until("X_PILLARBOX_REQUEST=poweroff");
    assert_eq!(served.stop(), Some(0));
    ear.until("STOPPING=1");
}

#[test]
fn the_machine_is_left_to_its_own_tools_where_it_is_no_appliance() {
    let supervisor = Supervisor::new();
    supervisor.set_up();
    let ear = Ear::of(&supervisor);
    // Also under systemd, which listens as PID 1 of the appliance does.
    let mut command = supervisor.with_sockets(supervisor.serve(&[]), None);
    command.env("NOTIFY_SOCKET", &ear.path);
    let served = supervisor.start(command);
    let (code, message) = finish(pillarbox(&supervisor.data()).arg("poweroff"), b"");
    assert!(code == Some(1) && message.contains("`systemctl poweroff`"), "{message}");
    let status = succeed(pillarbox(&supervisor.data()).args(["status", "--json"]), b"");
    assert!(status.contains(r#""files":"not restricted""#), "{status}");
    assert_eq!(served.stop(), Some(0));
    assert!(!ear.drain().contains("X_PILLARBOX_REQUEST"));
}

/// The id of a process's thread.
fn thread(process: Pid, name: &str) -> Pid {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let is_called = |path: &Path| std::fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name);
    let found = tasks.map(|task| task.unwrap().path()).find(|path| is_called(path)).unwrap();
    Pid::from_raw(found.file_name().unwrap().to_str().unwrap().parse().unwrap())
}

#[test]
fn a_store_that_hangs_is_no_heartbeat_while_the_process_lives() {
    let supervisor = Supervisor::new();
    supervisor.set_up();
    let ear = Ear::of(&supervisor);
    let mut command = supervisor.with_sockets(supervisor.serve(&[]), None);
    command.env("NOTIFY_SOCKET", &ear.path);
    let served = supervisor.start(command);
    ear.until("X_PILLARBOX_PROBE=passed");
    // ptrace(2) stops the writer and no other thread: as a card would that never answers.
    let writer = thread(served.pid(), "pillarbox-log");
    ptrace::seize(writer, ptrace::Options::empty()).unwrap();
    ptrace::interrupt(writer).unwrap();
    waitpid(writer, Some(WaitPidFlag::__WALL)).unwrap();
    let heard = eventually("the probe to be missed", || {
        let heard = ear.drain();
        heard.contains("X_PILLARBOX_HEALTH=degraded").then_some(heard)
    });
    assert!(heard.contains("the store has not answered"), "{heard}");
    // The process answers all the same, and says what is the matter.
    let status = succeed(pillarbox(&supervisor.data()).args(["status", "--json"]), b"");
    assert!(status.contains(r#""state":"degraded""#) && !status.contains(r#""probes_failed":0"#), "{status}");
    supervisor.connect("smtp").until("220 ");
    assert!(!ear.drain().contains("WATCHDOG"));
    ptrace::detach(writer, None).unwrap();
    assert!(ear.until("WATCHDOG=1").contains("X_PILLARBOX_HEALTH=serving"));
    deliver(&mut supervisor.connect("smtp"), "again");
    assert_eq!(served.stop(), Some(0));
}
