//! What the card has to bear, counted.

use super::driver::Driver;
use super::model::{OWNERS, Op};
use crate::store::MailboxId;
use crate::store::format::{BLOCK_OCTETS, CHUNK_OCTETS_MAX};
use crate::store::medium::SimulatedMedium;
use std::sync::Arc;

fn ready() -> Driver {
    let driver = Driver::open_with(&SimulatedMedium::new(), 1, 1, |options| {
        options.segment_octets = 16 << 20;
        options.checkpoint_octets = 1 << 30;
        options.spares = 1;
    });
    let mut driver = driver.unwrap();
    driver.prewriter.prewrite().unwrap();
    let name = "INBOX".to_owned();
    driver.commit(Op::Create { owner: OWNERS[0], name, special_use: None, subscribed: false }).unwrap();
    driver
}

fn deliver(octets: usize, targets: usize) -> Op {
    let target = (MailboxId(1), Default::default(), None);
    Op::Deliver { targets: vec![target; targets], body: Arc::new(vec![5; octets]), summary: vec![1; 600] }
}

#[test]
fn one_message_at_a_time_costs_one_sync_and_at_most_eight_kibibytes_more_than_itself() {
    let mut driver = ready();
    for octets in [0, 1, 4_000, 4_096, 20_000, CHUNK_OCTETS_MAX, 65_536, 200_000, 1_000_000] {
        let before = driver.medium.counts();
        driver.commit(deliver(octets, 1)).unwrap();
        let after = driver.medium.counts();
        let written = after.octets_written - before.octets_written;
        assert_eq!((after.syncs - before.syncs, after.directory_syncs - before.directory_syncs), (1, 0), "{octets}");
        assert!(written <= octets as u64 + 8_192, "{octets} octets cost {written}");
        // One write for each full chunk and one for the rest.
        let chunks = octets.saturating_sub(1) / CHUNK_OCTETS_MAX;
        assert_eq!(after.writes - before.writes, chunks as u64 + 1, "{octets}");
    }
}

#[test]
fn sixty_four_waiting_deliveries_share_their_syncs() {
    for (octets, most) in [(500, 1), (4_096, 1), (65_000, 1), (65_536, 1)] {
        let mut driver = ready();
        let before = driver.medium.counts();
        driver.submit(&vec![deliver(octets, 1); 64]).unwrap();
        let after = driver.medium.counts();
        assert!(after.syncs - before.syncs <= most, "{octets}: {}", after.syncs - before.syncs);
        let written = after.octets_written - before.octets_written;
        assert!(written <= 64 * (octets as u64 + 1_024) + 8 * BLOCK_OCTETS as u64, "{octets}: {written}");
    }
}

#[test]
fn a_message_to_many_is_kept_once_and_a_copy_writes_no_body() {
    let mut driver = ready();
    let before = driver.medium.counts();
    driver.commit(deliver(60_000, 20)).unwrap();
    driver.commit(Op::Copy { from: MailboxId(1), uids: vec![1..=20], to: MailboxId(1), remove: false }).unwrap();
    let written = driver.medium.counts().octets_written - before.octets_written;
    assert!(written <= 60_000 + 3 * BLOCK_OCTETS as u64, "{written}");
}

#[test]
fn a_clean_end_leaves_nothing_to_replay() {
    let mut driver = ready();
    for _ in 0..50 {
        driver.commit(deliver(30_000, 1)).unwrap();
    }
    driver.writer.checkpoint().unwrap();
    let medium = driver.medium.clone();
    drop(driver);
    let before = medium.counts();
    let driver = Driver::open(&medium, 2, 2).unwrap();
    assert_eq!(driver.report.replayed_batches, 0);
    let read = medium.counts().octets_read - before.octets_read;
    assert!(read <= 64 * 1024, "{read} octets read");
}
