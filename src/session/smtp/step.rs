//! What goes into a session and what comes out of it.
//!
//! A step that asks something carries its subject, and the answer brings it back.

use super::Envelope;
use crate::mail::ForwardPath;
use crate::store::{Error, MailboxId, Owner};
use crate::wire::smtp::{Command, Fault, Invalid, RcptParameters, Reply};

/// What kind of clients a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Port 25: other servers bring mail for our domains.
    Relay,
    /// RFC 6409: our users hand in theirs, and log in first.
    Submission,
    /// RFC 2033: a local mail system delivers, and hears about each recipient.
    Lmtp,
}

/// What stays the same for all connections of a listener.
#[derive(Clone, Debug)]
pub struct Rules {
    /// For whom.
    pub service: Service,
    /// Our name.
    pub host: Box<str>,
    /// Largest message, announced by SIZE.
    pub message_octets_max: u64,
    /// Can this server do TLS?
    pub starttls: bool,
    /// Does VRFY tell who is here?
    pub vrfy: bool,
}

/// What a session must know of its surroundings when it handles an input.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The listener's rules.
    pub rules: &'a Rules,
    /// Is the connection under TLS?
    pub tls: bool,
    /// Is the client on this machine?
    pub loopback: bool,
    /// Mechanisms that AUTH offers now.
    pub mechanisms: &'a [&'static str],
}

/// A client that has logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The account's number.
    pub owner: Owner,
    /// The account's address.
    pub address: Box<str>,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A command came.
    Command(Command<'a>),
    /// A line came that is no command.
    Invalid(Invalid),
    /// The handshake after [`Step::StartTls`] is done.
    Secured,
    /// [`Step::Authenticate`] ended: the user, or what the client hears.
    Authenticated(Result<User, Reply>),
    /// Answer to [`Step::Admit`].
    Admitted(Envelope, Admission),
    /// Answer to [`Step::Resolve`].
    Resolved(Candidate, Resolution),
    /// [`Step::Receive`] or [`Step::Chunk`] ended.
    Received(Received),
    /// Answer to [`Step::Verify`].
    Verified(Verification),
    /// Answer to [`Step::Expand`]: the members, if there is such a list.
    Expanded(Result<Option<Vec<String>>, Error>),
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Read the next command.
    Await,
    /// Say it; read the next command.
    Reply(Reply),
    /// Say it once for each recipient (RFC 2033 4.2); read the next command.
    ReplyEach(Reply, usize),
    /// Say it and hang up.
    Close(Reply),
    /// Say it, send it, then do the TLS handshake.
    StartTls(Reply),
    /// Run a SASL exchange; the first response is still in base64.
    Authenticate {
        /// As the client wrote it.
        mechanism: Box<str>,
        /// `=` stands for no octets.
        initial: Option<Box<str>>,
    },
    /// MAIL: may this transaction begin?
    Admit(Envelope),
    /// RCPT: where does this go?
    Resolve(Candidate),
    /// DATA: say `354` when there is room for a message, and receive it.
    Receive,
    /// BDAT: read so many octets as a part of the message.
    Chunk {
        /// Octets.
        octets: u64,
        /// Is it the message's end?
        last: bool,
    },
    /// BDAT out of order: read so many octets, forget them, and say it (RFC 3030 2).
    Discard(u64, Reply),
    /// VRFY.
    Verify(Box<str>),
    /// EXPN.
    Expand(Box<str>),
}

/// A recipient that is not accepted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it shall go.
    pub path: ForwardPath,
    /// Parameters of RCPT.
    pub parameters: RcptParameters,
}

/// May a transaction begin?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    Admitted,
    /// Too many transactions are open.
    Overloaded,
    /// The reverse-path is not one of the user's addresses.
    NotYours,
    /// The store could not tell.
    Failed(Error),
}

/// Where a recipient's mail goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Into these mailboxes.
    Local(Vec<MailboxId>),
    /// Nowhere: every account it would go to is full.
    OverQuota,
    /// Nowhere: the domain is ours, the user is not.
    NoSuchUser,
    /// Out of the house.
    Remote,
    /// The store could not tell.
    Failed(Error),
}

/// How the reception of a message or a chunk ended. All its octets have been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// It is on the card; what it is called.
    Stored(String),
    /// A chunk is there, and the message goes on.
    Chunk(u64),
    /// No working buffer became free in time.
    Unavailable,
    /// Something stood in it that may not.
    Fault(Fault),
    /// It is larger than allowed.
    TooLarge,
    /// RFC 5321 6.3: it has been going in circles.
    Loop,
    /// The store did not take it.
    Failed(Error),
}

/// What VRFY found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// One account; its address.
    Known(String),
    /// Not here.
    Unknown,
    /// Something that cannot be decided by looking.
    Unclear,
    /// The store could not tell.
    Failed(Error),
}
