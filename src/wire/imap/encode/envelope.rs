//! RFC 9051 7.5.2 ENVELOPE.

use super::out::{Full, Out};
use super::string::nstring;
use crate::mime::{Envelope, EnvelopeAddress};

/// Writes an envelope with its parentheses.
///
/// # Errors
/// [`Full`].
pub fn envelope(out: &mut Out<'_>, envelope: &Envelope) -> Result<(), Full> {
    // RFC 9051 7.5.2: Sender and Reply-To that are missing or empty show as From.
    let sender = if envelope.sender.is_empty() { &envelope.from } else { &envelope.sender };
    let reply_to = if envelope.reply_to.is_empty() { &envelope.from } else { &envelope.reply_to };
    out.octet(b'(')?;
    nstring(out, envelope.date.as_deref())?;
    out.octet(b' ')?;
    nstring(out, envelope.subject.as_deref())?;
    for list in [&envelope.from, sender, reply_to, &envelope.to, &envelope.cc, &envelope.bcc] {
        out.octet(b' ')?;
        addresses(out, list)?;
    }
    out.octet(b' ')?;
    nstring(out, envelope.in_reply_to.as_deref())?;
    out.octet(b' ')?;
    nstring(out, envelope.message_id.as_deref())?;
    out.octet(b')')
}

fn addresses(out: &mut Out<'_>, list: &[EnvelopeAddress]) -> Result<(), Full> {
    if list.is_empty() {
        return out.text("NIL");
    }
    out.octet(b'(')?;
    for address in list {
        out.octet(b'(')?;
        nstring(out, address.name.as_deref())?;
        // The source route of RFC 822, which RFC 5321 3.3 made obsolete.
        out.text(" NIL ")?;
        nstring(out, address.mailbox.as_deref())?;
        out.octet(b' ')?;
        nstring(out, address.host.as_deref())?;
        out.octet(b')')?;
    }
    out.octet(b')')
}
