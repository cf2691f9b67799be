//! What a FETCH needs of each message: the index row, its summary, or its octets.

use super::Enabled;
use crate::wire::imap::command::{FetchItem, SectionText};

/// A FETCH made ready.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchPlan {
    /// What is sent of each message, in this order, nothing twice.
    pub items: Vec<FetchItem>,
    /// Is the summary needed?
    pub summary: bool,
    /// Are octets of the message needed, so that a message may take long?
    pub octets: bool,
    /// RFC 9051 6.4.5: does it set `\Seen`?
    pub sets_seen: bool,
    /// RFC 7162 3.1: is the modseq told with flags that nobody asked for?
    pub seen_modseq: bool,
}

impl FetchPlan {
    /// Makes it ready. `uid`: UID FETCH; `changed_since`: with CHANGEDSINCE; `read_only`: opened with EXAMINE.
    #[must_use]
    pub fn new(mut items: Vec<FetchItem>, uid: bool, changed_since: bool, read_only: bool, enabled: Enabled) -> Self {
        // RFC 9051 6.4.9: every response of UID FETCH has the UID. RFC 7162 3.1.4.1: CHANGEDSINCE asks for MODSEQ.
        if uid && !items.contains(&FetchItem::Uid) {
            items.insert(0, FetchItem::Uid);
        }
        let flags = items.contains(&FetchItem::Flags);
        // RFC 7162 3.1: once CONDSTORE is on, whatever tells flags tells the modseq.
        let modseq = changed_since || (enabled.condstore && flags);
        if modseq && !items.contains(&FetchItem::ModSeq) {
            items.push(FetchItem::ModSeq);
        }
        let mut once: Vec<FetchItem> = Vec::with_capacity(items.len());
        for item in items {
            if !once.contains(&item) {
                once.push(item);
            }
        }
        let needs = once.iter().map(needs);
        let (summary, octets) = needs.fold((false, false), |all, one| (all.0 || one.0, all.1 || one.1));
        let sets_seen = !read_only && once.iter().any(sets_seen);
        let seen_modseq = enabled.condstore && !once.contains(&FetchItem::ModSeq);
        Self { items: once, summary, octets, sets_seen, seen_modseq }
    }
}

/// Does the item need the summary, and octets of the message?
fn needs(item: &FetchItem) -> (bool, bool) {
    match item {
        FetchItem::Flags | FetchItem::Uid | FetchItem::InternalDate | FetchItem::Rfc822Size | FetchItem::ModSeq => {
            (false, false)
        }
        FetchItem::Envelope | FetchItem::Body | FetchItem::BodyStructure => (true, false),
        // All octets of the message are where they are without looking.
        FetchItem::Section { section, .. } => (!section.part.is_empty() || section.text != SectionText::All, true),
        FetchItem::Binary { part, .. } | FetchItem::BinarySize { part } => (!part.is_empty(), true),
    }
}

fn sets_seen(item: &FetchItem) -> bool {
    match item {
        // RFC 3501 6.4.5: RFC822.HEADER is the same as BODY.PEEK[HEADER]; the decoder says so with `peek`.
        FetchItem::Section { peek, .. } | FetchItem::Binary { peek, .. } => !peek,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::imap::command::{Section, SectionName};

    fn body(peek: bool, part: &[u32]) -> FetchItem {
        let section = Section { part: part.to_vec(), text: SectionText::All };
        FetchItem::Section { section, peek, partial: None, name: SectionName::Body }
    }

    #[test]
    fn plans_know_what_they_need() {
        let plan = |items| FetchPlan::new(items, false, false, false, Enabled::default());
        let rows = plan(vec![FetchItem::Flags, FetchItem::Uid, FetchItem::Flags]);
        assert_eq!(rows.items, [FetchItem::Flags, FetchItem::Uid]);
        assert!(!rows.summary && !rows.octets && !rows.sets_seen);
        let envelope = plan(vec![FetchItem::Envelope]);
        assert!(envelope.summary && !envelope.octets);
        let whole = plan(vec![body(false, &[])]);
        assert!(!whole.summary && whole.octets && whole.sets_seen);
        assert!(plan(vec![body(true, &[1])]).summary && !plan(vec![body(true, &[1])]).sets_seen);
        let read_only = FetchPlan::new(vec![body(false, &[])], false, false, true, Enabled::default());
        assert!(!read_only.sets_seen);
    }

    #[test]
    fn uid_and_modseq_are_added_where_they_must_be() {
        let condstore = Enabled { rev2: false, condstore: true };
        let plan = FetchPlan::new(vec![FetchItem::Flags], true, false, false, condstore);
        assert_eq!(plan.items, [FetchItem::Uid, FetchItem::Flags, FetchItem::ModSeq]);
        let plan = FetchPlan::new(vec![FetchItem::Uid], false, true, false, condstore);
        assert_eq!(plan.items, [FetchItem::Uid, FetchItem::ModSeq]);
        let plan = FetchPlan::new(vec![FetchItem::Envelope], false, false, false, condstore);
        assert_eq!(plan.items, [FetchItem::Envelope]);
        assert!(plan.seen_modseq);
        let plan = FetchPlan::new(vec![body(false, &[]), FetchItem::ModSeq], false, false, false, condstore);
        assert!(plan.sets_seen && !plan.seen_modseq);
    }
}
