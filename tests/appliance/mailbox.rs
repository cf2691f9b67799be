//! Mail from outside: SMTP over a plain socket, IMAP through `openssl s_client`.

use crate::appliance::PATIENCE;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A machine that is not there yet lets a connection hang.
const GREETING_TIMEOUT: Duration = Duration::from_secs(2);

/// The greeting at an SMTP port, if there is one.
pub fn greeting(port: u16) -> Option<String> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(GREETING_TIMEOUT)).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    line.starts_with("220 ").then_some(line)
}

/// Runs a program to its end; fails the test if it fails.
pub fn succeed(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; `cargo ci --only packages` installs what tests need"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} ended with {}:\n{text}", output.status);
    text
}

/// A client of SMTP.
pub struct Sender(BufReader<TcpStream>);

impl Sender {
    /// Connects and says EHLO.
    pub fn connect(port: u16) -> Option<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let mut sender = Self(BufReader::new(stream));
        sender.ask("")?;
        sender.ask("EHLO test.invalid\r\n")?;
        Some(sender)
    }

    /// Sends text and gives the last line of the reply; `None` if the connection is lost.
    pub fn ask(&mut self, text: &str) -> Option<String> {
        self.0.get_mut().write_all(text.as_bytes()).ok()?;
        loop {
            let mut line = String::new();
            // A line cut short is no answer.
            self.0.read_line(&mut line).ok().filter(|_| line.ends_with("\r\n"))?;
            if line.as_bytes().get(3) == Some(&b' ') {
                return Some(line);
            }
        }
    }

    /// Sends one message whose subject is `token`, and that ends with it too; gives the reply to its end.
    pub fn send(&mut self, to: &str, token: &str, lines: usize) -> Option<String> {
        let body = "0123456789012345678901234567890123456789012345678901234567890123\r\n".repeat(lines);
        self.ask("MAIL FROM:<z@w.invalid>\r\n")?;
        let reply = self.ask(&format!("RCPT TO:<{to}>\r\n"))?;
        if !reply.starts_with("250") {
            self.ask("RSET\r\n")?;
            return Some(reply);
        }
        self.ask("DATA\r\n")?;
        self.ask(&format!("Subject: {token}\r\n\r\n{body}end of {token}\r\n.\r\n"))
    }
}

/// A mailbox, logged in and selected.
pub struct Mailbox {
    openssl: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Mailbox {
    /// Logs in at an IMAPS port.
    pub fn open(port: u16, address: &str, password: &str) -> Self {
        let mut openssl = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (openssl.stdin.take().unwrap(), BufReader::new(openssl.stdout.take().unwrap()));
        let mut mailbox = Self { openssl, input, output };
        mailbox.command(&format!("LOGIN {address} \"{password}\""));
        mailbox.command("SELECT INBOX");
        mailbox
    }

    /// Runs a command, which must succeed; gives the lines before its end.
    pub fn command(&mut self, command: &str) -> Vec<String> {
        self.input.write_all(format!("x {command}\r\n").as_bytes()).unwrap();
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            self.output.read_until(b'\n', &mut line).unwrap();
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            assert!(!lines.is_empty() || !line.is_empty(), "{command}: the connection is lost");
            if let Some(end) = line.strip_prefix("x ") {
                assert!(end.starts_with("OK"), "{command}: {line}");
                return lines;
            }
            lines.push(line);
        }
    }

    /// The tokens of all messages from number `first` on, that is of all that [`Sender::send`] sent and that are whole.
    pub fn tokens(&mut self, first: usize) -> Vec<String> {
        let there = self.command("SEARCH ALL").concat().split_ascii_whitespace().skip(2).count();
        // RFC 9051 9, seq-range: `first:*` would give the last message again.
        if there < first {
            return Vec::new();
        }
        let lines = self.command(&format!("FETCH {first}:* (UID BODY.PEEK[])"));
        let mut subject = None;
        let mut tokens = Vec::new();
        for line in &lines {
            if let Some(token) = line.strip_prefix("Subject: ") {
                subject = Some(token.to_owned());
            }
            if let Some(token) = line.strip_prefix("end of ") {
                assert_eq!(subject.take().as_deref(), Some(token), "a message is mixed up");
                tokens.push(token.to_owned());
            }
        }
        tokens
    }

    /// The subjects of all messages.
    pub fn subjects(&mut self) -> Vec<String> {
        let lines = self.command("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
        lines.iter().filter_map(|line| line.strip_prefix("Subject: ").map(str::to_owned)).collect()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let _ = self.openssl.kill();
        let _ = self.openssl.wait();
    }
}
