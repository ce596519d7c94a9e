//! A call of janus.js that outlives several tokens on one WebSocket.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::guarded::{Guarded, now, pages, token};
use crate::support::janus::ROOM;
use crate::support::until;

/// When the tokens expire, in seconds after the start. There is time for Chromium before the first.
const ENDS: [u64; 4] = [30, 40, 50, 600];
/// How long before that a token is replaced by the next.
const EARLY: u64 = 5;

#[test]
fn a_call_goes_on_beyond_its_tokens_if_newer_ones_come_in_messages() {
    let guarded = Guarded::start_with("call", &[("JANUS_API_SECRET", "s3cret")], &pages());
    let janus = &guarded.janus;
    let began = now();
    let valid_until = |end: u64| {
        let claims = json!({"sub": "ada", "room_ids": [ROOM], "exp": began + end});
        token(claims)
    };
    let renewals: Vec<_> = ENDS
        .windows(2)
        .map(|ends| {
            let at = began + ends[0] - EARLY;
            json!({"at": at, "token": valid_until(ends[1])})
        })
        .collect();
    let first = valid_until(ENDS[0]);
    let beyond = began + ENDS[2] + 2;
    let server = guarded.gateway.websocket_url("/callers/janus-ws");
    let given = json!({
        "server": format!("{server}?token={first}"), "token": first, "renewals": renewals,
        // It sends the first token in these as long as it runs.
        "keepalive": 500, "until": beyond + 1,
    });
    let (page, ca) = (
        guarded.gateway.url("/call.html"),
        guarded.gateway.ca.to_str().unwrap(),
    );
    let clients = guarded.gateway.clients();
    thread::scope(|scope| {
        let call = scope.spawn(|| clients.node_with(&given.to_string(), &["call.js", &page, ca]));
        until("the call is up", || janus.sessions().len() == 1);
        let session = janus.sessions()[0];
        until("the handle is there", || janus.handles(session).len() == 1);
        let handle = janus.handles(session)[0];
        while now() < beyond {
            assert!(!call.is_finished(), "the call has ended");
            assert_eq!(janus.sessions(), [session]);
            thread::sleep(Duration::from_millis(250));
        }
        let info = janus.handle(session, handle);
        assert_eq!(info["flags"]["ready"], true, "{info}");
        let said = call.join().unwrap();
        assert!(!said.contains("\"error\""), "{said}");
    });
    assert!(janus.sessions().is_empty());
    // One socket, from the beginning to the end.
    guarded
        .gateway
        .counts("ianitor_tunnels_opened_total", &[], 1);
}
