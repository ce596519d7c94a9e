//! Taking a certificate back (RFC 8555, section 7.6).

use std::sync::Arc;

use instant_acme::{RevocationReason, RevocationRequest};

use super::attempt::Attempt;
use super::context::{Parts, Shared};
use super::error::OrderError;
use super::{AcmeSpec, CertSpec};
use crate::store::{CertStore, Stored};
use crate::tls::challenges::Challenges;
use crate::tls::{CertCache, ServableCert};

/// Why a certificate is taken back (RFC 5280, section 5.3.1; those that CAs take from subscribers).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    /// Nobody has to know.
    #[default]
    Unspecified,
    /// Somebody else has the key, or may have it.
    KeyCompromise,
    /// Another certificate has taken its place.
    Superseded,
    /// The host is given up.
    CessationOfOperation,
}

impl Reason {
    /// As RFC 5280 writes them.
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

/// Asks the CA that gave a certificate to take it back. One that it has taken back already is no
/// error.
///
/// # Errors
/// Why it does not.
pub async fn revoke(
    spec: &AcmeSpec,
    cert: &CertSpec,
    store: Arc<dyn CertStore>,
    stored: &Stored,
    reason: Reason,
) -> Result<(), OrderError> {
    let (shelf, challenges) = (CertCache::new(), Challenges::new());
    let shared = Shared::new(Parts {
        store,
        shelf,
        challenges,
        on_certificate: Arc::new(|_, _| {}),
        renewals: Arc::default(),
    });
    let (chain, key) = (&stored.bundle.chain, &stored.bundle.key);
    let place = shared.parts.store.place(&cert.name).into();
    let managed = ServableCert::new(cert.name.as_str(), chain, key, place, &cert.config_key)
        .map_err(OrderError::Unusable)?;
    let leaf = managed
        .leaf()
        .ok_or(OrderError::Unusable(crate::tls::Problem::NoCertificate))?;
    // The CA that is configured now may be another one.
    let url = &stored.bundle.meta.directory;
    let attempt = Attempt {
        shared: &shared,
        spec,
        cert,
        url,
        before: None,
        kinds: Vec::new(),
        keeps: false,
    };
    let desk = attempt.desk().await?;
    let request = RevocationRequest {
        certificate: leaf,
        reason: Some(reason.into()),
    };
    match desk
        .account
        .revoke(&request)
        .await
        .map_err(OrderError::from)
    {
        Err(error) if error.is_revoked_already() => Ok(()),
        result => result,
    }
}
