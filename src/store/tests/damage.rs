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

/// Whatever page of the index rots: what the start reads of it is made anew at the start.
#[test]
fn a_rotten_page_of_the_index_does_not_stop_the_start() {
    let (medium, _) = filled(8);
    let mut driver = Driver::open(&medium, 1_000, 8).unwrap();
    for number in 0..60_u8 {
        driver.commit(Op::Directory(vec![(vec![1, number], Some(vec![number; 1_000]))])).unwrap();
    }
    driver.writer.checkpoint().unwrap();
    let model = driver.read();
    drop(driver);
    let octets = medium.octets_of("index").unwrap();
    let mut rebuilt = 0;
    for page in 2..octets.len() / 4096 {
        if octets[page * 4096..][..4096].iter().all(|octet| *octet == 0) {
            continue;
        }
        let mut octets = octets.clone();
        octets[page * 4096 + 70] ^= 1;
        let hurt = medium.reboot(crate::store::medium::Fate::Kept, 0);
        hurt.put("index", &octets);
        let driver = Driver::open(&hurt, 2_000, 9).unwrap();
        assert_eq!(driver.store.directory_range(&[1], None, 100).unwrap().len(), 60, "page {page}");
        for owner in OWNERS {
            driver.store.mailboxes(owner, None, 1_000).unwrap();
        }
        if driver.report.rebuilt.is_some() {
            rebuilt += 1;
            assert_eq!(driver.read(), model, "page {page}");
        }
    }
    assert!(rebuilt > 10, "{rebuilt}");
}

/// Of a MOVE only its expunge is left: the message stays where it was.
#[test]
fn half_a_move_takes_no_body_away() {
    let medium = SimulatedMedium::new();
    let mut driver = Driver::open(&medium, 1, 1).unwrap();
    for name in ["INBOX", "Other"] {
        let name = name.to_owned();
        driver.commit(Op::Create { owner: OWNERS[0], name, special_use: None, subscribed: false }).unwrap();
    }
    let target = (MailboxId(1), Default::default(), None);
    let deliver = Op::Deliver { targets: vec![target], body: Arc::new(vec![5; 1_000]), summary: vec![1] };
    driver.commit(deliver.clone()).unwrap();
    let (from, to) = (MailboxId(1), MailboxId(2));
    driver.commit(Op::Copy { from, uids: vec![1..=1], to, remove: true }).unwrap();
    driver.commit(deliver).unwrap();
    drop(driver);
    // Batch number 4: a header of 64 octets, a record header of 12, and the message that was added.
    let mut octets = medium.octets_of("segment-00000000").unwrap();
    octets[4 * BLOCK_OCTETS + 64 + 12 + 2] ^= 0x40;
    medium.put("segment-00000000", &octets);
    medium.put("index", &[]);
    let driver = Driver::open(&medium, 2, 2).unwrap();
    assert_eq!(driver.report.damage_count, 2, "{:?}", driver.report);
    let mut view = driver.store.open_view(from).unwrap();
    let messages = driver.store.messages_by_uid(&mut view, 1..=u32::MAX, 10).unwrap();
    assert_eq!(messages.len(), 2);
    for (_, message) in messages {
        let mut octets = [0; 2_000];
        assert_eq!(driver.store.open_blob(message.blob).unwrap().read_at(0, &mut octets), Ok(1_000));
    }
    assert_eq!(driver.store.mailbox_by_id(to).unwrap().unwrap().messages, 0);
}
