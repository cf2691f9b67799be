//! What the log says of SMTP: one line an event, beginning with the session, and no secrets.

use crate::serve::Connection;
use crate::session::smtp::{Admission, Candidate, Envelope, Received, Resolution, Rules, Service, Smtp};
use core::fmt::Write;

/// Recipients that one line names; of more it tells how many.
const RECIPIENTS_SHOWN_MAX: usize = 10;

/// What lines call the protocol.
pub(super) fn name(service: Service) -> &'static str {
    match service {
        Service::Relay => "SMTP",
        Service::Submission => "submission",
        Service::Lmtp => "LMTP",
    }
}

pub(super) fn not_admitted(connection: &Connection, rules: &Rules, envelope: &Envelope, admission: &Admission) {
    let why = match admission {
        Admission::Admitted => "admitted".to_owned(),
        Admission::Overloaded => "too many transactions".to_owned(),
        Admission::NotYours => "not an address of this user".to_owned(),
        Admission::Failed(error) => error.to_string(),
    };
    let (id, protocol) = (connection.session_id(), name(rules.service));
    log::info!("[{id}] {protocol}: sender {} refused: {why}", envelope.reverse_path);
}

pub(super) fn recipient_refused(
    connection: &Connection,
    rules: &Rules,
    candidate: &Candidate,
    resolution: &Resolution,
) {
    let why = match resolution {
        Resolution::Local(_) => "local".to_owned(),
        Resolution::OverQuota => "over quota".to_owned(),
        Resolution::NoSuchUser => "no such user".to_owned(),
        Resolution::Remote => "not local".to_owned(),
        Resolution::Failed(error) => error.to_string(),
    };
    let (id, protocol) = (connection.session_id(), name(rules.service));
    log::info!("[{id}] {protocol}: recipient {} refused: {why}", candidate.path);
}

/// Where a message comes from and goes to.
pub(super) fn route(smtp: &Smtp) -> String {
    let (Some(client), Some(envelope)) = (smtp.client(), smtp.envelope()) else { return String::new() };
    let user = client.user.as_ref().map_or_else(String::new, |user| format!(" by {}", user.address));
    format!("from {}{user} to {}", sender(envelope), recipients(envelope))
}

/// The end of a message, whichever it is.
pub(super) fn message(connection: &Connection, rules: &Rules, route: &str, octets: u64, received: &Received) {
    let outcome = match received {
        Received::Stored(id) => format!("stored as {id}"),
        Received::Chunk(octets) => format!("chunk of {octets} octets"),
        Received::Unavailable => "refused: no working buffer".to_owned(),
        Received::Fault(fault) => format!("refused: {fault:?}"),
        Received::TooLarge => "refused: too large".to_owned(),
        Received::Loop => "refused: mail loop".to_owned(),
        Received::Failed(error) => format!("refused: {error}"),
    };
    let (id, protocol) = (connection.session_id(), name(rules.service));
    // The store's troubles are ours, not the client's.
    let level = if matches!(received, Received::Failed(_)) { log::Level::Warn } else { log::Level::Info };
    log::log!(level, "[{id}] {protocol}: message {route}, {octets} octets, {outcome}");
}

/// The reverse-path, and what RFC 3461 added to it.
fn sender(envelope: &Envelope) -> String {
    let mut text = envelope.reverse_path.to_string();
    if let Some(ret) = envelope.parameters.ret {
        let _ = write!(text, " RET={}", ret.name());
    }
    if let Some(id) = &envelope.parameters.envelope_id {
        let _ = write!(text, " ENVID={}", id.as_str());
    }
    text
}

fn recipients(envelope: &Envelope) -> String {
    let mut text = String::new();
    for (path, parameters) in envelope.recipients.iter().take(RECIPIENTS_SHOWN_MAX) {
        let _ = write!(text, "{}{path}{parameters}", if text.is_empty() { "" } else { ", " });
    }
    let more = envelope.recipients.len().saturating_sub(RECIPIENTS_SHOWN_MAX);
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}
