//! Tests of all of it together, on a simulated card.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::as_conversions)]

mod crash;
mod model;

use super::simulated::Card;
use super::verify::sha256;
use super::*;
use board::card::bundle::{HEADER_OCTETS, Invalid, VERSION_WORD, front};
use board::card::manifest::{BINARY, KERNEL_SET, Manifest, Part};
use board::card::slots::{STATE_OFFSETS, Slot};
use board::card::version::Version;
use minisign::KeyPair;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::OnceLock;

fn keys() -> &'static KeyPair {
    static KEYS: OnceLock<KeyPair> = OnceLock::new();
    KEYS.get_or_init(|| KeyPair::generate_unencrypted_keypair().unwrap())
}

fn key() -> PublicKey {
    PublicKey::decode(&keys().pk.to_box().unwrap().to_string()).unwrap()
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

/// Octets that differ between versions and parts, and are no multiple of anything.
fn octets_of(version: &str, name: &str) -> Vec<u8> {
    let len = if name == BINARY { 70_001 } else { 3_003 };
    let mut choices = simulated::Choices(sha256(format!("{version} {name}").as_bytes())[0].into());
    let mut octets = format!("{version} {name} ").into_bytes();
    octets.resize_with(len, || u8::try_from(choices.below(256)).unwrap());
    octets
}

struct Parts<'a> {
    version: &'a str,
    comment: Option<&'a str>,
    architecture: &'a str,
    kernel: bool,
    keys: &'a KeyPair,
}

fn parts(version: &str) -> Parts<'_> {
    Parts { version, comment: None, architecture: std::env::consts::ARCH, kernel: false, keys: keys() }
}

impl Parts<'_> {
    fn make(&self) -> Vec<u8> {
        let mut names = vec![BINARY];
        if self.kernel {
            names.extend(KERNEL_SET);
        }
        let octets: Vec<Vec<u8>> = names.iter().map(|name| octets_of(self.version, name)).collect();
        let part = |(name, octets): (&&str, &Vec<u8>)| Part {
            name: (*name).to_owned(),
            octets: octets.len() as u64,
            sha256: sha256(octets),
        };
        let list = names.iter().zip(&octets).map(part).collect();
        let manifest = Manifest::new(version(self.version), 1_767_225_600, self.architecture, list).unwrap();
        let comment = format!("timestamp:1767225600\t{VERSION_WORD}{}", self.comment.unwrap_or(self.version));
        let sign = |text: &[u8]| {
            let signed = minisign::sign(Some(&self.keys.pk), &self.keys.sk, Cursor::new(text), Some(&comment), None);
            Ok::<_, Invalid>(signed.unwrap().into_string())
        };
        let mut bundle = front(&manifest, sign).unwrap();
        octets.iter().for_each(|octets| bundle.extend_from_slice(octets));
        bundle
    }
}

/// A machine: its card, and a folder for what is in its memory.
struct Machine {
    card: Card,
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        Self::with(Card::new())
    }

    fn with(card: Card) -> Self {
        Self { card, folder: tempfile::tempdir().unwrap() }
    }

    fn bundle(&self, octets: &[u8]) -> PathBuf {
        let path = self.folder.path().join("x.update");
        std::fs::write(&path, octets).unwrap();
        path
    }

    fn install_while(&self, running: Running, octets: &[u8]) -> Result<Installed, Error> {
        let rules = Rules { running, factory_version: version("0.1.0"), allow_older: false, allow_failed: false };
        install(&self.bundle(octets), &self.card.device(), &self.card, &key(), &rules, &mut |_| {})
    }

    fn install(&self, octets: &[u8]) -> Result<Installed, Error> {
        self.install_while(Running::Factory, octets)
    }

    /// A start, up to what runs.
    fn start(&self) -> Choice {
        stage_one(&self.card.device(), &key(), self.folder.path())
    }

    /// What runs after a start, kernel rollback and all; the version of the binary and of the kernel.
    fn run(&self) -> (Choice, String, String) {
        let mut choice = self.start();
        if choice.kernel_rollback.is_some() && restore_kernel(&self.card.device(), &self.card).unwrap() {
            choice = self.start();
            assert_eq!(choice.kernel_rollback, None);
        }
        let binary = match &choice.binary {
            None => "factory".to_owned(),
            Some(path) => {
                let octets = std::fs::read(path).unwrap();
                let version = choice.version.as_ref().unwrap().to_string();
                assert_eq!(octets, octets_of(&version, BINARY));
                version
            }
        };
        assert_eq!(choice.running == Running::Factory, choice.binary.is_none());
        (choice, binary, self.kernel())
    }

    /// The version of the kernel set that the firmware starts; it must be whole.
    fn kernel(&self) -> String {
        let prefix = super::boot::active(&self.card).unwrap();
        let file = |name: &str| self.card.file(&format!("{prefix}{name}")).unwrap();
        let first = String::from_utf8_lossy(&file(KERNEL_SET[0])).into_owned();
        let version = first.split(' ').next().unwrap().to_owned();
        for name in KERNEL_SET {
            let expected = match version.as_str() {
                "factory" => format!("factory {name}").into_bytes(),
                version => octets_of(version, name),
            };
            assert!(file(name) == expected, "{prefix}{name} is not whole");
        }
        version
    }
}

#[test]
fn an_update_is_tried_confirmed_and_replaced() {
    let machine = Machine::new();
    let device = machine.card.device();
    assert_eq!(machine.run().1, "factory");
    let installed = machine.install(&parts("0.2.0").make()).unwrap();
    assert_eq!(installed, Installed::OnTrial { version: version("0.2.0"), slot: Slot::A, kernel: None });
    assert_eq!(pending(&device, Running::Factory), Some(Slot::A));
    let (choice, binary, kernel) = machine.run();
    assert_eq!(
        (choice.running, choice.attempt, binary, kernel.as_str()),
        (Running::A, 1, "0.2.0".to_owned(), "factory")
    );
    assert_eq!(choice.notes, ["version 0.2.0 is on trial, try 1 of 3"]);
    assert!(!is_confirmed(&device, Running::A) && is_confirmed(&device, Running::Factory));
    assert_eq!(pending(&device, Running::A), None);
    assert_eq!(confirm(&device, Running::A), Ok(true));
    assert_eq!(confirm(&device, Running::A), Ok(false));
    assert!(is_confirmed(&device, Running::A) && !is_confirmed(&device, Running::Factory));
    let (choice, binary, _) = machine.run();
    assert_eq!((choice.running, choice.attempt, binary), (Running::A, 0, "0.2.0".to_owned()));
    assert!(choice.notes.is_empty());
    // The next ones go to the other slot in turn.
    for (text, slot, running) in [("0.2.1", Slot::B, Running::A), ("0.3.0", Slot::A, Running::B)] {
        let installed = machine.install_while(running, &parts(text).make()).unwrap();
        assert_eq!(installed, Installed::OnTrial { version: version(text), slot, kernel: None });
        assert_eq!(machine.run().1, text);
        assert_eq!(confirm(&device, slot.into()), Ok(true));
    }
}

#[test]
fn a_version_that_is_never_confirmed_gives_way_after_three_tries() {
    let machine = Machine::new();
    let device = machine.card.device();
    machine.install(&parts("0.2.0").make()).unwrap();
    machine.run();
    confirm(&device, Running::A).unwrap();
    let bad = parts("0.3.0").make();
    machine.install_while(Running::A, &bad).unwrap();
    for attempt in 1..=3 {
        let (choice, binary, _) = machine.run();
        assert_eq!((choice.attempt, binary), (attempt, "0.3.0".to_owned()));
        // Somebody else's good word does not count.
        assert_eq!(confirm(&device, Running::Factory), Ok(false));
    }
    let (choice, binary, _) = machine.run();
    let told = "version 0.3.0 did not pass its test mail in 3 tries; 0.2.0 runs";
    assert_eq!((choice.running, binary, choice.notes), (Running::A, "0.2.0".to_owned(), vec![told.to_owned()]));
    assert_eq!(last_failure(&device, "0.2.0").as_deref(), Some(told));
    // Not again by itself, but by hand, and another build of it is another bundle.
    assert_eq!(machine.install_while(Running::A, &bad), Err(Error::FailedBefore(version("0.3.0"))));
    let other = parts("0.3.1").make();
    assert!(machine.install_while(Running::A, &other).is_ok());
    assert_eq!(machine.run().0.attempt, 1);
    confirm(&device, Running::B).unwrap();
    assert_eq!(last_failure(&device, "0.3.1"), None);
}

#[test]
fn a_kernel_set_comes_and_goes_with_its_version() {
    let machine = Machine::new();
    let device = machine.card.device();
    let with_kernel = |text| Parts { kernel: true, ..parts(text) }.make();
    let installed = machine.install(&with_kernel("0.2.0")).unwrap();
    assert_eq!(installed, Installed::OnTrial { version: version("0.2.0"), slot: Slot::A, kernel: Some(Prefix::B) });
    assert_eq!((machine.run().1, machine.kernel()), ("0.2.0".to_owned(), "0.2.0".to_owned()));
    // Now both folders are needed.
    assert_eq!(machine.install_while(Running::A, &with_kernel("0.2.1")), Err(Error::OnTrial));
    confirm(&device, Running::A).unwrap();
    machine.install_while(Running::A, &with_kernel("0.3.0")).unwrap();
    for _ in 0..3 {
        assert_eq!((machine.run().1, machine.kernel()), ("0.3.0".to_owned(), "0.3.0".to_owned()));
    }
    let choice = machine.start();
    assert_eq!((choice.running, choice.kernel_rollback), (Running::A, Some(Prefix::B)));
    // Until it is done, every start asks for it again.
    assert_eq!(machine.start().kernel_rollback, Some(Prefix::B));
    assert_eq!((machine.run().1, machine.kernel()), ("0.2.0".to_owned(), "0.2.0".to_owned()));
    assert_eq!(restore_kernel(&device, &machine.card), Ok(false));
}

#[test]
fn a_trial_that_was_not_started_is_taken_back_by_the_next_bundle() {
    let machine = Machine::new();
    machine.install(&Parts { kernel: true, ..parts("0.2.0") }.make()).unwrap();
    assert_eq!(machine.kernel(), "0.2.0");
    // Not started yet: the first slot is free again, and the old kernel set comes back before its folder is needed.
    machine.install(&parts("0.3.0").make()).unwrap();
    assert_eq!((machine.run().1, machine.kernel()), ("0.3.0".to_owned(), "factory".to_owned()));
}

#[test]
fn what_is_there_is_not_installed_again() {
    let machine = Machine::new();
    let device = machine.card.device();
    let bundle = Parts { kernel: true, ..parts("0.2.0") }.make();
    machine.install(&bundle).unwrap();
    let steps = machine.card.steps();
    let already = |confirmed| Ok(Installed::Already { version: version("0.2.0"), confirmed });
    assert_eq!(machine.install(&bundle), already(false));
    machine.run();
    let tried = machine.card.steps();
    assert_eq!(machine.install_while(Running::A, &bundle), already(false));
    confirm(&device, Running::A).unwrap();
    assert_eq!(machine.install_while(Running::A, &bundle), already(true));
    // Two writes and two syncs since: the try and the confirmation.
    assert_eq!((tried - steps, machine.card.steps() - tried), (2, 2));
    // With its kernel set gone it is.
    super::boot::switch(&machine.card, Prefix::A).unwrap();
    assert!(matches!(machine.install_while(Running::A, &bundle), Ok(Installed::OnTrial { slot: Slot::B, .. })));
}

#[test]
fn a_bundle_that_is_not_good_is_refused_before_anything_is_written() {
    let machine = Machine::new();
    let good = parts("0.2.0").make();
    let stranger = KeyPair::generate_unencrypted_keypair().unwrap();
    let truncated = |at: usize| (good[..at].to_vec(), Error::Truncated { at: at as u64, of: good.len() as u64 });
    let flipped = |at: usize| {
        let mut octets = good.clone();
        octets[at] ^= 1;
        octets
    };
    let not_signed = |why: &str| Error::NotSigned(why.to_owned());
    let changed = "the signature does not fit what the bundle says about itself; it was changed or damaged";
    let cases = [
        (Parts { keys: &stranger, ..parts("0.2.0") }.make(), not_signed("it was signed with another one")),
        truncated(HEADER_OCTETS),
        truncated(good.len() - 1),
        (good[..100].to_vec(), Error::Truncated { at: 100, of: HEADER_OCTETS as u64 }),
        (b"PK a zip file".to_vec(), Error::NotABundle(Invalid::Magic)),
        (Vec::new(), Error::NotABundle(Invalid::Magic)),
        ([good.as_slice(), b"x"].concat(), Error::TooLong(good.len() as u64)),
        (flipped(40), Error::NotABundle(Invalid::Checksum)),
        (flipped(HEADER_OCTETS + 12), not_signed(changed)),
        (flipped(good.len() - 1), Error::Damaged(BINARY.to_owned())),
        (Parts { architecture: "riscv", ..parts("0.2.0") }.make(), Error::Architecture("riscv".to_owned())),
        (
            Parts { comment: Some("9.9.9"), ..parts("0.2.0") }.make(),
            Error::NotABundle(Invalid::Field("trusted comment")),
        ),
        (parts("0.0.9").make(), Error::Older { offered: version("0.0.9"), running: version("0.1.0") }),
    ];
    for (octets, error) in cases {
        assert_eq!(machine.install(&octets), Err(error));
    }
    machine.card.put_file("config.txt", b"os_prefix=mine/\n");
    assert!(matches!(machine.install(&Parts { kernel: true, ..parts("0.2.0") }.make()), Err(Error::Config(_))));
    assert_eq!(machine.card.steps(), 0);
}

#[test]
fn an_older_version_is_installed_only_when_it_is_wished() {
    let machine = Machine::new();
    machine.install(&parts("0.10.0").make()).unwrap();
    machine.run();
    confirm(&machine.card.device(), Running::A).unwrap();
    let older = parts("0.9.0").make();
    let refused = Error::Older { offered: version("0.9.0"), running: version("0.10.0") };
    assert_eq!(machine.install_while(Running::A, &older), Err(refused));
    let rules =
        Rules { running: Running::A, factory_version: version("0.1.0"), allow_older: true, allow_failed: false };
    let path = machine.bundle(&older);
    install(&path, &machine.card.device(), &machine.card, &key(), &rules, &mut |_| {}).unwrap();
    assert_eq!(machine.run().1, "0.9.0");
}

#[test]
fn a_slot_that_does_not_verify_is_skipped() {
    let machine = Machine::new();
    let device = machine.card.device();
    machine.install(&parts("0.2.0").make()).unwrap();
    machine.run();
    confirm(&device, Running::A).unwrap();
    machine.install_while(Running::A, &parts("0.3.0").make()).unwrap();
    machine.card.damage(Slot::B.offset() + 50_000);
    let (choice, binary, _) = machine.run();
    assert_eq!((choice.running, binary.as_str()), (Running::A, "0.2.0"));
    assert_eq!(
        choice.notes,
        [
            "the new version in slot B is not tried: it is damaged: its binary is not what was signed",
            "version 0.3.0 was damaged on the card and not tried; 0.2.0 runs"
        ]
    );
    // The bundle is not to blame.
    machine.install_while(Running::A, &parts("0.3.0").make()).unwrap();
    assert_eq!(machine.run().1, "0.3.0");
    confirm(&device, Running::B).unwrap();
    // The confirmed one, too, and nothing is left behind that might be run.
    machine.card.damage(Slot::B.offset());
    std::fs::remove_file(machine.folder.path().join("pillarbox")).unwrap();
    let choice = machine.start();
    assert_eq!((choice.running, choice.binary), (Running::Factory, None));
    assert!(choice.notes[0].starts_with("slot B cannot be run: "), "{:?}", choice.notes);
    assert_eq!(std::fs::read_dir(machine.folder.path()).unwrap().count(), 1, "the bundle only");
    assert!(!is_confirmed(&device, choice.running));
}

#[test]
fn another_key_runs_nothing_of_ours() {
    let machine = Machine::new();
    machine.install(&parts("0.2.0").make()).unwrap();
    let stranger = KeyPair::generate_unencrypted_keypair().unwrap();
    let key = PublicKey::decode(&stranger.pk.to_box().unwrap().to_string()).unwrap();
    let choice = stage_one(&machine.card.device(), &key, machine.folder.path());
    assert_eq!((choice.running, choice.binary), (Running::Factory, None));
}

#[test]
fn a_card_that_fails_runs_what_is_there() {
    let machine = Machine::new();
    let device = machine.card.device();
    machine.install(&parts("0.2.0").make()).unwrap();
    // A try that cannot be counted is none: it could go on for ever.
    machine.card.stop_after(0);
    let (choice, binary, _) = machine.run();
    assert_eq!((choice.running, binary.as_str()), (Running::Factory, "factory"));
    assert!(choice.notes[0].contains("cannot be recorded"), "{:?}", choice.notes);
    machine.card.fail_reads(true);
    assert_eq!(machine.start().running, Running::Factory);
    assert!(confirm(&device, Running::A).is_err() && !is_confirmed(&device, Running::Factory));
}

#[test]
fn one_damaged_record_is_as_good_as_a_power_cut_and_two_are_factory() {
    let machine = Machine::new();
    let device = machine.card.device();
    assert_eq!((note_boot(&device), note_boot(&device), note_boot(&device)), (Ok(1), Ok(2), Ok(3)));
    // The third is in the first block.
    machine.card.damage(STATE_OFFSETS[0] + 24);
    assert!(machine.start().notes[0].contains("damaged"));
    assert_eq!(note_boot(&device), Ok(3));
    assert_eq!(clear_boots(&device), Ok(()));
    let steps = machine.card.steps();
    assert_eq!(clear_boots(&device), Ok(()));
    assert_eq!(machine.card.steps(), steps, "nothing to write");
    STATE_OFFSETS.iter().for_each(|offset| machine.card.damage(offset + 24));
    assert_eq!(note_boot(&device), Ok(1));
}

#[test]
fn two_at_a_time_do_not_mix() {
    let machine = Machine::new();
    let device = machine.card.device();
    let held = device.lock(Lock::Install).unwrap();
    assert_eq!(machine.install(&parts("0.2.0").make()), Err(Error::Busy));
    // PID 1 is not kept waiting by an installation.
    assert_eq!(note_boot(&device), Ok(1));
    drop(held);
    let held = device.lock(Lock::State).unwrap();
    assert_eq!(note_boot(&device), Err(Error::Busy));
    drop(held);
    assert!(machine.install(&parts("0.2.0").make()).is_ok());
}

/// The command, on files in place of the partition and of the boot partition.
#[test]
fn a_bundle_that_is_dropped_on_the_boot_partition_is_installed_once() {
    let folder = tempfile::tempdir().unwrap();
    let (slots, boot, key) = (folder.path().join("slots"), folder.path().join("boot"), folder.path().join("key"));
    std::fs::File::create(&slots).unwrap().set_len(board::card::layout::SLOTS.octets).unwrap();
    std::fs::create_dir_all(boot.join("os-a")).unwrap();
    std::fs::write(boot.join("config.txt"), "os_prefix=os-a/\n").unwrap();
    std::fs::write(&key, keys().pk.to_box().unwrap().to_string()).unwrap();
    let dropped = |name: &str, octets: &[u8]| {
        std::fs::write(boot.join(name), octets).unwrap();
        let file = request(&boot).unwrap();
        run(&UpdateOptions { file, slots: slots.clone(), boot: boot.clone(), key: key.clone(), allow_older: false })
    };
    let good = Parts { kernel: true, ..parts("9.2.0") }.make();
    assert_eq!(dropped("a.update", &good), Ok(()));
    assert!(boot.join("a.update.installed").is_file() && request(&boot).is_none());
    assert_eq!(std::fs::read(boot.join("config.txt")).unwrap(), b"os_prefix=os-b/\n");
    assert_eq!(std::fs::read(boot.join("os-b/kernel8.img")).unwrap(), octets_of("9.2.0", "kernel8.img"));
    // As if the power had been cut before it was renamed.
    assert_eq!(dropped("a.update", &good), Ok(()));
    let device = SlotDevice::open(&slots).unwrap();
    let key_read = PublicKey::load(&key).unwrap();
    let choice = stage_one(&device, &key_read, folder.path());
    assert_eq!((choice.running, choice.attempt), (Running::A, 1));
    use std::os::unix::fs::PermissionsExt;
    let binary = std::fs::metadata(choice.binary.unwrap()).unwrap();
    assert_eq!((binary.permissions().mode() & 0o777, binary.len()), (0o755, 70_001));
    let refused = dropped("b.update", &good[..10_000]).unwrap_err();
    assert!(refused.to_string().contains("truncated at octet 10000 of"), "{refused}");
    let why = std::fs::read_to_string(boot.join("b.update.refused.txt")).unwrap();
    assert!(why.contains("truncated") && boot.join("b.update.refused").is_file());
    // It fails its tries; dropped again it is refused, because nobody looks on when that happens.
    (0..3).for_each(|_| drop(stage_one(&device, &key_read, folder.path())));
    assert!(dropped("a.update", &good).unwrap_err().to_string().contains("was tried before"));
}
