//! The status page, as a browser shows it.

use crate::support::{Folder, Gateway, free_ports, loopback, pictures, shipped};

#[test]
fn the_status_page_needs_nothing_but_itself() {
    let folder = Folder::new("status");
    let [https, http, status, nobody] = free_ports();
    let text = shipped(
        "gateway.toml",
        &[
            (
                r#"["[::]:8443"]"#,
                format!("{}\nstatus = \"127.0.0.1:{status}\"", loopback(https)),
            ),
            (r#"["[::]:8080"]"#, loopback(http)),
            ("127.0.0.1:8088", format!("127.0.0.1:{nobody}")),
        ],
    );
    let gateway = Gateway::start_file(&folder, https, &text);
    // A server that is down, a refusal: the page has something to show.
    for (path, expected) in [("/janus/info", 502), ("/nowhere", 404)] {
        assert_eq!(
            gateway.clients().curl(&[&gateway.url(path)]).status,
            expected
        );
    }

    gateway.clients().node(&[
        "status.js",
        &format!("http://127.0.0.1:{status}/"),
        &pictures("status"),
    ]);
}
