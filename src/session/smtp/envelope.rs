//! The envelope of one mail transaction: where it came from, and where it goes.
//!
//! Recipients are kept encoded one behind the other, so that [`RECIPIENTS_OCTETS_MAX`] octets are all that they take,
//! whether they are many short ones or a hundred of full length (RFC 5321 4.5.3.1.8).

use crate::limits::{MESSAGE_MAILBOXES_MAX, RECIPIENTS_MAX, RECIPIENTS_OCTETS_MAX};
use crate::mail::{ForwardPath, ReversePath};
use crate::store::MailboxId;
use crate::wire::smtp::{MailParameters, RcptParameters};

/// What MAIL and RCPT said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Where notifications go.
    pub reverse_path: ReversePath,
    /// Parameters of MAIL.
    pub parameters: MailParameters,
    /// Recipients that were accepted.
    pub recipients: Recipients,
}

impl Envelope {
    /// Without recipients.
    #[must_use]
    pub fn new(reverse_path: ReversePath, parameters: MailParameters) -> Self {
        Self { reverse_path, parameters, recipients: Recipients::default() }
    }
}

/// The recipients do not fit: RFC 5321 4.5.3.1.10, `452`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Accepted recipients in their order, and the mailboxes that they come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipients {
    /// Postcard encodings of path and parameters.
    octets: Vec<u8>,
    count: usize,
    /// Sorted, each once.
    mailboxes: Vec<MailboxId>,
}

/// Octets of the recipients' encodings; the rest of the budget is for the mailboxes.
const ENCODED_OCTETS_MAX: usize = RECIPIENTS_OCTETS_MAX - MESSAGE_MAILBOXES_MAX * size_of::<MailboxId>();

impl Recipients {
    /// Takes one more, or none of it.
    ///
    /// # Errors
    /// [`Full`] if one of the limits would be passed.
    pub fn push(
        &mut self,
        path: &ForwardPath,
        parameters: &RcptParameters,
        mailboxes: &[MailboxId],
    ) -> Result<(), Full> {
        let encoded = postcard::to_stdvec(&(path, parameters)).map_err(|_| Full)?;
        let octets = self.octets.len().saturating_add(encoded.len());
        // An alias may name a mailbox that another recipient named already: it gets the message once.
        let mut new: Vec<MailboxId> = mailboxes.to_vec();
        new.retain(|mailbox| self.mailboxes.binary_search(mailbox).is_err());
        new.sort_unstable();
        new.dedup();
        if self.count >= RECIPIENTS_MAX
            || octets > ENCODED_OCTETS_MAX
            || self.mailboxes.len().saturating_add(new.len()) > MESSAGE_MAILBOXES_MAX
        {
            return Err(Full);
        }
        if octets > self.octets.capacity() {
            // Doubling as vectors do, but never beyond the budget.
            let capacity = octets.next_power_of_two().clamp(512, ENCODED_OCTETS_MAX);
            self.octets.reserve_exact(capacity.saturating_sub(self.octets.len()));
        }
        self.octets.extend_from_slice(&encoded);
        self.count = self.count.saturating_add(1);
        self.mailboxes.reserve_exact(new.len());
        self.mailboxes.append(&mut new);
        self.mailboxes.sort_unstable();
        Ok(())
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// None yet?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// In the order in which they were accepted.
    pub fn iter(&self) -> impl Iterator<Item = (ForwardPath, RcptParameters)> + '_ {
        let mut rest = self.octets.as_slice();
        core::iter::from_fn(move || {
            let (recipient, behind) = postcard::take_from_bytes(rest).ok()?;
            rest = behind;
            Some(recipient)
        })
    }

    /// Gives the mailboxes away and forgets all but how many recipients there were.
    pub(super) fn take_mailboxes(&mut self) -> Vec<MailboxId> {
        self.octets = Vec::new();
        core::mem::take(&mut self.mailboxes)
    }

    /// Mailboxes that the message goes to, each once.
    #[must_use]
    pub fn mailboxes(&self) -> &[MailboxId] {
        &self.mailboxes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::as_conversions)]
    use super::*;
    use crate::mail::Address;
    use crate::wire::smtp::{Notify, OriginalRecipient};

    fn path(text: &str) -> ForwardPath {
        ForwardPath::Address(Address::parse(text).unwrap())
    }

    #[test]
    fn a_hundred_recipients_of_full_length_fit() {
        let mut recipients = Recipients::default();
        let labels = ["d".repeat(63), "d".repeat(63), "d".repeat(61)].join(".");
        for index in 0..100 {
            let local = format!("{index:064}");
            let path = path(&format!("{local}@{labels}"));
            assert_eq!(path.to_string().len(), 256);
            recipients.push(&path, &RcptParameters::default(), &[MailboxId(index)]).unwrap();
        }
        assert_eq!((recipients.len(), recipients.iter().count(), recipients.mailboxes().len()), (100, 100, 100));
    }

    #[test]
    fn recipients_stay_within_their_octets() {
        let mut recipients = Recipients::default();
        let parameters = RcptParameters {
            notify: Some(Notify::Never),
            original: Some(OriginalRecipient { kind: "rfc822".into(), address: "a".repeat(493).into() }),
        };
        let path = path("ann@example.org");
        while recipients.push(&path, &parameters, &[MailboxId(1)]).is_ok() {}
        assert!(recipients.octets.capacity() <= ENCODED_OCTETS_MAX && recipients.len() > 50);
        assert_eq!(recipients.iter().last(), Some((path, parameters)));
        assert_eq!(recipients.mailboxes(), [MailboxId(1)]);
    }

    #[test]
    fn counts_are_limited_and_mailboxes_stand_once() {
        let mut recipients = Recipients::default();
        let short = path("a@b.c");
        let none = RcptParameters::default();
        for _ in 0..RECIPIENTS_MAX {
            recipients.push(&short, &none, &[MailboxId(2), MailboxId(1), MailboxId(2)]).unwrap();
        }
        assert_eq!(recipients.push(&short, &none, &[]), Err(Full));
        assert_eq!(recipients.mailboxes(), [MailboxId(1), MailboxId(2)]);
        let many: Vec<MailboxId> = (0..=MESSAGE_MAILBOXES_MAX as u32).map(MailboxId).collect();
        assert_eq!(Recipients::default().push(&short, &none, &many), Err(Full));
    }
}
