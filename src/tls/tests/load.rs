//! Which files are accepted, and the messages for the others.

use std::error::Error;

use rcgen::{CustomExtension, DnType};

use super::*;
use crate::tls::problem::Problem;

/// The error messages, without the folder.
fn messages(folder: &Folder, spec: &TlsSpec) -> Vec<String> {
    let here = format!("{}/", folder.0.path().display());
    load(spec)
        .err()
        .unwrap()
        .iter()
        .map(|error| error.to_string().replace(&here, ""))
        .collect()
}

#[test]
fn every_encoding_of_a_key_is_read() {
    let (ca, folder) = (Authority::new(), Folder::new());
    for (name, made, head) in [
        (
            "ecdsa",
            ca.ecdsa(&["a.example.com"]),
            "BEGIN EC PRIVATE KEY",
        ),
        ("rsa", ca.rsa(&["a.example.com"]), "BEGIN RSA PRIVATE KEY"),
    ] {
        let mut pair = folder.pair(name, &made);
        assert_eq!(
            load(&folder.spec(vec![pair.clone()])).unwrap().1,
            [],
            "PKCS#8 {name}"
        );

        let old = folder.write("old.pem", "");
        openssl(&[
            "pkey",
            "-traditional",
            "-in",
            pair.key.to_str().unwrap(),
            "-out",
            old.to_str().unwrap(),
        ]);
        assert!(fs::read_to_string(&old).unwrap().contains(head));
        pair.key = old;
        assert_eq!(load(&folder.spec(vec![pair])).unwrap().1, [], "{head}");
    }
}

#[test]
fn combined_files_are_read_in_any_order() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let Made { cert, key } = ca.ecdsa(&["a.example.com"]);
    let issuer = &ca.pem;
    for (case, content) in [
        ("certificate first", format!("{cert}{issuer}{key}")),
        ("key first", format!("{key}{cert}{issuer}")),
        ("key in the middle", format!("{cert}{key}{issuer}")),
        (
            "text around",
            format!("subject=CN\n{cert}\n# the key\n{key}"),
        ),
        ("a byte order mark", format!("\u{feff}{cert}{key}")),
        (
            "lines of Windows",
            format!("{cert}{key}").replace('\n', "\r\n"),
        ),
        (
            "parameters",
            format!(
                "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n\
                 {key}{cert}"
            ),
        ),
    ] {
        let path = folder.write("combined.pem", content);
        let pair = PairSpec {
            cert: path.clone(),
            key: path,
            config_key: "tls.certificates[0]".to_owned(),
        };
        let (table, warnings) = load(&folder.spec(vec![pair])).unwrap();
        assert_eq!(
            (answers(&table, "a.example.com"), warnings),
            (vec!["combined".to_owned()], vec![]),
            "{case}"
        );
    }
}

fn key_of_an_unsupported_curve(folder: &Folder) -> String {
    let curve = folder.path("curve.pem");
    openssl(&[
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:secp256k1",
        "-out",
        curve.to_str().unwrap(),
    ]);
    fs::read_to_string(curve).unwrap()
}

#[test]
fn what_cannot_be_used_is_named_with_what_to_do() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let good = ca.ecdsa(&["a.example.com"]);
    let other = ca.ecdsa(&["a.example.com"]);
    let Made { cert, key } = &good;
    let unnamed = {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "a.example.com");
        ca.issue_with(params, -1..60, &PKCS_ECDSA_P256_SHA256)
    };
    let mailed = {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::Rfc822Name("ops@example.com".try_into().unwrap())];
        ca.issue_with(params, -1..60, &PKCS_ECDSA_P256_SHA256)
    };
    let curve = key_of_an_unsupported_curve(&folder);
    let der = rustls::pki_types::pem::PemObject::from_pem_slice(cert.as_bytes());
    let der: rustls::pki_types::CertificateDer<'_> = der.unwrap();

    #[rustfmt::skip]
    let cases: &[(&[u8], &[u8], &str)] = &[
        (b"", key.as_bytes(),
         ".cert: a.pem holds no certificate (no BEGIN CERTIFICATE line); is it the right file?"),
        (key.as_bytes(), key.as_bytes(),
         ".cert: a.pem holds no certificate (no BEGIN CERTIFICATE line); is it the right file?"),
        (&der, key.as_bytes(),
         ".cert: a.pem is binary, not PEM; convert it with `openssl x509 -inform der`, `openssl \
          pkey -inform der` or, for PKCS#12, `openssl pkcs12 -nodes`"),
        (&cert.as_bytes()[..200], key.as_bytes(),
         ".cert: a.pem is damaged: a BEGIN line without its END, or broken base64; copy the whole \
          file again"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", key.as_bytes(),
         ".cert: a.pem holds a certificate that TLS cannot use; order an X.509 version 3 one"),
        (&[b' '; (1 << 20) + 1], key.as_bytes(),
         ".cert: a.pem is larger than any certificate or key; is it the right file?"),
        (cert.as_bytes(), b"",
         ".key: a-key.pem holds no private key (no BEGIN PRIVATE KEY line); name the file that has \
          it"),
        (cert.as_bytes(), cert.as_bytes(),
         ".key: a-key.pem holds no private key (no BEGIN PRIVATE KEY line); name the file that has \
          it"),
        (cert.as_bytes(), &[key.as_bytes(), other.key.as_bytes()].concat(),
         ".key: a-key.pem holds 2 private keys; leave only the one of the certificate"),
        (cert.as_bytes(), curve.as_bytes(),
         ".key: a-key.pem holds a key that TLS cannot use; make an ECDSA P-256 key or an RSA key \
          of 2048 bits or more"),
        (cert.as_bytes(), other.key.as_bytes(),
         ".key: a-key.pem is not the key of the certificate in a.pem; name the two files that were \
          made together"),
        (&[ca.pem.as_bytes(), cert.as_bytes()].concat(), key.as_bytes(),
         ".cert: a.pem has the server's certificate in place 2; it must stand first, then its \
          issuers, each signed by the next"),
        (unnamed.cert.as_bytes(), unnamed.key.as_bytes(),
         ".cert: a.pem names no host (no subjectAltName); clients ignore the common name, so order \
          it with its DNS names"),
        (mailed.cert.as_bytes(), mailed.key.as_bytes(),
         ".cert: a.pem names no host (no subjectAltName); clients ignore the common name, so order \
          it with its DNS names"),
    ];
    for (cert, key, expected) in cases {
        let cert = folder.write("a.pem", cert);
        let key = folder.write("a-key.pem", key);
        let pair = PairSpec {
            cert,
            key,
            config_key: "tls.certificates[0]".to_owned(),
        };
        assert_eq!(
            messages(&folder, &folder.spec(vec![pair])),
            [format!("tls.certificates[0]{expected}")]
        );
    }
}

#[test]
fn a_locked_key_comes_with_the_line_that_unlocks_it() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let mut pair = folder.pair("a", &ca.rsa(&["a.example.com"]));
    let plain = pair.key.clone();
    pair.key = folder.path("locked.pem");
    for how in [
        &["pkey", "-aes256"][..],
        &["pkey", "-aes256", "-traditional"],
    ] {
        let files = [
            "-passout",
            "pass:x",
            "-in",
            plain.to_str().unwrap(),
            "-out",
            pair.key.to_str().unwrap(),
        ];
        openssl(&[how, &files].concat());
        let expected = "tls.a.key: locked.pem holds a key locked by a passphrase, which ianitor \
                        does not support; unlock it with `(umask 077; openssl pkey -in locked.pem \
                        -out locked.unlocked.pem)` and name \
                        that file";
        assert_eq!(
            messages(&folder, &folder.spec(vec![pair.clone()])),
            [expected],
            "{how:?}"
        );
    }
}

#[test]
fn a_locked_key_beside_the_certificate_does_no_harm() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let made = ca.ecdsa(&["a.example.com"]);
    let pair = folder.pair("a", &made);
    let locked = folder.path("locked.pem");
    let files = [
        "-passout",
        "pass:x",
        "-in",
        pair.key.to_str().unwrap(),
        "-out",
        locked.to_str().unwrap(),
    ];
    openssl(&[&["pkey", "-aes256"], &files[..]].concat());
    folder.write(
        "a.pem",
        format!("{}{}", made.cert, fs::read_to_string(locked).unwrap()),
    );
    assert!(load(&folder.spec(vec![pair])).is_ok());
}

#[test]
fn all_problems_are_gathered() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let mut pair = folder.pair("b", &ca.ecdsa(&["a.example.com"]));
    pair.key = folder.0.path().to_owned();
    let missing = PairSpec {
        cert: folder.path("none.pem"),
        key: folder.path("none-key.pem"),
        config_key: "tls.certificates[0]".to_owned(),
    };
    let combined = PairSpec {
        key: missing.cert.clone(),
        ..missing.clone()
    };
    let messages = messages(&folder, &folder.spec(vec![missing, pair, combined]));
    let [cert, key, folder_as_key, combined] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!(
        cert,
        "tls.certificates[0].cert: none.pem does not exist; put the PEM file there or correct the \
         path"
    );
    assert!(
        key.starts_with("tls.certificates[0].key: none-key.pem does not exist"),
        "{key}"
    );
    assert!(
        folder_as_key.starts_with("tls.b.key: ") && folder_as_key.contains("is not a file"),
        "{folder_as_key}"
    );
    assert!(
        combined.starts_with("tls.certificates[0].cert: none.pem does not exist"),
        "{combined}"
    );
}

#[test]
fn nothing_configured_says_what_to_write() {
    let folder = Folder::new();
    assert_eq!(
        messages(&folder, &folder.spec(Vec::new())),
        [
            "tls.certificates: no certificate is configured; write certificates = [{ cert = \"…\", \
             key = \"…\" }] or, for \
          development, self_signed = [\"localhost\"]"
        ]
    );
}

#[test]
fn causes_are_kept_and_not_repeated() {
    let io = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let error = LoadError::new(
        "tls.certificates[0].key",
        "k.pem".as_ref(),
        Problem::NotAllowed(io),
    );
    let cause = error.source().unwrap();
    assert!(cause.is::<std::io::Error>());
    assert!(!error.to_string().contains(&cause.to_string()));
    assert!(
        error
            .message()
            .to_string()
            .starts_with("k.pem may not be read")
    );
}

#[test]
fn names_no_client_can_ask_for_are_ignored_with_a_warning() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let mut params = CertificateParams::default();
    let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
    params.subject_alt_names = vec![
        dns("A.example.com"),
        dns("a..b"),
        dns("10.0.0.1"),
        dns("a.example.com"),
        dns("f*.example.com"),
        SanType::IpAddress("10.0.0.2".parse().unwrap()),
        SanType::IpAddress("2001:db8::1".parse().unwrap()),
        SanType::URI("https://example.com".try_into().unwrap()),
    ];
    let made = ca.issue_with(params, -1..60, &PKCS_ECDSA_P256_SHA256);
    let (table, warnings) = folder.table(&[made]);
    let names: Vec<_> = table
        .entries()
        .flat_map(|info| &info.names)
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["a.example.com", "10.0.0.2", "[2001:db8::1]"]);
    let ignored: Vec<_> = warnings.iter().map(|w| w.message().to_string()).collect();
    let file = folder.path("a.pem");
    let expected = ["a..b", "10.0.0.1", "f*.example.com"].map(|name| {
        format!(
            "{} names {name:?}, which is no host name; that name is ignored",
            file.display()
        )
    });
    assert_eq!(ignored, expected);
    assert_eq!(warnings[0].key, "tls.a.cert");
}

#[test]
fn an_address_of_the_wrong_length_is_ignored() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let mut params = CertificateParams::default();
    // subjectAltName with DNS a.example.com and three octets as an address.
    let mut san = vec![0x30, 20, 0x82, 13];
    san.extend(b"a.example.com");
    san.extend([0x87, 3, 10, 0, 0]);
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], san)];
    let made = ca.issue_with(params, -1..60, &PKCS_ECDSA_P256_SHA256);
    let (table, warnings) = folder.table(&[made]);
    assert!(table.serves(&host("a.example.com")));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}
