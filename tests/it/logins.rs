//! Another service decides who passes (`forward_auth`), in the way of NGINX' `auth_request`.

mod nginx;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::harness::h1::Answer;
use crate::harness::message::Head;
use crate::harness::upstream::Then;
use crate::harness::websocket::{echo, handshake, is_alive};
use crate::harness::{Config, TestGateway, Upstream, h2, staff};

const NAVIGATES: &str = "Sec-Fetch-Mode: navigate\r\n";

/// A service that answers as the cookie `mode` says.
fn service() -> Upstream {
    Upstream::http(|request, conn| {
        let cookie = request.head.get("cookie").unwrap_or_default();
        let mode = cookie.split("mode=").nth(1).unwrap_or_default();
        let huge = format!("200 OK\r\nX-Big: {}", "b".repeat(70_000));
        let answer = match mode.split(';').next().unwrap_or_default() {
            "good" => "200 OK\r\nRemote-User: ada\r\nRemote-Groups: ops, dev\r\nX-Other: 1",
            "nameless" => "204 No Content",
            "fresh" => "200 OK\r\nRemote-User: ada\r\nSet-Cookie: mode=good; Path=/",
            "sent" => {
                "302 Found\r\nLocation: https://auth.example.com/in?rm=GET\r\nSet-Cookie: c=1"
            }
            "elsewhere" => "302 Found\r\nLocation: https://evil.example/",
            "forbidden" => "403 Forbidden\r\nSet-Cookie: c=1",
            "failing" => "500 Internal Server Error",
            "missing" => "404 Not Found",
            "huge" => &huge,
            "no_http" => return conn.send("220 smtp ready\r\n").map(|()| Then::Close),
            "closing" => return Ok(Then::Close),
            "silent" => {
                conn.wait_for_end()?;
                return Ok(Then::Close);
            }
            _ => "401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"auth\"",
        };
        let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
        conn.send(answer.replace("204 No Content\r\nContent-Length: 0", "204 No Content"))
            .map(|()| Then::Keep)
    })
}

fn policy(name: &str, service: &Upstream, more: &str) -> String {
    let url = service.url();
    format!("[policies.{name}]\nforward_auth = {{ url = \"{url}/auth?x=1\"{more} }}\n")
}

fn world(more: &str, after: &str) -> (Upstream, Upstream, TestGateway) {
    let (app, service) = (Upstream::ok(), service());
    let config = Config::new()
        .listen("https = [\"127.0.0.1:0\"]\nworkers = 1")
        .upstream("app", &app.url())
        .route_with("/", "app", "policy = \"team\"")
        .table(&(policy("team", &service, more) + after));
    let gateway = TestGateway::start(&config);
    (app, service, gateway)
}

fn get(gateway: &TestGateway, mode: &str, headers: &str) -> Answer {
    gateway.client().ask(format!(
        "GET /a?b=c&d HTTP/1.1\r\nHost: localhost\r\nCookie: mode={mode}\r\n{headers}\r\n"
    ))
}

const COPIED: &str = ", copy_headers = [\"Remote-User\", \"Remote-Groups\", \"X-Extra\"]";

#[test]
fn only_the_service_says_who_a_client_is() {
    let (app, _service, gateway) = world(COPIED, "");
    let spoofed = "Remote-User: root\r\nRemote_User: root\r\nRemote-Email: root@x\r\n\
                   X-Extra: 1\r\nX-Auth-Request-User: root\r\nx_authentik_username: root\r\n\
                   X-Mine: 1\r\n";
    assert_eq!(get(&gateway, "good", spoofed).status(), 200);
    assert_eq!(get(&gateway, "nameless", spoofed).status(), 200);
    let heads = app.heads();
    let names: Vec<Option<&str>> = heads.iter().map(|head| head.get("remote-user")).collect();
    assert_eq!(names, [Some("ada"), None]);
    assert_eq!(heads[0].all("remote-groups"), ["ops, dev"]);
    for head in &heads {
        let text = head.to_string();
        assert!(
            !text.contains("root") && !text.contains("x-extra"),
            "{text}"
        );
        assert_eq!((head.get("x-other"), head.get("x-mine")), (None, Some("1")));
    }
    let lines = gateway.access.lines(2);
    assert!(
        lines[0].contains("user=\"forward_auth.team:ada\""),
        "{lines:?}"
    );
}

#[test]
fn the_service_is_asked_about_the_request_without_its_body() {
    let (app, service, gateway) = world("", "");
    let answer = gateway.client().ask(
        "POST /a?b=c HTTP/1.1\r\nHost: localhost:7\r\nCookie: a=1\r\nCookie: mode=good\r\n\
         Cookie: ianitor=x\r\nAuthorization: Basic Ym9iOg==\r\nUser-Agent: me\r\n\
         X-Requested-With: XMLHttpRequest\r\nX-Original-URL: /other\r\nX-Forwarded-Uri: /other\r\n\
         X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Method: HEAD\r\nContent-Type: text/plain\r\n\
         Content-Length: 4\r\n\r\nbody",
    );
    assert_eq!(answer.status(), 200);
    assert_eq!(app.only_request().body, b"body");
    let asked = service.only_request();
    let host = service.addr.to_string();
    assert_eq!(asked.head.target(), "/auth?x=1");
    assert!(asked.head.to_string().starts_with("GET "));
    assert!(asked.body.is_empty());
    for (name, want) in [
        ("host", Some(&*host)),
        ("cookie", Some("a=1; mode=good")),
        ("authorization", Some("Basic Ym9iOg==")),
        ("user-agent", Some("me")),
        ("x-requested-with", Some("XMLHttpRequest")),
        ("x-original-url", Some("https://localhost:7/a?b=c")),
        ("x-original-method", Some("POST")),
        ("x-forwarded-method", Some("POST")),
        ("x-forwarded-uri", Some("/a?b=c")),
        ("x-forwarded-host", Some("localhost:7")),
        ("x-forwarded-proto", Some("https")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-real-ip", Some("127.0.0.1")),
        ("content-type", None),
        ("content-length", None),
    ] {
        let got: Vec<&str> = asked.head.all(name);
        assert_eq!(got, want.as_slice(), "{name}");
    }
}

#[test]
fn a_page_is_sent_to_sign_in_and_nothing_else_is() {
    let sign_in = ", sign_in = \"https://auth.example.com/?to={url}\"";
    let (app, service, gateway) = world(sign_in, "");
    let to = |answer: &Answer| answer.head.get("location").map(str::to_owned);
    let coded = "https%3A%2F%2Flocalhost%2Fa%3Fb%3Dc%26d";
    let own = format!("https://auth.example.com/?to={coded}");
    for (mode, want) in [
        ("none", &*own),
        ("sent", "https://auth.example.com/in?rm=GET"),
        ("elsewhere", &*own),
    ] {
        let page = get(&gateway, mode, NAVIGATES);
        assert_eq!(
            (page.status(), to(&page).as_deref()),
            (302, Some(want)),
            "{mode}"
        );
        let script = get(&gateway, mode, "Sec-Fetch-Mode: cors\r\n");
        assert_eq!((script.status(), to(&script)), (401, None), "{mode}");
    }
    let cookie = get(&gateway, "sent", NAVIGATES);
    assert_eq!(cookie.head.get("set-cookie"), Some("c=1"));
    let answer = get(&gateway, "none", "");
    let challenges = answer.head.all("www-authenticate");
    assert_eq!(challenges, ["Bearer realm=\"auth\""]);
    let asked = service.requests().len();
    let socket = handshake("/ws", "Cookie: mode=none\r\n");
    assert_eq!(gateway.client().ask(socket).status(), 401);
    assert_eq!(service.requests().len(), asked + 1);
    assert_eq!(gateway.dial().h2().get("/x").status, 401);
    assert!(app.heads().is_empty());
}

#[test]
fn whatever_does_not_admit_rejects() {
    let (app, _service, gateway) = world(", timeout = \"500ms\"", "");
    for (mode, status, reason) in [
        ("forbidden", 403, "login_forbidden"),
        ("failing", 502, "login_answer"),
        ("missing", 502, "login_answer"),
        ("sent", 502, "login_redirect"),
        ("huge", 502, "login_broken"),
        ("no_http", 502, "login_broken"),
        ("closing", 502, "login_broken"),
        ("silent", 503, "login_unanswered"),
    ] {
        gateway.access.clear();
        let answer = get(&gateway, mode, "");
        assert_eq!(answer.status(), status, "{mode}");
        let line = gateway.access.lines(1).remove(0);
        assert!(line.contains(&format!("reason={reason}")), "{mode}: {line}");
    }
    let forbidden = get(&gateway, "forbidden", "");
    assert_eq!(forbidden.head.get("set-cookie"), Some("c=1"));
    assert!(app.heads().is_empty());
    assert_eq!(get(&gateway, "good", "").status(), 200);
}

#[test]
fn a_service_that_is_down_closes_the_route() {
    let app = Upstream::ok();
    let policy = "[policies.team]\nforward_auth = { url = \"http://127.0.0.1:1\" }\n";
    let config = Config::new()
        .upstream("app", &app.url())
        .route_with("/", "app", "policy = \"team\"")
        .table(policy);
    let gateway = TestGateway::start(&config);
    let answer = get(&gateway, "good", "");
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.head.get("retry-after"), Some("1"));
    assert!(app.heads().is_empty());
}

#[test]
fn a_request_of_forward_auth_needs_no_login_itself() {
    let (app, service, gateway) = world("", "");
    let answer = get(&gateway, "good", "X-Ianitor-Forward-Auth: 1\r\n");
    assert_eq!(answer.status(), 508);
    assert!(app.heads().is_empty() && service.heads().is_empty());
}

#[test]
fn cookies_of_the_service_reach_the_client_once() {
    let (_app, service, gateway) = world(", cache = \"1h\"", "");
    let cookies = |answer: &Answer| answer.head.all("set-cookie").len();
    assert_eq!(cookies(&get(&gateway, "fresh", "")), 1);
    assert_eq!(cookies(&get(&gateway, "fresh", "")), 1);
    assert_eq!(
        service.requests().len(),
        2,
        "an answer with cookies is not kept"
    );
}

#[test]
fn an_answer_holds_for_the_same_request_of_the_same_client() {
    let (_app, service, gateway) = world(", cache = \"1h\"", "");
    for _ in 0..3 {
        assert_eq!(get(&gateway, "good", "").status(), 200);
    }
    assert_eq!(service.requests().len(), 1);
    assert_eq!(get(&gateway, "good; x=1", "").status(), 200);
    assert_eq!(
        get(&gateway, "good", "Authorization: Bearer x\r\n").status(),
        200
    );
    let other = "GET /other HTTP/1.1\r\nHost: localhost\r\nCookie: mode=good\r\n\r\n";
    assert_eq!(gateway.client().ask(other).status(), 200);
    let post = other.replace("GET", "POST");
    assert_eq!(gateway.client().ask(post).status(), 200);
    assert_eq!(service.requests().len(), 5);
    // Rejections are never kept.
    for _ in 0..2 {
        assert_eq!(get(&gateway, "none", "").status(), 401);
    }
    assert_eq!(service.requests().len(), 7);
}

#[test]
fn claims_are_asked_of_logins_too() {
    for (claims, status) in [
        ("{ groups = [\"dev\"] }", 200),
        ("{ remote-groups = [\"ops\"], sub = [\"ada\"] }", 200),
        ("{ groups = [\"ops, dev\"] }", 403),
        ("{ sub = [\"bob\"] }", 403),
    ] {
        let (app, _service, gateway) = world(COPIED, &format!("claims = {claims}"));
        let answer = get(&gateway, "good", "");
        assert_eq!(answer.status(), status, "{claims}");
        assert_eq!(answer.head.get("www-authenticate"), None);
        assert_eq!(app.heads().len(), usize::from(status == 200));
    }
}

#[test]
fn pages_of_other_hosts_have_no_use_of_a_login() {
    let (app, _service, gateway) = world("", "");
    for headers in [
        "Origin: https://evil.example\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
    ] {
        assert_eq!(get(&gateway, "good", headers).status(), 403, "{headers}");
    }
    let own = get(&gateway, "good", "Origin: https://localhost\r\n");
    assert_eq!(own.status(), 200);
    assert_eq!(app.heads().len(), 1);
}

#[test]
fn a_login_stands_beside_addresses_and_tokens() {
    let token = format!("Authorization: Bearer {}\r\n", staff::token("anna", 600));
    let bad = "Authorization: Bearer a.b.c\r\n";
    for (conditions, anonymous, good, with_token) in [
        ("allow = [\"127.0.0.1\"]\nsatisfy = \"any\"", 200, 200, 200),
        ("allow = [\"127.0.0.1\"]\nsatisfy = \"all\"", 401, 200, 401),
        ("allow = [\"192.0.2.1\"]\nsatisfy = \"any\"", 401, 200, 401),
        ("allow = [\"192.0.2.1\"]\nsatisfy = \"all\"", 403, 403, 403),
        ("issuers = [\"staff\"]\nsatisfy = \"any\"", 401, 200, 200),
        ("deny = [\"127.0.0.1\"]", 403, 403, 403),
    ] {
        let (app, service) = (Upstream::ok(), service());
        let config = Config::new()
            .upstream("app", &app.url())
            .route_with("/", "app", "policy = \"team\"")
            .table(&staff::issuer(""))
            .table(&(policy("team", &service, "") + conditions));
        let gateway = TestGateway::start(&config);
        let got = [("none", ""), ("good", ""), ("none", &*token)]
            .map(|(mode, headers)| get(&gateway, mode, headers).status());
        assert_eq!(got, [anonymous, good, with_token], "{conditions}");
        if conditions.contains("issuers") {
            assert_eq!(get(&gateway, "good", bad).status(), 200, "one is enough");
            assert_eq!(get(&gateway, "none", bad).status(), 401);
        }
    }
}

/// A service that admits while this is 200.
fn changing(status: &Arc<AtomicU16>) -> Upstream {
    let status = Arc::clone(status);
    Upstream::http(move |_, conn| {
        let status = status.load(Ordering::SeqCst);
        let answer =
            format!("HTTP/1.1 {status} X\r\nRemote-User: ada\r\nContent-Length: 0\r\n\r\n");
        conn.send(answer).map(|()| Then::Keep)
    })
}

/// Whether an open WebSocket is closed when the service answers with this status; and how often it
/// was asked meanwhile.
fn closed_by(after: u16) -> usize {
    let status = Arc::new(AtomicU16::new(200));
    let (app, service) = (echo(), changing(&status));
    let config = Config::new()
        .upstream("app", &app.url())
        .route_with("/", "app", "policy = \"team\"")
        .table(&policy("team", &service, ", recheck = \"1s\""));
    let gateway = TestGateway::start(&config);
    let mut client = gateway.client();
    client.send(handshake("/ws", ""));
    assert_eq!(client.head().status(), 101);
    is_alive(&mut client);
    let asked = service.requests().len();
    status.store(after, Ordering::SeqCst);
    let close = client.wire.frame().unwrap();
    assert_eq!(close.close(), (1008, "no longer logged in".to_owned()));
    service.requests().len() - asked
}

#[test]
fn an_open_websocket_is_closed_when_the_service_says_no() {
    assert!(closed_by(401) >= 1);
}

#[test]
fn an_open_websocket_is_closed_when_the_service_has_no_answer_three_times() {
    assert!(closed_by(500) >= 3);
}

#[test]
fn a_reload_with_another_service_closes_what_the_old_one_admitted() {
    let status = Arc::new(AtomicU16::new(200));
    let (app, service, other) = (echo(), changing(&status), changing(&status));
    let config = |service: &Upstream| {
        Config::new()
            .upstream("app", &app.url())
            .route_with("/", "app", "policy = \"team\"")
            .table(&policy("team", service, ""))
    };
    let mut gateway = TestGateway::start(&config(&service));
    let mut client = gateway.client();
    client.send(handshake("/ws", ""));
    assert_eq!(client.head().status(), 101);
    gateway.reload(&config(&service));
    is_alive(&mut client);
    gateway.reload(&config(&other));
    assert_eq!(client.wire.frame().unwrap().close().0, 1008);
}

#[test]
fn logins_hold_on_http2_as_well() {
    let (app, service, gateway) = world(COPIED, "");
    let mut client = gateway.dial().h2();
    let mut request = h2::get("/a");
    for (name, value) in [("cookie", "mode=good"), ("remote-user", "root")] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = client.send(request, b"");
    assert_eq!(answer.status, 200);
    let head: Head = app.heads().remove(0);
    assert_eq!(head.all("remote-user"), ["ada"]);
    assert_eq!(service.heads()[0].get("cookie"), Some("mode=good"));
}
