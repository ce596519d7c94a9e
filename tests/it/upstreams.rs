//! An upstream that misbehaves or is not there is 502 with an id. What is sent to one twice, and
//! what never: [`kept_connections`](crate::kept_connections).

use std::net::TcpListener;

use crate::harness::{Config, TestGateway, Then, Upstream, eventually, h2};

fn one_worker(config: Config) -> Config {
    config.listen("https = [\"127.0.0.1:0\"]\nworkers = 1")
}

fn at(url: &str) -> TestGateway {
    TestGateway::start(&Config::new().upstream("app", url).route("/", "app"))
}

#[track_caller]
fn is_502_with_an_id(gateway: &TestGateway, reason: &str) {
    let answer = gateway.client().get("/");
    assert_eq!(answer.status(), 502);
    let (_, id) = answer
        .text()
        .split_once("\nrequest ")
        .map(|(a, b)| (a.to_owned(), b.trim().to_owned()))
        .unwrap();
    let line = gateway.access.lines(1).remove(0);
    assert!(
        line.contains(&id) && line.contains(" status=502 ") && line.contains(reason),
        "{line}"
    );
    assert_eq!(gateway.dial().h2().get("/").status, 502);
}

/// A port where nobody listens, kept for the test by not being listened on.
fn nobody() -> (socket2::Socket, String) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(
            &"127.0.0.1:0"
                .parse::<std::net::SocketAddr>()
                .unwrap()
                .into(),
        )
        .unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    (socket, format!("http://127.0.0.1:{port}"))
}

#[test]
fn an_upstream_that_is_not_there_is_502() {
    let (_kept, url) = nobody();
    is_502_with_an_id(&at(&url), "upstream_unreachable");
}

#[test]
fn a_name_without_an_address_is_502() {
    is_502_with_an_id(
        &at("http://no-such-host.invalid:80"),
        "upstream_unreachable",
    );
}

#[test]
fn every_address_of_a_name_is_tried() {
    // Bound for IPv4 alone, so that ::1, which resolvers put first, refuses.
    let upstream = Upstream::ok();
    let gateway = at(&format!("http://localhost:{}", upstream.addr.port()));
    assert_eq!(gateway.client().get("/").status(), 200);
}

#[test]
fn an_upstream_on_ipv6_is_reached() {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let gateway = at(&format!("http://{}", listener.local_addr().unwrap()));
    let served = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .unwrap();
    });
    assert_eq!(gateway.client().get("/").status(), 204);
    served.join().unwrap();
}

#[test]
fn a_post_whose_connection_closes_without_a_byte_is_502_and_sent_once() {
    let upstream = Upstream::http(|_, _| Ok(Then::Close));
    let gateway = TestGateway::start(&one_worker(Config::to(&upstream)));
    assert_eq!(
        gateway
            .client()
            .post("/", b"{\"janus\":\"create\"}")
            .status(),
        502
    );
    assert_eq!(gateway.client().get("/").status(), 502);
    assert_eq!(gateway.dial().h2().send(h2::post("/"), b"{}").status, 502);
    assert_eq!(upstream.requests().len(), 3);
}

#[test]
fn a_post_on_a_kept_connection_that_then_breaks_is_502_and_sent_once() {
    // The first request is answered, the second is read and dropped.
    let upstream = Upstream::raw(|conn| {
        conn.request()?;
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        conn.request().map(drop)
    });
    let gateway = TestGateway::start(&one_worker(Config::to(&upstream)));
    let mut client = gateway.client();
    assert_eq!(client.get("/first").status(), 200);
    assert_eq!(client.post("/", b"once").status(), 502);
    assert_eq!(
        upstream
            .requests()
            .iter()
            .filter(|request| request.body == b"once")
            .count(),
        1
    );
    assert_eq!(upstream.accepted(), 1);
}

#[test]
fn a_connection_that_was_closed_while_idle_costs_no_request() {
    // Each connection answers once and closes without having said so.
    let upstream = Upstream::answering_last("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let gateway = TestGateway::start(&one_worker(Config::to(&upstream)));
    let mut client = gateway.client();
    for n in 1..=10 {
        assert_eq!(client.post("/", b"hello").status(), 200, "request {n}");
        upstream.is_left_by_all();
    }
    assert_eq!((upstream.requests().len(), upstream.accepted()), (10, 10));
}

#[test]
fn connections_are_used_again() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&one_worker(Config::to(&upstream)));
    for _ in 0..5 {
        assert_eq!(gateway.client().get("/").status(), 200);
        assert_eq!(gateway.client().post("/", b"hello").status(), 200);
        assert_eq!(
            gateway.dial().h2().send(h2::post("/"), b"hello").status,
            200
        );
    }
    assert_eq!((upstream.requests().len(), upstream.accepted()), (15, 1));
}

#[test]
fn a_connection_that_is_to_be_closed_is_not_used_again() {
    let upstream =
        Upstream::answering("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    let gateway = TestGateway::start(&one_worker(Config::to(&upstream)));
    for _ in 0..3 {
        assert_eq!(gateway.client().get("/").status(), 200);
    }
    upstream.is_left_by_all();
    assert_eq!(upstream.accepted(), 3);
}

#[test]
fn a_long_poll_ends_when_its_client_leaves() {
    let upstream = Upstream::raw(|conn| {
        conn.head()?;
        conn.wait_for_end()
    });
    let gateway = TestGateway::start(&Config::to(&upstream));
    let mut h1 = gateway.client();
    h1.send("GET /poll HTTP/1.1\r\nHost: localhost\r\n\r\n");
    upstream.has_accepted(1);
    drop(h1);
    upstream.is_left_by_all();

    let mut rude = gateway.client();
    rude.send("GET /poll HTTP/1.1\r\nHost: localhost\r\n\r\n");
    upstream.has_accepted(2);
    rude.wire.stream.reset();
    upstream.is_left_by_all();
    gateway.is_left_by_all();

    // In HTTP/2 one stream is given up and the connection stays.
    let mut client = gateway.dial().h2();
    let (poll, stream) = client.begin(h2::get("/poll"), true);
    client.run(async {
        while upstream.accepted() < 3 {
            tokio::task::yield_now().await;
        }
    });
    drop((poll, stream));
    client.run(async {
        let end = || upstream.left() == 3;
        while !end() {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(gateway.running().connections(), 1);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_body_leaves_no_whole_request() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream));
    // Larger than what is complete before the upstream hears of it.
    let chunk = format!(
        "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n",
        70_000,
        "x".repeat(70_000)
    );
    for (before, head) in ["Content-Length: 100000\r\n\r\nhalf", &chunk]
        .into_iter()
        .enumerate()
    {
        let mut client = gateway.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: localhost\r\n{head}"));
        eventually("the head has arrived", || upstream.heads().len() > before);
        drop(client);
        gateway.is_left_by_all();
        upstream.is_left_by_all();
        assert!(upstream.requests().is_empty());
    }
    let mut client = gateway.dial().h2();
    let mut request = h2::post("/");
    request
        .headers_mut()
        .insert("content-length", "100000".parse().unwrap());
    let before = upstream.accepted();
    let (_answer, mut stream) = client.begin(request, false);
    stream.send_data("half".into(), false).unwrap();
    client.run(async {
        while upstream.accepted() == before {
            tokio::task::yield_now().await;
        }
    });
    drop(client);
    gateway.is_left_by_all();
    upstream.is_left_by_all();
    assert!(upstream.requests().is_empty());
}
