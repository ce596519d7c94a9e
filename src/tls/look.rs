//! Fetches the certificate that a server presents, without verifying it.

use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::provider;

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
