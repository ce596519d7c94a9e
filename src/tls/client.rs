//! TLS towards upstream servers.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::sign::SingleCertAndKey;

use super::load;
use super::pem::PemFile;
use super::problem::{LoadError, Problem};
use super::trust::{Accepts, ServerTrust, Verifier};
use super::{PairSpec, provider};
use crate::pin::Pin;

/// A client configuration that verifies servers with the certificates of a file, or with the CAs
/// that the system trusts. `key` is the configuration key of the file, for messages.
///
/// # Errors
/// If the file or the system's trust store cannot be used.
pub fn client_config(ca_file: Option<&Path>, key: &str) -> Result<Arc<ClientConfig>, LoadError> {
    let failed = |problem| LoadError {
        key: key.to_owned(),
        file: ca_file.map(Path::to_owned),
        problem,
    };
    let trust = match ca_file {
        None => ServerTrust::system().map_err(|error| failed(Problem::Client(error)))?,
        Some(path) => ServerTrust::file(path.to_owned()).map_err(failed)?,
    };
    config(trust).map_err(|error| failed(Problem::Client(error)))
}

/// How the servers of an upstream are verified, and what they are shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpstreamFiles<'f> {
    /// The certificates that are trusted instead of the system's CAs.
    pub ca_file: Option<&'f Path>,
    /// The keys that are trusted instead; none if empty.
    pub pins: &'f [Pin],
    /// The certificate that servers are shown if they ask for one, and its key.
    pub client_cert: Option<(&'f Path, &'f Path)>,
}

/// The same for an upstream, whose servers may be known by their keys instead, and may be shown a
/// certificate. `key` is that of the upstream, such as `upstreams.app`.
///
/// # Errors
/// As [`client_config`]; and if the certificate cannot be shown.
pub fn upstream_config(
    files: UpstreamFiles<'_>,
    key: &str,
) -> Result<Arc<ClientConfig>, LoadError> {
    let trusted = match files.pins {
        [] => client_config(files.ca_file, &format!("{key}.ca_file"))?,
        pins => config(ServerTrust::Pins(pins.to_vec())).map_err(|error| LoadError {
            key: format!("{key}.pin"),
            file: None,
            problem: Problem::Client(error),
        })?,
    };
    let Some((cert, private)) = files.client_cert else {
        return Ok(trusted);
    };
    let shown = load::certified(&PairSpec {
        cert: cert.to_owned(),
        key: private.to_owned(),
        config_key: format!("{key}.client_cert"),
    })?;
    let mut config = ClientConfig::clone(&trusted);
    config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(shown));
    Ok(Arc::new(config))
}

fn config(trust: ServerTrust) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::new(trust)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Which servers a file of certificates accepts; `None` if it cannot be read.
pub fn accepts(ca_file: &Path) -> Option<Accepts> {
    let certs = PemFile::read(ca_file).ok()?.chain().ok()?;
    Some(Accepts::of(&certs))
}
