//! A reload takes up a configuration whole or changes nothing.

use crate::harness::process::GatewayProcess;
use crate::harness::{Client, Config, TestGateway, Upstream};

#[test]
fn a_broken_file_changes_nothing_and_the_log_names_the_line() {
    let upstream = Upstream::ok();
    let config = Config::to(&upstream);
    let gateway = GatewayProcess::start(&config);
    let broken = config
        .text()
        .replace("policy = \"open\"", "policy = \"opne\"");
    let line = 1 + broken
        .lines()
        .position(|line| line.contains("opne"))
        .unwrap();
    let mut client = gateway.dial().h1();
    assert_eq!(client.get("/").status(), 200);
    gateway.hang_up(&broken);
    gateway.event("not reloaded");
    let named = gateway.event(&format!("gateway.toml:{line}:"));
    assert!(named.contains("opne"), "{named}");
    assert_eq!(client.get("/").status(), 200);
    assert_eq!(gateway.dial().h1().get("/").status(), 200);
    // And a good one afterwards is taken up.
    gateway.hang_up(&config.route("/more", "app").text());
    gateway.event(" reloaded ");
    assert_eq!(client.get("/more").status(), 200);
}

#[test]
fn a_file_that_is_watched_is_applied_when_it_changes() {
    let upstream = Upstream::ok();
    let config = Config::to(&upstream);
    let text = format!("[reload]\nwatch = true\n{}", config.text());
    let gateway = GatewayProcess::start(&config);
    let path = gateway.config_path();
    // Nothing watches it yet.
    gateway.hang_up(&text);
    gateway.event(" reloaded ");
    let mut client = gateway.dial().h1();
    let broken = text.replace("policy = \"open\"", "policy = \"opne\"");
    std::fs::write(&path, broken).unwrap();
    gateway.event("not reloaded");
    gateway.event("opne");
    assert_eq!(client.get("/").status(), 200);
    // As editors and ConfigMaps do it: another file takes the name.
    let with_route = config.route("/more", "app").text();
    let next = path.with_extension("next");
    std::fs::write(&next, format!("[reload]\nwatch = true\n{with_route}")).unwrap();
    std::fs::rename(&next, &path).unwrap();
    gateway.event(" reloaded ");
    assert_eq!(client.get("/more").status(), 200);
}

#[test]
fn a_certificate_that_cannot_be_read_changes_nothing() {
    let upstream = Upstream::ok();
    let config = Config::to(&upstream);
    let gateway = GatewayProcess::start(&config);
    gateway.hang_up(
        &config
            .clone()
            .tls("certificates = [{ cert = \"missing.pem\" }]")
            .text(),
    );
    gateway.event("not reloaded");
    gateway.event("missing.pem");
    assert_eq!(gateway.dial().h1().get("/").status(), 200);
}

#[test]
fn an_address_that_is_taken_changes_nothing() {
    let upstream = Upstream::ok();
    let gateway = GatewayProcess::start(&Config::to(&upstream));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let listen = format!("https = [\"127.0.0.1:0\", \"{address}\"]\nworkers = 2");
    gateway.hang_up(
        &Config::to(&upstream)
            .listen(&listen)
            .route("/more", "app")
            .text(),
    );
    gateway.event("not reloaded");
    gateway.event(&format!("cannot listen on {address}"));
    assert_eq!(gateway.dial().h1().get("/").status(), 200);
}

#[test]
fn a_reload_names_every_problem_as_a_start_does() {
    let upstream = Upstream::ok();
    let gateway = GatewayProcess::start(&Config::to(&upstream));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    gateway.hang_up(
        &Config::to(&upstream)
            .listen(&format!(
                "https = [\"127.0.0.1:0\", \"{address}\"]\nworkers = 2"
            ))
            .tls("certificates = [{ cert = \"missing.pem\" }]")
            .table(
                "[turn.coturn]\nsecret_file = \"missing.secret\"\n\
                 uris = [\"turn:192.0.2.1\"]\n",
            )
            .route("/more", "app")
            .text(),
    );
    gateway.event("not reloaded");
    gateway.event(&format!("cannot listen on {address}"));
    gateway.event("missing.pem");
    gateway.event("missing.secret");
    // And none of it is in force.
    let mut client = gateway.dial().h1();
    assert_eq!(client.get("/").status(), 200);
    assert_eq!(gateway.dial().h1().get("/").status(), 200);
    assert_eq!(gateway.listening(1).len(), 1);
}

#[test]
fn new_routes_are_in_force_for_the_next_request_of_an_old_connection() {
    let (before, after) = (Upstream::ok(), Upstream::ok());
    let config = |upstream: &Upstream| Config::new().upstream("app", &upstream.url());
    let mut gateway = TestGateway::start(&config(&before).route("/old", "app"));
    let (mut h1, mut h2) = (gateway.client(), gateway.dial().h2());
    assert_eq!((h1.get("/old").status(), h2.get("/old").status), (200, 200));
    gateway.reload(&config(&after).route("/new", "app"));
    assert_eq!((h1.get("/old").status(), h2.get("/old").status), (404, 404));
    assert_eq!((h1.get("/new").status(), h2.get("/new").status), (200, 200));
    assert_eq!((before.requests().len(), after.requests().len()), (2, 2));
    // Nothing is kept of a server that nobody names any more.
    before.is_left_by_all();
}

#[test]
fn a_request_under_way_ends_by_the_configuration_it_began_with() {
    let upstream = Upstream::raw(|conn| {
        conn.head()?;
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ")?;
        let go = conn.wire.exactly(1);
        go.and_then(|_| conn.send("whole"))
    });
    let other = Upstream::ok();
    let mut gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.client();
    // A body that is not waited for.
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
    client.head();
    assert_eq!(client.wire.exactly(5).unwrap(), b"half ");
    gateway.reload(&Config::to(&other));
    client.send("x");
    assert_eq!(client.wire.exactly(5).unwrap(), b"whole");
}

#[test]
fn a_new_listener_opens_and_a_removed_one_serves_whom_it_had() {
    let upstream = Upstream::ok();
    let config = |addresses: &str| {
        Config::to(&upstream)
            .listen(&format!("https = [{addresses}]\nworkers = 2"))
            .limits("header_timeout = \"2m\"")
    };
    let mut gateway = TestGateway::start(&config("\"127.0.0.1:0\""));
    let old = gateway.dial();
    let mut kept = old.h1();
    assert_eq!(kept.get("/").status(), 200);
    // Connected, and not a byte said: some of them are still queued when the listener closes.
    let queued: Vec<_> = (0..100).map(|_| old.tcp()).collect();
    gateway.reload(&config("\"127.0.0.2:0\""));
    assert_ne!(gateway.https().ip(), old.addr.ip());
    assert_eq!(gateway.client().get("/").status(), 200);
    assert!(std::net::TcpStream::connect(old.addr).is_err());
    for tcp in queued {
        let tls = old.tls_over(tcp, old.config(&["http/1.1"])).unwrap();
        assert_eq!(Client::new(tls).get("/").status(), 200);
    }
    assert_eq!(kept.get("/").status(), 200);
}

#[test]
fn a_new_name_has_its_certificate_at_once() {
    let upstream = Upstream::ok();
    let mut gateway = TestGateway::start(&Config::to(&upstream));
    gateway
        .dial()
        .name("media.test")
        .tls(&[])
        .expect_err("nobody of that name");
    gateway.reload(&Config::to(&upstream).tls("self_signed = [\"localhost\", \"media.test\"]"));
    let mut client = gateway.dial().name("media.test").h1();
    assert_eq!(
        client
            .ask("GET / HTTP/1.1\r\nHost: media.test\r\n\r\n")
            .status(),
        200
    );
    gateway.reload(&Config::to(&upstream).tls("self_signed = [\"media.test\"]"));
    gateway.dial().tls(&[]).expect_err("the name is gone");
}

#[test]
fn limits_change_at_once() {
    let upstream = Upstream::ok();
    let mut gateway = TestGateway::start(&Config::to(&upstream).limits("body = 10"));
    assert_eq!(gateway.client().post("/", &[b'x'; 11]).status(), 413);
    gateway.reload(&Config::to(&upstream).limits("body = 11\nconnections = 1"));
    let mut held = gateway.client();
    assert_eq!(held.post("/", &[b'x'; 11]).status(), 200);
    gateway.dial().tls(&[]).expect_err("one too many");
}
