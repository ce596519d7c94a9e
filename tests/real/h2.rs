//! WebSockets on streams of HTTP/2 (RFC 8441), as Chromium opens them.

use std::path::Path;

use serde_json::Value;

use crate::support::{Folder, Gateway, Process, free_ports, until};

#[test]
fn chromium_opens_websockets_on_its_http2_connection() {
    let seen = websockets_of_a_page("h2", "");
    for line in &seen.websockets {
        assert!(
            line["method"] == "CONNECT" && line["http"] == "HTTP/2.0",
            "{line}"
        );
    }
    // The page's own one, and those of who looked whether the gateway is there and what its key is.
    assert!(seen.connections < 10, "{} connections", seen.connections);
}

#[test]
fn chromium_opens_websockets_by_http1_where_http2_has_none() {
    let seen = websockets_of_a_page("h1", "h2_websockets = false");
    for line in &seen.websockets {
        assert!(
            line["method"] == "GET" && line["http"] == "HTTP/1.1",
            "{line}"
        );
    }
    assert!(
        seen.connections > WEBSOCKETS,
        "{} connections",
        seen.connections
    );
}

/// How many the page opens.
const WEBSOCKETS: u64 = 21;

/// What the gateway saw of a page.
struct Seen {
    /// The lines of its WebSockets.
    websockets: Vec<Value>,
    /// How many connections there were.
    connections: u64,
}

/// Lets a page that came by HTTP/2 open its WebSockets; `listen` is a line of that table.
fn websockets_of_a_page(name: &str, listen: &str) -> Seen {
    let folder = Folder::new(name);
    let [rest, websocket, admin_rest, admin_websocket] = free_ports();
    let _janus = Process::janus(
        &folder,
        [rest, websocket, admin_rest, admin_websocket],
        "unused",
    );
    let gateway = Gateway::start(&folder, listen, &tables(websocket));

    let clients = gateway.clients();
    clients.node(&[
        "h2.js",
        &gateway.url("/h2.html"),
        clients.ca.to_str().unwrap(),
    ]);

    let lines = |kind: &str| {
        gateway
            .accesses()
            .into_iter()
            .filter(|line| line["kind"] == kind)
            .collect::<Vec<_>>()
    };
    let page = lines("request")
        .into_iter()
        .find(|line| line["path"] == "/h2.html")
        .unwrap();
    assert!(
        page["http"] == "HTTP/2.0" && page["status"] == 200,
        "{page}"
    );
    until("every WebSocket has its line", || {
        lines("tunnel").len() as u64 == WEBSOCKETS
    });
    let connections = gateway.metrics().sum(
        "ianitor_connections_accepted_total",
        &[("listener", "https")],
    );
    Seen {
        websockets: lines("tunnel"),
        connections,
    }
}

fn tables(websocket: u16) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/h2.html");
    let page = page.display();
    format!(
        r#"
[upstreams]
janus = {{ servers = ["http://127.0.0.1:{websocket}"], protocol = "janus" }}
[[routes]]
path = "/janus-ws"
upstream = "janus"
policy = "open"
[[routes]]
path = "/h2.html"
files = "{page}"
policy = "open"
"#
    )
}
