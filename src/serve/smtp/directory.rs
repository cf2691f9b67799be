//! Who may send and who receives: the session's questions to accounts and store, answered where blocking is allowed.

use super::{Roomiest, Session, Transaction};
use crate::account::{Accounts, Resolution as Found};
use crate::limits::SMTP_PERMIT_TIMEOUT;
use crate::mail::{Address, ForwardPath, ReversePath};
use crate::session::smtp::{Admission, Candidate, Envelope, Resolution, Verification};
use crate::store::{Error, Owner, Store};
use std::sync::Arc;
use tokio::time::Instant;

/// The mailbox that mail comes into.
const INBOX: &str = "INBOX";

impl Session {
    /// MAIL: is the sender the user's own address, and is a transaction free?
    pub(super) async fn admit(&mut self, envelope: &Envelope) -> Admission {
        let user = self.smtp.client().and_then(|client| client.user.as_ref()).map(|user| user.owner);
        // The null path is anyone's: a mail program's disposition notifications have it (RFC 8098 3).
        if let (Some(owner), ReversePath::Address(address)) = (user, &envelope.reverse_path) {
            let (accounts, address) = (self.services.accounts.clone(), address.clone());
            match self.services.store.read(move |_| belongs(&accounts, &address, owner)).await {
                Ok(true) => {}
                Ok(false) => return Admission::NotYours,
                Err(error) => return Admission::Failed(error),
            }
        }
        if self.transaction.is_none() {
            let (services, address) = (&self.services, self.connection.peer().ip());
            let waiting = async {
                // One network's clients wait for each other, not for all.
                let share = services.transaction_shares.wait(address).await;
                let permit = Arc::clone(&services.transactions).acquire_owned().await.ok()?;
                Some(Transaction { _share: share, _permit: permit, since: Instant::now(), roomiest: None })
            };
            match tokio::time::timeout(SMTP_PERMIT_TIMEOUT, waiting).await {
                Ok(Some(transaction)) => self.transaction = Some(transaction),
                Ok(None) | Err(_) => return Admission::Overloaded,
            }
        }
        Admission::Admitted
    }

    /// RCPT: whose mailboxes?
    pub(super) async fn resolve(&mut self, candidate: &Candidate) -> Resolution {
        let (accounts, path) = (self.services.accounts.clone(), candidate.path.clone());
        let declared = self.smtp.envelope().and_then(|envelope| envelope.parameters.size).unwrap_or(0);
        let found = self.services.store.read(move |store| find(store, &accounts, &path, declared));
        let (resolution, roomiest) = match found.await {
            Ok(found) => found,
            Err(error) => return Resolution::Failed(error),
        };
        if let (Resolution::Local(_), Some(new), Some(transaction)) = (&resolution, roomiest, &mut self.transaction)
            && transaction.roomiest.as_ref().is_none_or(|old| old.left < new.left)
        {
            transaction.roomiest = Some(new);
        }
        resolution
    }

    /// VRFY.
    pub(super) async fn verify(&self, text: &str) -> Verification {
        let (accounts, text) = (self.services.accounts.clone(), text.to_owned());
        let verified = self.services.store.read(move |_| look_up(&accounts, &text));
        verified.await.unwrap_or_else(Verification::Failed)
    }

    /// EXPN.
    pub(super) async fn expand(&self, text: &str) -> Result<Option<Vec<String>>, Error> {
        let (accounts, name) = (self.services.accounts.clone(), unbracketed(text).to_owned());
        let members = self.services.store.read(move |_| accounts.expand_list(&name)).await?;
        Ok(members.map(|members| members.iter().map(Address::to_string).collect()))
    }
}

/// RFC 5321 4.1.1.6 leaves the form open: brackets are as good as none.
fn unbracketed(text: &str) -> &str {
    text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text)
}

/// Is it the account's address, with any detail, or an alias that leads to it?
fn belongs(accounts: &Accounts, address: &Address, owner: Owner) -> Result<bool, Error> {
    match accounts.resolve(&ForwardPath::Address(address.clone()))? {
        Found::Local(recipients) => Ok(recipients.iter().any(|recipient| recipient.owner == owner)),
        Found::NoSuchUser | Found::NotLocal => Ok(false),
        // An alias that leads out of the house as well: the resolution names only those targets.
        Found::RemoteAlias(_) => {
            for target in accounts.expand_list(&address.to_string())?.unwrap_or_default() {
                if accounts.account_of(&target)?.is_some_and(|account| account.owner == owner) {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

fn find(
    store: &Store,
    accounts: &Accounts,
    path: &ForwardPath,
    declared: u64,
) -> Result<(Resolution, Option<Roomiest>), Error> {
    let recipients = match accounts.resolve(path)? {
        Found::Local(recipients) => recipients,
        Found::NoSuchUser => return Ok((Resolution::NoSuchUser, None)),
        Found::NotLocal | Found::RemoteAlias(_) => return Ok((Resolution::Remote, None)),
    };
    let mut mailboxes = Vec::with_capacity(recipients.len());
    let mut roomiest: Option<Roomiest> = None;
    for recipient in recipients {
        // RFC 5233: the detail does not divide mailboxes here; it all comes into the user's inbox.
        let inbox = store.mailbox(recipient.owner, INBOX)?.ok_or(Error::NoSuchMailbox)?;
        mailboxes.push(inbox.id);
        let left = match recipient.quota {
            None => u64::MAX,
            Some(quota) => quota.saturating_sub(store.usage(recipient.owner)?.octets),
        };
        if roomiest.as_ref().is_none_or(|roomiest| roomiest.left < left) {
            roomiest = Some(Roomiest { mailbox: inbox.id, quota: recipient.quota, left });
        }
    }
    // One full mailbox behind a list must neither stop the list nor lose its copy: only when all are full, nobody gets it.
    let room = roomiest.as_ref().is_some_and(|roomiest| roomiest.left >= declared.max(1));
    Ok((if room { Resolution::Local(mailboxes) } else { Resolution::OverQuota }, roomiest))
}

fn look_up(accounts: &Accounts, text: &str) -> Result<Verification, Error> {
    // RFC 6531 3.7.4.2: the client can show addresses beyond ASCII.
    let (text, utf8) = match text.rsplit_once(' ') {
        Some((text, word)) if word.eq_ignore_ascii_case("SMTPUTF8") => (text.trim_end(), true),
        _ => (text, false),
    };
    let text = unbracketed(text);
    let known = |address: String| {
        if utf8 || address.is_ascii() { Verification::Known(address) } else { Verification::Unclear }
    };
    let path = match Address::parse(text) {
        Ok(address) => ForwardPath::Address(address),
        Err(_) if text.eq_ignore_ascii_case("postmaster") => ForwardPath::Postmaster,
        // A name alone means an account of our only domain.
        Err(_) => {
            let account = accounts.account(text)?;
            return Ok(account.map_or(Verification::Unknown, |account| known(account.address)));
        }
    };
    Ok(match accounts.resolve(&path)? {
        Found::Local(recipients) => match recipients.as_slice() {
            [one] => known(one.address.clone()),
            // RFC 5321 3.5.3: a list is for EXPN.
            _ => Verification::Unclear,
        },
        Found::NoSuchUser => Verification::Unknown,
        Found::NotLocal | Found::RemoteAlias(_) => Verification::Unclear,
    })
}
