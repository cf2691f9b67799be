//! IMAP conversations: see `conversations.rs` for how they are written. `tests/conversations/imap/*.txt`.

#[path = "conversations/runner.rs"]
mod runner;
#[allow(dead_code)]
#[path = "conversations/script.rs"]
mod script;

/// The server of one conversation: a store in memory, accounts, and the driver.
mod world {
    use pillarbox::account::{Accounts, Options as AccountOptions};
    use pillarbox::mail::{Address, Domain};
    use pillarbox::serve::imap::serve_imap;
    use pillarbox::serve::{Config, Connection, Services, StopSignal, Surroundings};
    use pillarbox::store::Store;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
    use rustls::{ClientConfig, RootCertStore, ServerConfig};
    use std::net::SocketAddr;
    use std::path::Path;
    use std::sync::{Arc, LazyLock};
    use tokio::io::DuplexStream;

    const PASSWORD: &str = "secret";

    pub struct World {
        services: Arc<Services>,
        peer: SocketAddr,
        pub implicit_tls: bool,
        server_tls: Arc<ServerConfig>,
        pub client_tls: Arc<ClientConfig>,
    }

    impl World {
        pub fn new(_protocol: &str, config: &str) -> Result<Self, String> {
            let text = format!("host_name = \"mail.example.org\"\n{config}");
            let config = Config::parse(&text, Path::new("pillarbox.toml")).map_err(|error| error.to_string())?;
            let store = Store::open_in_memory().map_err(|error| error.to_string())?;
            let accounts = Accounts::new(store.clone(), AccountOptions::default());
            let domain = Domain::parse("example.org").map_err(|error| format!("{error:?}"))?;
            accounts.add_domain(&domain).map_err(|error| error.to_string())?;
            let services = Services::new(store, accounts, Arc::new(config));
            let (server_tls, client_tls) = TLS.clone();
            let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
            let world = Self { services, peer, implicit_tls: false, server_tls, client_tls };
            world.account("ann@example.org", None)?;
            world.account("bob@example.org", None)?;
            Ok(world)
        }

        pub fn service(&mut self, _name: &str) -> Result<(), String> {
            Ok(())
        }

        pub fn peer(&mut self, address: &str) -> Result<(), String> {
            self.peer = SocketAddr::new(address.parse().map_err(|_| "no address")?, 40_000);
            Ok(())
        }

        pub fn account(&self, address: &str, quota: Option<u64>) -> Result<(), String> {
            let address = Address::parse(address).map_err(|error| format!("{error:?}"))?;
            self.services.accounts.add_account(&address, PASSWORD, quota).map_err(|error| error.to_string())?;
            Ok(())
        }

        pub fn alias(&self, _alias: &str, _targets: &[String]) -> Result<(), String> {
            Err("no aliases here".to_owned())
        }

        pub fn connect(&self) -> DuplexStream {
            let surroundings = Surroundings { tls: Some(Arc::clone(&self.server_tls)), stop: StopSignal::never() };
            let (mut connection, far) = Connection::in_memory_with(self.peer, surroundings);
            let (services, implicit_tls) = (Arc::clone(&self.services), self.implicit_tls);
            tokio::spawn(async move {
                if implicit_tls && connection.start_tls().await.is_err() {
                    return;
                }
                serve_imap(connection, services).await;
            });
            far
        }

        pub fn login(&self, user: &str) -> (String, String) {
            (format!("login LOGIN {user}@example.org {PASSWORD}\r\n"), "login OK [CAPABILITY ...] Logged in".to_owned())
        }

        pub fn inbox(&self, _address: &str) -> Result<(u32, Vec<u8>), String> {
            Err("read it over IMAP".to_owned())
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
}

use runner::hold;
use std::path::Path;

#[test]
fn imap_conversations() {
    let wanted = std::env::var("CONVERSATION").unwrap_or_default();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conversations/imap");
    let mut files: Vec<_> = std::fs::read_dir(root).expect("conversations").flatten().map(|file| file.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.retain(|file| file.to_string_lossy().contains(&wanted));
    files.sort();
    let mut failures = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a conversation");
        for octets_at_once in [usize::MAX, 1] {
            if octets_at_once == 1 && (text.contains("\n@big") || text.contains("\n@repeat")) {
                continue;
            }
            if let Err(error) = hold("imap", &text, octets_at_once) {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                failures.push(format!("{name}:{error}"));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}
