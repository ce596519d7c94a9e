//! `%2F` in a path: rejected, unless the route keeps it, and never a way to another route.

use crate::harness::{Config, TestGateway, Upstream};

const KEEP: &str = "policy = \"open\"\nencoded_slash = \"keep\"";

#[track_caller]
fn statuses(gateway: &TestGateway, target: &str) -> [u16; 2] {
    let by_h1 = gateway.client().get(target).status();
    [by_h1, gateway.dial().h2().get(target).status]
}

#[test]
fn an_encoded_slash_reaches_the_server_where_its_route_keeps_it() {
    let upstream = Upstream::ok();
    let config = Config::new()
        .upstream("app", &upstream.url())
        .route_with("/projects", "app", KEEP)
        .route_with(
            "/sub",
            "app",
            "policy = \"open\"\nencoded_slash = \"keep\"\nstrip_prefix = \"/sub\"",
        )
        .route("/other", "app");
    let mut gateway = TestGateway::start(&config);
    for (target, arrives) in [
        ("/projects/group%2Fname", "/projects/group%2Fname"),
        (
            "/projects/group%2fname/x?a=%2f",
            "/projects/group%2Fname/x?a=%2f",
        ),
        ("/sub/group%2Fname", "/group%2Fname"),
    ] {
        assert_eq!(statuses(&gateway, target), [200, 200], "{target}");
        let heads = upstream.heads();
        let seen: Vec<_> = heads
            .iter()
            .rev()
            .take(2)
            .map(|head| head.target())
            .collect();
        assert_eq!(seen, [arrives, arrives]);
    }
    gateway.access.lines(6);
    gateway.access.clear();
    let before = upstream.heads().len();
    assert_eq!(statuses(&gateway, "/other/group%2Fname"), [400, 400]);
    let lines = gateway.access.lines(2);
    assert!(
        lines
            .iter()
            .all(|line| line.contains("reason=path_encoded_slash")),
        "{lines:?}"
    );
    // A reload that takes the key out takes effect.
    gateway.reload(&Config::to(&upstream));
    assert_eq!(statuses(&gateway, "/projects/group%2Fname"), [400, 400]);
    assert_eq!(upstream.heads().len(), before);
}

#[test]
fn an_encoded_slash_leads_to_no_path_of_another_route() {
    let upstream = Upstream::ok();
    let config = Config::new()
        .upstream("app", &upstream.url())
        .policy("lan", "\"192.0.2.0/24\"")
        .route_with("/", "app", KEEP)
        .route_with("/admin", "app", "policy = \"lan\"")
        .route("/x/y", "app");
    let gateway = TestGateway::start(&config);
    for target in [
        "/admin%2Fx",
        "/admin%2f",
        "/x%2Fy",
        "/x%2Fy%2Fz",
        "/x/y%2Fz",
        "/a%2F..%2Fadmin",
        "/a/..%2Fadmin",
        "/%2Fadmin",
        "/a%2F%2Fb",
        "/a%5Cb",
        "/a%252Fb",
        "/.ianitor%2Fsign-in",
    ] {
        assert_eq!(statuses(&gateway, target), [400, 400], "{target}");
    }
    assert_eq!(statuses(&gateway, "/admin/a%2Fb"), [400, 400]);
    assert!(upstream.heads().is_empty());
    assert_eq!(statuses(&gateway, "/administration%2Fx"), [200, 200]);
}
