//! The configuration of the recipe for Jitsi, in front of a real Prosody. NGINX has the pages, and
//! stands in for the bridge.

use serde_json::{Value, json};

use crate::jitsi::{opening, post, steps, token_for};
use crate::support::guarded::TOKEN_SECRET;
use crate::support::{
    Folder, Gateway, Process, Step, free_ports, ianitor_does, loopback, part_of_page, side_by_side,
    until,
};

const RECIPE: &str = "docs/recipes/jitsi.md";

struct World {
    folder: Folder,
    members: Gateway,
    guests: Gateway,
    prosody: Process,
    _pages_and_bridge: Process,
}

#[test]
fn the_recipe_for_jitsi_leads_to_rooms_of_the_token_only() {
    let folder = Folder::new("jitsi-recipe");
    let [
        https,
        http,
        https_of_guests,
        http_of_guests,
        port,
        bridge,
        pages,
    ] = free_ports();
    let prosody = Process::prosody_with_rooms(&folder, port);
    let mut pages_and_bridge = Process::nginx(&folder, "nginx", &servers(bridge, pages));
    pages_and_bridge.wait_for(pages);
    let text = part_of_page(RECIPE, "toml", 0)
        .replace("meet.example.com", "localhost")
        .replace("127.0.0.1:5280", &format!("127.0.0.1:{port}"))
        .replace("127.0.0.1:9090", &format!("127.0.0.1:{bridge}"))
        .replace("127.0.0.1:8000", &format!("127.0.0.1:{pages}"))
        .replace(
            r#"certificates = [{ cert = "fullchain.pem", key = "privkey.pem" }]"#,
            r#"self_signed = ["localhost"]"#,
        );
    let start = |name: &str, https, http, text: &str| {
        let text = text
            .replace(r#"["[::]:443"]"#, &loopback(https))
            .replace(r#"["[::]:80"]"#, &loopback(http));
        let folder = Folder::new(name);
        folder.write("secrets/jitsi-app-secret", &format!("{TOKEN_SECRET}\n"));
        (Gateway::start_file(&folder, https, &text), folder)
    };
    let (members, of_members) = start("jitsi-recipe-members", https, http, &text);
    let (_, policy) = text.split_once("[policies.members]").unwrap();
    let policy = policy.split_once("[[routes]]").unwrap().0;
    let guests = text.replace(policy, "").replacen(
        "[policies.members]",
        &part_of_page(RECIPE, "toml", 1),
        1,
    );
    let (guests, _of_guests) = start(
        "jitsi-recipe-guests",
        https_of_guests,
        http_of_guests,
        &guests,
    );
    let world = World {
        folder: of_members,
        members,
        guests,
        prosody,
        _pages_and_bridge: pages_and_bridge,
    };
    let steps: [Step<World>; 5] = [
        ("rooms and tenants", rooms_and_tenants),
        ("as the recipe tries it", tried),
        ("the bridge", bridges),
        ("pages", pages_of_others),
        ("guests", of_guests),
    ];
    let failed = side_by_side(&world, &steps);
    let said = [
        &world.members.process,
        &world.guests.process,
        &world.prosody,
    ];
    let said = said.map(Process::said).concat();
    assert!(
        failed.is_empty(),
        "failed: {failed:?}; what the servers said:\n{said}"
    );
}

/// What NGINX has: the bridge, and the pages.
fn servers(bridge: u16, pages: u16) -> String {
    let server = |port, answer| {
        format!(
            "    server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"{answer}\"; }} }}\n"
        )
    };
    let servers = [server(bridge, "bridge $request_uri"), server(pages, "page")].concat();
    format!("http {{\n{servers}}}\n")
}

/// A token of the recipe's issuer, of this tenant or domain.
fn token_of(tenant: &str, room: &str, more: &Value) -> String {
    let mut claims = json!({ "iss": "my_app_id", "sub": tenant });
    for (name, value) in more.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    token_for("ada", room, &claims)
}

fn rooms_and_tenants(world: &World) {
    let own = token_of("localhost", "standup", &Value::Null);
    let acme = token_of("acme", "standup", &Value::Null);
    let at = |path: &str, query: &str| format!("{path}/xmpp-websocket?{query}");
    let visits = [
        (
            "the room",
            at("", &format!("room=standup&token={own}")),
            "standup",
            "entered",
        ),
        (
            "another room",
            at("", &format!("room=board&token={own}")),
            "board",
            "refused",
        ),
        ("no token", at("", "room=standup"), "standup", "refused"),
        (
            "the tenant",
            at("/acme", &format!("room=standup&token={acme}")),
            "standup",
            "entered",
        ),
        (
            "a tenant in the query",
            at("", &format!("room=standup&prefix=acme&token={acme}")),
            "standup",
            "refused",
        ),
        (
            "another tenant",
            at("/initech", &format!("room=standup&token={acme}")),
            "standup",
            "refused",
        ),
    ];
    let clients = world.members.clients();
    clients.node_with(&steps(&world.members, &visits), &["jitsi-xmpp.js"]);
    for (tenant, token) in [("nil", own), ("acme", acme)] {
        let seen = format!("room=standup prefix={tenant} token={token}");
        until("Prosody has tenant and token", || {
            world.prosody.said().contains(&seen)
        });
    }
}

/// The token is minted as the page has it.
fn tried(world: &World) {
    let minted = ianitor_does(
        &world.folder,
        &[
            "token",
            "mint",
            "--issuer",
            "jitsi",
            "--sub",
            "localhost",
            "--claim",
            "room=standup",
            "--ttl",
            "2h",
        ],
    );
    let token = minted.trim();
    let path = format!("/http-bind?room=standup&token={token}");
    let answer = post(&world.members, &path, &opening("rid='1000'"));
    assert!(
        answer.body.contains(" sid='") && answer.body.contains(" secure='true'"),
        "{answer:?}"
    );
    let other = format!("/http-bind?room=board&token={token}");
    for (path, status) in [(&*other, 403), ("/http-bind?room=board", 401)] {
        let answer = world.members.clients().curl(&[&world.members.url(path)]);
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

fn bridges(world: &World) {
    let ask = |path: &str| world.members.clients().curl(&[&world.members.url(path)]);
    let path = "/colibri-ws/default-id/conference/endpoint?pwd=secret";
    let answer = ask(path);
    assert_eq!(answer.body, format!("bridge {path}"), "{answer:?}");
    for path in ["/colibri-ws/jvb1/conference/endpoint", "/colibri-ws"] {
        assert_eq!(ask(path).status, 404, "{path}");
    }
}

/// What is no path of XMPP is a page, which Prosody never sees.
fn pages_of_others(world: &World) {
    for path in ["/standup?jwt=x", "/acme/standup", "/acme/http-bind/x"] {
        let answer = world.members.clients().curl(&[&world.members.url(path)]);
        assert_eq!((answer.status, &*answer.body), (200, "page"), "{path}");
    }
}

fn of_guests(world: &World) {
    let gateway = &world.guests;
    let answer = post(gateway, "/http-bind?room=garden", &opening("rid='2000'"));
    assert!(answer.body.contains(" sid='"), "{answer:?}");
    let expired = json!({ "exp": 1_000_000_000 });
    for (room, more, status) in [("garden", expired, 401), ("board", Value::Null, 403)] {
        let token = token_of("localhost", room, &more);
        let url = gateway.url(&format!("/http-bind?room=garden&token={token}"));
        let answer = gateway.clients().curl(&[&url]);
        assert_eq!(answer.status, status, "{answer:?}");
    }
}
