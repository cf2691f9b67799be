//! What a client can ask: one variant a command, every argument already checked.

use crate::mail::{FlagChange, FlagSelection, InternalDate, Keyword, ModSeq, SequenceSet, SpecialUse};

/// A command with its tag (RFC 9051 2.2.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Tagged {
    /// Repeated in the completion response.
    pub tag: Box<str>,
    /// What is asked.
    pub command: Command,
}

/// RFC 9051 section 6, RFC 3501 section 6 and the extensions that Pillarbox advertises.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// 6.1.1.
    Capability,
    /// 6.1.2.
    Noop,
    /// 6.1.3.
    Logout,
    /// RFC 2971: what the client says of itself, `None` for NIL.
    Id(Option<Vec<(String, Option<String>)>>),
    /// 6.2.1.
    StartTls,
    /// 6.2.2 with an initial response (RFC 4959), decoded from base64; `=` is an empty one.
    Authenticate {
        /// Upper case.
        mechanism: Box<str>,
        /// Decoded.
        initial: Option<Vec<u8>>,
    },
    /// 6.2.3.
    Login {
        /// User name.
        user: String,
        /// Password.
        password: Vec<u8>,
    },
    /// 6.3.1, capability names in upper case.
    Enable(Vec<Box<str>>),
    /// 6.3.2 and 6.3.3.
    Select {
        /// Which mailbox, UTF-8 and `INBOX` in upper case, like every mailbox name here.
        mailbox: String,
        /// EXAMINE.
        read_only: bool,
        /// RFC 7162 3.1.8 `(CONDSTORE)`.
        condstore: bool,
    },
    /// 6.3.4 with RFC 6154 3 `(USE (...))`. A trailing hierarchy separator is already gone.
    Create {
        /// Its name.
        mailbox: String,
        /// What it is for.
        special_use: Vec<SpecialUse>,
    },
    /// 6.3.5.
    Delete {
        /// Its name.
        mailbox: String,
    },
    /// 6.3.6.
    Rename {
        /// From.
        from: String,
        /// To.
        to: String,
    },
    /// 6.3.7.
    Subscribe {
        /// Its name.
        mailbox: String,
    },
    /// 6.3.8.
    Unsubscribe {
        /// Its name.
        mailbox: String,
    },
    /// 6.3.9 with RFC 5258 options, and RFC 3501's LSUB.
    List(List),
    /// 6.3.10.
    Namespace,
    /// 6.3.11.
    Status {
        /// Its name.
        mailbox: String,
        /// What of it.
        items: StatusItems,
    },
    /// 6.3.12: everything before the literal; the literal follows in the stream.
    Append(Append),
    /// 6.3.13.
    Idle,
    /// RFC 3501 6.4.1: still used by clients.
    Check,
    /// 6.4.1.
    Close,
    /// 6.4.2.
    Unselect,
    /// 6.4.3, or UID EXPUNGE with a set (6.4.9).
    Expunge {
        /// `None`: all with `\Deleted`.
        uids: Option<SequenceSet>,
    },
    /// 6.4.4.
    Search {
        /// Numbers in the result are UIDs.
        uid: bool,
        /// RFC 4731 RETURN; `None`: the old SEARCH response (rev1).
        returns: Option<SearchReturn>,
        /// RFC 9051 6.4.4 CHARSET, upper case; keys are already UTF-8 or refused.
        charset: Option<Box<str>>,
        /// All of them must hold.
        key: SearchKey,
    },
    /// 6.4.5.
    Fetch {
        /// Numbers in the set are UIDs.
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// What of them.
        items: Vec<FetchItem>,
        /// RFC 7162 3.1.4.1.
        changed_since: Option<ModSeq>,
    },
    /// 6.4.6.
    Store {
        /// Numbers in the set are UIDs.
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// FLAGS, +FLAGS, -FLAGS.
        change: FlagChange,
        /// .SILENT.
        silent: bool,
        /// Which flags.
        flags: FlagSelection,
        /// RFC 7162 3.1.3.
        unchanged_since: Option<ModSeq>,
    },
    /// 6.4.7 and 6.4.8.
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

/// RFC 9051 6.3.9 and RFC 5258.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct List {
    /// RFC 3501 6.3.9: answer with LSUB responses.
    pub lsub: bool,
    /// Reference name.
    pub reference: String,
    /// Patterns with `*` and `%`, UTF-8. At most [`crate::limits::LIST_PATTERNS_MAX`].
    pub patterns: Vec<String>,
    /// Selection option SUBSCRIBED.
    pub select_subscribed: bool,
    /// Selection option REMOTE: there are none, it adds nothing.
    pub select_remote: bool,
    /// Selection option RECURSIVEMATCH.
    pub recursive_match: bool,
    /// Selection option SPECIAL-USE.
    pub select_special_use: bool,
    /// Return option SUBSCRIBED.
    pub return_subscribed: bool,
    /// Return option CHILDREN.
    pub return_children: bool,
    /// Return option SPECIAL-USE.
    pub return_special_use: bool,
    /// Return option STATUS (RFC 5819).
    pub return_status: Option<StatusItems>,
    /// Were return options or an extended form given (RFC 5258: then every response is an extended one)?
    pub extended: bool,
}

/// RFC 9051 6.3.11, RFC 8438 SIZE, RFC 7162 HIGHESTMODSEQ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusItems {
    /// MESSAGES.
    pub messages: bool,
    /// RECENT (RFC 3501).
    pub recent: bool,
    /// UIDNEXT.
    pub uid_next: bool,
    /// UIDVALIDITY.
    pub uid_validity: bool,
    /// UNSEEN.
    pub unseen: bool,
    /// DELETED.
    pub deleted: bool,
    /// SIZE.
    pub size: bool,
    /// HIGHESTMODSEQ.
    pub highest_modseq: bool,
}

/// RFC 9051 6.3.12.
#[derive(Clone, Debug, PartialEq)]
pub struct Append {
    /// Into which mailbox.
    pub mailbox: String,
    /// With these flags.
    pub flags: FlagSelection,
    /// INTERNALDATE.
    pub internal_date: Option<InternalDate>,
    /// The message's literal.
    pub literal: LiteralHead,
}

/// `{n}`, `{n+}` (RFC 7888), `~{n}` (RFC 3516), without its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiteralHead {
    /// Octets that follow.
    pub octets: u64,
    /// `+`: they come without being asked for.
    pub non_synchronizing: bool,
    /// `~`: may hold NUL.
    pub binary: bool,
}

/// RFC 9051 6.4.4 RETURN options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchReturn {
    /// MIN.
    pub min: bool,
    /// MAX.
    pub max: bool,
    /// ALL; also what an empty list means.
    pub all: bool,
    /// COUNT.
    pub count: bool,
    /// SAVE (RFC 5182): remember the result as `$`.
    pub save: bool,
}

/// RFC 9051 6.4.4.1: is it `$`, the result that the last SEARCH saved? It decodes as the one set without ranges.
#[must_use]
pub fn is_saved_result(set: &SequenceSet) -> bool {
    set.ranges().is_empty()
}

/// RFC 9051 6.4.4 search keys. Depth at most [`crate::limits::SEARCH_DEPTH_MAX`], keys at most
/// [`crate::limits::SEARCH_KEYS_MAX`].
#[derive(Clone, Debug, PartialEq)]
pub enum SearchKey {
    /// ALL.
    All,
    /// Every one of these.
    And(Vec<SearchKey>),
    /// OR.
    Or(Box<(SearchKey, SearchKey)>),
    /// NOT.
    Not(Box<SearchKey>),
    /// Message sequence numbers.
    Sequence(SequenceSet),
    /// UID.
    Uid(SequenceSet),
    /// ANSWERED, DELETED, DRAFT, FLAGGED, SEEN; their UN-forms are `Not`.
    Flag(crate::mail::SystemFlag),
    /// KEYWORD; UNKEYWORD is its `Not`.
    Keyword(Keyword),
    /// RFC 3501 RECENT; OLD is its `Not`, NEW is RECENT and not SEEN.
    Recent,
    /// BEFORE this day (days since 1970) by internal date.
    Before(i64),
    /// ON.
    On(i64),
    /// SINCE.
    Since(i64),
    /// SENTBEFORE by the Date header.
    SentBefore(i64),
    /// SENTON.
    SentOn(i64),
    /// SENTSINCE.
    SentSince(i64),
    /// LARGER than so many octets.
    Larger(u64),
    /// SMALLER.
    Smaller(u64),
    /// HEADER, BCC, CC, FROM, SUBJECT, TO: field name, and text to find in it; an empty text: the field is there.
    Header(Box<str>, Box<str>),
    /// BODY.
    Body(Box<str>),
    /// TEXT.
    Text(Box<str>),
    /// RFC 7162 3.1.5 MODSEQ.
    ModSeq(ModSeq),
}

/// RFC 9051 6.4.5 data items; macros are already spelled out.
#[derive(Clone, Debug, PartialEq)]
pub enum FetchItem {
    /// FLAGS.
    Flags,
    /// UID.
    Uid,
    /// INTERNALDATE.
    InternalDate,
    /// RFC822.SIZE.
    Rfc822Size,
    /// ENVELOPE.
    Envelope,
    /// BODY without a section: the structure without extension data.
    Body,
    /// BODYSTRUCTURE.
    BodyStructure,
    /// MODSEQ (RFC 7162).
    ModSeq,
    /// BODY[...]<...> and BODY.PEEK; RFC822, RFC822.HEADER and RFC822.TEXT with their old name.
    Section {
        /// Which octets.
        section: Section,
        /// Does not set `\Seen`.
        peek: bool,
        /// First octet and how many.
        partial: Option<(u64, u64)>,
        /// How the response names it.
        name: SectionName,
    },
    /// BINARY[...]<...> and BINARY.PEEK (RFC 3516): decoded.
    Binary {
        /// Part numbers; empty: the whole message.
        part: Vec<u32>,
        /// Does not set `\Seen`.
        peek: bool,
        /// First octet and how many.
        partial: Option<(u64, u64)>,
    },
    /// BINARY.SIZE[...].
    BinarySize {
        /// Part numbers.
        part: Vec<u32>,
    },
}

/// The name under which a section's octets come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionName {
    /// `BODY[...]`.
    Body,
    /// `RFC822` (RFC 3501).
    Rfc822,
    /// `RFC822.HEADER` (RFC 3501).
    Rfc822Header,
    /// `RFC822.TEXT` (RFC 3501).
    Rfc822Text,
}

/// RFC 9051 section 9 `section-spec`.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Part numbers, at most [`crate::limits::SECTION_DEPTH_MAX`]; empty: the message itself.
    pub part: Vec<u32>,
    /// What of it.
    pub text: SectionText,
}

/// RFC 9051 6.4.5 part specifiers.
#[derive(Clone, Debug, PartialEq)]
pub enum SectionText {
    /// Nothing: all octets of the message, or the content of the part.
    All,
    /// HEADER.
    Header,
    /// HEADER.FIELDS.
    Fields(Vec<Box<str>>),
    /// HEADER.FIELDS.NOT.
    FieldsNot(Vec<Box<str>>),
    /// TEXT.
    Text,
    /// MIME.
    Mime,
}
