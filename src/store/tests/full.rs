//! A card that is full, or fails.

use super::driver::Driver;
use super::model::{Model, OWNERS, Op};
use crate::mail::{FlagChange, FlagSelection, SystemFlag};
use crate::store::medium::{Fate, SimulatedMedium};
use crate::store::{Error, MailboxId};
use std::sync::Arc;

fn create(name: &str) -> Op {
    Op::Create { owner: OWNERS[0], name: name.to_owned(), special_use: None, subscribed: false }
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
    medium.set_capacity(6 << 20);
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
    // The reserve is there for these.
    for op in [
        flags(SystemFlag::Deleted),
        Op::Directory(vec![(vec![1], Some(vec![2]))]),
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
