//! What SMTP says next (RFC 5321, submission RFC 6409, LMTP RFC 2033), without I/O.
//!
//! A session is an [`Smtp`]; each variant carries what is legal there, and handling consumes it. It owns the envelope,
//! bounded by [`crate::limits::RECIPIENTS_OCTETS_MAX`]; the message itself never comes here. Sockets, TLS, SASL, permits
//! and the store are the driver's: a [`Step`] asks, an [`Input`] answers. The message's way through the header is in
//! [`HeaderPass`] and [`trace`], which the driver puts between the wire and the spool.

mod envelope;
mod header;
mod pace;
mod replies;
mod step;
pub mod trace;

pub use envelope::{Envelope, Full, Recipients};
pub use header::{HeaderPass, Missing};
pub use pace::Pace;
pub use replies::{START_INPUT, STOPPING, TIMED_OUT, failed, greeting};
pub use step::{Admission, Candidate, Input, Received, Resolution, Rules, Scene, Service, Step, User, Verification};

use crate::limits::{RECIPIENTS_MAX, SMTP_FAULTS_MAX, SMTP_UNKNOWN_RECIPIENTS_MAX, TRANSACTIONS_PER_CONNECTION_MAX};
use crate::mail::{ForwardPath, ReversePath};
use crate::store::MailboxId;
use crate::wire::smtp::{Body, ClientName, Command, Invalid, MailParameters, RcptParameters, Reply, Verb};

/// Which verb is taken in which state; elsewhere it hears `503 5.5.1` (RFC 5321 4.1.4). In [`Smtp::Receiving`] no
/// command is read.
#[rustfmt::skip]
const TABLE: [(Verb, [bool; 4]); 16] = [
    //                Greeted  Ready  Transaction  Chunking
    (Verb::Helo,     [true,   true,   true,        true ]), // RFC 5321 4.1.4: EHLO again resets, as RSET does
    (Verb::Ehlo,     [true,   true,   true,        true ]),
    (Verb::Lhlo,     [true,   true,   true,        true ]),
    (Verb::Mail,     [false,  true,   false,       false]), // RFC 5321 4.1.4: no MAIL within a transaction
    (Verb::Rcpt,     [false,  false,  true,        false]),
    (Verb::Data,     [false,  false,  true,        false]), // RFC 3030 2: DATA and BDAT do not mix
    (Verb::Bdat,     [false,  false,  true,        true ]), // elsewhere its chunk is read and dropped
    (Verb::Rset,     [true,   true,   true,        true ]),
    (Verb::Vrfy,     [true,   true,   true,        true ]),
    (Verb::Expn,     [true,   true,   true,        true ]),
    (Verb::Help,     [true,   true,   true,        true ]),
    (Verb::Noop,     [true,   true,   true,        true ]),
    (Verb::Quit,     [true,   true,   true,        true ]),
    (Verb::Etrn,     [true,   true,   true,        true ]), // 502
    (Verb::Auth,     [false,  true,   false,       false]), // RFC 4954 4: not within a transaction
    (Verb::StartTls, [false,  true,   false,       false]), // RFC 3207 4: after EHLO
];

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Greeted,
    Ready,
    Transaction,
    Chunking,
    Receiving,
}

fn allowed(stage: Stage, verb: Verb) -> bool {
    let columns = TABLE.iter().find(|(row, _)| *row == verb).map(|(_, columns)| *columns);
    columns.is_some_and(|[greeted, ready, transaction, chunking]| match stage {
        Stage::Greeted => greeted,
        Stage::Ready => ready,
        Stage::Transaction => transaction,
        Stage::Chunking => chunking,
        Stage::Receiving => false,
    })
}

/// What is counted over the whole connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    faults: u8,
    /// Recipients that nobody here has.
    unknown: u8,
    transactions: u32,
}

/// A client that has said who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// What it calls itself.
    pub name: ClientName,
    /// With EHLO or LHLO.
    pub extended: bool,
    /// Who logged in.
    pub user: Option<User>,
    tally: Tally,
}

/// How the message that is being received is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// DATA.
    Data,
    /// BDAT; is it the last chunk?
    Chunk(bool),
}

/// A session, by the state that it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Smtp {
    /// The client has not said who it is, or must say it again under TLS.
    Greeted(Tally),
    /// Between transactions.
    Ready(Client),
    /// MAIL was accepted.
    Transaction(Client, Envelope),
    /// BDAT brought a part of the message (RFC 3030).
    Chunking(Client, Envelope),
    /// The driver is reading the message or a chunk of it.
    Receiving(Client, Envelope, Framing),
}

impl Default for Smtp {
    fn default() -> Self {
        Self::Greeted(Tally::default())
    }
}

impl Smtp {
    /// A new connection's session. Say [`greeting`] first.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The client, once it has said who it is.
    #[must_use]
    pub fn client(&self) -> Option<&Client> {
        match self {
            Self::Greeted(_) => None,
            Self::Ready(client)
            | Self::Transaction(client, _)
            | Self::Chunking(client, _)
            | Self::Receiving(client, _, _) => Some(client),
        }
    }

    /// The envelope while a transaction is open. When there is none, permit and spool go back.
    #[must_use]
    pub fn envelope(&self) -> Option<&Envelope> {
        match self {
            Self::Greeted(_) | Self::Ready(_) => None,
            Self::Transaction(_, envelope) | Self::Chunking(_, envelope) | Self::Receiving(_, envelope, _) => {
                Some(envelope)
            }
        }
    }

    /// The mailboxes of the message that has come in. Forgets the recipients but for their number: their octets make
    /// room for the store's list of targets.
    pub fn take_mailboxes(&mut self) -> Vec<MailboxId> {
        match self {
            Self::Greeted(_) | Self::Ready(_) => Vec::new(),
            Self::Transaction(_, envelope) | Self::Chunking(_, envelope) | Self::Receiving(_, envelope, _) => {
                envelope.recipients.take_mailboxes()
            }
        }
    }

    /// Handles one input: the next state, and what to do.
    #[must_use]
    pub fn handle(self, input: Input<'_>, scene: &Scene<'_>) -> (Self, Step) {
        match (self, input) {
            (this, Input::Command(command)) => this.command(command, scene),
            // Where the next command begins, nobody knows: hang up rather than take message text for commands.
            (this, Input::Invalid(Invalid::ChunkSize)) => (this, Step::Close(replies::invalid(Invalid::ChunkSize))),
            (this, Input::Invalid(invalid)) => this.fault(1, replies::invalid(invalid)),
            // RFC 3207 4.2: forget all that was learned in the clear, the login as well.
            (this, Input::Secured) => (Self::Greeted(this.tally()), Step::Await),
            (Self::Ready(client), Input::Authenticated(Ok(user))) => {
                (Self::Ready(Client { user: Some(user), ..client }), Step::Reply(replies::LOGGED_IN))
            }
            // RFC 4954 6: some failures in a row, and the connection ends.
            (this, Input::Authenticated(Err(reply))) => this.fault(SMTP_FAULTS_MAX / 5, reply),
            (Self::Ready(mut client), Input::Admitted(envelope, admission)) => {
                let reply = replies::admission(&admission);
                if admission != Admission::Admitted {
                    return (Self::Ready(client), Step::Reply(reply));
                }
                client.tally.transactions = client.tally.transactions.saturating_add(1);
                (Self::Transaction(client, envelope), Step::Reply(reply))
            }
            (Self::Transaction(client, envelope), Input::Resolved(candidate, resolution)) => {
                resolved(client, envelope, &candidate, &resolution, scene)
            }
            (Self::Receiving(client, envelope, framing), Input::Received(received)) => {
                end_of_data(client, envelope, framing, &received, scene)
            }
            (this, Input::Verified(verification)) => (this, Step::Reply(replies::verification(verification))),
            (this, Input::Expanded(members)) => (this, Step::Reply(replies::expansion(members))),
            // Answers to questions that this state did not ask.
            (this, Input::Authenticated(Ok(_)) | Input::Admitted(..) | Input::Resolved(..) | Input::Received(_)) => {
                this.fault(1, OUT_OF_ORDER)
            }
        }
    }

    fn stage(&self) -> Stage {
        match self {
            Self::Greeted(_) => Stage::Greeted,
            Self::Ready(_) => Stage::Ready,
            Self::Transaction(..) => Stage::Transaction,
            Self::Chunking(..) => Stage::Chunking,
            Self::Receiving(..) => Stage::Receiving,
        }
    }

    fn tally(&self) -> Tally {
        match self {
            Self::Greeted(tally) => *tally,
            Self::Ready(client)
            | Self::Transaction(client, _)
            | Self::Chunking(client, _)
            | Self::Receiving(client, _, _) => client.tally,
        }
    }

    /// Says `reply` and counts a fault; too many of them close the connection.
    fn fault(mut self, weight: u8, reply: Reply) -> (Self, Step) {
        let tally = match &mut self {
            Self::Greeted(tally) => tally,
            Self::Ready(client)
            | Self::Transaction(client, _)
            | Self::Chunking(client, _)
            | Self::Receiving(client, _, _) => &mut client.tally,
        };
        tally.faults = tally.faults.saturating_add(weight);
        let step =
            if tally.faults >= SMTP_FAULTS_MAX { Step::Close(replies::TOO_MANY_FAULTS) } else { Step::Reply(reply) };
        (self, step)
    }

    /// RFC 5321 4.1.1.5: back to where no transaction is.
    fn reset(self) -> Self {
        match self {
            Self::Transaction(client, _) | Self::Chunking(client, _) | Self::Receiving(client, _, _) => {
                Self::Ready(client)
            }
            Self::Greeted(_) | Self::Ready(_) => self,
        }
    }

    fn out_of_order(self, command: &Command<'_>) -> (Self, Step) {
        let reply = match (self.stage(), command) {
            // RFC 3030 2: the chunk must be read even so. Pipelined chunks after a refusal are no faults.
            (_, Command::Bdat { octets, .. }) => return (self, Step::Discard(*octets, SEND_MAIL_FIRST)),
            // RFC 2920 3.1: nor is the rest of a group whose MAIL was refused.
            (Stage::Ready, Command::Rcpt(..) | Command::Data) => return (self, Step::Reply(SEND_MAIL_FIRST)),
            (Stage::Greeted, _) => Reply::new(503, (5, 1), "Say EHLO first"),
            (Stage::Transaction | Stage::Chunking, Command::Mail(..)) => Reply::new(503, (5, 1), "Nested MAIL"),
            (Stage::Chunking, Command::Data) => Reply::new(503, (5, 1), "DATA and BDAT do not mix"),
            _ => OUT_OF_ORDER,
        };
        self.fault(1, reply)
    }

    fn command(self, command: Command<'_>, scene: &Scene<'_>) -> (Self, Step) {
        if !allowed(self.stage(), command.verb()) {
            return self.out_of_order(&command);
        }
        let lmtp = scene.rules.service == Service::Lmtp;
        match (self, command) {
            // RFC 2033 4.1: LHLO is for LMTP, and LMTP has no other.
            (this, Command::Helo(_) | Command::Ehlo(_)) if lmtp => this.fault(1, replies::UNKNOWN_VERB),
            (this, Command::Lhlo(_)) if !lmtp => this.fault(1, replies::UNKNOWN_VERB),
            (this, Command::Helo(name)) => {
                let reply = Reply::bare(250, "").with_text(scene.rules.host.to_string());
                (this.introduced(name, false), Step::Reply(reply))
            }
            (this, Command::Ehlo(name) | Command::Lhlo(name)) => {
                (this.introduced(name, true), Step::Reply(replies::extensions(scene)))
            }
            (Self::Ready(client), Command::Mail(path, parameters)) => mail(client, path, parameters, scene),
            (Self::Transaction(client, envelope), Command::Rcpt(path, parameters)) => {
                rcpt(client, envelope, path, parameters)
            }
            (Self::Transaction(client, envelope), Command::Data) => data(client, envelope),
            (Self::Transaction(client, envelope), Command::Bdat { octets, .. }) if envelope.recipients.is_empty() => {
                (Self::Transaction(client, envelope), Step::Discard(octets, replies::NO_RECIPIENTS))
            }
            (
                Self::Transaction(client, envelope) | Self::Chunking(client, envelope),
                Command::Bdat { octets, last },
            ) => (Self::Receiving(client, envelope, Framing::Chunk(last)), Step::Chunk { octets, last }),
            (this, Command::Rset) => (this.reset(), Step::Reply(replies::OK)),
            (this, Command::Noop) => (this, Step::Reply(replies::OK)),
            (this, Command::Quit) => (this.reset(), Step::Close(replies::BYE)),
            (this, Command::Help(_)) => (this, Step::Reply(replies::help())),
            (this, Command::Etrn(_)) => (this, Step::Reply(replies::NOT_IMPLEMENTED)),
            (this, Command::Vrfy(text)) if scene.rules.vrfy => (this, Step::Verify(text.into())),
            // RFC 5321 7.3: 252 is for servers that do not tell.
            (this, Command::Vrfy(_)) => (this, Step::Reply(replies::CANNOT_VERIFY)),
            (this, Command::Expn(text)) => this.expn(text, lmtp),
            (this, Command::Auth { .. }) if lmtp => (this, Step::Reply(replies::NOT_IMPLEMENTED)),
            // RFC 4954 4: once in a session.
            (Self::Ready(client), Command::Auth { .. }) if client.user.is_some() => {
                Self::Ready(client).fault(1, replies::LOGGED_IN_ALREADY)
            }
            (this, Command::Auth { mechanism, initial }) => {
                (this, Step::Authenticate { mechanism: mechanism.into(), initial: initial.map(Box::from) })
            }
            (this, Command::StartTls) if scene.tls => this.fault(1, replies::TLS_ALREADY),
            (this, Command::StartTls) if !scene.rules.starttls => (this, Step::Reply(replies::NO_TLS)),
            (this, Command::StartTls) => (this, Step::StartTls(replies::READY_FOR_TLS)),
            // The table has kept these out.
            (this, Command::Mail(..) | Command::Rcpt(..) | Command::Data | Command::Bdat { .. }) => {
                this.fault(1, OUT_OF_ORDER)
            }
        }
    }

    /// RFC 5321 4.1.4: HELO and EHLO reset; RFC 4954 4: whoever logged in stays logged in.
    fn introduced(self, name: ClientName, extended: bool) -> Self {
        let user = self.client().and_then(|client| client.user.clone());
        Self::Ready(Client { name, extended, user, tally: self.tally() })
    }

    /// RFC 5321 7.3: lists are shown to our own users only.
    fn expn(self, text: &str, lmtp: bool) -> (Self, Step) {
        let step = match self.client() {
            _ if lmtp => Step::Reply(replies::NOT_IMPLEMENTED),
            Some(Client { user: Some(_), .. }) => Step::Expand(text.into()),
            _ => Step::Reply(replies::LOGIN_REQUIRED),
        };
        (self, step)
    }
}

const OUT_OF_ORDER: Reply = Reply::new(503, (5, 1), "Bad sequence of commands");
const SEND_MAIL_FIRST: Reply = Reply::new(503, (5, 1), "Send MAIL first");

fn mail(client: Client, path: ReversePath, parameters: MailParameters, scene: &Scene<'_>) -> (Smtp, Step) {
    let refusal = if scene.rules.service == Service::Submission && client.user.is_none() {
        // RFC 6409 4.3. Without TLS there may be no mechanism at all (RFC 4954 4).
        let secure = scene.tls || !scene.mechanisms.is_empty();
        Some(if secure { replies::LOGIN_REQUIRED } else { replies::TLS_REQUIRED })
    } else if client.tally.transactions >= TRANSACTIONS_PER_CONNECTION_MAX {
        Some(replies::TOO_MANY_TRANSACTIONS)
    } else if parameters.size.is_some_and(|size| size > scene.rules.message_octets_max) {
        // RFC 1870 6.1.
        Some(replies::TOO_LARGE)
    } else {
        None
    };
    let step = refusal.map_or_else(|| Step::Admit(Envelope::new(path, parameters)), Step::Reply);
    (Smtp::Ready(client), step)
}

fn rcpt(client: Client, envelope: Envelope, path: ForwardPath, parameters: RcptParameters) -> (Smtp, Step) {
    let ascii = match &path {
        ForwardPath::Postmaster => true,
        ForwardPath::Address(address) => address.is_ascii(),
    };
    let step = if !ascii && !envelope.parameters.smtp_utf8 {
        // RFC 6531 3.5.
        Step::Reply(replies::NEEDS_SMTPUTF8)
    } else if envelope.recipients.len() >= RECIPIENTS_MAX {
        // Without a look at the directory: ten thousand of these cost nothing.
        Step::Reply(replies::TOO_MANY_RECIPIENTS)
    } else {
        Step::Resolve(Candidate { path, parameters })
    };
    (Smtp::Transaction(client, envelope), step)
}

fn resolved(
    mut client: Client,
    mut envelope: Envelope,
    candidate: &Candidate,
    resolution: &Resolution,
    scene: &Scene<'_>,
) -> (Smtp, Step) {
    if *resolution == Resolution::NoSuchUser && client.user.is_none() && !scene.loopback {
        client.tally.unknown = client.tally.unknown.saturating_add(1);
        // RFC 5321 7.3: RCPT tells who is here as VRFY does. Whoever tries names is slowed down.
        if client.tally.unknown >= SMTP_UNKNOWN_RECIPIENTS_MAX {
            return (Smtp::Transaction(client, envelope), Step::Close(replies::TOO_MANY_UNKNOWN));
        }
    }
    let reply = match resolution {
        Resolution::Local(mailboxes) => {
            match envelope.recipients.push(&candidate.path, &candidate.parameters, mailboxes) {
                Ok(()) => replies::resolution(resolution, client.user.is_some()),
                // RFC 5321 4.5.3.1.10: 452, and those before it stand.
                Err(Full) => replies::TOO_MANY_RECIPIENTS,
            }
        }
        Resolution::OverQuota | Resolution::NoSuchUser | Resolution::Remote | Resolution::Failed(_) => {
            replies::resolution(resolution, client.user.is_some())
        }
    };
    (Smtp::Transaction(client, envelope), Step::Reply(reply))
}

fn data(client: Client, envelope: Envelope) -> (Smtp, Step) {
    if envelope.recipients.is_empty() {
        return (Smtp::Transaction(client, envelope), Step::Reply(replies::NO_RECIPIENTS));
    }
    // RFC 3030 3: dots cannot be put into what has no lines.
    if envelope.parameters.body == Some(Body::BinaryMime) {
        return (Smtp::Transaction(client, envelope), Step::Reply(replies::BINARY_NEEDS_BDAT));
    }
    (Smtp::Receiving(client, envelope, Framing::Data), Step::Receive)
}

fn end_of_data(
    mut client: Client,
    envelope: Envelope,
    framing: Framing,
    received: &Received,
    scene: &Scene<'_>,
) -> (Smtp, Step) {
    let reply = replies::received(received);
    if matches!(received, Received::Chunk(_)) {
        return (Smtp::Chunking(client, envelope), Step::Reply(reply));
    }
    if matches!(received, Received::Stored(_)) {
        // Whoever brings mail in between is no nuisance, however long the connection lasts.
        client.tally.faults = 0;
    }
    let last = match framing {
        // Without `354` it is the reply to DATA, and there is one of it.
        Framing::Data => *received != Received::Unavailable,
        Framing::Chunk(last) => last,
    };
    // RFC 2033 4.2: one reply for each recipient that was accepted. The store takes a message for all or for none.
    let step = if scene.rules.service == Service::Lmtp && last {
        Step::ReplyEach(reply, envelope.recipients.len())
    } else {
        Step::Reply(reply)
    };
    (Smtp::Ready(client), step)
}

#[cfg(test)]
mod tests;
