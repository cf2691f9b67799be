//! Octets that rot, and files that are something else: the store opens or says why not, and never panics.

use super::Random;
use super::driver::Driver;
use super::model::{Model, OWNERS, Op};
use super::workload::op;
use crate::store::format::BLOCK_OCTETS;
use crate::store::medium::SimulatedMedium;
use crate::store::{Error, MailboxId};
use std::sync::Arc;

/// A store with some history, several segments, and how it looks.
fn filled(seed: u64) -> (SimulatedMedium, Model) {
    let random = &mut Random(seed);
    let medium = SimulatedMedium::new();
    let mut driver = Driver::open(&medium, 1_000, seed).unwrap();
    let mut model = Model::new();
    for _ in 0..25 {
        let ops: Vec<_> = (0..4).map(|_| op(random, &model, true)).collect();
        driver.submit(&ops).unwrap();
        for note in driver.notes.lock().unwrap().drain(..) {
            let _ = model.apply(&note.op, note.now);
        }
    }
    (medium, model)
}

/// Reads whatever can be read; errors are answers too.
fn read_all(driver: &Driver) {
    for owner in OWNERS {
        for row in driver.store.mailboxes(owner, None, 1_000).unwrap_or_default() {
            let Ok(mut view) = driver.store.open_view(row.id) else { continue };
            for (_, message) in driver.store.messages_by_uid(&mut view, 1..=u32::MAX, 1_000).unwrap_or_default() {
                let _ = driver.store.summary(message.blob);
                if let Ok(mut reader) = driver.store.open_blob(message.blob) {
                    let mut octets = vec![0; 70_000];
                    let mut offset = 0;
                    while let Ok(read @ 1..) = reader.read_at(offset, &mut octets) {
                        offset += read as u64;
                    }
                }
            }
        }
    }
}

fn open_and_work(medium: &SimulatedMedium) {
    match Driver::open(medium, 5_000, 77) {
        Ok(mut driver) => {
            read_all(&driver);
            let targets = vec![(MailboxId(1), Default::default(), None)];
            let _ = driver.commit(Op::Deliver { targets, body: Arc::new(vec![1; 70_000]), summary: Vec::new() });
            let _ = driver.writer.checkpoint();
        }
        Err(error) => assert!(
            matches!(error, Error::Version(_) | Error::Damaged(_) | Error::Medium(_) | Error::OverLimit(_)),
            "{error:?}"
        ),
    }
}

#[test]
fn flipped_bits_anywhere_never_panic() {
    let (medium, _) = filled(3);
    let names = crate::store::Medium::list(&medium).unwrap();
    let random = &mut Random(4);
    for _ in 0..400 {
        let name = random.pick(&names).unwrap();
        let mut octets = medium.octets_of(&name).unwrap();
        let hurt = medium.reboot(crate::store::medium::Fate::Kept, 0);
        for _ in 0..1 + random.below(3) {
            // Headers are worth more attention than message octets.
            let reach = if random.below(2) == 0 { octets.len() } else { octets.len().min(3 * BLOCK_OCTETS) };
            let at = random.below(reach);
            if let Some(octet) = octets.get_mut(at) {
                *octet ^= 1 << random.below(8);
            }
        }
        hurt.put(&name, &octets);
        open_and_work(&hurt);
    }
}

#[test]
fn garbage_cut_swapped_and_missing_files_never_panic() {
    let (medium, _) = filled(5);
    let names = crate::store::Medium::list(&medium).unwrap();
    let random = &mut Random(6);
    for name in &names {
        for way in 0..6 {
            let hurt = medium.reboot(crate::store::medium::Fate::Kept, 0);
            let octets = medium.octets_of(name).unwrap();
            match way {
                0 => crate::store::Medium::remove(&hurt, name).unwrap(),
                1 => hurt.put(name, &[]),
                2 => hurt.put(name, &octets[..octets.len() / 2 + 100]),
                3 => {
                    let garbage: Vec<u8> = octets.iter().map(|_| random.next() as u8).collect();
                    hurt.put(name, &garbage);
                }
                4 => hurt.put(name, &medium.octets_of(&names[random.below(names.len())]).unwrap()),
                _ => hurt.put(name, &vec![0; octets.len()]),
            }
            open_and_work(&hurt);
        }
    }
}

#[test]
fn rot_in_the_middle_of_the_log_is_named_and_the_rest_lives() {
    let medium = SimulatedMedium::new();
    let mut driver = Driver::open(&medium, 1, 1).unwrap();
    let name = "INBOX".to_owned();
    driver.commit(Op::Create { owner: OWNERS[0], name, special_use: None, subscribed: false }).unwrap();
    let target = (MailboxId(1), Default::default(), None);
    for number in 0..20 {
        let op = Op::Deliver { targets: vec![target.clone()], body: Arc::new(vec![number; 3_000]), summary: vec![1] };
        driver.commit(op).unwrap();
    }
    drop(driver);
    let whole = medium.octets_of("segment-00000000").unwrap();
    // Batch number 11 stands at block 12: its header, then its message.
    for at in [11 * BLOCK_OCTETS + 20, 11 * BLOCK_OCTETS + 100] {
        let mut octets = whole.clone();
        octets[at] ^= 0x40;
        medium.put("segment-00000000", &octets);
        // Without the index all of it is read again; with it, only the message at that place suffers.
        let hurt = medium.reboot(crate::store::medium::Fate::Kept, 0);
        hurt.put("index", &[]);
        let mut driver = Driver::open(&hurt, 2, 2).unwrap();
        assert_eq!(driver.report.damage_count, if at % BLOCK_OCTETS == 20 { 1 } else { 2 }, "{:?}", driver.report);
        let mut view = driver.store.open_view(MailboxId(1)).unwrap();
        assert_eq!(driver.store.messages_by_uid(&mut view, 1..=u32::MAX, 100).unwrap().len(), 19);
        let op = Op::Deliver { targets: vec![target.clone()], body: Arc::new(vec![99; 3_000]), summary: vec![1] };
        driver.commit(op).unwrap();
        drop(driver);
        let driver = Driver::open(&hurt, 3, 3).unwrap();
        let mut view = driver.store.open_view(MailboxId(1)).unwrap();
        assert_eq!(driver.store.messages_by_uid(&mut view, 1..=u32::MAX, 100).unwrap().len(), 20);
    }
}

#[test]
fn a_lost_store_header_is_made_again_from_the_segments() {
    let (medium, model) = filled(8);
    crate::store::Medium::remove(&medium, "store").unwrap();
    let driver = Driver::open(&medium, 9, 9).unwrap();
    assert!(!driver.report.created);
    assert_eq!(driver.read(), model);
    drop(driver);
    assert!(medium.octets_of("store").is_some());
}

#[test]
fn a_newer_format_is_left_alone() {
    let (medium, _) = filled(8);
    let mut octets = medium.octets_of("store").unwrap();
    octets[8] = 9;
    let crc = crc32c::crc32c(&octets[..60]);
    octets[60..64].copy_from_slice(&crc.to_le_bytes());
    medium.put("store", &octets);
    let before = medium.counts();
    assert_eq!(Driver::open(&medium, 9, 9).err(), Some(Error::Version(9)));
    assert_eq!(medium.counts().steps, before.steps);
}

#[test]
fn a_damaged_segment_header_costs_nothing() {
    let (medium, mut model) = filled(8);
    // A last segment with one batch only cannot be told from one that a power cut has torn.
    let mut driver = Driver::open(&medium, 1_000, 8).unwrap();
    for number in 0..3 {
        let op = Op::Directory(vec![(vec![number], Some(vec![number]))]);
        assert_eq!(driver.commit(op.clone()), model.apply(&op, 1_000));
    }
    drop(driver);
    let names = crate::store::Medium::list(&medium).unwrap();
    let segments: Vec<_> = names.iter().filter(|name| name.starts_with("segment-")).collect();
    assert!(segments.len() > 3, "{names:?}");
    for name in segments {
        for octet in [0_u8, 0x55] {
            let mut octets = medium.octets_of(name).unwrap();
            octets[..BLOCK_OCTETS].fill(octet);
            let hurt = medium.reboot(crate::store::medium::Fate::Kept, 0);
            hurt.put(name, &octets);
            hurt.put("index", &[]);
            let driver = Driver::open(&hurt, 9, 9).unwrap();
            assert_eq!(driver.report.damage_count, 1, "{name} {:?}", driver.report.damage);
            assert_eq!(driver.read(), model, "{name}");
        }
    }
}
