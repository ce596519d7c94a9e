//! Jitsi's signalling with tokens, in front of a real Prosody.
//!
//! Jitsi's own token plugins are in no package of Debian or npm: `prosody/` has a module that takes
//! room, tenant and token from where they take them, and says in the log what it has seen.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::guarded::{TOKEN_SECRET, now, token};
use crate::support::{Answer, Folder, Gateway, Process, Step, free_ports, side_by_side, until};

struct World {
    gateway: Gateway,
    prosody: Process,
}

#[test]
fn tokens_of_jitsi_lead_into_their_rooms_only() {
    let folder = Folder::new("jitsi");
    let [port] = free_ports();
    let prosody = Process::prosody_with_rooms(&folder, port);
    let world = World {
        gateway: Gateway::start(&folder, "", &tables(port)),
        prosody,
    };
    let steps: [Step<World>; 7] = [
        ("strophe.js", strophe),
        ("@xmpp/client", xmpp_client),
        ("tenants", tenants),
        ("tokens in queries", secrets),
        ("the session of another client", theft),
        ("GETs", keep_alive),
        ("a newer token", newer_token),
    ];
    let failed = side_by_side(&world, &steps);
    let said = [world.gateway.process.said(), world.prosody.said()].concat();
    assert!(
        failed.is_empty(),
        "failed: {failed:?}; what the servers said:\n{said}"
    );
}

/// `/guests` and `/forwarded` lead to the same Prosody with other rules.
fn tables(port: u16) -> String {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real");
    let real = real.display();
    let mut tables = format!(
        r#"
[issuers.jitsi]
algorithms = ["HS256"]
secret = "{TOKEN_SECRET}"
issuer = ["jitsi-app", "jitsi-other"]
audience = ["jitsi", "guest-service"]
sources = ["query:token", "query:jwt", "header"]
[policies]
members = {{ issuers = ["jitsi"], on_expiry = "keep" }}
guests = {{ issuers = ["jitsi"], on_expiry = "keep", optional = true }}
[upstreams.prosody]
servers = ["http://127.0.0.1:{port}"]
protocol = "jitsi"
[[routes]]
path = "/jitsi.html"
files = "{real}/jitsi.html"
policy = "open"
[[routes]]
path = "/strophe.js"
files = "{real}/node_modules/strophe.js/dist/strophe.esm.js"
policy = "open"
"#
    );
    for (prefix, policy, more) in [
        ("", "members", ""),
        ("/{tenant}", "members", ""),
        ("/guests", "guests", "strip_prefix = \"/guests\""),
        (
            "/forwarded",
            "members",
            "strip_prefix = \"/forwarded\"\nforward_token = true",
        ),
    ] {
        for path in ["http-bind", "xmpp-websocket"] {
            tables += &format!(
                "[[routes]]\npath = \"{prefix}/{path}\"\nupstream = \"prosody\"\n\
                 policy = \"{policy}\"\n{more}\n"
            );
        }
    }
    tables
}

/// A token of this person for a room of the domain, as Jitsi's are.
pub(crate) fn token_for(person: &str, room: &str, more: &Value) -> String {
    let mut claims = json!({
        "iss": "jitsi-app",
        "aud": "jitsi",
        "sub": "localhost",
        "room": room,
        "context": { "user": { "id": person, "name": person } },
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    token(claims)
}

/// Visits as the scripts take them: what, the path with its query, the room, how it ends.
pub(crate) type Visit<'v> = (&'v str, String, &'v str, &'v str);

pub(crate) fn steps(gateway: &Gateway, visits: &[Visit<'_>]) -> String {
    let steps: Vec<Value> = visits
        .iter()
        .map(|(what, path, room, outcome)| {
            let service = match path.contains("xmpp-websocket") {
                true => gateway.websocket_url(path),
                false => gateway.url(path),
            };
            json!({ "what": what, "service": service, "room": room, "outcome": outcome })
        })
        .collect();
    Value::from(steps).to_string()
}

/// Who gets into which room: what, the query with a token of those below, the room, how it ends.
const VISITS: &str = "
the room of the token | ?room=lobby&token={lobby} | lobby | entered
in another order, as ?jwt= | ?jwt={lobby}&room=lobby | lobby | entered
a token for every room | ?room=lobby&token={any} | lobby | entered
upper and lower case | ?room=Lobby&token={upper} | lobby | entered
a pattern | ?room=class-12&token={pattern} | class-12 | entered
another room by XMPP, which Prosody refuses | ?room=lobby&token={lobby} | cellar | not-allowed
another room | ?room=cellar&token={lobby} | cellar | refused
a room that the pattern does not have | ?room=class-x&token={pattern} | class-x | refused
no room | ?token={lobby} | lobby | refused
two rooms | ?room=lobby&room=cellar&token={lobby} | cellar | refused
no token | ?room=lobby | lobby | refused
an expired token | ?room=lobby&token={expired} | lobby | refused
a token of another issuer | ?room=lobby&token={foreign} | lobby | refused
a token for another service | ?room=lobby&token={others} | lobby | refused
a token for another domain | ?room=lobby&token={elsewhere} | lobby | refused
";

/// The same where guests are let in.
const VISITS_OF_GUESTS: &str = "
a guest | ?room=lobby | lobby | entered
a member among guests | ?room=lobby&token={lobby} | lobby | entered
a guest with an expired token | ?room=lobby&token={expired} | lobby | refused
a guest with half a token | ?room=lobby&token=eyJhbGciOiJIUzI1NiJ9.e30. | lobby | refused
a member of another room among guests | ?room=cellar&token={lobby} | cellar | refused
";

/// The visits by BOSH or by WebSocket.
fn visits(path: &str) -> Vec<Visit<'static>> {
    let ada = |room, more| token_for("ada", room, &more);
    let pattern = json!({ "context": { "room": { "regex": true } } });
    let tokens = [
        ("{lobby}", ada("lobby", Value::Null)),
        ("{any}", ada("*", Value::Null)),
        ("{upper}", ada("lOBBY", Value::Null)),
        ("{pattern}", ada("class%-%d+", pattern)),
        ("{expired}", ada("lobby", json!({ "exp": 1_000_000_000 }))),
        ("{foreign}", ada("lobby", json!({ "iss": "elsewhere" }))),
        ("{others}", ada("lobby", json!({ "aud": "other" }))),
        (
            "{elsewhere}",
            ada("lobby", json!({ "sub": "elsewhere.example.com" })),
        ),
    ];
    let visit = |prefix: &str, line: &'static str| {
        let parts: Vec<&str> = line.split(" | ").collect();
        let [what, query, room, outcome] = parts[..] else {
            panic!("{line}");
        };
        let mut query = query.to_owned();
        for (name, token) in &tokens {
            query = query.replace(name, token);
        }
        (what, format!("{prefix}{path}{query}"), room, outcome)
    };
    let of_members = VISITS.trim().lines().map(|line| visit("", line));
    let of_guests = VISITS_OF_GUESTS.trim().lines();
    of_members
        .chain(of_guests.map(|line| visit("/guests", line)))
        .collect()
}

fn strophe(world: &World) {
    let (gateway, clients) = (&world.gateway, world.gateway.clients());
    let visits = [visits("/http-bind"), visits("/xmpp-websocket")].concat();
    let page = gateway.url("/jitsi.html");
    let args = ["jitsi.js", &page, clients.ca.to_str().unwrap()];
    clients.node_with(&steps(gateway, &visits), &args);
}

fn xmpp_client(world: &World) {
    let steps = steps(&world.gateway, &visits("/xmpp-websocket"));
    let clients = world.gateway.clients();
    clients.node_with(&steps, &["jitsi-xmpp.js"]);
}

/// One route serves all tenants; the token's `sub` is the tenant, and Prosody gets the tenant from
/// the gateway alone.
fn tenants(world: &World) {
    let gateway = &world.gateway;
    let acme = token_for("ada", "board", &json!({ "sub": "acme" }));
    let any = token_for("ada", "board", &json!({ "sub": "*" }));
    let at =
        |tenant: &str, token: &str| format!("/{tenant}/xmpp-websocket?room=board&token={token}");
    let visits = [
        ("a tenant", at("acme", &acme), "board", "entered"),
        ("any tenant", at("initech", &any), "board", "entered"),
        ("another tenant", at("initech", &acme), "board", "refused"),
        (
            "no tenant",
            at("", &acme).replacen("//", "/", 1),
            "board",
            "refused",
        ),
        (
            "a tenant of the client's own",
            format!("{}&prefix=evil&%70refix=evil", at("acme", &acme)),
            "board",
            "entered",
        ),
    ];
    let clients = gateway.clients();
    clients.node_with(&steps(gateway, &visits), &["jitsi-xmpp.js"]);
    let opening = opening("rid='1000'");
    let answer = post(
        gateway,
        &format!("/umbrella/http-bind?room=board&token={any}"),
        &opening,
    );
    assert!(answer.body.contains(" sid='"), "{answer:?}");
    for tenant in ["acme", "initech", "umbrella"] {
        let seen = format!("room=board prefix={tenant} token=nil jwt=nil");
        until(&seen, || world.prosody.said().contains(&seen));
    }
    assert!(!world.prosody.said().contains("evil"));
}

/// A token is neither in the gateway's log nor at Prosody, unless the route forwards it.
fn secrets(world: &World) {
    let gateway = &world.gateway;
    let tokens = ["kept-1", "kept-2", "sent-1", "sent-2"]
        .map(|person| token_for(person, "vault", &Value::Null));
    let [kept, kept_too, sent, sent_too] = &tokens;
    for path in [
        format!("/http-bind?room=vault&token={kept}"),
        format!("/http-bind?room=vault&jwt={kept_too}"),
        format!("/forwarded/http-bind?room=vault&token={sent}"),
        format!("/forwarded/http-bind?room=vault&jwt={sent_too}"),
    ] {
        let answer = post(gateway, &path, &opening("rid='2000'"));
        assert!(answer.body.contains(" sid='"), "{answer:?}");
    }
    let referer = format!(
        "Referer: {}",
        gateway.url(&format!("/vault?jwt={kept_too}"))
    );
    let page = gateway.url("/jitsi.html");
    gateway.clients().curl(&["--header", &referer, &page]);
    for (name, token) in [("token", sent), ("jwt", sent_too)] {
        let seen = format!("{name}={token}");
        until("Prosody has the token", || {
            world.prosody.said().contains(&seen)
        });
    }
    let (said, logged) = (world.prosody.said(), gateway.process.said());
    assert!(!said.contains(kept) && !said.contains(kept_too));
    for token in &tokens {
        let signature = token.rsplit('.').next().unwrap();
        assert!(!logged.contains(signature), "a token in the log");
    }
}

/// Who knows the id of a session has nothing of it, in this room or another.
fn theft(world: &World) {
    let gateway = &world.gateway;
    let of = |person, room: &str| {
        let token = token_for(person, room, &Value::Null);
        format!("/http-bind?room={room}&token={token}")
    };
    let opened = post(gateway, &of("ada", "safe"), &opening("rid='3000'"));
    let sid = attribute(&opened.body, "sid").to_owned();
    let end = |rid: u32| format!("<body rid='{rid}' sid='{sid}' type='terminate' xmlns='{BOSH}'/>");
    let ask = |rid: u32| {
        format!(
            "<body rid='{rid}' sid='{sid}' xmlns='{BOSH}'><auth mechanism='ANONYMOUS' \
             xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></body>"
        )
    };
    for other in [
        of("eve", "safe"),
        of("ada", "other"),
        "/guests/http-bind?room=safe".to_owned(),
        "/guests/http-bind?room=".to_owned(),
    ] {
        for body in [ask(3001), end(3001)] {
            let answer = post(gateway, &other, &body);
            assert!(
                answer.body.contains("condition='item-not-found'"),
                "{answer:?}"
            );
        }
    }
    // A newer token of the same person goes on.
    let newer = token_for("ada", "safe", &json!({ "jti": "newer" }));
    let answer = post(
        gateway,
        &format!("/http-bind?token={newer}&room=SAFE"),
        &ask(3001),
    );
    assert!(answer.body.contains("<success"), "{answer:?}");
    let answer = post(gateway, &of("ada", "safe"), &end(3002));
    assert!(!answer.body.contains("condition="), "{answer:?}");
    let answer = post(gateway, &of("ada", "safe"), &ask(3003));
    assert!(
        answer.body.contains("condition='item-not-found'"),
        "{answer:?}"
    );
}

/// lib-jitsi-meet asks for the URLs of its session by GET, to keep it.
fn keep_alive(world: &World) {
    let gateway = &world.gateway;
    for path in ["/http-bind", "/xmpp-websocket", "/guests/xmpp-websocket"] {
        for (room, status) in [("hall", 200), ("attic", 403)] {
            let token = token_for("ada", "hall", &Value::Null);
            let url = gateway.url(&format!("{path}?room={room}&token={token}"));
            let answer = gateway.clients().curl(&[&url]);
            assert_eq!(answer.status, status, "{path} {room}: {answer:?}");
        }
    }
}

/// lib-jitsi-meet closes its WebSocket and resumes its session with a newer token. One that is not
/// for the room does not resume it, and the other client in the room sees nothing of all this.
fn newer_token(world: &World) {
    let gateway = &world.gateway;
    let at = |person, more| {
        let token = token_for(person, "standup", &more);
        gateway.websocket_url(&format!("/xmpp-websocket?room=standup&token={token}"))
    };
    let visits = json!({
        "room": "standup",
        "ada": at("ada", Value::Null),
        "bob": at("bob", Value::Null),
        "refused": [
            { "what": "expired", "service": at("ada", json!({ "exp": 1_000_000_000 })) },
            { "what": "another room", "service": at("ada", json!({ "room": "cellar" })) },
        ],
        "newer": at("ada", json!({ "exp": now() + 3600 })),
    });
    let clients = gateway.clients();
    clients.node_with(&visits.to_string(), &["jitsi-refresh.js"]);
}

const BOSH: &str = "http://jabber.org/protocol/httpbind";

pub(crate) fn opening(rid: &str) -> String {
    format!(
        "<body {rid} to='localhost' wait='60' hold='1' ver='1.6' xmpp:version='1.0' \
         xmlns:xmpp='urn:xmpp:xbosh' xmlns='{BOSH}'/>"
    )
}

pub(crate) fn post(gateway: &Gateway, path: &str, body: &str) -> Answer {
    let header = "Content-Type: text/xml; charset=utf-8";
    let url = gateway.url(path);
    let clients = gateway.clients();
    let answer = clients.curl(&["--header", header, "--data-binary", body, &url]);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let (_, value) = element.split_once(&format!(" {name}='")).unwrap();
    value.split_once('\'').unwrap().0
}
