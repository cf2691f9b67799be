//! The initramfs: a newc archive that the kernel unpacks into memory, compressed with gzip.
//!
//! Written in the order of names with inode numbers counted from 1, one time for all, everything root's: the same
//! contents give the same octets. Layout of the archive: `Documentation/driver-api/early-userspace/buffer-format.rst`.

use crate::step::Failure;
use cpio::newc::{self, Builder, ModeFileType};
use flate2::{Compression, GzBuilder};
use std::collections::BTreeMap;
use std::io::{Read, Write};

/// What stands under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Folder { mode: u32 },
    File { mode: u32, octets: Vec<u8> },
    Link { target: String },
    Character { mode: u32, major: u32, minor: u32 },
}

/// The files of an initramfs. Names are relative to the root, without a slash in front.
#[derive(Clone, Debug, Default)]
pub struct Tree(BTreeMap<String, Node>);

impl Tree {
    /// An empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A folder with these permissions.
    pub fn folder(&mut self, name: &str, mode: u32) {
        self.parents(name);
        self.0.insert(name.to_owned(), Node::Folder { mode });
    }

    /// A file with these permissions.
    pub fn file(&mut self, name: &str, mode: u32, octets: Vec<u8>) {
        self.parents(name);
        self.0.insert(name.to_owned(), Node::File { mode, octets });
    }

    /// A symbolic link.
    pub fn link(&mut self, name: &str, target: &str) {
        self.parents(name);
        self.0.insert(name.to_owned(), Node::Link { target: target.to_owned() });
    }

    /// A character device.
    pub fn character(&mut self, name: &str, mode: u32, major: u32, minor: u32) {
        self.parents(name);
        self.0.insert(name.to_owned(), Node::Character { mode, major, minor });
    }

    /// The kernel does not make missing folders by itself.
    fn parents(&mut self, name: &str) {
        for (at, _) in name.match_indices('/') {
            let parent = name.get(..at).unwrap_or_default();
            self.0.entry(parent.to_owned()).or_insert(Node::Folder { mode: 0o755 });
        }
    }

    /// The archive, not compressed. A folder's name sorts before the names in it, as the kernel needs it.
    ///
    /// # Errors
    /// When a file is too long for the format's 32 bits.
    pub fn archive(&self, epoch: u64) -> Result<Vec<u8>, Failure> {
        let failed = |error: std::io::Error| Failure(format!("initramfs: {error}"));
        // The format's times end in 2106.
        let time = u32::try_from(epoch).unwrap_or(u32::MAX);
        let mut archive = Vec::new();
        for (inode, (name, node)) in (1u32..).zip(&self.0) {
            let empty: &[u8] = &[];
            let entry = Builder::new(name).ino(inode).uid(0).gid(0).nlink(1).mtime(time);
            let (entry, octets) = match node {
                Node::Folder { mode } => {
                    (entry.nlink(2).mode(*mode).set_mode_file_type(ModeFileType::Directory), empty)
                }
                Node::File { mode, octets } => {
                    (entry.mode(*mode).set_mode_file_type(ModeFileType::Regular), octets.as_slice())
                }
                Node::Link { target } => {
                    (entry.mode(0o777).set_mode_file_type(ModeFileType::Symlink), target.as_bytes())
                }
                Node::Character { mode, major, minor } => {
                    let entry = entry.mode(*mode).set_mode_file_type(ModeFileType::Char);
                    (entry.rdev_major(*major).rdev_minor(*minor), empty)
                }
            };
            let length = u32::try_from(octets.len()).map_err(|_| Failure(format!("initramfs: {name} is too long")))?;
            let mut writer = entry.write(&mut archive, length);
            writer.write_all(octets).map_err(failed)?;
            writer.finish().map_err(failed)?;
        }
        newc::trailer(&mut archive).map_err(failed)?;
        Ok(archive)
    }
}

/// gzip without a name, a time or a system in its head, so that only the contents decide about the octets.
///
/// # Errors
/// None in practice: it writes to memory.
pub fn gzip(octets: &[u8]) -> Result<Vec<u8>, Failure> {
    const UNKNOWN_SYSTEM: u8 = 255;
    let builder = GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM);
    let mut encoder = builder.write(Vec::new(), Compression::best());
    encoder.write_all(octets).and_then(|()| encoder.finish()).map_err(|error| Failure(format!("gzip: {error}")))
}

/// What an archive holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Without a slash in front.
    pub name: String,
    /// Type and permissions, as in stat(2).
    pub mode: u32,
    /// Octets of a file, or of a link's target.
    pub octets: Vec<u8>,
}

/// Reads a gzip'ed archive.
///
/// # Errors
/// When it is neither.
pub fn list(compressed: &[u8]) -> Result<Vec<Listed>, Failure> {
    let failed = |error: std::io::Error| Failure(format!("initramfs: {error}"));
    let mut archive = Vec::new();
    flate2::read::MultiGzDecoder::new(compressed).read_to_end(&mut archive).map_err(failed)?;
    let mut rest = std::io::Cursor::new(archive);
    let mut listed = Vec::new();
    loop {
        let mut reader = newc::Reader::new(rest).map_err(failed)?;
        let entry = reader.entry();
        if entry.is_trailer() {
            return Ok(listed);
        }
        let (name, mode) = (entry.name().to_owned(), entry.mode());
        let mut octets = Vec::new();
        reader.read_to_end(&mut octets).map_err(failed)?;
        listed.push(Listed { name, mode, octets });
        rest = reader.finish().map_err(failed)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        let mut tree = Tree::new();
        tree.file("lib/modules/6/kernel/a.ko.xz", 0o644, vec![1, 2, 3]);
        tree.file("init", 0o755, b"program".to_vec());
        tree.link("bin/pillarbox", "/init");
        tree.character("dev/console", 0o600, 5, 1);
        tree.folder("tmp", 0o1777);
        tree
    }

    #[test]
    fn folders_come_before_what_is_in_them() {
        let listed = list(&gzip(&tree().archive(7).expect("archive")).expect("gzip")).expect("listed");
        let names: Vec<&str> = listed.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "bin",
                "bin/pillarbox",
                "dev",
                "dev/console",
                "init",
                "lib",
                "lib/modules",
                "lib/modules/6",
                "lib/modules/6/kernel",
                "lib/modules/6/kernel/a.ko.xz",
                "tmp",
            ]
        );
        let modes: Vec<u32> = listed.iter().map(|entry| entry.mode).collect();
        assert_eq!(modes.get(1), Some(&0o120_777));
        assert_eq!(modes.get(3), Some(&0o020_600));
        assert_eq!(modes.get(4), Some(&0o100_755));
        assert_eq!(modes.last(), Some(&0o041_777));
    }

    #[test]
    fn twice_the_same() {
        let once = || gzip(&tree().archive(7).expect("archive")).expect("gzip");
        assert_eq!(once(), once());
    }
}
