//! A machine under power: QEMU's process and the thread that looks after it, which is also the boot firmware at resets.
//!
//! QEMU stops at a reset and at a power-off (`-action reboot=shutdown,shutdown=pause`). At a reset the boot files are read
//! again: if they are the same, the machine is reset in place, so that the watchdog remembers that it was the cause; if
//! not, QEMU starts afresh with the new ones, like a board that loads another kernel.

use super::boot_files::{self, BootFiles};
use super::console::Console;
use super::led::{self, Blink};
use super::machine::{Kind, Machine, PROGRAM};
use super::qmp::{Event, Qmp};
use super::{ports, ports::Forward};
use crate::step::{Failure, has_program};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// QEMU resets its devices within this.
const RESET_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a boot began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The machine was switched on.
    Power,
    /// The guest, or [`Running::reset`], wanted a reset.
    Reset,
    /// The watchdog ran out.
    Watchdog,
}

/// One boot.
#[derive(Clone, Debug)]
pub struct Boot {
    /// Why it began.
    pub cause: Cause,
    /// When.
    pub at: Instant,
    /// The kernel set: `os_prefix` of `config.txt`.
    pub prefix: String,
}

/// How a machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The guest switched it off.
    PowerOff,
    /// [`Running::kill`].
    Killed,
    /// Something that should not be; what is known of it.
    Failed(String),
}

/// A machine under power. Dropping it is a power cut.
pub struct Running {
    inner: Arc<Inner>,
    supervisor: Option<std::thread::JoinHandle<()>>,
}

struct Inner {
    machine: Machine,
    qemu: PathBuf,
    /// What was read from the card, and what QEMU complained about.
    folder: tempfile::TempDir,
    console: Arc<Console>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    child: Option<Child>,
    qmp: Option<Arc<Qmp>>,
    boots: Vec<Boot>,
    ending: Option<Ending>,
    led_at_power_off: Option<bool>,
    /// QEMU may end without a reason now.
    killed: bool,
}

impl Running {
    /// [`Machine::start`].
    pub(super) fn start(mut machine: Machine) -> Result<Self, Failure> {
        let qemu = program(PROGRAM).ok_or_else(|| {
            Failure(format!("{PROGRAM} is not there; on Debian: apt-get install qemu-system-arm device-tree-compiler"))
        })?;
        if !has_program("fdtoverlay") && machine.kind == Kind::Virt {
            return Err(Failure("dtc is not there; on Debian: apt-get install device-tree-compiler".into()));
        }
        let mut chosen: Vec<Forward> = Vec::new();
        for Forward { host, guest } in &machine.forwards {
            chosen.push(Forward { host: ports::free(*host, &chosen)?, guest: *guest });
        }
        machine.forwards = chosen;
        let folder = tempfile::Builder::new().prefix("pillarbox-qemu-").tempdir();
        let folder = folder.map_err(|error| Failure(format!("no folder for the machine: {error}")))?;
        let inner = Arc::new(Inner {
            machine,
            qemu,
            folder,
            console: Arc::new(Console::default()),
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        });
        let (sender, started) = channel();
        let supervisor = {
            let inner = Arc::clone(&inner);
            // QEMU is this thread's child and ends with it, also when we are killed (see `spawn`).
            std::thread::spawn(move || {
                inner.supervise(&sender);
                inner.console.end();
            })
        };
        let running = Self { inner, supervisor: Some(supervisor) };
        started.recv().map_err(|_| Failure("the machine's thread failed".into()))??;
        Ok(running)
    }

    /// The port here that leads to `guest`'s port.
    #[must_use]
    pub fn port(&self, guest: u16) -> Option<u16> {
        self.inner.machine.forwards.iter().find(|forward| forward.guest == guest).map(|forward| forward.host)
    }

    /// What the guest writes.
    #[must_use]
    pub fn console(&self) -> &Console {
        &self.inner.console
    }

    /// All boots so far.
    #[must_use]
    pub fn boots(&self) -> Vec<Boot> {
        self.inner.state().boots.clone()
    }

    /// Waits for the boot with this number, the first being 1.
    ///
    /// # Errors
    /// When there was none in time or the machine ended.
    pub fn wait_for_boot(&self, number: usize, timeout: Duration) -> Result<Boot, Failure> {
        let found = |state: &State| state.boots.get(number.saturating_sub(1)).cloned();
        let state = self.inner.wait(timeout, |state| found(state).is_some() || state.ending.is_some());
        found(&state).ok_or_else(|| {
            let (boots, ending) = (state.boots.len(), &state.ending);
            Failure(format!("waited {} s for boot {number}; {boots} so far, ended: {ending:?}", timeout.as_secs()))
        })
    }

    /// Runs a command of QEMU's monitor.
    ///
    /// # Errors
    /// What QEMU says.
    pub fn qmp(&self, command: &str, arguments: Value) -> Result<Value, Failure> {
        self.inner.qmp()?.execute(command, arguments)
    }

    /// Is the ACT LED on?
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn led(&self) -> Result<bool, Failure> {
        led::is_on(&*self.inner.qmp()?, self.inner.machine.kind)
    }

    /// Looks at the ACT LED until `enough` says so of what was seen so far, at most for `limit`.
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn watch_led(&self, limit: Duration, enough: impl FnMut(&[Blink]) -> bool) -> Result<Vec<Blink>, Failure> {
        led::watch(&*self.inner.qmp()?, self.inner.machine.kind, limit, enough)
    }

    /// Was the ACT LED on when the guest switched the machine off? `None` as long as it has not.
    #[must_use]
    pub fn led_at_power_off(&self) -> Option<bool> {
        self.inner.state().led_at_power_off
    }

    /// Pulls the network cable, or puts it in again.
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn plug_network(&self, plugged: bool) -> Result<(), Failure> {
        self.qmp("set_link", json!({ "name": "net", "up": plugged })).map(|_| ())
    }

    /// Presses the power button; [`Running::wait`] for what comes of it.
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn power_down(&self) -> Result<(), Failure> {
        self.qmp("system_powerdown", json!({})).map(|_| ())
    }

    /// Pulls the reset line.
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn reset(&self) -> Result<(), Failure> {
        self.qmp("system_reset", json!({})).map(|_| ())
    }

    /// Waits for the machine's end; `None` if it is still running then.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> Option<Ending> {
        self.inner.wait(timeout, |state| state.ending.is_some()).ending.clone()
    }

    /// Cuts the power.
    pub fn kill(&mut self) {
        {
            let mut state = self.inner.state();
            state.killed = true;
            if let Some(child) = &mut state.child {
                let _ = child.kill();
            }
        }
        if let Some(supervisor) = self.supervisor.take() {
            let _ = supervisor.join();
        }
    }

    /// QEMU's process.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.inner.state().child.as_ref().map(Child::id)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn wait(&self, timeout: Duration, done: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_timeout_while(self.state(), timeout, |state| !done(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn qmp(&self) -> Result<Arc<Qmp>, Failure> {
        self.state().qmp.clone().ok_or_else(|| Failure("the machine is off".into()))
    }

    /// From power to its end. The first result says whether there is a machine at all.
    fn supervise(&self, started: &Sender<Result<(), Failure>>) {
        let (mut boot, mut events) = match self.power(Cause::Power) {
            Ok(begun) => begun,
            Err(failure) => {
                self.finish(Ending::Failed(failure.0.clone()));
                let _ = started.send(Err(failure));
                return;
            }
        };
        let _ = started.send(Ok(()));
        let mut cause = Cause::Reset;
        loop {
            // The sender lives in the thread that reads the monitor, whose last word is `Gone`.
            let outcome = match events.recv().unwrap_or(Event::Gone) {
                Event::Watchdog => {
                    cause = Cause::Watchdog;
                    continue;
                }
                Event::Reset => continue,
                Event::Shutdown(reason) if reason.ends_with("reset") => self.restart(&boot, cause, events),
                Event::Shutdown(reason) if reason == "guest-shutdown" => {
                    let led = self.qmp().and_then(|qmp| led::is_on(&qmp, self.machine.kind)).ok();
                    self.change(|state| state.led_at_power_off = led);
                    self.stop();
                    return self.finish(Ending::PowerOff);
                }
                Event::Shutdown(reason) => Err(Failure(format!("QEMU stopped: {reason}"))),
                Event::Gone => Err(Failure("QEMU ended".into())),
            };
            match outcome {
                Ok(begun) => (boot, events) = begun,
                Err(failure) => {
                    self.stop();
                    return self.finish(Ending::Failed(failure.0));
                }
            }
            cause = Cause::Reset;
        }
    }

    fn finish(&self, ending: Ending) {
        self.change(|state| {
            state.qmp = None;
            state.ending = Some(if state.killed { Ending::Killed } else { ending });
        });
    }

    /// Plays the firmware and starts QEMU with what it found.
    fn power(&self, cause: Cause) -> Result<(BootFiles, Receiver<Event>), Failure> {
        let boot = self.load()?;
        let complaints = self.folder.path().join("qemu.log");
        let (child, monitor) = self.spawn(&boot, &complaints)?;
        let (sender, events) = channel();
        // Known before the monitor speaks, so that a power cut finds it.
        self.change(|state| {
            let child = state.child.insert(child);
            if state.killed {
                let _ = child.kill();
            }
        });
        let opened = Qmp::open(monitor, sender);
        let qmp = opened.map_err(|_| {
            self.stop();
            let said = std::fs::read_to_string(&complaints).unwrap_or_default();
            Failure(format!("QEMU did not start:\n{}", said.trim()))
        })?;
        self.begin(cause, &boot, Some(qmp));
        Ok((boot, events))
    }

    fn begin(&self, cause: Cause, boot: &BootFiles, qmp: Option<Qmp>) {
        let boot = Boot { cause, at: Instant::now(), prefix: boot.prefix.clone() };
        self.change(|state| {
            state.boots.push(boot);
            if let Some(qmp) = qmp {
                state.qmp = Some(Arc::new(qmp));
            }
        });
    }

    fn load(&self) -> Result<BootFiles, Failure> {
        let number = self.state().boots.len();
        boot_files::load(self.machine.image(), self.machine.kind, &self.folder.path().join(format!("boot-{number}")))
    }

    fn spawn(&self, boot: &BootFiles, complaints: &Path) -> Result<(Child, UnixStream), Failure> {
        let failed = |error: io::Error| Failure(format!("{}: {error}", self.qemu.display()));
        let words = self.machine.words(&self.qemu, boot)?;
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        // setpriv(1): when this program is killed, QEMU must not go on for ever.
        let mut command = if has_program("setpriv") {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "--"]).arg(&self.qemu);
            command
        } else {
            Command::new(&self.qemu)
        };
        // Ctrl-C on the terminal is for us, not for QEMU.
        command.process_group(0).args(words);
        let complaints = File::create(complaints).map_err(failed)?;
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(complaints);
        let mut child = command.spawn().map_err(failed)?;
        let transcript = match &self.machine.transcript {
            Some(path) => Some(
                OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(path)
                    .map_err(|error| Failure(format!("{}: {error}", path.display())))?,
            ),
            None => None,
        };
        if let Some(output) = child.stdout.take() {
            self.console.follow(output, transcript, self.machine.show_console);
        }
        Ok((child, ours))
    }

    /// At a reset: QEMU is paused and the card is at rest.
    fn restart(
        &self,
        before: &BootFiles,
        cause: Cause,
        events: Receiver<Event>,
    ) -> Result<(BootFiles, Receiver<Event>), Failure> {
        // QEMU tells of the reset before it pauses; its monitor answers after that.
        self.qmp()?.execute("query-status", json!({}))?;
        let boot = self.load()?;
        if !boot.boots_the_same_as(before) {
            self.stop();
            return self.power(cause);
        }
        let qmp = self.qmp()?;
        qmp.execute("set-action", json!({ "reboot": "reset" }))?;
        qmp.execute("system_reset", json!({}))?;
        let deadline = Instant::now() + RESET_TIMEOUT;
        loop {
            match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Reset) => break,
                Ok(Event::Gone) => return Err(Failure("QEMU ended".into())),
                Ok(_) => {}
                Err(error) => return Err(Failure(format!("QEMU did not reset the machine: {error}"))),
            }
        }
        qmp.execute("set-action", json!({ "reboot": "shutdown" }))?;
        qmp.execute("cont", json!({}))?;
        self.begin(cause, &boot, None);
        Ok((boot, events))
    }

    /// Ends QEMU, which is paused or of no more use.
    fn stop(&self) {
        let child = {
            let mut state = self.state();
            if let Some(qmp) = state.qmp.take() {
                // It writes out what it holds; a monitor that is gone is as good.
                drop(state);
                let _ = qmp.execute("quit", json!({}));
                state = self.state();
            } else if let Some(child) = &mut state.child {
                let _ = child.kill();
            }
            state.child.take()
        };
        if let Some(mut child) = child {
            let _ = child.wait();
        }
    }
}

/// Where a program stands on the path.
fn program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}
