//! One appliance with a card of its own, switched on and off by a test.

use crate::lines;
use crate::mailbox::{self, Mailbox};
use crate::nbd::Disk;
use board::led::State;
use image::qemu::led::{Blink, shows};
use image::qemu::{Attachment, Card, Cause, Ending, Kind, Machine, Running, card};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The account of every card that was set up.
pub const ADDRESS: &str = "ann@example.org";
/// Its password.
pub const PASSWORD: &str = "three quiet herons";
/// Anything that a machine does, on a busy computer without hardware virtualisation, has happened by then.
pub const PATIENCE: Duration = Duration::from_secs(240);
/// Larger than the image, so that the first start has something to grow to; QEMU wants a power of two.
const CARD_OCTETS: u64 = 1 << 30;
/// What is forwarded.
const PORTS: [u16; 7] = [25, 587, 465, 143, 993, 110, 995];
/// Between two attempts to reach the machine.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The image under test.
pub fn image() -> PathBuf {
    let given = std::env::var_os("PILLARBOX_IMAGE").map(PathBuf::from);
    let image = given.unwrap_or_else(image::build::image_file);
    assert!(image.is_file(), "{}: `cargo image build` makes it, or PILLARBOX_IMAGE names it", image.display());
    image
}

/// The key that updates of that image are signed with.
pub fn secret_key() -> minisign::SecretKey {
    image::bundle::secret_key(&image().with_file_name("update.key")).unwrap_or_else(|failure| panic!("{failure}"))
}

/// An appliance.
pub struct Appliance {
    folder: tempfile::TempDir,
    kind: Kind,
    disk: Option<Disk>,
    machine: Option<Running>,
}

impl Appliance {
    /// With a card as it comes from the image, one account in its set-up file.
    pub fn new() -> Self {
        let appliance = Self::blank();
        let text = format!("[[account]]\naddress = \"{ADDRESS}\"\npassword = \"{PASSWORD}\"\n");
        appliance.put("pillarbox.toml", text.as_bytes());
        appliance
    }

    /// With a card as it comes from the image.
    pub fn blank() -> Self {
        Self::with_copy_of(&image())
    }

    /// With a card that was set up, grown, and switched off in order. Made once for all tests: a first start takes longer.
    pub fn seasoned() -> Self {
        static CARD: OnceLock<tempfile::NamedTempFile> = OnceLock::new();
        let card = CARD.get_or_init(|| {
            let mut first = Self::new();
            first.boot();
            first.switch_off();
            let card = tempfile::NamedTempFile::new().unwrap();
            card::copy_sparse(&first.card(), card.path(), CARD_OCTETS).unwrap();
            card
        });
        Self::with_copy_of(card.path())
    }

    fn with_copy_of(image: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("appliance-").tempdir().unwrap();
        card::copy_sparse(image, &folder.path().join("card.img"), CARD_OCTETS).unwrap();
        Self { folder, kind: Kind::Virt, disk: None, machine: None }
    }

    /// As a Raspberry Pi 3B.
    pub fn on_raspi3b(mut self) -> Self {
        self.kind = Kind::Raspi3b;
        self
    }

    /// With its card behind a disk that loses what was not flushed when the power is cut.
    pub fn on_a_disk_that_tears(mut self) -> Self {
        self.disk = Some(Disk::serve(&self.card()).unwrap());
        self
    }

    /// The card's image.
    pub fn card(&self) -> PathBuf {
        self.folder.path().join("card.img")
    }

    /// The disk that tears.
    pub fn disk(&self) -> &Disk {
        self.disk.as_ref().expect("made by on_a_disk_that_tears")
    }

    /// Writes a file to the boot partition of a machine that is off.
    pub fn put(&self, name: &str, octets: &[u8]) {
        assert!(self.machine.is_none(), "the card is in use");
        card::write_boot_file(&self.card(), name, octets).unwrap_or_else(|failure| panic!("{failure}"));
    }

    /// Reads a file of the boot partition; `None` if it is not there.
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        let fat = card::boot_partition(&self.card(), false).unwrap_or_else(|failure| panic!("{failure}"));
        card::read_boot_file(&fat, name).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Switches it on, with more words for the kernel.
    pub fn power_with(&mut self, kernel_arguments: &[&str]) {
        assert!(self.machine.is_none(), "it is on");
        let image = self.card();
        let card = match &self.disk {
            None => Card::File(image),
            Some(disk) => Card::Nbd { url: disk.url(), image },
        };
        let attachment = if self.disk.is_some() { Attachment::VirtioBlk } else { Attachment::SdCard };
        let mut machine = Machine::new(self.kind, card).attachment(attachment);
        for port in PORTS {
            machine = machine.forward(0, port);
        }
        for word in kernel_arguments {
            machine = machine.kernel_argument(word);
        }
        self.machine = Some(machine.start().unwrap_or_else(|failure| panic!("{failure}")));
    }

    /// Switches it on.
    pub fn power(&mut self) {
        self.power_with(&[]);
    }

    /// Switches it on and waits until it takes mail; gives how long that took.
    pub fn boot(&mut self) -> Duration {
        self.power();
        self.wait_for_mail()
    }

    /// The machine under power.
    pub fn machine(&self) -> &Running {
        self.machine.as_ref().expect("it is off")
    }

    /// Waits for a line of the console since power-on; gives it.
    pub fn line(&self, needle: &str) -> String {
        self.machine().console().wait_for(needle, Default::default(), PATIENCE).unwrap_or_else(|f| panic!("{f}"))
    }

    /// Waits for any of these lines since power-on.
    pub fn any_line(&self, needles: &[&str]) {
        let begin = Instant::now();
        while !needles.iter().any(|needle| self.had_line(needle)) {
            assert!(begin.elapsed() < PATIENCE, "waited in vain for one of {needles:?}");
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Has the console had such a line since power-on?
    pub fn had_line(&self, needle: &str) -> bool {
        self.machine().console().text().contains(needle)
    }

    /// Waits for the boot with this number since power-on, the first being 1; gives its cause.
    pub fn wait_for_boot(&self, number: usize) -> Cause {
        self.machine().wait_for_boot(number, PATIENCE).unwrap_or_else(|failure| panic!("{failure}")).cause
    }

    /// Waits until SMTP greets; gives how long that took since the last boot began.
    pub fn wait_for_mail(&self) -> Duration {
        let begin = Instant::now();
        while mailbox::greeting(self.port(25)).is_none() {
            if let Some(ending) = self.machine().wait(Duration::ZERO) {
                panic!("the machine ended before it took mail: {ending:?}");
            }
            assert!(begin.elapsed() < PATIENCE, "no greeting by SMTP in {} s", PATIENCE.as_secs());
            std::thread::sleep(LOOK_INTERVAL);
        }
        self.machine().boots().last().expect("one at least").at.elapsed()
    }

    /// Watches the LED until it shows `state`.
    pub fn wait_for_led(&self, state: State) {
        let steps = state.pattern().steps();
        let period: Vec<Blink> = steps.iter().map(|step| (step.on, step.milliseconds.into())).collect();
        let seen = self.machine().watch_led(PATIENCE, |seen| shows(seen, &period)).unwrap_or_else(|f| panic!("{f}"));
        assert!(shows(&seen, &period), "{state:?} should look like {period:?}, seen was {seen:?}");
    }

    /// The port here that leads to one of the guest's.
    pub fn port(&self, guest: u16) -> u16 {
        self.machine().port(guest).expect("forwarded")
    }

    /// Sends a message with swaks.
    pub fn swaks(&self, to: &str, subject: &str) {
        let mut swaks = Command::new("swaks");
        swaks.args(["--server", "127.0.0.1", "--port", &self.port(25).to_string(), "--timeout", "120"]);
        swaks.args(["--from", "bob@example.net", "--to", to, "--header", &format!("Subject: {subject}")]);
        mailbox::succeed(&mut swaks);
    }

    /// Opens the mailbox.
    pub fn mailbox(&self) -> Mailbox {
        Mailbox::open(self.port(993), ADDRESS, PASSWORD)
    }

    /// Cuts the power; gives what the console had.
    pub fn cut(&mut self) -> String {
        let mut machine = self.machine.take().expect("it is off");
        machine.kill();
        machine.console().text()
    }

    /// Presses the power button and waits until it is off; gives whether the LED was on at the end.
    pub fn switch_off(&mut self) -> Option<bool> {
        self.machine().power_down().unwrap_or_else(|failure| panic!("{failure}"));
        let ending = self.machine().wait(PATIENCE);
        assert_eq!(ending, Some(Ending::PowerOff), "the power button");
        self.line(lines::RELEASED);
        self.machine.take().expect("it was on").led_at_power_off()
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(machine) = &self.machine
        {
            eprintln!("--- the console ---\n{}--- boots: {:#?}", machine.console().text(), machine.boots());
        }
    }
}
