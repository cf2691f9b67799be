//! Updates of every kind, from the boot partition: it always ends in a version that works, with all mail.

use crate::appliance::{ADDRESS, Appliance, secret_key};
use crate::lines;
use crate::nbd::Random;
use board::led::State;
use image::qemu::Cause;
use std::io::Read;
use std::time::Duration;

/// Newer than whatever the image has.
const VERSION: &str = "1000.0.0";
const NAME: &str = "new.update";

/// The binary in the image: what a new version is made of that works.
fn binary(appliance: &Appliance) -> Vec<u8> {
    let initramfs = appliance.get("os-a/initramfs.img").expect("an initramfs");
    let mut archive = Vec::new();
    flate2::read::GzDecoder::new(initramfs.as_slice()).read_to_end(&mut archive).unwrap();
    // cpio(5), "New ASCII Format": 110 octets, of which 54.. is the file's length and 94.. the name's, in hexadecimal.
    let mut at = 0;
    loop {
        let field =
            |from: usize| usize::from_str_radix(str::from_utf8(&archive[at + from..][..8]).unwrap(), 16).unwrap();
        let (octets, name) = (field(54), field(94));
        let data = (at + 110 + name).next_multiple_of(4);
        if archive[at + 110..][..name - 1].trim_ascii() == b"init" && octets > 0 {
            return archive[data..data + octets].to_vec();
        }
        at = (data + octets).next_multiple_of(4);
    }
}

/// A static program for ARM of a few instructions.
fn program(instructions: &[u32]) -> Vec<u8> {
    let code: Vec<u8> = instructions.iter().flat_map(|word| word.to_le_bytes()).collect();
    let (address, head) = (0x40_0000_u64, 64 + 56_u64);
    let mut octets = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // elf(5), Elf64_Ehdr: ET_EXEC, EM_AARCH64, version, entry, one program header right behind it.
    for (value, width) in [(2, 2), (183, 2), (1, 4), (address + head, 8), (64, 8), (0, 8), (0, 4), (64, 2), (56, 2)] {
        octets.extend(&u64::to_le_bytes(value)[..width]);
    }
    octets.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    // Elf64_Phdr: PT_LOAD, readable and executable, all of the file.
    let length = head + code.len() as u64;
    octets.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for value in [0, address, address, length, length, 0x1000] {
        octets.extend(u64::to_le_bytes(value));
    }
    octets.extend(code);
    octets
}

/// `exit(1)`: what a version does that crashes at once. The kernel panics when PID 1 ends.
fn that_crashes() -> Vec<u8> {
    program(&[0xd280_0020, 0xd280_0ba8, 0xd400_0001])
}

/// `ppoll(NULL, 0, NULL, NULL)`: what a version does that never answers.
fn that_is_silent() -> Vec<u8> {
    program(&[0xd280_0000, 0xd280_0001, 0xd280_0002, 0xd280_0003, 0xd280_0004, 0xd280_0928, 0xd400_0001])
}

fn bundle(binary: Vec<u8>, version: &str, key: &minisign::SecretKey) -> Vec<u8> {
    image::bundle::sign(&[("pillarbox".to_owned(), binary)], version, key).unwrap_or_else(|failure| panic!("{failure}"))
}

/// An appliance with a message in it, which must be there after everything.
fn with_mail() -> Appliance {
    let mut appliance = Appliance::seasoned();
    appliance.boot();
    appliance.swaks(ADDRESS, "before the update");
    appliance.switch_off();
    appliance
}

fn has_its_mail(appliance: &Appliance) {
    appliance.wait_for_mail();
    assert_eq!(appliance.mailbox().subjects(), ["before the update"]);
}

#[test]
#[ignore = "needs the image: cargo image build"]
fn a_good_version_is_tried_and_stays() {
    let mut appliance = with_mail();
    let bundle = bundle(binary(&appliance), VERSION, &secret_key());
    appliance.put(NAME, &bundle);
    appliance.power();
    appliance.line(lines::INSTALLING);
    appliance.wait_for_led(State::Updating);
    appliance.line(lines::INSTALLED);
    assert_eq!(appliance.wait_for_boot(2), Cause::Reset);
    assert!(appliance.line(lines::ON_TRIAL).contains(VERSION));
    appliance.line(lines::CONFIRMED);
    has_its_mail(&appliance);
    // A power cut: it is not tried again, it is what runs.
    appliance.cut();
    assert_eq!(appliance.get(NAME), None);
    assert!(appliance.get(&format!("{NAME}.installed")).is_some());
    appliance.power();
    has_its_mail(&appliance);
    assert!(!appliance.had_line(lines::ON_TRIAL) && !appliance.had_line(lines::INSTALLING));
    appliance.cut();
}

#[test]
#[ignore = "needs the image: cargo image build"]
fn a_bundle_that_is_not_good_is_refused() {
    let mut appliance = with_mail();
    let good = bundle(binary(&appliance), VERSION, &secret_key());
    let stranger = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    for (what, octets) in [
        ("signed with another key", bundle(that_crashes(), VERSION, &stranger.sk)),
        ("cut short", good[..good.len() - 1].to_vec()),
        ("damaged", damaged),
    ] {
        appliance.put(NAME, &octets);
        appliance.power();
        appliance.line(lines::REFUSED);
        has_its_mail(&appliance);
        assert_eq!(appliance.machine().boots().len(), 1, "{what}: there is nothing to be tried");
        appliance.cut();
        let why = appliance.get(&format!("{NAME}.refused.txt")).unwrap_or_default();
        println!("{what}: {}", String::from_utf8_lossy(&why).trim());
        assert!(!why.is_empty() && appliance.get(NAME).is_none(), "{what}");
    }
}

/// Installs a version that does not work, and waits until the old one is back.
fn fails(binary: Vec<u8>, cause: Cause) {
    let mut appliance = with_mail();
    appliance.put(NAME, &bundle(binary, VERSION, &secret_key()));
    appliance.power();
    // The installation, three tries, and then the one before.
    assert_eq!(appliance.wait_for_boot(5), cause);
    appliance.line(lines::ROLLED_BACK);
    has_its_mail(&appliance);
    assert_eq!(appliance.machine().boots().len(), 5);
    appliance.cut();
}

#[test]
#[ignore = "needs the image: cargo image build"]
fn a_version_that_crashes_gives_way() {
    fails(that_crashes(), Cause::Reset);
}

#[test]
#[ignore = "needs the image: cargo image build"]
fn a_version_that_does_not_answer_gives_way() {
    fails(that_is_silent(), Cause::Watchdog);
}

#[test]
#[ignore = "needs the image: cargo image build"]
fn a_power_cut_at_any_stage_leaves_a_version_that_works() {
    let mut appliance = with_mail();
    let bundle = bundle(binary(&appliance), VERSION, &secret_key());
    appliance.put(NAME, &bundle);
    let seed = u64::from(std::process::id());
    println!("\nthe moments are those of seed {seed}");
    let mut random = Random(seed);
    // While it is written; when it is about to be tried; while it is tried; before it is confirmed.
    for stage in [lines::INSTALLING, lines::INSTALLING, lines::INSTALLED, lines::ON_TRIAL] {
        appliance.power();
        let ended = [stage, lines::CONFIRMED];
        appliance.any_line(&ended);
        std::thread::sleep(Duration::from_millis(random.below(1_500)));
        appliance.cut();
    }
    appliance.power();
    has_its_mail(&appliance);
    appliance.cut();
}
