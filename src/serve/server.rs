//! The server from start to stop.
//!
//! Owns the order of things: directory, configuration, listeners, store, certificate, accounts, `ready`; and backwards:
//! no more clients, a last word to those that are there, the store closed. Each step is left to its own part.

use super::banner::{Banner, places, ports_file};
use super::certificate::Certificate;
use super::clock::ClockWatch;
use super::config::Config;
use super::connection::Surroundings;
use super::failure::Failure;
use super::files::{create_directory, write_fleeting};
use super::first_start::{configuration, first_account};
use super::health::{self, Health};
use super::inherited::Inherited;
use super::listener::Listener;
use super::operator::Operator;
use super::permit::Permits;
use super::probe::Prober;
use super::protocol::ListenAddress;
use super::sandbox::Sandbox;
use super::services::Services;
use super::stop::{StopSignal, Stopper};
use super::{control, dispatch, process, tls};
use crate::account::{self, Accounts};
use crate::limits::{
    BLOCKING_THREADS_MAX, CERTIFICATE_CHECK_INTERVAL, CLOCK_CHECK_INTERVAL, SHUTDOWN_TIMEOUT, THREAD_STACK_OCTETS,
    WORKER_THREADS_MAX,
};
use crate::notify::Notifier;
use crate::status::{COUNTERS, LogRing, log_ring};
use crate::store::{self, FileMedium, OpenReport, Store};
use core::time::Duration;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// What the command line says.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The data directory.
    pub data: PathBuf,
    /// Another configuration file than the one there.
    pub config: Option<PathBuf>,
    /// Where to listen instead of where the configuration says, and beside the sockets that the supervisor has opened.
    pub listen: Vec<ListenAddress>,
    /// Does a first start make an account? Not on the appliance, where set-up does.
    pub first_account: bool,
    /// Restrict the process to what it needs.
    pub sandbox: bool,
}

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreUse {
    /// To serve mail.
    Serve,
    /// For one command: nothing is written ahead.
    OneCommand,
}

/// Opens the store of a data directory, and its accounts.
///
/// # Errors
/// [`Failure`] as the store says.
pub fn open_store(data: &Path, config: &Config, r#use: StoreUse) -> Result<(Store, Accounts, OpenReport), Failure> {
    let options = store_options(config, r#use);
    let medium = FileMedium::open(&data.join("store"))?;
    let (store, report) = Store::open(Arc::new(medium), options)?;
    note_opening(&report);
    let options = account::Options {
        recipient_delimiter: config.recipient_delimiter,
        legacy_logins: config.legacy_logins,
        ..account::Options::default()
    };
    let accounts = Accounts::new(store.clone(), options);
    Ok((store, accounts, report))
}

fn note_opening(report: &OpenReport) {
    if let Some(why) = &report.rebuilt {
        log::warn!("store: the index was made anew from the whole log: {why}");
    }
    let (segments, replayed) = (report.segments, report.replayed_octets);
    log::info!("store: {segments} segments, {replayed} octets read since the last checkpoint");
    if report.damage_count > 0 {
        log::error!("store: {} places are damaged; what is not is served", report.damage_count);
    }
}

fn store_options(config: &Config, r#use: StoreUse) -> store::Options {
    let mut options = store::Options::default();
    let segment = u64::from(options.segment_octets).max(1);
    options.spares = match r#use {
        StoreUse::Serve => usize::try_from((config.prewrite_mib << 20).div_ceil(segment)).unwrap_or(usize::MAX),
        StoreUse::OneCommand => 0,
    };
    options.spares_low = options.spares_low.min(options.spares);
    options
}

/// Serves until the server is told to stop.
///
/// # Errors
/// [`Failure`] if it cannot start, or its end was not orderly.
pub fn run(options: &ServeOptions) -> Result<(), Failure> {
    let started = Instant::now();
    process::keep_files_private();
    let inherited = Inherited::from_environment().map_err(Failure::Failed)?;
    create_directory(&options.data)?;
    // Messages and the table show a path that is good from everywhere.
    let data = std::fs::canonicalize(&options.data)?;
    let config = Arc::new(configuration(&data, options.config.as_ref(), true)?);
    let log = log_ring::start(config.log_level).map_err(|error| Failure::Failed(error.to_string()))?;
    note_panics();
    // Before there are other threads: each begins with what the one has that starts it.
    let sandbox = if options.sandbox { Sandbox::apply(&data, &config.certificate_folders()) } else { Sandbox::off() };
    let runtime = runtime()?;
    let listeners = {
        let _inside = runtime.enter();
        listeners(inherited, options, &config)
    };
    // A first start that fails at its ports leaves no store behind. Where there is one, another server may have it, which
    // then is the news.
    let listeners = match listeners {
        Err(failure) if !data.join("store").exists() => return Err(failure),
        bound => bound,
    };
    let (store, accounts, report) = open_store(&data, &config, StoreUse::Serve)?;
    let notifier = Notifier::from_environment();
    let start = Start {
        notifier,
        started,
        data,
        config,
        log,
        accounts,
        damage: report.damage_count,
        listeners,
        sandbox,
        makes_account: options.first_account,
    };
    let result = runtime.block_on(start.serve(store.clone()));
    // Sessions that have not ended hear that the store is closed, or are dropped where they wait. What was acknowledged
    // is on the card.
    let closed = store.close();
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    log::info!("stopped");
    result.and(closed.map_err(Failure::from))
}

fn runtime() -> Result<Runtime, Failure> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = Builder::new_multi_thread()
        .worker_threads(processors.clamp(2, WORKER_THREADS_MAX))
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_stack_size(THREAD_STACK_OCTETS)
        .thread_name("pillarbox")
        .enable_all()
        .build();
    Ok(runtime?)
}

/// A panic ends one session and is counted; its message is one line of the log.
fn note_panics() {
    std::panic::set_hook(Box::new(|panic| {
        COUNTERS.internal_errors.increment();
        log::error!("a part of the server broke: {panic}");
    }));
}

struct Start {
    notifier: Notifier,
    started: Instant,
    data: PathBuf,
    config: Arc<Config>,
    log: LogRing,
    accounts: Accounts,
    damage: u64,
    listeners: Result<Vec<Listener>, Failure>,
    sandbox: Sandbox,
    makes_account: bool,
}

impl Start {
    async fn serve(self, store: Store) -> Result<(), Failure> {
        let listeners = self.listeners?;
        let machine = process::machine_name();
        // From before the certificate is looked at: no jump is missed.
        let clock = ClockWatch::new(SystemTime::now(), Instant::now());
        let certificate = Arc::new(Certificate::open(&self.data, &self.config, &machine, process::now())?);
        let tls = tls::server_config(Arc::<Certificate>::clone(&certificate))
            .map_err(|error| Failure::Failed(format!("TLS: {error}")))?;
        let control = control::listen(&self.data)?;
        let mut signals = Signals::new()?;

        let (stopper, stop) = Stopper::new();
        let permits =
            Permits::new(process::make_room_for(self.config.connections_max), self.config.connections_per_address_max);
        let services = Services::new(store.clone(), self.accounts.clone(), Arc::clone(&self.config));
        let operator = Arc::new(Operator {
            services: Arc::clone(&services),
            log: self.log,
            stopper,
            permits: permits.clone(),
            listeners: places(&listeners),
            data: self.data.clone(),
            damage: self.damage,
            started: self.started,
            sandbox: self.sandbox,
            health: Health::default(),
            appliance: process::is_appliance().then(|| self.notifier.clone()).filter(Notifier::is_active),
        });
        write_fleeting(&self.data.join("ports"), ports_file(&operator.listeners).as_bytes())?;

        let surroundings = Surroundings { tls: Some(tls), stop: stop.clone() };
        for listener in listeners {
            let (services, surroundings, protocol) = (Arc::clone(&services), surroundings.clone(), listener.protocol());
            drop(tokio::spawn(listener.accept(permits.clone(), stop.clone(), move |stream, peer, permit| {
                let client = (stream, peer, permit);
                drop(tokio::spawn(dispatch::serve(protocol, client, surroundings.clone(), Arc::clone(&services))));
            })));
        }
        drop(tokio::spawn(control::serve(control, stop.clone(), {
            let operator = Arc::clone(&operator);
            move |request| {
                let operator = Arc::clone(&operator);
                async move { operator.answer(request).await }
            }
        })));
        drop(tokio::spawn(keep_certificate(Arc::clone(&certificate), clock, stop.clone())));

        // Only now that nothing can go wrong any more: the password is shown once. Hashing it keeps no listener waiting.
        let first = match self.makes_account {
            false => None,
            true => {
                let (accounts, host_name) = (self.accounts.clone(), self.config.host_name.clone());
                let making = tokio::task::spawn_blocking(move || first_account(&accounts, &host_name));
                making.await.map_err(|error| Failure::Failed(error.to_string()))??
            }
        };
        let accounts = self.accounts.clone();
        let administrator = services.store.read(move |_| accounts.administrator()).await?;
        announce(&Banner {
            data: &self.data,
            authority: certificate.authority_file(),
            first: first.as_ref(),
            address: administrator.as_ref().map(|account| account.address.as_str()),
            listeners: &operator.listeners,
        });
        drop(first);
        self.notifier.send(&[("READY", "1"), ("STATUS", "ready")]);
        let prober = Prober::start(store, self.accounts.clone())?;
        drop(tokio::spawn({
            let (operator, notifier, stop) = (Arc::clone(&operator), self.notifier.clone(), stop.clone());
            async move { health::watch(&operator.health, |depth| prober.ask(depth), &notifier, stop).await }
        }));
        drop(tokio::spawn({
            let (notifier, stop) = (self.notifier.clone(), stop.clone());
            async move { health::tell_of_mail(&notifier, stop).await }
        }));
        log::info!("ready after {} ms", self.started.elapsed().as_millis());
        let accounts = self.accounts.clone();
        drop(tokio::task::spawn_blocking(move || finish_removals(&accounts)));

        let mut stop = stop;
        tokio::select! {
            name = signals.stop() => log::info!("stopping: {name}"),
            () = stop.stopped() => log::info!("stopping"),
        }
        self.notifier.send(&[("STOPPING", "1"), ("STATUS", "stopping")]);
        operator.stopper.stop();
        let patience = Duration::from_secs(self.config.stop_seconds);
        tokio::select! {
            () = permits.drained() => {}
            () = tokio::time::sleep(patience) => log::warn!("{} connections are cut off", permits.held()),
            name = signals.stop() => {
                log::warn!("{name} again: ending at once");
                return Err(Failure::Failed("ended before all sessions had".to_owned()));
            }
        }
        // Nobody should find what is no longer true.
        let _ = std::fs::remove_file(self.data.join("ports"));
        control::remove(&self.data)?;
        Ok(())
    }
}

/// Listens on what was handed over, else where the configuration says; in both cases `--listen` goes before that. Says
/// everything that is in the way.
fn listeners(inherited: Inherited, options: &ServeOptions, config: &Config) -> Result<Vec<Listener>, Failure> {
    let wanted = match (&options.listen, &config.listen) {
        (given, _) if !given.is_empty() || !inherited.is_empty() => given.clone(),
        (_, configured) if !configured.is_empty() => configured.clone(),
        _ => ListenAddress::usual(process::is_root()),
    };
    let (mut listeners, mut errors) = (Vec::new(), Vec::new());
    for listener in inherited.listeners().into_iter().chain(wanted.into_iter().map(Listener::bind)) {
        match listener {
            Ok(listener) => listeners.push(listener),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(listeners) } else { Err(Failure::Failed(errors.join("\n"))) }
}

/// Prints the table and `ready`. That nobody reads it must not stop the server.
fn announce(banner: &Banner<'_>) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{banner}ready");
    let _ = out.flush();
}

/// Renews the certificate in time, and at once when the clock was set; reads it again at SIGHUP.
async fn keep_certificate(certificate: Arc<Certificate>, mut clock: ClockWatch, mut stop: StopSignal) {
    let mut hang_up = match signal(SignalKind::hangup()) {
        Ok(hang_up) => hang_up,
        Err(error) => return log::error!("SIGHUP: {error}"),
    };
    let mut checked = Instant::now();
    loop {
        tokio::select! {
            () = stop.stopped() => return,
            _ = hang_up.recv() => log::info!("SIGHUP: reading certificates again"),
            () = tokio::time::sleep(CLOCK_CHECK_INTERVAL) => {
                if clock.was_set(SystemTime::now(), Instant::now()) {
                    log::info!("the clock was set");
                } else if checked.elapsed() < CERTIFICATE_CHECK_INTERVAL {
                    continue;
                }
            }
        }
        checked = Instant::now();
        let certificate = Arc::clone(&certificate);
        match tokio::task::spawn_blocking(move || certificate.refresh(process::now())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::error!("the certificate stays as it is: {error}"),
            Err(error) => log::error!("the certificate stays as it is: {error}"),
        }
    }
}

/// Goes on with removals that the last run had not finished.
fn finish_removals(accounts: &Accounts) {
    match accounts.finish_removals() {
        Ok(0) => {}
        Ok(removals) => log::info!("finished {removals} removals of accounts"),
        Err(error) => log::error!("removals of accounts are not finished: {error}"),
    }
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for a signal that means stop.
    async fn stop(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
