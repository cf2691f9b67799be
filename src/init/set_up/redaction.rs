//! Passwords in the set-up file are overwritten where they stand, so that their octets are gone from the card. (A card
//! moves sectors as it pleases; what it keeps in cells that nobody can address is beyond anyone's reach here.)
//!
//! The file keeps its length and its place: no sector of the file system itself changes. A power cut can leave a password
//! that is half overwritten. [`torn`] tells such a one from a password that a person has written: a card writes sectors
//! whole, so a piece of it within one sector is overwritten wholly or not at all.

use super::file::STAR;
use board::card::layout::SECTOR_OCTETS;
use core::ops::Range;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use ring::digest;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The file's octets as they are when `places` have been overwritten.
#[must_use]
pub fn redacted(octets: &[u8], places: &[Range<usize>]) -> Vec<u8> {
    let mut octets = octets.to_vec();
    for place in places {
        if let Some(password) = octets.get_mut(place.clone()) {
            password.fill(STAR);
        }
    }
    octets
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn digest(octets: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, octets);
    digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Has overwriting this place been cut short? Some of its pieces are stars, and some are not.
#[must_use]
pub fn torn(octets: &[u8], place: &Range<usize>) -> bool {
    let sector = usize::try_from(SECTOR_OCTETS).unwrap_or(usize::MAX);
    let mut start = place.start;
    let (mut stars, mut others) = (false, false);
    while start < place.end {
        let end = (start / sector).saturating_add(1).saturating_mul(sector).min(place.end);
        let piece = octets.get(start..end).unwrap_or_default();
        if piece.iter().all(|octet| *octet == STAR) {
            stars = true;
        } else {
            others = true;
        }
        start = end;
    }
    stars && others
}

/// Overwrites `places` of the file, of which `octets` is known to be the content, and makes sure that the card has it.
///
/// # Errors
/// As the operating system says; also if the file is another one meanwhile, or does not read back as it was written.
pub fn overwrite(path: &Path, octets: &[u8], places: &[Range<usize>]) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let wanted = redacted(octets, places);
    if read(&mut file, octets.len())? != octets {
        return Err(io::Error::other("the file has changed meanwhile"));
    }
    for place in places {
        let stars = wanted.get(place.clone()).unwrap_or_default();
        file.write_all_at(stars, u64::try_from(place.start).map_err(io::Error::other)?)?;
    }
    file.flush()?;
    file.sync_all()?;
    // What is read back now comes from the card, not from memory. Advice only: a file system may not follow it.
    let _ = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    let mut again = File::open(path)?;
    if read(&mut again, wanted.len())? == wanted {
        Ok(())
    } else {
        Err(io::Error::other("what was written does not read back"))
    }
}

/// The whole file, or one octet more than expected.
fn read(file: &mut File, expected: usize) -> io::Result<Vec<u8>> {
    let mut octets = Vec::with_capacity(expected.saturating_add(1));
    let octets_max = u64::try_from(expected).unwrap_or(u64::MAX).saturating_add(1);
    file.take(octets_max).read_to_end(&mut octets)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_password_changes_and_nothing_moves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let text = b"password = \"se\\\"cret\" # kept";
        std::fs::write(&path, text).unwrap();
        let before = std::fs::metadata(&path).unwrap();
        overwrite(&path, text, &[12..20, 0..0]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"password = \"********\" # kept");
        use std::os::unix::fs::MetadataExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().ino(), before.ino());
    }

    #[test]
    fn a_file_that_somebody_changed_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for content in ["other", "secret and more"] {
            std::fs::write(&path, content).unwrap();
            assert!(overwrite(&path, b"secret", &[0..3, 3..6]).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn a_password_with_stars_in_it_is_not_taken_for_a_torn_one() {
        assert!(!torn(b"**cret", &(0..6)));
        assert!(!torn(b"******", &(0..6)));
        assert!(!torn(b"", &(0..0)));
        let mut text = vec![b'x'; 508];
        text.extend_from_slice(b"****cret");
        assert!(torn(&text, &(508..516)));
        assert!(!torn(&text, &(508..512)) && !torn(&text, &(507..512)));
    }

    proptest! {
        /// A cut leaves any of the sectors as they were.
        #[test]
        fn every_cut_is_known_or_changed_nothing_or_was_none(
            start in 0_usize..700, length in 1_usize..1_600, written in any::<[bool; 8]>()
        ) {
            let before = vec![b'x'; 4_096];
            let place = start..start + length;
            let after = redacted(&before, std::slice::from_ref(&place));
            let mut cut = before.clone();
            for (sector, _) in written.iter().enumerate().filter(|(_, written)| **written) {
                let sector = sector * 512..sector * 512 + 512;
                cut.get_mut(sector.clone()).unwrap().copy_from_slice(after.get(sector).unwrap());
            }
            prop_assert_eq!(torn(&cut, &place), cut != before && cut != after);
            // However it was cut, it is finished to the same octets.
            prop_assert_eq!(redacted(&cut, std::slice::from_ref(&place)), after);
        }
    }
}
