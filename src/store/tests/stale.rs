//! The case that chain and nonce are for: a batch that was written behind a torn one must not come back behind another
//! batch that takes the torn one's place.

use super::driver::Driver;
use super::model::{OWNERS, Op};
use crate::store::format::{BATCH_HEADER_OCTETS, BLOCK_OCTETS, BatchHeader, BatchKind, CHUNK_OCTETS_MAX, blocks};
use crate::store::medium::{Fate, SimulatedMedium};
use crate::store::{MailboxId, Spool, WorkingBuffer};
use std::sync::Arc;

const SEGMENT: &str = "segment-00000000";

fn create(driver: &mut Driver) {
    let name = "INBOX".to_owned();
    driver.commit(Op::Create { owner: OWNERS[0], name, special_use: None, subscribed: false }).unwrap();
}

fn spill(driver: &mut Driver, octet: u8) {
    let mut spool = Spool::new(WorkingBuffer::unpooled(), 1 << 20);
    assert_eq!(spool.push(&vec![octet; CHUNK_OCTETS_MAX]), Ok(CHUNK_OCTETS_MAX));
    driver.store.spill(spool, Box::new(|outcome| drop(outcome.unwrap())));
    driver.writer.round();
}

fn deliver(driver: &mut Driver) {
    let targets = vec![(MailboxId(1), Default::default(), None)];
    driver.commit(Op::Deliver { targets, body: Arc::new(vec![5; 100]), summary: vec![1] }).unwrap();
}

/// The places of all batches and their headers.
fn batches(octets: &[u8]) -> Vec<(usize, BatchHeader, u32)> {
    let mut found = Vec::new();
    let mut at = BLOCK_OCTETS;
    while let Ok((header, crc)) = BatchHeader::decode(&octets[at..]) {
        found.push((at, header, crc));
        at += blocks(BATCH_HEADER_OCTETS + header.payload_octets as usize);
    }
    found
}

/// A medium on which the spill batch A is torn while the commit batch B behind it is whole, none of them synced.
fn torn() -> (SimulatedMedium, usize, usize) {
    let medium = SimulatedMedium::new();
    let mut driver = Driver::open(&medium, 1, 1).unwrap();
    create(&mut driver);
    spill(&mut driver, 1);
    deliver(&mut driver);
    drop(driver);
    let mut octets = medium.octets_of(SEGMENT).unwrap();
    let found = batches(&octets);
    let [(_, _, _), (a, spilled, _), (b, committed, _)] = found[..] else { panic!("{found:?}") };
    assert_eq!((spilled.kind, committed.kind), (BatchKind::Spill, BatchKind::Commit));
    octets[a..a + 512].fill(0);
    octets[a + 8192..a + 16_384].fill(0xee);
    medium.put(SEGMENT, &octets);
    (medium.reboot(Fate::Lost, 0), a, b)
}

#[test]
fn a_stale_batch_behind_a_torn_one_is_not_taken() {
    let (medium, _, b) = torn();
    let mut driver = Driver::open(&medium, 2, 2).unwrap();
    assert_eq!(driver.report.damage, Vec::<String>::new());
    assert_eq!(driver.read().mailboxes[&MailboxId(1)].messages.len(), 0);
    // A' has the length of A: B now stands right behind it.
    spill(&mut driver, 2);
    drop(driver);
    let after = medium.reboot(Fate::Kept, 0);
    let found = batches(&after.octets_of(SEGMENT).unwrap());
    assert_eq!(found.last().map(|(at, header, _)| (*at, header.sequence)), Some((b, 3)));
    let mut driver = Driver::open(&after, 3, 3).unwrap();
    assert_eq!(driver.report.damage, Vec::<String>::new());
    assert_eq!(driver.report.replayed_batches, 2);
    assert_eq!(driver.read().mailboxes[&MailboxId(1)].messages.len(), 0);
    deliver(&mut driver);
    assert_eq!(driver.read().mailboxes[&MailboxId(1)].messages.len(), 1);
}

#[test]
fn a_stale_batch_with_the_right_chain_has_the_wrong_nonce() {
    let (medium, a, b) = torn();
    let mut driver = Driver::open(&medium, 2, 2).unwrap();
    spill(&mut driver, 2);
    drop(driver);
    let mut octets = medium.octets_of(SEGMENT).unwrap();
    let (_, new_crc) = BatchHeader::decode(&octets[a..]).unwrap();
    let (mut stale, _) = BatchHeader::decode(&octets[b..]).unwrap();
    // As if the checksums of A and A' had collided.
    stale.chain = new_crc;
    octets[b..b + BATCH_HEADER_OCTETS].copy_from_slice(&stale.encode());
    medium.put(SEGMENT, &octets);
    let driver = Driver::open(&medium, 3, 3).unwrap();
    assert_eq!(driver.report.replayed_batches, 2);
    assert_eq!(driver.read().mailboxes[&MailboxId(1)].messages.len(), 0);
}
