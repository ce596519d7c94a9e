//! The hub and its parts, on files in a folder of the test and servers on loopback.

mod files;
mod forms;
mod hub;
mod reload;
mod rights;
mod sentences;
mod verify;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SerialNumber};
use tempfile::TempDir;

use super::{Consumer, DeploySpec, FileForm, Output};
use crate::clock::UnixTime;
use crate::secret::Secret;
use crate::store::{Bundle, Meta, Stored};

const HOST: &str = "media.example.com";

/// A certificate with its issuer.
fn stored(version: u64) -> Arc<Stored> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "test CA");
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);

    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([HOST.to_owned()]).unwrap();
    params.serial_number = Some(SerialNumber::from(0x4000 + version));
    let leaf = params.signed_by(&key, &issuer).unwrap();
    let meta = Meta {
        hosts: vec![HOST.to_owned(), "turn.example.com".to_owned()],
        key_type: "ecdsa-p256".to_owned(),
        directory: "https://ca.example.com/directory".to_owned(),
        profile: None,
        issued: UnixTime(0),
        serial: format!("{:04x}", 0x4000 + version),
        issuer: "test CA".to_owned(),
        not_before: UnixTime(0),
        not_after: UnixTime(0),
        spread: 0.0,
        revoked: None,
    };
    let bundle = Bundle {
        chain: leaf.pem() + &ca.pem(),
        key: Secret::new(key.serialize_pem()),
        meta,
    };
    Arc::new(Stored { version, bundle })
}

/// A chain and a key in this folder.
fn spec(folder: &TempDir) -> DeploySpec {
    DeploySpec {
        certificate: HOST.parse().unwrap(),
        to: Consumer::Coturn,
        files: vec![
            output(folder, "chain.pem", FileForm::Chain),
            output(folder, "key.pem", FileForm::Key),
        ],
        owner: None,
        group: None,
        mode: 0o640,
        reload: None,
        verify: None,
        store: folder.path().join("acme"),
        config_key: "deploy[0]".to_owned(),
    }
}

fn output(folder: &TempDir, name: &str, form: FileForm) -> Output {
    Output {
        path: folder.path().join(name),
        form,
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Names of what is in a folder, hidden ones too.
fn names(folder: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

const DEADLINE: Duration = Duration::from_secs(30);

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
