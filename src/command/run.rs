//! Does what the command line says.

use super::arguments::{Arguments, Subcommands};
use super::target::{Place, Target, ask_running, unexpected};
use crate::account::{AccountCommand, AliasCommand, Command, DomainCommand};
use crate::init::{self, launch::LaunchOptions};
use crate::limits::PASSWORD_OCTETS_MAX;
use crate::serve::control::{Request, Response};
use crate::serve::{Failure, ServeOptions, keep_files_private, serve};
use crate::status::log_ring;
use crate::update::{self, UpdateOptions};
use clap::Parser;
use std::io::{BufRead, Read, Write};
use std::process::ExitCode;

/// Runs the program.
#[must_use]
pub fn run() -> ExitCode {
    // A wrong command line ends here, with exit code 2.
    match execute(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let mut message = failure.to_string();
            message.push('\n');
            // There is nobody left to tell that nobody reads it.
            let _ = write!(std::io::stderr(), "pillarbox: {message}");
            ExitCode::from(failure.code())
        }
    }
}

fn execute(Arguments { data, config, command }: Arguments) -> Result<(), Failure> {
    let place = Place { data: &data, config: config.as_ref() };
    match command {
        Subcommands::Serve(options) => serve(&ServeOptions {
            data,
            config,
            listen: options.listen,
            first_account: !options.no_first_account,
            sandbox: options.sandbox,
        }),
        Subcommands::Account(account) => {
            let (command, json) = account.command(read_password)?;
            change(place, Command::Account(command), json)
        }
        Subcommands::Alias(alias) => {
            let (command, json) = alias.command();
            change(place, Command::Alias(command), json)
        }
        Subcommands::Domain(domain) => {
            let (command, json) = domain.command();
            change(place, Command::Domain(command), json)
        }
        Subcommands::Status { json } => match ask_running(place.data, &Request::Status)? {
            Response::Report(report) if json => print(&format!("{}\n", report.json())),
            Response::Report(report) => print(&report.table()),
            _ => Err(unexpected()),
        },
        Subcommands::Log { lines } => match ask_running(place.data, &Request::Log { lines })? {
            Response::Lines(lines) => lines.iter().try_for_each(|line| print(&format!("{line}\n"))),
            _ => Err(unexpected()),
        },
        Subcommands::Stop => done(ask_running(place.data, &Request::Stop)?),
        Subcommands::Checkpoint => done(ask_running(place.data, &Request::Checkpoint)?),
        Subcommands::Update { file, slots, boot, key, allow_older } => {
            update::run(&UpdateOptions { file, slots, boot, key, allow_older })
        }
        Subcommands::Reboot => done(ask_running(place.data, &Request::Reboot)?),
        Subcommands::PowerOff => done(ask_running(place.data, &Request::PowerOff)?),
        Subcommands::Launch { user, group, cgroup, arguments } => {
            init::launch::run(&LaunchOptions { user, group, cgroup, arguments })
        }
        Subcommands::Network { settings } => init::network::run(&settings),
        Subcommands::SetUp { boot, run } => init::set_up::run(&boot, &data, &run),
        Subcommands::Version => print(&format!("pillarbox {}\n", env!("CARGO_PKG_VERSION"))),
    }
}

fn done(response: Response) -> Result<(), Failure> {
    if response == Response::Done { Ok(()) } else { Err(unexpected()) }
}

/// Does a command and prints its answer, page by page.
fn change(place: Place<'_>, command: Command, json: bool) -> Result<(), Failure> {
    keep_files_private();
    // What the store has to warn of, when it is opened here.
    let _ = log_ring::start(log::LevelFilter::Warn);
    let target = Target::find(place, adds(&command))?;
    let result = pages(&target, command, json);
    let closed = target.close();
    result.and(closed)
}

fn pages(target: &Target<'_>, command: Command, json: bool) -> Result<(), Failure> {
    let mut heading = true;
    let mut next = Some(command);
    while let Some(command) = next {
        let answer = target.execute(command)?;
        print(&if json { answer.json_lines() } else { answer.table(heading) })?;
        heading = false;
        next = answer.next;
    }
    Ok(())
}

/// May the command be the first thing that is ever done with a data directory?
fn adds(command: &Command) -> bool {
    matches!(
        command,
        Command::Account(AccountCommand::Add { .. })
            | Command::Alias(AliasCommand::Add { .. })
            | Command::Domain(DomainCommand::Add { .. })
    )
}

/// The first line of standard input.
fn read_password() -> Result<String, Failure> {
    let longest = u64::try_from(PASSWORD_OCTETS_MAX).unwrap_or(u64::MAX).saturating_add(2);
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .take(longest)
        .read_line(&mut line)
        .map_err(|error| Failure::Failed(format!("no password: {error}")))?;
    let password = line.strip_suffix('\n').map_or(line.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if password.is_empty() {
        return Err(Failure::Usage("no password on standard input".to_owned()));
    }
    Ok(password.to_owned())
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // `pillarbox log | head` is no failure.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}
