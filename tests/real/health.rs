//! Probes of a real Janus, of Prosody, and of what stands in for a Kurento.

use std::net::{Ipv4Addr, TcpStream};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::wire::h1::Client;
use crate::support::{Folder, Gateway, Process, free_ports};

const ADMIN_SECRET: &str = "the admin secret of this test";

const QUICK: &str = "health = { every = \"1s\", down_after = 2, up_after = 1 }";

/// An upstream with these lines, and a route to it at a host of its own.
fn upstream(name: &str, port: u16, protocol: &str, path: &str, lines: &str) -> String {
    format!(
        "[upstreams.{name}]\nservers = [\"http://127.0.0.1:{port}\"]\nprotocol = \"{protocol}\"\n\
         {QUICK}\n{lines}\n[[routes]]\npath = \"{path}\"\nupstream = \"{name}\"\n\
         policy = \"local\"\n"
    )
}

#[track_caller]
fn is(gateway: &Gateway, upstream: &str, state: &str) {
    let labels = [("upstream", upstream), ("state", state)];
    gateway.counts("ianitor_upstream_server_health", &labels, 1);
}

fn post(port: u16, path: &str, message: &Value) -> Value {
    let mut client = Client::new(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap());
    let answer = client.post(path, message.to_string().as_bytes());
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn a_janus_that_drains_is_full_and_one_that_is_killed_is_down_until_it_is_back() {
    let folder = Folder::new("health-janus");
    let ports: [u16; 4] = free_ports();
    let [rest, websocket, admin_rest, admin_websocket] = ports;
    let mut janus = Process::janus(&folder, ports, ADMIN_SECRET);
    let tables = [
        "[policies.local]\nallow = [\"127.0.0.0/8\"]\n".to_owned(),
        upstream("rest", rest, "janus", "/janus", ""),
        upstream("socket", websocket, "janus", "/janus-ws", ""),
        upstream("admin", admin_rest, "janus-admin", "/admin", ""),
        upstream("admin-ws", admin_websocket, "janus-admin", "/admin-ws", ""),
    ];
    let gateway = Gateway::start(&folder, "", &tables.concat());
    let all = ["rest", "socket", "admin", "admin-ws"];
    for name in all {
        is(&gateway, name, "up");
    }
    for words in [
        ", REST API at /janus, accepts sessions",
        ", WebSocket API, accepts sessions",
        "Janus, ADMIN REST API at /admin",
        "Janus, ADMIN WebSocket API",
    ] {
        assert_eq!(gateway.lines(words).len(), 1, "{words}");
    }

    let mut client = gateway.dial().h1();
    let create = json!({ "janus": "create", "transaction": "t" });
    let mut ask = |path: &str, message: &Value| -> Value {
        let answer = client.post(path, message.to_string().as_bytes());
        serde_json::from_slice(&answer.body).unwrap()
    };
    let session = ask("/janus", &create)["data"]["id"].as_u64().unwrap();
    let accept = |accept: bool| {
        let message = json!({
            "janus": "accept_new_sessions", "accept": accept, "transaction": "t",
            "admin_secret": ADMIN_SECRET,
        });
        assert_eq!(post(admin_rest, "/admin", &message)["janus"], "success");
    };
    accept(false);
    is(&gateway, "rest", "full");
    is(&gateway, "socket", "full");
    assert_eq!(ask("/janus", &create)["error"]["code"], 472);
    let keepalive = json!({ "janus": "keepalive", "transaction": "t" });
    let kept = ask(&format!("/janus/{session}"), &keepalive);
    assert_eq!(kept["janus"], "ack", "a session goes on");
    accept(true);
    is(&gateway, "rest", "up");
    is(&gateway, "socket", "up");

    janus.signal(Signal::KILL);
    janus.end();
    for name in all {
        is(&gateway, name, "down");
    }
    assert_eq!(
        gateway.asks("/readyz").0,
        200,
        "a dead upstream is not the gateway's fault"
    );
    let _janus = Process::janus(&folder, ports, ADMIN_SECRET);
    for name in all {
        is(&gateway, name, "up");
    }
    let said = |words: &str| gateway.lines(words).len();
    assert_eq!(
        (said("a server is down"), said("a server is up again")),
        (4, 4)
    );
}

#[test]
fn prosody_and_kurento_are_asked_as_their_clients_ask_them() {
    let folder = Folder::new("health-others");
    let [xmpp, kms] = free_ports();
    let _prosody = Process::prosody(&folder, xmpp);
    let _kurento = Process::kurento(&folder, "kurento", kms);
    let at_host = |name: &str, path: &str, lines: &str| {
        let table = upstream(name, xmpp, "jitsi", path, lines);
        table.replace("[[routes]]", &format!("[[routes]]\nhost = \"{name}.test\""))
    };
    let tables = [
        "[policies.local]\nallow = [\"127.0.0.0/8\"]\n".to_owned(),
        at_host("stream", "/xmpp-websocket", "domain = \"localhost\""),
        at_host("guessed", "/", ""),
        at_host("bosh", "/http-bind", ""),
        at_host("foreign", "/xmpp-websocket", "domain = \"other.example\""),
        upstream("kurento", kms, "kurento", "/kurento", ""),
        upstream("wrong", kms, "janus", "/janus", ""),
    ];
    let gateway = Gateway::start(&folder, "", &tables.concat());
    for (name, state, words) in [
        (
            "stream",
            "up",
            "a server of XMPP, WebSocket at /xmpp-websocket",
        ),
        (
            "guessed",
            "up",
            "a server of XMPP, WebSocket at /xmpp-websocket",
        ),
        ("bosh", "up", "a server of XMPP, BOSH at /http-bind"),
        ("foreign", "down", "does not serve the domain other.example"),
        ("kurento", "up", "Kurento, control port at /kurento"),
        ("wrong", "down", "no answer of the Janus API"),
    ] {
        is(&gateway, name, state);
        let lines = gateway.lines(&format!("\"upstream\":\"{name}\""));
        assert!(
            lines.iter().any(|line| line.contains(words)),
            "{name}: {lines:#?}"
        );
    }
}
