//! Ten thousand mixed requests: the client, the access log and the metrics have counted the same.

use std::collections::BTreeMap;
use std::io;
use std::thread;

use serde_json::Value;

use crate::support::wire::upstream::Conn;
use crate::support::wire::websocket::{BINARY, Frame, handshake, switching};
use crate::support::wire::{Dial, Upstream, h1, h2};
use crate::support::{Folder, Gateway, free_ports, until};

const CLIENTS: u8 = 10;
const REQUESTS: usize = 1000;
const WEBSOCKETS: usize = 5;
/// So many requests on one connection at most.
const STAY: usize = 100;

/// What is asked in turn: the target, how long a body, the route that it is counted under.
const MIX: [(&str, usize, &str); 11] = [
    ("/app/a", 0, "/app"),
    ("/app/b", 700, "/app"),
    ("/app/empty", 0, "/app"),
    ("/moved", 0, "/moved"),
    ("/app/c", 1, "/app"),
    ("/closed", 0, "/closed"),
    ("/nothing", 0, "none"),
    ("/app/large", 1001, "/app"),
    ("/app/d", 1000, "/app"),
    ("/down", 10, "/down"),
    ("/app//a", 0, "none"),
];

/// The statuses that the gateway gives by itself, with their reasons.
const REFUSALS: [(u16, &str); 6] = [
    (400, "path_empty_segment"),
    (403, "address"),
    (404, "no_route"),
    (413, "body_too_large"),
    (429, "rate"),
    (502, "upstream_unreachable"),
];

/// What somebody has counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    /// By route and status.
    requests: BTreeMap<(String, u16), u64>,
    tunnels: u64,
    /// Body and tunnel bytes that came back.
    received: u64,
    /// Body and tunnel bytes that were sent and arrived.
    sent: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        for (key, count) in other.requests {
            *self.requests.entry(key).or_default() += count;
        }
        self.tunnels += other.tunnels;
        self.received += other.received;
        self.sent += other.sent;
    }

    fn of_status(&self, status: u16) -> u64 {
        self.requests
            .iter()
            .filter(|((_, s), _)| *s == status)
            .map(|(_, count)| count)
            .sum()
    }

    /// By route and class of status, as the metrics have it.
    fn by_class(&self) -> BTreeMap<(String, String), u64> {
        let mut classes = BTreeMap::new();
        for ((route, status), count) in &self.requests {
            *classes
                .entry((route.clone(), format!("{}xx", status / 100)))
                .or_default() += count;
        }
        classes
    }
}

/// One connection of either protocol, made anew where the server has said so.
enum Connection {
    H1(Box<h1::Client>),
    H2(Box<h2::Client>),
}

struct Client {
    dial: Dial,
    is_h2: bool,
    connection: Option<(Connection, usize)>,
    dialled: u64,
    counts: Counts,
}

impl Client {
    fn new(dial: Dial, is_h2: bool) -> Self {
        Self {
            dial,
            is_h2,
            connection: None,
            dialled: 0,
            counts: Counts::default(),
        }
    }

    fn connect(&mut self) -> (Connection, usize) {
        self.dialled += 1;
        let connection = if self.is_h2 {
            Connection::H2(Box::new(self.dial.h2()))
        } else {
            Connection::H1(Box::new(self.dial.h1()))
        };
        (connection, 0)
    }

    fn ask(&mut self, target: &str, body: &[u8], route: &str) {
        let (mut connection, used) = self.connection.take().unwrap_or_else(|| self.connect());
        let (status, length, is_over) = match &mut connection {
            Connection::H1(client) => {
                let answer = client.post(target, body);
                (
                    answer.status(),
                    answer.body.len(),
                    answer.head.get("connection") == Some("close"),
                )
            }
            Connection::H2(client) => {
                let answer = client.send(h2::post(target), body);
                (answer.status, answer.body.len(), false)
            }
        };
        // The rate is asked about before the route.
        let route = if status == 429 { "none" } else { route };
        *self
            .counts
            .requests
            .entry((route.to_owned(), status))
            .or_default() += 1;
        self.counts.received += length as u64;
        self.counts.sent += if [200, 204].contains(&status) {
            body.len() as u64
        } else {
            0
        };
        self.connection = (!is_over && used + 1 < STAY).then_some((connection, used + 1));
    }

    fn websocket(&mut self, length: usize) {
        let mut socket = self.dial.h1();
        self.dialled += 1;
        socket.send(handshake("/app/ws", ""));
        assert_eq!(socket.head().status(), 101);
        let frame = Frame::from_client(BINARY, vec![7; length]);
        socket.send(frame.bytes());
        let echo = socket.wire.frame().unwrap();
        assert_eq!(echo.payload.len(), length);
        self.counts.tunnels += 1;
        self.counts.sent += frame.bytes().len() as u64;
        self.counts.received += echo.bytes().len() as u64;
    }
}

/// The server: an echo, an answer without a body, a WebSocket.
fn serve(conn: &mut Conn) -> io::Result<()> {
    while let Some(request) = conn.request()? {
        if request.head.get("upgrade").is_some() {
            conn.send(switching(""))?;
            let frame = conn.wire.frame()?;
            conn.send(Frame::from_server(frame.opcode, frame.payload).bytes())?;
            return conn.wait_for_end();
        }
        if request.head.target().ends_with("/empty") {
            conn.send("HTTP/1.1 204 No Content\r\n\r\n")?;
            continue;
        }
        conn.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            request.body.len()
        ))?;
        conn.send(&request.body)?;
    }
    Ok(())
}

fn tables(app: &str, down: u16) -> String {
    format!(
        "[limits]\nexempt = []\nbody = 1000\nrequests_per_client = \"900/h\"\n\
         [upstreams]\napp = {{ servers = [\"{app}\"] }}\n\
         down = {{ servers = [\"http://127.0.0.1:{down}\"] }}\n\
         [policies.nobody]\nallow = [\"192.0.2.1\"]\n\
         [[routes]]\npath = \"/app\"\nupstream = \"app\"\npolicy = \"open\"\n\
         [[routes]]\npath = \"/closed\"\nupstream = \"app\"\npolicy = \"nobody\"\n\
         [[routes]]\npath = \"/down\"\nupstream = \"down\"\npolicy = \"open\"\n\
         [[routes]]\npath = \"/moved\"\nredirect = \"/app\"\nredirect_status = 302\n\
         policy = \"open\"\n"
    )
}

/// What all clients have counted, and how many connections they made.
fn ask_all(gateway: &Gateway) -> (Counts, u64) {
    let ask = |n: u8| {
        let mut client = Client::new(
            gateway.dial().from(&format!("127.0.0.{}", n + 2)),
            n.is_multiple_of(2),
        );
        (0..WEBSOCKETS).for_each(|at| client.websocket(at * 100));
        for at in 0..REQUESTS {
            let (target, length, route) = MIX[at % MIX.len()];
            client.ask(target, &vec![b'x'; length], route);
        }
        (client.counts, client.dialled)
    };
    thread::scope(|scope| {
        let asking: Vec<_> = (0..CLIENTS).map(|n| scope.spawn(move || ask(n))).collect();
        let (mut all, mut dialled) = (Counts::default(), 0);
        for (counts, connections) in asking.into_iter().map(|asking| asking.join().unwrap()) {
            all.add(counts);
            dialled += connections;
        }
        (all, dialled)
    })
}

fn sum(lines: &[Value], key: &str) -> u64 {
    lines.iter().map(|line| line[key].as_u64().unwrap()).sum()
}

/// What the access log says, with the bytes as a client sees them.
fn of_log(lines: &[Value]) -> Counts {
    let mut counts = Counts {
        received: sum(lines, "out"),
        ..Counts::default()
    };
    for line in lines {
        let status = u16::try_from(line["status"].as_u64().unwrap()).unwrap();
        if line["kind"] == "tunnel" {
            assert_eq!((status, &line["route"]), (101, &"/app".into()), "{line}");
            counts.tunnels += 1;
        } else {
            let route = line["route"].as_str().unwrap_or("none").to_owned();
            *counts.requests.entry((route, status)).or_default() += 1;
        }
        // How much of a refused body was read is the gateway's own affair.
        if [101, 200, 204].contains(&status) {
            counts.sent += line["in"].as_u64().unwrap();
        }
    }
    counts
}

#[test]
fn ten_thousand_requests_are_counted_alike() {
    let folder = Folder::new("counted");
    let [down] = free_ports();
    let upstream = Upstream::raw(serve);
    let gateway = Gateway::start(&folder, "", &tables(&upstream.url(), down));
    let (clients, dialled) = ask_all(&gateway);

    let total = u64::from(CLIENTS) * REQUESTS as u64;
    let tunnels = u64::from(CLIENTS) * WEBSOCKETS as u64;
    assert_eq!(
        (clients.requests.values().sum::<u64>(), clients.tunnels),
        (total, tunnels)
    );
    for status in [200, 204, 302]
        .into_iter()
        .chain(REFUSALS.map(|(status, _)| status))
    {
        assert!(clients.of_status(status) > 100, "{status}: {clients:?}");
    }
    gateway.counts("ianitor_requests_total", &[], total);
    gateway.counts("ianitor_tunnels_ended_total", &[("end", "client")], tunnels);
    gateway.counts("ianitor_connections_open", &[], 0);
    until("every line is written", || {
        gateway.accesses().len() as u64 >= total + tunnels
    });
    let lines = gateway.has_logged(usize::try_from(total + tunnels).unwrap());
    assert_eq!(of_log(&lines), clients);

    let metrics = gateway.metrics();
    let counted =
        |name: &str, labels: &[(&str, &str)]| metrics.sum(&format!("ianitor_{name}"), labels);
    for ((route, class), count) in clients.by_class() {
        assert_eq!(
            counted("requests_total", &[("route", &route), ("status", &class)]),
            count,
            "{route} {class}"
        );
    }
    for route in ["none", "/app", "/closed", "/moved", "/down"] {
        let of_route = clients.requests.iter().filter(|((r, _), _)| r == route);
        assert_eq!(
            counted("request_duration_seconds_count", &[("route", route)]),
            of_route.map(|(_, count)| count).sum::<u64>(),
            "{route}"
        );
    }
    for (status, reason) in REFUSALS {
        let logged = lines.iter().filter(|line| line["reason"] == reason).count() as u64;
        let seen = [
            clients.of_status(status),
            logged,
            counted("refusals_total", &[("reason", reason)]),
        ];
        assert_eq!(seen, [seen[0]; 3], "{reason}");
    }
    assert_eq!(
        counted("refusals_total", &[]),
        REFUSALS
            .map(|(status, _)| clients.of_status(status))
            .iter()
            .sum::<u64>()
    );
    assert_eq!(counted("received_bytes_total", &[]), sum(&lines, "in"));
    assert_eq!(counted("sent_bytes_total", &[]), clients.received);
    assert_eq!(
        counted(
            "tls_handshakes_total",
            &[("version", "1.3"), ("outcome", "ok")]
        ),
        dialled
    );
    let silent = counted("tls_handshakes_total", &[("outcome", "silent")]);
    assert_eq!(
        counted("connections_accepted_total", &[("listener", "https")]),
        dialled + silent
    );
    assert_upstreams_and_tunnels_counted(&gateway, &clients, tunnels);
}

fn assert_upstreams_and_tunnels_counted(gateway: &Gateway, clients: &Counts, tunnels: u64) {
    let metrics = gateway.metrics();
    let counted =
        |name: &str, labels: &[(&str, &str)]| metrics.sum(&format!("ianitor_{name}"), labels);
    assert_eq!(
        counted("tunnels_opened_total", &[("route", "/app")]),
        tunnels
    );
    let answered = |class| {
        counted(
            "upstream_answers_total",
            &[("upstream", "app"), ("status", class)],
        )
    };
    assert_eq!(
        (answered("1xx"), answered("2xx")),
        (tunnels, clients.of_status(200) + clients.of_status(204))
    );
    let unreachable = counted(
        "upstream_failures_total",
        &[("upstream", "down"), ("reason", "unreachable")],
    );
    assert_eq!(unreachable, clients.of_status(502));
    gateway.counts("ianitor_upstream_server_up", &[("upstream", "down")], 0);
    gateway.counts("ianitor_upstream_server_up", &[("upstream", "app")], 1);
}
