//! The status listener beside a running gateway. That its numbers are those of clients and of the
//! access log is seen by `tests/real`, over ten thousand requests.

#![allow(clippy::unwrap_used)] // the lint knows tests by their attribute, and these have helpers
#![allow(clippy::disallowed_methods)] // tests measure with the clocks themselves

#[path = "status/faults.rs"]
mod faults;
#[path = "status/support.rs"]
mod support;

use std::net::TcpListener;
use std::time::Duration;

use ianitor::listen::Kind;
use support::{Client, Log, Metrics, TestGateway, Upstream, config, get, until};

/// Requests to every kind of route, over several connections.
fn mixed_requests(gateway: &TestGateway, rounds: usize) {
    for _ in 0..rounds {
        let mut client = Client::connect(gateway.https());
        let statuses = ["/echo/a", "/nothing/here", "/closed", "/echo//b", "/down/x"]
            .map(|path| client.ask(path, ""));
        assert_eq!(statuses, [200, 404, 403, 400, 502]);
    }
}

#[test]
fn tunnels_are_counted_while_they_are_open() {
    let upstream = Upstream::start();
    let log = Log::default();
    let mut gateway = TestGateway::open(&config(&upstream, "", 2), &log);
    let echo = [("route", "/echo")];
    let (mut one, mut two) = (
        Client::connect(gateway.https()),
        Client::connect(gateway.https()),
    );
    one.open_websocket("/echo/one");
    two.open_websocket("/echo/two");
    one.echo(&[0x82, 0x83, 0, 0, 0, 0, 1, 2, 3]);
    until("bytes are counted before the end", || {
        let metrics = gateway.metrics();
        ["received", "sent"]
            .iter()
            .all(|way| metrics.sum(&format!("ianitor_{way}_bytes_total"), &echo) == 9)
    });
    let metrics = gateway.metrics();
    assert_eq!(metrics.sum("ianitor_tunnels_open", &echo), 2);
    assert_eq!(metrics.sum("ianitor_requests_total", &echo), 0);
    assert_eq!(
        metrics.sum("ianitor_connections_open", &[("listener", "https")]),
        2
    );
    drop(one);
    until("one has ended", || {
        gateway
            .metrics()
            .sum("ianitor_tunnels_ended_total", &[("end", "client")])
            == 1
    });
    // The policy there would let nobody in today.
    let text = config(&upstream, "", 2);
    let shut = text.replacen("policy = \"open\"", "policy = \"nobody\"", 1);
    assert_ne!(text, shut);
    gateway.reload(&shut).unwrap();
    drop(two);
    until("both have ended", || {
        gateway.metrics().sum("ianitor_tunnels_ended_total", &[]) == 2
    });
    let metrics = gateway.metrics();
    assert_eq!(
        metrics.sum("ianitor_tunnels_ended_total", &[("end", "policy")]),
        1
    );
    assert_eq!(metrics.sum("ianitor_tunnels_open", &echo), 0);
    until("both lines are written", || log.lines().len() == 2);
    let bytes = |key: &str| {
        log.lines()
            .iter()
            .map(|line| line[key].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(
        metrics.sum("ianitor_received_bytes_total", &echo),
        bytes("in")
    );
    assert_eq!(metrics.sum("ianitor_sent_bytes_total", &echo), bytes("out"));
    assert!(log.lines().iter().all(|line| line["kind"] == "tunnel"));
}

#[test]
fn nothing_depends_on_the_access_log() {
    let upstream = Upstream::start();
    let log = Log::default();
    let gateway = TestGateway::open(
        &(config(&upstream, "", 1) + "[log]\naccess = false\n"),
        &log,
    );
    let mut client = Client::connect(gateway.https());
    assert_eq!(client.ask("/echo", ""), 200);
    until("it is counted", || {
        gateway.metrics().sum(
            "ianitor_requests_total",
            &[("route", "/echo"), ("status", "2xx")],
        ) == 1
    });
    assert!(log.lines().is_empty());
}

#[test]
fn a_reload_never_takes_a_counter_back() {
    let upstream = Upstream::start();
    let mut gateway = TestGateway::open(&config(&upstream, "", 2), &Log::default());
    mixed_requests(&gateway, 10);
    let before = gateway.metrics();
    assert_eq!(before.sum("ianitor_reloads_total", &[]), 0);

    let other = config(
        &upstream,
        "[[routes]]\npath = \"/more\"\nupstream = \"echo\"\npolicy = \"open\"\n",
        2,
    );
    gateway
        .reload(&other.replace("path = \"/closed\"", "path = \"/shut\""))
        .unwrap();
    let after = gateway.metrics();
    for (name, value) in before.counters() {
        let now = after
            .counters()
            .find(|(other, _)| *other == name)
            .map(|(_, now)| now);
        assert!(now >= Some(value), "{name}: {value} became {now:?}");
    }
    assert_eq!(
        after.sum("ianitor_requests_total", &[("route", "/closed")]),
        10
    );
    assert_eq!(
        after.sum("ianitor_requests_total", &[("route", "/more")]),
        0
    );
    assert_eq!(after.sum("ianitor_reloads_total", &[("result", "ok")]), 1);
    assert_eq!(Client::connect(gateway.https()).ask("/more", ""), 200);
    until("the new route counts", || {
        gateway
            .metrics()
            .sum("ianitor_requests_total", &[("route", "/more")])
            == 1
    });

    assert!(
        gateway
            .reload(&other.replace(
                "self_signed = [\"localhost\"]",
                "certificates = [{ cert = \"none.pem\" }]"
            ))
            .is_err()
    );
    let after = gateway.metrics();
    assert_eq!(
        after.sum("ianitor_reloads_total", &[("result", "failed")]),
        1
    );
    assert_eq!(after.sum("ianitor_last_reload_successful", &[]), 0);
    assert!(get(gateway.status(), "/").body.contains("rejected"));
}

#[test]
fn health_and_readiness() {
    let upstream = Upstream::start();
    let mut gateway = TestGateway::open(&config(&upstream, "", 1), &Log::default());
    let ok = get(gateway.status(), "/healthz");
    assert_eq!((ok.status, &*ok.body), (200, "ok\n"));
    assert_eq!(get(gateway.status(), "/readyz").status, 200);
    for path in ["/healthz/", "/nothing", "//", "/metrics/x"] {
        assert_eq!(get(gateway.status(), path).status, 404, "{path}");
    }

    let unserved = "[[routes]]\nhost = \"media.example.com\"\npath = \"/\"\nupstream = \"echo\"\n\
                    policy = \"open\"\n";
    gateway.reload(&config(&upstream, unserved, 1)).unwrap();
    let unready = get(gateway.status(), "/readyz");
    assert_eq!(
        (unready.status, &*unready.body),
        (
            503,
            "no certificate serves media.example.com, which a route names\n"
        )
    );
    gateway.reload(&config(&upstream, "", 1)).unwrap();
    assert_eq!(get(gateway.status(), "/readyz").status, 200);

    let status = gateway.status();
    let mut held = Client::connect(gateway.https());
    assert_eq!(held.ask("/echo", ""), 200);
    let slow = std::thread::spawn(move || held.ask("/echo/slow", ""));
    until("the slow request is there", || upstream.is_slow());
    let drained = gateway.drain();
    until("it says that it drains", || {
        get(status, "/readyz").status == 503
    });
    assert!(get(status, "/readyz").body.starts_with("draining"));
    assert_eq!(get(status, "/healthz").status, 200);
    assert!(get(status, "/").body.contains(">draining<"));
    upstream.release();
    assert_eq!(slow.join().unwrap(), 200);
    drained.join().unwrap();
}

#[test]
fn a_host_whose_clients_are_refused_is_not_ready() {
    let upstream = Upstream::start();
    let route = |host: &str| {
        format!(
            "[[routes]]\nhost = \"{host}\"\npath = \"/\"\nupstream = \"echo\"\npolicy = \"open\"\n"
        )
    };
    let mut gateway = TestGateway::open(
        &config(&upstream, &route("*.nocert.test"), 1),
        &Log::default(),
    );
    let readiness = |gateway: &TestGateway| {
        let answer = get(gateway.status(), "/readyz");
        (answer.status, answer.body)
    };
    let unserved = "no certificate serves *.nocert.test, which a route names\n";
    assert_eq!(readiness(&gateway), (503, unserved.to_owned()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, config(&upstream, &route("*.nocert.test"), 1)).unwrap();
    let warnings = support::check(&file);
    assert!(
        warnings.contains("warning: ") && warnings.contains("no certificate serves *.nocert.test"),
        "{warnings}"
    );

    let past = support::pair(folder.path(), "past", &["*.nocert.test"], true);
    let text = config(&upstream, &route("*.nocert.test"), 1);
    let with =
        |pair: &str| text.replacen("[tls]\n", &format!("[tls]\ncertificates = [{pair}]\n"), 1);
    gateway.reload(&with(&past)).unwrap();
    let (status, body) = readiness(&gateway);
    assert_eq!(status, 503);
    assert!(
        body.contains("*.nocert.test") && body.contains("expired on 2020-01-02"),
        "{body}"
    );
    assert_eq!(body.lines().count(), 1, "{body}");
    // Some clients of a wildcard are served by a certificate of their own.
    let one = support::pair(folder.path(), "one", &["a.nocert.test"], false);
    gateway.reload(&with(&one)).unwrap();
    assert_eq!(readiness(&gateway).0, 200);
    // Routes that name no host are refused as well where nothing is valid.
    let past = support::pair(folder.path(), "localhost", &["localhost"], true);
    let text = config(&upstream, "", 1);
    gateway
        .reload(&text.replacen(
            "self_signed = [\"localhost\"]",
            &format!("certificates = [{past}]"),
            1,
        ))
        .unwrap();
    let (status, body) = readiness(&gateway);
    assert_eq!((status, body.lines().count()), (503, 1));
    assert!(
        body.starts_with("no TLS certificate is valid now")
            && body.contains("expired on 2020-01-02"),
        "{body}"
    );
}

#[test]
fn what_is_passed_through_has_no_requests() {
    use std::io::Write as _;
    let upstream = Upstream::start();
    let entry = "[[passthrough]]\nsni = \"turn.test\"\nto = \"127.0.0.1:1\"\n";
    let gateway = TestGateway::open(&config(&upstream, entry, 1), &Log::default());
    let mut passed = std::net::TcpStream::connect(gateway.https()).unwrap();
    passed.write_all(&support::hello("turn.test")).unwrap();
    until("it is counted", || {
        gateway
            .metrics()
            .names()
            .any(|name| name.contains("\"passthrough\""))
    });
    let metrics = gateway.metrics();
    let names: Vec<String> = metrics
        .names()
        .filter(|name| name.contains("\"passthrough\""))
        .collect();
    assert!(
        !names.iter().any(|name| name.starts_with("ianitor_request")),
        "{names:?}"
    );
    assert!(
        names
            .iter()
            .any(|name| name.starts_with("ianitor_sent_bytes")),
        "{names:?}"
    );
}

#[test]
fn silent_connections_keep_no_probe_out_for_long() {
    let upstream = Upstream::start();
    let gateway = TestGateway::open(&config(&upstream, "", 1), &Log::default());
    let begin = std::time::Instant::now();
    let silent: Vec<_> = (0..64)
        .map(|_| std::net::TcpStream::connect(gateway.status()).unwrap())
        .collect();
    let is_healthy = || {
        support::try_ask(gateway.status(), "GET", "/healthz")
            .is_ok_and(|answer| answer.status == 200)
    };
    assert!(!is_healthy(), "all seats are taken");
    until("probes are answered", is_healthy);
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    drop(silent);
}

#[test]
fn only_get_and_head() {
    let upstream = Upstream::start();
    let gateway = TestGateway::open(&config(&upstream, "", 1), &Log::default());
    let head = support::ask(gateway.status(), "HEAD", "/metrics");
    assert_eq!((head.status, &*head.body), (200, ""));
    let post = support::ask(gateway.status(), "POST", "/healthz");
    assert_eq!(post.status, 405);
    assert!(post.head.to_lowercase().contains("allow: get, head"));
    let page = get(gateway.status(), "/");
    assert!(
        page.head
            .to_lowercase()
            .contains("content-security-policy: default-src 'none'"),
        "{}",
        page.head
    );
    assert!(
        !page.body.contains("<script")
            && !page.body.contains("http://")
            && !page.body.contains("https://")
    );
}

#[test]
fn a_taken_port_is_a_clear_error_and_a_moved_one_is_moved() {
    let upstream = Upstream::start();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let with = |status: &str| {
        config(&upstream, "", 1).replace(
            "status = \"127.0.0.1:0\"",
            &format!("status = \"{status}\""),
        )
    };
    let error = support::bind(&with(&address)).unwrap_err().to_string();
    assert!(
        error.contains(&address) && error.contains("another process has the port"),
        "{error}"
    );

    let mut gateway = TestGateway::open(&config(&upstream, "", 1), &Log::default());
    let first = gateway.status();
    assert!(
        gateway
            .reload(&with(&address))
            .unwrap_err()
            .to_string()
            .contains(&address)
    );
    assert_eq!(get(first, "/healthz").status, 200);
    drop(taken);
    gateway.reload(&with(&address)).unwrap();
    assert_eq!(gateway.status().to_string(), address);
    assert_eq!(get(gateway.status(), "/healthz").status, 200);
    until("the old one is closed", || {
        std::net::TcpStream::connect(first).is_err()
    });
    // From one address to all of them on the same port.
    let all = format!("0.0.0.0:{}", address.rsplit(':').next().unwrap());
    gateway.reload(&with(&all)).unwrap();
    // The kernel resets whoever comes in the moment in which the old socket is closed.
    let healthy = || {
        support::try_ask(address.parse().unwrap(), "GET", "/healthz").is_ok_and(|a| a.status == 200)
    };
    until("the new one has taken over", healthy);
    assert!(healthy());
}

#[test]
fn broken_clients_are_counted_and_bounded() {
    use std::io::{Read, Write};
    let upstream = Upstream::start();
    let gateway = TestGateway::open(&config(&upstream, "", 1), &Log::default());
    let send = |to, bytes: &[u8]| {
        let mut stream = std::net::TcpStream::connect(to).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        stream.write_all(bytes).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    };
    send(gateway.https(), b"GET / HTTP/1.1\r\n\r\n");
    send(gateway.https(), b"");
    send(gateway.https(), b"\x16\x03\x01\x00\x05hello");
    send(
        gateway.running().addresses(Kind::Http).next().unwrap(),
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
    );
    for (outcome, heads) in [("plain_http", 0), ("silent", 0), ("failed", 0), ("", 1)] {
        until(outcome, || {
            let metrics = gateway.metrics();
            match heads {
                0 => metrics.sum("ianitor_tls_handshakes_total", &[("outcome", outcome)]) == 1,
                n => metrics.sum("ianitor_heads_refused_total", &[("reason", "malformed")]) == n,
            }
        });
    }
    // Whatever paths, hosts and methods clients think of, there is no new series.
    let series = |metrics: &Metrics| metrics.names().count();
    let mut client = Client::connect(gateway.https());
    assert_eq!(client.ask("/echo/first", ""), 200);
    assert_eq!(client.ask("/first", ""), 404);
    until("both are counted", || {
        gateway.metrics().sum("ianitor_requests_total", &[]) >= 2
    });
    let before = series(&gateway.metrics());
    for n in 0..50 {
        client.ask(&format!("/echo/{n}"), "");
        client.ask(&format!("/path{n}"), "");
    }
    assert_eq!(series(&gateway.metrics()), before);
}
