//! Answers what the command line asks of a running server.

use super::control::{Failed, Request, Response};
use super::failure::Failure;
use super::health::Health;
use super::permit::Permits;
use super::protocol::Protocol;
use super::sandbox::Sandbox;
use super::services::Services;
use super::stop::Stopper;
use crate::account::command::execute;
use crate::notify::Notifier;
use crate::status::{COUNTERS, LogRing, Report, Value, allocator};
use crate::store;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Everything that an answer may need.
#[derive(Debug)]
pub struct Operator {
    /// What drivers share.
    pub services: Arc<Services>,
    /// The last lines of the log.
    pub log: LogRing,
    /// Stops the server.
    pub stopper: Stopper,
    /// Connections.
    pub permits: Permits,
    /// Where the server listens.
    pub listeners: Vec<(Protocol, SocketAddr)>,
    /// The data directory.
    pub data: PathBuf,
    /// Places of the store that were found damaged when it was opened.
    pub damage: u64,
    /// When the server started.
    pub started: Instant,
    /// What the process has taken away from itself.
    pub sandbox: Sandbox,
    /// What the probes have found.
    pub health: Health,
    /// PID 1 of the appliance, if that is what this runs on.
    pub appliance: Option<Notifier>,
}

impl Operator {
    /// Does what is asked.
    pub async fn answer(&self, request: Request) -> Response {
        match request {
            Request::Ping => Response::Done,
            Request::Command(command) => {
                log::info!("control: {command:?}");
                let accounts = self.services.accounts.clone();
                // Not one of the reads that mail programs wait for: a password hash or a removal takes its time.
                let done = tokio::task::spawn_blocking(move || execute(&accounts, command)).await;
                match done {
                    Ok(Ok(answer)) => Response::Answer(answer),
                    Ok(Err(error)) => failed(error.into()),
                    Err(error) => failed(Failure::Failed(format!("the command broke off: {error}"))),
                }
            }
            Request::Status => Response::Report(self.report()),
            Request::Log { lines } => Response::Lines(self.log.last(usize::try_from(lines).unwrap_or(usize::MAX))),
            Request::Stop => {
                log::info!("control: stop");
                self.stopper.stop();
                Response::Done
            }
            Request::Checkpoint => match self.services.store.read(store::Store::checkpoint).await {
                Ok(()) => Response::Done,
                Err(error) => failed(error.into()),
            },
            Request::Reboot => self.ask_pid_1("reboot"),
            Request::PowerOff => self.ask_pid_1("poweroff"),
        }
    }

    /// The machine is PID 1's: it stops its children in order, this one as well, and then does as asked.
    fn ask_pid_1(&self, request: &str) -> Response {
        let Some(pid_1) = &self.appliance else {
            let message =
                format!("this is no Pillarbox appliance: use this machine's own tools, such as `systemctl {request}`");
            return failed(Failure::Failed(message));
        };
        log::info!("control: {request}");
        match pid_1.request(&[("X_PILLARBOX_REQUEST", request)]) {
            Ok(()) => Response::Done,
            Err(error) => failed(Failure::Failed(format!("PID 1 does not take requests now ({error}): try again"))),
        }
    }

    /// How the server is.
    #[must_use]
    pub fn report(&self) -> Report {
        let mut report = Report::default();
        let config = &self.services.config;
        let text = |text: &dyn ToString| Value::Text(text.to_string());
        let number = |number: usize| Value::Number(u64::try_from(number).unwrap_or(u64::MAX));
        let octets = |octets: usize| Value::Octets(u64::try_from(octets).unwrap_or(u64::MAX));
        report.add(
            "server",
            [
                ("version", text(&env!("CARGO_PKG_VERSION"))),
                ("process", Value::Number(std::process::id().into())),
                ("up_time", Value::Seconds(self.started.elapsed().as_secs())),
                ("host_name", text(&config.host_name)),
                ("data", text(&self.data.display())),
            ],
        );
        report.add("health", self.health.entries());
        report.add("listeners", self.listeners.iter().map(|(protocol, address)| (protocol.name(), text(address))));
        let (resident, resident_peak) = allocator::resident_octets().unwrap_or_default();
        report.add(
            "memory",
            [
                ("allocated", octets(allocator::current_octets())),
                ("allocated_peak", octets(allocator::peak_octets())),
                ("resident", Value::Octets(resident)),
                ("resident_peak", Value::Octets(resident_peak)),
                ("ceiling", octets(config.memory_ceiling_mib.saturating_mul(1 << 20))),
                ("working_buffers_out", number(self.services.buffers.leased())),
            ],
        );
        report.add(
            "connections",
            [("open", number(self.permits.held())), ("open_max", number(self.permits.total_max()))],
        );
        report.add(
            "counters",
            COUNTERS.entries().map(|(name, value)| {
                (name, if name.starts_with("octets_") { Value::Octets(value) } else { Value::Number(value) })
            }),
        );
        report.add("sandbox", self.sandbox.entries());
        report.add("store", store_entries(&self.services.store.store().figures(), self.damage));
        report
    }
}

fn store_entries(figures: &store::Figures, damage: u64) -> Vec<(&'static str, Value)> {
    vec![
        ("log", Value::Octets(figures.log_octets)),
        ("free", Value::Octets(figures.free_octets)),
        ("read_only", Value::Flag(figures.read_only)),
        ("damaged_places", Value::Number(damage)),
        ("transactions", Value::Number(figures.transactions)),
        ("refused", Value::Number(figures.refused)),
        ("batches", Value::Number(figures.batches)),
        ("syncs", Value::Number(figures.syncs)),
        ("spilled", Value::Number(figures.spilled)),
        ("segments", Value::Number(figures.segments)),
        ("spares", Value::Number(figures.spares)),
        ("prewritten", Value::Octets(figures.prewritten_octets)),
        ("checkpoints", Value::Number(figures.checkpoints)),
        ("replayed_batches", Value::Number(figures.replayed_batches)),
        ("waiting", Value::Number(figures.waiting)),
    ]
}

fn failed(failure: Failure) -> Response {
    Response::Failed(Failed { code: failure.code(), message: failure.to_string() })
}
