use std::path::Path;
use std::sync::Arc;

use p12_keystore::Pkcs12Archive;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{PemObject as _, SectionKind};

use super::*;
use crate::deploy::error::DeployError;
use crate::deploy::forms::{Content, leaf};
use crate::secret::SecretSource;

const PASSWORD: &str = "changeit";

fn content(form: FileForm, cert: &Stored) -> Content {
    Content::new(
        &Output {
            path: "/x".into(),
            form,
        },
        cert,
    )
    .unwrap()
}

fn bytes(form: FileForm, cert: &Stored) -> Vec<u8> {
    content(form, cert)
        .bytes(Path::new("/x"))
        .unwrap()
        .reveal()
        .clone()
}

fn locked(password: &str) -> FileForm {
    FileForm::Pkcs12 {
        password: SecretSource::Inline(Secret::new(password.into())),
    }
}

fn kinds(pem: &[u8]) -> Vec<SectionKind> {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(pem)
        .map(|section| section.unwrap().0)
        .collect()
}

#[test]
fn pem_is_what_the_store_has() {
    let cert = stored(1);
    let chain = bytes(FileForm::Chain, &cert);
    assert_eq!(chain, cert.bundle.chain.as_bytes());
    assert_eq!(
        kinds(&chain),
        [SectionKind::Certificate, SectionKind::Certificate]
    );
    assert_eq!(
        CertificateDer::from_pem_slice(&chain).unwrap(),
        leaf(&cert).unwrap()
    );
    assert_eq!(
        kinds(&bytes(FileForm::Key, &cert)),
        [SectionKind::PrivateKey]
    );
}

#[test]
fn combined_is_leaf_chain_key() {
    let mut cert = Arc::unwrap_or_clone(stored(1));
    // A chain that does not end its last line would run into the key.
    cert.bundle
        .chain
        .truncate(cert.bundle.chain.trim_end().len());
    let combined = bytes(FileForm::Combined, &cert);
    assert_eq!(
        kinds(&combined),
        [
            SectionKind::Certificate,
            SectionKind::Certificate,
            SectionKind::PrivateKey
        ]
    );
    assert_eq!(
        CertificateDer::from_pem_slice(&combined).unwrap(),
        leaf(&cert).unwrap()
    );
}

#[test]
fn a_key_store_has_the_key_and_the_chain() {
    let cert = stored(1);
    let (first, second) = (
        bytes(locked(PASSWORD), &cert),
        bytes(locked(PASSWORD), &cert),
    );
    assert_ne!(first, second, "salt");
    let archive = Pkcs12Archive::from_pkcs12(&first, PASSWORD).unwrap();
    assert_eq!(archive.certs.len(), 2);
    assert_eq!(archive.certs[0].cert.as_der(), &*leaf(&cert).unwrap());
    assert_eq!(archive.keys[0].friendly_name.as_deref(), Some(HOST));

    assert!(
        content(locked(PASSWORD), &cert).is(&first) && content(locked(PASSWORD), &cert).is(&second)
    );
    assert!(!content(locked("another"), &cert).is(&first));
    assert!(!content(locked(PASSWORD), &stored(2)).is(&first));
    assert!(!content(locked(PASSWORD), &cert).is(b"no key store"));
}

#[test]
fn what_cannot_be_made_is_said() {
    let cert = stored(1);
    let failed = |form, cert: &Stored| {
        Content::new(
            &Output {
                path: "/x".into(),
                form,
            },
            cert,
        )
        .unwrap_err()
    };
    let missing = FileForm::Pkcs12 {
        password: SecretSource::File("/nowhere/password".into()),
    };
    assert!(matches!(failed(missing, &cert), DeployError::Password(_)));

    let folder = TempDir::new().unwrap();
    let path = folder.path().join("password");
    for not_for_java in [b"\xff\xfe".as_slice(), "p\u{e4}ss".as_bytes(), b"pa\tss"] {
        std::fs::write(&path, not_for_java).unwrap();
        let form = FileForm::Pkcs12 {
            password: SecretSource::File(path.clone()),
        };
        assert!(matches!(
            failed(form, &cert),
            DeployError::PasswordNotAscii(_)
        ));
    }

    let mut broken = Arc::unwrap_or_clone(cert);
    broken.bundle.chain.clear();
    assert!(matches!(
        failed(locked(PASSWORD), &broken),
        DeployError::NotWhole
    ));
    assert!(matches!(leaf(&broken), Err(DeployError::NotWhole)));
}

#[test]
fn no_secret_is_printed() {
    let cert = stored(1);
    for form in [FileForm::Key, FileForm::Combined, locked(PASSWORD)] {
        let printed = format!("{:?}", content(form, &cert));
        assert!(
            !printed.contains(PASSWORD) && !printed.contains("PRIVATE KEY"),
            "{printed}"
        );
    }
}
