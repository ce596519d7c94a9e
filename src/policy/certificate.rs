//! Logins by a certificate of the client: which ones a policy admits, and whether one still counts.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use serde_json::{Map, Value};

use super::on_expiry::OnExpiry;
use crate::clock::UnixTime;
use crate::tls::{
    BadCertificate, CertFacts, ClientAuthority, ClientCertificate, SanPattern, SubjectPattern,
};

/// Which certificates a policy admits, of those that count by `tls.client_ca`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRule {
    /// Subjects, of which one is enough; any if there is none.
    pub subjects: Box<[SubjectPattern]>,
    /// Subject alternative names, of which one is enough; any if there is none.
    pub names: Box<[SanPattern]>,
    /// What the server learns of the certificate.
    pub headers: Box<[(HeaderName, CertificateField)]>,
    /// What happens to a tunnel when its certificate has expired.
    pub on_expiry: OnExpiry,
}

impl CertificateRule {
    /// Whether it admits a certificate that counts.
    pub fn admits(&self, facts: &CertFacts) -> bool {
        let mut subjects = self.subjects.iter();
        let is_subject =
            self.subjects.is_empty() || subjects.any(|subject| subject.admits(&facts.subject));
        let has = |name: &SanPattern| facts.names.iter().any(|theirs| name.admits(theirs));
        is_subject && (self.names.is_empty() || self.names.iter().any(has))
    }
}

impl fmt::Display for CertificateRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a certificate")?;
        let (subjects, names) = (listed(&self.subjects), listed(&self.names));
        match (&*subjects, &*names) {
            ("", "") => Ok(()),
            (subjects, "") => write!(f, " of {subjects}"),
            ("", names) => write!(f, " for {names}"),
            (subjects, names) => write!(f, " of {subjects}, for {names}"),
        }
    }
}

fn listed(all: &[impl fmt::Display]) -> String {
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    all.join(" or ")
}

/// What a server may learn of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateField {
    /// The user, as logs name it.
    User,
    /// The subject.
    Subject,
    /// The issuer.
    Issuer,
    /// The serial number.
    Serial,
    /// The SHA-256 of the certificate.
    Fingerprint,
    /// The subject alternative names.
    San,
}

impl CertificateField {
    /// As written in `gateway.toml`.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("user", Self::User),
        ("subject", Self::Subject),
        ("issuer", Self::Issuer),
        ("serial", Self::Serial),
        ("fingerprint", Self::Fingerprint),
        ("san", Self::San),
    ];

    /// What a certificate says.
    pub fn of(self, facts: &CertFacts) -> String {
        match self {
            Self::User => facts.user(),
            Self::Subject => facts.subject.to_string(),
            Self::Issuer => facts.issuer.to_string(),
            Self::Serial => facts.serial.to_string(),
            Self::Fingerprint => facts.fingerprint.to_string(),
            Self::San => {
                let all: Vec<String> = facts.names.iter().map(ToString::to_string).collect();
                all.join(",")
            }
        }
    }
}

/// What a certificate claims, beside the name of the user.
pub fn certificate_claims(facts: &CertFacts) -> Map<String, Value> {
    let mut claims = Map::new();
    for (claim, field) in [
        ("subject", CertificateField::Subject),
        ("serial", CertificateField::Serial),
        ("fingerprint", CertificateField::Fingerprint),
    ] {
        claims.insert(claim.to_owned(), field.of(facts).into());
    }
    let mut list = |claim: &str, values: Vec<String>| {
        if !values.is_empty() {
            claims.insert(claim.to_owned(), values.into());
        }
    };
    for (claim, attribute) in [("cn", "CN"), ("o", "O"), ("ou", "OU")] {
        let values = facts.subject.values(attribute);
        list(claim, values.map(str::to_owned).collect());
    }
    for kind in ["dns", "email", "uri", "ip"] {
        let names = facts.names.iter().filter(|name| name.kind() == kind);
        list(kind, names.map(ToString::to_string).collect());
    }
    claims
}

/// The certificate by which a client is logged in.
#[derive(Debug)]
pub struct CertificateLogin {
    /// What it says.
    pub facts: CertFacts,
    /// When it expires.
    pub expires: UnixTime,
    certificate: Rc<ClientCertificate>,
    /// What it was verified by.
    verified_by: RefCell<Arc<ClientAuthority>>,
}

impl CertificateLogin {
    /// One that counts until it expires.
    pub fn new(
        certificate: &Rc<ClientCertificate>,
        facts: CertFacts,
        expires: UnixTime,
        verified_by: &Arc<ClientAuthority>,
    ) -> Self {
        Self {
            facts,
            expires,
            certificate: Rc::clone(certificate),
            verified_by: RefCell::new(Arc::clone(verified_by)),
        }
    }

    /// Verifies it again if the files have other content than when it was verified. Its expiry is
    /// left out: what happens then, `on_expiry` says.
    ///
    /// # Errors
    /// Why it does not count any more.
    pub fn verify_again(
        &self,
        authority: Option<&Arc<ClientAuthority>>,
        now: UnixTime,
    ) -> Result<(), BadCertificate> {
        let authority = authority.ok_or(BadCertificate::Unknown)?;
        if Arc::ptr_eq(&self.verified_by.borrow(), authority) {
            return Ok(());
        }
        let last = self.expires.before(Duration::from_secs(1));
        authority.verify(&self.certificate, now.min(last))?;
        *self.verified_by.borrow_mut() = Arc::clone(authority);
        Ok(())
    }
}
