//! Development certificates: generated, reused, renewed, trusted.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rcgen::{CertificateParams, KeyPair};

use super::handshake::{client, shake};
use super::*;
use crate::tls::{Notice, Tickets, server_config};

/// The files of the development folder.
fn listing(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path("certs")).into_iter().flatten();
    let names: BTreeSet<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.into_iter().collect()
}

fn contents(folder: &Folder, names: &[&str]) -> Vec<String> {
    names
        .iter()
        .map(|name| fs::read_to_string(folder.path(&format!("certs/{name}"))).unwrap())
        .collect()
}

fn load_at(spec: &TlsSpec, at: SystemTime) -> (CertTable, Vec<Notice>) {
    let (table, warnings) = CertTable::load(spec, at, Mode::Make).unwrap();
    (
        table,
        warnings.into_iter().map(|warning| warning.notice).collect(),
    )
}

fn refused(spec: &TlsSpec, mode: Mode) -> String {
    CertTable::load(spec, now(), mode).err().unwrap()[0].to_string()
}

/// The time of the tests in the format of openssl.
fn epoch() -> String {
    now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs()
        .to_string()
}

/// Whether a client that trusts `ca.pem` accepts the certificate that is served for the name.
fn is_trusted(folder: &Folder, spec: &TlsSpec, table: CertTable, name: &str) -> bool {
    let server = server_config(spec, Arc::new(table), &Tickets::new().unwrap(), None).unwrap();
    let ca = fs::read_to_string(folder.path("certs/ca.pem")).unwrap();
    shake(&Arc::new(client(&ca)), name, &server).is_ok()
}

#[test]
fn a_first_start_makes_a_ca_and_a_certificate_that_clients_trust() {
    let folder = Folder::new();
    let spec = folder.self_signed(&["localhost"]);
    let (table, notices) = load_at(&spec, now());
    assert_eq!(notices, [Notice::FirstCa]);
    assert_eq!(
        listing(&folder),
        [
            ".lock",
            "ca-key.pem",
            "ca.pem",
            "localhost-key.pem",
            "localhost.pem"
        ]
    );
    for name in ["ca-key.pem", "localhost-key.pem"] {
        let mode = fs::metadata(folder.path(&format!("certs/{name}")))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let info = table.entries().next().unwrap();
    assert!(info.is_development());
    assert_eq!(
        info.names
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["localhost", "127.0.0.1", "[::1]"]
    );
    for name in ["localhost", "127.0.0.1", "::1"] {
        let (table, notices) = load_at(&spec, now());
        assert_eq!(notices, []);
        assert!(is_trusted(&folder, &spec, table, name), "{name}");
    }
}

#[test]
fn openssl_finds_nothing_to_object_to() {
    let folder = Folder::new();
    load_at(
        &folder.self_signed(&["localhost", "media.test", "10.0.0.9"]),
        now(),
    );
    let at = epoch();
    let path = |name: &str| {
        folder
            .path(&format!("certs/{name}"))
            .to_str()
            .unwrap()
            .to_owned()
    };
    let ca = path("ca.pem");
    let common = [
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-attime",
        &at,
        "-CAfile",
        &ca,
    ];
    for (option, name, file) in [
        ("-verify_hostname", "localhost", "localhost.pem"),
        ("-verify_ip", "127.0.0.1", "localhost.pem"),
        ("-verify_ip", "::1", "localhost.pem"),
        ("-verify_hostname", "media.test", "media.test.pem"),
        ("-verify_ip", "10.0.0.9", "10.0.0.9.pem"),
    ] {
        openssl(&[&common[..], &[option, name, &path(file)]].concat());
    }
    let text = openssl(&["x509", "-noout", "-text", "-in", &ca]);
    for expected in [
        "CN = ianitor development CA (",
        "CA:TRUE, pathlen:0",
        "Certificate Sign",
        "Subject Key Identifier",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let text = openssl(&["x509", "-noout", "-text", "-in", &path("localhost.pem")]);
    for expected in [
        "Version: 3",
        "CA:FALSE",
        "TLS Web Server Authentication",
        "Authority Key Identifier",
        "prime256v1",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn openssl_connects_with_the_ca_alone() {
    let folder = Folder::new();
    let spec = folder.self_signed(&["localhost"]);
    let (table, _) = load_at(&spec, now());
    let config = server_config(&spec, Arc::new(table), &Tickets::new().unwrap(), None).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let mut socket = listener.accept().unwrap().0;
        let mut connection = rustls::ServerConnection::new(config).unwrap();
        let mut stream = rustls::Stream::new(&mut connection, &mut socket);
        stream.write_all(b"hello\n").unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        let _ = socket.read_to_end(&mut Vec::new());
    });
    let ca = folder.path("certs/ca.pem");
    let trust = [
        "-CAfile",
        ca.to_str().unwrap(),
        "-verify_return_error",
        "-verify_hostname",
        "localhost",
        "-x509_strict",
    ];
    let target = [
        "s_client",
        "-connect",
        &address,
        "-servername",
        "localhost",
        "-quiet",
        "-attime",
        &epoch(),
    ];
    let text = openssl(&[&target[..], &trust].concat());
    assert!(text.contains("hello"), "{text}");
    server.join().unwrap();
}

#[test]
fn what_is_good_is_kept_and_the_ca_outlives_its_certificates() {
    let folder = Folder::new();
    let spec = folder.self_signed(&["localhost", "media.test"]);
    let (leaf, ca) = (
        ["localhost.pem", "localhost-key.pem", "media.test.pem"],
        ["ca.pem", "ca-key.pem"],
    );
    load_at(&spec, now());
    let (leaf_before, ca_before) = (contents(&folder, &leaf), contents(&folder, &ca));

    load_at(&spec, day(59));
    assert_eq!(contents(&folder, &leaf), leaf_before);

    let (table, notices) = load_at(&spec, day(61));
    assert_eq!(notices, []);
    assert!(table.entries().all(|info| info.not_after == day(61 + 90)));
    for (before, after) in leaf_before.iter().zip(contents(&folder, &leaf)) {
        assert_ne!(*before, after);
    }
    assert_eq!(contents(&folder, &ca), ca_before);

    // A CA that would expire before its certificates is replaced, with all certificates it issued.
    let (table, notices) = load_at(&spec, day(3600));
    assert_eq!(notices, [Notice::NewCa]);
    assert!(table.entries().all(|info| info.not_after == day(3690)));
}

#[test]
fn what_is_not_good_is_made_again() {
    let folder = Folder::new();
    let spec = folder.self_signed(&["localhost", "media.test"]);
    load_at(&spec, now());
    let file = |name: &str| folder.path(&format!("certs/{name}"));
    let copy = |from: &str, to: &str| fs::copy(file(from), file(to)).map(|_| ()).unwrap();
    let remove = |name: &str| fs::remove_file(file(name)).unwrap();

    type Break<'a> = (&'a str, Box<dyn Fn() + 'a>, &'a [Notice]);
    let cases: Vec<Break<'_>> = vec![
        (
            "certificate lost",
            Box::new(|| remove("localhost.pem")),
            &[],
        ),
        ("key lost", Box::new(|| remove("localhost-key.pem")), &[]),
        (
            "another key",
            Box::new(|| copy("media.test-key.pem", "localhost-key.pem")),
            &[],
        ),
        (
            "for another name",
            Box::new(|| {
                copy("media.test.pem", "localhost.pem");
                copy("media.test-key.pem", "localhost-key.pem");
            }),
            &[],
        ),
        ("ca lost", Box::new(|| remove("ca.pem")), &[Notice::NewCa]),
        (
            "ca's key lost and one needed",
            Box::new(|| {
                remove("ca-key.pem");
                remove("localhost.pem");
            }),
            &[Notice::NewCa],
        ),
        (
            "ca's key not its own",
            Box::new(|| {
                copy("localhost-key.pem", "ca-key.pem");
                remove("localhost.pem");
            }),
            &[Notice::NewCa],
        ),
        (
            "ca's key garbled",
            Box::new(|| {
                fs::write(
                    file("ca-key.pem"),
                    "# ianitor development key\n-----BEGIN PRIVATE KEY-----\nAAAA\n\
                     -----END PRIVATE KEY-----\n",
                )
                .unwrap();
                remove("localhost.pem");
            }),
            &[Notice::NewCa],
        ),
        (
            "a torn write",
            Box::new(|| fs::write(file("localhost.pem.new"), "half").unwrap()),
            &[],
        ),
    ];
    for (case, damage, expected) in cases {
        damage();
        let (_, notices) = load_at(&spec, now());
        assert_eq!(notices, expected, "{case}");
        for name in ["localhost", "127.0.0.1", "media.test"] {
            let (table, notices) = load_at(&spec, now());
            assert_eq!(notices, [], "{case}");
            assert!(is_trusted(&folder, &spec, table, name), "{case}: {name}");
        }
    }
}

#[test]
fn a_lost_ca_key_is_not_missed_before_it_is_needed() {
    let folder = Folder::new();
    let spec = folder.self_signed(&["localhost"]);
    load_at(&spec, now());
    fs::remove_file(folder.path("certs/ca-key.pem")).unwrap();
    assert_eq!(load_at(&spec, now()).1, []);
    assert!(!listing(&folder).contains(&"ca-key.pem".to_owned()));
}

#[test]
fn nothing_is_made_for_names_that_are_served() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let pair = folder.pair("a", &ca.ecdsa(&["*.example.com"]));
    let mut spec = TlsSpec {
        certificates: vec![pair],
        ..folder.self_signed(&["a.example.com"])
    };
    load_at(&spec, now());
    assert!(listing(&folder).is_empty());

    // The certificate for localhost includes its address, so the address gets none of its own.
    spec.self_signed = ["localhost", "127.0.0.1", "b.example.com"].map(host).into();
    let (table, _) = load_at(&spec, now());
    assert_eq!(
        listing(&folder),
        [
            ".lock",
            "ca-key.pem",
            "ca.pem",
            "localhost-key.pem",
            "localhost.pem"
        ]
    );
    assert_eq!(
        (answers(&table, ""), answers(&table, "127.0.0.1")),
        (vec!["a".into()], vec!["localhost".into()])
    );
}

#[test]
fn check_writes_nothing() {
    let folder = Folder::new();
    let spec = folder.self_signed(&["media.test", "localhost", "127.0.0.1"]);
    let read = || CertTable::load(&spec, now(), Mode::Read).unwrap();
    let (table, warnings) = read();
    assert_eq!(table.entries().count(), 0);
    let expected = ["media.test", "localhost"].map(|name| Notice::WillBeMade(host(name)));
    assert_eq!(
        warnings
            .iter()
            .map(|w| w.notice.clone())
            .collect::<Vec<_>>(),
        expected
    );
    let file = folder.path("certs/media.test.pem");
    let sentence = format!(
        "tls.self_signed: {} will be made at start: the development certificate for media.test",
        file.display()
    );
    assert_eq!(warnings[0].to_string(), sentence);
    assert!(!folder.path("certs").exists());

    load_at(&spec, now());
    let (table, warnings) = read();
    assert_eq!(
        (answers(&table, ""), warnings),
        (vec!["media.test".into()], vec![])
    );
}

#[test]
fn files_of_others_are_never_overwritten() {
    let ca = Authority::new();
    let foreign = ca.ecdsa(&["else.test"]);
    for (name, content) in [
        ("localhost.pem", &foreign.cert),
        ("localhost-key.pem", &foreign.key),
        ("ca.pem", &ca.pem),
        ("ca-key.pem", &foreign.key),
        ("localhost.pem", &"my notes".to_owned()),
    ] {
        let folder = Folder::new();
        let spec = folder.self_signed(&["localhost"]);
        fs::create_dir(folder.path("certs")).unwrap();
        let path = folder.write(&format!("certs/{name}"), content);
        let expected = format!(
            "tls.self_signed: {} was not made by ianitor and would be overwritten by a development \
             certificate; move \
             it elsewhere",
            path.display()
        );
        for mode in [Mode::Read, Mode::Make] {
            assert_eq!(refused(&spec, mode), expected, "{name} {mode:?}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), *content);
    }
}

#[test]
fn a_ca_of_the_operator_issues_as_well() {
    let folder = Folder::new();
    let spec = folder.self_signed(&["localhost"]);
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::create_dir(folder.path("certs")).unwrap();
    folder.write("certs/ca.pem", params.self_signed(&key).unwrap().pem());
    folder.write("certs/ca-key.pem", key.serialize_pem());
    let (table, notices) = load_at(&spec, now());
    assert_eq!(notices, []);
    assert!(is_trusted(&folder, &spec, table, "localhost"));
}

#[test]
fn names_that_would_share_a_file_do_not() {
    let folder = Folder::new();
    let spec = folder.self_signed(&["ca", "x", "x-key", "[::1]"]);
    load_at(&spec, now());
    for (name, file) in [
        ("ca", "ca."),
        ("x", "x"),
        ("x-key", "x-key."),
        ("[::1]", "::1"),
    ] {
        let (table, notices) = load_at(&spec, now());
        assert_eq!(
            (answers(&table, name), notices),
            (vec![file.to_owned()], vec![])
        );
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = Folder::new();
    let spec = folder.self_signed(&["localhost"]);
    folder.write("certs", "a file");
    let message = refused(&spec, Mode::Make);
    let expected = format!(
        "tls.self_signed: {} cannot be made or locked",
        folder.path("certs").display()
    );
    assert!(message.starts_with(&expected), "{message}");
}

#[test]
fn gateways_that_start_together_share_one_ca() {
    let folder = Folder::new();
    let spec = folder.self_signed(&["localhost", "media.test"]);
    let made: usize = thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| load_at(&spec, now()).1.len()))
            .collect();
        starts.into_iter().map(|start| start.join().unwrap()).sum()
    });
    assert_eq!(made, 1, "the CA is made once");
    for name in ["localhost", "media.test"] {
        let (table, notices) = load_at(&spec, now());
        assert_eq!(notices, []);
        assert!(is_trusted(&folder, &spec, table, name), "{name}");
    }
}
