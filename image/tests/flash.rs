//! Writing to a real block device: a loop device over a file. Needs root, and says so where there is none.

use image::flash::{self, Options};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A loop device that goes away with the test.
struct Loop(PathBuf);

impl Loop {
    fn over(file: &Path) -> Option<Self> {
        let output = Command::new("/usr/sbin/losetup").args(["-f", "--show"]).arg(file).output().ok()?;
        let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then(|| Self(PathBuf::from(name)))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("/usr/sbin/losetup").arg("-d").arg(&self.0).status();
    }
}

fn sparse(path: &Path, octets: u64) {
    std::fs::File::create(path).and_then(|file| file.set_len(octets)).expect("a file");
}

const MEBIBYTE: u64 = 1 << 20;

#[test]
fn a_device_gets_exactly_the_image() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (image, card) = (folder.path().join("image"), folder.path().join("card"));
    let octets: Vec<u8> = (0..9 * MEBIBYTE).map(|at| u8::try_from(at / 4096 % 251).expect("small")).collect();
    std::fs::write(&image, &octets).expect("an image");
    sparse(&card, 16 * MEBIBYTE);
    let Some(device) = Loop::over(&card) else {
        eprintln!("no loop device here (not root?): not tried");
        return;
    };
    let options = Options { device: device.0.clone(), image: Some(image), yes: true, force: false };
    let failure = flash::flash(&options).expect_err("a loop device does not say that it is removable");
    assert!(failure.0.contains("--force"), "{failure}");
    flash::flash(&Options { force: true, ..options.clone() }).expect("written");
    drop(device);
    let card = std::fs::read(&card).expect("the card");
    assert!(card.starts_with(&octets));
    assert!(card.iter().skip(octets.len()).all(|&octet| octet == 0));
}

#[test]
fn a_small_device_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (image, card) = (folder.path().join("image"), folder.path().join("card"));
    sparse(&image, 9 * MEBIBYTE);
    sparse(&card, 4 * MEBIBYTE);
    let Some(device) = Loop::over(&card) else {
        eprintln!("no loop device here (not root?): not tried");
        return;
    };
    let options = Options { device: device.0.clone(), image: Some(image), yes: true, force: true };
    assert!(flash::flash(&options).expect_err("too small").0.contains("too small"));
}

#[test]
fn a_file_is_no_card() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("image");
    sparse(&file, MEBIBYTE);
    let options = Options { device: file.clone(), image: Some(file), yes: true, force: true };
    assert!(flash::flash(&options).expect_err("no device").0.contains("is no block device"));
}
