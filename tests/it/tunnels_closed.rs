//! The gateway closes a tunnel between two frames, with a reason, and only where it has to.

use crate::harness::upstream::Conn;
use crate::harness::websocket::{BINARY, Frame, echo, handshake, is_alive, switching};
use crate::harness::{Client, Config, Dial, TestGateway, Upstream};

fn agreeing(script: impl Fn(&mut Conn) -> std::io::Result<()> + Send + Sync + 'static) -> Upstream {
    Upstream::raw(move |conn| {
        conn.head()?;
        conn.send(switching(""))?;
        script(conn)
    })
}

#[track_caller]
fn open(dial: &Dial, target: &str) -> Client {
    let mut client = dial.h1();
    client.send(handshake(target, ""));
    assert_eq!(client.head().status(), 101);
    client
}

#[test]
fn a_drain_closes_both_sides_with_1001() {
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let upstream = agreeing(move |conn| {
        let close = conn.wire.frame()?;
        tell.lock()
            .unwrap()
            .send(close.clone())
            .map_err(std::io::Error::other)?;
        conn.send(
            Frame {
                mask: None,
                ..close
            }
            .bytes(),
        )
    });
    let gateway = TestGateway::start(&Config::to(&upstream).limits("drain = \"1s\""));
    let mut client = open(&gateway.dial(), "/");
    let cut = std::thread::scope(|scope| {
        let draining = scope.spawn(|| gateway.drain());
        let close = client.wire.frame().unwrap();
        assert_eq!(
            (close.close(), close.mask),
            ((1001, "going away".to_owned()), None)
        );
        client.send(Frame::client_close(1001, "").bytes());
        client.is_closed();
        draining.join().unwrap()
    });
    assert_eq!(cut, 0);
    let close = told.recv().unwrap();
    assert_eq!(close.close().0, 1001);
    assert!(close.mask.is_some(), "a client's frames are masked");
}

#[test]
fn no_close_frame_is_put_into_a_clients_message() {
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let upstream = agreeing(move |conn| {
        let mut got = Vec::new();
        while let Ok(byte) = conn.wire.exactly(1) {
            got.extend(byte);
        }
        tell.lock()
            .unwrap()
            .send(got)
            .map_err(std::io::Error::other)
    });
    let gateway = TestGateway::start(&Config::to(&upstream).limits("drain = \"0s\""));
    let mut client = open(&gateway.dial(), "/");
    let whole = Frame::from_client(BINARY, [9; 1000]).bytes();
    let half = &whole[..500];
    client.send(half);
    // The gateway has it once the tunnel has taken it in, which its close frame, later on, shows.
    gateway.drain();
    assert_eq!(client.wire.frame().unwrap().close().0, 1001);
    drop(client);
    drop(gateway);
    assert_eq!(told.recv().unwrap(), half);
}

#[test]
fn no_close_frame_is_put_into_an_upstreams_message() {
    let upstream = agreeing(|conn| {
        let whole = Frame::from_server(BINARY, [9; 1000]).bytes();
        conn.send(&whole[..500])?;
        // The rest comes when the gateway has asked for an end.
        assert_eq!(conn.wire.frame()?.close().0, 1001);
        conn.send(&whole[500..])?;
        conn.wait_for_end()
    });
    let gateway = TestGateway::start(&Config::to(&upstream).limits("drain = \"0s\""));
    let mut client = open(&gateway.dial(), "/");
    let mut got = client.wire.exactly(500).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| gateway.drain());
        got.append(&mut client.wire.exactly(504).unwrap());
        assert_eq!(got, Frame::from_server(BINARY, [9; 1000]).bytes());
        assert_eq!(client.wire.frame().unwrap().close().0, 1001);
    });
}

#[test]
fn a_message_that_never_ends_is_cut_without_a_close_frame_in_it() {
    let upstream = agreeing(|conn| {
        let whole = Frame::from_server(BINARY, [9; 1000]).bytes();
        conn.send(&whole[..500])?;
        conn.wait_for_end()
    });
    let gateway = TestGateway::start(&Config::to(&upstream).limits("drain = \"0s\""));
    let mut client = open(&gateway.dial(), "/");
    assert_eq!(
        client.wire.exactly(500).unwrap(),
        Frame::from_server(BINARY, [9; 1000]).bytes()[..500]
    );
    gateway.drain();
    client.is_closed();
    drop(client);
    gateway.is_left_by_all();
    upstream.is_left_by_all();
}

fn two_routes(upstream: &Upstream) -> Config {
    Config::new()
        .upstream("app", &upstream.url())
        .policy("few", "\"127.0.0.1\", \"127.0.0.2\"")
}

#[test]
fn a_reload_closes_the_tunnels_of_a_removed_route_with_1008() {
    let upstream = echo();
    let mut gateway = TestGateway::start(&two_routes(&upstream).route("/kept", "app").route_with(
        "/gone",
        "app",
        "policy = \"few\"",
    ));
    let (mut kept, mut gone) = (
        open(&gateway.dial(), "/kept"),
        open(&gateway.dial(), "/gone/x"),
    );
    gateway.reload(&two_routes(&upstream).route("/kept", "app"));
    assert_eq!(
        gone.wire.frame().unwrap().close(),
        (1008, "route removed".to_owned())
    );
    is_alive(&mut kept);
    assert_eq!(gateway.client().ask(handshake("/gone", "")).status(), 404);
    drop(gone);
    is_alive(&mut kept);
}

#[test]
fn a_reload_closes_only_the_tunnels_that_a_policy_now_refuses() {
    let upstream = echo();
    let mut gateway =
        TestGateway::start(&two_routes(&upstream).route_with("/ws", "app", "policy = \"few\""));
    let mut kept = open(&gateway.dial(), "/ws");
    let mut refused = open(&gateway.dial().from("127.0.0.2"), "/ws");
    let fewer = Config::new()
        .upstream("app", &upstream.url())
        .policy("few", "\"127.0.0.1\"");
    gateway.reload(&fewer.route_with("/ws", "app", "policy = \"few\""));
    assert_eq!(refused.wire.frame().unwrap().close().0, 1008);
    is_alive(&mut kept);
}
