//! Installs a bundle. Nothing is written before all of it has been read and found to be signed.
//!
//! The order of writes, each synced before the next. Power may be cut at any of them; what then starts is in the second
//! column, and what was begun is simply begun again.
//!
//! | write | what starts after a cut |
//! |---|---|
//! | 1. state: nothing is on trial (if something was that has not been started) | the confirmed version |
//! | 2. `config.txt` back to the confirmed kernel set, state: no kernel to return to (likewise) | the confirmed version; until then stage one asks for the same |
//! | 3. the free slot's header: zero | the confirmed version: the slot is nobody's |
//! | 4. manifest and binary | likewise |
//! | 5. the header; then the slot is read back and verified | likewise |
//! | 6. the kernel set into the folder that is not used, file by file, each read back | likewise |
//! | 7. state: the slot is on trial, no tries yet, this kernel set to return to | the new version, on trial, with the old kernel set |
//! | 8. one octet of `config.txt` | the new version, on trial, with the new kernel set |
//!
//! After a cut between 7 and 8 the new version runs with the old kernel set, which every version must bear, since a bundle may
//! come without one. Installing the bundle again, as a request on the boot partition does by itself, brings the kernel set.
//!
//! The slot that is written to neither runs nor is confirmed, and the folder that is written to is not named by `config.txt`:
//! when the version that runs is itself on trial there may be no such slot or folder, and the bundle has to wait.

use super::Error;
use super::boot::{self, KernelSets, Writable};
use super::device::{Lock, SlotDevice};
use super::slot;
use super::state;
use super::verify::{Front, PublicKey, Source, copy_part, wide};
use board::card::bundle::{HEADER_OCTETS, Header, Invalid, MAGIC};
use board::card::manifest::Part;
use board::card::slots::{Cause, Prefix, Running, Slot};
use board::card::version::Version;
use ring::digest::{Context, SHA256};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What an installation has to know besides the bundle.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Where the version that runs comes from.
    pub running: Running,
    /// The factory version.
    pub factory_version: Version,
    /// A bundle that is older than what runs is welcome.
    pub allow_older: bool,
    /// A bundle that has failed before is welcome.
    pub allow_failed: bool,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// All of the bundle is read.
    Checking,
    /// The slot is written.
    Writing,
    /// The slot is read back.
    ReadingBack,
    /// The kernel set is written and read back.
    Kernel,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// With what.
    pub stage: Stage,
    /// Octets done.
    pub done: u64,
    /// Of so many.
    pub total: u64,
}

/// What has been done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installed {
    /// The version is tried at the next start.
    OnTrial {
        /// Which one.
        version: Version,
        /// Where it is.
        slot: Slot,
        /// Its kernel set, if it has one.
        kernel: Option<Prefix>,
    },
    /// It was there already.
    Already {
        /// Which one.
        version: Version,
        /// Is it known to work, or still to be tried?
        confirmed: bool,
    },
}

/// Checks the bundle and installs it; `progress` hears how far it is.
///
/// # Errors
/// [`Error`] says why it was not installed. Whatever the error, what is confirmed stays, and runs at the next start unless
/// the card failed at the very last writes, see above.
pub fn install(
    bundle: &Path,
    device: &SlotDevice,
    boot: &dyn KernelSets,
    key: &PublicKey,
    rules: &Rules,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installed, Error> {
    let bundle = BundleFile::open(bundle)?;
    let front = Front::read(&bundle, key)?;
    let version = front.manifest.version.clone();
    let _held = device.lock(Lock::Install)?;
    may_be_installed(&front, device, boot, key, rules)?;
    check_parts(&bundle, &front, progress)?;

    if let Some(confirmed) = is_there(&front, device, boot, key, rules.running)? {
        return Ok(Installed::Already { version, confirmed });
    }
    let slot = free_slot(device, rules.running)?;
    withdraw_trial(device, boot)?;
    write_slot(&bundle, &front, device, slot, progress)?;
    read_back(&front, device, slot, key, progress)?;
    let kernel = write_kernel_set(&bundle, &front, boot, progress)?;
    state::change(device, |state| {
        // Nobody else installs, but PID 1 confirms: what runs, which is not this slot.
        if state.confirmed.slot() == Some(slot) || state.trial.is_some() {
            return Err(Error::Busy);
        }
        state.trial = Some(slot);
        state.attempts = 0;
        state.unhealthy_boots = 0;
        state.previous_kernel = kernel.map(Prefix::other);
        Ok(())
    })?;
    if let Some(prefix) = kernel
        && let Err(error) = boot::switch(boot, prefix)
    {
        // Half of an update is none; should this fail as well, the new version is tried with the old kernel set.
        let _ = withdraw_trial(device, boot);
        return Err(error);
    }
    Ok(Installed::OnTrial { version, slot, kernel })
}

/// Has `config.txt` name the confirmed kernel set again, if the trial of another one is over: what a
/// [`super::Choice::kernel_rollback`] asks for. `true`: it named another one, so start again to run the confirmed one.
///
/// # Errors
/// [`Error::Config`], [`Error::Boot`] and [`Error::ReadBack`] if `config.txt` cannot be changed; those of the state.
pub fn restore_kernel(device: &SlotDevice, boot: &dyn KernelSets) -> Result<bool, Error> {
    let state = state::read(device)?.state;
    let (None, Some(prefix)) = (state.trial, state.previous_kernel) else { return Ok(false) };
    let switched = boot::switch(boot, prefix)?;
    state::change(device, |state| {
        if state.trial.is_none() {
            state.previous_kernel = None;
        }
        Ok::<_, Error>(())
    })?;
    Ok(switched)
}

/// The slot that is tried at the next start, if it is not the one that runs: whoever has just installed it may start again
/// now.
#[must_use]
pub fn pending(device: &SlotDevice, running: Running) -> Option<Slot> {
    state::read(device).ok()?.state.trial.filter(|&slot| running != slot.into())
}

/// Everything that needs no more than the manifest.
fn may_be_installed(
    front: &Front,
    device: &SlotDevice,
    boot: &dyn KernelSets,
    key: &PublicKey,
    rules: &Rules,
) -> Result<(), Error> {
    let manifest = &front.manifest;
    if manifest.architecture != std::env::consts::ARCH {
        return Err(Error::Architecture(manifest.architecture.clone()));
    }
    let of_slot = |slot| slot::front(device, slot, key).ok().map(|front| front.manifest.version);
    let running = rules.running.slot().and_then(of_slot).unwrap_or_else(|| rules.factory_version.clone());
    if manifest.version.is_older_than(&running) && !rules.allow_older {
        return Err(Error::Older { offered: manifest.version.clone(), running });
    }
    // A bundle whose slot was damaged did not fail itself.
    let failed = state::read(device)?.state.failed.filter(|failed| failed.cause == Cause::Unconfirmed);
    if failed.is_some_and(|failed| failed.manifest == front.digest) && !rules.allow_failed {
        return Err(Error::FailedBefore(manifest.version.clone()));
    }
    if manifest.kernel_set().is_empty() { Ok(()) } else { boot::active(boot).map(drop) }
}

fn check_parts(bundle: &BundleFile, front: &Front, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
    let mut meter = Meter::new(Stage::Checking, front.manifest.octets(), progress);
    for (offset, part) in front.parts() {
        copy_part(bundle, offset, part, &mut |octets| {
            meter.add(octets);
            Ok(())
        })?;
    }
    Ok(())
}

/// Is this very bundle installed, binary and kernel set? Then whether it is confirmed.
fn is_there(
    front: &Front,
    device: &SlotDevice,
    boot: &dyn KernelSets,
    key: &PublicKey,
    running: Running,
) -> Result<Option<bool>, Error> {
    let state = state::read(device)?.state;
    for (slot, confirmed) in [(state.confirmed.slot(), true), (state.trial, false)] {
        let Some(slot) = slot else { continue };
        let same = slot::front(device, slot, key).is_ok_and(|known| known.octets == front.octets);
        if same && slot::verify(device, slot, key).is_ok() {
            if has_kernel_set(front, boot) {
                return Ok(Some(confirmed));
            }
            // A trial that was cut off before its kernel set was chosen, and runs with the old one.
            if !confirmed && running == slot.into() {
                return Err(Error::OnTrial);
            }
        }
    }
    Ok(None)
}

/// Does the firmware start the bundle's kernel set, whole? Also if there is none.
fn has_kernel_set(front: &Front, boot: &dyn KernelSets) -> bool {
    let parts = front.manifest.kernel_set();
    parts.is_empty()
        || boot::active(boot)
            .is_ok_and(|prefix| parts.iter().all(|part| verify_file(boot, prefix, part, &mut |_| {}).is_ok()))
}

fn free_slot(device: &SlotDevice, running: Running) -> Result<Slot, Error> {
    let state = state::read(device)?.state;
    if state.trial.is_some() && state.trial == running.slot() {
        return Err(Error::OnTrial);
    }
    let taken = [running.slot(), state.confirmed.slot()];
    Slot::ALL.into_iter().find(|&slot| !taken.contains(&Some(slot))).ok_or(Error::OnTrial)
}

/// Takes back what is on trial and was not started, with its kernel set.
fn withdraw_trial(device: &SlotDevice, boot: &dyn KernelSets) -> Result<(), Error> {
    state::change(device, |state| {
        state.trial = None;
        state.attempts = 0;
        Ok::<_, Error>(())
    })?;
    restore_kernel(device, boot).map(drop)
}

fn write_slot(
    bundle: &BundleFile,
    front: &Front,
    device: &SlotDevice,
    slot: Slot,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    let blocks = device.blocks();
    let what = format!("cannot write {slot}");
    let failed = |error: std::io::Error| Error::card(&what, &error);
    blocks.write_at(slot.offset(), &[0; HEADER_OCTETS]).map_err(failed)?;
    blocks.sync().map_err(failed)?;
    let (header, manifest) = front.octets.split_at_checked(HEADER_OCTETS).unwrap_or_default();
    let mut at = slot.offset().saturating_add(wide(header.len()));
    blocks.write_at(at, manifest).map_err(failed)?;
    at = at.saturating_add(wide(manifest.len()));
    let mut meter = Meter::new(Stage::Writing, front.manifest.binary().octets, progress);
    for (offset, part) in front.parts().take(1) {
        copy_part(bundle, offset, part, &mut |octets| {
            blocks.write_at(at, octets).map_err(failed)?;
            at = at.saturating_add(wide(octets.len()));
            meter.add(octets);
            Ok(())
        })?;
    }
    blocks.sync().map_err(failed)?;
    // Only now does the slot hold anything.
    blocks.write_at(slot.offset(), header).map_err(failed)?;
    blocks.sync().map_err(failed)
}

/// The slot must hold what the bundle had when it was checked, as the card gives it back.
fn read_back(
    front: &Front,
    device: &SlotDevice,
    slot: Slot,
    key: &PublicKey,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    let differs = |error: Error| match error {
        Error::Card(_) => error,
        _ => Error::ReadBack(slot.to_string()),
    };
    let written = slot::front(device, slot, key).map_err(differs)?;
    if written.octets != front.octets {
        return Err(Error::ReadBack(slot.to_string()));
    }
    let mut meter = Meter::new(Stage::ReadingBack, front.manifest.binary().octets, progress);
    for (offset, part) in front.parts().take(1) {
        let source = slot::SlotSource { device, slot };
        let mut add = |octets: &[u8]| {
            meter.add(octets);
            Ok(())
        };
        copy_part(&source, offset, part, &mut add).map_err(differs)?;
    }
    Ok(())
}

/// Writes the kernel set, if there is one, where the firmware does not look yet.
fn write_kernel_set(
    bundle: &BundleFile,
    front: &Front,
    boot: &dyn KernelSets,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<Prefix>, Error> {
    /// FAT gives whole clusters; on a partition of 252 MiB they are smaller than this.
    const CLUSTER_OCTETS_MAX: u64 = 32 * 1024;
    let parts = front.manifest.kernel_set();
    if parts.is_empty() {
        return Ok(None);
    }
    let prefix = boot::active(boot)?.other();
    let _writable = Writable::begin(boot)?;
    boot.clear(prefix).map_err(boot::failed("cannot empty the folder for the kernel"))?;
    let free = boot.free_octets().map_err(boot::failed("cannot ask for free space"))?;
    let whole = |part: &Part| part.octets.div_ceil(CLUSTER_OCTETS_MAX).saturating_mul(CLUSTER_OCTETS_MAX);
    let needs = parts.iter().map(whole).fold(0, u64::saturating_add);
    if needs > free {
        return Err(Error::NoRoom { needs, free });
    }
    let octets = parts.iter().map(|part| part.octets).fold(0, u64::saturating_add);
    let mut meter = Meter::new(Stage::Kernel, octets.saturating_mul(2), progress);
    for (offset, part) in front.parts().skip(1) {
        let what = format!("cannot write {prefix}{}", part.name);
        boot.create(prefix, &part.name, &mut |out| {
            copy_part(bundle, offset, part, &mut |octets| {
                meter.add(octets);
                out.write_all(octets).map_err(boot::failed(&what))
            })
        })?;
    }
    for part in parts {
        verify_file(boot, prefix, part, &mut |octets| meter.add(octets))?;
    }
    Ok(Some(prefix))
}

/// Is a file of a kernel set what was signed?
fn verify_file(boot: &dyn KernelSets, prefix: Prefix, part: &Part, passed: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
    let mut hash = Context::new(&SHA256);
    let mut octets = 0u64;
    boot.open(prefix, &part.name, &mut |piece| {
        hash.update(piece);
        passed(piece);
        octets = octets.saturating_add(wide(piece.len()));
        // No need to read on through something else.
        if octets > part.octets { Err(Error::ReadBack(format!("{prefix}{}", part.name))) } else { Ok(()) }
    })?;
    let same = octets == part.octets && hash.finish().as_ref() == part.sha256;
    if same { Ok(()) } else { Err(Error::ReadBack(format!("{prefix}{}", part.name))) }
}

/// Counts octets and tells how far it is.
struct Meter<'a> {
    progress: Progress,
    tell: &'a mut dyn FnMut(Progress),
}

impl<'a> Meter<'a> {
    fn new(stage: Stage, total: u64, tell: &'a mut dyn FnMut(Progress)) -> Self {
        let progress = Progress { stage, done: 0, total };
        tell(progress);
        Self { progress, tell }
    }

    fn add(&mut self, octets: &[u8]) {
        self.progress.done = self.progress.done.saturating_add(wide(octets.len()));
        (self.tell)(self.progress);
    }
}

/// A bundle that is a file.
struct BundleFile {
    file: File,
    /// What its header says that it has.
    octets: u64,
}

impl BundleFile {
    /// Opens it and compares its length with what its header says, which explains most bundles that do not verify.
    fn open(path: &Path) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::Bundle(format!("{}: {error}", path.display()));
        let file = File::open(path).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() {
            return Err(Error::Bundle(format!("{} is not a file", path.display())));
        }
        let is = meta.len();
        let mut header = vec![0; usize::try_from(is).unwrap_or(usize::MAX).min(HEADER_OCTETS)];
        file.read_exact_at(&mut header, 0).map_err(failed)?;
        let octets = match Header::decode(&header) {
            Ok(header) => wide(HEADER_OCTETS).saturating_add(header.payload_octets),
            Err(Invalid::Short) if header.starts_with(&MAGIC) => wide(HEADER_OCTETS),
            Err(Invalid::Short) => return Err(Error::NotABundle(Invalid::Magic)),
            Err(invalid) => return Err(Error::NotABundle(invalid)),
        };
        if is < octets {
            return Err(Error::Truncated { at: is, of: octets });
        }
        if is > octets {
            return Err(Error::TooLong(octets));
        }
        Ok(Self { file, octets })
    }
}

impl Source for BundleFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), Error> {
        self.file.read_exact_at(into, offset).map_err(|error| match error.kind() {
            // It has become shorter since it was opened.
            std::io::ErrorKind::UnexpectedEof => Error::Truncated { at: offset, of: self.octets },
            _ => Error::Bundle(error.to_string()),
        })
    }
}
