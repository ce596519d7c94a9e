//! WHIP by Debian's simple-whip-server and WHEP by janus-whep-server, both in front of a real
//! Janus: pages of another origin publish and play, and no client ends the stream of another.

use serde_json::json;

use crate::support::janus::{Janus, ROOM};
use crate::support::{Folder, Gateway, Process, free_ports, guarded, until};

#[test]
fn streams_are_published_played_and_ended_by_their_owners_alone() {
    let folder = Folder::new("whip");
    let [whip, whep, page] = free_ports();
    let janus = Janus::start(&folder, &[]);
    janus.add_rooms(&[ROOM]);
    let _whip = Process::whip(&folder, whip, janus.websocket);
    let _whep = Process::whep(&folder, whep, janus.websocket);
    let gateway = Gateway::start(&folder, "", &tables([whip, whep], page));

    let token = |subject: &str, role: &str| guarded::token(json!({"sub": subject, "role": role}));
    let tokens = json!({
        "alice": token("alice", "publisher"),
        "mallory": token("mallory", "publisher"),
        "viewer": token("viewer", "viewer"),
    });
    let clients = gateway.clients();
    let (url, ca) = (gateway.url(""), clients.ca.to_str().unwrap());
    let given = json!({"page": page, "whip": whip, "whep": whep, "room": ROOM, "tokens": tokens});
    clients.node_with(&given.to_string(), &["whip.js", &url, ca]);

    until("what was refused is in the log", || {
        gateway.lines("whip_resource").len() >= 8
    });
    for token in tokens.as_object().unwrap().values() {
        let signature = token.as_str().unwrap().rsplit('.').next().unwrap();
        assert!(gateway.lines(signature).is_empty());
    }
    // `check --live` finds servers, though neither says that it takes SDP.
    let said = crate::support::ianitor_does(&folder, &["check", "--live"]);
    assert_eq!(
        said.matches("only an offer would tell").count(),
        2,
        "{said}"
    );
}

/// Both servers, for publishers and for viewers, with pages of another origin.
fn tables([whip, whep]: [u16; 2], page: u16) -> String {
    let secret = guarded::TOKEN_SECRET;
    let cors = format!("cors = {{ origins = [\"http://127.0.0.1:{page}\"] }}");
    format!(
        r#"
[upstreams]
whip = {{ servers = ["http://127.0.0.1:{whip}"], protocol = "whip" }}
whep = {{ servers = ["http://127.0.0.1:{whep}"], protocol = "whip" }}
[issuers.app]
algorithms = ["HS256"]
secret = "{secret}"
audience = "any"
sources = ["header"]
[policies.publishers]
issuers = ["app"]
claims = {{ role = "publisher" }}
[policies.viewers]
issuers = ["app"]
[[routes]]
path = "/live"
rewrite = "/whip"
upstream = "whip"
policy = "publishers"
{cors}
[[routes]]
path = "/whep"
upstream = "whep"
policy = "viewers"
{cors}
"#
    )
}
