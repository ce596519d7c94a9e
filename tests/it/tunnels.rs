//! A tunnel passes bytes as they are, both ways, to the last one.

use std::io::Write as _;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::upstream::Conn;
use crate::harness::websocket::{BINARY, CLOSE, Frame, PING, TEXT, handshake, switching};
use crate::harness::{Client, Config, TestGateway, Upstream, eventually, pattern};

/// An upstream that agrees to every handshake and then plays a script.
fn tunnels(
    script: impl Fn(&mut Conn) -> std::io::Result<()> + Send + Sync + 'static,
) -> (Upstream, TestGateway) {
    let upstream = Upstream::raw(move |conn| {
        conn.head()?;
        conn.send(switching(""))?;
        script(conn)
    });
    let gateway = TestGateway::start(&Config::to(&upstream));
    (upstream, gateway)
}

#[track_caller]
fn open(gateway: &TestGateway) -> Client {
    let mut client = gateway.client();
    client.send(handshake("/ws", ""));
    assert_eq!(client.head().status(), 101);
    client
}

/// Frames of every kind, cut where no message ends.
fn odd_frames(make: fn(u8, &'static [u8]) -> Frame) -> Vec<u8> {
    let frames = [
        make(TEXT, b"frag").part(),
        make(PING, b"between"),
        make(0, b"ment").part(),
        make(0, b"ed"),
        make(BINARY, &[0; 125]),
        make(BINARY, &[255; 126]),
        make(BINARY, &[7; 65_535]),
        make(BINARY, &[8; 65_536]),
        make(TEXT, b""),
        make(0xb, b"a reserved opcode"),
    ];
    let mut bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
    // A reserved bit, as of an extension, and a length longer than it had to be.
    bytes.extend_from_slice(&[0xc1, 0x01, b'x', 0x81, 126, 0, 1, b'y']);
    bytes
}

#[test]
fn frames_pass_byte_for_byte() {
    let (up, down) = (
        odd_frames(Frame::from_client),
        odd_frames(Frame::from_server),
    );
    let (want, sent) = (up.clone(), down.clone());
    let (_upstream, gateway) = tunnels(move |conn| {
        assert!(conn.wire.exactly(want.len())? == want);
        // In pieces that end anywhere.
        for piece in sent.chunks(1021) {
            conn.send(piece)?;
        }
        conn.wait_for_end()
    });
    let mut client = open(&gateway);
    for piece in up.chunks(1013) {
        client.send(piece);
    }
    assert!(client.wire.exactly(down.len()).unwrap() == down);
}

#[test]
fn close_codes_and_reasons_pass_untouched() {
    for (code, reason) in [
        (1000, ""),
        (3504, "Gateway timeout"),
        (4999, "ein Gru\u{df}"),
        (1002, "Invalid path"),
    ] {
        let (_upstream, gateway) = tunnels(move |conn| {
            // Echoes a close as Janus does, then ends.
            let close = conn.wire.frame()?;
            assert_eq!(close.close(), (code, reason.to_owned()));
            conn.send(Frame::from_server(CLOSE, close.payload).bytes())
        });
        let mut client = open(&gateway);
        client.send(Frame::client_close(code, reason).bytes());
        assert_eq!(
            client.wire.frame().unwrap(),
            Frame::server_close(code, reason)
        );
        client.is_closed();
        drop(client);
        gateway.is_left_by_all();
    }
}

#[test]
fn a_close_without_a_code_stays_one() {
    let (_upstream, gateway) = tunnels(|conn| {
        conn.send(Frame::from_server(CLOSE, "").bytes())?;
        let answer = conn.wire.frame()?;
        assert_eq!((answer.opcode, answer.payload.len()), (CLOSE, 0));
        Ok(())
    });
    let mut client = open(&gateway);
    assert_eq!(client.wire.frame().unwrap(), Frame::from_server(CLOSE, ""));
    client.send(Frame::from_client(CLOSE, "").bytes());
    client.is_closed();
}

#[test]
fn a_client_that_has_ended_still_listens() {
    let (_upstream, gateway) = tunnels(|conn| {
        let said = conn.wire.rest()?;
        conn.send(Frame::from_server(TEXT, said).bytes())
    });
    let mut client = open(&gateway);
    client.send("last words");
    client.wire.stream.end_writing().unwrap();
    assert_eq!(
        client.wire.frame().unwrap(),
        Frame::from_server(TEXT, "last words")
    );
    client.is_closed();
    drop(client);
    gateway.is_left_by_all();
}

#[test]
fn an_upstream_that_has_ended_still_listens() {
    let (upstream, gateway) = tunnels(|conn| {
        conn.send("last words")?;
        conn.wire.stream.shutdown(Shutdown::Write)?;
        assert_eq!(conn.wire.rest()?, b"answer");
        Ok(())
    });
    let mut client = open(&gateway);
    assert_eq!(client.wire.rest().unwrap(), b"last words");
    client.send("answer");
    client.wire.stream.end_writing().unwrap();
    upstream.is_left_by_all();
    gateway.is_left_by_all();
}

#[test]
fn the_close_of_an_upstream_that_ends_at_once_reaches_a_client_that_is_sending() {
    // Closed over unread bytes, which resets the connection right behind the close frame.
    let (upstream, gateway) = tunnels(|conn| {
        conn.wire.exactly(100)?;
        conn.send(Frame::server_close(1003, "Only text frames are supported").bytes())
    });
    for _ in 0..20 {
        let mut client = open(&gateway);
        let mut stream = client.wire.stream.clone();
        let sending = std::thread::spawn(move || {
            let frame = Frame::from_client(BINARY, [1; 1000]).bytes();
            while stream.write_all(&frame).is_ok() {}
        });
        let close = client.wire.frame().unwrap();
        assert_eq!(
            close.close(),
            (1003, "Only text frames are supported".to_owned())
        );
        // Unless it has been reset already.
        let _ = client.wire.stream.tcp().shutdown(Shutdown::Both);
        sending.join().unwrap();
    }
    gateway.is_left_by_all();
    upstream.is_left_by_all();
}

#[test]
fn large_messages_pass_both_ways_though_nobody_reads_at_first() {
    const LARGE: usize = 8 << 20;
    const MESSAGES: usize = 4;
    let (_upstream, gateway) = tunnels(|conn| {
        for _ in 0..MESSAGES {
            let frame = conn.wire.frame()?;
            conn.send(Frame::from_server(frame.opcode, frame.payload).bytes())?;
        }
        conn.wait_for_end()
    });
    let payload = pattern(LARGE);
    let mut client = open(&gateway);
    let sent = Arc::new(AtomicUsize::new(0));
    let (mut stream, counter, frame) = (
        client.wire.stream.clone(),
        Arc::clone(&sent),
        Frame::from_client(BINARY, &payload).bytes(),
    );
    let sending = std::thread::spawn(move || {
        for piece in (0..MESSAGES).flat_map(|_| frame.chunks(64 * 1024)) {
            stream.write_all(piece).unwrap();
            counter.fetch_add(piece.len(), Ordering::SeqCst);
        }
    });
    // Everything that lies between is full by the second message: the echo of the first is not
    // being read.
    eventually("the second message is under way", || {
        sent.load(Ordering::SeqCst) > LARGE
    });
    for _ in 0..MESSAGES {
        let frame = client.wire.frame().unwrap();
        assert!(frame.opcode == BINARY && frame.payload == payload);
    }
    sending.join().unwrap();
}

#[test]
fn a_slot_is_held_to_the_last_byte_of_a_tunnel() {
    let (upstream, gateway) = tunnels(Conn::wait_for_end);
    let (one, other) = (open(&gateway), open(&gateway));
    assert_eq!(gateway.running().connections(), 2);
    drop(one);
    eventually("one slot given back", || {
        gateway.running().connections() == 1
    });
    other.wire.stream.reset();
    gateway.is_left_by_all();
    upstream.is_left_by_all();
}

#[test]
fn an_upstream_that_vanishes_takes_its_tunnel_along() {
    let (_upstream, gateway) = tunnels(|conn| {
        conn.wire.frame()?;
        conn.reset()
    });
    let mut client = open(&gateway);
    client.send(Frame::from_client(TEXT, "go").bytes());
    client.is_closed();
    drop(client);
    gateway.is_left_by_all();
}
