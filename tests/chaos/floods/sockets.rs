//! Connections without a request.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use rustls::ClientConnection;
use socket2::{Domain, Socket, Type};

use super::super::support::wire::Dial;
use super::LONG;

/// The addresses that a flood comes from.
const SOURCES: [Ipv4Addr; 4] = [
    Ipv4Addr::new(127, 0, 0, 11),
    Ipv4Addr::new(127, 0, 0, 12),
    Ipv4Addr::new(127, 0, 0, 13),
    Ipv4Addr::new(127, 0, 0, 14),
];

/// How many connections are opened, before they are left to themselves.
const SILENT: usize = 18_000;
const HALF: usize = 5_000;

/// Opens connections on which nothing is sent.
pub(super) fn silent(dial: &Dial) -> String {
    let to = SocketAddr::from(([127, 0, 0, 1], dial.addr.port()));
    let sockets: Vec<Socket> = (0..SILENT)
        .filter_map(|number| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
            socket.set_nonblocking(true).unwrap();
            let from = SocketAddr::new(SOURCES[number % SOURCES.len()].into(), 0);
            socket.bind(&from.into()).unwrap();
            // It is in progress.
            let _ = socket.connect(&to.into());
            Some(socket)
        })
        .collect();
    thread::sleep(LONG * 2);
    let is_open = |socket: &&Socket| {
        let mut buffer = [std::mem::MaybeUninit::uninit()];
        let peeked = socket.peek(&mut buffer);
        peeked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    let open = sockets.iter().filter(is_open).count();
    format!("{} opened, {open} open at the end", sockets.len())
}

/// Opens connections that end in the middle of a handshake: the client never answers.
pub(super) fn half(dial: &Dial) -> String {
    let session = ClientConnection::new(dial.config(&["h2", "http/1.1"]), dial.server_name());
    let mut hello = Vec::new();
    session.unwrap().write_tls(&mut hello).unwrap();
    let threads = SOURCES.map(|source| {
        let (dial, hello) = (dial.clone().from(&source.to_string()), hello.clone());
        thread::spawn(move || {
            let open = |_| {
                let mut tcp = dial.tcp();
                tcp.set_read_timeout(Some(Duration::from_millis(1)))
                    .unwrap();
                tcp.write_all(&hello).ok().map(|()| tcp)
            };
            (0..HALF / SOURCES.len())
                .filter_map(open)
                .collect::<Vec<_>>()
        })
    });
    let open: Vec<_> = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    thread::sleep(LONG);
    format!("{} begun", open.len())
}
