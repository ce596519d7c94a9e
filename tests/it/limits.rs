//! Every limit has a clear answer, and what it took is given back.

use std::io::Write as _;

use serde_json::json;

use crate::harness::h1::is_end;
use crate::harness::token::{self, HMAC};
use crate::harness::{Config, TestGateway, Then, Upstream, eventually, h2};

fn world(limits: &str) -> (Upstream, TestGateway) {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream).limits(limits));
    (upstream, gateway)
}

#[test]
fn a_body_may_be_as_large_as_the_limit_and_no_larger() {
    let (upstream, gateway) = world("body = 1000");
    assert_eq!(gateway.client().post("/", &[b'x'; 1000]).status(), 200);
    assert_eq!(
        gateway
            .dial()
            .h2()
            .send(h2::post("/"), &[b'x'; 1000])
            .status,
        200
    );
    assert_eq!(upstream.requests().len(), 2);

    let mut client = gateway.client();
    assert_eq!(client.post("/", &[b'x'; 1001]).status(), 413);
    client.is_closed();
    let answer = gateway.dial().h2().try_send(h2::post("/"), &[b'x'; 1001]);
    assert!(
        answer
            .as_ref()
            .map_or_else(|error| error.is_reset(), |answer| answer.status == 413),
        "{answer:?}"
    );
    gateway.is_left_by_all();
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_length_beyond_every_limit_is_413() {
    let (upstream, gateway) = world("");
    let by_h1 = |length: &str| {
        let lines = format!("Host: localhost\r\nContent-Length: {length}\r\n");
        let head = format!("POST / HTTP/1.1\r\n{lines}\r\n");
        gateway.client().ask(head).status()
    };
    let by_h2 = |length: &'static str| {
        let mut request = h2::post("/");
        let length = http::HeaderValue::from_static(length);
        request.headers_mut().insert("content-length", length);
        let mut client = gateway.dial().h2();
        let (response, _stream) = client.begin(request, false);
        let response = client.run(response).ok()?;
        Some(response.status().as_u16())
    };
    for length in ["1048577", "9223372036854775807", "9999999999999999999"] {
        assert_eq!((by_h1(length), by_h2(length)), (413, Some(413)), "{length}");
    }
    assert_eq!(by_h1("18446744073709551613"), 413);
    // hyper keeps the two largest numbers for itself, and h2 resets a stream whose length has more
    // than 19 digits: no layer is asked.
    assert_eq!(by_h1("18446744073709551615"), 431);
    assert_eq!(by_h2("18446744073709551615"), None);
    assert!(upstream.heads().is_empty());
}

#[test]
fn a_body_of_unknown_length_is_stopped_at_the_limit() {
    let (upstream, gateway) = world("body = 1000");
    let mut client = gateway.client();
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(format!("3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1001)));
    match client.try_answer() {
        Ok(answer) => assert_eq!(answer.status(), 413),
        Err(error) => assert!(is_end(&error), "{error:?}"),
    }
    drop(client);
    gateway.is_left_by_all();
    upstream.is_left_by_all();
    assert!(upstream.requests().is_empty());
}

#[test]
fn the_refusal_reaches_a_client_that_is_still_sending() {
    let (upstream, gateway) = world("body = 1000");
    let mut client = gateway.client();
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n");
    // More than any socket takes without a reader.
    let mut sender = client.wire.stream.clone();
    let sending = std::thread::spawn(move || {
        let piece = [b'x'; 64 * 1024];
        (0..150)
            .take_while(|_| sender.write_all(&piece).is_ok())
            .count()
    });
    assert_eq!(client.answer().status(), 413);
    drop(client);
    sending.join().unwrap();
    gateway.is_left_by_all();
    assert!(upstream.heads().is_empty());
}

#[test]
fn a_route_may_have_a_body_limit_of_its_own() {
    let upstream = Upstream::ok();
    let config = Config::new()
        .limits("body = 10")
        .upstream("app", &upstream.url())
        .route("/small", "app")
        .route_with("/large", "app", "policy = \"open\"\nbody = \"2MiB\"");
    let gateway = TestGateway::start(&config);
    assert_eq!(gateway.client().post("/small", &[b'x'; 11]).status(), 413);
    assert_eq!(
        gateway.client().post("/large", &[b'x'; 2 << 20]).status(),
        200
    );
    assert_eq!(upstream.only_request().body.len(), 2 << 20);
}

#[test]
fn a_long_target_is_414() {
    let (upstream, gateway) = world("");
    let target = |len: usize| format!("/{}", "x".repeat(len - 1));
    assert_eq!(gateway.client().get(&target(8 * 1024)).status(), 200);
    assert_eq!(gateway.client().get(&target(8 * 1024 + 1)).status(), 414);
    assert_eq!(gateway.dial().h2().get(&target(8 * 1024 + 1)).status, 414);
    // Longer than any head: which of the two is said does not matter.
    assert!([414, 431].contains(&gateway.client().get(&target(70_000)).status()));
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_target_may_be_as_long_as_the_limit_and_no_longer() {
    for (limits, most) in [("target = 256", 256), ("target = \"48KiB\"", 48 << 10)] {
        let (upstream, gateway) = world(limits);
        let target = |length: usize| format!("/{}", "x".repeat(length - 1));
        assert_eq!(gateway.client().get(&target(most)).status(), 200);
        assert_eq!(gateway.client().get(&target(most + 1)).status(), 414);
        assert_eq!(gateway.dial().h2().get(&target(most)).status, 200);
        assert_eq!(gateway.dial().h2().get(&target(most + 1)).status, 414);
        assert_eq!(upstream.requests().len(), 2);
    }
}

#[test]
fn a_token_may_be_as_long_as_the_limit_wherever_it_is() {
    let upstream = Upstream::ok();
    let config = |limits: &str| {
        Config::new()
            .limits(limits)
            .upstream("app", &upstream.url())
            .table(HMAC)
            .table("[policies.staff]\nissuers = [\"staff\"]")
            .route_with("/", "app", "policy = \"staff\"")
    };
    let long = token::token(json!({ "groups": "g".repeat(23_000) }));
    assert!((30 << 10..32 << 10).contains(&long.len()), "{}", long.len());
    let mut gateway = TestGateway::start(&config("token = \"32KiB\"\ntarget = \"40KiB\""));
    let in_header =
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {long}\r\n\r\n");
    let in_query = format!("/?token={long}");
    assert_eq!(gateway.client().ask(&in_header).status(), 200);
    assert_eq!(gateway.client().get(&in_query).status(), 200);
    assert_eq!(gateway.dial().h2().get(&in_query).status, 200);
    let mut request = h2::get("/");
    let value = format!("Bearer {long}").parse().unwrap();
    request.headers_mut().insert("authorization", value);
    assert_eq!(gateway.dial().h2().send(request, b"").status, 200);
    assert_eq!(upstream.heads().len(), 4);
    // A lower limit holds for tokens that have been verified before, too.
    gateway.access.lines(4);
    gateway.access.clear();
    gateway.reload(&config("target = \"40KiB\""));
    assert_eq!(gateway.client().ask(&in_header).status(), 401);
    assert_eq!(gateway.client().get(&in_query).status(), 401);
    let lines = gateway.access.lines(2);
    assert!(
        lines
            .iter()
            .all(|line| line.contains(" reason=token_too_long "))
    );
    assert_eq!(upstream.heads().len(), 4);
}

#[test]
fn a_large_head_is_431() {
    let (upstream, gateway) = world("");
    let ask = |headers: String| {
        gateway.client().ask(format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
        ))
    };
    assert_eq!(ask(format!("X: {}\r\n", "x".repeat(20_000))).status(), 200);
    assert_eq!(ask(format!("X: {}\r\n", "x".repeat(300_000))).status(), 431);
    assert_eq!(ask("X: y\r\n".repeat(500)).status(), 431);
    let mut request = h2::get("/");
    request
        .headers_mut()
        .insert("x", "x".repeat(100_000).parse().unwrap());
    let answer = gateway.dial().h2().try_send(request, b"");
    assert!(
        answer.as_ref().map_or(true, |answer| answer.status == 431),
        "{answer:?}"
    );
    assert_eq!(upstream.requests().len(), 1);
}

/// Header lines, each with a name of its own.
fn fields(count: usize) -> String {
    (0..count).map(|n| format!("X-{n}: y\r\n")).collect()
}

#[test]
fn a_request_has_up_to_256_header_fields_by_both_versions() {
    let (upstream, gateway) = world("");
    for (count, status) in [(256, 200), (257, 431)] {
        gateway.access.clear();
        let lines = fields(count - 1);
        let by_h1 = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
        assert_eq!(gateway.client().ask(by_h1).status(), status, "{count}");
        let mut by_h2 = h2::get("/");
        for n in 0..count {
            let name: http::HeaderName = format!("x-{n}").parse().unwrap();
            by_h2.headers_mut().insert(name, "y".parse().unwrap());
        }
        let answer = gateway.dial().h2().send(by_h2, b"");
        assert_eq!(answer.status, status, "{count}");
        let is_named = |line: &String| line.contains("reason=head_too_large");
        let is_rejected = status == 431;
        assert!(
            gateway
                .access
                .lines(2)
                .iter()
                .all(|line| is_named(line) == is_rejected)
        );
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn all_cookies_are_one_field_by_h2_too() {
    let (upstream, gateway) = world("");
    let mut request = h2::get("/");
    for n in 0..300 {
        let cookie = format!("c{n}=1").parse().unwrap();
        request.headers_mut().append("cookie", cookie);
    }
    assert_eq!(gateway.dial().h2().send(request, b"").status, 200);
    let cookies = upstream.only_request().head.get("cookie").unwrap().len();
    assert!(cookies > 300 * "c0=1; ".len(), "{cookies}");
}

#[test]
fn an_answer_has_up_to_256_header_fields() {
    let upstream = Upstream::http(|request, conn| {
        let count: usize = request.head.target()[1..].parse().unwrap();
        let lines = fields(count - 1);
        conn.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{lines}\r\n"
        ))?;
        Ok(Then::Close)
    });
    let gateway = TestGateway::start(&Config::to(&upstream));
    for (target, status) in [("/256", 200), ("/257", 502)] {
        gateway.access.clear();
        assert_eq!(gateway.client().get(target).status(), status);
        assert_eq!(gateway.dial().h2().get(target).status, status);
        let is_named = |line: &String| line.contains("reason=upstream_head");
        let is_rejected = status == 502;
        assert!(
            gateway
                .access
                .lines(2)
                .iter()
                .all(|line| is_named(line) == is_rejected)
        );
    }
}

#[test]
fn a_client_over_its_rate_is_told_when_to_come_again() {
    let (upstream, gateway) = world("requests_per_client = \"5/h\"\nexempt = []");
    let mut client = gateway.client();
    for _ in 0..5 {
        assert_eq!(client.get("/").status(), 200);
    }
    let refused = client.get("/");
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.head.get("retry-after").unwrap().parse().unwrap();
    assert!((1..=720).contains(&wait), "{wait}");
    // Neither another connection nor another protocol forgives, and nobody else pays.
    let refused = gateway.dial().h2().get("/");
    assert_eq!(
        (refused.status, refused.headers.contains_key("retry-after")),
        (429, true)
    );
    assert_eq!(gateway.client().get("/").status(), 429);
    assert_eq!(gateway.dial().from("127.0.0.2").h1().get("/").status(), 200);
    assert_eq!(upstream.requests().len(), 6);
}

/// A CA that validates a host for another ACME client, such as certbot, comes when it likes.
#[test]
fn the_requests_of_a_validating_ca_have_no_rate() {
    let upstream = Upstream::ok();
    let listen = "https = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2";
    let limits = "requests_per_client = \"1/h\"\nexempt = []";
    let gateway = TestGateway::start(&Config::to(&upstream).listen(listen).limits(limits));
    let mut client = gateway.client();
    assert_eq!(client.get("/").status(), 200);
    assert_eq!(client.get("/").status(), 429);
    for _ in 0..3 {
        let token = client.get("/.well-known/acme-challenge/Abc-_9");
        assert_eq!(token.status(), 200);
    }
    for other in [
        "/.well-known/acme-challenge/",
        "/.well-known/acme-challenge/a/b",
        "/.well-known/acme-challenge/%61",
        "/.well-known/acme-challengeA",
    ] {
        assert_eq!(client.get(other).status(), 429, "{other}");
    }
}

/// A client of this address, behind a balancer; `None` if it is not let in.
fn behind_a_balancer(gateway: &TestGateway, client: &str) -> Option<crate::harness::Client> {
    let dial = gateway.dial().from("127.0.0.5");
    let mut tcp = dial.tcp();
    tcp.write_all(format!("PROXY TCP6 {client} ::1 5000 443\r\n").as_bytes())
        .unwrap();
    let tls = dial.tls_over(tcp, dial.config(&["http/1.1"])).ok()?;
    Some(crate::harness::Client::new(tls))
}

#[test]
fn the_addresses_of_one_ipv6_64_are_one_client() {
    let upstream = Upstream::ok();
    let listen = "https = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2\n\
                  proxy_protocol = [\"127.0.0.5\"]";
    let limits = "requests_per_client = \"2/h\"\nconnections_per_client = 2\nexempt = []";
    let gateway = TestGateway::start(&Config::to(&upstream).listen(listen).limits(limits));
    let come = |client: &str| behind_a_balancer(&gateway, client);
    let mut held = [
        come("2001:db8::1").unwrap(),
        come("2001:db8::ffff:2").unwrap(),
    ];
    // A third connection and a third request are too many, whichever of the addresses they come
    // from.
    assert!(come("2001:db8::3").is_none());
    let statuses = [0, 1, 0, 1].map(|at: usize| held[at].get("/").status());
    assert_eq!(statuses, [200, 200, 429, 429]);
    assert_eq!(come("2001:db8:0:1::1").unwrap().get("/").status(), 200);
    drop(held);
    gateway.is_left_by_all();
    assert_eq!(come("2001:db8::4").unwrap().get("/").status(), 429);
}

#[test]
fn the_exempt_have_no_rate() {
    let (upstream, gateway) = world("requests_per_client = \"1/h\"\nconnections_per_client = 1");
    let mut clients = [gateway.client(), gateway.client()];
    for _ in 0..5 {
        assert!(
            clients
                .iter_mut()
                .all(|client| client.get("/").status() == 200)
        );
    }
    assert_eq!(upstream.requests().len(), 10);
}

#[test]
fn connections_of_one_client_are_limited_and_given_back() {
    let (_upstream, gateway) = world("connections_per_client = 2\nexempt = []");
    let mut held = [gateway.client(), gateway.client()];
    held.iter_mut()
        .for_each(|client| assert_eq!(client.get("/").status(), 200));
    gateway.dial().tls(&[]).expect_err("one too many");
    assert_eq!(gateway.dial().from("127.0.0.2").h1().get("/").status(), 200);
    drop(held);
    gateway.is_left_by_all();
    assert_eq!(gateway.client().get("/").status(), 200);
}

#[test]
fn connections_in_total_are_limited_and_given_back() {
    let (_upstream, gateway) = world("connections = 2");
    let mut held = [gateway.client(), gateway.dial().from("127.0.0.2").h1()];
    held.iter_mut()
        .for_each(|client| assert_eq!(client.get("/").status(), 200));
    gateway
        .dial()
        .from("127.0.0.3")
        .tls(&[])
        .expect_err("one too many");
    drop(held);
    gateway.is_left_by_all();
    assert_eq!(gateway.client().get("/").status(), 200);
}

#[test]
fn a_head_that_takes_too_long_is_408() {
    let (upstream, gateway) = world("header_timeout = \"2s\"");
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nHost: local");
    assert_eq!(client.answer().status(), 408);
    client.is_closed();
    // Also the second head of a connection, and one that comes byte by byte.
    let mut client = gateway.client();
    assert_eq!(client.get("/").status(), 200);
    let mut slow = client.wire.stream.clone();
    let dripping = std::thread::spawn(move || {
        let mut drip = |byte: &u8| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            slow.write_all(&[*byte]).is_ok()
        };
        // Many enough to outlast the limit, were it counted anew with each.
        b"GET / HTTP/1.1\r\n"
            .iter()
            .chain([b'X'; 400].iter())
            .take_while(|byte| drip(byte))
            .count()
    });
    assert_eq!(client.answer().status(), 408);
    client.is_closed();
    drop(client);
    dripping.join().unwrap();
    gateway.is_left_by_all();
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_handshake_that_takes_too_long_is_closed() {
    let (_upstream, gateway) = world("header_timeout = \"2s\"");
    let silent = gateway.dial().tcp();
    let mut half = gateway.dial().tcp();
    half.write_all(&[0x16, 3, 1, 2, 0, 1]).unwrap();
    eventually("both are counted", || gateway.running().connections() == 2);
    gateway.is_left_by_all();
    for mut tcp in [silent, half] {
        let ended = std::io::copy(&mut tcp, &mut std::io::sink());
        assert!(ended.as_ref().map_or_else(is_end, |_| true), "{ended:?}");
    }
}

#[test]
fn an_idle_connection_is_closed() {
    let (_upstream, gateway) = world("idle_timeout = \"3s\"");
    let mut fresh = gateway.client();
    let mut used = gateway.client();
    assert_eq!(used.get("/").status(), 200);
    let mut h2 = gateway.dial().h2();
    assert_eq!(h2.get("/").status, 200);
    fresh.is_closed();
    used.is_closed();
    h2.until_closed();
    gateway.is_left_by_all();
}
