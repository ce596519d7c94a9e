//! Prosody, which Jitsi Meet signals by: BOSH and WebSockets.

use std::path::Path;

use crate::support::{Answer, Folder, Gateway, Process, Step, free_ports, side_by_side};

#[test]
fn real_clients_reach_a_real_prosody() {
    let folder = Folder::new("prosody");
    let [port] = free_ports();
    let prosody = Process::prosody(&folder, port);
    let gateway = Gateway::start(&folder, "", &tables(port));

    let steps: [Step<Gateway>; 7] = [
        ("strophe.js by BOSH and by WebSocket in Chromium", strophe),
        ("@xmpp/client by WebSocket", xmpp_client),
        ("idle poll over HTTP/1.1", |gateway| {
            idle_poll(gateway, "--http1.1")
        }),
        ("idle poll over HTTP/2", |gateway| {
            idle_poll(gateway, "--http2")
        }),
        ("GET of /http-bind", |gateway| get(gateway, "/http-bind")),
        ("GET of /xmpp-websocket", |gateway| {
            get(gateway, "/xmpp-websocket?room=r&token=t")
        }),
        ("handshake without subprotocol", no_subprotocol),
    ];
    let failed = side_by_side(&gateway, &steps);
    let said = [gateway.process.said(), prosody.said()].concat();
    assert!(
        failed.is_empty(),
        "failed: {failed:?}; what the servers said:\n{said}"
    );
}

fn tables(port: u16) -> String {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real");
    let real = real.display();
    format!(
        r#"
[upstreams.prosody]
servers = ["http://127.0.0.1:{port}"]
[[routes]]
path = "/http-bind"
upstream = "prosody"
policy = "open"
[[routes]]
path = "/xmpp-websocket"
upstream = "prosody"
policy = "open"
[[routes]]
path = "/strophe.html"
files = "{real}/strophe.html"
policy = "open"
[[routes]]
path = "/strophe.js"
files = "{real}/node_modules/strophe.js/dist/strophe.esm.js"
policy = "open"
"#
    )
}

fn strophe(gateway: &Gateway) {
    let clients = gateway.clients();
    clients.node(&[
        "strophe.js",
        &gateway.url("/strophe.html"),
        clients.ca.to_str().unwrap(),
    ]);
}

fn xmpp_client(gateway: &Gateway) {
    gateway
        .clients()
        .node(&["xmpp.js", &gateway.websocket_url("/xmpp-websocket")]);
}

/// Prosody keeps a poll for the 60 s that clients ask for, and answers it with nothing.
fn idle_poll(gateway: &Gateway, option: &str) {
    let opening = "to='localhost' wait='60' hold='1' ver='1.6' xmpp:version='1.0' \
                   xmlns:xmpp='urn:xmpp:xbosh'";
    let opened = bosh(gateway, option, &format!("rid='1000' {opening}"));
    let sid = attribute(&opened.body, "sid");
    assert_eq!(attribute(&opened.body, "wait"), "60", "{opened:?}");

    let polled = bosh(gateway, option, &format!("rid='1001' sid='{sid}'"));
    assert!(
        polled.body.starts_with("<body ") && polled.body.ends_with("></body>"),
        "{polled:?}"
    );
    assert_eq!(polled.body.matches('<').count(), 2, "{polled:?}");
    // Neither an error nor the end of the session, which goes on.
    assert!(!polled.body.contains("type="), "{polled:?}");
    let ended = bosh(
        gateway,
        option,
        &format!("rid='1002' sid='{sid}' type='terminate'"),
    );
    assert!(
        ended.body.contains("type='terminate'") && !ended.body.contains("condition="),
        "{ended:?}"
    );
}

fn bosh(gateway: &Gateway, option: &str, attributes: &str) -> Answer {
    let body = format!("<body {attributes} xmlns='http://jabber.org/protocol/httpbind'/>");
    let header = "Content-Type: text/xml; charset=utf-8";
    let url = gateway.url("/http-bind");
    let answer =
        gateway
            .clients()
            .curl(&[option, "--header", header, "--data-binary", &body, &url]);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let (_, value) = element.split_once(&format!(" {name}='")).unwrap();
    value.split_once('\'').unwrap().0
}

/// lib-jitsi-meet asks for both with GET, to keep them alive.
fn get(gateway: &Gateway, path: &str) {
    let answer = gateway.clients().curl(&[&gateway.url(path)]);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.contains("<html"), "{answer:?}");
}

fn no_subprotocol(gateway: &Gateway) {
    let answer = gateway
        .clients()
        .refused_handshake(&gateway.url("/xmpp-websocket"), &[]);
    assert_eq!(answer.status, 501, "{answer:?}");
}
