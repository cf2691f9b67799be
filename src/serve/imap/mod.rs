//! IMAP over a connection: reads commands, asks the session what they lead to, does it, and answers.
//!
//! ```text
//! octets > input.rs > wire::imap > session::imap::Imap::handle > Step > one file here a noun > store > octets
//! ```
//!
//! Owns the connection, the session and the numbering of the selected mailbox. What bounds its memory: the connection's
//! buffers; a working buffer while a long command is gathered, a message appended, or messages are fetched and
//! searched; one page of index rows. Nothing grows with a mailbox or a message. While a client is idle only the
//! session and its view are kept: the futures of commands live on the heap and go with them.

mod append;
mod auth;
mod changes;
mod copy;
mod expunge;
mod fetch;
mod fields;
mod idle;
mod input;
mod list;
mod mailbox;
mod octets;
mod production;
mod reply;
mod scan;
mod search;
mod select;
mod store;

use super::{Connection, ConnectionError, Services};
use crate::limits::{IMAP_BAD_COMMANDS_MAX, IMAP_IDLE_TIMEOUT, IMAP_LOGIN_TIMEOUT};
use crate::session::imap::{Circumstances, Imap, Refusal, Severity, Step, capabilities};
use crate::wire::imap::Names;
use crate::wire::imap::command::{Append, Command};
use crate::wire::imap::encode::{self, Condition};
use core::time::Duration;
use input::Input;
use reply::{Done, Ended};
use select::Open;
use std::sync::Arc;

/// One client.
struct Session {
    connection: Connection,
    services: Arc<Services>,
    imap: Imap,
    /// The selected mailbox's numbering, beside [`Imap::Selected`].
    open: Option<Open>,
    /// Commands in a row that were none.
    bad_commands: u32,
    /// Logins that failed.
    failed_logins: u32,
    /// Something was written since the last flush.
    unsent: bool,
}

/// Serves one client until it logs out, goes away or idles for too long.
pub async fn serve_imap(connection: Connection, services: Arc<Services>) {
    let id = connection.session_id();
    log::info!("[{id}] IMAP: connected from {}", connection.peer().ip());
    let mut session = Session {
        connection,
        services,
        imap: Imap::NotAuthenticated,
        open: None,
        bad_commands: 0,
        failed_logins: 0,
        unsent: false,
    };
    let why = match session.run().await {
        Ok(()) => "logged out",
        Err(ConnectionError::Closed) => "connection closed by the client",
        Err(ConnectionError::TimedOut) => {
            session.farewell(Refusal::bye("", "Idle for too long")).await;
            "idle for too long"
        }
        Err(ConnectionError::Stopping) => {
            session.farewell(Refusal::bye("UNAVAILABLE", "The server is stopping")).await;
            "server is stopping"
        }
    };
    session.connection.close().await;
    log::info!("[{id}] IMAP: {why}");
}

impl Session {
    /// Greets, then takes commands until the end.
    async fn run(&mut self) -> Result<(), ConnectionError> {
        let list = self.capabilities();
        let host = self.services.config.host_name.clone();
        self.say(|out| {
            let code = encode::Code::Other("CAPABILITY", Some(&list));
            encode::untagged(out, Condition::Ok, Some(&code), &format!("{host} Pillarbox ready"))
        })
        .await?;
        while self.imap != Imap::Logout {
            // The futures of commands are large and mostly not there.
            Box::pin(self.turn()).await?;
        }
        self.flush().await
    }

    /// One command.
    async fn turn(&mut self) -> Result<(), ConnectionError> {
        let refusal = match self.next_command().await? {
            Input::Command(tagged) => return self.command(&tagged.tag, tagged.command, None).await,
            Input::Append { tag, append } => {
                return self.command(&tag, Command::Append(append.clone()), Some(&append)).await;
            }
            Input::Invalid { tag, how, code, text } => {
                // RFC 9051 7.1.3: without a tag, the answer is an untagged one.
                let tag = tag.as_deref().unwrap_or("*");
                self.say(|out| encode::tagged(out, tag, how, code.as_ref(), text)).await?;
                if how == Condition::Bad {
                    self.bad_commands = self.bad_commands.saturating_add(1);
                }
                (self.bad_commands > IMAP_BAD_COMMANDS_MAX)
                    .then_some(Refusal::bye("CLIENTBUG", "Too many bad commands"))
            }
            Input::Hopeless(text) => Some(Refusal::bye("TOOBIG", text)),
        };
        match refusal {
            Some(refusal) => self.sent_away(refusal).await,
            None => Ok(()),
        }
    }

    /// Does a command and completes it.
    async fn command(&mut self, tag: &str, command: Command, append: Option<&Append>) -> Result<(), ConnectionError> {
        let before = core::mem::replace(&mut self.imap, Imap::Logout);
        let was_condstore = before.enabled().condstore;
        let (after, step) = before.handle(command);
        self.imap = after;
        self.bad_commands = match &step {
            Step::Refuse(refusal) if refusal.severity == Severity::Bad => self.bad_commands.saturating_add(1),
            _ => 0,
        };
        let expunges = may_expunge(&step);
        let announces = !matches!(step, Step::Enabled(_) | Step::Select { .. });
        if !was_condstore && self.imap.enabled().condstore && announces {
            self.announce_modseq().await?;
        }
        let result = match append.filter(|_| !matches!(step, Step::Append(_))) {
            // The message of an APPEND that is not allowed here may come all the same.
            Some(append) => self.skip_message(append.literal).await.and(self.perform(tag, step).await),
            None => self.perform(tag, step).await,
        };
        if let Err(Ended::Connection(_) | Ended::Refused(Refusal { severity: Severity::Bye, .. })) = &result {
            return self.complete(tag, result).await;
        }
        // RFC 9051 7: whatever has changed is told before the command is completed.
        let told = self.tell_changes(expunges).await;
        self.complete(tag, result).await?;
        match told {
            Err(Ended::Connection(error)) => Err(error),
            Err(Ended::Refused(refusal)) if refusal.severity == Severity::Bye => self.sent_away(refusal).await,
            // Anything else is in the log, and may be better the next time.
            Ok(()) | Err(Ended::Refused(_) | Ended::Damaged(_) | Ended::Answered) => Ok(()),
        }
    }

    /// The tagged response.
    async fn complete(&mut self, tag: &str, result: Result<Done, Ended>) -> Result<(), ConnectionError> {
        match result {
            Ok(done) => {
                let code = done.code.as_ref().map(|(name, argument)| encode::Code::Other(name, argument.as_deref()));
                self.say(|out| encode::tagged(out, tag, Condition::Ok, code.as_ref(), done.text)).await
            }
            Err(Ended::Refused(refusal)) => {
                let code = Some(encode::Code::Other(refusal.code, None)).filter(|_| !refusal.code.is_empty());
                let how = match refusal.severity {
                    Severity::No => Condition::No,
                    Severity::Bad => Condition::Bad,
                    Severity::Bye => return self.sent_away(refusal).await,
                };
                self.say(|out| encode::tagged(out, tag, how, code.as_ref(), refusal.text)).await?;
                if self.bad_commands > IMAP_BAD_COMMANDS_MAX {
                    return self.sent_away(Refusal::bye("CLIENTBUG", "Too many bad commands")).await;
                }
                Ok(())
            }
            Err(Ended::Damaged(uid)) => {
                let code = encode::Code::Other("CORRUPTION", None);
                let text = format!("Message UID {uid} is damaged");
                self.say(|out| encode::tagged(out, tag, Condition::No, Some(&code), &text)).await
            }
            // STARTTLS has answered already.
            Err(Ended::Answered) => Ok(()),
            Err(Ended::Connection(error)) => Err(error),
        }
    }

    /// Does what a step says.
    async fn perform(&mut self, tag: &str, step: Step) -> Result<Done, Ended> {
        match step {
            Step::Refuse(refusal) => Err(refusal.into()),
            Step::Capability => {
                let list = self.capabilities();
                self.say(|out| out.show(format_args!("* CAPABILITY {list}\r\n"))).await?;
                Ok(Done::plain("Those are all"))
            }
            Step::Noop => Ok(Done::plain("Nothing done")),
            Step::Logout => {
                self.open = None;
                self.say(|out| encode::bye(out, "Good bye")).await?;
                Ok(Done::plain("Logged out"))
            }
            Step::Id => {
                let pairs = [("name", Some("Pillarbox")), ("version", Some(env!("CARGO_PKG_VERSION")))];
                self.say(|out| encode::id(out, &pairs)).await?;
                Ok(Done::plain("That is who I am"))
            }
            Step::Namespace => {
                self.say(encode::namespace).await?;
                Ok(Done::plain("One namespace, your own"))
            }
            Step::Enabled(list) => {
                let names: Vec<&str> = list.iter().map(|one| one.name()).collect();
                self.say(|out| encode::enabled(out, &names)).await?;
                Ok(Done::plain("Enabled"))
            }
            Step::StartTls => self.start_tls(tag).await,
            Step::Authenticate { mechanism, initial } => self.authenticate(&mechanism, initial).await,
            Step::Login { user, password } => self.login(&user, &password).await,
            Step::Select { mailbox, read_only, closed } => self.select(mailbox, read_only, closed).await,
            Step::Close { expunge } => self.close(expunge).await,
            Step::Create { mailbox, special_use } => self.create(mailbox, special_use).await,
            Step::Delete(mailbox) => self.delete(mailbox).await,
            Step::Rename { from, to } => self.rename(from, to).await,
            Step::Subscribe { mailbox, subscribed } => self.subscribe(mailbox, subscribed).await,
            Step::Status { mailbox, items } => self.status(mailbox, items).await,
            Step::List(list) => self.list(*list).await,
            Step::Append(append) => self.append(*append).await,
            Step::Idle => self.idle().await,
            Step::Expunge(uids) => self.expunge(uids).await,
            Step::Search { uid, returns, key } => self.search(tag, uid, returns, key).await,
            Step::Fetch { uid, set, items, changed_since } => self.fetch(uid, set, items, changed_since).await,
            Step::Store { uid, set, change, silent, flags, unchanged_since } => {
                self.store(store::Storing { uid, set, change, silent, flags, unchanged_since }).await
            }
            Step::Copy { uid, set, mailbox, remove_source } => self.copy(uid, set, mailbox, remove_source).await,
        }
    }

    /// What is announced now.
    fn capabilities(&self) -> String {
        let mechanisms = self.mechanisms();
        capabilities(Circumstances {
            logged_in: self.imap.user().is_some(),
            start_tls: self.connection.can_start_tls(),
            login: self.may_log_in_plainly(),
            mechanisms: &mechanisms,
            append_limit: self.services.config.message_octets_max,
        })
    }

    /// How mailbox names stand on the wire.
    fn names(&self) -> Names {
        if self.imap.enabled().rev2 { Names::Utf8 } else { Names::ModifiedUtf7 }
    }

    /// How long the client may wait before it sends something.
    fn patience(&self) -> Duration {
        if self.imap.user().is_some() { IMAP_IDLE_TIMEOUT } else { IMAP_LOGIN_TIMEOUT }
    }

    /// Says BYE and ends the session.
    async fn sent_away(&mut self, refusal: Refusal) -> Result<(), ConnectionError> {
        log::info!("[{}] IMAP: sent away: {}", self.connection.session_id(), refusal.text);
        self.farewell(refusal).await;
        self.open = None;
        self.imap = Imap::Logout;
        Ok(())
    }

    /// Says BYE, if the client still listens.
    async fn farewell(&mut self, refusal: Refusal) {
        let code = Some(encode::Code::Other(refusal.code, None)).filter(|_| !refusal.code.is_empty());
        // It ends all the same.
        let _ = self.say(|out| encode::untagged(out, Condition::Bye, code.as_ref(), refusal.text)).await;
    }
}

/// RFC 9051 7.5.1: no EXPUNGE while the client may be about to name messages by their numbers.
fn may_expunge(step: &Step) -> bool {
    match step {
        Step::Fetch { uid, .. } | Step::Store { uid, .. } | Step::Search { uid, .. } => *uid,
        _ => true,
    }
}
