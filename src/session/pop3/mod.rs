//! What POP3 says next (RFC 1939), without I/O.
//!
//! | command                          | Authorization | Transaction | Update |
//! |----------------------------------|---------------|-------------|--------|
//! | USER PASS APOP AUTH STLS UTF8    | yes           |             |        |
//! | STAT LIST UIDL RETR DELE RSET TOP NOOP |         | yes         |        |
//! | CAPA LANG QUIT                   | yes           | yes         |        |
//!
//! In Update no command is read any more: what was marked is removed, the client hears of it, the connection ends.
//!
//! Owns the state, the client's language and the marks of deleted messages: one bit a message, so
//! [`crate::limits::POP3_MESSAGES_MAX`] bounds it. Sockets, passwords and the store are the driver's: it carries out a
//! [`Step`] and, where the step has an outcome, tells the session.

mod maildrop;
mod marks;

pub use maildrop::{Maildrop, Message};
pub use marks::Marks;

use crate::limits::POP3_BAD_COMMANDS_MAX;
use crate::wire::pop3::{Command, Invalid, Language, MessageNumber, Reply};

/// One client's session.
#[derive(Debug, Default)]
pub struct Session {
    state: State,
    language: Language,
    utf8: bool,
    bad: u8,
}

/// RFC 1939 3.
#[derive(Debug)]
enum State {
    /// Nobody is logged in; USER may have named somebody.
    Authorization(Option<Box<str>>),
    /// A maildrop is open and locked.
    Transaction(Maildrop),
    /// The client has quit; its deleted messages are to be removed.
    Update(Maildrop),
}

impl Default for State {
    fn default() -> Self {
        Self::Authorization(None)
    }
}

/// What the driver has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Say this.
    Reply(Reply),
    /// Say this and close the connection.
    Close(Reply),
    /// List what can be used now; `true`: after login.
    Capabilities(bool),
    /// List the SASL mechanisms.
    Mechanisms,
    /// List the languages.
    Languages,
    /// If TLS can be started: say so and do it, then [`Session::tls_started`].
    StartTls,
    /// Check a password, then [`Session::logged_in`] or [`Session::login_failed`]; so with the next two.
    Login {
        /// As the client wrote it.
        user: Box<str>,
        /// All octets of it.
        password: Vec<u8>,
    },
    /// Check an APOP digest.
    Apop {
        /// As the client wrote it.
        user: Box<str>,
        /// RFC 1939 7: hexadecimal digits.
        digest: Box<str>,
    },
    /// Hold a SASL exchange.
    Authenticate {
        /// As the client wrote it.
        mechanism: Box<str>,
        /// The initial response.
        initial: Option<Vec<u8>>,
    },
    /// Send numbers and octets of all messages that are not deleted.
    List,
    /// Send numbers and unique identifiers of all messages that are not deleted.
    UniqueIds,
    /// Look this message up, then [`Session::found`].
    Look(MessageNumber, Purpose),
    /// Send this message, or its header and so many lines.
    Retrieve(MessageNumber, Option<u64>),
    /// Remove the messages that are marked in [`Session::maildrop`], say how it went, and close the connection.
    Update,
}

/// Why a message is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// LIST.
    List,
    /// UIDL.
    UniqueId,
    /// DELE.
    Delete,
}

/// In which state a command may be given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Authorization,
    Transaction,
    Both,
}

/// The table at the top.
fn place(command: &Command<'_>) -> Place {
    match command {
        Command::User(_)
        | Command::Pass(_)
        | Command::Apop(..)
        | Command::Auth { .. }
        | Command::Stls
        | Command::Utf8 => Place::Authorization,
        Command::Stat
        | Command::List(_)
        | Command::Uidl(_)
        | Command::Retr(_)
        | Command::Dele(_)
        | Command::Rset
        | Command::Top(..)
        | Command::Noop => Place::Transaction,
        Command::Capa | Command::Lang(_) | Command::Quit => Place::Both,
    }
}

impl Session {
    /// A client has connected.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The language of replies.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }

    /// RFC 6856 2.1: has the client said that it understands UTF-8 in messages?
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        self.utf8
    }

    /// The open maildrop.
    #[must_use]
    pub fn maildrop(&self) -> Option<&Maildrop> {
        match &self.state {
            State::Authorization(_) => None,
            State::Transaction(maildrop) | State::Update(maildrop) => Some(maildrop),
        }
    }

    /// A command came.
    #[must_use]
    pub fn handle(self, command: Command<'_>) -> (Self, Step) {
        let place = place(&command);
        match self.state {
            State::Authorization(_) if place == Place::Transaction => self.bad(Reply::LogInFirst),
            State::Transaction(_) if place == Place::Authorization => self.bad(Reply::LoggedInAlready),
            State::Authorization(user) => Self { state: State::Authorization(None), ..self }.authorize(user, command),
            State::Transaction(maildrop) => {
                Self { state: State::Authorization(None), ..self }.transact(maildrop, command)
            }
            State::Update(_) => (self, Step::Update),
        }
    }

    /// A line came that is no command.
    #[must_use]
    pub fn invalid(self, invalid: Invalid) -> (Self, Step) {
        self.bad(match invalid {
            Invalid::Unknown => Reply::UnknownCommand,
            Invalid::Arguments => Reply::BadArguments,
            Invalid::Number => Reply::BadNumber,
            Invalid::Control => Reply::BadControl,
            Invalid::Characters => Reply::BadCharacters,
            Invalid::Base64 => Reply::BadBase64,
        })
    }

    /// A line came that was too long to be read.
    #[must_use]
    pub fn too_long(self) -> (Self, Step) {
        self.bad(Reply::LineTooLong)
    }

    /// RFC 2595 4: TLS is active, and nothing that was said before counts.
    #[must_use]
    pub fn tls_started(self) -> Self {
        Self { bad: self.bad, ..Self::default() }
    }

    /// The password was right, and the maildrop is locked.
    #[must_use]
    pub fn logged_in(self, maildrop: Maildrop) -> (Self, Step) {
        let reply = Reply::Maildrop(maildrop.messages(), maildrop.octets());
        (Self { state: State::Transaction(maildrop), ..self }, Step::Reply(reply))
    }

    /// Nobody was logged in.
    #[must_use]
    pub fn login_failed(self, reply: Reply) -> (Self, Step) {
        Self { state: State::Authorization(None), ..self }.bad(reply)
    }

    /// What [`Step::Look`] found; `None`: the message is gone.
    #[must_use]
    pub fn found(mut self, number: MessageNumber, purpose: Purpose, message: Option<Message>) -> (Self, Step) {
        let reply = match (&mut self.state, message) {
            (State::Transaction(maildrop), Some(message)) => match purpose {
                Purpose::List => Reply::Listed(number.get(), message.octets),
                Purpose::UniqueId => Reply::Uid(number.get(), maildrop.unique_id(message)),
                Purpose::Delete => {
                    maildrop.delete(number, message.octets);
                    Reply::Deleted(number.get())
                }
            },
            _ => Reply::NoSuchMessage,
        };
        (self, Step::Reply(reply))
    }

    fn authorize(self, user: Option<Box<str>>, command: Command<'_>) -> (Self, Step) {
        // Other commands between USER and PASS do no harm, so the name stays.
        let stay = |user| Self { state: State::Authorization(user), ..self };
        match command {
            Command::User(name) => {
                // RFC 1939 7: whether there is such a user is not told.
                (stay(Some(name.into())), Step::Reply(Reply::PasswordNext))
            }
            Command::Pass(password) => match user {
                Some(user) => (stay(None), Step::Login { user, password: password.into() }),
                None => stay(None).bad(Reply::UserFirst),
            },
            Command::Apop(name, digest) => (stay(None), Step::Apop { user: name.into(), digest: digest.into() }),
            Command::Auth { mechanism: Some(mechanism), initial } => {
                (stay(None), Step::Authenticate { mechanism: mechanism.into(), initial })
            }
            Command::Auth { mechanism: None, .. } => (stay(user), Step::Mechanisms),
            Command::Stls => (stay(user), Step::StartTls),
            Command::Utf8 => (Self { utf8: true, ..stay(user) }, Step::Reply(Reply::Utf8On)),
            Command::Capa => (stay(user), Step::Capabilities(false)),
            Command::Lang(range) => stay(user).choose(range),
            Command::Quit => (stay(None), Step::Close(Reply::Goodbye)),
            Command::Stat
            | Command::List(_)
            | Command::Uidl(_)
            | Command::Retr(_)
            | Command::Dele(_)
            | Command::Rset
            | Command::Top(..)
            | Command::Noop => stay(user).bad(Reply::LogInFirst),
        }
    }

    fn transact(self, mut maildrop: Maildrop, command: Command<'_>) -> (Self, Step) {
        let step = match command {
            Command::Stat => Step::Reply(Reply::Statistics(maildrop.messages(), maildrop.octets())),
            Command::List(None) => Step::List,
            Command::Uidl(None) => Step::UniqueIds,
            Command::List(Some(number)) => maildrop.with(number, Step::Look(number, Purpose::List)),
            Command::Uidl(Some(number)) => maildrop.with(number, Step::Look(number, Purpose::UniqueId)),
            Command::Dele(number) => maildrop.with(number, Step::Look(number, Purpose::Delete)),
            Command::Retr(number) => maildrop.with(number, Step::Retrieve(number, None)),
            Command::Top(number, lines) => maildrop.with(number, Step::Retrieve(number, Some(lines))),
            Command::Rset => {
                maildrop.restore();
                Step::Reply(Reply::Restored(maildrop.messages(), maildrop.octets()))
            }
            Command::Noop => Step::Reply(Reply::Done),
            Command::Capa => Step::Capabilities(true),
            Command::Lang(range) => return Self { state: State::Transaction(maildrop), ..self }.choose(range),
            Command::Quit => return (Self { state: State::Update(maildrop), ..self }, Step::Update),
            Command::User(_)
            | Command::Pass(_)
            | Command::Apop(..)
            | Command::Auth { .. }
            | Command::Stls
            | Command::Utf8 => {
                return Self { state: State::Transaction(maildrop), ..self }.bad(Reply::LoggedInAlready);
            }
        };
        (Self { state: State::Transaction(maildrop), ..self }, step)
    }

    /// RFC 6856 3.2 LANG.
    fn choose(self, range: Option<&str>) -> (Self, Step) {
        match range.map(Language::find) {
            None => (self, Step::Languages),
            Some(Some(language)) => (Self { language, ..self }, Step::Reply(Reply::LanguageIs(language))),
            Some(None) => (self, Step::Reply(Reply::NoSuchLanguage)),
        }
    }

    /// Counts a command that makes no sense.
    fn bad(self, reply: Reply) -> (Self, Step) {
        let bad = self.bad.saturating_add(1);
        let step = if bad >= POP3_BAD_COMMANDS_MAX { Step::Close(Reply::TooManyBad) } else { Step::Reply(reply) };
        (Self { bad, ..self }, step)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::mail::{Uid, UidValidity};
    use crate::wire::pop3::decode;
    use core::num::NonZeroU32;

    /// Three messages of 100, 200 and 300 octets.
    fn maildrop() -> Maildrop {
        Maildrop::new(UidValidity(NonZeroU32::new(7).unwrap()), 3, 600)
    }

    fn message(number: MessageNumber) -> Option<Message> {
        let octets = u64::from(number.get()) * 100;
        Some(Message { uid: Uid::new(number.get() + 10).unwrap(), octets })
    }

    /// Says a line; looks messages up in the maildrop above.
    fn say(session: Session, line: &str) -> (Session, Step) {
        let (session, step) = match decode(line.as_bytes()) {
            Ok(command) => session.handle(command),
            Err(invalid) => session.invalid(invalid),
        };
        match step {
            Step::Look(number, purpose) => session.found(number, purpose, message(number)),
            step => (session, step),
        }
    }

    /// Says lines and shows the last step as the client would see it.
    fn talk(mut session: Session, lines: &[&str]) -> (Session, String) {
        let mut last = String::new();
        for line in lines {
            let (next, step) = say(session, line);
            last = match &step {
                Step::Reply(reply) | Step::Close(reply) => {
                    let mut out = Vec::new();
                    reply.encode(next.language(), &mut out).unwrap();
                    String::from_utf8(out).unwrap().trim_end().to_owned()
                }
                other => format!("{other:?}"),
            };
            session = next;
        }
        (session, last)
    }

    fn logged_in() -> Session {
        Session::new().logged_in(maildrop()).0
    }

    #[test]
    fn the_table_holds() {
        let authorization = ["USER a", "APOP a c4c9334bac560ecc979e58001b3e22fb", "AUTH PLAIN", "STLS", "UTF8"];
        let transaction = ["STAT", "LIST", "LIST 1", "UIDL", "RETR 1", "DELE 1", "RSET", "TOP 1 1", "NOOP"];
        let both = ["CAPA", "LANG", "LANG de", "QUIT"];
        for line in authorization {
            assert!(!talk(Session::new(), &[line]).1.starts_with("-ERR"), "{line}");
            assert_eq!(talk(logged_in(), &[line]).1, "-ERR You are logged in already", "{line}");
        }
        for line in transaction {
            assert_eq!(talk(Session::new(), &[line]).1, "-ERR Log in first", "{line}");
            assert!(!talk(logged_in(), &[line]).1.starts_with("-ERR"), "{line}");
        }
        for line in both {
            assert!(!talk(Session::new(), &[line]).1.starts_with("-ERR"), "{line}");
            assert!(!talk(logged_in(), &[line]).1.starts_with("-ERR"), "{line}");
        }
    }

    #[test]
    fn a_name_comes_before_the_password() {
        assert_eq!(talk(Session::new(), &["PASS x"]).1, "-ERR Send USER first");
        let login = |lines: &[&str]| {
            let mut session = Session::new();
            let mut step = Step::List;
            for line in lines {
                (session, step) = say(session, line);
            }
            step
        };
        let expected = Step::Login { user: "b".into(), password: b"p w".to_vec() };
        assert_eq!(login(&["USER a", "USER b", "CAPA", "PASS p w"]), expected);
        // A failed login forgets the name.
        let (session, _) = say(Session::new(), "USER a");
        let (session, _) = say(session, "PASS x");
        let (session, step) = session.login_failed(Reply::LoginFailed);
        assert_eq!(step, Step::Reply(Reply::LoginFailed));
        assert_eq!(talk(session, &["PASS x"]).1, "-ERR Send USER first");
    }

    #[test]
    fn deleted_messages_are_gone_until_they_are_restored() {
        let (session, last) = talk(logged_in(), &["DELE 2", "STAT"]);
        assert_eq!(last, "+OK 2 400");
        for line in ["DELE 2", "RETR 2", "TOP 2 1", "LIST 2", "UIDL 2"] {
            let (session, _) = talk(logged_in(), &["DELE 2"]);
            assert_eq!(talk(session, &[line]).1, "-ERR Message 2 is already deleted", "{line}");
        }
        assert!(session.maildrop().unwrap().is_deleted(2) && !session.maildrop().unwrap().is_deleted(1));
        let (session, last) = talk(session, &["RSET"]);
        assert_eq!(last, "+OK Maildrop has 3 messages (600 octets)");
        assert_eq!(talk(session, &["DELE 1", "DELE 3", "STAT"]).1, "+OK 1 200");
    }

    #[test]
    fn messages_have_numbers_sizes_and_names() {
        assert_eq!(talk(logged_in(), &["LIST 3"]).1, "+OK 3 300");
        assert_eq!(talk(logged_in(), &["UIDL 3"]).1, "+OK 3 7.13");
        for line in ["LIST 4", "UIDL 4", "RETR 4", "DELE 4", "TOP 4 0"] {
            assert_eq!(talk(logged_in(), &[line]).1, "-ERR No such message", "{line}");
        }
        // Removed by another program meanwhile.
        let (session, step) = say(logged_in(), "STAT");
        assert_eq!(step, Step::Reply(Reply::Statistics(3, 600)));
        let number = MessageNumber::new(2).unwrap();
        let (_, step) = session.found(number, Purpose::Delete, None);
        assert_eq!(step, Step::Reply(Reply::NoSuchMessage));
    }

    #[test]
    fn quit_updates_only_a_transaction() {
        assert_eq!(say(Session::new(), "QUIT").1, Step::Close(Reply::Goodbye));
        let (session, _) = talk(logged_in(), &["DELE 1", "DELE 3"]);
        let (session, step) = say(session, "QUIT");
        assert_eq!(step, Step::Update);
        assert_eq!(session.maildrop().unwrap().deleted().runs().collect::<Vec<_>>(), [1..=1, 3..=3]);
        // Nothing is heard any more.
        assert_eq!(say(session, "RSET").1, Step::Update);
    }

    #[test]
    fn languages_change_the_replies() {
        let (session, last) = talk(Session::new(), &["LANG de-AT"]);
        assert_eq!(last, "+OK de Sprache gewechselt");
        let (session, last) = talk(session, &["LANG uga"]);
        assert_eq!(last, "-ERR Diese Sprache ist nicht verfügbar");
        assert_eq!(talk(session, &["LANG zh", "STAT"]).1, "-ERR 请先登录");
    }

    #[test]
    fn tls_forgets_what_was_said_in_the_clear() {
        let (session, _) = talk(Session::new(), &["USER a", "LANG de", "UTF8", "STLS"]);
        assert!(session.is_utf8());
        let session = session.tls_started();
        assert!(!session.is_utf8() && session.language() == Language::English);
        assert_eq!(talk(session, &["PASS x"]).1, "-ERR Send USER first");
    }

    #[test]
    fn too_many_errors_end_the_session() {
        let mut session = Session::new();
        for _ in 1..POP3_BAD_COMMANDS_MAX {
            let (next, step) = say(session, "XYZZY");
            assert_eq!(step, Step::Reply(Reply::UnknownCommand));
            session = next;
        }
        assert_eq!(session.too_long().1, Step::Close(Reply::TooManyBad));
    }
}
