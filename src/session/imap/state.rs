//! The states of an IMAP session (RFC 9051 section 3) and what each command leads to.
//!
//! A session owns who is logged in, which mailbox is selected and what was enabled; the numbering of the selected
//! mailbox (the store's view) lives beside it in the driver. Nothing here waits or reads: a [`Step`] says what to do,
//! and the driver tells the session how it ended.

use super::Refusal;
use super::capability::Enableable;
use crate::mail::{FlagChange, FlagSelection, ModSeq, SequenceSet, SpecialUse};
use crate::store::{MailboxId, Owner};
use crate::wire::imap::command::{Append, Command, FetchItem, List, SearchKey, SearchReturn, StatusItems};

/// What ENABLE and commands that imply it have turned on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Enabled {
    /// RFC 9051: revision 2 responses, UTF-8 mailbox names, no RECENT.
    pub rev2: bool,
    /// RFC 7162 3.1: MODSEQ in FETCH responses.
    pub condstore: bool,
}

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Whose mailboxes.
    pub owner: Owner,
    /// For the log.
    pub address: String,
    /// Octets that this account may use.
    pub quota: Option<u64>,
    /// What was turned on.
    pub enabled: Enabled,
}

/// The selected mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Which one.
    pub mailbox: MailboxId,
    /// The name it was selected by.
    pub name: String,
    /// EXAMINE.
    pub read_only: bool,
    /// RFC 3501 2.3.2: messages from this UID on have arrived while this session had the mailbox selected, and carry
    /// `\Recent`. Which session was the first to see an earlier arrival is not kept, so earlier ones never do.
    pub recent_from: u32,
}

/// RFC 9051 3.1 to 3.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imap {
    /// Before login.
    NotAuthenticated,
    /// Logged in.
    Authenticated(User),
    /// A mailbox is open.
    Selected(User, Selection),
    /// Nothing more is heard.
    Logout,
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Say so.
    Refuse(Refusal),
    /// List the capabilities.
    Capability,
    /// Nothing; changes of the selected mailbox are told at the end, as with every command.
    Noop,
    /// Say BYE, then OK, then close.
    Logout,
    /// Say who this is.
    Id,
    /// OK, then the TLS handshake.
    StartTls,
    /// A SASL exchange.
    Authenticate {
        /// Upper case.
        mechanism: Box<str>,
        /// The initial response.
        initial: Option<Vec<u8>>,
    },
    /// Check name and password.
    Login {
        /// Name.
        user: String,
        /// Password.
        password: Vec<u8>,
    },
    /// Name what was turned on.
    Enabled(Vec<Enableable>),
    /// Open a mailbox.
    Select {
        /// Its name.
        mailbox: String,
        /// EXAMINE.
        read_only: bool,
        /// RFC 9051 7.1: say CLOSED, another one was open.
        closed: bool,
    },
    /// Make a mailbox and the missing ones above it.
    Create {
        /// Its name.
        mailbox: String,
        /// RFC 6154 3.
        special_use: Option<SpecialUse>,
    },
    /// Remove a mailbox.
    Delete(String),
    /// Rename a mailbox and all below it.
    Rename {
        /// From.
        from: String,
        /// To.
        to: String,
    },
    /// Subscribe or unsubscribe.
    Subscribe {
        /// Its name.
        mailbox: String,
        /// Which of both.
        subscribed: bool,
    },
    /// LIST and LSUB.
    List(Box<List>),
    /// Say where names begin.
    Namespace,
    /// Counts of a mailbox.
    Status {
        /// Its name.
        mailbox: String,
        /// Which counts.
        items: StatusItems,
    },
    /// Take the literal into a mailbox.
    Append(Box<Append>),
    /// Tell changes until DONE.
    Idle,
    /// Leave the mailbox; expunge before, and in silence, if it is not read-only.
    Close {
        /// CLOSE of a mailbox that can be changed.
        expunge: bool,
    },
    /// Remove messages with `\Deleted`.
    Expunge(Option<SequenceSet>),
    /// Find messages.
    Search {
        /// Numbers in the result are UIDs.
        uid: bool,
        /// `None`: the SEARCH response of RFC 3501.
        returns: Option<SearchReturn>,
        /// What they must match.
        key: SearchKey,
    },
    /// Send of messages.
    Fetch {
        /// Numbers in the set are UIDs.
        uid: bool,
        /// Which.
        set: SequenceSet,
        /// What of them.
        items: Vec<FetchItem>,
        /// RFC 7162 3.1.4.1.
        changed_since: Option<ModSeq>,
    },
    /// Change flags.
    Store {
        /// Numbers in the set are UIDs.
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// How.
        change: FlagChange,
        /// .SILENT.
        silent: bool,
        /// Which flags.
        flags: FlagSelection,
        /// RFC 7162 3.1.3.
        unchanged_since: Option<ModSeq>,
    },
    /// Copy or move messages.
    Copy {
        /// Numbers in the set are UIDs.
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// Into which mailbox.
        mailbox: String,
        /// MOVE.
        remove_source: bool,
    },
}

/// Where a command may be given: not authenticated, authenticated, selected.
struct Allowed(bool, bool, bool);

/// The table of RFC 9051 section 6: which command is allowed in which state.
fn allowed(command: &Command) -> Allowed {
    match command {
        // 6.1: any state.
        Command::Capability | Command::Noop | Command::Logout | Command::Id(_) => Allowed(true, true, true),
        // 6.2: not authenticated.
        Command::StartTls | Command::Authenticate { .. } | Command::Login { .. } => Allowed(true, false, false),
        // 6.3.1 and RFC 5161 3.1: only before a mailbox is selected, so that no response changes its form meanwhile.
        Command::Enable(_) => Allowed(false, true, false),
        // 6.3: authenticated or selected.
        Command::Select { .. }
        | Command::Create { .. }
        | Command::Delete { .. }
        | Command::Rename { .. }
        | Command::Subscribe { .. }
        | Command::Unsubscribe { .. }
        | Command::List(_)
        | Command::Namespace
        | Command::Status { .. }
        | Command::Append(_)
        | Command::Idle => Allowed(false, true, true),
        // 6.4: selected.
        Command::Check
        | Command::Close
        | Command::Unselect
        | Command::Expunge { .. }
        | Command::Search { .. }
        | Command::Fetch { .. }
        | Command::Store { .. }
        | Command::Copy { .. } => Allowed(false, false, true),
    }
}

/// Does the command need a mailbox that can be changed?
fn changes_selected(command: &Command) -> bool {
    match command {
        Command::Expunge { .. } | Command::Store { .. } => true,
        Command::Copy { remove_source, .. } => *remove_source,
        _ => false,
    }
}

/// RFC 7162 3.1: commands that turn CONDSTORE on for the rest of the connection. ENABLE is looked at by itself.
fn implies_condstore(command: &Command) -> bool {
    match command {
        Command::Select { condstore, .. } => *condstore,
        Command::Status { items, .. } => items.highest_modseq,
        Command::Fetch { items, changed_since, .. } => changed_since.is_some() || items.contains(&FetchItem::ModSeq),
        Command::Store { unchanged_since, .. } => unchanged_since.is_some(),
        Command::Search { key, .. } => names_modseq(key),
        _ => false,
    }
}

fn names_modseq(key: &SearchKey) -> bool {
    match key {
        SearchKey::ModSeq(_) => true,
        SearchKey::And(keys) => keys.iter().any(names_modseq),
        SearchKey::Or(both) => names_modseq(&both.0) || names_modseq(&both.1),
        SearchKey::Not(key) => names_modseq(key),
        _ => false,
    }
}

impl Imap {
    /// What a command leads to. The state changes at once only where that cannot fail; after the other steps the driver
    /// calls [`Imap::logged_in`], [`Imap::select`] or [`Imap::unselect`].
    #[must_use]
    pub fn handle(mut self, command: Command) -> (Self, Step) {
        let Allowed(before_login, authenticated, selected) = allowed(&command);
        let refused = match &self {
            Self::NotAuthenticated if !before_login => {
                Some(if authenticated || selected { "Log in first" } else { "Not now" })
            }
            Self::Authenticated(_) if !authenticated => {
                Some(if before_login { "You are logged in already" } else { "Select a mailbox first" })
            }
            Self::Selected(..) if !selected => Some("Not while a mailbox is selected"),
            Self::Logout => Some("The session has ended"),
            _ => None,
        };
        if let Some(text) = refused {
            return (self, Step::Refuse(Refusal::bad(text)));
        }
        if changes_selected(&command) && self.selection().is_some_and(|selection| selection.read_only) {
            return (self, Step::Refuse(Refusal::no("", "The mailbox was opened read-only")));
        }
        if implies_condstore(&command)
            && let Some(user) = self.user_mut()
        {
            user.enabled.condstore = true;
        }
        self.step(command)
    }

    /// The command is allowed here.
    fn step(mut self, command: Command) -> (Self, Step) {
        let step = match command {
            Command::Capability => Step::Capability,
            // RFC 9051 appendix E: CHECK is what NOOP is; everything is on the card already.
            Command::Noop | Command::Check => Step::Noop,
            Command::Logout => return (Self::Logout, Step::Logout),
            Command::Id(_) => Step::Id,
            Command::StartTls => Step::StartTls,
            Command::Authenticate { mechanism, initial } => Step::Authenticate { mechanism, initial },
            Command::Login { user, password } => Step::Login { user, password },
            Command::Enable(names) => Step::Enabled(self.enable(&names)),
            Command::Select { mailbox, read_only, condstore: _ } => {
                // RFC 9051 6.3.2: whatever comes of it, the mailbox that was selected is no longer.
                let closed = matches!(self, Self::Selected(..));
                return (self.unselect(), Step::Select { mailbox, read_only, closed });
            }
            Command::Create { mailbox, special_use } => match special_use.as_slice() {
                [] => Step::Create { mailbox, special_use: None },
                [only] => Step::Create { mailbox, special_use: Some(*only) },
                // RFC 6154 3: a server may support fewer combinations.
                _ => Step::Refuse(Refusal::no("USEATTR", "A mailbox can have one special use")),
            },
            Command::Delete { mailbox } => Step::Delete(mailbox),
            Command::Rename { from, to } => Step::Rename { from, to },
            Command::Subscribe { mailbox } => Step::Subscribe { mailbox, subscribed: true },
            Command::Unsubscribe { mailbox } => Step::Subscribe { mailbox, subscribed: false },
            Command::List(list) => Step::List(Box::new(list)),
            Command::Namespace => Step::Namespace,
            Command::Status { mailbox, items } => Step::Status { mailbox, items },
            Command::Append(append) => Step::Append(Box::new(append)),
            Command::Idle => Step::Idle,
            Command::Close => Step::Close { expunge: self.selection().is_some_and(|selection| !selection.read_only) },
            Command::Unselect => Step::Close { expunge: false },
            Command::Expunge { uids } => Step::Expunge(uids),
            Command::Search { uid, returns, charset: _, key } => {
                // RFC 9051 6.4.4: revision 2 always answers with ESEARCH.
                let rev2 = self.enabled().rev2.then_some(SearchReturn { all: true, ..SearchReturn::default() });
                Step::Search { uid, returns: returns.or(rev2), key }
            }
            Command::Fetch { uid, set, items, changed_since } => Step::Fetch { uid, set, items, changed_since },
            Command::Store { uid, set, change, silent, flags, unchanged_since } => {
                Step::Store { uid, set, change, silent, flags, unchanged_since }
            }
            Command::Copy { uid, set, mailbox, remove_source } => Step::Copy { uid, set, mailbox, remove_source },
        };
        (self, step)
    }

    fn enable(&mut self, names: &[Box<str>]) -> Vec<Enableable> {
        let mut turned_on = Vec::new();
        let Some(user) = self.user_mut() else { return turned_on };
        for what in names.iter().filter_map(|name| Enableable::parse(name)) {
            match what {
                Enableable::Imap4Rev2 => user.enabled.rev2 = true,
                Enableable::CondStore => user.enabled.condstore = true,
            }
            if !turned_on.contains(&what) {
                turned_on.push(what);
            }
        }
        turned_on
    }

    /// Login has succeeded.
    #[must_use]
    pub fn logged_in(owner: Owner, address: String, quota: Option<u64>) -> Self {
        Self::Authenticated(User { owner, address, quota, enabled: Enabled::default() })
    }

    /// A mailbox has been opened.
    #[must_use]
    pub fn select(self, selection: Selection) -> Self {
        match self {
            Self::Authenticated(user) | Self::Selected(user, _) => Self::Selected(user, selection),
            other => other,
        }
    }

    /// No mailbox is open any more.
    #[must_use]
    pub fn unselect(self) -> Self {
        match self {
            Self::Selected(user, _) => Self::Authenticated(user),
            other => other,
        }
    }

    /// Who is logged in.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        match self {
            Self::Authenticated(user) | Self::Selected(user, _) => Some(user),
            Self::NotAuthenticated | Self::Logout => None,
        }
    }

    fn user_mut(&mut self) -> Option<&mut User> {
        match self {
            Self::Authenticated(user) | Self::Selected(user, _) => Some(user),
            Self::NotAuthenticated | Self::Logout => None,
        }
    }

    /// What was turned on.
    #[must_use]
    pub fn enabled(&self) -> Enabled {
        self.user().map(|user| user.enabled).unwrap_or_default()
    }

    /// The open mailbox.
    #[must_use]
    pub fn selection(&self) -> Option<&Selection> {
        match self {
            Self::Selected(_, selection) => Some(selection),
            Self::NotAuthenticated | Self::Authenticated(_) | Self::Logout => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::refusal::Severity;
    use super::*;
    use crate::mail::SystemFlag;

    fn selected(read_only: bool) -> Imap {
        let selection = Selection { mailbox: MailboxId(1), name: "INBOX".into(), read_only, recent_from: 1 };
        Imap::logged_in(Owner(1), "ann@example.org".into(), None).select(selection)
    }

    fn set(text: &str) -> SequenceSet {
        SequenceSet::parse(text).unwrap()
    }

    fn one_of_each() -> Vec<Command> {
        let mailbox = || "x".to_owned();
        let copy = |remove_source| Command::Copy { uid: false, set: set("1"), mailbox: mailbox(), remove_source };
        vec![
            Command::Capability,
            Command::Noop,
            Command::Logout,
            Command::Id(None),
            Command::StartTls,
            Command::Authenticate { mechanism: "PLAIN".into(), initial: None },
            Command::Login { user: "a".into(), password: b"b".to_vec() },
            Command::Enable(vec!["CONDSTORE".into()]),
            Command::Select { mailbox: mailbox(), read_only: false, condstore: false },
            Command::Create { mailbox: mailbox(), special_use: vec![] },
            Command::Delete { mailbox: mailbox() },
            Command::Rename { from: mailbox(), to: mailbox() },
            Command::Subscribe { mailbox: mailbox() },
            Command::Unsubscribe { mailbox: mailbox() },
            Command::List(List::default()),
            Command::Namespace,
            Command::Status { mailbox: mailbox(), items: StatusItems::default() },
            Command::Idle,
            Command::Check,
            Command::Close,
            Command::Unselect,
            Command::Expunge { uids: None },
            Command::Search { uid: false, returns: None, charset: None, key: SearchKey::All },
            Command::Fetch { uid: false, set: set("1"), items: vec![FetchItem::Flags], changed_since: None },
            Command::Store {
                uid: false,
                set: set("1"),
                change: FlagChange::Add,
                silent: false,
                flags: FlagSelection::of(SystemFlag::Seen),
                unchanged_since: None,
            },
            copy(false),
            copy(true),
        ]
    }

    fn is_refused(step: &Step) -> bool {
        matches!(step, Step::Refuse(Refusal { severity: Severity::Bad, .. }))
    }

    #[test]
    fn every_command_is_allowed_where_the_table_says() {
        let states = [Imap::NotAuthenticated, selected(false).unselect(), selected(false)];
        for command in one_of_each() {
            let table = allowed(&command);
            for (state, allowed) in states.iter().zip([table.0, table.1, table.2]) {
                let (after, step) = state.clone().handle(command.clone());
                assert_eq!(!is_refused(&step), allowed, "{command:?} in {state:?}");
                if !allowed {
                    assert_eq!(&after, state, "a refused command changes nothing");
                }
            }
            assert!(is_refused(&Imap::Logout.handle(command).1));
        }
    }

    #[test]
    fn a_mailbox_opened_read_only_is_not_changed() {
        for command in one_of_each() {
            let changes = changes_selected(&command);
            let (_, step) = selected(true).handle(command);
            assert_eq!(matches!(step, Step::Refuse(Refusal { severity: Severity::No, .. })), changes);
        }
        assert_eq!(selected(true).handle(Command::Close).1, Step::Close { expunge: false });
        assert_eq!(selected(false).handle(Command::Close).1, Step::Close { expunge: true });
    }

    #[test]
    fn select_leaves_the_mailbox_before_it_can_fail() {
        let command = Command::Select { mailbox: "gone".into(), read_only: false, condstore: true };
        let (state, step) = selected(false).handle(command);
        assert!(matches!(step, Step::Select { closed: true, .. }));
        assert!(state.selection().is_none() && state.enabled().condstore);
    }

    #[test]
    fn condstore_is_turned_on_by_whatever_names_it() {
        let modseq = SearchKey::Not(Box::new(SearchKey::And(vec![SearchKey::All, SearchKey::ModSeq(ModSeq(1))])));
        let items = StatusItems { highest_modseq: true, ..StatusItems::default() };
        let turning = [
            Command::Search { uid: true, returns: None, charset: None, key: modseq },
            Command::Status { mailbox: "x".into(), items },
            Command::Fetch { uid: false, set: set("1"), items: vec![FetchItem::ModSeq], changed_since: None },
            Command::Fetch { uid: false, set: set("1"), items: vec![], changed_since: Some(ModSeq(1)) },
        ];
        for command in turning {
            assert!(selected(false).handle(command).0.enabled().condstore);
        }
        for command in one_of_each().into_iter().filter(|command| !matches!(command, Command::Enable(_))) {
            assert!(!selected(false).handle(command).0.enabled().condstore);
        }
    }

    #[test]
    fn enable_names_what_it_turned_on() {
        let names = ["X-UNKNOWN", "IMAP4REV2", "CONDSTORE", "IMAP4REV2"].map(Box::from).to_vec();
        let (state, step) = selected(false).unselect().handle(Command::Enable(names));
        assert_eq!(step, Step::Enabled(vec![Enableable::Imap4Rev2, Enableable::CondStore]));
        assert_eq!(state.enabled(), Enabled { rev2: true, condstore: true });
        let search = Command::Search { uid: false, returns: None, charset: None, key: SearchKey::All };
        let (_, step) = state
            .select(Selection { mailbox: MailboxId(1), name: "x".into(), read_only: false, recent_from: 1 })
            .handle(search);
        assert!(matches!(step, Step::Search { returns: Some(SearchReturn { all: true, .. }), .. }));
    }
}
