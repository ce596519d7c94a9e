//! Self-signed certificates in memory, for hosts whose ordered certificate has not been issued yet.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::info::Origin;
use super::problem::{LoadError, Problem};
use super::servable::ServableCert;
use super::{OrderedSpec, TlsSpec, load};
use crate::host::HostName;

/// The configuration key of placeholders, for messages.
const CONFIG_KEY: &str = "acme.placeholder";

/// The common name, for people who look at the certificate in a browser.
const MARK: &str = "ianitor placeholder";

/// How far in the past validity begins: the clocks of phones and virtual machines are often behind.
const LATE_CLOCKS: Duration = Duration::from_secs(60 * 60);

/// Longer than any order should take and than any process runs.
const LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The placeholders in use.
#[derive(Debug, Default)]
pub(super) struct Placeholders {
    /// Each with the hosts of the certificate that it replaces.
    made: Mutex<Vec<(Vec<HostName>, ServableCert)>>,
}

impl Placeholders {
    /// Placeholders for the ordered certificates with a host that no certificate of `issued` names.
    /// Each names all hosts of the ordered certificate; the table decides for which of them it is
    /// served.
    pub(super) fn of(
        &self,
        spec: &TlsSpec,
        issued: &[ServableCert],
        now: SystemTime,
    ) -> (Vec<ServableCert>, Vec<LoadError>) {
        let is_missing = |host: &HostName| !issued.iter().any(|cert| cert.info().names_host(host));
        let is_wanted =
            |ordered: &&OrderedSpec| spec.placeholder && ordered.hosts.iter().any(is_missing);
        let mut made = self.made.lock();
        let (mut wanted, mut errors) = (Vec::new(), Vec::new());
        for ordered in spec.ordered.iter().filter(is_wanted) {
            let kept = made
                .iter()
                .find(|(hosts, _)| *hosts == ordered.hosts)
                .map(|(_, one)| one.clone());
            match kept.map_or_else(|| make(&ordered.hosts, now), Ok) {
                Ok(one) => wanted.push((ordered.hosts.clone(), one)),
                Err(problem) => errors.push(LoadError {
                    key: CONFIG_KEY.to_owned(),
                    file: None,
                    problem,
                }),
            }
        }
        made.clone_from(&wanted);
        (wanted.into_iter().map(|(_, one)| one).collect(), errors)
    }
}

fn make(hosts: &[HostName], now: SystemTime) -> Result<ServableCert, Problem> {
    let key = KeyPair::generate().map_err(Problem::Make)?;
    let cert = params(hosts, now)
        .and_then(|params| params.self_signed(&key))
        .map_err(Problem::Make)?;
    let chain = vec![cert.der().clone()];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let place = PathBuf::from("(in memory)");
    load::entry(chain, key, place, CONFIG_KEY, Origin::Placeholder)
        .map(|entry| ServableCert::of(CONFIG_KEY, entry))
}

/// The content of a placeholder for these hosts.
pub(super) fn params(
    hosts: &[HostName],
    now: SystemTime,
) -> Result<CertificateParams, rcgen::Error> {
    let names: Vec<_> = hosts.iter().map(|host| host.as_str().to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, MARK);
    params.not_before = (now - LATE_CLOCKS).into();
    params.not_after = (now + LIFETIME).into();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}
