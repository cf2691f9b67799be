//! APPEND (RFC 9051 6.3.12): a message streams from the connection into the store's log, past the MIME scanner.
//!
//! Owns the spool while it fills: one working buffer, whatever the message's size.

use super::Session;
use super::reply::{Done, Ended};
use crate::limits::{IMAP_APPEND_TIMEOUT, IMAP_HELD_REPLY_TIMEOUT, SMTP_SCARCE_CHECK, WORKING_BUFFER_OCTETS};
use crate::mail::InternalDate;
use crate::mime::Scanner;
use crate::serve::ConnectionError;
use crate::session::imap::{Asked, Refusal};
use crate::session::smtp::Pace;
use crate::store::{Delivery, Error, MailboxId, QuotaRule, Receipt, Spool, Target, Transaction, WorkingBuffer};
use crate::wire::imap::command::{Append, LiteralHead};
use crate::wire::imap::encode::continuation;
use tokio::time::Instant;

impl Session {
    /// Takes a message into a mailbox.
    pub(super) async fn append(&mut self, append: Append) -> Result<Done, Ended> {
        let literal = append.literal;
        // RFC 9051 6.3.12: whether it can be taken is found out before a synchronizing literal is asked for.
        let mailbox = match self.append_target(&append).await {
            Ok(mailbox) => mailbox,
            Err(ended) => {
                self.skip_message(literal).await?;
                return Err(ended);
            }
        };
        // What was said before goes out without a working buffer.
        self.flush().await?;
        let buffer = match self.lease().await {
            Ok(buffer) => buffer,
            Err(ended) => {
                self.skip_message(literal).await?;
                return Err(ended);
            }
        };
        if !literal.non_synchronizing {
            self.say(|out| continuation(out, "Go on")).await?;
            self.flush_holding().await?;
        }
        let spooled = self.spool(literal, buffer).await?;
        // RFC 9051 section 9: the line ends behind the literal. MULTIAPPEND (RFC 3502) is not announced.
        let deadline = Instant::now() + IMAP_HELD_REPLY_TIMEOUT;
        let ends = self.line_is_empty(deadline).await?;
        let (spool, scanner) = spooled?;
        if !ends {
            return Err(Refusal::bad("APPEND takes one message, and nothing follows it").into());
        }
        let summary = scanner.finish().encode().unwrap_or_default();
        let quota = self.imap.user().and_then(|user| user.quota).map_or(QuotaRule::Octets(u64::MAX), QuotaRule::Octets);
        let internal_date = append.internal_date.unwrap_or_else(now);
        let target = Target { mailbox, flags: append.flags, internal_date, quota };
        let delivery = Delivery { spool, summary, targets: vec![target] };
        let receipt = self.services.store.commit(Transaction::Deliver(delivery)).await;
        match receipt.map_err(|error| self.refused(&error, Asked::Target))? {
            Receipt::Delivered(list) => {
                let uid = list.first().map(|(_, validity, uid)| format!("{validity} {uid}"));
                // RFC 4315 3.
                Ok(Done { code: uid.map(|uid| ("APPENDUID", Some(uid))), text: "Appended" })
            }
            _ => Ok(Done::plain("Appended")),
        }
    }

    /// The mailbox that a message may go to.
    async fn append_target(&mut self, append: &Append) -> Result<MailboxId, Ended> {
        if append.literal.octets > self.services.config.message_octets_max {
            return Err(self.refused(&Error::TooLarge, Asked::Target));
        }
        let (owner, name) = (self.owner()?, append.mailbox.clone());
        let found = self.services.store.read(move |store| store.mailbox(owner, &name)).await;
        let found = found.and_then(|row| row.ok_or(Error::NoSuchMailbox));
        Ok(found.map_err(|error| self.refused(&error, Asked::Target))?.id)
    }

    /// Reads the literal to its end, and says what became of it only then.
    async fn spool(
        &mut self,
        literal: LiteralHead,
        buffer: WorkingBuffer,
    ) -> Result<Result<(Spool, Scanner), Ended>, Ended> {
        let mut spool = Some(Spool::new(buffer, self.services.config.message_octets_max));
        let mut scanner = Scanner::new();
        let mut failed = None;
        let mut left = literal.octets;
        let started = Instant::now();
        let mut heard = started;
        while left > 0 {
            if self.connection.buffered().is_empty() {
                // A buffer is not lent to a client that sends an octet now and then.
                let scarce = spool.is_some() && self.services.buffers.is_scarce();
                let pace = Pace { elapsed: started.elapsed(), silent: heard.elapsed(), scarce, stranger: false };
                let patience = pace.for_data(literal.octets.saturating_sub(left)).ok_or(ConnectionError::TimedOut)?;
                match self.connection.fill(patience.min(SMTP_SCARCE_CHECK)).await {
                    Ok(()) => heard = Instant::now(),
                    // Only time to look again.
                    Err(ConnectionError::TimedOut) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            let octets = self.connection.buffered();
            let part = usize::try_from(left).unwrap_or(usize::MAX).min(octets.len());
            let octets = octets.get(..part).unwrap_or_default();
            // RFC 9051 4.3: NUL may only stand in a literal8.
            if !literal.binary && memchr::memchr(0, octets).is_some() {
                failed.get_or_insert(Refusal::bad("NUL may not stand in a message").into());
                spool = None;
            }
            let mut taken = part;
            if let Some(open) = &mut spool {
                match open.push(octets) {
                    Ok(pushed) => {
                        taken = pushed;
                        scanner.push(octets.get(..pushed).unwrap_or_default());
                    }
                    Err(error) => {
                        failed.get_or_insert(self.refused(&error, Asked::Target));
                        spool = None;
                    }
                }
            }
            self.connection.consume(taken);
            left = left.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
            if left > 0
                && let Some(full) = spool.take_if(|spool| spool.is_full())
            {
                match self.services.store.spill(full).await {
                    Ok(emptied) => spool = Some(emptied),
                    Err(error) => {
                        failed.get_or_insert(self.refused(&error, Asked::Target));
                    }
                }
            }
        }
        Ok(match (spool, failed) {
            (Some(spool), None) => Ok((spool, scanner)),
            (_, Some(ended)) => Err(ended),
            (None, None) => Err(self.refused(&Error::Closed, Asked::Target)),
        })
    }

    /// Sends what was written while a working buffer is held.
    async fn flush_holding(&mut self) -> Result<(), ConnectionError> {
        self.connection.flush(IMAP_HELD_REPLY_TIMEOUT).await?;
        self.unsent = false;
        Ok(())
    }

    /// Reads the rest of the line; is there none?
    async fn line_is_empty(&mut self, deadline: Instant) -> Result<bool, ConnectionError> {
        while self.connection.buffered().len() < 2 {
            self.flush().await?;
            self.connection.fill(deadline.saturating_duration_since(Instant::now())).await?;
        }
        if self.connection.buffered().starts_with(b"\r\n") {
            self.connection.consume(2);
            return Ok(true);
        }
        let mut literal = self.drop_line(deadline).await?;
        while let Some(head) = literal {
            if head.octets > self.skip_octets_max() {
                return Err(ConnectionError::Closed);
            }
            self.drop_octets(head.octets, deadline).await?;
            literal = self.drop_line(deadline).await?;
        }
        Ok(false)
    }

    /// Gets rid of a message that will not be taken: RFC 7888 4, a non-synchronizing literal comes whatever is said.
    pub(super) async fn skip_message(&mut self, literal: LiteralHead) -> Result<(), Ended> {
        if !literal.non_synchronizing {
            return Ok(());
        }
        if literal.octets > self.skip_octets_max() {
            return Err(Refusal::bye("TOOBIG", "The message is larger than this server takes").into());
        }
        let mut left = literal.octets;
        while left > 0 {
            // As patient as if the message were taken.
            let part = left.min(WORKING_BUFFER_OCTETS.try_into().unwrap_or(u64::MAX));
            self.drop_octets(part, Instant::now() + IMAP_APPEND_TIMEOUT).await?;
            left = left.saturating_sub(part);
        }
        self.line_is_empty(Instant::now() + IMAP_APPEND_TIMEOUT).await?;
        Ok(())
    }
}

/// RFC 9051 6.3.12: without a date the message has that of its arrival.
fn now() -> InternalDate {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    InternalDate::utc(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
