//! The store as its callers see it.
//!
//! Owns the threads: the writer, and the one that pre-writes segments. Cloning it is cheap; when the last one is dropped
//! the store is closed in order. What waits and how much memory that takes is said in [`super::queue`].

use super::blob::{BlobReader, read_summary};
use super::feed::Subscription;
use super::figures::{Counters, Figures};
use super::index::{BlobRow, Index, View};
use super::medium::{Medium, SimulatedMedium};
use super::options::Options;
use super::prewrite::Prewriter;
use super::queue::{Reply, Request};
use super::recovery::{OpenReport, Recovered, recover};
use super::shared::Shared;
use super::width::wide;
use super::writer::Writer;
use super::{
    BlobId, Change, DirectoryEntry, Error, MailboxId, MailboxRow, MessageRow, Owner, Pulse, Receipt, Spool,
    Transaction, Usage, WorkingBuffer,
};
use crate::mail::Uid;
use core::fmt;
use core::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

/// The writer plans, encodes and walks the index's tree: no recursion, no large arrays.
const WRITER_STACK_OCTETS: usize = 256 * 1024;
const PREWRITER_STACK_OCTETS: usize = 64 * 1024;

/// All mail of one appliance.
#[derive(Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    threads: Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    writer: Option<JoinHandle<Result<(), Error>>>,
    prewriter: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the store that the medium holds; makes one if it holds none.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has it, [`Error::Version`] if a newer program made it, [`Error::Medium`] if
    /// the medium fails. Damage is no error: it is in the report.
    pub fn open(medium: Arc<dyn Medium>, options: Options) -> Result<(Self, OpenReport), Error> {
        let (store, writer, prewriter, report) = Self::open_unthreaded(medium, options)?;
        let failed = |error: std::io::Error| Error::Medium(format!("cannot start a thread: {error}"));
        let spawned = thread::Builder::new().name("pillarbox-log".to_owned()).stack_size(WRITER_STACK_OCTETS);
        let writer = spawned.spawn(move || writer.run()).map_err(failed)?;
        store.threads().writer = Some(writer);
        if store.handle.shared.options.spares > 0 {
            let spawned = thread::Builder::new().name("pillarbox-prewrite".to_owned());
            let spawned = spawned.stack_size(PREWRITER_STACK_OCTETS).spawn(move || prewriter.run());
            store.threads().prewriter = Some(spawned.map_err(failed)?);
        }
        Ok((store, report))
    }

    /// An empty store in memory, for tests.
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub fn open_in_memory() -> Result<Self, Error> {
        Ok(Self::open(Arc::new(SimulatedMedium::new()), Options::small())?.0)
    }

    /// Without threads: tests call the writer's and the pre-writer's steps themselves.
    pub(super) fn open_unthreaded(
        medium: Arc<dyn Medium>,
        options: Options,
    ) -> Result<(Self, Writer, Prewriter, OpenReport), Error> {
        let lock = medium.lock()?;
        let counters = Arc::new(Counters::default());
        let Recovered { segments, index, log, buffer, report } = recover(&medium, &options, &counters)?;
        let pool = (options.spares, options.spares_low);
        let prewriter =
            Prewriter::new(medium, Arc::clone(&segments), Arc::clone(&counters), pool, options.reserve_octets);
        let shared = Arc::new(Shared::new(segments, index, counters, options));
        let writer = Writer::new(Arc::clone(&shared), log, buffer, lock, report.replayed_octets);
        let handle = Handle { shared, threads: Mutex::default() };
        Ok((Self { handle: Arc::new(handle) }, writer, prewriter, report))
    }

    /// The next mailbox identifier and the last UIDVALIDITY, zero if there is none.
    #[cfg(test)]
    pub(super) fn numbers_given(&self) -> (u32, u32) {
        let index = self.shared().index();
        (index.next_mailbox_id().0, index.last_uid_validity().map_or(0, crate::mail::UidValidity::get))
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Threads> {
        self.handle.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    fn index<T>(&self, ask: impl FnOnce(&mut Index) -> Result<T, Error>) -> Result<T, Error> {
        ask(&mut self.shared().index())
    }

    /// Hands a change in. Never blocks; the reply is called when the change is durable, or refused: with
    /// [`Error::Busy`] at once if the queue is full.
    pub fn submit(&self, transaction: Transaction, reply: Reply<Receipt>) {
        self.shared().queue.push(Request::Transaction(Box::new(transaction), reply));
    }

    /// Writes the full chunk of a spool, without a sync, and gives the spool back with room. Never blocks.
    pub fn spill(&self, spool: Spool, reply: Reply<Spool>) {
        self.shared().queue.push(Request::Spill(spool, reply));
    }

    /// [`Store::submit`], and waits.
    ///
    /// # Errors
    /// Why the change did not happen.
    pub fn commit(&self, transaction: Transaction) -> Result<Receipt, Error> {
        self.blocking(|reply| Request::Transaction(Box::new(transaction), reply))
    }

    /// [`Store::spill`], and waits.
    ///
    /// # Errors
    /// Why the chunk was not written; the message is lost then.
    pub fn spill_blocking(&self, spool: Spool) -> Result<Spool, Error> {
        self.blocking(|reply| Request::Spill(spool, reply))
    }

    /// Makes the index durable, so that the next opening has nothing to replay.
    ///
    /// # Errors
    /// [`Error::Medium`] if the medium fails, [`Error::ReadOnly`] if it has failed before.
    pub fn checkpoint(&self) -> Result<(), Error> {
        self.blocking(Request::Checkpoint)
    }

    /// Goes the way of a change through the queue to the writer and back, without changing anything: nothing is written
    /// or synced. An answer means that the writer is at work, and that a change that came now would get its turn.
    ///
    /// # Errors
    /// [`Error::ReadOnly`] if a write has failed, [`Error::Closed`] if there is no writer any more.
    pub fn pulse(&self) -> Result<Pulse, Error> {
        self.blocking(Request::Pulse)
    }

    fn blocking<T: Send + 'static>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Error> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let reply = move |outcome| {
            // Nobody listens only if the caller's thread is gone.
            let _ = sender.send(outcome);
        };
        self.shared().queue.push_blocking(request(Box::new(reply)));
        receiver.recv().unwrap_or(Err(Error::Closed))
    }

    /// Does what was handed in, makes the index durable and ends the threads. Other clones only read from then on.
    ///
    /// # Errors
    /// [`Error::Medium`] if the medium fails, [`Error::ReadOnly`] if it has failed before; [`Error::Closed`] if the store
    /// was closed before.
    pub fn close(self) -> Result<(), Error> {
        self.handle.end()
    }

    /// Mailboxes of an owner in the order of their names' octets, behind the name `after`.
    ///
    /// # Errors
    /// [`Error::Medium`] or [`Error::Damaged`] if the index cannot be read.
    pub fn mailboxes(&self, owner: Owner, after: Option<&str>, max: usize) -> Result<Vec<MailboxRow>, Error> {
        self.index(|index| index.mailboxes(owner, after, max))
    }

    /// A mailbox by its name.
    ///
    /// # Errors
    /// As for [`Store::mailboxes`].
    pub fn mailbox(&self, owner: Owner, name: &str) -> Result<Option<MailboxRow>, Error> {
        self.index(|index| index.mailbox(owner, name))
    }

    /// A mailbox by its identifier.
    ///
    /// # Errors
    /// As for [`Store::mailboxes`].
    pub fn mailbox_by_id(&self, id: MailboxId) -> Result<Option<MailboxRow>, Error> {
        self.index(|index| index.mailbox_by_id(id))
    }

    /// Subscribed names of an owner in the order of their octets, behind the name `after`.
    ///
    /// # Errors
    /// As for [`Store::mailboxes`].
    pub fn subscriptions(&self, owner: Owner, after: Option<&str>, max: usize) -> Result<Vec<String>, Error> {
        self.index(|index| index.subscriptions(owner, after, max))
    }

    /// What an owner uses.
    ///
    /// # Errors
    /// As for [`Store::mailboxes`].
    pub fn usage(&self, owner: Owner) -> Result<Usage, Error> {
        self.index(|index| index.usage(owner))
    }

    /// A directory entry.
    ///
    /// # Errors
    /// As for [`Store::mailboxes`].
    pub fn directory(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.index(|index| index.directory(key))
    }

    /// Directory entries whose keys begin with `prefix`, in the order of their octets, behind the key `after`.
    ///
    /// # Errors
    /// As for [`Store::mailboxes`].
    pub fn directory_range(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        max: usize,
    ) -> Result<Vec<DirectoryEntry>, Error> {
        self.index(|index| index.directory_range(prefix, after, max))
    }

    /// A message's encoded [`crate::mime::Summary`].
    ///
    /// # Errors
    /// [`Error::Gone`] if there is no such body, [`Error::Damaged`] if the card does not hold what was written.
    pub fn summary(&self, blob: BlobId) -> Result<Vec<u8>, Error> {
        read_summary(&self.shared().segments, self.blob(blob)?.summary)
    }

    /// Opens a message body, with a buffer of its own.
    ///
    /// # Errors
    /// As for [`Store::summary`].
    pub fn open_blob(&self, blob: BlobId) -> Result<BlobReader, Error> {
        self.open_blob_with(blob, WorkingBuffer::unpooled())
    }

    /// Opens a message body, with the caller's buffer; [`BlobReader::into_buffer`] gives it back.
    ///
    /// # Errors
    /// As for [`Store::summary`].
    pub fn open_blob_with(&self, blob: BlobId, buffer: WorkingBuffer) -> Result<BlobReader, Error> {
        let row = self.blob(blob)?;
        BlobReader::open(Arc::clone(&self.shared().segments), blob, &row, buffer)
    }

    fn blob(&self, blob: BlobId) -> Result<BlobRow, Error> {
        self.index(|index| index.blob(blob))?.ok_or(Error::Gone)
    }

    /// Tells from now on when the mailbox has changed.
    #[must_use]
    pub fn subscribe(&self, mailbox: MailboxId) -> Subscription {
        self.shared().feed.subscribe(mailbox)
    }

    /// What the store counts.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let shared = self.shared();
        let counters = &shared.counters;
        let (segments, spares) = shared.segments.counts();
        Figures {
            log_octets: counters.log_octets.get(),
            batches: counters.batches.get(),
            syncs: counters.syncs.get(),
            transactions: counters.transactions.get(),
            refused: counters.refused.get(),
            spilled: counters.spilled.get(),
            segments: wide(segments),
            spares: wide(spares),
            segments_prewritten: counters.segments_prewritten.get(),
            prewritten_octets: counters.prewritten_octets.get(),
            free_octets: counters.free_octets.get(),
            checkpoints: counters.checkpoints.get(),
            replayed_batches: counters.replayed_batches.get(),
            waiting: wide(shared.queue.len()),
            read_only: shared.is_read_only(),
            index: shared.index().figures(),
        }
    }
}

/// Views: one client's numbering of a mailbox. All of these first take in which messages were expunged meanwhile;
/// [`Error::ViewLost`] says that there were too many, and the mailbox must be opened again.
impl Store {
    /// Numbers a mailbox as it is now.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`] if it is gone.
    pub fn open_view(&self, mailbox: MailboxId) -> Result<View, Error> {
        self.index(|index| index.open_view(mailbox))
    }

    /// At most `max` changes since the view was brought up to date; call again until there are none. Without
    /// `expunges`, numbers stay as they are (RFC 9051 7.5.1).
    ///
    /// # Errors
    /// [`Error::ViewLost`], [`Error::NoSuchMailbox`].
    pub fn sync(&self, view: &mut View, expunges: bool, max: usize) -> Result<Vec<Change>, Error> {
        self.index(|index| index.sync(view, expunges, max))
    }

    /// Messages that the view knows and that are still there, by UID.
    ///
    /// # Errors
    /// As for [`Store::sync`].
    pub fn messages_by_uid(
        &self,
        view: &mut View,
        uids: RangeInclusive<u32>,
        max: usize,
    ) -> Result<Vec<(u32, MessageRow)>, Error> {
        self.index(|index| index.messages_by_uid(view, uids, max))
    }

    /// Messages that the view knows and that are still there, by sequence number.
    ///
    /// # Errors
    /// As for [`Store::sync`].
    pub fn messages_by_sequence(
        &self,
        view: &mut View,
        sequences: RangeInclusive<u32>,
        max: usize,
    ) -> Result<Vec<(u32, MessageRow)>, Error> {
        self.index(|index| index.messages_by_sequence(view, sequences, max))
    }

    /// The UID of a sequence number, if it is known.
    ///
    /// # Errors
    /// As for [`Store::sync`].
    pub fn uid_at(&self, view: &mut View, sequence: u32) -> Result<Option<Uid>, Error> {
        self.index(|index| index.uid_at(view, sequence))
    }

    /// The sequence number of a UID, if the view knows it.
    ///
    /// # Errors
    /// As for [`Store::sync`].
    pub fn sequence_of(&self, view: &mut View, uid: Uid) -> Result<Option<u32>, Error> {
        self.index(|index| index.sequence_of(view, uid))
    }

    /// The first message without `\Seen`.
    ///
    /// # Errors
    /// As for [`Store::sync`].
    pub fn first_unseen(&self, view: &mut View) -> Result<Option<u32>, Error> {
        self.index(|index| index.first_unseen(view))
    }

    /// The UID of the last message.
    ///
    /// # Errors
    /// As for [`Store::sync`].
    pub fn last_uid(&self, view: &mut View) -> Result<Option<Uid>, Error> {
        self.index(|index| index.last_uid(view))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("figures", &self.figures()).finish()
    }
}

impl Handle {
    fn end(&self) -> Result<(), Error> {
        let (writer, prewriter) = {
            let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
            (threads.writer.take(), threads.prewriter.take())
        };
        // The lock of the medium goes with the writer: the pre-writer must have ended before.
        self.shared.segments.stop();
        if let Some(prewriter) = prewriter {
            let _ = prewriter.join();
        }
        let first = self.shared.queue.close();
        match writer {
            // A reply may hold the last clone, and is dropped by the writer itself.
            Some(writer) if writer.thread().id() != thread::current().id() => {
                writer.join().unwrap_or(Err(Error::Closed))
            }
            _ if first => Ok(()),
            _ => Err(Error::Closed),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Err(error) = self.end()
            && error != Error::Closed
        {
            log::error!("store: closing: {error}");
        }
    }
}
