//! Drives POP3 sessions over connections (RFC 1939).
//!
//! Owns one client's connection, its session and, once it is logged in, its locked mailbox. What bounds its memory: a
//! session with its marks, one page of rows ([`POP3_PAGE_MESSAGES`]), and while a message is sent one leased working
//! buffer and [`PIECE_OCTETS`] with their encoding. What POP3 says next is the session's to know; passwords are checked
//! by [`super::auth`].
//!
//! A connection that ends in any way but QUIT deletes nothing (RFC 1939 6).

mod doomed;
mod lock;
mod mailbox;

#[cfg(test)]
mod tests;

use super::auth::{self, AuthError, Cancelled, Challenge, PeerInfo};
use super::{Connection, ConnectionError, Line, Services};
use crate::account::Account;
use crate::limits::{
    INPUT_BUFFER_SMALL_OCTETS, POP3_BUFFER_TIMEOUT, POP3_IDLE_TIMEOUT, POP3_LINE_OCTETS_MAX, POP3_PAGE_MESSAGES,
    POP3_SASL_LINE_OCTETS_MAX, POP3_WRITE_TIMEOUT, STORE_MESSAGES_MAX,
};
use crate::session::pop3::{Message, Purpose, Session, Step};
use crate::store::{BlobReader, Error, MessageRow, Transaction, WorkingBuffer};
use crate::wire::base64;
use crate::wire::dot::DotEncoder;
use crate::wire::pop3::{Language, MessageNumber, Offer, Reply, decode, list_line, uidl_line};
use doomed::Doomed;
use lock::Lock;
use mailbox::Mailbox;
use ring::rand::SecureRandom as _;
use std::sync::Arc;

/// Octets of a message that are read from the store at one time.
const PIECE_OCTETS: usize = 16 * 1024;
/// Octets of them that are encoded at one time.
const ENCODED_STEP_OCTETS: usize = 2 * 1024;

/// Serves one client to its end.
pub async fn serve_pop3(connection: Connection, services: Arc<Services>) {
    let timestamp = services.config.legacy_logins.then(|| timestamp(&services.config.host_name)).flatten();
    let mut driver = Driver { connection, services, timestamp, mailbox: None, retrieved: 0 };
    let ended = driver.converse().await;
    let Driver { connection, mailbox, retrieved, .. } = driver;
    if let Some(mailbox) = mailbox {
        // It did not come to QUIT: the lock ends with the connection.
        log::info!("[{}] POP3 session of owner {} broke: {retrieved} sent", connection.session_id(), mailbox.owner().0);
    }
    if ended.is_ok() {
        connection.close().await;
    }
}

/// RFC 1939 7: different for every connection.
fn timestamp(host: &str) -> Option<Box<str>> {
    let mut random = [0; 16];
    ring::rand::SystemRandom::new().fill(&mut random).ok()?;
    Some(format!("<{:032x}@{host}>", u128::from_le_bytes(random)).into())
}

/// One client.
struct Driver {
    connection: Connection,
    services: Arc<Services>,
    /// What APOP digests begin with.
    timestamp: Option<Box<str>>,
    mailbox: Option<Mailbox>,
    retrieved: u32,
}

impl Driver {
    /// Until QUIT, or until the connection ends.
    async fn converse(&mut self) -> Result<(), ConnectionError> {
        let host = self.services.config.host_name.as_str().into();
        let mut session = Session::new();
        self.say(&session, &Reply::Greeting { host, timestamp: self.timestamp.clone() }).await?;
        loop {
            // RFC 2449 6.6: answers to pipelined commands go together.
            // A bare LF ends no command (RFC 1939 3), so nothing waits for what is behind it.
            if !self.has_command() {
                self.connection.flush(POP3_WRITE_TIMEOUT).await?;
            }
            let line = self.connection.line(POP3_LINE_OCTETS_MAX, POP3_IDLE_TIMEOUT).await?;
            let (next, step) = match line {
                Line::Whole(line) => match decode(line) {
                    Ok(command) => session.handle(command),
                    Err(invalid) => session.invalid(invalid),
                },
                Line::TooLong => session.too_long(),
            };
            match self.act(next, step).await? {
                Some(next) => session = next,
                None => return Ok(()),
            }
        }
    }

    /// Carries out a step. `None`: the last word is said.
    async fn act(&mut self, session: Session, step: Step) -> Result<Option<Session>, ConnectionError> {
        match step {
            Step::Reply(reply) => self.say(&session, &reply).await?,
            Step::Close(reply) => {
                self.mailbox = None;
                self.say(&session, &reply).await?;
                return Ok(None);
            }
            Step::Capabilities(authorized) => {
                self.say(&session, &Reply::CapabilitiesFollow).await?;
                let mut lines = Vec::new();
                self.offer().capabilities(authorized, &mut lines).map_err(full)?;
                self.write(&lines).await?;
            }
            Step::Mechanisms => {
                self.say(&session, &Reply::MechanismsFollow).await?;
                let mut lines = Vec::new();
                self.offer().mechanisms(&mut lines).map_err(full)?;
                self.write(&lines).await?;
            }
            Step::Languages => {
                self.say(&session, &Reply::LanguagesFollow).await?;
                let mut lines = Vec::new();
                Language::list(&mut lines).map_err(full)?;
                self.write(&lines).await?;
            }
            Step::StartTls => return self.start_tls(session).await.map(Some),
            Step::Login { user, password } => {
                let peer = PeerInfo::of(&self.connection);
                let result = auth::login(&self.services, &peer, &user, &password).await;
                return self.admit(session, result).await;
            }
            Step::Apop { user, digest } => {
                let peer = PeerInfo::of(&self.connection);
                let result = match &self.timestamp {
                    Some(timestamp) => auth::apop(&self.services, &peer, &user, timestamp, digest.as_bytes()).await,
                    None => Err(AuthError::MechanismUnknown),
                };
                return self.admit(session, result).await;
            }
            Step::Authenticate { mechanism, initial } => {
                let peer = PeerInfo::of(&self.connection);
                let mechanism = mechanism.to_ascii_uppercase();
                let services = Arc::clone(&self.services);
                let mut client = Asker(&mut self.connection);
                let result = auth::authenticate(&services, &peer, &mechanism, initial, &mut client).await;
                return self.admit(session, result).await;
            }
            Step::List => self.list(&session, false).await?,
            Step::UniqueIds => self.list(&session, true).await?,
            Step::Look(number, purpose) => return self.look(session, number, purpose).await.map(Some),
            Step::Retrieve(number, lines) => self.retrieve(&session, number, lines).await?,
            Step::Update => {
                let reply = self.update(&session).await;
                // The next session may begin as soon as this one says goodbye.
                self.mailbox = None;
                self.say(&session, &reply).await?;
                return Ok(None);
            }
        }
        Ok(Some(session))
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), ConnectionError> {
        self.connection.write(octets, POP3_WRITE_TIMEOUT).await
    }

    async fn say(&mut self, session: &Session, reply: &Reply) -> Result<(), ConnectionError> {
        let mut line = Vec::new();
        reply.encode(session.language(), &mut line).map_err(full)?;
        self.write(&line).await
    }

    /// What CAPA tells of the connection as it is now.
    fn offer(&self) -> Offer {
        let peer = PeerInfo::of(&self.connection);
        Offer {
            stls: self.connection.can_start_tls(),
            plain: auth::allows_passwords(&self.services, &peer),
            mechanisms: auth::mechanisms(&self.services, &peer),
        }
    }

    async fn start_tls(&mut self, session: Session) -> Result<Session, ConnectionError> {
        if !self.connection.can_start_tls() {
            let reply = if self.connection.tls().is_some() { Reply::TlsActive } else { Reply::NoTls };
            self.say(&session, &reply).await?;
            return Ok(session);
        }
        self.say(&session, &Reply::BeginTls).await?;
        self.connection.start_tls().await?;
        Ok(session.tls_started())
    }

    /// Opens the maildrop of whoever is logged in now.
    async fn admit(
        &mut self,
        session: Session,
        result: Result<Account, AuthError>,
    ) -> Result<Option<Session>, ConnectionError> {
        let (session, step) = match result {
            Ok(account) => match Lock::take(&self.services, account.owner) {
                // RFC 1939 8: one session at a time has a maildrop.
                None => session.login_failed(Reply::InUse),
                Some(lock) => match Mailbox::open(&self.services, lock).await {
                    Ok((mailbox, maildrop)) => {
                        self.mailbox = Some(mailbox);
                        session.logged_in(maildrop)
                    }
                    Err(error) => session.login_failed(self.report("opening a maildrop", &error)),
                },
            },
            Err(error) => session.login_failed(refusal(error)?),
        };
        match step {
            Step::Close(reply) => {
                self.say(&session, &reply).await?;
                Ok(None)
            }
            Step::Reply(reply) => {
                self.say(&session, &reply).await?;
                Ok(Some(session))
            }
            _ => Ok(Some(session)),
        }
    }

    /// Logs what went wrong in the store and gives the reply to it.
    fn report(&self, what: &str, error: &Error) -> Reply {
        let reply = failure(error);
        if !matches!(reply, Reply::NoSuchMessage) {
            log::error!("[{}] POP3 {what}: {error}", self.connection.session_id());
            self.services.counters.internal_errors.increment();
        }
        reply
    }

    /// Rows of messages that still exist.
    async fn rows(&mut self, from: u32, to: u32, max: usize) -> Result<Vec<(u32, MessageRow)>, Error> {
        match &mut self.mailbox {
            Some(mailbox) => mailbox.rows(&self.services, from..=to, max).await,
            None => Err(Error::NoSuchMailbox),
        }
    }

    async fn row(&mut self, number: MessageNumber) -> Result<Option<MessageRow>, Error> {
        let rows = self.rows(number.get(), number.get(), 1).await?;
        Ok(rows.first().filter(|(found, _)| *found == number.get()).map(|&(_, row)| row))
    }

    /// LIST and UIDL of all messages, page by page.
    async fn list(&mut self, session: &Session, unique_ids: bool) -> Result<(), ConnectionError> {
        let Some(maildrop) = session.maildrop() else { return Err(ConnectionError::Closed) };
        let mut next = 1;
        let mut begun = false;
        loop {
            let rows = match self.rows(next, maildrop.highest(), POP3_PAGE_MESSAGES).await {
                Ok(rows) => rows,
                Err(error) => {
                    let reply = self.report("listing", &error);
                    // A list that has begun cannot be taken back; one that is cut must not look whole.
                    return if begun { Err(ConnectionError::Closed) } else { self.say(session, &reply).await };
                }
            };
            if !begun {
                let follows = Reply::ListFollows(maildrop.messages(), maildrop.octets());
                self.say(session, if unique_ids { &Reply::UidlFollows } else { &follows }).await?;
                begun = true;
            }
            let mut lines = Vec::new();
            for (number, row) in rows.iter().filter(|(number, _)| !maildrop.is_deleted(*number)) {
                if unique_ids {
                    uidl_line(*number, maildrop.unique_id(message(row)), &mut lines).map_err(full)?;
                } else {
                    list_line(*number, row.octets, &mut lines).map_err(full)?;
                }
            }
            self.write(&lines).await?;
            match rows.last() {
                Some(&(last, _)) if last < maildrop.highest() => next = last.saturating_add(1),
                _ => return self.write(b".\r\n").await,
            }
        }
    }

    async fn look(
        &mut self,
        session: Session,
        number: MessageNumber,
        purpose: Purpose,
    ) -> Result<Session, ConnectionError> {
        let found = self.row(number).await;
        let (session, step) = match found {
            Ok(row) => session.found(number, purpose, row.as_ref().map(message)),
            Err(error) => {
                let reply = self.report("looking a message up", &error);
                (session, Step::Reply(reply))
            }
        };
        if let Step::Reply(reply) = step {
            self.say(&session, &reply).await?;
        }
        Ok(session)
    }

    /// RETR and TOP.
    async fn retrieve(
        &mut self,
        session: &Session,
        number: MessageNumber,
        lines: Option<u64>,
    ) -> Result<(), ConnectionError> {
        let row = match self.row(number).await {
            Ok(Some(row)) => row,
            Ok(None) => return self.say(session, &Reply::NoSuchMessage).await,
            Err(error) => {
                let reply = self.report("looking a message up", &error);
                return self.say(session, &reply).await;
            }
        };
        // Answers to earlier commands do not wait for a buffer.
        self.connection.flush(POP3_WRITE_TIMEOUT).await?;
        let Some(buffer) = self.lease().await? else { return self.say(session, &Reply::Temporary).await };
        let opened = self.services.store.read(move |store| store.open_blob_with(row.blob, buffer)).await;
        // The first piece is read before anything is said: most damage shows here.
        let first = match opened {
            Ok(reader) => self.piece(reader, 0).await,
            Err(error) => Err(error),
        };
        let (mut reader, mut piece) = match first {
            Ok(first) => first,
            Err(error) => {
                let reply = self.report("opening a message", &error);
                return self.say(session, &reply).await;
            }
        };
        let mut dots = match lines {
            None => {
                self.say(session, &Reply::MessageFollows(row.octets)).await?;
                DotEncoder::new()
            }
            Some(lines) => {
                self.say(session, &Reply::TopFollows).await?;
                DotEncoder::top(lines)
            }
        };
        let mut offset = 0_u64;
        while !piece.is_empty() && !dots.is_complete() {
            for step in piece.chunks(ENCODED_STEP_OCTETS) {
                let mut encoded = Vec::with_capacity(2 * ENCODED_STEP_OCTETS + 2);
                dots.push(step, &mut encoded).map_err(full)?;
                self.write(&encoded).await?;
            }
            offset = offset.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            (reader, piece) = match self.piece(reader, offset).await {
                Ok(next) => next,
                Err(error) => {
                    // The client must not take what it has for the whole message.
                    self.report("sending a message", &error);
                    return Err(ConnectionError::Closed);
                }
            };
        }
        let mut end = Vec::new();
        dots.finish(&mut end).map_err(full)?;
        self.write(&end).await?;
        self.retrieved = self.retrieved.saturating_add(1);
        self.services.counters.messages_retrieved.increment();
        Ok(())
    }

    /// Has a whole command arrived?
    fn has_command(&self) -> bool {
        memchr::memmem::find(self.connection.buffered(), b"\r\n").is_some()
    }

    /// A working buffer; `None`: there was none in time. A client that goes away meanwhile, or a server that stops, ends
    /// the wait, and with it the lock on the maildrop.
    async fn lease(&mut self) -> Result<Option<WorkingBuffer>, ConnectionError> {
        let services = Arc::clone(&self.services);
        let mut leased = core::pin::pin!(services.buffers.lease());
        let mut too_long = core::pin::pin!(tokio::time::sleep(POP3_BUFFER_TIMEOUT));
        let mut watched = true;
        loop {
            // What the client pipelines is kept, but not without end.
            watched &= self.connection.buffered().len() < INPUT_BUFFER_SMALL_OCTETS;
            let heard = tokio::select! {
                biased;
                buffer = &mut leased => return Ok(Some(buffer)),
                () = &mut too_long => return Ok(None),
                heard = self.connection.fill(POP3_IDLE_TIMEOUT), if watched => heard,
            };
            match heard {
                // Its last commands are here, QUIT perhaps among them: it may only have said all it had to say.
                Err(ConnectionError::Closed) if self.has_command() => watched = false,
                heard => heard?,
            }
        }
    }

    /// The next piece of a message; an empty one at its end.
    async fn piece(&self, mut reader: BlobReader, offset: u64) -> Result<(BlobReader, Vec<u8>), Error> {
        let read = move || {
            let mut piece = vec![0; PIECE_OCTETS];
            let octets = reader.read_at(offset, &mut piece)?;
            piece.truncate(octets);
            Ok((reader, piece))
        };
        self.services.store.read(move |_| read()).await
    }

    /// Removes what is marked (RFC 1939 6).
    async fn update(&mut self, session: &Session) -> Reply {
        let Some((maildrop, mailbox)) = session.maildrop().zip(self.mailbox.as_mut()) else { return Reply::Goodbye };
        let marked = maildrop.deleted().count();
        let result = if marked == 0 { Ok(()) } else { remove(&self.services, mailbox, maildrop.deleted()).await };
        let id = self.connection.session_id();
        let (owner, sent) = (mailbox.owner().0, self.retrieved);
        match result {
            Ok(()) => {
                log::info!("[{id}] POP3 session of owner {owner} ends: {sent} sent, {marked} deleted");
                Reply::Goodbye
            }
            Err(error) => {
                self.report("removing messages", &error);
                Reply::NotRemoved
            }
        }
    }
}

/// Removes marked messages, in transactions of at most [`STORE_MESSAGES_MAX`] messages.
async fn remove(services: &Services, mailbox: &mut Mailbox, marks: &crate::session::pop3::Marks) -> Result<(), Error> {
    // The client may be gone already: it has said QUIT, and that counts.
    let leased = tokio::time::timeout(POP3_BUFFER_TIMEOUT, services.buffers.lease()).await;
    let mut doomed = Doomed::new(leased.map_err(|_| Error::Busy)?);
    for run in marks.runs() {
        let (mut next, end) = run.into_inner();
        while next <= end {
            let rows = mailbox.rows(services, next..=end, POP3_PAGE_MESSAGES).await?;
            let Some(&(last, _)) = rows.last() else { break };
            if doomed.is_full() {
                commit(services, mailbox, &mut doomed).await?;
            }
            if let (Some((_, first)), Some((_, row)), Ok(count)) = (rows.first(), rows.last(), rows.len().try_into()) {
                doomed.push(first.uid.get()..=row.uid.get(), count);
            }
            next = last.saturating_add(1);
        }
    }
    commit(services, mailbox, &mut doomed).await
}

/// Removes what is listed, and empties the list.
async fn commit(services: &Services, mailbox: &Mailbox, doomed: &mut Doomed) -> Result<(), Error> {
    while let Some(uids) = doomed.take(STORE_MESSAGES_MAX) {
        let transaction = Transaction::Expunge { mailbox: mailbox.id(), uids, only_deleted: false };
        if let crate::store::Receipt::Expunged { uids, .. } = services.store.commit(transaction).await? {
            services.counters.messages_expunged.add(uids.len());
        }
    }
    Ok(())
}

fn message(row: &MessageRow) -> Message {
    Message { uid: row.uid, octets: row.octets }
}

/// A vector takes everything; its error type cannot say so.
fn full<E>(_: E) -> ConnectionError {
    ConnectionError::Closed
}

/// What the client hears of a failure of the store.
fn failure(error: &Error) -> Reply {
    match error {
        Error::Gone => Reply::NoSuchMessage,
        Error::Damaged(_) => Reply::Unreadable,
        Error::Full
        | Error::OverQuota
        | Error::TooLarge
        | Error::NoSuchMailbox
        | Error::MailboxExists
        | Error::NotEmpty
        | Error::OverLimit(_)
        | Error::Busy
        | Error::ViewLost
        | Error::ReadOnly
        | Error::Medium(_)
        | Error::Locked(_)
        | Error::Version(_)
        | Error::Closed => Reply::Temporary,
    }
}

/// What the client hears when it is not logged in; an error if it hears nothing any more.
fn refusal(error: AuthError) -> Result<Reply, ConnectionError> {
    Ok(match error {
        AuthError::Invalid => Reply::LoginFailed,
        AuthError::Throttled { wait } => Reply::LoginDelayed(wait),
        AuthError::MechanismUnknown => Reply::NoSuchMechanism,
        AuthError::TlsRequired => Reply::TlsRequired,
        AuthError::Cancelled(Cancelled::ByClient) => Reply::Cancelled,
        AuthError::Cancelled(Cancelled::BadBase64) => Reply::BadBase64,
        AuthError::Cancelled(Cancelled::TooLong) => Reply::LineTooLong,
        AuthError::Cancelled(Cancelled::Connection(error)) => return Err(error),
        AuthError::Temporary => Reply::Temporary,
    })
}

/// RFC 5034 4: challenges behind `+ `, responses as lines.
struct Asker<'a>(&'a mut Connection);

impl Challenge for Asker<'_> {
    async fn ask(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Cancelled> {
        let line = format!("+ {}\r\n", base64::encode(challenge));
        self.0.write(line.as_bytes(), POP3_WRITE_TIMEOUT).await.map_err(Cancelled::Connection)?;
        self.0.flush(POP3_WRITE_TIMEOUT).await.map_err(Cancelled::Connection)?;
        match self.0.line(POP3_SASL_LINE_OCTETS_MAX, POP3_IDLE_TIMEOUT).await.map_err(Cancelled::Connection)? {
            Line::TooLong => Err(Cancelled::TooLong),
            Line::Whole(b"*") => Err(Cancelled::ByClient),
            Line::Whole(line) => base64::decode(line).map_err(|_| Cancelled::BadBase64),
        }
    }
}
