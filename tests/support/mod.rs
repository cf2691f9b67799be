//! A running Pillarbox for tests: its own data directory, ports of its own on 127.0.0.1, stopped when dropped.
//!
//! `PILLARBOX_RUN` replaces the program, for example by an emulator and a cross-built binary.

#![allow(dead_code, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The domain of every test.
pub const DOMAIN: &str = "example.org";
/// The accounts of every test; the first is the administrator.
pub const USERS: [&str; 3] = ["ann", "bob", "cleo"];
/// How long anything may take before the test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

const PROTOCOLS: [&str; 7] = ["smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"];

/// A server process and where it listens.
pub struct Server {
    child: Option<Child>,
    folder: tempfile::TempDir,
    ports: BTreeMap<String, u16>,
    extra: String,
}

/// The program under test with `--data`.
pub fn pillarbox(data: &Path) -> Command {
    let run = std::env::var("PILLARBOX_RUN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_pillarbox").to_owned());
    let mut words = run.split_whitespace();
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).arg("--data").arg(data);
    command
}

/// Runs a program to its end, feeds it `input`, and gives its output; fails the test if it fails.
pub fn succeed(command: &mut Command, input: &[u8]) -> String {
    let (code, text) = finish(command, input);
    assert!(code == Some(0), "{command:?} ended with {code:?}:\n{text}");
    text
}

/// Runs a program to its end; gives its exit code and all that it printed.
pub fn finish(command: &mut Command, input: &[u8]) -> (Option<i32>, String) {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| {
            panic!("{command:?}: {error}; `cargo ci --only packages` installs what tests need")
        });
    // A program that does not read its input is no error here.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.code(), text)
}

/// Tries until it gives something, at most for [`PATIENCE`].
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Server {
    /// Starts with [`USERS`] at [`DOMAIN`], each with the password of [`Server::password`].
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts with more lines in its configuration.
    pub fn start_with(extra: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        succeed(pillarbox(&data).args(["domain", "add", DOMAIN]), b"");
        for user in USERS {
            let address = format!("{user}@{DOMAIN}");
            let password = format!("{}\n", Self::password(user));
            succeed(pillarbox(&data).args(["account", "add", &address, "--password-stdin"]), password.as_bytes());
        }
        let mut server = Self { child: None, folder, ports: BTreeMap::new(), extra: extra.to_owned() };
        server.run();
        server
    }

    /// Starts the process; ports that it had before stay the same.
    pub fn run(&mut self) {
        let config = self.path("test.toml");
        let lines = format!("login_throttle = false\nplain_login_on_loopback = true\n{}\n", self.extra);
        std::fs::write(&config, lines).unwrap();
        let mut command = pillarbox(&self.data());
        command.arg("serve").arg("--config").arg(&config);
        for protocol in PROTOCOLS {
            let port = self.ports.get(protocol).copied().unwrap_or(0);
            command.arg("--listen").arg(format!("{protocol}=127.0.0.1:{port}"));
        }
        let log = std::fs::File::create(self.path("stderr.log")).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut printed = String::new();
        while !printed.lines().any(|line| line == "ready") {
            let octets = output.read_line(&mut printed).unwrap();
            assert!(octets > 0, "the server ended before it was ready:\n{printed}\n{}", self.log());
        }
        // Whatever else it prints goes nowhere, but its pipe must not fill.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        self.child = Some(child);
        let ports = std::fs::read_to_string(self.data().join("ports")).unwrap();
        for line in ports.lines() {
            let (protocol, address) = line.split_once('=').unwrap();
            self.ports.insert(protocol.to_owned(), address.rsplit_once(':').unwrap().1.parse().unwrap());
        }
    }

    /// The password of a user.
    pub fn password(user: &str) -> String {
        format!("secret of {user}")
    }

    /// A user's address.
    pub fn address(user: &str) -> String {
        format!("{user}@{DOMAIN}")
    }

    /// The port of a protocol.
    pub fn port(&self, protocol: &str) -> u16 {
        self.ports[protocol]
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// A file beside the data directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The authority that clients must trust.
    pub fn ca(&self) -> PathBuf {
        self.data().join("tls").join("ca.pem")
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("stderr.log")).unwrap_or_default()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Ends the process at once, as a power cut would.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks the process to stop; gives its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        eventually("the server to stop", || child.try_wait().unwrap()).code()
    }

    /// A TCP connection to a protocol's port.
    pub fn connect(&self, protocol: &str) -> Wire {
        Wire::new(TcpStream::connect(("127.0.0.1", self.port(protocol))).unwrap())
    }

    /// A message file: header fields that every program likes, `subject`, and a body.
    pub fn message_file(&self, name: &str, to: &str, subject: &str, body: &str) -> PathBuf {
        let file = self.path(name);
        let text = format!(
            "From: Bob <bob@{DOMAIN}>\r\nTo: {to}@{DOMAIN}\r\nSubject: {subject}\r\n\
             Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{name}@test.invalid>\r\n\r\n{body}\r\n"
        );
        std::fs::write(&file, text).unwrap();
        file
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log());
        }
    }
}

/// A plain connection that sends lines and waits for lines.
pub struct Wire {
    stream: BufReader<TcpStream>,
}

impl Wire {
    /// Over a connection that was made elsewhere.
    pub fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Sends a line with its CRLF.
    pub fn send(&mut self, line: &str) {
        self.octets(format!("{line}\r\n").as_bytes());
    }

    /// Sends octets as they are; `false` if the server has gone.
    pub fn octets(&mut self, octets: &[u8]) -> bool {
        self.stream.get_mut().write_all(octets).is_ok()
    }

    /// The next line without its CRLF; `None` if the server has gone.
    pub fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(octets) if octets > 0 => Some(String::from_utf8_lossy(&line).trim_end().to_owned()),
            _ => None,
        }
    }

    /// Reads lines until one begins with `prefix`; fails the test if none comes. Gives all of them.
    pub fn until(&mut self, prefix: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().unwrap_or_else(|| panic!("no line beginning with {prefix:?}, only {lines:#?}"));
            let found = line.starts_with(prefix);
            lines.push(line);
            if found {
                return lines;
            }
        }
    }

    /// Sends a line and reads until a line begins with `prefix`.
    pub fn ask(&mut self, line: &str, prefix: &str) -> Vec<String> {
        self.send(line);
        self.until(prefix)
    }

    /// An IMAP command with tag `x`; must end with `x OK`.
    pub fn imap(&mut self, command: &str) -> Vec<String> {
        let lines = self.ask(&format!("x {command}"), "x ");
        assert!(lines.last().unwrap().starts_with("x OK"), "{command}: {lines:#?}");
        lines
    }

    /// Logs into IMAP.
    pub fn imap_login(&mut self, user: &str) {
        self.until("* OK");
        self.imap(&format!("LOGIN {} \"{}\"", Server::address(user), Server::password(user)));
    }
}
