//! What a browser sends by itself, an address or a cookie, opens nothing for pages of other
//! origins. Neither does a media server's control port open to them, whatever comes along.

use std::cell::Cell;

use h2::ext::Protocol;
use http::{Method, Request};
use ianitor::proxy::websocket::accept;

use crate::harness::h1::Answer;
use crate::harness::h2::gather;
use crate::harness::websocket::{echo, handshake, is_alive};
use crate::harness::{Config, TestGateway, Upstream, eventually, staff};

/// What a browser says of pages that are not of this host.
const OTHER_PAGES: [&str; 9] = [
    "Origin: https://evil.example\r\n",
    "Origin: https://www.localhost\r\nSec-Fetch-Site: same-site\r\n",
    "Origin: https://localhost:444\r\n",
    "Origin: http://localhost\r\n",
    "Origin: https://localhost.evil.example\r\n",
    "Origin: evil.example\r\n",
    "Origin: null\r\n",
    "Origin: https://localhost\r\nOrigin: https://evil.example\r\n",
    "Sec-Fetch-Site: cross-site\r\n",
];

/// What it says of pages of this host; programs say nothing, or the host alone.
const OWN_PAGES: [&str; 7] = [
    "",
    "Origin: https://localhost\r\n",
    "Origin: https://localhost:443\r\n",
    "Origin: localhost\r\n",
    "Sec-Fetch-Site: same-origin\r\n",
    "Sec-Fetch-Site: same-site\r\n",
    "Sec-Fetch-Site: none\r\n",
];

const CLICK: &str =
    "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";

struct World {
    gateway: TestGateway,
    upstream: Upstream,
    refused: Cell<usize>,
}

impl World {
    fn new() -> Self {
        let upstream = media_server();
        let gateway = TestGateway::start(&config(&upstream));
        Self {
            gateway,
            upstream,
            refused: Cell::default(),
        }
    }

    fn ask(&self, method: &str, target: &str, headers: &str) -> Answer {
        let length = if method == "POST" {
            "Content-Length: 0\r\n"
        } else {
            ""
        };
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{length}{headers}\r\n");
        self.gateway.client().ask(head)
    }

    /// The statuses of a request by each way that a browser has.
    #[track_caller]
    fn all_ways(&self, target: &str, headers: &str) -> [u16; 6] {
        let h2 = |method| {
            let request = headers_of(headers).fold(
                Request::builder()
                    .method(method)
                    .uri(format!("https://localhost{target}")),
                |request, (name, value)| request.header(name, value),
            );
            self.gateway
                .dial()
                .h2()
                .send(request.body(()).unwrap(), b"")
                .status
        };
        [
            self.ask("GET", target, headers).status(),
            self.ask("POST", target, headers).status(),
            self.open_h1(target, headers),
            h2(Method::GET),
            h2(Method::DELETE),
            self.open_h2(target, headers),
        ]
    }

    fn open_h1(&self, target: &str, headers: &str) -> u16 {
        let mut client = self.gateway.client();
        client.send(handshake(target, headers));
        client.head().status()
    }

    fn open_h2(&self, target: &str, headers: &str) -> u16 {
        let request = headers_of(headers).fold(
            Request::builder()
                .method(Method::CONNECT)
                .uri(format!("https://localhost{target}")),
            |request, (name, value)| request.header(name, value),
        );
        let request = request
            .header("sec-websocket-version", "13")
            .extension(Protocol::from_static("websocket"));
        let mut client = self.gateway.dial().h2();
        assert!(client.takes_extended_connect());
        let (response, _stream) = client.begin(request.body(()).unwrap(), false);
        let response = client.run(response).unwrap();
        match response.status().as_u16() {
            200 => 200,
            _ => client.run(gather(response)).unwrap().status,
        }
    }

    #[track_caller]
    fn is_refused(&self, target: &str, headers: &str) {
        let before = self.upstream.heads().len();
        assert_eq!(
            self.all_ways(target, headers),
            [403; 6],
            "{target} {headers}"
        );
        assert_eq!(
            self.upstream.heads().len(),
            before,
            "{target} {headers}: something has arrived"
        );
        self.refused.set(self.refused.get() + 6);
    }

    /// Each refusal has named its rule.
    #[track_caller]
    fn has_logged_refusals(&self) {
        let logged = || {
            self.gateway
                .access
                .now()
                .iter()
                .filter(|line| line.contains(" reason=origin "))
                .count()
        };
        eventually("every refusal in the log", || {
            logged() == self.refused.get()
        });
    }

    #[track_caller]
    fn is_served(&self, target: &str, headers: &str) {
        assert_eq!(
            self.all_ways(target, headers),
            [200, 200, 101, 200, 200, 200],
            "{target} {headers}"
        );
    }
}

fn headers_of(lines: &str) -> impl Iterator<Item = (&str, &str)> {
    lines.split("\r\n").filter_map(|line| line.split_once(": "))
}

/// Lets every page read its answers, as Janus does, and opens every WebSocket.
fn media_server() -> Upstream {
    Upstream::raw(|conn| {
        while let Some(request) = conn.request()? {
            match request.head.get("sec-websocket-key") {
                Some(key) => {
                    let accept = accept(&key.parse().unwrap());
                    conn.send(format!(
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                         Connection: Upgrade\r\n\
                         Sec-WebSocket-Accept: {accept}\r\nAccess-Control-Allow-Origin: *\r\n\r\n"
                    ))?;
                    return conn.wait_for_end();
                }
                None => {
                    let status = if request.head.target().contains("broken") {
                        "500 No"
                    } else {
                        "200 OK"
                    };
                    conn.send(format!(
                        "HTTP/1.1 {status}\r\nContent-Length: 2\r\n\
                         Access-Control-Allow-Origin: *\r\n\
                         Access-Control-Max-Age: 86400\r\n\r\nok"
                    ))?;
                }
            }
        }
        Ok(())
    })
}

const POLICIES: &str = r#"
[policies.app]
issuers = ["app"]
[policies.own]
issuers = ["staff"]
[policies.here]
allow = ["127.0.0.1"]
[policies.either]
allow = ["127.0.0.1"]
issuers = ["app"]
satisfy = "any"
[policies.both]
allow = ["127.0.0.1"]
issuers = ["app"]
satisfy = "all"
"#;

fn config(upstream: &Upstream) -> Config {
    let sources = "sources = [\"header\", \"cookie:session\", \"query:token\", \"subprotocol\"]";
    let listed = "cors = { origins = [\"https://app.example\"] }";
    let every = "cors = { origins = [\"*\"] }";
    let mut config = Config::new()
        .limits("bad_tokens_per_client = \"1000/s\"")
        .upstream(
            "app",
            &format!("{}\"]\nprotocol = \"http\" #", upstream.url()),
        )
        .upstream(
            "admin",
            &format!("{}\"]\nprotocol = \"janus-admin\" #", upstream.url()),
        )
        .upstream(
            "kurento",
            &format!("{}\"]\nprotocol = \"kurento\" #", upstream.url()),
        )
        .table(&staff::issuer_named("app", SECRET, sources))
        .table(&staff::issuer(""))
        .table(POLICIES)
        .route("/open", "app")
        .route_with("/listed", "app", &format!("policy = \"here\"\n{listed}"))
        .route_with("/listed-app", "app", &format!("policy = \"app\"\n{listed}"))
        .route_with("/every", "app", &format!("policy = \"here\"\n{every}"))
        .route_with("/every-app", "app", &format!("policy = \"app\"\n{every}"))
        .route_with("/admin", "admin", "policy = \"here\"")
        .route_with("/admin-app", "admin", "policy = \"app\"")
        .route_with(
            "/admin-listed",
            "admin",
            &format!("policy = \"here\"\n{listed}"),
        )
        .route_with(
            "/kurento",
            "kurento",
            "policy = \"open\"\ni_know_this_is_open = true",
        );
    for policy in ["app", "own", "here", "either", "both"] {
        config = config.route_with(
            &format!("/{policy}"),
            "app",
            &format!("policy = \"{policy}\""),
        );
    }
    config
}

const SECRET: &str = "the secret of an application, 32";

fn app_token() -> String {
    staff::mint(
        SECRET,
        &serde_json::json!({ "sub": "anna", "exp": staff::now() + 600 }),
    )
}

fn app_cookie() -> String {
    format!("Cookie: a=1; session={}\r\n", app_token())
}

#[test]
fn a_cookie_opens_nothing_for_pages_of_other_origins() {
    let world = World::new();
    let own_cookie = format!("Cookie: ianitor={}\r\n", staff::token("anna", 600));
    for (target, cookie) in [
        ("/app", app_cookie()),
        ("/both", app_cookie()),
        ("/own", own_cookie),
    ] {
        for page in OTHER_PAGES {
            world.is_refused(target, &format!("{cookie}{page}"));
        }
        for page in OWN_PAGES {
            world.is_served(target, &format!("{cookie}{page}"));
        }
    }
    world.has_logged_refusals();
}

#[test]
fn an_address_opens_nothing_for_pages_of_other_origins() {
    let world = World::new();
    for target in ["/here", "/either"] {
        for page in OTHER_PAGES {
            world.is_refused(target, page);
            world.is_refused(target, &format!("{}{page}", app_cookie()));
        }
        for page in OWN_PAGES {
            world.is_served(target, page);
        }
    }
}

#[test]
fn a_token_that_the_page_has_itself_opens_for_it() {
    let world = World::new();
    let token = app_token();
    for page in OTHER_PAGES {
        for target in ["/app", "/both", "/either"] {
            world.is_served(target, &format!("Authorization: Bearer {token}\r\n{page}"));
            world.is_served(&format!("{target}?token={token}"), page);
            world.is_served(
                &format!("{target}?token={token}"),
                &format!("Cookie: session={token}\r\n{page}"),
            );
            assert_eq!(
                world.open_h1(
                    target,
                    &format!("Sec-WebSocket-Protocol: bearer.{token}\r\n{page}")
                ),
                101
            );
        }
        world.is_served("/open", page);
    }
    // A token that proves nothing is no better than none, and says why.
    let bad = "Authorization: Bearer x\r\nOrigin: https://evil.example\r\n";
    assert_eq!(world.ask("GET", "/either", bad).status(), 401);
}

#[test]
fn a_page_that_came_in_by_its_token_goes_with_it() {
    let upstream = echo();
    let mut gateway = TestGateway::start(&Config::to(&upstream));
    let revoked = gateway.folder().join("revoked");
    std::fs::write(&revoked, "").unwrap();
    let issuer = staff::issuer_named(
        "app",
        SECRET,
        &format!("sources = [\"query:token\"]\nrevoked_file = {revoked:?}"),
    );
    let policy =
        "[policies.either]\nallow = [\"127.0.0.1\"]\nissuers = [\"app\"]\nsatisfy = \"any\"";
    let config = Config::new()
        .upstream(
            "app",
            &format!("{}\"]\nprotocol = \"http\" #", upstream.url()),
        )
        .table(&issuer)
        .table(policy);
    let config = config.route_with("/either", "app", "policy = \"either\"");
    gateway.reload(&config);
    let target = format!("/either?token={}", app_token());
    let open = |headers: &str| {
        let mut client = gateway.client();
        client.send(handshake(&target, headers));
        assert_eq!(client.head().status(), 101);
        client
    };
    let (mut other, mut own) = (
        open("Origin: https://evil.example\r\n"),
        open("Origin: https://localhost\r\n"),
    );
    std::fs::write(&revoked, "sub anna\n").unwrap();
    gateway.reload(&config);
    assert_eq!(
        other.wire.frame().unwrap().close(),
        (1008, "token revoked".to_owned())
    );
    // The page of this host came in by its address.
    is_alive(&mut own);
}

#[test]
fn control_ports_are_closed_to_other_pages_whatever_they_bring() {
    let world = World::new();
    let token = app_token();
    for page in OTHER_PAGES {
        world.is_refused("/admin", page);
        world.is_refused("/kurento", page);
        world.is_refused(&format!("/admin-app?token={token}"), page);
        world.is_refused(
            "/admin-app",
            &format!("Authorization: Bearer {token}\r\n{page}"),
        );
    }
    for page in OWN_PAGES {
        world.is_served("/admin", page);
        world.is_served("/kurento", page);
        world.is_served(&format!("/admin-app?token={token}"), page);
    }
    for headers in [
        CLICK,
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n",
    ] {
        assert_eq!(
            world.ask("GET", "/admin/info", headers).status(),
            403,
            "{headers}"
        );
    }
}

#[test]
fn pages_that_cors_lists_may() {
    let world = World::new();
    let listed = "Origin: https://app.example\r\n";
    for target in ["/listed", "/listed-app", "/admin-listed"] {
        world.is_served(target, &format!("{}{listed}", app_cookie()));
        let answer = world.ask("GET", target, &format!("{}{listed}", app_cookie()));
        assert_eq!(
            answer.head.all("access-control-allow-origin"),
            ["https://app.example"]
        );
        for page in OTHER_PAGES {
            assert_eq!(
                world.all_ways(target, &format!("{}{page}", app_cookie())),
                [403; 6],
                "{target} {page}"
            );
        }
    }
    // "*" is typed by somebody, but it is not for cookies.
    let evil = "Origin: https://evil.example\r\n";
    assert_eq!(
        world
            .ask("POST", "/every", evil)
            .head
            .get("access-control-allow-origin"),
        Some("*")
    );
    assert_eq!(world.open_h1("/every", evil), 101);
    assert_eq!(
        world
            .ask("POST", "/every-app", &format!("{}{evil}", app_cookie()))
            .status(),
        403
    );
    assert_eq!(
        world.open_h1("/every-app", &format!("{}{evil}", app_cookie())),
        403
    );
    assert_eq!(
        world.open_h1(&format!("/every-app?token={}", app_token()), evil),
        101
    );
}

#[test]
fn a_click_on_a_link_elsewhere_opens_a_page() {
    let world = World::new();
    for (target, headers) in [
        ("/here", CLICK.to_owned()),
        ("/app", format!("{}{CLICK}", app_cookie())),
    ] {
        assert_eq!(world.ask("GET", target, &headers).status(), 200);
        let mut client = world.gateway.client();
        client.send(format!(
            "HEAD {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
        ));
        assert_eq!(client.head().status(), 200);
        assert_eq!(world.ask("POST", target, &headers).status(), 403);
        assert_eq!(world.ask("OPTIONS", target, &headers).status(), 403);
        assert_eq!(
            world
                .ask("GET", target, &format!("{headers}Origin: null\r\n"))
                .status(),
            403
        );
        for other in ["iframe", "embed", "script", "image", "empty"] {
            let headers = headers.replace("document", other);
            assert_eq!(world.ask("GET", target, &headers).status(), 403, "{other}");
        }
    }
}

#[test]
fn what_the_server_says_of_cors_is_taken_out() {
    let world = World::new();
    let said = |method: &str, target: &str, headers: &str| {
        let answer = world.ask(method, target, headers);
        let names = ["access-control-allow-origin", "access-control-max-age"];
        names.map(|name| answer.head.all(name).len())
    };
    let own = "Origin: https://localhost\r\n";
    for target in [
        "/here",
        "/here/broken",
        "/admin",
        "/admin/broken",
        "/kurento",
        "/either",
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            assert_eq!(said(method, target, own), [0, 0], "{method} {target}");
            assert_eq!(said(method, target, ""), [0, 0], "{method} {target}");
        }
    }
    assert_eq!(said("GET", "/app", &app_cookie()), [0, 0]);
    // Where a page is let in by its own token, or everybody is, the server says who may read.
    assert_eq!(
        said(
            "GET",
            &format!("/app?token={}", app_token()),
            "Origin: https://evil.example\r\n"
        ),
        [1, 1]
    );
    assert_eq!(
        said("GET", "/open", "Origin: https://evil.example\r\n"),
        [1, 1]
    );
    let mut client = world.gateway.client();
    client.send(handshake("/here", own));
    let head = client.head();
    assert_eq!(
        (head.status(), head.all("access-control-allow-origin").len()),
        (101, 0)
    );
}

#[test]
fn a_listed_page_may_read_what_the_route_or_the_server_exposes() {
    let upstream = Upstream::answering(
        "HTTP/1.1 201 Created\r\nLocation: /whip/1\r\nAccess-Control-Allow-Origin: *\r\n\
         Access-Control-Expose-Headers: Location, Link\r\nContent-Length: 0\r\n\r\n",
    );
    let cors = |more: &str| {
        format!("cors = {{ origins = [\"https://app.example\"]{more} }}\npolicy = \"here\"")
    };
    let config = Config::new()
        .upstream("app", &upstream.url())
        .policy("here", "\"127.0.0.0/8\"")
        .route_with("/server", "app", &cors(""))
        .route_with(
            "/route",
            "app",
            &cors(", expose = [\"ETag\", \"Location\"]"),
        )
        .route_with("/none", "app", &cors(", expose = []"));
    let gateway = TestGateway::start(&config);
    let exposed = |target: &str, headers: &str| {
        let answer = gateway.client().ask(format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{headers}\r\n"
        ));
        assert_eq!(answer.status(), 201);
        let names = answer.head.get("access-control-expose-headers");
        names.map(str::to_owned)
    };
    let listed = "Origin: https://app.example\r\n";
    let want = |names: &str| Some(names.to_owned());
    assert_eq!(exposed("/server", listed), want("Location, Link"));
    assert_eq!(exposed("/route", listed), want("ETag, Location"));
    assert_eq!(exposed("/none", listed), None);
    for target in ["/server", "/route"] {
        assert_eq!(exposed(target, ""), None);
    }
}

#[test]
fn preflights_of_other_pages_go_no_further() {
    let world = World::new();
    let preflight = "Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n\
                     Access-Control-Request-Headers: content-type\r\n";
    for (target, status) in [
        ("/here", 403),
        ("/admin", 403),
        ("/kurento", 403),
        ("/app", 401),
        ("/listed", 403),
    ] {
        let answer = world.ask("OPTIONS", target, preflight);
        assert_eq!(answer.status(), status, "{target}");
        assert!(
            !answer
                .head
                .to_string()
                .to_ascii_lowercase()
                .contains("access-control"),
            "{target}: {}",
            answer.head
        );
    }
    assert!(world.upstream.heads().is_empty());
}

#[test]
fn targets_of_every_kind_are_closed_to_other_pages() {
    let upstream = media_server();
    let mut gateway = TestGateway::start(&Config::to(&upstream));
    std::fs::write(gateway.folder().join("page.html"), "a page").unwrap();
    std::fs::write(
        gateway.folder().join("turn"),
        "a secret of thirty-two bytes, ok",
    )
    .unwrap();
    let tables = format!(
        "[policies.here]\nallow = [\"127.0.0.1\"]\n[turn.coturn]\nsecret_file = {:?}\n\
         uris = [\"turn:192.0.2.1:3478\"]\n\
         [[routes]]\npath = \"/turn\"\nturn = \"coturn\"\npolicy = \"here\"\n\
         [[routes]]\npath = \"/page.html\"\nfiles = {:?}\npolicy = \"here\"\n\
         [[routes]]\npath = \"/go\"\nredirect = \"/page.html\"\npolicy = \"here\"\n",
        gateway.folder().join("turn"),
        gateway.folder().join("page.html")
    );
    gateway.reload(&Config::new().table(&tables));
    let ask = |target: &str, headers: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        gateway.client().ask(head).status()
    };
    for (target, status) in [("/turn", 200), ("/page.html", 200), ("/go", 308)] {
        OTHER_PAGES
            .iter()
            .for_each(|page| assert_eq!(ask(target, page), 403, "{target} {page}"));
        OWN_PAGES
            .iter()
            .for_each(|page| assert_eq!(ask(target, page), status, "{target} {page}"));
        assert_eq!(ask(target, CLICK), status, "{target}");
    }
}

#[test]
fn an_upstream_cannot_set_the_gateways_own_cookie() {
    let upstream = Upstream::raw(|conn| {
        let cookies = "Set-Cookie: a=1; Path=/\r\nSet-Cookie: ianitor=evil; Path=/\r\n\
                       Set-Cookie: =ianitor=evil\r\n\
                       Set-Cookie: __Host-ianitor=evil; Secure; Path=/\r\n\
                       Set-Cookie: ianitor2=b\r\n";
        while let Some(request) = conn.request()? {
            match request.head.get("sec-websocket-key") {
                Some(key) => conn.send(format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {}\r\n{cookies}\r\n",
                    accept(&key.parse().unwrap())
                ))?,
                None => conn.send(format!(
                    "HTTP/1.1 404 No\r\nContent-Length: 0\r\n{cookies}\r\n"
                ))?,
            }
        }
        Ok(())
    });
    let gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.client();
    assert_eq!(
        client.get("/").head.all("set-cookie"),
        ["a=1; Path=/", "ianitor2=b"]
    );
    client.send(handshake("/", ""));
    assert_eq!(
        client.head().all("set-cookie"),
        ["a=1; Path=/", "ianitor2=b"]
    );
    let h2 = gateway.dial().h2().get("/");
    let left: Vec<_> = h2.headers.get_all("set-cookie").iter().collect();
    assert_eq!(left, ["a=1; Path=/", "ianitor2=b"]);
}
