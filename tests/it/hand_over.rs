//! No worker has many more connections than the others.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::harness::process::{GatewayProcess, address};
use crate::harness::websocket::{Frame, TEXT, handshake, switching};
use crate::harness::{Client, Config, Upstream, eventually};

/// Echoes one message of each tunnel and holds it open.
fn echo() -> Upstream {
    Upstream::raw(|conn| {
        conn.head()?;
        conn.send(switching(""))?;
        let message = conn.wire.frame()?;
        let echo = Frame {
            mask: None,
            ..message
        };
        conn.send(echo.bytes())?;
        conn.wait_for_end()
    })
}

fn tunnel(gateway: &GatewayProcess) -> Client {
    let mut client = gateway.dial().h1();
    client.send(handshake("/ws", ""));
    assert_eq!(client.head().status(), 101);
    client.send(Frame::from_client(TEXT, "hello").bytes());
    assert_eq!(client.wire.frame().unwrap().payload, b"hello");
    client
}

/// How many connections each worker has.
fn loads(gateway: &GatewayProcess) -> Vec<usize> {
    let metrics = gateway.metrics();
    let lines = metrics.lines();
    let of_workers = lines.filter(|line| line.starts_with("ianitor_worker_connections_open{"));
    of_workers.map(value).collect()
}

fn handed_over(gateway: &GatewayProcess) -> usize {
    let metrics = gateway.metrics();
    let mut lines = metrics.lines();
    let line = lines.find(|line| line.starts_with("ianitor_connections_handed_over_total "));
    value(line.unwrap())
}

fn value(line: &str) -> usize {
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

fn config(upstream: &Upstream, workers: usize) -> Config {
    Config::to(upstream).listen(&format!(
        "https = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"\n\
         workers = {workers}"
    ))
}

#[test]
fn a_worker_hands_over_what_it_accepts_while_it_has_many_more_connections() {
    let upstream = echo();
    let gateway = GatewayProcess::start(&config(&upstream, 4));
    // Only what the first worker serves stays open, so without handing over it would have all.
    let (mut kept, mut tried) = (Vec::new(), 0);
    while handed_over(&gateway) < 5 {
        tried += 1;
        assert!(tried < 1000, "none was handed over: {:?}", loads(&gateway));
        let opened = tunnel(&gateway);
        let is_on_first = loads(&gateway)[0] > kept.len();
        if is_on_first {
            kept.push(opened);
        } else {
            drop(opened);
        }
        eventually("closed tunnels are gone", || {
            loads(&gateway).iter().sum::<usize>() == kept.len()
        });
        // Two more than the mean, and one whose end was being noticed.
        assert!(kept.len() <= 3, "{:?}", loads(&gateway));
    }
}

/// Opens a connection to the listener that redirects, and has it answer.
fn redirected(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut buffer) = (Vec::new(), [0; 1024]);
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "closed without an answer");
        answer.extend_from_slice(&buffer[..count]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 308 "));
    stream
}

#[test]
fn connections_that_are_opened_at_once_are_distributed_and_none_is_lost() {
    let upstream = echo();
    let gateway = GatewayProcess::start(&config(&upstream, 8));
    let find = || {
        gateway
            .events()
            .into_iter()
            .find(|line| line.ends_with("listener=http"))
    };
    eventually("the listener that redirects", || find().is_some());
    let address = address(&find().unwrap());
    let open = || (0..50).map(|_| redirected(address)).collect::<Vec<_>>();
    let open: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        let clients = clients.into_iter();
        clients.flat_map(|client| client.join().unwrap()).collect()
    });
    let loads = loads(&gateway);
    assert_eq!(loads.iter().sum::<usize>(), open.len());
    // A mean of 50, an eighth, two, and one for each client whose connections come meanwhile.
    assert!(loads.iter().all(|load| *load <= 66), "{loads:?}");
}
