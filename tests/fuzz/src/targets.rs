//! What is fuzzed: each target is a function of octets that must never panic, and states what must hold besides.

mod imap;
mod mime;
mod pop3;
mod smtp;
mod store;
mod update;

/// Every target by its name.
pub const ALL: &[(&str, fn(&[u8]))] = &[
    ("address", address),
    ("imap_command", imap::command),
    ("imap_string", imap::string),
    ("imap_structure", imap::structure),
    ("imap_utf7", imap::utf7),
    ("mime_content", mime::content),
    ("mime_message", mime::message),
    ("pop3_commands", pop3::commands),
    ("pop3_dots", pop3::dots),
    ("sequence_set", sequence_set),
    ("smtp_command", smtp::command),
    ("smtp_data", smtp::data),
    ("smtp_header", smtp::header),
    ("smtp_reply", smtp::reply),
    ("store_batch", store::batch),
    ("update_bundle", update::bundle),
    ("update_state", update::state),
];

/// An address that was read shows as a text that reads as the same address.
fn address(octets: &[u8]) {
    let Ok(text) = core::str::from_utf8(octets) else { return };
    if let Ok(address) = pillarbox::mail::Address::parse(text) {
        assert_eq!(pillarbox::mail::Address::parse(&address.to_string()), Ok(address));
    }
}

/// A set resolves to sorted, disjoint ranges.
fn sequence_set(octets: &[u8]) {
    let Ok(text) = core::str::from_utf8(octets) else { return };
    if let Ok(set) = pillarbox::mail::SequenceSet::parse(text) {
        let ranges = set.resolve(1000);
        assert!(ranges.windows(2).all(|pair| pair[0].end() < pair[1].start()));
    }
}
