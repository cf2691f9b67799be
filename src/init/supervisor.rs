//! The loop of PID 1: children's ends and notices, the power button, signals; restarts, watchdog, LED, shutdown.
//!
//! One thread that waits in poll(2), for at most [`SUPERVISOR_INTERVAL`]. It never waits for a child but when the machine
//! ends. What is decided stands in [`super::policy`] and [`super::child`].

use super::boot::Machine;
use super::child::Child;
use super::clock::{self, Known};
use super::command_line::Drill;
use super::console::{self, say};
use super::errand::{Errand, Progress};
use super::memory::Memory;
use super::mounts;
use super::notice::{Health, Notice, NoticeSocket, Request};
use super::policy::{self, Situation};
use super::power::{self, Buttons};
use super::sockets::{self, Socket};
use crate::limits::{
    CARD_RELEASE_TIMEOUT, CHILD_STOP_TIMEOUT, CLOCK_KEEP_INTERVAL, MAIL_SHOWN, NOTICES_MAX, SERVE_CGROUP_OCTETS,
    SUPERVISOR_INTERVAL, TRIAL_TIMEOUT,
};
use board::led::State;
use command_fds::{CommandFdExt, FdMapping};
use core::time::Duration;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The user and group that `serve` runs as.
pub const SERVE_USER: u32 = 1_000;
/// This very program, whichever version it is.
pub const PROGRAM: &str = "/proc/self/exe";
/// sd_listen_fds(3): inherited sockets start there.
const FIRST_SOCKET: i32 = 3;
const CGROUPS: &str = "/sys/fs/cgroup";
const CGROUP: &str = "/sys/fs/cgroup/serve";
const NOTIFY: &str = "/run/pillarbox/notify";

/// PID 1 at work.
#[derive(Debug)]
pub struct Supervisor {
    machine: Machine,
    sockets: Vec<Socket>,
    notices: Option<NoticeSocket>,
    signals: Option<SignalFd>,
    buttons: Buttons,
    serve: Child,
    network: Child,
    health: Health,
    was_ready: bool,
    has_network: bool,
    address: String,
    mail: Option<Instant>,
    clock_kept: Instant,
    begun: Instant,
    feeding: bool,
    /// The time is on its way to the card.
    clock_keeping: Option<Errand<io::Result<()>>>,
    /// The cgroup for `serve` is there.
    has_cgroup: bool,
}

impl Supervisor {
    /// Takes over a machine whose card is open.
    #[must_use]
    pub fn new(machine: Machine) -> Self {
        let (sockets, failures) = sockets::listen_everywhere();
        failures.iter().for_each(|failure| say(failure));
        let has_cgroup = prepare_cgroup(Path::new(CGROUPS))
            .inspect_err(|error| say(&format!("serve runs without a limit from outside: {error}")))
            .is_ok();
        let now = Instant::now();
        Self {
            machine,
            sockets,
            notices: NoticeSocket::open(Path::new(NOTIFY)).inspect_err(|e| say(&format!("{NOTIFY}: {e}"))).ok(),
            signals: signals().inspect_err(|e| say(&format!("signals: {e}"))).ok(),
            buttons: Buttons::open(),
            serve: Child::new("serve"),
            network: Child::new("network"),
            health: Health::Serving,
            was_ready: false,
            has_network: false,
            address: String::new(),
            mail: None,
            clock_kept: now,
            begun: now,
            feeding: true,
            clock_keeping: None,
            has_cgroup,
        }
    }

    /// Until the machine is switched off or started again.
    pub fn run(mut self) -> ! {
        loop {
            self.start_children();
            self.wait();
            // What a child said at its end counts as well: it is known as long as it is not reaped.
            self.hear();
            self.reap();
            self.end_silent_children();
            self.look_after_hardware();
            self.machine.version.look();
            self.look_after_version();
            self.keep_clock();
            let pressed = self.buttons.was_pressed();
            if let Some(request) = self.signalled().or(pressed.then_some(Request::PowerOff)) {
                self.shut_down(request);
            }
        }
    }

    /// Is there anything on the card that cannot be used?
    fn is_card_failing(&self) -> bool {
        // The kernel makes it read-only after an error (errors=remount-ro).
        !self.machine.has_data || mounts::is_writable(mounts::DATA) != Some(true)
    }

    fn situation(&self, now: Instant) -> Situation {
        Situation {
            card_failing: self.is_card_failing(),
            was_ready: self.was_ready,
            is_fresh: self.serve.is_fresh(now),
            health: self.health,
            network: self.has_network,
            mail_moving: self.mail.is_some_and(|mail| now.saturating_duration_since(mail) < MAIL_SHOWN),
            silent_restarts: self.serve.silent(),
            short_runs: self.serve.short(),
            is_stuck: self.serve.is_stuck(now),
            unhealthy_boots: self.machine.version.unhealthy_boots(),
        }
    }

    fn look_after_hardware(&mut self) {
        let situation = self.situation(Instant::now());
        self.machine.hardware.show(policy::led(&situation));
        let feeds = policy::feeds_watchdog(&situation);
        if feeds {
            self.machine.hardware.feed();
        } else if self.feeding && self.machine.hardware.is_watched() {
            say("serve stays silent whatever is done: the watchdog starts the machine again");
        }
        self.feeding = feeds;
    }

    /// A new version that does not move mail in time has lost this try.
    fn look_after_version(&mut self) {
        if self.machine.version.is_trial() && self.begun.elapsed() > TRIAL_TIMEOUT {
            say("the new version has not moved its test mail; the machine starts again");
            self.shut_down(Request::Reboot);
        }
    }

    fn keep_clock(&mut self) {
        if let Some(Progress::Done(kept)) = self.clock_keeping.as_ref().map(Errand::look) {
            self.clock_keeping = None;
            if let Some(Err(error)) = kept {
                say(&format!("the time cannot be kept: {error}"));
            }
        }
        if self.clock_kept.elapsed() >= CLOCK_KEEP_INTERVAL {
            self.write_clock(Known::Perhaps);
        }
    }

    /// Has the time written to the card, unless that is being done: a card that hangs must not hold up PID 1.
    fn write_clock(&mut self, known: Known) {
        self.clock_kept = Instant::now();
        if self.machine.has_data && self.clock_keeping.is_none() {
            self.clock_keeping = Errand::begin(move || clock::keep(Path::new(mounts::DATA), clock::now(), known)).ok();
        }
    }

    fn start_children(&mut self) {
        let now = Instant::now();
        if self.network.is_due(now) {
            let network = ["network", "--settings", "/run/pillarbox/network.toml"];
            let spawned = self.command(&through_launch("0", None, &network)).spawn();
            note_start(&mut self.network, spawned, now);
        }
        // Without its data there is nothing to serve: clients wait in the backlog, and are told nothing wrong.
        if self.machine.has_data && self.serve.is_due(now) {
            let spawned = self.serve_command().and_then(|mut command| command.spawn());
            note_start(&mut self.serve, spawned, now);
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).env_clear().env("NOTIFY_SOCKET", NOTIFY).env("PILLARBOX_APPLIANCE", "1");
        command.stdin(Stdio::null());
        let output = || console::for_child(self.machine.line.verbose).map_or_else(Stdio::null, Stdio::from);
        command.stdout(output()).stderr(output());
        command
    }

    fn serve_command(&self) -> io::Result<Command> {
        let user = SERVE_USER.to_string();
        let serve = ["--data", "/data/mail", "serve", "--no-first-account", "--sandbox"];
        let mut command = self.command(&through_launch(&user, self.has_cgroup.then_some(CGROUP), &serve));
        let names: Vec<&str> = self.sockets.iter().map(|socket| socket.protocol.name()).collect();
        command.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        let mut mappings = Vec::new();
        for (socket, child_fd) in self.sockets.iter().zip(FIRST_SOCKET..) {
            mappings.push(FdMapping { parent_fd: socket.file.try_clone()?, child_fd });
        }
        command.fd_mappings(mappings).map_err(io::Error::other)?;
        Ok(command)
    }

    /// Waits until something happens, or a moment.
    fn wait(&self) {
        let notices = self.notices.iter().map(AsFd::as_fd);
        let signals = self.signals.iter().map(AsFd::as_fd);
        let mut files: Vec<PollFd<'_>> = notices
            .chain(signals)
            .chain(self.buttons.files())
            .map(|file| PollFd::new(file, PollFlags::POLLIN))
            .collect();
        let timeout = PollTimeout::try_from(SUPERVISOR_INTERVAL).unwrap_or(PollTimeout::ZERO);
        if let Err(error) = poll(&mut files, timeout)
            && error != Errno::EINTR
        {
            say(&format!("poll: {error}"));
            // Not at full speed.
            std::thread::sleep(SUPERVISOR_INTERVAL);
        }
    }

    /// Takes note of every child that has ended, its own and those that it inherited.
    fn reap(&mut self) {
        loop {
            let (process, how) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(process, code)) => (process, format!("ended with {code}")),
                Ok(WaitStatus::Signaled(process, signal, _)) => (process, format!("was ended by {signal}")),
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(_) => continue,
            };
            for child in [&mut self.serve, &mut self.network] {
                if child.process() == Some(process.as_raw()) {
                    let delay = child.ended(Instant::now());
                    say(&format!("{} {how}; it starts again in {} ms", child.name, delay.as_millis()));
                }
            }
        }
    }

    fn hear(&mut self) {
        // Bounded: a child that does nothing but talk must not keep PID 1 from everything else.
        for _ in 0..NOTICES_MAX {
            let Some((process, notices)) = self.notices.as_ref().and_then(NoticeSocket::receive) else { return };
            for notice in notices {
                if self.serve.process() == Some(process) {
                    self.hear_serve(notice);
                } else if self.network.process() == Some(process) {
                    self.hear_network(notice);
                }
            }
        }
    }

    fn hear_serve(&mut self, notice: Notice) {
        match notice {
            Notice::Ready => {
                say("ready");
                if let Some(memory) = Memory::read().filter(|_| !self.was_ready) {
                    say(&format!("memory in use: {memory}"));
                }
                self.was_ready = true;
            }
            Notice::Beat => {
                self.serve.beats(Instant::now());
                // Not before its first heartbeat, for which it may take its time.
                self.drill();
            }
            Notice::Health(health) => {
                if self.health != health {
                    say(&format!("health: {health}"));
                }
                self.health = health;
            }
            Notice::Mail => self.mail = Some(Instant::now()),
            Notice::ProbePassed => self.machine.version.proved(),
            Notice::Request(request) => self.shut_down(request),
            Notice::Status(_) | Notice::Stopping | Notice::Network(_) | Notice::Address(_) | Notice::ClockKnown => {}
        }
    }

    /// Breaks what the command line wants broken, once.
    fn drill(&mut self) {
        match self.machine.line.drill.take() {
            Some(Drill::FreezeServe) => {
                say("drill: serve is stopped");
                self.serve.process().into_iter().for_each(|process| send(process, Signal::SIGSTOP));
            }
            Some(Drill::FreezeInit) => {
                say("drill: PID 1 freezes");
                loop {
                    std::thread::park();
                }
            }
            None => {}
        }
    }

    fn hear_network(&mut self, notice: Notice) {
        match notice {
            Notice::Beat => self.network.beats(Instant::now()),
            Notice::Network(up) => self.has_network = up,
            Notice::Address(address) => {
                if self.address != address {
                    say(&format!("address {address}"));
                }
                self.address = address;
            }
            Notice::ClockKnown => {
                say("the clock is right");
                self.write_clock(Known::Surely);
            }
            Notice::Ready
            | Notice::Stopping
            | Notice::Status(_)
            | Notice::Health(_)
            | Notice::Mail
            | Notice::ProbePassed
            | Notice::Request(_) => {}
        }
    }

    fn end_silent_children(&mut self) {
        let now = Instant::now();
        for child in [&mut self.serve, &mut self.network] {
            if let Some(process) = child.process()
                && child.give_up(now)
            {
                say(&format!("{} has no heartbeat and is killed", child.name));
                send(process, Signal::SIGKILL);
            }
        }
    }

    fn signalled(&mut self) -> Option<Request> {
        let mut request = None;
        while let Ok(Some(signal)) = self.signals.as_ref()?.read_signal() {
            match i32::try_from(signal.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok()) {
                // The kernel at Ctrl-Alt-Delete; whoever wants a new start.
                Some(Signal::SIGINT | Signal::SIGTERM) => request = Some(Request::Reboot),
                Some(Signal::SIGPWR | Signal::SIGUSR2) => request = Some(Request::PowerOff),
                Some(_) | None => {}
            }
        }
        request
    }

    /// Ends the children in order, lets go of the card, and ends.
    fn shut_down(&mut self, request: Request) -> ! {
        say(match request {
            Request::Reboot => "starting again",
            Request::PowerOff => "switching off",
        });
        for child in [&self.serve, &self.network] {
            let Some(process) = child.process() else { continue };
            send(process, Signal::SIGTERM);
            let hardware = &mut self.machine.hardware;
            if !ended_within(process, CHILD_STOP_TIMEOUT, || hardware.feed()) {
                say(&format!("{} does not end and is killed", child.name));
                send(process, Signal::SIGKILL);
                ended_within(process, CHILD_STOP_TIMEOUT, || hardware.feed());
            }
        }
        // Whatever else there is: it must not hold the card.
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        let hardware = &mut self.machine.hardware;
        if !all_ended_within(CHILD_STOP_TIMEOUT, || hardware.feed()) {
            say("some process does not end");
        }
        let has_data = self.machine.has_data;
        let released = self.machine.on_card(CARD_RELEASE_TIMEOUT, move |alive| {
            if has_data {
                // Whether the time is kept or not: what counts is that the rest is.
                let _ = clock::keep(Path::new(mounts::DATA), clock::now(), Known::Perhaps);
                alive();
            }
            mounts::release()
        });
        self.machine.hardware.show(State::Halted);
        match request {
            Request::PowerOff => self.machine.hardware.disarm(),
            // If the new start hangs, the watchdog makes it.
            Request::Reboot => self.machine.hardware.feed(),
        }
        match released {
            Ok(()) => say("the card may be taken out"),
            Err(error) => say(&format!("the card was not released in order, the next start checks it: {error}")),
        }
        power::end(request)
    }
}

fn note_start(child: &mut Child, spawned: io::Result<std::process::Child>, now: Instant) {
    match spawned.map(|process| i32::try_from(process.id())) {
        Ok(Ok(process)) => child.started(process, now),
        Ok(Err(_)) => child.failed(now),
        Err(error) => {
            say(&format!("{} cannot be started: {error}", child.name));
            child.failed(now);
        }
    }
}

fn send(process: i32, signal: Signal) {
    if let Err(error) = kill(Pid::from_raw(process), signal)
        && error != Errno::ESRCH
    {
        say(&format!("{signal} to {process}: {error}"));
    }
}

/// Waits for one child's end.
fn ended_within(process: i32, timeout: Duration, mut meanwhile: impl FnMut()) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < timeout {
        match waitpid(Pid::from_raw(process), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => {}
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(_) => return true,
            Ok(_) => {}
        }
        meanwhile();
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// Waits until there is no child any more, of whomever.
fn all_ended_within(timeout: Duration, mut meanwhile: impl FnMut()) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < timeout {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => {
                meanwhile();
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(Errno::ECHILD) => return true,
            Ok(_) | Err(_) => {}
        }
    }
    false
}

/// Signals are read from a file, so that nothing interrupts PID 1 anywhere else.
fn signals() -> io::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGINT, Signal::SIGTERM, Signal::SIGPWR, Signal::SIGUSR2, Signal::SIGHUP] {
        set.add(signal);
    }
    set.thread_block()?;
    Ok(SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}

/// The ceiling from outside: if `serve` ever asks for more, it alone is ended. A kernel may come without it, and the Raspberry
/// Pi's firmware likes to switch it off (`cgroup_disable=memory`): mail is served all the same.
fn prepare_cgroup(root: &Path) -> io::Result<()> {
    let serve = root.join("serve");
    std::fs::write(root.join("cgroup.subtree_control"), "+memory")?;
    std::fs::create_dir_all(&serve)?;
    std::fs::write(serve.join("memory.max"), SERVE_CGROUP_OCTETS.to_string())?;
    // A kernel without swap has no such file.
    let _ = std::fs::write(serve.join("memory.swap.max"), "0");
    Ok(())
}

/// The command line of a child, which passes through [`super::launch`]: it puts the signal mask back, which PID 1 has full of
/// signals and every child would inherit, and could not be ended in order.
fn through_launch<'a>(user: &'a str, cgroup: Option<&'a str>, arguments: &[&'a str]) -> Vec<&'a str> {
    let mut line = vec!["launch", "--user", user, "--group", user];
    line.extend(cgroup.into_iter().flat_map(|folder| ["--cgroup", folder]));
    line.push("--");
    line.extend(arguments);
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn serve_starts_without_a_cgroup_where_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        // No controller, no folder to join.
        assert!(prepare_cgroup(&folder.path().join("none")).is_err());
        let line = through_launch("1000", None, &["serve"]);
        assert_eq!(line, ["launch", "--user", "1000", "--group", "1000", "--", "serve"]);
        let line = through_launch("0", Some(CGROUP), &["network"]);
        assert_eq!(line, ["launch", "--user", "0", "--group", "0", "--cgroup", CGROUP, "--", "network"]);
    }
}
