//! The store with its threads, as its callers use it, in memory and on a file system.

use super::model::{OWNERS, internal_date};
use crate::mail::{FlagSelection, SystemFlag};
use crate::store::{
    Delivery, Error, FileMedium, MailboxId, MailboxSpec, Options, QuotaRule, Receipt, SimulatedMedium, Spool, Store,
    Target, Transaction, WorkingBuffer,
};
use core::task::{Context, Poll, Waker};
use std::sync::{Arc, Mutex, mpsc};

fn create(store: &Store, name: &str) -> MailboxId {
    let spec = MailboxSpec { owner: OWNERS[0], name: name.to_owned(), special_use: None, subscribed: true };
    match store.commit(Transaction::CreateMailbox(spec)) {
        Ok(Receipt::Created(id)) => id,
        other => panic!("{other:?}"),
    }
}

fn delivery(store: &Store, mailbox: MailboxId, body: &[u8]) -> Transaction {
    let mut spool = Spool::new(WorkingBuffer::unpooled(), 1 << 30);
    let mut rest = body;
    while !rest.is_empty() {
        let taken = spool.push(rest).unwrap();
        rest = &rest[taken..];
        if taken == 0 {
            spool = store.spill_blocking(spool).unwrap();
        }
    }
    let flags = FlagSelection::of(SystemFlag::Seen);
    let targets = vec![Target { mailbox, flags, internal_date: internal_date(), quota: QuotaRule::Promised }];
    Transaction::Deliver(Delivery { spool, summary: vec![1, 2, 3], targets })
}

fn only_message(store: &Store, mailbox: MailboxId) -> crate::store::MessageRow {
    let mut view = store.open_view(mailbox).unwrap();
    let messages = store.messages_by_uid(&mut view, 1..=u32::MAX, 10).unwrap();
    assert_eq!(messages.len(), 1);
    messages[0].1
}

#[test]
fn a_message_is_kept_on_a_file_system() {
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        let medium = Arc::new(FileMedium::open(directory.path()).unwrap());
        Store::open(medium, Options { spares: 2, spares_low: 2, ..Options::small() })
    };
    let (store, report) = open().unwrap();
    assert!(report.created);
    assert!(matches!(open(), Err(Error::Locked(_))));
    let inbox = create(&store, "INBOX");
    let body: Vec<u8> = (0..300_000_u32).map(|n| (n / 7) as u8).collect();
    store.commit(delivery(&store, inbox, &body)).unwrap();
    store.clone().close().unwrap();
    assert_eq!(store.commit(Transaction::DeleteMailbox { mailbox: inbox }), Err(Error::Closed));
    assert_eq!(store.close(), Err(Error::Closed));

    let (store, report) = open().unwrap();
    assert_eq!((report.created, report.rebuilt, report.replayed_batches, report.damage_count), (false, None, 0, 0));
    let row = only_message(&store, inbox);
    assert_eq!(store.summary(row.blob).unwrap(), [1, 2, 3]);
    let mut reader = store.open_blob(row.blob).unwrap();
    assert_eq!(reader.octets(), 300_000);
    for (offset, octets) in [(0, 10), (65_000, 2_000), (299_990, 100), (300_000, 5), (131_000, 1), (0, 300_001)] {
        let mut read = vec![0; octets];
        let count = reader.read_at(offset as u64, &mut read).unwrap();
        let expected = &body[offset.min(body.len())..(offset + octets).min(body.len())];
        assert_eq!(&read[..count], expected, "{offset}");
    }
    let mut buffer = reader.into_buffer();
    buffer.octets().fill(0);
    let mut reader = store.open_blob_with(row.blob, buffer).unwrap();
    let mut last = [0; 2];
    assert_eq!(reader.read_at(299_999, &mut last), Ok(1));
    assert_eq!(last[0], body[299_999]);
    assert!(matches!(store.open_blob(crate::store::BlobId(99)), Err(Error::Gone)));
}

/// It was refused as if the card were full, whenever a spare segment was ready just after the first one was begun.
#[test]
fn a_new_store_takes_its_first_change_while_spares_become_ready() {
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let medium = Arc::new(FileMedium::open(directory.path()).unwrap());
        let (store, _) = Store::open(medium, Options { spares: 2, spares_low: 2, ..Options::small() }).unwrap();
        create(&store, "INBOX");
        store.close().unwrap();
    }
}

#[test]
fn many_callers_at_once_are_all_answered() {
    let store = Store::open_in_memory().unwrap();
    let inbox = create(&store, "INBOX");
    let threads: Vec<_> = (0..16_u8)
        .map(|number| {
            let store = store.clone();
            std::thread::spawn(move || {
                for _ in 0..20 {
                    let transaction = delivery(&store, inbox, &[number; 1_000]);
                    store.commit(transaction).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(store.mailbox_by_id(inbox).unwrap().unwrap().messages, 320);
    let figures = store.figures();
    assert_eq!((figures.transactions, figures.waiting, figures.read_only), (321, 0, false));
    assert!(figures.syncs <= 321);
    store.checkpoint().unwrap();
}

#[test]
fn subscribers_hear_of_a_change_when_it_can_be_read() {
    let store = Store::open_in_memory().unwrap();
    let (inbox, other) = (create(&store, "INBOX"), create(&store, "Other"));
    let mut context = Context::from_waker(Waker::noop());
    let (mut subscribed, mut quiet) = (store.subscribe(inbox), store.subscribe(other));
    assert!(subscribed.poll_changed(&mut context).is_pending());
    // The reply comes first or the wake: wait for both.
    let (sender, receiver) = mpsc::channel();
    struct Woken(Mutex<mpsc::Sender<()>>);
    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.lock().unwrap().send(()).unwrap();
        }
    }
    let waker = Waker::from(Arc::new(Woken(Mutex::new(sender))));
    assert!(subscribed.poll_changed(&mut Context::from_waker(&waker)).is_pending());
    store.commit(delivery(&store, inbox, b"hello")).unwrap();
    receiver.recv().unwrap();
    assert_eq!(only_message(&store, inbox).octets, 5);
    assert_eq!(subscribed.poll_changed(&mut context), Poll::Ready(()));
    assert!(subscribed.poll_changed(&mut context).is_pending());
    assert!(quiet.poll_changed(&mut context).is_pending());
}

#[test]
fn a_full_queue_says_busy_and_a_closed_store_closed() {
    let options = Options { queue_max: 2, ..Options::small() };
    let (store, mut writer, ..) = Store::open_unthreaded(Arc::new(SimulatedMedium::new()), options).unwrap();
    let answers = Arc::new(Mutex::new(Vec::new()));
    let submit = || {
        let answers = Arc::clone(&answers);
        let reply = Box::new(move |outcome: Result<Receipt, Error>| answers.lock().unwrap().push(outcome));
        store.submit(Transaction::Directory(vec![(vec![1], Some(vec![2]))]), reply);
    };
    (0..3).for_each(|_| submit());
    assert_eq!(*answers.lock().unwrap(), [Err(Error::Busy)]);
    while writer.round() {}
    assert_eq!(*answers.lock().unwrap(), [Err(Error::Busy), Ok(Receipt::Done), Ok(Receipt::Done)]);
    store.clone().close().unwrap();
    submit();
    assert_eq!(answers.lock().unwrap().last(), Some(&Err(Error::Closed)));
}

#[test]
fn the_last_clone_may_be_dropped_by_a_reply() {
    let store = Store::open_in_memory().unwrap();
    let (sender, receiver) = mpsc::channel();
    let clone = store.clone();
    let reply = Box::new(move |outcome: Result<Receipt, Error>| {
        drop(clone);
        sender.send(outcome).unwrap();
    });
    store.submit(Transaction::Directory(vec![(vec![1], None)]), reply);
    drop(store);
    assert_eq!(receiver.recv().unwrap(), Ok(Receipt::Done));
}

#[test]
fn uid_validity_grows_even_when_the_clock_does_not() {
    let store = Store::open_in_memory().unwrap();
    let mut last = 0;
    for _ in 0..3 {
        let id = create(&store, "Box");
        let row = store.mailbox_by_id(id).unwrap().unwrap();
        assert!(row.uid_validity.get() > last);
        last = row.uid_validity.get();
        store.commit(Transaction::DeleteMailbox { mailbox: id }).unwrap();
    }
}

#[test]
fn what_callers_hold_may_go_to_another_thread() {
    fn goes<T: Send>() {}
    fn shared<T: Send + Sync>() {}
    shared::<Store>();
    goes::<crate::store::BlobReader>();
    goes::<crate::store::View>();
    goes::<crate::store::Subscription>();
    goes::<Transaction>();
}

#[test]
fn a_pulse_goes_through_the_writer_and_costs_nothing() {
    let medium = SimulatedMedium::new();
    let store = Store::open(Arc::new(medium.clone()), Options::small()).unwrap().0;
    let inbox = create(&store, "INBOX");
    let (counts, figures) = (medium.counts(), store.figures());
    for _ in 0..100 {
        assert_eq!(store.pulse(), Ok(crate::store::Pulse { takes_mail: true }));
    }
    let (counts_now, figures_now) = (medium.counts(), store.figures());
    assert_eq!((counts_now.syncs, counts_now.writes), (counts.syncs, counts.writes));
    assert_eq!((figures_now.log_octets, figures_now.transactions), (figures.log_octets, figures.transactions));
    // Among changes it takes nothing from them.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..20).for_each(|_| drop(store.commit(delivery(&store, inbox, b"mail")).unwrap())));
            scope.spawn(|| (0..20).for_each(|_| assert!(store.pulse().unwrap().takes_mail)));
        }
    });
    assert_eq!(store.mailbox_by_id(inbox).unwrap().unwrap().messages, 80);
    medium.set_capacity(1 << 16);
    assert_eq!(store.pulse(), Ok(crate::store::Pulse { takes_mail: false }));
    medium.set_capacity(1 << 40);
    assert!(store.pulse().unwrap().takes_mail);
    medium.fail_sync_after(0, Error::Medium("worn out".to_owned()));
    assert_eq!(store.commit(delivery(&store, inbox, b"mail")), Err(Error::ReadOnly));
    assert_eq!(store.pulse(), Err(Error::ReadOnly));
    let other = store.clone();
    let _ = store.close();
    assert_eq!(other.pulse(), Err(Error::Closed));
}
