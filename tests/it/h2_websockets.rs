//! WebSockets on streams of HTTP/2 (RFC 8441).

use std::io::Read as _;

use bytes::Bytes;
use h2::ext::Protocol;
use http::{Method, Request};

use crate::harness::h2::gather;
use crate::harness::websocket::{Frame, TEXT};
use crate::harness::{Config, TestGateway, Upstream};

fn connect(protocol: &'static str, version: &str) -> Request<()> {
    Request::builder()
        .method(Method::CONNECT)
        .uri("https://localhost/ws?token=x")
        .header("sec-websocket-version", version)
        .header("sec-websocket-protocol", "janus-protocol")
        .extension(Protocol::from_static(protocol))
        .body(())
        .unwrap()
}

/// Accepts whatever key it is given and echoes frames.
fn echo() -> Upstream {
    Upstream::raw(|conn| {
        let Some(head) = conn.head()? else {
            return Ok(());
        };
        let key = http::HeaderValue::from_str(head.get("sec-websocket-key").unwrap()).unwrap();
        let accept = ianitor::proxy::websocket::accept(&key);
        conn.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: janus-protocol\r\n\r\n"
        ))?;
        // One word beyond the handshake: nothing early is lost.
        conn.send(Frame::from_server(TEXT, "early").bytes())?;
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

#[test]
fn a_stream_becomes_a_tunnel() {
    let upstream = echo();
    let mut gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.dial().h2();
    assert!(client.takes_extended_connect());
    let (response, mut stream) = client.begin(connect("websocket", "13, 8"), false);
    let response = client.run(response).unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["sec-websocket-protocol"],
        "janus-protocol"
    );
    assert!(!response.headers().contains_key("sec-websocket-accept"));
    let mut body = response.into_body();
    let mut read = |client: &crate::harness::h2::Client| client.run(body.data()).unwrap().unwrap();
    assert_eq!(read(&client), Frame::from_server(TEXT, "early").bytes());
    let frame = Frame::from_client(TEXT, "hello").bytes();
    stream.send_data(Bytes::from(frame.clone()), false).unwrap();
    assert_eq!(read(&client), frame);
    // Other streams go on beside it, and a reload that takes the route away closes it with a frame.
    gateway.reload(&Config::to(&upstream));
    stream.send_data(Bytes::from(frame.clone()), false).unwrap();
    assert_eq!(read(&client), frame);
    gateway.reload(
        &Config::new()
            .upstream("app", &upstream.url())
            .route("/other", "app"),
    );
    let close = read(&client);
    assert_eq!(
        &close[..4],
        [0x88, close.len() as u8 - 2, 0x03, 0xf0],
        "1008"
    );
    let asked = upstream.heads().remove(0);
    assert_eq!(
        asked.to_string().lines().next(),
        Some("GET /ws?token=x HTTP/1.1")
    );
    drop((stream, client));
    gateway.is_left_by_all();
}

#[test]
fn what_is_no_websocket_is_refused() {
    let upstream = Upstream::answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    let gateway = TestGateway::start(&Config::to(&upstream));
    for (request, status) in [
        (connect("websocket", "8"), 426),
        (connect("connect-udp", "13"), 405),
        (connect("websocket", "13"), 403),
    ] {
        let mut client = gateway.dial().h2();
        assert!(client.takes_extended_connect());
        let (response, _stream) = client.begin(request, false);
        let answer = client.run(async { gather(response.await?).await }).unwrap();
        assert_eq!(answer.status, status);
    }
    assert_eq!(upstream.heads().len(), 1);
    gateway.is_left_by_all();
}

#[test]
fn a_server_that_does_not_switch_protocols_opens_no_websocket() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
    ] {
        let upstream = Upstream::answering(answer);
        let gateway = TestGateway::start(&Config::to(&upstream));
        let mut client = gateway.dial().h2();
        assert!(client.takes_extended_connect());
        gateway.access.lines(1);
        gateway.access.clear();
        let (response, _stream) = client.begin(connect("websocket", "13"), false);
        let got = client.run(async { gather(response.await?).await }).unwrap();
        assert_eq!(got.status, 502, "{answer}");
        let line = gateway.access.lines(1).remove(0);
        assert!(line.contains("reason=upstream_upgrade"), "{line}");
    }
}

#[test]
fn they_can_be_switched_off() {
    let upstream = Upstream::ok();
    let listen = "https = [\"127.0.0.1:0\"]\nh2_websockets = false";
    let gateway = TestGateway::start(&Config::to(&upstream).listen(listen));
    let mut client = gateway.dial().h2();
    assert_eq!(client.get("/").status, 200);
    assert!(!client.takes_extended_connect());
}
