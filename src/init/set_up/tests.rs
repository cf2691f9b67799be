//! Set-up from a person's point of view, and from a power cut's.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::file::{PASSWORD_EXAMPLE, Password};
use super::redaction::torn;
use super::state::STATE_NAME;
use super::*;
use crate::account::memory::MemoryShelf;
use crate::account::{Accounts, Options};
use crate::init::boot_partition::testing::PlainBoot;
use crate::serve::{Config, StoreUse, open_store};
use std::path::PathBuf;
use tempfile::TempDir;

struct Appliance {
    folder: TempDir,
}

impl Appliance {
    fn new(file: &str) -> Self {
        let appliance = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(appliance.boot()).unwrap();
        appliance.write(file);
        appliance
    }

    fn boot(&self) -> PathBuf {
        self.folder.path().join("boot")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn write(&self, file: impl AsRef<[u8]>) {
        std::fs::write(self.boot().join(SET_UP_NAME), file).unwrap();
    }

    fn file(&self) -> String {
        std::fs::read_to_string(self.boot().join(SET_UP_NAME)).unwrap()
    }

    /// One start: how often the boot partition was made writable, and the result.
    fn start(&self) -> (u32, Result<Vec<String>, Failure>) {
        self.start_with(None)
    }

    fn start_with(&self, left: Option<u32>) -> (u32, Result<Vec<String>, Failure>) {
        let boot = PlainBoot::new(&self.boot());
        boot.left.set(left);
        let done = take_over(&boot, &self.data(), &self.folder.path().join("run"), None);
        (boot.opened.get(), done)
    }

    fn network(&self) -> Network {
        toml::from_str(&std::fs::read_to_string(self.folder.path().join("run").join(NETWORK_NAME)).unwrap()).unwrap()
    }

    fn complaint(&self) -> Option<String> {
        std::fs::read_to_string(self.boot().join(SET_UP_ERROR_NAME)).ok()
    }

    fn state(&self) -> State {
        State::read(&self.data())
    }

    fn with_accounts<T>(&self, look: impl FnOnce(&Accounts) -> T) -> T {
        let (store, accounts, _) = open_store(&self.data(), &Config::default(), StoreUse::OneCommand).unwrap();
        let seen = look(&accounts);
        drop(accounts);
        store.close().unwrap();
        seen
    }

    fn addresses(&self) -> Vec<String> {
        self.with_accounts(|accounts| {
            accounts.accounts(None, 9).unwrap().into_iter().map(|row| row.account.address).collect()
        })
    }

    fn logs_in(&self, address: &str, password: &str) -> bool {
        self.with_accounts(|accounts| {
            let credential = accounts.candidate(address).unwrap().credential;
            credential.verify(password.as_bytes(), accounts.hasher()).unwrap()
        })
    }
}

fn parse(text: &str) -> Result<SetUp, String> {
    SetUp::parse(text.as_bytes()).map_err(|error| error.to_string())
}

const ANN: &str = "host_name = \"mail.example.org\"\r\n\r\n[[account]]\r\naddress = \"ann@example.org\"\r\npassword = \
                   \"correct horse\" # mine\r\n";

#[test]
fn the_template_says_nothing_until_a_person_does() {
    let nothing = SetUp { host_name: None, domain: None, accounts: Vec::new(), network: Network::default() };
    assert_eq!(parse(TEMPLATE).unwrap(), nothing);
    assert_eq!(parse("").unwrap(), nothing);
}

#[test]
fn every_line_of_the_template_can_be_used() {
    let uncommented: String = TEMPLATE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with('[') || rest.contains(" = ") && !rest.starts_with(' ') => {
                format!("{rest}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    // But for the password of the example, which would be known to everybody.
    let error = parse(&uncommented).unwrap_err();
    assert!(error.contains("choose your own"), "{error}");
    let fixed = uncommented.replace("address = \"dhcp\"", "address = \"192.168.1.10/24\"");
    let set_up = parse(&fixed.replace(PASSWORD_EXAMPLE, "correct horse")).unwrap();
    assert_eq!(set_up.host_name.as_deref(), Some("pillarbox.local"));
    assert_eq!(set_up.accounts.len(), 1);
    assert_eq!(set_up.network.address.as_deref(), Some("192.168.1.10/24"));
    // All keys that there are: serde names them when it meets one that it does not know.
    for part in ["", "[network]\n", "[[account]]\n"] {
        let known = parse(&format!("{part}nonsense = 1")).unwrap_err();
        for key in known.split('`').skip(3).step_by(2).filter(|key| *key != "relay") {
            assert!(uncommented.contains(&format!("\n{key} = ")) || uncommented.contains(&format!("[{key}]")), "{key}");
        }
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    for (text, line, word) in [
        ("hostname = \"a\"", 1, "unknown key `hostname`"),
        ("\nhost_name = \"a b\"", 2, "host_name"),
        ("\nhost_name = \"192.168.1.1\"", 2, "host_name"),
        ("\n\ndomain = \"[192.0.2.1]\"", 3, "domain"),
        ("\ndomain = 7", 2, "invalid type: integer `7`"),
        ("[[account]]\npassword = \"x\"", 1, "needs an address"),
        ("[account]\npassword = \"x\"", 2, "needs an address"),
        ("[[account]]\naddress = \"ann\"", 2, "not a mail address"),
        ("[[account]]\naddress = \"a@b.c\"\n[[account]]\naddress = \"A@B.c\"", 3, "twice"),
        ("[[account]]\naddress = \"a@b.c\"\npassword = \"\"", 3, "empty"),
        ("[[account]]\naddress = \"a@b.c\"\npassword = \"\"\"\nx\"\"\"", 3, "one line"),
        ("[[account]]\nname = \"Ann\"", 2, "unknown key `name`"),
        ("account = 1", 1, "an account: [[account]]"),
        ("\n[relay]\nhost = \"smtp.example.org\"", 2, "does not send mail"),
        ("[network]\naddress = \"192.168.1.10\"", 2, "with its prefix"),
        ("[network]\naddress = \"192.168.1.10/33\"", 2, "with its prefix"),
        ("[network]\naddress = \"127.0.0.1/8\"", 2, "with its prefix"),
        ("[network]\naddress = \"192.168.1.10/+8\"", 2, "with its prefix"),
        ("[network]\n\ngateway = \"192.168.1.1\"", 3, "gateway"),
        ("[network]\naddress = \"10.0.0.2/8\"\ngateway = \"router\"", 3, "router"),
        ("[network]\ndns = [\"1.1.1.1\",\n\"router\"]", 3, "router"),
        ("[network]\ndns = [\"::1\", \"::2\", \"::3\", \"::4\"]", 2, "3 name servers"),
        ("[network]\nipv6 = \"on\"", 2, "ipv6"),
        ("[network]\nipv6 = \"2001:db8::7/129\"", 2, "ipv6"),
        ("[network]\ninterface = \"../eth0\"", 2, "interface"),
        ("[network]\ntime_servers = [\"a/b\"]", 2, "time_servers"),
        ("[network]\nhost_name = \"a\"", 2, "unknown key"),
        ("a = \"", 1, ""),
    ] {
        let error = parse(text).unwrap_err();
        assert!(
            error.starts_with(&format!("pillarbox.toml, line {line}: ")) && error.contains(word),
            "{text:?}: {error}"
        );
    }
}

#[test]
fn no_message_holds_a_password() {
    for value in [
        "hunter2",
        "7331",
        "\"hunter2",
        "'hunter2\"",
        "\"a\" hunter2",
        "[\"hunter2\"]",
        "\"\\hunter2\"",
        "{ a = 7331 }",
    ] {
        for text in [
            format!("[[account]]\naddress = \"a@b.c\"\npassword = {value}\n"),
            format!("[[account]]\naddress = \"a@b.c\"\npass = {value}\n"),
            format!("account = {{ address = \"a@b.c\", password = {value} }}\n"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(
                !error.contains("hunter2") && !error.contains("7331") && error.contains(", line "),
                "{text}: {error}"
            );
        }
    }
    let set_up = parse(ANN).unwrap();
    assert!(!format!("{set_up:?}").contains("correct horse"));
}

#[test]
fn files_as_editors_save_them() {
    let with_mark = [b"\xef\xbb\xbf", ANN.as_bytes()].concat();
    let set_up = SetUp::parse(&with_mark).unwrap();
    let place = set_up.accounts[0].password.place().unwrap();
    assert_eq!(&with_mark[place], b"correct horse");
    let utf_16: Vec<u8> = [0xff, 0xfe].into_iter().chain(ANN.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert!(SetUp::parse(&utf_16).unwrap_err().to_string().contains("UTF-8"));
    let error = SetUp::parse(b"# a\n# M\xfcller\n").unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("UTF-8"), "{error}");
    assert!(parse(&"#".repeat(70_000)).unwrap_err().contains("longer than"));
}

#[test]
fn a_single_account_may_stand_alone_and_leave_its_domain_out() {
    let set_up = parse("domain = \"example.org\"\n[account]\naddress = \"ann\"\npassword = 'a\"b'\n").unwrap();
    assert_eq!(set_up.accounts[0].address.to_string(), "ann@example.org");
    assert!(matches!(&set_up.accounts[0].password, Password::New(text, _) if text == "a\"b"));
    let set_up = parse("[account]\naddress = \"a@b.c\"\npassword = \"****\"\n").unwrap();
    assert!(matches!(set_up.accounts[0].password, Password::TakenOver));
}

#[test]
fn the_first_start_takes_everything_over_and_the_next_ones_do_nothing() {
    let appliance = Appliance::new(&format!("{ANN}[network]\r\naddress = \"192.168.1.10/24\"\r\n"));
    let before = appliance.file();
    let (opened, done) = appliance.start();
    assert_eq!(done.unwrap(), ["account ann@example.org made", "this server is called mail.example.org"]);
    assert_eq!(opened, 1);
    assert_eq!(appliance.file(), before.replace("correct horse", "*************"));
    assert_eq!(appliance.network().address.as_deref(), Some("192.168.1.10/24"));
    assert_eq!(appliance.network().host_name, "mail");
    assert!(appliance.logs_in("ann@example.org", "correct horse"));
    assert_eq!(Config::load(&appliance.data().join("pillarbox.toml")).unwrap().host_name, "mail.example.org");
    let state = std::fs::read(appliance.data().join(STATE_NAME)).unwrap();
    for _ in 0..2 {
        let (opened, done) = appliance.start();
        assert_eq!((opened, done), (0, Ok(Vec::new())));
    }
    assert_eq!(std::fs::read(appliance.data().join(STATE_NAME)).unwrap(), state);
    assert_eq!(appliance.complaint(), None);
}

#[test]
fn a_new_password_over_the_stars_is_the_new_password() {
    let appliance = Appliance::new(ANN);
    appliance.start().1.unwrap();
    // Of the same length, so that only its octets tell it from the one before.
    appliance.write(ANN.replace("correct horse", "battery stapl"));
    assert_eq!(appliance.start().1.unwrap(), ["account ann@example.org: password set"]);
    assert!(appliance.logs_in("ann@example.org", "battery stapl"));
    assert!(!appliance.logs_in("ann@example.org", "correct horse"));
    assert!(appliance.file().contains("\"*************\" # mine"));
}

#[test]
fn accounts_that_come_later_are_added_and_others_stay() {
    let appliance = Appliance::new(ANN);
    appliance.start().1.unwrap();
    appliance.write("domain = \"example.net\"\n[account]\naddress = \"bob@example.com\"\npassword = \"swordfish\"\n");
    assert_eq!(appliance.start().1.unwrap(), ["account bob@example.com made", "domain example.net added"]);
    assert_eq!(appliance.addresses(), ["bob@example.com", "ann@example.org"]);
    assert_eq!(appliance.with_accounts(|accounts| accounts.domains(None, 9).unwrap().len()), 3);
    let administrator = appliance.with_accounts(|accounts| accounts.administrator().unwrap().unwrap().address);
    assert_eq!(administrator, "ann@example.org");
}

#[test]
fn without_an_account_there_is_no_store_and_no_domain() {
    for file in [TEMPLATE, "host_name = \"post\"\ndomain = \"example.org\"\n"] {
        let appliance = Appliance::new(file);
        appliance.start().1.unwrap();
        assert!(!appliance.data().join("store").exists());
    }
    let appliance = Appliance::new("");
    std::fs::remove_file(appliance.boot().join(SET_UP_NAME)).unwrap();
    assert_eq!(appliance.start(), (0, Ok(Vec::new())));
    assert_eq!(appliance.network(), Network::default());
}

#[test]
fn a_missing_boot_partition_does_not_move_the_machine_to_another_address() {
    let appliance = Appliance::new(&format!("{ANN}[network]\naddress = \"192.168.1.10/24\"\n"));
    appliance.start().1.unwrap();
    std::fs::remove_file(appliance.boot().join(SET_UP_NAME)).unwrap();
    let before = appliance.state();
    for _ in 0..2 {
        assert!(appliance.start().1.unwrap().is_empty());
        assert_eq!(appliance.network().address.as_deref(), Some("192.168.1.10/24"));
    }
    assert_eq!(appliance.state(), before);
}

#[test]
fn a_wrong_file_changes_nothing_and_says_so_once() {
    let appliance = Appliance::new(&format!("{ANN}[network]\naddress = \"192.168.1.10/24\"\n"));
    appliance.start().1.unwrap();
    let wrong = "host_name = \"other.example\"\n[network]\naddress = \"10.0.0.7/8\"\nipv6 = \"maybe\"\n";
    appliance.write(wrong);
    let (opened, done) = appliance.start();
    assert!(matches!(done, Err(Failure::Usage(message)) if message.contains("line 4: ipv6")));
    assert_eq!(opened, 1);
    assert!(appliance.complaint().unwrap().contains("pillarbox.toml, line 4: ipv6: \"maybe\""));
    // What was known before goes on, also when the power was off meanwhile.
    assert_eq!(appliance.network().address.as_deref(), Some("192.168.1.10/24"));
    assert_eq!(Config::load(&appliance.data().join("pillarbox.toml")).unwrap().host_name, "mail.example.org");
    std::fs::remove_dir_all(appliance.folder.path().join("run")).unwrap();
    assert_eq!(appliance.start().0, 0, "the text is there already");
    assert_eq!(appliance.network().address.as_deref(), Some("192.168.1.10/24"));
    appliance.write(wrong.replace("maybe", "off"));
    assert_eq!(appliance.start().1.unwrap(), ["this server is called other.example"]);
    assert_eq!((appliance.complaint(), appliance.network().ipv6.as_str()), (None, "off"));
}

#[test]
fn one_wrong_account_does_not_keep_the_others_out_or_in_plain_text() {
    let appliance = Appliance::new(&format!("{ANN}[[account]]\naddress = \"bob@example.org\"\n"));
    let (_, done) = appliance.start();
    assert!(matches!(done, Err(Failure::Usage(message)) if message.contains("bob@example.org needs a password")));
    assert!(appliance.logs_in("ann@example.org", "correct horse"));
    assert!(!appliance.file().contains("correct horse"));
    assert!(appliance.complaint().unwrap().contains("line 6: the new account bob@example.org"));
    appliance.write(format!("{}password = \"swordfish\"\n", appliance.file()));
    assert_eq!(appliance.start().1.unwrap(), ["account bob@example.org made"]);
    assert_eq!(appliance.complaint(), None);
}

#[test]
fn stars_whose_account_is_gone_ask_for_a_new_password() {
    let appliance = Appliance::new(ANN);
    appliance.start().1.unwrap();
    std::fs::remove_dir_all(appliance.data()).unwrap();
    assert!(matches!(appliance.start().1, Err(Failure::Usage(message)) if message.contains("write a new one")));
    // Nobody could log in, so the server still waits for set-up.
    assert_eq!(appliance.with_accounts(|accounts| accounts.domains(None, 9).unwrap()), [""; 0]);
}

#[test]
fn a_servers_configuration_keeps_everything_but_the_name() {
    let appliance = Appliance::new("host_name = \"post\"\n");
    std::fs::create_dir(appliance.data()).unwrap();
    let path = appliance.data().join("pillarbox.toml");
    for (before, after) in [
        ("# mine\nvrfy = true\n", "host_name = \"post.local\"\n# mine\nvrfy = true\n"),
        ("vrfy = true\nhost_name='a.b'\n#end", "vrfy = true\nhost_name = \"post.local\"\n#end\n"),
    ] {
        std::fs::write(&path, before).unwrap();
        appliance.start().1.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        appliance.start().1.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
    }
    for wrong in ["nonsense = 1\n", "listen = [\n\"smtp=*:25\",\n]\n\"host_name\" = \"a.b\"\n"] {
        std::fs::write(&path, wrong).unwrap();
        assert!(matches!(appliance.start().1, Err(Failure::Usage(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), wrong);
        assert!(appliance.complaint().is_some());
    }
}

#[test]
fn a_write_protected_card_keeps_its_password_and_says_so() {
    let appliance = Appliance::new(ANN);
    let (_, done) = appliance.start_with(Some(0));
    assert!(matches!(done, Err(Failure::Failed(message)) if message.contains("passwords stay")));
    assert_eq!(appliance.file(), ANN);
    // The account is there, and the next start does the rest.
    assert!(appliance.logs_in("ann@example.org", "correct horse"));
    appliance.start().1.unwrap();
    assert!(!appliance.file().contains("correct horse"));
    assert_eq!(appliance.state().overwriting, None);
}

/// Moves the password across the border of two sectors.
fn straddling() -> (String, std::ops::Range<usize>) {
    let at = ANN.find("correct").unwrap();
    let text = format!("#{}\r\n{ANN}", "x".repeat(512 - 3 - at - 5));
    let place = text.find("correct").unwrap();
    assert!(place < 512 && place + 13 > 512);
    (text, place..place + 13)
}

#[test]
fn a_power_cut_while_a_password_is_overwritten_leaves_no_password_of_half_stars() {
    let (text, place) = straddling();
    for (first, second) in [(false, false), (true, false), (false, true), (true, true)] {
        let appliance = Appliance::new(&text);
        // Up to the moment when overwriting begins: the note is written.
        assert!(appliance.start_with(Some(0)).1.is_err());
        assert!(appliance.state().overwriting.is_some());
        let mut cut = text.clone().into_bytes();
        if first {
            cut[place.start..512].fill(b'*');
        }
        if second {
            cut[512..place.end].fill(b'*');
        }
        assert_eq!(torn(&cut, &place), first != second);
        appliance.write(&cut);
        appliance.start().1.unwrap();
        assert_eq!(appliance.file(), text.replace("correct horse", "*************"));
        assert!(appliance.logs_in("ann@example.org", "correct horse"), "{first} {second}");
        assert_eq!((appliance.state().overwriting, appliance.start()), (None, (0, Ok(Vec::new()))));
    }
}

#[test]
fn a_cut_in_the_middle_of_an_escape_leaves_no_file_that_cannot_be_read() {
    // Only the first half of \u00e9 is overwritten: what is left is no TOML.
    let (text, place) = straddling();
    let text = text.replace("correct horse", "co\\u00e9horse");
    let place = place.start..place.start + "co\\u00e9horse".len();
    let appliance = Appliance::new(&text);
    assert!(appliance.start_with(Some(0)).1.is_err());
    let mut cut = text.clone().into_bytes();
    cut[512..place.end].fill(b'*');
    assert!(SetUp::parse(&cut).is_err());
    appliance.write(&cut);
    appliance.start().1.unwrap();
    assert!(appliance.logs_in("ann@example.org", "co\u{e9}horse"));
    assert!(appliance.file().contains("\"*************\""));
}

#[test]
fn a_password_that_a_person_writes_after_such_a_cut_counts() {
    let (text, _) = straddling();
    let appliance = Appliance::new(&text);
    assert!(appliance.start_with(Some(0)).1.is_err());
    appliance.write(text.replace("correct horse", "battery stapl"));
    appliance.start().1.unwrap();
    assert!(appliance.logs_in("ann@example.org", "battery stapl"));
}

#[test]
fn a_note_that_cannot_be_read_costs_a_second_look_and_nothing_else() {
    let appliance = Appliance::new(ANN);
    appliance.start().1.unwrap();
    for rubbish in [&b"\xff\xfe"[..], b"taken_over = 7", &[b'x'; 100_000]] {
        std::fs::write(appliance.data().join(STATE_NAME), rubbish).unwrap();
        assert_eq!(appliance.start().1, Ok(Vec::new()));
        assert!(appliance.state().taken_over.is_some());
    }
}

#[test]
fn accounts_are_entered_by_any_number_of_attempts_that_were_cut_short() {
    let set_up = parse(
        "domain = \"example.net\"\n[[account]]\naddress = \"ann@example.org\"\npassword = \"correct horse\"\n\
         [[account]]\naddress = \"bob@example.com\"\npassword = \"swordfish\"\n",
    )
    .unwrap();
    let options = Options { scram_iterations: 1, ..Options::default() };
    let mut cuts = 0;
    loop {
        let shelf = MemoryShelf::default();
        let accounts = shelf.accounts(options);
        shelf.state().commits_left = Some(cuts);
        let whole = mail::enter(&accounts, &set_up).is_ok();
        shelf.state().commits_left = None;
        // A domain without an account would look like a server that is set up.
        assert_eq!(accounts.domains(None, 9).unwrap().is_empty(), accounts.accounts(None, 9).unwrap().is_empty());
        let outcome = mail::enter(&accounts, &set_up).unwrap();
        assert_eq!((outcome.errors.len(), outcome.taken.len()), (0, 2));
        assert_eq!(accounts.accounts(None, 9).unwrap().len(), 2);
        assert_eq!(accounts.domains(None, 9).unwrap(), ["example.com", "example.net", "example.org"]);
        assert_eq!(accounts.administrator().unwrap().unwrap().address, "ann@example.org");
        if whole {
            break;
        }
        cuts += 1;
    }
    // Two accounts of seven commits each, two domains of which the first account brings its own.
    assert_eq!(cuts, 7 + 8 + 1);
}
