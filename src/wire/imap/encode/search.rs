//! RFC 9051 7.3.4 ESEARCH and RFC 3501 7.2.5 SEARCH, streamed: a result may be larger than any slice.

use super::out::{Full, Out};
use super::set::SetWriter;
use super::string::string;
use crate::mail::ModSeq;

/// RFC 3501 7.2.5: `* SEARCH 2 84 882`.
#[derive(Clone, Copy, Debug)]
pub struct Search(());

impl Search {
    /// Begins the response.
    ///
    /// # Errors
    /// [`Full`].
    pub fn begin(out: &mut Out<'_>) -> Result<Self, Full> {
        out.text("* SEARCH")?;
        Ok(Self(()))
    }

    /// One message that was found.
    ///
    /// # Errors
    /// [`Full`].
    pub fn push(self, out: &mut Out<'_>, number: u32) -> Result<(), Full> {
        out.show(format_args!(" {number}"))
    }

    /// Ends it, with the highest mod-sequence of what was found where the client asked for MODSEQ (RFC 7162 3.1.5).
    ///
    /// # Errors
    /// [`Full`].
    pub fn end(self, out: &mut Out<'_>, highest: Option<ModSeq>) -> Result<(), Full> {
        if let Some(modseq) = highest {
            out.show(format_args!(" (MODSEQ {modseq})"))?;
        }
        out.text("\r\n")
    }
}

/// RFC 9051 7.3.4: `* ESEARCH (TAG "a") UID MIN 1 MAX 9 COUNT 3 ALL 1,5,9 MODSEQ 7`. Items are written in the order of
/// the calls; `all` numbers come one at a time into a [`SetWriter`] after [`Esearch::all`].
#[derive(Clone, Copy, Debug)]
pub struct Esearch(());

impl Esearch {
    /// Begins the response to the command with this tag.
    ///
    /// # Errors
    /// [`Full`].
    pub fn begin(out: &mut Out<'_>, tag: &str, uid: bool) -> Result<Self, Full> {
        out.text("* ESEARCH (TAG ")?;
        string(out, tag.as_bytes())?;
        out.text(if uid { ") UID" } else { ")" })?;
        Ok(Self(()))
    }

    /// MIN; only where something was found.
    ///
    /// # Errors
    /// [`Full`].
    pub fn min(self, out: &mut Out<'_>, number: u32) -> Result<(), Full> {
        out.show(format_args!(" MIN {number}"))
    }

    /// MAX; only where something was found.
    ///
    /// # Errors
    /// [`Full`].
    pub fn max(self, out: &mut Out<'_>, number: u32) -> Result<(), Full> {
        out.show(format_args!(" MAX {number}"))
    }

    /// COUNT.
    ///
    /// # Errors
    /// [`Full`].
    pub fn count(self, out: &mut Out<'_>, messages: u32) -> Result<(), Full> {
        out.show(format_args!(" COUNT {messages}"))
    }

    /// ALL; only where something was found: at least one number must be pushed into the writer, which is then ended.
    ///
    /// # Errors
    /// [`Full`].
    pub fn all(self, out: &mut Out<'_>) -> Result<SetWriter, Full> {
        out.text(" ALL ")?;
        Ok(SetWriter::new())
    }

    /// Ends it, with the highest mod-sequence of what was found where the client asked for MODSEQ (RFC 7162 3.1.10).
    ///
    /// # Errors
    /// [`Full`].
    pub fn end(self, out: &mut Out<'_>, highest: Option<ModSeq>) -> Result<(), Full> {
        if let Some(modseq) = highest {
            out.show(format_args!(" MODSEQ {modseq}"))?;
        }
        out.text("\r\n")
    }
}
