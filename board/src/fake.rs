//! Machines that are not there, for tests: a folder with the files of one, and a watchdog that writes down what is done
//! to it.

// Only tests call this, and a test that cannot write its folder has nothing to go on with.
#![allow(clippy::expect_used)]

use crate::card::layout::{PARTITIONS, SECTOR_OCTETS};
use crate::card::partition;
use crate::led::Led;
use crate::watchdog::{BootStatus, Timer};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A root folder with the files of a machine. It goes when this is dropped.
#[derive(Debug)]
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// A machine without any files.
    ///
    /// # Panics
    /// If the folder cannot be made.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("pillarbox-board-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let root = std::env::temp_dir().join(name);
        // What a test that was killed left under the same process number.
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(&root).expect("a folder for a machine that is not there");
        Self { root }
    }

    /// Its root folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Gives it a file.
    ///
    /// # Panics
    /// If that cannot be written.
    pub fn file(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().expect("below the root")).expect("folders");
        std::fs::write(path, content).expect("a file");
    }

    /// A file's text; empty if it is not there.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path)).unwrap_or_default()
    }

    /// Gives it a device tree.
    pub fn device_tree(&self, model: &str, compatible: &[&str]) {
        self.file("proc/device-tree/model", format!("{model}\0"));
        self.file("proc/device-tree/compatible", compatible.iter().map(|name| format!("{name}\0")).collect::<String>());
    }

    /// Gives it a card with our partitions: `/dev/mmcblk0`.
    pub fn card(&self, device: &str) {
        self.file(device.trim_start_matches('/'), "");
        let name = device.trim_start_matches("/dev/");
        for part in PARTITIONS {
            let start = format!("sys/class/block/{}/start", partition(name, part.number));
            self.file(&start, format!("{}\n", part.start / SECTOR_OCTETS));
        }
    }

    /// Gives it a network interface; `bus` is what its hardware is at.
    ///
    /// # Panics
    /// If that cannot be written.
    pub fn interface(&self, name: &str, index: u32, kind: u32, bus: Option<&str>) {
        let folder = format!("sys/class/net/{name}");
        self.file(&format!("{folder}/ifindex"), format!("{index}\n"));
        self.file(&format!("{folder}/type"), format!("{kind}\n"));
        if let Some(bus) = bus {
            let device = self.root.join(folder).join("device");
            std::fs::create_dir_all(&device).expect("a folder");
            let link = device.join("subsystem");
            std::os::unix::fs::symlink(format!("../../../../bus/{bus}"), link).expect("a link");
        }
    }

    /// Gives it an LED that knows these triggers, and finds it.
    ///
    /// # Panics
    /// If that cannot be written.
    #[must_use]
    pub fn led(&self, name: &'static str, triggers: &str) -> Led {
        let folder = format!("sys/class/leds/{name}");
        self.file(&format!("{folder}/trigger"), triggers);
        self.file(&format!("{folder}/max_brightness"), "255\n");
        for attribute in ["brightness", "pattern", "delay_on", "delay_off"] {
            self.file(&format!("{folder}/{attribute}"), "");
        }
        Led::find(&self.root.join("sys"), &[name]).expect("the LED that was just made")
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // What stays in the folder for temporary files harms nobody.
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// What was done to a watchdog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It was fed.
    Fed,
    /// It was switched off.
    Disarmed,
    /// It was let go while armed: a real one restarts the machine.
    Dropped,
}

/// A watchdog that writes down what is done to it.
#[derive(Debug)]
pub struct Watchdog {
    deeds: Arc<Mutex<Vec<Deed>>>,
    status: BootStatus,
    disarmed: bool,
}

impl Watchdog {
    /// One that says so of the last start, and the list of what will be done to it.
    #[must_use]
    pub fn new(status: BootStatus) -> (Self, Arc<Mutex<Vec<Deed>>>) {
        let deeds = Arc::default();
        (Self { deeds: Arc::clone(&deeds), status, disarmed: false }, deeds)
    }

    fn note(&self, deed: Deed) {
        self.deeds.lock().unwrap_or_else(PoisonError::into_inner).push(deed);
    }
}

impl Timer for Watchdog {
    fn feed(&mut self) -> io::Result<()> {
        self.note(Deed::Fed);
        Ok(())
    }

    fn disarm(mut self: Box<Self>) -> io::Result<()> {
        self.disarmed = true;
        self.note(Deed::Disarmed);
        Ok(())
    }

    fn boot_status(&self) -> BootStatus {
        self.status
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if !self.disarmed {
            self.note(Deed::Dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_remembers() {
        let (mut watchdog, deeds) = Watchdog::new(BootStatus::Watchdog);
        assert_eq!(watchdog.boot_status(), BootStatus::Watchdog);
        watchdog.feed().expect("fed");
        Box::new(watchdog).disarm().expect("disarmed");
        let (dropped, other) = Watchdog::new(BootStatus::Unknown);
        drop(dropped);
        assert_eq!(*deeds.lock().expect("no panic"), [Deed::Fed, Deed::Disarmed]);
        assert_eq!(*other.lock().expect("no panic"), [Deed::Dropped]);
    }
}
