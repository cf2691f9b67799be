//! POP3 sessions over a real store in memory: what the conversations of `tests/conversations/pop3` cannot show.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::account::{Accounts, Options as AccountOptions};
use crate::limits::POP3_BAD_COMMANDS_MAX;
use crate::mail::{Address, Domain, FlagSelection, InternalDate};
use crate::mime::Scanner;
use crate::serve::Config;
use crate::store::{Delivery, Owner, QuotaRule, Spool, Store, Target};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PASSWORD: &str = "secret";
const CLEAR: &str = "plain_login_on_loopback = true\n";
/// Nothing here takes that long; a conversation that hangs shall say where.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server with the accounts ann and bob.
struct World {
    services: Arc<Services>,
    store: Store,
}

impl World {
    fn new(config: &str) -> Self {
        let text = format!("host_name = \"mail.example.org\"\n{config}");
        let config = Config::parse(&text, Path::new("pillarbox.toml")).unwrap();
        let store = Store::open_in_memory().unwrap();
        let options = AccountOptions { legacy_logins: config.legacy_logins, ..AccountOptions::default() };
        let accounts = Accounts::new(store.clone(), options);
        accounts.add_domain(&Domain::parse("example.org").unwrap()).unwrap();
        for address in ["ann@example.org", "bob@example.org"] {
            accounts.add_account(&Address::parse(address).unwrap(), PASSWORD, None).unwrap();
        }
        let services = Services::new(store.clone(), accounts, Arc::new(config));
        Self { services, store }
    }

    fn owner(&self, address: &str) -> Owner {
        self.services.accounts.account(address).unwrap().unwrap().owner
    }

    fn inbox(&self, address: &str) -> crate::store::MailboxRow {
        self.store.mailbox(self.owner(address), "INBOX").unwrap().unwrap()
    }

    fn deliver(&self, address: &str, message: &[u8]) {
        let mut spool = Spool::new(WorkingBuffer::unpooled(), u64::MAX);
        let mut scanner = Scanner::new();
        scanner.push(message);
        let mut rest = message;
        while !rest.is_empty() {
            let taken = spool.push(rest).unwrap();
            rest = &rest[taken..];
            if spool.is_full() {
                spool = self.store.spill_blocking(spool).unwrap();
            }
        }
        let target = Target {
            mailbox: self.inbox(address).id,
            flags: FlagSelection::default(),
            internal_date: InternalDate::utc(0),
            quota: QuotaRule::Promised,
        };
        let summary = scanner.finish().encode().unwrap();
        self.store.commit(Transaction::Deliver(Delivery { spool, summary, targets: vec![target] })).unwrap();
    }

    /// What is left in an inbox: first lines of the messages.
    fn left(&self, address: &str) -> Vec<String> {
        let inbox = self.inbox(address);
        let mut view = self.store.open_view(inbox.id).unwrap();
        let rows = self.store.messages_by_sequence(&mut view, 1..=u32::MAX, 10_000).unwrap();
        let line = |(_, row): &(u32, MessageRow)| {
            let mut octets = vec![0; 200];
            let read = self.store.open_blob(row.blob).unwrap().read_at(0, &mut octets).unwrap();
            String::from_utf8_lossy(&octets[..read]).lines().next().unwrap_or_default().to_owned()
        };
        rows.iter().map(line).collect()
    }

    fn connect(&self) -> Client {
        let (connection, far) = Connection::in_memory(SocketAddr::from(([127, 0, 0, 1], 40_000)));
        tokio::spawn(serve_pop3(connection, Arc::clone(&self.services)));
        Client { stream: far, received: Vec::new() }
    }

    /// A client that is logged in as ann.
    async fn ann(&self) -> Client {
        let mut client = self.connect();
        client.hear().await.unwrap();
        assert_eq!(client.ask("USER ann@example.org").await, "+OK Send your password");
        assert!(client.ask("PASS secret").await.starts_with("+OK "));
        client
    }
}

struct Client {
    stream: tokio::io::DuplexStream,
    received: Vec<u8>,
}

impl Client {
    /// The next line with its CRLF; `None` at the end.
    async fn octets(&mut self) -> Option<Vec<u8>> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.received[searched..].windows(2).position(|pair| pair == b"\r\n") {
                return Some(self.received.drain(..searched + end + 2).collect());
            }
            searched = self.received.len().saturating_sub(1);
            let mut buffer = vec![0; 65_536];
            let reading = self.stream.read(&mut buffer);
            let octets = tokio::time::timeout(PATIENCE, reading).await.expect("nothing came").unwrap_or(0);
            if octets == 0 {
                return None;
            }
            self.received.extend_from_slice(&buffer[..octets]);
        }
    }

    async fn hear(&mut self) -> Option<String> {
        let line = self.octets().await?;
        Some(String::from_utf8_lossy(&line).trim_end_matches("\r\n").to_owned())
    }

    async fn ask(&mut self, line: &str) -> String {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.hear().await.unwrap()
    }

    /// The lines of a listing, its first and last not among them.
    async fn list(&mut self, line: &str) -> Vec<String> {
        let status = self.ask(line).await;
        assert!(status.starts_with("+OK"), "{status}");
        let mut lines = Vec::new();
        loop {
            match self.hear().await.unwrap() {
                dot if dot == "." => return lines,
                line => lines.push(line),
            }
        }
    }

    /// A message, its dots taken off again.
    async fn message(&mut self, line: &str) -> Vec<u8> {
        let status = self.ask(line).await;
        assert!(status.starts_with("+OK"), "{status}");
        let mut message = Vec::new();
        loop {
            let line = self.octets().await.unwrap();
            if line == b".\r\n" {
                return message;
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }
}

/// What a client may receive of a message: every line ended by CRLF.
fn normal(message: &[u8]) -> Vec<u8> {
    let mut normal = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let end = rest.iter().position(|octet| matches!(octet, b'\r' | b'\n')).unwrap_or(rest.len());
        normal.extend_from_slice(&rest[..end]);
        normal.extend_from_slice(b"\r\n");
        rest = rest[end..].strip_prefix(b"\r\n").unwrap_or(rest.get(end + 1..).unwrap_or_default());
    }
    normal
}

#[tokio::test]
async fn messages_come_as_they_are_stored() {
    let world = World::new(CLEAR);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages");
    let mut messages: Vec<Vec<u8>> = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .filter(|file| file.path().extension().is_some_and(|extension| extension == "eml"))
        .map(|file| std::fs::read(file.path()).unwrap())
        .collect();
    messages.push(b".\r\n..\r\n.a\r\nno end".to_vec());
    messages.push([b"Subject: large\r\n\r\n".to_vec(), b".x\r\n\n".repeat(600_000)].concat());
    messages.push(b"X".to_vec());
    for message in &messages {
        world.deliver("ann@example.org", message);
    }
    let mut client = world.ann().await;
    for (index, message) in messages.iter().enumerate() {
        let got = client.message(&format!("RETR {}", index + 1)).await;
        assert!(got == normal(message), "message {} of {} octets", index + 1, message.len());
        let header = got.windows(4).position(|four| four == b"\r\n\r\n").map_or(got.len(), |at| at + 4);
        if !got.starts_with(b"\r\n") {
            assert_eq!(client.message(&format!("TOP {} 0", index + 1)).await, got[..header]);
        }
        assert_eq!(client.message(&format!("TOP {} 4000000", index + 1)).await, got);
    }
    assert_eq!(world.services.buffers.leased(), 0);
}

#[tokio::test]
async fn large_maildrops_are_listed_and_emptied_in_pages() {
    let world = World::new(CLEAR);
    for number in 1..=2_600 {
        world.deliver("ann@example.org", format!("N: {number}\r\n\r\n").as_bytes());
    }
    let mut client = world.ann().await;
    let sizes = client.list("LIST").await;
    assert_eq!((sizes.len(), sizes[2_599].as_str()), (2_600, "2600 11"));
    let names = client.list("UIDL").await;
    assert_eq!(names.len(), 2_600);
    let total: u64 = sizes.iter().map(|line| line.split_once(' ').unwrap().1.parse::<u64>().unwrap()).sum();
    assert_eq!(client.ask("STAT").await, format!("+OK 2600 {total}"));
    // Every second one: more ranges than a view keeps of messages that are gone.
    for number in (2..=2_600).step_by(2) {
        assert_eq!(client.ask(&format!("DELE {number}")).await, format!("+OK Message {number} deleted"));
    }
    assert_eq!(client.list("LIST").await.len(), 1_300);
    assert_eq!(client.ask("QUIT").await, "+OK Goodbye");
    let left = world.left("ann@example.org");
    assert_eq!(left, (1..2_600).step_by(2).map(|number| format!("N: {number}")).collect::<Vec<_>>());
    // RFC 1939 7: the others keep their names.
    let mut client = world.ann().await;
    let again = client.list("UIDL").await;
    let name = |line: &String| line.split_once(' ').unwrap().1.to_owned();
    let expected: Vec<_> = names.iter().step_by(2).map(name).collect();
    assert_eq!(again.iter().map(name).collect::<Vec<_>>(), expected);
    // And all the rest in one run.
    for number in 1..=1_300 {
        client.ask(&format!("DELE {number}")).await;
    }
    assert_eq!(client.ask("QUIT").await, "+OK Goodbye");
    assert_eq!(world.inbox("ann@example.org").messages, 0);
}

#[tokio::test]
async fn what_others_remove_is_gone_and_what_arrives_is_not_shown() {
    let world = World::new(CLEAR);
    for number in 1..=4 {
        world.deliver("ann@example.org", format!("N: {number}\r\n\r\n").as_bytes());
    }
    let mut client = world.ann().await;
    let names = client.list("UIDL").await;
    let uid = |index: usize| names[index].rsplit_once('.').unwrap().1.parse::<u32>().unwrap();
    let inbox = world.inbox("ann@example.org").id;
    let expunge = Transaction::Expunge { mailbox: inbox, uids: vec![uid(1)..=uid(1)], only_deleted: false };
    world.store.commit(expunge).unwrap();
    world.deliver("ann@example.org", b"N: 5\r\n\r\n");
    assert_eq!(client.ask("RETR 2").await, "-ERR No such message");
    assert_eq!(client.ask("DELE 2").await, "-ERR No such message");
    assert_eq!(client.ask("RETR 5").await, "-ERR No such message");
    let numbers: Vec<_> = client.list("LIST").await.iter().map(|line| line[..1].to_owned()).collect();
    assert_eq!(numbers, ["1", "3", "4"]);
    assert_eq!(client.ask("DELE 3").await, "+OK Message 3 deleted");
    client.ask("QUIT").await;
    assert_eq!(world.left("ann@example.org"), ["N: 1", "N: 4", "N: 5"]);
}

#[tokio::test]
async fn a_connection_that_breaks_deletes_nothing_and_frees_the_maildrop() {
    let world = World::new(CLEAR);
    world.deliver("ann@example.org", b"N: 1\r\n\r\n");
    for _ in 0..3 {
        let mut client = world.ann().await;
        assert_eq!(client.ask("DELE 1").await, "+OK Message 1 deleted");
        let mut second = world.connect();
        second.hear().await.unwrap();
        second.ask("USER ann@example.org").await;
        let refused = second.ask("PASS secret").await;
        assert_eq!(refused, "-ERR [IN-USE] Another session is using this maildrop");
        drop(client);
        // As soon as the server has seen the end.
        loop {
            second.ask("USER ann@example.org").await;
            let reply = second.ask("PASS secret").await;
            if reply.starts_with("+OK 1 messages") {
                break;
            }
            assert!(reply.starts_with("-ERR [IN-USE]"), "{reply}");
        }
        assert_eq!(second.ask("QUIT").await, "+OK Goodbye");
        assert_eq!(second.hear().await, None);
    }
    assert_eq!(world.left("ann@example.org"), ["N: 1"]);
}

#[tokio::test]
async fn answers_do_not_wait_behind_a_bare_lf() {
    let world = World::new(CLEAR);
    let mut client = world.ann().await;
    client.stream.write_all(b"STAT\r\nNO\nOP").await.unwrap();
    assert_eq!(client.hear().await.unwrap(), "+OK 0 0");
}

#[tokio::test]
async fn a_client_that_goes_while_buffers_are_out_frees_its_maildrop() {
    let world = World::new(CLEAR);
    world.deliver("ann@example.org", b"N: 1\r\n\r\n");
    let mut client = world.ann().await;
    let mut out = Vec::new();
    while let Some(buffer) = world.services.buffers.try_lease() {
        out.push(buffer);
    }
    client.stream.write_all(b"NOOP\r\nRETR 1\r\n").await.unwrap();
    // It waits for a buffer now.
    assert!(client.hear().await.unwrap().starts_with("+OK"));
    drop(client);
    let owner = world.owner("ann@example.org");
    let freed = async {
        while Lock::take(&world.services, owner).is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(POP3_BUFFER_TIMEOUT / 2, freed).await.unwrap();
    drop(out);
}

#[tokio::test]
async fn what_cannot_be_removed_is_reported() {
    let world = World::new(CLEAR);
    world.deliver("ann@example.org", b"N: 1\r\n\r\n");
    let mut client = world.ann().await;
    client.ask("DELE 1").await;
    world.store.clone().close().unwrap();
    let reply = client.ask("QUIT").await;
    assert_eq!(reply, "-ERR [SYS/TEMP] Some deleted messages were not removed");
}

#[tokio::test]
async fn apop_and_cram_md5_work_where_they_are_allowed() {
    use hmac::{Hmac, KeyInit, Mac};
    use md5::{Digest, Md5};
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let world = World::new("legacy_logins = true\n");
    let mut client = world.connect();
    let greeting = client.hear().await.unwrap();
    let timestamp = &greeting[greeting.find('<').unwrap()..];
    let digest = hex(&Md5::digest(format!("{timestamp}{PASSWORD}")));
    let wrong = hex(&Md5::digest(format!("{timestamp}x")));
    assert!(client.ask(&format!("APOP ann@example.org {wrong}")).await.starts_with("-ERR [AUTH]"));
    assert_eq!(client.ask(&format!("APOP ann@example.org {digest}")).await, "+OK 0 messages (0 octets)");
    let mut client = world.connect();
    assert_ne!(client.hear().await.unwrap(), greeting);
    let challenge = client.ask("AUTH CRAM-MD5").await;
    let challenge = base64::decode(challenge.strip_prefix("+ ").unwrap().as_bytes()).unwrap();
    let mut hmac = Hmac::<Md5>::new_from_slice(PASSWORD.as_bytes()).unwrap();
    hmac.update(&challenge);
    let response = format!("bob@example.org {}", hex(&hmac.finalize().into_bytes()));
    assert_eq!(client.ask(&base64::encode(response.as_bytes())).await, "+OK 0 messages (0 octets)");
    // Not where they are not.
    let world = World::new("");
    let mut client = world.connect();
    assert_eq!(client.hear().await.unwrap(), "+OK mail.example.org Pillarbox POP3");
    let refused = client.ask(&format!("APOP ann@example.org {digest}")).await;
    assert_eq!(refused, "-ERR This mechanism is not available");
}

#[tokio::test]
async fn garbage_is_answered_until_it_is_too_much() {
    let world = World::new(CLEAR);
    let mut client = world.connect();
    client.hear().await.unwrap();
    for _ in 1..POP3_BAD_COMMANDS_MAX {
        assert!(client.ask(&"x".repeat(100_000)).await.starts_with("-ERR The line is too long"));
    }
    assert!(client.ask("\0").await.starts_with("-ERR Too many errors"));
    assert_eq!(client.hear().await, None);
}

#[test]
fn every_failure_of_the_store_has_a_reply() {
    for (error, expected) in [
        (Error::Full, Reply::Temporary),
        (Error::OverQuota, Reply::Temporary),
        (Error::TooLarge, Reply::Temporary),
        (Error::NoSuchMailbox, Reply::Temporary),
        (Error::MailboxExists, Reply::Temporary),
        (Error::NotEmpty, Reply::Temporary),
        (Error::Gone, Reply::NoSuchMessage),
        (Error::OverLimit("x"), Reply::Temporary),
        (Error::Busy, Reply::Temporary),
        (Error::ViewLost, Reply::Temporary),
        (Error::ReadOnly, Reply::Temporary),
        (Error::Damaged(String::new()), Reply::Unreadable),
        (Error::Medium(String::new()), Reply::Temporary),
        (Error::Locked(String::new()), Reply::Temporary),
        (Error::Version(2), Reply::Temporary),
        (Error::Closed, Reply::Temporary),
    ] {
        assert_eq!(failure(&error), expected, "{error:?}");
    }
}
