//! Keys that an issuer publishes are there before they are needed, and stay until better ones come.

use std::time::{Duration, Instant};

use crate::harness::issuer::{KeyServer, Says, Signer};
use crate::harness::process::GatewayProcess;
use crate::harness::{Client, Config, TestGateway, Upstream, eventually};

/// One more issuer with lines of its own, and a route that asks for its tokens.
pub(crate) fn guarded(config: Config, name: &str, path: &str, lines: &str) -> Config {
    guarded_by(config, name, "[\"ES256\"]", path, lines)
}

fn guarded_by(config: Config, name: &str, algorithms: &str, path: &str, lines: &str) -> Config {
    config
        .table(&format!(
            "[issuers.{name}]\nalgorithms = {algorithms}\naudience = \"ianitor\"\n{lines}"
        ))
        .table(&format!("[policies.{name}]\nissuers = [\"{name}\"]"))
        .route_with(path, "app", &format!("policy = \"{name}\""))
}

/// Everything asks for tokens of the issuer `staff`.
fn staff(upstream: &Upstream, keys: &KeyServer) -> Config {
    let config = Config::new()
        .listen(WITH_STATUS)
        .upstream("app", &upstream.url());
    guarded(
        config,
        "staff",
        "/",
        &format!("jwks_url = \"{}\"", keys.url("/jwks.json")),
    )
}

const WITH_STATUS: &str = "https = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"\nworkers = 2";

/// The status of a request with a token.
#[track_caller]
pub(crate) fn ask(client: &mut Client, path: &str, token: &str) -> u16 {
    client
        .ask(format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        ))
        .status()
}

/// The lines that say that keys could not be fetched.
fn warnings(gateway: &GatewayProcess) -> Vec<String> {
    gateway
        .events()
        .into_iter()
        .filter(|line| line.contains("could not be fetched"))
        .collect()
}

#[test]
fn keys_are_fetched_before_the_first_token_comes() {
    let (upstream, one) = (Upstream::ok(), Signer::new("one"));
    let keys = KeyServer::with_set(&[&one]);
    let gateway = GatewayProcess::start(&staff(&upstream, &keys));
    keys.was_asked(1);
    gateway.event("an issuer's keys have changed");
    let mut client = gateway.dial().h1();
    assert_eq!(ask(&mut client, "/", &one.token()), 200);
    assert_eq!(ask(&mut client, "/", &one.token_without_kid()), 200);
    assert_eq!(client.get("/").status(), 401);
    assert_eq!(keys.asked(), ["/jwks.json"]);
}

#[test]
fn the_first_token_with_a_new_key_waits_for_it() {
    let (upstream, one, two) = (Upstream::ok(), Signer::new("one"), Signer::new("two"));
    let keys = KeyServer::with_set(&[&one]);
    let gateway = GatewayProcess::start(&staff(&upstream, &keys));
    let mut client = gateway.dial().h1();
    assert_eq!(ask(&mut client, "/", &one.token()), 200);
    keys.publish(&[&two]);
    assert_eq!(ask(&mut client, "/", &two.token()), 200);
    assert_eq!(keys.asked().len(), 2);
    // What is no longer published proves nothing, also not to who has been seen before.
    assert_eq!(ask(&mut client, "/", &one.token()), 401);
}

#[test]
fn requests_that_arrive_together_with_one_new_key_share_its_fetch() {
    let (upstream, one, two) = (Upstream::ok(), Signer::new("one"), Signer::new("two"));
    let keys = KeyServer::with_set(&[&one]);
    let gateway = GatewayProcess::start(&staff(&upstream, &keys));
    let dial = gateway.dial();
    let mut clients: Vec<_> = (0..48).map(|_| dial.h1()).collect();
    clients
        .iter_mut()
        .for_each(|client| assert_eq!(ask(client, "/", &one.token()), 200));
    keys.publish(&[&one, &two]);
    for client in &mut clients {
        let token = two.token();
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        ));
    }
    let statuses: Vec<u16> = clients
        .iter_mut()
        .map(|client| client.answer().status())
        .collect();
    assert_eq!(statuses, [200; 48]);
    assert_eq!(keys.asked().len(), 2);
}

#[test]
fn a_key_of_another_kind_is_waited_for_too() {
    let (upstream, one) = (Upstream::ok(), Signer::new("one"));
    let keys = KeyServer::start();
    // RFC 8037, appendix A.2.
    let ed = concat!(
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"ed","#,
        r#""x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#
    );
    keys.says("/jwks.json", Says::ok(ed));
    let config = Config::new().upstream("app", &upstream.url());
    let lines = format!("jwks_url = \"{}\"", keys.url("/jwks.json"));
    let config = guarded_by(config, "staff", "[\"ES256\", \"EdDSA\"]", "/", &lines);
    let gateway = GatewayProcess::start(&config);
    gateway.event("an issuer's keys have changed");
    keys.publish(&[&one]);
    assert_eq!(ask(&mut gateway.dial().h1(), "/", &one.token()), 200);
}

#[test]
fn a_storm_of_unknown_keys_makes_one_fetch() {
    let (upstream, one, stranger) = (Upstream::ok(), Signer::new("one"), Signer::new("stranger"));
    let keys = KeyServer::with_set(&[&one]);
    let gateway = GatewayProcess::start(&staff(&upstream, &keys));
    keys.was_asked(1);
    let dial = gateway.dial();
    std::thread::scope(|scope| {
        for thread in 0..20 {
            let (dial, stranger) = (&dial, &stranger);
            scope.spawn(move || {
                let mut client = dial.h1();
                for number in 0..10 {
                    let token = stranger.token_as(&format!("{thread}-{number}"));
                    assert_eq!(ask(&mut client, "/", &token), 401);
                }
            });
        }
    });
    assert!(keys.asked().len() <= 2, "{:?}", keys.asked());
    assert_eq!(ask(&mut dial.h1(), "/", &one.token()), 200);
}

#[test]
fn while_a_server_is_down_the_last_good_keys_stay() {
    let (upstream, one, two) = (Upstream::ok(), Signer::new("one"), Signer::new("two"));
    let keys = KeyServer::with_set(&[&one]);
    let gateway = GatewayProcess::start(&staff(&upstream, &keys));
    let mut client = gateway.dial().h1();
    assert_eq!(ask(&mut client, "/", &one.token()), 200);
    keys.says("/jwks.json", Says::Nothing);
    // Nobody knows whether there is such a key.
    assert_eq!(ask(&mut client, "/", &two.token()), 503);
    // Tried again and again, and said once.
    keys.was_asked(4);
    assert_eq!(ask(&mut client, "/", &one.token()), 200);
    let said = warnings(&gateway);
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(
        said[0].contains("staff") && said[0].contains("the last good ones stay in force"),
        "{said:#?}"
    );
    // And when it is back it is seen, without anybody asking.
    keys.publish(&[&one, &two]);
    gateway.event("an issuer's keys are fetched again");
    assert_eq!(ask(&mut client, "/", &two.token()), 200);
    let metrics = metrics(&gateway);
    assert!(
        metrics.contains("ianitor_issuer_keys{issuer=\"staff\"} 2\n"),
        "{metrics}"
    );
    let failures = metrics.lines().find_map(|line| {
        line.strip_prefix("ianitor_issuer_fetch_failures_total{issuer=\"staff\"} ")
    });
    assert!(failures.unwrap().parse::<u32>().unwrap() >= 3, "{metrics}");
}

#[test]
fn what_is_no_set_of_keys_is_refused_and_said_once() {
    let (upstream, one, two) = (Upstream::ok(), Signer::new("one"), Signer::new("two"));
    let secret = concat!(
        r#"{"keys":[{"kty":"oct","kid":"two","#,
        r#""k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}]}"#
    );
    let padded = format!(
        "{}{}",
        crate::harness::issuer::set(&[&two]),
        " ".repeat(2 << 20)
    );
    #[rustfmt::skip]
    let cases = [
        ("broken", Says::ok("{\"keys\":["), "not a JSON object"),
        ("html", Says::Answer("200 OK", "Content-Type: text/html\r\n", b"<!doctype html>".to_vec()),
         "not a JSON object"),
        ("moved", Says::Answer("302 Found", "Location: /new.json\r\n", Vec::new()),
         "redirects are not followed"),
        ("large", Says::ok(padded), "more than 1024 KiB"),
        ("zipped", Says::Answer("200 OK", "Content-Encoding: gzip\r\n", b"\x1f\x8b\x08".to_vec()),
         "answered in the coding \"gzip\", although it was asked for none"),
        ("empty", Says::ok("{\"keys\":[]}"), "no key that can be used with ES256"),
        ("secret", Says::ok(secret), "no key that can be used with ES256"),
        ("failing", Says::Answer("500 Internal Server Error", "", Vec::new()),
         "500 Internal Server Error, not 200"),
        ("gone", Says::Answer("404 Not Found", "", Vec::new()), "404 Not Found"),
    ];
    let keys = KeyServer::start();
    keys.says("/new.json", Says::ok(crate::harness::issuer::set(&[&two])));
    let config = cases.iter().fold(
        Config::new().upstream("app", &upstream.url()),
        |config, (name, ..)| {
            keys.says(
                &format!("/{name}.json"),
                Says::ok(crate::harness::issuer::set(&[&one])),
            );
            let url = keys.url(&format!("/{name}.json"));
            guarded(
                config,
                name,
                &format!("/{name}"),
                &format!("jwks_url = \"{url}\""),
            )
        },
    );
    let gateway = GatewayProcess::start(&config);
    let mut client = gateway.dial().h1();
    for (name, says, sentence) in cases {
        let path = format!("/{name}");
        assert_eq!(ask(&mut client, &path, &one.token()), 200, "{name}");
        keys.says(&format!("/{name}.json"), says);
        assert_eq!(ask(&mut client, &path, &two.token()), 503, "{name}");
        assert_eq!(
            ask(&mut client, &path, &one.token()),
            200,
            "{name}: the last good keys stay"
        );
        let of_case = || {
            warnings(&gateway)
                .into_iter()
                .filter(|line| line.contains(&format!("issuer={name}")))
                .collect()
        };
        eventually("the log says it", || !Vec::is_empty(&of_case()));
        let said: Vec<String> = of_case();
        assert!(
            said.len() == 1 && said[0].contains(sentence),
            "{name}: {said:#?}"
        );
    }
    assert!(
        !keys.asked().contains(&"/new.json".to_owned()),
        "a redirect was followed"
    );
}

#[test]
fn a_silent_server_holds_up_only_who_needs_it_and_not_for_long() {
    let (upstream, one, two) = (Upstream::ok(), Signer::new("one"), Signer::new("two"));
    let keys = KeyServer::with_set(&[&one]);
    let gateway = GatewayProcess::start(&staff(&upstream, &keys));
    let (mut client, mut waiting) = (gateway.dial().h1(), gateway.dial().h1());
    assert_eq!(ask(&mut client, "/", &one.token()), 200);
    keys.says("/jwks.json", Says::Waits);
    let began = Instant::now();
    waiting.send(format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n",
        two.token()
    ));
    keys.was_asked(2);
    assert_eq!(ask(&mut client, "/", &one.token()), 200);
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "who has a known key does not wait"
    );
    assert_eq!(waiting.answer().status(), 503);
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_private_ca_is_trusted_where_it_is_named() {
    let (upstream, one) = (Upstream::ok(), Signer::new("one"));
    let keys = KeyServer::with_set(&[&one]);
    // A gateway of its own speaks TLS for the key server.
    let front = TestGateway::start(
        &Config::new()
            .upstream("keys", &keys.url(""))
            .route("/", "keys"),
    );
    let url = format!("https://localhost:{}/jwks.json", front.https().port());
    let ca = front.folder().join("certs/ca.pem");
    let config = Config::new().upstream("app", &upstream.url());
    let named = format!("jwks_url = \"{url}\"\nca_file = \"{}\"", ca.display());
    let config = guarded(config, "named", "/named", &named);
    let config = guarded(
        config,
        "unnamed",
        "/unnamed",
        &format!("jwks_url = \"{url}\""),
    );
    let gateway = GatewayProcess::start(&config);
    let mut client = gateway.dial().h1();
    assert_eq!(ask(&mut client, "/named", &one.token()), 200);
    assert_eq!(ask(&mut client, "/unnamed", &one.token()), 503);
    let said = gateway.event("issuer=unnamed");
    assert!(
        said.contains("its tokens are rejected until then"),
        "{said}"
    );
    // A file that is no CA is a mistake of the configuration.
    gateway.hang_up(&config.text().replace("certs/ca.pem", "gateway.toml"));
    gateway.event("issuers.named.ca_file");
    assert_eq!(ask(&mut client, "/named", &one.token()), 200);
}

#[test]
fn a_reload_keeps_keys_and_asks_nobody() {
    let (upstream, one, two) = (Upstream::ok(), Signer::new("one"), Signer::new("two"));
    let (keys, others) = (KeyServer::with_set(&[&one]), KeyServer::with_set(&[&two]));
    let config = staff(&upstream, &keys);
    let gateway = GatewayProcess::start(&config);
    let mut client = gateway.dial().h1();
    assert_eq!(ask(&mut client, "/", &one.token()), 200);
    keys.says("/jwks.json", Says::Nothing);
    let more = config
        .clone()
        .route("/more", "app")
        .text()
        .replace("audience =", "leeway = \"10s\"\naudience =");
    gateway.hang_up(&more);
    eventually("the reload is taken up", || {
        client.get("/more").status() == 200
    });
    assert_eq!(ask(&mut client, "/", &one.token()), 200);
    assert_eq!(keys.asked().len(), 1);
    // Other algorithms: what is still good stays, although nothing can be fetched.
    gateway.hang_up(&more.replace("[\"ES256\"]", "[\"ES256\", \"RS256\"]"));
    keys.was_asked(2);
    assert_eq!(ask(&mut client, "/", &one.token()), 200);
    // Another place: its keys are the issuer's, and no others.
    gateway.hang_up(&more.replace(&keys.url(""), &others.url("")));
    eventually("the new keys are in force", || {
        ask(&mut client, "/", &two.token()) == 200
    });
    assert_eq!(ask(&mut client, "/", &one.token()), 401);
}

fn status(gateway: &GatewayProcess, path: &str) -> crate::harness::h1::Answer {
    let stream = std::net::TcpStream::connect(gateway.status()).unwrap();
    Client::new(stream).get(path)
}

fn metrics(gateway: &GatewayProcess) -> String {
    status(gateway, "/metrics").text()
}

#[test]
fn a_gateway_without_the_keys_that_a_route_needs_is_not_ready() {
    let (upstream, one) = (Upstream::ok(), Signer::new("one"));
    let keys = KeyServer::start();
    let gateway = GatewayProcess::start(&staff(&upstream, &keys));
    gateway.event("could not be fetched");
    let unready = status(&gateway, "/readyz");
    assert_eq!(
        (unready.status(), &*unready.text()),
        (
            503,
            "the keys of the issuer staff could not be fetched yet\n"
        )
    );
    assert_eq!(ask(&mut gateway.dial().h1(), "/", &one.token()), 503);
    assert!(
        metrics(&gateway)
            .contains("ianitor_issuer_last_fetch_timestamp_seconds{issuer=\"staff\"} 0\n")
    );
    keys.publish(&[&one]);
    // Whoever reloads does not wait for the next try.
    gateway.signal(rustix::process::Signal::HUP);
    eventually("the gateway is ready", || {
        status(&gateway, "/readyz").status() == 200
    });
    assert_eq!(ask(&mut gateway.dial().h1(), "/", &one.token()), 200);
    let page = status(&gateway, "/").text();
    assert!(
        page.contains("<h2>Issuers</h2>") && page.contains(&keys.url("/jwks.json")),
        "{page}"
    );
    assert!(
        !metrics(&gateway)
            .contains("ianitor_issuer_last_fetch_timestamp_seconds{issuer=\"staff\"} 0\n")
    );
}

#[test]
fn check_fetches_keys_only_where_it_is_told_to() {
    let (upstream, one) = (Upstream::ok(), Signer::new("one"));
    let keys = KeyServer::with_set(&[&one]);
    let config = staff(&upstream, &keys);
    let config = guarded(
        config,
        "bad",
        "/bad",
        &format!("jwks_url = \"{}\"", keys.url("/missing.json")),
    );
    let config = guarded(
        config,
        "jitsi",
        "/jitsi",
        &format!("asap_url = \"{}\"", keys.url("/asap")),
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, config.text()).unwrap();
    let check = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ianitor"));
        command
            .arg("check")
            .arg("--config")
            .arg(&file)
            .args(more)
            .output()
            .unwrap()
    };
    assert!(check(&[]).status.success());
    assert_eq!(keys.asked(), [""; 0]);
    let live = check(&["--live"]);
    let text = String::from_utf8(live.stdout).unwrap();
    for line in [
        format!("  staff  {}  ok: 1 key: \"one\"\n", keys.url("/jwks.json")),
        format!(
            "  bad  {}  problem: answered 404 Not Found\n",
            keys.url("/missing.json")
        ),
        format!(
            "  jitsi  {}  ok: answers, and has no key where there should be none\n",
            keys.url("/asap")
        ),
    ] {
        assert!(text.contains(&line), "{line}{text}");
    }
    assert_eq!(live.status.code(), Some(1));
}

#[test]
fn keys_that_are_fetched_need_a_runtime() {
    let (upstream, keys) = (Upstream::ok(), KeyServer::start());
    let folder = tempfile::tempdir().unwrap();
    let text = staff(&upstream, &keys)
        .text()
        .replace("status = \"127.0.0.1:0\"", "");
    let config = ianitor::config::parse(&folder.path().join("gateway.toml"), &text)
        .unwrap()
        .config;
    let error = ianitor::gateway::Gateway::bind(config)
        .unwrap()
        .start(None)
        .unwrap_err();
    assert!(error.to_string().contains("runtime"), "{error}");
}
