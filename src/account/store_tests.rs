//! Accounts over a real store in memory.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::limits::WORKING_BUFFER_OCTETS;
use crate::mail::{Address, Domain, FlagSelection, ForwardPath, InternalDate};
use crate::store::{Delivery, Error, Owner, QuotaRule, Receipt, Spool, Store, Target, Transaction, WorkingBuffer};

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn options() -> Options {
    Options { scram_iterations: 1, ..Options::default() }
}

fn deliver(store: &Store, owner: Owner, mailbox: &str, times: usize) {
    let mailbox = store.mailbox(owner, mailbox).unwrap().unwrap().id;
    for _ in 0..times {
        let mut spool = Spool::new(WorkingBuffer::unpooled(), u64::try_from(WORKING_BUFFER_OCTETS).unwrap());
        spool.push(b"Subject: x\r\n\r\nx\r\n").unwrap();
        let internal_date = InternalDate::utc(0);
        let flags = FlagSelection::default();
        let target = Target { mailbox, flags, internal_date, quota: QuotaRule::Promised };
        let delivery = Delivery { spool, summary: vec![0], targets: vec![target] };
        assert!(matches!(store.commit(Transaction::Deliver(delivery)), Ok(Receipt::Delivered(_))));
    }
}

#[test]
fn accounts_live_and_die_in_a_store() {
    let store = Store::open_in_memory().unwrap();
    let accounts = Accounts::new(store.clone(), options());
    assert_eq!(accounts.finish_removals(), Ok(0));
    accounts.add_domain(&Domain::parse("example.org").unwrap()).unwrap();
    let ann = accounts.add_account(&address("ann@example.org"), "ann's", None).unwrap();
    let bob = accounts.add_account(&address("bob@example.org"), "bob's", Some(1_000_000)).unwrap();
    accounts
        .add_alias(&address("info@example.org"), &[address("ann@example.org"), address("bob@example.org")])
        .unwrap();
    let names =
        |owner| -> Vec<String> { store.mailboxes(owner, None, 100).unwrap().into_iter().map(|row| row.name).collect() };
    assert_eq!(names(bob.owner), ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]);
    assert_eq!(store.subscriptions(bob.owner, None, 100).unwrap(), names(bob.owner));
    let info = accounts.resolve(&ForwardPath::Address(address("info@example.org"))).unwrap();
    assert!(matches!(info, Resolution::Local(found) if found.len() == 2));
    deliver(&store, bob.owner, "INBOX", 5);
    deliver(&store, bob.owner, "Junk", 1);
    deliver(&store, ann.owner, "INBOX", 1);
    let rows = accounts.accounts(None, 10).unwrap();
    let usage: Vec<_> = rows.iter().map(|row| (row.account.address.as_str(), row.usage.messages)).collect();
    assert_eq!(usage, [("ann@example.org", 1), ("bob@example.org", 6)]);
    let candidate = accounts.candidate("bob").unwrap();
    assert!(candidate.credential.verify(b"bob's", accounts.hasher()).unwrap());

    // Another session opens the same accounts: nothing is kept in memory.
    let again = Accounts::new(store.clone(), options());
    assert_eq!(again.account("bob@example.org").unwrap(), Some(bob.clone()));
    again.remove_account(&address("bob@example.org")).unwrap();
    assert_eq!(accounts.account("bob@example.org").unwrap(), None);
    assert!(names(bob.owner).is_empty() && store.subscriptions(bob.owner, None, 100).unwrap().is_empty());
    assert_eq!(store.usage(bob.owner).unwrap().messages, 0);
    assert_eq!(store.usage(ann.owner).unwrap().messages, 1);
    assert_eq!(names(ann.owner).len(), 6);
    store.close().unwrap();
    let late = accounts.set_quota(&address("ann@example.org"), Some(1));
    assert_eq!(late, Err(AccountError::Store(Error::Closed)));
}

#[test]
fn removing_an_account_takes_as_many_steps_as_its_mail_needs() {
    let store = Store::open_in_memory().unwrap();
    let accounts = Accounts::new(store.clone(), options());
    accounts.add_domain(&Domain::parse("example.org").unwrap()).unwrap();
    let ann = accounts.add_account(&address("ann@example.org"), "ann's", None).unwrap();
    deliver(&store, ann.owner, "INBOX", crate::limits::STORE_MESSAGES_MAX + 1);
    accounts.remove_account(&address("ann@example.org")).unwrap();
    assert!(store.mailboxes(ann.owner, None, 1).unwrap().is_empty());
}
