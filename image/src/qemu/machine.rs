//! What is to be emulated, and the words that tell QEMU so.

use super::boot_files::BootFiles;
use super::ports::Forward;
use super::{device_tree, running};
use crate::step::Failure;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// QEMU's program for 64-bit ARM.
pub const PROGRAM: &str = "qemu-system-aarch64";
/// Memory of the smallest boards that are supported.
pub const MEMORY_MIB: u32 = 512;
/// A Pi 3's processor. QEMU's newer ones spend their time on pointer authentication.
const PROCESSOR: &str = "cortex-a53";

/// Which machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// QEMU's own board, with a watchdog, LEDs, an SD card or a virtio disk, virtio network. The clock is set.
    Virt,
    /// A Raspberry Pi 3B: its own SD host, network over USB, the clock at 1970. Has always 1024 MiB. Its watchdog resets
    /// at once when it is opened, and QEMU forgets the reset's cause.
    Raspi3b,
}

/// Where the card's octets are.
#[derive(Clone, Debug)]
pub enum Card {
    /// In a file.
    File(PathBuf),
    /// Behind a server of the NBD protocol.
    Nbd {
        /// For example `nbd+unix:///?socket=/tmp/card`.
        url: String,
        /// The file behind it, where the boot files are read from while the machine is off or paused.
        image: PathBuf,
    },
}

impl Card {
    fn image(&self) -> &Path {
        match self {
            Self::File(image) | Self::Nbd { image, .. } => image,
        }
    }

    fn source(&self) -> String {
        match self {
            Self::File(image) => image.display().to_string(),
            Self::Nbd { url, .. } => url.clone(),
        }
    }
}

/// How the card hangs on a `virt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// An SD card (`/dev/mmcblk0`). The kernel sends it no flushes.
    SdCard,
    /// A disk (`/dev/vda`) with a write cache and flushes.
    VirtioBlk,
}

/// A machine to be switched on.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(super) kind: Kind,
    pub(super) card: Card,
    pub(super) attachment: Attachment,
    pub(super) memory_mib: u32,
    pub(super) forwards: Vec<Forward>,
    pub(super) mac: Option<String>,
    pub(super) kernel_arguments: Vec<String>,
    pub(super) qemu_arguments: Vec<OsString>,
    pub(super) transcript: Option<PathBuf>,
    pub(super) show_console: bool,
    pub(super) has_network: bool,
}

impl Machine {
    /// A machine with this card, 512 MiB, network, no forwarded ports.
    #[must_use]
    pub fn new(kind: Kind, card: Card) -> Self {
        Self {
            kind,
            card,
            attachment: Attachment::SdCard,
            memory_mib: MEMORY_MIB,
            forwards: Vec::new(),
            mac: None,
            kernel_arguments: Vec::new(),
            qemu_arguments: Vec::new(),
            transcript: None,
            show_console: false,
            has_network: true,
        }
    }

    /// How the card hangs on it. Only `virt` has a choice.
    #[must_use]
    pub fn attachment(mut self, attachment: Attachment) -> Self {
        self.attachment = attachment;
        self
    }

    /// Memory in MiB. A raspi3b has what it has.
    #[must_use]
    pub fn memory(mut self, mib: u32) -> Self {
        self.memory_mib = mib;
        self
    }

    /// Leads a port of 127.0.0.1 into the guest; 0 takes a free one, which [`super::Running::port`] tells.
    #[must_use]
    pub fn forward(mut self, host: u16, guest: u16) -> Self {
        self.forwards.push(Forward { host, guest });
        self
    }

    /// The network interface's address, for example `52:54:00:12:34:56`.
    #[must_use]
    pub fn mac(mut self, mac: &str) -> Self {
        self.mac = Some(mac.to_owned());
        self
    }

    /// No network interface at all.
    #[must_use]
    pub fn without_network(mut self) -> Self {
        self.has_network = false;
        self
    }

    /// A word for the kernel's command line, after those on the card.
    #[must_use]
    pub fn kernel_argument(mut self, word: &str) -> Self {
        self.kernel_arguments.push(word.to_owned());
        self
    }

    /// Words for QEMU itself, after ours.
    #[must_use]
    pub fn qemu_arguments<W: Into<OsString>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.qemu_arguments.extend(words.into_iter().map(Into::into));
        self
    }

    /// Appends the console to this file.
    #[must_use]
    pub fn transcript(mut self, file: &Path) -> Self {
        self.transcript = Some(file.to_owned());
        self
    }

    /// Shows the console on the standard output.
    #[must_use]
    pub fn show_console(mut self) -> Self {
        self.show_console = true;
        self
    }

    /// Switches it on.
    ///
    /// # Errors
    /// When a program is missing, the card has no kernel, or QEMU does not start; the message holds what QEMU said.
    pub fn start(self) -> Result<running::Running, Failure> {
        running::Running::start(self)
    }

    pub(super) fn image(&self) -> &Path {
        self.card.image()
    }

    /// The options on which the device tree depends.
    fn board(&self) -> Vec<String> {
        let memory = self.memory_mib.to_string();
        let words: &[&str] = match self.kind {
            Kind::Virt => &["-M", "virt", "-cpu", PROCESSOR, "-smp", "2", "-m", &memory],
            Kind::Raspi3b => &["-M", "raspi3b"],
        };
        words.iter().map(|&word| word.to_owned()).collect()
    }

    /// All words for QEMU: monitor on the standard input, console on the standard output.
    pub(super) fn words(&self, qemu: &Path, boot: &BootFiles) -> Result<Vec<OsString>, Failure> {
        let mut words: Vec<OsString> = self.board().into_iter().map(Into::into).collect();
        let mut add = |some: &[&str]| words.extend(some.iter().map(OsString::from));
        add(&["-nodefaults", "-no-user-config", "-display", "none"]);
        add(&["-chardev", "socket,id=qmp,fd=0", "-mon", "chardev=qmp,mode=control"]);
        // A reset stops here until the boot files were read again; a power-off until we have seen it.
        add(&["-action", "reboot=shutdown", "-action", "shutdown=pause", "-action", "watchdog=reset"]);
        // Not `stdio`, which would read the monitor's commands as the console's input.
        add(&["-chardev", "file,id=console,path=/dev/fd/1"]);
        let drive = format!("format=raw,cache=writeback,file={}", self.card.source().replace(',', ",,"));
        let mut network = "user,id=net".to_owned();
        for Forward { host, guest } in &self.forwards {
            network.push_str(&format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}"));
        }
        let mac = self.mac.as_ref().map(|mac| format!(",mac={mac}")).unwrap_or_default();
        let adapter = match self.kind {
            Kind::Virt => format!("virtio-net-pci,netdev=net,romfile={mac}"),
            Kind::Raspi3b => format!("usb-net,netdev=net{mac}"),
        };
        let mut command_line = boot.command_line.clone();
        match self.kind {
            Kind::Virt => {
                add(&["-serial", "chardev:console"]);
                add(&["-drive", &format!("if=none,id=card,{drive}")]);
                match self.attachment {
                    Attachment::SdCard => add(&["-device", "sdhci-pci", "-device", "sd-card,drive=card"]),
                    Attachment::VirtioBlk => {
                        add(&["-device", "virtio-blk-pci,drive=card"]);
                        command_line.push_str(" pillarbox.card=/dev/vda");
                    }
                }
                add(&["-device", "virtio-rng-pci", "-device", "i6300esb"]);
                let tree = device_tree::with_leds(qemu, &self.board())?;
                add(&["-dtb", &tree.display().to_string()]);
                command_line.push_str(" console=ttyAMA0");
            }
            Kind::Raspi3b => {
                // The first serial line belongs to Bluetooth.
                add(&["-serial", "null", "-serial", "chardev:console"]);
                add(&["-drive", &format!("if=sd,{drive}")]);
                let tree = boot.device_tree.as_ref().ok_or_else(|| {
                    Failure(format!("{}: the card has no device tree for raspi3b", self.image().display()))
                })?;
                add(&["-dtb", &tree.display().to_string()]);
                command_line.push_str(" console=ttyS1,115200 pillarbox.watchdog=off");
            }
        }
        if self.has_network {
            add(&["-netdev", &network, "-device", &adapter]);
        }
        for word in &self.kernel_arguments {
            command_line.push(' ');
            command_line.push_str(word);
        }
        add(&["-kernel", &boot.kernel.display().to_string(), "-append", command_line.trim()]);
        if let Some(initramfs) = &boot.initramfs {
            add(&["-initrd", &initramfs.display().to_string()]);
        }
        words.extend(self.qemu_arguments.iter().cloned());
        Ok(words)
    }
}
