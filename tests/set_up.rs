//! Set-up as PID 1 starts it: the program itself, and under root the owner of what it makes.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};

const FILE: &str = "host_name = \"post\"\n\n[[account]]\naddress = \"ann@example.org\"\npassword = \"correct horse\"\n";
/// User and group of the mail server on the appliance.
const MAIL_USER: u32 = 1_000;

fn pillarbox(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pillarbox"));
    command.arg("--data").arg(data).args(arguments).output().expect("the program runs")
}

fn everything_below(path: &Path, found: &mut Vec<std::path::PathBuf>) {
    found.push(path.to_owned());
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        everything_below(&entry.path(), found);
    }
}

#[test]
fn the_server_owns_what_set_up_makes_and_nobody_else_reads_it() {
    let folder = tempfile::tempdir().expect("a folder");
    // As /data is on the appliance: root's, but others may pass.
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("permissions");
    let [boot, data, run] = ["boot", "mail", "run"].map(|name| folder.path().join(name));
    std::fs::create_dir(&boot).expect("a folder");
    std::fs::write(boot.join("pillarbox.toml"), FILE).expect("a file");
    let arguments = ["set-up", "--boot", &boot.to_string_lossy(), "--run", &run.to_string_lossy()];
    // The second finds everything as the first has left it.
    for said in ["set-up: account ann@example.org made\nset-up: this server is called post.local\n", ""] {
        let output = pillarbox(&data, &arguments);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(String::from_utf8_lossy(&output.stdout), said);
        assert!(output.status.success());
    }
    let file = std::fs::read_to_string(boot.join("pillarbox.toml")).expect("the file");
    assert_eq!(file, FILE.replace("correct horse", "*************"));
    let network = std::fs::read_to_string(run.join("network.toml")).expect("settings");
    assert!(network.contains("host_name = \"post\"\n") && !network.contains("horse"), "{network}");

    let me = std::fs::metadata("/proc/self").expect("this process").uid();
    let owner = if me == 0 { MAIL_USER } else { me };
    let mut found = Vec::new();
    everything_below(&data, &mut found);
    assert!(found.len() > 4, "{found:?}");
    for path in found {
        let there = std::fs::metadata(&path).expect("metadata");
        assert_eq!(there.uid(), owner, "{}", path.display());
        assert!(me != 0 || there.gid() == MAIL_USER, "{}", path.display());
        assert_eq!(there.mode() & 0o077, 0, "{}: {:o}", path.display(), there.mode());
    }

    std::fs::write(boot.join("pillarbox.toml"), "host_name = \"post\"\nport = 25\n").expect("a file");
    let output = pillarbox(&data, &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("pillarbox.toml, line 2: unknown key `port`"));
    let said = std::fs::read_to_string(boot.join("set-up-error.txt")).expect("a text for the person");
    assert!(said.contains("line 2: unknown key `port`"), "{said}");
    let accounts = pillarbox(&data, &["account", "list"]);
    assert!(String::from_utf8_lossy(&accounts.stdout).contains("ann@example.org"));
}

#[test]
fn a_server_does_not_follow_where_its_user_leads() {
    // Only root could be led anywhere.
    if std::fs::metadata("/proc/self").expect("this process").uid() != 0 {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("permissions");
    let [boot, data, run, other] = ["boot", "mail", "run", "etc"].map(|name| folder.path().join(name));
    for folder in [&boot, &data, &other] {
        std::fs::create_dir(folder).expect("a folder");
    }
    std::fs::write(boot.join("pillarbox.toml"), FILE).expect("a file");
    std::os::unix::fs::symlink(&other, data.join("store")).expect("a link");
    let arguments = ["set-up", "--boot", &boot.to_string_lossy(), "--run", &run.to_string_lossy()];
    let output = pillarbox(&data, &arguments);
    assert!(!output.status.success());
    assert_eq!(std::fs::read_dir(&other).expect("the folder").count(), 0);
}
