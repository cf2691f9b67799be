//! Events against a plain model of what they mean; recovery, replay and damage of the whole index.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, clippy::panic)]

use super::cache::{FRAME_OCTETS, FRAMES_MIN};
use super::testing::{SimFile, check_tree};
use super::{Covered, Index, Opened};
use crate::mail::{Flags, InternalDate, Keyword, ModSeq, SystemFlag, Uid, UidValidity};
use crate::store::event::Event;
use crate::store::medium::{Medium, SimulatedMedium};
use crate::store::{BlobId, Error, Extent, LogPosition, MailboxId, Owner};
use core::num::NonZeroU32;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const TINY: usize = FRAMES_MIN * FRAME_OCTETS;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Box_ {
    owner: u32,
    name: String,
    last_uid: u32,
    modseq: u64,
    keywords: Vec<String>,
    messages: BTreeMap<u32, (Flags, u64, u64, u64)>,
}

/// What the index should hold, and the log that says so.
#[derive(Clone, Debug, Default)]
struct Model {
    boxes: BTreeMap<u32, Box_>,
    subscribed: BTreeSet<(u32, String)>,
    directory: BTreeMap<Vec<u8>, Vec<u8>>,
    next_mailbox: u32,
    next_blob: u64,
    blob_octets: BTreeMap<u64, (u64, Vec<Extent>, LogPosition)>,
    log: Vec<(LogPosition, Event)>,
}

#[derive(Clone, Debug)]
enum Op {
    Create(u32, &'static str),
    Delete(usize),
    Rename(usize, &'static str),
    Subscribe(u32, &'static str, bool),
    Keyword(usize),
    Deliver(usize, usize, u64, u8),
    Store(usize, usize, usize, u8),
    Expunge(usize, usize, usize),
    Move(usize, usize, usize),
    Directory(u8, Option<u16>),
    Checkpoint,
    Crash(bool),
}

const NAMES: [&str; 8] = ["INBOX", "a", "a/b", "a/b/c", "a!", "b", "b/c", "\u{e4}/\u{20ac}"];

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn flags(bits: u8) -> Flags {
    let system = SystemFlag::ALL.into_iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    system.fold(Flags::NONE, |flags, (_, flag)| flags.with(flag))
}

fn op() -> impl Strategy<Value = Op> {
    let name = || (0..NAMES.len()).prop_map(|name| NAMES[name]);
    let place = any::<usize>;
    prop_oneof![
        3 => (1u32..3, name()).prop_map(|(owner, name)| Op::Create(owner, name)),
        1 => place().prop_map(Op::Delete),
        1 => (place(), name()).prop_map(|(mailbox, name)| Op::Rename(mailbox, name)),
        1 => (1u32..3, name(), any::<bool>()).prop_map(|(owner, name, on)| Op::Subscribe(owner, name, on)),
        1 => place().prop_map(Op::Keyword),
        8 => (place(), place(), 1u64..200_000, any::<u8>()).prop_map(|(a, b, octets, bits)| Op::Deliver(a, b, octets, bits)),
        3 => (place(), place(), 1usize..8, any::<u8>()).prop_map(|(a, b, c, d)| Op::Store(a, b, c, d)),
        3 => (place(), place(), 1usize..8).prop_map(|(a, b, c)| Op::Expunge(a, b, c)),
        2 => (place(), place(), place()).prop_map(|(a, b, c)| Op::Move(a, b, c)),
        2 => (0u8..20, proptest::option::of(any::<u16>())).prop_map(|(key, value)| Op::Directory(key, value)),
        1 => Just(Op::Checkpoint),
        1 => any::<bool>().prop_map(Op::Crash),
    ]
}

impl Model {
    fn position(&self) -> LogPosition {
        LogPosition { segment: 1 + self.log.len() as u32 / 50, offset: 4096 + self.log.len() as u32 * 64 }
    }

    fn log(&mut self, event: Event) {
        self.log.push((self.position(), event));
    }

    fn pick(&self, place: usize) -> Option<u32> {
        self.boxes.keys().copied().nth(place % self.boxes.len().max(1))
    }

    fn messages(&self, mailbox: u32, place: usize, count: usize) -> Vec<u32> {
        let messages = &self.boxes[&mailbox].messages;
        messages.keys().copied().skip(place % messages.len().max(1)).step_by(1 + place % 2).take(count).collect()
    }

    fn add(&mut self, mailbox: u32, blob: u64, octets: u64, flags: Flags) {
        let row = self.boxes.get_mut(&mailbox).unwrap();
        row.last_uid += 1;
        row.modseq += 1;
        row.messages.insert(row.last_uid, (flags, row.modseq, octets, blob));
        let event = Event::MessageAdded {
            mailbox: MailboxId(mailbox),
            uid: uid(row.last_uid),
            modseq: ModSeq(row.modseq),
            flags,
            internal_date: InternalDate::utc(7),
            saved: 9,
            octets,
            blob: BlobId(blob),
        };
        self.log(event);
    }

    fn expunge(&mut self, mailbox: u32, uids: &[u32]) {
        let row = self.boxes.get_mut(&mailbox).unwrap();
        row.modseq += 1;
        let modseq = ModSeq(row.modseq);
        row.messages.retain(|uid, _| !uids.contains(uid));
        let uids = uids.iter().map(|number| uid(*number)).collect();
        self.log(Event::Expunged { mailbox: MailboxId(mailbox), modseq, uids });
    }

    fn take(&mut self, op: &Op) {
        match *op {
            Op::Create(owner, name) => {
                if self.boxes.values().any(|row| row.owner == owner && row.name == name) {
                    return;
                }
                self.next_mailbox += 1;
                let (id, name) = (self.next_mailbox, name.to_owned());
                let row = Box_ {
                    owner,
                    name: name.clone(),
                    last_uid: 0,
                    modseq: 1,
                    keywords: vec![],
                    messages: BTreeMap::new(),
                };
                self.boxes.insert(id, row);
                let uid_validity = UidValidity(NonZeroU32::new(id * 10).unwrap());
                let (id, owner) = (MailboxId(id), Owner(owner));
                self.log(Event::MailboxCreated { id, owner, name, uid_validity, special_use: None });
            }
            Op::Delete(place) => {
                let Some(mailbox) = self.pick(place) else { return };
                let uids = self.messages(mailbox, 0, usize::MAX);
                if !uids.is_empty() {
                    self.expunge(mailbox, &uids);
                }
                self.boxes.remove(&mailbox);
                self.log(Event::MailboxDeleted { id: MailboxId(mailbox) });
            }
            Op::Rename(place, to) => {
                let Some(mailbox) = self.pick(place) else { return };
                let Box_ { owner, name: from, .. } = self.boxes[&mailbox].clone();
                let inferiors = format!("{from}/");
                let taken = |name: &str| self.boxes.values().any(|row| row.owner == owner && row.name == name);
                let moved = |name: &str| name == from || name.starts_with(&inferiors);
                let renamed = |name: &str| format!("{to}{}", &name[from.len()..]);
                let all: Vec<(u32, String)> = self
                    .boxes
                    .iter()
                    .filter(|(_, row)| row.owner == owner && moved(&row.name))
                    .map(|(id, row)| (*id, renamed(&row.name)))
                    .collect();
                if to == from || to.starts_with(&inferiors) || all.iter().any(|(_, name)| taken(name)) {
                    return;
                }
                for (id, name) in all {
                    self.boxes.get_mut(&id).unwrap().name = name;
                }
                self.log(Event::MailboxRenamed { owner: Owner(owner), from, to: to.to_owned() });
            }
            Op::Subscribe(owner, name, subscribed) => {
                let entry = (owner, name.to_owned());
                if subscribed {
                    self.subscribed.insert(entry);
                } else {
                    self.subscribed.remove(&entry);
                }
                self.log(Event::Subscribed { owner: Owner(owner), name: name.to_owned(), subscribed });
            }
            Op::Keyword(place) => {
                let Some(mailbox) = self.pick(place) else { return };
                let keywords = &mut self.boxes.get_mut(&mailbox).unwrap().keywords;
                if keywords.len() == 64 {
                    return;
                }
                let position = keywords.len() as u8;
                let name = format!("$Key{position}");
                keywords.push(name.clone());
                let name = Keyword::parse(&name).unwrap();
                self.log(Event::KeywordAdded { mailbox: MailboxId(mailbox), position, name });
            }
            Op::Deliver(first, second, octets, bits) => {
                let (Some(first), Some(second)) = (self.pick(first), self.pick(second)) else { return };
                self.next_blob += 1;
                let at = self.position();
                let half = |part: u64| Extent {
                    at: LogPosition { segment: at.segment + (part as u32 % 2), offset: 0 },
                    octets: part as u32,
                };
                let extents = vec![half(octets / 3), half(octets - octets / 3)];
                let (id, summary) = (BlobId(self.next_blob), Extent { at, octets: 100 });
                let mut all = extents.clone();
                all.push(summary);
                self.blob_octets.insert(self.next_blob, (octets, all, at));
                self.log(Event::BlobAdded { id, octets, extents, summary });
                self.add(first, id.0, octets, flags(bits));
                if second != first {
                    self.add(second, id.0, octets, Flags::NONE);
                }
            }
            Op::Store(mailbox, place, count, bits) => {
                let Some(mailbox) = self.pick(mailbox) else { return };
                let uids = self.messages(mailbox, place, count);
                if uids.is_empty() {
                    return;
                }
                let row = self.boxes.get_mut(&mailbox).unwrap();
                row.modseq += 1;
                for uid in &uids {
                    let message = row.messages.get_mut(uid).unwrap();
                    (message.0, message.1) = (flags(bits), row.modseq);
                }
                let modseq = ModSeq(row.modseq);
                let messages = uids.into_iter().map(|number| (uid(number), flags(bits))).collect();
                self.log(Event::FlagsChanged { mailbox: MailboxId(mailbox), modseq, messages });
            }
            Op::Expunge(mailbox, place, count) => {
                let Some(mailbox) = self.pick(mailbox) else { return };
                let uids = self.messages(mailbox, place, count);
                if !uids.is_empty() {
                    self.expunge(mailbox, &uids);
                }
            }
            Op::Move(from, to, place) => {
                let (Some(from), Some(to)) = (self.pick(from), self.pick(to)) else { return };
                let uids = self.messages(from, place, 2);
                if from == to || uids.is_empty() {
                    return;
                }
                for uid in &uids {
                    let (flags, _, octets, blob) = self.boxes[&from].messages[uid];
                    self.add(to, blob, octets, flags);
                }
                self.expunge(from, &uids);
            }
            Op::Directory(key, value) => {
                let key = vec![b'k', key / 10, key];
                let value = value.map(|value| value.to_be_bytes().to_vec());
                match value.clone() {
                    Some(value) => drop(self.directory.insert(key.clone(), value)),
                    None => drop(self.directory.remove(&key)),
                }
                self.log(Event::Directory { key, value });
            }
            Op::Checkpoint | Op::Crash(_) => {}
        }
    }

    /// Every question has the model's answer.
    fn check(&self, index: &mut Index) {
        let mut references: BTreeMap<u64, u32> = BTreeMap::new();
        for owner in 0..4u32 {
            let owned: BTreeMap<&str, u32> = self
                .boxes
                .iter()
                .filter(|(_, row)| row.owner == owner)
                .map(|(id, row)| (row.name.as_str(), *id))
                .collect();
            let mut listed = Vec::new();
            loop {
                let after: Option<String> = listed.last().map(|(name, _): &(String, u32)| name.clone());
                let step = index.mailboxes(Owner(owner), after.as_deref(), 2).unwrap();
                if step.is_empty() {
                    break;
                }
                listed.extend(step.into_iter().map(|row| (row.name, row.id.0)));
            }
            assert!(listed.iter().map(|(name, id)| (name.as_str(), *id)).eq(owned.clone()), "{listed:?} {owned:?}");
            assert_eq!(index.mailbox_count(Owner(owner)).unwrap(), owned.len() as u64);
            let subscribed: Vec<&String> =
                self.subscribed.iter().filter(|entry| entry.0 == owner).map(|entry| &entry.1).collect();
            assert!(index.subscriptions(Owner(owner), None, 100).unwrap().iter().eq(subscribed));
            let rows = || self.boxes.values().filter(|row| row.owner == owner).flat_map(|row| row.messages.values());
            let usage = index.usage(Owner(owner)).unwrap();
            assert_eq!((usage.messages, usage.octets), (rows().count() as u64, rows().map(|row| row.2).sum()));
        }
        for (id, model) in &self.boxes {
            let row = index.mailbox_by_id(MailboxId(*id)).unwrap().unwrap();
            assert_eq!(index.mailbox(Owner(model.owner), &model.name).unwrap().as_ref(), Some(&row));
            assert_eq!(row.uid_next, Uid::new(model.last_uid + 1));
            assert_eq!(row.highest_modseq, ModSeq(model.modseq));
            assert_eq!(row.messages as usize, model.messages.len());
            let with = |flag| model.messages.values().filter(|message| message.0.has(flag)).count();
            assert_eq!(row.unseen as usize, model.messages.len() - with(SystemFlag::Seen));
            assert_eq!(row.deleted as usize, with(SystemFlag::Deleted));
            assert_eq!(row.octets, model.messages.values().map(|message| message.2).sum::<u64>());
            assert!(row.keywords.iter().map(Keyword::as_str).eq(model.keywords.iter()));
            let messages = index.messages_in(row.id, &vec![0..=u32::MAX], usize::MAX).unwrap();
            let found: Vec<_> =
                messages.iter().map(|m| (m.uid.get(), (m.flags, m.modseq.0, m.octets, m.blob.0))).collect();
            assert!(found.iter().copied().eq(model.messages.iter().map(|(uid, message)| (*uid, *message))));
            let some = index.messages_in(row.id, &vec![2..=4, 7..=9], 4).unwrap();
            let wanted = messages.iter().filter(|m| [2, 3, 4, 7, 8, 9].contains(&m.uid.get())).take(4);
            assert!(some.iter().eq(wanted));
            let deleted = index.deleted_in(row.id, &vec![1..=u32::MAX], 1000).unwrap();
            assert!(deleted.iter().eq(messages.iter().filter(|m| m.flags.has(SystemFlag::Deleted))));
            for message in model.messages.values() {
                *references.entry(message.3).or_default() += 1;
            }
        }
        let mut live: BTreeMap<u32, u64> = BTreeMap::new();
        for blob in 1..=self.next_blob {
            let row = index.blob(BlobId(blob)).unwrap();
            let (octets, extents, at) = &self.blob_octets[&blob];
            assert_eq!(row.map(|row| row.references), references.get(&blob).copied());
            if let Some(row) = row {
                assert_eq!((row.octets, row.event_at), (*octets, *at));
                for extent in extents {
                    *live.entry(extent.at.segment).or_default() += u64::from(extent.octets);
                }
            }
        }
        live.retain(|_, octets| *octets > 0);
        assert!(index.segments(0, 1000).unwrap().into_iter().eq(live), "octets of segments");
        let found = index.directory_range(b"k", None, 1000).unwrap();
        assert!(found.iter().map(|(k, v)| (k, v)).eq(&self.directory));
        let found = index.directory_range(&[b'k', 1], Some(&[b'k', 1, 14]), 3).unwrap();
        let wanted = self.directory.iter().filter(|(key, _)| key[1] == 1 && key[2] > 14).take(3);
        assert!(found.iter().map(|(k, v)| (k, v)).eq(wanted));
        assert_eq!(index.next_mailbox_id().0, self.next_mailbox + 1);
        assert_eq!(index.next_blob_id().0, self.next_blob + 1);
        assert_eq!(index.last_uid_validity().map_or(0, UidValidity::get), self.next_mailbox * 10);
        check_tree(&mut index.tree);
    }
}

fn replay(index: &mut Index, log: &[(LogPosition, Event)]) {
    for (at, event) in log {
        index.apply(event, *at).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn the_index_is_what_the_log_says(ops in proptest::collection::vec(op(), 1..150), from in any::<usize>()) {
        let mut file = SimFile::new();
        let (mut index, opened) = Index::open(Box::new(file.clone()), TINY).unwrap();
        prop_assert_eq!(opened, Opened::Fresh);
        let mut model = Model::default();
        let mut covered = None;
        for (step, op) in ops.iter().enumerate() {
            let before = model.log.len();
            model.take(op);
            replay(&mut index, &model.log[before..]);
            match op {
                Op::Checkpoint => {
                    let now = Covered { position: model.position(), sequence: step as u64, chain: step as u32 };
                    index.checkpoint(now).unwrap();
                    covered = Some(now);
                }
                Op::Crash(keep) => {
                    file = file.cut(|| *keep);
                    let (again, opened) = Index::open(Box::new(file.clone()), TINY).unwrap();
                    prop_assert_eq!(opened, covered.map_or(Opened::Fresh, Opened::Checkpoint));
                    index = again;
                    // The whole log: what the checkpoint holds is passed over.
                    replay(&mut index, &model.log);
                }
                _ => {}
            }
        }
        model.check(&mut index);
        // The end of the log once more, as far as no mailbox went or got another name: deliveries into one that is gone
        // leave a body without a message behind. (A checkpoint's position keeps both from happening.)
        index.covered = None;
        let from = from % (model.log.len() + 1);
        let names = model.log.iter().rposition(|(_, event)| matches!(event, Event::MailboxRenamed { .. } | Event::MailboxDeleted { .. }));
        replay(&mut index, &model.log[from.max(names.map_or(0, |at| at + 1))..]);
        model.check(&mut index);
        // Compaction says what is there again, further on, and nothing but the places of blobs changes.
        for (id, row) in model.boxes.clone() {
            for (number, (flags, modseq, octets, blob)) in row.messages {
                let at = model.position();
                let (_, all, placed) = model.blob_octets.get_mut(&blob).unwrap();
                *placed = at;
                let (summary, extents) = (all[2], all[..2].to_vec());
                model.log(Event::BlobAdded { id: BlobId(blob), octets, extents, summary });
                model.log(Event::MessageAdded {
                    mailbox: MailboxId(id), uid: uid(number), modseq: ModSeq(modseq), flags,
                    internal_date: InternalDate::utc(7), saved: 9, octets, blob: BlobId(blob),
                });
                let again = model.log.len() - 2;
                replay(&mut index, &model.log[again..]);
            }
        }
        model.check(&mut index);
    }
}

fn filled(file: &SimFile) -> (Index, Model) {
    let (mut index, _) = Index::open(Box::new(file.clone()), TINY).unwrap();
    let mut model = Model::default();
    model.take(&Op::Create(1, "INBOX"));
    for _ in 0..500 {
        model.take(&Op::Deliver(0, 0, 1000, 0));
    }
    replay(&mut index, &model.log);
    index.checkpoint(Covered { position: model.position(), sequence: 1, chain: 2 }).unwrap();
    (index, model)
}

#[test]
fn a_damaged_index_can_be_made_anew() {
    let file = SimFile::new();
    let (_, model) = filled(&file);
    let file = file.cut(|| true);
    // Both headers and pages after them, one at a time.
    let mut errors = 0;
    for page in [0, 1].into_iter().chain((2..62).step_by(5)) {
        let file = file.cut(|| true);
        file.hurt(page * 4096 + 60);
        let (mut index, opened) = Index::open(Box::new(file), TINY).unwrap();
        let asked = index.messages_in(MailboxId(1), &vec![1..=u32::MAX], usize::MAX);
        let applied =
            index.apply(&Event::Directory { key: vec![1], value: None }, LogPosition { segment: 900, offset: 0 });
        errors += usize::from(asked.is_err());
        if let Opened::Unusable(_) = opened {
            assert!(asked.is_err() && applied.is_err());
        }
        index.reset().unwrap();
        replay(&mut index, &model.log);
        model.check(&mut index);
    }
    assert!(errors > 0, "only {errors} damages were noticed");
}

#[test]
fn an_index_with_a_damaged_page_is_not_kept() {
    let file = SimFile::new();
    drop(filled(&file));
    let file = file.cut(|| true);
    file.hurt(9 * 4096 + 60);
    let (mut index, opened) = Index::open(Box::new(file.clone()), TINY).unwrap();
    let Opened::Checkpoint(covered) = opened else { panic!("{opened:?}") };
    index.checkpoint(covered).unwrap();
    let mut asked = Ok(Vec::new());
    for blob in 0..500 {
        asked = asked.and(index.blob(BlobId(blob)).map(|_| Vec::new()));
    }
    asked = asked.and(index.messages_in(MailboxId(1), &vec![1..=u32::MAX], usize::MAX));
    assert!(matches!(asked, Err(Error::Damaged(_))) && index.figures().damaged, "{asked:?}");
    // The power is cut: nobody has come to make a checkpoint.
    assert_eq!(Index::open(Box::new(file.cut(|| false)), TINY).unwrap().1, Opened::Fresh);
    index.checkpoint(covered).unwrap();
    assert_eq!(Index::open(Box::new(file), TINY).unwrap().1, Opened::Fresh);
}

/// What is in the log is taken in, and can be read, whatever the card has room for.
#[test]
fn on_a_full_card_the_index_stays_in_memory() {
    let put = |number: u32| Event::Directory { key: number.to_be_bytes().to_vec(), value: Some(vec![7; 1000]) };
    for (cache_octets, all) in [(4 << 20, true), (80 * FRAME_OCTETS, false)] {
        let medium = SimulatedMedium::new();
        let (mut index, _) = Index::open(medium.create("index").unwrap(), cache_octets).unwrap();
        index.reserve().unwrap();
        medium.set_capacity(0);
        let mut last = 0;
        let failed = (1..=3_000).find_map(|number| {
            let taken = index.apply(&put(number), LogPosition { segment: 1, offset: number * 64 });
            last = number - u32::from(taken.is_err());
            taken.err()
        });
        assert_eq!(failed, (!all).then_some(Error::Full));
        assert!(last > 700, "{last}");
        assert_eq!(index.reserve(), Err(Error::Full));
        let position = LogPosition { segment: 2, offset: 0 };
        let covered = Covered { position, sequence: 1, chain: 1 };
        let made = index.checkpoint(covered);
        if all {
            assert_eq!(made, Err(Error::Full));
        } else {
            assert_eq!(made, Err(Error::ReadOnly));
            assert_eq!(index.apply(&put(1), position), Err(Error::ReadOnly));
        }
        for number in 1..=last {
            assert!(index.directory(&number.to_be_bytes()).unwrap().is_some(), "{number}");
        }
        if all {
            medium.set_capacity(1 << 30);
            index.checkpoint(covered).unwrap();
            let file = medium.open("index").unwrap().unwrap();
            let (mut index, opened) = Index::open(file, TINY).unwrap();
            assert_eq!(opened, Opened::Checkpoint(covered));
            assert_eq!(index.directory_range(&[], None, 5_000).unwrap().len(), 3_000);
        }
    }
}

#[test]
fn a_failed_sync_ends_all_changes_but_not_reading() {
    let file = SimFile::new();
    let (mut index, mut model) = filled(&file);
    let before = model.log.len();
    model.take(&Op::Deliver(0, 0, 1000, 0));
    replay(&mut index, &model.log[before..]);
    let covered = Covered { position: model.position(), sequence: 2, chain: 2 };
    // Pages and bitmap are written; the sync fails.
    let mut writes = 0;
    let error = loop {
        let probe = file.clone();
        probe.fail_after(writes);
        match index.checkpoint(covered) {
            Err(Error::ReadOnly) => break Error::ReadOnly,
            Err(_) => writes += 1,
            Ok(()) => panic!("no sync failed"),
        }
    };
    assert_eq!(error, Error::ReadOnly);
    let (at, event) = &model.log[before];
    assert_eq!(index.apply(event, *at), Err(Error::ReadOnly));
    model.check(&mut index);
}

#[test]
fn what_a_deleted_mailbox_leaves_is_swept_up() {
    let file = SimFile::new();
    let (mut index, mut model) = filled(&file);
    let before = model.log.len();
    model.take(&Op::Delete(0));
    for _ in 0..60 {
        model.take(&Op::Directory(1, Some(1)));
    }
    replay(&mut index, &model.log[before..]);
    model.check(&mut index);
    // One entry of the directory and the owner's usage are left.
    assert_eq!(index.figures().entries, 2);
}

/// Prints what a million messages cost. `cargo test --release -- --ignored --nocapture a_million`
#[test]
#[ignore = "takes a while; prints figures"]
fn a_million_messages_in_the_same_memory() {
    let messages: u32 = 1_000_000;
    let directory = tempfile::tempdir().unwrap();
    let medium = crate::store::FileMedium::open(directory.path()).unwrap();
    let file = crate::store::medium::Medium::create(&medium, "index").unwrap();
    let (mut index, _) = Index::open(file, crate::limits::INDEX_CACHE_OCTETS).unwrap();
    let mut model = Model::default();
    model.take(&Op::Create(1, "INBOX"));
    model.take(&Op::Create(1, "other"));
    let start = std::time::Instant::now();
    let (mut batches, mut slowest) = (0u32, core::time::Duration::ZERO);
    for round in 0..messages / 1000 {
        for _ in 0..1000 {
            model.take(&Op::Deliver(0, 0, 4096, 0));
        }
        model.boxes.get_mut(&1).unwrap().messages.clear();
        model.blob_octets.clear();
        let log = core::mem::take(&mut model.log);
        for (at, event) in log {
            let at = LogPosition { segment: at.segment + round * 100, ..at };
            index.apply(&event, at).unwrap();
        }
        if round % 10 == 9 {
            let begin = std::time::Instant::now();
            index
                .checkpoint(Covered {
                    position: LogPosition { segment: round * 100, offset: 0 },
                    sequence: 0,
                    chain: 0,
                })
                .unwrap();
            slowest = slowest.max(begin.elapsed());
            batches += 1;
        }
    }
    println!("{messages} messages in {:?}, {batches} checkpoints, slowest {slowest:?}", start.elapsed());
    println!("{:?}", index.figures());
    let mailbox = MailboxId(1);
    let timed = |what: &str, start: std::time::Instant| println!("{what}: {:?}", start.elapsed());
    let start = std::time::Instant::now();
    let mut view = index.open_view(mailbox).unwrap();
    timed("open a view", start);
    let start = std::time::Instant::now();
    assert_eq!(index.first_unseen(&mut view).unwrap(), Some(1));
    timed("first unseen", start);
    let start = std::time::Instant::now();
    assert_eq!(index.messages_by_sequence(&mut view, 500_000..=500_099, 100).unwrap().len(), 100);
    timed("100 messages in the middle", start);
    let start = std::time::Instant::now();
    let mut from = 1;
    loop {
        let step = index.messages_by_sequence(&mut view, from..=u32::MAX, 1000).unwrap();
        let Some((last, _)) = step.last() else { break };
        from = last + 1;
    }
    assert_eq!(from, messages + 1);
    timed("all messages in steps of 1000", start);
    let start = std::time::Instant::now();
    for first in (1..messages).step_by(1024) {
        let uids = (first..(first + 1024).min(messages + 1)).map(uid).collect();
        let modseq = ModSeq(u64::from(messages + 1 + first));
        index
            .apply(&Event::Expunged { mailbox, modseq, uids }, LogPosition { segment: 1 << 30, offset: first })
            .unwrap();
    }
    timed("all expunged in steps of 1024", start);
    let start = std::time::Instant::now();
    let mut told = 0;
    loop {
        let step = index.sync(&mut view, true, 1000).unwrap();
        if step.is_empty() {
            break;
        }
        told += step.len();
    }
    assert_eq!(told, messages as usize);
    timed("all of that told to a view", start);
    index
        .checkpoint(Covered { position: LogPosition { segment: 1 << 30, offset: u32::MAX }, sequence: 0, chain: 0 })
        .unwrap();
    println!("{:?}", index.figures());
}
