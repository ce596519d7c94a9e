//! Tenants of a Jitsi: one route for all of them, whose server gets the tenant as a parameter that
//! no client can set.

use bytes::Bytes;

use crate::harness::token;
use crate::harness::websocket::{ACCEPT, Frame, TEXT, echo, handshake, is_alive, switching};
use crate::harness::{Client, Config, TestGateway, Then, Upstream, h2};

/// A request for a session.
const BOSH: &[u8] = b"<body rid='1' xmlns='http://jabber.org/protocol/httpbind'/>";

const OPEN: &str = "policy = \"open\"";

fn jitsi(name: &str, server: &Upstream) -> String {
    format!(
        "[upstreams.{name}]\nservers = [\"{}\"]\nprotocol = \"jitsi\"",
        server.url()
    )
}

fn tenants(server: &Upstream) -> Config {
    let config = Config::new().table(&jitsi("prosody", server));
    let config = config.route("/{tenant}/http-bind", "prosody");
    config.route("/{tenant}/xmpp-websocket", "prosody")
}

/// The targets that have come, the latest of them.
fn latest(server: &Upstream, count: usize) -> Vec<String> {
    let heads = server.heads();
    let targets = heads.iter().map(|head| head.target().to_owned());
    targets.skip(heads.len().saturating_sub(count)).collect()
}

/// Asks by GET and POST, by HTTP/1.1 and HTTP/2.
#[track_caller]
fn arrives(gateway: &TestGateway, server: &Upstream, target: &str, want: &str) {
    let mut client = gateway.client();
    let mut by_h2 = gateway.dial().h2();
    let statuses = [
        client.get(target).status(),
        client.post(target, BOSH).status(),
        by_h2.get(target).status,
        by_h2.send(h2::post(target), BOSH).status,
    ];
    assert_eq!(statuses, [200; 4], "{target}");
    assert_eq!(latest(server, 4), [want; 4], "{target}");
}

#[track_caller]
fn is_404(gateway: &TestGateway, target: &str) {
    assert_eq!(gateway.client().get(target).status(), 404, "{target}");
    assert_eq!(gateway.client().post(target, b"").status(), 404, "{target}");
    assert_eq!(gateway.dial().h2().get(target).status, 404, "{target}");
}

#[test]
fn the_tenant_of_a_path_is_a_parameter_at_the_server() {
    let server = Upstream::ok();
    let config = tenants(&server)
        .route_with(
            "/meet/{tenant}/http-bind",
            "prosody",
            &format!("{OPEN}\nstrip_prefix = \"/meet\""),
        )
        .route_with(
            "/{tenant}/bosh",
            "prosody",
            &format!("{OPEN}\nrewrite = \"/v1/http-bind\""),
        );
    let gateway = TestGateway::start(&config);
    for (target, want) in [
        ("/acme/http-bind", "/http-bind?prefix=acme"),
        ("/acme/http-bind/", "/http-bind/?prefix=acme"),
        ("/acme/http-bind?", "/http-bind?prefix=acme"),
        ("/Acme_1.x-y/http-bind", "/http-bind?prefix=Acme_1.x-y"),
        ("/%61cme/http-bin%64", "/http-bind?prefix=acme"),
        (
            "/acme/http-bind?room=%61+b&&token=x.y&z",
            "/http-bind?prefix=acme&room=%61+b&&token=x.y&z",
        ),
        (
            "/acme/xmpp-websocket?room=a",
            "/xmpp-websocket?prefix=acme&room=a",
        ),
        ("/meet/acme/http-bind", "/http-bind?prefix=acme"),
        ("/acme/bosh/?room=a", "/v1/http-bind/?prefix=acme&room=a"),
    ] {
        arrives(&gateway, &server, target, want);
    }
}

#[test]
fn a_path_that_names_no_tenant_is_not_one_of_the_route() {
    let server = Upstream::ok();
    let gateway = TestGateway::start(&tenants(&server));
    let long = format!("/{}/http-bind", "a".repeat(64));
    for target in [
        "/http-bind",
        "/acme",
        "/acme/",
        "/acme/http-bind/x",
        "/acme/http-bindx",
        "/acme/HTTP-BIND",
        "/acme/x/http-bind",
        "/.acme/http-bind",
        "/.well-known/http-bind",
        "/a~b/http-bind",
        "/a%20b/http-bind",
        "/a%26prefix=b/http-bind",
        "/a&prefix=b/http-bind",
        "/a%3Fb/http-bind",
        "/a;b/http-bind",
        "/%7Btenant%7D/http-bind",
        "/{tenant}/http-bind",
        &long,
    ] {
        is_404(&gateway, target);
    }
    assert!(server.heads().is_empty());
}

#[test]
fn no_client_names_the_tenant_by_the_parameter() {
    let (server, app) = (Upstream::ok(), Upstream::ok());
    let config = tenants(&server)
        .route("/http-bind", "prosody")
        .upstream("app", &app.url())
        .route("/app", "app");
    let gateway = TestGateway::start(&config);
    for forged in [
        "prefix=evil",
        "prefix",
        "%70refix=evil",
        "%70%72%65%66%69%78=evil",
        "Prefix=evil",
        "prefix=evil&prefix=worse",
    ] {
        for (target, want) in [
            (
                format!("/acme/http-bind?{forged}"),
                "/http-bind?prefix=acme",
            ),
            (
                format!("/acme/http-bind?a=1&{forged}&b=%32"),
                "/http-bind?prefix=acme&a=1&b=%32",
            ),
            (format!("/http-bind?{forged}"), "/http-bind"),
            (format!("/http-bind/?{forged}&b=%32"), "/http-bind/?b=%32"),
        ] {
            arrives(&gateway, &server, &target, want);
        }
        // It means nothing to other servers.
        let target = format!("/app?{forged}");
        arrives(&gateway, &app, &target, &target);
    }
    // What looks like it, and is not.
    let target = "/http-bind?a=prefix&prefixes=b&%2570refix=c&pre=fix";
    arrives(&gateway, &server, target, target);
}

#[test]
fn literal_routes_go_before_those_with_tenants() {
    let [server, own, pages] = [(); 3].map(|()| Upstream::ok());
    let mut config = tenants(&server)
        .table(&jitsi("own", &own))
        .upstream("pages", &pages.url());
    for (path, upstream) in [
        ("/", "pages"),
        ("/acme", "pages"),
        ("/acme/xmpp-websocket", "pages"),
        ("/http-bind", "own"),
        ("/{tenant}/b/http-bind", "prosody"),
        ("/x/{tenant}/http-bind", "own"),
    ] {
        config = config.route(path, upstream);
    }
    let gateway = TestGateway::start(&config);
    for (target, at, want) in [
        ("/acme/http-bind", &server, "/http-bind?prefix=acme"),
        ("/acme/xmpp-websocket", &pages, "/acme/xmpp-websocket"),
        ("/acme/xmpp-websocket/x", &pages, "/acme/xmpp-websocket/x"),
        (
            "/other/xmpp-websocket",
            &server,
            "/xmpp-websocket?prefix=other",
        ),
        ("/acme/http-bind/x", &pages, "/acme/http-bind/x"),
        ("/http-bind", &own, "/http-bind"),
        ("/http-bind/x", &own, "/http-bind/x"),
        // A tenant of the name of a literal route.
        (
            "/http-bind/http-bind",
            &server,
            "/http-bind?prefix=http-bind",
        ),
        ("/x/http-bind", &server, "/http-bind?prefix=x"),
        ("/x/acme/http-bind", &own, "/x/http-bind?prefix=acme"),
        // Of two with tenants, the one whose tenant comes later.
        ("/x/b/http-bind", &own, "/x/http-bind?prefix=b"),
        ("/y/b/http-bind", &server, "/b/http-bind?prefix=y"),
        // Other pages.
        ("/ACME/HTTP-BIND", &pages, "/ACME/HTTP-BIND"),
        ("/.acme/http-bind", &pages, "/.acme/http-bind"),
        ("/y/acme/http-bind", &pages, "/y/acme/http-bind"),
    ] {
        arrives(&gateway, at, target, want);
    }
}

#[test]
fn websockets_reach_their_tenant_by_http_1_and_2() {
    let server = Upstream::raw(|conn| {
        let Some(head) = conn.head()? else {
            return Ok(());
        };
        let key = http::HeaderValue::from_str(head.get("sec-websocket-key").unwrap()).unwrap();
        let accept = ianitor::proxy::websocket::accept(&key);
        conn.send(switching("").replace(ACCEPT, &accept))?;
        let frame = conn.wire.frame()?;
        conn.send(
            Frame {
                mask: None,
                ..frame
            }
            .bytes(),
        )?;
        conn.wait_for_end()
    });
    let gateway = TestGateway::start(&tenants(&server));
    let mut client = gateway.client();
    client.send(handshake("/acme/xmpp-websocket?prefix=evil&room=a", ""));
    assert_eq!(client.head().status(), 101);
    is_alive(&mut client);
    assert_eq!(latest(&server, 1), ["/xmpp-websocket?prefix=acme&room=a"]);

    let mut client = gateway.dial().h2();
    assert!(client.takes_extended_connect());
    let request = http::Request::builder()
        .method(http::Method::CONNECT)
        .uri("https://localhost/Other/xmpp-websocket?room=a&%70refix=evil")
        .header("sec-websocket-version", "13")
        .extension(::h2::ext::Protocol::from_static("websocket"));
    let (response, mut stream) = client.begin(request.body(()).unwrap(), false);
    let mut body = client.run(response).unwrap().into_body();
    let hello = Bytes::from(Frame::from_client(TEXT, "hello").bytes());
    stream.send_data(hello, false).unwrap();
    let echoed = client.run(body.data()).unwrap().unwrap();
    assert_eq!(echoed, Frame::from_server(TEXT, "hello").bytes());
    assert_eq!(latest(&server, 1), ["/xmpp-websocket?prefix=Other&room=a"]);
}

#[track_caller]
fn open(gateway: &TestGateway, target: &str) -> Client {
    let mut client = gateway.client();
    client.send(handshake(target, ""));
    assert_eq!(client.head().status(), 101, "{target}");
    client
}

#[track_caller]
fn is_closed_for(client: &mut Client, reason: &str) {
    assert_eq!(
        client.wire.frame().unwrap().close(),
        (1008, reason.to_owned())
    );
}

#[test]
fn a_reload_closes_the_websockets_whose_route_or_path_is_another_one() {
    let server = echo();
    let mut gateway = TestGateway::start(&tenants(&server));
    let [mut acme, mut other] =
        ["/acme/xmpp-websocket", "/other/xmpp-websocket"].map(|target| open(&gateway, target));
    // Another policy and another route beside it.
    let with_more = tenants(&server).route("/xmpp-websocket", "prosody");
    gateway.reload(&with_more);
    is_alive(&mut acme);
    let mut none = open(&gateway, "/xmpp-websocket");
    // A literal route takes one tenant away.
    gateway.reload(&with_more.route("/acme/xmpp-websocket", "prosody"));
    is_closed_for(&mut acme, "route removed");
    is_alive(&mut other);
    is_alive(&mut none);
    let mut acme = open(&gateway, "/acme/xmpp-websocket");
    // And without it, the tenant's path is another one at the server.
    gateway.reload(&tenants(&server));
    is_closed_for(&mut acme, "route removed");
    is_closed_for(&mut none, "route removed");
    is_alive(&mut other);
    // The same path at the server by other words.
    let rewritten = |lines: &str| {
        Config::new().table(&jitsi("prosody", &server)).route_with(
            "/{tenant}/xmpp-websocket",
            "prosody",
            &format!("{OPEN}\n{lines}"),
        )
    };
    gateway.reload(&rewritten("rewrite = \"/xmpp-websocket/\""));
    is_alive(&mut other);
    gateway.reload(&rewritten("rewrite = \"/elsewhere\""));
    is_closed_for(&mut other, "target changed");
}

#[test]
fn logs_and_metrics_name_the_route_and_not_each_tenant() {
    let server = Upstream::ok();
    let gateway = TestGateway::start(
        &tenants(&server).listen("https = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\""),
    );
    assert_eq!(gateway.client().get("/acme/http-bind?room=a").status(), 200);
    let line = gateway.access.lines(1).remove(0);
    assert!(line.contains(" route=/{tenant}/http-bind "), "{line}");
    assert!(line.contains("/acme/http-bind?"), "{line}");
    assert!(!line.contains("prefix"), "{line}");
    let (_, metrics) = gateway.status("/metrics");
    assert!(
        metrics.contains("route=\"/{tenant}/http-bind\""),
        "{metrics}"
    );
    assert!(!metrics.contains("acme"), "{metrics}");
    let (_, page) = gateway.status("/");
    assert!(page.contains("/{tenant}/http-bind"), "{page}");
}

#[test]
fn a_location_of_the_server_has_the_tenant_again() {
    let server = Upstream::http(|request, conn| {
        let location = request.head.get("x-location").unwrap();
        conn.send(format!(
            "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        ))?;
        Ok(Then::Keep)
    });
    let config = tenants(&server).route_with(
        "/meet/{tenant}/http-bind",
        "prosody",
        &format!("{OPEN}\nrewrite = \"/bosh\""),
    );
    let gateway = TestGateway::start(&config);
    let own = format!("{}/http-bind/", server.url());
    for (target, location, want) in [
        ("/acme/http-bind", "/http-bind/", "/acme/http-bind/"),
        (
            "/acme/http-bind",
            "/http-bind?a=/b#c",
            "/acme/http-bind?a=/b#c",
        ),
        ("/acme/http-bind", "/elsewhere", "/elsewhere"),
        ("/acme/http-bind", &own, "https://localhost/acme/http-bind/"),
        ("/meet/acme/http-bind", "/bosh", "/meet/acme/http-bind"),
        ("/meet/acme/http-bind", "/http-bind", "/http-bind"),
    ] {
        let answer = gateway.client().ask(format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nX-Location: {location}\r\n\r\n"
        ));
        assert_eq!(
            answer.head.get("location"),
            Some(want),
            "{target}, {location}"
        );
    }
}

#[test]
fn a_browser_is_offered_no_form_where_no_cookie_could_be_for_the_path() {
    let server = Upstream::ok();
    let policy = "policy = \"callers\"";
    let config = Config::new()
        .table(token::HMAC)
        .table("[policies.callers]\nissuers = [\"staff\"]")
        .table(&jitsi("prosody", &server))
        .route_with("/", "prosody", policy)
        .route_with("/{tenant}/http-bind", "prosody", policy);
    let gateway = TestGateway::start(&config);
    let navigate = |target: &str| {
        gateway.client().ask(format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\
             Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n\r\n"
        ))
    };
    let (form, none) = (navigate("/page"), navigate("/acme/http-bind"));
    assert_eq!((form.status(), none.status()), (401, 401));
    assert!(form.text().contains("<form"), "{}", form.text());
    assert!(!none.text().contains("<form"), "{}", none.text());
    // The cookie of a route above is sent there, and is enough.
    let token = token::token(serde_json::json!({ "room": "*", "sub": "acme" }));
    let answer = gateway.client().ask(format!(
        "GET /acme/http-bind HTTP/1.1\r\nHost: localhost\r\nCookie: ianitor={token}\r\n\
         Sec-Fetch-Site: same-origin\r\n\r\n"
    ));
    assert_eq!(answer.status(), 200);
}

#[test]
fn a_target_that_is_too_long_with_its_change_is_not_sent_without_it() {
    let server = Upstream::ok();
    let rewrite = format!("{OPEN}\nrewrite = \"/{}\"", "x".repeat(200));
    let config = Config::new()
        .upstream("app", &server.url())
        .limits("target = \"64KiB\"")
        .route_with("/short", "app", &rewrite);
    let gateway = TestGateway::start(&config);
    let target = format!("/short?{}", "q".repeat(65_400));
    assert_eq!(gateway.client().get(&target).status(), 414);
    let line = gateway.access.lines(1).remove(0);
    assert!(line.contains(" reason=target_too_long "), "{line}");
    assert!(server.heads().is_empty());
}
