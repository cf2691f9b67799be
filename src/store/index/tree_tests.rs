//! The tree against a plain map: with a tiny cache, over checkpoints, and through power cuts at every write.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, clippy::panic)]

use super::cache::{FRAME_OCTETS, FRAMES_MIN};
use super::pager::Found;
use super::testing::{SimFile, check_tree, tree_over};
use super::tree::{KEY_OCTETS_MAX, Tree, VALUE_OCTETS_MAX};
use super::{Counters, Covered};
use crate::store::LogPosition;
use core::ops::ControlFlow;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

const TINY: usize = FRAMES_MIN * FRAME_OCTETS;

fn covered(sequence: u64) -> Covered {
    Covered { position: LogPosition { segment: 1, offset: 0 }, sequence, chain: 0 }
}

fn checkpoint(tree: &mut Tree, sequence: u64) -> Result<(), crate::store::Error> {
    tree.pager.write_out()?;
    tree.pager.commit(tree.root, tree.entries, covered(sequence), Counters::default())
}

#[derive(Clone, Debug)]
enum Op {
    Put(Vec<u8>, Vec<u8>),
    Run(u16, u16, usize),
    Remove(Vec<u8>),
    RemoveRun(u16, u16),
    Checkpoint,
    Reopen,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => (0u16..500).prop_map(|n| n.to_be_bytes().to_vec()),
        1 => proptest::collection::vec(0u8..3, 0..12),
        1 => (0u8..4, 400..=KEY_OCTETS_MAX).prop_map(|(octet, length)| vec![octet; length]),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..60),
        1 => (any::<u8>(), 0..=VALUE_OCTETS_MAX).prop_map(|(octet, length)| vec![octet; length]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (key(), value()).prop_map(|(key, value)| Op::Put(key, value)),
        2 => (0u16..400, 1u16..120, 0usize..200).prop_map(|(from, count, length)| Op::Run(from, count, length)),
        6 => key().prop_map(Op::Remove),
        2 => (0u16..500, 1u16..200).prop_map(|(from, count)| Op::RemoveRun(from, count)),
        1 => Just(Op::Checkpoint),
        1 => Just(Op::Reopen),
    ]
}

fn put(tree: &mut Tree, model: &mut Model, key: Vec<u8>, value: Vec<u8>) {
    assert_eq!(tree.put(&key, &value).unwrap(), !model.contains_key(&key));
    model.insert(key, value);
}

fn remove(tree: &mut Tree, model: &mut Model, key: &[u8]) {
    assert_eq!(tree.remove(key).unwrap(), model.remove(key).is_some());
}

fn same(tree: &mut Tree, model: &Model) {
    let mut all = Vec::new();
    tree.ascend(&[], |key, value| {
        all.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(all.iter().map(|(k, v)| (k, v)).eq(model.iter()), "entries differ");
    let mut back = Vec::new();
    tree.descend_from(&[0xff; 4], |key, _| {
        back.push(key.to_vec());
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(back.iter().eq(model.keys().rev()), "backwards");
    for (rank, (key, value)) in all.iter().enumerate() {
        assert_eq!(tree.rank(key).unwrap(), rank as u64);
        assert_eq!(tree.select(rank as u64).unwrap().as_ref(), Some(&(key.clone(), value.clone())));
    }
    assert_eq!(tree.select(all.len() as u64).unwrap(), None);
    check_tree(tree);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_is_a_counted_map(ops in proptest::collection::vec(op(), 1..150), probes in proptest::collection::vec(key(), 20)) {
        let file = SimFile::new();
        let (mut tree, _) = tree_over(&file, TINY);
        let (mut model, mut durable) = (Model::new(), Model::new());
        for (step, op) in ops.into_iter().enumerate() {
            match op {
                Op::Put(key, value) => put(&mut tree, &mut model, key, value),
                Op::Run(from, count, length) => {
                    for n in from..from + count {
                        put(&mut tree, &mut model, n.to_be_bytes().to_vec(), vec![n as u8; length]);
                    }
                }
                Op::Remove(key) => remove(&mut tree, &mut model, &key),
                Op::RemoveRun(from, count) => {
                    for n in from..from + count {
                        remove(&mut tree, &mut model, &n.to_be_bytes());
                    }
                }
                Op::Checkpoint => {
                    checkpoint(&mut tree, step as u64).unwrap();
                    durable.clone_from(&model);
                }
                Op::Reopen => {
                    let mut keep = step;
                    let cut = file.cut(|| { keep = keep.wrapping_mul(31).wrapping_add(7); keep % 3 == 0 });
                    let (mut old, _) = tree_over(&cut, TINY);
                    same(&mut old, &durable);
                }
            }
        }
        same(&mut tree, &model);
        for probe in &probes {
            prop_assert_eq!(tree.get(probe).unwrap(), model.get(probe).cloned());
            prop_assert_eq!(tree.rank(probe).unwrap(), model.range(..probe.clone()).count() as u64);
            prop_assert_eq!(tree.first_from(probe).unwrap().map(|(k, _)| k), model.range(probe.clone()..).next().map(|(k, _)| k.clone()));
            prop_assert_eq!(tree.last_below(probe).unwrap().map(|(k, _)| k), model.range(..probe.clone()).next_back().map(|(k, _)| k.clone()));
        }
        // Emptied, it gives all its pages back.
        for key in model.keys() {
            tree.remove(key).unwrap();
        }
        prop_assert_eq!(tree.root, 0);
        check_tree(&mut tree);
        checkpoint(&mut tree, 999).unwrap();
        prop_assert!(tree.pager.space().used() <= 2 + 1, "headers and one bitmap page");
    }
}

/// The same work, cut off at every write and sync in turn: what opens again is one of the two last checkpoints.
#[test]
fn every_power_cut_leaves_a_whole_checkpoint() {
    let work = |file: &SimFile, done: &mut Vec<Model>| -> Result<(), crate::store::Error> {
        let (mut tree, _) = tree_over(file, TINY);
        let mut model = Model::new();
        for round in 0..6u32 {
            for n in 0..120u32 {
                let key = (n * (round * 2 + 1) % 251).to_be_bytes();
                if (n + round) % 4 == 0 {
                    tree.remove(&key)?;
                    model.remove(key.as_slice());
                } else {
                    tree.put(&key, &vec![round as u8; (n as usize * 7) % 300])?;
                    model.insert(key.to_vec(), vec![round as u8; (n as usize * 7) % 300]);
                }
            }
            done.push(model.clone());
            checkpoint(&mut tree, u64::from(round))?;
        }
        Ok(())
    };
    let whole = SimFile::new();
    let mut all = Vec::new();
    work(&whole, &mut all).unwrap();
    let operations = whole.operations();
    let mut seed = 1u64;
    for stop in 0..operations {
        let file = SimFile::new();
        file.fail_after(stop);
        let mut done = Vec::new();
        assert!(work(&file, &mut done).is_err());
        for way in 0..4 {
            let cut = file.cut(|| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                match way {
                    0 => false,
                    1 => true,
                    _ => seed >> 62 & 1 == 0,
                }
            });
            let (mut tree, found) = tree_over(&cut, TINY);
            let before = done.len().checked_sub(2).map(|index| &done[index]);
            match found {
                Found::Checkpoint(header) => {
                    let model = &done[header.covered.sequence as usize];
                    assert!(header.covered.sequence as usize + 2 >= done.len());
                    same(&mut tree, model);
                }
                Found::Fresh => assert!(before.is_none(), "stop {stop}: a checkpoint is lost"),
                Found::Unusable(why) => assert!(before.is_none(), "stop {stop}: {why}"),
            }
        }
    }
}

#[test]
fn damage_is_an_error_and_not_a_wrong_answer() {
    let file = SimFile::new();
    let (mut tree, _) = tree_over(&file, TINY);
    for n in 0..2000u32 {
        tree.put(&n.to_be_bytes(), b"value").unwrap();
    }
    checkpoint(&mut tree, 1).unwrap();
    let pages = tree.pager.space().used() as usize;
    for page in 2..pages {
        let cut = file.cut(|| true);
        cut.hurt(page * 4096 + 100);
        let (mut tree, found) = tree_over(&cut, TINY);
        if let Found::Checkpoint(_) = found {
            let all = tree.ascend(&[], |_, _| ControlFlow::Continue(()));
            assert!(matches!(all, Err(crate::store::Error::Damaged(_))), "page {page}");
        }
    }
}

#[test]
fn rows_in_order_leave_full_pages() {
    let file = SimFile::new();
    let (mut tree, _) = tree_over(&file, 1 << 20);
    // Another mailbox's rows lie behind, so the growing end is in the middle of the tree.
    for n in 0..500u32 {
        tree.put(&[&[9], n.to_be_bytes().as_slice()].concat(), &[0; 30]).unwrap();
    }
    let before = tree.pager.space().used();
    for n in 0..20_000u32 {
        tree.put(&[&[5], n.to_be_bytes().as_slice()].concat(), &[0; 30]).unwrap();
    }
    let pages = f64::from(tree.pager.space().used() - before);
    let least = 20_000.0 * 41.0 / 4072.0;
    assert!(pages < least * 1.05, "{pages} pages for {least} pages of rows");
    check_tree(&mut tree);
}

#[test]
fn an_emptied_file_becomes_short_again() {
    let file = SimFile::new();
    let (mut tree, _) = tree_over(&file, TINY);
    for n in 0..20_000u32 {
        tree.put(&n.to_be_bytes(), &[7; 1000]).unwrap();
    }
    checkpoint(&mut tree, 1).unwrap();
    let long = tree.pager.space().pages();
    for n in 0..20_000u32 {
        if n % 8_000 != 17 {
            assert!(tree.remove(&n.to_be_bytes()).unwrap());
        }
    }
    // Its pages are free after this one; the next has moved what was left at the end.
    for round in 2..5 {
        checkpoint(&mut tree, round).unwrap();
        tree.put(&17u32.to_be_bytes(), &[round as u8; 1000]).unwrap();
    }
    let short = tree.pager.space().pages();
    assert!(long > 4096 && short <= 512, "{long} then {short} pages");
    for keep in [true, false] {
        let (mut tree, _) = tree_over(&file.cut(|| keep), TINY);
        check_tree(&mut tree);
        assert_eq!(tree.entries, 3);
        for n in 0..3_000u32 {
            tree.put(&n.to_be_bytes(), &[7; 1000]).unwrap();
        }
        check_tree(&mut tree);
    }
}

#[test]
fn a_reset_does_not_bring_old_pages_back() {
    let file = SimFile::new();
    let (mut tree, _) = tree_over(&file, TINY);
    for n in 0..3000u32 {
        tree.put(&n.to_be_bytes(), b"old").unwrap();
    }
    checkpoint(&mut tree, 1).unwrap();
    tree.pager.reset().unwrap();
    (tree.root, tree.entries) = (0, 0);
    for n in 0..3000u32 {
        tree.put(&n.to_be_bytes(), b"new").unwrap();
    }
    for keep in [true, false] {
        assert!(matches!(tree_over(&file.cut(|| keep), TINY).1, Found::Fresh));
    }
    checkpoint(&mut tree, 2).unwrap();
    assert_eq!(tree_over(&file.cut(|| false), TINY).0.get(&7u32.to_be_bytes()).unwrap().as_deref(), Some(&b"new"[..]));
}
