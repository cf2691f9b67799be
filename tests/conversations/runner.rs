//! Holds a conversation: a server in this process, clients in memory.

use crate::script::{Step, What, matches, parse};
use crate::world::World;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;

/// Nothing here takes that long; a conversation that hangs shall say where.
const PATIENCE: Duration = Duration::from_secs(60);

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// A client's end of a connection.
struct Client {
    stream: Option<Box<dyn Stream>>,
    received: Vec<u8>,
}

impl Client {
    async fn send(&mut self, octets: &[u8], at_once: usize) -> Result<(), String> {
        let stream = self.stream.as_mut().ok_or("the connection is closed")?;
        for piece in octets.chunks(at_once.max(1)) {
            stream.write_all(piece).await.map_err(|error| error.to_string())?;
            stream.flush().await.map_err(|error| error.to_string())?;
            if at_once < octets.len() {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// The next line without its CRLF; `None` at the end.
    async fn hear(&mut self) -> Result<Option<String>, String> {
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.received.drain(..end + 2).collect();
                return Ok(Some(String::from_utf8_lossy(line.get(..end).unwrap_or_default()).into_owned()));
            }
            let stream = self.stream.as_mut().ok_or("the connection is closed")?;
            let mut buffer = [0; 4096];
            // Under TLS an end without close_notify is an error, and an end all the same.
            let octets = stream.read(&mut buffer).await.unwrap_or(0);
            self.received.extend_from_slice(buffer.get(..octets).unwrap_or_default());
            if octets == 0 {
                let rest = String::from_utf8_lossy(&self.received);
                return if rest.is_empty() { Ok(None) } else { Err(format!("ended within a line: {rest}")) };
            }
        }
    }
}

/// One conversation under way.
struct Talk {
    world: World,
    clients: BTreeMap<usize, Client>,
    at_once: usize,
    /// Lines of the message that `@stored` opened, not looked at yet.
    message: std::vec::IntoIter<String>,
}

/// Holds a conversation; the error begins with the line of the file.
pub fn hold(protocol: &str, text: &str, octets_at_once: usize) -> Result<(), String> {
    let script = parse(text)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let world = World::new(protocol, &script.config)?;
        let message = Vec::new().into_iter();
        let mut talk = Talk { world, clients: BTreeMap::new(), at_once: octets_at_once, message };
        talk.steps(&script.steps).await
    })
}

impl Talk {
    async fn steps(&mut self, steps: &[Step]) -> Result<(), String> {
        for step in steps {
            if let What::Repeat(times, inner) = &step.what {
                for _ in 0..*times {
                    Box::pin(self.steps(inner)).await?;
                }
                continue;
            }
            let done = if let What::Later(_) = step.what {
                self.step(&step.what).await
            } else {
                let done = tokio::time::timeout(PATIENCE, self.step(&step.what)).await;
                done.unwrap_or_else(|_| Err("nothing came".to_owned()))
            };
            done.map_err(|why| format!("{}: {why}", step.line))?;
        }
        Ok(())
    }

    /// A connection, opened when it is first named.
    async fn client(&mut self, number: usize) -> Result<&mut Client, String> {
        if !self.clients.contains_key(&number) {
            let stream = self.world.connect();
            self.clients.insert(number, Client { stream: Some(Box::new(stream)), received: Vec::new() });
            if self.world.implicit_tls {
                self.handshake(number).await?;
            }
        }
        self.clients.get_mut(&number).ok_or_else(|| "no connection".to_owned())
    }

    async fn handshake(&mut self, number: usize) -> Result<(), String> {
        let connector = TlsConnector::from(Arc::clone(&self.world.client_tls));
        let client = self.clients.get_mut(&number).ok_or("no connection")?;
        if !client.received.is_empty() {
            return Err(format!("heard before TLS: {}", String::from_utf8_lossy(&client.received)));
        }
        let stream = client.stream.take().ok_or("the connection is closed")?;
        let name = "localhost".try_into().map_err(|_| "name")?;
        let secure = connector.connect(name, stream).await.map_err(|error| format!("handshake: {error}"))?;
        client.stream = Some(Box::new(secure));
        Ok(())
    }

    async fn step(&mut self, what: &What) -> Result<(), String> {
        let at_once = self.at_once;
        match what {
            What::Send(number, octets) => self.client(*number).await?.send(octets, at_once).await,
            What::Hear(number, pattern) => match self.client(*number).await?.hear().await? {
                Some(line) if matches(pattern, &line) => Ok(()),
                Some(line) => Err(format!("heard      {line}\n  instead of {pattern}")),
                None => Err(format!("the connection ended instead of {pattern}")),
            },
            What::HearUpTo(number, pattern) => loop {
                match self.client(*number).await?.hear().await? {
                    Some(line) if matches(pattern, &line) => return Ok(()),
                    Some(_) => {}
                    None => return Err(format!("the connection ended before {pattern}")),
                }
            },
            What::Handshake(number) => {
                self.client(*number).await?;
                self.handshake(*number).await
            }
            What::End(number) => match self.client(*number).await?.hear().await? {
                None => Ok(()),
                Some(line) => Err(format!("heard {line} instead of the end")),
            },
            What::Close(number) => {
                self.clients.remove(number);
                Ok(())
            }
            What::Login(number, user) => {
                let (lines, expected) = self.world.login(user);
                let client = self.client(*number).await?;
                client.send(lines.as_bytes(), at_once).await?;
                match client.hear().await? {
                    Some(line) if matches(&expected, &line) => Ok(()),
                    other => Err(format!("login: {other:?}")),
                }
            }
            What::Big(octets) => self.client(1).await?.send(&lines_of(*octets), usize::MAX).await,
            What::Service(name) => self.world.service(name),
            What::ImplicitTls => {
                self.world.implicit_tls = true;
                Ok(())
            }
            What::Peer(address) => self.world.peer(address),
            What::Account(address, quota) => self.world.account(address, Some(*quota)),
            What::Alias(address, targets) => self.world.alias(address, targets),
            What::Deliver(address, file) => self.world.deliver(address, file),
            What::Later(seconds) => {
                // Everybody gets to where it waits, and then the time is another.
                settle().await;
                tokio::time::pause();
                tokio::time::advance(Duration::from_secs(*seconds)).await;
                tokio::time::resume();
                Ok(())
            }
            What::Busy(what) => self.world.busy(what),
            What::Idle => {
                self.world.idle();
                Ok(())
            }
            What::Stop => {
                self.world.stop();
                Ok(())
            }
            What::Stored(address, count) => {
                let (there, newest) = self.world.inbox(address)?;
                let text = String::from_utf8_lossy(&newest).into_owned();
                let mut lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
                // What follows the last CRLF is nothing, unless the message ends within a line.
                if lines.last().is_some_and(String::is_empty) {
                    lines.pop();
                }
                self.message = lines.into_iter();
                if there == *count { Ok(()) } else { Err(format!("{there} messages are there")) }
            }
            What::Message(pattern) => match self.message.next() {
                Some(line) if matches(pattern, &line) => Ok(()),
                other => Err(format!("the message has {other:?}")),
            },
            What::MessageUpTo(pattern) => match self.message.find(|line| matches(pattern, line)) {
                Some(_) => Ok(()),
                None => Err("the message has no such line".to_owned()),
            },
            What::MessageEnd => match self.message.next() {
                None => Ok(()),
                Some(line) => Err(format!("the message goes on: {line}")),
            },
            What::Repeat(..) => Ok(()),
        }
    }
}

/// Lets every task on this thread do what it can do now.
async fn settle() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

/// So many octets in lines, the last of which ends.
fn lines_of(octets: usize) -> Vec<u8> {
    let mut rest = octets;
    let mut lines = Vec::with_capacity(octets);
    while rest > 0 {
        // Never leaves a single octet, which could not be a line.
        let line = if rest <= 66 { rest } else { 64 };
        lines.resize(lines.len() + line.saturating_sub(2), b'x');
        lines.extend_from_slice(b"\r\n");
        rest -= line;
    }
    lines
}
