//! A message on its way in: from the connection through decoder, header pass and scanner into the spool.
//!
//! Owns one working buffer (the spool) and one scanner, and lets go of both as soon as the message is refused; the
//! rest of a refused message is read and dropped, so that it is never taken for commands. Nothing of a message is stored
//! when the client goes away before its end.

use super::{Session, journal};
use crate::limits::{RECEIVED_FIELDS_MAX, SMTP_PERMIT_TIMEOUT, SMTP_REPLY_TIMEOUT, SMTP_SCARCE_CHECK};
use crate::mail::{FlagSelection, InternalDate};
use crate::mime::Scanner;
use crate::serve::{AsyncStore, BufferPool, Connection, ConnectionError, Permit};
use crate::session::smtp::trace::{Protocol, Trace, header};
use crate::session::smtp::{HeaderPass, Missing, Pace, Received, START_INPUT, Service};
use crate::store::{Delivery, Error, MailboxId, QuotaRule, Spool, Target, Transaction};
use crate::wire::smtp::{Body, DataDecoder, LineCheck};
use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Octets that we may put in front of a message and into its header beyond what the client may send.
const ADDED_OCTETS_MAX: u64 = 8 * 1024;

/// One message.
pub(super) struct Intake {
    /// `None` once it is refused.
    kept: Option<Box<Kept>>,
    refusal: Option<Received>,
    pass: HeaderPass,
    lines: LineCheck,
    id: String,
    /// For the log: where it comes from and goes to.
    route: String,
    date: InternalDate,
    started: Instant,
    /// Octets of the client's message.
    octets: u64,
    octets_max: u64,
    /// Is it from a client that has not logged in and is not on this machine?
    stranger: bool,
}

/// What a message needs as long as it may be stored.
struct Kept {
    spool: Spool,
    scanner: Scanner,
    /// The right to the spool's working buffer; whoever has logged in needs none.
    share: Option<Permit>,
}

impl Intake {
    /// Octets of the message so far, without what we add.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// Where it comes from and goes to, for the log.
    pub(super) fn route(&self) -> &str {
        &self.route
    }

    /// How long to wait for more of it before looking again, when nothing has come since `silence`.
    pub(super) fn patience(&self, buffers: &BufferPool, silence: Instant) -> Result<Duration, ConnectionError> {
        // A refused message holds no buffer that anyone could need.
        let scarce = self.kept.is_some() && buffers.is_scarce();
        let pace = Pace { elapsed: self.started.elapsed(), silent: silence.elapsed(), scarce, stranger: self.stranger };
        pace.for_data(self.octets).map(|left| left.min(SMTP_SCARCE_CHECK)).ok_or(ConnectionError::TimedOut)
    }

    /// Forgets the message; its end will say why.
    fn refuse(&mut self, why: Received) {
        self.kept = None;
        self.refusal.get_or_insert(why);
    }

    /// Takes octets of the client's message.
    async fn take(&mut self, store: &AsyncStore, mut octets: &[u8]) {
        self.octets = self.octets.saturating_add(u64::try_from(octets.len()).unwrap_or(u64::MAX));
        // RFC 1870 6.1: the limit counts the message as it was sent, CRLFs included.
        if self.octets > self.octets_max {
            self.refuse(Received::TooLarge);
        }
        while let Some(kept) = self.kept.take() {
            let (consumed, passed) = self.pass.next(octets);
            match kept.push(store, passed).await {
                Ok(kept) => self.kept = Some(kept),
                Err(error) => self.refuse(Received::Failed(error)),
            }
            // RFC 5321 6.3.
            if self.pass.received() > RECEIVED_FIELDS_MAX {
                self.refuse(Received::Loop);
            }
            octets = octets.get(consumed..).unwrap_or_default();
            if octets.is_empty() {
                break;
            }
        }
    }

    /// The message is whole: commits it to the recipients' mailboxes.
    async fn finish(
        &mut self,
        store: &AsyncStore,
        mailboxes: &[MailboxId],
        promise: Option<(MailboxId, u64)>,
    ) -> Received {
        if let Some(refusal) = self.refusal.take() {
            return refusal;
        }
        let Some(kept) = self.kept.take() else { return Received::Failed(Error::Gone) };
        match deliver(store, kept, self.pass.finish(), mailboxes, promise, self.date).await {
            Ok(()) => Received::Stored(core::mem::take(&mut self.id)),
            Err(error) => Received::Failed(error),
        }
    }
}

impl Kept {
    /// Octets of the message as it is stored.
    async fn push(mut self: Box<Self>, store: &AsyncStore, mut octets: &[u8]) -> Result<Box<Self>, Error> {
        self.scanner.push(octets);
        loop {
            let taken = self.spool.push(octets)?;
            octets = octets.get(taken..).unwrap_or_default();
            if octets.is_empty() {
                return Ok(self);
            }
            self.spool = store.spill(self.spool).await?;
        }
    }
}

async fn deliver(
    store: &AsyncStore,
    kept: Box<Kept>,
    rest: &[u8],
    mailboxes: &[MailboxId],
    promise: Option<(MailboxId, u64)>,
    internal_date: InternalDate,
) -> Result<(), Error> {
    let Kept { spool, scanner, share: _share } = *kept.push(store, rest).await?;
    let summary = scanner.finish().encode().ok_or(Error::OverLimit("summary"))?;
    let target = |mailbox: &MailboxId| Target {
        mailbox: *mailbox,
        flags: FlagSelection::default(),
        internal_date,
        // Decided at RCPT; the size is known only now, and somebody at least must have room for it.
        quota: match promise {
            Some((roomiest, quota)) if roomiest == *mailbox => QuotaRule::Octets(quota),
            _ => QuotaRule::Promised,
        },
    };
    let targets = mailboxes.iter().map(target).collect();
    // RFC 5321 6.1: `250` is said only when this has come back.
    store.commit(Transaction::Deliver(Delivery { spool, summary, targets })).await.map(drop)
}

impl Session {
    /// Leases a working buffer and writes the trace header. `None`: none became free in time.
    async fn intake(&self) -> Option<Box<Intake>> {
        let logged_in = self.smtp.client().is_some_and(|client| client.user.is_some());
        let lease = tokio::time::timeout(SMTP_PERMIT_TIMEOUT, async {
            let shares = &self.services.buffer_shares;
            let share = if logged_in { None } else { Some(shares.wait(self.connection.peer().ip()).await) };
            (share, self.services.buffers.lease().await)
        });
        let (share, buffer) = lease.await.ok()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let date = InternalDate::utc(i64::try_from(now.as_secs()).unwrap_or(0));
        let id = format!("{:x}.{:x}", now.as_micros(), self.connection.session_id());
        let octets_max = self.rules.message_octets_max;
        let spool = Spool::new(buffer, octets_max.saturating_add(ADDED_OCTETS_MAX));
        let kept = Box::new(Kept { spool, scanner: Scanner::new(), share });
        // An empty buffer has room for it, so nothing is written yet that could fail.
        let kept = kept.push(&self.services.store, self.trace(&id, date).as_bytes()).await.ok()?;
        // RFC 6409 8: what a mail program left out, its submission server adds; a relay changes nothing.
        let missing = (self.rules.service == Service::Submission)
            .then(|| Missing { date: date.rfc5322().to_string(), message_id: format!("<{id}@{}>", self.rules.host) });
        Some(Box::new(Intake {
            kept: Some(kept),
            refusal: None,
            pass: HeaderPass::new(missing),
            lines: LineCheck::default(),
            id,
            route: journal::route(&self.smtp),
            date,
            started: Instant::now(),
            octets: 0,
            octets_max,
            stranger: self.is_stranger(),
        }))
    }

    fn trace(&self, id: &str, date: InternalDate) -> String {
        let (Some(client), Some(envelope)) = (self.smtp.client(), self.smtp.envelope()) else { return String::new() };
        let tls = self.connection.tls();
        let mut recipients = envelope.recipients.iter();
        let (first, second) = (recipients.next(), recipients.next());
        header(&Trace {
            reverse_path: &envelope.reverse_path,
            client: &client.name,
            address: self.connection.peer().ip(),
            host: &self.rules.host,
            with: Protocol {
                lmtp: self.rules.service == Service::Lmtp,
                extended: client.extended,
                utf8: envelope.parameters.smtp_utf8,
                tls: tls.is_some(),
                authenticated: client.user.is_some(),
            },
            tls: tls.map(|tls| (tls.version, tls.cipher)),
            id,
            recipient: first.as_ref().filter(|_| second.is_none()).map(|(path, _)| path),
            date,
        })
    }

    /// DATA: says `354`, then reads the message to its true end and commits it.
    pub(super) async fn receive(&mut self) -> Result<Received, ConnectionError> {
        let Some(mut intake) = self.intake().await else { return Ok(Received::Unavailable) };
        self.say(&START_INPUT).await?;
        self.connection.flush(SMTP_REPLY_TIMEOUT).await?;
        let mut decoder = DataDecoder::new();
        loop {
            let buffered = wait(&mut self.connection, &self.services.buffers, &intake).await?;
            let piece = decoder.next(buffered);
            intake.take(&self.services.store, piece.octets).await;
            if let Some(fault) = decoder.fault() {
                intake.refuse(Received::Fault(fault));
            }
            let (consumed, end) = (piece.consumed, piece.end);
            self.connection.consume(consumed);
            if end {
                break;
            }
        }
        let received = intake.finish(&self.services.store, &self.smtp.take_mailboxes(), self.promise()).await;
        self.intake = Some(intake);
        Ok(received)
    }

    /// BDAT: reads a chunk, and commits the message if it was the last (RFC 3030 2).
    pub(super) async fn chunk(&mut self, octets: u64, last: bool) -> Result<Received, ConnectionError> {
        let mut intake = match self.intake.take() {
            Some(intake) => intake,
            None => match self.intake().await {
                Some(intake) => intake,
                None => {
                    self.discard(octets).await?;
                    return Ok(Received::Unavailable);
                }
            },
        };
        let binary = self.smtp.envelope().is_some_and(|envelope| envelope.parameters.body == Some(Body::BinaryMime));
        let mut left = octets;
        while left > 0 {
            let buffered = wait(&mut self.connection, &self.services.buffers, &intake).await?;
            let piece = buffered.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(buffered);
            if !binary {
                intake.lines.feed(piece);
            }
            intake.take(&self.services.store, piece).await;
            let consumed = piece.len();
            left = left.saturating_sub(u64::try_from(consumed).unwrap_or(u64::MAX));
            self.connection.consume(consumed);
        }
        if let Some(fault) = intake.lines.fault(last) {
            intake.refuse(Received::Fault(fault));
        }
        let received = if last {
            intake.finish(&self.services.store, &self.smtp.take_mailboxes(), self.promise()).await
        } else {
            // A chunk that cannot lead to anything is refused at once.
            intake.refusal.take().unwrap_or(Received::Chunk(octets))
        };
        self.intake = Some(intake);
        Ok(received)
    }

    /// Reads so many octets and forgets them.
    pub(super) async fn discard(&mut self, octets: u64) -> Result<(), ConnectionError> {
        let started = Instant::now();
        let mut left = octets;
        while left > 0 {
            if self.connection.buffered().is_empty() {
                let pace = Pace { elapsed: started.elapsed(), silent: Duration::ZERO, scarce: false, stranger: true };
                let timeout = pace.for_data(octets.saturating_sub(left)).ok_or(ConnectionError::TimedOut)?;
                self.connection.flush(SMTP_REPLY_TIMEOUT).await?;
                self.connection.fill(timeout).await?;
            }
            let there = self.connection.buffered().len();
            let consumed = usize::try_from(left).unwrap_or(usize::MAX).min(there);
            left = left.saturating_sub(u64::try_from(consumed).unwrap_or(u64::MAX));
            self.connection.consume(consumed);
        }
        Ok(())
    }
}

/// Octets that are there, waiting for some if there are none.
async fn wait<'a>(
    connection: &'a mut Connection,
    buffers: &BufferPool,
    intake: &Intake,
) -> Result<&'a [u8], ConnectionError> {
    let silence = Instant::now();
    while connection.buffered().is_empty() {
        let timeout = intake.patience(buffers, silence)?;
        // Replies that were gathered while commands waited: the client may wait for them now.
        connection.flush(SMTP_REPLY_TIMEOUT).await?;
        match connection.fill(timeout).await {
            Ok(()) | Err(ConnectionError::TimedOut) => {}
            Err(error @ (ConnectionError::Closed | ConnectionError::Stopping)) => return Err(error),
        }
    }
    Ok(connection.buffered())
}
