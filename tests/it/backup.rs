//! Backup servers get requests only while no other server is up.

use std::net::{SocketAddr, TcpListener};

use crate::harness::websocket::{Frame, echo, handshake, is_alive};
use crate::harness::{Config, TestGateway, Upstream, eventually};

/// An address that is kept, where nothing listens until [`Absent::listens`].
struct Absent(socket2::Socket);

impl Absent {
    fn new() -> Self {
        let stream = socket2::Type::STREAM;
        let socket = socket2::Socket::new(socket2::Domain::IPV4, stream, None).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        socket.bind(&any.into()).unwrap();
        Self(socket)
    }

    fn url(&self) -> String {
        let addr = self.0.local_addr().unwrap().as_socket().unwrap();
        format!("http://{addr}")
    }

    /// Says `ok` to everything from now on.
    fn listens(self) -> Upstream {
        self.0.listen(64).unwrap();
        Upstream::listening(TcpListener::from(self.0), |conn| {
            while conn.request()?.is_some() {
                conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            }
            Ok(())
        })
    }
}

fn config(servers: &[&str], backup: &[&str], lines: &str) -> Config {
    let table = format!("[upstreams.app]\nservers = {servers:?}\nbackup = {backup:?}\n{lines}");
    Config::new()
        .listen("https = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"\nworkers = 1")
        .table(&table)
        .route("/", "app")
}

#[test]
fn a_backup_gets_nothing_while_another_server_is_up() {
    let (server, backup) = (Upstream::ok(), Upstream::ok());
    let gateway = TestGateway::start(&config(&[&server.url()], &[&backup.url()], ""));
    for _ in 0..10 {
        assert_eq!(gateway.client().get("/").status(), 200);
    }
    assert_eq!(backup.accepted(), 0);
    let (_, page) = gateway.status("/");
    assert!(
        page.contains(&format!(
            "{}</code> <span class=\"soft\">backup",
            backup.addr
        )),
        "{page}"
    );
}

#[test]
fn no_request_fails_when_all_others_have_just_gone_down() {
    let (one, other, backup) = (Absent::new(), Absent::new(), Upstream::ok());
    let servers = [&*one.url(), &other.url()];
    let gateway = TestGateway::start(&config(&servers, &[&backup.url()], ""));
    for _ in 0..3 {
        assert_eq!(gateway.client().post("/", b"once").status(), 200);
    }
    assert_eq!(backup.requests().len(), 3);
}

#[test]
fn requests_return_to_a_server_that_is_up_again_and_websockets_stay_at_the_backup() {
    for balance in ["client", "round_robin", "least"] {
        let (server, backup) = (Absent::new(), echo());
        let lines = format!("balance = \"{balance}\"");
        let gateway = TestGateway::start(&config(&[&server.url()], &[&backup.url()], &lines));
        let mut socket = gateway.client();
        socket.send(handshake("/ws", ""));
        assert_eq!(socket.head().status(), 101, "{balance}");
        is_alive(&mut socket);
        let server = server.listens();
        // Clients differ, since `client` sends back an eighth of them at first.
        let mut from = (2..=250).cycle();
        eventually("the server gets requests again", || {
            let source = format!("127.0.0.{}", from.next().unwrap());
            let mut client = gateway.dial().from(&source).h1();
            client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
            client.head();
            !server.requests().is_empty()
        });
        is_alive(&mut socket);
    }
}

#[test]
fn a_reload_that_makes_a_server_a_backup_closes_no_websocket() {
    let (one, other) = (echo(), Upstream::ok());
    let mut gateway = TestGateway::start(&config(&[&one.url()], &[&other.url()], ""));
    let mut socket = gateway.client();
    socket.send(handshake("/ws", ""));
    assert_eq!(socket.head().status(), 101);
    gateway.reload(&config(&[&other.url()], &[&one.url()], ""));
    assert_eq!(gateway.client().get("/").text(), "ok");
    is_alive(&mut socket);
    let without = format!("[upstreams.app]\nservers = [\"{}\"]", other.url());
    gateway.reload(&Config::new().table(&without).route("/", "app"));
    assert_eq!(
        socket.wire.frame().unwrap(),
        Frame::server_close(1008, "target changed")
    );
}
