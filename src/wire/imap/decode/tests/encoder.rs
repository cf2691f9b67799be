//! Writes commands: what a client does. Strings take every form that they may, by the bits of a seed.

use super::super::super::command::*;
use super::super::super::utf7;
use super::super::*;
use crate::mail::{FlagChange, FlagSelection, InternalDate, SequenceSet, SetNumber, SystemFlag};

pub(super) struct Client {
    pub(super) octets: Vec<u8>,
    pub(super) names: Names,
    seed: u64,
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Writes `tag command`.
pub(super) fn encode(tagged: &Tagged, names: Names, seed: u64) -> Vec<u8> {
    let mut client = Client { octets: Vec::new(), names, seed };
    client.text(&tagged.tag);
    client.text(" ");
    client.command(&tagged.command);
    client.text("\r\n");
    client.octets
}

impl Client {
    /// The next choice below `below`.
    fn choose(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    fn text(&mut self, text: &str) {
        self.octets.extend_from_slice(text.as_bytes());
    }

    /// A word of the grammar, in any case.
    fn word(&mut self, word: &str) {
        match self.choose(3) {
            0 => self.text(&word.to_lowercase()),
            _ => self.text(word),
        }
    }

    fn literal(&mut self, octets: &[u8]) {
        let plus = if self.choose(2) == 0 { "+" } else { "" };
        self.text(&format!("{{{}{plus}}}\r\n", octets.len()));
        self.octets.extend_from_slice(octets);
    }

    fn string(&mut self, octets: &[u8]) {
        let quotable = core::str::from_utf8(octets).is_ok() && !octets.iter().any(|b| matches!(b, b'\r' | b'\n' | 0));
        if !quotable || self.choose(3) == 0 {
            return self.literal(octets);
        }
        self.octets.push(b'"');
        for &octet in octets {
            if octet == b'"' || octet == b'\\' {
                self.octets.push(b'\\');
            }
            self.octets.push(octet);
        }
        self.octets.push(b'"');
    }

    fn astring(&mut self, octets: &[u8]) {
        let atom = !octets.is_empty() && octets.iter().all(|&b| is_astring_char(b));
        if atom && self.choose(2) == 0 {
            return self.octets.extend_from_slice(octets);
        }
        self.string(octets);
    }

    fn nstring(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.string(text.as_bytes()),
            None => self.word("NIL"),
        }
    }

    fn mailbox(&mut self, name: &str) {
        // A name with 8-bit octets is UTF-8 in either form.
        let utf8 = self.names == Names::Utf8 || (!name.is_ascii() && self.choose(2) == 0);
        let wire = if utf8 { name.to_owned() } else { utf7::encode(name) };
        self.astring(wire.as_bytes());
    }

    fn pattern(&mut self, pattern: &str) {
        let wire = if self.names == Names::Utf8 { pattern.to_owned() } else { utf7::encode(pattern) };
        let plain = !wire.is_empty() && wire.bytes().all(|b| is_astring_char(b) || b == b'%' || b == b'*');
        if plain && self.choose(2) == 0 { self.text(&wire) } else { self.string(wire.as_bytes()) }
    }

    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.text("(");
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.text(" ");
            }
            write(self, item);
        }
        self.text(")");
    }

    fn set(&mut self, set: &SequenceSet) {
        let number = |number| match number {
            SetNumber::Number(number) => number.to_string(),
            SetNumber::Largest => "*".to_owned(),
        };
        if is_saved_result(set) {
            return self.text("$");
        }
        for (index, range) in set.ranges().iter().enumerate() {
            if index > 0 {
                self.text(",");
            }
            self.text(&number(range.0));
            if range.0 != range.1 || self.choose(4) == 0 {
                self.text(":");
                self.text(&number(range.1));
            }
        }
    }

    fn flags(&mut self, flags: &FlagSelection) {
        let mut names: Vec<&str> =
            SystemFlag::ALL.into_iter().filter(|&flag| flags.system.has(flag)).map(SystemFlag::name).collect();
        names.extend(flags.keywords.iter().map(|keyword| keyword.as_str()));
        self.list(&names, |client, name| client.text(name));
    }

    fn status_items(&mut self, items: StatusItems) {
        let names: Vec<&str> = [
            (items.messages, "MESSAGES"),
            (items.recent, "RECENT"),
            (items.uid_next, "UIDNEXT"),
            (items.uid_validity, "UIDVALIDITY"),
            (items.unseen, "UNSEEN"),
            (items.deleted, "DELETED"),
            (items.size, "SIZE"),
            (items.highest_modseq, "HIGHESTMODSEQ"),
        ]
        .into_iter()
        .filter_map(|(wanted, name)| wanted.then_some(name))
        .collect();
        self.list(&names, |client, name| client.word(name));
    }

    fn uid(&mut self, uid: bool, verb: &str) {
        if uid {
            self.word("UID");
            self.text(" ");
        }
        self.word(verb);
        self.text(" ");
    }

    fn verb(&mut self, verb: &str) {
        self.uid(false, verb);
    }

    fn named(&mut self, verb: &str, mailbox: &str) {
        self.verb(verb);
        self.mailbox(mailbox);
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Capability => self.word("CAPABILITY"),
            Command::Noop => self.word("NOOP"),
            Command::Logout => self.word("LOGOUT"),
            Command::StartTls => self.word("STARTTLS"),
            Command::Namespace => self.word("NAMESPACE"),
            Command::Idle => self.word("IDLE"),
            Command::Check => self.word("CHECK"),
            Command::Close => self.word("CLOSE"),
            Command::Unselect => self.word("UNSELECT"),
            Command::Id(None) => self.text("ID NIL"),
            Command::Id(Some(pairs)) => {
                self.verb("ID");
                self.list(pairs, |client, (field, value)| {
                    client.string(field.as_bytes());
                    client.text(" ");
                    client.nstring(value.as_deref());
                });
            }
            Command::Authenticate { mechanism, initial } => {
                self.verb("AUTHENTICATE");
                self.word(mechanism);
                match initial.as_deref() {
                    None => {}
                    Some([]) => self.text(" ="),
                    Some(initial) => self.text(&format!(" {}", crate::wire::base64::encode(initial))),
                }
            }
            Command::Login { user, password } => {
                self.verb("LOGIN");
                self.astring(user.as_bytes());
                self.text(" ");
                self.astring(password);
            }
            Command::Enable(names) => {
                self.word("ENABLE");
                for name in names {
                    self.text(" ");
                    self.word(name);
                }
            }
            Command::Select { mailbox, read_only, condstore } => {
                self.named(if *read_only { "EXAMINE" } else { "SELECT" }, mailbox);
                if *condstore {
                    self.text(" (CONDSTORE)");
                }
            }
            Command::Create { mailbox, special_use } => {
                self.named("CREATE", mailbox);
                if !special_use.is_empty() {
                    self.text(" (USE ");
                    self.list(special_use, |client, special| client.text(special.name()));
                    self.text(")");
                }
            }
            Command::Delete { mailbox } => self.named("DELETE", mailbox),
            Command::Rename { from, to } => {
                self.named("RENAME", from);
                self.text(" ");
                self.mailbox(to);
            }
            Command::Subscribe { mailbox } => self.named("SUBSCRIBE", mailbox),
            Command::Unsubscribe { mailbox } => self.named("UNSUBSCRIBE", mailbox),
            Command::List(list) => self.list_command(list),
            Command::Status { mailbox, items } => {
                self.named("STATUS", mailbox);
                self.text(" ");
                self.status_items(*items);
            }
            Command::Append(append) => self.append(append),
            Command::Expunge { uids: None } => self.word("EXPUNGE"),
            Command::Expunge { uids: Some(set) } => {
                self.uid(true, "EXPUNGE");
                self.set(set);
            }
            Command::Search { uid, returns, charset, key } => {
                self.uid(*uid, "SEARCH");
                self.search(*returns, charset.as_deref(), key);
            }
            Command::Fetch { uid, set, items, changed_since } => {
                self.uid(*uid, "FETCH");
                self.set(set);
                self.text(" ");
                match &items[..] {
                    [item] if self.choose(2) == 0 => self.fetch_item(item),
                    items => self.list(items, |client, item| client.fetch_item(item)),
                }
                if let Some(modseq) = changed_since {
                    self.text(&format!(" (CHANGEDSINCE {modseq})"));
                }
            }
            Command::Store { uid, set, change, silent, flags, unchanged_since } => {
                self.uid(*uid, "STORE");
                self.set(set);
                if let Some(modseq) = unchanged_since {
                    self.text(&format!(" (UNCHANGEDSINCE {modseq})"));
                }
                self.text(match change {
                    FlagChange::Replace => " ",
                    FlagChange::Add => " +",
                    FlagChange::Remove => " -",
                });
                self.word(if *silent { "FLAGS.SILENT" } else { "FLAGS" });
                self.text(" ");
                self.flags(flags);
            }
            Command::Copy { uid, set, mailbox, remove_source } => {
                self.uid(*uid, if *remove_source { "MOVE" } else { "COPY" });
                self.set(set);
                self.text(" ");
                self.mailbox(mailbox);
            }
        }
    }

    fn list_command(&mut self, list: &List) {
        if list.lsub {
            self.named("LSUB", &list.reference);
            self.text(" ");
            return self.pattern(&list.patterns[0]);
        }
        self.verb("LIST");
        let chosen = |options: &[(bool, &'static str)]| {
            options.iter().filter(|(wanted, _)| *wanted).map(|(_, name)| *name).collect::<Vec<_>>()
        };
        let select = chosen(&[
            (list.select_subscribed, "SUBSCRIBED"),
            (list.select_remote, "REMOTE"),
            (list.recursive_match, "RECURSIVEMATCH"),
            (list.select_special_use, "SPECIAL-USE"),
        ]);
        let mut returns = chosen(&[
            (list.return_subscribed, "SUBSCRIBED"),
            (list.return_children, "CHILDREN"),
            (list.return_special_use, "SPECIAL-USE"),
        ]);
        if list.return_status.is_some() {
            returns.push("STATUS");
        }
        let plain = list.patterns.len() == 1;
        if !select.is_empty() || (list.extended && plain && returns.is_empty()) {
            self.list(&select, |client, name| client.word(name));
            self.text(" ");
        }
        self.mailbox(&list.reference);
        self.text(" ");
        if plain {
            self.pattern(&list.patterns[0]);
        } else {
            self.list(&list.patterns, |client, pattern| client.pattern(pattern));
        }
        if !returns.is_empty() {
            self.text(" RETURN ");
            self.list(&returns, |client, name| {
                client.word(name);
                if let ("STATUS", Some(items)) = (*name, list.return_status) {
                    client.text(" ");
                    client.status_items(items);
                }
            });
        }
    }

    fn append(&mut self, append: &Append) {
        self.named("APPEND", &append.mailbox);
        self.text(" ");
        if append.flags != FlagSelection::default() || self.choose(4) == 0 {
            self.flags(&append.flags);
            self.text(" ");
        }
        if let Some(date) = append.internal_date {
            self.text(&format!("\"{}\" ", date.imap()));
        }
        let LiteralHead { octets, non_synchronizing, binary } = append.literal;
        let (tilde, plus) = (if binary { "~" } else { "" }, if non_synchronizing { "+" } else { "" });
        self.text(&format!("{tilde}{{{octets}{plus}}}"));
    }

    fn search(&mut self, returns: Option<SearchReturn>, charset: Option<&str>, key: &SearchKey) {
        if let Some(returns) = returns {
            let names: Vec<&str> = [
                (returns.min, "MIN"),
                (returns.max, "MAX"),
                (returns.all, "ALL"),
                (returns.count, "COUNT"),
                (returns.save, "SAVE"),
            ]
            .into_iter()
            .filter_map(|(wanted, name)| wanted.then_some(name))
            .collect();
            self.text("RETURN ");
            self.list(&names, |client, name| client.word(name));
            self.text(" ");
        }
        if let Some(charset) = charset {
            self.text("CHARSET ");
            self.astring(charset.as_bytes());
            self.text(" ");
        }
        match key {
            SearchKey::And(keys) if self.choose(2) == 0 => {
                for (index, key) in keys.iter().enumerate() {
                    if index > 0 {
                        self.text(" ");
                    }
                    self.search_key(key);
                }
            }
            key => self.search_key(key),
        }
    }

    fn search_key(&mut self, key: &SearchKey) {
        match key {
            SearchKey::All => self.word("ALL"),
            SearchKey::And(keys) => self.list(keys, |client, key| client.search_key(key)),
            SearchKey::Or(both) => {
                self.verb("OR");
                self.search_key(&both.0);
                self.text(" ");
                self.search_key(&both.1);
            }
            SearchKey::Not(key) => match &**key {
                SearchKey::Flag(flag) if self.choose(2) == 0 => {
                    self.word(&format!("UN{}", &flag.name()[1..]).to_uppercase())
                }
                SearchKey::Keyword(keyword) if self.choose(2) == 0 => {
                    self.verb("UNKEYWORD");
                    self.text(keyword.as_str());
                }
                SearchKey::Recent if self.choose(2) == 0 => self.word("OLD"),
                key => {
                    self.verb("NOT");
                    self.search_key(key);
                }
            },
            SearchKey::Sequence(set) => self.set(set),
            SearchKey::Uid(set) => {
                self.verb("UID");
                self.set(set);
            }
            SearchKey::Flag(flag) => self.word(&flag.name()[1..].to_uppercase()),
            SearchKey::Keyword(keyword) => {
                self.verb("KEYWORD");
                self.text(keyword.as_str());
            }
            SearchKey::Recent => self.word("RECENT"),
            SearchKey::Before(day) => self.day("BEFORE", *day),
            SearchKey::On(day) => self.day("ON", *day),
            SearchKey::Since(day) => self.day("SINCE", *day),
            SearchKey::SentBefore(day) => self.day("SENTBEFORE", *day),
            SearchKey::SentOn(day) => self.day("SENTON", *day),
            SearchKey::SentSince(day) => self.day("SENTSINCE", *day),
            SearchKey::Larger(octets) => self.text(&format!("LARGER {octets}")),
            SearchKey::Smaller(octets) => self.text(&format!("SMALLER {octets}")),
            SearchKey::Header(name, text) => {
                if matches!(&**name, "BCC" | "CC" | "FROM" | "SUBJECT" | "TO") {
                    self.verb(name);
                } else {
                    self.verb("HEADER");
                    self.astring(name.as_bytes());
                    self.text(" ");
                }
                self.astring(text.as_bytes());
            }
            SearchKey::Body(text) => {
                self.verb("BODY");
                self.astring(text.as_bytes());
            }
            SearchKey::Text(text) => {
                self.verb("TEXT");
                self.astring(text.as_bytes());
            }
            SearchKey::ModSeq(modseq) => {
                self.verb("MODSEQ");
                if self.choose(2) == 0 {
                    self.text("\"/flags/\\\\Seen\" all ");
                }
                self.text(&modseq.to_string());
            }
        }
    }

    fn day(&mut self, verb: &str, day: i64) {
        self.verb(verb);
        let shown = InternalDate::utc(day * 86_400).imap().to_string();
        let date = shown[..11].trim_start().to_owned();
        assert!(MONTHS.iter().any(|month| date.contains(month)));
        if self.choose(2) == 0 { self.text(&date) } else { self.text(&format!("\"{date}\"")) }
    }

    fn fetch_item(&mut self, item: &FetchItem) {
        let numbers = |part: &[u32]| part.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
        match item {
            FetchItem::Flags => self.word("FLAGS"),
            FetchItem::Uid => self.word("UID"),
            FetchItem::InternalDate => self.word("INTERNALDATE"),
            FetchItem::Rfc822Size => self.word("RFC822.SIZE"),
            FetchItem::Envelope => self.word("ENVELOPE"),
            FetchItem::Body => self.word("BODY"),
            FetchItem::BodyStructure => self.word("BODYSTRUCTURE"),
            FetchItem::ModSeq => self.word("MODSEQ"),
            FetchItem::Section { name: SectionName::Rfc822, .. } => self.word("RFC822"),
            FetchItem::Section { name: SectionName::Rfc822Header, .. } => self.word("RFC822.HEADER"),
            FetchItem::Section { name: SectionName::Rfc822Text, .. } => self.word("RFC822.TEXT"),
            FetchItem::Section { section, peek, partial, name: SectionName::Body } => {
                self.word(if *peek { "BODY.PEEK" } else { "BODY" });
                self.text("[");
                self.text(&numbers(&section.part));
                if section.text != SectionText::All && !section.part.is_empty() {
                    self.text(".");
                }
                match &section.text {
                    SectionText::All => {}
                    SectionText::Header => self.word("HEADER"),
                    SectionText::Text => self.word("TEXT"),
                    SectionText::Mime => self.word("MIME"),
                    SectionText::Fields(names) => {
                        self.verb("HEADER.FIELDS");
                        self.list(names, |client, name| client.astring(name.as_bytes()));
                    }
                    SectionText::FieldsNot(names) => {
                        self.verb("HEADER.FIELDS.NOT");
                        self.list(names, |client, name| client.astring(name.as_bytes()));
                    }
                }
                self.text("]");
                self.partial(*partial);
            }
            FetchItem::Binary { part, peek, partial } => {
                self.word(if *peek { "BINARY.PEEK" } else { "BINARY" });
                self.text(&format!("[{}]", numbers(part)));
                self.partial(*partial);
            }
            FetchItem::BinarySize { part } => {
                self.word("BINARY.SIZE");
                self.text(&format!("[{}]", numbers(part)));
            }
        }
    }

    fn partial(&mut self, partial: Option<(u64, u64)>) {
        if let Some((first, octets)) = partial {
            self.text(&format!("<{first}.{octets}>"));
        }
    }
}
