//! TLS: certificates by name, the settings of the handshake, session tickets.
//!
//! [`TlsSpec`] is the content of `[tls]`. [`CertTable::load`] reads the files that it names,
//! generates development certificates where they are configured, and reports all problems together.
//! [`server_config`] builds the settings of new handshakes from a table. A reload loads a new table
//! and swaps in a new configuration; [`Tickets`] stay, so clients can still resume their sessions.
//!
//! ```text
//! TlsSpec ── load: pem · x509 · dev ─▶ CertTable ── server_config(+ Tickets) ─▶ Arc<ServerConfig>
//!   CertCache ── ServableCert ────────────────────▲
//! ```
//!
//! Ordered certificates come from a [`CertCache`]. Until one is issued, a placeholder may be used.
//! Clients do not trust a placeholder, so a host that has nothing else counts as unserved.

mod ca;
mod cert_cache;
mod certs;
mod chain;
pub mod challenges;
mod client;
mod client_auth;
mod client_problem;
mod date;
mod dev;
mod entry;
mod files;
mod info;
mod load;
pub mod look;
mod names;
mod pem;
mod placeholder;
mod problem;
mod servable;
mod settings;
mod shown;
mod suites;
#[cfg(test)]
mod tests;
mod tickets;
mod trust;
mod x509;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;

use crate::exposure::{NamedFile, Use};
use crate::host::HostName;

use client_auth::AskForCertificate;
use suites::provider;
use tickets::SessionKind;

pub use cert_cache::CertCache;
pub use certs::CertTable;
pub use client::{UpstreamFiles, accepts, client_config, upstream_config};
pub use client_auth::{
    BadCertificate, BadDn, CertFacts, ClientAuthSpec, ClientAuthority, ClientCertificate, Dn, San,
    SanPattern, SubjectPattern, Validity,
};
pub use client_problem::{ClientAuthNotice, ClientAuthProblem};
pub use date::Date;
pub use info::{CertInfo, HostCoverage, Origin};
pub use problem::{LoadError, Notice, OutOfDate, Problem, Warning};
pub use servable::{LeafFacts, ServableCert, leaf_facts};
pub use settings::{ChosenBy, ServerSettings};
pub use shown::{Asked, Shown};
pub use tickets::{TicketKeys, Tickets};
pub use trust::{Accepts, Distrust};

/// The ALPN protocols that clients can choose, the preferred one first.
const ALPN: [&[u8]; 3] = [b"h2", b"http/1.1", b"http/1.0"];

/// The content of `[tls]` with paths resolved; no file has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSpec {
    /// The oldest version that is accepted.
    pub min_version: MinVersion,
    /// Certificates on disk; the first is served to clients that send no server name.
    pub certificates: Vec<PairSpec>,
    /// Names that get a development certificate if no other certificate has them.
    pub self_signed: Vec<HostName>,
    /// Whether there is a TLS listener. Without one, there need be no certificate.
    pub is_used: bool,
    /// Whether clients that ask for an unknown name get the first certificate. Otherwise the
    /// handshake is rejected.
    pub default: bool,
    /// The folder of the development certificates.
    pub dev_folder: PathBuf,
    /// Certificates that are ordered from a CA; they are served from the [`CertCache`].
    pub ordered: Vec<OrderedSpec>,
    /// Whether a self-signed certificate is served for their hosts while no other certificate has
    /// their names.
    pub placeholder: bool,
    /// What certificates of clients are judged by; `None` if clients are not asked for any.
    pub client_auth: Option<ClientAuthSpec>,
}

impl TlsSpec {
    /// The files that it names.
    pub fn files(&self) -> Vec<NamedFile> {
        let pairs = self.certificates.iter().flat_map(|pair| {
            let key = |name| format!("{}.{name}", pair.config_key);
            [
                NamedFile::watched(key("cert"), &pair.cert, Use::CERTIFICATE),
                NamedFile::watched(key("key"), &pair.key, Use::KEY),
            ]
        });
        let development = development_keys(self);
        let development = development
            .iter()
            .map(|key| NamedFile::new("tls.self_signed", key, Use::KEY));
        let client_auth = self.client_auth.iter().flat_map(|spec| {
            let ca = NamedFile::watched("tls.client_ca", &spec.ca, Use::CA);
            let crl = spec.crl.iter();
            let crl = crl.map(|path| NamedFile::watched("tls.client_crl", path, Use::CRL));
            std::iter::once(ca).chain(crl)
        });
        pairs.chain(development).chain(client_auth).collect()
    }
}

/// A certificate that is ordered from a CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderedSpec {
    /// The hosts that it names.
    pub hosts: Vec<HostName>,
    /// Its key in the configuration, such as `acme.certificates[0]`.
    pub config_key: String,
}

/// A certificate chain and its key, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairSpec {
    /// The PEM file with the server's certificate and then its issuers.
    pub cert: PathBuf,
    /// The PEM file with the private key; may be the same file.
    pub key: PathBuf,
    /// Its key in the configuration, such as `tls.certificates[0]`; messages add `.cert` or `.key`.
    pub config_key: String,
}

/// The oldest TLS version that is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    Tls12,
    /// TLS 1.3 only.
    Tls13,
}

impl MinVersion {
    /// As written in `gateway.toml`.
    pub const NAMES: [(&'static str, Self); 2] = [("1.2", Self::Tls12), ("1.3", Self::Tls13)];
}

/// Whether loading may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// No (`ianitor check`): a missing development certificate is only reported.
    Read,
    /// Yes: missing development certificates are generated.
    Make,
}

/// The private key files of the development certificates and of their CA, whether they exist or
/// not.
pub fn development_keys(spec: &TlsSpec) -> Vec<PathBuf> {
    let hosts = spec
        .self_signed
        .iter()
        .map(|host| files::Pair::of_host(&spec.dev_folder, host));
    let ca = (!spec.self_signed.is_empty()).then(|| files::Pair::of_ca(&spec.dev_folder));
    ca.into_iter().chain(hosts).map(|pair| pair.key).collect()
}

/// The settings for new handshakes. There is no session store: a ticket carries its session, so a
/// client can resume on any worker and needs no memory while it is disconnected. `asks` has clients
/// asked for a certificate, which they need not have.
///
/// # Errors
/// If the TLS library rejects the settings.
pub fn server_config(
    spec: &TlsSpec,
    table: Arc<CertTable>,
    tickets: &Tickets,
    asks: Option<&Arc<ClientAuthority>>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let versions: &[_] = match spec.min_version {
        MinVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        MinVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(versions)?;
    let (builder, kind) = match asks {
        None => (builder.with_no_client_auth(), SessionKind::Plain),
        Some(authority) => {
            let verifier = Arc::new(AskForCertificate::new(authority));
            let builder = builder.with_client_cert_verifier(verifier);
            (builder, SessionKind::AsksForCertificate)
        }
    };
    let mut config = builder.with_cert_resolver(table);
    config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
    config.ticketer = tickets.producer(kind);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // Clients use one ticket; a second would cost a record and an encryption per handshake.
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}
