//! Pages of other origins in front of control ports, as the repository's own configuration has
//! them.

use serde_json::Value;

use crate::support::{Folder, Gateway, Process, free_ports, loopback, shipped, until};

const ADMIN_SECRET: &str = "a secret that the page has guessed";

#[test]
fn a_web_page_cannot_drive_the_control_ports_of_its_visitor() {
    let folder = Folder::new("origins");
    let [
        https,
        http,
        rest,
        websocket,
        admin_rest,
        admin_websocket,
        kurento,
    ] = free_ports();
    let _janus = Process::janus(
        &folder,
        [rest, websocket, admin_rest, admin_websocket],
        ADMIN_SECRET,
    );
    let kurento_server = Process::kurento(&folder, "kurento", kurento);
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
    let gateway = Gateway::start_file(&folder, https, &(text + "\n[log]\nformat = \"json\"\n"));
    let clients = gateway.clients();
    clients.node(&[
        "origins.js",
        &gateway.url(""),
        clients.ca.to_str().unwrap(),
        ADMIN_SECRET,
    ]);

    // Of the sockets that the page tried, only that of the gateway's own page has arrived.
    let opened = kurento_server
        .said()
        .lines()
        .filter(|line| line.contains("open, origin"))
        .count();
    assert_eq!(opened, 1, "{}", kurento_server.said());
    let is_refused = |line: &Value, route: &str, method: &str| {
        line["status"] == 403
            && line["reason"] == "origin"
            && line["route"] == route
            && line["method"] == method
    };
    for (route, method) in [
        ("/kurento", "CONNECT"),
        ("/admin", "POST"),
        ("/admin", "OPTIONS"),
        ("/admin", "GET"),
    ] {
        until(&format!("{method} {route} in the log, refused"), || {
            gateway
                .accesses()
                .iter()
                .any(|line| is_refused(line, route, method))
        });
    }
}

/// Janus finds its base path where a wider route does not look for it.
#[test]
fn a_wider_route_does_not_lead_to_a_janus_that_is_closed() {
    let folder = Folder::new("same-janus");
    let ports = free_ports();
    let _janus = Process::janus(&folder, ports, ADMIN_SECRET);
    let [rest, _, admin, _] = ports;
    let gateway = Gateway::start(
        &folder,
        "",
        &format!(
            r#"
[upstreams]
janus = {{ servers = ["http://127.0.0.1:{rest}"], protocol = "janus" }}
admin = {{ servers = ["http://127.0.0.1:{admin}"], protocol = "janus-admin" }}
admin-plain = {{ servers = ["http://127.0.0.1:{admin}"], protocol = "http" }}
[policies]
nobody = {{ allow = ["192.0.2.1"] }}
[[routes]]
path = "/janus"
upstream = "janus"
policy = "nobody"
[[routes]]
path = "/"
upstream = "janus"
policy = "open"
[[routes]]
path = "/admin"
upstream = "admin"
policy = "nobody"
[[routes]]
path = "/pages"
upstream = "admin-plain"
policy = "open"
"#
        ),
    );
    let body = r#"{"janus":"ping","transaction":"t"}"#;
    let post = |url: &str| {
        gateway
            .clients()
            .curl(&["--path-as-is", "--data-binary", body, url])
    };
    // The server itself answers all of these; the last one without being asked for its secret.
    for path in ["/janus", "/x/janus/", "/JANUS"] {
        let direct = post(&format!("http://127.0.0.1:{rest}{path}"));
        assert!(
            direct.status == 200 && direct.body.contains("pong"),
            "{path}: {direct:?}"
        );
    }
    for path in ["/admin", "/pages/x/admin/"] {
        let direct = post(&format!("http://127.0.0.1:{admin}{path}"));
        assert!(
            direct.status == 200 && direct.body.contains("pong"),
            "{path}: {direct:?}"
        );
    }
    let info = |url: &str| gateway.clients().curl(&[url]);
    assert!(
        info(&format!("http://127.0.0.1:{admin}/pages/admin/info"))
            .body
            .contains("server_info")
    );
    for (path, status) in [
        ("/janus", 403),
        ("/x/janus/", 400),
        ("/JANUS", 400),
        ("/admin", 403),
        ("/pages/x/admin/", 400),
        ("/pages/admin/info", 400),
    ] {
        assert_eq!(post(&gateway.url(path)).status, status, "{path}");
        assert_eq!(info(&gateway.url(path)).status, status, "{path}");
    }
    // What Janus would not find is not in the way.
    assert_eq!(post(&gateway.url("/elsewhere")).status, 404);
}
