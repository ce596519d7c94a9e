//! Limits of one route: the requests of each client, and those of all clients at once.

use crate::harness::websocket::{handshake, switching};
use crate::harness::{Client, Config, TestGateway, Then, Upstream, eventually, h2};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server that never answers below `/slow`, stops in the middle of an answer below `/half`, takes
/// WebSockets at `/ws`, and says `ok` to the rest.
fn server() -> Upstream {
    Upstream::http(|request, conn| {
        let target = request.head.target();
        match target.rsplit('/').next() {
            Some("slow") => {}
            Some("half") => conn.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok")?,
            Some("ws") => conn.send(switching(""))?,
            _ => return conn.send(OK).map(|()| Then::Keep),
        }
        conn.wait_for_end().map(|()| Then::Close)
    })
}

fn config(upstream: &Upstream, lines: &str) -> Config {
    Config::new()
        .limits("exempt = [\"127.0.0.9\"]")
        .upstream("app", &upstream.url())
        .route_with("/api", "app", &format!("policy = \"open\"\n{lines}"))
        .route("/", "app")
}

/// What a request of this address is answered by, with its `Retry-After`.
fn get(gateway: &TestGateway, source: &str, target: &str) -> (u16, Option<u64>) {
    let answer = gateway.dial().from(source).h1().get(target);
    let wait = answer.head.get("retry-after");
    (answer.status(), wait.map(|wait| wait.parse().unwrap()))
}

#[test]
fn each_client_has_a_rate_on_a_route_with_a_burst() {
    let upstream = server();
    let config = |rate: &str| config(&upstream, &format!("requests = \"{rate}\""));
    let mut gateway = TestGateway::start(&config("1/h burst 3"));
    for _ in 0..3 {
        assert_eq!(get(&gateway, "127.0.0.1", "/api/x"), (200, None));
    }
    let (status, wait) = get(&gateway, "127.0.0.1", "/api/y");
    assert_eq!(status, 429);
    assert!(
        wait.is_some_and(|wait| (3000..=3601).contains(&wait)),
        "{wait:?}"
    );
    assert_eq!(gateway.dial().h2().get("/api/z").status, 429);
    let mut client = gateway.client();
    client.send(handshake("/api/ws", ""));
    assert_eq!(client.head().status(), 429);
    eventually("the access lines", || {
        let lines = gateway.access.now();
        let is_named = |line: &&String| line.contains("reason=route_requests");
        lines.iter().filter(is_named).count() == 3
    });
    // Other routes, other clients and those that are exempt have their own.
    assert_eq!(get(&gateway, "127.0.0.1", "/other").0, 200);
    assert_eq!(get(&gateway, "127.0.0.2", "/api/x").0, 200);
    for _ in 0..5 {
        assert_eq!(get(&gateway, "127.0.0.9", "/api/x").0, 200);
    }
    // A reload keeps what was used, and a higher rate applies at once.
    gateway.reload(&config("1/h burst 3").table("# changed"));
    assert_eq!(get(&gateway, "127.0.0.1", "/api/x").0, 429);
    gateway.reload(&config("1000/s"));
    assert_eq!(get(&gateway, "127.0.0.1", "/api/x").0, 200);
    assert_eq!(upstream.requests().len(), 11);
}

#[test]
fn the_rate_of_a_route_comes_before_its_policy_and_is_readable_by_pages() {
    let upstream = server();
    let lines = "requests = \"1/h\"\ncors = { origins = [\"https://app.example.com\"] }";
    let elsewhere = "[policies.elsewhere]\nallow = [\"192.0.2.1\"]";
    let config = config(&upstream, lines).table(elsewhere).route_with(
        "/closed",
        "app",
        "policy = \"elsewhere\"\nrequests = \"2/h\"",
    );
    let gateway = TestGateway::start(&config);
    let statuses = [(); 4].map(|()| get(&gateway, "127.0.0.1", "/closed").0);
    assert_eq!(statuses, [403, 403, 429, 429]);
    let ask = |method: &str, more: &str| {
        gateway.client().ask(format!(
            "{method} /api/x HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example.com\r\n\
             {more}\r\n"
        ))
    };
    assert_eq!(ask("GET", "").status(), 200);
    let refused = ask("GET", "");
    assert_eq!(refused.status(), 429);
    let origin = refused.head.get("access-control-allow-origin");
    assert_eq!(origin, Some("https://app.example.com"));
    // A preflight is answered without work.
    let preflight = ask("OPTIONS", "Access-Control-Request-Method: GET\r\n");
    assert_eq!(preflight.status(), 204);
}

/// Requests that are under way at the server.
fn hang(gateway: &TestGateway, upstream: &Upstream, targets: &[&str]) -> Vec<Client> {
    let before = upstream.heads().len();
    let begin = |target: &&str| {
        let mut client = gateway.client();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        client
    };
    let clients = targets.iter().map(begin).collect();
    eventually("the server has the requests", || {
        upstream.heads().len() == before + targets.len()
    });
    clients
}

#[test]
fn a_route_takes_as_many_requests_of_all_clients_at_once_as_it_may() {
    let upstream = server();
    let config = |most: usize| config(&upstream, &format!("concurrent = {most}"));
    let mut gateway = TestGateway::start(&config(2));
    // Until the last byte of the answer, not the first.
    let mut held = hang(&gateway, &upstream, &["/api/slow", "/api/half"]);
    held[1].head();
    for source in ["127.0.0.1", "127.0.0.2", "127.0.0.9"] {
        assert_eq!(get(&gateway, source, "/api/x"), (503, Some(1)), "{source}");
    }
    assert_eq!(
        gateway.dial().h2().send(h2::post("/api/x"), b"x").status,
        503
    );
    assert_eq!(get(&gateway, "127.0.0.1", "/other").0, 200);
    eventually("the access lines", || {
        let lines = gateway.access.now();
        let is_named = |line: &&String| line.contains("reason=route_concurrent");
        lines.iter().filter(is_named).count() == 4
    });
    // Over a reload the same are under way.
    gateway.reload(&config(2).table("# changed"));
    assert_eq!(get(&gateway, "127.0.0.1", "/api/x").0, 503);
    gateway.reload(&config(3));
    assert_eq!(get(&gateway, "127.0.0.1", "/api/x").0, 200);
    gateway.reload(&config(1));
    drop(held.pop());
    assert_eq!(get(&gateway, "127.0.0.1", "/api/x").0, 503);
    drop(held);
    eventually("the route is free", || {
        get(&gateway, "127.0.0.1", "/api/x").0 == 200
    });
}

#[test]
fn a_websocket_is_under_way_on_its_route_until_it_is_open() {
    let upstream = server();
    let gateway = TestGateway::start(&config(&upstream, "concurrent = 1"));
    let open = || {
        let mut client = gateway.client();
        client.send(handshake("/api/ws", ""));
        (client.head().status(), client)
    };
    let mut held = Vec::new();
    for _ in 0..3 {
        // The head is there before the tunnel is.
        eventually("a WebSocket opens beside those that are open", || {
            let (status, client) = open();
            held.push(client);
            status == 101
        });
    }
    eventually("a request is served", || {
        get(&gateway, "127.0.0.1", "/api/x").0 == 200
    });
    let _slow = hang(&gateway, &upstream, &["/api/slow"]);
    assert_eq!(open().0, 503);
}
