//! A tunnel belongs to its route and to the server that it goes to: where either is gone it is
//! closed, and no other route's permission keeps it open.

use std::io::{Read as _, Write as _};

use bytes::Bytes;

use crate::harness::token::{self, hmac_without_leeway, now};
use crate::harness::websocket::{Frame, TEXT, echo, handshake, is_alive};
use crate::harness::{Client, Config, TestGateway, Upstream, h2};

#[track_caller]
fn open(gateway: &TestGateway, target: &str) -> Client {
    let mut client = gateway.client();
    client.send(handshake(target, ""));
    assert_eq!(client.head().status(), 101);
    client
}

#[track_caller]
fn is_closed_for(client: &mut Client, reason: &str) {
    assert_eq!(
        client.wire.frame().unwrap().close(),
        (1008, reason.to_owned())
    );
}

fn ending_in(seconds: u64) -> String {
    token::token(serde_json::json!({ "exp": now() + seconds }))
}

/// Everything is open but `/kurento`, for which a token is needed.
fn both(upstream: &Upstream) -> Config {
    let config = broad(upstream)
        .table(&hmac_without_leeway())
        .table("[policies.callers]\nissuers = [\"staff\"]");
    config.route_with("/kurento", "app", "policy = \"callers\"")
}

fn broad(upstream: &Upstream) -> Config {
    Config::to(upstream)
}

#[test]
fn a_broader_route_does_not_take_over_the_tunnels_of_one_that_is_removed() {
    let upstream = echo();
    let mut gateway = TestGateway::start(&both(&upstream));
    let mut gone = open(&gateway, &format!("/kurento?token={}", ending_in(60)));
    let mut kept = open(&gateway, "/other");
    gateway.reload(&broad(&upstream));
    is_closed_for(&mut gone, "route removed");
    gone.send(Frame::client_close(1008, "").bytes());
    assert!(gateway.access.lines(1)[0].contains(" end=policy reason=route_removed "));
    is_alive(&mut kept);
    // A new one is the broader route's.
    is_alive(&mut open(&gateway, "/kurento"));
}

#[test]
fn a_narrower_route_ends_the_tunnels_that_it_would_have_taken() {
    let upstream = echo();
    let mut gateway = TestGateway::start(&broad(&upstream));
    let (mut taken, mut kept) = (open(&gateway, "/kurento/1"), open(&gateway, "/other"));
    gateway.reload(&both(&upstream));
    is_closed_for(&mut taken, "route removed");
    is_alive(&mut kept);
    // Nor is one that comes by another host pattern the same, though its policy is.
    gateway.reload_text(
        &broad(&upstream)
            .text()
            .replace("path = \"/\"", "path = \"/\"\nhost = \"localhost\""),
    );
    is_closed_for(&mut kept, "route removed");
}

#[test]
fn over_http_2_as_well() {
    let upstream = Upstream::raw(|conn| {
        let Some(head) = conn.head()? else {
            return Ok(());
        };
        let key = http::HeaderValue::from_str(head.get("sec-websocket-key").unwrap()).unwrap();
        let accept = ianitor::proxy::websocket::accept(&key);
        conn.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        ))?;
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
    let mut gateway = TestGateway::start(&both(&upstream));
    let mut client = gateway.dial().h2();
    assert!(client.takes_extended_connect());
    let request = http::Request::builder()
        .method(http::Method::CONNECT)
        .uri(format!("https://localhost/kurento?token={}", ending_in(60)))
        .header("sec-websocket-version", "13")
        .extension(::h2::ext::Protocol::from_static("websocket"));
    let (response, mut stream) = client.begin(request.body(()).unwrap(), false);
    let mut body = client.run(response).unwrap().into_body();
    let mut read = |client: &h2::Client| client.run(body.data()).unwrap().unwrap();
    stream
        .send_data(
            Bytes::from(Frame::from_client(TEXT, "hello").bytes()),
            false,
        )
        .unwrap();
    assert_eq!(read(&client), Frame::from_server(TEXT, "hello").bytes());
    gateway.reload(&broad(&upstream));
    let close = read(&client);
    assert_eq!(
        (&close[..4], &close[4..]),
        (&[0x88, 15, 0x03, 0xf0][..], &b"route removed"[..])
    );
}

#[test]
fn other_routes_neither_prolong_nor_forget_a_token() {
    let upstream = echo();
    let mut gateway = TestGateway::start(&both(&upstream));
    let mut short = open(&gateway, &format!("/kurento?token={}", ending_in(4)));
    // As often as the file is touched, with other routes around it.
    gateway.reload(&both(&upstream).route("/more", "app"));
    gateway.reload(&both(&upstream));
    is_alive(&mut short);
    is_closed_for(&mut short, "token expired");
}

#[test]
fn a_reload_that_changes_everything_else_closes_nothing() {
    let (server, more) = (echo(), Upstream::ok());
    let mut gateway = TestGateway::start(&Config::to(&server));
    let mut client = open(&gateway, "/ws");
    let routes = "policy = \"few\"\nheaders = { set = { X-A = \"1\" } }\nbody = \"1KiB\"\n\
                  hsts = \"1d\"\n\
                  timeouts = { response = \"80s\" }\ncors = { origins = \
                  [\"https://app.example.com\"] }";
    let config = Config::new()
        .upstream("first", &more.url())
        .table(&format!(
            "[upstreams.app]\nservers = [\"{}\", \"{}\"]\nprotocol = \"janus\"\n\
             balance = \"round_robin\"",
            more.url(),
            server.url()
        ))
        .policy("few", "\"127.0.0.1\"")
        .limits("connections = 7")
        .route("/before", "first")
        .route_with("/", "app", routes);
    gateway.reload(&config);
    is_alive(&mut client);
    // New requests go where the new configuration says.
    assert_eq!(gateway.client().get("/before").body, b"ok");
    // And back: what it belongs to was found each time.
    gateway.reload(&Config::to(&server));
    is_alive(&mut client);
}

#[test]
fn another_target_closes_what_went_to_the_old_one() {
    let upstream = echo();
    let url = upstream.url();
    let start = Config::new().upstream("app", &url).upstream("other", &url);
    let files = tempfile::tempdir().unwrap();
    let route = |lines: &str| {
        start.clone().table(&format!(
            "[[routes]]\npath = \"/ws\"\npolicy = \"open\"\n{lines}"
        ))
    };
    for after in [
        route("upstream = \"other\""),
        route("upstream = \"app\"\nrewrite = \"/elsewhere\""),
        route("upstream = \"app\"\nstrip_prefix = \"/ws\""),
        route("upstream = \"app\"\nhost_header = \"other.test\""),
        route(&format!("files = {:?}", files.path())),
        route("redirect = \"/elsewhere\""),
        Config::new()
            .upstream("app", "http://127.0.0.1:9")
            .route("/ws", "app"),
    ] {
        let mut gateway = TestGateway::start(&route("upstream = \"app\""));
        let mut client = open(&gateway, "/ws");
        gateway.reload(&after);
        is_closed_for(&mut client, "target changed");
        client.send(Frame::client_close(1008, "").bytes());
        assert!(gateway.access.lines(1)[0].contains(" end=policy reason=target_changed "));
    }
}

#[test]
fn a_server_that_is_taken_out_loses_its_tunnels_and_no_other() {
    let (one, two) = (echo(), echo());
    let config = |servers: &[&Upstream]| {
        let servers: Vec<String> = servers.iter().map(|server| server.url()).collect();
        Config::new()
            .table(&format!(
                "[upstreams.app]\nservers = {servers:?}\nbalance = \"round_robin\""
            ))
            .listen("https = [\"127.0.0.1:0\"]\nworkers = 1")
            .route("/", "app")
    };
    let mut gateway = TestGateway::start(&config(&[&one, &two]));
    let (mut first, mut second) = (open(&gateway, "/"), open(&gateway, "/"));
    assert_eq!((one.accepted(), two.accepted()), (1, 1));
    // In another order, they are the same.
    gateway.reload(&config(&[&two, &one]));
    is_alive(&mut first);
    is_alive(&mut second);
    gateway.reload(&config(&[&two]));
    is_closed_for(&mut first, "target changed");
    is_alive(&mut second);
}

#[test]
fn tls_that_is_passed_through_belongs_to_its_server() {
    let (upstream, one, two) = (Upstream::ok(), mirror(), mirror());
    let config = |entries: &str| Config::to(&upstream).table(entries);
    let entry = |sni: &str, to: &Upstream| {
        format!("[[passthrough]]\nsni = \"{sni}\"\nto = \"{}\"\n", to.addr)
    };
    let mut gateway = TestGateway::start(&config(&entry("*.test", &one)));
    let dial = gateway.dial().name("turn.test");
    let mut hello = Vec::new();
    let mut client =
        rustls::ClientConnection::new(dial.config(&["h2"]), dial.server_name()).unwrap();
    client.write_tls(&mut hello).unwrap();
    let mut tcp = dial.tcp();
    let echoed = |tcp: &mut std::net::TcpStream, bytes: &[u8]| {
        tcp.write_all(bytes).unwrap();
        let mut echoed = vec![0; bytes.len()];
        tcp.read_exact(&mut echoed).unwrap();
        assert_eq!(echoed, bytes);
    };
    echoed(&mut tcp, &hello);
    // Another entry that leads to the same server changes nothing.
    gateway.reload(&config(
        &(entry("*.test", &two) + &entry("turn.test", &one)),
    ));
    echoed(&mut tcp, b"still there?");
    gateway.reload(&config(&entry("*.test", &two)));
    assert_eq!(tcp.read(&mut [0; 16]).unwrap_or(0), 0);
    let line = gateway.access.lines(1).remove(0);
    assert!(
        line.contains(" end=policy reason=target_changed "),
        "{line}"
    );
}

/// Sends back whatever comes.
fn mirror() -> Upstream {
    Upstream::raw(|conn| {
        let mut bytes = [0; 4096];
        loop {
            let n = conn.wire.stream.read(&mut bytes)?;
            if n == 0 {
                return Ok(());
            }
            conn.send(&bytes[..n])?;
        }
    })
}
