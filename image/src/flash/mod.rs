//! `cargo image flash`: writes an image to a card, and only to a card.
//!
//! [`device`] says what a device is and why it is refused; [`copy`] writes it and reads it back. In between a person is
//! asked, with the device's name, size and contents in front of their eyes.

pub mod copy;
pub mod device;

use crate::build::{image_file, size};
use crate::step::{Failure, at};
use device::{Device, Machine};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// What may be chosen.
#[derive(Clone, Debug)]
pub struct Options {
    /// The whole card, such as `/dev/sdb` or `/dev/mmcblk0`.
    pub device: PathBuf,
    /// The image; the last built one unless named.
    pub image: Option<PathBuf>,
    /// Do not ask.
    pub yes: bool,
    /// Also a device that does not say it is removable.
    pub force: bool,
}

/// Writes the image after asking, reads it back and compares.
///
/// # Errors
/// Says why the device is refused, or what went wrong with it.
pub fn flash(options: &Options) -> Result<(), Failure> {
    let built = image_file();
    let image = options.image.as_deref().unwrap_or(&built);
    let octets = std::fs::metadata(image)
        .map_err(|error| Failure(format!("{}: {error}\n  `cargo image build` makes an image", image.display())))?
        .len();
    let device = Device::examine(&Machine::this(), &options.device)?;
    device.accept(octets, options.force)?;
    println!("{}: {}, {}", options.device.display(), device.name(), size(device.octets));
    for partition in &device.partitions {
        println!("  {partition}");
    }
    if device.partitions.is_empty() {
        println!("  no partitions");
    }
    if !options.yes && !confirmed(&options.device, image)? {
        println!("nothing was written");
        return Ok(());
    }
    copy::write_and_compare(image, &options.device, octets)?;
    println!(
        "\nWritten and read back: {} is the image.\nNext:\n  1. Put the card out and in again, open the drive {} and edit \
         pillarbox.toml.\n  2. Eject it, put it into the board, connect the network, then the power.\n  3. The first start \
         takes the whole card for mail; the green light tells when it serves.",
        options.device.display(),
        board::card::layout::BOOT_LABEL
    );
    Ok(())
}

fn confirmed(device: &Path, image: &Path) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure("nobody is here to be asked; --yes writes without asking".into()));
    }
    print!("Everything on it will be lost. Write {} to {}? Type yes: ", image.display(), device.display());
    std::io::stdout().flush().map_err(at(device))?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(at(device))?;
    Ok(answer.trim() == "yes")
}
