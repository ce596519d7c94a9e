//! Several servers behind one upstream, a server in the file system, and servers that speak TLS.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::openssl::Ca;
use crate::support::wire::Dial;
use crate::support::wire::h1::Client;
use crate::support::wire::load::StopOnDrop;
use crate::support::{Folder, Gateway, Process, free_ports, until};

/// Two Janus behind one gateway; either may be away.
struct Pair {
    folders: [Folder; 2],
    ports: [[u16; 4]; 2],
    janus: [Option<Process>; 2],
    gateway: Gateway,
}

impl Pair {
    fn start(name: &str) -> Self {
        let folders = [1, 2].map(|n| Folder::new(&format!("{name}-{n}")));
        let ports = [free_ports(), free_ports()];
        let janus = [0, 1].map(|at| Some(Process::janus(&folders[at], ports[at], "secret")));
        let tables = format!(
            "[upstreams.janus]\nservers = [\"http://127.0.0.1:{}\", \"http://127.0.0.1:{}\"]\n\
             protocol = \"janus\"\n\
             balance = \"client\"\n[[routes]]\npath = \"/janus\"\nupstream = \"janus\"\n\
             policy = \"open\"\n",
            ports[0][0], ports[1][0]
        );
        let gateway = Gateway::start(&folders[0], "", &tables);
        Self {
            folders,
            ports,
            janus,
            gateway,
        }
    }

    fn kill(&mut self, at: usize) {
        let mut janus = self.janus[at].take().unwrap();
        janus.signal(Signal::KILL);
        janus.end();
    }

    fn start_again(&mut self, at: usize) {
        self.janus[at] = Some(Process::janus(&self.folders[at], self.ports[at], "secret"));
    }

    /// Which Janus has a session.
    fn home(&self, session: u64) -> usize {
        let alive = [0, 1].into_iter().filter(|at| self.janus[*at].is_some());
        let homes: Vec<_> = alive
            .filter(|at| is_ack(&keep_alive_at(self.ports[*at][0], session)))
            .collect();
        assert_eq!(homes.len(), 1, "session {session} is at {homes:?}");
        homes[0]
    }

    /// A new session of a client, by a connection of its own.
    fn create(&self, source: &str) -> u64 {
        let (status, answer) = post(
            &mut self.gateway.dial().from(source).h1(),
            "/janus",
            &create(),
        );
        assert_eq!(status, 200, "{source}: {answer}");
        answer["data"]["id"].as_u64().unwrap()
    }
}

fn create() -> Value {
    json!({ "janus": "create", "transaction": "t" })
}

fn keep_alive() -> Value {
    json!({ "janus": "keepalive", "transaction": "t" })
}

fn is_ack(answer: &Value) -> bool {
    answer["janus"] == "ack"
}

fn post<S: std::io::Read + std::io::Write>(
    client: &mut Client<S>,
    path: &str,
    message: &Value,
) -> (u16, Value) {
    let answer = client.post(path, message.to_string().as_bytes());
    (
        answer.status(),
        serde_json::from_slice(&answer.body).unwrap_or_default(),
    )
}

/// Asks a Janus without the gateway.
fn keep_alive_at(port: u16, session: u64) -> Value {
    let mut client = Client::new(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap());
    post(&mut client, &format!("/janus/{session}"), &keep_alive()).1
}

#[test]
fn clients_keep_their_janus_and_move_only_while_it_is_away() {
    let mut pair = Pair::start("two-janus");
    let clients: Vec<String> = (2..34).map(|n| format!("127.0.0.{n}")).collect();
    let sessions: BTreeMap<&str, u64> = clients
        .iter()
        .map(|client| (client.as_str(), pair.create(client)))
        .collect();
    let homes: BTreeMap<&str, usize> = sessions
        .iter()
        .map(|(client, session)| (*client, pair.home(*session)))
        .collect();
    for at in [0, 1] {
        assert!(
            homes.values().any(|home| *home == at),
            "nobody is at {at}: {homes:?}"
        );
    }
    for (client, session) in &sessions {
        for _ in 0..3 {
            let mut connection = pair.gateway.dial().from(client).h1();
            let (status, answer) =
                post(&mut connection, &format!("/janus/{session}"), &keep_alive());
            assert!(
                status == 200 && is_ack(&answer),
                "{client} left its Janus: {answer}"
            );
        }
    }

    pair.kill(0);
    for (client, session) in &sessions {
        assert_eq!(pair.home(pair.create(client)), 1, "{client}");
        let mut connection = pair.gateway.dial().from(client).h1();
        let (status, answer) = post(&mut connection, &format!("/janus/{session}"), &keep_alive());
        assert_eq!(
            (status, is_ack(&answer)),
            (200, homes[client] == 1),
            "{client}: {answer}"
        );
    }
    pair.gateway
        .counts("ianitor_upstream_server_up", &[("upstream", "janus")], 1);

    pair.start_again(0);
    let (moved, _) = homes.iter().find(|(_, home)| **home == 0).unwrap();
    until("clients are back at their Janus", || {
        pair.home(pair.create(moved)) == 0
    });
    pair.gateway
        .counts("ianitor_upstream_server_up", &[("upstream", "janus")], 2);
    let refused = pair.gateway.metrics().sum("ianitor_refusals_total", &[]);
    assert_eq!(
        refused,
        0,
        "requests were lost that had not been sent: {:?}",
        pair.gateway.lines("reason")
    );
}

#[test]
fn a_janus_that_dies_under_load_takes_along_only_what_it_was_sent() {
    let mut pair = Pair::start("dying-janus");
    let (is_over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let ask_on = &|dial: Dial| {
        let (mut client, mut ends) = (dial.h1(), Vec::new());
        while !is_over.load(Ordering::SeqCst) {
            let answer = client.try_post("/janus", create().to_string().as_bytes());
            if !answer
                .as_ref()
                .is_ok_and(|answer| answer.head.get("connection").is_none())
            {
                client = dial.h1();
            }
            ends.push(answer.map(|answer| answer.status()).ok());
            asked.fetch_add(1, Ordering::SeqCst);
        }
        ends
    };
    let ends: Vec<Option<u16>> = thread::scope(|scope| {
        let dials = (2..10).map(|n| pair.gateway.dial().from(&format!("127.0.0.{n}")));
        let asking: Vec<_> = dials
            .map(|dial| scope.spawn(move || ask_on(dial)))
            .collect();
        let stop = StopOnDrop(&is_over);
        until("the load is there", || asked.load(Ordering::SeqCst) > 200);
        pair.kill(0);
        until("it goes on", || asked.load(Ordering::SeqCst) > 600);
        drop(stop);
        asking
            .into_iter()
            .flat_map(|asking| asking.join().unwrap())
            .collect()
    });

    let lines = pair.gateway.has_logged(ends.len());
    let lost: Vec<_> = lines
        .iter()
        .filter(|line| line["status"] != 200 || line["end"] != "done")
        .collect();
    // While the kernel takes the process apart, its port may still take connections that nobody
    // will read.
    assert!(lost.len() < 100, "{lost:#?}");
    for line in &lost {
        let (status, end, reason) = (&line["status"], &line["end"], &line["reason"]);
        assert!(
            (status == 502 && reason == "upstream_broken") || (status == 200 && end == "upstream"),
            "{line}"
        );
    }
    let count = |status: u16| lost.iter().filter(|line| line["status"] == status).count();
    assert_eq!(
        ends.iter().filter(|end| **end == Some(502)).count(),
        count(502)
    );
    assert_eq!(
        ends.iter().filter(|end| end.is_none()).count(),
        count(200),
        "answers that were cut"
    );
    assert_eq!(
        ends.iter().filter(|end| **end == Some(200)).count(),
        ends.len() - lost.len()
    );
}

#[test]
fn the_websockets_of_janus_may_be_in_the_file_system() {
    let folder = Folder::new("janus-unix");
    let socket = folder.join("ws.sock");
    let [rest, websocket, admin, admin_websocket] = free_ports();
    let ports = [rest, websocket, admin, admin_websocket];
    let _janus = Process::janus_with(&folder, ports, |_| {});
    // With `ws_unix`, Janus 1.1.2 removes a file of the system when it ends: here nginx has the
    // socket.
    let forwards = format!(
        "proxy_pass http://127.0.0.1:{websocket}; proxy_http_version 1.1; proxy_set_header Upgrade \
         $http_upgrade; proxy_set_header Connection upgrade;"
    );
    let site = format!(
        "http {{\n    server {{ listen unix:{}; location / {{ {forwards} }} }}\n}}\n",
        socket.display()
    );
    let _nginx = Process::nginx(&folder, "nginx", &site);
    until("nginx has the socket", || socket.exists());
    let tables = format!(
        "[upstreams.janus-ws]\nservers = [\"unix:{}\"]\nprotocol = \"janus\"\n\
         [[routes]]\npath = \"/janus-ws\"\nupstream = \"janus-ws\"\npolicy = \"open\"\n",
        socket.display()
    );
    let gateway = Gateway::start(&folder, "", &tables);
    gateway
        .clients()
        .node(&["janode.js", &gateway.websocket_url("/janus-ws")]);
    for line in gateway.has_logged(2) {
        assert_eq!(
            (&line["kind"], &line["status"]),
            (&"tunnel".into(), &101.into()),
            "{line}"
        );
    }
}

#[test]
fn a_server_behind_tls_is_verified() {
    let folder = Folder::new("https-upstream");
    let [port] = free_ports();
    let (ca, other) = (
        Ca::new(&folder, "internal-ca"),
        Ca::new(&folder, "another-ca"),
    );
    let pair = ca.issue(&folder, "server", "media.internal", 30);
    let (cert, key) = (pair.cert.display(), pair.key.display());
    let site = format!(
        "http {{\n    server {{\n        listen 127.0.0.1:{port} ssl;\n        ssl_certificate \
         {cert};\n        \
         ssl_certificate_key {key};\n        location / {{ return 200 \"$ssl_server_name \
         $request_uri\"; }}\n    }}\n}}\n"
    );
    let mut nginx = Process::nginx(&folder, "nginx", &site);
    nginx.wait_for(port);
    let upstream = |name: &str, ca: &Ca, server_name: &str| {
        format!(
            "[upstreams.{name}]\nservers = [\"https://127.0.0.1:{port}\"]\nca_file = \"{}\"\n\
             server_name = \"{server_name}\"\n[[routes]]\npath = \"/{name}\"\n\
             upstream = \"{name}\"\npolicy = \"open\"\n",
            ca.cert.display()
        )
    };
    let tables = [
        upstream("right", &ca, "media.internal"),
        upstream("wrong-name", &ca, "other.internal"),
        upstream("wrong-ca", &other, "media.internal"),
    ];
    let gateway = Gateway::start(&folder, "", &tables.concat());

    let answer = gateway.clients().curl(&[&gateway.url("/right/x?y=1")]);
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "media.internal /right/x?y=1")
    );
    for (name, says) in [
        (
            "wrong-name",
            "it is for media.internal, not for other.internal",
        ),
        ("wrong-ca", "no CA there has signed it"),
    ] {
        let answer = gateway.clients().curl(&[&gateway.url(&format!("/{name}"))]);
        assert_eq!(answer.status, 502, "{name}");
        let upstream = format!("\"upstream\":\"{name}\"");
        until("the log has it", || {
            gateway
                .lines(&upstream)
                .iter()
                .any(|line| line.contains("\"WARN\""))
        });
        let lines = gateway.lines(&upstream);
        let line = lines.iter().find(|line| line.contains("\"WARN\"")).unwrap();
        assert!(
            line.contains(says) && line.contains("ca_file and server_name"),
            "{line}"
        );
    }
}
