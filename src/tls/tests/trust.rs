//! Which certificates of servers are accepted, and what is said of the others.

use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::ServerName;
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::pin::Pin;
use crate::tls::{Accepts, UpstreamFiles, accepts, provider, upstream_config};

type Make = fn(&mut CertificateParams);

/// The usual forms of self-signed certificates, and what `check` says of each.
const FORMS: &[(&str, Make, Accepts)] = &[
    ("a common name only", |_| {}, Accepts::Itself),
    (
        "openssl req -x509: CA:TRUE, no subjectAltName",
        |made| made.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
        Accepts::Both,
    ),
    (
        "openssl req -x509 -addext: CA:TRUE with a subjectAltName",
        |made| {
            made.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            named(made, "media.test");
        },
        Accepts::Both,
    ),
    (
        "ssl-cert-snakeoil: CA:FALSE with a subjectAltName",
        |made| {
            made.is_ca = IsCa::ExplicitNoCa;
            named(made, "media.test");
        },
        Accepts::Itself,
    ),
    (
        "for servers, of another name",
        |made| {
            made.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            made.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            named(made, "other.test");
        },
        Accepts::Itself,
    ),
    (
        "for clients only",
        |made| {
            made.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            named(made, "media.test");
        },
        Accepts::Itself,
    ),
    (
        "expired",
        |made| {
            named(made, "media.test");
            made.not_before = (SystemTime::now() - 20 * DAY).into();
            made.not_after = (SystemTime::now() - 10 * DAY).into();
        },
        Accepts::Itself,
    ),
];

fn named(made: &mut CertificateParams, name: &str) {
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    made.subject_alt_names = params.subject_alt_names;
}

/// A server's certificate in PEM, and its settings for handshakes.
fn server(make: Make) -> (String, Pin, Arc<ServerConfig>) {
    let mut params = CertificateParams::new([] as [String; 0]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "media");
    make(&mut params);
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    let pin = Pin::of(&rcgen::PublicKeyData::subject_public_key_info(&key));
    let der = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let der = provider()
        .key_provider
        .load_private_key(der.into())
        .unwrap();
    let certified = CertifiedKey::new(vec![cert.der().clone()], der);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    (cert.pem(), pin, Arc::new(config))
}

/// Makes a handshake with a server as an upstream, and returns the error of a rejection.
async fn handshake(
    server: &Arc<ServerConfig>,
    ca_file: Option<&Path>,
    pins: &[Pin],
) -> Result<(), String> {
    let client = upstream_config(
        UpstreamFiles {
            ca_file,
            pins,
            client_cert: None,
        },
        "upstreams.app",
    )
    .unwrap();
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let name = ServerName::try_from("media.test").unwrap();
    let (connected, _) = tokio::join!(
        TlsConnector::from(client).connect(name, ours),
        TlsAcceptor::from(Arc::clone(server)).accept(theirs)
    );
    connected.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_server_is_accepted_whose_own_certificate_is_the_file_or_whose_key_is_pinned() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.pem");
    let (_, other, _) = server(|_| {});
    for (form, make, expected) in FORMS {
        let (pem, pin, config) = server(*make);
        fs::write(&file, pem).unwrap();
        assert_eq!(accepts(&file), Some(*expected), "{form}");
        assert_eq!(handshake(&config, Some(&file), &[]).await, Ok(()), "{form}");
        assert_eq!(
            handshake(&config, None, &[other, pin]).await,
            Ok(()),
            "{form}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_described_in_words_with_its_pin() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.pem");
    let (other, other_pin, _) = server(|made| named(made, "media.test"));
    for (form, make, _) in FORMS {
        let (_, pin, config) = server(*make);
        fs::write(&file, &other).unwrap();
        let by_file = handshake(&config, Some(&file), &[]).await.unwrap_err();
        let by_pin = handshake(&config, None, &[other_pin]).await.unwrap_err();
        assert!(by_pin.contains("it does not have a pinned key"), "{by_pin}");
        for text in [by_file, by_pin] {
            assert!(
                text.contains(&format!("(its pin is {pin})")),
                "{form}: {text}"
            );
            for raw in ["UnknownIssuer", "CaUsedAsEndEntity", "Other(", "Context"] {
                assert!(!text.contains(raw), "{form}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn a_file_with_a_ca_accepts_what_it_has_signed_for_this_name_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([] as [String; 0]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
    assert_eq!(accepts(&file), Some(Accepts::Signed));
    let issuer = rcgen::Issuer::new(params, key);
    let leaf = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &issuer).unwrap();
        let der = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], der.into());
        Arc::new(config.unwrap())
    };
    assert_eq!(
        handshake(&leaf("media.test"), Some(&file), &[]).await,
        Ok(())
    );
    let text = handshake(&leaf("other.test"), Some(&file), &[])
        .await
        .unwrap_err();
    assert!(
        text.contains("it is for other.test, not for media.test"),
        "{text}"
    );
}

/// Its key may have signed other certificates all the same.
#[tokio::test]
async fn the_certificate_of_a_server_vouches_for_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.pem");
    let key = rcgen::KeyPair::generate().unwrap();
    let params = CertificateParams::new(["media.test".to_owned()]).unwrap();
    fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
    assert_eq!(accepts(&file), Some(Accepts::Itself));
    let signed = rcgen::KeyPair::generate().unwrap();
    let other = CertificateParams::new(["media.test".to_owned()]).unwrap();
    let other = other
        .signed_by(&signed, &rcgen::Issuer::new(params, key))
        .unwrap();
    let der = rustls::pki_types::PrivatePkcs8KeyDer::from(signed.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![other.der().clone()], der.into())
        .unwrap();
    let text = handshake(&Arc::new(config), Some(&file), &[])
        .await
        .unwrap_err();
    assert!(text.contains("no CA there has signed it"), "{text}");
}
