#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{ClientConfig, RootCertStore};
use std::os::unix::fs::PermissionsExt;

const NOW: i64 = 1_800_000_000;

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

fn days(number: i64) -> i64 {
    number * 86_400
}

fn open(folder: &Path, seconds: i64) -> Result<Certificate, CertificateError> {
    Certificate::open(folder, &Config::default(), "attic", at(seconds))
}

fn leaf(certificate: &Certificate) -> Vec<u8> {
    certificate.current().cert[0].to_vec()
}

/// Verifies the chain as a client does that trusts `ca.pem`.
fn is_trusted(certificate: &Certificate, name: &str, seconds: i64) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate.authority_file().unwrap()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let now = UnixTime::since_unix_epoch(core::time::Duration::from_secs(seconds.try_into().unwrap()));
    use rustls::client::danger::ServerCertVerifier;
    verifier.verify_server_cert(&certificate.current().cert[0], &[], &name, &[], now).map(drop)
}

#[test]
fn covers_the_host_and_this_machine_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = open(folder.path(), NOW).unwrap();
    for name in ["pillarbox.local", "localhost", "127.0.0.1", "::1", "attic", "attic.local"] {
        is_trusted(&certificate, name, NOW).unwrap();
    }
    assert!(is_trusted(&certificate, "example.org", NOW).is_err());
    assert!(is_trusted(&certificate, "localhost", NOW - days(2)).is_err());
    is_trusted(&certificate, "localhost", NOW + days(395)).unwrap();
    assert!(is_trusted(&certificate, "localhost", NOW + days(397)).is_err());
}

#[test]
fn keys_are_private_and_a_second_start_finds_everything() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), NOW).unwrap();
    for (file, mode) in [("ca.key", 0o600), ("server.key", 0o600), ("ca.pem", 0o644), ("server.pem", 0o644)] {
        let metadata = std::fs::metadata(folder.path().join("tls").join(file)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{file}");
    }
    let second = open(folder.path(), NOW + days(200)).unwrap();
    assert_eq!(leaf(&first), leaf(&second));
}

#[test]
fn is_renewed_when_a_third_of_its_life_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = open(folder.path(), NOW).unwrap();
    let (first, authority) = (leaf(&certificate), std::fs::read(folder.path().join("tls/ca.pem")).unwrap());
    certificate.refresh(at(NOW + days(263))).unwrap();
    assert_eq!(leaf(&certificate), first);
    certificate.refresh(at(NOW + days(265))).unwrap();
    assert_ne!(leaf(&certificate), first);
    // Clients go on trusting it: the authority is the same.
    assert_eq!(std::fs::read(folder.path().join("tls/ca.pem")).unwrap(), authority);
    is_trusted(&certificate, "localhost", NOW + days(600)).unwrap();
}

#[test]
fn is_made_again_for_another_name_and_for_a_clock_that_was_ahead() {
    let folder = tempfile::tempdir().unwrap();
    let first = leaf(&open(folder.path(), NOW).unwrap());
    let config = Config { host_name: "mail.example.org".to_owned(), ..Config::default() };
    let renamed = Certificate::open(folder.path(), &config, "attic", at(NOW)).unwrap();
    assert_ne!(leaf(&renamed), first);
    is_trusted(&renamed, "mail.example.org", NOW).unwrap();
    let earlier = Certificate::open(folder.path(), &config, "attic", at(NOW - days(30))).unwrap();
    is_trusted(&earlier, "localhost", NOW - days(30)).unwrap();
}

#[test]
fn a_board_without_a_clock_gets_an_authority_that_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = open(folder.path(), 7).unwrap();
    certificate.refresh(at(NOW)).unwrap();
    is_trusted(&certificate, "localhost", NOW).unwrap();
    is_trusted(&certificate, "localhost", NOW + days(300)).unwrap();
}

#[test]
fn a_clock_that_jumps_leaves_no_certificate_of_another_time() {
    let folder = tempfile::tempdir().unwrap();
    // 1970, as a board has it before the network tells the time: clients know better already.
    let certificate = open(folder.path(), 100).unwrap();
    let authority = std::fs::read(folder.path().join("tls/ca.pem")).unwrap();
    is_trusted(&certificate, "localhost", NOT_EARLIER + days(300)).unwrap();
    let first = leaf(&certificate);
    certificate.refresh(at(86_400)).unwrap();
    assert_eq!(leaf(&certificate), first, "a clock that is wrong makes no new certificate every day");
    let mut before = first;
    // Years ahead, back again, within the same life, and once around.
    for (now, is_renewed) in [
        (NOW, true),
        (NOW + days(3 * 365), true),
        (NOW + days(3 * 365 + 100), false),
        (NOW + days(10), true),
        (NOW + days(18 * 365), true),
        (100, true),
        (NOT_EARLIER + days(1), false),
    ] {
        certificate.refresh(at(now)).unwrap();
        is_trusted(&certificate, "localhost", now.max(NOT_EARLIER)).unwrap();
        assert_eq!(leaf(&certificate) != before, is_renewed, "{now}");
        before = leaf(&certificate);
    }
    // Whoever trusts the authority goes on doing so.
    assert_eq!(std::fs::read(folder.path().join("tls/ca.pem")).unwrap(), authority);
}

#[test]
fn a_power_cut_between_the_files_heals() {
    let folder = tempfile::tempdir().unwrap();
    let tls = folder.path().join("tls");
    for lost in ["server.pem", "server.key", "ca.pem"] {
        open(folder.path(), NOW).unwrap();
        std::fs::remove_file(tls.join(lost)).unwrap();
        let certificate = open(folder.path(), NOW).unwrap();
        std::fs::remove_file(tls.join("server.pem")).unwrap();
        certificate.refresh(at(NOW)).unwrap();
        is_trusted(&certificate, "localhost", NOW).unwrap();
    }
    // A key that is gone for good is not replaced behind the clients' backs.
    std::fs::remove_file(tls.join("ca.key")).unwrap();
    open(folder.path(), NOW).unwrap();
    let error = open(folder.path(), NOW + days(300)).unwrap_err().to_string();
    assert!(error.contains("ca.key") && error.contains("remove ca.pem"), "{error}");
}

#[test]
fn given_files_are_used_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let own = open(folder.path(), NOW).unwrap();
    let tls = folder.path().join("tls");
    let config = Config {
        tls_certificate: Some(tls.join("server.pem")),
        tls_key: Some(tls.join("server.key")),
        ..Config::default()
    };
    let given = Certificate::open(folder.path(), &config, "attic", at(NOW)).unwrap();
    assert_eq!(leaf(&given), leaf(&own));
    assert_eq!(given.authority_file(), None);
    own.refresh(at(NOW + days(300))).unwrap();
    given.refresh(at(NOW)).unwrap();
    assert_eq!(leaf(&given), leaf(&own));
    // A key that does not fit is refused, and the pair in use stays.
    std::fs::copy(tls.join("ca.key"), tls.join("server.key")).unwrap();
    let error = given.refresh(at(NOW)).unwrap_err().to_string();
    assert!(error.contains("server.key: not the key of"), "{error}");
    assert_eq!(leaf(&given), leaf(&own));
    let config = Config { tls_key: Some(tls.join("none")), ..config };
    let error = Certificate::open(folder.path(), &config, "attic", at(NOW)).unwrap_err().to_string();
    assert!(error.contains("none: "), "{error}");
}

#[test]
fn clients_shake_hands_with_tls_1_2_and_1_3() {
    let folder = tempfile::tempdir().unwrap();
    let now = OffsetDateTime::now_utc();
    let certificate = Arc::new(Certificate::open(folder.path(), &Config::default(), "attic", now).unwrap());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate.authority_file().unwrap()).unwrap()).unwrap();
    let server = crate::serve::tls::server_config(certificate).unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        let mut client =
            rustls::ClientConnection::new(Arc::new(client), ServerName::try_from("localhost").unwrap()).unwrap();
        let mut server = rustls::ServerConnection::new(Arc::clone(&server)).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            let mut wire = wire.as_slice();
            while !wire.is_empty() {
                server.read_tls(&mut wire).unwrap();
                server.process_new_packets().unwrap();
            }
            let mut wire = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            let mut wire = wire.as_slice();
            while !wire.is_empty() {
                client.read_tls(&mut wire).unwrap();
                client.process_new_packets().unwrap();
            }
        }
        let info = crate::serve::tls::describe(&server);
        assert_eq!(info.exporter.is_some(), info.version == "TLSv1.3");
    }
}
