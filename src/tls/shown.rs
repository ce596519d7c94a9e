//! The certificate that a client was shown, kept with its connection: a reload may have put another
//! in its place, and which names the client knows us by is said by the one that it has seen.

use std::sync::Arc;

use rustls::server::ClientHello;
use rustls::{ServerConnection, SignatureScheme, SupportedCipherSuite};

use super::{CertInfo, CertTable};
use crate::host::HostName;

/// What a ClientHello says about which certificate it wants.
#[derive(Debug)]
pub struct Asked {
    pub(super) schemes: Vec<SignatureScheme>,
}

impl Asked {
    /// What this one says.
    pub fn of(hello: &ClientHello<'_>) -> Self {
        Self {
            schemes: hello.signature_schemes().to_vec(),
        }
    }
}

/// What the certificate of a connection is; not its key, which goes with the table.
#[derive(Clone, Debug)]
pub struct Shown(Arc<CertInfo>);

impl Shown {
    /// Whether it names the host.
    pub fn names_host(&self, host: &HostName) -> bool {
        self.0.names_host(host)
    }
}

impl CertTable {
    /// Which certificate a handshake that is over was made with. rustls does not say it, so it is
    /// chosen once more; what rustls had left out of the schemes, those that no suite of TLS 1.2
    /// goes with, is left out by the suite.
    pub fn shown(&self, asked: Asked, session: &ServerConnection) -> Option<Shown> {
        let mut schemes = asked.schemes;
        if let Some(SupportedCipherSuite::Tls12(suite)) = session.negotiated_cipher_suite() {
            schemes.retain(|scheme| suite.sign.contains(scheme));
        }
        self.choose(session.server_name(), &schemes)
            .map(|entry| Shown(Arc::clone(&entry.info)))
    }
}
