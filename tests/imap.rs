//! IMAP sessions that are too long, or too random, for a conversation file.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use pillarbox::account::{Accounts, Options as AccountOptions};
use pillarbox::limits::WORKING_BUFFERS_MAX;
use pillarbox::mail::{Address, Domain};
use pillarbox::serve::imap::serve_imap;
use pillarbox::serve::{Config, Connection, Services};
use pillarbox::store::{FileMedium, Options, Store};
use proptest::prelude::*;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(120);

fn services() -> Arc<Services> {
    services_of(Store::open_in_memory().unwrap())
}

fn services_of(store: Store) -> Arc<Services> {
    let config = Config { plain_login_on_loopback: true, login_throttle: false, ..Config::default() };
    let accounts = Accounts::new(store.clone(), AccountOptions::default());
    accounts.add_domain(&Domain::parse("example.org").unwrap()).unwrap();
    accounts.add_account(&Address::parse("ann@example.org").unwrap(), "secret", None).unwrap();
    Services::new(store, accounts, Arc::new(config))
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn peer() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 40_000))
}

struct Client {
    stream: DuplexStream,
    received: Vec<u8>,
    tag: u32,
}

impl Client {
    /// Connected and logged in.
    async fn connect(services: &Arc<Services>) -> Self {
        let (connection, stream) = Connection::in_memory(peer());
        tokio::spawn(serve_imap(connection, Arc::clone(services)));
        let mut client = Self { stream, received: Vec::new(), tag: 0 };
        client.line().await;
        client.ok("LOGIN ann@example.org secret").await;
        client
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.received.drain(..end + 2).collect();
                return String::from_utf8_lossy(&line[..end]).into_owned();
            }
            let mut buffer = vec![0; 65_536];
            let octets =
                tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer)).await.expect("an answer").unwrap();
            assert!(octets > 0, "the connection ended");
            self.received.extend_from_slice(&buffer[..octets]);
        }
    }

    /// Untagged lines and the tagged one.
    async fn ask(&mut self, command: &str) -> (Vec<String>, String) {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        self.stream.write_all(format!("{tag} {command}\r\n").as_bytes()).await.unwrap();
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            if let Some(end) = line.strip_prefix(&format!("{tag} ")) {
                return (lines, end.to_owned());
            }
            lines.push(line);
        }
    }

    async fn ok(&mut self, command: &str) -> Vec<String> {
        let (lines, end) = self.ask(command).await;
        assert!(end.starts_with("OK"), "{command}: {end}");
        lines
    }
}

fn count(lines: &[String], what: &str) -> usize {
    lines.iter().filter(|line| line.contains(what)).count()
}

/// More messages than one step of anything takes, and gaps that no view could keep all at once.
#[test]
fn large_mailboxes_are_handled_in_steps() {
    const MESSAGES: usize = 2_600;
    let runtime = runtime();
    runtime.block_on(async {
        let services = services();
        let mut client = Client::connect(&services).await;
        let mut other = Client::connect(&services).await;
        let one = "APPEND INBOX {21+}\r\nSubject: x\r\n\r\nhello\r\n".to_owned();
        for _ in 0..20 {
            client.ok(&one).await;
        }
        client.ok("SELECT INBOX").await;
        // Copies double what is there.
        let mut there = 20;
        while there < MESSAGES {
            let more = there.min(MESSAGES - there);
            client.ok(&format!("COPY 1:{more} INBOX")).await;
            there += more;
        }
        other.ok("SELECT INBOX").await;
        let lines = client.ok("STORE 1:* +FLAGS (one)").await;
        assert_eq!(count(&lines, " FETCH (FLAGS"), MESSAGES);
        let lines = client.ok("UID FETCH 1:* (FLAGS RFC822.SIZE)").await;
        assert_eq!(count(&lines, "RFC822.SIZE 21"), MESSAGES);
        let lines = client.ok("SEARCH SUBJECT x BODY hello").await;
        assert_eq!(lines[0].split(' ').count(), MESSAGES + 2);
        let lines = client.ok("SEARCH RETURN (ALL COUNT) KEYWORD one").await;
        assert_eq!(lines, [format!("* ESEARCH (TAG \"t{}\") ALL 1:{MESSAGES} COUNT {MESSAGES}", client.tag)]);
        // Every second message, while another client has them all in view.
        let seconds: Vec<String> = (1..=MESSAGES).step_by(2).map(|number| number.to_string()).collect();
        let lines = client.ok(&format!("STORE {} +FLAGS.SILENT (\\Deleted)", seconds.join(","))).await;
        assert_eq!(lines.len(), 0);
        let lines = other.ok("NOOP").await;
        assert_eq!(count(&lines, " FETCH (UID "), MESSAGES, "all have the keyword");
        assert_eq!(count(&lines, " FLAGS (\\Deleted one)"), MESSAGES / 2);
        let lines = client.ok("EXPUNGE").await;
        assert_eq!(count(&lines, " EXPUNGE"), MESSAGES / 2);
        // The other one hears of it, or is told that it was too much at once.
        let (lines, end) = tokio::time::timeout(PATIENCE, other.ask("NOOP")).await.unwrap();
        assert!(end.starts_with("OK"), "{end}");
        if count(&lines, " EXPUNGE") == 0 {
            assert!(other.line().await.starts_with("* BYE [UNAVAILABLE]"));
        } else {
            assert_eq!(count(&lines, " EXPUNGE"), MESSAGES / 2);
        }
        let lines = client.ok("MOVE 1:* Archive").await;
        assert_eq!(count(&lines, " EXPUNGE"), MESSAGES / 2);
        assert!(count(&lines, "[COPYUID ") > 0);
        let lines = client.ok("STATUS Archive (MESSAGES UIDNEXT)").await;
        assert_eq!(lines, [format!("* STATUS Archive (MESSAGES {} UIDNEXT {})", MESSAGES / 2, MESSAGES / 2 + 1)]);
        client.ok("DELETE Archive").await;
        client.ok("LOGOUT").await;
    });
}

/// A body that takes many buffers comes out as it went in; so does a part of it.
#[test]
fn large_messages_stream_both_ways() {
    let runtime = runtime();
    runtime.block_on(async {
        let services = services();
        let mut client = Client::connect(&services).await;
        let mut message = b"Subject: large\r\n\r\n".to_vec();
        while message.len() < 1_500_000 {
            message.extend_from_slice(format!("line {} {}\r\n", message.len(), "x".repeat(50)).as_bytes());
        }
        let octets = message.len();
        client.stream.write_all(format!("a APPEND INBOX {{{octets}}}\r\n").as_bytes()).await.unwrap();
        assert!(client.line().await.starts_with("+ "));
        client.stream.write_all(&message).await.unwrap();
        client.stream.write_all(b"\r\n").await.unwrap();
        assert!(client.line().await.starts_with("a OK [APPENDUID "));
        client.ok("EXAMINE INBOX").await;
        let lines = client.ok("FETCH 1 BODY[]").await;
        assert_eq!(lines[0], format!("* 1 FETCH (BODY[] {{{octets}}}"));
        assert_eq!(lines[1..lines.len() - 1].join("\r\n").as_bytes(), &message[..octets - 2]);
        assert_eq!(lines.last().unwrap(), ")");
        let lines = client.ok("FETCH 1 BODY[]<1000000.20>").await;
        assert_eq!(lines[0], "* 1 FETCH (BODY[]<1000000> {20}");
        let lines = client.ok("SEARCH BODY \"line 1499\"").await;
        assert_eq!(lines, ["* SEARCH 1"]);
        let lines = client.ok("SEARCH TEXT \"line never\"").await;
        assert_eq!(lines, ["* SEARCH"]);
    });
}

/// Clients that ask for much and read nothing keep nothing that others need.
#[test]
fn clients_that_do_not_read_hold_up_nobody() {
    let runtime = runtime();
    runtime.block_on(async {
        let services = services();
        let mut client = Client::connect(&services).await;
        let message = format!("Subject: large\r\n\r\n{}", "0123456789abcde\r\n".repeat(30_000));
        client.ok(&format!("APPEND INBOX {{{}+}}\r\n{message}", message.len())).await;
        client.ok("SELECT INBOX").await;
        let mut stuck = Vec::new();
        for _ in 0..WORKING_BUFFERS_MAX + 2 {
            let mut one = Client::connect(&services).await;
            one.ok("EXAMINE INBOX").await;
            one.stream.write_all(b"x FETCH 1 BODY.PEEK[]\r\n").await.unwrap();
            stuck.push(one);
        }
        // Each waits for its own client now.
        let free = async {
            while services.buffers.leased() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, free).await.unwrap();
        client.ok("APPEND INBOX {2+}\r\nhi").await;
        let lines = client.ok("FETCH 1 BODY.PEEK[]<16.4>").await;
        assert_eq!(lines[0], "* 1 FETCH (BODY[]<16> {4}");
        client.ok("SEARCH BODY 9abcde").await;
        // Whoever reads after all has it all.
        let mut one = stuck.pop().unwrap();
        let mut octets = 0;
        loop {
            let line = one.line().await;
            if line.starts_with("x ") {
                assert!(line.starts_with("x OK"), "{line}");
                break;
            }
            // The message that came meanwhile is told as well.
            if !line.ends_with(" EXISTS") && !line.ends_with(" RECENT") {
                octets += line.len() + 2;
            }
        }
        let head = format!("* 1 FETCH (BODY[] {{{}}}\r\n)\r\n", message.len());
        assert_eq!(octets, head.len() + message.len());
    });
}

/// Spoils the first octet of `what` wherever it stands in the store's files.
fn spoil(folder: &std::path::Path, what: &[u8]) {
    let mut spoilt = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let octets = std::fs::read(&path).unwrap();
        for (at, _) in octets.windows(what.len()).enumerate().filter(|(_, window)| *window == what) {
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, b"!", at.try_into().unwrap()).unwrap();
            spoilt += 1;
        }
    }
    assert!(spoilt > 0);
}

/// Damage on the card is an error of the messages that it hits.
#[test]
fn damaged_messages_are_told_and_the_others_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let medium = FileMedium::open(folder.path()).unwrap();
    let options =
        Options { segment_octets: 1 << 20, spares: 0, spares_low: 0, reserve_octets: 0, ..Options::default() };
    let (store, _) = Store::open(Arc::new(medium), options).unwrap();
    let runtime = runtime();
    runtime.block_on(async {
        let services = services_of(store);
        let mut client = Client::connect(&services).await;
        let small = "Subject: a\r\n\r\nmarker-of-small\r\n".to_owned();
        let large = format!("Subject: b\r\n\r\n{}marker-of-large\r\n", "0123456789abcde\r\n".repeat(6_000));
        let whole = "Subject: c\r\n\r\nwhole\r\n".to_owned();
        for message in [&small, &large, &whole] {
            client.ok(&format!("APPEND INBOX {{{}+}}\r\n{message}", message.len())).await;
        }
        spoil(folder.path(), b"marker-of-small");
        spoil(folder.path(), b"marker-of-large");
        client.ok("EXAMINE INBOX").await;
        let (lines, end) = client.ask("FETCH 1:3 (UID BODY.PEEK[] BODY.PEEK[HEADER.FIELDS (SUBJECT)] ENVELOPE)").await;
        assert!(end.starts_with("NO [CORRUPTION] Message UID 1 is damaged"), "{end}");
        assert!(lines[0].starts_with("* 1 FETCH (UID 1 BODY[] NIL BODY[HEADER.FIELDS (SUBJECT)] NIL ENVELOPE ("));
        assert_eq!(lines[1], format!("* 2 FETCH (UID 2 BODY[] {{{}}}", large.len()));
        let text = lines.join("\r\n");
        let (_, rest) = text.split_at(lines[0].len() + lines[1].len() + 4);
        assert_eq!(&rest[..65_000], &large[..65_000]);
        assert!(rest[65_000..large.len()].ends_with("          "));
        assert!(
            rest[large.len()..].starts_with(" BODY[HEADER.FIELDS (SUBJECT)] {14}\r\nSubject: b\r\n\r\n ENVELOPE (")
        );
        assert!(rest.contains(&format!("* 3 FETCH (UID 3 BODY[] {{{}}}\r\n{whole} BODY[", whole.len())));
        client.ok("FETCH 3 BODY.PEEK[]").await;
    });
}

/// More steps than a view remembers of its own.
#[test]
fn a_client_is_not_told_what_it_did_itself() {
    const MESSAGES: usize = 17_500;
    let runtime = runtime();
    runtime.block_on(async {
        let services = services();
        let mut client = Client::connect(&services).await;
        for _ in 0..20 {
            client.ok("APPEND INBOX {21+}\r\nSubject: x\r\n\r\nhello\r\n").await;
        }
        client.ok("SELECT INBOX").await;
        let mut there = 20;
        while there < MESSAGES {
            let more = there.min(MESSAGES - there);
            client.ok(&format!("COPY 1:{more} INBOX")).await;
            there += more;
        }
        assert_eq!(client.ok("STORE 1:* +FLAGS.SILENT (\\Flagged)").await, [""; 0]);
        let lines = client.ok("FETCH 1:1000 BODY[TEXT]").await;
        assert_eq!(count(&lines, " FETCH ("), 1_000);
        assert_eq!(client.ok("NOOP").await, [""; 0]);
    });
}

/// What a connection keeps while its client says nothing.
#[test]
fn an_idle_session_is_small() {
    let services = services();
    let (connection, _far) = Connection::in_memory(peer());
    let octets = core::mem::size_of_val(&serve_imap(connection, services));
    assert!(octets < 4_096, "{octets}");
}

/// Pieces of which hostile clients make what they send.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&[u8]> = vec![
        b"\r\n",
        b"\n",
        b"\0",
        b" ",
        b"a ",
        b"{3}\r\n",
        b"{3+}\r\n",
        b"~{3+}\r\nabc",
        b"{70000+}\r\n",
        b"\"",
        b"(",
        b")",
        b"a APPEND INBOX ",
        b"(\\Seen x) ",
        b"a SELECT INBOX\r\n",
        b"a EXAMINE INBOX\r\n",
        b"a FETCH 1:* (FLAGS BODY[])\r\n",
        b"a UID FETCH * (ENVELOPE BODYSTRUCTURE BODY[1.MIME])\r\n",
        b"a SEARCH RETURN (SAVE ALL) OR BODY x TEXT y\r\n",
        b"a FETCH $ BINARY[1]<0.1>\r\n",
        b"a STORE 1:* +FLAGS (\\Deleted)\r\n",
        b"a EXPUNGE\r\n",
        b"a COPY 1:* INBOX\r\n",
        b"a UID MOVE 1:* Trash\r\n",
        b"a IDLE\r\n",
        b"DONE\r\n",
        b"a CREATE x/y\r\n",
        b"a RENAME x z\r\n",
        b"a RENAME INBOX q\r\n",
        b"a DELETE z/y\r\n",
        b"a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (% *) RETURN (STATUS (MESSAGES))\r\n",
        b"a ENABLE IMAP4rev2\r\n",
        b"a CLOSE\r\n",
        b"a STATUS INBOX (HIGHESTMODSEQ)\r\n",
        b"a AUTHENTICATE PLAIN\r\n",
        b"a LOGOUT\r\n",
        b"\xff\xfe",
    ];
    let piece = proptest::sample::select(pieces).prop_map(<[u8]>::to_vec);
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

static SHARED: LazyLock<(Runtime, Arc<Services>)> = LazyLock::new(|| (runtime(), services()));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a client sends, the session comes to its end when the client goes, and the next client is served.
    #[test]
    fn nothing_that_is_sent_stays(sent in pieces(), logged_in in any::<bool>()) {
        let (runtime, services) = &*SHARED;
        runtime.block_on(async {
            let (connection, mut stream) = Connection::in_memory(peer());
            let session = tokio::spawn(serve_imap(connection, Arc::clone(services)));
            if logged_in {
                stream.write_all(b"l LOGIN ann@example.org secret\r\n").await.unwrap();
            }
            let (mut read, mut write) = tokio::io::split(stream);
            let reading = tokio::spawn(async move {
                let mut sink = Vec::new();
                let _ = read.read_to_end(&mut sink).await;
                sink
            });
            // The server may have hung up already.
            let _ = write.write_all(&sent).await;
            let _ = write.shutdown().await;
            tokio::time::timeout(PATIENCE, session).await.expect("an end").expect("no panic");
            drop(write);
            let heard = tokio::time::timeout(PATIENCE, reading).await.expect("an end").unwrap();
            assert!(heard.starts_with(b"* OK ["));
        });
    }
}

/// What a client believes, from responses alone: UIDs by sequence number, where it has heard of them.
#[derive(Default)]
struct Belief(Vec<Option<u32>>);

impl Belief {
    fn hear(&mut self, lines: &[String]) {
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let Ok(number) = words.get(1).copied().unwrap_or_default().parse::<usize>() else { continue };
            match words[2] {
                "EXISTS" => {
                    assert!(number >= self.0.len(), "EXISTS never shrinks: {line}");
                    self.0.resize(number, None);
                }
                "EXPUNGE" => {
                    assert!((1..=self.0.len()).contains(&number), "{line} of {}", self.0.len());
                    self.0.remove(number - 1);
                }
                "FETCH" => {
                    assert!((1..=self.0.len()).contains(&number), "{line} of {}", self.0.len());
                    let Some(at) = line.find("UID ") else { continue };
                    let digits: String = line[at + 4..].chars().take_while(char::is_ascii_digit).collect();
                    let uid = digits.parse().unwrap();
                    let known = self.0[number - 1].replace(uid);
                    assert!(known.is_none_or(|known| known == uid), "{line}, but it was {known:?}");
                }
                _ => {}
            }
        }
        let uids: Vec<u32> = self.0.iter().flatten().copied().collect();
        assert!(uids.is_sorted_by(|a, b| a < b), "{uids:?}");
    }
}

#[derive(Clone, Debug)]
enum Act {
    Append,
    Flag(usize, &'static str),
    Expunge,
    UidExpunge,
    Move(usize),
    Fetch(usize),
    UidFetch,
    Search,
    Noop,
}

fn acts() -> impl Strategy<Value = Vec<(usize, Act)>> {
    let act = prop_oneof![
        3 => Just(Act::Append),
        3 => (0_usize..9).prop_map(|at| Act::Flag(at, "+FLAGS (\\Deleted)")),
        1 => (0_usize..9).prop_map(|at| Act::Flag(at, "-FLAGS.SILENT (\\Deleted)")),
        1 => (0_usize..9).prop_map(|at| Act::Flag(at, "FLAGS (\\Seen new)")),
        1 => Just(Act::Expunge),
        1 => Just(Act::UidExpunge),
        1 => (0_usize..9).prop_map(Act::Move),
        2 => (0_usize..9).prop_map(Act::Fetch),
        1 => Just(Act::UidFetch),
        1 => Just(Act::Search),
        1 => Just(Act::Noop),
    ];
    proptest::collection::vec((0_usize..3, act), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Three clients change one mailbox; each can follow what happens from what it is told (RFC 9051 7.5.1).
    #[test]
    fn every_client_keeps_count(acts in acts()) {
        let (runtime, services) = &*SHARED;
        runtime.block_on(async {
            let mut clients = Vec::new();
            for _ in 0..3 {
                let mut client = Client::connect(services).await;
                if clients.is_empty() {
                    let _ = client.ask("DELETE counted").await;
                    client.ok("CREATE counted").await;
                }
                client.ok("SELECT counted").await;
                clients.push((client, Belief::default()));
            }
            for (who, act) in acts {
                let (client, belief) = &mut clients[who];
                let there = belief.0.len();
                // Numbers that it believes in.
                let number = |at: usize| at % there.max(1) + 1;
                let command = match act {
                    Act::Append => "APPEND counted {1+}\r\nx".to_owned(),
                    Act::Flag(at, how) if there > 0 => format!("STORE {} {how}", number(at)),
                    Act::Move(at) if there > 0 => format!("MOVE {} Trash", number(at)),
                    Act::Fetch(at) if there > 0 => format!("FETCH {}:* (UID FLAGS BODY[])", number(at)),
                    Act::Expunge => "EXPUNGE".to_owned(),
                    Act::UidExpunge => "UID EXPUNGE 1:3".to_owned(),
                    Act::UidFetch => "UID FETCH 1:* FLAGS".to_owned(),
                    Act::Search => "UID SEARCH UNDELETED".to_owned(),
                    _ => "NOOP".to_owned(),
                };
                let (lines, end) = client.ask(&command).await;
                assert!(end.starts_with("OK") || end.starts_with("NO [EXPUNGEISSUED]"), "{command}: {end}");
                belief.hear(&lines);
            }
            let mut found = Vec::new();
            for (client, belief) in &mut clients {
                belief.hear(&client.ok("NOOP").await);
                belief.hear(&client.ok("FETCH 1:* UID").await);
                found.push(belief.0.clone());
                client.ok("LOGOUT").await;
            }
            assert!(found.iter().all(|one| one.iter().all(Option::is_some) && *one == found[0]), "{found:?}");
        });
    }
}
