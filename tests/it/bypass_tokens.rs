//! A route that needs a token does not accept a request that looks like another one, by HTTP/1.1 or
//! HTTP/2.

use serde_json::json;

use crate::harness::h2_raw::{Outcome, RawH2};
use crate::harness::token::{self, HMAC};
use crate::harness::websocket::handshake;
use crate::harness::{Config, TestGateway, Upstream, h2};

/// `/janus` is open, `/admin` needs a token.
struct World {
    janus: Upstream,
    admin: Upstream,
    gateway: TestGateway,
}

impl World {
    fn new() -> Self {
        let (janus, admin) = (Upstream::ok(), Upstream::ok());
        let config = Config::new()
            .upstream("janus", &janus.url())
            .upstream("admin", &admin.url())
            .route("/janus", "janus")
            .route_with("/admin", "admin", "policy = \"operators\"")
            .table(HMAC)
            .table("[policies.operators]\nissuers = [\"staff\"]\n");
        Self {
            gateway: TestGateway::start(&config),
            janus,
            admin,
        }
    }

    #[track_caller]
    fn admin_saw_nothing(&self) {
        let arrived: Vec<String> = self.admin.heads().iter().map(ToString::to_string).collect();
        assert!(arrived.is_empty(), "{arrived:#?}");
        // Nor did it arrive by the open route under a name that the server behind would take for
        // the other.
        let arrived = self.janus.heads();
        let arrived = arrived
            .iter()
            .filter(|head| head.target().to_lowercase().contains("admin"));
        assert_eq!(
            arrived.map(ToString::to_string).collect::<Vec<_>>(),
            [""; 0]
        );
    }
}

/// Spellings under which some server would read `/admin`, or what stands behind it.
const SPELLINGS: [&str; 44] = [
    "/admin",
    "/admin/",
    "/admin/info",
    "/admin?x",
    "/%61dmin",
    "/%61%64%6d%69%6e",
    "/%61DMIN",
    "/ADMIN",
    "/Admin",
    "/admin;x",
    "/admin;x=1/info",
    "/;x/admin",
    "/admin%3bx",
    "/admin%20",
    "/admin%09",
    "/admin%00",
    "/admin%00.js",
    "/admin%0a",
    "/admin.",
    "/admin..",
    "/admin/.",
    "/admin/..",
    "/admin/%2e",
    "/admin/..;/",
    "/./admin",
    "/../admin",
    "/x/../admin",
    "/janus/../admin",
    "/janus/%2e%2e/admin",
    "/janus/..%2fadmin",
    "/janus%2f..%2fadmin",
    "/janus/..%5cadmin",
    "/janus/%252e%252e/admin",
    "/%2561dmin",
    "//admin",
    "///admin",
    "//admin/info",
    "/%2fadmin",
    "/admin%2f",
    "/admin%2finfo",
    "/admin\\",
    "/admin%5c",
    "/admin/%2e%2e/admin",
    "/janus/..;/admin",
];

#[test]
fn no_spelling_of_the_path_opens_it() {
    let world = World::new();
    let mut h2 = world.gateway.dial().h2();
    for target in SPELLINGS {
        let status = world.gateway.client().get(target).status();
        assert!((400..500).contains(&status), "{target}: {status}");
        let absolute = format!("GET https://localhost{target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(
            world.gateway.client().ask(absolute).status(),
            status,
            "{target}"
        );
        let Ok(path) = http::uri::PathAndQuery::try_from(target) else {
            continue;
        };
        let uri = http::Uri::builder()
            .scheme("https")
            .authority("localhost")
            .path_and_query(path)
            .build()
            .unwrap();
        let request = http::Request::get(uri).body(()).unwrap();
        assert_eq!(h2.send(request, b"").status, status, "{target}");
    }
    world.admin_saw_nothing();
}

#[test]
fn no_method_and_no_header_opens_it() {
    let world = World::new();
    for method in [
        "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "GETX",
    ] {
        let mut client = world.gateway.client();
        client.send(format!(
            "{method} /admin HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        ));
        assert_eq!(client.head().status(), 401, "{method}");
    }
    for header in [
        "X-HTTP-Method-Override: GET",
        "X-HTTP-Method: GET",
        "X-Original-URL: /admin",
        "X-Rewrite-URL: /admin",
        "X-Forwarded-Prefix: /admin",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: localhost",
        "Forwarded: for=127.0.0.1;host=localhost",
        "X-Real-IP: 127.0.0.1",
        "X-Forwarded-User: admin",
        "X-Auth-Request-User: admin",
        "Remote-User: admin",
        "Authorization: Basic YWRtaW46YWRtaW4=",
        "Authorization: Bearer",
        "Authorization: Bearer null",
        "Cookie: ianitor=",
        "Proxy-Authorization: Bearer x",
        "Host: localhost:443",
        "Connection: close, Authorization",
        "Expect: 100-continue",
        "Transfer-Encoding: chunked",
    ] {
        for path in ["/admin", "/admin/info"] {
            let host = if header.starts_with("Host") {
                ""
            } else {
                "Host: localhost\r\n"
            };
            let answer = world.gateway.client().ask(format!(
                "GET {path} HTTP/1.1\r\n{host}{header}\r\n\r\n0\r\n\r\n"
            ));
            assert_eq!(answer.status(), 401, "{header}");
        }
        // By the open route it reaches the open server only.
        let host = if header.starts_with("Host") {
            ""
        } else {
            "Host: localhost\r\n"
        };
        let answer = world.gateway.client().ask(format!(
            "GET /janus HTTP/1.1\r\n{host}{header}\r\n\r\n0\r\n\r\n"
        ));
        assert_eq!(answer.status(), 200, "{header}");
    }
    let arrived: Vec<String> = world
        .admin
        .heads()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(arrived.is_empty(), "{arrived:#?}");
    assert!(
        world
            .janus
            .heads()
            .iter()
            .all(|head| head.target() == "/janus")
    );
}

#[test]
fn no_upgrade_opens_it() {
    let world = World::new();
    let h2c = "GET /admin HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n\
               Upgrade: h2c\r\n\
               HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n";
    for request in [
        h2c.to_owned(),
        h2c.replace("h2c", "foo"),
        h2c.replace("h2c", "TLS/1.0"),
        handshake("/admin", ""),
        handshake("/admin", "Sec-WebSocket-Protocol: janus-admin-protocol\r\n"),
        handshake(
            "/admin",
            "Sec-WebSocket-Protocol: janus-admin-protocol, bearer.x\r\n",
        ),
    ] {
        // What follows a refused upgrade is a request like any other, and is not let in either.
        let follow = "GET /admin/info HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let mut client = world.gateway.client();
        client.send(format!("{request}{follow}{follow}"));
        assert_eq!(client.answer().status(), 401, "{request}");
        if let Ok(answer) = client.try_answer() {
            assert_eq!(answer.status(), 401, "{request}");
        }
    }
    // An upgrade through the open route gives nothing to smuggle behind it.
    let smuggled =
        h2c.replace("/admin", "/janus") + "GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut client = world.gateway.client();
    client.send(smuggled);
    assert_eq!(
        (client.answer().status(), client.answer().status()),
        (200, 401)
    );
    world.admin_saw_nothing();
}

#[test]
fn no_pseudo_header_opens_it() {
    let world = World::new();
    let ask = |fields: &[(&str, &str)]| RawH2::open(&world.gateway.dial()).ask(fields, None);
    let base = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/admin"),
    ];
    assert_eq!(ask(&base), Outcome::Status(401));
    for more in [
        ("x-http-method-override", "GET"),
        ("x-original-url", "/janus"),
        ("x-forwarded-for", "127.0.0.1"),
        ("authorization", "Bearer x"),
        ("cookie", "ianitor=x"),
        ("host", "localhost"),
    ] {
        let fields: Vec<_> = base.into_iter().chain([more]).collect();
        assert_eq!(ask(&fields), Outcome::Status(401), "{more:?}");
    }
    let websocket: Vec<_> = [(":method", "CONNECT"), (":protocol", "websocket")]
        .into_iter()
        .chain(base.into_iter().skip(1))
        .chain([("sec-websocket-version", "13")])
        .collect();
    assert_eq!(ask(&websocket), Outcome::Status(401));
    world.admin_saw_nothing();
}

#[test]
fn a_websocket_brings_its_token_where_a_browser_can_put_it() {
    let world = World::new();
    let token = token::token(json!({}));
    let mut client = world.gateway.client();
    client.send(handshake(
        "/admin",
        &format!("Sec-WebSocket-Protocol: janus-admin-protocol, bearer.{token}\r\n"),
    ));
    // The server behind is one that does not know WebSockets; that it was asked is what counts.
    client.head();
    let head = &world.admin.heads()[0];
    assert_eq!(
        head.get("sec-websocket-protocol"),
        Some("janus-admin-protocol")
    );
    assert!(!head.to_string().contains(&token));
    assert_eq!(h2_get(&world, &token), 200);
}

fn h2_get(world: &World, token: &str) -> u16 {
    let mut request = h2::get("/admin");
    request
        .headers_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    world.gateway.dial().h2().send(request, b"").status
}
