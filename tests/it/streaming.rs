//! Bodies stream: each side is read as fast as the other takes it.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::harness::{Config, TestGateway, Then, Upstream, eventually, h2, pattern};

const LARGE: usize = 8 << 20;

/// Sends back what it gets, with a length or in chunks.
fn mirror(is_chunked: bool) -> Upstream {
    Upstream::http(move |request, conn| {
        let len = request.body.len();
        if is_chunked {
            conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            for chunk in request.body.chunks(100_000) {
                conn.send([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())?;
            }
            conn.send("0\r\n\r\n")?;
        } else {
            conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n"))?;
            conn.send(&request.body)?;
        }
        Ok(Then::Keep)
    })
}

#[test]
fn large_bodies_arrive_byte_for_byte() {
    let body = pattern(LARGE);
    for is_chunked in [false, true] {
        let upstream = mirror(is_chunked);
        let gateway = TestGateway::start(&Config::to(&upstream).limits("body = \"16MiB\""));
        assert!(gateway.client().post("/", &body).body == body);
        assert!(gateway.dial().h2().send(h2::post("/"), &body).body == body);
        let mut chunked = gateway.client();
        chunked.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        for chunk in body.chunks(777_777) {
            chunked.send([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
        assert!(chunked.ask("0\r\n\r\n").body == body);
    }
}

#[test]
fn many_streams_of_one_connection_are_served_side_by_side() {
    let upstream = mirror(false);
    let gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.dial().h2();
    let bodies: Vec<Vec<u8>> = (1..=40).map(|n| pattern(n * 1000)).collect();
    let begun: Vec<_> = bodies
        .iter()
        .map(|_| client.begin(h2::post("/"), false))
        .collect();
    let exchanges = begun
        .into_iter()
        .zip(&bodies)
        .map(|((answer, stream), body)| async move {
            let sent = h2::send_body(stream, body.clone().into());
            let (_, answer) = tokio::join!(sent, async {
                h2::gather(answer.await.unwrap()).await.unwrap()
            });
            answer.body
        });
    let answers = client.run(futures_util::future::join_all(exchanges));
    assert!(answers == bodies);
}

/// An upstream that sends as much as it is allowed to, and how much that has been.
fn torrent(total: usize) -> (Upstream, Arc<AtomicUsize>, Arc<AtomicBool>) {
    let (sent, done) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (counter, flag) = (Arc::clone(&sent), Arc::clone(&done));
    let upstream = Upstream::http(move |_, conn| {
        conn.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n"
        ))?;
        let piece = vec![b'x'; 64 * 1024];
        for _ in 0..total / piece.len() {
            conn.send(&piece)?;
            counter.fetch_add(piece.len(), Ordering::SeqCst);
        }
        flag.store(true, Ordering::SeqCst);
        Ok(Then::Close)
    });
    (upstream, sent, done)
}

/// Waits until a count stands still; how long "still" is only decides how soon a failure is seen.
fn settled(count: &AtomicUsize) -> usize {
    let mut last = (count.load(Ordering::SeqCst), 0);
    eventually("nothing moves any more", || {
        let now = count.load(Ordering::SeqCst);
        last = if now == last.0 && now > 0 {
            (now, last.1 + 1)
        } else {
            (now, 0)
        };
        last.1 > 100
    });
    last.0
}

/// What sockets of both sides may hold; the gateway itself holds next to nothing.
const IN_SOCKETS: usize = 24 << 20;
const TORRENT: usize = 128 << 20;

#[test]
fn a_client_that_does_not_read_holds_its_upstream_back() {
    let (upstream, sent, done) = torrent(TORRENT);
    let gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let so_far = settled(&sent);
    assert!(so_far < IN_SOCKETS, "{so_far}");
    // And everything comes once it reads.
    assert_eq!(client.head().status(), 200);
    let read = client.wire.buffer.len() as u64;
    let rest = std::io::copy(
        &mut client.wire.stream.clone().take(TORRENT as u64 - read),
        &mut std::io::sink(),
    );
    assert_eq!(rest.unwrap() + read, TORRENT as u64);
    eventually("the upstream is done", || done.load(Ordering::SeqCst));
}

#[test]
fn a_stream_that_is_not_read_holds_only_itself_back() {
    let (upstream, sent, _) = torrent(TORRENT);
    let quick = Upstream::ok();
    let config = Config::new()
        .upstream("slow", &upstream.url())
        .upstream("quick", &quick.url());
    let gateway = TestGateway::start(&config.route("/slow", "slow").route("/quick", "quick"));
    let mut client = gateway.dial().h2();
    let (answer, _stream) = client.begin(h2::get("/slow"), true);
    let answer = client.run(answer).unwrap();
    assert!(settled(&sent) < IN_SOCKETS);
    assert_eq!(client.get("/quick").status, 200);
    drop(answer);
}

#[test]
fn an_upstream_that_does_not_read_holds_its_client_back() {
    let upstream = Upstream::raw(|conn| {
        conn.head()?;
        // Reads nothing more until the gateway gives up.
        std::thread::park_timeout(crate::harness::DEADLINE * 4);
        Ok(())
    });
    let gateway = TestGateway::start(&Config::to(&upstream).limits("body = \"1GiB\""));
    let mut client = gateway.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {TORRENT}\r\n\r\n"
    ));
    let sent = Arc::new(AtomicUsize::new(0));
    let (mut stream, counter) = (client.wire.stream.clone(), Arc::clone(&sent));
    let sending = std::thread::spawn(move || {
        let piece = vec![b'x'; 64 * 1024];
        for _ in 0..TORRENT / piece.len() {
            if stream.write_all(&piece).is_err() {
                return;
            }
            counter.fetch_add(piece.len(), Ordering::SeqCst);
        }
    });
    let so_far = settled(&sent);
    assert!(so_far < IN_SOCKETS, "{so_far}");
    client
        .wire
        .stream
        .tcp()
        .shutdown(std::net::Shutdown::Both)
        .unwrap();
    sending.join().unwrap();
}

#[test]
fn an_answer_may_come_before_the_body_has_ended() {
    let upstream = Upstream::raw(|conn| {
        conn.head()?;
        conn.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")?;
        conn.wait_for_end()
    });
    let gateway = TestGateway::start(&Config::to(&upstream).limits("body = \"1GiB\""));
    let mut client = gateway.client();
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nbegun");
    assert_eq!(client.answer().status(), 403);
    let mut h2 = gateway.dial().h2();
    let mut request = h2::post("/");
    request
        .headers_mut()
        .insert("content-length", "1000000".parse().unwrap());
    let (answer, mut stream) = h2.begin(request, false);
    stream.send_data("begun".into(), false).unwrap();
    assert_eq!(h2.run(answer).unwrap().status(), 403);
}

#[test]
fn each_piece_is_passed_on_when_it_comes() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::http(move |_, conn| {
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for n in 0..3 {
            conn.send(format!("1\r\n{n}\r\n"))?;
            wait.lock().unwrap().recv().map_err(std::io::Error::other)?;
        }
        conn.send("0\r\n\r\n").map(|()| Then::Keep)
    });
    let gateway = TestGateway::start(&Config::to(&upstream));
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.head();
    for n in 0..3 {
        assert_eq!(
            client.wire.exactly(6).unwrap(),
            format!("1\r\n{n}\r\n").as_bytes()
        );
        go.send(()).unwrap();
    }
    assert_eq!(client.wire.exactly(5).unwrap(), b"0\r\n\r\n");

    let mut h2 = gateway.dial().h2();
    let (answer, _stream) = h2.begin(h2::get("/"), true);
    let mut body = h2.run(answer).unwrap().into_body();
    for n in 0..3 {
        let piece = h2.run(body.data()).unwrap().unwrap();
        assert_eq!(piece, n.to_string());
        go.send(()).unwrap();
    }
    while let Some(piece) = h2.run(body.data()) {
        assert!(piece.unwrap().is_empty());
    }
}

#[test]
fn an_upload_that_its_server_does_not_read_holds_up_no_other_request_of_its_connection() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let upstream = Upstream::raw(move |conn| {
        while let Some(head) = conn.head()? {
            if head.target() == "/held" {
                // Ends with the sender.
                let _ = held.lock().unwrap().recv();
                return Ok(());
            }
            let length = head.get("content-length").unwrap().parse().unwrap();
            conn.wire.exactly(length)?;
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
        Ok(())
    });
    let gateway = TestGateway::start(&Config::to(&upstream).limits("body = \"1GiB\""));
    let mut client = gateway.dial().h2();
    let post = |target: &str, length: usize| {
        let mut request = h2::post(target);
        let headers = request.headers_mut();
        headers.insert("content-length", length.to_string().parse().unwrap());
        request
    };
    let (_answer, mut stream) = client.begin(post("/held", 1 << 30), false);
    let sent = std::cell::Cell::new(0);
    let mut upload = std::pin::pin!(async {
        loop {
            stream.reserve_capacity(16 * 1024);
            let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
            let piece = pattern(room.unwrap().unwrap());
            sent.set(sent.get() + piece.len());
            stream.send_data(piece.into(), false).unwrap();
        }
    });
    let (body, mut before, mut stalled) = (pattern(100_000), 0, 0);
    while stalled < 20 {
        let (answer, stream) = client.begin(post("/", body.len()), false);
        let exchange = std::pin::pin!(async {
            let body = body.clone().into();
            let (sent, answer) = tokio::join!(h2::send_body(stream, body), answer);
            sent.and(answer).unwrap().status()
        });
        let first = client.run(futures_util::future::select(upload.as_mut(), exchange));
        match first {
            futures_util::future::Either::Left(((), _)) => panic!("the upload has no end"),
            futures_util::future::Either::Right((status, _)) => assert_eq!(status, 200),
        }
        stalled = if sent.get() == before { stalled + 1 } else { 0 };
        before = sent.get();
    }
    drop(release);
}
