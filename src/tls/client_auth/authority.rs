//! Whether a certificate of a client counts: by the CAs and the lists of revoked certificates that
//! were read.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime as PkiTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{DistinguishedName, RootCertStore};

use super::super::client_problem::ClientAuthProblem;
use super::super::{provider, x509};
use super::certificate::ClientCertificate;
use super::reason::BadCertificate;
use crate::clock::UnixTime;

/// The CAs of clients, and what they have revoked.
pub struct ClientAuthority {
    /// What the file of CAs has.
    certs: Vec<CertificateDer<'static>>,
    lists: Vec<CertificateRevocationListDer<'static>>,
    subjects: Vec<DistinguishedName>,
    /// `None` if the file has no CA: only its very certificates are accepted then.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// When the first of the lists is out of date.
    newer_due: Option<UnixTime>,
}

/// For how long a certificate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// When it, or that of an issuer, expires.
    pub expires: UnixTime,
    /// When it has to be verified again: a list is out of date then.
    pub until: UnixTime,
}

impl ClientAuthority {
    pub(super) fn new(
        certs: Vec<CertificateDer<'static>>,
        lists: Vec<CertificateRevocationListDer<'static>>,
        newer_due: Option<UnixTime>,
    ) -> Result<Self, ClientAuthProblem> {
        let mut roots = RootCertStore::empty();
        for cert in &certs {
            // The library would take a client's own certificate for that of a CA too.
            if x509::parse(cert).is_ok_and(|cert| cert.is_ca()) {
                // One that cannot be a CA for the library is still accepted as itself.
                _ = roots.add(cert.clone());
            }
        }
        let (roots, provider) = (Arc::new(roots), Arc::new(provider()));
        let verifier = match roots.is_empty() {
            true => None,
            false => {
                let builder =
                    WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider)
                        .with_crls(lists.iter().cloned())
                        .enforce_revocation_expiration();
                Some(builder.build()?)
            }
        };
        let subject = |cert: &CertificateDer<'_>| {
            let cert = x509::parse(cert).ok()?;
            let name = if cert.is_ca() {
                cert.subject()
            } else {
                cert.issuer()
            };
            Some(DistinguishedName::from(name.as_raw().to_vec()))
        };
        Ok(Self {
            subjects: certs.iter().filter_map(subject).collect(),
            certs,
            lists,
            verifier,
            newer_due,
        })
    }

    /// Whether it was read from the same certificates and lists.
    pub fn is_same(&self, other: &Self) -> bool {
        self.certs == other.certs && self.lists == other.lists
    }

    pub(super) fn subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    pub(super) fn certs(&self) -> &[CertificateDer<'static>] {
        &self.certs
    }

    /// Whether the certificate counts at this time of the system clock. After the clock was set,
    /// either of its readings will do.
    ///
    /// # Errors
    /// Why it does not.
    pub fn verify(
        &self,
        certificate: &ClientCertificate,
        now: UnixTime,
    ) -> Result<Validity, BadCertificate> {
        let (leaf, issuers) = certificate.split().ok_or(BadCertificate::Unreadable)?;
        let verified = self.verify_at(leaf, issuers, now);
        let others = [now.at_earliest(), now.at_latest()].into_iter();
        let mut others = others.filter(|other| *other != now);
        let verified = verified.or_else(|why| {
            let counts = others.any(|other| self.verify_at(leaf, issuers, other).is_ok());
            if counts { Ok(()) } else { Err(why) }
        });
        verified?;
        let expires = expiry(leaf, issuers, now);
        Ok(Validity {
            expires,
            until: self.newer_due.map_or(expires, |due| due.min(expires)),
        })
    }

    fn verify_at(
        &self,
        leaf: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), BadCertificate> {
        if self.certs.iter().any(|cert| cert == leaf) {
            return verify_listed(leaf, now);
        }
        let verifier = self.verifier.as_ref().ok_or(BadCertificate::Unknown)?;
        let now = PkiTime::since_unix_epoch(Duration::from_secs(now.0));
        let verified = verifier.verify_client_cert(leaf, issuers, now);
        verified
            .map(drop)
            .map_err(|error| BadCertificate::of(&error))
    }
}

/// A certificate that the file itself has needs no CA.
fn verify_listed(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), BadCertificate> {
    let cert = x509::parse(leaf).map_err(|_| BadCertificate::Unreadable)?;
    let (begin, end) = x509::validity(&cert);
    if now > end.into() {
        return Err(BadCertificate::Expired);
    }
    if now < begin.into() {
        return Err(BadCertificate::NotYet);
    }
    let usage = cert.extended_key_usage().ok().flatten();
    match usage.is_none_or(|usage| usage.value.client_auth || usage.value.any) {
        true => Ok(()),
        false => Err(BadCertificate::Purpose),
    }
}

/// The second after the first of the certificates' ends. One of an issuer that has expired already
/// was not needed.
fn expiry(leaf: &CertificateDer<'_>, issuers: &[CertificateDer<'_>], now: UnixTime) -> UnixTime {
    let end = |cert: &CertificateDer<'_>| {
        let cert = x509::parse(cert).ok()?;
        Some(UnixTime::from(x509::validity(&cert).1))
    };
    let issuers = issuers.iter().filter_map(end).filter(|end| *end >= now);
    let first = issuers.chain(end(leaf)).min().unwrap_or_default();
    first.after(Duration::from_secs(1))
}

impl fmt::Debug for ClientAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (certs, lists) = (self.certs.len(), self.lists.len());
        write!(f, "ClientAuthority({certs} certificates, {lists} lists)")
    }
}
