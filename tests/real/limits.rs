//! Every limit has its answer, through the shipped binary. Each client here has an address of its
//! own.

use crate::support::wire::h1::Answer;
use crate::support::wire::{Then, Upstream, h2};
use crate::support::{Folder, Gateway};

#[test]
fn every_limit_has_its_answer() {
    let folder = Folder::new("limits");
    let upstream = Upstream::http(|request, conn| match request.head.target() {
        "/slow" => conn.wait_for_end().map(|()| Then::Close),
        _ => conn
            .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .map(|()| Then::Keep),
    });
    let tables = format!(
        "[limits]\nexempt = []\nconnections_per_client = 2\nrequests_per_client = \"9/h\"\n\
         body = 1000\n\
         header_timeout = \"2s\"\n[upstreams.app]\nservers = [\"{}\"]\n\
         [[routes]]\npath = \"/\"\nupstream = \"app\"\npolicy = \"open\"\n",
        upstream.url()
    );
    let gateway = Gateway::start(&folder, "", &tables);

    requests_that_are_too_large(&gateway);
    assert!(upstream.heads().is_empty());
    a_head_that_takes_too_long(&gateway);
    requests_over_the_rate(&gateway);
    streams_over_the_limit(&gateway);
    connections_over_the_limit(&gateway);

    for (name, reason, count) in [
        ("refusals", "body_too_large", 2),
        ("refusals", "target_too_long", 2),
        ("refusals", "rate", 2),
        ("refusals", "streams", 1),
        ("heads_refused", "too_large", 1),
        ("heads_refused", "late", 1),
        ("connections_refused", "connections_per_client", 1),
    ] {
        let metrics = gateway.metrics();
        assert_eq!(
            metrics.sum(&format!("ianitor_{name}_total"), &[("reason", reason)]),
            count,
            "{name} {reason}"
        );
    }
}

fn ask(gateway: &Gateway, source: &str, bytes: impl AsRef<[u8]>) -> Answer {
    gateway.dial().from(source).h1().ask(bytes)
}

fn requests_that_are_too_large(gateway: &Gateway) {
    let (long, large) = (format!("/{}", "x".repeat(8 * 1024)), "x".repeat(300_000));
    for (request, status) in [
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n".to_owned(),
            413,
        ),
        (
            format!("GET {long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            414,
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {large}\r\n\r\n"),
            431,
        ),
    ] {
        assert_eq!(ask(gateway, "127.0.0.5", &request).status(), status);
    }
    let mut client = gateway.dial().from("127.0.0.5").h2();
    assert_eq!(client.send(h2::post("/"), &[0; 1001]).status, 413);
    assert_eq!(client.get(&long).status, 414);
}

fn a_head_that_takes_too_long(gateway: &Gateway) {
    let mut client = gateway.dial().from("127.0.0.6").h1();
    client.send("GET / HTTP/1.1\r\nHost: local");
    assert_eq!(client.answer().status(), 408);
    client.is_closed();
}

fn requests_over_the_rate(gateway: &Gateway) {
    let mut client = gateway.dial().from("127.0.0.7").h1();
    let statuses: Vec<u16> = (0..9).map(|_| client.get("/").status()).collect();
    assert_eq!(statuses, [200; 9]);
    let refused = client.get("/");
    let wait: u64 = refused.head.get("retry-after").unwrap().parse().unwrap();
    assert!(
        refused.status() == 429 && (1..=3600).contains(&wait),
        "{refused:?}"
    );
    let refused = gateway.dial().from("127.0.0.7").h2().get("/");
    assert_eq!(
        (refused.status, refused.headers.contains_key("retry-after")),
        (429, true)
    );
}

fn streams_over_the_limit(gateway: &Gateway) {
    let mut client = gateway.dial().from("127.0.0.8").h2();
    let _held = [
        client.begin(h2::get("/slow"), true),
        client.begin(h2::get("/slow"), true),
    ];
    let refused = client.get("/");
    assert_eq!(
        (refused.status, refused.headers["retry-after"].as_bytes()),
        (503, &b"1"[..])
    );
}

fn connections_over_the_limit(gateway: &Gateway) {
    let dial = gateway.dial().from("127.0.0.9");
    let mut held = [dial.h1(), dial.h1()];
    held.iter_mut()
        .for_each(|client| assert_eq!(client.get("/").status(), 200));
    dial.tls(&[]).expect_err("one too many");
    assert_eq!(
        ask(
            gateway,
            "127.0.0.10",
            "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        .status(),
        200
    );
    drop(held);
    gateway.counts("ianitor_connections_open", &[], 0);
    assert_eq!(dial.h1().get("/").status(), 200);
}
