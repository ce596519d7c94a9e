//! The client and the gateway always agree on where an answer ends, and a cut is seen as one.

use crate::harness::h1::is_end;
use crate::harness::message::Otherwise;
use crate::harness::{Config, TestGateway, Then, Upstream, h2};

/// What both kinds of client are answered by an upstream that says this and closes.
#[track_caller]
fn statuses(answer: &'static str) -> [u16; 2] {
    let upstream = Upstream::answering_last(answer);
    let gateway = TestGateway::start(&Config::to(&upstream));
    let h1 = gateway.client().get("/");
    [h1.status(), gateway.dial().h2().get("/").status]
}

#[test]
fn what_is_no_answer_is_502() {
    for answer in [
        "<html>an answer of HTTP/0.9</html>\r\n",
        "garbage\r\n\r\n",
        "\x16\x03\x01\x00\x05hello",
        "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/3.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX: y\r\n folded: 1\r\nContent-Length : 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        assert_eq!(statuses(answer), [502, 502], "{answer:?}");
    }
}

#[test]
fn interim_answers_are_no_answers() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n\
                   Content-Length: 2\r\n\r\nok";
    assert_eq!(statuses(interim), [200, 200]);
}

#[test]
fn an_answer_has_one_framing() {
    let upstream = Upstream::answering_last(
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n\
         0\r\n\r\n",
    );
    let gateway = TestGateway::start(&Config::to(&upstream));
    let answer = gateway.client().get("/");
    let head = &answer.head;
    assert_eq!(
        head.all("content-length").len() + head.all("transfer-encoding").len(),
        1,
        "{head}"
    );
    assert_eq!(answer.body, b"ok");
    assert_eq!(gateway.dial().h2().get("/").body, b"ok");
}

#[test]
fn an_answer_declares_its_length_once() {
    for lengths in [
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: 2, 2\r\n",
    ] {
        let upstream = Upstream::http(move |request, conn| {
            let is_head = request.head.first.starts_with("HEAD");
            let body = if is_head { "" } else { "ok" };
            conn.send(format!("HTTP/1.1 200 OK\r\n{lengths}\r\n{body}"))?;
            Ok(Then::Close)
        });
        let gateway = TestGateway::start(&Config::to(&upstream));
        let answer = gateway.client().get("/");
        assert_eq!(answer.head.get("content-length"), Some("2"), "{lengths}");
        assert_eq!(answer.body, b"ok", "{lengths}");
        let mut client = gateway.client();
        client.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let head = client.head();
        assert_eq!(head.get("content-length"), Some("2"), "{lengths}");
        let answer = gateway.dial().h2().get("/");
        let all: Vec<_> = answer.headers.get_all("content-length").iter().collect();
        assert_eq!(all, ["2"], "{lengths}");
        assert_eq!(answer.body, b"ok", "{lengths}");
    }
}

#[test]
fn an_answer_that_has_no_body_declares_no_length() {
    let upstream = Upstream::answering("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n");
    let gateway = TestGateway::start(&Config::to(&upstream));
    let answer = gateway.client().get("/");
    assert_eq!(
        (answer.status(), answer.head.get("content-length")),
        (204, None)
    );
    let answer = gateway.dial().h2().get("/");
    assert_eq!(answer.status, 204);
    assert!(!answer.headers.contains_key("content-length"));
}

#[test]
fn what_follows_an_answer_is_never_somebody_elses() {
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\
                Content-Length: 4\r\n\r\nevil";
    for evil in [
        evil,
        "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    ] {
        let upstream = Upstream::answering(evil);
        // One worker, so that there is a connection to be used again.
        let config = Config::to(&upstream).listen("https = [\"127.0.0.1:0\"]\nworkers = 1");
        let gateway = TestGateway::start(&config);
        for _ in 0..5 {
            let answer = gateway.client().get("/");
            assert_ne!(answer.body, b"evil");
        }
        let (requests, connections) = (upstream.requests().len(), upstream.accepted());
        assert_eq!(
            (requests, connections),
            (5, 5),
            "a connection with bytes left over is not used again"
        );
    }
}

const CUT: [&str; 4] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
];

#[test]
fn a_cut_answer_is_seen_as_one() {
    for cut in CUT {
        let upstream = Upstream::answering_last(cut);
        let gateway = TestGateway::start(&Config::to(&upstream));
        let mut client = gateway.client();
        client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let head = client.head();
        assert_eq!(head.status(), 200);
        let error = client
            .wire
            .body(&head, Otherwise::ToTheEnd)
            .expect_err("a cut, not a whole body");
        assert!(is_end(&error), "{cut:?}: {error:?}");
        gateway.is_left_by_all();
    }
}

#[test]
fn a_cut_answer_that_only_tls_can_end_is_not_ended_by_tls() {
    for cut in CUT {
        let upstream = Upstream::answering_last(cut);
        let gateway = TestGateway::start(&Config::to(&upstream));
        let mut client = gateway.client();
        client.send("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n");
        let head = client.head();
        let whole = head.get("content-length").is_none() && client.wire.rest().is_ok();
        assert!(!whole, "{cut:?}");
    }
}

#[test]
fn a_cut_answer_is_a_reset_in_h2() {
    for cut in CUT {
        let upstream = Upstream::answering_last(cut);
        let gateway = TestGateway::start(&Config::to(&upstream));
        let mut client = gateway.dial().h2();
        let error = client
            .try_send(h2::get("/"), b"")
            .expect_err("a cut, not a whole body");
        assert!(error.is_reset(), "{cut:?}: {error:?}");
        // The connection is as good as before.
        assert!(
            client
                .try_send(h2::get("/"), b"")
                .expect_err("the same again")
                .is_reset()
        );
    }
}

#[test]
fn an_answer_that_ends_with_its_connection_may_be_reset_or_whole() {
    let answer = "HTTP/1.1 200 OK\r\n\r\nto the end";
    let whole = Upstream::answering_last(answer);
    let gateway = TestGateway::start(&Config::to(&whole));
    assert_eq!(gateway.client().get("/").body, b"to the end");
    assert_eq!(gateway.dial().h2().get("/").body, b"to the end");

    let (go, gone) = std::sync::mpsc::sync_channel::<()>(0);
    let gone = std::sync::Mutex::new(gone);
    let reset = Upstream::http(move |_, conn| {
        conn.send(answer)?;
        // Reset once the client has the beginning: earlier, the reset would overtake it.
        let _ = gone.lock().unwrap().recv();
        conn.reset().map(|()| Then::Close)
    });
    let gateway = TestGateway::start(&Config::to(&reset));
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = client.head();
    go.send(()).unwrap();
    let error = client
        .wire
        .body(&head, Otherwise::ToTheEnd)
        .expect_err("a cut, not a whole body");
    assert!(is_end(&error), "{error:?}");
}
