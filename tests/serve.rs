//! The program from the outside: started, spoken to, stopped.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs a command on a data directory to its end.
fn pillarbox(data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pillarbox"))
        .arg("--data")
        .arg(data)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input may be gone before it is written.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn succeeds(data: &Path, arguments: &[&str], input: &str) -> String {
    let output = pillarbox(data, arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn fails(data: &Path, arguments: &[&str], input: &str) -> (i32, String) {
    let output = pillarbox(data, arguments, input);
    (output.status.code().unwrap(), text(&output.stderr))
}

/// A running server; killed when dropped.
struct Server {
    child: Child,
    table: String,
    ports: HashMap<String, SocketAddr>,
}

impl Server {
    /// Starts one with a listener for each protocol and waits until it is ready.
    fn start(data: &Path) -> Self {
        let config = data.join("pillarbox.toml");
        if !config.exists() {
            // Tests need no segments in advance.
            std::fs::create_dir_all(data).unwrap();
            std::fs::write(&config, "host_name = \"pillarbox.local\"\nprewrite_mib = 0\n").unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_pillarbox"));
        command.arg("--data").arg(data).arg("serve");
        for protocol in ["smtp", "submission", "submissions", "lmtp", "imap", "imaps", "pop3", "pop3s"] {
            command.arg("--listen").arg(format!("{protocol}=127.0.0.1:0"));
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut table = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if line == "ready" {
                break;
            }
            table.push_str(&line);
            table.push('\n');
        }
        let ports = std::fs::read_to_string(data.join("ports")).unwrap();
        let ports = ports.lines().map(|line| {
            let (protocol, address) = line.split_once('=').unwrap();
            (protocol.to_owned(), address.parse().unwrap())
        });
        Self { table, ports: ports.collect(), child }
    }

    /// What a listener says first.
    fn greeting(&self, protocol: &str) -> String {
        let stream = TcpStream::connect(self.ports[protocol]).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    }

    /// Stops it in order and gives its exit code.
    fn stop(mut self, signal: Signal) -> Option<i32> {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_first_start_makes_everything_and_a_second_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("mail");
    let server = Server::start(&data);
    assert!(server.table.contains("(shown only now)"), "{}", server.table);
    assert!(server.table.contains("@pillarbox.local"), "{}", server.table);
    assert!(server.ports.values().all(|address| address.port() != 0));
    for (protocol, expected) in
        [("smtp", "220 "), ("submission", "220 "), ("lmtp", "220 "), ("imap", "* OK "), ("pop3", "+OK ")]
    {
        let greeting = server.greeting(protocol);
        assert!(greeting.starts_with(expected), "{protocol}: {greeting}");
    }
    let authority = std::fs::read(data.join("tls/ca.pem")).unwrap();
    let accounts = succeeds(&data, &["account", "list"], "");
    assert!(accounts.contains("@pillarbox.local"), "{accounts}");
    assert_eq!(server.stop(Signal::SIGTERM), Some(0));
    assert!(!data.join("ports").exists() && !data.join("control.sock").exists());

    let server = Server::start(&data);
    assert!(server.table.contains("password  as it was"), "{}", server.table);
    assert_eq!(std::fs::read(data.join("tls/ca.pem")).unwrap(), authority);
    assert_eq!(succeeds(&data, &["account", "list"], ""), accounts);
    assert_eq!(server.stop(Signal::SIGINT), Some(0));
}

#[test]
fn accounts_are_added_before_the_first_start_and_while_running() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (code, message) = fails(data, &["account", "add", "alice@example.org"], "");
    assert!(code == 1 && message.contains("domain add example.org"), "{message}");
    assert_eq!(succeeds(data, &["domain", "add", "example.org"], ""), "DOMAIN\nexample.org\n");
    succeeds(data, &["account", "add", "alice@example.org", "--password-stdin"], "correct horse\n");

    let server = Server::start(data);
    // No account that nobody asked for.
    assert!(!server.table.contains("shown only now") && server.table.contains("alice@example.org"), "{}", server.table);
    let added = succeeds(data, &["account", "add", "bob@example.org", "--quota", "5G"], "");
    assert!(added.contains("PASSWORD") && added.contains("bob@example.org"), "{added}");
    succeeds(data, &["alias", "add", "sales@example.org", "alice@example.org", "bob@example.org"], "");
    let (code, message) = fails(data, &["alias", "add", "sales@example.org", "bob@example.org", "eve@example.net"], "");
    assert!(code == 1 && message.contains("eve@example.net is not at a domain of this server"), "{message}");
    let aliases = succeeds(data, &["alias", "list", "--json"], "");
    assert!(!aliases.contains("eve"), "{aliases}");
    assert!(aliases.contains(r#"{"alias":"sales@example.org","target":"bob@example.org"}"#), "{aliases}");
    let (code, message) = fails(data, &["account", "add", "bob@example.org"], "");
    assert!(code == 1 && message.contains("there is an account bob@example.org already"), "{message}");
    succeeds(data, &["account", "remove", "bob@example.org"], "");
    let status = succeeds(data, &["status", "--json"], "");
    assert!(status.starts_with('{') && status.contains(r#""host_name":"pillarbox.local""#), "{status}");
    assert!(succeeds(data, &["log"], "").contains("ready after"));
    assert!(!succeeds(data, &["log"], "").contains("correct horse"));
    succeeds(data, &["checkpoint"], "");
    assert_eq!(succeeds(data, &["stop"], ""), "");
    // It is gone: the store can be opened at once.
    let accounts = succeeds(data, &["account", "list"], "");
    assert!(accounts.contains("alice@example.org") && !accounts.contains("bob@example.org"), "{accounts}");
    drop(server);
}

#[test]
fn exit_codes_say_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("mail");
    assert_eq!(fails(&data, &["status"], "").0, 3);
    assert_eq!(fails(&data, &["stop"], "").0, 3);
    assert_eq!(fails(&data, &["nonsense"], "").0, 2);
    assert_eq!(fails(&data, &["account", "list"], "").0, 1);
    assert_eq!(fails(&data, &["account", "add", "a@b.example", "--password-stdin"], "").0, 2);
    assert!(!data.exists());
    let (code, message) = fails(&data, &["serve", "--listen", "http=127.0.0.1:0"], "");
    assert!(code == 2 && message.contains("http is not supported by this version"), "{message}");

    let server = Server::start(&data);
    let (code, message) = fails(&data, &["serve"], "");
    assert!(code == 3 && message.contains("in use by another process"), "{message}");
    let taken = format!("smtp={}", server.ports["smtp"]);
    let other = folder.path().join("other");
    let (code, message) = fails(&other, &["serve", "--listen", &taken], "");
    assert!(code == 1 && message.contains("another program uses port"), "{message}");
    // A start that failed has made no account whose password nobody has seen, and nothing else that is in the way.
    assert!(!other.join("store").exists() && !other.join("tls").exists());
    assert_eq!(server.stop(Signal::SIGTERM), Some(0));

    std::fs::write(data.join("pillarbox.toml"), "host_name = \"a\"\nvfry = true\n").unwrap();
    let (code, message) = fails(&data, &["serve"], "");
    assert!(code == 2 && message.contains("pillarbox.toml, line 2: unknown key `vfry`"), "{message}");
}

#[test]
fn a_stopping_server_says_goodbye_to_its_clients() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let mut clients: Vec<_> = ["smtp", "imap", "pop3"]
        .into_iter()
        .map(|protocol| {
            let mut reader = BufReader::new(TcpStream::connect(server.ports[protocol]).unwrap());
            reader.read_line(&mut String::new()).unwrap();
            reader
        })
        .collect();
    let begun = Instant::now();
    assert_eq!(server.stop(Signal::SIGTERM), Some(0));
    // Not cut off after `stop_seconds`: they left by themselves.
    assert!(begun.elapsed() < Duration::from_secs(5));
    for (client, expected) in clients.iter_mut().zip(["421 ", "* BYE ", ""]) {
        let mut heard = String::new();
        client.read_to_string(&mut heard).unwrap();
        assert!(heard.starts_with(expected), "{heard}");
    }
}

#[test]
fn a_killed_server_leaves_nothing_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    assert_eq!(server.stop(Signal::SIGKILL), None);
    assert!(folder.path().join("control.sock").exists());
    assert!(succeeds(folder.path(), &["domain", "list"], "").contains("pillarbox.local"));
    let server = Server::start(folder.path());
    assert!(server.table.contains("password  as it was"), "{}", server.table);
}

/// A client that trusts the server's authority.
fn trusting(data: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(data.join("tls/ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Says each line, and hears an answer up to a line that begins as expected.
fn converse(stream: &mut (impl Read + Write), lines: &[(&str, &str)]) -> String {
    let mut heard = String::new();
    for (say, expected) in lines {
        stream.write_all(say.as_bytes()).unwrap();
        stream.flush().unwrap();
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\n") {
                let mut octet = [0];
                stream.read_exact(&mut octet).unwrap_or_else(|error| panic!("{error} after {heard}"));
                line.push(octet[0]);
            }
            heard.push_str(&text(&line));
            if line.starts_with(expected.as_bytes()) {
                break;
            }
        }
    }
    heard
}

fn tls(server: &Server, data: &Path, protocol: &str) -> StreamOwned<ClientConnection, TcpStream> {
    let stream = TcpStream::connect(server.ports[protocol]).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let session = ClientConnection::new(trusting(data), ServerName::try_from("localhost").unwrap()).unwrap();
    StreamOwned::new(session, stream)
}

#[test]
fn acknowledged_mail_survives_a_kill_and_is_read_under_tls() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    succeeds(data, &["domain", "add", "example.org"], "");
    succeeds(data, &["account", "add", "ann@example.org", "--password-stdin"], "correct horse\n");
    let server = Server::start(data);
    let mut stream = TcpStream::connect(server.ports["smtp"]).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    converse(
        &mut stream,
        &[
            ("", "220 "),
            ("EHLO client.example\r\n", "250 "),
            ("MAIL FROM:<bob@example.net>\r\n", "250 "),
            ("RCPT TO:<ann@example.org>\r\n", "250 "),
            ("DATA\r\n", "354 "),
            ("Subject: kept\r\n\r\nwhatever happens\r\n.\r\n", "250 "),
        ],
    );
    assert_eq!(server.stop(Signal::SIGKILL), None);

    let server = Server::start(data);
    let heard = converse(
        &mut tls(&server, data, "imaps"),
        &[
            ("", "* OK "),
            ("a LOGIN ann@example.org \"correct horse\"\r\n", "a OK "),
            ("b SELECT INBOX\r\n", "b OK "),
            ("c FETCH 1 BODY[TEXT]\r\n", "c OK "),
            ("d LOGOUT\r\n", "d OK "),
        ],
    );
    assert!(heard.contains("whatever happens"), "{heard}");
    let heard = converse(
        &mut tls(&server, data, "pop3s"),
        &[
            ("", "+OK "),
            ("USER ann@example.org\r\n", "+OK"),
            ("PASS correct horse\r\n", "+OK"),
            ("RETR 1\r\n", "."),
            ("QUIT\r\n", "+OK"),
        ],
    );
    assert!(heard.contains("Subject: kept"), "{heard}");
    // STARTTLS leads to the same certificate.
    let mut stream = TcpStream::connect(server.ports["submission"]).unwrap();
    converse(&mut stream, &[("", "220 "), ("EHLO a.example\r\n", "250 "), ("STARTTLS\r\n", "220 ")]);
    let session = ClientConnection::new(trusting(data), ServerName::try_from("localhost").unwrap()).unwrap();
    let heard =
        converse(&mut StreamOwned::new(session, stream), &[("EHLO a.example\r\n", "250 "), ("QUIT\r\n", "221 ")]);
    assert!(heard.contains("AUTH ") && !heard.contains("STARTTLS"), "{heard}");
    assert_eq!(server.stop(Signal::SIGTERM), Some(0));
}
