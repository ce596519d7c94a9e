//! The certificate that was presented to a client, kept with its connection. A reload may replace
//! the certificate in the table, but the client only knows the names of the one that it has seen.

use std::sync::Arc;

use rustls::server::ClientHello;
use rustls::{ServerConnection, SignatureScheme, SupportedCipherSuite};

use super::{CertInfo, CertTable, ChosenBy};
use crate::host::HostName;

/// The parts of a ClientHello that decide which certificate is presented.
#[derive(Debug)]
pub struct Asked {
    pub(super) schemes: Vec<SignatureScheme>,
    pub(super) chosen: ChosenBy,
}

impl Asked {
    /// Copies them from a ClientHello.
    pub fn of(hello: &ClientHello<'_>, chosen: ChosenBy) -> Self {
        Self {
            chosen,
            schemes: hello.signature_schemes().to_vec(),
        }
    }
}

/// The certificate that was presented on a connection, without its key.
#[derive(Clone, Debug)]
pub struct Shown(Arc<CertInfo>);

impl Shown {
    /// Whether it names the host.
    pub fn names_host(&self, host: &HostName) -> bool {
        self.0.names_host(host)
    }
}

impl CertTable {
    /// The certificate that a completed handshake presented. rustls does not report it, so it is
    /// chosen again from the same input. For TLS 1.2, rustls passes only the signature schemes that
    /// fit a cipher suite to the choice; the negotiated suite gives the same result here.
    pub fn shown(&self, asked: Asked, session: &ServerConnection) -> Option<Shown> {
        let mut schemes = asked.schemes;
        if let Some(SupportedCipherSuite::Tls12(suite)) = session.negotiated_cipher_suite() {
            schemes.retain(|scheme| suite.sign.contains(scheme));
        }
        let address = match asked.chosen {
            ChosenBy::Address(ip) => Some(HostName::from(ip)),
            ChosenBy::ServerName | ChosenBy::Nothing => None,
        };
        let name = match asked.chosen {
            ChosenBy::ServerName => session.server_name(),
            ChosenBy::Address(_) | ChosenBy::Nothing => address.as_ref().map(HostName::as_str),
        };
        self.choose(name, &schemes)
            .map(|entry| Shown(Arc::clone(&entry.info)))
    }
}
