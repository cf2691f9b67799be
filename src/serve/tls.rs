//! TLS as the server side offers it: RFC 8446 and RFC 5246, nothing older.

use super::connection::TlsInfo;
use rustls::crypto::ring;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::{CipherSuite, ProtocolVersion, ServerConfig, ServerConnection};
use std::sync::Arc;

/// How the server does TLS with the certificate that `certificate` has at the time of each handshake.
///
/// # Errors
/// Never in practice: the provider supports both versions.
pub fn server_config(certificate: Arc<dyn ResolvesServerCert>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    // Sessions of mail programs live long: nothing is kept for a quick resumption.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// What a finished handshake has agreed on.
#[must_use]
pub fn describe(session: &ServerConnection) -> TlsInfo {
    let is_1_3 = session.protocol_version() == Some(ProtocolVersion::TLSv1_3);
    let cipher = session.negotiated_cipher_suite().map_or("unknown", |suite| iana_name(suite.suite()));
    // RFC 9266 4.2: with TLS 1.2 it binds only under the extended master secret, which is not known here.
    let exporter = if is_1_3 {
        session.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[])).ok()
    } else {
        None
    };
    TlsInfo { version: if is_1_3 { "TLSv1.3" } else { "TLSv1.2" }, cipher, exporter }
}

/// RFC 8446 B.4 and RFC 5289: the names as registered.
fn iana_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or("unknown"),
    }
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
    use rustls::{ClientConfig, RootCertStore};
    use std::sync::LazyLock;

    static CERTIFIED: LazyLock<(CertificateDer<'static>, Vec<u8>)> = LazyLock::new(|| {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (cert.der().clone(), signing_key.serialize_der())
    });

    #[derive(Debug)]
    struct Fixed(Arc<rustls::sign::CertifiedKey>);

    impl ResolvesServerCert for Fixed {
        fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }

    /// A server that calls itself localhost.
    pub fn server_config() -> Arc<ServerConfig> {
        let (certificate, key) = &*CERTIFIED;
        let key = ring::sign::any_supported_type(&PrivatePkcs8KeyDer::from(key.clone()).into()).unwrap();
        let certified = rustls::sign::CertifiedKey::new(vec![certificate.clone()], key);
        super::server_config(Arc::new(Fixed(Arc::new(certified)))).unwrap()
    }

    /// A client that trusts it.
    pub fn client_config() -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CERTIFIED.0.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}
