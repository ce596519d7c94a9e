//! A Kurento: the one that `KMS_URL` names, or else what stands in for one, as no package has it.

use std::net::{Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use serde_json::Value;

use super::rpc::Rpc;
use super::wire::h1::Client;
use super::{Cable, Folder, Process, free_ports, until};

/// A server, and the way to it.
#[derive(Debug)]
pub(crate) struct Kurento {
    /// Of a stand-in, with its control port.
    stand_in: Option<(Process, u16)>,
    /// The gateway's connections to it.
    pub(crate) cable: Cable,
}

impl Process {
    /// A stand-in on this port of 127.0.0.1; `name` tells it from others.
    pub(crate) fn kurento(folder: &Folder, name: &str, port: u16) -> Self {
        Self::kurento_controlled(folder, name, &[port])
    }

    /// The same with these arguments: its port, its control port, and the milliseconds after which
    /// it collects sessions.
    fn kurento_controlled(folder: &Folder, name: &str, ports: &[u16]) -> Self {
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/real/kurento-stand-in.js"
        );
        let mut kurento = Self::start(folder, name, "node", |command| {
            command
                .arg(script)
                .args(ports.iter().map(ToString::to_string));
        });
        for port in ports {
            kurento.wait_for(*port);
        }
        kurento
    }
}

impl Kurento {
    /// The server of `KMS_URL` (`ws://10.0.0.5:8888/kurento`) if it is set, or else a stand-in.
    pub(crate) fn start(folder: &Folder) -> Self {
        match std::env::var("KMS_URL") {
            Ok(url) => Self {
                stand_in: None,
                cable: Cable::to(addr_of(&url)),
            },
            Err(_) => Self::stand_in(folder),
        }
    }

    /// A stand-in, where a test needs to see what it executes.
    pub(crate) fn stand_in(folder: &Folder) -> Self {
        let [port, control] = free_ports();
        let process = Process::kurento_controlled(folder, "kurento", &[port, control]);
        Self {
            stand_in: Some((process, control)),
            cable: Cable::to((Ipv4Addr::LOCALHOST, port).into()),
        }
    }

    /// The control port of a stand-in.
    pub(crate) fn control(&self) -> Option<u16> {
        self.stand_in.as_ref().map(|(_, control)| *control)
    }

    /// The sessions, objects, executed operations and opened URIs of a stand-in; `None` of a real
    /// server, which does not tell.
    pub(crate) fn state(&self) -> Option<Value> {
        self.control().map(|_| self.asks("GET /"))
    }

    /// Tells a stand-in to do something: `/drop`, `/restart`, `/collect` or `/reset`.
    pub(crate) fn command(&self, command: &str) -> Value {
        self.asks(&format!("POST {command}"))
    }

    fn asks(&self, request: &str) -> Value {
        let control = self.control().expect("a stand-in");
        let answer = Client::new(tcp(control)).ask(format!(
            "{request} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        ));
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// A client without a gateway.
    #[track_caller]
    pub(crate) fn client(&self, target: &str) -> Rpc<TcpStream> {
        Rpc::over(Client::new(tcp(self.cable.port)), target)
    }

    /// A connection without a gateway, to be used at will.
    pub(crate) fn connection(&self) -> Client<TcpStream> {
        Client::new(tcp(self.cable.port))
    }

    /// Waits until nobody is connected to a stand-in, and two periods more: then it has nothing, or
    /// something was leaked. Of a real server that takes minutes, and is taken for granted.
    #[track_caller]
    pub(crate) fn collects_everything(&self) {
        if self.control().is_none() {
            return;
        }
        until("its clients have gone", || {
            self.state().unwrap()["sockets"] == 0
        });
        self.command("/collect");
        let state = self.command("/collect");
        for what in ["sessions", "objects"] {
            assert_eq!(state[what], Value::Array(Vec::new()), "{what}");
        }
    }

    /// What a stand-in has written; of a real server nothing.
    pub(crate) fn said(&self) -> String {
        self.stand_in
            .as_ref()
            .map(|(process, _)| process.said())
            .unwrap_or_default()
    }
}

fn tcp(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream
}

/// Where a `ws://` URL leads.
fn addr_of(url: &str) -> SocketAddr {
    let rest = url.strip_prefix("ws://").expect("KMS_URL with ws://");
    let authority = rest.split('/').next().unwrap();
    authority.to_socket_addrs().unwrap().next().unwrap()
}
