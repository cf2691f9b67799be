//! A private apt that knows only what the image needs: the machine's own packages, sources and lists stay as they are.
//!
//! apt checks the archive's signature with Debian's own key ring, so that the checksums in the index can be believed.
//! The mirror is the one that the machine itself is configured for.

use super::lock::{Lock, Pinned};
use super::{WANTED, Wanted};
use crate::progress;
use crate::step::{Failure, at, image_folder, output, run};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How often a download's size is looked at for the bar.
const DOWNLOAD_LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Debian's key ring, by its names since Debian 12 and 13.
const KEY_RINGS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

/// The archive with its indexes fetched.
#[derive(Debug)]
pub struct Archive {
    configuration: PathBuf,
}

impl Archive {
    /// Writes apt's configuration below `target/image/apt` and fetches the indexes.
    ///
    /// # Errors
    /// When the machine has no Debian mirror or key ring, or when apt fails.
    pub fn open(mirror: Option<&str>) -> Result<Self, Failure> {
        let mirror = match mirror {
            Some(mirror) => mirror.to_owned(),
            None => machines_mirror()?,
        };
        let ring = KEY_RINGS.iter().find(|ring| Path::new(ring).is_file()).ok_or_else(|| {
            Failure("no key ring of Debian's archive; as root run\n  apt-get install debian-archive-keyring".into())
        })?;
        let folder = image_folder().join("apt");
        for below in ["state", "lists/partial", "cache/archives/partial"] {
            let below = folder.join(below);
            std::fs::create_dir_all(&below).map_err(at(&below))?;
        }
        let sources = folder.join("sources.list");
        std::fs::write(&sources, sources_list(&mirror, ring)).map_err(at(&sources))?;
        let configuration = folder.join("apt.conf");
        std::fs::write(&configuration, apt_conf(&folder)).map_err(at(&configuration))?;
        let archive = Self { configuration };
        run(archive.apt("apt-get").args(["update", "-qq"]))?;
        Ok(archive)
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.configuration).env("LC_ALL", "C");
        command
    }

    /// The newest version of everything that is wanted.
    ///
    /// # Errors
    /// When the archive lacks one of them.
    pub fn newest(&self) -> Result<Lock, Failure> {
        let package = WANTED.iter().map(|wanted| self.newest_of(wanted)).collect::<Result<_, _>>()?;
        Ok(Lock { package })
    }

    fn newest_of(&self, wanted: &Wanted) -> Result<Pinned, Failure> {
        let missing = || Failure(format!("the archive has no {} in {}", wanted.name, wanted.suite));
        let version = self.versions(wanted.name, wanted)?.into_iter().next().ok_or_else(missing)?;
        let stanza = self.stanza(wanted.name, &version)?;
        // linux-image-arm64 is empty and depends on the real one, with the very version.
        let real = field(&stanza, "Depends").and_then(real_kernel);
        let (name, version, stanza) = match real {
            Some((name, version)) => {
                let stanza = self.stanza(&name, &version)?;
                (name, version, stanza)
            }
            None => (wanted.name.to_owned(), version, stanza),
        };
        let sha256 = field(&stanza, "SHA256").ok_or_else(missing)?.to_owned();
        Ok(Pinned { wanted: wanted.name.into(), name, version, suite: wanted.suite.into(), sha256 })
    }

    /// All versions of a package in the wanted suite, newest first.
    fn versions(&self, name: &str, wanted: &Wanted) -> Result<Vec<String>, Failure> {
        let table = output(self.apt("apt-cache").args(["madison", name]))?;
        Ok(madison(&table, &format!("{}/{}", wanted.suite, wanted.component)))
    }

    fn stanza(&self, name: &str, version: &str) -> Result<String, Failure> {
        output(self.apt("apt-cache").arg("show").arg(format!("{name}={version}")))
    }

    /// Fetches a pinned package to `file`.
    ///
    /// # Errors
    /// When the archive carries another version by now, which the message says, or when apt fails.
    pub fn fetch(&self, pinned: &Pinned, file: &Path) -> Result<(), Failure> {
        let wanted = WANTED.iter().find(|wanted| wanted.name == pinned.wanted);
        let carried = wanted.map_or_else(|| Ok(Vec::new()), |wanted| self.versions(&pinned.name, wanted))?;
        if !carried.contains(&pinned.version) {
            let now =
                if carried.is_empty() { "does not have it".into() } else { format!("has {}", carried.join(", ")) };
            return Err(Failure(format!(
                "the archive no longer carries {} {} (suite {}): it {now} now.\n  `cargo image lock` pins the newest \
                 versions; `cargo image build --newest` builds with them once.",
                pinned.name, pinned.version, pinned.suite
            )));
        }
        let octets = field(&self.stanza(&pinned.name, &pinned.version)?, "Size").and_then(|size| size.parse().ok());
        let folder = file.with_extension("part");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(at(&folder))?;
        }
        std::fs::create_dir_all(&folder).map_err(at(&folder))?;
        let mut command = self.apt("apt-get");
        command.current_dir(&folder).args(["download", "-qq"]).arg(format!("{}={}", pinned.name, pinned.version));
        download(&mut command, &folder, octets.unwrap_or(0))?;
        let came = only_file(&folder)?
            .ok_or_else(|| Failure(format!("apt-get download left no file for {} {}", pinned.name, pinned.version)))?;
        std::fs::rename(&came, file).map_err(at(file))?;
        std::fs::remove_dir_all(&folder).map_err(at(&folder))
    }
}

/// Runs a download and shows how the file grows.
fn download(command: &mut Command, folder: &Path, octets: u64) -> Result<(), Failure> {
    let shown = format!("{command:?}").replace('"', "");
    let failed = |error: std::io::Error| Failure(format!("{shown}\n  {error}"));
    let bar = progress::octets(octets);
    let mut child = command.stdin(Stdio::null()).spawn().map_err(failed)?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if let Ok(Some(file)) = only_file(folder) {
            bar.set_position(file.metadata().map_or(0, |metadata| metadata.len()));
        }
        std::thread::sleep(DOWNLOAD_LOOK_INTERVAL);
    };
    bar.finish_and_clear();
    if status.success() { Ok(()) } else { Err(Failure(format!("{shown}\n  ended with {status}"))) }
}

fn only_file(folder: &Path) -> Result<Option<PathBuf>, Failure> {
    let entries = std::fs::read_dir(folder).map_err(at(folder))?;
    Ok(entries.flatten().map(|entry| entry.path()).find(|path| path.is_file()))
}

/// The mirror that the machine's own apt uses for Debian; security and third parties have other labels.
fn machines_mirror() -> Result<String, Failure> {
    let all = output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Created-By: Packages",
        "Origin: Debian",
        "Label: Debian",
    ]))?;
    let found = all.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
    found.ok_or_else(|| {
        Failure(
            "this machine's apt knows no Debian mirror (apt-get indextargets names none).\n  Run `apt-get update` as \
             root, or name a mirror with --mirror URI"
                .into(),
        )
    })
}

/// Only package indexes of arm64; what belongs to software centres and translations is not fetched.
fn sources_list(mirror: &str, ring: &str) -> String {
    let mut lines: Vec<String> = WANTED
        .iter()
        .map(|wanted| {
            let (suite, component) = (wanted.suite, wanted.component);
            format!("deb [arch=arm64 target=Packages signed-by={ring}] {mirror} {suite} {component}\n")
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines.concat()
}

fn apt_conf(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{folder}/state";
Dir::State::Lists "{folder}/lists";
Dir::State::status "/dev/null";
Dir::Cache "{folder}/cache";
APT::Architecture "arm64";
APT::Architectures "arm64";
Acquire::Languages "none";
APT::Sandbox::User "";
"#
    )
}

/// Versions in `apt-cache madison`'s table (`name | version | URI suite/component arch Packages`) from one suite.
fn madison(table: &str, suite: &str) -> Vec<String> {
    let version = |line: &str| {
        let mut columns = line.split('|').map(str::trim);
        let (version, source) = (columns.nth(1)?, columns.next()?);
        source.split_whitespace().any(|word| word == suite).then(|| version.to_owned())
    };
    table.lines().filter_map(version).collect()
}

/// A field of a control stanza; fields that go on over several lines are not needed here.
fn field<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// `linux-image-6.12.107+deb13-arm64 (= 6.12.107-1)` as name and version.
fn real_kernel(depends: &str) -> Option<(String, String)> {
    let dependency = depends.split(',').map(str::trim).find(|dependency| dependency.starts_with("linux-image-"))?;
    let (name, rest) = dependency.split_once(" (= ")?;
    Some((name.to_owned(), rest.strip_suffix(')')?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
linux-image-arm64 |   7.2.13-1 | http://mirror.example/debian sid/main arm64 Packages
linux-image-arm64 | 6.12.107-1 | http://mirror.example/debian trixie/main arm64 Packages
";

    #[test]
    fn versions_are_those_of_the_suite() {
        assert_eq!(madison(TABLE, "trixie/main"), ["6.12.107-1"]);
        assert!(madison(TABLE, "bookworm/main").is_empty());
        assert!(madison("nothing | here", "trixie/main").is_empty());
    }

    #[test]
    fn the_meta_package_leads_to_the_kernel() {
        let stanza = "Package: linux-image-arm64\nDepends: linux-image-6.12.1+deb13-arm64 (= 6.12.1-1)\nSHA256: 00\n";
        let depends = field(stanza, "Depends").expect("a field");
        let expected = ("linux-image-6.12.1+deb13-arm64".to_owned(), "6.12.1-1".to_owned());
        assert_eq!(real_kernel(depends), Some(expected));
        assert_eq!(real_kernel("libc6 (>= 2.36), dosfstools"), None);
        assert_eq!(field(stanza, "SHA"), None);
    }

    #[test]
    fn a_suite_stands_once_in_the_sources() {
        let list = sources_list("http://mirror.example/debian/", "/ring.gpg");
        assert_eq!(list.matches(" trixie main").count(), 1);
        assert_eq!(list.matches(" sid non-free-firmware").count(), 1);
        assert!(!list.contains(" sid main"));
    }
}
