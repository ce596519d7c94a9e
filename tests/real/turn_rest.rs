//! Credentials of the gateway: a real coturn relays with them, and a real Janus takes them.

use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Clients, Folder, Gateway, Process, free_ports, until};

const SECRET: &str = "the secret of coturn and the gateway";
const FORMER: &str = "the secret before that";
const API_KEY: &str = "a key of this Janus";

/// coturn on this port of loopback, which knows two secrets.
fn coturn(folder: &Folder, port: u16) -> Process {
    let [database, pid] =
        ["turn.db", "turn.pid"].map(|name| folder.join(name).display().to_string());
    let text = format!(
        "listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nlistening-port={port}\nmin-port=49152\n\
         max-port=65535\n\
         use-auth-secret\nstatic-auth-secret={FORMER}\nstatic-auth-secret={SECRET}\n\
         realm=localhost\n\
         allow-loopback-peers\nno-tls\nno-dtls\nno-cli\nlog-file=stdout\nverbose\n\
         userdb={database}\npidfile={pid}\n"
    );
    let file = folder.write("turnserver.conf", &text);
    let mut coturn = Process::start(folder, "coturn", "turnserver", |command| {
        command.arg("-c").arg(file);
    });
    coturn.wait_for(port);
    coturn
}

/// A gateway with credentials for that relay.
fn gateway(folder: &Folder, secrets: &str, uri: &str) -> Gateway {
    folder.write("secret", &format!("{SECRET}\n"));
    folder.write("former", &format!("{FORMER}\n"));
    folder.write("keys", &format!("# Janus\n{API_KEY}\n"));
    let tables = format!(
        "[policies.near]\nallow = [\"127.0.0.1\"]\n\
         [turn.coturn]\nsecret_file = {secrets}\nuris = [\"{uri}\", \"turn:[::1]\"]\n\
         api_keys_file = \"keys\"\n\
         [[routes]]\npath = \"/turn\"\nturn = \"coturn\"\npolicy = \"near\"\n"
    );
    Gateway::start(folder, "", &tables)
}

/// What a relay's own client says, and whether it was content.
fn uclient(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("timeout")
        .args(["60", "turnutils_uclient"])
        .args(arguments)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat();
    (output.status.success(), said)
}

#[track_caller]
fn relays(username: &str, password: &str, port: u16) {
    let port = port.to_string();
    let common = [
        "-y",
        "-n",
        "5",
        "-m",
        "1",
        "-u",
        username,
        "-w",
        password,
        "-p",
        &port,
        "127.0.0.1",
    ];
    let (is_content, said) = uclient(&common);
    assert!(
        is_content && said.contains("tot_send_msgs=20, tot_recv_msgs=20"),
        "{said}"
    );
}

#[test]
fn coturn_relays_with_a_credential_until_it_is_over() {
    let folder = Folder::new("turn-coturn");
    let [port] = free_ports();
    let coturn = coturn(&folder, port);
    let gateway = gateway(
        &folder,
        r#"["secret", "former"]"#,
        &format!("turn:127.0.0.1:{port}"),
    );
    let answer = gateway
        .clients()
        .curl(&["--ipv4", &gateway.url("/turn")])
        .json();
    let [username, password] = ["username", "password"].map(|name| answer[name].as_str().unwrap());
    relays(username, password, port);

    // The command prints a line that does the same.
    let said = turn_command(&folder, &["--user", "alice", "--ttl", "5m"]);
    let line = said
        .lines()
        .find(|line| line.starts_with("turnutils_uclient"))
        .unwrap();
    let output = Command::new("sh")
        .args(["-c", &format!("timeout 60 {line}")])
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && shown.contains("tot_recv_msgs=20"),
        "{line}\n{shown}"
    );
    assert!(line.contains(":alice'"), "{line}");

    let said = turn_command(&folder, &["--ttl", "1s"]);
    let word = |name: &str| {
        let line = said.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    };
    let [username, password] = ["username", "password"].map(word);
    thread::sleep(Duration::from_millis(2100));
    let port = port.to_string();
    let (_, said) = uclient(&[
        "-y",
        "-n",
        "5",
        "-m",
        "1",
        "-u",
        &username,
        "-w",
        &password,
        "-p",
        &port,
        "127.0.0.1",
    ]);
    assert!(said.contains("Cannot complete Allocation"), "{said}");
    drop(coturn);
}

fn turn_command(folder: &Folder, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    command
        .args(["turn", "coturn", "--config"])
        .arg(folder.join("gateway.toml"))
        .args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn janus_takes_credentials_and_gets_a_relayed_address_by_get() {
    janus_gets_a_relayed_address("GET");
}

#[test]
fn janus_takes_credentials_and_gets_a_relayed_address_by_post() {
    janus_gets_a_relayed_address("POST");
}

fn janus_gets_a_relayed_address(method: &str) {
    let folder = Folder::new(&format!("turn-janus-{method}"));
    let [port, rest, websocket, admin_rest, admin_websocket] = free_ports();
    let coturn = coturn(&folder, port);
    // By name: Janus resolves it too, and by TCP, over which it asks at once.
    let gateway = gateway(
        &folder,
        "\"secret\"",
        &format!("turn:localhost:{port}?transport=tcp"),
    );
    let ports = [rest, websocket, admin_rest, admin_websocket];
    let janus = Process::janus_with(&folder, ports, |command| {
        command.envs([
            ("JANUS_TURN_REST_API", gateway.url("/turn").as_str()),
            ("JANUS_TURN_REST_API_KEY", API_KEY),
            ("JANUS_TURN_REST_API_METHOD", method),
            ("JANUS_CA_FILE", gateway.ca.to_str().unwrap()),
            ("JANUS_DEBUG_LEVEL", "5"),
        ]);
    });
    let answer = offer(gateway.clients(), &format!("http://127.0.0.1:{rest}/janus"));
    until("Janus has the credentials", || {
        janus
            .said()
            .contains("Got credentials from the TURN REST API backend")
    });
    assert!(
        janus
            .said()
            .contains(&format!("turn:localhost:{port}?transport=tcp")),
        "{}",
        janus.said()
    );
    assert!(!janus.said().contains("[::1]"), "{}", janus.said());
    assert!(answer.contains("typ relay"), "{answer}");
    until("the line in the access log", || {
        gateway.accesses().iter().any(|line| {
            line["route"] == "/turn" && line["status"] == 200 && line["method"] == method
        })
    });
    assert!(
        !gateway.process.said().contains("a%20key"),
        "{}",
        gateway.process.said()
    );
    drop((janus, coturn));
}

/// Makes a call to the echo test; what Janus answers.
fn offer(clients: Clients<'_>, url: &str) -> String {
    let ask = |url: &str, body: Value| {
        let answer = clients.curl(&["--data-binary", &body.to_string(), url]);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let session =
        ask(url, json!({ "janus": "create", "transaction": "1" }))["data"]["id"].to_string();
    let url = format!("{url}/{session}");
    let attach =
        json!({ "janus": "attach", "plugin": "janus.plugin.echotest", "transaction": "2" });
    let handle = ask(&url, attach)["data"]["id"].to_string();
    let jsep = json!({ "type": "offer", "sdp": SDP });
    let call =
        json!({ "janus": "message", "transaction": "3", "body": { "audio": true }, "jsep": jsep });
    ask(&format!("{url}/{handle}"), call);
    clients.curl(&["--max-time", "40", &url]).body
}

/// An offer of one audio stream, as browsers make it.
const SDP: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=ice-options:trickle\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:\
    00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    a=setup:actpass\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n";
