//! Conversations: text files that read like the RFCs' own examples, held with the real drivers over a real store in
//! memory.
//!
//! `tests/conversations/PROTOCOL/*.txt`, one test for all of them; each file has a server of its own. Every file that
//! sends no large amounts is held twice, the second time with the client's octets coming one by one. A line is one of:
//!
//! ```text
//! # a comment                        C: a line that the client sends
//! S: a line that it hears; ... stands for anything
//! S~ lines that it hears up to one like this
//! C2: / S2: / S2~                    the same on a second connection, opened when it is first named
//! M: a line of the message that @stored has opened; M~ and M. (no more lines) as well
//!
//! @service relay|submission|lmtp|pop3|imap    what connections speak from here on; the folder's name says at first
//! @tls [N]                           the TLS handshake, on connection N
//! @implicit-tls                      connections from here on begin with TLS
//! @peer ADDRESS                      where clients of further connections are
//! @config key = value                a line of the configuration; before everything else
//! @account ADDRESS QUOTA             one more account; ann and bob at example.org are there. The password is `secret`
//! @alias ADDRESS TARGET...           an alias
//! @login USER [N]                    logs in by AUTH PLAIN
//! @raw "octets"                      sends octets: \r \n \t \0 \\ \" \xHH
//! @big N                             sends N octets in lines
//! @repeat N ... @end                 holds the lines between them N times
//! @eof [N]                           the server hangs up
//! @close [N]                         the client hangs up
//! @deliver ADDRESS FILE              puts tests/messages/FILE into an inbox
//! @later SECONDS                     so much time passes
//! @busy transactions|buffers         others have them all; @idle gives them back
//! @busy transactions-from-there      others of the same network have all of its share; or buffers-from-there
//! @stop                              the server is told to stop
//! @whole                             hold it only once, because it depends on what arrives together
//! @stored ADDRESS N                  so many messages are in the inbox; M: lines look at the newest
//! ```

#[path = "conversations/runner.rs"]
mod runner;
#[path = "conversations/script.rs"]
mod script;
#[path = "conversations/world.rs"]
mod world;

use runner::hold;
use std::path::{Path, PathBuf};

fn files() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conversations");
    let mut files = Vec::new();
    for folder in std::fs::read_dir(root).expect("tests/conversations").flatten() {
        let protocol = folder.file_name().to_string_lossy().into_owned();
        for file in std::fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            if file.path().extension().is_some_and(|extension| extension == "txt") {
                files.push((protocol.clone(), file.path()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn conversations() {
    let wanted = std::env::var("CONVERSATION").unwrap_or_default();
    let mut failures = Vec::new();
    for (protocol, file) in files() {
        if !file.to_string_lossy().contains(&wanted) {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a conversation");
        for octets_at_once in [usize::MAX, 1] {
            let once = ["\n@big", "\n@repeat", "\n@whole"];
            if octets_at_once == 1 && once.iter().any(|directive| text.contains(directive)) {
                continue;
            }
            if let Err(error) = hold(&protocol, &text, octets_at_once) {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                failures.push(format!("{protocol}/{name}:{error}"));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}
