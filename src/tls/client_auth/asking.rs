//! What the handshake asks of a client: any certificate, or none. The proof that the client has the
//! key is verified; whose certificate it is, the request shows.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::x509::X509Version;

use super::super::{provider, x509};
use super::ClientAuthority;

/// Asks for a certificate, and accepts any whose key the client has.
#[derive(Debug)]
pub(in crate::tls) struct AskForCertificate {
    authority: Arc<ClientAuthority>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl AskForCertificate {
    /// Names the CAs of these files, by which browsers choose what they offer to their users.
    pub(in crate::tls) fn new(authority: &Arc<ClientAuthority>) -> Self {
        Self {
            authority: Arc::clone(authority),
            algorithms: provider().signature_verification_algorithms,
        }
    }
}

impl ClientCertVerifier for AskForCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authority.subjects()
    }

    fn verify_client_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _issuers: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match x509::parse(cert) {
            // The library reads version 3 only. The request gets the reason.
            Ok(old) if old.version() != X509Version::V3 => {
                let key = SubjectPublicKeyInfoDer::from(old.public_key().raw);
                verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
            }
            _ => verify_tls13_signature(message, cert, signed, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
