//! QEMU's monitor protocol (QEMU documentation, "QEMU Machine Protocol Specification"): commands to a running QEMU, and
//! events from it.
//!
//! One JSON object a line. A thread reads: replies go to whoever asked, events to the machine's supervisor.

use crate::step::Failure;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// QEMU answers within this; a busy emulation still serves its monitor.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// What QEMU tells unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The guest stopped for good, or wants to start again: QEMU's `ShutdownCause`.
    Shutdown(String),
    /// The watchdog ran out.
    Watchdog,
    /// The machine was reset.
    Reset,
    /// The monitor's connection ended: QEMU is gone.
    Gone,
}

/// A connection to a monitor.
pub struct Qmp {
    exchange: Mutex<Exchange>,
}

struct Exchange {
    stream: UnixStream,
    replies: Receiver<Value>,
    next: u64,
}

impl Qmp {
    /// Begins on a connected socket. Events go to `events`, the last of them [`Event::Gone`].
    ///
    /// # Errors
    /// When QEMU ends or says something else than its greeting.
    pub fn open(stream: UnixStream, events: Sender<Event>) -> Result<Self, Failure> {
        let reader = stream.try_clone().map_err(|error| Failure(format!("QEMU's monitor: {error}")))?;
        let (sender, replies) = channel();
        std::thread::spawn(move || read(reader, &sender, &events));
        let qmp = Self { exchange: Mutex::new(Exchange { stream, replies, next: 0 }) };
        // Without this no other command is taken.
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs one command and gives what it returned.
    ///
    /// # Errors
    /// What QEMU says, that it is gone, or that it did not answer in time.
    pub fn execute(&self, command: &str, arguments: Value) -> Result<Value, Failure> {
        let failed = |why: &str| Failure(format!("QEMU's monitor, {command}: {why}"));
        let mut exchange = self.exchange.lock().map_err(|_| failed("another thread failed in it"))?;
        let id = exchange.next;
        exchange.next = id.wrapping_add(1);
        let line = format!("{}\n", json!({ "execute": command, "arguments": arguments, "id": id }));
        exchange.stream.write_all(line.as_bytes()).map_err(|error| failed(&error.to_string()))?;
        let deadline = Instant::now() + REPLY_TIMEOUT;
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            let mut reply = exchange.replies.recv_timeout(rest).map_err(|error| match error {
                std::sync::mpsc::RecvTimeoutError::Timeout => failed("no answer"),
                std::sync::mpsc::RecvTimeoutError::Disconnected => failed("QEMU is gone"),
            })?;
            // The answer to a command that was given up is of no interest.
            if reply.get("id").and_then(Value::as_u64) != Some(id) {
                continue;
            }
            if let Some(error) = reply.get("error") {
                return Err(failed(error.get("desc").and_then(Value::as_str).unwrap_or("refused")));
            }
            return Ok(reply.get_mut("return").map(Value::take).unwrap_or_default());
        }
    }

    /// Runs a command of the monitor for people and gives its text.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn human(&self, line: &str) -> Result<String, Failure> {
        let text = self.execute("human-monitor-command", json!({ "command-line": line }))?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Reads a 32-bit word of the guest's physical memory.
    ///
    /// # Errors
    /// As [`Qmp::execute`], or when QEMU prints no number.
    pub fn word(&self, address: u64) -> Result<u32, Failure> {
        // `xp /1xw 0x9030180` prints `0000000009030180: 0x00000040`.
        let text = self.human(&format!("xp /1xw {address:#x}"))?;
        let word = text.rsplit_once("0x").and_then(|(_, digits)| u32::from_str_radix(digits.trim(), 16).ok());
        word.ok_or_else(|| Failure(format!("QEMU's monitor: no word at {address:#x}: {text}")))
    }
}

/// Hands on replies and events until the connection ends.
fn read(stream: UnixStream, replies: &Sender<Value>, events: &Sender<Event>) {
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { break };
        let Ok(value) = serde_json::from_str::<Value>(&line) else { continue };
        let event = match value.get("event").and_then(Value::as_str) {
            Some("SHUTDOWN") => {
                let reason = value.pointer("/data/reason").and_then(Value::as_str).unwrap_or_default();
                Event::Shutdown(reason.to_owned())
            }
            Some("WATCHDOG") => Event::Watchdog,
            Some("RESET") => Event::Reset,
            Some(_) => continue,
            None => {
                // The greeting has no id and nobody waits for it.
                let _ = replies.send(value);
                continue;
            }
        };
        let _ = events.send(event);
    }
    let _ = events.send(Event::Gone);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn replies_and_events_are_told_apart() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let monitor = std::thread::spawn(move || {
            let mut writer = theirs.try_clone().unwrap();
            writer.write_all(b"{\"QMP\": {\"version\": {}}}\r\n").unwrap();
            let answers = [
                r#"{"return": {}, "id": 0}"#,
                "{\"event\": \"WATCHDOG\", \"data\": {\"action\": \"reset\"}}\r\n\
                 {\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"guest-reset\"}}\r\n\
                 {\"return\": \"0000000009030180: 0x00000060\\r\\n\", \"id\": 1}",
                r#"{"error": {"class": "GenericError", "desc": "no such thing"}, "id": 2}"#,
            ];
            // The answers first: after the last one no line is waited for.
            for (answer, line) in answers.into_iter().zip(BufReader::new(theirs).lines()) {
                assert!(line.unwrap().starts_with('{'));
                writer.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
            }
        });
        let (sender, events) = channel();
        let qmp = Qmp::open(ours, sender).unwrap();
        assert_eq!(qmp.word(0x903_0180).unwrap(), 0x60);
        assert!(qmp.execute("nonsense", json!({})).unwrap_err().0.contains("no such thing"));
        monitor.join().unwrap();
        let events: Vec<Event> = events.iter().take(3).collect();
        assert_eq!(events, [Event::Watchdog, Event::Shutdown("guest-reset".to_owned()), Event::Gone]);
        assert!(qmp.execute("anything", json!({})).is_err());
    }
}
