//! Requests that follow each other on one connection wait for nothing but each other.

use std::sync::{Mutex, mpsc};

use crate::harness::{Config, TestGateway, Then, Upstream};

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let upstream = Upstream::http(|request, conn| {
        let target = request.head.target();
        conn.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}",
            target.len()
        ))
        .map(|()| Then::Keep)
    });
    let gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.client();
    let requests: String = (0..50)
        .map(|n| format!("GET /{n} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .collect();
    client.send(requests);
    for n in 0..50 {
        assert_eq!(client.answer().text(), format!("/{n}"));
    }
}

#[test]
fn an_answer_does_not_wait_for_the_rest_of_the_next_head() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.client();
    client.send("GET /one HTTP/1.1\r\nHost: localhost\r\n\r\nGET /two HT");
    assert_eq!(client.answer().status(), 200);
    client.send("TP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.answer().status(), 200);
}

#[test]
fn a_streaming_answer_does_not_wait_for_the_next_request() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::http(move |_, conn| {
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")?;
        // The rest comes once the client has the beginning.
        wait.lock().unwrap().recv().map_err(std::io::Error::other)?;
        conn.send("0\r\n\r\n").map(|()| Then::Keep)
    });
    let gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.client();
    client.send(
        "GET /one HTTP/1.1\r\nHost: localhost\r\n\r\nGET /two HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    for _ in 0..2 {
        assert_eq!(client.head().status(), 200);
        assert_eq!(client.wire.exactly(10).unwrap(), b"5\r\nfirst\r\n");
        go.send(()).unwrap();
        assert_eq!(client.wire.exactly(5).unwrap(), b"0\r\n\r\n");
    }
}

#[test]
fn the_answer_to_a_broken_head_comes_after_the_ones_before_it() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
    );
    assert_eq!(
        [client.answer().status(), client.answer().status()],
        [200, 400]
    );
    client.is_closed();
    assert_eq!(upstream.requests().len(), 1);
}
