//! A card that is full, or fails.

use super::driver::Driver;
use super::model::{Model, OWNERS, Op};
use crate::limits::SUBSCRIPTIONS_PER_ACCOUNT_MAX;
use crate::mail::{FlagChange, FlagSelection, Keyword, SystemFlag};
use crate::store::medium::{Fate, SimulatedMedium};
use crate::store::{Error, MailboxId, Options, QuotaRule, Transaction};
use std::sync::Arc;

fn create(name: &str) -> Op {
    Op::Create { owner: OWNERS[0], name: name.to_owned(), special_use: None, subscribed: false }
}

fn subscribe(name: &str, subscribed: bool) -> Op {
    Op::Subscribe { owner: OWNERS[0], name: name.to_owned(), subscribed }
}

fn deliver(octets: usize) -> Op {
    let targets = vec![(MailboxId(1), Default::default(), None)];
    Op::Deliver { targets, body: Arc::new(vec![5; octets]), summary: vec![1; 60] }
}

fn flags(flag: SystemFlag) -> Op {
    let (mailbox, uids) = (MailboxId(1), vec![1..=u32::MAX]);
    Op::Flags { mailbox, uids, change: FlagChange::Add, flags: FlagSelection::of(flag), since: None }
}

#[test]
fn near_full_new_mail_is_refused_while_deleting_goes_on() {
    let medium = SimulatedMedium::new();
    medium.set_capacity(8 << 20);
    let mut driver = Driver::open(&medium, 1, 1).unwrap();
    driver.commit(create("INBOX")).unwrap();
    let mut model = driver.read();
    let refused = loop {
        match driver.commit(deliver(50_000)) {
            Ok(_) => drop(model.apply(&deliver(50_000), driver.now()).unwrap()),
            Err(error) => break error,
        }
    };
    assert_eq!(refused, Error::Full);
    assert!(model.usage(OWNERS[0]) > 3 << 20);
    let from = MailboxId(1);
    assert_eq!(driver.commit(Op::Copy { from, uids: vec![1..=2], to: from, remove: false }), Err(Error::Full));
    assert_eq!(driver.commit(create("Other")), Err(Error::Full));
    assert_eq!(driver.transaction(&deliver(300_000)).err(), Some(Error::Full));
    assert_eq!(driver.commit(subscribe("INBOX", true)), Err(Error::Full));
    assert_eq!(driver.commit(Op::Directory(vec![(vec![1], Some(vec![2]))])), Err(Error::Full));
    let keyword = FlagSelection { keywords: vec![Keyword::parse("$New").unwrap()], ..FlagSelection::default() };
    let (mailbox, uids, change) = (from, vec![1..=u32::MAX], FlagChange::Add);
    let flag = Op::Flags { mailbox, uids, change, flags: keyword, since: None };
    assert_eq!(driver.commit(flag), Err(Error::Full));
    // Half of the reserve is there for what changes little.
    for op in [
        flags(SystemFlag::Seen),
        Op::Copy { from, uids: vec![1..=2], to: from, remove: true },
        Op::Rename { owner: OWNERS[0], from: "INBOX".to_owned(), to: "Old".to_owned() },
    ] {
        let expected = model.apply(&op, driver.now());
        assert!(expected.is_ok());
        assert_eq!(driver.commit(op), expected);
    }
    // The other half is there to delete with.
    let free = crate::store::Medium::free_octets(&medium).unwrap();
    medium.set_capacity((8 << 20) - free);
    assert_eq!(driver.commit(flags(SystemFlag::Flagged)), Err(Error::Full));
    assert_eq!(driver.commit(Op::Copy { from, uids: vec![3..=4], to: from, remove: true }), Err(Error::Full));
    for op in [
        flags(SystemFlag::Deleted),
        subscribe("INBOX", false),
        Op::Directory(vec![(vec![1], None)]),
        Op::Expunge { mailbox: from, uids: vec![1..=u32::MAX], only_deleted: true },
        Op::Delete { mailbox: from },
    ] {
        let expected = model.apply(&op, driver.now());
        assert_eq!(driver.commit(op), expected);
    }
    driver.writer.checkpoint().unwrap();
    assert_eq!(driver.read(), model);
    drop(driver);
    assert_eq!(Driver::open(&medium, 2, 2).unwrap().read(), model);
}

#[test]
fn a_copy_counts_against_the_quota_and_a_move_does_not() {
    let medium = SimulatedMedium::new();
    let mut driver = Driver::open(&medium, 1, 1).unwrap();
    driver.commit(create("INBOX")).unwrap();
    driver.commit(create("Other")).unwrap();
    driver.commit(deliver(1_000)).unwrap();
    let copy = |driver: &mut Driver, octets: u64, remove_source: bool| {
        let (from, to, quota) = (MailboxId(1), MailboxId(2), QuotaRule::Octets(octets));
        let transaction = Transaction::Copy { from, uids: vec![1..=u32::MAX], to, remove_source, quota };
        let (sender, answer) = std::sync::mpsc::channel();
        driver.store.submit(transaction, Box::new(move |outcome| drop(sender.send(outcome))));
        while driver.writer.round() {}
        answer.recv().unwrap().map(drop)
    };
    assert_eq!(copy(&mut driver, 1_999, false), Err(Error::OverQuota));
    assert_eq!(copy(&mut driver, 2_000, false), Ok(()));
    assert_eq!(copy(&mut driver, 2_000, false), Err(Error::OverQuota));
    assert_eq!(copy(&mut driver, 0, true), Ok(()));
}

#[test]
fn subscriptions_have_a_limit() {
    let medium = SimulatedMedium::new();
    let queue_max = |options: &mut Options| options.queue_max = 1_000;
    let mut driver = Driver::open_with(&medium, 1, 1, queue_max).unwrap();
    driver.commit(create("INBOX")).unwrap();
    let numbers: Vec<usize> = (0..SUBSCRIPTIONS_PER_ACCOUNT_MAX + 3).collect();
    for numbers in numbers.chunks(1_000) {
        let ops: Vec<Op> = numbers.iter().map(|number| subscribe(&number.to_string(), true)).collect();
        driver.submit(&ops).unwrap();
    }
    let refused = Err(Error::OverLimit("subscriptions of an account"));
    let notes = core::mem::take(&mut *driver.notes.lock().unwrap());
    let refusals = notes.iter().filter(|note| note.answer.as_ref().unwrap().0 == refused).count();
    assert_eq!(refusals, 3);
    let names = driver.store.subscriptions(OWNERS[0], None, usize::MAX).unwrap();
    assert_eq!(names.len(), SUBSCRIPTIONS_PER_ACCOUNT_MAX);
    // One that is there may be named again, and one that goes makes room.
    driver.commit(subscribe("7", true)).unwrap();
    assert_eq!(driver.commit(subscribe("new", true)), refused);
    driver.commit(subscribe("7", false)).unwrap();
    driver.commit(subscribe("new", true)).unwrap();
}

#[test]
fn without_room_for_the_index_only_deleting_goes_on() {
    let medium = SimulatedMedium::new();
    let more = |options: &mut Options| (options.reserve_octets, options.segment_octets) = (0, 8 << 20);
    let mut driver = Driver::open_with(&medium, 1, 1, more).unwrap();
    driver.commit(create("INBOX")).unwrap();
    driver.commit(deliver(1_000)).unwrap();
    medium.set_capacity(0);
    let mut number = 0_u32;
    let refused = loop {
        number += 1;
        let entries = (0..50_u8).map(|low| ([&number.to_be_bytes()[..], &[low]].concat(), Some(vec![1; 1_000])));
        match driver.commit(Op::Directory(entries.collect())) {
            Ok(_) => assert!(number < 100),
            Err(error) => break error,
        }
    };
    assert_eq!(refused, Error::Full);
    assert_eq!(driver.commit(deliver(1_000)), Err(Error::Full));
    driver.commit(flags(SystemFlag::Deleted)).unwrap();
    driver.commit(Op::Expunge { mailbox: MailboxId(1), uids: vec![1..=1], only_deleted: true }).unwrap();
    assert!(!driver.store.figures().read_only);
    assert_eq!(driver.read().usage(OWNERS[0]), 0);
}

#[test]
fn without_any_room_for_a_segment_the_log_stays_whole() {
    let medium = SimulatedMedium::new();
    let mut driver = Driver::open_with(&medium, 1, 1, |options| options.reserve_octets = 0).unwrap();
    driver.commit(create("INBOX")).unwrap();
    medium.set_capacity(0);
    let mut model = driver.read();
    let refused = loop {
        match driver.commit(deliver(20_000)) {
            Ok(_) => drop(model.apply(&deliver(20_000), driver.now()).unwrap()),
            Err(error) => break error,
        }
    };
    assert_eq!(refused, Error::Full);
    assert!(!driver.store.figures().read_only);
    medium.set_capacity(1 << 30);
    assert_eq!(driver.commit(deliver(20_000)), model.apply(&deliver(20_000), driver.now()));
    assert_eq!(driver.read(), model);
}

/// Whatever step fails, the store says so, only reads from then on, and is whole when opened again.
#[test]
fn after_a_failed_step_the_store_only_reads_until_it_is_opened_again() {
    for steps in 0..40 {
        let medium = SimulatedMedium::new();
        let mut driver = Driver::open(&medium, 1, 1).unwrap();
        driver.commit(create("INBOX")).unwrap();
        let mut model = driver.read();
        medium.stop_after(steps);
        let mut failed = false;
        for number in 0..12 {
            let op = if number % 3 == 2 { flags(SystemFlag::Seen) } else { deliver(40_000 * (number % 4)) };
            match driver.submit(core::slice::from_ref(&op)) {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!(error, Error::ReadOnly);
                    failed = true;
                    continue;
                }
            }
            let answer = driver.notes.lock().unwrap().pop().unwrap().answer.unwrap().0;
            match answer {
                Ok(receipt) => {
                    assert!(!failed, "nothing succeeds after a failure");
                    assert_eq!(Ok(receipt), model.apply(&op, driver.now()));
                }
                Err(error) => {
                    assert_eq!(error, Error::ReadOnly);
                    // Nothing half done is seen.
                    assert_eq!(driver.read(), model);
                    failed = true;
                }
            }
        }
        assert!(failed || steps > 12, "{steps}");
        assert_eq!(driver.store.figures().read_only, failed);
        assert_eq!(driver.read(), model);
        drop(driver);
        if failed {
            let lost = Driver::open(&medium.reboot(Fate::Lost, 0), 2, 2).unwrap().read();
            assert_eq!(lost, model, "{steps}");
        }
    }
}

#[test]
fn one_failed_sync_is_enough() {
    let medium = SimulatedMedium::new();
    let mut driver = Driver::open(&medium, 1, 1).unwrap();
    driver.commit(create("INBOX")).unwrap();
    driver.notes.lock().unwrap().clear();
    let model = driver.read();
    medium.fail_sync_after(0, Error::Medium("broken".to_owned()));
    driver.submit(&vec![deliver(10); 3]).unwrap();
    let notes = core::mem::take(&mut *driver.notes.lock().unwrap());
    for note in notes {
        assert_eq!(note.answer.unwrap().0, Err(Error::ReadOnly));
    }
    assert_eq!(driver.commit(deliver(10)), Err(Error::ReadOnly));
    assert_eq!(driver.writer.checkpoint(), Err(Error::ReadOnly));
    assert_eq!(driver.read(), model);
    drop(driver);
    // It may be there now, as a whole: nobody was told either way.
    let mut with = model.clone();
    (0..3).for_each(|_| drop(with.apply(&deliver(10), 1).unwrap()));
    let found: Model = Driver::open(&medium, 2, 2).unwrap().read();
    assert!(found == model || found == with);
}
