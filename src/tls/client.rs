//! TLS towards upstream servers.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;

use super::pem::PemFile;
use super::problem::{LoadError, Problem};
use super::provider;
use super::trust::{Accepts, ServerTrust, Verifier};
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

/// The same for an upstream, whose servers may be known by their keys instead.
///
/// # Errors
/// As [`client_config`].
pub fn upstream_config(
    ca_file: Option<&Path>,
    pins: &[Pin],
    key: &str,
) -> Result<Arc<ClientConfig>, LoadError> {
    if pins.is_empty() {
        return client_config(ca_file, &format!("{key}.ca_file"));
    }
    config(ServerTrust::Pins(pins.to_vec())).map_err(|error| LoadError {
        key: format!("{key}.pin"),
        file: None,
        problem: Problem::Client(error),
    })
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
