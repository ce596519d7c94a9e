//! A request that finds its server with all its connections waits for one, if `queue` says so.

use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex};

use crate::harness::websocket::{handshake, switching};
use crate::harness::{Config, TestGateway, Then, Upstream, eventually};

/// Holds back answers until it is opened.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn wait(&self) {
        let open = self.0.lock().unwrap();
        drop(self.1.wait_while(open, |open| !*open).unwrap());
    }
}

/// A server that answers what is below `/slow` once the gate is open, takes WebSockets, and says
/// `ok` to the rest.
fn gated(gate: &Arc<Gate>) -> Upstream {
    let gate = Arc::clone(gate);
    Upstream::http(move |request, conn| match request.head.target() {
        "/ws" => conn
            .send(switching(""))
            .and_then(|()| conn.wait_for_end())
            .map(|()| Then::Close),
        target => {
            if target.starts_with("/slow") {
                gate.wait();
            }
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .map(|()| Then::Keep)
        }
    })
}

/// Two workers and one connection to the server.
fn gateway(upstream: &Upstream, queue: &str) -> TestGateway {
    let table = format!(
        "[upstreams.app]\nservers = [\"{}\"]\nmax_connections = 1\nqueue = \"{queue}\"",
        upstream.url()
    );
    let listen = "https = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"\nworkers = 2";
    TestGateway::start(&Config::new().listen(listen).table(&table).route("/", "app"))
}

fn queued(gateway: &TestGateway, outcome: &str) -> u64 {
    let (_, metrics) = gateway.status("/metrics");
    let series =
        format!("ianitor_upstream_queued_total{{upstream=\"app\",outcome=\"{outcome}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// The status of a request, in another thread.
fn ask(gateway: &TestGateway, request: String, answers: &mpsc::Sender<u16>) {
    let (mut client, answers) = (gateway.client(), answers.clone());
    std::thread::spawn(move || {
        client.send(request);
        let status = client.head().status();
        answers.send(status).unwrap();
        // A WebSocket stays open until the test has seen it.
        if status == 101 {
            client.is_closed();
        }
    });
}

#[test]
fn a_request_waits_until_a_connection_is_free_and_no_more_wait_than_there_are_connections() {
    let gate = Arc::default();
    let upstream = gated(&gate);
    let gateway = gateway(&upstream, "60s");
    let mut held = gateway.client();
    held.send(get("/slow"));
    eventually("the server has it", || !upstream.heads().is_empty());
    let (send, answers) = mpsc::channel();
    ask(&gateway, get("/"), &send);
    ask(&gateway, get("/"), &send);
    // There is one place in the queue. The other one is refused at once.
    assert_eq!(answers.recv().unwrap(), 503);
    assert_eq!(queued(&gateway, "refused"), 1);
    assert_eq!(upstream.heads().len(), 1);
    gate.open();
    assert_eq!(answers.recv().unwrap(), 200);
    assert_eq!(held.answer().status(), 200);
    assert_eq!(queued(&gateway, "served"), 1);
    assert_eq!(queued(&gateway, "late") + queued(&gateway, "left"), 0);
}

#[test]
fn the_handshake_of_a_websocket_waits_too() {
    let upstream = gated(&Arc::default());
    let gateway = gateway(&upstream, "60s");
    let mut open = gateway.client();
    open.send(handshake("/ws", ""));
    assert_eq!(open.head().status(), 101);
    let (send, answers) = mpsc::channel();
    ask(&gateway, handshake("/ws", ""), &send);
    ask(&gateway, handshake("/ws", ""), &send);
    assert_eq!(answers.recv().unwrap(), 503);
    drop(open);
    assert_eq!(answers.recv().unwrap(), 101);
    assert_eq!(queued(&gateway, "served"), 1);
}

#[test]
fn who_waits_for_longer_than_the_queue_allows_gets_503() {
    let gate = Arc::default();
    let upstream = gated(&gate);
    let gateway = gateway(&upstream, "100ms");
    let mut held = gateway.client();
    held.send(get("/slow"));
    eventually("the server has it", || !upstream.heads().is_empty());
    let answer = gateway.client().get("/");
    assert_eq!(
        (answer.status(), answer.head.get("retry-after")),
        (503, Some("1"))
    );
    assert_eq!(queued(&gateway, "late"), 1);
    eventually("it has its line", || {
        let lines = gateway.access.now();
        lines
            .iter()
            .any(|line| line.contains("reason=upstream_full"))
    });
    gate.open();
    assert_eq!(held.answer().status(), 200);
}

#[test]
fn a_client_that_leaves_gives_up_its_place() {
    let gate = Arc::default();
    let upstream = gated(&gate);
    let gateway = gateway(&upstream, "60s");
    let mut held = gateway.client();
    held.send(get("/slow"));
    eventually("the server has it", || !upstream.heads().is_empty());
    eventually("one has waited and left", || {
        gateway.client().send(get("/"));
        queued(&gateway, "left") > 0
    });
    gateway_has_room(&gateway, &gate, held);
    assert_eq!(upstream.heads().len(), 2, "what has left was not sent");
}

/// The next request is answered.
fn gateway_has_room(gateway: &TestGateway, gate: &Gate, mut held: crate::harness::Client) {
    let (send, answers) = mpsc::channel();
    eventually("the others have left", || {
        gateway.running().connections() == 1
    });
    ask(gateway, get("/"), &send);
    gate.open();
    assert_eq!(answers.recv().unwrap(), 200);
    assert_eq!(held.answer().status(), 200);
}
