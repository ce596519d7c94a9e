//! A connection that the server is just closing costs no request that may be sent twice, and no
//! other is sent twice.

use crate::harness::{Config, Conn, TestGateway, Upstream, h2};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server that answers the first request of each connection, and closes when the second has come:
/// as if both had crossed on the way.
fn closing(last: impl Fn(&mut Conn) -> std::io::Result<()> + Send + Sync + 'static) -> Upstream {
    Upstream::raw(move |conn| {
        conn.request()?;
        conn.send(OK)?;
        conn.request()?;
        last(conn)
    })
}

fn config(upstream: &Upstream, lines: &str) -> Config {
    let url = upstream.url();
    Config::new()
        .listen("https = [\"127.0.0.1:0\"]\nworkers = 1")
        .table(&format!("[upstreams.app]\nservers = [\"{url}\"]\n{lines}"))
        .route_with(
            "/",
            "app",
            "policy = \"open\"\ntimeouts = { response = \"2s\" }",
        )
}

fn start(upstream: &Upstream, lines: &str) -> TestGateway {
    TestGateway::start(&config(upstream, lines))
}

#[test]
fn an_idempotent_request_on_a_connection_that_is_closing_is_sent_once_more() {
    let upstream = closing(|_| Ok(()));
    let gateway = start(&upstream, "");
    let mut client = gateway.client();
    for n in 0..20 {
        assert_eq!(client.get(&format!("/{n}")).status(), 200, "request {n}");
    }
    // Each but the first found a connection that closed, and had the next one to itself.
    assert_eq!((upstream.accepted(), upstream.requests().len()), (20, 39));
    let mut client = gateway.dial().h2();
    // As long as there are no more than are always sent again: 30.
    for n in 0..5 {
        assert_eq!(client.get(&format!("/h2/{n}")).status, 200, "request {n}");
    }
    for method in ["HEAD", "OPTIONS", "PUT", "DELETE"] {
        let answer = client.send(
            http::Request::builder()
                .method(method)
                .uri("https://localhost/")
                .body(())
                .unwrap(),
            b"",
        );
        assert_eq!(answer.status, 200, "{method}");
    }
}

#[test]
fn it_is_the_same_request_both_times() {
    let upstream = closing(|_| Ok(()));
    let gateway = start(&upstream, "");
    let mut client = gateway.client();
    client.get("/first");
    let request =
        "GET /a%20b?x=1 HTTP/1.1\r\nHost: localhost\r\nX-Two: a\r\nX-Two: b\r\nCookie: c=d\r\n\r\n";
    assert_eq!(client.ask(request).status(), 200);
    let heads: Vec<_> = upstream
        .heads()
        .into_iter()
        .filter(|head| head.target() != "/first")
        .collect();
    assert_eq!(heads.len(), 2);
    assert_eq!(format!("{:?}", heads[0]), format!("{:?}", heads[1]));
}

#[test]
fn a_reset_is_a_close() {
    let upstream = closing(Conn::reset);
    let gateway = start(&upstream, "");
    let mut client = gateway.client();
    for n in 0..5 {
        assert_eq!(client.get(&format!("/{n}")).status(), 200, "request {n}");
    }
}

/// How often the second request arrives, which gets this status.
#[track_caller]
fn is_sent_once(upstream: &Upstream, lines: &str, request: &str, status: u16) {
    let gateway = start(upstream, lines);
    let mut client = gateway.client();
    assert_eq!(client.get("/first/info").status(), 200);
    assert_eq!(client.ask(request).status(), status, "{request}");
    let second = upstream
        .heads()
        .into_iter()
        .filter(|head| head.target() != "/first/info")
        .count();
    assert_eq!((second, upstream.accepted()), (1, 1), "{request}");
}

#[test]
fn what_is_not_idempotent_or_has_a_body_is_never_sent_twice() {
    for request in [
        "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi",
        "PATCH /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        "PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi",
        "GET /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi",
    ] {
        is_sent_once(&closing(|_| Ok(())), "", request, 502);
    }
}

#[test]
fn a_long_poll_of_janus_is_never_sent_twice() {
    let janus = "protocol = \"janus\"";
    for target in ["/janus/123", "/janus/123?maxev=5", "/janus/"] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        is_sent_once(&closing(|_| Ok(())), janus, &request, 502);
    }
    let upstream = closing(|_| Ok(()));
    let gateway = start(&upstream, janus);
    let mut client = gateway.client();
    assert!((0..5).all(|_| client.get("/janus/info").status() == 200));
}

#[test]
fn after_a_byte_of_an_answer_or_a_timeout_nothing_is_sent_twice() {
    let get = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";
    is_sent_once(&closing(|conn| conn.send("H")), "", get, 502);
    is_sent_once(
        &closing(|conn| conn.send("HTTP/1.1 103 Early Hints\r\n\r\n")),
        "",
        get,
        502,
    );
    is_sent_once(&closing(Conn::wait_for_end), "", get, 504);
}

#[test]
fn a_fresh_connection_that_breaks_is_502_and_is_no_reason_to_try_again() {
    let upstream = Upstream::raw(|conn| conn.request().map(drop));
    let gateway = start(&upstream, "");
    assert_eq!(gateway.client().get("/").status(), 502);
    assert_eq!((upstream.requests().len(), upstream.accepted()), (1, 1));
}

#[test]
fn it_is_sent_once_more_and_not_a_third_time() {
    // After the first answer, every request that comes is dropped.
    let answered = std::sync::atomic::AtomicBool::new(false);
    let upstream = Upstream::raw(move |conn| {
        conn.request()?;
        if answered.swap(true, std::sync::atomic::Ordering::SeqCst) {
            return Ok(());
        }
        conn.send(OK)?;
        conn.request().map(drop)
    });
    let gateway = start(&upstream, "");
    let mut client = gateway.client();
    assert_eq!(client.get("/first").status(), 200);
    assert_eq!(client.get("/x").status(), 502);
    assert_eq!(
        upstream
            .heads()
            .iter()
            .filter(|head| head.target() == "/x")
            .count(),
        2
    );
}

#[test]
fn where_the_server_is_gone_by_then_another_one_is_asked() {
    // The first one answers once and is gone; its port is free while the test runs.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let first = listener.local_addr().unwrap();
    let one = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(OK.as_bytes()).unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
    });
    let second = Upstream::ok();
    let config = Config::new()
        .listen("https = [\"127.0.0.1:0\"]\nworkers = 1")
        .table(&format!(
            "[upstreams.app]\nservers = [\"http://{first}\", \"{}\"]",
            second.url()
        ))
        .route("/", "app");
    let gateway = TestGateway::start(&config);
    let mut client = gateway.client();
    // In turn: the first, the second, and the first again, which closes.
    assert!((0..3).all(|_| client.get("/").status() == 200));
    assert_eq!(second.requests().len(), 2);
    one.join().unwrap();
}

#[test]
fn what_the_server_announces_is_respected() {
    let answers = [
        (
            "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok",
            3,
        ),
        (
            "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60, max=0\r\nContent-Length: 2\r\n\r\nok",
            3,
        ),
        (
            "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60\r\nContent-Length: 2\r\n\r\nok",
            1,
        ),
    ];
    for (answer, connections) in answers {
        let upstream = Upstream::answering(answer);
        let gateway = start(&upstream, "");
        let mut client = gateway.client();
        for _ in 0..3 {
            let answer = client.get("/");
            assert!(
                answer.status() == 200 && answer.head.get("keep-alive").is_none(),
                "{answer:?}"
            );
        }
        assert_eq!(upstream.accepted(), connections, "{answer}");
    }
}

#[test]
fn keep_alive_is_the_upstreams_own_and_changes_with_a_reload() {
    let upstream = Upstream::ok();
    let mut gateway = start(&upstream, "keep_alive = \"0s\"");
    assert!((0..3).all(|_| gateway.client().get("/").status() == 200));
    assert_eq!(gateway.dial().h2().send(h2::post("/"), b"x").status, 200);
    assert_eq!(upstream.accepted(), 4);
    gateway.reload(&config(&upstream, "keep_alive = \"30s\""));
    assert!((0..3).all(|_| gateway.client().get("/").status() == 200));
    assert_eq!(upstream.accepted(), 5);
}
