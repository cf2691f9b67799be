//! Boot, mail, figures; another board; set-up and factory reset from the boot partition.

use crate::appliance::{ADDRESS, Appliance, PASSWORD, image};
use crate::lines;
use crate::mailbox::succeed;
use image::qemu::Cause;
use std::process::Command;

/// Goals for a quiet machine, in the units of the lines that are printed.
const BOOT_SECONDS: f64 = 3.0;
const MEMORY_MIB: f64 = 64.0;
const IMAGE_MIB: f64 = 64.0;

/// Prints a figure beside its goal. Only memory and size are the same on every computer.
fn figure(what: &str, figure: f64, unit: &str, goal: f64, must: bool) {
    println!("{what:28} {figure:8.2} {unit:4} (goal: under {goal} {unit})");
    assert!(!must || figure < goal, "{what}: {figure:.2} {unit}, the goal is {goal} {unit}");
}

/// The number at the beginning of `text`.
fn number(text: &str) -> f64 {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text[..end].parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

/// Seconds since the kernel's start at which PID 1 wrote a line: `[    5.297] pillarbox: ...`.
fn seconds(line: &str) -> f64 {
    number(line.trim_start_matches(['[', ' ']))
}

#[test]
#[ignore = "needs the image: cargo image build"]
fn it_boots_takes_mail_and_hands_it_out() {
    let mut appliance = Appliance::new();
    appliance.boot();
    appliance.line(lines::GROWN);
    assert!(!appliance.had_line(lines::SET_UP_FAILED));
    appliance.swaks(ADDRESS, "first");
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--insecure", "--user", &format!("{ADDRESS}:{PASSWORD}")]);
    let url = format!("imaps://localhost:{}/INBOX;MAILINDEX=1", appliance.port(993));
    assert!(succeed(curl.arg(url)).contains("Subject: first\r\n"));
    assert_eq!(appliance.switch_off(), Some(false), "the LED of a machine that is off is dark");
    // Its password is not on the partition that every PC reads, and the second start is the usual one.
    let set_up = String::from_utf8(appliance.get("pillarbox.toml").unwrap()).unwrap();
    assert!(set_up.contains(ADDRESS) && !set_up.contains(PASSWORD), "{set_up}");
    let wall = appliance.boot();
    assert!(!appliance.had_line(lines::GROWN));
    println!("\nfrom power to SMTP greeting, as seen from outside: {:.2} s", wall.as_secs_f64());
    figure("kernel start to PID 1", seconds(&appliance.line(lines::BEGIN)), "s", BOOT_SECONDS, false);
    figure("kernel start to greeting", seconds(&appliance.line(lines::READY)), "s", BOOT_SECONDS, false);
    let memory = appliance.line(lines::MEMORY);
    let memory = number(memory.split_once(lines::MEMORY).unwrap().1);
    figure("memory of all programs", memory / 1024.0, "MiB", MEMORY_MIB, true);
    figure("image, gzip -6", compressed_mib(), "MiB", IMAGE_MIB, true);
    assert_eq!(appliance.mailbox().subjects(), ["first"]);
    appliance.switch_off();
}

fn compressed_mib() -> f64 {
    let mut encoder = flate2::write::GzEncoder::new(Counter(0), flate2::Compression::default());
    std::io::copy(&mut std::fs::File::open(image()).unwrap(), &mut encoder).unwrap();
    encoder.finish().unwrap().0 as f64 / f64::from(1 << 20)
}

/// Counts what is written to it.
struct Counter(u64);

impl std::io::Write for Counter {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0 += octets.len() as u64;
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
#[ignore = "needs the image: cargo image build"]
fn it_boots_on_a_raspberry_pi_3() {
    // Without a set-up file: hashing a password takes long there, and the card and the network are what it is about.
    let mut appliance = Appliance::blank().on_raspi3b();
    appliance.power();
    appliance.line(lines::GROWN);
    // QEMU's network gives 10.0.2.15 to whoever asks by DHCP.
    let address = appliance.line(&format!("{}{}", lines::ADDRESS, ""));
    assert!(appliance.line(" 10.0.2.15/").contains(lines::ADDRESS), "{address}");
    appliance.wait_for_mail();
    appliance.cut();
}

#[test]
#[ignore = "needs the image: cargo image build"]
fn a_factory_reset_erases_only_what_its_file_names() {
    let mut appliance = Appliance::seasoned();
    appliance.boot();
    appliance.swaks(ADDRESS, "to be erased");
    appliance.switch_off();
    appliance.put("factory-reset.txt", b"please\r\n");
    appliance.power();
    appliance.line(lines::UNCLEAR);
    appliance.wait_for_mail();
    assert_eq!(appliance.mailbox().subjects(), ["to be erased"]);
    appliance.switch_off();
    appliance.put("factory-reset.txt", b"erase all mail\r\n");
    let text = format!("[[account]]\naddress = \"{ADDRESS}\"\npassword = \"{PASSWORD}\"\n");
    appliance.put("pillarbox.toml", text.as_bytes());
    appliance.power();
    appliance.line(lines::ERASED);
    appliance.wait_for_mail();
    assert_eq!(appliance.mailbox().subjects(), [""; 0]);
    assert_eq!(appliance.wait_for_boot(1), Cause::Power);
    appliance.switch_off();
    assert_eq!(appliance.get("factory-reset.txt"), None, "an order is carried out once");
}
