//! Fixtures: stores in temporary folders.

mod aside;
mod crashes;
mod damage;
mod kept;
mod links;
mod locks;
mod refused;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Folder;
use crate::clock::UnixTime;
use crate::secret::Secret;
use crate::store::{
    Bundle, CertStore as _, Meta, Name, OpenOrder, OrderRecord, Part, StoreError, StoredAccount,
};

const DIRECTORY: &str = "https://ca.test/directory";

/// A store that is removed when the value is dropped.
struct Made {
    around: TempDir,
    store: Folder,
}

impl Made {
    fn new() -> Self {
        let around = TempDir::new().unwrap();
        let store = Folder::new(around.path().join("acme"));
        Self { around, store }
    }

    /// A store with the versions 1 to `versions`.
    fn with(versions: u64) -> Self {
        let made = Self::new();
        for version in 1..=versions {
            assert_eq!(
                made.store
                    .put_certificate(&name(), &bundle(version))
                    .unwrap(),
                version
            );
        }
        made
    }

    fn at(&self, path: &str) -> PathBuf {
        self.around.path().join("acme").join(path)
    }

    /// A path in the folder of the certificate.
    fn of_certificate(&self, path: &str) -> PathBuf {
        self.at("certificates/media.test").join(path)
    }

    /// The version that is returned. Checks that its content and number match.
    fn given(&self) -> Option<u64> {
        let given = self.store.certificate(&name()).unwrap()?;
        assert_eq!(given.bundle.meta.serial, given.version.to_string());
        assert_eq!(self.store.version(&name()).unwrap(), Some(given.version));
        Some(given.version)
    }

    fn set_order_aside(&self) {
        let part = name();
        self.store
            .set_aside(&Part::Order(&part), "it is damaged")
            .unwrap();
    }

    /// The sorted entries of the certificate's folder.
    fn listed(&self) -> Vec<String> {
        listed(&self.of_certificate(""))
    }
}

/// Of these names, those of what was set aside, the oldest first while they are few.
fn aside_of<'a>(name: &str, listed: &'a [String]) -> Vec<&'a String> {
    let prefix = format!("{name}.damaged-");
    let names = listed.iter();
    names.filter(|one| one.starts_with(&prefix)).collect()
}

fn listed(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn name() -> Name {
    "media.test".parse().unwrap()
}

/// A certificate whose serial number in the metadata is its version.
fn bundle(version: u64) -> Bundle {
    let made = rcgen::generate_simple_self_signed(["media.test".to_owned()]).unwrap();
    Bundle {
        chain: made.cert.pem().repeat(2),
        key: Secret::new(made.signing_key.serialize_pem()),
        meta: Meta {
            hosts: vec!["media.test".to_owned(), "www.media.test".to_owned()],
            key_type: "ecdsa-p256".to_owned(),
            directory: DIRECTORY.to_owned(),
            profile: None,
            issued: UnixTime(1_780_000_000),
            serial: version.to_string(),
            issuer: "Test CA".to_owned(),
            not_before: UnixTime(1_779_996_400),
            not_after: UnixTime(1_787_772_400),
            spread: 0.25,
            revoked: None,
        },
    }
}

fn account() -> StoredAccount {
    StoredAccount {
        directory: DIRECTORY.to_owned(),
        key: bundle(0).key,
        url: Some("https://ca.test/acct/7".to_owned()),
        contact: vec!["mailto:ops@media.test".to_owned()],
        external: None,
    }
}

fn order() -> OpenOrder {
    OpenOrder {
        url: "https://ca.test/order/9".to_owned(),
        directory: DIRECTORY.to_owned(),
        account: "https://ca.test/acct/7".to_owned(),
        hosts: vec!["media.test".to_owned()],
        key_type: "ecdsa-p256".to_owned(),
        profile: None,
        challenge: "http-01".to_owned(),
        key: bundle(0).key,
        begun: UnixTime(1_780_000_000),
        expires: Some(UnixTime(1_780_604_800)),
        waited: 60,
        troubles: 0,
    }
}

fn is_damaged<T>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Damaged { .. }))
}
