//! Clients that show a certificate in the handshake (`client_certificate`).

mod expiry;
mod foreign;
mod names;
mod proxies;
mod world;

use http::Request;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, SanType};
use rustls::version::{TLS12, TLS13};

use crate::harness::ca::{Ca, named};
use crate::harness::{Config, TestGateway, Upstream, staff};
use world::{World, get, reason};

#[test]
fn only_a_certificate_that_counts_is_admitted_and_other_routes_need_none() {
    let world = World::new("subject = [\"ada\"]");
    let other = Ca::new();
    other.issue("ada", "ada");
    world.issue("old", |it| it.not_after = rcgen::date_time_ymd(2020, 1, 1));
    world.issue("server", |it| {
        it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    world.issue("late", |it| {
        it.not_before = rcgen::date_time_ymd(2090, 1, 1)
    });
    world.ca.issue("bob", "bob");
    for versions in [&[&TLS13][..], &[&TLS12]] {
        for (name, status, why) in [
            ("ada", 200, ""),
            ("", 401, "no_certificate"),
            ("old", 401, "certificate_expired"),
            ("late", 401, "certificate_not_yet"),
            ("server", 401, "certificate_purpose"),
            ("other", 401, "certificate_unknown"),
            ("bob", 403, "certificate_name"),
        ] {
            let dial = world.dial("app.test").versions(versions);
            let dial = match name {
                "" => dial,
                "other" => dial.showing(&other.read("ada.pem"), &other.read("ada.key")),
                name => world.showing(dial, name),
            };
            world.gateway.access.clear();
            let mut client = dial.h1();
            for _ in 0..2 {
                assert_eq!(client.ask(get("app.test", "/")).status(), status, "{name}");
            }
            assert_eq!(client.ask(get("app.test", "/open")).status(), 200, "{name}");
            let mut client = dial.h2();
            let of = |path: &str| Request::get(format!("https://app.test{path}"));
            let answer = client.send(of("/").body(()).unwrap(), b"");
            assert_eq!(answer.status, status, "{name}");
            let answer = client.send(of("/open").body(()).unwrap(), b"");
            assert_eq!(answer.status, 200, "{name}");
            let lines = world.gateway.access.lines(5);
            let judged: Vec<_> = lines
                .iter()
                .filter(|line| line.contains("path=\"/\""))
                .collect();
            assert_eq!(judged.len(), 3, "{lines:?}");
            for line in judged {
                assert_eq!(reason(line), why, "{line}");
                let is_named = line.contains("user=\"client_certificate.team:ada\"");
                assert_eq!(is_named, status == 200, "{line}");
            }
        }
    }
}

#[test]
fn names_and_claims_of_a_certificate_are_asked_for_and_told() {
    let rules = "san = [\"spiffe://example.com/bot\", \"*.bots.example.com\"]\n\
                 [policies.team.claims]\nou = [\"Media\"]";
    let world = World::new(rules);
    let unit = |it: &mut CertificateParams, unit: &str| {
        it.distinguished_name
            .push(DnType::OrganizationalUnitName, unit);
    };
    let uri = |uri: &str| SanType::URI(uri.try_into().unwrap());
    world.issue("uri", |it| {
        unit(it, "Media");
        it.subject_alt_names = vec![uri("spiffe://example.com/bot")];
    });
    world.issue("dns", |it| {
        unit(it, "Media");
        let name = "a.bots.example.com".try_into().unwrap();
        it.subject_alt_names = vec![uri("spiffe://example.com/other"), SanType::DnsName(name)];
    });
    world.issue("other", |it| {
        unit(it, "Media");
        it.subject_alt_names = vec![uri("spiffe://example.com/other")];
    });
    world.issue("unit", |it| {
        unit(it, "Sales");
        it.subject_alt_names = vec![uri("spiffe://example.com/bot")];
    });
    for (name, status, why) in [
        ("uri", 200, ""),
        ("dns", 200, ""),
        ("ada", 403, "certificate_name"),
        ("other", 403, "certificate_name"),
        ("unit", 403, "claim"),
    ] {
        world.gateway.access.clear();
        let mut client = world.showing(world.dial("app.test"), name).h1();
        assert_eq!(client.ask(get("app.test", "/")).status(), status, "{name}");
        let lines = world.gateway.access.lines(1);
        assert_eq!(reason(&lines[0]), why, "{}", lines[0]);
    }
}

#[test]
fn servers_learn_of_a_certificate_from_the_gateway_alone() {
    let world = World::new(
        "headers = { X-Client-Cert-Subject = \"subject\", X-User = \"user\", \
         X-San = \"san\", X-Print = \"fingerprint\" }",
    );
    let forged = "X-Client-Cert-Subject: CN=root\r\nx_client.cert_subject: CN=root\r\n\
                  X-SSL-Client-Verify: SUCCESS\r\nSSL-Client-Cert: x\r\nX-User: root\r\n\
                  X-Forwarded-Client-Cert: x\r\nClient-Cert: :x:\r\nX-San: root\r\n\
                  X-Forwarded-Tls-Client-Cert-Info: x\r\nX-Other: kept\r\n";
    let mut client = world.showing(world.dial("app.test"), "ada").h1();
    let request = get("app.test", "/").replace("\r\n\r\n", &format!("\r\n{forged}\r\n"));
    assert_eq!(client.ask(request.clone()).status(), 200);
    let heads = world.app.heads();
    let head = heads.last().unwrap();
    assert_eq!(head.get("x-client-cert-subject"), Some("CN=ada"));
    assert_eq!(head.get("x-user"), Some("ada"));
    assert_eq!(head.get("x-san"), Some(""));
    assert_eq!(head.get("x-print").map(str::len), Some(64));
    assert_eq!(head.get("x-other"), Some("kept"));
    for name in [
        "x_client.cert_subject",
        "x-ssl-client-verify",
        "ssl-client-cert",
        "x-forwarded-client-cert",
        "client-cert",
        "x-forwarded-tls-client-cert-info",
    ] {
        assert_eq!(head.get(name), None, "{name}");
    }
}

#[test]
fn addresses_and_tokens_go_with_a_certificate() {
    let ca = Ca::new();
    ca.issue("ada", "ada");
    let app = Upstream::ok();
    let config = Config::new()
        .tls(&format!(
            "self_signed = [\"localhost\"]\nclient_ca = {:?}",
            ca.at("ca.pem")
        ))
        .upstream("app", &app.url())
        .table(&staff::issuer(""))
        .table(
            "[policies.any]\nallow = [\"127.0.0.1\"]\nclient_certificate = {}\n\
             satisfy = \"any\"\n[policies.all]\nallow = [\"127.0.0.1\"]\n\
             client_certificate = {}\nsatisfy = \"all\"\n[policies.token]\n\
             issuers = [\"staff\"]\nclient_certificate = {}\nsatisfy = \"any\"",
        )
        .route_with("/any", "app", "policy = \"any\"")
        .route_with("/all", "app", "policy = \"all\"")
        .route_with("/token", "app", "policy = \"token\"");
    let gateway = TestGateway::start(&config);
    let bearer = format!("Authorization: Bearer {}\r\n", staff::token("ada", 600));
    for (source, shows, path, token, status) in [
        ("127.0.0.1", false, "/any", "", 200),
        ("127.0.0.2", false, "/any", "", 401),
        ("127.0.0.2", true, "/any", "", 200),
        ("127.0.0.1", false, "/all", "", 401),
        ("127.0.0.1", true, "/all", "", 200),
        ("127.0.0.2", true, "/all", "", 403),
        ("127.0.0.2", false, "/token", &*bearer, 200),
        ("127.0.0.2", true, "/token", "", 200),
        (
            "127.0.0.2",
            true,
            "/token",
            "Authorization: Bearer x\r\n",
            200,
        ),
        ("127.0.0.2", false, "/token", "", 401),
    ] {
        let mut dial = gateway.dial().from(source);
        if shows {
            dial = dial.showing(&ca.read("ada.pem"), &ca.read("ada.key"));
        }
        let request = get("localhost", path).replace("\r\n\r\n", &format!("\r\n{token}\r\n"));
        let answer = dial.h1().ask(request);
        assert_eq!(answer.status(), status, "{source} {shows} {path} {token}");
        let challenge = answer.head.get("www-authenticate").is_some();
        assert_eq!(challenge, status == 401 && path == "/token", "{path}");
    }
}

#[test]
fn a_page_of_another_host_has_no_use_of_a_certificate() {
    let world = World::new("");
    let mut client = world.showing(world.dial("app.test"), "ada").h1();
    let request = get("app.test", "/").replace("\r\n\r\n", "\r\nOrigin: https://evil.test\r\n\r\n");
    assert_eq!(client.ask(request).status(), 403);
    assert!(world.app.heads().is_empty());
}

#[test]
fn an_issuer_between_the_ca_and_the_client_comes_with_its_certificate() {
    let world = World::new("subject = [\"carol\"]");
    let (chain, key) = world.ca.issue_below("clients", &named("carol"));
    let mut client = world.dial("app.test").showing(&chain, &key).h1();
    assert_eq!(client.ask(get("app.test", "/")).status(), 200);
}
