//! The server of one conversation: a store in memory, accounts, and the drivers.

use pillarbox::account::{Accounts, Options as AccountOptions};
use pillarbox::mail::{Address, Domain, FlagSelection, InternalDate};
use pillarbox::mime::{Scanner, Summary};
use pillarbox::serve::imap::serve_imap;
use pillarbox::serve::{
    Config, Connection, Services, SmtpService, StopSignal, Stopper, Surroundings, serve_pop3, serve_smtp,
};
use pillarbox::store::{Delivery, Error, QuotaRule, Spool, Store, Target, Transaction, WorkingBuffer};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::any::Any;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use tokio::io::DuplexStream;

/// Every account's password.
const PASSWORD: &str = "secret";

/// What the far end of a connection speaks.
#[derive(Clone, Copy)]
enum Speaks {
    Smtp(SmtpService),
    Pop3,
    Imap,
}

fn speaks(name: &str) -> Result<Speaks, String> {
    match name {
        "smtp" | "relay" => Ok(Speaks::Smtp(SmtpService::Relay)),
        "submission" => Ok(Speaks::Smtp(SmtpService::Submission)),
        "lmtp" => Ok(Speaks::Smtp(SmtpService::Lmtp)),
        "pop3" => Ok(Speaks::Pop3),
        "imap" => Ok(Speaks::Imap),
        _ => Err(format!("no service is called {name}")),
    }
}

/// A server of its own.
pub struct World {
    services: Arc<Services>,
    store: Store,
    speaks: Speaks,
    peer: SocketAddr,
    /// Do connections begin with TLS?
    pub implicit_tls: bool,
    stop: (Stopper, StopSignal),
    /// What `@busy` has taken.
    taken: Vec<Box<dyn Any>>,
    server_tls: Arc<ServerConfig>,
    /// Trusts the server.
    pub client_tls: Arc<ClientConfig>,
}

impl World {
    /// With the domain example.org and the accounts ann and bob, of whom ann is the administrator.
    pub fn new(protocol: &str, config: &str) -> Result<Self, String> {
        let text = format!("host_name = \"mail.example.org\"\n{config}");
        let config = Config::parse(&text, Path::new("pillarbox.toml")).map_err(|error| error.to_string())?;
        let store = Store::open_in_memory().map_err(|error| error.to_string())?;
        let options = AccountOptions {
            recipient_delimiter: config.recipient_delimiter,
            legacy_logins: config.legacy_logins,
            ..AccountOptions::default()
        };
        let accounts = Accounts::new(store.clone(), options);
        let domain = Domain::parse("example.org").map_err(|error| format!("{error:?}"))?;
        accounts.add_domain(&domain).map_err(|error| error.to_string())?;
        let services = Services::new(store.clone(), accounts, Arc::new(config));
        let (server_tls, client_tls) = TLS.clone();
        let peer = SocketAddr::from(([192, 0, 2, 1], 40_000));
        let speaks = speaks(protocol)?;
        let (stop, taken) = (Stopper::new(), Vec::new());
        let world = Self { services, store, speaks, peer, implicit_tls: false, stop, taken, server_tls, client_tls };
        world.account("ann@example.org", None)?;
        world.account("bob@example.org", None)?;
        Ok(world)
    }

    /// What connections from here on speak.
    pub fn service(&mut self, name: &str) -> Result<(), String> {
        self.speaks = speaks(name)?;
        Ok(())
    }

    /// Where clients from here on are.
    pub fn peer(&mut self, address: &str) -> Result<(), String> {
        self.peer = SocketAddr::new(address.parse().map_err(|_| "no address")?, 40_000);
        Ok(())
    }

    /// One more account.
    pub fn account(&self, address: &str, quota: Option<u64>) -> Result<(), String> {
        let address = Address::parse(address).map_err(|error| format!("{error:?}"))?;
        self.services.accounts.add_account(&address, PASSWORD, quota).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// One more alias.
    pub fn alias(&self, alias: &str, targets: &[String]) -> Result<(), String> {
        let read = |text: &str| Address::parse(text).map_err(|error| format!("{error:?}"));
        let targets: Vec<Address> = targets.iter().map(|text| read(text)).collect::<Result<_, _>>()?;
        self.services.accounts.add_alias(&read(alias)?, &targets).map_err(|error| error.to_string())
    }

    /// A new connection's far end; the server is at the other.
    pub fn connect(&self) -> DuplexStream {
        let surroundings = Surroundings { tls: Some(Arc::clone(&self.server_tls)), stop: self.stop.1.clone() };
        let (mut connection, far) = Connection::in_memory_with(self.peer, surroundings);
        let (services, speaks, implicit_tls) = (Arc::clone(&self.services), self.speaks, self.implicit_tls);
        tokio::spawn(async move {
            if implicit_tls && connection.start_tls().await.is_err() {
                return;
            }
            match speaks {
                Speaks::Smtp(service) => serve_smtp(connection, services, service).await,
                Speaks::Pop3 => serve_pop3(connection, services).await,
                Speaks::Imap => serve_imap(connection, services).await,
            }
        });
        far
    }

    /// Takes all there are.
    pub fn busy(&mut self, what: &str) -> Result<(), String> {
        let services = Arc::clone(&self.services);
        match what {
            "transactions" => {
                while let Ok(permit) = Arc::clone(&services.transactions).try_acquire_owned() {
                    self.taken.push(Box::new(permit));
                }
            }
            "buffers" => {
                while let Some(buffer) = services.buffers.try_lease() {
                    self.taken.push(Box::new(buffer));
                }
            }
            "transactions-from-there" => {
                while let Ok(permit) = services.transaction_shares.acquire(self.peer.ip()) {
                    self.taken.push(Box::new(permit));
                }
            }
            "buffers-from-there" => {
                while let Ok(permit) = services.buffer_shares.acquire(self.peer.ip()) {
                    self.taken.push(Box::new(permit));
                }
            }
            _ => return Err(format!("{what} cannot be taken")),
        }
        Ok(())
    }

    /// Gives everything back.
    pub fn idle(&mut self) {
        self.taken.clear();
    }

    /// Tells the server to stop.
    pub fn stop(&self) {
        self.stop.0.stop();
    }

    /// What logs `user` in, and what the client hears then.
    pub fn login(&self, user: &str) -> (String, String) {
        use base64::Engine;
        let secret = format!("\0{user}@example.org\0{PASSWORD}");
        let secret = base64::engine::general_purpose::STANDARD.encode(secret);
        match self.speaks {
            Speaks::Smtp(_) => (format!("AUTH PLAIN {secret}\r\n"), "235 2.7.0 ...".to_owned()),
            Speaks::Pop3 => (format!("AUTH PLAIN {secret}\r\n"), "+OK ...".to_owned()),
            Speaks::Imap => {
                (format!("login AUTHENTICATE PLAIN {secret}\r\n"), "login OK [CAPABILITY ...] Logged in".to_owned())
            }
        }
    }

    /// Puts a message of `tests/messages` into an inbox.
    pub fn deliver(&self, address: &str, file: &str) -> Result<(), String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages").join(file);
        let message = std::fs::read(path).map_err(|error| format!("{file}: {error}"))?;
        let account = self.services.accounts.account(address).map_err(|e| e.to_string())?.ok_or("no such account")?;
        let inbox = self.store.mailbox(account.owner, "INBOX").map_err(|e| e.to_string())?.ok_or("no inbox")?;
        let mut spool = Spool::new(WorkingBuffer::unpooled(), u64::MAX);
        // Messages there are small: they fit one chunk.
        spool.push(&message).map_err(|error| error.to_string())?;
        let mut scanner = Scanner::new();
        scanner.push(&message);
        let target = Target {
            mailbox: inbox.id,
            flags: FlagSelection::default(),
            internal_date: InternalDate::utc(0),
            quota: QuotaRule::Promised,
        };
        let summary = scanner.finish().encode().ok_or("no summary")?;
        let delivery = Transaction::Deliver(Delivery { spool, summary, targets: vec![target] });
        self.store.commit(delivery).map(|_| ()).map_err(|error| error.to_string())
    }

    /// How many messages an inbox has, and the newest.
    pub fn inbox(&self, address: &str) -> Result<(u32, Vec<u8>), String> {
        let account = self.services.accounts.account(address).map_err(|e| e.to_string())?.ok_or("no such account")?;
        let newest = |store: &Store| -> Result<(u32, Vec<u8>), Error> {
            let inbox = store.mailbox(account.owner, "INBOX")?.ok_or(Error::NoSuchMailbox)?;
            let mut view = store.open_view(inbox.id)?;
            let rows = store.messages_by_sequence(&mut view, inbox.messages..=inbox.messages, 1)?;
            let Some((_, row)) = rows.first() else { return Ok((inbox.messages, Vec::new())) };
            let mut body = store.open_blob(row.blob)?;
            let mut message = vec![0; usize::try_from(body.octets()).unwrap_or(0)];
            let read = body.read_at(0, &mut message)?;
            assert_eq!((read, row.octets), (message.len(), body.octets()));
            // What mail programs are told of it: it must be there for every message.
            assert!(Summary::decode(&store.summary(row.blob)?).is_some());
            Ok((inbox.messages, message))
        };
        newest(&self.store).map_err(|error| error.to_string())
    }
}

/// A server that calls itself localhost, and a client that trusts it.
static TLS: LazyLock<(Arc<ServerConfig>, Arc<ClientConfig>)> = LazyLock::new(|| {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
    let certificate: CertificateDer<'static> = cert.der().clone();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], PrivatePkcs8KeyDer::from(signing_key.serialize_der()).into())
        .expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a root");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
});
