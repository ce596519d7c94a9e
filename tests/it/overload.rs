//! An overload keeps new work out and lets what was accepted go on.

use std::io::{self, Read};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::h1::{Answer, is_end};
use crate::harness::process::{GatewayProcess, address};
use crate::harness::websocket::{self, handshake, switching};
use crate::harness::{Client, Config, DEADLINE, TestGateway, Upstream, eventually};

const LISTEN: &str = "https = [\"127.0.0.1:0\"]\nplain = [\"127.0.0.1:0\"]\n\
                      status = \"127.0.0.1:0\"\nworkers = 1";

/// Echoes the frames of tunnels, says `ok` to requests, and never answers `/hang`.
fn upstream() -> Upstream {
    Upstream::raw(|conn| {
        while let Some(request) = conn.request()? {
            if request.head.get("upgrade").is_some() {
                conn.send(switching(""))?;
                return echo(conn);
            }
            if request.head.target() == "/hang" {
                return conn.wait_for_end();
            }
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
        Ok(())
    })
}

fn echo(conn: &mut crate::harness::Conn) -> io::Result<()> {
    loop {
        let frame = conn.wire.frame()?;
        let echo = websocket::Frame {
            mask: None,
            ..frame
        };
        conn.send(echo.bytes())?;
    }
}

fn tunnel(gateway: &GatewayProcess) -> Client {
    let mut client = gateway.dial().h1();
    client.send(handshake("/ws", ""));
    assert_eq!(client.head().status(), 101);
    client
}

fn plain(gateway: &GatewayProcess) -> Client<TcpStream> {
    let stream = TcpStream::connect(address(&gateway.event("listener=plain"))).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    Client::new(stream)
}

/// What the status listener answers: the status and the body.
fn status(gateway: &GatewayProcess, path: &str) -> (u16, String) {
    let mut client = Client::new(TcpStream::connect(gateway.status()).unwrap());
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = client.ask(head);
    (answer.status(), answer.text())
}

fn metric(gateway: &GatewayProcess, series: &str) -> u64 {
    let metrics = gateway.metrics();
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

fn is_turned_away(answer: &Answer) {
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.head.get("retry-after"), Some("5"));
    assert_eq!(answer.head.get("connection"), Some("close"));
}

fn reload(gateway: &GatewayProcess, config: &Config) {
    std::fs::write(gateway.config_path(), config.text()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    let config = gateway.config_path();
    let output = command.arg("reload").arg("--config").arg(config).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn clients_that_say_nothing_give_way_to_those_that_do() {
    let upstream = Upstream::ok();
    let limits = "handshakes = 4\nheader_timeout = \"1h\"";
    let gateway = TestGateway::start(&Config::to(&upstream).listen(LISTEN).limits(limits));
    let mut silent: Vec<_> = (0..6).map(|_| gateway.dial().tcp()).collect();
    // Four have the places; the others wait in the kernel's queue, and so does this client.
    let mut client = gateway.client();
    assert_eq!(client.get("/").status(), 200);
    // The oldest were closed.
    let closed = silent.iter_mut().position(|tcp| {
        tcp.set_read_timeout(Some(Duration::from_millis(10)))
            .unwrap();
        let read = tcp.read(&mut [0]);
        read.as_ref().map_or_else(is_end, |read| *read == 0)
    });
    assert!(closed.is_some(), "a place was needed");
    assert_eq!(
        client.get("/").status(),
        200,
        "a client whose handshake is complete stays"
    );
}

#[test]
fn clients_that_come_all_at_once_are_all_served_in_turn() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&Config::to(&upstream).limits("handshakes = 3"));
    let clients: Vec<_> = (0..30)
        .map(|_| {
            let dial = gateway.dial();
            std::thread::spawn(move || dial.h1().get("/").status())
        })
        .collect();
    for client in clients {
        assert_eq!(client.join().unwrap(), 200);
    }
    assert_eq!(upstream.requests().len(), 30);
}

/// Clients that keep memory: most of a body, which is gathered before its server hears of it.
fn fill(gateway: &GatewayProcess) -> Vec<Client<TcpStream>> {
    let part = vec![b'x'; 60 << 10];
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65000\r\n\r\n";
    let held = (0..1000).map(|_| {
        let mut client = plain(gateway);
        // The last ones may be turned away already.
        let _ = client
            .wire
            .send(head)
            .and_then(|()| client.wire.send(&part));
        client
    });
    let held = held.collect();
    eventually("memory is short", || is_short(gateway));
    held
}

fn is_short(gateway: &GatewayProcess) -> bool {
    status(gateway, "/readyz")
        .1
        .contains("limits.memory (64.0 MiB) is nearly reached")
}

#[test]
fn near_the_limit_of_memory_new_connections_are_rejected_and_tunnels_go_on() {
    let upstream = upstream();
    let config = |memory: &str| {
        let limits = format!("memory = \"{memory}\"");
        Config::to(&upstream).listen(LISTEN).limits(&limits)
    };
    let gateway = GatewayProcess::start(&config("64MiB"));
    let (mut tunnel, mut idle) = (tunnel(&gateway), gateway.dial().h1());
    assert_eq!(idle.get("/").status(), 200);
    let held = fill(&gateway);
    gateway.event("limits.memory is nearly reached");
    let refused = "ianitor_connections_refused_total{reason=\"memory\"}";
    assert_eq!(metric(&gateway, "ianitor_overloaded{reason=\"memory\"}"), 1);
    gateway.dial().tls(&[]).expect_err("before the handshake");
    assert_eq!(metric(&gateway, refused), 1);
    is_turned_away(&plain(&gateway).get("/"));
    idle.is_closed();
    websocket::is_alive(&mut tunnel);
    assert_eq!(status(&gateway, "/healthz").0, 200);
    // The reload reaches the gateway, and its limit holds at once.
    reload(&gateway, &config("4GiB"));
    gateway.event("new connections are accepted again");
    assert_eq!(gateway.dial().h1().get("/").status(), 200);
    assert!(!is_short(&gateway));
    websocket::is_alive(&mut tunnel);
    drop(held);
}

/// A process that is stopped most of the time runs every tick late.
#[test]
fn a_worker_that_cannot_keep_up_turns_new_clients_away_until_it_can() {
    let upstream = upstream();
    let gateway = GatewayProcess::start(&Config::to(&upstream).listen(LISTEN));
    let (mut tunnel, mut earlier) = (tunnel(&gateway), gateway.dial().h1());
    assert_eq!(earlier.get("/").status(), 200);
    eventually("it is overloaded", || {
        gateway.signal(Signal::STOP);
        std::thread::sleep(Duration::from_millis(1900));
        gateway.signal(Signal::CONT);
        metric(&gateway, "ianitor_overloaded{reason=\"overload\"}") == 1
    });
    is_turned_away(&gateway.dial().h1().get("/"));
    is_turned_away(&plain(&gateway).get("/"));
    // One that stayed open would reject requests after the overload as well.
    let mut by_h2 = gateway.dial().h2();
    assert_eq!(by_h2.get("/").status, 503);
    by_h2.until_closed();
    assert_eq!(earlier.get("/").status(), 200);
    websocket::is_alive(&mut tunnel);
    let refused = "ianitor_refusals_total{reason=\"overload\"}";
    assert_eq!(metric(&gateway, refused), 3);
    gateway.event("a worker is no longer overloaded");
    assert_eq!(gateway.dial().h1().get("/").status(), 200);
}

/// 400 descriptors: 100 for clients, 100 for servers, 200 for everything else.
#[test]
fn when_clients_have_all_their_descriptors_status_and_reloads_still_work() {
    let upstream = upstream();
    let config = |names: &str| {
        let tls = format!("self_signed = [{names}]");
        Config::to(&upstream).listen(LISTEN).tls(&tls)
    };
    let gateway = GatewayProcess::start_with_descriptors(400, &config("\"localhost\""));
    let hanging: Vec<_> = (0..100)
        .map(|_| {
            let mut client = plain(&gateway);
            client.send("GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n");
            client
        })
        .collect();
    eventually("every request hangs", || {
        upstream.heads().len() == hanging.len()
    });
    let more: Vec<_> = (0..300).map(|_| plain(&gateway)).collect();
    let probes: Vec<_> = (0..50)
        .map(|_| TcpStream::connect(gateway.status()))
        .collect();
    let refused = "ianitor_connections_refused_total{reason=\"connections\"}";
    eventually("more are rejected", || metric(&gateway, refused) >= 300);
    assert_eq!(status(&gateway, "/healthz").0, 200);
    // A certificate is made and written, the audit log opened, and files are read.
    reload(&gateway, &config("\"localhost\", \"b.test\""));
    let certs = gateway.config_path().with_file_name("certs");
    let written = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
    let written: Vec<_> = certs.read_dir().unwrap().map(written).collect();
    assert!(written.len() >= 4, "{written:?}");
    let failed = |line: &&String| line.contains("cannot accept connections");
    assert_eq!(gateway.events().iter().find(failed), None);
    drop((hanging, more, probes));
}
