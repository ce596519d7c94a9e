//! Which certificates of servers are trusted: those that a CA has signed, those that a file holds
//! itself, or those with a pinned key; and in words why another is not.
//!
//! A certificate that stands in the file is accepted as that very certificate, whatever it says of
//! names, dates and purposes, as with DANE-EE (RFC 7671, section 5.1): self-signed certificates are
//! seldom made as a verifier wants them. The same goes for a pinned key.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::x509::X509Version;

use super::date::Date;
use super::pem::PemFile;
use super::problem::Problem;
use super::{provider, x509};
use crate::clock;
use crate::pin::Pin;

/// What a server has to show.
#[derive(Debug)]
pub(super) enum ServerTrust {
    /// A certificate of a CA that the system trusts.
    System(Arc<dyn ServerCertVerifier>),
    /// A certificate in the file, or one that a CA in the file has signed.
    File {
        path: PathBuf,
        certs: Vec<CertificateDer<'static>>,
        /// `None` if the file has no CA.
        cas: Option<Arc<WebPkiServerVerifier>>,
    },
    /// One of these keys.
    Pins(Vec<Pin>),
}

impl ServerTrust {
    pub(super) fn system() -> Result<Self, rustls::Error> {
        let verifier = rustls_platform_verifier::Verifier::new(Arc::new(provider()))?;
        Ok(Self::System(Arc::new(verifier)))
    }

    pub(super) fn file(path: PathBuf) -> Result<Self, Problem> {
        let certs = PemFile::read(&path)?.chain()?;
        let mut roots = RootCertStore::empty();
        for cert in &certs {
            // The library would take a server's own certificate for that of a CA too.
            if x509::parse(cert)?.is_ca() {
                // One that cannot be a CA for the library is still accepted as itself.
                _ = roots.add(cert.clone());
            }
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider()));
        let cas = verifier.build().ok();
        Ok(Self::File { path, certs, cas })
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<(), NotTrusted> {
        let verified = match self {
            Self::System(verifier) => verifier.verify_server_cert(leaf, issuers, name, ocsp, now),
            Self::File { certs, .. } if certs.iter().any(|cert| cert == leaf) => return Ok(()),
            Self::File { cas: Some(cas), .. } => {
                cas.verify_server_cert(leaf, issuers, name, ocsp, now)
            }
            Self::File { .. } => {
                return Err(NotTrusted::Certificate(CertificateError::UnknownIssuer));
            }
            Self::Pins(pins) => match x509::parse(leaf).ok().map(|cert| pin(&cert)) {
                Some(pin) if pins.contains(&pin) => return Ok(()),
                _ => return Err(NotTrusted::Pin),
            },
        };
        match verified {
            Ok(_) => Ok(()),
            Err(rustls::Error::InvalidCertificate(error)) => Err(NotTrusted::Certificate(error)),
            Err(_) => Err(NotTrusted::Certificate(CertificateError::BadEncoding)),
        }
    }
}

enum NotTrusted {
    /// The verifier rejects it.
    Certificate(CertificateError),
    /// It has another key.
    Pin,
}

fn pin(cert: &X509Certificate<'_>) -> Pin {
    Pin::of(cert.public_key().raw)
}

/// Why a server's certificate is not trusted, in words for the operator.
#[derive(Clone, Debug)]
pub struct Distrust {
    text: String,
    /// What the verifier says; `None` if the key is not a pinned one.
    cause: Option<CertificateError>,
}

impl Distrust {
    /// The reason that is behind an error of the TLS library.
    pub fn of(error: &rustls::Error) -> Option<&Self> {
        match error {
            rustls::Error::Other(OtherError(other)) => other.downcast_ref(),
            _ => None,
        }
    }

    /// What the verifier says.
    pub fn cause(&self) -> Option<&CertificateError> {
        self.cause.as_ref()
    }

    fn new(
        trust: &ServerTrust,
        leaf: &CertificateDer<'_>,
        name: &ServerName<'_>,
        why: NotTrusted,
    ) -> Self {
        let cert = x509::parse(leaf).ok();
        let cause = match why {
            NotTrusted::Certificate(error) => Some(error),
            NotTrusted::Pin => None,
        };
        let reason = match &cause {
            None => "it does not have a pinned key".to_owned(),
            Some(error) => words(error, trust, cert.as_ref(), leaf, &name.to_str()),
        };
        let pin = cert
            .as_ref()
            .map(|cert| format!(" (its pin is {})", pin(cert)));
        let text = format!("{reason}{}", pin.unwrap_or_default());
        Self { text, cause }
    }
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server's certificate is not trusted: {}", self.text)
    }
}

impl Error for Distrust {}

fn words(
    error: &CertificateError,
    trust: &ServerTrust,
    cert: Option<&X509Certificate<'_>>,
    leaf: &CertificateDer<'_>,
    name: &str,
) -> String {
    use CertificateError as E;
    let Some(cert) = cert else {
        return "it cannot be understood".to_owned();
    };
    let (begin, end) = x509::validity(cert);
    match error {
        E::Expired | E::ExpiredContext { .. } => format!("it expired on {}", Date(end)),
        E::NotValidYet | E::NotValidYetContext { .. } => {
            format!("it is not valid before {}", Date(begin))
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            let names = x509::facts(leaf)
                .map(|facts| facts.names)
                .unwrap_or_default();
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            match &names[..] {
                [] => format!("it names no host (no subjectAltName), and so not {name}"),
                names => format!("it is for {}, not for {name}", names.join(", ")),
            }
        }
        E::Revoked => "it was revoked".to_owned(),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "it is not for servers (extendedKeyUsage)".to_owned()
        }
        // Another certificate of the same name has not signed it either.
        E::UnknownIssuer | E::BadSignature => match trust {
            ServerTrust::File { path, .. } => format!(
                "it is not in {}, and no CA there has signed it",
                path.display()
            ),
            _ if cert.subject() == cert.issuer() => "it is self-signed".to_owned(),
            _ => "no CA that this machine trusts has signed it".to_owned(),
        },
        _ if cert.version() != X509Version::V3 => {
            "it is an X.509 certificate of an old version, which no CA can vouch for".to_owned()
        }
        _ if cert.subject() == cert.issuer() => "it is self-signed".to_owned(),
        _ if cert.is_ca() => "it is the certificate of a CA and not that of a server".to_owned(),
        _ => "its signatures cannot be verified (too old an algorithm, or damage)".to_owned(),
    }
}

fn other_reading(now: UnixTime) -> Option<UnixTime> {
    let other = clock::other_reading(SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs()));
    let since = other?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(UnixTime::since_unix_epoch(since))
}

/// Verifies the certificates of servers.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: ServerTrust,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(trust: ServerTrust) -> Self {
        let algorithms = provider().signature_verification_algorithms;
        Self { trust, algorithms }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verify = |now| self.trust.verify(leaf, issuers, name, ocsp, now);
        // After the clock was set, either of its readings will do.
        let verified = verify(now).or_else(|why| match other_reading(now) {
            Some(other) => verify(other).map_err(|_| why),
            None => Err(why),
        });
        match verified {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(why) => {
                let why = Arc::new(Distrust::new(&self.trust, leaf, name, why));
                // Its text is shown as it is, which that of a `CertificateError` is not.
                Err(rustls::Error::Other(OtherError(why)))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match x509::parse(cert) {
            // The library reads version 3 only, and of these the key is all that counts.
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

/// What a file of certificates accepts, for `ianitor check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// Servers with a certificate that a CA in the file has signed.
    Signed,
    /// Only servers that show a certificate of the file itself.
    Itself,
    /// Both: it may be that of a CA, or of the server itself.
    Both,
}

impl Accepts {
    /// Whether the certificates may sign others, in the opinion of a verifier.
    pub(super) fn of(certs: &[CertificateDer<'_>]) -> Self {
        let mut all = certs.iter().map(|cert| match x509::parse(cert) {
            Ok(cert) if !cert.is_ca() => Self::Itself,
            // A CA of its own and nothing else says that it only signs.
            Ok(cert) if is_only_ca(&cert) => Self::Signed,
            _ => Self::Both,
        });
        let first = all.next().unwrap_or(Self::Itself);
        if all.all(|other| other == first) {
            first
        } else {
            Self::Both
        }
    }
}

/// Whether a CA says that its key does nothing but sign certificates.
fn is_only_ca(cert: &X509Certificate<'_>) -> bool {
    let usage = cert.key_usage().ok().flatten();
    usage.is_some_and(|usage| {
        usage.value.key_cert_sign()
            && !usage.value.key_encipherment()
            && !usage.value.key_agreement()
    }) || cert.subject() != cert.issuer()
}

impl fmt::Display for Accepts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signed => "the certificate of a CA: servers that it has signed are accepted",
            Self::Itself => {
                "the certificate of the server itself: nothing else is accepted, and its names and \
                 dates do not count"
            }
            Self::Both => {
                "accepted from the server itself, and as the certificate of a CA that signs servers"
            }
        })
    }
}
