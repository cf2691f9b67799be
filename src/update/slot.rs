//! A slot as a source of a bundle's first octets, and its binary as a file that can be run.

use super::Error;
use super::device::SlotDevice;
use super::verify::{Front, PublicKey, Source, copy_part};
use board::card::bundle::Invalid;
use board::card::slots::{SLOT_OCTETS, Slot};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The name of the binary in the folder that it is taken out to.
const NAME: &str = "pillarbox";
/// Its name until it has been verified.
const PART_NAME: &str = "pillarbox.part";

/// What a slot holds.
pub(super) struct SlotSource<'a> {
    pub device: &'a SlotDevice,
    pub slot: Slot,
}

impl Source for SlotSource<'_> {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), Error> {
        let end = offset.saturating_add(super::verify::wide(into.len()));
        if end > SLOT_OCTETS {
            return Err(Error::NotABundle(Invalid::Short));
        }
        let read = self.device.blocks().read_at(self.slot.offset().saturating_add(offset), into);
        read.map_err(|error| Error::card(&format!("cannot read {}", self.slot), &error))
    }
}

/// What the slot holds, if its manifest is signed; the binary is not looked at.
pub(super) fn front(device: &SlotDevice, slot: Slot, key: &PublicKey) -> Result<Front, Error> {
    Front::read(&SlotSource { device, slot }, key)
}

/// Is the binary in the slot what its signed manifest says?
pub(super) fn verify(device: &SlotDevice, slot: Slot, key: &PublicKey) -> Result<Front, Error> {
    let source = SlotSource { device, slot };
    let front = Front::read(&source, key)?;
    for (offset, part) in front.parts().take(1) {
        copy_part(&source, offset, part, &mut |_| Ok(()))?;
    }
    Ok(front)
}

/// Copies the slot's binary to `into/pillarbox`, mode 0755. The file has this name only if what was written to it is what
/// was signed.
///
/// # Errors
/// Those of [`Front::read`] and [`copy_part`]; [`Error::Card`] also if the folder cannot be written.
pub(super) fn take_out(
    device: &SlotDevice,
    slot: Slot,
    key: &PublicKey,
    into: &Path,
) -> Result<(PathBuf, Front), Error> {
    let source = SlotSource { device, slot };
    let front = Front::read(&source, key)?;
    let (path, part_path) = (into.join(NAME), into.join(PART_NAME));
    let failed = |error: std::io::Error| Error::card(&format!("cannot write {}", path.display()), &error);
    let copied = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o755)
        .open(&part_path)
        .map_err(failed)
        .and_then(|file| copy_binary(&source, &front, &file, &failed))
        // The file is closed here: one that is open for writing cannot be run (execve(2), ETXTBSY).
        .and_then(|()| std::fs::rename(&part_path, &path).map_err(failed));
    match copied {
        Ok(()) => Ok((path, front)),
        Err(error) => {
            // What did not verify is of no use, and takes memory where the folder is in memory.
            let _ = std::fs::remove_file(&part_path);
            Err(error)
        }
    }
}

fn copy_binary(
    source: &SlotSource<'_>,
    front: &Front,
    mut file: &File,
    failed: &dyn Fn(std::io::Error) -> Error,
) -> Result<(), Error> {
    for (offset, part) in front.parts().take(1) {
        copy_part(source, offset, part, &mut |octets| file.write_all(octets).map_err(failed))?;
    }
    Ok(())
}
