//! The seed file system: an empty data partition, which the image carries packed, written over the one that is there.
//!
//! Owns nothing between calls. Memory: one piece of [`SEED_CHUNK_OCTETS`] and what unpacking gzip takes (about 50 KiB),
//! whatever the size of the card. Mounting and growing it are left to PID 1.

use crate::limits::{SEED_CHUNK_OCTETS, SEED_SYNC_OCTETS};
use board::card::layout::DATA;
use flate2::bufread::GzDecoder;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Writes the seed file system onto a partition that is not mounted, and waits for the card. What the partition held
/// behind it is given back to the card first, where the card can do that. `progress` hears how many octets are written,
/// at least every few seconds: time to feed a watchdog. Gives the octets of the seed.
///
/// # Errors
/// As the operating system says, with the file's name; [`ErrorKind::InvalidData`] if the seed is damaged, empty or larger
/// than the partition of the image. The partition then holds no file system: write it again.
pub fn write_seed(seed: &Path, device: &Path, progress: &mut dyn FnMut(u64)) -> io::Result<u64> {
    let of = |path: &Path, error: &io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let packed = File::open(seed).map_err(|error| of(seed, &error))?;
    let mut unpacked = GzDecoder::new(BufReader::with_capacity(SEED_CHUNK_OCTETS, packed));
    let mut partition = OpenOptions::new().write(true).open(device).map_err(|error| of(device, &error))?;
    let mut chunk = vec![0; SEED_CHUNK_OCTETS];
    // The first piece before anything is lost: a seed that is no gzip file is known by then.
    let mut length = fill(&mut unpacked, &mut chunk).map_err(|error| of(seed, &error))?;
    if length == 0 {
        return Err(of(seed, &io::Error::new(ErrorKind::InvalidData, "it is empty")));
    }
    discard::all(&mut partition, progress);
    let (mut written, mut unsynced) = (0_u64, 0_u64);
    while let Some(piece) = chunk.get(..length).filter(|piece| !piece.is_empty()) {
        let octets = u64::try_from(length).unwrap_or(u64::MAX);
        written = written.saturating_add(octets);
        if written > DATA.octets {
            let message = format!("it is larger than {} octets", DATA.octets);
            return Err(of(seed, &io::Error::new(ErrorKind::InvalidData, message)));
        }
        partition.write_all(piece).map_err(|error| of(device, &error))?;
        unsynced = unsynced.saturating_add(octets);
        if unsynced >= SEED_SYNC_OCTETS {
            partition.sync_data().map_err(|error| of(device, &error))?;
            unsynced = 0;
        }
        progress(written);
        length = fill(&mut unpacked, &mut chunk).map_err(|error| of(seed, &error))?;
    }
    partition.sync_all().map_err(|error| of(device, &error))?;
    progress(written);
    Ok(written)
}

/// Fills `chunk` as far as there is something; less than its length is the end.
fn fill(from: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = chunk.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(octets) => length = length.saturating_add(octets),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// BLKDISCARD of <linux/fs.h>: tells the card that a range holds nothing that anybody needs. The only unsafe place here.
#[allow(unsafe_code)]
mod discard {
    use super::{File, Seek, SeekFrom};
    use std::os::fd::AsRawFd;

    /// In such pieces, so that none takes long.
    const PIECE_OCTETS: u64 = 256 << 20;

    nix::ioctl_write_ptr_bad!(block_discard, nix::request_code_none!(0x12, 119), [u64; 2]);

    /// The whole partition, as far as the card follows: it need not, and a plain file cannot.
    pub(super) fn all(partition: &mut File, progress: &mut dyn FnMut(u64)) {
        let Ok(end) = partition.seek(SeekFrom::End(0)) else { return };
        let mut start = 0;
        while start < end {
            let range = [start, PIECE_OCTETS.min(end.saturating_sub(start))];
            // SAFETY: the descriptor is open for the whole call, and the request reads two numbers of 64 bits, start and
            // length, through a pointer to a live array of just these.
            if let Err(error) = unsafe { block_discard(partition.as_raw_fd(), &raw const range) } {
                log::info!("the card does not discard what was there: {error}");
                break;
            }
            start = start.saturating_add(PIECE_OCTETS);
            progress(0);
        }
        // Writing begins at the front; a position of 0 is always there.
        let _ = partition.seek(SeekFrom::Start(0));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::path::PathBuf;

    fn packed(folder: &Path, octets: &[u8]) -> PathBuf {
        let path = folder.join("data.ext4.gz");
        let mut encoder = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
        encoder.write_all(octets).unwrap();
        encoder.finish().unwrap();
        path
    }

    #[test]
    fn the_partition_begins_with_the_seed_and_keeps_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let octets: Vec<u8> = (0..5 * SEED_SYNC_OCTETS / 2 + 7).map(|n| (n % 251).to_le_bytes()[0]).collect();
        let seed = packed(folder.path(), &octets);
        let device = folder.path().join("p3");
        std::fs::write(&device, vec![0xee; octets.len() + 4_096]).unwrap();
        let mut heard = Vec::new();
        let written = write_seed(&seed, &device, &mut |octets| heard.push(octets)).unwrap();
        assert_eq!(written, u64::try_from(octets.len()).unwrap());
        let now = std::fs::read(&device).unwrap();
        assert_eq!(now.len(), octets.len() + 4_096);
        assert!(now.starts_with(&octets) && now.ends_with(&[0xee; 4_096]));
        assert!(heard.is_sorted() && heard.last() == Some(&written));
        let step = u64::try_from(SEED_CHUNK_OCTETS).unwrap();
        assert!(heard.windows(2).all(|pair| pair.last().unwrap() - pair.first().unwrap() <= step));
    }

    #[test]
    fn a_damaged_seed_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("p3");
        std::fs::write(&device, "kept").unwrap();
        let seed = folder.path().join("data.ext4.gz");
        let error = write_seed(&seed, &device, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("data.ext4.gz: No such file"), "{error}");
        for octets in [&b"no gzip"[..], b""] {
            std::fs::write(&seed, octets).unwrap();
            assert!(write_seed(&seed, &device, &mut |_| {}).is_err());
        }
        assert!(
            write_seed(&packed(folder.path(), b""), &device, &mut |_| {}).unwrap_err().to_string().contains("empty")
        );
        assert_eq!(std::fs::read(&device).unwrap(), b"kept");
        // Cut short, and a wrong checksum at its end: known when it is too late, but known.
        let whole = std::fs::read(packed(folder.path(), &[7; 300_000])).unwrap();
        std::fs::write(&seed, whole.get(..whole.len() - 9).unwrap()).unwrap();
        assert!(write_seed(&seed, &device, &mut |_| {}).is_err());
        let mut wrong = whole.clone();
        let at = wrong.len() - 6;
        *wrong.get_mut(at).unwrap() ^= 1;
        std::fs::write(&seed, wrong).unwrap();
        assert!(write_seed(&seed, &device, &mut |_| {}).is_err());
        let error = write_seed(&packed(folder.path(), b"x"), &folder.path().join("none"), &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("none: No such file"));
        assert!(!folder.path().join("none").exists());
    }

    #[test]
    fn a_seed_that_unpacks_without_end_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bomb.gz");
        let mut encoder = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
        io::copy(&mut io::repeat(0).take(DATA.octets + 1), &mut encoder).unwrap();
        encoder.finish().unwrap();
        let error = write_seed(&path, Path::new("/dev/null"), &mut |_| {}).unwrap_err();
        // /dev/null cannot be synced; either way it ends.
        assert!(error.to_string().contains("larger than") || error.to_string().contains("/dev/null"), "{error}");
    }
}
