//! Does mail still come in and out? Asked of the store itself, by a thread of its own.
//!
//! A light probe sends a pulse through the writer's queue and back, and reads the last probe message again, octet by
//! octet; it writes nothing. A full probe delivers a message into a mailbox that is there for this alone, and reads it
//! back. It belongs to [`OWNER`], a number that no account ever gets: no login and no recipient leads to it, and it counts
//! for nobody's quota.
//!
//! What that costs the card: a full probe writes one block of 4 KiB, and every fifteenth another one, which removes all
//! but the last. Every 15 minutes that is 410 KiB a day, as much as a few dozen ordinary messages. Light probes write
//! nothing. One working buffer is held while a probe runs.
//!
//! A card that is full, or only reads since a write failed, is found and said, but it is no dead server: another start
//! would change nothing. How often to ask, and what follows, is left to [`super::health`].

use crate::account::Accounts;
use crate::limits::{PROBE_MESSAGE_OCTETS_MAX, PROBE_MESSAGES_MAX, PROBE_STACK_OCTETS};
use crate::mail::{FlagSelection, InternalDate, Uid};
use crate::mime::Scanner;
use crate::store::{
    BlobId, Delivery, Error, MailboxId, MailboxSpec, Owner, QuotaRule, Receipt, Spool, Store, Target, Transaction,
    WorkingBuffer,
};
use std::io;
use std::sync::mpsc;
use std::time::SystemTime;
use tokio::sync::oneshot;

/// Account numbers begin at 1.
pub const OWNER: Owner = Owner(0);
const MAILBOX_NAME: &str = "probe";

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Nothing is written.
    Light,
    /// A message is delivered and read back.
    Full,
}

/// What there is of the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// It takes mail.
    Good,
    /// It has no room for new mail.
    Full,
    /// A write failed: it only reads.
    Failing,
}

/// A probe that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probed {
    /// How the card is.
    pub card: Card,
    /// Is there a domain, so that there can be mail?
    pub is_set_up: bool,
    /// Was a message delivered and read back? Only ever by a full probe, and only with a good card.
    pub delivered: bool,
}

/// What becomes of a probe.
pub type Answer = Result<Probed, Error>;

/// The way to the probe's thread.
#[derive(Clone, Debug)]
pub struct Prober(mpsc::SyncSender<(Depth, oneshot::Sender<Answer>)>);

impl Prober {
    /// Starts the thread. It ends when this is dropped; were the store never to answer it, it would not, and that is the
    /// news.
    ///
    /// # Errors
    /// As the operating system says, if it gives no thread.
    pub fn start(store: Store, accounts: Accounts) -> io::Result<Self> {
        // One at a time is asked for.
        let (sender, receiver) = mpsc::sync_channel::<(Depth, oneshot::Sender<Answer>)>(1);
        let thread = std::thread::Builder::new().name("pillarbox-probe".to_owned()).stack_size(PROBE_STACK_OCTETS);
        drop(thread.spawn(move || {
            let mut probe = Probe { store, accounts, kept: None };
            while let Ok((depth, answer)) = receiver.recv() {
                // Nobody waits any more: the server is stopping.
                let _ = answer.send(probe.run(depth));
            }
        })?);
        Ok(Self(sender))
    }

    /// Asks for a probe. The answer never comes if its thread is gone or still busy with another.
    #[must_use]
    pub fn ask(&self, depth: Depth) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        // What is not taken drops the sender, which the receiver hears.
        let _ = self.0.try_send((depth, answer));
        receiver
    }
}

struct Probe {
    store: Store,
    accounts: Accounts,
    /// The last message that was delivered, and what it must be.
    kept: Option<(BlobId, Vec<u8>)>,
}

impl Probe {
    fn run(&mut self, depth: Depth) -> Answer {
        // What cannot be read is no reason to wait for set-up.
        let is_set_up = !self.accounts.domains(None, 1).is_ok_and(|domains| domains.is_empty());
        let mut card = self.card()?;
        let mut delivered = false;
        if depth == Depth::Full && card == Card::Good {
            match self.deliver() {
                Ok(()) => delivered = true,
                Err(Error::Full) => card = Card::Full,
                Err(Error::ReadOnly) => card = Card::Failing,
                Err(error) => return Err(error),
            }
        }
        self.read_back()?;
        Ok(Probed { card, is_set_up, delivered })
    }

    fn card(&self) -> Result<Card, Error> {
        match self.store.pulse() {
            Ok(pulse) if pulse.takes_mail => Ok(Card::Good),
            Ok(_) => Ok(Card::Full),
            Err(Error::ReadOnly) => Ok(Card::Failing),
            Err(error) => Err(error),
        }
    }

    /// Delivers a message. When there are many, all but the last are removed before.
    fn deliver(&mut self) -> Result<(), Error> {
        let mailbox = self.mailbox()?;
        let messages = self.messages(mailbox)?;
        if let Some((_, older)) = messages.split_last()
            && messages.len() >= PROBE_MESSAGES_MAX
        {
            let uids = older.iter().map(|(uid, _)| uid.get()..=uid.get()).collect();
            self.store.commit(Transaction::Expunge { mailbox, uids, only_deleted: false })?;
        }
        let octets = message();
        let mut scanner = Scanner::new();
        scanner.push(&octets);
        let summary = scanner.finish().encode().ok_or(Error::OverLimit("summary"))?;
        let mut spool = Spool::new(WorkingBuffer::unpooled(), PROBE_MESSAGE_OCTETS_MAX);
        if spool.push(&octets)? < octets.len() {
            return Err(Error::TooLarge);
        }
        let target = Target {
            mailbox,
            flags: FlagSelection::default(),
            internal_date: InternalDate::utc(now()),
            quota: QuotaRule::Promised,
        };
        let receipt = self.store.commit(Transaction::Deliver(Delivery { spool, summary, targets: vec![target] }))?;
        let Receipt::Delivered(places) = receipt else { return Err(Error::Gone) };
        let (_, _, uid) = places.first().ok_or(Error::Gone)?;
        let blob = self.messages(mailbox)?.into_iter().find(|(other, _)| other == uid).ok_or(Error::Gone)?.1;
        self.kept = Some((blob, octets));
        Ok(())
    }

    /// The mailbox, made by the first probe of all.
    fn mailbox(&self) -> Result<MailboxId, Error> {
        if let Some(row) = self.store.mailbox(OWNER, MAILBOX_NAME)? {
            return Ok(row.id);
        }
        let spec = MailboxSpec { owner: OWNER, name: MAILBOX_NAME.to_owned(), special_use: None, subscribed: false };
        match self.store.commit(Transaction::CreateMailbox(spec))? {
            Receipt::Created(id) => Ok(id),
            _ => Err(Error::NoSuchMailbox),
        }
    }

    fn messages(&self, mailbox: MailboxId) -> Result<Vec<(Uid, BlobId)>, Error> {
        let mut view = self.store.open_view(mailbox)?;
        let rows = self.store.messages_by_uid(&mut view, 1..=u32::MAX, PROBE_MESSAGES_MAX)?;
        Ok(rows.into_iter().map(|(_, row)| (row.uid, row.blob)).collect())
    }

    /// Reads the last message and compares. There may be none yet.
    fn read_back(&self) -> Result<(), Error> {
        let Some((blob, expected)) = &self.kept else { return Ok(()) };
        let mut reader = self.store.open_blob(*blob)?;
        let mut octets = vec![0; expected.len().saturating_add(1)];
        let read = reader.read_at(0, &mut octets)?;
        if octets.get(..read) == Some(expected.as_slice()) {
            Ok(())
        } else {
            Err(Error::Damaged("the probe message is not what was written".to_owned()))
        }
    }
}

/// A message that differs from the one before, small enough for one block together with all that is kept of it.
fn message() -> Vec<u8> {
    let seconds = now();
    let mut text =
        format!("From: Pillarbox <>\r\nSubject: probe\r\nDate: {}\r\n\r\n", InternalDate::utc(seconds).rfc5322());
    for line in 0..8_i64 {
        // Any octets will do as long as they change: a multiplication spreads the seconds over 16 digits.
        let digits = seconds.wrapping_mul(8).wrapping_add(line).wrapping_mul(0x5851_f42d_4c95_7f2d);
        text.push_str(&format!("{digits:016x}\r\n"));
    }
    text.into_bytes()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]
    use super::*;
    use crate::account;
    use crate::mail::{Address, Domain};
    use crate::store::{Options, SimulatedMedium};
    use std::sync::Arc;

    fn probe(medium: &SimulatedMedium) -> Probe {
        let store = Store::open(Arc::new(medium.clone()), Options::small()).unwrap().0;
        let options = account::Options { scram_iterations: 1, ..account::Options::default() };
        Probe { accounts: Accounts::new(store.clone(), options), store, kept: None }
    }

    const LIGHT: Probed = Probed { card: Card::Good, is_set_up: false, delivered: false };
    const FULL: Probed = Probed { delivered: true, ..LIGHT };

    #[test]
    fn a_light_probe_costs_nothing_and_a_full_one_little_more_than_a_block() {
        let medium = SimulatedMedium::new();
        let mut probe = probe(&medium);
        // Makes the mailbox.
        assert_eq!(probe.run(Depth::Full), Ok(FULL));
        let rounds = 4 * (PROBE_MESSAGES_MAX as u64 - 1);
        let (mut written, mut syncs) = (0, 0);
        for _ in 0..rounds {
            let before = medium.counts();
            assert_eq!(probe.run(Depth::Full), Ok(FULL));
            let middle = medium.counts();
            assert_eq!(probe.run(Depth::Light), Ok(LIGHT));
            let after = medium.counts();
            assert_eq!((after.writes, after.syncs), (middle.writes, middle.syncs));
            written += middle.octets_written - before.octets_written;
            syncs += middle.syncs - before.syncs;
            let row = probe.store.mailbox(OWNER, MAILBOX_NAME).unwrap().unwrap();
            assert!(row.messages as usize <= PROBE_MESSAGES_MAX);
        }
        assert_eq!((written, syncs), ((rounds + 4) * 4_096, rounds + 4));
    }

    #[test]
    fn nobody_owns_the_probe() {
        let mut probe = probe(&SimulatedMedium::new());
        assert_eq!(probe.run(Depth::Full), Ok(FULL));
        probe.accounts.add_domain(&Domain::parse("example.org").unwrap()).unwrap();
        let address = Address::parse("ann@example.org").unwrap();
        let ann = probe.accounts.add_account(&address, "correct horse", None).unwrap();
        assert_ne!(ann.owner, OWNER);
        assert_eq!(probe.run(Depth::Full), Ok(Probed { is_set_up: true, ..FULL }));
        assert_eq!(probe.store.usage(ann.owner).unwrap(), crate::store::Usage::default());
        assert!(probe.store.mailboxes(ann.owner, None, 99).unwrap().iter().all(|row| row.name != MAILBOX_NAME));
    }

    #[test]
    fn a_full_card_is_no_dead_server_and_heals() {
        let medium = SimulatedMedium::new();
        let mut probe = probe(&medium);
        assert_eq!(probe.run(Depth::Full), Ok(FULL));
        medium.set_capacity(1 << 16);
        let full = Probed { card: Card::Full, ..LIGHT };
        assert_eq!((probe.run(Depth::Light), probe.run(Depth::Full)), (Ok(full), Ok(full)));
        medium.set_capacity(1 << 40);
        assert_eq!((probe.run(Depth::Light), probe.run(Depth::Full)), (Ok(LIGHT), Ok(FULL)));
    }

    #[test]
    fn a_card_that_fails_to_write_is_still_read() {
        let medium = SimulatedMedium::new();
        let mut probe = probe(&medium);
        assert_eq!(probe.run(Depth::Full), Ok(FULL));
        medium.fail_sync_after(0, Error::Medium("worn out".to_owned()));
        let failing = Probed { card: Card::Failing, ..LIGHT };
        assert_eq!(probe.run(Depth::Full), Ok(failing));
        assert_eq!(probe.run(Depth::Light), Ok(failing));
    }

    #[test]
    fn what_is_not_what_was_written_fails_until_a_new_message_is_there() {
        let mut probe = probe(&SimulatedMedium::new());
        assert_eq!(probe.run(Depth::Full), Ok(FULL));
        probe.kept.as_mut().unwrap().1[5] ^= 1;
        assert!(matches!(probe.run(Depth::Light), Err(Error::Damaged(_))));
        assert_eq!(probe.run(Depth::Full), Ok(FULL));
        assert_eq!(probe.run(Depth::Light), Ok(LIGHT));
        let _ = probe.store.clone().close();
        assert_eq!(probe.run(Depth::Light), Err(Error::Closed));
    }

    #[tokio::test]
    async fn the_thread_answers_and_ends_with_its_way() {
        let Probe { store, accounts, .. } = probe(&SimulatedMedium::new());
        let prober = Prober::start(store, accounts).unwrap();
        assert_eq!(prober.ask(Depth::Full).await, Ok(Ok(FULL)));
        assert_eq!(prober.ask(Depth::Light).await, Ok(Ok(LIGHT)));
    }
}
