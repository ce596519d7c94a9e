//! The promise of a reload, kept while everything is in use.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::load::StopOnDrop;
use crate::harness::process::GatewayProcess;
use crate::harness::upstream::Conn;
use crate::harness::websocket::{Frame, TEXT, handshake, switching};
use crate::harness::{Client, Config, Dial, Then, Upstream, eventually};

const SOCKETS: usize = 1_000;
const RELOADS: usize = 6;

/// Answers requests, and echoes frames where a WebSocket is asked for.
fn upstream() -> Upstream {
    Upstream::raw(|conn| {
        while let Some(request) = conn.request()? {
            if request.head.get("upgrade").is_some() {
                return echo(conn);
            }
            if answer(conn)? == Then::Close {
                break;
            }
        }
        Ok(())
    })
}

fn answer(conn: &mut Conn) -> std::io::Result<Then> {
    conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        .map(|()| Then::Keep)
}

fn echo(conn: &mut Conn) -> std::io::Result<()> {
    conn.send(switching(""))?;
    loop {
        let frame = conn.wire.frame()?;
        conn.send(Frame::from_server(frame.opcode, frame.payload).bytes())?;
    }
}

/// Each socket takes a descriptor of this process on both ends.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    )
    .unwrap();
}

fn open(dial: &Dial) -> Client {
    let mut client = dial.h1();
    client.send(handshake("/ws", ""));
    assert_eq!(client.head().status(), 101);
    client
}

#[test]
fn no_request_is_lost_and_no_socket_closed() {
    raise_descriptors();
    let upstream = upstream();
    let without = Config::to(&upstream).log("access = false");
    let with = Config::new()
        .log("access = false")
        .upstream("app", &upstream.url())
        .route("/", "app");
    let with = with.upstream("more", &upstream.url()).route_with(
        "/more",
        "more",
        "policy = \"open\"\nbody = 1",
    );
    let gateway = GatewayProcess::start(&without);
    let dial = gateway.dial();
    let mut sockets: Vec<Client> = (0..SOCKETS).map(|_| open(&dial)).collect();

    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let stop = StopOnDrop(&stop);
        let load = |ask: fn(&mut Option<Client>, &Dial) -> u16| {
            let (stop, served, dial) = (stop.0, &served, &dial);
            scope.spawn(move || {
                let mut client = None;
                while !stop.load(Ordering::SeqCst) {
                    assert_eq!(ask(&mut client, dial), 200);
                    served.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        let loads = [
            load(|client, dial| {
                client
                    .get_or_insert_with(|| dial.h1())
                    .get("/kept")
                    .status()
            }),
            load(|client, dial| {
                client
                    .get_or_insert_with(|| dial.h1())
                    .post("/kept", b"hello")
                    .status()
            }),
            load(|_, dial| dial.h1().get("/fresh").status()),
            load(|_, dial| dial.h2().get("/fresh").status),
        ];
        for n in 1..=RELOADS {
            let config = if n % 2 == 1 { &with } else { &without };
            gateway.hang_up(&config.text());
            eventually("reloaded", || {
                gateway
                    .events()
                    .iter()
                    .filter(|line| line.contains(" reloaded "))
                    .count()
                    == n
            });
            // The configuration is in force as soon as it is said to be: only there a body is too
            // large.
            assert_eq!(
                dial.h1().post("/more", b"hello").status(),
                if n % 2 == 1 { 413 } else { 200 }
            );
            let before = served.load(Ordering::SeqCst);
            eventually("load goes on", || {
                served.load(Ordering::SeqCst) > before + 20
            });
        }
        drop(stop);
        for load in loads {
            load.join().expect("no request was lost");
        }
    });
    for (n, socket) in sockets.iter_mut().enumerate() {
        socket.send(Frame::from_client(TEXT, n.to_string()).bytes());
        let echo = Frame::from_server(TEXT, n.to_string());
        assert_eq!(socket.wire.frame().unwrap(), echo);
    }
}
