//! kurento-client, and the silence of Kurento's Java client, where the gateway forwards what they
//! send as it is.

use crate::support::{Folder, Gateway, Kurento, Process, Step, free_ports, side_by_side};

#[test]
fn real_clients_reach_a_kurento() {
    let folder = Folder::new("kurento");
    let [steady] = free_ports();
    let dropping = Kurento::stand_in(&folder);
    let world = World {
        steady: Process::kurento(&folder, "steady", steady),
        gateway: Gateway::start(&folder, "", &tables(steady, dropping.cable.port)),
        dropping,
    };

    let steps: [Step<World>; 7] = [
        ("kurento-client for more than a minute", life),
        ("kurento-client after losing its connection", reconnect),
        ("four silent minutes", silence),
        ("Origin", origin),
        ("refused handshakes", refused),
        ("wrong path", wrong_path),
        ("plain GET", plain_get),
    ];
    let failed = side_by_side(&world, &steps);
    let said = [
        world.gateway.process.said(),
        world.steady.said(),
        world.dropping.said(),
    ]
    .concat();
    assert!(
        failed.is_empty(),
        "failed: {failed:?}; what the servers said:\n{said}"
    );
}

struct World {
    gateway: Gateway,
    steady: Process,
    dropping: Kurento,
}

fn tables(steady: u16, dropping: u16) -> String {
    format!(
        r#"
[upstreams]
steady = {{ servers = ["http://127.0.0.1:{steady}"], protocol = "kurento" }}
dropping = {{ servers = ["http://127.0.0.1:{dropping}"], protocol = "kurento" }}
[policies]
local = {{ allow = ["127.0.0.1"] }}
elsewhere = {{ allow = ["192.0.2.1"] }}
[[routes]]
path = "/kurento"
upstream = "steady"
policy = "local"
[[routes]]
path = "/dropping"
upstream = "dropping"
policy = "local"
strip_prefix = "/dropping"
[[routes]]
path = "/pages"
upstream = "steady"
policy = "local"
strip_prefix = "/pages"
cors = {{ origins = ["https://app.example.com"] }}
[[routes]]
path = "/elsewhere"
upstream = "steady"
policy = "elsewhere"
strip_prefix = "/elsewhere"
"#
    )
}

fn life(world: &World) {
    world.gateway.clients().node(&[
        "kurento.js",
        "life",
        &world.gateway.websocket_url("/kurento"),
    ]);
    // The first ping has an interval, those of each minute have nothing.
    let said = world.steady.said();
    for ping in [
        r#""method":"ping","params":{"interval":5000},"#,
        r#""method":"ping","id":"#,
    ] {
        assert!(said.contains(ping), "{ping}: {said}");
    }
}

fn reconnect(world: &World) {
    let (url, control) = (
        world.gateway.websocket_url("/dropping/kurento"),
        world.dropping.control().unwrap().to_string(),
    );
    world
        .gateway
        .clients()
        .node(&["kurento.js", "reconnect", &url, &control]);
}

fn silence(world: &World) {
    world.gateway.clients().node_for(
        300,
        &[
            "kurento-java.js",
            "silence",
            &world.gateway.websocket_url("/kurento"),
        ],
    );
}

/// Where `cors` is set, pages of other sites are refused; kurento-client, which sends the gateway's
/// own host, is not.
fn origin(world: &World) {
    let gateway = &world.gateway;
    gateway.clients().node(&[
        "kurento.js",
        "once",
        &gateway.websocket_url("/pages/kurento"),
    ]);
    let sent = format!("open, origin localhost:{}", gateway.https);
    assert!(
        world.steady.said().contains(&sent),
        "{}",
        world.steady.said()
    );

    for origin in ["https://evil.example", "evil.example", "null"] {
        let answer = gateway.clients().refused_handshake(
            &gateway.url("/pages/kurento"),
            &[&format!("Origin: {origin}")],
        );
        assert_eq!(answer.status, 403, "{origin}: {answer:?}");
    }
}

/// One that takes a connection and closes it would be tried ten times a second.
fn refused(world: &World) {
    world.gateway.clients().node(&[
        "kurento.js",
        "refused",
        &world.gateway.websocket_url("/elsewhere/kurento"),
    ]);
    let mut tried = world.gateway.accesses();
    tried.retain(|line| line["route"] == "/elsewhere");
    assert!((2..=10).contains(&tried.len()), "{tried:?}");
    assert!(tried.iter().all(|line| line["status"] == 403), "{tried:?}");
}

/// Kurento says so after the handshake, and the client is told.
fn wrong_path(world: &World) {
    let script = "import('ws').then(({ WebSocket }) => new WebSocket(process.argv[1])
        .on('close', (code, reason) => console.log(`closed: ${code} ${reason}`)))";
    let url = world.gateway.websocket_url("/kurento/more");
    let said = world.gateway.clients().node(&["--eval", script, &url]);
    assert!(said.contains("closed: 1002 Invalid path"), "{said}");
}

/// Its answer has no length and ends with the connection.
fn plain_get(world: &World) {
    for option in ["--http1.1", "--http2"] {
        let answer = world
            .gateway
            .clients()
            .curl(&[option, &world.gateway.url("/kurento")]);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (426, ""),
            "{answer:?}"
        );
    }
}
