//! `websocket` of a route: WebSockets go to an upstream of their own, and everything else about the
//! route holds for both.

use http::Method;

use crate::harness::websocket::{TEXT, echo, handshake, is_alive};
use crate::harness::{Client, Config, TestGateway, Upstream, h2};

/// REST and WebSockets of one path, at two servers.
fn config(rest: &Upstream, websockets: &Upstream, lines: &str) -> Config {
    Config::new()
        .upstream("rest", &rest.url())
        .upstream("ws", &websockets.url())
        .route_with("/janus", "rest", &format!("websocket = \"ws\"\n{lines}"))
}

#[track_caller]
fn open(gateway: &TestGateway, target: &str) -> Client {
    let mut client = gateway.client();
    client.send(handshake(target, ""));
    assert_eq!(client.head().status(), 101);
    client
}

fn targets(upstream: &Upstream) -> Vec<String> {
    let heads = upstream.heads();
    heads.iter().map(|head| head.target().to_owned()).collect()
}

#[test]
fn a_handshake_goes_to_the_upstream_of_websockets_and_the_rest_to_the_other() {
    let (rest, websockets) = (Upstream::ok(), echo());
    let lines = "policy = \"open\"\nrewrite = \"/x\"";
    let gateway = TestGateway::start(&config(&rest, &websockets, lines));
    assert_eq!(gateway.client().get("/janus/info").status(), 200);
    assert_eq!(gateway.client().post("/janus", b"{}").status(), 200);
    // Another upgrade is an ordinary request.
    let h2c =
        "GET /janus HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    assert_eq!(gateway.client().ask(h2c).status(), 200);
    assert_eq!(targets(&rest), ["/x/info", "/x", "/x"]);
    assert!(websockets.heads().is_empty());
    let mut client = open(&gateway, "/janus/1");
    is_alive(&mut client);
    drop(client);
    let lines = gateway.access.lines(4);
    // Two workers may write their lines in any order.
    let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    let counts = (
        count(" upstream=rest "),
        count(" route=/janus upstream=ws "),
    );
    assert_eq!(counts, (3, 1), "{lines:#?}");
    assert_eq!(rest.heads().len(), 3);
}

#[test]
fn so_does_a_handshake_on_a_stream_of_http_2() {
    let (rest, websockets) = (
        Upstream::ok(),
        Upstream::answering("HTTP/1.1 403 No\r\n\r\n"),
    );
    let gateway = TestGateway::start(&config(&rest, &websockets, "policy = \"open\""));
    let mut client = gateway.dial().h2();
    assert!(client.takes_extended_connect());
    let request = http::Request::builder()
        .method(Method::CONNECT)
        .uri("https://localhost/janus")
        .header("sec-websocket-version", "13")
        .extension(::h2::ext::Protocol::from_static("websocket"));
    let (response, _stream) = client.begin(request.body(()).unwrap(), false);
    assert_eq!(client.run(response).unwrap().status(), 403);
    assert_eq!(client.send(h2::get("/janus/rest"), b"").status, 200);
    assert_eq!(targets(&websockets), ["/janus"]);
    assert_eq!(targets(&rest), ["/janus/rest"]);
}

#[test]
fn one_policy_holds_for_both() {
    let (rest, websockets) = (Upstream::ok(), echo());
    let policy = "policy = \"nobody\"";
    let config = config(&rest, &websockets, policy).policy("nobody", "\"192.0.2.0/24\"");
    let gateway = TestGateway::start(&config);
    assert_eq!(gateway.client().get("/janus").status(), 403);
    let answer = gateway.client().ask(handshake("/janus", ""));
    assert_eq!(answer.status(), 403);
    assert!(websockets.heads().is_empty() && rest.heads().is_empty());
}

#[test]
fn a_control_port_behind_websockets_is_guarded_against_pages_of_other_origins() {
    let (rest, websockets) = (Upstream::ok(), echo());
    let text = config(&rest, &websockets, "policy = \"here\"")
        .policy("here", "\"127.0.0.0/8\"")
        .text()
        .replace("[upstreams.ws]", "[upstreams.ws]\nprotocol = \"kurento\"");
    let gateway = TestGateway::start_text(&text);
    let foreign = "Origin: https://evil.example\r\n";
    let answer = gateway.client().ask(handshake("/janus", foreign));
    assert_eq!(answer.status(), 403);
    is_alive(&mut open(&gateway, "/janus"));
}

#[test]
fn a_reload_closes_tunnels_by_the_upstream_of_websockets_alone() {
    let (rest, websockets, other) = (Upstream::ok(), echo(), Upstream::ok());
    let before = config(&rest, &websockets, "policy = \"open\"");
    let mut gateway = TestGateway::start(&before);
    let mut client = open(&gateway, "/janus");
    // The other requests go elsewhere now.
    let moved = before.text().replace(&rest.url(), &other.url());
    let renamed = moved
        .replace("\"rest\"", "\"base\"")
        .replace(".rest]", ".base]");
    gateway.reload_text(&renamed);
    is_alive(&mut client);
    assert_eq!(gateway.client().get("/janus").status(), 200);
    assert_eq!(other.heads().len(), 1);
    // WebSockets go where the other requests go.
    gateway.reload_text(&renamed.replace("websocket = \"ws\"\n", "").replace(
        "[[routes]]",
        "[[routes]]\npath = \"/unused\"\nupstream = \"ws\"\npolicy = \"open\"\n[[routes]]",
    ));
    let close = client.wire.frame().unwrap().close();
    assert_eq!(close, (1008, "target changed".to_owned()));
}

#[test]
fn a_route_that_gets_an_upstream_for_websockets_closes_those_to_the_other() {
    let (both, new) = (echo(), echo());
    let text = config(&both, &new, "policy = \"open\"").text();
    let mut gateway = TestGateway::start_text(&text.replace("websocket = \"ws\"\n", ""));
    let mut client = open(&gateway, "/janus");
    gateway.reload_text(&text);
    let close = client.wire.frame().unwrap().close();
    assert_eq!(close, (1008, "target changed".to_owned()));
    let mut client = open(&gateway, "/janus");
    client.send(crate::harness::websocket::Frame::from_client(TEXT, "x").bytes());
    assert_eq!(client.wire.frame().unwrap().payload, b"x");
    assert_eq!(new.heads().len(), 1);
}
