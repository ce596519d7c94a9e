//! The published client of a real Janus while its gateway is stopped.

use std::thread;

use rustix::process::Signal;

use crate::support::janus::Janus;
use crate::support::{Folder, Gateway, until};

/// Messages are judged, because clients learn less of Janus than it says.
fn tables(janus: &Janus) -> String {
    let mut tables =
        String::from("[limits]\ndrain = \"4s\"\n[policies.local]\nallow = [\"127.0.0.0/8\"]\n");
    for (path, port) in [("/janus", janus.rest), ("/janus-ws", janus.websocket)] {
        let name = &path[1..];
        tables += &format!(
            "[upstreams.{name}]\nservers = [\"http://127.0.0.1:{port}\"]\nprotocol = \"janus\"\n\
             info = \"trim\"\n[[routes]]\npath = \"{path}\"\nupstream = \"{name}\"\n\
             policy = \"local\"\n"
        );
    }
    tables
}

#[test]
fn janus_js_sees_an_answer_to_its_long_poll_and_a_close_with_1001_and_no_error() {
    let folder = Folder::new("drain");
    let janus = Janus::start(&folder, &[]);
    let gateway = Gateway::start_with_log(&folder, "level = \"debug\"", &tables(&janus));
    let urls = [gateway.url("/janus"), gateway.websocket_url("/janus-ws")];
    thread::scope(|scope| {
        let clients = gateway.clients();
        let page = scope.spawn(move || clients.node_for(60, &["drain.js", &urls[0], &urls[1]]));
        until("two sessions", || janus.sessions().len() == 2);
        // The long poll waits, and the WebSocket is open.
        for upstream in ["janus", "janus-ws"] {
            gateway.counts("ianitor_upstream_server_busy", &[("upstream", upstream)], 1);
        }
        gateway.process.signal(Signal::TERM);
        page.join().unwrap();
    });
    until("the gateway has stopped", || {
        !gateway.lines("\"stopped\"").is_empty()
    });
}
