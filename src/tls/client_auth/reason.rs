//! Why the certificate of a client does not count.

use rustls::{CertificateError, Error};

/// Why the certificate of a client does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// A proxy has shown it, for all of its clients.
    #[error("the certificate is that of a trusted proxy, not of its client")]
    OfProxy,
    /// It is not an X.509 certificate of version 3.
    #[error("the certificate cannot be understood; it has to be X.509 version 3")]
    Unreadable,
    /// No CA of the file has signed it.
    #[error("no CA in tls.client_ca has signed the certificate")]
    Unknown,
    /// It, or that of an issuer, has expired.
    #[error("the certificate has expired")]
    Expired,
    /// It is not valid yet.
    #[error("the certificate is not valid yet")]
    NotYet,
    /// It, or that of an issuer, is revoked.
    #[error("the certificate is revoked")]
    Revoked,
    /// No list of its issuer says whether it is revoked.
    #[error("tls.client_crl has no list of the certificate's issuer")]
    NoCrl,
    /// The list of its issuer is out of date.
    #[error("the list of the certificate's issuer in tls.client_crl is out of date")]
    OldCrl,
    /// The list of its issuer cannot be used.
    #[error("the list of the certificate's issuer in tls.client_crl has no good signature")]
    UnusableCrl,
    /// Its purposes do not include clients.
    #[error("the certificate is not for clients (extendedKeyUsage)")]
    Purpose,
    /// Its signatures or extensions are not supported.
    #[error("the certificate cannot be verified")]
    Unsupported,
    /// Neither its subject nor its names are what the policy asks for.
    #[error("the policy does not admit the subject or the names of the certificate")]
    Name,
}

impl BadCertificate {
    /// The word for the access log.
    pub fn word(self) -> &'static str {
        match self {
            Self::OfProxy => "certificate_of_proxy",
            Self::Unreadable => "certificate_unreadable",
            Self::Unknown => "certificate_unknown",
            Self::Expired => "certificate_expired",
            Self::NotYet => "certificate_not_yet",
            Self::Revoked => "certificate_revoked",
            Self::NoCrl => "certificate_no_crl",
            Self::OldCrl => "certificate_old_crl",
            Self::UnusableCrl => "certificate_bad_crl",
            Self::Purpose => "certificate_purpose",
            Self::Unsupported => "certificate_unsupported",
            Self::Name => "certificate_name",
        }
    }

    /// Whether the files of the gateway are the cause, and not the client.
    pub fn is_of_files(self) -> bool {
        matches!(self, Self::NoCrl | Self::OldCrl | Self::UnusableCrl)
    }

    /// What a verifier says.
    pub(super) fn of(error: &Error) -> Self {
        use CertificateError as E;
        match error {
            Error::InvalidCertRevocationList(_) => Self::UnusableCrl,
            Error::InvalidCertificate(error) => match error {
                E::Expired | E::ExpiredContext { .. } => Self::Expired,
                E::NotValidYet | E::NotValidYetContext { .. } => Self::NotYet,
                E::Revoked => Self::Revoked,
                E::UnknownRevocationStatus => Self::NoCrl,
                E::ExpiredRevocationList | E::ExpiredRevocationListContext { .. } => Self::OldCrl,
                E::InvalidPurpose | E::InvalidPurposeContext { .. } => Self::Purpose,
                // Another certificate of the same name has not signed it either.
                E::UnknownIssuer | E::BadSignature => Self::Unknown,
                E::BadEncoding => Self::Unreadable,
                _ => Self::Unsupported,
            },
            _ => Self::Unsupported,
        }
    }
}
