//! What a server shows of itself, whoever it is.

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

/// Shakes hands and returns the server's own certificate. Nobody vouches for it, so the connection
/// ends here and nothing is sent on it; that the server has the key of that certificate is proved
/// all the same.
///
/// # Errors
/// Why there was no handshake.
pub async fn shown_leaf<IO>(
    io: IO,
    name: ServerName<'static>,
) -> io::Result<CertificateDer<'static>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let config = trusting_anybody().map_err(io::Error::other)?;
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, io)
        .await?;
    let shown = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[_]>::first)
        .map(|leaf| leaf.clone().into_owned());
    // Some servers log whoever leaves without a word; that one does not take it matters to nobody.
    let _ = stream.shutdown().await;
    shown.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no certificate was shown"))
}

/// Never for a connection that carries anything.
fn trusting_anybody() -> Result<ClientConfig, rustls::Error> {
    let provider = provider();
    let verifier = Arc::new(Anybody(provider.signature_verification_algorithms));
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // A session that is taken up again shows no certificate.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Takes any certificate whose key the server has.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
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
