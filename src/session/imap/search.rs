//! How a SEARCH is decided, message by message, with as little reading as possible.
//!
//! Owns the search keys made ready for one mailbox: numbers resolved, keywords turned into bits, texts folded. What the
//! index row tells is decided at once; for the rest the plan names the cheapest thing to read next ([`Leaf`]) and is
//! asked again with its answer, until the message is decided. So no body is read where a flag already says no.
//! What bounds its memory: [`crate::limits::SEARCH_KEYS_MAX`] keys with the command's own texts.

use crate::mail::{Keyword, ModSeq, SystemFlag};
use crate::store::MessageRow;
use crate::wire::imap::command::{SearchKey, is_saved_result};
use core::ops::RangeInclusive;

/// What of the mailbox the keys refer to.
#[derive(Clone, Copy, Debug)]
pub struct Mailbox<'a> {
    /// Messages that the client knows of.
    pub exists: u32,
    /// The largest UID that the client knows of; zero in an empty mailbox.
    pub last_uid: u32,
    /// From this UID on messages are `\Recent` in this session.
    pub recent_from: u32,
    /// Names of keywords; the index is the bit.
    pub keywords: &'a [Keyword],
    /// RFC 9051 6.4.4.1: UIDs that `$` stands for.
    pub saved: &'a [RangeInclusive<u32>],
}

/// What must be read of a message to decide a key, cheapest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// The Date header against a day, in the summary.
    Sent(Order, i64),
    /// A field of the header with this text in it, folded; empty: the field is there.
    Header(Box<str>, Box<str>),
    /// A text in the body, folded.
    Body(Box<str>),
    /// A text in header or body, folded.
    Text(Box<str>),
}

impl Leaf {
    fn cost(&self) -> u8 {
        match self {
            Self::Sent(..) => 0,
            // The subject stands in the summary.
            Self::Header(name, _) if name.eq_ignore_ascii_case("subject") => 1,
            Self::Header(..) => 2,
            Self::Body(_) => 3,
            Self::Text(_) => 4,
        }
    }
}

/// How a date is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Earlier than the day.
    Before,
    /// On the day.
    On,
    /// On the day or later.
    Since,
}

impl Order {
    /// Is `day` so?
    #[must_use]
    pub fn holds(self, day: i64, than: i64) -> bool {
        match self {
            Self::Before => day < than,
            Self::On => day == than,
            Self::Since => day >= than,
        }
    }
}

/// What the index row alone decides.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RowTest {
    Sequence(Vec<RangeInclusive<u32>>),
    Uid(Vec<RangeInclusive<u32>>),
    Flag(SystemFlag),
    Keyword(u8),
    Recent(u32),
    Date(Order, i64),
    Larger(u64),
    Smaller(u64),
    ModSeq(ModSeq),
}

impl RowTest {
    fn holds(&self, sequence: u32, row: &MessageRow) -> bool {
        match self {
            Self::Sequence(ranges) => contains(ranges, sequence),
            Self::Uid(ranges) => contains(ranges, row.uid.get()),
            Self::Flag(flag) => row.flags.has(*flag),
            Self::Keyword(position) => row.flags.has_keyword(*position),
            Self::Recent(from) => row.uid.get() >= *from,
            // RFC 9051 6.4.4: disregarding time and zone.
            Self::Date(order, day) => order.holds(row.internal_date.local_day(), *day),
            Self::Larger(octets) => row.octets > *octets,
            Self::Smaller(octets) => row.octets < *octets,
            Self::ModSeq(modseq) => row.modseq >= *modseq,
        }
    }
}

fn contains(ranges: &[RangeInclusive<u32>], number: u32) -> bool {
    let after = ranges.partition_point(|range| *range.start() <= number);
    after.checked_sub(1).and_then(|index| ranges.get(index)).is_some_and(|range| range.contains(&number))
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Always(bool),
    And(Vec<Node>),
    Or(Box<(Node, Node)>),
    Not(Box<Node>),
    Row(RowTest),
    Leaf(usize),
}

/// What is known about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It matches, or it does not.
    Known(bool),
    /// Find out about this leaf and ask again.
    Needs(usize),
}

/// The answers about one message's leaves so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers(Vec<Option<bool>>);

impl Answers {
    /// Nothing is known: the next message.
    pub fn clear(&mut self) {
        self.0.fill(None);
    }

    /// Leaf number `leaf` holds or does not.
    pub fn set(&mut self, leaf: usize, holds: bool) {
        if let Some(answer) = self.0.get_mut(leaf) {
            *answer = Some(holds);
        }
    }
}

/// A search made ready.
#[derive(Clone, Debug)]
pub struct SearchPlan {
    root: Node,
    leaves: Vec<Leaf>,
    names_modseq: bool,
    uids: Option<Vec<RangeInclusive<u32>>>,
    sequences: Option<Vec<RangeInclusive<u32>>>,
}

impl SearchPlan {
    /// Makes it ready; `fold` is the folding that texts are compared under.
    #[must_use]
    pub fn new(key: SearchKey, mailbox: &Mailbox<'_>, fold: fn(&str) -> String) -> Self {
        let mut plan =
            Self { root: Node::Always(true), leaves: Vec::new(), names_modseq: false, uids: None, sequences: None };
        plan.root = plan.node(key, mailbox, fold);
        let top = match &plan.root {
            Node::And(nodes) => nodes.as_slice(),
            node => core::slice::from_ref(node),
        };
        for node in top {
            match node {
                Node::Row(RowTest::Uid(ranges)) if plan.uids.is_none() => plan.uids = Some(ranges.clone()),
                Node::Row(RowTest::Sequence(ranges)) if plan.sequences.is_none() => {
                    plan.sequences = Some(ranges.clone());
                }
                _ => {}
            }
        }
        plan
    }

    fn node(&mut self, key: SearchKey, mailbox: &Mailbox<'_>, fold: fn(&str) -> String) -> Node {
        let row = |test| Node::Row(test);
        match key {
            SearchKey::All => Node::Always(true),
            SearchKey::And(keys) => Node::And(keys.into_iter().map(|key| self.node(key, mailbox, fold)).collect()),
            SearchKey::Or(both) => {
                let (one, other) = *both;
                Node::Or(Box::new((self.node(one, mailbox, fold), self.node(other, mailbox, fold))))
            }
            SearchKey::Not(key) => Node::Not(Box::new(self.node(*key, mailbox, fold))),
            SearchKey::Sequence(set) | SearchKey::Uid(set) if is_saved_result(&set) => {
                row(RowTest::Uid(mailbox.saved.to_vec()))
            }
            SearchKey::Sequence(set) => row(RowTest::Sequence(set.resolve(mailbox.exists))),
            SearchKey::Uid(set) => row(RowTest::Uid(set.resolve(mailbox.last_uid))),
            SearchKey::Flag(flag) => row(RowTest::Flag(flag)),
            SearchKey::Keyword(name) => {
                let position = mailbox.keywords.iter().position(|keyword| keyword.same(&name));
                // A keyword that no message of the mailbox ever had.
                position
                    .and_then(|position| u8::try_from(position).ok())
                    .map_or(Node::Always(false), |position| row(RowTest::Keyword(position)))
            }
            SearchKey::Recent => row(RowTest::Recent(mailbox.recent_from)),
            SearchKey::Before(day) => row(RowTest::Date(Order::Before, day)),
            SearchKey::On(day) => row(RowTest::Date(Order::On, day)),
            SearchKey::Since(day) => row(RowTest::Date(Order::Since, day)),
            SearchKey::SentBefore(day) => self.leaf(Leaf::Sent(Order::Before, day)),
            SearchKey::SentOn(day) => self.leaf(Leaf::Sent(Order::On, day)),
            SearchKey::SentSince(day) => self.leaf(Leaf::Sent(Order::Since, day)),
            SearchKey::Larger(octets) => row(RowTest::Larger(octets)),
            SearchKey::Smaller(octets) => row(RowTest::Smaller(octets)),
            SearchKey::Header(name, text) => self.leaf(Leaf::Header(name, fold(&text).into())),
            // RFC 9051 6.4.4: the empty text is in every text.
            SearchKey::Body(text) | SearchKey::Text(text) if text.is_empty() => Node::Always(true),
            SearchKey::Body(text) => self.leaf(Leaf::Body(fold(&text).into())),
            SearchKey::Text(text) => self.leaf(Leaf::Text(fold(&text).into())),
            SearchKey::ModSeq(modseq) => {
                self.names_modseq = true;
                row(RowTest::ModSeq(modseq))
            }
        }
    }

    fn leaf(&mut self, leaf: Leaf) -> Node {
        // The same key twice is read once.
        let index = self.leaves.iter().position(|known| *known == leaf).unwrap_or_else(|| {
            self.leaves.push(leaf);
            self.leaves.len().saturating_sub(1)
        });
        Node::Leaf(index)
    }

    /// No answers about any leaf.
    #[must_use]
    pub fn answers(&self) -> Answers {
        Answers(vec![None; self.leaves.len()])
    }

    /// What leaf number `leaf` asks.
    #[must_use]
    pub fn leaf_at(&self, leaf: usize) -> Option<&Leaf> {
        self.leaves.get(leaf)
    }

    /// RFC 7162 3.1.5: the result tells the highest modseq.
    #[must_use]
    pub fn names_modseq(&self) -> bool {
        self.names_modseq
    }

    /// Only messages with these UIDs can match; `None`: any.
    #[must_use]
    pub fn uids(&self) -> Option<&[RangeInclusive<u32>]> {
        self.uids.as_deref()
    }

    /// Only messages with these sequence numbers can match; `None`: any.
    #[must_use]
    pub fn sequences(&self) -> Option<&[RangeInclusive<u32>]> {
        self.sequences.as_deref()
    }

    /// Does the message match, as far as is known?
    #[must_use]
    pub fn decide(&self, sequence: u32, row: &MessageRow, answers: &Answers) -> Decision {
        self.node_decides(&self.root, sequence, row, answers)
    }

    fn node_decides(&self, node: &Node, sequence: u32, row: &MessageRow, answers: &Answers) -> Decision {
        match node {
            Node::Always(holds) => Decision::Known(*holds),
            Node::Row(test) => Decision::Known(test.holds(sequence, row)),
            Node::Leaf(leaf) => {
                let answer = answers.0.get(*leaf).copied().flatten();
                answer.map_or(Decision::Needs(*leaf), Decision::Known)
            }
            Node::Not(node) => match self.node_decides(node, sequence, row, answers) {
                Decision::Known(holds) => Decision::Known(!holds),
                needs @ Decision::Needs(_) => needs,
            },
            Node::And(nodes) => {
                self.together(nodes.iter().map(|node| self.node_decides(node, sequence, row, answers)), false)
            }
            Node::Or(both) => {
                let nodes = [&both.0, &both.1];
                self.together(nodes.into_iter().map(|node| self.node_decides(node, sequence, row, answers)), true)
            }
        }
    }

    /// One `deciding` among them decides (true for OR, false for AND); otherwise the cheapest need comes first.
    fn together(&self, decisions: impl Iterator<Item = Decision>, deciding: bool) -> Decision {
        let mut needs: Option<(u8, usize)> = None;
        for decision in decisions {
            match decision {
                Decision::Known(holds) if holds == deciding => return Decision::Known(deciding),
                Decision::Known(_) => {}
                Decision::Needs(leaf) => {
                    let cost = self.leaves.get(leaf).map_or(u8::MAX, Leaf::cost);
                    needs = Some(needs.map_or((cost, leaf), |known| known.min((cost, leaf))));
                }
            }
        }
        needs.map_or(Decision::Known(!deciding), |(_, leaf)| Decision::Needs(leaf))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::mail::{Flags, InternalDate, SequenceSet, Uid};
    use crate::store::BlobId;

    fn row(uid: u32, flags: Flags, octets: u64) -> MessageRow {
        MessageRow {
            uid: Uid::new(uid).unwrap(),
            flags,
            modseq: ModSeq(u64::from(uid) * 10),
            internal_date: InternalDate { unix: 86_400 * 3 - 1, zone_minutes: 60 },
            saved: 0,
            octets,
            blob: BlobId(1),
        }
    }

    fn plan(key: SearchKey) -> SearchPlan {
        let keywords = [Keyword::parse("$Forwarded").unwrap(), Keyword::parse("junk").unwrap()];
        let mailbox = Mailbox { exists: 5, last_uid: 50, recent_from: 40, keywords: &keywords, saved: &[40..=41] };
        SearchPlan::new(key, &mailbox, str::to_lowercase)
    }

    fn known(key: SearchKey, row: &MessageRow) -> Option<bool> {
        let plan = plan(key);
        match plan.decide(2, row, &plan.answers()) {
            Decision::Known(holds) => Some(holds),
            Decision::Needs(_) => None,
        }
    }

    #[test]
    fn rows_decide_what_they_can() {
        let row = row(40, Flags::NONE.with(SystemFlag::Seen).with_keyword(1), 1000);
        let set = |text| SequenceSet::parse(text).unwrap();
        let holding = [
            SearchKey::All,
            SearchKey::Flag(SystemFlag::Seen),
            SearchKey::Keyword(Keyword::parse("JUNK").unwrap()),
            SearchKey::Sequence(set("1:2,5")),
            SearchKey::Uid(set("40:*")),
            SearchKey::Sequence(SequenceSet::default()),
            SearchKey::Recent,
            SearchKey::On(3),
            SearchKey::Since(3),
            SearchKey::Before(4),
            SearchKey::Larger(999),
            SearchKey::Smaller(1001),
            SearchKey::ModSeq(ModSeq(400)),
            SearchKey::Body("".into()),
            SearchKey::And(vec![]),
        ];
        for key in holding {
            assert_eq!(known(key.clone(), &row), Some(true), "{key:?}");
            assert_eq!(known(SearchKey::Not(Box::new(key)), &row), Some(false));
        }
        let failing = [
            SearchKey::Flag(SystemFlag::Deleted),
            SearchKey::Keyword(Keyword::parse("never").unwrap()),
            SearchKey::Sequence(set("1,3:*")),
            SearchKey::Uid(set("1:39,41:*")),
            SearchKey::Before(3),
            SearchKey::On(2),
            SearchKey::Larger(1000),
            SearchKey::Smaller(1000),
            SearchKey::ModSeq(ModSeq(401)),
        ];
        for key in failing {
            assert_eq!(known(key.clone(), &row), Some(false), "{key:?}");
        }
    }

    #[test]
    fn the_cheapest_is_read_first_and_nothing_needlessly() {
        let row = row(1, Flags::NONE, 1);
        let text = || SearchKey::Text("x".into());
        let key = SearchKey::And(vec![text(), SearchKey::Header("Subject".into(), "Y".into()), SearchKey::SentOn(5)]);
        let plan = plan(key);
        let mut answers = plan.answers();
        let mut asked = Vec::new();
        while let Decision::Needs(leaf) = plan.decide(1, &row, &answers) {
            asked.push(plan.leaf_at(leaf).unwrap().clone());
            answers.set(leaf, true);
        }
        let subject = Leaf::Header("Subject".into(), "y".into());
        assert_eq!(asked, [Leaf::Sent(Order::On, 5), subject, Leaf::Text("x".into())]);
        assert_eq!(plan.decide(1, &row, &answers), Decision::Known(true));
        answers.clear();
        answers.set(2, false);
        assert_eq!(plan.decide(1, &row, &answers), Decision::Known(false), "one that fails decides");

        let unread = SearchKey::Or(Box::new((text(), SearchKey::All)));
        assert_eq!(known(unread, &row), Some(true));
        let unread = SearchKey::And(vec![text(), SearchKey::Flag(SystemFlag::Seen)]);
        assert_eq!(known(unread, &row), Some(false));
    }

    #[test]
    fn equal_keys_are_one_leaf_and_sets_narrow_the_walk() {
        let set = SequenceSet::parse("7:9").unwrap();
        let key = SearchKey::And(vec![SearchKey::Uid(set), SearchKey::Body("a".into()), SearchKey::Body("A".into())]);
        let plan = plan(key);
        assert_eq!(plan.answers().0.len(), 1);
        assert_eq!(plan.uids(), Some(&[7..=9][..]));
        assert_eq!(plan.sequences(), None);
    }
}
