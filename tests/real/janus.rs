//! The shipped configuration, with a real Janus behind.

use std::process::Command;

use serde_json::json;

use crate::support::wire::websocket::handshake;
use crate::support::{Folder, Gateway, Process, Step, free_ports, loopback, shipped, side_by_side};

const ADMIN_SECRET: &str = "a secret of this test";

#[test]
fn the_shipped_configuration_is_valid() {
    let output = Command::new(env!("CARGO_BIN_EXE_ianitor"))
        .args(["check", "--config", "gateway.toml"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn real_clients_reach_a_real_janus() {
    let folder = Folder::new("janus");
    let [
        https,
        http,
        rest,
        websocket,
        admin_rest,
        admin_websocket,
        kurento,
    ] = free_ports();
    let janus = Process::janus(
        &folder,
        [rest, websocket, admin_rest, admin_websocket],
        ADMIN_SECRET,
    );
    let text = shipped(
        "gateway.toml",
        &[
            (r#"["[::]:8443"]"#, loopback(https)),
            (r#"["[::]:8080"]"#, loopback(http)),
            ("127.0.0.1:8088", format!("127.0.0.1:{rest}")),
            ("127.0.0.1:8188", format!("127.0.0.1:{websocket}")),
            ("127.0.0.1:7088", format!("127.0.0.1:{admin_rest}")),
            ("127.0.0.1:8888", format!("127.0.0.1:{kurento}")),
        ],
    );
    let mut world = World {
        gateway: Gateway::start_file(&folder, https, &text),
        http,
    };

    let steps: [Step<World>; 8] = [
        ("server info", server_info),
        ("redirect to https", redirect),
        ("long poll over HTTP/1.1", |world| {
            long_poll(world, "--http1.1")
        }),
        ("long poll over HTTP/2", |world| long_poll(world, "--http2")),
        ("janode over a WebSocket", janode),
        ("a WebSocket of a browser with many cookies", many_cookies),
        ("janus.js over REST in Chromium", echo_test),
        ("/admin", admin),
    ];
    let failed = side_by_side(&world, &steps);
    assert!(
        failed.is_empty(),
        "failed: {failed:?}; the gateway's log:\n{}",
        world.gateway.process.said()
    );

    let ended = world.gateway.process.end();
    assert!(ended.success(), "SIGTERM ended the gateway with {ended}");
    drop(janus);
}

struct World {
    gateway: Gateway,
    http: u16,
}

fn server_info(world: &World) {
    for (option, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let answer = world
            .gateway
            .clients()
            .curl(&[option, &world.gateway.url("/janus/info")]);
        assert_eq!((answer.status, answer.version.as_str()), (200, version));
        assert_eq!(answer.json()["name"], "Janus WebRTC Server");
    }
}

fn redirect(world: &World) {
    let plain = format!("http://localhost:{}/janus/info?x=1", world.http);
    let answer = world.gateway.clients().curl(&[&plain]);
    assert_eq!(answer.status, 308);
    assert_eq!(answer.location, world.gateway.url("/janus/info?x=1"));
}

fn create_session(gateway: &Gateway) -> u64 {
    let create = json!({ "janus": "create", "transaction": "t" }).to_string();
    let answer = gateway
        .clients()
        .curl(&["--data-binary", &create, &gateway.url("/janus")]);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["data"]["id"].as_u64().unwrap()
}

fn long_poll(world: &World, option: &str) {
    let session = create_session(&world.gateway);
    let url = world.gateway.url(&format!("/janus/{session}?maxev=1"));
    let answer = world.gateway.clients().curl(&[option, &url]);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json(), json!({ "janus": "keepalive" }));
}

fn janode(world: &World) {
    world
        .gateway
        .clients()
        .node(&["janode.js", &world.gateway.websocket_url("/janus-ws")]);
}

/// Janus itself closes the connection for a head of this size.
fn many_cookies(world: &World) {
    let cookies = format!("Cookie: a={}\r\n", "x".repeat(4096));
    let lines = format!("Sec-WebSocket-Protocol: janus-protocol\r\n{cookies}");
    let mut client = world.gateway.dial().h1();
    client.send(handshake("/janus-ws", &lines));
    assert_eq!(client.head().status(), 101);
}

fn echo_test(world: &World) {
    let clients = world.gateway.clients();
    clients.node(&[
        "echotest.js",
        &world.gateway.url("/janus"),
        clients.ca.to_str().unwrap(),
    ]);
}

fn admin(world: &World) {
    let gateway = &world.gateway;
    let session = create_session(gateway);
    let list =
        json!({ "janus": "list_sessions", "transaction": "t", "admin_secret": ADMIN_SECRET })
            .to_string();
    let from = |source: &str, path: &str| {
        gateway.clients().curl(&[
            "--ipv4",
            "--interface",
            source,
            "--data-binary",
            &list,
            &gateway.url(path),
        ])
    };

    let answer = from("127.0.0.1", "/admin");
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert_eq!(answer["janus"], "success");
    assert!(
        answer["sessions"]
            .as_array()
            .unwrap()
            .contains(&session.into()),
        "{answer}"
    );

    for path in ["/admin", "/admin/1", "/admin/info"] {
        let answer = from("127.0.0.2", path);
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(!answer.body.contains("janus\""), "{answer:?}");
    }
    // It is the route that refuses this address, not the gateway.
    let open = gateway.clients().curl(&[
        "--ipv4",
        "--interface",
        "127.0.0.2",
        &gateway.url("/janus/info"),
    ]);
    assert_eq!(open.status, 200);
}
