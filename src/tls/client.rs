//! TLS towards upstream servers.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use super::pem::PemFile;
use super::problem::{LoadError, Problem};
use super::provider;

/// A client configuration that verifies servers with the CA certificates of a file, or with those
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
    let crypto = |error| failed(Problem::Client(error));
    let builder = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .map_err(crypto)?;
    let mut config = match ca_file {
        None => builder
            .with_platform_verifier()
            .map_err(crypto)?
            .with_no_client_auth(),
        Some(path) => builder
            .with_root_certificates(roots(path).map_err(failed)?)
            .with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn roots(path: &Path) -> Result<RootCertStore, Problem> {
    let mut roots = RootCertStore::empty();
    for certificate in PemFile::read(path)?.chain()? {
        roots.add(certificate).map_err(Problem::Client)?;
    }
    Ok(roots)
}
