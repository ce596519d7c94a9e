//! Fetches the certificate that a server presents, without verifying it; also that of a challenge.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::challenges::ACME_TLS;
use super::problem::Problem;
use super::{leaf_facts, provider, x509};
use crate::host::{HostName, HostPattern};

/// Makes a handshake and returns the server's own certificate. The handshake proves that the server
/// has the certificate's key. The certificate itself is not verified, so the connection is closed
/// afterwards without sending anything.
///
/// # Errors
/// If the handshake fails or the server presents no certificate.
pub async fn shown_leaf<IO>(
    io: IO,
    name: ServerName<'static>,
) -> io::Result<CertificateDer<'static>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let config = unverified_config().map_err(io::Error::other)?;
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, io)
        .await?;
    let shown = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[_]>::first)
        .map(|leaf| leaf.clone().into_owned());
    // A clean shutdown, as some servers log connections that end without one. It may fail.
    let _ = stream.shutdown().await;
    shown.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no certificate was shown"))
}

/// What a server shows to a CA that validates `tls-alpn-01`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShownChallenge {
    /// The challenge with this digest.
    Same,
    /// A certificate of this issuer.
    Other(String),
    /// Nothing: it has other protocols, or does not know the name.
    Rejected,
}

/// Makes the handshake of a CA that validates a name by `tls-alpn-01` (RFC 8737, section 3).
///
/// # Errors
/// If the handshake fails and does not show that another server answers.
pub async fn shown_challenge<IO>(
    io: IO,
    host: &HostName,
    digest: &[u8; 32],
) -> io::Result<ShownChallenge>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut config = unverified_config().map_err(io::Error::other)?;
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    let name = ServerName::try_from(host.as_str().to_owned()).map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = match connector.connect(name, io).await {
        Err(error) if is_rejection(&error) => return Ok(ShownChallenge::Rejected),
        connected => connected?,
    };
    let leaf = stream.get_ref().1.peer_certificates();
    let leaf = leaf.and_then(<[_]>::first);
    // The digest is random, so nothing else has these bytes by chance.
    let is_same = leaf.is_some_and(|leaf| leaf.windows(digest.len()).any(|part| part == digest));
    let shown = if is_same {
        ShownChallenge::Same
    } else {
        let issuer = leaf.and_then(|leaf| leaf_facts(leaf).ok());
        ShownChallenge::Other(issuer.map_or_else(String::new, |facts| facts.issuer))
    };
    let _ = stream.shutdown().await;
    Ok(shown)
}

/// Whether a server that does not expect the challenge has answered.
fn is_rejection(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    let Some(rustls::Error::AlertReceived(alert)) = error else {
        return false;
    };
    matches!(
        alert,
        AlertDescription::NoApplicationProtocol
            | AlertDescription::UnrecognisedName
            | AlertDescription::HandshakeFailure
    )
}

/// What a certificate is for, and until when.
#[derive(Clone, Debug)]
pub struct LeafDescription {
    /// The hosts that it names; at least one.
    pub names: Vec<HostPattern>,
    /// When it expires.
    pub not_after: SystemTime,
}

/// Describes a certificate that a server has presented.
///
/// # Errors
/// If it cannot be read or names no host.
pub fn description(leaf: &CertificateDer<'_>) -> Result<LeafDescription, Problem> {
    let facts = x509::facts(leaf)?;
    Ok(LeafDescription {
        names: facts.names,
        not_after: facts.not_after,
    })
}

/// Accepts any certificate, so it must not be used for connections that carry data.
fn unverified_config() -> Result<ClientConfig, rustls::Error> {
    let provider = provider();
    let verifier = Arc::new(AnyCertificate(provider.signature_verification_algorithms));
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // A server presents no certificate when a session is resumed.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Accepts any certificate whose key the server has.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _issuers: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
