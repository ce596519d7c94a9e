//! WHIP and WHEP: resources belong to those who have created them, and every URL that the server
//! returns leads back through the gateway.

use serde_json::json;

use crate::harness::h1::Answer;
use crate::harness::websocket::handshake;
use crate::harness::{Config, TestGateway, Then, Upstream, eventually, staff};

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\n";

/// A server that answers as the request asks it to: `X-Status`, and the fields in `X-Field`.
fn server() -> Upstream {
    Upstream::http(|request, conn| {
        let head = &request.head;
        let status = head.get("x-status").unwrap_or("204 No Content");
        let fields: String = head
            .all("x-field")
            .iter()
            .map(|field| format!("{field}\r\n"))
            .collect();
        let length = match status {
            "204 No Content" => "",
            _ => "Content-Length: 0\r\n",
        };
        let answer = format!("HTTP/1.1 {status}\r\n{fields}{length}\r\n");
        conn.send(answer).map(|()| Then::Keep)
    })
}

/// An upstream that speaks WHIP, and who may use it.
fn config(upstream: &Upstream) -> Config {
    Config::new()
        .table(&format!(
            "[upstreams.whip]\nservers = [\"{}\"]\nprotocol = \"whip\"",
            upstream.url()
        ))
        .table(&staff::issuer(""))
        .table(&staff::issuer_named("other", OTHER_SECRET, ""))
        .table("[policies.callers]\nissuers = [\"staff\", \"other\"]")
}

const OTHER_SECRET: &str = "another secret of an issuer, long enough for HS256";

/// The server, and the gateway in front of it.
struct House {
    upstream: Upstream,
    gateway: TestGateway,
}

/// Who asks.
#[derive(Clone)]
struct Caller<'h> {
    house: &'h House,
    fields: String,
}

impl House {
    fn open() -> Self {
        Self::with(|config| {
            let strip = "policy = \"callers\"\nstrip_prefix = \"/live\"";
            let rewrite = "policy = \"callers\"\nrewrite = \"/base\"";
            config
                .route_with("/live", "whip", strip)
                .route_with("/whip", "whip", "policy = \"callers\"")
                .route_with("/js", "whip", rewrite)
        })
    }

    fn with(adjust: impl FnOnce(Config) -> Config) -> Self {
        let upstream = server();
        let gateway = TestGateway::start(&adjust(config(&upstream)));
        Self { upstream, gateway }
    }

    fn caller(&self, subject: &str) -> Caller<'_> {
        let token = staff::token(subject, 600);
        self.anybody(&format!("Authorization: Bearer {token}\r\n"))
    }

    /// Someone whose requests have these fields.
    fn anybody(&self, fields: &str) -> Caller<'_> {
        let fields = fields.to_owned();
        Caller {
            house: self,
            fields,
        }
    }
}

impl Caller<'_> {
    #[track_caller]
    fn ask(&self, method: &str, target: &str, more: &str) -> Answer {
        let fields = &self.fields;
        let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}{more}");
        let body = match method {
            "POST" | "PATCH" => OFFER,
            _ => "",
        };
        let length = body.len();
        let mut client = self.house.gateway.client();
        client.send(format!("{request}Content-Length: {length}\r\n\r\n{body}"));
        match method {
            "HEAD" => {
                let (head, body, trailers) = (client.head(), Vec::new(), String::new());
                Answer {
                    head,
                    body,
                    trailers,
                }
            }
            _ => client.answer(),
        }
    }

    #[track_caller]
    fn status(&self, method: &str, target: &str, status: &str) -> u16 {
        self.ask(method, target, &format!("X-Status: {status}\r\n"))
            .status()
    }

    /// Creates a resource; the server says where.
    #[track_caller]
    fn publish(&self, endpoint: &str, location: &str) -> String {
        let fields = format!("X-Status: 201 Created\r\nX-Field: Location: {location}\r\n");
        let answer = self.ask("POST", endpoint, &fields);
        assert_eq!(answer.status(), 201, "{}", answer.head);
        answer.head.get("location").unwrap().to_owned()
    }
}

/// The number that a status begins with.
fn number(status: &str) -> u16 {
    status[..3].parse().unwrap()
}

#[test]
fn a_resource_belongs_to_the_client_that_has_created_it() {
    let house = House::open();
    let (alice, bob) = (house.caller("alice"), house.caller("bob"));
    let namesake = |secret: &str, iss: &str| {
        let claims = json!({"iss": iss, "sub": "alice", "exp": staff::now() + 600});
        let token = staff::mint(secret, &claims);
        house.anybody(&format!("Authorization: Bearer {token}\r\n"))
    };
    let namesakes = [namesake(OTHER_SECRET, "a"), namesake(staff::SECRET, "b")];
    assert_eq!(
        alice.publish("/live/endpoint/a", "/resource/a"),
        "/live/resource/a"
    );

    let reached = house.upstream.heads().len();
    for stranger in [&bob, &namesakes[0], &namesakes[1]] {
        for target in [
            "/live/resource/a",
            "/live/resource/a/",
            "/live/resource/%61",
            "/live/resource/A",
            "/live/resource/a;x",
            "/live/resource/a?x",
            "/live/resource/a/layer",
        ] {
            for method in ["POST", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS"] {
                assert_eq!(
                    stranger.status(method, target, "200 OK"),
                    404,
                    "{method} {target}"
                );
            }
        }
        let fields = format!("{}\r\n", stranger.fields.trim_end());
        let mut socket = house.gateway.client();
        socket.send(handshake("/live/resource/a", &fields));
        assert_eq!(socket.head().status(), 404);
    }
    // It cannot be told from one that is not there.
    let absent = bob.ask("DELETE", "/live/resource/b", "");
    let foreign = bob.ask("DELETE", "/live/resource/a", "");
    assert_eq!((absent.status(), foreign.status()), (404, 404));
    assert_eq!(absent.body.len(), foreign.body.len());
    for method in ["PATCH", "DELETE"] {
        assert_eq!(
            alice.status(method, "/live/endpoint/a", "200 OK"),
            404,
            "{method}"
        );
    }
    assert_eq!(house.upstream.heads().len(), reached);
    eventually("a refused request is in the access log", || {
        let lines = house.gateway.access.now();
        let mut lines = lines.iter();
        lines.any(|line| line.contains("method=DELETE") && line.contains("reason=whip_resource"))
    });

    for (method, target, status) in [
        ("PATCH", "/live/resource/a", "204 No Content"),
        ("PATCH", "/live/resource/a", "200 OK"),
        ("PATCH", "/live/resource/a", "412 Precondition Failed"),
        ("PATCH", "/live/resource/a", "422 Unprocessable Content"),
        ("PATCH", "/live/resource/a", "428 Precondition Required"),
        ("POST", "/live/resource/a/layer", "200 OK"),
        ("GET", "/live/resource/a", "405 Method Not Allowed"),
        ("HEAD", "/live/resource/a", "200 OK"),
        ("DELETE", "/live/resource/a/sse", "200 OK"),
        ("DELETE", "/live/resource/a", "200 OK"),
    ] {
        let number = number(status);
        assert_eq!(
            alice.status(method, target, status),
            number,
            "{method} {target}"
        );
        let arrived = house.upstream.heads().pop().unwrap();
        assert_eq!(arrived.target(), &target["/live".len()..]);
    }
}

#[test]
fn a_patch_arrives_as_it_was_sent_and_its_answer_too() {
    let house = House::open();
    let alice = house.caller("alice");
    let resource = alice.publish("/live/endpoint/a", "/resource/a");
    let fields = "If-Match: \"abc\"\r\nContent-Type: application/trickle-ice-sdpfrag\r\n\
                  X-Status: 200 OK\r\nX-Field: ETag: \"def\"\r\n\
                  X-Field: Accept-Patch: application/trickle-ice-sdpfrag\r\n";
    let answer = alice.ask("PATCH", &resource, fields);
    assert_eq!(
        (answer.status(), answer.head.get("etag")),
        (200, Some("\"def\""))
    );
    let patch = answer.head.get("accept-patch");
    assert_eq!(patch, Some("application/trickle-ice-sdpfrag"));
    let arrived = house.upstream.requests().pop().unwrap();
    let seen = ["if-match", "content-type"].map(|name| arrived.head.get(name));
    assert_eq!(
        seen,
        [Some("\"abc\""), Some("application/trickle-ice-sdpfrag")]
    );
    assert_eq!(arrived.body, OFFER.as_bytes());
}

#[test]
fn endpoints_are_open_to_everybody_whom_the_policy_admits() {
    let house = House::open();
    let (alice, bob) = (house.caller("alice"), house.caller("bob"));
    alice.publish("/live/endpoint/a", "/resource/a");
    for method in ["OPTIONS", "GET", "HEAD", "POST"] {
        for caller in [&alice, &bob] {
            assert_eq!(
                caller.status(method, "/live/endpoint/a", "200 OK"),
                200,
                "{method}"
            );
        }
    }
    bob.publish("/live/endpoint/a", "/resource/b");
    assert_eq!(bob.status("DELETE", "/live/resource/b", "200 OK"), 200);
    assert_eq!(
        house
            .anybody("")
            .status("POST", "/live/endpoint/a", "200 OK"),
        401
    );
}

#[test]
fn a_resource_is_known_on_every_route_to_its_server() {
    let house = House::open();
    let (alice, bob) = (house.caller("alice"), house.caller("bob"));
    alice.publish("/live/whip/e", "/whip/r");
    for target in ["/live/whip/r", "/whip/r"] {
        for method in ["POST", "DELETE"] {
            assert_eq!(
                bob.status(method, target, "200 OK"),
                404,
                "{method} {target}"
            );
        }
    }
    assert_eq!(alice.status("PATCH", "/whip/r", "200 OK"), 200);
    // What the server says may be outside of the route that the offer came by.
    assert_eq!(alice.publish("/js/e", "/whip/s"), "/whip/s");
    assert_eq!(bob.status("DELETE", "/whip/s", "200 OK"), 404);
    assert_eq!(alice.status("DELETE", "/whip/s", "200 OK"), 200);
}

#[test]
fn a_resource_that_its_query_names_is_known_by_all_of_its_parameters() {
    let house = House::open();
    let (alice, bob) = (house.caller("alice"), house.caller("bob"));
    alice.publish("/live/e", "/r?resource=abc");
    for target in [
        "/live/r?resource=abc",
        "/live/r?resource=%61bc",
        "/live/r?resource=abc&",
        "/live/r?x=1&resource=abc",
        "/live/r?resource=abc&resource=x",
    ] {
        for method in ["POST", "GET", "PATCH", "DELETE"] {
            assert_eq!(
                bob.status(method, target, "200 OK"),
                404,
                "{method} {target}"
            );
        }
        assert_eq!(alice.status("PATCH", target, "200 OK"), 200, "{target}");
    }
    assert_eq!(bob.status("POST", "/live/r?resource=b", "200 OK"), 200);
    let ended = alice.status("DELETE", "/live/r?x&resource=%61bc", "200 OK");
    assert_eq!(ended, 200);
    assert_eq!(bob.status("GET", "/live/r?resource=abc", "200 OK"), 200);
}

#[test]
fn an_ended_resource_is_forgotten() {
    let house = House::open();
    let (alice, bob) = (house.caller("alice"), house.caller("bob"));
    for (method, status, is_kept) in [
        ("DELETE", "200 OK", false),
        ("DELETE", "204 No Content", false),
        ("DELETE", "404 Not Found", false),
        ("DELETE", "410 Gone", false),
        ("PATCH", "404 Not Found", false),
        ("PATCH", "410 Gone", false),
        ("DELETE", "403 Forbidden", true),
        ("DELETE", "503 Service Unavailable", true),
        ("PATCH", "200 OK", true),
        ("PATCH", "412 Precondition Failed", true),
        ("GET", "404 Not Found", true),
        ("POST", "404 Not Found", true),
    ] {
        let resource = alice.publish("/live/e", "/r/1");
        let number = number(status);
        assert_eq!(
            alice.status(method, &resource, status),
            number,
            "{method} {status}"
        );
        let after = alice.status("PATCH", &resource, "200 OK");
        assert_eq!(after == 200, is_kept, "{method} {status}: {after}");
    }
    // The server gives the path to another client.
    let resource = alice.publish("/live/e", "/r/1");
    assert_eq!(bob.publish("/live/e", "/r/1"), resource);
    assert_eq!(alice.status("DELETE", &resource, "200 OK"), 404);
    assert_eq!(bob.status("DELETE", &resource, "200 OK"), 200);
}

#[test]
fn the_location_of_a_resource_leads_back_to_it() {
    let house = House::open();
    let (alice, bob) = (house.caller("alice"), house.caller("bob"));
    let server = house.upstream.url();
    for (endpoint, location, seen) in [
        ("/live/e/1", "/r/1", "/live/r/1"),
        ("/live/e/1", "r/1", "/live/e/r/1"),
        ("/live/e/1", "../r/1", "/live/r/1"),
        ("/live", "r/1", "/live/r/1"),
        ("/live/e", "?id=1&x=/y", "/live/e?id=1&x=/y"),
        (
            "/live/e",
            &format!("{server}/r/1"),
            "https://localhost/live/r/1",
        ),
        (
            "/live/e",
            &format!("{server}/r/1#x"),
            "https://localhost/live/r/1#x",
        ),
        (
            "/live/e",
            "https://localhost/live/r/1",
            "https://localhost/live/r/1",
        ),
        ("/live/e", "/r/%31;x", "/live/r/%31;x"),
        ("/js/e", "/base/r/1", "/js/r/1"),
        ("/js/e", "r/1", "/js/r/1"),
        ("/js", "base/r/1", "/js/r/1"),
        ("/whip/e", "r/1", "/whip/r/1"),
        ("/whip/e", "/whip/r/1", "/whip/r/1"),
    ] {
        let public = alice.publish(endpoint, location);
        assert_eq!(public, seen, "{endpoint}: {location}");
        let target = public.strip_prefix("https://localhost").unwrap_or(&public);
        let target = target.split('#').next().unwrap();
        assert_eq!(
            bob.status("POST", target, "200 OK"),
            404,
            "{endpoint}: {location}"
        );
        assert_eq!(
            alice.status("DELETE", target, "200 OK"),
            200,
            "{endpoint}: {location}"
        );
    }
    // A client takes the dots out.
    for location in [
        "/e/../r/1",
        "/e/%2e%2E/r/./1",
        "//localhost/live/r/1",
        "HTTPS://LocalHost:443/live/./r/1",
    ] {
        alice.publish("/live/e", location);
        assert_eq!(bob.status("POST", "/live/r/1", "200 OK"), 404, "{location}");
        let ended = alice.status("DELETE", "/live/r/1", "200 OK");
        assert_eq!(ended, 200, "{location}");
    }
    // Elsewhere, where the gateway has no say.
    for location in ["https://other.test/r/1", "//other.test/r/1"] {
        assert_eq!(alice.publish("/live/e", location), location);
    }
}

#[test]
fn links_lead_through_the_gateway_where_they_lead_to_the_server() {
    let house = House::open();
    let alice = house.caller("alice");
    let server = house.upstream.url();
    let turn = "<turn:turn.example.com?transport=udp>; rel=\"ice-server\"; username=\"a,<b>\"; \
                credential=\"c\"; credential-type=\"password\"";
    let event = "rel=\"urn:ietf:params:whep:ext:core:server-sent-events\"; events=\"active\"";
    let layer = "rel=\"urn:ietf:params:whep:ext:core:layer\"";
    let said = [
        turn.to_owned(),
        format!("</r/1/sse>; {event}, <r/1/layer>; {layer}"),
        format!("<{server}/r/1/layer>; {layer}, {turn}"),
        "<https://other.test/x>; rel=\"next\"".to_owned(),
    ];
    let fields: String = said
        .iter()
        .map(|link| format!("X-Field: Link: {link}\r\n"))
        .collect();
    let want = [
        turn.to_owned(),
        format!("</live/r/1/sse>; {event}, </live/r/1/layer>; {layer}"),
        format!("<https://localhost/live/r/1/layer>; {layer}, {turn}"),
        "<https://other.test/x>; rel=\"next\"".to_owned(),
    ];
    for (method, status) in [("POST", "201 Created"), ("OPTIONS", "200 OK")] {
        let answer = alice.ask(
            method,
            "/live/e",
            &format!("X-Status: {status}\r\n{fields}"),
        );
        assert_eq!(answer.head.all("link"), want, "{method}");
    }
}

#[test]
fn other_methods_are_rejected_with_those_that_there_are() {
    let house = House::open();
    let alice = house.caller("alice");
    let resource = alice.publish("/live/e", "/r/1");
    let reached = house.upstream.heads().len();
    for target in ["/live/e", &resource] {
        for method in ["PUT", "PROPFIND"] {
            let answer = alice.ask(method, target, "");
            assert_eq!(answer.status(), 405, "{method} {target}");
            let allowed = answer.head.get("allow");
            assert!(
                allowed.is_some_and(|allowed| allowed.contains("PATCH")),
                "{allowed:?}"
            );
        }
    }
    assert_eq!(house.upstream.heads().len(), reached);
}

#[test]
fn redirects_of_an_offer_and_counter_offers_pass() {
    let house = House::open();
    let (alice, bob) = (house.caller("alice"), house.caller("bob"));
    for status in ["307 Temporary Redirect", "308 Permanent Redirect"] {
        let fields = format!("X-Status: {status}\r\nX-Field: Location: /e/2\r\n");
        let answer = alice.ask("POST", "/live/e/1", &fields);
        let number = number(status);
        assert_eq!(
            (answer.status(), answer.head.get("location")),
            (number, Some("/live/e/2"))
        );
        assert_eq!(
            bob.status("POST", "/live/e/2", "200 OK"),
            200,
            "no resource"
        );
    }
    // WHEP: the server makes an offer of its own, which is answered by PATCH.
    let fields = "X-Status: 406 Not Acceptable\r\nX-Field: Location: /r/1\r\n";
    let answer = alice.ask("POST", "/live/e/1", fields);
    assert_eq!(
        (answer.status(), answer.head.get("location")),
        (406, Some("/live/r/1"))
    );
    assert_eq!(bob.status("PATCH", "/live/r/1", "204 No Content"), 404);
    assert_eq!(alice.status("PATCH", "/live/r/1", "204 No Content"), 204);
}

#[test]
fn an_endpoint_that_the_server_names_as_the_resource_stays_open() {
    let house = House::open();
    let (alice, bob) = (house.caller("alice"), house.caller("bob"));
    alice.publish("/live/api/whip", "/api/whip");
    assert_eq!(bob.status("DELETE", "/live/api/whip", "200 OK"), 404);
    bob.publish("/live/api/whip", "/api/whip");
    for caller in [&alice, &bob] {
        assert_eq!(
            caller.status("PATCH", "/live/api/whip", "204 No Content"),
            204
        );
        assert_eq!(caller.status("DELETE", "/live/api/whip", "200 OK"), 200);
    }
}

#[test]
fn pages_of_other_origins_may_send_and_read_what_whip_needs() {
    let house = House::with(|config| {
        let cors = |more: &str| {
            format!("policy = \"callers\"\ncors = {{ origins = [\"https://app.example\"]{more} }}")
        };
        let own = ", methods = [\"POST\"], headers = [\"X-Own\"], expose = [\"X-Own\"]";
        config
            .route_with("/default", "whip", &cors(""))
            .route_with("/own", "whip", &cors(own))
            .route_with("/none", "whip", "policy = \"callers\"")
            .route("/open", "whip")
    });
    let page = house.anybody("Origin: https://app.example\r\n");
    let preflight = |target: &str| {
        let fields = "Access-Control-Request-Method: PATCH\r\n\
                      Access-Control-Request-Headers: authorization,content-type,if-match\r\n";
        let answer = page.ask("OPTIONS", target, fields);
        let said = ["methods", "headers"].map(|name| {
            let value = answer.head.get(&format!("access-control-allow-{name}"));
            value.map(str::to_owned)
        });
        (answer.status(), said)
    };
    let some = |text: &str| Some(text.to_owned());
    let methods = some("GET, HEAD, POST, PATCH, DELETE, OPTIONS");
    let headers = some("Content-Type, Authorization, If-Match");
    assert_eq!(preflight("/default/r"), (204, [methods, headers]));
    assert_eq!(preflight("/own/r"), (204, [some("POST"), some("X-Own")]));
    // Without `cors` the server is asked, and a preflight has no token.
    assert_eq!(preflight("/none/r"), (401, [None, None]));
    assert_eq!(preflight("/open/r"), (204, [None, None]));

    let alice = house.caller("alice");
    let exposed = |target: &str| {
        let fields = "Origin: https://app.example\r\nX-Status: 201 Created\r\n\
                      X-Field: Location: /r/1\r\nX-Field: Access-Control-Allow-Origin: *\r\n\
                      X-Field: Access-Control-Expose-Headers: X-Server\r\n";
        let answer = alice.ask("POST", target, fields);
        assert_eq!(answer.status(), 201);
        answer
            .head
            .get("access-control-expose-headers")
            .map(str::to_owned)
    };
    let wanted = some("Location, Link, ETag, Accept-Patch, Accept-Post");
    assert_eq!(exposed("/default/e"), wanted);
    assert_eq!(exposed("/own/e"), some("X-Own"));
    assert_eq!(exposed("/none/e"), some("X-Server"));
    // A page can read that a resource is not its own.
    let refused = alice.ask("DELETE", "/default/x", "Origin: https://app.example\r\n");
    let allowed = refused.head.get("access-control-allow-origin");
    assert_eq!(
        (refused.status(), allowed),
        (404, Some("https://app.example"))
    );
}

#[test]
fn the_bearer_token_is_the_gateways_or_the_servers() {
    let house = House::with(|config| {
        let fixed = "policy = \"callers\"\nheaders = { set = { Authorization = \"Bearer own\" } }";
        config
            .route_with("/taken", "whip", "policy = \"callers\"")
            .route_with(
                "/both",
                "whip",
                "policy = \"callers\"\nforward_token = true",
            )
            .route_with("/fixed", "whip", fixed)
            .route("/open", "whip")
    });
    let alice = house.caller("alice");
    let ours = alice.fields.trim_end().split_once(": ").unwrap().1;
    let arrived = || {
        let head = house.upstream.heads().pop().unwrap();
        head.get("authorization").map(str::to_owned)
    };
    for (target, seen) in [
        ("/taken/e", None),
        ("/both/e", Some(ours)),
        ("/fixed/e", Some("Bearer own")),
        ("/open/e", Some(ours)),
    ] {
        alice.publish(target, "/r/1");
        assert_eq!(arrived().as_deref(), seen, "{target}");
    }
    let publisher = house.anybody("Authorization: Bearer stream-key\r\n");
    publisher.publish("/open/e", "/open/r/2");
    assert_eq!(arrived().as_deref(), Some("Bearer stream-key"));
    assert_eq!(publisher.status("POST", "/taken/e", "200 OK"), 401);
}

#[test]
fn a_client_without_a_subject_is_known_by_its_address() {
    let house = House::with(|config| config.route("/open", "whip"));
    let client = |address: &str| house.gateway.dial().from(address).h1();
    let ask = |address: &str, method: &str, target: &str, fields: &str| {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}");
        client(address)
            .ask(format!("{head}Content-Length: 0\r\n\r\n"))
            .status()
    };
    let created = "X-Status: 201 Created\r\nX-Field: Location: /open/r/1\r\n";
    assert_eq!(ask("127.0.0.1", "POST", "/open/e", created), 201);
    for (address, status) in [("127.0.0.2", 404), ("127.0.0.1", 204)] {
        assert_eq!(ask(address, "PATCH", "/open/r/1", ""), status, "{address}");
    }
}

#[test]
fn resources_survive_a_reload_and_are_the_same_over_http_2() {
    let mut house = House::open();
    house.caller("alice").publish("/live/e", "/r/1");
    let lines = "policy = \"callers\"\nstrip_prefix = \"/live\"\nbody = \"64KiB\"";
    let changed = config(&house.upstream).route_with("/live", "whip", lines);
    house.gateway.reload(&changed);
    assert_eq!(
        house.caller("bob").status("PATCH", "/live/r/1", "200 OK"),
        404
    );
    assert_eq!(
        house.caller("alice").status("PATCH", "/live/r/1", "200 OK"),
        200
    );
    let delete = |subject: &str| {
        let token = format!("Bearer {}", staff::token(subject, 600));
        let mut request = http::Request::delete("https://localhost/live/r/1")
            .body(())
            .unwrap();
        request
            .headers_mut()
            .insert("authorization", token.try_into().unwrap());
        house.gateway.dial().h2().send(request, &[]).status
    };
    assert_eq!(delete("bob"), 404);
    assert_eq!(delete("alice"), 204);
    assert_eq!(
        house
            .caller("alice")
            .status("DELETE", "/live/r/1", "200 OK"),
        404
    );
}

/// A kept connection breaks, and what was sent on it may have been done.
#[test]
fn offers_and_the_end_of_a_stream_are_never_sent_twice() {
    let upstream = Upstream::http(|request, conn| {
        if request.head.get("x-break").is_some() {
            return Ok(Then::Close);
        }
        let created = "HTTP/1.1 201 Created\r\nLocation: /live/r/1\r\nContent-Length: 0\r\n\r\n";
        conn.send(created).map(|()| Then::Keep)
    });
    let listen = "https = [\"127.0.0.1:0\"]\nworkers = 1";
    let route = "policy = \"callers\"";
    let config = config(&upstream)
        .listen(listen)
        .route_with("/live", "whip", route);
    let gateway = TestGateway::start(&config);
    let token = staff::token("alice", 600);
    let mut client = gateway.client();
    let mut ask = |method: &str, target: &str, more: &str| {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{more}");
        let token = format!("Authorization: Bearer {token}\r\n");
        client
            .ask(format!("{head}{token}Content-Length: 0\r\n\r\n"))
            .status()
    };
    for (method, target, status, times) in [
        ("POST", "/live/e", 502, 1),
        ("DELETE", "/live/r/1", 502, 1),
        ("PATCH", "/live/r/1", 502, 1),
        ("GET", "/live/r/1", 502, 2),
    ] {
        assert_eq!(ask("POST", "/live/e", ""), 201, "a connection that is kept");
        let before = upstream.heads().len();
        assert_eq!(ask(method, target, "X-Break: 1\r\n"), status, "{method}");
        assert_eq!(upstream.heads().len() - before, times, "{method}");
    }
}

/// The client does not know the URL, and the server ends what gets no media.
#[test]
fn a_client_that_leaves_before_the_answer_has_no_resource() {
    let upstream = Upstream::raw(|conn| {
        while let Some(request) = conn.request()? {
            match request.head.first.starts_with("POST ") {
                // Waits for the gateway to give up.
                true => drop(conn.wire.rest()),
                false => conn.send("HTTP/1.1 204 No Content\r\n\r\n")?,
            }
        }
        Ok(())
    });
    let config = config(&upstream).route_with("/live", "whip", "policy = \"callers\"");
    let gateway = TestGateway::start(&config);
    let token = format!("Authorization: Bearer {}\r\n", staff::token("alice", 600));
    let mut leaving = gateway.client();
    let head = format!("POST /live/e HTTP/1.1\r\nHost: localhost\r\n{token}");
    leaving.send(format!("{head}Content-Length: 0\r\n\r\n"));
    eventually("the offer is at the server", || {
        upstream.requests().len() == 1
    });
    drop(leaving);
    upstream.is_left_by_all();
    let head = format!("DELETE /live/r/1 HTTP/1.1\r\nHost: localhost\r\n{token}");
    assert_eq!(gateway.client().ask(format!("{head}\r\n")).status(), 404);
}
