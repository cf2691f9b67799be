//! The ceiling holds: a thousand idle clients, and sixty-four that hand in 25 MiB each at once.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use support::{PATIENCE, Server, eventually};

const CEILING_KIB: u64 = 64 * 1024;

/// A field of `/proc/PID/status` in KiB.
fn status_kib(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// A thousand clients need as many sockets in this process as well.
fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}

type Client = BufReader<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>;

fn tls_client(server: &Server, config: &Arc<rustls::ClientConfig>) -> Client {
    let name = ServerName::try_from("localhost").unwrap();
    let connection = rustls::ClientConnection::new(Arc::clone(config), name).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", server.port("imaps"))).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    BufReader::with_capacity(1024, rustls::StreamOwned::new(connection, stream))
}

fn ask(client: &mut Client, line: &str, prefix: &str) {
    if !line.is_empty() {
        client.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }
    loop {
        let mut answer = String::new();
        assert!(client.read_line(&mut answer).unwrap() > 0, "the server closed after {line:?}");
        if answer.starts_with(prefix) {
            return;
        }
    }
}

#[test]
fn a_thousand_idle_clients_stay_under_the_ceiling() {
    const CLIENTS: usize = 1000;
    raise_open_files();
    let server = Server::start_with("connections_per_address_max = 1100");
    let config = tls_config(&server);
    let before = status_kib(server.pid(), "VmRSS");
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let mut client = tls_client(&server, &config);
        ask(&mut client, "", "* OK");
        let user = support::USERS[number % support::USERS.len()];
        ask(&mut client, &format!("a LOGIN {} \"{}\"", Server::address(user), Server::password(user)), "a OK");
        ask(&mut client, "b SELECT INBOX", "b OK");
        ask(&mut client, "c IDLE", "+ ");
        clients.push(client);
    }
    let after = status_kib(server.pid(), "VmRSS");
    let peak = status_kib(server.pid(), "VmHWM");
    println!("{CLIENTS} idle clients: {before} KiB before, {after} KiB with them, peak {peak} KiB");
    assert!(peak < CEILING_KIB, "{peak} KiB");
    // Every one of them hears of new mail.
    let mut smtp = server.connect("smtp");
    smtp.until("220");
    for line in ["HELO c.invalid", "MAIL FROM:<z@w.invalid>", "RCPT TO:<ann@example.org>"] {
        smtp.ask(line, "250");
    }
    smtp.ask("DATA", "354");
    smtp.ask("Subject: wake up\r\n\r\nnow\r\n.", "250");
    for client in clients.iter_mut().step_by(support::USERS.len()) {
        ask(client, "", "* 1 EXISTS");
    }
}

/// The CA and the rest of a TLS client's configuration.
fn tls_config(server: &Server) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(server.ca()).unwrap()).unwrap();
    Arc::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// Password hashes and handshakes of many threads once left 100 MiB in the allocator's arenas.
#[test]
fn many_logins_leave_no_memory_behind() {
    let server = Arc::new(Server::start());
    let config = tls_config(&server);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (server, config) = (Arc::clone(&server), Arc::clone(&config));
            std::thread::spawn(move || {
                for number in 0..60 {
                    let mut client = tls_client(&server, &config);
                    ask(&mut client, "", "* OK");
                    let user = support::USERS[number % support::USERS.len()];
                    // Every other password is wrong, so that hashes are computed again and again.
                    let wrong = if number % 2 == 0 { "" } else { "?" };
                    let login = format!("a LOGIN {} \"{}{wrong}\"", Server::address(user), Server::password(user));
                    ask(&mut client, &login, if wrong.is_empty() { "a OK" } else { "a NO" });
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    let peak = status_kib(server.pid(), "VmHWM");
    println!("after 480 logins: peak {peak} KiB");
    assert!(peak < CEILING_KIB, "{peak} KiB");
}

#[test]
fn a_burst_of_large_messages_stays_under_the_ceiling() {
    const CLIENTS: usize = 64;
    const OCTETS: usize = 25 << 20;
    let server = Server::start();
    let line = "Sixty-four clients hand in twenty-five mebibytes each at once..\r\n";
    let block = Arc::new(line.repeat(1024));
    let senders: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (block, mut smtp) = (Arc::clone(&block), server.connect("smtp"));
            std::thread::spawn(move || {
                smtp.until("220");
                smtp.ask("EHLO c.invalid", "250 ");
                smtp.ask("MAIL FROM:<z@w.invalid>", "250");
                smtp.ask(&format!("RCPT TO:<{}>", Server::address(support::USERS[number % 3])), "250");
                smtp.ask("DATA", "354");
                smtp.send(&format!("Subject: large {number}\r\n"));
                for _ in 0..OCTETS / block.len() {
                    assert!(smtp.octets(block.as_bytes()));
                }
                smtp.ask(".", "250");
            })
        })
        .collect();
    for sender in senders {
        sender.join().unwrap();
    }
    let peak = status_kib(server.pid(), "VmHWM");
    println!("{CLIENTS} clients with {OCTETS} octets each: peak {peak} KiB");
    assert!(peak < CEILING_KIB, "{peak} KiB");
    // All of them are there, and one read back is whole.
    let mut imap = server.connect("imap");
    imap.imap_login("bob");
    imap.imap("SELECT INBOX");
    let lines = imap.imap("FETCH 1 BODY.PEEK[TEXT]");
    assert_eq!(lines.iter().filter(|text| text.starts_with("Sixty-four")).count(), OCTETS / line.len() / 1024 * 1024);
    let peak = status_kib(server.pid(), "VmHWM");
    assert!(peak < CEILING_KIB, "{peak} KiB after reading");
}

#[test]
fn two_thousand_connections_at_once_are_answered_or_refused() {
    const CONNECTIONS: usize = 2000;
    raise_open_files();
    let server = Server::start_with("connections_per_address_max = 1100");
    let mut open: Vec<_> = (0..CONNECTIONS).map(|_| server.connect("smtp")).collect();
    let greetings: Vec<String> = open.iter_mut().filter_map(support::Wire::line).collect();
    let served = greetings.iter().filter(|line| line.starts_with("220")).count();
    let refused = greetings.iter().filter(|line| line.starts_with("421")).count();
    assert_eq!(served + refused, greetings.len(), "only greetings and refusals");
    assert!((1000..CONNECTIONS).contains(&served), "{served} served, {refused} refused");
    let peak = status_kib(server.pid(), "VmHWM");
    assert!(peak < CEILING_KIB, "{peak} KiB");
    // When they leave, the next client is served.
    drop(open);
    eventually("room for the next client", || server.connect("smtp").line().filter(|line| line.starts_with("220")));
}
