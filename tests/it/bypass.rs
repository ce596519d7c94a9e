//! Requests with two readings never reach an upstream, whichever way they come; those with one
//! arrive in one spelling.

use crate::harness::h1::Answer;
use crate::harness::h2_raw::{Outcome, RawH2};
use crate::harness::{Client, Config, TestGateway, Upstream, h2};

/// A route that is open, and one beside it that is not.
struct World {
    janus: Upstream,
    admin: Upstream,
    gateway: TestGateway,
}

/// Who `/admin` is not for.
const STRANGER: &str = "127.0.0.2";

impl World {
    fn new() -> Self {
        let (janus, admin) = (Upstream::ok(), Upstream::ok());
        let config = Config::new()
            .upstream("janus", &janus.url())
            .upstream("admin", &admin.url())
            .policy("operators", "\"127.0.0.1\"")
            .route("/janus", "janus")
            .route_with("/admin", "admin", "policy = \"operators\"");
        Self {
            gateway: TestGateway::start(&config),
            janus,
            admin,
        }
    }

    #[track_caller]
    fn nothing_arrived(&self) {
        let arrived: Vec<String> = [self.janus.heads(), self.admin.heads()]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(arrived.is_empty(), "{arrived:#?}");
    }
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// Targets under an open route that some server would read as another one, and what they are
/// answered.
const TWO_READINGS: [(&str, u16); 36] = [
    ("/janus/../admin", 400),
    ("/janus/..", 400),
    ("/janus/./info", 400),
    ("/janus/%2e%2e/admin", 400),
    ("/janus/%2E%2E/admin", 400),
    ("/janus/.%2e/admin", 400),
    ("/janus/%2e./admin", 400),
    ("/janus/%2e/info", 400),
    ("/./admin", 400),
    ("/../admin", 400),
    ("/janus/..;/admin", 400),
    ("/janus/..;x=1/admin", 400),
    ("/janus/.;/admin", 400),
    ("/janus/%2e%2e;x/admin", 400),
    ("/janus/..%2fadmin", 400),
    ("/janus%2f..%2fadmin", 400),
    ("/janus%2Finfo", 400),
    ("/janus%5cinfo", 400),
    ("/janus%5Cinfo", 400),
    ("/janus\\..\\admin", 400),
    ("/janus\\info", 400),
    ("/janus/info%00", 400),
    ("/janus/info%00/abc", 400),
    ("/janus/%0d%0aX:%20y", 400),
    ("/janus/%7f", 400),
    ("/janus/%252e%252e/admin", 400),
    ("/%2561dmin", 400),
    ("/janus/%25%32%65", 400),
    ("//admin", 400),
    ("//janus/info", 400),
    ("/janus//info", 400),
    ("/janus//", 400),
    ("/janus/%", 400),
    ("/janus/%2", 400),
    ("/janus/%zz", 400),
    ("/janus/%u002e", 400),
];

/// Targets that are whole and simply somewhere else.
const ELSEWHERE: [(&str, u16); 12] = [
    ("/", 404),
    ("/ADMIN", 404),
    ("/Janus/info", 404),
    ("/januswhatever", 404),
    ("/janus;x/info", 404),
    ("/admin;x", 404),
    ("/janus%3Bx", 404),
    ("/foo/janus/info", 404),
    ("/.ianitor", 404),
    ("/.ianitor/x", 404),
    ("/%2eianitor/x", 404),
    ("/.well-known/acme-challenge/x", 404),
];

#[test]
fn a_target_with_two_readings_is_refused() {
    let world = World::new();
    for (target, status) in TWO_READINGS.into_iter().chain(ELSEWHERE) {
        let answer = world.gateway.client().ask(get(target));
        assert_eq!(answer.status(), status, "{target}");
        assert!(
            answer.text().contains("\nrequest "),
            "{target}: {}",
            answer.text()
        );
    }
    world.nothing_arrived();
}

#[test]
fn a_target_with_two_readings_is_refused_over_h2() {
    let world = World::new();
    let mut client = world.gateway.dial().h2();
    for (target, status) in TWO_READINGS.into_iter().chain(ELSEWHERE) {
        // What the library would not send is sent by hand below.
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
        assert_eq!(client.send(request, b"").status, status, "{target}");
    }
    world.nothing_arrived();
}

const NORMAL: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "localhost"),
    (":path", "/janus/info"),
];

type Fields = Vec<(&'static str, &'static str)>;

fn instead(name: &str, value: &'static str) -> Fields {
    NORMAL
        .map(|field| {
            if field.0 == name {
                (field.0, value)
            } else {
                field
            }
        })
        .to_vec()
}

fn without(name: &str) -> Fields {
    let others = NORMAL.into_iter().filter(|field| field.0 != name);
    others.collect()
}

fn and(name: &'static str, value: &'static str) -> Fields {
    NORMAL.into_iter().chain([(name, value)]).collect()
}

#[test]
fn pseudo_headers_that_contradict_are_refused() {
    let world = World::new();
    let ask = |fields: &[(&str, &str)], body| RawH2::open(&world.gateway.dial()).ask(fields, body);

    for fields in [
        instead(":path", "janus/info"),
        instead(":path", ""),
        instead(":path", "*"),
        instead(":path", "https://localhost/janus/info"),
        instead(":path", "/janus/\\..\\admin"),
        instead(":path", "/janus/in fo"),
        instead(":authority", "evil.test"),
        instead(":authority", "user@localhost"),
        instead(":authority", "localhost:x"),
        instead(":authority", "localhost:"),
        instead(":authority", ""),
        instead(":method", "CONNECT"),
        instead(":method", "TRACE"),
        without(":authority"),
        without(":path"),
        without(":method"),
        without(":scheme"),
        and("host", "evil.test"),
        and(":path", "/admin"),
        and(":authority", "evil.test"),
        and(":protocol", "websocket"),
        and("connection", "close"),
        and("transfer-encoding", "chunked"),
        and("te", "gzip"),
        and("X-Upper", "1"),
        and("x-split", "a\r\nHost: evil.test"),
        and("content-length", "5"),
    ] {
        let outcome = ask(&fields, None);
        assert!(outcome.is_refusal(), "{fields:?}: {outcome:?}");
    }
    let body_differs = [("content-length", "3")];
    let fields: Vec<_> = instead(":method", "POST")
        .into_iter()
        .chain(body_differs)
        .collect();
    assert!(ask(&fields, Some(b"longer")).is_refusal());
    world.gateway.is_left_by_all();
    let whole: Vec<_> = world
        .janus
        .requests()
        .into_iter()
        .chain(world.admin.requests())
        .collect();
    assert!(whole.is_empty(), "{whole:#?}");

    assert_eq!(ask(&NORMAL, None), Outcome::Status(200));
    assert_eq!(ask(&and("host", "localhost"), None), Outcome::Status(200));
}

#[test]
fn exactly_one_host_is_said() {
    let world = World::new();
    #[rustfmt::skip]
    let cases = [
        ("two", "GET /janus HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        ("two that differ", "GET /janus HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\n\r\n",
         400),
        ("none", "GET /janus HTTP/1.1\r\n\r\n", 400),
        ("empty in 1.0", "GET /janus HTTP/1.0\r\nHost:\r\n\r\n", 400),
        ("empty", "GET /janus HTTP/1.1\r\nHost:\r\n\r\n", 400),
        ("a list", "GET /janus HTTP/1.1\r\nHost: localhost, evil.test\r\n\r\n", 400),
        ("a user", "GET /janus HTTP/1.1\r\nHost: evil@localhost\r\n\r\n", 400),
        ("a path", "GET /janus HTTP/1.1\r\nHost: localhost/admin\r\n\r\n", 400),
        ("a space", "GET /janus HTTP/1.1\r\nHost: local host\r\n\r\n", 400),
        ("no port after the colon", "GET /janus HTTP/1.1\r\nHost: localhost:\r\n\r\n", 400),
        ("a port that is none", "GET /janus HTTP/1.1\r\nHost: localhost:80x\r\n\r\n", 400),
        ("an address in octal", "GET /janus HTTP/1.1\r\nHost: 0177.0.0.1\r\n\r\n", 400),
        ("another in the target", "GET https://evil.test/janus HTTP/1.1\r\nHost: localhost\r\n\r\n",
         400),
        ("another port in the target",
         "GET https://localhost:1/janus HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("two of them in the target",
         "GET https://localhost/janus HTTP/1.1\r\nHost: localhost\r\nHost: x\r\n\r\n", 400),
        ("a user in the target",
         "GET https://a@localhost/janus HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("not the TLS name", "GET /janus HTTP/1.1\r\nHost: evil.test\r\n\r\n", 421),
    ];
    for (name, request, status) in cases {
        let answer = world.gateway.client().ask(request);
        assert_eq!(answer.status(), status, "{name}");
    }
    world.nothing_arrived();
}

#[test]
fn other_forms_of_a_target_are_refused() {
    let world = World::new();
    for (request, status) in [
        (
            "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            405,
        ),
        (
            "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n",
            405,
        ),
        ("TRACE /janus HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        ("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (
            "GET localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n",
            400,
        ),
        ("GET janus HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("GET ?x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("GET /janus\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("GET /ja nus HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("GET /janus HTTP/1.2\r\nHost: localhost\r\n\r\n", 400),
        ("GET /janus HTTP/2.0\r\nHost: localhost\r\n\r\n", 400),
        ("GET /janus\r\n\r\n", 400),
        ("G@T /janus HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ] {
        let mut client = world.gateway.client();
        client.send(request);
        let answer = client.try_answer().map_err(|error| error.kind());
        assert_eq!(
            answer.as_ref().map(Answer::status).ok(),
            Some(status),
            "{request:?}: {answer:?}"
        );
    }
    world.nothing_arrived();
}

#[test]
fn the_allow_list_holds_however_its_path_is_spelled() {
    let world = World::new();
    let stranger = || world.gateway.dial().from(STRANGER);
    for target in [
        "/admin",
        "/admin/",
        "/admin/x?y",
        "/%61dmin",
        "/%61%64%6D%69%6e/x",
        "/admin?a=/janus",
    ] {
        assert_eq!(stranger().h1().get(target).status(), 403, "{target}");
        assert_eq!(stranger().h2().get(target).status, 403, "{target}");
    }
    let absolute = "GET https://localhost/admin HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(stranger().h1().ask(absolute).status(), 403);
    world.nothing_arrived();
    assert_eq!(world.gateway.client().get("/%61dmin/x").status(), 200);
    assert_eq!(world.admin.only_request().head.target(), "/admin/x");
}

#[test]
fn a_forged_address_lets_nobody_in() {
    let world = World::new();
    for header in [
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-For: 127.0.0.2\r\nX-Forwarded-For: 127.0.0.1",
        "X_Forwarded_For: 127.0.0.1",
        "X-Real-IP: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "Client-IP: 127.0.0.1",
        "True-Client-IP: 127.0.0.1",
    ] {
        let request = format!("GET /admin HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n");
        assert_eq!(
            world
                .gateway
                .dial()
                .from(STRANGER)
                .h1()
                .ask(request)
                .status(),
            403,
            "{header}"
        );
    }
    // The PROXY protocol is not spoken where nobody asked for it.
    let mut tcp = Client::new(world.gateway.dial().from(STRANGER).tcp());
    tcp.send("PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n");
    assert_eq!(tcp.answer().status(), 400);
    world.nothing_arrived();
}

#[test]
fn one_spelling_is_matched_and_forwarded() {
    let world = World::new();
    let (mut h1, mut h2) = (world.gateway.client(), world.gateway.dial().h2());
    let table = [
        ("/%6aanus/x", "/janus/x"),
        ("/janus/inf%6F?x=%6a%2f..", "/janus/info?x=%6a%2f.."),
        ("/janus/a%2db%5Fc%2Ed%7e", "/janus/a-b_c.d~"),
        ("/janus/%c3%a4", "/janus/%C3%A4"),
        ("/janus/%3Fx", "/janus/%3Fx"),
        ("/janus/a;v=1", "/janus/a;v=1"),
        ("/janus/...", "/janus/..."),
        ("/janus/", "/janus/"),
        ("/janus?", "/janus?"),
        // A fragment is for the client itself and goes no further.
        ("/janus/x#/../admin", "/janus/x"),
    ];
    for (target, _) in table {
        assert_eq!(h1.get(target).status(), 200, "{target}");
        assert_eq!(h2.get(target).status, 200, "{target}");
    }
    assert_eq!(
        h1.ask("GET https://localhost/janus/%61 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .status(),
        200
    );
    let arrived: Vec<String> = world
        .janus
        .heads()
        .iter()
        .map(|head| head.target().to_owned())
        .collect();
    let wanted = table
        .iter()
        .flat_map(|(_, wanted)| [*wanted; 2])
        .chain(["/janus/a"]);
    assert_eq!(arrived, wanted.collect::<Vec<_>>());
}

#[test]
fn a_host_that_no_route_serves_is_misdirected() {
    let upstream = Upstream::ok();
    let config = Config::new()
        .tls("self_signed = [\"localhost\", \"media.test\"]")
        .upstream("app", &upstream.url())
        .route_with("/", "app", "policy = \"open\"\nhost = \"media.test\"");
    let gateway = TestGateway::start(&config);
    assert_eq!(gateway.client().get("/").status(), 421);
    assert_eq!(gateway.dial().h2().get("/").status, 421);
    assert!(upstream.heads().is_empty());
    let known = "GET / HTTP/1.1\r\nHost: MEDIA.test.\r\n\r\n";
    assert_eq!(
        gateway.dial().name("media.test").h1().ask(known).status(),
        200
    );
}

#[test]
fn a_connection_serves_another_name_only_by_the_same_certificate() {
    let (one, other) = (Upstream::ok(), Upstream::ok());
    let config = Config::new()
        .tls("self_signed = [\"localhost\", \"media.test\"]")
        .upstream("one", &one.url())
        .upstream("other", &other.url())
        .route("/one", "one")
        .route_with("/other", "other", "policy = \"open\"\nhost = \"127.0.0.1\"")
        .route_with(
            "/media",
            "other",
            "policy = \"open\"\nhost = \"media.test\"",
        );
    let gateway = TestGateway::start(&config);
    let ask = |target: &str, host: &str| {
        let h1 = gateway
            .client()
            .ask(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .status();
        let request = http::Request::get(format!("https://{host}{target}"))
            .body(())
            .unwrap();
        assert_eq!(
            gateway.dial().h2().send(request, b"").status,
            h1,
            "{host}{target}"
        );
        h1
    };
    // The development certificate for localhost names 127.0.0.1 too.
    assert_eq!(ask("/one", "127.0.0.1"), 200);
    assert_eq!(ask("/media", "media.test"), 421);
    assert_eq!(ask("/one", "media.test"), 421);
    assert!(other.heads().is_empty());
    assert_eq!(ask("/other", "127.0.0.1"), 200);
    // Without a TLS name only the Host decides.
    let nameless = gateway
        .dial()
        .name("127.0.0.1")
        .h1()
        .ask("GET /other HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert_eq!(nameless.status(), 200);
}

#[test]
fn the_authority_and_host_of_h2_agree() {
    let world = World::new();
    let mut client = world.gateway.dial().h2();
    let mut ask = |host: &str| {
        let mut request = h2::get("/janus");
        request.headers_mut().insert("host", host.parse().unwrap());
        client
            .try_send(request, b"")
            .map_or(400, |answer| answer.status)
    };
    assert_eq!(ask("evil.test"), 400);
    assert_eq!(ask("localhost:1"), 400);
    assert_eq!(ask("localhost, localhost"), 400);
    assert!(world.janus.heads().is_empty());
    assert_eq!(ask("LOCALHOST"), 200);
}
