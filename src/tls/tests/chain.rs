//! Chains that can be served and that clients reject, and keys that cannot be used.

use rcgen::{CustomExtension, DnType, ExtendedKeyUsagePurpose};

use super::*;

/// The messages of the warnings about one pair, without the folder.
fn warnings(folder: &Folder, made: &Made) -> Vec<String> {
    let here = format!("{}/", folder.0.path().display());
    let (_, warnings) = load(&folder.spec(vec![folder.pair("cert", made)])).unwrap();
    let messages = warnings.iter().map(|warning| warning.message().to_string());
    messages.map(|text| text.replace(&here, "")).collect()
}

/// Where the CA says that its certificate is, as public CAs do.
fn ca_issuers() -> CustomExtension {
    let url = b"http://i.test";
    let method = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];
    let length = u8::try_from(url.len()).unwrap();
    let location = [&[0x86, length][..], url].concat();
    let sequence = |content: &[u8]| {
        let length = u8::try_from(content.len()).unwrap();
        [&[0x30, length][..], content].concat()
    };
    let access = sequence(&sequence(&[&method[..], &location].concat()));
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access)
}

/// A certificate of a CA with this name.
fn of_ca(ca: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Made {
    let mut params = CertificateParams::new(["a.example.com".to_owned()]).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, "a.example.com");
    change(&mut params);
    ca.issue_with(params, -10..60, &PKCS_ECDSA_P256_SHA256)
}

#[test]
fn a_certificate_without_its_issuers_is_a_warning_that_names_the_file_to_use() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let private = of_ca(&ca, |_| {});
    assert_eq!(
        warnings(&folder, &private),
        [""; 0],
        "clients have a private CA"
    );
    let public = of_ca(&ca, |params| params.custom_extensions.push(ca_issuers()));
    let said = warnings(&folder, &public);
    assert!(
        said.len() == 1
            && said[0].starts_with("cert.pem has the server's certificate without that of its ")
            && said[0]
                .ends_with("append it, or write the file that has both, such as fullchain.pem"),
        "{said:?}"
    );
    // As certbot leaves them.
    folder.write("fullchain.pem", format!("{}{}", private.cert, ca.pem));
    let said = warnings(&folder, &private);
    assert!(
        said.len() == 1 && said[0].ends_with("write fullchain.pem, which has both"),
        "{said:?}"
    );
    // The chain of another certificate is not the one to use.
    let other = of_ca(&ca, |_| {});
    assert_eq!(warnings(&folder, &other), [""; 0]);
    let whole = Made {
        cert: format!("{}{}", public.cert, ca.pem),
        key: public.key,
    };
    assert_eq!(warnings(&folder, &whole), [""; 0]);
}

#[test]
fn a_wrong_intermediate_is_a_warning_that_names_both() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Old CA");
    let key = KeyPair::generate().unwrap();
    let old = params.self_signed(&key).unwrap().pem();
    let made = of_ca(&ca, |_| {});
    let wrong = Made {
        cert: format!("{}{old}{}", made.cert, ca.pem),
        key: made.key,
    };
    let said = warnings(&folder, &wrong);
    assert!(
        said.len() == 1
            && said[0].starts_with("cert.pem has the certificate of \"Old CA\" in place 2, where"),
        "{said:?}"
    );
}

#[test]
fn a_certificate_for_clients_only_is_a_warning() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let usages = |all: &[ExtendedKeyUsagePurpose]| {
        let all = all.to_vec();
        of_ca(&ca, |params| params.extended_key_usages = all)
    };
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    for fine in [&[ServerAuth][..], &[ClientAuth, ServerAuth], &[Any], &[]] {
        assert_eq!(warnings(&folder, &usages(fine)), [""; 0], "{fine:?}");
    }
    let said = warnings(&folder, &usages(&[ClientAuth]));
    assert!(
        said.len() == 1 && said[0].starts_with("cert.pem is not for servers"),
        "{said:?}"
    );
}

/// Makes a self-signed certificate by openssl and returns its PEM and that of its key.
fn by_openssl(folder: &Folder, arguments: &[&str]) -> Made {
    let (cert, key) = (folder.path("made.pem"), folder.path("made-key.pem"));
    let files = [
        "-out",
        cert.to_str().unwrap(),
        "-keyout",
        key.to_str().unwrap(),
    ];
    let usual = ["req", "-x509", "-nodes", "-subj", "/CN=a.example.com"];
    let names = ["-addext", "subjectAltName=DNS:a.example.com"];
    openssl(&[&usual[..], &names, &files, arguments].concat());
    Made {
        cert: fs::read_to_string(cert).unwrap(),
        key: fs::read_to_string(key).unwrap(),
    }
}

#[test]
fn keys_that_tls_cannot_use_are_named_in_words() {
    let folder = Folder::new();
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"];
    for (arguments, kind) in [
        (&["-newkey", "rsa:1024"][..], "RSA with 1024 bits"),
        (&curve, "ECDSA on the curve secp256k1"),
    ] {
        let made = by_openssl(&folder, arguments);
        let errors = load(&folder.spec(vec![folder.pair("a", &made)]))
            .err()
            .unwrap();
        let [error] = &errors[..] else {
            panic!("{errors:?}")
        };
        let said = crate::telemetry::Chain(error).to_string();
        let expected = format!("holds a key that TLS cannot use: {kind}; make an ECDSA P-256 key");
        assert!(
            said.contains(&expected) && !said.contains("unexpected"),
            "{said}"
        );
    }
}

#[test]
fn a_signature_by_sha1_is_a_warning_except_on_a_root() {
    let folder = Folder::new();
    let root = by_openssl(&folder, &["-newkey", "rsa:2048", "-sha1"]);
    let has_sha1 = |said: &[String]| said.iter().any(|text| text.contains("SHA-1"));
    assert!(!has_sha1(&warnings(&folder, &root)));
    let (ca, ca_key) = (
        folder.write("ca.pem", &root.cert),
        folder.write("ca.key", &root.key),
    );
    let leaf = by_openssl(
        &folder,
        &[
            "-newkey",
            "rsa:2048",
            "-sha1",
            "-subj",
            "/CN=leaf",
            "-CA",
            ca.to_str().unwrap(),
            "-CAkey",
            ca_key.to_str().unwrap(),
        ],
    );
    let said = warnings(&folder, &leaf);
    assert!(
        has_sha1(&said) && said.iter().any(|text| text.contains("\"leaf\"")),
        "{said:?}"
    );
}
