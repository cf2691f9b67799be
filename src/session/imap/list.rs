//! Which mailboxes LIST and LSUB name: patterns, selection options, and levels that only exist through what is below.
//!
//! The driver walks the names in the order of their octets and asks for each; nothing of the walk is kept but the name
//! before and how deep it hangs together with the next, so the memory does not grow with the number of mailboxes.

use super::name::is_below;
use crate::mail::SpecialUse;
use crate::wire::imap::command::List;
use crate::wire::imap::encode::{ListAttributes, ListRow};
use crate::wire::imap::mailbox_name::{INBOX, SEPARATOR};

/// One pattern of RFC 9051 6.3.9, the reference name before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    One(char),
    /// `%`: anything within one level.
    Level,
    /// `*`: anything.
    Any,
}

impl Pattern {
    /// The reference name and the pattern are one text to this server, as RFC 9051 6.3.9 has it for names that do not
    /// begin at a root.
    #[must_use]
    pub fn new(reference: &str, pattern: &str) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        for c in reference.chars().chain(pattern.chars()) {
            // `**` is `*`, `*%` and `%*` are `*`, `%%` is `%`: no more live states than there are literal characters.
            match (c, pieces.last_mut()) {
                ('*', Some(last @ (Piece::Level | Piece::Any))) => *last = Piece::Any,
                ('%', Some(Piece::Level | Piece::Any)) => {}
                ('*', _) => pieces.push(Piece::Any),
                ('%', _) => pieces.push(Piece::Level),
                (c, _) => pieces.push(Piece::One(c)),
            }
        }
        Self(pieces)
    }

    /// Does `name` match? Steps: characters of the name times live states; never more than both lengths multiplied.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        // RFC 9051 5.1: INBOX is the same in any case, also as the first level of other names.
        let inbox = name.split(SEPARATOR).next() == Some(INBOX);
        let mut live = vec![0];
        self.pass_wildcards(&mut live);
        for (at, c) in name.char_indices() {
            let any_case = inbox && at < INBOX.len();
            let mut next = Vec::with_capacity(live.len().saturating_add(1));
            for &state in &live {
                match self.0.get(state) {
                    Some(Piece::Any) => next.push(state),
                    Some(Piece::Level) if c != SEPARATOR => next.push(state),
                    Some(Piece::One(piece)) if *piece == c || (any_case && piece.eq_ignore_ascii_case(&c)) => {
                        next.push(state.saturating_add(1));
                    }
                    _ => {}
                }
            }
            self.pass_wildcards(&mut next);
            live = next;
            if live.is_empty() {
                return false;
            }
        }
        live.last() == Some(&self.0.len())
    }

    /// A wildcard also stands for nothing at all. Keeps the states ascending and each one once.
    fn pass_wildcards(&self, states: &mut Vec<usize>) {
        let mut index = 0;
        while let Some(&state) = states.get(index) {
            if matches!(self.0.get(state), Some(Piece::Any | Piece::Level)) {
                states.push(state.saturating_add(1));
            }
            index = index.saturating_add(1);
        }
        states.sort_unstable();
        states.dedup();
    }

    fn has_level(&self) -> bool {
        self.0.contains(&Piece::Level)
    }
}

/// Walks names in octet order and finds the levels above them that were not among the names.
///
/// The names below a name stand together in that order, though not always right behind it (`a`, `a b`, `a/b`): what
/// is kept are the lengths of those names passed that the present one begins with.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    name: String,
    passed: Vec<usize>,
}

impl Levels {
    /// Goes on to `name`; gives the missing names above it, the highest first. Each is given once.
    pub fn advance(&mut self, name: &str) -> Vec<String> {
        let same = self.name.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
        self.passed.retain(|length| *length <= same);
        let mut missing = Vec::new();
        for parent in super::name::parents(name) {
            if !self.passed.contains(&parent.len()) {
                self.passed.push(parent.len());
                missing.push(parent.to_owned());
            }
        }
        self.passed.push(name.len());
        name.clone_into(&mut self.name);
        missing
    }
}

/// What walks past: a mailbox, a subscription of a name, or a level above one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Is there a mailbox of this name?
    pub exists: bool,
    /// Is the name subscribed? Only known where [`Listing::needs_subscribed`].
    pub subscribed: bool,
    /// Are there mailboxes below it?
    pub children: bool,
    /// RFC 6154.
    pub special_use: Option<SpecialUse>,
    /// Is something below it that was selected?
    pub selected_below: bool,
    /// It is only here because of what is below it.
    pub only_parent: bool,
}

/// A LIST or LSUB command made ready.
#[derive(Clone, Debug)]
pub struct Listing {
    patterns: Vec<Pattern>,
    options: List,
}

impl Listing {
    /// Makes it ready.
    #[must_use]
    pub fn new(options: List) -> Self {
        let patterns = options.patterns.iter().map(|pattern| Pattern::new(&options.reference, pattern)).collect();
        Self { patterns, options }
    }

    /// RFC 3501 6.3.8: an empty pattern asks only for the separator.
    #[must_use]
    pub fn asks_for_separator(&self) -> bool {
        !self.options.extended && self.options.patterns.iter().all(String::is_empty)
    }

    /// The command's options.
    #[must_use]
    pub fn options(&self) -> &List {
        &self.options
    }

    /// Does some pattern match?
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(name))
    }

    /// Is the walk over subscriptions rather than mailboxes?
    #[must_use]
    pub fn walks_subscriptions(&self) -> bool {
        self.options.lsub || self.options.select_subscribed
    }

    /// Must a walk over mailboxes know which of them are subscribed?
    #[must_use]
    pub fn needs_subscribed(&self) -> bool {
        self.options.return_subscribed
    }

    /// Do mailboxes that walk past have to be looked at for children? Always: RFC 3348 adds this to every LIST.
    #[must_use]
    pub fn needs_children(&self) -> bool {
        !self.options.lsub
    }

    /// Is this candidate of the walk selected, so that it and the levels above it are looked at?
    #[must_use]
    pub fn selects(&self, special_use: Option<SpecialUse>) -> bool {
        !self.options.select_special_use || special_use.is_some()
    }

    /// Are levels above selected names looked at, though they were not selected?
    #[must_use]
    pub fn wants_parents(&self) -> bool {
        if self.options.lsub {
            // RFC 3501 6.3.9: `%` must find `foo` where only `foo/bar` is subscribed.
            return self.patterns.iter().any(Pattern::has_level);
        }
        // Where names are selected by nothing but their being there, a missing level is listed like a mailbox.
        let selective = self.options.select_subscribed || self.options.select_special_use;
        !selective || self.options.recursive_match
    }

    /// Does the answer say whether something below was selected (RFC 5258 3.5)?
    #[must_use]
    pub fn wants_child_info(&self) -> bool {
        self.options.recursive_match && !self.options.lsub && self.options.select_subscribed
    }

    /// What is said of a candidate whose name matches, RFC 9051 7.3.1.
    #[must_use]
    pub fn row<'a>(&self, name: &'a str, candidate: Candidate) -> ListRow<'a> {
        let lsub = self.options.lsub;
        let attributes = if lsub {
            // RFC 3501 6.3.9: a level that is not subscribed itself; a name that is, whatever became of its mailbox, is
            // listed as it was subscribed.
            ListAttributes { no_select: candidate.only_parent, ..ListAttributes::default() }
        } else {
            let say_subscribed = self.options.return_subscribed || self.options.select_subscribed;
            ListAttributes {
                // RFC 9051 7.3.1: \NonExistent implies \Noselect; older clients know only the second.
                non_existent: !candidate.exists,
                no_select: !candidate.exists,
                has_children: candidate.children,
                has_no_children: !candidate.children,
                subscribed: say_subscribed && candidate.subscribed,
                // RFC 6154 2: may be in every LIST response; mail programs find the Sent mailbox without asking.
                special_use: candidate.special_use,
                ..ListAttributes::default()
            }
        };
        let child_subscribed = self.wants_child_info() && candidate.selected_below;
        ListRow { lsub, attributes, name, child_subscribed, old_name: None }
    }
}

/// Does the first name from `name + "/"` on lie below `name`?
#[must_use]
pub fn first_below(name: &str, next: Option<&str>) -> bool {
    next.is_some_and(|next| is_below(next, name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::wire::imap::encode::list;
    use crate::wire::imap::{Names, Out};
    use proptest::prelude::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new("", pattern).matches(name)
    }

    #[test]
    fn wildcards_match_within_and_across_levels() {
        assert!(matches("*", "a/b/c") && matches("*", "") && matches("%", "a"));
        assert!(!matches("%", "a/b") && matches("%/%", "a/b") && matches("a/%", "a/b") && !matches("a/%", "a"));
        assert!(matches("a*c", "a/b/c") && !matches("a%c", "a/b/c") && matches("a%/%c", "ab/bc"));
        assert!(matches("%/b*", "a/b/c") && matches("*%*", "a/b") && !matches("", "a") && matches("", ""));
        assert!(Pattern::new("a/", "%").matches("a/b") && !Pattern::new("a/", "%").matches("b"));
        assert!(matches("日%", "日本") && !matches("日", "日本"));
    }

    #[test]
    fn the_inbox_has_no_case() {
        assert!(matches("inbox", "INBOX") && matches("InB%", "INBOX") && matches("inbox/a", "INBOX/a"));
        assert!(!matches("inbox/A", "INBOX/a") && !matches("SENT", "Sent") && !matches("inboxes", "INBOXes"));
    }

    #[test]
    fn a_pattern_of_many_wildcards_is_soon_decided() {
        let pattern = "%a*".repeat(200);
        assert!(!matches(&pattern, &"a".repeat(199)));
        assert!(matches(&pattern, &"a".repeat(200)));
        assert_eq!(Pattern::new("", &"*%".repeat(10_000)).0.len(), 1);
    }

    /// The obvious definition, for short texts.
    fn slow(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((&wild @ ('*' | '%'), rest)) => (0..=name.len())
                .take_while(|&n| n == 0 || wild == '*' || name[n - 1] != '/')
                .any(|n| slow(rest, &name[n..])),
            Some((c, rest)) => name.first() == Some(c) && slow(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn patterns_match_as_defined(pattern in "[ab/%*]{0,8}", name in "[ab/]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &name), slow(&chars(&pattern), &chars(&name)));
        }

        #[test]
        fn missing_levels_are_found_once(names in proptest::collection::btree_set("[a /]{1,6}", 0..12)) {
            let names: Vec<String> =
                names.into_iter().filter(|name| name.split('/').all(|level| !level.is_empty())).collect();
            let mut levels = Levels::default();
            let mut missing: Vec<String> = names.iter().flat_map(|name| levels.advance(name)).collect();
            missing.sort_unstable();
            let mut expected: Vec<String> = names
                .iter()
                .flat_map(|name| super::super::name::parents(name))
                .filter(|parent| !names.iter().any(|name| name == parent))
                .map(str::to_owned)
                .collect();
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(missing, expected);
        }
    }

    #[test]
    fn attributes_follow_the_options() {
        let shown = |listing: &Listing, candidate| {
            let mut room = [0; 256];
            let mut out = Out::new(&mut room);
            list(&mut out, &listing.row("x", candidate), Names::Utf8).unwrap();
            String::from_utf8(out.octets().to_vec()).unwrap()
        };
        let mailbox =
            Candidate { exists: true, subscribed: true, special_use: Some(SpecialUse::Sent), ..Candidate::default() };
        let plain = Listing::new(List { patterns: vec!["*".into()], ..List::default() });
        assert_eq!(shown(&plain, mailbox), "* LIST (\\HasNoChildren \\Sent) \"/\" x\r\n");
        let level = Candidate { children: true, only_parent: true, selected_below: true, ..Candidate::default() };
        assert_eq!(shown(&plain, level), "* LIST (\\NonExistent \\Noselect \\HasChildren) \"/\" x\r\n");
        assert!(plain.wants_parents() && !plain.wants_child_info());

        let recursive = List { select_subscribed: true, recursive_match: true, extended: true, ..List::default() };
        let recursive = Listing::new(List { patterns: vec!["%".into()], ..recursive });
        assert!(recursive.wants_parents());
        assert!(shown(&recursive, level).ends_with(" x (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"));
        assert_eq!(shown(&recursive, mailbox), "* LIST (\\HasNoChildren \\Subscribed \\Sent) \"/\" x\r\n");

        let lsub = Listing::new(List { lsub: true, patterns: vec!["%".into()], ..List::default() });
        assert_eq!(shown(&lsub, mailbox), "* LSUB () \"/\" x\r\n");
        assert_eq!(shown(&lsub, level), "* LSUB (\\Noselect) \"/\" x\r\n");
        assert!(lsub.wants_parents());
        assert!(!Listing::new(List { lsub: true, patterns: vec!["*".into()], ..List::default() }).wants_parents());
    }
}
