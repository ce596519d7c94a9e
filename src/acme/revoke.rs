//! Revocation (RFC 8555, section 7.6).

use std::sync::Arc;

use instant_acme::{RevocationReason, RevocationRequest};

use super::context::AcmeContext;
use super::error::OrderError;
use super::session::{self, Session};
use super::spec::{AcmeSpec, CertSpec};
use crate::store::{CertStore, Stored};
use crate::tls::ServableCert;

/// Why a certificate is revoked: the reasons of RFC 5280, section 5.3.1, that CAs accept from
/// subscribers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    /// No reason is given.
    #[default]
    Unspecified,
    /// The private key is, or may be, known to others.
    KeyCompromise,
    /// Another certificate replaces it.
    Superseded,
    /// The host is no longer used.
    CessationOfOperation,
}

impl Reason {
    /// The names in RFC 5280.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("unspecified", Self::Unspecified),
        ("keyCompromise", Self::KeyCompromise),
        ("superseded", Self::Superseded),
        ("cessationOfOperation", Self::CessationOfOperation),
    ];
}

impl From<Reason> for RevocationReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Unspecified => Self::Unspecified,
            Reason::KeyCompromise => Self::KeyCompromise,
            Reason::Superseded => Self::Superseded,
            Reason::CessationOfOperation => Self::CessationOfOperation,
        }
    }
}

/// Asks the CA that issued a certificate to revoke it. A certificate that is revoked already is no
/// error.
///
/// # Errors
/// Why the CA does not revoke it.
pub async fn revoke(
    spec: &AcmeSpec,
    cert: &CertSpec,
    store: Arc<dyn CertStore>,
    stored: &Stored,
    reason: Reason,
) -> Result<(), OrderError> {
    let context = AcmeContext::without_outputs(store, &spec.store);
    let (chain, key) = (&stored.bundle.chain, &stored.bundle.key);
    let place = context.store.place(&cert.name).into();
    let servable = ServableCert::new(cert.name.as_str(), chain, key, place, &cert.config_key)
        .map_err(OrderError::Unusable)?;
    let leaf = servable
        .leaf()
        .ok_or(OrderError::Unusable(crate::tls::Problem::NoCertificate))?;
    // Not `spec.directory`: another CA may be configured by now.
    let url = &stored.bundle.meta.directory;
    let session = Session::open(&context, spec, url, session::client(spec)?).await?;
    let request = RevocationRequest {
        certificate: leaf,
        reason: Some(reason.into()),
    };
    match session
        .account
        .revoke(&request)
        .await
        .map_err(OrderError::from)
    {
        Err(error) if error.is_revoked_already() => Ok(()),
        result => result,
    }
}
