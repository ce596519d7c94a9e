//! Fixtures of the unit tests.

use std::sync::Arc;

use super::context::AcmeContext;
use super::spec::{AcmeSpec, CertSpec, KeyType};
use crate::clock::UnixTime;
use crate::secret::Secret;
use crate::store::OpenOrder;
use crate::store::folder::Folder;

/// A process that wants a certificate for `a.example` and keeps it in this folder.
pub(super) fn wanting(store: &tempfile::TempDir) -> (Arc<AcmeContext>, AcmeSpec, Arc<CertSpec>) {
    let hosts = vec!["a.example".parse().unwrap()];
    let (name, key_type, config_key) = (
        "a.example".parse().unwrap(),
        KeyType::default(),
        String::new(),
    );
    let cert = Arc::new(CertSpec {
        name,
        hosts,
        key_type,
        profile: None,
        config_key,
    });
    let spec = AcmeSpec {
        directory: AcmeSpec::LETS_ENCRYPT.into(),
        directory_ca: None,
        staging: None,
        contact: Vec::new(),
        external_account: None,
        challenges: Vec::new(),
        store: store.path().into(),
        placeholder: false,
        certificates: Vec::new(),
    };
    let context = AcmeContext::without_outputs(Arc::new(Folder::new(store.path())), store.path());
    (context, spec, cert)
}

/// An order for this certificate that a CA has not finished.
pub(super) fn open_order(cert: &CertSpec, directory: &str, account: &str) -> OpenOrder {
    OpenOrder {
        url: "https://ca.example/order/1".to_owned(),
        directory: directory.to_owned(),
        account: account.to_owned(),
        hosts: cert
            .hosts
            .iter()
            .map(|host| host.as_str().to_owned())
            .collect(),
        key_type: cert.key_type.name().to_owned(),
        profile: None,
        challenge: "http-01".to_owned(),
        key: Secret::new(cert.key_type.generate().unwrap().serialize_pem()),
        begun: UnixTime(1_800_000_000),
        expires: Some(UnixTime(1_800_600_000)),
        waited: 60,
        troubles: 0,
    }
}
