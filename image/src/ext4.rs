//! The data partition's ext4: small in the image, made to grow to any card while it is mounted.
//!
//! Made by mke2fs with everything named that it would otherwise take from the machine's own configuration.

use crate::step::{Failure, at, run};
use std::path::Path;
use std::process::Command;

/// Its label.
pub const LABEL: &str = "pillarbox-data";
/// Fixed, so that two builds are equal; nothing mounts by it.
const UUID: &str = "70696c6c-6172-4b6f-8000-000000000003";
/// Hash of file names in folders: fixed for the same reason. Names are ours, nobody can choose colliding ones.
const HASH_SEED: &str = "70696c6c-6172-4b6f-8000-0000000000ff";
/// Blocks of 4 KiB that the table of groups has room for: 1 TiB. Larger cards work, with a slower growth.
const GROWS_TO_BLOCKS: u32 = 268_435_456;
/// What the kernel and e2fsck of the image both know. `orphan_file` and `metadata_csum_seed` are left out: older
/// e2fsck on a person's computer could not check the card.
const FEATURES: &str = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,\
                        large_file,huge_file,dir_nlink,extra_isize,metadata_csum";
/// The machine's mke2fs.conf has no say; these types must exist, and mean nothing more than what is asked for.
const CONFIGURATION: &str =
    "[fs_types]\n\text4 = {\n\t\tblocksize = 4096\n\t}\n\tsmall = {\n\t\tblocksize = 4096\n\t}\n";

/// Makes a file of `octets` octets with an empty file system.
///
/// # Errors
/// When mke2fs is missing or fails.
pub fn make(file: &Path, octets: u64, epoch: u64) -> Result<(), Failure> {
    let image = std::fs::File::create(file).map_err(at(file))?;
    image.set_len(octets).map_err(at(file))?;
    // Tables and journal are zero in the file anyhow; saying so keeps mke2fs from asking the running kernel.
    let extended = format!(
        "resize={GROWS_TO_BLOCKS},hash_seed={HASH_SEED},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    );
    let program = if Path::new("/usr/sbin/mke2fs").is_file() { "/usr/sbin/mke2fs" } else { "mke2fs" };
    let mut command = Command::new(program);
    // Inodes for one in 64 KiB: mail is kept in few large files. 1 % stays root's, for the clock and the leases.
    command.args(["-q", "-F", "-t", "ext4", "-b", "4096", "-i", "65536", "-I", "256", "-J", "size=16", "-m", "1"]);
    command.args(["-O", FEATURES, "-E", &extended, "-L", LABEL, "-U", UUID, "-M", "/data"]).arg(file);
    // e2fsprogs before 1.47.1 knows only its own variable.
    command.env("SOURCE_DATE_EPOCH", epoch.to_string()).env("E2FSPROGS_FAKE_TIME", epoch.to_string());
    let configuration = file.with_extension("mke2fs.conf");
    std::fs::write(&configuration, CONFIGURATION).map_err(at(&configuration))?;
    command.env("MKE2FS_CONFIG", &configuration).env("LC_ALL", "C");
    run(&mut command)?;
    std::fs::remove_file(&configuration).map_err(at(&configuration))
}

/// What a superblock says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Its label.
    pub label: String,
    /// Octets of all blocks.
    pub octets: u64,
    /// Octets that are free.
    pub free: u64,
}

/// Where the superblock starts, in octets from the partition's start.
pub const SUPERBLOCK_START: u64 = 1024;

/// Reads the fields of `Documentation/filesystems/ext4/super.rst`; `None` if it is no ext4.
#[must_use]
pub fn superblock(octets: &[u8]) -> Option<Superblock> {
    let u32_at = |at: usize| Some(u32::from_le_bytes(octets.get(at..at + 4)?.try_into().ok()?));
    if octets.get(0x38..0x3a)? != [0x53, 0xef] {
        return None;
    }
    let block = 1024u64.checked_shl(u32_at(0x18)?)?;
    // The high halves mean something with the feature 64bit only; without it they are zero.
    let blocks = u64::from(u32_at(0x150)?) << 32 | u64::from(u32_at(0x4)?);
    let free = u64::from(u32_at(0x158)?) << 32 | u64::from(u32_at(0xc)?);
    let label = octets.get(0x78..0x88)?.split(|&octet| octet == 0).next()?;
    Some(Superblock {
        label: String::from_utf8_lossy(label).into_owned(),
        octets: blocks.checked_mul(block)?,
        free: free.checked_mul(block)?,
    })
}
