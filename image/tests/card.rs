//! A card's image made of small contents, looked at by programs that others wrote.

// A test that cannot go on says why.
#![allow(clippy::panic)]

use image::card::{self, Contents};
use image::initramfs::{self, Tree};
use image::inspect::describe;
use image::{boot, ext4, fat};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ::board::card::layout::{BOOT, DATA, IMAGE_OCTETS, MIB};

const EPOCH: u64 = 1_767_225_600;

/// An image with everything small, and the folder that holds it.
fn made() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let image = folder.path().join("pillarbox.img");
    let data = folder.path().join("data.ext4");
    ext4::make(&data, DATA.octets, EPOCH).expect("a file system");
    card::write(&image, &Contents { boot: contents(), data, epoch: EPOCH }).expect("an image");
    (folder, image)
}

fn contents() -> fat::Contents {
    let mut contents = fat::Contents::new();
    contents.insert("config.txt".into(), boot::config_txt(boot::Prefix::A));
    contents.insert("pillarbox.toml".into(), b"# nothing\n".to_vec());
    contents.insert("README.txt".into(), b"  kernel 6 (trixie)\r\n".to_vec());
    contents.insert("os-a/initramfs.img".into(), initramfs());
    contents.insert("os-a/bcm2837-rpi-zero-2-w.dtb".into(), vec![1; 20_000]);
    contents.insert("os-b/".into(), Vec::new());
    contents
}

fn initramfs() -> Vec<u8> {
    let mut tree = Tree::new();
    tree.file("init", 0o755, b"program".to_vec());
    tree.link("bin/pillarbox", "/init");
    tree.file("etc/pillarbox/build", 0o644, b"VERSION=9.9\n".to_vec());
    tree.character("dev/console", 0o600, 5, 1);
    tree.folder("tmp", 0o1777);
    initramfs::gzip(&tree.archive(EPOCH).expect("an archive")).expect("gzip")
}

/// Runs a program that must succeed, and gives what it printed.
fn said(program: &str, arguments: &[&str]) -> String {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; `cargo ci --only packages` installs it"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{text}{errors}", output.status);
    text
}

/// One partition as a file of its own.
fn partition(image: &Path, start: u64, octets: u64) -> PathBuf {
    let to = image.with_extension(format!("at-{}", start / MIB));
    let (skip, count) = (format!("skip={}", start / MIB), format!("count={}", octets / MIB));
    let (from, of) = (format!("if={}", image.display()), format!("of={}", to.display()));
    said("dd", &[&from, &of, "bs=1M", "conv=sparse", "status=none", &skip, &count]);
    to
}

/// What sfdisk, fsck.vfat, e2fsck, file and mtools say about any image of ours.
fn outside_programs_agree(image: &Path) {
    let text = |path: &Path| path.display().to_string();
    let table = said("sfdisk", &["-d", &text(image)]).replace(' ', "");
    for line in
        ["start=8192,size=516096,type=c", "start=524288,size=262144,type=da", "start=786432,size=262144,type=83"]
    {
        assert!(table.contains(line), "{line} is not in\n{table}");
    }
    assert!(said("file", &[&text(image)]).contains("DOS/MBR boot sector"));
    let fat = partition(image, BOOT.start, BOOT.octets);
    let checked = said("fsck.vfat", &["-n", "-v", &text(&fat)]);
    assert!(checked.contains("8192 hidden sectors") && checked.contains("32 bit entries"), "{checked}");
    let ext4 = partition(image, DATA.start, DATA.octets);
    said("e2fsck", &["-f", "-n", &text(&ext4)]);
    let head = said("dumpe2fs", &["-h", &text(&ext4)]);
    for line in ["metadata_csum", "Block size:               4096", "Inode count:              2048"] {
        assert!(head.contains(line), "{line} is not in\n{head}");
    }
    let configuration = image.with_extension("config");
    said("mcopy", &["-n", "-i", &text(&fat), "::config.txt", &text(&configuration)]);
    assert_eq!(std::fs::read(&configuration).expect("config.txt"), boot::config_txt(boot::Prefix::A));
    for left_over in [fat, ext4, configuration] {
        std::fs::remove_file(&left_over).expect("removed");
    }
}

#[test]
fn outside_programs_agree_about_an_image() {
    let (_folder, image) = made();
    assert_eq!(image.metadata().expect("an image").len(), IMAGE_OCTETS);
    outside_programs_agree(&image);
}

#[test]
fn the_image_is_sparse() {
    use std::os::unix::fs::MetadataExt;
    let (_folder, image) = made();
    let kept = image.metadata().expect("an image").blocks() * 512;
    assert!(kept < 8 * MIB, "{kept} octets on the disk");
}

#[test]
fn the_same_contents_give_the_same_octets() {
    let (_one, first) = made();
    let (_two, second) = made();
    said("cmp", &[&first.display().to_string(), &second.display().to_string()]);
}

#[test]
fn times_on_the_card_are_the_builds() {
    let (_folder, image) = made();
    let fat = partition(&image, BOOT.start, BOOT.octets);
    let listed = said("mdir", &["-/", "-i", &fat.display().to_string(), "::"]);
    let stamped = listed.matches("2026-01-01   0:00").count();
    // Six names, with `.` and `..` of two folders.
    assert_eq!(stamped, 5 + 2 + 4, "{listed}");
}

#[test]
fn cpio_lists_the_initramfs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("initramfs.img");
    std::fs::write(&file, initramfs()).expect("written");
    let script = format!("gzip -dc {} | cpio -tv --quiet", file.display());
    let listed = said("sh", &["-e", "-c", &script]);
    assert!(listed.contains("-rwxr-xr-x") && listed.contains("bin/pillarbox -> /init"), "{listed}");
    assert!(listed.lines().any(|line| line.starts_with("crw-------") && line.ends_with("dev/console")), "{listed}");
    assert!(listed.contains("drwxrwxrwt"), "{listed}");
    assert!(said("file", &[&file.display().to_string()]).contains("gzip compressed data, max compression"));
}

#[test]
fn inspect_reads_what_was_written() {
    let (_folder, image) = made();
    let text = describe(Some(&image), true).expect("described");
    for line in [
        "FAT \"PILLARBOX\"",
        "ext4 \"pillarbox-data\", 128.0 MiB",
        "update slots: as made",
        "     20000  os-a/bcm2837-rpi-zero-2-w.dtb",
        "os-b/",
        "config.txt chooses os-a/",
        "VERSION=9.9",
        "/bin/pillarbox -> /init",
        "kernel 6 (trixie)",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn inspect_says_when_it_is_no_image() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("letter.txt");
    std::fs::write(&file, vec![b'x'; 1024]).expect("written");
    assert!(describe(Some(&file), false).expect_err("no image").0.contains("no partition table"));
}

/// `cargo image build && cargo test -p image --test card -- --ignored`
#[test]
#[ignore = "needs an image from `cargo image build`"]
fn outside_programs_agree_about_the_built_image() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let image = folder.path().join("pillarbox.img");
    said("cp", &["--sparse=always", &image::build::image_file().display().to_string(), &image.display().to_string()]);
    outside_programs_agree(&image);
    let text = describe(Some(&image), true).expect("described");
    for line in ["/init\n", "/sbin/e2fsck", "/lib/pillarbox/data.ext4.gz", "modules.dep", "vfat.ko.xz", "start_cd.elf"]
    {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
