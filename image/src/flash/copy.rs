//! Writing an image to a device and reading it back: what a card says it has written is not always there.
//!
//! Owns one buffer. Everything is written, zeros too: an old card's remains must not look like update slots.

use crate::progress;
use crate::step::{Failure, at};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// One erase unit of most cards.
const BUFFER_OCTETS: usize = 4 << 20;

/// Copies `octets` octets of `image` to `device`, waits until they are there, reads them back and compares.
///
/// # Errors
/// What either said, or where they differ.
pub fn write_and_compare(image: &Path, device: &Path, octets: u64) -> Result<(), Failure> {
    write(image, device, octets)?;
    compare(image, device, octets)
}

fn write(image: &Path, device: &Path, octets: u64) -> Result<(), Failure> {
    let mut from = File::open(image).map_err(at(image))?;
    // O_EXCL on a block device (open(2)): fails if it was mounted since it was looked at.
    let exclusive = nix::fcntl::OFlag::O_EXCL.bits();
    let mut to = File::options().write(true).custom_flags(exclusive).open(device).map_err(|error| {
        let advice = match error.raw_os_error().map(nix::errno::Errno::from_raw) {
            Some(nix::errno::Errno::EACCES) => "\n  only root may write to it: run the same with sudo",
            Some(nix::errno::Errno::EBUSY) => "\n  something uses it: unmount it",
            _ => "",
        };
        Failure(format!("{}: {error}{advice}", device.display()))
    })?;
    println!("writing");
    let bar = progress::octets(octets);
    let mut buffer = vec![0; BUFFER_OCTETS];
    let mut left = octets;
    while left > 0 {
        let part = part_of(&mut buffer, left);
        from.read_exact(part).map_err(at(image))?;
        to.write_all(part).map_err(at(device))?;
        // Without this the bar would be full at once, and then stand still until the card has it all.
        to.sync_data().map_err(at(device))?;
        left -= u64::try_from(part.len()).unwrap_or(left);
        bar.set_position(octets - left);
    }
    to.sync_all().map_err(at(device))?;
    bar.finish_and_clear();
    Ok(())
}

fn compare(image: &Path, device: &Path, octets: u64) -> Result<(), Failure> {
    let mut expected = File::open(image).map_err(at(image))?;
    let mut found = File::open(device).map_err(at(device))?;
    // The kernel still holds what was written; only the card's own answer counts.
    let length = i64::try_from(octets).unwrap_or(0);
    posix_fadvise(&found, 0, length, PosixFadviseAdvice::POSIX_FADV_DONTNEED)
        .map_err(|error| Failure(format!("{}: {error}", device.display())))?;
    println!("reading back");
    let bar = progress::octets(octets);
    let (mut wanted, mut came) = (vec![0; BUFFER_OCTETS], vec![0; BUFFER_OCTETS]);
    let mut left = octets;
    while left > 0 {
        let (wanted, came) = (part_of(&mut wanted, left), part_of(&mut came, left));
        expected.read_exact(wanted).map_err(at(image))?;
        found.read_exact(came).map_err(at(device))?;
        if wanted != came {
            let differs = wanted.iter().zip(came.iter()).take_while(|(a, b)| a == b).count();
            let place = octets - left + u64::try_from(differs).unwrap_or(0);
            return Err(Failure(format!(
                "{}: octet {place} was written, but another one is read back. The card is worn out or pretends to be \
                 larger than it is: take another one.",
                device.display()
            )));
        }
        left -= u64::try_from(came.len()).unwrap_or(left);
        bar.set_position(octets - left);
    }
    bar.finish_and_clear();
    Ok(())
}

fn part_of(buffer: &mut [u8], left: u64) -> &mut [u8] {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
    buffer.get_mut(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (image, device) = (folder.path().join("image"), folder.path().join("device"));
        let octets = vec![7; BUFFER_OCTETS + 100];
        std::fs::write(&image, &octets).expect("image");
        std::fs::write(&device, vec![1; BUFFER_OCTETS + 200]).expect("device");
        let length = u64::try_from(octets.len()).expect("length");
        write_and_compare(&image, &device, length).expect("the same");
        let mut spoilt = octets;
        *spoilt.get_mut(BUFFER_OCTETS + 50).expect("inside") = 8;
        std::fs::write(&device, spoilt).expect("device");
        let failure = compare(&image, &device, length).expect_err("not the same");
        assert!(failure.0.contains(&format!("octet {}", BUFFER_OCTETS + 50)));
    }
}
