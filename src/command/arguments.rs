//! The command line: what can be asked for, and the help for it.

use crate::account::{AccountCommand, AliasCommand, DomainCommand};
use crate::serve::{EXIT_CODES, ListenAddress};
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// A mail appliance in one binary: SMTP, IMAP and POP3 with bounded memory.
///
/// Everything Pillarbox keeps is in one data directory. Commands that change or show something speak with the server
/// that runs on it, or open it themselves when none runs.
#[derive(Debug, Parser)]
#[command(name = "pillarbox", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct Arguments {
    /// The data directory
    #[arg(long, global = true, value_name = "DIR", env = "PILLARBOX_DATA", default_value = "./pillarbox-data")]
    pub data: PathBuf,
    /// The configuration file [default: pillarbox.toml in the data directory]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do
    #[command(subcommand)]
    pub command: Subcommands,
}

const EXAMPLES: &str = "\
Examples:
  pillarbox serve
  pillarbox --data /srv/mail domain add example.org
  echo secret | pillarbox --data /srv/mail account add alice@example.org --password-stdin
  pillarbox --data /srv/mail serve --listen smtp=*:25 --listen imaps=*:993
  pillarbox --data /srv/mail status";

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub enum Subcommands {
    /// Run the server until SIGTERM
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Serve),
    /// Add, change, remove or list accounts
    #[command(subcommand)]
    Account(Account),
    /// Add, remove or list aliases
    #[command(subcommand)]
    Alias(Alias),
    /// Add, remove or list domains
    #[command(subcommand)]
    Domain(Domain),
    /// Show what a running server is doing
    Status {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show the last lines of a running server's log
    Log {
        /// How many
        #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 100)]
        lines: u32,
    },
    /// Stop a running server and wait until it has stopped
    Stop,
    /// Have a running server write its index to the card now
    Checkpoint,
    /// Restart the appliance: mail is stopped in order, then the machine starts anew
    Reboot,
    /// Switch the appliance off in order; then it can be unplugged
    #[command(name = "poweroff")]
    PowerOff,
    /// Show the version
    Version,
    /// Install a signed update bundle on this appliance
    #[command(after_help = UPDATE_EXAMPLES)]
    Update {
        /// The bundle
        file: PathBuf,
        /// The partition with the update slots
        #[arg(long, value_name = "DEVICE", default_value = "/dev/mmcblk0p2")]
        slots: PathBuf,
        /// Where the boot partition is mounted
        #[arg(long, value_name = "DIR", default_value = "/boot")]
        boot: PathBuf,
        /// The public key that bundles must be signed with (minisign)
        #[arg(long, value_name = "FILE", default_value = "/etc/pillarbox/update.pub")]
        key: PathBuf,
        /// Install it also if it is older than the version that runs
        #[arg(long)]
        allow_older: bool,
    },
    /// PID 1's way to a child: joins a cgroup, gives up root, becomes the rest of the command line
    #[command(hide = true)]
    Launch {
        /// The user that it runs as
        #[arg(long, value_name = "UID")]
        user: u32,
        /// Its only group
        #[arg(long, value_name = "GID")]
        group: u32,
        /// The cgroup that holds it
        #[arg(long, value_name = "DIR")]
        cgroup: Option<PathBuf>,
        /// Its command line, without the program
        #[arg(last = true, required = true, value_name = "ARGS")]
        arguments: Vec<OsString>,
    },
    /// PID 1's network child
    #[command(hide = true)]
    Network {
        /// What the boot partition says about the network
        #[arg(long, value_name = "FILE")]
        settings: PathBuf,
    },
    /// PID 1's set-up step: takes over what the boot partition's pillarbox.toml says
    #[command(hide = true)]
    SetUp {
        /// Where the boot partition is mounted
        #[arg(long, value_name = "DIR")]
        boot: PathBuf,
        /// Where the network's settings go
        #[arg(long, value_name = "DIR")]
        run: PathBuf,
    },
}

const UPDATE_EXAMPLES: &str = "\
The bundle goes to the slot that is not running. The next start tries it; if it does not deliver its test mail within
three tries, the version that runs now comes back by itself.

Example:
  pillarbox update pillarbox-0.2.0.update";

const SERVE_EXAMPLES: &str = "\
The first start makes the data directory with a commented pillarbox.toml, a certificate authority, a certificate, and,
unless domains were added before, one account whose password is shown once. When every listener accepts, the line
\"ready\" is printed. SIGHUP reads certificates again.

Under systemd: Type=notify and WatchdogSec=60 (a heartbeat means that the store answered). Sockets of socket units are
taken instead of those in pillarbox.toml, so that clients wait while the server restarts; FileDescriptorName= is the
protocol, and without it the usual port says which.

Examples:
  pillarbox serve
  pillarbox --data /srv/mail serve --listen smtp=127.0.0.1:0 --listen imap=[::1]:1143";

/// `serve`
#[derive(Args, Debug)]
pub struct Serve {
    /// Listen there, instead of where the configuration says; may be given several times
    ///
    /// PROTOCOL is smtp, submission, submissions, imap, imaps, pop3, pop3s or lmtp. ADDRESS is an IPv4 address, an IPv6
    /// address in brackets, localhost, or * for all addresses. PORT 0 is any free port; the real one is printed and
    /// written to the file `ports` in the data directory.
    #[arg(long, value_name = "PROTOCOL=ADDRESS:PORT")]
    pub listen: Vec<ListenAddress>,
    /// Make no account at the first start: set-up does
    #[arg(long, hide = true)]
    pub no_first_account: bool,
    /// Give up all rights that serving mail does not need (Landlock and seccomp)
    #[arg(long, hide = true)]
    pub sandbox: bool,
}

/// How a password is given.
#[derive(Args, Debug)]
pub struct Password {
    /// Read the password from the first line of standard input instead of making one up
    #[arg(long)]
    pub password_stdin: bool,
}

/// `account`
#[derive(Debug, Subcommand)]
pub enum Account {
    /// Add an account; the first one is the administrator, whom postmaster and abuse reach
    #[command(after_help = "Example:\n  echo secret | pillarbox account add alice@example.org --password-stdin")]
    Add {
        /// Its address, in a domain that was added before
        address: String,
        /// Octets it may use, such as 5G, 500M or none
        #[arg(long, value_name = "SIZE", default_value = "none")]
        quota: Quota,
        #[command(flatten)]
        password: Password,
    },
    /// Set an account's password
    Passwd {
        /// Its address
        address: String,
        #[command(flatten)]
        password: Password,
    },
    /// Remove an account and all its mail
    Remove {
        /// Its address
        address: String,
    },
    /// Set how much an account may use
    #[command(after_help = "Example:\n  pillarbox account quota alice@example.org 5G")]
    Quota {
        /// Its address
        address: String,
        /// Octets, such as 5G, 500M or none
        #[arg(value_name = "SIZE")]
        quota: Quota,
    },
    /// Make an account the administrator
    Admin {
        /// Its address
        address: String,
    },
    /// List accounts and what they use
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// `alias`
#[derive(Debug, Subcommand)]
pub enum Alias {
    /// Let mail for an address reach others
    #[command(after_help = "Example:\n  pillarbox alias add sales@example.org alice@example.org bob@example.org")]
    Add {
        /// The alias
        address: String,
        /// Where it leads
        #[arg(required = true, value_name = "TARGET")]
        targets: Vec<String>,
    },
    /// Remove an alias, or one address that it leads to
    Remove {
        /// The alias
        address: String,
        /// Only this target
        target: Option<String>,
    },
    /// List aliases
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// `domain`
#[derive(Debug, Subcommand)]
pub enum Domain {
    /// Accept mail for a domain
    Add {
        /// Its name
        domain: String,
    },
    /// Accept no more mail for a domain that has no accounts and aliases
    Remove {
        /// Its name
        domain: String,
    },
    /// List domains
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// Octets, or no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota(pub Option<u64>);

impl core::str::FromStr for Quota {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let wanted = || format!("{text:?} is not a size such as 5G, 500M, 100000 or none");
        let (digits, shift) = match text.as_bytes().last().map(u8::to_ascii_uppercase) {
            Some(b'K') => (text.get(..text.len().saturating_sub(1)), 10),
            Some(b'M') => (text.get(..text.len().saturating_sub(1)), 20),
            Some(b'G') => (text.get(..text.len().saturating_sub(1)), 30),
            Some(b'T') => (text.get(..text.len().saturating_sub(1)), 40),
            _ => (Some(text), 0),
        };
        let number: u64 = digits.unwrap_or_default().parse().map_err(|_| wanted())?;
        number.checked_mul(1 << shift).map(|octets| Self(Some(octets))).ok_or_else(wanted)
    }
}

impl Account {
    /// The command, and whether its answer is wanted as JSON. `read_password` is called if one is to be read.
    ///
    /// # Errors
    /// Those of `read_password`.
    pub fn command<E>(self, read_password: impl FnOnce() -> Result<String, E>) -> Result<(AccountCommand, bool), E> {
        let given = |password: Password| if password.password_stdin { read_password().map(Some) } else { Ok(None) };
        Ok(match self {
            Self::Add { address, quota: Quota(quota), password } => {
                (AccountCommand::Add { address, password: given(password)?, quota }, false)
            }
            Self::Passwd { address, password } => {
                (AccountCommand::Passwd { address, password: given(password)? }, false)
            }
            Self::Remove { address } => (AccountCommand::Remove { address }, false),
            Self::Quota { address, quota: Quota(quota) } => (AccountCommand::Quota { address, quota }, false),
            Self::Admin { address } => (AccountCommand::Admin { address }, false),
            Self::List { json } => (AccountCommand::List { after: None }, json),
        })
    }
}

impl Alias {
    /// The command, and whether its answer is wanted as JSON.
    #[must_use]
    pub fn command(self) -> (AliasCommand, bool) {
        match self {
            Self::Add { address, targets } => (AliasCommand::Add { address, targets }, false),
            Self::Remove { address, target } => (AliasCommand::Remove { address, target }, false),
            Self::List { json } => (AliasCommand::List { after: None }, json),
        }
    }
}

impl Domain {
    /// The command, and whether its answer is wanted as JSON.
    #[must_use]
    pub fn command(self) -> (DomainCommand, bool) {
        match self {
            Self::Add { domain } => (DomainCommand::Add { domain }, false),
            Self::Remove { domain } => (DomainCommand::Remove { domain }, false),
            Self::List { json } => (DomainCommand::List { after: None }, json),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn clap_finds_no_fault() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_options_go_before_and_after() {
        for line in [
            "pillarbox --data /srv/mail --config x.toml domain add example.org",
            "pillarbox domain add example.org --data /srv/mail --config x.toml",
        ] {
            let arguments = parse(line).unwrap();
            assert_eq!(arguments.data, PathBuf::from("/srv/mail"));
            assert_eq!(arguments.config, Some(PathBuf::from("x.toml")));
            let Subcommands::Domain(domain) = arguments.command else { panic!() };
            assert_eq!(domain.command(), (DomainCommand::Add { domain: "example.org".to_owned() }, false));
        }
    }

    #[test]
    fn passwords_come_from_standard_input_or_are_made_up() {
        let command = |line: &str| {
            let Subcommands::Account(account) = parse(line).unwrap().command else { panic!() };
            account.command(|| Ok::<_, ()>("secret".to_owned())).unwrap()
        };
        let (address, quota) = ("a@example.org".to_owned(), Some(5 << 30));
        assert_eq!(
            command("pillarbox account add a@example.org --password-stdin --quota 5G"),
            (AccountCommand::Add { address: address.clone(), password: Some("secret".to_owned()), quota }, false)
        );
        assert_eq!(
            command("pillarbox account passwd a@example.org"),
            (AccountCommand::Passwd { address, password: None }, false)
        );
        assert_eq!(command("pillarbox account list --json"), (AccountCommand::List { after: None }, true));
    }

    #[test]
    fn listeners_may_be_given_several_times() {
        let arguments = parse("pillarbox serve --listen smtp=*:25 --listen imap=[::1]:0").unwrap();
        let Subcommands::Serve(serve) = arguments.command else { panic!() };
        assert_eq!(serve.listen.iter().map(ToString::to_string).collect::<Vec<_>>(), ["smtp=*:25", "imap=[::1]:0"]);
        let error = parse("pillarbox serve --listen https=*:443").unwrap_err().to_string();
        assert!(error.contains("https is not supported by this version"), "{error}");
        assert_eq!(parse("pillarbox serve --listen smtp").unwrap_err().exit_code(), 2);
    }

    #[test]
    fn what_is_launched_keeps_its_own_arguments() {
        let line = "pillarbox launch --user 1000 --group 1000 -- --data /data/mail serve --listen smtp=*:25";
        let Subcommands::Launch { user, cgroup, arguments, .. } = parse(line).unwrap().command else { panic!() };
        assert_eq!((user, cgroup), (1_000, None));
        assert_eq!(arguments, ["--data", "/data/mail", "serve", "--listen", "smtp=*:25"]);
        assert!(parse("pillarbox launch --user 1000 --group 1000").is_err());
    }

    #[test]
    fn sizes() {
        for (text, octets) in [("none", None), ("0", Some(0)), ("500M", Some(500 << 20)), ("1k", Some(1_024))] {
            assert_eq!(text.parse(), Ok(Quota(octets)));
        }
        for text in ["", "G", "-1", "5X", "99999999999T", "5 G"] {
            assert!(text.parse::<Quota>().is_err(), "{text}");
        }
    }

    #[test]
    fn help_tells_the_exit_codes() {
        let help = Arguments::command().render_long_help().to_string();
        assert!(help.contains("Exit codes:") && help.contains("  4  the store is damaged"));
    }
}
