//! Certificates and clients of OpenSSL and curl, and what `ianitor check` says of the files.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::world::World;

fn run(folder: &Path, program: &str, arguments: &str) -> Output {
    let output = Command::new(program)
        .args(arguments.split(' '))
        .current_dir(folder)
        .stdin(Stdio::null())
        .output();
    output.unwrap_or_else(|error| panic!("{program}: {error}"))
}

fn openssl(folder: &Path, arguments: &str) -> String {
    let output = run(folder, "openssl", arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "openssl {arguments}: {text}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// As the documentation says, with a list that `openssl ca` has made.
fn make(folder: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let own = "-days 3650 -keyout ca.key -out ca.pem -subj /CN=clients";
    openssl(folder, &format!("req -x509 {key} {own}"));
    fs::write(folder.join("ext"), "extendedKeyUsage = clientAuth\n").unwrap();
    for name in ["ada", "bob"] {
        let subject = format!("/O=Example/OU=Media/CN={name}");
        openssl(
            folder,
            &format!("req -new {key} -keyout {name}.key -out {name}.csr -subj {subject}"),
        );
        openssl(
            folder,
            &format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -days 90 -extfile ext \
                 -out {name}.pem"
            ),
        );
    }
    let ca = "[ca]\ndefault_ca = own\n[own]\ndatabase = index\ncrlnumber = number\n\
              default_md = sha256\ndefault_crl_days = 30\ncrl_extensions = ext\n[ext]\n\
              authorityKeyIdentifier = keyid\n";
    fs::write(folder.join("ca.cnf"), ca).unwrap();
    fs::write(folder.join("index"), "").unwrap();
    fs::write(folder.join("number"), "01\n").unwrap();
    let ca = "ca -config ca.cnf -cert ca.pem -keyfile ca.key";
    openssl(folder, &format!("{ca} -revoke bob.pem"));
    openssl(folder, &format!("{ca} -gencrl -out crl.pem"));
}

#[test]
fn curl_and_openssl_are_asked_and_answered() {
    let mut world = World::with(
        crate::harness::Upstream::ok(),
        "client_crl = \"CA/crl.pem\"",
        "subject = [\"CN=ada,OU=Media,O=Example\"]",
    );
    let folder = world.ca.path().to_owned();
    make(&folder);
    world.gateway.follow_files();
    let address = world.gateway.https();
    let curl = |name: &str, more: &str| {
        let port = address.port();
        let to = format!("--connect-to {name}:443:127.0.0.1:{port} https://{name}/");
        let arguments = format!("-sk -o body -w %{{http_code}} {more}{to}");
        let output = run(&folder, "curl", &arguments);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let cert = |name: &str| format!("--cert {name}.pem --key {name}.key ");
    for http in ["--http1.1 ", "--http2 "] {
        assert_eq!(curl("app.test", &format!("{http}{}", cert("ada"))), "200");
        assert_eq!(curl("app.test", &format!("{http}{}", cert("bob"))), "401");
        assert_eq!(curl("app.test", http), "401");
        assert_eq!(curl("open.test", http), "200");
    }
    let lines = world.gateway.access.lines(8).join("\n");
    assert!(lines.contains("reason=certificate_revoked"), "{lines}");
    assert!(
        lines.contains("detail=\"CN=bob,OU=Media,O=Example\""),
        "{lines}"
    );
    for (name, asks) in [("app.test", true), ("open.test", false)] {
        let to = format!("s_client -connect {address} -servername {name}");
        let said = openssl(&folder, &to);
        let names = said.contains("Acceptable client certificate CA names");
        assert_eq!(names, asks, "{said}");
        assert_eq!(
            said.contains("CN = clients") || said.contains("CN=clients"),
            asks,
            "{said}"
        );
    }
}

#[test]
fn check_explains_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make(folder);
    let text = "[listen]\nhttps = [\"127.0.0.1:0\"]\ncontrol = \"off\"\n[tls]\n\
                self_signed = [\"localhost\"]\nclient_ca = \"ca.pem\"\n\
                client_crl = \"crl.pem\"\n[upstreams]\n\
                janus = { servers = [\"http://127.0.0.1:1\"], protocol = \"janus\" }\n\
                [policies.team]\nclient_certificate = { subject = [\"ada\", \"bob\"] }\n\
                [policies.bob]\nclient_certificate = { subject = [\"bob\"] }\n\
                [[policies.team.rules]]\nname = \"media\"\n\
                effect = \"allow\"\nclaims = { ou = \"Media\" }\n\
                [[routes]]\npath = \"/\"\nupstream = \"janus\"\npolicy = \"team\"\n";
    fs::write(folder.join("gateway.toml"), text).unwrap();
    let message = "{\"janus\": \"create\", \"transaction\": \"a\"}";
    fs::write(folder.join("message.json"), message).unwrap();
    for (policy, name, code, text) in [
        (
            "team",
            "ada",
            0,
            "certificate: CN=ada,OU=Media,O=Example, valid until ",
        ),
        ("team", "bob", 1, "the certificate is revoked"),
        ("bob", "ada", 1, "it is that of CN=ada,OU=Media,O=Example"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_ianitor"))
            .args([
                "check",
                "--explain",
                "--config",
                "gateway.toml",
                "--policy",
                policy,
            ])
            .args(["--certificate", &format!("{name}.pem"), "message.json"])
            .current_dir(folder)
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(text), "{said}");
    }
}

fn check(folder: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ianitor"))
        .args(["check", "--config"])
        .arg(folder.join("gateway.toml"))
        .output()
        .unwrap();
    let all = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(all).unwrap())
}

#[test]
fn check_names_what_is_wrong_with_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make(folder);
    let text = "[listen]\nhttps = [\"127.0.0.1:0\"]\ncontrol = \"off\"\n[tls]\n\
                self_signed = [\"localhost\"]\nclient_ca = \"ca.pem\"\n\
                client_crl = \"crl.pem\"\n[policies.team]\nclient_certificate = {}\n\
                [[routes]]\npath = \"/\"\nredirect = \"https://a.test/\"\npolicy = \"team\"\n";
    fs::write(folder.join("gateway.toml"), text).unwrap();
    let (code, said) = check(folder);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("tls.client_c"), "{said}");
    // A list that is out of date, and one of the old format.
    let ca = "ca -config ca.cnf -cert ca.pem -keyfile ca.key -gencrl";
    let dates = "-crl_lastupdate 20200101000000Z -crl_nextupdate 20200201000000Z";
    openssl(folder, &format!("{ca} {dates} -out crl.pem"));
    let (code, said) = check(folder);
    assert_eq!(code, Some(0), "{said}");
    let line = said.lines().find(|line| line.contains("tls.client_crl: "));
    let line = line.unwrap_or_else(|| panic!("{said}"));
    assert!(line.contains("out of date since 2020-02-01"), "{line}");
    assert!(line.contains("\"CN=clients\""), "{line}");
    let old = fs::read_to_string(folder.join("ca.cnf")).unwrap();
    let old = old
        .replace("crl_extensions = ext\n", "")
        .replace("crlnumber = number\n", "");
    fs::write(folder.join("ca.cnf"), old).unwrap();
    openssl(folder, &format!("{ca} -out crl.pem"));
    for (file, why) in [
        ("", "holds a list of version 1"),
        ("crl.pem", "does not exist"),
        ("ca.pem", "does not exist"),
    ] {
        if !file.is_empty() {
            fs::remove_file(folder.join(file)).unwrap();
        }
        let (code, said) = check(folder);
        assert_eq!(code, Some(78), "{said}");
        let is_said = |line: &str| line.contains("tls.client_c") && line.contains(why);
        assert!(said.lines().any(is_said), "{why}: {said}");
    }
}
