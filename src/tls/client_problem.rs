//! What is wrong with the files by which certificates of clients are judged. Each message continues
//! a sentence that begins with the file.

use rustls::server::VerifierBuilderError;

use super::date::Date;

/// What makes a file unusable.
#[derive(Debug, thiserror::Error)]
pub enum ClientAuthProblem {
    /// No certificate can be a CA or a client.
    #[error("has no certificate that can be verified with; write the certificate of the CA")]
    NoAuthority(#[source] VerifierBuilderError),
    /// No list among the sections.
    #[error(
        "holds no list of revoked certificates (no BEGIN X509 CRL line); is it the right file? \
         `openssl crl -inform der -in FILE -out crl.pem` converts a binary one"
    )]
    NoList,
    /// A list of the old format.
    #[error(
        "holds a list of version 1; have it made with crl_extensions, of which crlNumber is one \
         (`openssl ca -gencrl -crlexts EXTENSIONS`)"
    )]
    OldFormat,
    /// A list that the TLS library cannot use.
    #[error(
        "holds a list that cannot be used; it has to be a whole list of one CA, with version 2, \
         crlNumber and nextUpdate"
    )]
    Unusable(#[source] rustls::Error),
}

impl From<VerifierBuilderError> for ClientAuthProblem {
    fn from(error: VerifierBuilderError) -> Self {
        match error {
            VerifierBuilderError::InvalidCrl(error) => Self::Unusable(error.into()),
            other => Self::NoAuthority(other),
        }
    }
}

/// What an operator should know of a file that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientAuthNotice {
    /// A list that is out of date.
    #[error(
        "has a list of \"{issuer}\" that is out of date since {since}: certificates of that CA are \
         rejected until there is a new one"
    )]
    OutOfDate {
        /// The CA.
        issuer: String,
        /// When a newer one was due.
        since: Date,
    },
    /// A CA without a list.
    #[error("has no list of \"{0}\": certificates of that CA are rejected")]
    Missing(String),
    /// A CA whose certificate has expired.
    #[error(
        "has the certificate of \"{ca}\", which expired on {on}; certificates that it has \
             signed are accepted all the same: take it out, or write its successor"
    )]
    CaExpired {
        /// The CA.
        ca: String,
        /// When it expired.
        on: Date,
    },
}
