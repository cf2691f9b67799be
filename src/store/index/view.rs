//! One client's numbering of a mailbox.

use super::super::MailboxId;
use crate::mail::ModSeq;

/// One client's numbering of a mailbox: sequence numbers stay fixed until `sync` says otherwise (RFC 9051 2.3.1.2).
#[derive(Clone, Debug)]
pub struct View {
    mailbox: MailboxId,
    exists: u32,
    modseq: ModSeq,
}

impl View {
    /// Its mailbox.
    #[must_use]
    pub fn mailbox(&self) -> MailboxId {
        self.mailbox
    }

    /// Messages that the client knows of.
    #[must_use]
    pub fn exists(&self) -> u32 {
        self.exists
    }

    /// All changes up to here have been reported, and perhaps more.
    #[must_use]
    pub fn modseq(&self) -> ModSeq {
        self.modseq
    }

    /// The client's own change of flags: `sync` does not report it.
    pub fn note_own(&mut self, modseq: ModSeq) {
        let _ = modseq;
    }
}
