//! `kill -9` of the server under load, again and again: what was acknowledged is there, and nothing is there twice.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use support::{Server, eventually};

const KILLS: usize = 50;
const SENDERS: usize = 4;
/// Each life of the server ends after so many more acknowledged messages.
const MESSAGES_A_LIFE: usize = 12;

/// Sends messages, each with a unique token, until the connection breaks; notes what was acknowledged.
fn send(
    port: u16,
    life: usize,
    sender: usize,
    acknowledged: &Mutex<BTreeSet<String>>,
    count: &AtomicUsize,
) -> Option<()> {
    let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    let ask = |reader: &mut BufReader<TcpStream>, text: String| -> Option<String> {
        reader.get_mut().write_all(text.as_bytes()).ok()?;
        loop {
            let mut line = String::new();
            // A line cut short by the kill is no answer.
            reader.read_line(&mut line).ok().filter(|_| line.ends_with("\r\n"))?;
            if line.as_bytes().get(3) == Some(&b' ') {
                return Some(line);
            }
        }
    };
    ask(&mut reader, String::new())?;
    ask(&mut reader, "EHLO test.invalid\r\n".into())?;
    for number in 0.. {
        let token = format!("t-{life}-{sender}-{number}");
        // Every third message is larger than one chunk of the log.
        let body = "0123456789012345678901234567890123456789012345678901234567890123\r\n".repeat(if number % 3 == 2 {
            3000
        } else {
            20
        });
        ask(&mut reader, "MAIL FROM:<z@w.invalid>\r\n".into())?;
        ask(&mut reader, "RCPT TO:<ann@example.org>\r\n".into())?;
        ask(&mut reader, "DATA\r\n".into())?;
        let reply = ask(&mut reader, format!("Subject: {token}\r\n\r\n{body}end of {token}\r\n.\r\n"))?;
        assert!(reply.starts_with("250"), "{reply}");
        acknowledged.lock().unwrap().insert(token);
        count.fetch_add(1, Ordering::SeqCst);
    }
    None
}

#[test]
fn nothing_acknowledged_is_lost() {
    let mut server = Server::start();
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    for life in 0..KILLS {
        let count = Arc::new(AtomicUsize::new(0));
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (acknowledged, count, port) = (Arc::clone(&acknowledged), Arc::clone(&count), server.port("smtp"));
                std::thread::spawn(move || send(port, life, sender, &acknowledged, &count))
            })
            .collect();
        // Lives of different length end at different places of the work.
        let enough = MESSAGES_A_LIFE + life % 7;
        eventually("messages to be acknowledged", || (count.load(Ordering::SeqCst) >= enough).then_some(()));
        server.kill();
        for sender in senders {
            sender.join().unwrap();
        }
        server.run();
    }
    let acknowledged = acknowledged.lock().unwrap();
    let mut imap = server.connect("imap");
    imap.imap_login("ann");
    imap.imap("SELECT INBOX");
    let lines = imap.imap("FETCH 1:* (UID BODY.PEEK[])");
    let mut seen = BTreeSet::new();
    let mut ended = BTreeSet::new();
    for line in &lines {
        if let Some(token) = line.strip_prefix("Subject: ") {
            assert!(seen.insert(token.to_owned()), "{token} is there twice");
        }
        if let Some(token) = line.strip_prefix("end of ") {
            ended.insert(token.to_owned());
        }
    }
    let lost: Vec<_> = acknowledged.difference(&ended).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged messages are lost: {lost:?}", lost.len(), acknowledged.len());
    assert_eq!(seen, ended, "every message is whole");
    println!("{KILLS} kills, {} messages acknowledged, {} there", acknowledged.len(), seen.len());
}
