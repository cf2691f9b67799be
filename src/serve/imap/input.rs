//! Commands out of the octets that a client sends: lines, and the literals between them.
//!
//! A command of one line is decoded where it lies in the connection's input buffer. One with literals, or with a longer
//! line, is gathered: in [`IMAP_GATHER_OCTETS`] at first, and beyond that, once the client has logged in, in a working
//! buffer. What is too long is read to its true end and dropped, so that its remains are never taken for the next
//! command.

use super::Session;
use crate::limits::{
    IMAP_COMMAND_OCTETS_MAX, IMAP_COMMAND_TIMEOUT, IMAP_GATHER_OCTETS, IMAP_LEASE_TIMEOUT, IMAP_LOGIN_TIMEOUT,
    IMAP_LONG_COMMAND_TIMEOUT, IMAP_SKIP_BEFORE_LOGIN_OCTETS_MAX, IMAP_SKIP_OCTETS_MAX, INPUT_BUFFER_OCTETS,
};
use crate::serve::ConnectionError;
use crate::store::WorkingBuffer;
use crate::wire::imap::command::{Append, LiteralHead, Tagged};
use crate::wire::imap::encode::{Code, Condition, continuation};
use crate::wire::imap::{Decoded, Invalid, InvalidKind, decode_as, literal_at_end};
use core::time::Duration;
use tokio::time::Instant;

/// What the client sent.
#[derive(Debug)]
pub(super) enum Input {
    /// A command.
    Command(Tagged),
    /// An APPEND; its message has not been read.
    Append {
        /// Its tag.
        tag: Box<str>,
        /// Everything before the message.
        append: Append,
    },
    /// Something that is not a command, read to its end.
    Invalid {
        /// Its tag, if it has one.
        tag: Option<Box<str>>,
        /// BAD, or NO.
        how: Condition,
        /// Response code.
        code: Option<Code<'static>>,
        /// What is wrong.
        text: &'static str,
    },
    /// It announced more than will be read.
    Hopeless(&'static str),
}

/// The octets of a command of several pieces.
#[derive(Debug)]
enum Gathered {
    Few(Vec<u8>),
    Many(WorkingBuffer, usize),
}

/// The command is longer than may be gathered.
struct TooLong;

impl Gathered {
    fn octets(&self) -> &[u8] {
        match self {
            Self::Few(octets) => octets,
            Self::Many(buffer, filled) => buffer.as_slice().get(..*filled).unwrap_or_default(),
        }
    }

    fn len(&self) -> usize {
        self.octets().len()
    }

    /// Takes octets; there is room for them.
    fn push(&mut self, octets: &[u8]) {
        match self {
            Self::Few(few) => few.extend_from_slice(octets),
            Self::Many(buffer, filled) => {
                let end = filled.saturating_add(octets.len());
                if let Some(room) = buffer.octets().get_mut(*filled..end) {
                    room.copy_from_slice(octets);
                    *filled = end;
                }
            }
        }
    }
}

/// The last octets of a line that is being dropped: enough for the head of a literal, `{18446744073709551615+}` CRLF.
#[derive(Default)]
struct Tail(heapless::Vec<u8, 32>);

impl Tail {
    fn push(&mut self, octets: &[u8]) {
        for octet in octets.iter().skip(octets.len().saturating_sub(self.0.capacity())) {
            if self.0.is_full() {
                self.0.remove(0);
            }
            // There is room: one was taken out.
            let _ = self.0.push(*octet);
        }
    }

    fn literal(&self) -> Option<LiteralHead> {
        literal_at_end(&self.0).filter(|head| head.non_synchronizing)
    }
}

impl Session {
    /// Waits for the next command and reads it.
    pub(super) async fn next_command(&mut self) -> Result<Input, ConnectionError> {
        if self.connection.buffered().is_empty() {
            self.flush().await?;
            self.connection.fill(self.patience()).await?;
        }
        // The client has begun: from now on a slow one may not take for ever.
        let patience = if self.imap.user().is_some() { IMAP_COMMAND_TIMEOUT } else { IMAP_LOGIN_TIMEOUT };
        let mut deadline = Instant::now() + patience;
        let mut gathered: Option<Gathered> = None;
        let mut holds = false;
        loop {
            if !holds && matches!(gathered, Some(Gathered::Many(..))) {
                // Others wait for the working buffer.
                holds = true;
                deadline = deadline.min(Instant::now() + IMAP_LONG_COMMAND_TIMEOUT);
            }
            let line = self.line_end(deadline).await?;
            let Some(end) = line else {
                // The input buffer is full: the line goes on somewhere else.
                let octets = self.connection.buffered().len().saturating_sub(1);
                if self.gather(&mut gathered, octets).await.is_err() {
                    return self.too_long(gathered, deadline).await;
                }
                continue;
            };
            let decoded = if let Some(gathered) = &mut gathered {
                if self.gather_line(gathered, end).await.is_err() {
                    return self.drop_command(tag_of(gathered.octets()), InvalidKind::TooLong, None, deadline).await;
                }
                decode_as(gathered.octets(), self.names())
            } else {
                let line = self.connection.buffered().get(..end).unwrap_or_default();
                let decoded = decode_as(line, self.names());
                if matches!(decoded, Ok(Decoded::NeedLiteral(_))) {
                    let mut fresh = None;
                    if self.gather(&mut fresh, end).await.is_err() {
                        return self.too_long(None, deadline).await;
                    }
                    gathered = fresh;
                } else {
                    self.connection.consume(end);
                }
                decoded
            };
            match decoded {
                Ok(Decoded::Command(tagged)) => return Ok(Input::Command(tagged)),
                Ok(Decoded::Append { tag, append }) => return Ok(Input::Append { tag, append }),
                Ok(Decoded::NeedLiteral(head)) => {
                    if self.gather_literal(&mut gathered, head, deadline).await?.is_err() {
                        let tag = gathered.as_ref().and_then(|gathered| tag_of(gathered.octets()));
                        let skip = Some(head).filter(|head| head.non_synchronizing);
                        return self.drop_command(tag, InvalidKind::LiteralTooLarge, skip, deadline).await;
                    }
                }
                Err(Invalid { tag, kind, skip_literal: None }) => return Ok(invalid(tag, kind)),
                Err(Invalid { tag, kind, skip_literal }) => {
                    return self.drop_command(tag, kind, skip_literal, deadline).await;
                }
            }
        }
    }

    /// Waits for a line end in the input buffer: the octets up to and with it, `None` if the buffer is full without one.
    async fn line_end(&mut self, deadline: Instant) -> Result<Option<usize>, ConnectionError> {
        let mut searched = 0_usize;
        loop {
            let buffered = self.connection.buffered();
            if let Some(end) = find_crlf(buffered, searched) {
                return Ok(Some(end));
            }
            searched = buffered.len().saturating_sub(1);
            if buffered.len() >= INPUT_BUFFER_OCTETS {
                return Ok(None);
            }
            self.fill_before(deadline).await?;
        }
    }

    /// Waits for more input.
    async fn fill_before(&mut self, deadline: Instant) -> Result<(), ConnectionError> {
        self.flush().await?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left == Duration::ZERO {
            return Err(ConnectionError::TimedOut);
        }
        self.connection.fill(left).await
    }

    /// The largest command that this client may send.
    fn command_octets_max(&self) -> usize {
        if self.imap.user().is_some() { IMAP_COMMAND_OCTETS_MAX } else { IMAP_GATHER_OCTETS }
    }

    /// The largest literal that is read to its end only to be dropped.
    pub(super) fn skip_octets_max(&self) -> u64 {
        if self.imap.user().is_some() { IMAP_SKIP_OCTETS_MAX } else { IMAP_SKIP_BEFORE_LOGIN_OCTETS_MAX }
    }

    /// Makes room for `octets` more.
    async fn make_room(&mut self, gathered: &mut Option<Gathered>, octets: usize) -> Result<(), TooLong> {
        let len = gathered.as_ref().map_or(0, Gathered::len);
        let wanted = len.saturating_add(octets);
        if wanted > self.command_octets_max() {
            return Err(TooLong);
        }
        match gathered {
            Some(Gathered::Many(..)) => {}
            Some(Gathered::Few(_)) | None if wanted <= IMAP_GATHER_OCTETS => {
                gathered.get_or_insert_with(|| Gathered::Few(Vec::new()));
            }
            small => {
                // Where no buffer comes free in time, the command is too long for now.
                let lease = tokio::time::timeout(IMAP_LEASE_TIMEOUT, self.services.buffers.lease()).await;
                let mut many = Gathered::Many(lease.map_err(|_| TooLong)?, 0);
                if let Some(few) = small {
                    many.push(few.octets());
                }
                *small = Some(many);
            }
        }
        Ok(())
    }

    /// Moves octets from the input buffer.
    async fn gather(&mut self, gathered: &mut Option<Gathered>, octets: usize) -> Result<(), TooLong> {
        self.make_room(gathered, octets).await?;
        if let Some(gathered) = gathered {
            gathered.push(self.connection.buffered().get(..octets).unwrap_or_default());
            self.connection.consume(octets);
        }
        Ok(())
    }

    /// Moves a line; if it does not fit it is dropped.
    async fn gather_line(&mut self, gathered: &mut Gathered, octets: usize) -> Result<(), TooLong> {
        let mut whole = Some(core::mem::replace(gathered, Gathered::Few(Vec::new())));
        let result = self.gather(&mut whole, octets).await;
        if let Some(whole) = whole {
            *gathered = whole;
        }
        if result.is_err() {
            self.connection.consume(octets);
        }
        result
    }

    /// Reads a literal, after asking for it where it has to be asked for.
    async fn gather_literal(
        &mut self,
        gathered: &mut Option<Gathered>,
        head: LiteralHead,
        deadline: Instant,
    ) -> Result<Result<(), TooLong>, ConnectionError> {
        let octets = usize::try_from(head.octets).unwrap_or(usize::MAX);
        // Something must follow, a line end at least.
        if let Err(too_long) = self.make_room(gathered, octets.saturating_add(2)).await {
            return Ok(Err(too_long));
        }
        if !head.non_synchronizing {
            self.say(|out| continuation(out, "Go on")).await?;
        }
        let mut left = octets;
        while left > 0 {
            if self.connection.buffered().is_empty() {
                self.fill_before(deadline).await?;
            }
            let part = self.connection.buffered().len().min(left);
            if let Err(too_long) = self.gather(gathered, part).await {
                return Ok(Err(too_long));
            }
            left = left.saturating_sub(part);
        }
        Ok(Ok(()))
    }

    /// A line that is too long has only begun.
    async fn too_long(&mut self, gathered: Option<Gathered>, deadline: Instant) -> Result<Input, ConnectionError> {
        let tag = match &gathered {
            Some(gathered) => tag_of(gathered.octets()),
            None => tag_of(self.connection.buffered()),
        };
        // Given back before a slow client is waited for.
        drop(gathered);
        let literal = self.drop_line(deadline).await?;
        self.drop_command(tag, InvalidKind::TooLong, literal, deadline).await
    }

    /// Drops the rest of a command: the literal that comes next, the line behind it, and so on.
    async fn drop_command(
        &mut self,
        tag: Option<Box<str>>,
        kind: InvalidKind,
        mut literal: Option<LiteralHead>,
        deadline: Instant,
    ) -> Result<Input, ConnectionError> {
        while let Some(head) = literal {
            if head.octets > self.skip_octets_max() {
                return Ok(Input::Hopeless("Literal is too large"));
            }
            self.drop_octets(head.octets, deadline).await?;
            literal = self.drop_line(deadline).await?;
        }
        Ok(invalid(tag, kind))
    }

    /// Drops octets.
    pub(super) async fn drop_octets(&mut self, mut octets: u64, deadline: Instant) -> Result<(), ConnectionError> {
        while octets > 0 {
            if self.connection.buffered().is_empty() {
                self.fill_before(deadline).await?;
            }
            let part = usize::try_from(octets).unwrap_or(usize::MAX).min(self.connection.buffered().len());
            self.connection.consume(part);
            octets = octets.saturating_sub(u64::try_from(part).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// Drops octets up to and with the next CRLF; gives the literal that comes behind it without being asked for.
    pub(super) async fn drop_line(&mut self, deadline: Instant) -> Result<Option<LiteralHead>, ConnectionError> {
        let mut tail = Tail::default();
        loop {
            if let Some(end) = self.line_end(deadline).await? {
                tail.push(self.connection.buffered().get(..end).unwrap_or_default());
                self.connection.consume(end);
                return Ok(tail.literal());
            }
            // The last octet may be the CR of the CRLF.
            let octets = self.connection.buffered().len().saturating_sub(1);
            tail.push(self.connection.buffered().get(..octets).unwrap_or_default());
            self.connection.consume(octets);
        }
    }
}

fn invalid(tag: Option<Box<str>>, kind: InvalidKind) -> Input {
    let (how, code, text) = kind.answer();
    Input::Invalid { tag, how, code, text }
}

/// The tag of a command that was not decoded.
fn tag_of(octets: &[u8]) -> Option<Box<str>> {
    let end = octets.iter().take(crate::limits::IMAP_TAG_OCTETS_MAX).position(|&b| b == b' ')?;
    let tag = core::str::from_utf8(octets.get(..end)?).ok()?;
    let fits = |b: u8| b.is_ascii_graphic() && !b"(){%*\"\\+".contains(&b);
    Some(tag).filter(|tag| !tag.is_empty() && tag.bytes().all(fits)).map(Box::from)
}

/// Where the first CRLF at or after `from` ends.
fn find_crlf(octets: &[u8], from: usize) -> Option<usize> {
    let rest = octets.get(from..)?;
    memchr::memmem::find(rest, b"\r\n").map(|at| at.saturating_add(from).saturating_add(2))
}
