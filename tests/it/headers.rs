//! What each side is told about the other, and what is none of its business.

use crate::harness::{Client, Config, TestGateway, Then, Upstream, h2};

fn world() -> (Upstream, TestGateway) {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream));
    (upstream, gateway)
}

#[test]
fn the_upstream_is_told_about_the_client_by_the_gateway_alone() {
    let (upstream, gateway) = world();
    let forged = "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\nX-Real-IP: 10.0.0.1\r\n\
         X-Forwarded-Proto: http\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Port: 1\r\n\
         X-Forwarded-User: root\r\n\
         X-Request-Id: mine\r\nForwarded: for=10.0.0.1\r\nX_Forwarded_For: 10.0.0.1\r\n\
         X_Real_IP: 10.0.0.1\r\n";
    let dial = gateway.dial().from("127.0.0.7");
    assert_eq!(
        dial.h1()
            .ask(format!(
                "GET / HTTP/1.1\r\nHost: localhost:8443\r\n{forged}\r\n"
            ))
            .status(),
        200
    );
    let mut request = http::Request::get("https://localhost:8443/")
        .body(())
        .unwrap();
    for line in forged.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        request.headers_mut().append(
            http::HeaderName::try_from(name).unwrap(),
            value.parse().unwrap(),
        );
    }
    assert_eq!(dial.h2().send(request, b"").status, 200);
    let port = gateway.https().port().to_string();
    for head in upstream.heads() {
        for (name, value) in [
            ("host", Some("localhost:8443")),
            ("x-forwarded-for", Some("127.0.0.7")),
            ("x-real-ip", Some("127.0.0.7")),
            ("x-forwarded-proto", Some("https")),
            ("x-forwarded-host", Some("localhost:8443")),
            ("x-forwarded-port", Some(port.as_str())),
            ("x-forwarded-user", None),
            ("forwarded", None),
            ("x_forwarded_for", None),
            ("x_real_ip", None),
        ] {
            assert_eq!(head.get(name), value, "{name}: {head}");
        }
        assert_ne!(head.get("x-request-id").unwrap(), "mine");
    }
    assert_eq!(upstream.heads().len(), 2);
}

#[test]
fn every_request_has_an_id_of_its_own() {
    let (upstream, gateway) = world();
    let (mut h1, mut h2) = (gateway.client(), gateway.dial().h2());
    for _ in 0..20 {
        h1.get("/");
        h2.get("/");
    }
    let mut ids: Vec<String> = upstream
        .heads()
        .iter()
        .map(|head| head.get("x-request-id").unwrap().to_owned())
        .collect();
    assert!(
        ids.iter()
            .all(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit())),
        "{ids:?}"
    );
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 40);
}

#[test]
fn hop_by_hop_headers_end_at_the_gateway() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, x-theirs\r\n\
         Keep-Alive: timeout=5\r\n\
         Proxy-Connection: keep-alive\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\n\
         X-Theirs: 1\r\nX-Kept: 1\r\n\r\nok",
    );
    let gateway = TestGateway::start(&Config::to(&upstream));
    let hops = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "upgrade",
        "x-theirs",
    ];
    let answer = gateway.client().ask(
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, X-Mine\r\nKeep-Alive: 5\r\n\
         X-Mine: 1\r\nX-Kept: 1\r\n\
         Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nTE: gzip\r\n\
         Authorization: Bearer x\r\n\r\n",
    );
    for name in hops {
        assert_eq!(answer.head.get(name), None, "{}", answer.head);
    }
    assert_eq!(answer.head.get("x-kept"), Some("1"));
    let head = upstream.only_request().head;
    for name in hops
        .into_iter()
        .chain(["x-mine", "proxy-authorization", "te"])
    {
        assert_eq!(head.get(name), None, "{head}");
    }
    assert_eq!(
        (head.get("x-kept"), head.get("authorization")),
        (Some("1"), Some("Bearer x"))
    );
    let answer = gateway.dial().h2().get("/");
    assert!(
        hops.iter().all(|name| !answer.headers.contains_key(*name)),
        "{:?}",
        answer.headers
    );
}

/// A request with these header lines over HTTP/1.1, over HTTP/2 and, over HTTP/1.1, as a
/// WebSocket's handshake.
fn send_in_every_way(gateway: &TestGateway, lines: &[String]) {
    let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    gateway
        .client()
        .ask(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{text}\r\n"));
    let mut request = h2::get("/");
    for (name, value) in lines.iter().filter_map(|line| line.split_once(": ")) {
        request.headers_mut().append(
            http::HeaderName::try_from(name).unwrap(),
            value.parse().unwrap(),
        );
    }
    gateway.dial().h2().send(request, b"");
    gateway
        .client()
        .ask(crate::harness::websocket::handshake("/", &text));
}

#[test]
fn http2_settings_end_at_the_gateway_whether_connection_names_them_or_not() {
    let (upstream, gateway) = world();
    send_in_every_way(
        &gateway,
        &[
            "HTTP2-Settings: AAMAAABkAAQAAP__".to_owned(),
            "X-Kept: 1".to_owned(),
        ],
    );
    let upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                   HTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    gateway.client().ask(format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\n{upgrade}X-Kept: 1\r\n\r\n"
    ));
    assert_eq!(upstream.heads().len(), 4);
    for head in upstream.heads() {
        assert_eq!(
            (head.get("http2-settings"), head.get("x-kept")),
            (None, Some("1")),
            "{head}"
        );
    }
}

#[test]
fn what_servers_would_take_for_the_gateways_word_ends_there() {
    let (upstream, gateway) = world();
    let names = [
        "Proxy",
        "Proxy-Authentication-Info",
        "Client-IP",
        "X-Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "Fastly-Client-IP",
        "X-Cluster-Client-IP",
        "Client-Cert",
        "Client-Cert-Chain",
        "SSL-Client-Verify",
        "X-SSL-Client-S-DN",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "X-Accel-Internal",
        "Script-Name",
    ];
    let spelled =
        |name: &str| [name.to_owned(), name.replace('-', "_")].map(|name| format!("{name}: evil"));
    let lines: Vec<String> = names
        .into_iter()
        .flat_map(spelled)
        .chain(["Early-Data: 1".to_owned()])
        .collect();
    send_in_every_way(&gateway, &lines);
    assert_eq!(upstream.heads().len(), 3);
    for head in upstream.heads() {
        assert!(!head.to_string().contains("evil"), "{head}");
        assert_eq!(head.get("early-data"), Some("1"));
    }
}

#[test]
fn what_a_server_says_to_a_proxy_ends_there() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\
         X-Accel-Redirect: /secret\r\n\
         X-Accel-Buffering: no\r\nX-Sendfile: /etc/shadow\r\nX-Reproxy-URL: http://10.0.0.1/\r\n\
         Alt-Svc: h3=\":8443\"\r\nProxy-Authentication-Info: x\r\nHTTP2-Settings: x\r\n\
         X-Kept: 1\r\n\r\n\
         2\r\nok\r\n0\r\nX-Sum: 42\r\nConnection: x-a\r\nX-Accel-Redirect: /secret\r\n\
         Set-Cookie: a=1\r\n\r\n",
    );
    let gateway = TestGateway::start(&Config::to(&upstream));
    let head = gateway.client().get("/").head;
    let answer = gateway.dial().h2().get("/");
    for gone in [
        "x-accel-redirect",
        "x-accel-buffering",
        "x-sendfile",
        "x-reproxy-url",
        "alt-svc",
        "proxy-authentication-info",
        "http2-settings",
    ] {
        assert_eq!(
            (head.get(gone), answer.headers.get(gone)),
            (None, None),
            "{gone}"
        );
    }
    assert_eq!(
        (head.get("x-kept"), answer.headers["x-kept"].as_bytes()),
        (Some("1"), &b"1"[..])
    );
    let trailers = answer.trailers.unwrap();
    assert_eq!(
        trailers
            .keys()
            .map(http::HeaderName::as_str)
            .collect::<Vec<_>>(),
        ["x-sum"]
    );
}

#[test]
fn cookies_of_h2_are_one_line_for_the_upstream() {
    let (upstream, gateway) = world();
    let mut request = h2::get("/");
    for crumb in ["a=1", "b=2; c=3", "d=4"] {
        request
            .headers_mut()
            .append("cookie", crumb.parse().unwrap());
    }
    gateway.dial().h2().send(request, b"");
    assert_eq!(
        upstream.only_request().head.all("cookie"),
        ["a=1; b=2; c=3; d=4"]
    );
}

#[test]
fn headers_that_may_be_repeated_stay_so() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
         Server: janus\r\n\
         Date: Sat, 21 Nov 2026 17:36:20 GMT\r\nX-Raw: \u{e4}\r\n\r\n",
    );
    let gateway = TestGateway::start(&Config::to(&upstream));
    let head = gateway
        .client()
        .ask("GET / HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\nX-A: 2\r\n\r\n")
        .head;
    assert_eq!(head.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(
        (head.get("server"), head.get("date")),
        (Some("janus"), Some("Sat, 21 Nov 2026 17:36:20 GMT"))
    );
    // Its two bytes in UTF-8, each read as a character.
    assert_eq!(head.get("x-raw"), Some("\u{c3}\u{a4}"));
    assert_eq!(upstream.only_request().head.all("x-a"), ["1", "2"]);
    let answer = gateway.dial().h2().get("/");
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
    assert_eq!(answer.headers["date"], "Sat, 21 Nov 2026 17:36:20 GMT");
}

#[test]
fn a_location_is_one_that_the_client_can_follow() {
    let upstream = Upstream::http(|request, conn| {
        let location = request.head.get("x-location").unwrap();
        conn.send(format!(
            "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        ))
        .map(|()| Then::Keep)
    });
    let own = upstream.url();
    let config = Config::new()
        .upstream("app", &own)
        .route_with(
            "/media",
            "app",
            "policy = \"open\"\nstrip_prefix = \"/media\"",
        )
        .route_with("/js", "app", "policy = \"open\"\nrewrite = \"/janus\"")
        .route("/same", "app");
    let gateway = TestGateway::start(&config);
    let mut client = gateway.client();
    for (target, arrives, location, seen) in [
        (
            "/media/x?y",
            "/x?y",
            "/1/2?z#f".to_owned(),
            "/media/1/2?z#f",
        ),
        ("/media", "/", "/".to_owned(), "/media/"),
        ("/js/1", "/janus/1", "/janus/1/2".to_owned(), "/js/1/2"),
        ("/js", "/janus", "/elsewhere".to_owned(), "/elsewhere"),
        (
            "/js",
            "/janus",
            "/januswhatever".to_owned(),
            "/januswhatever",
        ),
        ("/same/x", "/same/x", "/same/y".to_owned(), "/same/y"),
        (
            "/js",
            "/janus",
            format!("{own}/janus/7"),
            "https://localhost:8443/js/7",
        ),
        (
            "/js",
            "/janus",
            "http://localhost:8443/janus/7".to_owned(),
            "https://localhost:8443/js/7",
        ),
        (
            "/same",
            "/same",
            format!("{own}/same/7?x"),
            "https://localhost:8443/same/7?x",
        ),
        (
            "/media",
            "/",
            "https://other.test/x".to_owned(),
            "https://other.test/x",
        ),
        ("/media", "/", "//other.test/x".to_owned(), "//other.test/x"),
        ("/media", "/", "relative/x".to_owned(), "relative/x"),
    ] {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost:8443\r\nX-Location: {location}\r\n\r\n"
        );
        let answer = client.ask(request);
        assert_eq!(
            answer.head.get("location"),
            Some(seen),
            "{target}, {location}"
        );
        assert_eq!(upstream.heads().last().unwrap().target(), arrives);
    }
}

#[test]
fn answers_without_a_body_have_none() {
    let upstream = Upstream::http(|request, conn| {
        let head = match request.head.target() {
            "/204" => "204 No Content\r\n",
            "/304" => "304 Not Modified\r\nContent-Length: 100\r\nETag: \"x\"\r\n",
            "/long" => "200 OK\r\nContent-Length: 100\r\n",
            "/chunked" => "200 OK\r\nTransfer-Encoding: chunked\r\n",
            _ => "200 OK\r\nContent-Length: 0\r\n",
        };
        conn.send(format!("HTTP/1.1 {head}\r\n"))
            .map(|()| Then::Keep)
    });
    let config = Config::to(&upstream).listen("https = [\"127.0.0.1:0\"]\nworkers = 1");
    let gateway = TestGateway::start(&config);
    let mut client = gateway.client();
    let mut h2 = gateway.dial().h2();
    for (method, target, status, length) in [
        ("GET", "/204", 204, None),
        ("GET", "/304", 304, Some("100")),
        ("HEAD", "/long", 200, Some("100")),
        ("HEAD", "/empty", 200, Some("0")),
        ("HEAD", "/chunked", 200, None),
        ("HEAD", "/304", 304, Some("100")),
        ("GET", "/empty", 200, Some("0")),
    ] {
        client.send(format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        let head = client.head();
        assert_eq!(head.status(), status, "{method} {target}");
        // The length of what would have been there may be left out, but never be another.
        let said = head.get("content-length");
        assert!(
            said.is_none() || said == length,
            "{method} {target}: {head}"
        );
        let mut request = h2::get(target);
        *request.method_mut() = method.parse().unwrap();
        let answer = h2.send(request, b"");
        assert_eq!(
            (answer.status, answer.body.len()),
            (status, 0),
            "{method} {target}"
        );
    }
    // One upstream connection served them all, so nobody waited for a body that does not come.
    assert_eq!(upstream.accepted(), 1);
}

#[test]
fn trailers_pass_where_both_sides_want_them() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\n\
         X-Sum: 42\r\n\r\n",
    );
    let gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.client();
    let answer = client.ask(
        "POST / HTTP/1.1\r\nHost: localhost\r\nTE: trailers\r\nConnection: TE\r\nTrailer: X-Up\r\n\
         Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Up: 7\r\n\r\n",
    );
    assert_eq!(
        (
            answer.body.as_slice(),
            answer.trailers.to_ascii_lowercase().as_str()
        ),
        (&b"ok"[..], "x-sum: 42\n")
    );
    let request = upstream.only_request();
    assert_eq!(
        (
            request.body.as_slice(),
            request.trailers.to_ascii_lowercase().as_str()
        ),
        (&b"hi"[..], "x-up: 7\n")
    );
    assert_eq!(
        (request.head.get("te"), request.head.get("connection")),
        (Some("trailers"), Some("te"))
    );
    // Who does not ask gets the body alone.
    assert_eq!(client.get("/").trailers, "");
    let answer = gateway.dial().h2().get("/");
    assert_eq!(
        (
            answer.body.as_slice(),
            answer.trailers.unwrap()["x-sum"].as_bytes()
        ),
        (&b"ok"[..], &b"42"[..])
    );
}

#[test]
fn http_1_0_clients_are_served_in_their_way() {
    let chunked = Upstream::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    );
    let gateway = TestGateway::start(&Config::to(&chunked));
    let mut client = gateway.client();
    let answer = client.ask("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n");
    assert_eq!((answer.status(), answer.body.as_slice()), (200, &b"ok"[..]));
    assert_eq!(answer.head.get("transfer-encoding"), None);
    client.is_closed();
    assert!(chunked.only_request().head.first.ends_with("HTTP/1.1"));

    let lengthy = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&lengthy));
    let mut client = gateway.client();
    for _ in 0..2 {
        let kept = "GET / HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
        assert_eq!(client.ask(kept).head.get("connection"), Some("keep-alive"));
    }
}

#[test]
fn an_upstream_of_http_1_0_is_no_reason_to_answer_in_it() {
    let upstream = Upstream::answering_last("HTTP/1.0 200 OK\r\n\r\nto the end");
    let gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.client();
    let answer = client.get("/");
    assert!(answer.head.first.starts_with("HTTP/1.1 200"));
    assert_eq!(
        (answer.head.get("transfer-encoding"), answer.body.as_slice()),
        (Some("chunked"), &b"to the end"[..])
    );
    // The client's connection outlives the upstream's.
    upstream.is_left_by_all();
    assert_eq!(client.get("/").status(), 200);
}

#[test]
fn the_gateway_answers_expect_itself() {
    let (upstream, gateway) = world();
    let mut client = gateway.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    assert_eq!(client.head().status(), 100);
    client.send("hello");
    assert_eq!(client.answer().status(), 200);
    let request = upstream.only_request();
    assert_eq!(
        (request.body.as_slice(), request.head.get("expect")),
        (&b"hello"[..], None)
    );
}

#[test]
fn nobody_is_asked_for_the_body_of_a_refused_request() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(
        &Config::new()
            .upstream("app", &upstream.url())
            .route("/app", "app"),
    );
    let mut client = gateway.client();
    let answer = client.ask(
        "POST /x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    assert_eq!(answer.status(), 404);
    client.is_closed();
}

#[test]
fn a_refusal_names_its_request_and_nothing_else() {
    let gateway = TestGateway::start(
        &Config::new()
            .upstream("app", "http://127.0.0.1:9")
            .route("/app", "app"),
    );
    let answer = gateway.client().get("/secret?token=abc");
    let (first, second) = answer
        .text()
        .split_once('\n')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert_eq!(first, "404 Not Found");
    let id = second.strip_prefix("request ").unwrap().trim_end();
    assert!(
        id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
    assert_eq!(answer.head.get("cache-control"), Some("no-store"));
    assert!(gateway.access.lines(1)[0].contains(id));
}

#[test]
fn plain_http_on_the_tls_port_is_told_so() {
    let (upstream, gateway) = world();
    let mut plain = Client::new(gateway.dial().tcp());
    let answer = plain.get("/");
    assert_eq!(answer.status(), 400);
    assert!(answer.text().contains("https://"), "{}", answer.text());
    plain.is_closed();
    assert!(upstream.heads().is_empty());
}
