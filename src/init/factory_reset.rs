//! Factory reset: a person writes a file `factory-reset.txt` on the boot partition that says what is to be erased.
//!
//! | the file says | erased |
//! |---|---|
//! | `erase all mail` | the data partition: mail, accounts and passwords, certificates, what was learnt |
//! | `erase all mail and settings` | the same, and `pillarbox.toml` is again the one of the image |
//! | anything else | nothing; `factory-reset-answer.txt` says what to write |
//!
//! The order makes a power cut harmless. [`begin`] notes the order in `factory-reset.doing` and only then removes the
//! request; PID 1 writes the seed file system ([`write_seed`]); [`finish`] removes the note and looks that it is gone. While
//! the note is there, every start does all of it again. FAT cannot rename in one step, so the note is written and synced
//! before the request goes: at least one of both is whole at any moment.
//!
//! Bounds: [`FACTORY_RESET_OCTETS_MAX`] octets are read. Writing the partition is left to PID 1.

use super::boot_partition::{BootPartition, read_at_most, tell, while_writable};
use super::set_up::{SET_UP_ERROR_NAME, SET_UP_NAME, TEMPLATE};
use crate::limits::FACTORY_RESET_OCTETS_MAX;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

pub use super::seed::write_seed;

/// What the person writes.
pub const REQUEST_NAME: &str = "factory-reset.txt";
/// The note that it is being done.
pub const DOING_NAME: &str = "factory-reset.doing";
/// What the person is told.
pub const ANSWER_NAME: &str = "factory-reset-answer.txt";

const ERASE_MAIL: &str = "erase all mail";
const ERASE_ALL: &str = "erase all mail and settings";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Nothing.
    None,
    /// To erase.
    Erase {
        /// The data partition.
        mail: bool,
        /// What the person wrote into `pillarbox.toml`.
        settings: bool,
    },
    /// Something that is not understood: nothing is erased.
    Unclear {
        /// The beginning of what is there.
        text: String,
    },
}

/// Looks what is asked for on the boot partition. An order that was begun counts as well.
#[must_use]
pub fn requested(boot: &Path) -> Request {
    let [begun, asked] = [DOING_NAME, REQUEST_NAME].map(|name| read(&boot.join(name)));
    match (begun, asked) {
        // Whoever asked for more meanwhile gets more.
        (Request::Erase { mail, settings }, Request::Erase { mail: more_mail, settings: more_settings }) => {
            Request::Erase { mail: mail || more_mail, settings: settings || more_settings }
        }
        (begun @ Request::Erase { .. }, _) => begun,
        // A note that was cut short while it was written: the request is still there, or there is nothing to go by.
        (begun, Request::None) => begun,
        (_, asked) => asked,
    }
}

fn read(path: &Path) -> Request {
    match read_at_most(path, FACTORY_RESET_OCTETS_MAX) {
        Ok(None) => Request::None,
        Ok(Some(octets)) => {
            let text = String::from_utf8_lossy(&octets);
            // What editors add: a byte order mark, line ends, a full stop. Everything else has to be just so.
            let sentence = text.trim_start_matches('\u{feff}').trim().trim_end_matches('.').to_ascii_lowercase();
            let words = sentence.split_whitespace();
            // What goes on behind the bound may say anything.
            let is_whole = u64::try_from(octets.len()).is_ok_and(|length| length <= FACTORY_RESET_OCTETS_MAX);
            match words.collect::<Vec<_>>().join(" ").as_str() {
                _ if !is_whole => Request::Unclear { text: text.chars().take(200).collect() },
                ERASE_MAIL => Request::Erase { mail: true, settings: false },
                ERASE_ALL => Request::Erase { mail: true, settings: true },
                _ => Request::Unclear { text: text.chars().take(200).collect() },
            }
        }
        // A card that cannot be read is no order to erase it.
        Err(error) => Request::Unclear { text: error.to_string() },
    }
}

/// Tells the person what to write, if the request is unclear. Writes nothing if that stands there already.
///
/// # Errors
/// As the operating system says.
pub fn answer(boot: &dyn BootPartition, request: &Request) -> io::Result<()> {
    let Request::Unclear { text } = request else { return Ok(()) };
    let shown: String = text.lines().take(3).map(|line| format!("    {}\n", line.trim())).collect();
    let text = format!(
        "Nothing was erased: {REQUEST_NAME} does not say what to erase. It says:\n\n{shown}\nWrite one of these two lines \
         into {REQUEST_NAME}, and nothing else:\n\n    {ERASE_MAIL}\n    {ERASE_ALL}\n\nThe first erases all mail, all \
         accounts and their passwords. The second also puts back {SET_UP_NAME} as it was when the card was new.\nIf you \
         want to keep everything, delete {REQUEST_NAME}.\n"
    );
    tell(boot, ANSWER_NAME, Some(&text))
}

/// Notes that the order is being carried out, and withdraws the request. Does nothing for what is no order, or if it was
/// done already.
///
/// # Errors
/// As the operating system says: then nothing may be erased yet.
pub fn begin(boot: &dyn BootPartition, request: &Request) -> io::Result<()> {
    let Request::Erase { settings, .. } = *request else { return Ok(()) };
    let dir = boot.dir();
    if read(&dir.join(DOING_NAME)) == *request && read(&dir.join(REQUEST_NAME)) == Request::None {
        return Ok(());
    }
    while_writable(boot, |dir| BEGIN.iter().try_for_each(|step| step(dir, settings)))
}

/// Removes the note when the data partition has been written. Does nothing for what is no order.
///
/// # Errors
/// As the operating system says. The note is still there then: do not serve mail, which the next start would erase.
pub fn finish(boot: &dyn BootPartition, request: &Request) -> io::Result<()> {
    let Request::Erase { settings, .. } = *request else { return Ok(()) };
    while_writable(boot, |dir| FINISH.iter().try_for_each(|step| step(dir, settings)))
}

/// A step leaves the card in a state that the next start can go on from.
type Step = fn(dir: &Path, settings: bool) -> io::Result<()>;

const BEGIN: [Step; 2] = [note, withdraw];
const FINISH: [Step; 3] = [reset_settings, report, forget];

fn note(dir: &Path, settings: bool) -> io::Result<()> {
    write_durably(&dir.join(DOING_NAME), if settings { ERASE_ALL } else { ERASE_MAIL })
}

fn withdraw(dir: &Path, _: bool) -> io::Result<()> {
    match read(&dir.join(REQUEST_NAME)) {
        Request::Erase { .. } => remove_durably(&dir.join(REQUEST_NAME)),
        // Not what is being done: it gets its own answer.
        Request::None | Request::Unclear { .. } => Ok(()),
    }
}

/// Puts the image's own `pillarbox.toml` in the place of the person's, over the same octets of the card: a password may
/// still have stood there.
fn reset_settings(dir: &Path, settings: bool) -> io::Result<()> {
    if !settings {
        return Ok(());
    }
    let path = dir.join(SET_UP_NAME);
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
    let (before, after) = (file.metadata()?.len(), u64::try_from(TEMPLATE.len()).unwrap_or(u64::MAX));
    file.write_all(TEMPLATE.as_bytes())?;
    io::copy(&mut io::repeat(b'\n').take(before.saturating_sub(after)), &mut file)?;
    file.sync_all()?;
    file.set_len(after)?;
    file.sync_all()?;
    remove_durably(&dir.join(SET_UP_ERROR_NAME))
}

fn report(dir: &Path, settings: bool) -> io::Result<()> {
    let also = if settings { ", and pillarbox.toml is as it was when the card was new" } else { "" };
    let next = "To set it up again, write names and passwords into pillarbox.toml.";
    write_durably(&dir.join(ANSWER_NAME), &format!("All mail, accounts and passwords were erased{also}.\n{next}\n"))
}

fn forget(dir: &Path, _: bool) -> io::Result<()> {
    remove_durably(&dir.join(DOING_NAME))
}

fn write_durably(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    sync_folder(path)
}

/// Removes a file, if it is there, and looks that it is gone.
fn remove_durably(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        removed => removed?,
    }
    sync_folder(path)?;
    if path.try_exists()? { Err(io::Error::other(format!("{} does not go away", path.display()))) } else { Ok(()) }
}

/// A name is on the card, or gone from it, when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::boot_partition::testing::PlainBoot;
    use super::*;
    use tempfile::TempDir;

    const MAIL: Request = Request::Erase { mail: true, settings: false };
    const ALL: Request = Request::Erase { mail: true, settings: true };

    fn boot_with(text: &[u8]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(REQUEST_NAME), text).unwrap();
        folder
    }

    fn answer_of(folder: &Path) -> Option<String> {
        std::fs::read_to_string(folder.join(ANSWER_NAME)).ok()
    }

    #[test]
    fn only_the_sentence_itself_erases() {
        assert_eq!(requested(tempfile::tempdir().unwrap().path()), Request::None);
        for (text, expected) in [
            (&b"erase all mail"[..], &MAIL),
            (b"\xef\xbb\xbfErase all mail.\r\n", &MAIL),
            (b"\n  ERASE  ALL MAIL and settings \n\n", &ALL),
        ] {
            assert_eq!(requested(boot_with(text).path()), *expected, "{text:?}");
        }
        for text in [
            &b""[..],
            b"yes",
            b"erase",
            b"erase all",
            b"do not erase all mail",
            b"erase all mail?",
            b"erase all mail\nno, wait",
            b"e\0r\0a\0s\0e\0 \0a\0l\0l\0 \0m\0a\0i\0l\0",
            b"\xff\xff",
            &[b' '; 3_000],
            &[b'x'; 3_000],
        ] {
            let folder = boot_with(text);
            assert!(matches!(requested(folder.path()), Request::Unclear { text } if text.len() <= 600), "{text:?}");
        }
        // A long text that begins like an order is none: it is not read to its end.
        let mut long = b"erase all mail".to_vec();
        long.extend_from_slice(&[b' '; 2_000]);
        long.extend_from_slice(b"no");
        assert!(matches!(requested(boot_with(&long).path()), Request::Unclear { .. }));
    }

    #[test]
    fn an_unclear_request_is_answered_once_and_nothing_else_happens() {
        let folder = boot_with(b"please delete everything");
        let boot = PlainBoot::new(folder.path());
        for _ in 0..2 {
            let request = requested(folder.path());
            answer(&boot, &request).unwrap();
            begin(&boot, &request).unwrap();
            finish(&boot, &request).unwrap();
        }
        assert_eq!(boot.opened.get(), 1);
        let answer = answer_of(folder.path()).unwrap();
        assert!(
            answer.contains("    please delete everything\n") && answer.contains("    erase all mail and settings\n")
        );
        assert!(folder.path().join(REQUEST_NAME).exists() && !folder.path().join(DOING_NAME).exists());
    }

    #[test]
    fn nothing_asked_for_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let boot = PlainBoot::new(folder.path());
        for step in [begin, finish, answer] {
            step(&boot, &Request::None).unwrap();
        }
        assert_eq!(boot.opened.get(), 0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// What PID 1 does at each start. The data partition is a file.
    fn start(folder: &Path) {
        let boot = PlainBoot::new(folder);
        let request = requested(folder);
        answer(&boot, &request).unwrap();
        begin(&boot, &request).unwrap();
        if let Request::Erase { .. } = request {
            assert_eq!(requested(folder), request, "begun is not lost");
            std::fs::write(folder.join("p3"), "seed").unwrap();
        }
        finish(&boot, &request).unwrap();
    }

    #[test]
    fn a_power_cut_between_any_two_steps_ends_as_if_there_had_been_none() {
        fn format(dir: &Path, _: bool) -> io::Result<()> {
            std::fs::write(dir.join("p3"), "seed")
        }
        fn half_a_note(dir: &Path, _: bool) -> io::Result<()> {
            std::fs::write(dir.join(DOING_NAME), "erase al")
        }
        fn half_a_format(dir: &Path, _: bool) -> io::Result<()> {
            std::fs::write(dir.join("p3"), "se")
        }
        fn half_the_settings(dir: &Path, settings: bool) -> io::Result<()> {
            if settings { std::fs::write(dir.join(SET_UP_NAME), "# Pilla word = \"secret\"\n") } else { Ok(()) }
        }
        let erase: [Step; 3] = [half_a_format, format, half_the_settings];
        let mut steps: Vec<Step> = vec![half_a_note];
        steps.extend(BEGIN.into_iter().chain(erase).chain(FINISH));
        for (text, settings) in [(ERASE_MAIL, false), (ERASE_ALL, true)] {
            for cut in 0..=steps.len() {
                let folder = boot_with(text.as_bytes());
                let person = format!("password = \"secret\"\n{}", "#".repeat(TEMPLATE.len()));
                std::fs::write(folder.path().join(SET_UP_NAME), &person).unwrap();
                std::fs::write(folder.path().join("p3"), "mail").unwrap();
                for step in steps.iter().take(cut) {
                    step(folder.path(), settings).unwrap();
                }
                start(folder.path());
                let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
                assert_eq!(read("p3"), "seed", "{cut}");
                assert_eq!(read(SET_UP_NAME), if settings { TEMPLATE } else { &person }, "{cut}");
                assert!(
                    !folder.path().join(REQUEST_NAME).exists() && !folder.path().join(DOING_NAME).exists(),
                    "{cut}"
                );
                assert!(answer_of(folder.path()).unwrap().starts_with("All mail, accounts and passwords were erased"));
                // It is over: mail that comes from now on stays.
                std::fs::write(folder.path().join("p3"), "new mail").unwrap();
                start(folder.path());
                assert_eq!(read("p3"), "new mail");
            }
        }
    }

    #[test]
    fn whoever_asks_for_more_meanwhile_gets_it() {
        let folder = boot_with(ERASE_ALL.as_bytes());
        note(folder.path(), false).unwrap();
        assert_eq!(requested(folder.path()), ALL);
        std::fs::write(folder.path().join(REQUEST_NAME), "stop!").unwrap();
        // The mail is half gone already; what is unclear waits for its own answer.
        assert_eq!(requested(folder.path()), MAIL);
        start(folder.path());
        assert!(matches!(requested(folder.path()), Request::Unclear { .. }));
    }

    #[test]
    fn a_write_protected_card_is_not_erased() {
        let folder = boot_with(ERASE_MAIL.as_bytes());
        let boot = PlainBoot::new(folder.path());
        boot.left.set(Some(0));
        assert!(begin(&boot, &requested(folder.path())).is_err());
        assert!(folder.path().join(REQUEST_NAME).exists());
        boot.left.set(Some(1));
        begin(&boot, &requested(folder.path())).unwrap();
        assert!(finish(&boot, &MAIL).is_err());
        assert_eq!(requested(folder.path()), MAIL, "it is done again");
    }
}
