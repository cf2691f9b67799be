//! Where log lines go: standard error, and a ring of the last ones for `pillarbox log` and the status page.
//!
//! One event is one line: whatever a peer has put into it, control characters are shown as escapes and the line ends at
//! [`LOG_LINE_OCTETS_MAX`]. The ring owns at most [`LOG_RING_OCTETS_MAX`] octets; the oldest lines make room. Keeping
//! secrets out of lines is left to those who write them.

use crate::limits::{LOG_LINE_OCTETS_MAX, LOG_RING_OCTETS_MAX};
use core::fmt::{self, Write as _};
use log::{LevelFilter, Log, Metadata, Record};
use simplelog::{ConfigBuilder, WriteLogger, format_description};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// The last lines of the log.
#[derive(Clone, Debug, Default)]
pub struct LogRing(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<Box<str>>,
    octets: usize,
}

impl LogRing {
    /// The last `lines` lines, oldest first.
    #[must_use]
    pub fn last(&self, lines: usize) -> Vec<String> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = ring.lines.len().saturating_sub(lines);
        ring.lines.iter().skip(skipped).map(ToString::to_string).collect()
    }

    fn push(&self, line: &str) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.octets = ring.octets.saturating_add(line.len());
        ring.lines.push_back(line.into());
        while ring.octets > LOG_RING_OCTETS_MAX {
            let Some(oldest) = ring.lines.pop_front() else { break };
            ring.octets = ring.octets.saturating_sub(oldest.len());
        }
    }
}

/// Installs the logger of this process and gives its ring.
///
/// # Errors
/// If there is a logger already.
pub fn start(level: LevelFilter) -> Result<LogRing, log::SetLoggerError> {
    let ring = LogRing::default();
    log::set_boxed_logger(Box::new(logger(ring.clone(), io::stderr())))?;
    log::set_max_level(level);
    Ok(ring)
}

fn logger<W: Write + Send + 'static>(ring: LogRing, copy: W) -> OneLine<impl Log> {
    let config = ConfigBuilder::new()
        .set_time_format_custom(format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        ))
        .set_thread_level(LevelFilter::Off)
        .set_target_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        .build();
    // `log::max_level` decides: the level is known only when the configuration has been read.
    OneLine(WriteLogger::new(LevelFilter::Trace, config, Sink { ring, copy, line: Vec::new() }))
}

/// Makes an event one line before it is written.
struct OneLine<L>(L);

impl<L: Log> Log for OneLine<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level() && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut line = Bounded(String::new());
        // An error means that the line is full.
        let _ = line.write_fmt(*record.args());
        let line = line.0;
        self.0.log(&Record::builder().args(format_args!("{line}")).metadata(record.metadata().clone()).build());
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// Text without control characters that ends at [`LOG_LINE_OCTETS_MAX`].
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.len() >= LOG_LINE_OCTETS_MAX {
                self.0.push('…');
                return Err(fmt::Error);
            }
            if character.is_control() {
                self.0.extend(character.escape_default());
            } else {
                self.0.push(character);
            }
        }
        Ok(())
    }
}

/// Takes whole lines to both places.
struct Sink<W> {
    ring: LogRing,
    copy: W,
    line: Vec<u8>,
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(octets);
        if self.line.ends_with(b"\n") {
            // A closed standard error must not stop the server.
            let _ = self.copy.write_all(&self.line);
            self.ring.push(String::from_utf8_lossy(&self.line).trim_end());
            self.line.clear();
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.copy.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn say(logger: &impl Log, text: &str) {
        logger.log(&Record::builder().args(format_args!("{text}")).level(log::Level::Error).build());
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let (ring, copy) = (LogRing::default(), Shared::default());
        log::set_max_level(LevelFilter::Info);
        let logger = logger(ring.clone(), copy.clone());
        say(&logger, "HELO a\r\n2026-01-01T00:00:00Z [ERROR] forged\u{7f}\u{85}");
        say(&logger, &"x".repeat(100_000));
        let lines = ring.last(10);
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].ends_with("[ERROR] HELO a\\r\\n2026-01-01T00:00:00Z [ERROR] forged\\u{7f}\\u{85}"),
            "{lines:?}"
        );
        assert!(lines[1].len() < LOG_LINE_OCTETS_MAX + 60 && lines[1].ends_with('…'));
        let copied = String::from_utf8(copy.0.lock().unwrap().clone()).unwrap();
        assert_eq!(copied.lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn the_oldest_lines_make_room() {
        let ring = LogRing::default();
        for number in 0..10_000 {
            ring.push(&format!("line {number}"));
        }
        let lines = ring.last(usize::MAX);
        assert_eq!(lines.last().unwrap(), "line 9999");
        assert!(lines.iter().map(String::len).sum::<usize>() <= LOG_RING_OCTETS_MAX);
        assert_eq!(ring.last(2), ["line 9998", "line 9999"]);
    }
}
