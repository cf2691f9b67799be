//! SMTP, submission and LMTP over a connection: reads commands, asks the session what they lead to, does it, answers.
//!
//! ```text
//! octets > wire::smtp > session::smtp::Smtp::handle > Step > directory, login, intake > store > reply
//! ```
//!
//! Owns the connection, the session, and during a transaction its permit; while a message comes in, the [`Intake`] with
//! its working buffer. What bounds its memory: the connection's buffers, the envelope, one working buffer and one
//! scanner. Replies to pipelined commands (RFC 2920) leave together. What is legal when is the session's business.

mod directory;
mod intake;
mod journal;
mod login;

use super::{Connection, ConnectionError, Line, Permit, Services, auth};
use crate::limits::{SMTP_AUTH_LINE_OCTETS_MAX, SMTP_COMMAND_TIMEOUT, SMTP_REPLY_TIMEOUT, SMTP_SCARCE_CHECK};
use crate::session::smtp::{
    Admission, Input, Pace, Received, Resolution, Rules, STOPPING, Scene, Service, Smtp, Step, TIMED_OUT, greeting,
};
use crate::status::COUNTERS;
use crate::store::MailboxId;
use crate::wire::smtp::{Reply, decode, too_long};
use core::time::Duration;
use intake::Intake;
use std::borrow::Cow;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

pub use crate::session::smtp::Service as SmtpService;

/// One client.
struct Session {
    connection: Connection,
    services: Arc<Services>,
    rules: Rules,
    smtp: Smtp,
    transaction: Option<Transaction>,
    /// The message so far, between BDAT commands.
    intake: Option<Box<Intake>>,
}

/// The right to a transaction, held during one.
struct Transaction {
    _share: Permit,
    _permit: OwnedSemaphorePermit,
    since: Instant,
    /// Of the recipients so far, the one with the most room.
    roomiest: Option<Roomiest>,
}

/// A recipient's mailbox and what its owner has left.
struct Roomiest {
    mailbox: MailboxId,
    quota: Option<u64>,
    left: u64,
}

/// What follows a step.
enum Next {
    /// The next command.
    Command,
    /// The connection's end.
    End,
}

/// Serves one client until it quits, goes away or says nothing for too long.
pub async fn serve_smtp(connection: Connection, services: Arc<Services>, service: Service) {
    let id = connection.session_id();
    log::info!("[{id}] {}: connected from {}", journal::name(service), connection.peer().ip());
    let rules = Rules {
        service,
        host: services.config.host_name.as_str().into(),
        message_octets_max: services.config.message_octets_max,
        starttls: connection.tls().is_some() || connection.can_start_tls(),
        vrfy: services.config.vrfy,
    };
    let mut session = Session { connection, services, rules, smtp: Smtp::new(), transaction: None, intake: None };
    let why = match session.run().await {
        Ok(()) => "ended",
        Err(ConnectionError::Closed) => "connection closed by the client",
        Err(ConnectionError::TimedOut) => {
            session.farewell(&TIMED_OUT).await;
            "waited too long"
        }
        Err(ConnectionError::Stopping) => {
            session.farewell(&STOPPING).await;
            "server is stopping"
        }
    };
    session.connection.close().await;
    log::info!("[{id}] {}: {why}", journal::name(service));
}

impl Session {
    /// Greets, then takes commands until the end.
    async fn run(&mut self) -> Result<(), ConnectionError> {
        let greeting = greeting(&self.rules);
        self.say(&greeting).await?;
        loop {
            // Without a transaction nothing of it is kept: neither its permit nor a working buffer.
            if self.smtp.envelope().is_none() {
                self.intake = None;
                self.transaction = None;
            }
            self.flush_unless_more().await?;
            let step = self.next_command().await?;
            // The futures of steps are large and mostly not there.
            if let Next::End = Box::pin(self.perform(step)).await? {
                return self.connection.flush(SMTP_REPLY_TIMEOUT).await;
            }
        }
    }

    /// Reads a line and lets the session handle it.
    async fn next_command(&mut self) -> Result<Step, ConnectionError> {
        let mechanisms = self.mechanisms();
        let tls = self.connection.tls().is_some();
        let loopback = self.connection.is_loopback();
        let scene = Scene { rules: &self.rules, tls, loopback, mechanisms: &mechanisms };
        let silence = Instant::now();
        let input = loop {
            let timeout = self.patience(silence)?;
            match self.connection.line(SMTP_AUTH_LINE_OCTETS_MAX, timeout).await {
                Ok(Line::Whole(line)) => break decode(line).map_or_else(Input::Invalid, Input::Command),
                Ok(Line::TooLong) => break Input::Invalid(too_long(self.connection.too_long_head())),
                // Perhaps only time to look again.
                Err(ConnectionError::TimedOut) => {}
                Err(error @ (ConnectionError::Closed | ConnectionError::Stopping)) => return Err(error),
            }
        };
        let smtp = core::mem::take(&mut self.smtp);
        let (smtp, step) = smtp.handle(input, &scene);
        self.smtp = smtp;
        Ok(step)
    }

    /// How long to wait for a command before looking again, when nothing has come since `silence`.
    fn patience(&self, silence: Instant) -> Result<Duration, ConnectionError> {
        let silent = silence.elapsed();
        let left = match (&self.intake, &self.transaction) {
            // A message that is half there holds a working buffer.
            (Some(intake), _) => Some(intake.patience(&self.services.buffers, silence)?),
            (None, Some(transaction)) => {
                let scarce = self.services.transactions.available_permits() == 0;
                let pace = Pace { elapsed: transaction.since.elapsed(), silent, scarce, stranger: self.is_stranger() };
                pace.for_command().map(|left| left.min(SMTP_SCARCE_CHECK))
            }
            (None, None) => SMTP_COMMAND_TIMEOUT.checked_sub(silent).filter(|left| !left.is_zero()),
        };
        left.ok_or(ConnectionError::TimedOut)
    }

    /// Does what the session asks for, until it is the client's turn.
    async fn perform(&mut self, mut step: Step) -> Result<Next, ConnectionError> {
        loop {
            step = match step {
                Step::Await => return Ok(Next::Command),
                Step::Reply(reply) => {
                    self.say(&reply).await?;
                    return Ok(Next::Command);
                }
                Step::ReplyEach(reply, times) => {
                    for _ in 0..times {
                        self.say(&reply).await?;
                    }
                    return Ok(Next::Command);
                }
                Step::Close(reply) => {
                    self.say(&reply).await?;
                    return Ok(Next::End);
                }
                Step::StartTls(reply) => {
                    self.say(&reply).await?;
                    // Drops what was pipelined in the clear (RFC 3207 6).
                    self.connection.start_tls().await?;
                    self.answer(Input::Secured)
                }
                Step::Authenticate { mechanism, initial } => {
                    let outcome = self.log_in(&mechanism, initial.as_deref()).await?;
                    self.answer(Input::Authenticated(outcome))
                }
                Step::Admit(envelope) => {
                    let admission = self.admit(&envelope).await;
                    if admission != Admission::Admitted {
                        journal::not_admitted(&self.connection, &self.rules, &envelope, &admission);
                    }
                    self.answer(Input::Admitted(envelope, admission))
                }
                Step::Resolve(candidate) => {
                    let resolution = self.resolve(&candidate).await;
                    if !matches!(resolution, Resolution::Local(_)) {
                        COUNTERS.recipients_refused.increment();
                        journal::recipient_refused(&self.connection, &self.rules, &candidate, &resolution);
                    }
                    self.answer(Input::Resolved(candidate, resolution))
                }
                Step::Verify(text) => {
                    let verification = self.verify(&text).await;
                    self.answer(Input::Verified(verification))
                }
                Step::Expand(text) => {
                    let members = self.expand(&text).await;
                    self.answer(Input::Expanded(members))
                }
                Step::Receive => {
                    let received = self.receive().await?;
                    self.received(received)
                }
                Step::Chunk { octets, last } => {
                    let received = self.chunk(octets, last).await?;
                    self.received(received)
                }
                Step::Discard(octets, reply) => {
                    self.discard(octets).await?;
                    Step::Reply(reply)
                }
            };
        }
    }

    /// Gives the session an answer.
    fn answer(&mut self, input: Input<'_>) -> Step {
        let mechanisms = self.mechanisms();
        let tls = self.connection.tls().is_some();
        let loopback = self.connection.is_loopback();
        let scene = Scene { rules: &self.rules, tls, loopback, mechanisms: &mechanisms };
        let (smtp, step) = core::mem::take(&mut self.smtp).handle(input, &scene);
        self.smtp = smtp;
        step
    }

    /// Counts and logs the end of a message, and gives it to the session.
    fn received(&mut self, received: Received) -> Step {
        match &received {
            Received::Chunk(_) => {}
            Received::Stored(_) => COUNTERS.messages_accepted.increment(),
            Received::Unavailable | Received::Fault(_) | Received::TooLarge | Received::Loop | Received::Failed(_) => {
                COUNTERS.messages_refused.increment()
            }
        }
        if !matches!(received, Received::Chunk(_)) {
            let (route, octets) = match &self.intake {
                Some(intake) => (Cow::Borrowed(intake.route()), intake.octets()),
                None => (Cow::Owned(journal::route(&self.smtp)), 0),
            };
            journal::message(&self.connection, &self.rules, &route, octets, &received);
            self.intake = None;
        }
        self.answer(Input::Received(received))
    }

    /// The mailbox and quota that decide whether the message fits anyone's; `None`: it does.
    fn promise(&self) -> Option<(MailboxId, u64)> {
        let roomiest = self.transaction.as_ref()?.roomiest.as_ref()?;
        Some((roomiest.mailbox, roomiest.quota?))
    }

    /// Has the client not logged in, and is it not on this machine?
    fn is_stranger(&self) -> bool {
        !self.connection.is_loopback() && self.smtp.client().is_none_or(|client| client.user.is_none())
    }

    fn mechanisms(&self) -> heapless::Vec<&'static str, 8> {
        match self.rules.service {
            Service::Lmtp => heapless::Vec::new(),
            Service::Relay | Service::Submission => auth::mechanisms(&self.services, &self.peer()),
        }
    }

    async fn say(&mut self, reply: &Reply) -> Result<(), ConnectionError> {
        let mut octets = Vec::new();
        // Into memory: cannot fail.
        let Ok(()) = reply.encode(&mut octets);
        self.connection.write(&octets, SMTP_REPLY_TIMEOUT).await
    }

    /// RFC 2920 3.2: replies to a group of commands leave together, when no command waits that could be handled first.
    async fn flush_unless_more(&mut self) -> Result<(), ConnectionError> {
        if memchr::memmem::find(self.connection.buffered(), b"\r\n").is_some() {
            return Ok(());
        }
        self.connection.flush(SMTP_REPLY_TIMEOUT).await
    }

    /// A last word; whether the client still hears it is its business.
    async fn farewell(&mut self, reply: &Reply) {
        if self.say(reply).await.is_ok() {
            let _ = self.connection.flush(SMTP_REPLY_TIMEOUT).await;
        }
    }
}
