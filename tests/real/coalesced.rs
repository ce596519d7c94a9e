//! Page and signalling on two names of one certificate, as Chromium asks for them.

use rcgen::{CertificateParams, KeyPair};

use crate::support::{Folder, Gateway, Process, free_ports, until};

#[test]
fn chromium_opens_websockets_to_a_second_name_of_the_certificate() {
    let folder = Folder::new("coalesced");
    let [https, rest, websocket, admin_rest, admin_websocket] = free_ports();
    let _janus = Process::janus(
        &folder,
        [rest, websocket, admin_rest, admin_websocket],
        "unused",
    );
    // Of one site: Chromium keeps the connections of several sites apart.
    let params =
        CertificateParams::new(["app.site.test".to_owned(), "media.site.test".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = folder.write("site.pem", &params.self_signed(&key).unwrap().pem());
    folder.write("site-key.pem", &key.serialize_pem());
    folder.write(
        "page.html",
        "<!doctype html><title>a page</title><link rel=\"icon\" href=\"data:,\">",
    );
    folder.write("text", "read by another origin");
    let tls = "certificates = [{ cert = \"site.pem\", key = \"site-key.pem\" }]";
    let gateway = Gateway::start_on(&folder, https, "", tls, &tables(websocket, https));

    let (page, media) = (
        format!("https://app.site.test:{https}"),
        format!("media.site.test:{https}"),
    );
    gateway
        .clients()
        .node(&["coalesced.js", &page, &media, certificate.to_str().unwrap()]);

    let lines = |kind: &str| {
        gateway
            .accesses()
            .into_iter()
            .filter(|line| line["kind"] == kind)
            .collect::<Vec<_>>()
    };
    until("every WebSocket has its line", || {
        lines("tunnel").len() == 4
    });
    for line in lines("tunnel") {
        assert!(
            line["http"] == "HTTP/2.0" && line["host"] == format!("media.site.test:{https}"),
            "{line}"
        );
    }
    let closed = lines("request")
        .into_iter()
        .find(|line| line["path"] == "/closed")
        .unwrap();
    assert!(
        closed["status"] == 403 && closed["reason"] == "address",
        "{closed}"
    );
    assert!(lines("request").iter().all(|line| line["status"] != 421));
    // The page and its WebSockets; the request without cookies; who looked whether the gateway is
    // there, and at its key.
    let connections = gateway.metrics().sum(
        "ianitor_connections_accepted_total",
        &[("listener", "https")],
    );
    assert!(connections <= 5, "{connections} connections");
}

fn tables(websocket: u16, https: u16) -> String {
    format!(
        r#"
[upstreams]
janus = {{ servers = ["http://127.0.0.1:{websocket}"], protocol = "janus" }}
[policies]
nobody = {{ allow = ["192.0.2.1"] }}
[[routes]]
host = "app.site.test"
path = "/page.html"
files = "page.html"
policy = "open"
[[routes]]
host = "media.site.test"
path = "/janus-ws"
upstream = "janus"
policy = "open"
[[routes]]
host = "media.site.test"
path = "/closed"
files = "text"
policy = "nobody"
[[routes]]
host = "media.site.test"
path = "/text"
files = "text"
policy = "open"
cors = {{ origins = ["https://app.site.test:{https}"] }}
"#
    )
}
