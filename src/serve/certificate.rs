//! The server's certificate: made by our own certificate authority, or given by the administrator.
//!
//! Owns the files in `tls/` of the data directory and the key in use, which every handshake reads and a renewal swaps.
//! The authority lasts 20 years, so that clients need to trust it once; the server's certificate 397 days, which is as
//! long as clients accept, and it is renewed when a third of that is left, or when it is not good at all because the
//! clock has jumped. Time is given by the caller.

use super::config::Config;
use super::files::{PRIVATE, PUBLIC, create_directory, write_whole};
use core::fmt;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rcgen::{KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType};
use ring::digest;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use time::{Duration, OffsetDateTime};

/// Seconds of a server certificate's life.
const LIFE: Duration = Duration::days(397);
/// What is left of it when it is renewed.
const RENEW_BEFORE: Duration = Duration::days(132);
/// Clients whose clocks are behind accept a new certificate as well.
const BACKDATED: Duration = Duration::days(1);
/// No server certificate begins before its authority, whatever the clocks.
const AUTHORITY_BACKDATED: Duration = Duration::days(366);
/// The authority's life.
const AUTHORITY_LIFE: Duration = Duration::days(20 * 365 + 5);
/// 2026-01-01: no clock that shows less is right. A board without a clock starts in 1970; what it makes then is made for
/// this time, so that it is good for clients that know better, and for the board when it does.
const NOT_EARLIER: i64 = 1_767_225_600;

/// Why there is no certificate.
#[derive(Debug)]
pub struct CertificateError(String);

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for CertificateError {}

/// Says which file and why.
fn about(path: &Path) -> impl Fn(&dyn fmt::Display) -> CertificateError {
    move |cause| CertificateError(format!("{}: {cause}", path.display()))
}

/// Where certificate and key are.
#[derive(Clone, Debug)]
enum Source {
    /// Our own authority, in this directory, for these names.
    Own { folder: PathBuf, names: Vec<String> },
    /// Files that the administrator keeps.
    Given { certificate: PathBuf, key: PathBuf },
}

/// The certificate in use.
#[derive(Debug)]
pub struct Certificate {
    source: Source,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Finds the certificate, or makes one, and its authority, in `tls/` of the data directory.
    ///
    /// # Errors
    /// [`CertificateError`] if a file cannot be read or written, or is not what it should be.
    pub fn open(data: &Path, config: &Config, machine: &str, now: OffsetDateTime) -> Result<Self, CertificateError> {
        let source = match (&config.tls_certificate, &config.tls_key) {
            (Some(certificate), Some(key)) => Source::Given { certificate: certificate.clone(), key: key.clone() },
            _ => Source::Own { folder: data.join("tls"), names: names(&config.host_name, machine) },
        };
        let current = RwLock::new(Arc::new(source.load(now)?));
        Ok(Self { source, current })
    }

    /// Renews the certificate if it is time, or reads the given files again. Handshakes from now on use the result.
    ///
    /// # Errors
    /// [`CertificateError`] as for [`Certificate::open`]; the old certificate stays in use.
    pub fn refresh(&self, now: OffsetDateTime) -> Result<(), CertificateError> {
        let fresh = Arc::new(self.source.load(now)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// What clients can trust: our own authority's certificate.
    #[must_use]
    pub fn authority_file(&self) -> Option<PathBuf> {
        match &self.source {
            Source::Own { folder, .. } => Some(folder.join("ca.pem")),
            Source::Given { .. } => None,
        }
    }

    /// The end-entity certificate in use.
    #[must_use]
    pub fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Whatever name the client asks for: there is one server here.
        Some(self.current())
    }
}

impl Source {
    fn load(&self, now: OffsetDateTime) -> Result<CertifiedKey, CertificateError> {
        let now = now.max(OffsetDateTime::from_unix_timestamp(NOT_EARLIER).unwrap_or(now));
        match self {
            Self::Given { certificate, key } => read_pair(certificate, key),
            Self::Own { folder, names } => {
                let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
                create_directory(folder).map_err(|error| CertificateError(error.to_string()))?;
                let note = Note::read(&certificate);
                if note.is_some_and(|note| note.is_good(names, now)) && key.exists() {
                    return read_pair(&certificate, &key);
                }
                let authority = authority(folder, now)?;
                issue(&authority, names, now, &certificate, &key)?;
                read_pair(&certificate, &key)
            }
        }
    }
}

/// The names that the server's certificate covers, each once.
fn names(host_name: &str, machine: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let machine_local = format!("{machine}.local");
    for name in [host_name, machine, &machine_local, "localhost", "127.0.0.1", "::1"] {
        let name = name.to_ascii_lowercase();
        let is_name = rustls::pki_types::ServerName::try_from(name.as_str()).is_ok();
        if is_name && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// What a certificate file says of itself before the PEM block (RFC 7468 2 allows it): so that it need not be parsed.
#[derive(Debug, PartialEq, Eq)]
struct Note {
    names: Vec<String>,
    not_before: i64,
    not_after: i64,
}

impl Note {
    fn read(path: &Path) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(path).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        Some(Self {
            names: value("Names:")?.split(", ").map(str::to_owned).collect(),
            not_before: value("Not before:")?.split(' ').next()?.parse().ok()?,
            not_after: value("Not after:")?.split(' ').next()?.parse().ok()?,
        })
    }

    fn write(&self) -> String {
        let date = |unix: i64| crate::mail::InternalDate::utc(unix).rfc5322().to_string();
        format!(
            "Pillarbox renews this certificate by itself; clients can trust ca.pem beside it.\n\
             Names: {}\nNot before: {} ({})\nNot after: {} ({})\n",
            self.names.join(", "),
            self.not_before,
            date(self.not_before),
            self.not_after,
            date(self.not_after),
        )
    }

    /// Right names, begun, and more than [`RENEW_BEFORE`] of its life left.
    fn is_good(&self, names: &[String], now: OffsetDateTime) -> bool {
        let now = now.unix_timestamp();
        let renew_at = self.not_after.saturating_sub(RENEW_BEFORE.whole_seconds());
        self.names == names && (self.not_before..renew_at).contains(&now)
    }
}

/// The authority in `folder`, made if neither its key nor its certificate is there.
fn authority(folder: &Path, now: OffsetDateTime) -> Result<Issuer<'static, KeyPair>, CertificateError> {
    let (certificate_path, key_path) = (folder.join("ca.pem"), folder.join("ca.key"));
    let key = match std::fs::read_to_string(&key_path) {
        Ok(pem) => KeyPair::from_pem(&pem).map_err(|error| about(&key_path)(&error))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !certificate_path.exists() => {
            let key = new_key()?;
            write(&key_path, &key.serialize_pem(), PRIVATE)?;
            key
        }
        Err(error) => {
            let message =
                format!("{error}; clients trust ca.pem, which was made with this key: put it back, or remove ca.pem");
            return Err(about(&key_path)(&message));
        }
    };
    let params = authority_params(&key, now);
    if !certificate_path.exists() {
        let certificate = params.self_signed(&key).map_err(|error| about(&certificate_path)(&error))?;
        write(&certificate_path, &certificate.pem(), PUBLIC)?;
    }
    Ok(Issuer::new(params, key))
}

/// All that an authority's certificate says. Its name comes from its key, so that it is the same whenever it is needed
/// and two authorities are never mistaken for each other.
fn authority_params(key: &KeyPair, now: OffsetDateTime) -> CertificateParams {
    let fingerprint = digest::digest(&digest::SHA256, key.public_key_raw());
    let short: String = fingerprint.as_ref().iter().take(4).map(|octet| format!("{octet:02x}")).collect();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Pillarbox");
    params.distinguished_name.push(DnType::CommonName, format!("Pillarbox authority {short}"));
    // It signs server certificates and no other authorities.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let earliest = OffsetDateTime::from_unix_timestamp(NOT_EARLIER).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    params.not_before = earliest.saturating_sub(AUTHORITY_BACKDATED);
    params.not_after = now.max(earliest).saturating_add(AUTHORITY_LIFE);
    params
}

/// Makes a server certificate and its key, and writes both.
fn issue(
    authority: &Issuer<'static, KeyPair>,
    names: &[String],
    now: OffsetDateTime,
    certificate_path: &Path,
    key_path: &Path,
) -> Result<(), CertificateError> {
    let failed = |error: rcgen::Error| about(certificate_path)(&error);
    let key = new_key()?;
    let mut params = CertificateParams::default();
    for name in names {
        params.subject_alt_names.push(match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.as_str().try_into().map_err(failed)?),
        });
    }
    params.distinguished_name = rcgen::DistinguishedName::new();
    // X.520: a common name has 64 characters at most; clients look at the alternative names.
    let common_name = names.first().filter(|name| name.len() <= 64).map_or("Pillarbox", String::as_str);
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = now.saturating_sub(BACKDATED);
    params.not_after = params.not_before.saturating_add(LIFE);
    let certificate = params.signed_by(&key, authority).map_err(failed)?;
    let note = Note {
        names: names.to_vec(),
        not_before: params.not_before.unix_timestamp(),
        not_after: params.not_after.unix_timestamp(),
    };
    // A cut between the two leaves a key that does not fit: the missing note has both made again.
    match std::fs::remove_file(certificate_path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(about(certificate_path)(&error)),
        Ok(()) | Err(_) => {}
    }
    write(key_path, &key.serialize_pem(), PRIVATE)?;
    write(certificate_path, &format!("{}{}", note.write(), certificate.pem()), PUBLIC)?;
    log::info!("made a certificate for {} that is good until {}", names.join(", "), params.not_after.date());
    Ok(())
}

fn new_key() -> Result<KeyPair, CertificateError> {
    // P-256: every client can, and it takes no time to make.
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| CertificateError(format!("no new key: {error}")))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), CertificateError> {
    write_whole(path, text.as_bytes(), mode).map_err(|error| CertificateError(error.to_string()))
}

/// Reads a chain and its key, and sees that they belong together.
fn read_pair(certificate_path: &Path, key_path: &Path) -> Result<CertifiedKey, CertificateError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate_path)
        .and_then(Iterator::collect)
        .map_err(|error| about(certificate_path)(&error))?;
    if chain.is_empty() {
        return Err(about(certificate_path)(&"no certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_file(key_path).map_err(|error| about(key_path)(&error))?;
    let key = any_supported_type(&key).map_err(|error| about(key_path)(&error))?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(|_| about(key_path)(&format!("not the key of {}", certificate_path.display())))?;
    Ok(certified)
}

#[cfg(test)]
mod tests;
