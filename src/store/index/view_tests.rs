//! Views against clients that keep a list of UIDs and do what they are told.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, clippy::panic)]

use super::cache::{FRAME_OCTETS, FRAMES_MIN};
use super::testing::SimFile;
use super::{Index, View};
use crate::limits::{EXPUNGED_KEPT_MAX, VIEW_EXPUNGED_RANGES_MAX};
use crate::mail::{Flags, InternalDate, ModSeq, SystemFlag, Uid, UidValidity};
use crate::store::event::Event;
use crate::store::{BlobId, Change, Error, LogPosition, MailboxId, MessageRow, Owner};
use core::num::NonZeroU32;
use proptest::prelude::*;
use std::collections::BTreeMap;

const TINY: usize = FRAMES_MIN * FRAME_OCTETS;
const BOX: MailboxId = MailboxId(7);

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

/// One mailbox between two others, and what it should hold.
struct Bed {
    index: Index,
    at: u32,
    last_uid: u32,
    modseq: u64,
    live: BTreeMap<u32, (Flags, u64)>,
}

impl Bed {
    fn new(cache_octets: usize) -> Self {
        let (mut index, _) = Index::open(Box::new(SimFile::new()), cache_octets).unwrap();
        for id in [6, 7, 8] {
            let created = Event::MailboxCreated {
                id: MailboxId(id),
                owner: Owner(1),
                name: format!("box{id}"),
                uid_validity: UidValidity(NonZeroU32::new(id).unwrap()),
                special_use: None,
            };
            index.apply(&created, LogPosition { segment: 0, offset: id }).unwrap();
        }
        let mut bed = Self { index, at: 100, last_uid: 0, modseq: 1, live: BTreeMap::new() };
        for mailbox in [6, 8] {
            for number in 1..20 {
                bed.apply(&added(MailboxId(mailbox), number, u64::from(number) + 1, Flags::NONE));
            }
        }
        bed
    }

    fn apply(&mut self, event: &Event) {
        self.at += 1;
        self.index.apply(event, LogPosition { segment: 1, offset: self.at }).unwrap();
    }

    fn append(&mut self, skip: u32, flags: Flags) {
        self.last_uid += 1 + skip;
        self.modseq += 1;
        self.live.insert(self.last_uid, (flags, self.modseq));
        let event = added(BOX, self.last_uid, self.modseq, flags);
        self.apply(&event);
    }

    fn expunge(&mut self, uids: &[u32]) {
        self.modseq += 1;
        for uid in uids {
            self.live.remove(uid);
        }
        let uids = uids.iter().map(|number| uid(*number)).collect();
        self.apply(&Event::Expunged { mailbox: BOX, modseq: ModSeq(self.modseq), uids });
    }

    fn store(&mut self, uids: &[u32], flags: Flags) {
        self.modseq += 1;
        for uid in uids {
            self.live.insert(*uid, (flags, self.modseq));
        }
        let messages = uids.iter().map(|number| (uid(*number), flags)).collect();
        self.apply(&Event::FlagsChanged { mailbox: BOX, modseq: ModSeq(self.modseq), messages });
    }

    /// Some messages that are there: `count` of them around a place, every `step`th.
    fn pick(&self, place: usize, count: usize, step: usize) -> Vec<u32> {
        let start = if self.live.is_empty() { 0 } else { place % self.live.len() };
        self.live.keys().copied().skip(start).step_by(step.max(1)).take(count).collect()
    }
}

fn added(mailbox: MailboxId, number: u32, modseq: u64, flags: Flags) -> Event {
    Event::MessageAdded {
        mailbox,
        uid: uid(number),
        modseq: ModSeq(modseq),
        flags,
        internal_date: InternalDate::utc(0),
        saved: 0,
        octets: 10,
        blob: BlobId(u64::from(number)),
    }
}

/// A client and its view.
struct Client {
    view: View,
    /// What the client believes, in order: UID and flags.
    list: Vec<(u32, Flags)>,
}

impl Client {
    fn open(bed: &mut Bed) -> Self {
        let view = bed.index.open_view(BOX).unwrap();
        let list: Vec<_> = bed.live.iter().map(|(uid, (flags, _))| (*uid, *flags)).collect();
        assert_eq!(view.exists() as usize, list.len());
        Self { view, list }
    }

    /// Hears what there is to hear; true if that was nothing.
    fn sync(&mut self, bed: &mut Bed, expunges: bool, max: usize) -> bool {
        let changes = bed.index.sync(&mut self.view, expunges, max).unwrap();
        assert!(changes.len() <= max);
        let mut flags_seen = false;
        for change in &changes {
            match *change {
                Change::Expunged { sequence, uid } => {
                    assert!(expunges && !flags_seen);
                    assert_eq!(self.list.remove(sequence as usize - 1).0, uid.get());
                }
                Change::Exists(exists) => {
                    assert!(exists as usize > self.list.len(), "EXISTS must not repeat or lower the number");
                    let from = self.list.len() as u32 + 1;
                    let new = bed.index.messages_by_sequence(&mut self.view, from..=exists, usize::MAX).unwrap();
                    assert_eq!(new.len() as u32, exists + 1 - from);
                    for (sequence, row) in new {
                        self.list.push((row.uid.get(), row.flags));
                        assert_eq!(self.list.len() as u32, sequence);
                    }
                }
                Change::Flags { sequence, row } => {
                    flags_seen = true;
                    let entry = &mut self.list[sequence as usize - 1];
                    assert_eq!(entry.0, row.uid.get());
                    entry.1 = row.flags;
                }
            }
        }
        assert_eq!(self.view.exists() as usize, self.list.len());
        changes.is_empty()
    }

    fn sync_all(&mut self, bed: &mut Bed, max: usize) {
        while !self.sync(bed, true, max) {}
        assert!(self.view.runs.is_empty());
        assert_eq!(self.view.modseq(), ModSeq(bed.modseq));
        let live: Vec<_> = bed.live.iter().map(|(uid, (flags, _))| (*uid, *flags)).collect();
        assert_eq!(self.list, live);
    }

    /// All questions have the answers that the client's list gives.
    fn compare(&mut self, bed: &mut Bed, low: u32, high: u32, max: usize) {
        let alive = |entry: &(usize, &(u32, Flags))| bed.live.contains_key(&entry.1.0);
        let key = |(sequence, row): (u32, MessageRow)| (sequence, row.uid.get(), row.flags, row.modseq.0);
        let expected: Vec<(u32, u32, Flags, u64)> = self
            .list
            .iter()
            .enumerate()
            .filter(alive)
            .map(|(place, (uid, _))| (place as u32 + 1, *uid, bed.live[uid].0, bed.live[uid].1))
            .collect();
        let (index, view) = (&mut bed.index, &mut self.view);
        let by_sequence: Vec<_> =
            index.messages_by_sequence(view, low..=high, max).unwrap().into_iter().map(key).collect();
        let in_sequence: Vec<_> =
            expected.iter().copied().filter(|row| (low..=high).contains(&row.0)).take(max).collect();
        assert_eq!(by_sequence, in_sequence, "by sequence {low}:{high}");
        let by_uid: Vec<_> = index.messages_by_uid(view, low..=high, max).unwrap().into_iter().map(key).collect();
        let in_uids: Vec<_> = expected.iter().copied().filter(|row| (low..=high).contains(&row.1)).take(max).collect();
        assert_eq!(by_uid, in_uids, "by uid {low}:{high}");
        for (place, &(number, _)) in self.list.iter().enumerate() {
            let sequence = place as u32 + 1;
            let live = bed.live.contains_key(&number);
            let found = index.uid_at(view, sequence).unwrap();
            assert_eq!(found, Some(uid(number)), "uid at {sequence}");
            let found = index.sequence_of(view, uid(number)).unwrap();
            assert!(found == Some(sequence) || (found.is_none() && !live), "sequence of {number}");
        }
        let beyond = self.list.len() as u32 + 1;
        assert_eq!(index.uid_at(view, beyond).unwrap(), None);
        assert_eq!(index.uid_at(view, 0).unwrap(), None);
        let unseen = expected.iter().find(|row| !row.2.has(SystemFlag::Seen)).map(|row| row.0);
        assert_eq!(index.first_unseen(view).unwrap(), unseen);
        assert_eq!(index.last_uid(view).unwrap().map(Uid::get), self.list.last().map(|entry| entry.0));
        // What is there and what is pending make up what the client believes.
        let live = expected.len() as u32;
        assert_eq!(live + view.pending(), view.exists());
        assert!(view.runs.windows(2).all(|pair| pair[0].high < pair[1].low));
    }
}

#[derive(Clone, Debug)]
enum Op {
    Append(u32, u8),
    Expunge(usize, usize, usize),
    Store(usize, usize, usize, u8),
    OwnStore(usize, usize, usize, u8),
    Open,
    Close(usize),
    Sync(usize, bool, usize),
    SyncAll(usize, usize),
    Compare(usize, u32, u32, usize),
}

fn op() -> impl Strategy<Value = Op> {
    let many = prop_oneof![4 => Just(1usize), 2 => 1usize..6, 1 => 1usize..100];
    let max = prop_oneof![Just(1usize), 1usize..8, Just(1000usize)];
    prop_oneof![
        8 => (prop_oneof![5 => Just(0u32), 1 => 1u32..5], any::<u8>()).prop_map(|(skip, flags)| Op::Append(skip, flags)),
        5 => (any::<usize>(), many.clone(), 1usize..4).prop_map(|(place, count, step)| Op::Expunge(place, count, step)),
        3 => (any::<usize>(), many.clone(), 1usize..4, any::<u8>()).prop_map(|(a, b, c, d)| Op::Store(a, b, c, d)),
        1 => (any::<usize>(), many, 1usize..4, any::<u8>()).prop_map(|(a, b, c, d)| Op::OwnStore(a, b, c, d)),
        1 => Just(Op::Open),
        1 => any::<usize>().prop_map(Op::Close),
        4 => (any::<usize>(), any::<bool>(), max.clone()).prop_map(|(client, expunges, max)| Op::Sync(client, expunges, max)),
        1 => (any::<usize>(), max.clone()).prop_map(|(client, max)| Op::SyncAll(client, max)),
        2 => (any::<usize>(), 0u32..60, 0u32..80, max).prop_map(|(client, low, more, max)| Op::Compare(client, low, low + more, max)),
    ]
}

fn flags(bits: u8) -> Flags {
    SystemFlag::ALL
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| bits >> bit & 1 == 1)
        .fold(Flags::NONE, |f, (_, flag)| f.with(flag))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn views_number_messages_as_their_clients_do(start in 0u32..60, ops in proptest::collection::vec(op(), 1..120)) {
        let mut bed = Bed::new(TINY * 4);
        for number in 0..start {
            bed.append(number % 5 / 4, Flags::NONE);
        }
        let mut clients = vec![Client::open(&mut bed), Client::open(&mut bed)];
        for op in ops {
            match op {
                Op::Append(skip, bits) => bed.append(skip, flags(bits)),
                Op::Expunge(place, count, step) => {
                    let uids = bed.pick(place, count, step);
                    if !uids.is_empty() {
                        bed.expunge(&uids);
                    }
                }
                Op::Store(place, count, step, bits) => {
                    let uids = bed.pick(place, count, step);
                    if !uids.is_empty() {
                        bed.store(&uids, flags(bits));
                    }
                }
                Op::OwnStore(place, count, step, bits) => {
                    let Some(client) = clients.first_mut() else { continue };
                    let uids: Vec<u32> = bed.pick(place, count, step).into_iter()
                        .filter(|uid| client.list.iter().any(|entry| entry.0 == *uid)).collect();
                    if !uids.is_empty() {
                        bed.store(&uids, flags(bits));
                        client.view.note_own(ModSeq(bed.modseq));
                        for entry in client.list.iter_mut().filter(|entry| uids.contains(&entry.0)) {
                            entry.1 = flags(bits);
                        }
                    }
                }
                Op::Open if clients.len() < 5 => clients.push(Client::open(&mut bed)),
                Op::Open => {}
                Op::Close(client) => {
                    if clients.len() > 1 {
                        let client = client % clients.len();
                        clients.remove(client);
                    }
                }
                Op::Sync(client, expunges, max) => {
                    let client = client % clients.len();
                    clients[client].sync(&mut bed, expunges, max);
                }
                Op::SyncAll(client, max) => {
                    let client = client % clients.len();
                    clients[client].sync_all(&mut bed, max);
                }
                Op::Compare(client, low, high, max) => {
                    let client = client % clients.len();
                    clients[client].compare(&mut bed, low, high, max);
                }
            }
        }
        for client in &mut clients {
            client.compare(&mut bed, 1, 500, 1000);
            client.sync_all(&mut bed, 3);
            client.compare(&mut bed, 1, 500, 1000);
        }
    }
}

#[test]
fn own_changes_are_not_told_and_others_are() {
    let mut bed = Bed::new(1 << 20);
    for _ in 0..5 {
        bed.append(0, Flags::NONE);
    }
    let mut client = Client::open(&mut bed);
    bed.store(&[2, 3], flags(8));
    client.view.note_own(ModSeq(bed.modseq));
    bed.store(&[3], flags(1));
    let changes = bed.index.sync(&mut client.view, false, 10).unwrap();
    assert!(matches!(changes[..], [Change::Flags { sequence: 3, .. }]), "{changes:?}");
    assert_eq!(client.view.modseq(), ModSeq(bed.modseq));
}

#[test]
fn many_gaps_are_one_run_once_the_mailbox_is_empty() {
    let mut bed = Bed::new(1 << 20);
    // Only every other UID was ever there, and more of them than a view has runs.
    let messages = VIEW_EXPUNGED_RANGES_MAX as u32 * 4;
    for _ in 0..messages {
        bed.append(1, Flags::NONE);
    }
    let mut client = Client::open(&mut bed);
    for place in [0, 1] {
        let uids: Vec<u32> = (1..=messages).filter(|n| n % 2 == place).map(|n| n * 2).collect();
        bed.expunge(&uids);
    }
    client.compare(&mut bed, 1, messages, 9);
    assert_eq!(client.view.runs.len(), 1);
    assert_eq!(bed.index.uid_at(&mut client.view, 1).unwrap(), Some(uid(2)));
    client.sync_all(&mut bed, 100);
}

#[test]
fn a_view_with_too_many_gaps_is_lost_and_stays_so() {
    let mut bed = Bed::new(1 << 20);
    let messages = VIEW_EXPUNGED_RANGES_MAX as u32 * 2 + 4;
    for _ in 0..messages {
        bed.append(0, Flags::NONE);
    }
    let mut view = bed.index.open_view(BOX).unwrap();
    let uids: Vec<u32> = (1..=messages).step_by(2).collect();
    bed.expunge(&uids);
    assert_eq!(bed.index.sync(&mut view, false, 10), Err(Error::ViewLost));
    assert_eq!(bed.index.uid_at(&mut view, 1), Err(Error::ViewLost));
    // One that is told as it goes does not notice.
    let mut client = Client::open(&mut bed);
    let uids: Vec<u32> = (2..=messages).step_by(2).collect();
    for uids in uids.chunks(50) {
        bed.expunge(uids);
        client.sync_all(&mut bed, 7);
    }
}

#[test]
fn a_view_that_slept_beyond_the_history_is_lost() {
    let mut bed = Bed::new(1 << 20);
    let mut view = bed.index.open_view(BOX).unwrap();
    let rounds = EXPUNGED_KEPT_MAX / 1000 + 1;
    for _ in 0..rounds {
        let first = bed.last_uid;
        for _ in 0..1000 {
            bed.append(1, Flags::NONE);
        }
        let uids: Vec<u32> = (1..=1000).map(|n| first + n * 2).collect();
        bed.expunge(&uids);
    }
    assert_eq!(bed.index.sync(&mut view, true, 10), Err(Error::ViewLost));
    let mut fresh = bed.index.open_view(BOX).unwrap();
    assert_eq!(bed.index.sync(&mut fresh, true, 10), Ok(Vec::new()));
}

#[test]
fn a_view_of_a_deleted_mailbox_says_so() {
    let mut bed = Bed::new(1 << 20);
    let mut view = bed.index.open_view(BOX).unwrap();
    bed.apply(&Event::MailboxDeleted { id: BOX });
    assert_eq!(bed.index.sync(&mut view, true, 10), Err(Error::NoSuchMailbox));
    assert_eq!(bed.index.open_view(BOX).map(|_| ()), Err(Error::NoSuchMailbox));
}

#[test]
fn the_last_uid_of_all_can_be_used() {
    let mut bed = Bed::new(1 << 20);
    bed.append(0, Flags::NONE);
    bed.append(u32::MAX - 2, Flags::NONE);
    assert_eq!(bed.index.mailbox_by_id(BOX).unwrap().unwrap().uid_next, None);
    let mut client = Client::open(&mut bed);
    client.compare(&mut bed, 1, u32::MAX, 10);
    bed.expunge(&[u32::MAX]);
    client.compare(&mut bed, 1, u32::MAX, 10);
    client.sync_all(&mut bed, 1);
}
