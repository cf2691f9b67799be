//! Random changes, some of which must be refused, and the property that the store does what the model does.

use super::Random;
use super::driver::Driver;
use super::model::{Model, OWNERS, Op};
use crate::mail::{FlagChange, FlagSelection, Flags, Keyword, ModSeq, SpecialUse, SystemFlag};
use crate::store::medium::SimulatedMedium;
use crate::store::{MailboxId, UidRanges};
use std::sync::Arc;

const NAMES: [&str; 8] = ["INBOX", "Work", "Work/2024", "Work/2024/May", "Sent", "Archive", "ä/ö", "Archive/x"];

fn selection(random: &mut Random) -> FlagSelection {
    let mut system = Flags::NONE;
    for flag in SystemFlag::ALL {
        if random.below(3) == 0 {
            system = system.with(flag);
        }
    }
    let names = ["$Forwarded", "$junk", "Later", "$FORWARDED"];
    let keywords = (0..random.below(3)).map(|_| Keyword::parse(names[random.below(names.len())]).unwrap()).collect();
    FlagSelection { system, keywords }
}

fn uids(random: &mut Random) -> UidRanges {
    match random.below(4) {
        0 => vec![1..=u32::MAX],
        1 => {
            let begin = 1 + random.below(20) as u32;
            vec![begin..=begin + random.below(6) as u32]
        }
        2 => {
            let begin = 1 + random.below(8) as u32;
            vec![begin..=begin, begin + 3..=begin + 5, begin + 9..=begin + 30]
        }
        _ => {
            let uid = 1 + random.below(30) as u32;
            vec![uid..=uid]
        }
    }
}

fn body(random: &mut Random, large: bool) -> Arc<Vec<u8>> {
    let octets = match random.below(if large { 12 } else { 8 }) {
        0 => 0,
        1..=5 => random.below(900),
        6..=7 => 3_000 + random.below(6_000),
        8 => 60_000 + random.below(10_000),
        9 => crate::store::format::CHUNK_OCTETS_MAX * (1 + random.below(2)),
        _ => 100_000 + random.below(120_000),
    };
    let seed = random.next();
    let mut own = Random(seed);
    Arc::new(core::iter::repeat_with(|| own.next().to_le_bytes()).flatten().take(octets).collect())
}

/// One change that fits the model's state more or less.
pub fn op(random: &mut Random, model: &Model, large: bool) -> Op {
    let mut ids: Vec<MailboxId> = model.mailboxes.keys().copied().collect();
    if random.below(20) == 0 || ids.is_empty() {
        ids.push(MailboxId(model.next_mailbox));
    }
    let mailbox = random.pick(&ids).unwrap();
    let owner = random.pick(&OWNERS).unwrap();
    let name = random.pick(&NAMES).unwrap().to_owned();
    match random.below(100) {
        0..34 => {
            let mut targets = vec![mailbox];
            while random.below(4) == 0 && targets.len() < 4 {
                targets.push(random.pick(&ids).unwrap());
            }
            let quota = |random: &mut Random| (random.below(6) == 0).then(|| random.below(100_000) as u64);
            Op::Deliver {
                targets: targets.into_iter().map(|id| (id, selection(random), quota(random))).collect(),
                body: body(random, large),
                summary: vec![7; random.below(300)],
            }
        }
        34..52 => {
            let since = (random.below(4) == 0).then(|| ModSeq(1 + random.below(40) as u64));
            let change = random.pick(&[FlagChange::Add, FlagChange::Remove, FlagChange::Replace]).unwrap();
            Op::Flags { mailbox, uids: uids(random), change, flags: selection(random), since }
        }
        52..66 => {
            let most = model.mailboxes.get(&mailbox).is_some_and(|mailbox| mailbox.messages.len() > 12);
            let uids = if most { vec![1..=u32::MAX] } else { uids(random) };
            Op::Expunge { mailbox, uids, only_deleted: !most && random.below(2) == 0 }
        }
        66..78 => {
            let to = random.pick(&ids).unwrap();
            Op::Copy { from: mailbox, uids: uids(random), to, remove: random.below(2) == 0 }
        }
        78..86 => {
            let special_use = (random.below(4) == 0).then_some(SpecialUse::Sent);
            Op::Create { owner, name, special_use, subscribed: random.below(2) == 0 }
        }
        86..90 => Op::Delete { mailbox },
        90..93 => Op::Rename { owner, from: name, to: NAMES[random.below(NAMES.len())].to_owned() },
        93..96 => Op::Subscribe { owner, name, subscribed: random.below(3) > 0 },
        _ => {
            let entry = |random: &mut Random| {
                let key = vec![b'k', random.below(12) as u8];
                (key, (random.below(3) > 0).then(|| vec![1; random.below(40)]))
            };
            Op::Directory((0..1 + random.below(4)).map(|_| entry(random)).collect())
        }
    }
}

/// The store answers as the model does, holds what the model holds, and still does after it was opened again.
fn agrees(seed: u64, steps: usize) {
    let random = &mut Random(seed);
    let medium = SimulatedMedium::new();
    let mut driver = Driver::open(&medium, 1_000, seed).unwrap();
    let mut model = Model::new();
    for step in 0..steps {
        let ops: Vec<Op> = (0..1 + random.below(7)).map(|_| op(random, &model, true)).collect();
        driver.tick();
        driver.submit(&ops).unwrap();
        for note in driver.notes.lock().unwrap().drain(..) {
            let expected = model.apply(&note.op, note.now);
            assert_eq!(note.answer.map(|(answer, _)| answer), Some(expected), "seed {seed} step {step}: {:?}", note.op);
        }
        if random.below(12) == 0 {
            let now = driver.now();
            if random.below(2) == 0 {
                driver.writer.checkpoint().unwrap();
            }
            drop(driver);
            driver = Driver::open(&medium, now, random.next()).unwrap();
            assert_eq!(driver.report.damage, Vec::<String>::new());
            assert_eq!(driver.read(), model, "seed {seed} step {step}");
        }
    }
    assert_eq!(driver.read(), model, "seed {seed}");
    // The index is only derived: without it, the log alone gives the same.
    drop(driver);
    medium.put("index", b"no index at all");
    let driver = Driver::open(&medium, 9_999, seed).unwrap();
    assert!(driver.report.rebuilt.is_some());
    assert_eq!(driver.report.damage, Vec::<String>::new());
    assert_eq!(driver.read(), model, "seed {seed}, made anew");
}

#[test]
fn random_workloads_agree_with_a_plain_model() {
    for seed in 0..12 {
        agrees(seed, 60);
    }
}
