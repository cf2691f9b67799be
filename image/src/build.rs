//! `cargo image build`: from Debian's packages and the firmware's binary to one file that is written to a card.

use crate::firmware::{self, Architecture};
use crate::initramfs::{self, Tree};
use crate::kernel::Kernel;
use crate::modules::Modules;
use crate::packages::{self, Packages, Versions};
use crate::progress::Progress;
use crate::step::{Failure, at, image_folder, write_whole};
use crate::{boot, card, debian, epoch, ext4, fat, key};
use board::card::layout::DATA;
use std::path::{Path, PathBuf};

/// The version of the appliance, which is this workspace's.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What may be chosen.
#[derive(Clone, Debug)]
pub struct Options {
    /// A static aarch64 binary instead of one built now.
    pub binary: Option<PathBuf>,
    /// Which versions of Debian's packages.
    pub versions: Versions,
    /// A Debian mirror instead of the machine's own.
    pub mirror: Option<String>,
    /// A minisign public key file instead of `target/image/update.pub`.
    pub update_key: Option<PathBuf>,
}

/// Where the image is put.
#[must_use]
pub fn image_file() -> PathBuf {
    image_folder().join("pillarbox.img")
}

/// Where the kernel set of the last build is put: the files of `os-a/`, for update bundles and for QEMU.
#[must_use]
pub fn kernel_set_folder() -> PathBuf {
    image_folder().join("os")
}

/// Builds the image and says what is in it.
///
/// # Errors
/// Names the step and what can be done.
pub fn build(options: &Options) -> Result<(), Failure> {
    debian::ensure(debian::BUILD_PACKAGES)?;
    let epoch = epoch::source_date_epoch()?;
    let mut progress = Progress::new(7);

    progress.step("Debian packages");
    let packages = packages::provide(options.versions, options.mirror.as_deref(), &progress)?;
    let public_key = key::public_text(options.update_key.as_deref(), |line| progress.say(line))?;

    progress.step("the appliance's binary");
    let binary = match &options.binary {
        Some(file) => file.clone(),
        None => {
            firmware::build(&[Architecture::Aarch64], false)?;
            firmware::binary(Architecture::Aarch64)
        }
    };
    firmware::check(&binary, Architecture::Aarch64)?;
    let binary = std::fs::read(&binary).map_err(at(&binary))?;

    progress.step("kernel modules");
    let kernel = Kernel::of_package(&packages.kernel)?;
    let modules = kernel.modules()?;
    if !modules.selection.unknown.is_empty() {
        let names = modules.selection.unknown.join(" ");
        progress.say(&format!("not in this kernel, left out (boards name modules of several kernels): {names}"));
    }

    progress.step("empty data partition");
    let data = image_folder().join("data.ext4");
    ext4::make(&data, DATA.octets, epoch)?;

    progress.step("initramfs");
    let seed = initramfs::gzip(&std::fs::read(&data).map_err(at(&data))?)?;
    let check = packages.check.folder.join("usr/sbin/e2fsck.static");
    let parts = Parts {
        binary,
        check: std::fs::read(&check).map_err(at(&check))?,
        seed,
        public_key,
        release: kernel.release.clone(),
        epoch,
    };
    let initramfs = initramfs::gzip(&tree(parts, &modules)?.archive(epoch)?)?;

    progress.step("kernel");
    let image = kernel.image()?;
    let sizes = (image.len(), initramfs.len());
    let set = boot::kernel_set(&kernel, image, initramfs)?;
    write_kernel_set(&set)?;

    progress.step("card image");
    let file = image_file();
    card::write(&file, &card::Contents { boot: boot::contents(&packages, &set)?, data, epoch })?;
    progress.finish();
    tell(&file, &kernel.release, &packages, sizes)
}

/// What goes into the initramfs besides modules.
struct Parts {
    binary: Vec<u8>,
    check: Vec<u8>,
    seed: Vec<u8>,
    public_key: String,
    release: String,
    epoch: u64,
}

/// The user of the services; `launch` drops to it by number.
const PASSWD: &str = "root:x:0:0:root:/:/bin/false\npillarbox:x:1000:1000:Pillarbox:/data/mail:/bin/false\n";
const GROUP: &str = "root:x:0:\npillarbox:x:1000:\n";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";

fn tree(parts: Parts, modules: &Modules) -> Result<Tree, Failure> {
    let mut tree = Tree::new();
    for folder in ["proc", "sys", "dev", "run", "boot", "data"] {
        tree.folder(folder, 0o755);
    }
    tree.folder("tmp", 0o1777);
    // PID 1 has its standard streams from here until it has mounted devtmpfs.
    tree.character("dev/console", 0o600, 5, 1);
    tree.file("init", 0o755, parts.binary);
    tree.link("bin/pillarbox", "/init");
    tree.file("sbin/e2fsck", 0o755, parts.check);
    tree.file("lib/pillarbox/data.ext4.gz", 0o644, parts.seed);
    tree.file("etc/pillarbox/update.pub", 0o644, parts.public_key.into_bytes());
    let build = format!("VERSION={VERSION}\nEPOCH={}\nKERNEL={}\nARCH=aarch64\n", parts.epoch, parts.release);
    tree.file("etc/pillarbox/build", 0o644, build.into_bytes());
    tree.file("etc/passwd", 0o644, PASSWD.into());
    tree.file("etc/group", 0o644, GROUP.into());
    tree.file("etc/hosts", 0o644, HOSTS.into());
    tree.link("etc/resolv.conf", "/run/resolv.conf");
    let library = format!("lib/modules/{}", parts.release);
    for path in &modules.selection.files {
        let file = modules.folder.join(path);
        tree.file(&format!("{library}/{path}"), 0o644, std::fs::read(&file).map_err(at(&file))?);
    }
    tree.file(&format!("{library}/modules.dep"), 0o644, modules.selection.dependencies.clone().into_bytes());
    tree.file(&format!("{library}/modules.builtin"), 0o644, modules.builtin.clone().into_bytes());
    Ok(tree)
}

fn write_kernel_set(set: &fat::Contents) -> Result<(), Failure> {
    let folder = kernel_set_folder();
    if folder.is_dir() {
        // Device trees of another kernel must not stay.
        std::fs::remove_dir_all(&folder).map_err(at(&folder))?;
    }
    set.iter().try_for_each(|(name, octets)| write_whole(&folder.join(name), octets))
}

fn tell(file: &Path, release: &str, packages: &Packages, sizes: (usize, usize)) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata().map_err(at(file))?;
    let on_disk = metadata.blocks().saturating_mul(512);
    println!("{}: Pillarbox {VERSION}, Linux {release}", file.display());
    println!("  kernel8.img {}, initramfs.img {}", size_of(sizes.0), size_of(sizes.1));
    println!("  {} long, {} on this disk", size(metadata.len()), size(on_disk));
    println!("  boot firmware {}", packages.firmware.pinned.version);
    println!("look into it: cargo image inspect      write it to a card: cargo image flash /dev/DEVICE");
    Ok(())
}

/// Octets as people read them.
#[must_use]
pub fn size(octets: u64) -> String {
    let tenths = |shift: u32| {
        let tenths = octets.saturating_mul(10) >> shift;
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    match octets {
        0..0x2_0000 => format!("{octets} octets"),
        0x2_0000..0x2_8000_0000 => format!("{} MiB", tenths(20)),
        _ => format!("{} GiB", tenths(30)),
    }
}

fn size_of(octets: usize) -> String {
    size(u64::try_from(octets).unwrap_or(u64::MAX))
}
