//! What tests begin with.

use std::sync::Arc;

use super::shared::{Parts, Shared};
use super::{AcmeSpec, CertSpec, KeyType};
use crate::store::folder::Folder;
use crate::tls::Shelf;
use crate::tls::challenges::Challenges;

/// A process that wants a certificate for `a.example` and keeps it in this folder.
pub(super) fn wanting(store: &tempfile::TempDir) -> (Arc<Shared>, AcmeSpec, Arc<CertSpec>) {
    let hosts = vec!["a.example".parse().unwrap()];
    let (name, key_type, config_key) = ("a.example".parse().unwrap(), KeyType::default(), String::new());
    let cert = Arc::new(CertSpec { name, hosts, key_type, profile: None, config_key });
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
    let shared = Shared::new(Parts {
        store: Arc::new(Folder::new(store.path())),
        shelf: Shelf::new(),
        challenges: Challenges::new(),
        on_certificate: Arc::new(|_, _| {}),
    });
    (shared, spec, cert)
}
