//! Debian's demo pages of Janus, by the configuration that ships for them.

use crate::support::{Folder, Gateway, Process, free_ports, loopback, pictures, shipped};

const EXAMPLE: &str = "examples/janus-demos";
const ADMIN_SECRET: &str = "another secret of a test";

#[test]
fn the_packaged_demo_pages_work() {
    let folder = Folder::new("demos");
    let [https, http, rest, websocket, admin_rest, admin_websocket] = free_ports();
    let _janus = Process::janus(
        &folder,
        [rest, websocket, admin_rest, admin_websocket],
        ADMIN_SECRET,
    );
    for file in ["settings.js", "adminconfig.js"] {
        folder.write(file, &shipped(&format!("{EXAMPLE}/{file}"), &[]));
    }
    let text = shipped(
        &format!("{EXAMPLE}/gateway.toml"),
        &[
            (r#"["[::]:8443"]"#, loopback(https)),
            (r#"["[::]:8080"]"#, loopback(http)),
            ("127.0.0.1:8088", format!("127.0.0.1:{rest}")),
            ("127.0.0.1:8188", format!("127.0.0.1:{websocket}")),
            ("127.0.0.1:7088", format!("127.0.0.1:{admin_rest}")),
        ],
    );
    let gateway = Gateway::start_file(&folder, https, &text);

    let clients = gateway.clients();
    let pictures = pictures("demos");
    clients.node(&[
        "demos.js",
        &gateway.url(""),
        clients.ca.to_str().unwrap(),
        ADMIN_SECRET,
        &pictures,
    ]);
    // Nothing that a page links is missing.
    let missing = gateway.lines(" status=404 ");
    assert!(missing.is_empty(), "{missing:?}");
}
