//! Every bound of Pillarbox: what it limits, its unit, where it comes from, and the worst case of all of them
//! together, which is checked against the memory ceiling when the program is compiled.
//!
//! A section belongs to one part of the program. A limit says thing, unit, then `MAX`; a wait ends in `_TIMEOUT`.

use core::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

// ---- memory -------------------------------------------------------------------------------------------------------

/// The default ceiling of the process's memory; configurable upwards.
pub const MEMORY_CEILING_OCTETS: usize = 64 * MIB;

/// Code, runtime, thread stacks in use, tables of fixed size: measured at start, with a margin.
pub const BASE_OCTETS: usize = 7 * MIB;

/// Connections at one time, all protocols together. One more gets its protocol's temporary error and is closed.
pub const CONNECTIONS_MAX: usize = 1_024;

/// What one connection may hold at any time: the TLS state (4 KiB), a small record as it comes (8 KiB) and its plaintext
/// (4 KiB) or a reply as it goes (8 KiB), a small line (2 KiB), and its session. Idle ones were measured at 12 KiB.
pub const CONNECTION_OCTETS_MAX: usize = 24 * KIB;

/// Working buffers at one time: a connection holds one while it moves a message or a long command, and waits for one
/// otherwise. More than the 64 clients of a burst, so that these never wait.
pub const WORKING_BUFFERS_MAX: usize = 68;

/// One working buffer: one chunk of the log, see `store::format`.
pub const WORKING_BUFFER_OCTETS: usize = 64 * KIB;

/// Connections that at one time may receive a large TLS record or a long line. As many as the clients of a burst.
pub const LARGE_INPUTS_MAX: usize = 64;

/// Of these, what one network may have; this machine is not counted.
pub const LARGE_INPUTS_PER_NETWORK_MAX: usize = 16;

/// Connections that at one time may receive more than a little of a TLS handshake: hardly any client sends so much.
pub const LARGE_HANDSHAKES_MAX: usize = 8;

/// What such a connection holds beyond the others: the record as it came, in a buffer that doubles (32 KiB instead of
/// 8), its plaintext (16 KiB instead of 4) and the line (16 KiB instead of 2).
pub const LARGE_INPUT_OCTETS_MAX: usize = 50 * KIB;

/// Beside its working buffer, a connection that sends may fill one TLS record.
pub const TLS_SEND_OCTETS_MAX: usize = 18 * KIB;

/// The sum of the worst cases. What is not here is not allocated in proportion to load.
pub const WORST_CASE_OCTETS: usize = BASE_OCTETS
    + CONNECTIONS_MAX * CONNECTION_OCTETS_MAX
    + WORKING_BUFFERS_MAX
        * (WORKING_BUFFER_OCTETS + TLS_SEND_OCTETS_MAX + MIME_SCANNER_OCTETS_MAX + SUMMARY_OCTETS_MAX)
    + (LARGE_INPUTS_MAX + LARGE_HANDSHAKES_MAX) * LARGE_INPUT_OCTETS_MAX
    + TRANSACTIONS_MAX * RECIPIENTS_OCTETS_MAX
    + INDEX_CACHE_OCTETS
    + BATCH_OCTETS_MAX
    + PASSWORD_HASHES_MAX * PASSWORD_HASH_OCTETS;

const _: () = assert!(WORST_CASE_OCTETS <= MEMORY_CEILING_OCTETS, "the worst case must fit under the memory ceiling");

// ---- mail ---------------------------------------------------------------------------------------------------------

/// RFC 5321 4.5.3.1.1.
pub const LOCAL_PART_OCTETS_MAX: usize = 64;
/// RFC 5321 4.5.3.1.2.
pub const DOMAIN_OCTETS_MAX: usize = 255;
/// RFC 5321 4.5.3.1.3: a path has 256 octets with its brackets.
pub const ADDRESS_OCTETS_MAX: usize = 254;
/// One keyword's name. No RFC limit; the longest in use have about 40 octets.
pub const KEYWORD_OCTETS_MAX: usize = 64;
/// Names of keywords in one mailbox: one bit each in a message's word of keywords.
pub const KEYWORDS_PER_MAILBOX_MAX: usize = 64;
/// Ranges of one sequence set: what fits an 8,192-octet command line (RFC 7162 4) and twice as many.
pub const SEQUENCE_RANGES_MAX: usize = 4_096;
/// Default largest message, announced by SIZE (RFC 1870) and APPENDLIMIT.
pub const MESSAGE_OCTETS_DEFAULT: u64 = 50 * 1024 * 1024;
/// Largest message that can be configured.
pub const MESSAGE_OCTETS_MAX: u64 = 256 * 1024 * 1024;

// ---- store --------------------------------------------------------------------------------------------------------

/// Pages of the index held in memory, 4 KiB each.
pub const INDEX_CACHE_OCTETS: usize = 6 * MIB;
/// One commit batch of the log.
pub const BATCH_OCTETS_MAX: usize = MIB;
/// While fewer transactions have come than the last group had, the writer waits for more until none has come for so
/// long; a client's next message takes a few round trips.
pub const GROUP_GAP_TIMEOUT: Duration = Duration::from_millis(2);
/// With so many transactions in a group it looks for others as well,
pub const GROUP_CROWD_MIN: usize = 4;
/// for so long after each.
pub const GROUP_PROBE_TIMEOUT: Duration = Duration::from_micros(300);
/// And never longer than this: a cache flush of an SD card takes several milliseconds.
pub const GROUP_TIMEOUT: Duration = Duration::from_millis(4);
/// Requests that wait for the log's writer: one a connection at most, so nobody is refused for it.
pub const LOG_QUEUE_MAX: usize = CONNECTIONS_MAX;
/// A mailbox's full name in UTF-8.
pub const MAILBOX_NAME_OCTETS_MAX: usize = 512;
/// Messages that one flag or expunge transaction changes; larger requests are done in steps of so many.
pub const STORE_MESSAGES_MAX: usize = 1_024;
/// Messages that one copy or move takes in one commit. Larger requests are done in steps.
pub const COPY_MESSAGES_MAX: usize = 4_096;
/// A directory entry's key.
pub const DIRECTORY_KEY_OCTETS_MAX: usize = 512;
/// A directory entry's value.
pub const DIRECTORY_VALUE_OCTETS_MAX: usize = 1_024;
/// Ranges of expunged messages that a view keeps until it may tell its client.
pub const VIEW_EXPUNGED_RANGES_MAX: usize = 256;
/// Mailboxes of one account.
pub const MAILBOXES_PER_ACCOUNT_MAX: usize = 10_000;
/// Names that one account has subscribed; those of mailboxes that are gone stay until the client takes them back.
pub const SUBSCRIPTIONS_PER_ACCOUNT_MAX: usize = 2 * MAILBOXES_PER_ACCOUNT_MAX;
/// Envelope, body structure and part table of one message, as kept beside it.
pub const SUMMARY_OCTETS_MAX: usize = 32 * KIB;

// ---- store: index -------------------------------------------------------------------------------------------------

/// Runs of expunged messages that a mailbox remembers for its views: a view that slept through more is lost. A run
/// without gaps counts once however long it is, so a mailbox may be emptied at one go; about 15 octets each.
pub const EXPUNGED_KEPT_MAX: u32 = 20_000;

// ---- SMTP ---------------------------------------------------------------------------------------------------------

/// Mail transactions that are open at one time, all connections together.
pub const TRANSACTIONS_MAX: usize = 160;
/// RFC 5321 4.5.3.1.8 asks for 100 recipients of full length; short ones may be as many as fit.
pub const RECIPIENTS_OCTETS_MAX: usize = 32 * KIB;
/// Recipients of one message, announced as RCPTMAX (RFC 9422). Short ones: long ones end at the octets above.
pub const RECIPIENTS_MAX: usize = 1_000;
/// Mailboxes that one message goes to after alias expansion, duplicates removed. While a message is committed, the
/// store's list of targets (about 80 octets each) takes the place of the recipients' octets.
pub const MESSAGE_MAILBOXES_MAX: usize = 400;
/// Transactions of one connection, announced as MAILMAX (RFC 9422), so that no client holds its permit for ever.
pub const TRANSACTIONS_PER_CONNECTION_MAX: u32 = 10_000;
/// RFC 5321 4.5.3.1.4 asks for 512 octets with CRLF; SIZE, BODY, AUTH, SMTPUTF8 and DSN add about 1,200 to MAIL and RCPT.
pub const SMTP_COMMAND_OCTETS_MAX: usize = 2_048;
/// RFC 4954 4: a line of an authentication exchange has up to 12,288 octets. Our mechanisms need far fewer.
pub const SMTP_AUTH_LINE_OCTETS_MAX: usize = 12_288;
/// RFC 5321 4.5.3.1.5: a reply line, with code and CRLF.
pub const SMTP_REPLY_LINE_OCTETS_MAX: usize = 512;
/// Commands of one connection that were no commands, or came out of order, before it is closed.
pub const SMTP_FAULTS_MAX: u8 = 20;
/// Recipients of one connection that nobody here has, before it is closed: for clients that have not logged in and are
/// not on this machine.
pub const SMTP_UNKNOWN_RECIPIENTS_MAX: u8 = 20;
/// RFC 5321 6.3: more Received fields than this are a loop. The RFC asks for at least 100 hops to be allowed.
pub const RECEIVED_FIELDS_MAX: u32 = 100;
/// A header field's name, as far as it is looked at.
pub const HEADER_NAME_OCTETS_MAX: usize = 78;
/// RFC 5321 4.5.3.2.7: a server waits five minutes at least for the next command.
pub const SMTP_COMMAND_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// RFC 5321 4.5.3.2.5: the sender's own time for one block of data. The same for a whole message, beyond what
/// [`SMTP_DATA_RATE_OCTETS_MIN`] allows for its octets.
pub const SMTP_DATA_TIMEOUT: Duration = Duration::from_secs(3 * 60);
/// Octets a second that a message must come in with on average, so that nobody holds a working buffer for ever.
pub const SMTP_DATA_RATE_OCTETS_MIN: u64 = 512;
/// The same for clients that have not logged in and are not on this machine, when most working buffers are out.
pub const SMTP_SCARCE_DATA_RATE_OCTETS_MIN: u64 = 16 * 1024;
/// Working buffers that messages of clients that have not logged in may hold, all together: all 64 clients of a burst
/// get one, and a few are left for those who have.
pub const WORKING_BUFFERS_BEFORE_LOGIN_MAX: usize = WORKING_BUFFERS_MAX - 4;
/// Of these, what one network may hold; this machine is not counted.
pub const WORKING_BUFFERS_PER_NETWORK_MAX: usize = 16;
/// Transactions that one network may have open; this machine is not counted.
pub const TRANSACTIONS_PER_NETWORK_MAX: usize = 32;
/// As [`SMTP_DATA_TIMEOUT`], when most working buffers are out.
pub const SMTP_SCARCE_DATA_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a transaction may stay without a message when all of [`TRANSACTIONS_MAX`] are open.
pub const SMTP_SCARCE_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);
/// How often a wait looks whether others need what the client holds.
pub const SMTP_SCARCE_CHECK: Duration = Duration::from_secs(5);
/// How long a client may take to read a reply.
pub const SMTP_REPLY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long MAIL waits for a transaction to become free, and DATA for a working buffer, before the client is told to
/// come back.
pub const SMTP_PERMIT_TIMEOUT: Duration = Duration::from_secs(10);

// ---- IMAP ---------------------------------------------------------------------------------------------------------

/// RFC 7162 4 asks for 8,192 octets at least; a command with its small literals fits one working buffer.
pub const IMAP_COMMAND_OCTETS_MAX: usize = 60 * KIB;
/// Patterns of one LIST.
pub const LIST_PATTERNS_MAX: usize = 32;
/// Nesting of search keys.
pub const SEARCH_DEPTH_MAX: usize = 24;
/// Search keys of one command.
pub const SEARCH_KEYS_MAX: usize = 512;
/// Part numbers of one section, and the depth to which a message's structure is kept.
pub const SECTION_DEPTH_MAX: usize = 32;

// ---- IMAP sessions ------------------------------------------------------------------------------------------------

/// Pieces of a command that are gathered outside a working buffer: a LOGIN with literals fits, and it is all that a
/// client may send in pieces before it has logged in.
pub const IMAP_GATHER_OCTETS: usize = 4 * KIB;
/// Responses are encoded in pieces of so many octets, unless a working buffer is there.
pub const IMAP_REPLY_OCTETS: usize = KIB;
/// Responses to FETCH and SEARCH are encoded in pieces of so many octets: one TLS record.
pub const IMAP_OUTPUT_OCTETS: usize = 16 * KIB;
/// A literal that was refused and comes all the same is read to its end and dropped; for a larger one the connection ends.
pub const IMAP_SKIP_OCTETS_MAX: u64 = MESSAGE_OCTETS_MAX;
/// The same before a client has logged in.
pub const IMAP_SKIP_BEFORE_LOGIN_OCTETS_MAX: u64 = 64 * 1024;
/// Index rows read at once: 16 KiB of them.
pub const IMAP_PAGE_ROWS: usize = 256;
/// Index rows read at once when octets of their messages are sent, and so many messages marked as seen in one commit.
pub const IMAP_BODY_PAGE_ROWS: usize = 32;
/// Mailboxes looked at in one read of LIST; each may name [`KEYWORDS_PER_MAILBOX_MAX`] keywords.
pub const IMAP_LIST_PAGE_ROWS: usize = 16;
/// Levels of a mailbox's name. Mail programs show a few; each missing one is made with it.
pub const MAILBOX_LEVELS_MAX: usize = 32;
/// Changes of a view taken at once.
pub const IMAP_CHANGES_AT_ONCE: usize = 64;
/// Ranges of UIDs that one step of EXPUNGE or MOVE removes: below [`VIEW_EXPUNGED_RANGES_MAX`], with room for those that
/// others remove meanwhile.
pub const IMAP_EXPUNGE_RANGES_MAX: usize = VIEW_EXPUNGED_RANGES_MAX / 2;
/// Ranges of COPYUID, each of its sets; without it clients find their copies by looking (RFC 4315 3: SHOULD).
pub const IMAP_COPYUID_RANGES_MAX: usize = 512;
/// Ranges of MODIFIED (RFC 7162 3.1.3).
pub const IMAP_MODIFIED_RANGES_MAX: usize = 1_024;
/// Ranges that a session keeps for `$` (RFC 9051 6.4.4.1); a result of more is not saved, and the client hears so.
pub const SAVED_RESULT_RANGES_MAX: usize = 512;
/// Octets of a message that are decoded or filtered in one piece.
pub const IMAP_PIECE_OCTETS: usize = 8 * KIB;
/// Octets of messages that one blocking read looks through before it lets others go on.
pub const IMAP_READ_OCTETS_AT_ONCE: usize = 512 * KIB;
/// What reading a summary counts for among these.
pub const IMAP_SUMMARY_COST: usize = 4 * KIB;
/// Commands in a row that are none before the connection ends.
pub const IMAP_BAD_COMMANDS_MAX: u32 = 20;
/// Failed logins before the connection ends.
pub const IMAP_LOGIN_FAILURES_MAX: u32 = 5;
/// A client must have logged in, or sent a whole command, by then.
pub const IMAP_LOGIN_TIMEOUT: Duration = Duration::from_secs(60);
/// A command that has begun must be whole by then; the message of an APPEND has time of its own.
pub const IMAP_COMMAND_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// The same for the rest of a command that has outgrown the connection's own room and holds a working buffer.
pub const IMAP_LONG_COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// The next octets of an APPEND's message must come by then.
pub const IMAP_APPEND_TIMEOUT: Duration = Duration::from_secs(2 * 60);
/// Index rows read at once when they alone are told: what is kept while a client does not read is small.
pub const IMAP_TOLD_PAGE_ROWS: usize = 64;
/// Responses that need no working buffer are encoded in pieces of so many octets.
pub const IMAP_TOLD_OCTETS: usize = 8 * KIB;
/// A command waits so long for a working buffer, then the client hears that it may try again.
pub const IMAP_LEASE_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that takes longer for a piece of a message has its working buffer given back meanwhile.
pub const IMAP_HELD_WRITE_TIMEOUT: Duration = Duration::from_millis(250);
/// What little is said or waited for while a client holds the working buffer of an APPEND.
pub const IMAP_HELD_REPLY_TIMEOUT: Duration = Duration::from_secs(20);
/// A client must take what is written to it by then.
pub const IMAP_WRITE_TIMEOUT: Duration = Duration::from_secs(2 * 60);
/// An idling client hears something at least so often: below the five minutes after which many address translators
/// forget a connection.
pub const IMAP_KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2 * 60);

// ---- IMAP wire ----------------------------------------------------------------------------------------------------

/// A tag, which is repeated in its completion. RFC 9051 sets no limit; clients use about 10 octets.
pub const IMAP_TAG_OCTETS_MAX: usize = 128;
/// Literals of one command: an ID may have 60 (RFC 2971 3.3). A command is read again from its beginning after each, so
/// this keeps the time linear.
pub const IMAP_LITERALS_MAX: usize = 64;
/// A mailbox name as it stands in a command: modified UTF-7 needs at most three octets for one of UTF-8.
pub const MAILBOX_NAME_WIRE_OCTETS_MAX: usize = 3 * MAILBOX_NAME_OCTETS_MAX;
/// LOGIN's user name: an address, quoted, or what a client mistakes for one.
pub const LOGIN_USER_OCTETS_MAX: usize = 512;
/// LOGIN's password.
pub const LOGIN_PASSWORD_OCTETS_MAX: usize = 1_024;
/// Capability names of one ENABLE.
pub const ENABLE_NAMES_MAX: usize = 32;
/// RFC 2971 3.3: field-value pairs of one ID.
pub const ID_PAIRS_MAX: usize = 30;
/// RFC 2971 3.3 allows a field 30 octets; a few clients use more.
pub const ID_FIELD_OCTETS_MAX: usize = 128;
/// RFC 2971 3.3.
pub const ID_VALUE_OCTETS_MAX: usize = 1_024;
/// Data items of one FETCH. There are eight without an argument; the rest are sections.
pub const FETCH_ITEMS_MAX: usize = 64;
/// Header field names of one FETCH, all its sections together.
pub const FETCH_FIELDS_MAX: usize = 256;
/// One header field's name, in FETCH and in SEARCH.
pub const HEADER_FIELD_NAME_OCTETS_MAX: usize = 256;
/// One text to search for.
pub const SEARCH_TEXT_OCTETS_MAX: usize = 4 * KIB;

// ---- MIME ---------------------------------------------------------------------------------------------------------

/// Parts of one message that are kept apart. What comes after them shows as the content of one opaque part.
pub const MIME_PARTS_MAX: usize = 1_000;
/// One boundary. RFC 2046 5.1.1 allows 70 octets; a multipart with a longer one than this shows as one opaque part.
pub const MIME_BOUNDARY_OCTETS_MAX: usize = 256;
/// The boundaries that are open at one time, together: [`SECTION_DEPTH_MAX`] boundaries of RFC 2046's 70 octets are
/// 2,240 octets.
pub const MIME_BOUNDARIES_OCTETS_MAX: usize = 3 * KIB;
/// The outline of a message's parts, which becomes its summary. Beyond this, texts and then parts are cut.
pub const MIME_OUTLINE_OCTETS_MAX: usize = 20 * KIB;
/// The outline so far and the fields of the header that is passing by. Header octets that find no room are counted, not
/// kept.
pub const MIME_HELD_OCTETS_MAX: usize = 26 * KIB;
/// Address fields of one header, held together until the header ends: about 200 addresses.
pub const MIME_ADDRESSES_OCTETS_MAX: usize = 8 * KIB;
/// All that one scanner holds while its message streams by: no more than is reserved for its summary, which it becomes.
pub const MIME_SCANNER_OCTETS_MAX: usize = MIME_HELD_OCTETS_MAX + MIME_BOUNDARIES_OCTETS_MAX + 3 * KIB;
const _: () = assert!(MIME_SCANNER_OCTETS_MAX <= SUMMARY_OCTETS_MAX, "a working buffer comes with room for a summary");
/// One header field that is decoded to be searched or shown (RFC 2047); the rest of a longer one is not looked at.
pub const HEADER_VALUE_OCTETS_MAX: usize = 32 * KIB;
/// RFC 5322 2.1.1 keeps a line under 998 octets; a field name longer than this is no name that anybody asks for.
pub const FIELD_NAME_OCTETS_MAX: usize = 256;

// ---- POP3 ---------------------------------------------------------------------------------------------------------

/// RFC 2449 4 asks for 255 octets with the CRLF; an initial SASL response (RFC 5034 4) is longer at times.
pub const POP3_LINE_OCTETS_MAX: usize = 512;
/// One line of a SASL exchange (RFC 5034 4): base64 of a client's message.
pub const POP3_SASL_LINE_OCTETS_MAX: usize = 4 * KIB;
/// Messages of one maildrop session: one bit each marks the deleted ones, 16 KiB at most. Later ones are shown once
/// there is room, in another session.
pub const POP3_MESSAGES_MAX: u32 = 131_072;
/// Commands that make no sense, and failed logins, after which the connection is closed.
pub const POP3_BAD_COMMANDS_MAX: u8 = 20;
/// RFC 1939 3: a client may stay idle for 10 minutes at least.
pub const POP3_IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// How long a client may take to accept one piece of an answer.
pub const POP3_WRITE_TIMEOUT: Duration = Duration::from_secs(2 * 60);
/// How long RETR, TOP and the removals of QUIT wait for a working buffer, before the client is told to come back.
pub const POP3_BUFFER_TIMEOUT: Duration = Duration::from_secs(10);
/// Rows of the index that one step of a listing reads.
pub const POP3_PAGE_MESSAGES: usize = 256;

// ---- accounts -----------------------------------------------------------------------------------------------------

/// Password hashes computed at one time.
pub const PASSWORD_HASHES_MAX: usize = 1;
/// argon2id memory of one hash.
pub const PASSWORD_HASH_OCTETS: usize = 7 * MIB;
/// Logins that wait for their turn to hash; one more is told to come back. As many as connections nearly: those with one
/// password all go on when the first has been checked.
pub const PASSWORD_WAITS_MAX: usize = 1_024;
/// Strangers among them: addresses beyond the local network from which the account has not logged in before. Others
/// then wait for so many hashes at most, a few seconds.
pub const PASSWORD_WAITS_STRANGERS_MAX: usize = 64;
/// A password, before and after it is prepared (RFC 8265 4.2). Longer ones are refused.
pub const PASSWORD_OCTETS_MAX: usize = 256;
/// RFC 7677 4 asks for 4,096 at least: what a SCRAM client computes at each login.
pub const SCRAM_ITERATIONS: u32 = 10_000;
/// One message of a SASL client, decoded. The longest is SCRAM's last: a channel binding, two nonces and a proof.
pub const SASL_MESSAGE_OCTETS_MAX: usize = 2 * KIB;
/// A client's SCRAM nonce; clients in use send 18 to 64 octets.
pub const SASL_NONCE_OCTETS_MAX: usize = 256;
/// Passwords remembered as verified, 48 octets each.
pub const VERIFIED_MAX: usize = 512;
/// How long a password stays remembered.
pub const VERIFIED_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Addresses with wrong passwords that are remembered, 48 octets each.
pub const THROTTLED_ADDRESSES_MAX: usize = 1_024;
/// Accounts with wrong passwords that are remembered.
pub const THROTTLED_ACCOUNTS_MAX: usize = 512;
/// Pairs of account and address that logged in before and are remembered.
pub const GOOD_ADDRESSES_MAX: usize = 1_024;
/// Addresses that one alias leads to, and that one recipient reaches after all aliases are followed.
pub const ALIAS_TARGETS_MAX: usize = 64;
/// Aliases that lead to aliases.
pub const ALIAS_DEPTH_MAX: usize = 8;
/// Accounts, domains or aliases in one page of a list.
pub const ACCOUNT_PAGE_MAX: usize = 64;

/// How long a client may stay idle: RFC 9051 5.4 asks for 30 minutes at least.
pub const IMAP_IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);

// ---- serve --------------------------------------------------------------------------------------------------------

/// A connection's input buffer at its largest: the longest line that any protocol takes in one piece (RFC 4954 4: 12,288
/// octets of base64) fits.
pub const INPUT_BUFFER_OCTETS: usize = 16 * KIB;
/// A connection's input buffer while it waits with nothing received.
pub const INPUT_BUFFER_IDLE_OCTETS: usize = KIB;
/// A connection's input buffer when the connection has no room for a large one.
pub const INPUT_BUFFER_SMALL_OCTETS: usize = 2 * KIB;
/// Replies gather in so many octets before they are sent, so that one flush is one TLS record and one packet.
pub const GATHER_OCTETS_MAX: usize = 4 * KIB;
/// RFC 8446 5.1: plaintext of one TLS record.
pub const TLS_RECORD_OCTETS_MAX: usize = 16 * KIB;
/// Octets that TLS may collect before it gives plaintext when the connection has no room for more.
pub const TLS_SMALL_OCTETS_MAX: usize = 4 * KIB;
/// Whoever has room for a large record or line must have sent it by then.
pub const LARGE_INPUT_TIMEOUT: Duration = Duration::from_secs(30);
/// The same in a handshake, when nothing is known of the client.
pub const LARGE_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Octets that may arrive under TLS without yielding any plaintext: one record of full size with its overhead, and room
/// for its neighbours. Bounds handshakes and handshake messages, of which a peer could otherwise send 64 KiB.
pub const TLS_SILENT_OCTETS_MAX: usize = 24 * KIB;
/// A TLS handshake must be over by then.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
/// The last octets and the orderly end of a connection may take so long.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Working buffers that are kept while nobody needs them.
pub const WORKING_BUFFERS_KEPT: usize = 8;
/// Threads that run sessions.
pub const WORKER_THREADS_MAX: usize = 4;
/// Threads that may block: reads of the store, password hashes, commands of the administrator.
pub const BLOCKING_THREADS_MAX: usize = 8;
/// A thread's stack: address space, of which only what is used counts.
pub const THREAD_STACK_OCTETS: usize = MIB;
/// How long the last threads may take to end.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(200);
/// How often the server looks whether its certificate must be renewed.
pub const CERTIFICATE_CHECK_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a command waits for a data directory that another process is about to open or to leave.
pub const DATA_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Reads of the store that wait for the card at one time.
pub const BLOCKING_READS_MAX: usize = 6;
/// Connections that the kernel keeps until they are accepted.
pub const ACCEPT_BACKLOG: u32 = 1_024;
/// How long accepting rests when the system is out of files or memory.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// One request on the control socket; the longest is an alias with all its targets.
pub const CONTROL_REQUEST_OCTETS_MAX: usize = 64 * KIB;
/// One answer on the control socket; the longest are the lines of the log.
pub const CONTROL_ANSWER_OCTETS_MAX: usize = 256 * KIB;
/// Connections to the control socket at one time.
pub const CONTROL_CONNECTIONS_MAX: usize = 4;
/// A request on the control socket must be there by then, and its answer taken.
pub const CONTROL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the command line waits for an answer: the removal of a large account takes its time.
pub const CONTROL_ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Networks whose connections are counted at one time: no more than there are connections, also with a larger ceiling.
pub const PER_ADDRESS_TABLE_MAX: usize = 16_384;
/// The configuration file.
pub const CONFIG_OCTETS_MAX: u64 = 65_536;

// ---- status -------------------------------------------------------------------------------------------------------

/// The text of one log event; more of it is cut off.
pub const LOG_LINE_OCTETS_MAX: usize = 600;
/// The last log lines, kept in memory.
pub const LOG_RING_OCTETS_MAX: usize = 64 * KIB;

// ---- the appliance: PID 1 ------------------------------------------------------------------------------------------

/// The hardware watchdog resets the machine after so long without being fed. Never more than 15 s: the Raspberry Pi's takes
/// the request modulo 16 s in most kernels.
pub const WATCHDOG_TIMEOUT: Duration = Duration::from_secs(15);
/// How often it is fed: three times in its time-out.
pub const WATCHDOG_FEED_INTERVAL: Duration = Duration::from_secs(4);
/// PID 1 looks around at least so often.
pub const SUPERVISOR_INTERVAL: Duration = Duration::from_secs(1);
/// A child without a heartbeat for so long is killed; it beats every 5 to 10 s.
pub const CHILD_BEAT_TIMEOUT: Duration = Duration::from_secs(30);
/// Until its first heartbeat, as it may have a whole log to read.
pub const CHILD_START_TIMEOUT: Duration = Duration::from_secs(180);
/// A child that was killed at its start for its silence gets twice the time at the next one, at most so much.
pub const CHILD_START_TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);
/// So many ends in a row soon after a start, and the LED shows that something is wrong.
pub const SHORT_RUNS_SHOWN: u32 = 3;
/// A child that ran for so long has proved that it can: its next start comes soon.
pub const CHILD_PROVED: Duration = Duration::from_secs(60);
/// The wait before a child's next start: at first, and at most. Doubled each time in between.
pub const CHILD_DELAY_MIN: Duration = Duration::from_millis(250);
/// The longest of these waits.
pub const CHILD_DELAY_MAX: Duration = Duration::from_secs(60);
/// So many kills for silence in a row, and the whole machine starts again.
pub const SILENT_RESTARTS_MAX: u32 = 4;
/// So many starts of the machine in a row that did not become healthy, and it stays up all the same.
pub const UNHEALTHY_BOOTS_MAX: u32 = 3;
/// A new version must have moved its test mail by then, or it has lost this try.
pub const TRIAL_TIMEOUT: Duration = Duration::from_secs(240);
/// How long `serve` and then the network child may take to end.
pub const CHILD_STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// The card must have shown up by then.
pub const CARD_TIMEOUT: Duration = Duration::from_secs(20);
/// One thing that is done on the card at the start: a version of 10 MB read from it, or a partition mounted. A card without a
/// sign of life for so long hangs.
pub const CARD_WORK_TIMEOUT: Duration = Duration::from_secs(120);
/// At the end, everything that is in memory must be on the card by then.
pub const CARD_RELEASE_TIMEOUT: Duration = Duration::from_secs(60);
/// e2fsck of a file system in order, and of a large one after a power cut.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// e2fsck when it repairs everything.
pub const REPAIR_TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);
/// The set-up step: it hashes passwords and opens the store.
pub const SET_UP_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// The installation of an update.
pub const UPDATE_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// After a message has moved, the LED shows it for so long.
pub const MAIL_SHOWN: Duration = Duration::from_secs(2);
/// How often the time is kept on the card.
pub const CLOCK_KEEP_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// One datagram of a child (sd_notify(3)).
pub const NOTICE_OCTETS_MAX: usize = 2 * KIB;
/// Datagrams that PID 1 takes in one turn of its loop.
pub const NOTICES_MAX: usize = 64;
/// Memory of the cgroup that `serve` is in: its ceiling, and room for the cache of the files that it reads and writes, which
/// the kernel counts as well and gives back when it is short.
pub const SERVE_CGROUP_OCTETS: usize = MEMORY_CEILING_OCTETS + 96 * MIB;

// ---- supervision --------------------------------------------------------------------------------------------------

/// One datagram to the supervisor (sd_notify(3)): what PID 1 and systemd take in one piece.
pub const NOTIFY_OCTETS_MAX: usize = 4_096;
/// Sockets that the supervisor hands over: each protocol on a few addresses.
pub const INHERITED_SOCKETS_MAX: usize = 64;

// ---- update -------------------------------------------------------------------------------------------------------

/// How often a new version is started without passing its test mail before the confirmed one comes back.
pub const UPDATE_ATTEMPTS_MAX: u8 = 3;
/// Octets of a bundle or slot that are in memory at one time.
pub const UPDATE_COPY_OCTETS: usize = 64 * KIB;
/// `config.txt` of the boot partition; what a person adds to its 512 octets is welcome up to here.
pub const CONFIG_TXT_OCTETS_MAX: usize = 16 * KIB;
/// A public key file of minisign; they have about 120 octets.
pub const UPDATE_KEY_OCTETS_MAX: u64 = 4096;

// ---- network ------------------------------------------------------------------------------------------------------

/// The file that says what the network's child shall do.
pub const NETWORK_SETTINGS_OCTETS_MAX: u64 = 16 * 1024;
/// Wired interfaces that are used at one time: the built-in one, and as many as a board has USB sockets.
pub const NETWORK_LINKS_MAX: usize = 8;
/// Routes that one DHCP server may give (RFC 3442); one or two are usual.
pub const NETWORK_ROUTES_MAX: usize = 8;
/// Name servers in resolv.conf: resolv.conf(5), MAXNS is 3 in musl and glibc.
pub const NAME_SERVERS_MAX: usize = 3;
/// Time servers that are known at one time: from the settings, or from DHCP servers.
pub const TIME_SERVERS_MAX: usize = 8;
/// Of these, how many are asked: the median of three survives one that lies.
pub const TIME_SERVERS_ASKED_MAX: usize = 3;
/// Addresses of this machine that are looked at.
pub const NETWORK_ADDRESSES_MAX: usize = 64;
/// Reports of DHCP clients that wait for the main loop; a client waits when it is full.
pub const NETWORK_REPORTS_MAX: usize = 16;
/// The route metric of the first interface; each further one is worse by one. Less than the kernel's 1024 for IPv6.
pub const NETWORK_METRIC: u32 = 100;
/// How often the network's child says that it lives.
pub const NETWORK_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);
/// The first and the longest pause while no time server has answered.
pub const TIME_RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// See [`TIME_RETRY_INTERVAL`].
pub const TIME_RETRY_INTERVAL_MAX: Duration = Duration::from_secs(64);
/// How often time servers are asked when the clock is right. RFC 5905 figure 27: at most 36 h.
pub const TIME_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// A time server must answer by then.
pub const TIME_ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// RFC 5905 figure 21, STEPT: a clock that is behind by so much is stepped.
pub const TIME_STEP: Duration = Duration::from_millis(128);
/// A clock that is ahead by more is worth a warning: slewing takes weeks.
pub const TIME_WARNING: Duration = Duration::from_secs(600);
/// So many years after the image was made, no time server is believed any more.
pub const TIME_YEARS_MAX: u32 = 20;
/// The file in which the image says what it is.
pub const BUILD_OCTETS_MAX: u64 = 4_096;
/// How often, in seconds, announced names follow changed addresses.
pub const NAMES_LOOK_INTERVAL: u32 = 3;
/// How long names may take to be withdrawn at the end.
pub const NAMES_GOODBYE_TIMEOUT: Duration = Duration::from_millis(500);
/// Several link events in a row are handled as one.
pub const NETWORK_SETTLE_INTERVAL: Duration = Duration::from_millis(50);
/// A DHCP server that offered an address must confirm it by then, or all are asked again.
pub const DHCP_SELECTING_TIMEOUT: Duration = Duration::from_secs(20);
/// The first and the longest pause after a DHCP client has failed.
pub const DHCP_RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// See [`DHCP_RETRY_INTERVAL`].
pub const DHCP_RETRY_INTERVAL_MAX: Duration = Duration::from_secs(60);

// ---- set-up and factory reset -------------------------------------------------------------------------------------

/// `pillarbox.toml` on the boot partition, which a person writes: it is read whole, once at every start.
pub const SET_UP_OCTETS_MAX: u64 = 65_536;
/// Accounts in it; each costs one password hash at the start that takes it over.
pub const SET_UP_ACCOUNTS_MAX: usize = 32;
/// Name servers in it: resolv.conf(5) has no more.
pub const SET_UP_NAME_SERVERS_MAX: usize = 3;
/// Time servers in it.
pub const SET_UP_TIME_SERVERS_MAX: usize = 8;
/// What set-up remembers in the data directory: digests, places of passwords, the last network settings.
pub const SET_UP_STATE_OCTETS_MAX: u64 = 16_384;
/// A request for a factory reset is one sentence; of a longer text, no more is read.
pub const FACTORY_RESET_OCTETS_MAX: u64 = 1_024;
/// The seed file system is unpacked in pieces of this size.
pub const SEED_CHUNK_OCTETS: usize = 64 * KIB;
/// After so many octets of it the card is waited for, so that no sync takes longer than the watchdog's patience.
pub const SEED_SYNC_OCTETS: u64 = 4 << 20;

/// How often the store is probed. Each probe that passes is a heartbeat.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// How often a probe writes a message. Fewer would find a card that fails later, more would wear it.
pub const FULL_PROBE_INTERVAL: Duration = Duration::from_secs(15 * 60);
/// A probe that takes longer is no heartbeat. Cards rest for seconds at a time when they tidy up.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// One probe message: a block of the log holds it with its summary and events.
pub const PROBE_MESSAGE_OCTETS_MAX: u64 = 1_024;
/// Probe messages that are kept, so that removing them is rare.
pub const PROBE_MESSAGES_MAX: usize = 16;
/// The probe's thread reads and writes as the store's own do.
pub const PROBE_STACK_OCTETS: usize = 256 * KIB;
/// How often the supervisor hears that mail has moved, at most.
pub const MAIL_NOTICE_INTERVAL: Duration = Duration::from_secs(1);
/// How often the server looks whether the clock was set. Until then clients see a certificate of another time.
pub const CLOCK_CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// Less than this is a correction, not another time.
pub const CLOCK_JUMP_MIN: Duration = Duration::from_secs(60);
