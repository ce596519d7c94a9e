//! The status listener answers under names that no web page can have lead to it (DNS rebinding).

use crate::harness::{Config, TestGateway, Upstream};

#[test]
fn the_status_listener_answers_to_addresses_and_names_that_are_written() {
    let upstream = Upstream::ok();
    let listen =
        |lines: &str| format!("https = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"\n{lines}");
    let config = |lines: &str| Config::to(&upstream).listen(&listen(lines));
    let mut gateway = TestGateway::start(&config(""));
    for path in ["/", "/metrics", "/healthz", "/readyz", "/nothing"] {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "metrics.internal:9180",
            "0x7f.1",
            "",
        ] {
            let (status, body) = gateway.status_of(path, &format!("Host: {host}\r\n"));
            assert_eq!(status, 421, "{path} {host}");
            assert!(
                body.contains("listen.status_hosts") && !body.contains("ianitor_"),
                "{body}"
            );
        }
    }
    for host in [
        "127.0.0.1:9180",
        "[::1]",
        "192.0.2.7",
        "localhost:1",
        "LOCALHOST.",
    ] {
        assert_eq!(
            gateway
                .status_of("/metrics", &format!("Host: {host}\r\n"))
                .0,
            200,
            "{host}"
        );
    }
    assert_eq!(
        gateway
            .status_of("/metrics", "Host: localhost\r\nHost: evil.example\r\n")
            .0,
        421
    );
    assert_eq!(
        gateway
            .status_of("http://evil.example/metrics", "Host: localhost\r\n")
            .0,
        421
    );
    // A reload brings a name, and takes it away, without another listener.
    let address = gateway.running().status_address();
    gateway.reload(&config("status_hosts = [\"metrics.internal\"]"));
    assert_eq!(
        gateway
            .status_of("/metrics", "Host: Metrics.internal:9180\r\n")
            .0,
        200
    );
    assert_eq!(
        gateway.status_of("/metrics", "Host: evil.example\r\n").0,
        421
    );
    gateway.reload(&config(""));
    assert_eq!(
        gateway
            .status_of("/metrics", "Host: metrics.internal\r\n")
            .0,
        421
    );
    assert_eq!(gateway.running().status_address(), address);
}
