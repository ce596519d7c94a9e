//! A CA, and the folder in which it writes certificates and lists.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
};

pub(crate) struct Ca {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    /// Writes its own certificate as `ca.pem`.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mut params, key) = (named("test CA"), KeyPair::generate().unwrap());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let cert = params.self_signed(&key).unwrap();
        fs::write(folder.path().join("ca.pem"), cert.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        Self { folder, issuer }
    }

    /// Writes the certificate and key of a client or server.
    pub(crate) fn issue(&self, name: &str, subject: &str) {
        let mut params = named(subject);
        params.subject_alt_names = match name {
            "server" => vec![rcgen::SanType::DnsName(subject.try_into().unwrap())],
            _ => Vec::new(),
        };
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        self.issue_as(name, &params);
    }

    /// The same with anything in it.
    pub(crate) fn issue_as(&self, name: &str, params: &CertificateParams) {
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        self.write(&format!("{name}.pem"), &cert.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    /// The chain and key of a client, with a CA between it and this one.
    pub(crate) fn issue_below(&self, name: &str, params: &CertificateParams) -> (String, String) {
        let (mut between, key) = (named(name), KeyPair::generate().unwrap());
        between.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let cert = between.signed_by(&key, &self.issuer).unwrap().pem();
        let issuer = Issuer::new(between, key);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap().pem();
        (format!("{leaf}{cert}"), key.serialize_pem())
    }

    /// Writes `crl.pem`, for which a newer list is due after this time.
    pub(crate) fn revoke(&self, serials: &[u64], due: Duration) {
        let now = SystemTime::now();
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: now.into(),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: (now - Duration::from_secs(3600)).into(),
            next_update: (now + due).into(),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).unwrap();
        self.write("crl.pem", &list.pem().unwrap());
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// What a certificate with this common name has in it.
pub(crate) fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
